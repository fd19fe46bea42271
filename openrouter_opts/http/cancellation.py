"""How a call is cancelled without losing its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(awaitable: Awaitable[T], unwanted: Callable[[T], Awaitable[object]] | None = None) -> T:
    """Await it; a cancellation reaches it once, and what it then tidies up is waited for.

    httpcore's cleanup is shielded by anyio, whose shields know nothing of `Task.cancel`: the second cancellation of a task (a deadline,
    then the failure of a sibling) would interrupt it, and its pool would keep the connection for ever as one in use.

    Args:
        awaitable: What is awaited, in a task of its own.
        unwanted: What becomes of a result that came at the moment of the cancellation, and that nobody gets.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        await _ended(task)
        if unwanted and not task.cancelled() and task.exception() is None:
            await _ended(asyncio.ensure_future(unwanted(task.result())))
        raise


async def undisturbed(awaitable: Awaitable[T]) -> T:
    """Await what tidies up, which takes no time; a cancellation comes after it."""
    task = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _ended(task)
        raise


async def _ended(task: asyncio.Future[T]) -> None:
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if not task.cancelled():
        # Looked at, or asyncio reports that nobody did.
        task.exception()
