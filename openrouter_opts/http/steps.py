"""What the life of a request is made of: the steps that a driver performs, and the patience with which they are waited for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from openrouter_opts.errors import ConnectTimedOut, Delivered, OpenRouterError, Phase, TimedOut
from openrouter_opts.http.settings import Timeout
from openrouter_opts.protocol.completion import Completion, Delta, Usage
from openrouter_opts.protocol.decode import text_of, usage_of
from openrouter_opts.protocol.embeddings import Embeddings
from openrouter_opts.protocol.request import Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request; answer with its `Head`. An earlier response is closed first."""

    request: Request
    seconds: float | None


class Write(NamedTuple):
    """Answer with the request, its body written."""

    request: Request
    seconds: float | None


class Read(NamedTuple):
    """Answer with the next bytes of the body, `b""` at its end."""

    seconds: float | None


class Rest(NamedTuple):
    """Answer with what is left of the body, as far as it comes in time: then the connection can be used again."""

    seconds: float


class Sleep(NamedTuple):
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a response; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    rekeyed: bool = False
    """Whether, after a 401, there is another key than the one that was sent."""


@dataclass(frozen=True, slots=True)
class Data:
    """The JSON answer of a smaller endpoint; for the books, with what it says of itself."""

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 1

    @property
    def id(self) -> str | None:
        """The generation id."""
        return text_of(self._said("id")) or self.headers.get("x-generation-id")

    @property
    def model(self) -> str | None:
        """The model that answered."""
        return text_of(self._said("model"))

    @property
    def provider(self) -> str | None:
        """Who served it."""
        return text_of(self._said("provider"))

    @property
    def usage(self) -> Usage | None:
        """What it consumed, with its cost."""
        return usage_of(self.body if isinstance(self.body, dict) else {}, self.headers)

    def _said(self, key: str) -> Any:
        return self.body.get(key) if isinstance(self.body, dict) else None


Item: TypeAlias = Delta | Completion | Embeddings | Data
"""What the caller gets."""
Step: TypeAlias = Write | Open | Read | Rest | Sleep | Item | OpenRouterError
"""What a flow yields; an error is an attempt that failed and is not the last one, for the books."""
Reply: TypeAlias = Request | Head | bytes | None
Flow: TypeAlias = Generator[Step, Any, None]


class Patience:
    """Keeps the time of one call, and says how long the next wait may be and what it is called when it gets longer."""

    def __init__(self, timeout: Timeout, clock: Callable[[], float] = monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._started = clock()
        # Time spent waiting: since the request left, and since the last event. What the consumer does in between is not the
        # server's fault.
        self._since_open = 0.0
        self._since_event = 0.0

    def left(self) -> float | None:
        """Return the seconds left of the total timeout."""
        total = self._timeout.total
        return None if total is None else total - (self._clock() - self._started)

    def hurried(self, by: Timeout) -> Patience:
        """Return the patience for what is asked on the way: in each phase no more than that of the call, in all no more than it has left."""
        left = self.left()
        # One that is over is no timeout: whoever asks then ends at once all the same.
        rest = self._timeout if left is None else replace(self._timeout, total=max(left, 0.001))
        return Patience(by.shorter(rest), self._clock)

    def handing(self, deltas: Iterable[Delta]) -> Flow:
        """Hand deltas over. What is done with them takes no time of the call."""
        began = self._clock()
        yield from deltas
        self._started += self._clock() - began

    def rest(self, seconds: float) -> Generator[Step, bytes, bytes]:
        """Read what is left of the body and comes in so many seconds."""
        left = self.left()
        return (yield Rest(seconds if left is None else max(0.0, min(seconds, left))))

    def write(self, request: Request) -> Generator[Step, Request, Request]:
        """Have the body of the request written; nothing is sent by then."""
        try:
            return (yield Write(request, self._left_to_begin()))
        except TimedOut:
            raise self._too_late() from None

    def open(self, request: Request) -> Generator[Step, Head, Head]:
        """Send the request."""
        self._since_open = 0.0
        limit = self._timeout.first_byte
        self._left_to_begin()
        head: Head = yield from self._wait(lambda seconds: Open(request, seconds), limit, "first_byte")
        self._since_event = 0.0
        return head

    def begin(self) -> Generator[Step, bytes, bytes]:
        """Read what may be blanks, with which OpenRouter keeps the connection alive until there is an answer that comes whole."""
        return self._read(self._timeout.first_byte, self._since_open, "first_byte")

    def read(self) -> Generator[Step, bytes, bytes]:
        """Read on."""
        return self._read(self._timeout.progress, self._since_event, "progress")

    def _read(self, limit: float | None, waited: float, phase: Phase) -> Generator[Step, bytes, bytes]:
        idle = self._timeout.idle
        left = None if limit is None else limit - waited
        if idle is not None and (left is None or idle <= left):
            left, phase = idle, "idle"
        return self._wait(Read, left, phase)

    def _left_to_begin(self) -> float | None:
        left = self.left()
        if left is not None and left <= 0:
            raise self._too_late()
        return left

    def _too_late(self) -> TimedOut:
        return _timed_out("total", self._timeout, delivered="no", attempts=0)

    def progressed(self) -> None:
        """Note that an event has come."""
        self._since_event = 0.0

    def _wait(
        self, step: Callable[[float | None], Step], limit: float | None, phase: Phase
    ) -> Generator[Step, Any, Any]:
        left = self.left()
        if left is not None and (limit is None or left < limit):
            limit, phase = left, "total"
        if limit is not None and limit <= 0:
            raise _timed_out(phase, self._timeout)
        began = self._clock()
        try:
            reply = yield step(limit)
        except TimedOut as error:
            if isinstance(error, ConnectTimedOut) and not self._is_over(limit, self._clock() - began):
                raise
            delivered: Delivered = "no" if isinstance(error, ConnectTimedOut) else "maybe"
            raise _timed_out(phase, self._timeout, delivered=delivered) from None
        waited = self._clock() - began
        self._since_open += waited
        self._since_event += waited
        return reply

    def _is_over(self, limit: float | None, waited: float) -> bool:
        """Tell whether it is `limit` that a wait for a connection has met, not the time for the connection, which ends before if it can."""
        connect = self._timeout.connect
        if limit is None or connect == limit:
            return False
        # A proxy may take its time for a tunnel once the connection to it is there.
        return connect is None or connect > limit or waited >= limit


def _timed_out(
    phase: Phase, timeout: Timeout, *, delivered: Delivered = "maybe", attempts: int = 1
) -> TimedOut:
    message = (
        f"waited longer than the `{phase}` timeout of {getattr(timeout, phase):g} s; "
        f"{'nothing was sent' if delivered == 'no' else 'what was asked may still be billed'}, "
        f"and `timeout={{{phase!r}: …}}` allows more"
    )
    return TimedOut(message, phase=phase, delivered=delivered, attempts=attempts)
