"""Endpoints: a model at a provider, with its own price, window, quantization and abilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.catalog.slugs import Slug
from openrouter_opts.sandbox.routing.providers import PROVIDERS, Provider, provider_of
from openrouter_opts.sandbox.routing.table import LISTED, Row

MILLION = Decimal(1_000_000)

# What nearly every server of models takes beside what the catalogue says.
_COMMON = frozenset({"max_completion_tokens", "seed", "frequency_penalty", "presence_penalty", "top_k"})
_IMPLIED = {
    "tools": frozenset({"parallel_tool_calls"}),
    "reasoning": frozenset({"reasoning_effort", "verbosity"}),
}
_SAMPLING = frozenset({"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"})

_ASSUMED_PRICE = {"prompt": Decimal("0.000001"), "completion": Decimal("0.000003")}
_ASSUMED_CONTEXT = 128_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a provider.

    Attributes:
        model: its slug as answers report it.
        tag: the provider's slug, with the variant: ``deepinfra/turbo``, ``openai/flex``.
        pricing: USD per token (``request``: per request, ``image``: per input image).
        throughput: tokens per second, median.
        latency: seconds to the first token, median.
        tier: the service tier, or None for the ordinary one.
    """

    model: str
    model_name: str
    provider: Provider
    tag: str
    context_length: int
    max_completion_tokens: int
    quantization: str
    pricing: Mapping[str, Decimal]
    supported_parameters: frozenset[str]
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    throughput: float
    latency: float
    tier: str | None = None
    caches_by_itself: bool = False

    @property
    def author(self) -> str:
        """Whose model it is: ``anthropic``."""
        return self.model.partition("/")[0]

    def price(self, *names: str) -> Decimal:
        """The first of these prices that the endpoint names, USD; zero where it names none."""
        return next((self.pricing[name] for name in names if name in self.pricing), Decimal(0))

    def prices(self) -> dict[str, str]:
        """The prices as the API writes them."""
        return {name: f"{price:f}" for name, price in self.pricing.items()}

    def wire(self) -> dict[str, Any]:
        """The row of ``GET /models/{author}/{slug}/endpoints``; latency in milliseconds there."""
        chooses = "tool_choice" in self.supported_parameters
        return {
            "name": f"{self.provider.name} | {self.model}",
            "model_id": self.model,
            "model_name": self.model_name,
            "context_length": self.context_length,
            "pricing": self.prices() | {"discount": 0},
            "provider_name": self.provider.name,
            "tag": self.tag,
            "quantization": self.quantization,
            "max_completion_tokens": self.max_completion_tokens,
            "max_prompt_tokens": None,
            "supported_parameters": sorted(self.supported_parameters),
            "supports_implicit_caching": self.caches_by_itself,
            "status": 0,
            "uptime_last_5m": 100,
            "uptime_last_30m": 100,
            "uptime_last_1d": 99.9,
            "latency_last_30m": _percentiles(self.latency * 1000, slower=1.3),
            "throughput_last_30m": _percentiles(self.throughput, slower=0.8),
            "service_tier": self.tier,
            "native_tools": {},
            "supports_tool_choice": dict.fromkeys(("auto", "function", "none", "required"), chooses),
            "supports_diarization": False,
        }


def _percentiles(median: float, slower: float) -> dict[str, float]:
    """A spread around the median: each step is ``slower`` times the one before."""
    names = ("p50", "p75", "p90", "p99")
    return {name: round(median * slower**step, 3) for step, name in enumerate(names)}


@cache
def endpoints_of(model_id: str) -> tuple[Endpoint, ...]:
    """Who serves the model with exactly this id; empty if nobody does.

    The well-known models have several endpoints, every other one of the catalogue has one. Those of an alias are those of the model
    that it stands for, at whose price it is answered.
    """
    if Slug.parse(model_id).is_latest_alias:
        model = newest(model_id)
        return endpoints_of(model.id) if model else ()
    if model_id in LISTED:
        return tuple(_listed(Catalog.bundled()[model_id], row) for row in LISTED[model_id])
    # A lookup would find more than is listed: a `:free` variant of any model, for one.
    return (_derived(Catalog.bundled()[model_id]),) if model_id in _catalogued() else ()


@cache
def _catalogued() -> frozenset[str]:
    return frozenset(iter(Catalog.bundled()))


def _listed(model: Model, row: Row) -> Endpoint:
    provider = PROVIDERS[row.tag.partition("/")[0]]
    prices = {"prompt": row.prompt, "completion": row.completion, "input_cache_read": row.cache_read}
    prices |= {"input_cache_write": row.cache_write, "input_cache_write_1h": row.cache_write_1h}
    prices |= {"image_output": row.image_output, "audio": row.audio}
    return Endpoint(
        model=model.id,
        model_name=model.name,
        provider=provider,
        tag=row.tag,
        context_length=row.context or model.context_length or _ASSUMED_CONTEXT,
        max_completion_tokens=row.longest or _longest(model),
        quantization=row.quantization,
        pricing={name: Decimal(price) / MILLION for name, price in prices.items() if price is not None},
        supported_parameters=(_abilities(model) | row.more) - row.without,
        input_modalities=model.input_modalities,
        output_modalities=model.output_modalities,
        throughput=row.throughput,
        latency=row.latency,
        tier=row.tier,
        caches_by_itself=row.caches_by_itself,
    )


def _derived(model: Model) -> Endpoint:
    provider = provider_of(model.id.partition("/")[0])
    return Endpoint(
        model=model.id,
        model_name=model.name,
        provider=provider,
        tag=provider.slug,
        context_length=model.context_length or _ASSUMED_CONTEXT,
        max_completion_tokens=_longest(model),
        quantization="unknown",
        pricing=dict(model.pricing or _ASSUMED_PRICE),
        supported_parameters=_abilities(model),
        input_modalities=model.input_modalities,
        output_modalities=model.output_modalities,
        throughput=60.0,
        latency=0.8,
    )


def _longest(model: Model) -> int:
    return model.max_completion_tokens or model.context_length or _ASSUMED_CONTEXT


def _abilities(model: Model) -> frozenset[str]:
    """What an endpoint takes: OpenAI's reasoning models take no sampling parameters, others the usual ones."""
    listed = model.supported_parameters
    common = _COMMON if "temperature" in listed else _COMMON - _SAMPLING
    return listed | common | frozenset().union(*(more for name, more in _IMPLIED.items() if name in listed))


def newest(alias: str) -> Model | None:
    """The newest model of a family that an alias names; one that makes images only if all of the family do."""
    return _of_text().get(alias) or _without_aliases().get(alias)


@cache
def _of_text() -> Catalog:
    return Catalog(model for model in _without_aliases().values() if model.output_modalities == ("text",))


@cache
def _without_aliases() -> Catalog:
    """The catalogue without the rows of aliases themselves, so that each leads to a model."""
    return Catalog(model for model in Catalog.bundled().values() if not model.id.startswith("~"))
