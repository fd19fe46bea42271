"""Whatever the official SDK can say in a chat request, an option or a typed part of one can say too.

When this fails after an update of the SDK, OpenRouter has something new: give it a field in `openrouter_opts.options`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import pytest
from openrouter.components import ChatRequest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from openrouter_opts.options import ArmorPlugin, Datetime, Part, ServerTool, WebSearch
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.option import InstanceOnly

Known = Mapping[str, Any]
"""Keys that can be set, each with the annotation of its value."""

NOT_OPTIONS: Final = {"messages", "model", "stream"}
TAGS: Final = {"type", "id"}
"""Keys that tell the kind of an object."""
ANY_KEY: Final = {
    "provider.options": "its keys are the slugs of providers",
    "stream_options": "deprecated, and without effect",
}
LEFT_OUT: Final = {
    "tools.parameters.inherit_functions": "of the Responses API; chat completions answers 400",
    "tools.parameters.inherited_function_names": "of the Responses API; chat completions answers 400",
    "plugins.pdf.engine = pdf-text": "deprecated, and the same as cloudflare-ai",
    "tools.type = web_search": "short for openrouter:web_search",
    "tools.type = web_search_2025_08_26": "short for openrouter:web_search",
    "tools.type = web_search_preview": "short for openrouter:web_search",
    "tools.type = web_search_preview_2025_03_11": "short for openrouter:web_search",
}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the models that a value may be, or may hold as a list."""
    if isinstance(annotation, TypeAliasType):
        yield from models_in(annotation.__value__)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        if not any(isinstance(mark, InstanceOnly) for mark in marks):
            yield from models_in(inner)
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from models_in(inner)


def keys_of(model: type[BaseModel]) -> Known:
    """Return the keys of a model. The `id` of a plugin of ours, and the `type` of a tool, take that one value."""
    return {
        field.alias or name: Literal[field.default]
        if field.annotation is str and isinstance(field.default, str)
        else field.annotation
        for name, field in model.model_fields.items()
    }


def values_in(annotation: Any) -> set[str]:
    """Return the values that are listed for a key."""
    if isinstance(annotation, TypeAliasType):
        return values_in(annotation.__value__)
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return {value for inner in get_args(annotation) for value in values_in(inner)}


def family(part: type[Part]) -> Iterator[type[Part]]:
    yield part
    for special in part.__subclasses__():
        yield from family(special)


def parts_for(model: type[BaseModel], annotation: Any) -> list[type[Part]]:
    """Choose our parts for a model of the SDK: those made for its tag, or else all that may stand there."""
    tags = {value for tag in TAGS for value in values_in(keys_of(model).get(tag))}
    if any(tag.startswith("web_search") for tag in tags):
        return [WebSearch]
    parts = [special for part in models_in(annotation) if issubclass(part, Part) for special in family(part)]
    made_for = [
        part
        for part in parts
        if any(part.model_fields[tag].default in tags for tag in TAGS & part.model_fields.keys())
    ]
    return made_for or parts


def known_to(parts: Collection[type[Part]]) -> Known:
    """Return the keys that can be set in one of these parts. A server tool has its parameters in an object of their own."""
    known = {key: annotation for part in parts for key, annotation in keys_of(part).items()}
    return {**known, "parameters": known} if any(issubclass(part, ServerTool) for part in parts) else known


def missing(model: type[BaseModel], known: Known, path: str = "") -> Iterator[str]:
    """Find what can't be set: keys of a model of the SDK and of those below it, and values that we don't list."""
    for key, theirs in keys_of(model).items():
        where = f"{path}{key}"
        if where in NOT_OPTIONS or where in ANY_KEY:
            continue
        if key not in known:
            yield where
            continue
        ours = known[key]
        if listed := values_in(ours):
            yield from (f"{where} = {value}" for value in values_in(theirs) - listed)
        for inner in models_in(theirs):
            inside = ours if isinstance(ours, dict) else known_to(parts_for(inner, ours))
            yield from missing(inner, inside, f"{where}.")


def test_everything_that_the_official_sdk_can_send_can_be_set() -> None:
    assert set(missing(ChatRequest, keys_of(AllFields))) == LEFT_OUT.keys()


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("seed", "seed"),
        ("zdr", "provider.zdr"),
        ("p99", "provider.preferred_max_latency.p99"),
        ("threshold", "plugins.threshold"),
        ("x_search", "plugins.x_search"),
        ("watch", "plugins.rules.watch"),
        ("max_total_results", "tools.parameters.max_total_results"),
        ("network_policy", "tools.parameters.environment.network_policy"),
        ("defer_loading", "tools.function.defer_loading"),
        ("schema", "response_format.json_schema.schema"),
        ("reason", "stop_server_tools_when.reason"),
        ("result_key", "deferred_tools.search.result_key"),
        ("ttl", "cache_control.ttl"),
    ],
)
def test_a_key_that_we_lack_is_found_wherever_it_is(
    key: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(model: type[BaseModel]) -> Known:
        ours = issubclass(model, Part | AllFields)
        return {name: value for name, value in whole(model).items() if name != key or not ours}

    whole = keys_of
    monkeypatch.setitem(globals(), "keys_of", lacking)
    assert path in set(missing(ChatRequest, keys_of(AllFields)))


@pytest.mark.parametrize(
    ("part", "path"), [(ArmorPlugin, "plugins.id = armor"), (Datetime, "tools.type = openrouter:datetime")]
)
def test_a_plugin_or_a_tool_that_we_lack_is_found(
    part: type[Part], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = family
    monkeypatch.setitem(globals(), "family", lambda root: (one for one in everyone(root) if one is not part))
    assert path in set(missing(ChatRequest, keys_of(AllFields)))


def test_a_value_that_we_lack_is_found() -> None:
    known = {**keys_of(AllFields), "reasoning_effort": Literal["low"]}
    assert "reasoning_effort = high" in set(missing(ChatRequest, known))
