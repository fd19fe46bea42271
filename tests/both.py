"""One test for the sync and the async side: the same calls, by their plain names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Literal, Self, TypeAlias

from openrouter_opts import Completion, Delta, OpenRouterClient

Side: TypeAlias = Literal["sync", "httpx", "aiohttp"]
SIDES: tuple[Side, ...] = ("sync", "httpx", "aiohttp")
"""Blocking; async over plain httpx; async over aiohttp."""


class Caller:
    """Calls a client on one side. The async sides keep one event loop, as an application does."""

    def __init__(self, side: Side, client: OpenRouterClient) -> None:
        self.client = client
        self._runner = None if side == "sync" else asyncio.Runner()

    def close(self) -> None:
        if self._runner:
            self._runner.close()

    def undebugged(self) -> Self:
        """Have the event loop keep no account of who asked what of it, as development mode does; return self."""
        if self._runner:
            self._runner.get_loop().set_debug(False)
        return self

    def pause(self, seconds: float) -> None:
        """Wait, as an application does between its calls: with the event loop running."""
        if self._runner is None:
            time.sleep(seconds)
        else:
            self._runner.run(asyncio.sleep(seconds))

    def __getattr__(self, name: str) -> Any:
        if self._runner is None:
            return getattr(self.client, name)
        twin = getattr(self.client, f"a{name}")
        return lambda *given, **named: self._runner.run(twin(*given, **named))

    def complete(self, messages: Any, **call: Any) -> Completion:
        if self._runner is None:
            return self.client.complete(messages, **call)
        return self._runner.run(self.client.acomplete(messages, **call))

    def stream(self, messages: Any, **call: Any) -> Streamed:
        if self._runner is None:
            return Streamed(None, self.client.stream(messages, **call))
        return Streamed(self._runner, self.client.astream(messages, **call))


class Streamed:
    """A stream that is read without `await` on both sides."""

    def __init__(self, runner: asyncio.Runner | None, stream: Any) -> None:
        self._runner = runner
        self._stream = stream

    def __iter__(self) -> Iterator[Delta]:
        return self

    def __next__(self) -> Delta:
        if self._runner is None:
            return next(self._stream)
        try:
            return self._runner.run(self._next())
        except StopAsyncIteration:
            raise StopIteration from None

    async def _next(self) -> Delta:
        return await anext(self._stream)

    def close(self) -> None:
        if self._runner is None:
            self._stream.close()
        else:
            self._runner.run(self._stream.aclose())

    @property
    def completion(self) -> Completion:
        return self._stream.completion

    @property
    def partial(self) -> Completion:
        return self._stream.partial
