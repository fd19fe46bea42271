"""A generator whose own code runs inside a context, and the code that reads it does not.

What is set around a whole `for` over a generator, such as a context variable, holds for the reader too, between its steps.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, aclosing, closing
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
_END: Final[Any] = object()


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


def begun_within(
    items: Generator[Item, None, None], inside: Callable[[], AbstractContextManager[Any]]
) -> Generator[Item, None, None]:
    """Yield the items of a generator; its first step alone is taken inside a context."""
    with closing(items):
        with inside():
            item = next(items, _END)
        while item is not _END:
            yield item
            item = next(items, _END)


async def abegun_within(
    items: AsyncGenerator[Item, None], inside: Callable[[], AbstractContextManager[Any]]
) -> AsyncGenerator[Item, None]:
    """Yield the items of a generator; its first step alone is taken inside a context."""
    async with aclosing(items):
        with inside():
            item = await anext(items, _END)
        while item is not _END:
            yield item
            item = await anext(items, _END)
