"""The response cache: an identical request is answered again, for nothing. https://openrouter.ai/docs/guides/features/response-caching."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from openrouter_opts.sandbox.reply.served import Served

_DEFAULT_SECONDS: Final = 300
_MOST_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class CacheWish:
    """What a request's headers say about the response cache; `seconds` is how long an answer is kept."""

    wanted: bool
    clear: bool
    seconds: int

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> CacheWish:
        """Read the headers; a lifetime out of bounds is clamped."""
        given = headers.get("X-OpenRouter-Cache-TTL", "")
        seconds = int(given) if given.isdigit() else _DEFAULT_SECONDS
        return cls(
            wanted=headers.get("X-OpenRouter-Cache", "").lower() == "true",
            clear=headers.get("X-OpenRouter-Cache-Clear", "").lower() == "true",
            seconds=min(max(seconds, 1), _MOST_SECONDS),
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    served: Served
    at: float
    seconds: int


class ResponseCache:
    """Whole answers by the exact bytes of the request: the order of JSON keys matters."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def find(self, wish: CacheWish, raw: bytes, generation_id: str) -> Served | None:
        """The answer to the same request, under a new id; `openrouter_metadata` is never repeated."""
        kept = self._kept.get(raw) if wish.wanted and not wish.clear else None
        if kept is None or time.monotonic() - kept.at > kept.seconds:
            return None
        return replace(
            kept.served,
            generation_id=generation_id,
            source=kept.served.generation_id,
            metadata=None,
            reserved=Decimal(0),
            created=int(time.time()),
        )

    def keep(self, wish: CacheWish, raw: bytes, served: Served) -> None:
        """Keep a complete answer."""
        if wish.wanted and served.source is None:
            self._kept[raw] = _Kept(served, time.monotonic(), wish.seconds)

    def headers(self, wish: CacheWish, raw: bytes, served: Served) -> dict[str, str]:
        """The response headers that say what the cache did."""
        if not wish.wanted:
            return {}
        if served.source is None:
            return {"X-OpenRouter-Cache-Status": "MISS", "X-OpenRouter-Cache-TTL": str(wish.seconds)}
        kept = self._kept[raw]
        return {
            "X-OpenRouter-Cache-Status": "HIT",
            "X-OpenRouter-Cache-Age": str(int(time.monotonic() - kept.at)),
            "X-OpenRouter-Cache-TTL": str(kept.seconds),
            "X-OpenRouter-Cache-Source-Id": served.source,
        }
