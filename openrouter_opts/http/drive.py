"""The two drivers of an exchange: one text, with `await` and without."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.logs import Attempts
from openrouter_opts.http.steps import Data, Flow, Head, Item, Open, Read, Reply, Rest, Sleep, Write
from openrouter_opts.money.account import Account
from openrouter_opts.protocol.completion import Abandoned, Completion, Delta
from openrouter_opts.protocol.embeddings import Embeddings

_TO_PERFORM = (Write, Open, Read, Rest, Sleep)


class Wire(Protocol):
    """One request's way to the server and back."""

    @property
    def is_unsent(self) -> bool:
        """Whether nothing of the request can have been sent."""
        ...

    def perform(self, step: Any) -> Reply:
        """Do a step; raises `OpenRouterError`."""
        ...

    def close(self) -> None:
        """Let go of the connection, at once."""
        ...


class AsyncWire(Protocol):
    """The same, awaited."""

    @property
    def is_unsent(self) -> bool:
        """Whether nothing of the request can have been sent."""
        ...

    def perform(self, step: Any) -> Awaitable[Reply]:
        """Do a step; raises `OpenRouterError`."""
        ...

    def close(self) -> Awaitable[None]:
        """Let go of the connection, at once."""
        ...


class _Tally:
    """Sees to it that every request is admitted before it is sent, and is in the books once, however it ended."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._attempts = 0
        self._log = Attempts()
        self._chunk: Mapping[str, Any] | None = None
        self._generation_id: str | None = None

    def admitted(self, step: Open) -> Open:
        """Return the step with the request as it may be sent; raises `SpendLimitExceeded` for one that might cost too much."""
        self._log.begins(step.request)
        if step.request.method == "GET":
            # A lookup costs nothing.
            return step
        request = self._account.admit(step.request)
        self._attempts += 1
        self._chunk, self._generation_id = {}, None
        return step if request is step.request else replace(step, request=request)

    def opened(self, head: object) -> Head:
        """Note which generation has begun: a stream may be left before its first chunk says so."""
        assert isinstance(head, Head)
        self._generation_id = head.headers.get("x-generation-id")
        self._log.has_head(head.status, head.headers)
        return head

    def saw(self, step: object) -> None:
        if isinstance(step, Delta):
            self._chunk = step.chunk
        elif isinstance(step, Completion | Embeddings | Data | OpenRouterError):
            self._log.ends(step)
            if self._chunk is not None:
                self._chunk = None
                self._account.settle(step)

    def close(self, *, is_unsent: bool) -> None:
        if self._chunk is not None:
            # Closed, cancelled or interrupted: what was generated until now may be billed, if anything was sent.
            self._account.settle(Abandoned(self._chunk, self._attempts, self._generation_id, is_unsent))


def _traceless(failure: OpenRouterError) -> OpenRouterError:
    for link in (failure.__cause__, failure.__context__):
        if link is not None:
            link.__traceback__ = None
    return failure.with_traceback(None)


def drive(flow: Flow, wire: Wire, account: Account) -> Generator[Item, None, None]:
    """Perform the steps of `flow`; yield its items. Closing this closes the connection."""
    reply: Any = None
    error: OpenRouterError | None = None
    tally = _Tally(account)
    try:
        while True:
            try:
                step = flow.throw(error) if error else flow.send(reply)
            except StopIteration:
                return
            except OpenRouterError as failure:
                tally.saw(failure)
                # Error trackers show locals, and in those beneath is what the server sent, which may be the key that it was sent.
                raise _traceless(failure) from failure.__cause__
            tally.saw(step)
            reply = error = None
            if not isinstance(step, _TO_PERFORM):
                if not isinstance(step, OpenRouterError):
                    yield step
                continue
            try:
                if isinstance(step, Open):
                    reply = tally.opened(wire.perform(tally.admitted(step)))
                else:
                    reply = wire.perform(step)
            except OpenRouterError as problem:
                # Only translated errors enter the flow: cancellation, Ctrl-C and GeneratorExit leave through `finally`.
                error = problem
                # What was translated holds the library's request, and so the key.
                error.__context__ = None
    finally:
        # An error that is kept here is kept by its own traceback, until the collector comes; and see above.
        error = reply = None
        tally.close(is_unsent=wire.is_unsent)
        flow.close()
        wire.close()


async def adrive(flow: Flow, wire: AsyncWire, account: Account) -> AsyncGenerator[Item, None]:
    """Perform the steps of `flow`; yield its items. Closing this closes the connection."""
    reply: Any = None
    error: OpenRouterError | None = None
    tally = _Tally(account)
    try:
        while True:
            try:
                step = flow.throw(error) if error else flow.send(reply)
            except StopIteration:
                return
            except OpenRouterError as failure:
                tally.saw(failure)
                # Error trackers show locals, and in those beneath is what the server sent, which may be the key that it was sent.
                raise _traceless(failure) from failure.__cause__
            tally.saw(step)
            reply = error = None
            if not isinstance(step, _TO_PERFORM):
                if not isinstance(step, OpenRouterError):
                    yield step
                continue
            try:
                if isinstance(step, Open):
                    reply = tally.opened(await wire.perform(tally.admitted(step)))
                else:
                    reply = await wire.perform(step)
            except OpenRouterError as problem:
                # Only translated errors enter the flow: cancellation, Ctrl-C and GeneratorExit leave through `finally`.
                error = problem
                # What was translated holds the library's request, and so the key.
                error.__context__ = None
    finally:
        # An error that is kept here is kept by its own traceback, until the collector comes; and see above.
        error = reply = None
        tally.close(is_unsent=wire.is_unsent)
        flow.close()
        await wire.close()
