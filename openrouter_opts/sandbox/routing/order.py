"""Routing: from a request and the endpoints there are to the endpoints to try, in order, or the reason why there is none.

Everything here is pure and deterministic. Where OpenRouter draws lots weighted by price, the cheapest endpoint comes first.
The rules: https://openrouter.ai/docs/guides/routing/provider-selection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.endpoints import MILLION, Endpoint
from openrouter_opts.sandbox.routing.wishes import Wishes

_REGION: Final = re.compile(r"[a-z]+-[a-z]+-?\d+|global|europe|eu|us")

_LEARN: Final = "To learn more about provider routing, visit: https://openrouter.ai/docs/guides/routing/provider-selection"

_SORT_OF_VARIANT: Final = {"nitro": "throughput", "floor": "price", "exacto": "exacto"}
_COMPRESSED_BY_DEFAULT: Final = 8_192
_TIER_OF_VARIANT: Final = {"nitro": "priority", "floor": "flex"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A model to try, with the endpoints that serve it.

    Attributes:
        name: as the request names it.
        variants: the suffixes that change routing: ``nitro``, ``floor``, ``exacto``.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Filter:
    """Keeps endpoints, and says why none was left."""

    keeps: Callable[[Endpoint, Wishes], bool]
    refuses: Callable[[Sequence[Endpoint], Wishes, str], Refusal]


def route(choices: Sequence[Choice], wishes: Wishes) -> tuple[Endpoint, ...] | Refusal:
    """The endpoints to try, first to last; of refusals that of the first model counts."""
    lists: list[tuple[Endpoint, ...]] = []
    refusals: list[Refusal] = []
    for choice in choices:
        found = _route_one(choice, wishes)
        if isinstance(found, Refusal):
            refusals.append(found)
        else:
            lists.append(found)
    if not lists:
        return refusals[0]
    endpoints = tuple(endpoint for found in lists for endpoint in found)
    if wishes.merge_models and len(lists) > 1:
        return tuple(sorted(endpoints, key=lambda endpoint: _rank(endpoint, wishes)))
    return endpoints


def _is_named(endpoint: Endpoint, names: Sequence[str]) -> bool:
    """Whether one of ``names`` means this endpoint, or a region of it."""
    return _position(endpoint, names) < len(names)


def _is_ignored(endpoint: Endpoint, names: Sequence[str]) -> bool:
    """Whether one of ``names`` means the whole of this endpoint: without one region the others are left."""
    return any(_means(name.lower(), endpoint) for name in names)


def _position(endpoint: Endpoint, names: Sequence[str]) -> int:
    """Where the endpoint is named first; past the end if nowhere."""
    lowered = [name.lower() for name in names]
    return next(
        (
            index
            for index, name in enumerate(lowered)
            if _means(name, endpoint) or _means_region(name, endpoint)
        ),
        len(names),
    )


def _means(name: str, endpoint: Endpoint) -> bool:
    """A provider's slug means all its endpoints but those of a service tier; its display name does too."""
    provider = endpoint.provider
    return name == endpoint.tag or (endpoint.tier is None and name in {provider.slug, provider.name.lower()})


def _means_region(name: str, endpoint: Endpoint) -> bool:
    """``google-vertex/us-east5``; the sandbox's endpoints are at home in every region of their provider."""
    slug, _, region = name.partition("/")
    provider = endpoint.provider
    is_region = provider.regional and _REGION.fullmatch(region) is not None
    return is_region and slug == provider.slug and endpoint.tier is None


def _route_one(choice: Choice, wishes: Wishes) -> tuple[Endpoint, ...] | Refusal:
    wishes = _with_variants(wishes, choice.variants)
    tiers = {wishes.tier, *(_TIER_OF_VARIANT.get(variant) for variant in choice.variants)}
    left = [endpoint for endpoint in choice.endpoints if _in_tier(endpoint, wishes, tiers)]
    for rule in _FILTERS:
        before, left = left, [endpoint for endpoint in left if rule.keeps(endpoint, wishes)]
        if not left:
            return rule.refuses(before, wishes, choice.name)
    ordered = sorted(left, key=lambda endpoint: _rank(endpoint, wishes))
    if not wishes.allow_fallbacks:
        named = [endpoint for endpoint in ordered if _is_named(endpoint, wishes.order)]
        ordered = named if wishes.order else ordered[:1]
    if not ordered:
        return _no_provider(left, wishes, choice.name)
    return tuple(ordered)


