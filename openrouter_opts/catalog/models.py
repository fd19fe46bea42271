"""A model as OpenRouter lists it: window, modalities, parameters and prices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from openrouter_opts.catalog.endpoints import Endpoint, endpoints_in
from openrouter_opts.catalog.rows import (
    count_in,
    highest,
    names_in,
    object_in,
    overrides_in,
    prices_in,
    text_in,
)

_MONTH = re.compile(r"\d{4}-\d{2}")
_YEAR_10000 = 253_402_300_800  # seconds since 1970; `datetime` ends before

FREE_PRICING: Mapping[str, Decimal] = {"prompt": Decimal(0), "completion": Decimal(0)}
"""The prices of a ``:free`` variant."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of one model.

    Attributes:
        id: the slug to ask for, with its variant: ``anthropic/claude-sonnet-4.6``, ``qwen/qwen3.8-27b:free``.
        name: the name for people.
        released: the day it was listed or published, ``YYYY-MM-DD``, or ``YYYY-MM`` where only that is known.
        context_length: tokens that prompt and answer may have together.
        max_completion_tokens: tokens that an answer may have at the top provider; others may allow fewer.
        input_modalities: of ``text``, ``image``, ``file``, ``audio``, ``video``.
        output_modalities: of ``text``, ``image``, ``audio``, ``embeddings``, ….
        supported_parameters: request parameters that at least one of its endpoints supports.
        pricing: USD per token (``request``, ``image`` and ``web_search``: per request, image, search), at the
            lowest tier; None where no price is known. Zero means free.
        reasoning: OpenRouter's own description of how it reasons (``mandatory``, ``supported_efforts``, …).
        canonical_slug: the permanent, usually dated slug, where it isn't the id.
        extra: whatever else the API's row says, in the API's shape; it wins over the fields in `wire`.
        endpoints: who serves it and on what terms, where that was asked for (`with_endpoints`); no part of `wire`.
        zdr: the tags of its endpoints that keep no data, where that was asked for (`Catalog.with_zdr`); no part of `wire`.
        recorded_parameters: the request parameters that the source of these facts says anything about; None for all.
            Only of these does it mean something that `supported_parameters` lacks one.
        known: False for a model in no catalogue, whose facts are assumptions (`Catalog.facts`).
        unbounded: why an endpoint may ask for more than `pricing`, where that is so: what comes with this package is a snapshot, and
            has the price of one endpoint among others.
    """

    id: str
    name: str
    released: str | None = None
    context_length: int | None = None
    max_completion_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    supported_parameters: frozenset[str] = frozenset()
    pricing: Mapping[str, Decimal] | None = field(default=None, hash=False)
    reasoning: Mapping[str, Any] | None = field(default=None, hash=False)
    canonical_slug: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    known: bool = True
    endpoints: tuple[Endpoint, ...] = ()
    zdr: frozenset[str] | None = None
    recorded_parameters: frozenset[str] | None = None
    unbounded: str | None = field(default=None, compare=False)

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Self:
        """Read one row of ``GET /models``.

        Keys may be missing or null; what no field takes is kept in `extra`, so `wire` gives it back.

        Raises:
            ValueError: the row has no id.
        """
        model = cls(**_fields(row))
        derived = model.wire()
        if row == derived:  # so it is for each row that `wire` wrote, and this is most of a load's time
            return model
        if model.supported_parameters:  # their order says nothing
            derived["supported_parameters"] = row["supported_parameters"]
        return replace(model, extra=_difference(row, derived))

    def wire(self) -> dict[str, Any]:
        """The row of ``GET /models`` for this model, prices as strings.

        What isn't known (``description``, ``top_provider.is_moderated``, …) is left out.
        """
        row: dict[str, Any] = {
            "id": self.id,
            "canonical_slug": self.canonical_slug or self.id,
            "name": self.name,
            **_release(self.released),
            "context_length": self.context_length,
            "architecture": {
                "modality": f"{'+'.join(self.input_modalities)}->{'+'.join(self.output_modalities)}",
                "input_modalities": list(self.input_modalities),
                "output_modalities": list(self.output_modalities),
            },
            "pricing": {name: f"{price:f}" for name, price in (self.pricing or {}).items()},
            "top_provider": {
                "context_length": self.context_length,
                "max_completion_tokens": self.max_completion_tokens,
            },
            "supported_parameters": sorted(self.supported_parameters),
        }
        if self.reasoning is not None:
            row["reasoning"] = dict(self.reasoning)
        return _merged(row, self.extra) if self.extra else row

    @property
    def calls_tools(self) -> bool:
        """Whether it can call tools."""
        return "tools" in self.supported_parameters

    @property
    def reasons(self) -> bool:
        """Whether it can be asked to reason."""
        return self.reasoning is not None or "reasoning" in self.supported_parameters

    @property
    def structured_output(self) -> bool:
        """Whether it keeps to a JSON Schema (``response_format.type: "json_schema"``)."""
        return "structured_outputs" in self.supported_parameters

    def reads(self, modality: str) -> bool:
        """Whether it takes ``modality`` (``text``, ``image``, ``file``, ``audio``, ``video``) as input."""
        return modality in self.input_modalities

    def writes(self, modality: str) -> bool:
        """Whether it gives ``modality`` (``text``, ``image``, ``audio``, …) as output."""
        return modality in self.output_modalities

    def as_free(self) -> Self:
        """The ``:free`` variant: these facts under its own id, at no price per token."""
        extra = {key: value for key, value in self.extra.items() if key != "pricing"}
        return replace(self, id=f"{self.id}:free", pricing=FREE_PRICING, extra=extra, endpoints=(), zdr=None)

    def with_endpoints(self, answer: Mapping[str, Any]) -> Self:
        """These facts with the endpoints in an answer of ``GET /models/{author}/{slug}/endpoints``, or in its ``data``.

        What the model writes is taken from there too, where it is said: of a model that is in no catalogue nobody else says it.

        Raises:
            ValueError: this is no such answer; says where.
        """
        architecture = object_in(object_in(answer, "data") or answer, "architecture")
        writes = names_in(architecture, "output_modalities") or self.output_modalities
        fresh = replace(self, endpoints=endpoints_in(answer), output_modalities=writes)
        return fresh if self.zdr is None else fresh.with_zdr(self.zdr)

    def with_zdr(self, tags: frozenset[str]) -> Self:
        """These facts, with the endpoints of these tags, and no others, being known to keep no data."""
        endpoints = tuple(replace(each, zdr=each.tag in tags) for each in self.endpoints)
        return replace(self, zdr=tags, endpoints=endpoints)

    def highest_pricing(self, prompt_tokens: int | None = None) -> Mapping[str, Decimal] | None:
        """USD per token (``request``, ``image``: per request, image), at the hour when each is highest.

        Args:
            prompt_tokens: how long the prompt is at most; None for any length.
        """
        return highest(self.pricing, overrides_in(self.extra), prompt_tokens)

    def price(self, name: str) -> Decimal | None:
        """The price called ``name`` (``prompt``, ``completion``, ``input_cache_read``, …), USD per token, or None."""
        return None if self.pricing is None else self.pricing.get(name)


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Model` that a row of the API fills; those it doesn't mention are left to their defaults."""
    match row:
        case {"id": str(model_id)} if model_id:
            architecture = object_in(row, "architecture")
        case _:
            raise ValueError(f"id: a model has its slug here, and it is missing in {row!r:.80}")
    canonical_slug = text_in(row, "canonical_slug")
    fields = {
        "id": model_id,
        "name": text_in(row, "name") or model_id,
        "released": _released(row),
        "context_length": count_in(row, "context_length"),
        "max_completion_tokens": count_in(object_in(row, "top_provider"), "max_completion_tokens"),
        "input_modalities": names_in(architecture, "input_modalities"),
        "output_modalities": names_in(architecture, "output_modalities"),
        "supported_parameters": frozenset(names_in(row, "supported_parameters")),
        "pricing": prices_in(row),
        "reasoning": object_in(row, "reasoning") or None,
        "canonical_slug": None if canonical_slug == model_id else canonical_slug,
    }
    return {name: value for name, value in fields.items() if value not in (None, ())}


