"""Whether and when to try again. Pure: the failure in, seconds out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import uniform

from openrouter_opts.errors import (
    CertificateError,
    ConfigurationError,
    ConnectionLost,
    EdgeTimeout,
    Empty,
    Interrupted,
    OpenRouterError,
    TimedOut,
)
from openrouter_opts.protocol.failure import status_of_type

# What the server itself says has failed, and may go well the next time.
_FAILED_THERE = frozenset({408, 429, 500, 502, 503, 529})
_UNCERTAIN = (ConnectionLost, EdgeTimeout, Interrupted, TimedOut)
MAX_WAIT = 60.0
ALSO_RETRIES = 4
"""Further attempts for a status that is worth one by itself: about seven seconds."""


def _jitter() -> float:
    return uniform(0.75, 1.0)  # noqa: S311 - spreads clients out, protects nothing


@dataclass(frozen=True, slots=True)
class Retry:
    """Never pay twice by accident.

    Tried again is what was not delivered, and what the server says has failed, as long as nothing of the answer has come. What may have
    been delivered is tried again only if `uncertain` says so: each delivery may be billed.
    """

    max_retries: int = 2
    uncertain: bool = False
    also: frozenset[int] = frozenset()
    """Further statuses worth another try: a generation's record answers 404 until it is written."""
    jitter: Callable[[], float] = field(default=_jitter, repr=False)

    def delay(
        self, error: OpenRouterError, attempt: int, left: float | None = None, *, was_empty: bool = False
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or `None` to give up.

        Args:
            error: What went wrong.
            attempt: How many attempts were made, this one included.
            left: Seconds left of the total timeout.
            was_empty: Whether an attempt before has come to an empty answer.
        """
        tries = max(self.max_retries, ALSO_RETRIES) if error.status in self.also else self.max_retries
        if attempt > tries or not self.worth(error, was_empty=was_empty):
            return None
        wish = error.retry_after
        delay = wish if wish is not None else 0.5 * 2 ** min(attempt - 1, 4) * self.jitter()
        if delay > MAX_WAIT or (left is not None and delay >= left):
            return None
        return delay

    def worth(self, error: OpenRouterError, *, was_empty: bool = False) -> bool:
        """Tell whether another attempt may go well, and pays for nothing twice, however many there may be."""
        return not _has_cost(error) and self._worth(error, was_empty)

    def _worth(self, error: OpenRouterError, was_empty: bool) -> bool:
        said = _server_says(error)
        if said is not None:
            return said
        if isinstance(error, CertificateError | ConfigurationError):
            return False
        if isinstance(error, EdgeTimeout):
            # Whatever number stands beside it: the answer may have been generated.
            return self.uncertain
        status = status_of_type(error.error_type) or error.status
        if error.delivered == "no" or status in _FAILED_THERE or error.status in self.also:
            return True
        if isinstance(error, Empty):
            # An answer that says it is empty was not billed: zero-completion insurance, or a cold start. A body with nothing
            # in it, which has a status instead, says nothing about the bill.
            free = error.usage is None or error.usage.cost.total == 0
            return free and error.status is None and not was_empty
        return self.uncertain and isinstance(error, _UNCERTAIN)


def _has_cost(error: OpenRouterError) -> bool:
    """Tell whether something of the answer came, or was paid for."""
    return error.partial is not None or bool(error.usage and error.usage.cost.total)


def _server_says(error: OpenRouterError) -> bool | None:
    if error.retryable is None and error.status == 402:
        # The sum of the running requests exceeds the balance for the moment; every other 402 is final.
        # https://openrouter.ai/docs/api_reference/limits
        source = error.metadata.get("limit_source")
        return source in {None, "openrouter_in_flight_budget"} and error.retry_after is not None
    return error.retryable