def _with_variants(wishes: Wishes, variants: Sequence[str]) -> Wishes:
    sort = next(
        (_SORT_OF_VARIANT[variant] for variant in variants if variant in _SORT_OF_VARIANT), wishes.sort
    )
    return replace(wishes, sort=sort)


def _in_tier(endpoint: Endpoint, wishes: Wishes, tiers: set[str | None]) -> bool:
    """Endpoints of a tier have to be asked for; flex never falls back to the ordinary ones."""
    if endpoint.tier is None:
        return wishes.tier != "flex"
    return endpoint.tier in tiers or endpoint.tag in {*wishes.order, *wishes.only}


def _rank(endpoint: Endpoint, wishes: Wishes) -> tuple[object, ...]:
    """Sorts by what was asked for first, and ends in the price."""
    slow = wishes.min_throughput is not None and endpoint.throughput < wishes.min_throughput
    late = wishes.max_latency is not None and endpoint.latency > wishes.max_latency
    ordinary = wishes.tier is not None and endpoint.tier != wishes.tier
    by = _SORTS.get(wishes.sort or "", _cost)
    return (_position(endpoint, wishes.order), slow or late, ordinary, by(endpoint), _cost(endpoint))


def _cost(endpoint: Endpoint) -> Decimal:
    return endpoint.price("prompt") + endpoint.price("completion")


_QUALITY: Final = (
    "fp32",
    "bf16",
    "fp16",
    "unknown",
    "fp8",
    "mxfp8",
    "int8",
    "fp6",
    "fp4",
    "nvfp4",
    "mxfp4",
    "int4",
)

_SORTS: Final[dict[str, Callable[[Endpoint], object]]] = {
    "price": _cost,
    "throughput": lambda endpoint: -Decimal(endpoint.throughput),
    "latency": lambda endpoint: Decimal(endpoint.latency),
    "exacto": lambda endpoint: _QUALITY.index(endpoint.quantization),
}


def _compresses(endpoint: Endpoint, wishes: Wishes) -> bool:
    """Small windows are compressed for unless that is forbidden, https://openrouter.ai/docs/guides/features/message-transforms."""
    if wishes.compression is None:
        return endpoint.context_length <= _COMPRESSED_BY_DEFAULT
    return wishes.compression


def _affords(endpoint: Endpoint, wishes: Wishes) -> bool:
    scale = {"prompt": MILLION, "completion": MILLION}
    return all(endpoint.price(name) * scale.get(name, 1) <= bound for name, bound in wishes.max_price.items())


def _missing(endpoints: Sequence[Endpoint], wishes: Wishes) -> list[str]:
    """The parameters that keep these endpoints out; those that no endpoint takes, if there are such."""
    lacking = [wishes.parameters - endpoint.supported_parameters for endpoint in endpoints]
    everywhere = frozenset.intersection(*lacking) if lacking else frozenset()
    return sorted(everywhere or frozenset().union(*lacking))


def _no_endpoints(reason: Callable[[Sequence[Endpoint], Wishes], str]) -> Callable[..., Refusal]:
    def refuses(endpoints: Sequence[Endpoint], wishes: Wishes, name: str) -> Refusal:
        text = f"No endpoints found for {name} that {reason(endpoints, wishes)}. {_LEARN}"
        return Refusal(404, text, {"available_providers": [endpoint.tag for endpoint in endpoints]})

    return refuses


