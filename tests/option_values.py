"""Legal values of options, made from their types."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from openrouter_opts.options import OPTIONS, Part, ServerTool, WebSearchShorthand
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.option import ExactText, InstanceOnly

Values = st.SearchStrategy[Any]

_WORDS: Final = st.text("abcdefgh-/.", min_size=1, max_size=6)
_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_WORDS, inner, max_size=2),
    max_leaves=4,
)
_SIMPLE: Final[Mapping[Any, Values]] = {
    str: _WORDS,
    bool: st.booleans(),
    int: st.integers(0, 1000),
    float: st.integers(0, 9) | st.floats(0, 9, allow_nan=False),
    Decimal: st.decimals(0, 9, places=2),
    Any: _JSON,
}
# What the types don't tell.
_SPECIAL: Final[Mapping[str, Values]] = {
    "models": st.lists(_WORDS, max_size=3),
    "logit_bias": st.dictionaries(st.integers(0, 99_999).map(str), st.integers(-100, 100), max_size=2),
    **dict.fromkeys(("from_date", "to_date"), st.dates().map(str)),
    "image_config": st.dictionaries(_WORDS, _WORDS | st.integers(0, 9), max_size=2),
}
# The SDK takes the tools of a subagent, or of a fusion, with flat parameters only.
_INNER_TOOL: Final = st.fixed_dictionaries(
    {"type": st.just("openrouter:web_search")},
    optional={"parameters": st.dictionaries(st.just("max_results"), st.integers(1, 25))},
)
_INSIDE: Final[Mapping[str, Values]] = {"tools": st.lists(_INNER_TOOL, max_size=2)}
_GOES_WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "allowlist": ("allowed_domains",),
    "container_reference": ("container_id",),
    "custom": ("tool_id", "result_key"),
    "finish_reason_is": ("reason",),
    "grammar": ("grammar",),
    "has_tool_call": ("tool_name",),
    "json_schema": ("json_schema",),
    "max_cost": ("max_cost_in_dollars",),
    "max_tokens_used": ("max_tokens",),
    "step_count_is": ("step_count",),
}
_TOO_NEW: Final = {"extra_body"}


def option_sets() -> Values:
    """Return what draws sets of options that go together, those that have been renamed included."""
    body = {
        name: _of_key(name, AllFields.model_fields[name])
        for name, option in OPTIONS.items()
        if option.place == "body" and name not in _TOO_NEW
    }
    return st.fixed_dictionaries({}, optional=body).map(_compatible)


def _compatible(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out the second way to say the same thing."""
    reasoning, sort = options.get("reasoning") or {}, (options.get("provider") or {}).get("sort")
    if "effort" in reasoning:
        reasoning.pop("max_tokens", None)
    second = {
        "reasoning_effort": reasoning,
        "include_reasoning": "exclude" in reasoning,
        "logprobs": "top_logprobs" in options,
        "max_tokens": "max_completion_tokens" in options,
        "service_tier": "speed" in options,
        "route": isinstance(sort, dict) and "partition" in sort,
        "transforms": any(plugin["id"] == "context-compression" for plugin in options.get("plugins") or ()),
    }
    return {name: value for name, value in options.items() if not second.get(name)}


def _of_key(key: str, field: FieldInfo) -> Values:
    if field.annotation is str and isinstance(field.default, str):
        return st.just(field.default)  # the id of a plugin, the type of a tool
    return _SPECIAL[key] if key in _SPECIAL else _values(field.annotation)


def _values(annotation: Any) -> Values:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is None:
        return (
            _SIMPLE[annotation] if annotation in _SIMPLE else st.one_of(list(map(_part, _family(annotation))))
        )
    if origin is Annotated:
        is_price = any(isinstance(mark, ExactText) for mark in inner[1:])
        return _SIMPLE[Decimal] | _SIMPLE[Decimal].map(str) if is_price else _values(inner[0])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in {Union, UnionType}:
        return st.one_of([_values(member) for member in inner if not _beside_the_point(member, inner)])
    if issubclass(origin, Mapping):
        return st.dictionaries(_WORDS, _values(inner[1]), max_size=2)
    return st.lists(_values(inner[0]), max_size=2)


def _beside_the_point(member: Any, union: tuple[Any, ...]) -> bool:
    listed = any(get_origin(other) is Literal for other in union)
    parts = any(isinstance(other, type) and issubclass(other, Part) for other in union)
    if get_origin(member) is Annotated and any(
        isinstance(mark, InstanceOnly) for mark in get_args(member)[1:]
    ):
        return True  # no mapping
    return member is NoneType or (member is str and listed) or (get_origin(member) is Mapping and parts)


def _family(part: type[Part]) -> Iterator[type[Part]]:
    """Find what may stand for a part: itself, unless it is only the name of a family, and the members of its own family."""
    special = [each for child in part.__subclasses__() for each in _family(child)]
    if not special or not part.model_fields[part.tag].is_required():
        yield part
    yield from special


@cache
def _part(part: type[Part]) -> Values:
    fields = part.model_fields
    values = {
        key: _INSIDE[key] if key in _INSIDE else _of_key(key, fields[name])
        for key, name in part.known_keys().items()
    }
    always = [key for key, name in part.known_keys().items() if fields[name].default is not None]
    drawn = _objects(values, always)
    is_nested = issubclass(part, ServerTool) and not issubclass(part, WebSearchShorthand)
    return drawn.map(_as_server_tool) if is_nested else drawn


@st.composite
def _objects(draw: st.DrawFn, values: Mapping[str, Values], always: Collection[str]) -> dict[str, Any]:
    drawn = {key: draw(values[key]) for key in always}
    needed = _GOES_WITH.get(drawn.get("type", ""), ())
    for key in [each for each in values if each not in drawn]:
        if key in needed or draw(st.integers(0, 2)) == 0:
            drawn[key] = draw(values[key])
    return drawn


def _as_server_tool(drawn: dict[str, Any]) -> dict[str, Any]:
    return {"type": drawn.pop("type"), "parameters": drawn}
