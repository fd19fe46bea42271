"""A streamed answer: deltas while it comes, the completion when it has come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Self

from openrouter_opts.http.reading import SoFar
from openrouter_opts.http.steps import Item
from openrouter_opts.protocol.completion import Completion, Delta


class _Answer:
    _completion: Completion | None = None
    _so_far: SoFar
    _is_closed = False

    @property
    def partial(self) -> Completion:
        """What has come so far, also of a stream that was left, cancelled or cut.

        Where it is not whole, its tool calls may be cut off, and its `usage` is `None` if it didn't come.
        """
        return self._completion or self._so_far.completion()

    @property
    def completion(self) -> Completion:
        """The whole answer, with usage and cost; raises `RuntimeError` before the stream has been read to its end."""
        if self._completion is None:
            raise RuntimeError("the answer is not whole yet: read the stream to its end first")
        return self._completion

    def _check_end(self) -> None:
        """Raise `Interrupted` where there is no more and yet no whole answer, unless whoever reads it has closed it."""
        if self._completion is None and not self._is_closed:
            raise self._so_far.cut()


class Stream(_Answer, Iterator[Delta]):
    """Iterate it for deltas. Use it in `with`, or close it, to end early: that closes the connection at once.

    Read on after it has failed, or after Ctrl-C, it raises `Interrupted`: only a whole answer ends.
    """

    def __init__(self, items: Generator[Item, None, None], so_far: SoFar) -> None:
        self._items = items
        self._so_far = so_far

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delta:
        for item in self._items:
            if isinstance(item, Delta):
                return item
            assert isinstance(item, Completion)
            self._completion = item
        self._check_end()
        raise StopIteration

    def close(self) -> None:
        """Close the connection. At providers that support it, generation and billing stop."""
        self._items.close()
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(_Answer, AsyncIterator[Delta]):
    """Iterate it for deltas. Use it in `async with`, or close it, to end early: that closes the connection at once.

    Read on after it has failed, or after a read was cancelled, it raises `Interrupted`: only a whole answer ends.
    """

    def __init__(self, items: AsyncGenerator[Item, None], so_far: SoFar) -> None:
        self._items = items
        self._so_far = so_far

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        async for item in self._items:
            if isinstance(item, Delta):
                return item
            assert isinstance(item, Completion)
            self._completion = item
        self._check_end()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the connection. At providers that support it, generation and billing stop."""
        await self._items.aclose()
        self._is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