def _no_provider(endpoints: Sequence[Endpoint], wishes: Wishes, name: str) -> Refusal:
    text = f"No allowed providers are available for the selected model {name}. {_LEARN}"
    metadata = {
        "available_providers": [endpoint.tag for endpoint in endpoints],
        "requested_providers": list(wishes.only or wishes.order),
        "ignored_providers": list(wishes.ignore),
    }
    return Refusal(404, text, metadata)


def _too_long(endpoints: Sequence[Endpoint], wishes: Wishes, name: str) -> Refusal:
    longest = max(endpoint.context_length for endpoint in endpoints)
    output = wishes.max_tokens or 0
    text = (
        f"This endpoint's maximum context length is {longest} tokens. However, you requested about"
        f" {wishes.prompt_tokens + output} tokens ({wishes.prompt_tokens} of text input, {output} in the output)."
        f" Please reduce the length of either one, or use the context-compression plugin ({name})."
    )
    return Refusal(400, text, error_type="context_length_exceeded")


def _nobody(_: Sequence[Endpoint], wishes: Wishes, name: str) -> Refusal:
    tier = f" in the service tier {wishes.tier}" if wishes.tier else ""
    return Refusal(404, f"No endpoints found for {name}{tier}.")


_FILTERS: Final = (
    _Filter(lambda _endpoint, _wishes: True, _nobody),
    _Filter(
        lambda endpoint, wishes: not wishes.only or _is_named(endpoint, wishes.only),
        _no_provider,
    ),
    _Filter(lambda endpoint, wishes: not _is_ignored(endpoint, wishes.ignore), _no_provider),
    _Filter(
        lambda endpoint, wishes: not (wishes.zdr and not endpoint.provider.zdr),
        _no_endpoints(
            lambda _endpoints, _wishes: "match your data policy (zero data retention: provider.zdr)"
        ),
    ),
    _Filter(
        lambda endpoint, wishes: not (wishes.deny_collection and endpoint.provider.collects),
        _no_endpoints(
            lambda _endpoints, _wishes: 'match your data policy (provider.data_collection: "deny")'
        ),
    ),
    _Filter(
        lambda endpoint, wishes: not wishes.quantizations or endpoint.quantization in wishes.quantizations,
        _no_endpoints(lambda _, wishes: f"have the quantization {' or '.join(wishes.quantizations)}"),
    ),
    _Filter(
        _affords,
        _no_endpoints(
            lambda _, wishes: (
                "cost no more than provider.max_price "
                + ", ".join(f"{name} {bound}" for name, bound in wishes.max_price.items())
            )
        ),
    ),
    _Filter(
        lambda endpoint, wishes: wishes.reads <= set(endpoint.input_modalities),
        _no_endpoints(lambda _, wishes: f"support {' and '.join(sorted(wishes.reads))} input"),
    ),
    _Filter(
        lambda endpoint, wishes: wishes.writes <= set(endpoint.output_modalities),
        _no_endpoints(
            lambda _, wishes: f"support the requested output modalities: {', '.join(sorted(wishes.writes))}"
        ),
    ),
    _Filter(
        lambda endpoint, wishes: "tools" not in wishes.parameters or "tools" in endpoint.supported_parameters,
        _no_endpoints(lambda _endpoints, _wishes: "support tool use"),
    ),
    _Filter(
        lambda endpoint, wishes: (
            not wishes.require_parameters or wishes.parameters <= endpoint.supported_parameters
        ),
        _no_endpoints(
            lambda endpoints, wishes: (
                "can handle the requested parameters"
                f" (provider.require_parameters; missing: {', '.join(_missing(endpoints, wishes))})"
            )
        ),
    ),
    _Filter(
        lambda endpoint, wishes: (wishes.max_tokens or 0) <= endpoint.max_completion_tokens,
        _no_endpoints(lambda _, wishes: f"can produce a completion of {wishes.max_tokens} tokens"),
    ),
    _Filter(
        lambda endpoint, wishes: (
            _compresses(endpoint, wishes)
            or wishes.prompt_tokens + (wishes.max_tokens or 0) <= endpoint.context_length
        ),
        _too_long,
    ),
)
