"""What would certainly go wrong with a request, by what is known of its model. No network, no state.

Where the model's endpoints are known, they are what is judged. Otherwise the model's own facts are, as far as they settle the matter:
a parameter in no endpoint's list is in none of them, but a price is that of one endpoint among others.
The rules of routing: https://openrouter.ai/docs/guides/routing/provider-selection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from openrouter_opts.catalog import Endpoint, Model

Body: TypeAlias = Mapping[str, Any]

MOST_BREAKPOINTS: Final = 4
"""More are refused by Anthropic, https://openrouter.ai/docs/guides/best-practices/prompt-caching."""

_MILLION: Final = Decimal(1_000_000)
_BOUNDED: Final = {"prompt": _MILLION, "completion": _MILLION, "request": Decimal(1), "image": Decimal(1)}
"""The prices that `max_price` bounds, and by how much its unit is larger than theirs."""

# What is sent, and the value that changes nothing where it isn't supported.
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
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would go wrong.

    Attributes:
        path: where it is in the request: ``provider.only``.
        message: what it is, with which model, and what to do.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def lint(body: Body, facts: Model) -> tuple[Finding, ...]:
    """Return what would certainly go wrong with a request for one of its models.

    Args:
        body: The request as it would be sent; its objects are dicts, as JSON asks.
        facts: What is known of the model; nothing is found where they are assumptions.
    """
    if not facts.known:
        return ()
    left = _left(body, facts)
    about_endpoints = [left] if isinstance(left, Finding) else _about_parameters(body, facts, left)
    return (*about_endpoints, *_about_breakpoints(body, facts))


def is_worth_linting(body: Body) -> bool:
    """Whether there can be a finding at all, whatever the model; quick."""
    if not _JUDGED.isdisjoint(body):
        return True
    return any(map(_is_claude, models_of(body))) and _breakpoints(body) > MOST_BREAKPOINTS


# --- endpoints: which are left ---


@dataclass(frozen=True, slots=True)
class _Filter:
    """A part of the request that excludes endpoints, and what to say when none is left."""

    path: str
    keeps: Callable[[Endpoint, Body], bool]
    says: Callable[[Sequence[Endpoint]], str]


def _left(body: Body, facts: Model) -> Sequence[Endpoint] | Finding:
    """The endpoints that may serve the request, or what excludes them all."""
    left: Sequence[Endpoint] = [
        each for each in facts.endpoints if _is_in_reach(each, body)
    ] or facts.endpoints
    for rule in _FILTERS if left else ():
        before, left = left, [each for each in left if rule.keeps(each, body)]
        if not left:
            return Finding(rule.path, f"leaves no endpoint of {facts.id}; {rule.says(before)}")
    left = left or [_as_endpoint(facts)]
    path, limit = _limit(body)
    able = [each for each in left if limit <= _most_tokens(each, limit)]
    if able:
        return able
    most = max(_most_tokens(each, 0) for each in left)
    return Finding(
        path, f"is above what any endpoint of {facts.id} can write; ask for {most:,} tokens at most"
    )


def _as_endpoint(facts: Model) -> Endpoint:
    """A model without known endpoints, as one endpoint: what it can't do, none can. Limit and price of its top one say little."""
    return Endpoint("", "", None, facts.context_length, None, facts.supported_parameters)


def _is_in_reach(endpoint: Endpoint, body: Body) -> bool:
    """Whether an endpoint may be chosen at all: those of a service tier have to be asked for."""
    if endpoint.service_tier is None or body.get("service_tier") or body.get("speed"):
        return True
    named = (*_names(_provider(body), "order"), *_names(_provider(body), "only"))
    return endpoint.tag in named or any(":nitro" in name or ":floor" in name for name in models_of(body))


def _in_only(endpoint: Endpoint, body: Body) -> bool:
    only = _names(_provider(body), "only")
    return not only or any(map(endpoint.is_named, only))


def _not_ignored(endpoint: Endpoint, body: Body) -> bool:
    return not any(map(endpoint.is_named, _names(_provider(body), "ignore")))


def _in_order(endpoint: Endpoint, body: Body) -> bool:
    provider = _provider(body)
    order = _names(provider, "order") if provider.get("allow_fallbacks") is False else ()
    return not order or any(map(endpoint.is_named, order))


