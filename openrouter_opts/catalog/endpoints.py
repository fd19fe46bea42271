"""An endpoint: a model at a provider, as OpenRouter lists it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from openrouter_opts.catalog.rows import (
    Override,
    count_in,
    highest,
    lowest_prices_in,
    names_in,
    overrides_in,
    prices_in,
    text_in,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of one endpoint. What isn't known is None or empty.

    Attributes:
        provider: the provider's name for people: ``Amazon Bedrock``.
        tag: the slug that routing preferences name, with its variant: ``deepinfra/turbo``.
        quantization: ``fp8``, ``bf16``, ….
        context_length: tokens that prompt and answer may have together.
        max_completion_tokens: tokens that an answer may have.
        supported_parameters: request parameters that it supports.
        pricing: USD per token (``request``, ``image``: per request, image), at the tier and hour when each is lowest.
        service_tier: ``flex``, ``priority``, …; None for an ordinary endpoint.
        zdr: whether it keeps no data, where that was asked for (`Catalog.with_zdr`).
        list_pricing: the prices as they are listed, where overrides make some of them lower at times.
        overrides: prices for long prompts, and for some hours.
    """

    provider: str
    tag: str
    quantization: str | None = None
    context_length: int | None = None
    max_completion_tokens: int | None = None
    supported_parameters: frozenset[str] = frozenset()
    pricing: Mapping[str, Decimal] | None = field(default=None, hash=False)
    service_tier: str | None = None
    zdr: bool | None = None
    list_pricing: Mapping[str, Decimal] | None = field(default=None, hash=False)
    overrides: tuple[Override, ...] = field(default=(), hash=False)

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Self:
        """Read one of the ``endpoints`` in an answer of ``GET /models/{author}/{slug}/endpoints``.

        Raises:
            ValueError: the row doesn't say which provider it is of.
        """
        provider, tag = text_in(row, "provider_name"), text_in(row, "tag")
        if not (provider or tag):
            raise ValueError(
                f"tag: an endpoint has its provider's slug here, and it is missing in {row!r:.80}"
            )
        overrides = overrides_in(row)
        return cls(
            provider=provider or tag or "",
            tag=tag or _slug(provider or ""),
            quantization=text_in(row, "quantization"),
            context_length=count_in(row, "context_length"),
            max_completion_tokens=count_in(row, "max_completion_tokens"),
            supported_parameters=frozenset(names_in(row, "supported_parameters")),
            pricing=lowest_prices_in(row),
            service_tier=text_in(row, "service_tier"),
            list_pricing=prices_in(row) if overrides else None,
            overrides=overrides,
        )

    def highest_pricing(self, prompt_tokens: int | None = None) -> Mapping[str, Decimal] | None:
        """USD per token (``request``, ``image``: per request, image), at the hour when each is highest.

        Args:
            prompt_tokens: how long the prompt is at most; None for any length.
        """
        return highest(self.list_pricing or self.pricing, self.overrides, prompt_tokens)

    def is_named(self, name: str) -> bool:
        """Whether ``name`` in a routing preference means it: its tag, its provider's slug, or its provider's name."""
        name, tag = name.lower(), self.tag.lower()
        return tag == name or tag.startswith(f"{name}/") or _slug(self.provider) == _slug(name)


def endpoints_in(answer: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Read an answer of ``GET /models/{author}/{slug}/endpoints``, or its ``data``.

    Raises:
        ValueError: this is no such answer; says where.
    """
    match answer:
        case {"data": {"endpoints": [*rows]}} | {"endpoints": [*rows]}:
            return tuple(_endpoint(f"endpoints[{index}]", row) for index, row in enumerate(rows))
        case _:
            raise ValueError(f"endpoints: the answer has a list of endpoints here, not {answer!r:.80}")


def zdr_in(answer: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Endpoint]]:
    """Read an answer of ``GET /endpoints/zdr``, or its rows: each model's id, and its endpoint.

    Raises:
        ValueError: this is no such answer; says where.
    """
    match answer:
        case {"data": [*rows]} | [*rows]:
            for index, row in enumerate(rows):
                endpoint = _endpoint(f"data[{index}]", row)
                model_id = text_in(row, "model_id")
                if model_id is None:
                    raise ValueError(
                        f"data[{index}].model_id: an endpoint has its model here, not {row!r:.80}"
                    )
                yield model_id, endpoint
        case _:
            raise ValueError(
                f"data: an answer of GET /endpoints/zdr has a list of endpoints here, not {answer!r:.80}"
            )


def _endpoint(path: str, row: Any) -> Endpoint:
    try:
        return Endpoint.from_wire(row if isinstance(row, Mapping) else {})
    except ValueError as error:
        raise ValueError(f"{path}.{error}") from error


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
