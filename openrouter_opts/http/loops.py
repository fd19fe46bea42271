"""The running event loop, and work that would keep it waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from openrouter_opts.errors import ConfigurationError

T = TypeVar("T")

_MOST: Final = 4
"""Threads that work for a loop at once. Of more, each would only take longer: they share the interpreter."""


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop; raises `ConfigurationError` where none of asyncio's runs, as under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "async calls need an event loop of asyncio, and none is running here; under trio, make the sync call in a thread: "
            "`await trio.to_thread.run_sync(…)`"
        ) from None


class Turns:
    """Bounds how many do something at the same time, in each event loop. A copy has its own."""

    def __init__(self) -> None:
        # Kept by those who wait or work, and no longer: once there was a wait it holds its loop.
        self._of: WeakValueDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakValueDictionary()

    def of_loop(self, most: int) -> asyncio.Semaphore:
        """Return the semaphore of the running loop; raises `ConfigurationError` where none of asyncio's runs."""
        return self._of.setdefault(running_loop(), asyncio.Semaphore(most))

    def __deepcopy__(self, memo: dict[int, Any]) -> Turns:
        return Turns()

    def __reduce__(self) -> tuple[Any, ...]:
        return Turns, ()


_working: Final = Turns()


async def in_thread(work: Callable[..., T], *given: Any) -> T:
    """Do in a thread what would keep the loop waiting, and return what it returns; raises what it raises.

    The threads of `asyncio.to_thread` may all be taken, by tools that wait for this very call. These are nobody else's: each begins when
    there is something to do, and ends with it, so that a fork leaves none behind. One that is late, since it reads from a dead disk, is left
    to itself when the call is cancelled, and keeps neither other calls nor the end of the interpreter waiting.

    Raises:
        ConfigurationError: No event loop of asyncio is running.
    """
    async with _working.of_loop(_MOST):
        return await _begun(partial(copy_context().run, work, *given))


def _begun(work: Callable[[], T]) -> asyncio.Future[T]:
    result: Future[T] = Future()
    # Whoever stops waiting for it doesn't take away the place of what comes of it.
    result.set_running_or_notify_cancel()
    try:
        Thread(target=_do, args=(work, result), name="openrouter-opts-work", daemon=True).start()
    except RuntimeError:
        # There is none to be had: of the system, or since the interpreter ends. So the loop waits.
        _do(work, result)
    return asyncio.wrap_future(result)


def _do(work: Callable[[], T], result: Future[T]) -> None:
    try:
        result.set_result(work())
    except BaseException as problem:  # noqa: BLE001 - whoever waits is told
        result.set_exception(problem)
        # Kept here, it would be kept by its own traceback, until the collector comes.
        del result
