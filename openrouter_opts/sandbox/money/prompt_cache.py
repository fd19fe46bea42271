"""The providers' prompt caches: which part of a prompt was read from one, and which was written to it.

Where a prefix is marked (`cache_control`), it counts from 64 tokens on, so that a demo needs no novel; real models want 1,024
to 4,096. Endpoints that cache by themselves do so from 1,024 tokens on, as the real ones.
https://openrouter.ai/docs/guides/best-practices/prompt-caching
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from openrouter_opts.sandbox.money.prompt import Block
from openrouter_opts.sandbox.routing.endpoints import Endpoint

LEAST_MARKED_TOKENS: Final = 64
LEAST_UNMARKED_TOKENS: Final = 1_024

_SECONDS: Final = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Tokens of a prompt that came from a cache, and that went into it for five minutes or for an hour."""

    read: int = 0
    written: int = 0
    written_1h: int = 0


@dataclass(frozen=True, slots=True)
class _Prefix:
    digest: bytes
    tokens: int
    ttl: str | None


class PromptCache:
    """What each endpoint remembers."""

    def __init__(self) -> None:
        self._expires: dict[tuple[str, str, bytes], float] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._expires.clear()

    def use(self, endpoint: Endpoint, blocks: Sequence[Block], *, mark_last: bool) -> CacheUse:
        """Look a prompt up, and keep its marked prefixes.

        Args:
            endpoint: who keeps the cache.
            blocks: the prompt.
            mark_last: whether the request as a whole has `cache_control`.
        """
        if "input_cache_read" not in endpoint.pricing:
            return CacheUse()
        prefixes = list(_prefixes(endpoint, blocks, mark_last=mark_last))
        marked = max((index for index, prefix in enumerate(prefixes) if prefix.ttl), default=None)
        if marked is None:
            return CacheUse()
        now = time.monotonic()
        read = next((p.tokens for p in reversed(prefixes[: marked + 1]) if self._knows(endpoint, p, now)), 0)
        for prefix in prefixes:
            if prefix.ttl:
                self._expires[_key(endpoint, prefix)] = now + _SECONDS[prefix.ttl]
        if "input_cache_write" not in endpoint.pricing:
            return CacheUse(read)
        last = prefixes[marked]
        written = last.tokens - read
        return CacheUse(read, 0, written) if last.ttl == "1h" else CacheUse(read, written)

    def _knows(self, endpoint: Endpoint, prefix: _Prefix, now: float) -> bool:
        return self._expires.get(_key(endpoint, prefix), 0.0) > now


def _key(endpoint: Endpoint, prefix: _Prefix) -> tuple[str, str, bytes]:
    return endpoint.model, endpoint.tag, prefix.digest


def _prefixes(endpoint: Endpoint, blocks: Sequence[Block], *, mark_last: bool) -> Iterator[_Prefix]:
    """The prompt up to each block; too short ones are left unmarked."""
    if not (mark_last or endpoint.caches_by_itself or any(block.ttl for block in blocks)):
        return
    digest, tokens = hashlib.sha256(), 0
    for index, block in enumerate(blocks):
        digest.update(block.key())
        tokens += block.tokens
        ttl = block.ttl or ("5m" if mark_last and index == len(blocks) - 1 else None)
        ttl = ttl if tokens >= LEAST_MARKED_TOKENS else None
        if ttl is None and endpoint.caches_by_itself and tokens >= LEAST_UNMARKED_TOKENS:
            ttl = "5m"
        yield _Prefix(digest.digest(), tokens, ttl)