def _is_quantized(endpoint: Endpoint, body: Body) -> bool:
    wanted = _names(_provider(body), "quantizations")
    return not wanted or (endpoint.quantization or "unknown") in wanted


def _keeps_nothing(endpoint: Endpoint, body: Body) -> bool:
    return endpoint.zdr is not False or _provider(body).get("zdr") is not True


def _is_affordable(endpoint: Endpoint, body: Body) -> bool:
    prices = endpoint.pricing or {}
    bounds = _object(_provider(body), "max_price")
    return not any(
        name in prices and (bound := _number(bounds.get(name))) is not None and prices[name] * scale > bound
        for name, scale in _BOUNDED.items()
    )


def _served_by(endpoints: Sequence[Endpoint]) -> str:
    return f"it is served by {_listed(each.tag for each in endpoints)}"


def _quantized_as(endpoints: Sequence[Endpoint]) -> str:
    return f"they are quantized as {_listed(each.quantization or 'unknown' for each in endpoints)}"


def _none_is_zdr(endpoints: Sequence[Endpoint]) -> str:
    return f"{_listed(each.tag for each in endpoints)} may keep data"


def _prices(endpoints: Sequence[Endpoint]) -> str:
    """The lowest prices, in the units of `max_price`."""
    lowest = [
        f"{name} {min(prices) * scale:f}"
        for name, scale in _BOUNDED.items()
        if (prices := [each.pricing[name] for each in endpoints if each.pricing and name in each.pricing])
    ]
    return f"the lowest prices, in its units, are {', '.join(lowest)}"


_FILTERS: Final = (
    _Filter("provider.only", _in_only, _served_by),
    _Filter("provider.ignore", _not_ignored, _served_by),
    _Filter("provider.order", _in_order, _served_by),
    _Filter("provider.quantizations", _is_quantized, _quantized_as),
    _Filter("provider.zdr", _keeps_nothing, _none_is_zdr),
    _Filter("provider.max_price", _is_affordable, _prices),
)


def _limit(body: Body) -> tuple[str, int]:
    """The limit of the answer's tokens by the name it was given; 0 where there is none."""
    for name in ("max_completion_tokens", "max_tokens"):
        limit = body.get(name)
        if isinstance(limit, int):
            return name, limit
    return "max_tokens", 0


def _most_tokens(endpoint: Endpoint, unknown: int) -> int:
    return endpoint.max_completion_tokens or endpoint.context_length or unknown


# --- parameters: which are supported ---


@dataclass(frozen=True, slots=True)
class _Need:
    """A parameter that is sent, and the names of support for it, any of which will do."""

    path: str
    names: tuple[str, ...]
    matters: bool = False
    """Whether an answer without it is of no use, so that it has to be supported wherever the request may go."""


def _needs(body: Body) -> Iterator[_Need]:
    for name, value in body.items():
        if name in _PLAIN and value is not None and value != _PLAIN[name]:
            yield _Need(name, (name,))
        elif name in _READ and (need := _READ[name](value)):
            yield need


def _limited(_: Any) -> _Need:
    return _Need("max_tokens", ("max_tokens", "max_completion_tokens"))


def _tools(value: Any) -> _Need | None:
    """Server tools run at OpenRouter, and need nothing."""
    tools = value if isinstance(value, list) else []
    has_functions = any(isinstance(tool, dict) and tool.get("type") == "function" for tool in tools)
    return _Need("tools", ("tools",), matters=True) if has_functions else None


def _response_format(value: Any) -> _Need | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "json_schema":
        return _Need("response_format", ("structured_outputs",), matters=True)
    if kind == "json_object":
        return _Need("response_format", ("response_format", "structured_outputs"), matters=True)
    return None


def _reasoning(value: Any) -> _Need | None:
    """To think less, or not to see it, is met by a model that doesn't think."""
    asked = value if isinstance(value, dict) else {}
    thinks = asked.get("enabled") is True or asked.get("max_tokens") or _is_effort(asked.get("effort"))
    return _Need("reasoning", ("reasoning", "reasoning_effort")) if thinks else None


