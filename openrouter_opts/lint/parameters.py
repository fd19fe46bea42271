"""Which parameters of a request the endpoints support that may serve it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openrouter_opts.catalog import Endpoint, Model
from openrouter_opts.lint.body import Body, has_preset, listed, models_of, provider_of
from openrouter_opts.lint.endpoints import Serving
from openrouter_opts.lint.finding import Finding

# What is sent, and the value that changes nothing where it isn't supported, unless support is required.
_PLAIN: Final[Mapping[str, Any]] = {
    "temperature": 1,
    "top_p": 1,
    "top_k": 0,
    "min_p": 0,
    "top_a": 0,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "repetition_penalty": 1,
    "seed": None,
    "stop": [],
    "logit_bias": {},
    "logprobs": False,
    "top_logprobs": None,
    "verbosity": "medium",
    "prediction": None,
    "structured_outputs": False,
}


@dataclass(frozen=True, slots=True)
class _Need:
    """A parameter that is sent, and the names of support for it, any of which will do."""

    path: str
    names: tuple[str, ...]
    matters: bool = False
    """Whether an answer without it is of no use, so that it has to be supported wherever the request may go."""


def _needs(body: Body, *, must: bool) -> Iterator[_Need]:
    for name, value in body.items():
        if value is None:
            continue
        if name in _PLAIN and (must or value != _PLAIN[name]):
            yield _Need(name, (name,))
        elif name in _READ and (need := _READ[name](value, body)):
            yield need


def _limited(_value: Any, _body: Body) -> _Need:
    return _Need("max_tokens", ("max_tokens", "max_completion_tokens"))


def _has_functions(body: Body) -> bool:
    """Whether there are tools beside those that run at OpenRouter, which need nothing."""
    tools = body.get("tools")
    return isinstance(tools, list) and any(
        isinstance(tool, dict) and tool.get("type") == "function" for tool in tools
    )


def _tools(_value: Any, body: Body) -> _Need | None:
    matters = body.get("tool_choice") != "none"
    return _Need("tools", ("tools",), matters=matters) if _has_functions(body) else None


def _tool_choice(value: Any, body: Body) -> _Need | None:
    """A tool that runs at OpenRouter can be chosen for any model."""
    is_asked = value["type"] == "function" if isinstance(value, dict) and "type" in value else value != "auto"
    return _Need("tool_choice", ("tool_choice",)) if is_asked and _has_functions(body) else None


def _parallel(value: Any, body: Body) -> _Need | None:
    is_asked = value is False and _has_functions(body)
    return _Need("parallel_tool_calls", ("parallel_tool_calls",)) if is_asked else None


def _web_search(value: Any, body: Body) -> _Need | None:
    """OpenRouter's own search may use them, too."""
    is_own = body.get("plugins") or body.get("tools") or any(":online" in slug for slug in models_of(body))
    return _Need("web_search_options", ("web_search_options",)) if value and not is_own else None


def _response_format(value: Any, _body: Body) -> _Need | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "json_schema":
        return _Need("response_format", ("structured_outputs",), matters=True)
    if kind == "json_object":
        return _Need("response_format", ("response_format", "structured_outputs"), matters=True)
    return None


def _reasoning(value: Any, _body: Body) -> _Need | None:
    """To think less, or not to see it, is met by a model that doesn't think."""
    asked = value if isinstance(value, dict) else {}
    thinks = asked.get("enabled") is True or asked.get("max_tokens") or _is_effort(asked.get("effort"))
    return _Need("reasoning", ("reasoning", "reasoning_effort")) if thinks else None


def _reasoning_effort(value: Any, _body: Body) -> _Need | None:
    return _Need("reasoning_effort", ("reasoning", "reasoning_effort")) if _is_effort(value) else None


def _is_effort(value: Any) -> bool:
    return value not in (None, "none")


_READ: Final[Mapping[str, Callable[[Any, Body], _Need | None]]] = {
    "max_tokens": _limited,
    "max_completion_tokens": _limited,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _parallel,
    "web_search_options": _web_search,
    "response_format": _response_format,
    "reasoning": _reasoning,
    "reasoning_effort": _reasoning_effort,
}

JUDGED: Final = frozenset({"provider", *_PLAIN, *_READ})


def about_parameters(body: Body, serving: Sequence[Serving]) -> Iterator[Finding]:
    """Find parameters that no endpoint supports, or not all of them where an answer without is of no use."""
    models = [each.model for each in serving if each.model is not None]
    if len(models) < len(serving):  # one of them may support anything
        return
    left = [endpoint for each in serving for endpoint in each.endpoints]
    must = provider_of(body).get("require_parameters") is True
    name = listed(model.id for model in models)
    needs = [need for need in _needs(body, must=must) if all(_is_recorded(need, model) for model in models)]
    lacking = [(need, [each for each in left if _lacks(each, need)]) for need in needs]
    nowhere = [need for need, without in lacking if len(without) == len(left)]
    for need in nowhere:
        yield Finding(need.path, f"no endpoint of {name} supports it, {_outcome(need, must=must)}")
    if must and not nowhere and all(any(_lacks(each, need) for need in needs) for each in left):
        sent = listed(need.path for need in needs)
        yield Finding("provider.require_parameters", f"no endpoint of {name} supports all of {sent}")
    if must or nowhere or has_preset(body):  # a preset may require parameters where the request doesn't
        return
    for need, without in lacking:
        if need.matters and without:
            tags = listed(each.tag for each in without)
            yield Finding(
                need.path,
                f"of the endpoints of {name} that may serve it, {tags} would drop it silently; set"
                " provider.require_parameters",
            )


def _is_recorded(need: _Need, model: Model) -> bool:
    recorded = None if model.endpoints else model.recorded_parameters
    return recorded is None or need.names[0] in recorded


def _lacks(endpoint: Endpoint, need: _Need) -> bool:
    supported = endpoint.supported_parameters
    return bool(supported) and supported.isdisjoint(need.names)


def _outcome(need: _Need, *, must: bool) -> str:
    if must:
        return "and provider.require_parameters excludes those; leave it out, or choose another model"
    if need.path == "tools":
        return "so the request would be refused; choose another model"
    return "so OpenRouter drops it silently; leave it out, or choose another model"
