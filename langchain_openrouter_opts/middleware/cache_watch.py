"""Notices when a prompt cache is written and never read."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AIMessage, BaseMessage

from openrouter_opts.locks import forkable_lock

_LIFETIME: Final = 300.0
"""Seconds for which every cache keeps what it has."""
_ALWAYS_ENOUGH: Final = 4_096
"""Tokens that every model caches; some do from 1,024 on."""
_MISSES: Final = 2
"""So many requests without a hit, each of which should have been one, are no accident."""
_CONVERSATIONS: Final = 256
"""How many are remembered."""


@dataclass(frozen=True, slots=True)
class _Last:
    """What the last answer of a conversation said.

    Attributes:
        at: when it was there, on the clock of `time.monotonic`.
        kept: whether the next request should find something in the cache.
        wrote: whether anything was ever written to the cache.
        misses: how many requests should have found something and didn't, since one last did.
        providers: who served those.
    """

    at: float
    kept: bool
    wrote: bool
    misses: int
    providers: frozenset[str]


class CacheWatch:
    """Remembers how the last requests of each conversation went, and says once that the cache isn't read.

    A request should have been a hit if the one before it was over, not five minutes before, and had written to the cache, or else was
    longer than any model's minimum.
    """

    def __init__(self) -> None:
        self._lock = forkable_lock()
        self._last: OrderedDict[str, _Last] = OrderedDict()
        self._has_said = False

    def problem(self, messages: Sequence[BaseMessage], started: float, answer: AIMessage) -> str | None:
        """Take note of an answer to a request with breakpoints.

        Args:
            messages: The conversation; it is known by the id of its first message, which agents see to.
            started: When the request was sent, by `time.monotonic`.
            answer: The answer; one without usage says nothing.

        Returns:
            What to tell the user, or None.
        """
        usage = answer.usage_metadata
        key = messages[0].id if messages else None
        if usage is None or key is None:
            return None
        details = usage.get("input_token_details", {})
        read, written = details.get("cache_read", 0), details.get("cache_creation", 0)
        kept = read + written > 0 or usage["input_tokens"] >= _ALWAYS_ENOUGH
        provider = answer.response_metadata.get("provider")
        with self._lock:
            last = self._last.pop(key, None)
            missed = last is not None and last.kept and 0 <= started - last.at <= _LIFETIME
            past = _Last(0, False, False, 0, frozenset()) if last is None or read else last
            now = self._last[key] = _Last(
                at=time.monotonic(),
                kept=kept,
                wrote=past.wrote or written > 0,
                misses=past.misses + (missed and not read),
                providers=past.providers | ({provider} if provider else set()),
            )
            if len(self._last) > _CONVERSATIONS:
                self._last.popitem(last=False)
            if self._has_said or now.misses < _MISSES:
                return None
            self._has_said = True
        return _text(now)


def _text(last: _Last) -> str:
    """What is wrong, as far as the answers tell, and what to do."""
    said = "PromptCachingMiddleware: nothing is read from the prompt cache (cached_tokens stays 0)"
    if len(last.providers) > 1:
        return (
            f"{said}: each provider has its own, and {', '.join(sorted(last.providers))} took turns; `session_id` keeps a"
            " conversation at one provider"
        )
    if last.wrote:
        return (
            f"{said}, and it is written each time: what comes before the breakpoints changes from request to request; look"
            " for a date or an id in the system prompt, and for tools that change or change places"
        )
    who = "".join(f" of {provider}" for provider in last.providers)
    return f"{said}, nor written to it: the endpoint{who} does not cache this model"
