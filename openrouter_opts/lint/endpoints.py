"""Which endpoints of a model may serve a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from openrouter_opts.catalog import Endpoint, Model
from openrouter_opts.lint.body import Body, listed, models_of, names_in, number_in, object_in, provider_of
from openrouter_opts.lint.finding import Finding

_MILLION: Final = Decimal(1_000_000)
BOUNDED: Final[Mapping[str, Decimal]] = {
    "prompt": _MILLION,
    "completion": _MILLION,
    "request": Decimal(1),
    "image": Decimal(1),
}
"""The prices that `max_price` bounds, and by how much its unit is larger than theirs."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A model that may serve a request.

    Attributes:
        slug: its name in the request.
        model: what is known of it; None where that is nothing for certain.
        endpoints: those that may serve the request.
    """

    slug: str
    model: Model | None = None
    endpoints: Sequence[Endpoint] = ()


@dataclass(frozen=True, slots=True)
class Excluded:
    """What leaves no endpoint of a model."""

    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class _Filter:
    """A part of the request that excludes endpoints, and what to say when none is left."""

    path: str
    keeps: Callable[[Endpoint, Body], bool]
    says: Callable[[Sequence[Endpoint]], str]


def judged(body: Body, slug: str, facts: Model | None) -> Serving | Excluded:
    """Return the endpoints of a model that may serve a request, or what excludes them all.

    Args:
        body: The request.
        slug: The model, as the request names it.
        facts: What is known of it; nothing is excluded where they are assumptions.
    """
    if facts is None or not facts.known:
        return Serving(slug)
    left: Sequence[Endpoint] = [each for each in facts.endpoints if _is_in_reach(each, body)]
    left = left or facts.endpoints or [_as_endpoint(facts)]
    for rule in _FILTERS if facts.endpoints else (_ZDR,):
        before, left = left, [each for each in left if rule.keeps(each, body)]
        if not left:
            return Excluded([Finding(rule.path, f"leaves no endpoint of {facts.id}; {rule.says(before)}")])
    limits = limits_of(body)
    able = [each for each in left if all(limit <= most_tokens(each, limit) for limit in limits.values())]
    if able:
        return Serving(slug, facts, able)
    most = max(most_tokens(each, 0) for each in left)
    said = f"is above what any endpoint of {facts.id} can write; ask for {most:,} tokens at most"
    return Excluded([Finding(path, said) for path, limit in limits.items() if limit > most])


def _as_endpoint(facts: Model) -> Endpoint:
    """A model without known endpoints, as one endpoint: what it can't do, none can. Limit and price of its top one say little."""
    return Endpoint(
        "",
        "",
        context_length=facts.context_length,
        supported_parameters=facts.supported_parameters,
        zdr=None if facts.zdr is None else bool(facts.zdr),
    )


def _is_in_reach(endpoint: Endpoint, body: Body) -> bool:
    """Whether an endpoint may be chosen at all: those of a service tier have to be asked for."""
    if endpoint.service_tier is None or body.get("service_tier") or body.get("speed"):
        return True
    named = (*names_in(provider_of(body), "order"), *names_in(provider_of(body), "only"))
    return endpoint.tag in named or any(":nitro" in name or ":floor" in name for name in models_of(body))


def _in_only(endpoint: Endpoint, body: Body) -> bool:
    only = names_in(provider_of(body), "only")
    return not only or any(map(endpoint.is_named, only))


def _not_ignored(endpoint: Endpoint, body: Body) -> bool:
    return not any(map(endpoint.is_named, names_in(provider_of(body), "ignore")))


def _in_order(endpoint: Endpoint, body: Body) -> bool:
    provider = provider_of(body)
    order = names_in(provider, "order") if provider.get("allow_fallbacks") is False else ()
    return not order or any(map(endpoint.is_named, order))


def _is_quantized(endpoint: Endpoint, body: Body) -> bool:
    wanted = names_in(provider_of(body), "quantizations")
    return not wanted or (endpoint.quantization or "unknown") in wanted


def _keeps_nothing(endpoint: Endpoint, body: Body) -> bool:
    return endpoint.zdr is not False or provider_of(body).get("zdr") is not True


def _is_affordable(endpoint: Endpoint, body: Body) -> bool:
    prices = endpoint.pricing or {}
    bounds = object_in(provider_of(body), "max_price")
    return not any(
        name in prices and (bound := number_in(bounds.get(name))) is not None and prices[name] * scale > bound
        for name, scale in BOUNDED.items()
    )


def _served_by(endpoints: Sequence[Endpoint]) -> str:
    return f"it is served by {listed(each.tag for each in endpoints)}"


def _quantized_as(endpoints: Sequence[Endpoint]) -> str:
    return f"they are quantized as {listed(each.quantization or 'unknown' for each in endpoints)}"


def _none_is_zdr(endpoints: Sequence[Endpoint]) -> str:
    return f"{listed(each.tag for each in endpoints) or 'each of them'} may keep data"


def _prices(endpoints: Sequence[Endpoint]) -> str:
    """The lowest prices, in the units of `max_price`."""
    lowest = [
        f"{name} {min(prices) * scale:f}"
        for name, scale in BOUNDED.items()
        if (prices := [each.pricing[name] for each in endpoints if each.pricing and name in each.pricing])
    ]
    return f"the lowest prices, in its units, are {', '.join(lowest)}"


_ZDR: Final = _Filter("provider.zdr", _keeps_nothing, _none_is_zdr)
_FILTERS: Final = (
    _Filter("provider.only", _in_only, _served_by),
    _Filter("provider.ignore", _not_ignored, _served_by),
    _Filter("provider.order", _in_order, _served_by),
    _Filter("provider.quantizations", _is_quantized, _quantized_as),
    _ZDR,
    _Filter("provider.max_price", _is_affordable, _prices),
)


def limits_of(body: Body) -> Mapping[str, int]:
    """Return the limits of the answer's tokens, by the names they were given by."""
    named = {name: body.get(name) for name in ("max_completion_tokens", "max_tokens")}
    return {name: limit for name, limit in named.items() if isinstance(limit, int)}


def most_tokens(endpoint: Endpoint, unknown: int) -> int:
    """Return the most tokens that an endpoint can write, ``unknown`` where nobody says."""
    return endpoint.max_completion_tokens or endpoint.context_length or unknown
