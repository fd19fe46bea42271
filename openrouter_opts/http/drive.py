"""The two drivers of an exchange: one text, with `await` and without."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping
from typing import Any, Protocol

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.steps import Data, Flow, Head, Item, Open, Read, Rest, Sleep
from openrouter_opts.money.tracking import Settle
from openrouter_opts.protocol.completion import Abandoned, Completion, Delta

_TO_PERFORM = (Open, Read, Rest, Sleep)


class Wire(Protocol):
    """One request's way to the server and back."""

    def perform(self, step: Any) -> Head | bytes | None:
        """Do a step; raises `OpenRouterError`."""
        ...

    def close(self) -> None:
        """Let go of the connection, at once."""
        ...


class AsyncWire(Protocol):
    """The same, awaited."""

    def perform(self, step: Any) -> Awaitable[Head | bytes | None]:
        """Do a step; raises `OpenRouterError`."""
        ...

    def close(self) -> Awaitable[None]:
        """Let go of the connection, at once."""
        ...


class _Tally:
    """Sees to it that every request that was sent is in the books once, however it ended."""

    def __init__(self, settle: Settle) -> None:
        self._settle = settle
        self._attempts = 0
        self._chunk: Mapping[str, Any] | None = None

    def saw(self, step: object) -> None:
        if isinstance(step, Delta):
            self._chunk = step.chunk
        elif isinstance(step, Open):
            self._attempts += 1
            self._chunk = {}
        elif isinstance(step, Completion | OpenRouterError):
            self._chunk = None
            self._settle(step)
        elif isinstance(step, Data):
            self._chunk = None

    def close(self) -> None:
        if self._chunk is not None:
            # Closed, cancelled or interrupted: what was generated until now may be billed.
            self._settle(Abandoned(self._chunk, self._attempts))


def drive(flow: Flow, wire: Wire, settle: Settle) -> Generator[Item, None, None]:
    """Perform the steps of `flow`; yield its items. Closing this closes the connection."""
    reply: Any = None
    error: OpenRouterError | None = None
    tally = _Tally(settle)
    try:
        while True:
            try:
                step = flow.throw(error) if error else flow.send(reply)
            except StopIteration:
                return
            except OpenRouterError as failure:
                tally.saw(failure)
                raise
            tally.saw(step)
            reply = error = None
            if not isinstance(step, _TO_PERFORM):
                if not isinstance(step, OpenRouterError):
                    yield step
                continue
            try:
                reply = wire.perform(step)
            except OpenRouterError as problem:
                # Only translated errors enter the flow: cancellation, Ctrl-C and GeneratorExit leave through `finally`.
                error = problem
                # What was translated holds the library's request, and so the key.
                error.__context__ = None
    finally:
        tally.close()
        flow.close()
        wire.close()


async def adrive(flow: Flow, wire: AsyncWire, settle: Settle) -> AsyncGenerator[Item, None]:
    """Perform the steps of `flow`; yield its items. Closing this closes the connection."""
    reply: Any = None
    error: OpenRouterError | None = None
    tally = _Tally(settle)
    try:
        while True:
            try:
                step = flow.throw(error) if error else flow.send(reply)
            except StopIteration:
                return
            except OpenRouterError as failure:
                tally.saw(failure)
                raise
            tally.saw(step)
            reply = error = None
            if not isinstance(step, _TO_PERFORM):
                if not isinstance(step, OpenRouterError):
                    yield step
                continue
            try:
                reply = await wire.perform(step)
            except OpenRouterError as problem:
                # Only translated errors enter the flow: cancellation, Ctrl-C and GeneratorExit leave through `finally`.
                error = problem
                # What was translated holds the library's request, and so the key.
                error.__context__ = None
    finally:
        tally.close()
        flow.close()
        await wire.close()
