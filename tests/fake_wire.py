"""A wire without sockets and a clock without time, for the pure part of a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from openrouter_opts.errors import OpenRouterError, SpendLimitExceeded, TimedOut
from openrouter_opts.http.drive import drive
from openrouter_opts.http.exchange import exchange
from openrouter_opts.http.reading import Reader, read_completion, read_stream
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.settings import Timeout
from openrouter_opts.http.steps import Data, Head, Open, Patience, Read, Rest, Sleep
from openrouter_opts.protocol.completion import Completion, Delta
from openrouter_opts.protocol.request import Request

# A head, then pieces of the body: bytes, seconds that pass, or an error that breaks it off.
Attempt: TypeAlias = Sequence[Head | bytes | float | OpenRouterError]

SSE = Head(200, {"content-type": "text/event-stream", "x-generation-id": "gen-1", "cf-ray": "ray"})
JSON = Head(200, {"content-type": "application/json", "x-generation-id": "gen-1", "cf-ray": "ray"})


@dataclass
class FakeWire:
    """Plays an attempt for each `Open`; the last one again for every further one."""

    attempts: Sequence[Attempt]
    now: float = 0.0
    steps: list[Any] = field(default_factory=list)
    closed: int = 0
    is_unsent: bool = False
    _rest: Iterator[Any] = field(default_factory=lambda: iter(()))

    def clock(self) -> float:
        return self.now

    @property
    def opened(self) -> int:
        return sum(isinstance(step, Open) for step in self.steps)

    @property
    def slept(self) -> list[float]:
        return [step.seconds for step in self.steps if isinstance(step, Sleep)]

    def perform(self, step: Any) -> Any:
        self.steps.append(step)
        if isinstance(step, Sleep):
            self.now += step.seconds
            return None
        if isinstance(step, Rest):
            return b"".join(piece for piece in self._rest if isinstance(piece, bytes))
        if isinstance(step, Open):
            number = min(self.opened, len(self.attempts)) - 1
            self._rest = iter(self.attempts[number])
        return self._next(step)

    def _next(self, step: Open | Read) -> Any:
        waited = 0.0
        for piece in self._rest:
            if isinstance(piece, OpenRouterError):
                raise piece
            if not isinstance(piece, int | float):
                return piece
            waited += piece
            if step.seconds is not None and waited > step.seconds:
                self.now += step.seconds
                raise TimedOut("the fake wire waited too long")
            self.now += piece
        return b""

    def close(self) -> None:
        self.closed += 1


class FakeAccount:
    """Admits everything, up to so many requests, and notes what it is told."""

    has_limits = False

    def __init__(self, settled: list[Any], admits: int | None = None) -> None:
        self._settled = settled
        self._left = admits

    def admit(self, request: Request) -> Request:
        if self._left == 0:
            raise SpendLimitExceeded("no money left")
        self._left = None if self._left is None else self._left - 1
        return request

    def settle(self, result: Any) -> None:
        self._settled.append(result)


@dataclass
class Outcome:
    """How a call went."""

    wire: FakeWire
    items: list[Any] = field(default_factory=list)
    error: OpenRouterError | None = None
    settled: list[Any] = field(default_factory=list)

    @property
    def deltas(self) -> list[Delta]:
        return [item for item in self.items if isinstance(item, Delta)]

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def completion(self) -> Completion:
        if self.error:
            raise self.error
        (completion,) = (item for item in self.items if isinstance(item, Completion))
        return completion

    @property
    def data(self) -> Any:
        (data,) = (item for item in self.items if isinstance(item, Data))
        return data.body

    def failed(self, cls: type[OpenRouterError]) -> Any:
        assert type(self.error) is cls, (self.error, self.items)
        return self.error


def call(
    *attempts: Attempt,
    read: Reader = read_stream,
    retry: Retry | None = None,
    timeout: Timeout | None = None,
    admits: int | None = None,
) -> Outcome:
    """Drive a call over a fake wire to its end, whatever that is."""
    wire = FakeWire(attempts)
    patience = Patience(timeout or Timeout(), wire.clock)
    request = Request("POST", "/chat/completions", stream=read is read_stream)
    outcome = Outcome(wire)
    flow = exchange(request, read, retry or Retry(jitter=lambda: 1.0), patience)
    try:
        for item in drive(flow, wire, FakeAccount(outcome.settled, admits)):
            outcome.items.append(item)
    except OpenRouterError as error:
        outcome.error = error
    return outcome


def whole_call(*attempts: Attempt, **how: Any) -> Outcome:
    """Drive a call whose answer comes whole."""
    return call(*attempts, read=read_completion, **how)
