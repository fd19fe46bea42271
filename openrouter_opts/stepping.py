"""A generator whose own code runs inside a context, and the code that reads it does not.

What is set around a whole `for` over a generator, such as a context variable, holds for the reader too, between its steps.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, aclosing, closing, nullcontext
from typing import Any, TypeVar

Item = TypeVar("Item")


def within(
    items: Generator[Item, None, None], inside: Callable[[], AbstractContextManager[Any]]
) -> Generator[Item, None, None]:
    """Yield the items of a generator, none of which may be `None`; each step of it is taken inside a context of its own."""
    with closing(items):
        while True:
            with inside():
                item = next(items, None)
            if item is None:
                return
            yield item


async def awithin(
    items: AsyncGenerator[Item, None], inside: Callable[[], AbstractContextManager[Any]]
) -> AsyncGenerator[Item, None]:
    """Yield the items of a generator, none of which may be `None`; each step of it is taken inside a context of its own."""
    async with aclosing(items):
        while True:
            with inside():
                item = await anext(items, None)
            if item is None:
                return
            yield item


class BegunWithin(Generator[Item, None, None]):
    """The items of a generator, whose first step alone is taken inside a context."""

    def __init__(
        self, items: Generator[Item, None, None], inside: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        self._items = items
        self._inside: Callable[[], AbstractContextManager[Any]] | None = inside

    def send(self, value: None) -> Item:
        """Take a step."""
        inside, self._inside = self._inside or nullcontext, None
        with inside():
            return self._items.send(value)

    def throw(self, *error: Any) -> Item:
        """Raise an error where the generator is."""
        return self._items.throw(*error)

    def close(self) -> None:
        """Close the generator."""
        self._items.close()


class AsyncBegunWithin(AsyncGenerator[Item, None]):
    """The same of an async generator.

    This is none itself: an event loop that ends closes all of its own at once, and reports those that another is closing already.
    """

    def __init__(
        self, items: AsyncGenerator[Item, None], inside: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        self._items = items
        self._inside: Callable[[], AbstractContextManager[Any]] | None = inside

    async def asend(self, value: None) -> Item:
        """Take a step."""
        inside, self._inside = self._inside or nullcontext, None
        with inside():
            return await self._items.asend(value)

    async def athrow(self, *error: Any) -> Item:
        """Raise an error where the generator is."""
        return await self._items.athrow(*error)

    async def aclose(self) -> None:
        """Close the generator."""
        await self._items.aclose()