def _released(row: Mapping[str, Any]) -> str | None:
    """The date of ``created``; `wire` writes ``released`` beside it where only the month is known."""
    month, created = row.get("released"), row.get("created")
    if isinstance(month, str) and _MONTH.fullmatch(month):
        return month
    if isinstance(created, int) and 0 < created < _YEAR_10000:
        return datetime.fromtimestamp(created, UTC).date().isoformat()
    return None


def _release(released: str | None) -> dict[str, Any]:
    """``created`` in seconds since 1970, of the first day where only the month is known."""
    if released is None:
        return {}
    is_month = _MONTH.fullmatch(released) is not None
    day = datetime.fromisoformat(f"{released}-01" if is_month else released).replace(tzinfo=UTC)
    created = {"created": int(day.timestamp())}
    return created | {"released": released} if is_month else created


def _difference(row: Mapping[str, Any], derived: Mapping[str, Any]) -> dict[str, Any]:
    """What ``row`` says and ``derived`` doesn't, or says otherwise, object by object; a null says nothing."""
    difference: dict[str, Any] = {}
    for key, value in row.items():
        known = derived.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            if inner := _difference(value, known):
                difference[key] = inner
        elif key not in derived or (value is not None and value != known):
            difference[key] = value
    return difference


def _merged(row: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """``row`` with ``extra`` over it, object by object."""
    merged = dict(row)
    for key, value in extra.items():
        known = merged.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            merged[key] = _merged(known, value)
        else:
            merged[key] = value
    return merged
