"""The two drivers of an exchange: one text, with `await` and without."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import Any, Protocol

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.exchange import Drain, Flow, Head, Item, Open, Read, Sleep
from openrouter_opts.money.tracking import Settle
from openrouter_opts.protocol.completion import Abandoned, Completion, Delta

_TO_PERFORM = (Open, Read, Drain, Sleep)


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


def drive(flow: Flow, wire: Wire, settle: Settle) -> Generator[Item, None, None]:
    """Perform the steps of `flow`; yield its items. Closing this closes the connection."""
    reply: Any = None
    error: OpenRouterError | None = None
    left: Abandoned | None = Abandoned()
    try:
        while True:
            try:
                step = flow.throw(error) if error else flow.send(reply)
            except StopIteration:
                return
            except OpenRouterError as failure:
                left = None
                settle(failure)
                raise
            reply = error = None
            if isinstance(step, Delta):
                left = Abandoned(step.chunk)
                yield step
                continue
            if not isinstance(step, _TO_PERFORM):
                left = None
                if isinstance(step, Completion):
                    settle(step)
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
        if left:
            # Closed, cancelled or interrupted: what was generated until now may be billed.
            settle(left)
        flow.close()
        wire.close()


async def adrive(flow: Flow, wire: AsyncWire, settle: Settle) -> AsyncGenerator[Item, None]:
    """Perform the steps of `flow`; yield its items. Closing this closes the connection."""
    reply: Any = None
    error: OpenRouterError | None = None
    left: Abandoned | None = Abandoned()
    try:
        while True:
            try:
                step = flow.throw(error) if error else flow.send(reply)
            except StopIteration:
                return
            except OpenRouterError as failure:
                left = None
                settle(failure)
                raise
            reply = error = None
            if isinstance(step, Delta):
                left = Abandoned(step.chunk)
                yield step
                continue
            if not isinstance(step, _TO_PERFORM):
                left = None
                if isinstance(step, Completion):
                    settle(step)
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
        if left:
            # Closed, cancelled or interrupted: what was generated until now may be billed.
            settle(left)
        flow.close()
        await wire.close()
