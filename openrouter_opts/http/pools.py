"""Pools of connections, and how long they live: as long as the process, the event loop, or the TLS context of a user's own.

Every client with the same settings shares them, so that making a client costs nothing. Nothing here knows what is in a pool.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from functools import partial
from typing import Any, Protocol

from openrouter_opts.http.cancellation import undisturbed
from openrouter_opts.http.loops import in_thread, running_loop
from openrouter_opts.locks import forkable_lock


class Maker(Protocol):
    """Makes pools; raises `ConfigurationError` where the settings don't allow it."""

    def prepare(self) -> None:
        """Do what takes long, once; in any thread."""
        ...

    def prepare_async(self) -> None:
        """Do what takes long before `async_pool`, once; in any thread."""
        ...

    def pool(self) -> Any:
        """Return connections for all threads; they have `close`."""
        ...

    def async_pool(self) -> Any:
        """Return connections for the running loop; they have `aclose`."""
        ...


class Closable(Protocol):
    """What a loop has open."""

    async def close(self) -> None:
        """Let go of the connection, at once; again, it does nothing."""
        ...


def close_with_loop(opened: Closable) -> None:
    """Have it closed when the running loop shuts down, and before the generators that read it."""
    _watched[asyncio.get_running_loop()].add(opened)


class Pools:
    """The connections with some settings: one pool for all threads, and one for each event loop."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._prepared = False
        self._pool: Any = None
        self._closing: weakref.finalize[Any, Pools] | None = None
        self._of_loops: dict[asyncio.AbstractEventLoop, tuple[Any, AsyncGenerator[None]]] = {}

    def of_threads(self) -> Any:
        """Return the pool for all threads."""
        if self._pool is None:
            # Under a lock of its own, which nobody may wait for who holds one.
            self._maker.prepare()
        with _lock:
            if self._pool is None:
                self._pool = self._maker.pool()
                # Also when the process ends, or kept-alive sockets are reported as a `ResourceWarning`.
                self._closing = weakref.finalize(self, self._pool.close)
            return self._pool

    async def of_loop(self) -> Any:
        """Return the pool of the running loop; raises `ConfigurationError` where none of asyncio's runs."""
        loop = running_loop()
        held = self._of_loops.get(loop)
        if held is None and not self._prepared:
            # To read the certificates takes 20 ms, and imports ten times as long, in which the loop would stand still.
            await in_thread(self._maker.prepare_async)
            self._prepared = True
            held = self._of_loops.get(loop)
        if held is None:
            pool = self._maker.async_pool()
            keeper = _keep(pool, loop, weakref.ref(self))
            held = self._of_loops[loop] = pool, keeper
            await anext(keeper)
        return held[0]

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the pool of a loop."""
        self._of_loops.pop(loop, None)

    def leave(self) -> object:
        """Forget all pools without closing them; return what must not be collected, since that would close it."""
        left = (self._pool, self._closing and self._closing.detach(), self._of_loops)
        self._pool, self._closing, self._of_loops = None, None, {}
        return left


_lock = forkable_lock()
_shared: weakref.WeakValueDictionary[Hashable, Pools] = weakref.WeakValueDictionary()
_lasting: list[Pools] = []
_open: dict[asyncio.AbstractEventLoop, dict[Any, asyncio.Future[object] | None]] = {}
"""The pools of each loop, and who closes one that is being closed."""
_watched: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakSet[Closable]] = (
    weakref.WeakKeyDictionary()
)
_inherited: list[object] = []


def shared(key: Hashable, make: Callable[[], Maker], *, lasting: bool) -> Pools:
    """Return the pools for `key`.

    Args:
        key: What the connections depend on.
        make: Returns what makes them, if there are none yet.
        lasting: Whether they are kept for the process, or only for as long as somebody holds them.
    """
    with _lock:
        found = _shared.get(key)
        if found is None:
            found = _shared[key] = Pools(make())
            if lasting:
                _lasting.append(found)
        return found


async def _keep(pool: Any, loop: asyncio.AbstractEventLoop, of: weakref.ref[Pools]) -> AsyncGenerator[None]:
    """Close a pool when its loop shuts down its generators, or, in its loop, when nobody has the pools any more."""
    if loop not in _watched:
        _watched[loop] = weakref.WeakSet()
        _close_with(loop)
    _open.setdefault(loop, {})[pool] = None
    try:
        yield
    finally:
        if pools := of():
            pools.forget(loop)
        await _close(pool, loop)


async def _close(pool: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close a pool, unless it is; whoever comes second waits with the first, who may not be done when the loop ends."""
    held = _open.get(loop, {})
    if pool in held:
        closing = held[pool] = held[pool] or asyncio.ensure_future(pool.aclose())
        try:
            await undisturbed(closing)
        finally:
            held.pop(pool, None)
            if _open.get(loop) == {}:
                del _open[loop]


def _close_with(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop close what it has open, and then its generators, also when it is only closed by hand.

    A loop shuts down all generators at once. Of those of a stream, the outer ones end by closing the inner ones, which are being closed by
    then if that takes a moment, and asyncio reports it: "asynchronous generator is already running". So what takes a moment comes first.

    LlamaIndex's `asyncio_run` makes a loop in a thread and only closes it. Streams would leave their connections, and the books without
    what they had cost; once a loop is closed, nothing of it can be closed any more.
    """
    loop.shutdown_asyncgens = partial(_shut_down, loop, loop.shutdown_asyncgens)  # type: ignore[method-assign]
    loop.close = partial(_close_loop, loop, loop.close)  # type: ignore[method-assign]


async def _shut_down(
    loop: asyncio.AbstractEventLoop, shutdown_asyncgens: Callable[[], Awaitable[None]]
) -> None:
    # One that breaks while it is closed is closed.
    await asyncio.gather(*(each.close() for each in _watched[loop]), return_exceptions=True)
    await shutdown_asyncgens()


def _close_loop(loop: asyncio.AbstractEventLoop, close: Callable[[], None]) -> None:
    if loop in _open and not loop.is_running() and not loop.is_closed():
        # In a thread, since another loop may be running in this one.
        ending = threading.Thread(target=loop.run_until_complete, args=(_end(loop),))
        ending.start()
        ending.join()
    close()


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    await loop.shutdown_asyncgens()
    for pool in list(_open.get(loop, ())):
        await _close(pool, loop)


def _inherit() -> None:
    # In a forked child: the connections are the parent's, so they are neither used nor closed here.
    _inherited.append((dict(_open), [pools.leave() for pools in _shared.values()]))
    _open.clear()
    for opened in _watched.values():
        opened.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    os.register_at_fork(after_in_child=_inherit)
