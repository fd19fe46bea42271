"""What a request asks of an endpoint: routing preferences and needs, read from a checked body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

PARAMETERS: Final = frozenset(
    (
        *("temperature", "top_p", "top_k", "min_p", "top_a"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty"),
        *("max_tokens", "max_completion_tokens", "stop", "seed", "verbosity", "prediction"),
        *("logit_bias", "logprobs", "top_logprobs", "web_search_options"),
        *("response_format", "structured_outputs", "tools", "tool_choice", "parallel_tool_calls"),
        *("include_reasoning", "reasoning", "reasoning_effort"),
    )
)
"""The request fields that an endpoint either takes or doesn't."""

_MODALITY_OF_PART: Final = {
    "image_url": "image",
    "input_audio": "audio",
    "video_url": "video",
    "input_video": "video",
}
"""Files are left out: what a model can't read is parsed for it."""

Bounds = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything that decides which endpoints may serve a request, and in which order.

    Prices in `max_price` are as in the request: USD per million tokens for ``prompt`` and ``completion``.
    `compression` is whether the middle of a prompt that is too long may be left out; None where the request doesn't say.
    """

    parameters: frozenset[str]
    prompt_tokens: int
    max_tokens: int | None
    compression: bool | None
    reads: frozenset[str]
    writes: frozenset[str]
    order: tuple[str, ...]
    only: tuple[str, ...]
    ignore: tuple[str, ...]
    allow_fallbacks: bool
    require_parameters: bool
    deny_collection: bool
    zdr: bool
    quantizations: tuple[str, ...]
    max_price: Bounds
    min_throughput: float | None
    max_latency: float | None
    sort: str | None
    merge_models: bool
    tier: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any], prompt_tokens: int) -> Wishes:
        """Read them from a body that has passed the check."""
        provider = body.get("provider") or {}
        sort, merge = _sort(provider.get("sort"), body.get("route"))
        return cls(
            parameters=_sent(body),
            prompt_tokens=prompt_tokens,
            max_tokens=max_tokens_of(body),
            compression=_compression(body),
            reads=_modalities(body),
            writes=frozenset(body.get("modalities") or ()),
            order=tuple(provider.get("order") or ()),
            only=tuple(provider.get("only") or ()),
            ignore=tuple(provider.get("ignore") or ()),
            allow_fallbacks=provider.get("allow_fallbacks") is not False,
            require_parameters=bool(provider.get("require_parameters")),
            deny_collection=provider.get("data_collection") == "deny",
            zdr=bool(provider.get("zdr")),
            quantizations=tuple(provider.get("quantizations") or ()),
            max_price={
                name: Decimal(str(price)) for name, price in (provider.get("max_price") or {}).items()
            },
            min_throughput=_median(provider.get("preferred_min_throughput")),
            max_latency=_median(provider.get("preferred_max_latency")),
            sort=sort,
            merge_models=merge,
            tier=_tier(body),
        )


def max_tokens_of(body: Mapping[str, Any]) -> int | None:
    """The limit of the completion, by its current name or its old one."""
    limit = body.get("max_completion_tokens")
    return body.get("max_tokens") if limit is None else limit


def _sent(body: Mapping[str, Any]) -> frozenset[str]:
    """The parameters in the body; a strict schema needs an endpoint that keeps to schemas."""
    sent = {name for name in PARAMETERS if body.get(name) is not None}
    schema = (body.get("response_format") or {}).get("json_schema") or {}
    if schema.get("strict"):
        sent.add("structured_outputs")
    if not any(tool.get("type") == "function" for tool in body.get("tools") or ()):
        sent -= {"tools", "tool_choice", "parallel_tool_calls"}
    return frozenset(sent)


def _compression(body: Mapping[str, Any]) -> bool | None:
    """What the plugin says, or the legacy `transforms`, which an empty list switches off."""
    plugin = next((each for each in body.get("plugins") or () if each["id"] == "context-compression"), None)
    if plugin is not None:
        return plugin.get("enabled") is not False
    transforms = body.get("transforms")
    return None if transforms is None else bool(transforms)


def _modalities(body: Mapping[str, Any]) -> frozenset[str]:
    contents = [message.get("content") for message in body.get("messages") or ()]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return frozenset(_MODALITY_OF_PART[part["type"]] for part in parts if part["type"] in _MODALITY_OF_PART)


def _sort(sort: Any, route: str | None) -> tuple[str | None, bool]:
    """What to sort by, and whether over the endpoints of all models together."""
    if isinstance(sort, Mapping):
        return sort.get("by"), sort.get("partition") == "none"
    return sort, route == "sort"


def _median(preference: Any) -> float | None:
    """The bound for the median; the sandbox's endpoints have no other percentiles worth telling apart."""
    if isinstance(preference, Mapping):
        return next(
            (float(preference[name]) for name in ("p50", "p75", "p90", "p99") if preference.get(name)), None
        )
    return None if preference is None else float(preference)


def _tier(body: Mapping[str, Any]) -> str | None:
    tier = body.get("service_tier") or ("fast" if body.get("speed") == "fast" else None)
    aliases = {"fast": "priority", "scale": None, "auto": None, "default": None, "ultrafast": "priority"}
    return aliases.get(tier, tier) if tier else None
