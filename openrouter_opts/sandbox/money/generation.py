"""The record of a generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Generation:
    """The record of one generation, as `GET /generation` gives it.

    Attributes:
        cost: USD charged.
        usage: the answer's `usage` object.
        latency: seconds until the first token, and `duration` until the last.
        cancelled: whether the stream was broken off.
        api_type: `completions` or `embeddings`.
        attempts: the providers that were tried, the one that answered last.
        source: the generation that was repeated from the response cache.
    """

    id: str
    model: str
    provider: str
    created: float
    cost: Decimal
    usage: Mapping[str, Any]
    streamed: bool
    cancelled: bool
    finish_reason: str | None
    native_finish_reason: str | None
    latency: float
    duration: float
    request: Mapping[str, Any] = field(repr=False)
    referer: str | None = None
    user_agent: str | None = None
    attempts: Sequence[Mapping[str, Any]] = ()
    source: str | None = None
    api_type: str = "completions"

    def wire(self) -> dict[str, Any]:
        """The object below ``data``."""
        return {**self._origin(), **self._course(), **self._amounts()}

    def _origin(self) -> dict[str, Any]:
        """Who asked for what."""
        asked = self.request.get("model") or ""
        return {
            "id": self.id,
            "request_id": self.id.replace("gen-", "req-"),
            "session_id": self.request.get("session_id"),
            "upstream_id": None,
            "model": self.model,
            "provider_name": self.provider,
            "router": asked if asked.startswith("openrouter/") else None,
            "origin": self.referer or "",
            "http_referer": self.referer,
            "user_agent": self.user_agent,
            "workspace_id": None,
            "app_id": None,
            "external_user": self.request.get("user"),
            "preset_id": None,
            "api_type": self.api_type,
            "data_region": "global",
            "service_tier": self.request.get("service_tier"),
        }

    def _course(self) -> dict[str, Any]:
        """How it went; times in milliseconds."""
        return {
            "created_at": datetime.fromtimestamp(self.created, UTC).isoformat(),
            "streamed": self.streamed,
            "cancelled": self.cancelled,
            "finish_reason": self.finish_reason,
            "native_finish_reason": self.native_finish_reason,
            "latency": round(self.latency * 1000),
            "generation_time": round(self.duration * 1000),
            "moderation_latency": None,
            "response_cache_source_id": self.source,
            "provider_responses": list(self.attempts) or None,
        }

    def _amounts(self) -> dict[str, Any]:
        """What it took and cost."""
        prompt, completion = self.usage["prompt_tokens"], self.usage.get("completion_tokens", 0)
        read = self.usage.get("prompt_tokens_details") or {}
        made = self.usage.get("completion_tokens_details") or {}
        searches = (self.usage.get("server_tool_use_details") or {}).get("web_search_requests")
        return {
            "tokens_prompt": prompt,
            "tokens_completion": completion,
            "native_tokens_prompt": prompt,
            "native_tokens_completion": completion,
            "native_tokens_reasoning": made.get("reasoning_tokens", 0),
            "native_tokens_cached": read.get("cached_tokens", 0),
            "native_tokens_completion_images": made.get("image_tokens", 0),
            "num_media_prompt": None,
            "num_media_completion": None,
            "num_input_audio_prompt": None,
            "num_search_results": searches,
            "num_fetches": None,
            "web_search_engine": "exa" if searches else None,
            "is_byok": False,
            "total_cost": float(self.cost),
            "usage": float(self.cost),
            "upstream_inference_cost": (self.usage.get("cost_details") or {}).get("upstream_inference_cost"),
            "cache_discount": None,
        }