def _reasoning_effort(value: Any) -> _Need | None:
    return _Need("reasoning_effort", ("reasoning", "reasoning_effort")) if _is_effort(value) else None


def _is_effort(value: Any) -> bool:
    return value not in (None, "none")


_READ: Final[Mapping[str, Callable[[Any], _Need | None]]] = {
    "max_tokens": _limited,
    "max_completion_tokens": _limited,
    "tools": _tools,
    "response_format": _response_format,
    "reasoning": _reasoning,
    "reasoning_effort": _reasoning_effort,
}

_JUDGED: Final = frozenset({"provider", *_PLAIN, *_READ})


def _about_parameters(body: Body, facts: Model, left: Sequence[Endpoint]) -> Iterator[Finding]:
    must = _provider(body).get("require_parameters") is True
    recorded = None if facts.endpoints else facts.recorded_parameters
    needs = [need for need in _needs(body) if recorded is None or need.names[0] in recorded]
    lacking = [(need, [each for each in left if _lacks(each, need)]) for need in needs]
    nowhere = [need for need, without in lacking if len(without) == len(left)]
    for need in nowhere:
        yield Finding(need.path, f"no endpoint of {facts.id} supports it, {_outcome(need, must=must)}")
    if must and not nowhere and all(any(_lacks(each, need) for need in needs) for each in left):
        sent = _listed(need.path for need in needs)
        yield Finding("provider.require_parameters", f"no endpoint of {facts.id} supports all of {sent}")
    if must or nowhere or _has_preset(body):
        return
    for need, without in lacking:
        if need.matters and without:
            tags = _listed(each.tag for each in without)
            yield Finding(
                need.path,
                f"of the endpoints of {facts.id} that may serve it, {tags} would drop it silently; set"
                " provider.require_parameters",
            )


def _lacks(endpoint: Endpoint, need: _Need) -> bool:
    supported = endpoint.supported_parameters
    return bool(supported) and supported.isdisjoint(need.names)


def _outcome(need: _Need, *, must: bool) -> str:
    if must:
        return "and provider.require_parameters excludes those; leave it out, or choose another model"
    if need.path == "tools":
        return "so the request would be refused; choose another model"
    return "so OpenRouter drops it silently; leave it out, or choose another model"


def _has_preset(body: Body) -> bool:
    """Whether a preset is used: it may require parameters where the request doesn't."""
    return bool(body.get("preset")) or any("@preset/" in name for name in models_of(body))


# --- the prompt cache ---


def _about_breakpoints(body: Body, facts: Model) -> Iterator[Finding]:
    if _is_claude(facts.id) and _breakpoints(body) > MOST_BREAKPOINTS:
        yield Finding(
            "messages",
            f"more than {MOST_BREAKPOINTS} cache breakpoints, and {facts.id} takes no more; drop some `cache_control`,"
            " tools included",
        )


def _is_claude(slug: str) -> bool:
    return slug.startswith("anthropic/")


def _breakpoints(body: Body) -> int:
    contents = [message.get("content") for message in body.get("messages") or () if isinstance(message, dict)]
    marked = [part for content in contents if isinstance(content, list | tuple) for part in content]
    tools = body.get("tools")
    marked += tools if isinstance(tools, list) else ()
    return sum(isinstance(each, dict) and bool(each.get("cache_control")) for each in marked)


# --- reading the body ---


def models_of(body: Body) -> tuple[str, ...]:
    """Return the models that a request names, in the order in which they are tried."""
    model = body.get("model")
    named = (model, *_names(body, "models")) if isinstance(model, str) else _names(body, "models")
    return tuple(dict.fromkeys(named))


def _provider(body: Body) -> Body:
    return _object(body, "provider")


def _object(body: Body, key: str) -> Body:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _names(body: Body, key: str) -> tuple[str, ...]:
    value = body.get(key)
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()


def _number(value: Any) -> Decimal | None:
    """A bound, which may be written as a string; None for what is no number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return None if number.is_nan() else number


def _listed(names: Iterator[str]) -> str:
    """Each name once, in their order; many are cut short."""
    distinct = list(dict.fromkeys(names))
    shown = ", ".join(distinct[:6])
    return shown if len(distinct) <= 6 else f"{shown} and {len(distinct) - 6} more"
