"""Which connections of httpcore's pools are used again: none that somebody has, and none in which something is left."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from openrouter_opts.locks import reentrant_forkable_lock

_lock: Final = reentrant_forkable_lock()
"""One for the pools of all threads: what is collected in the midst of one may be of another, and two would be taken in either order."""


class _Careful:
    """A pool that looks twice before it gives a connection to a request, or closes one."""

    _connections: list[Any]
    _requests: list[Any]

    def _assign_requests_to_connections(self) -> list[Any]:
        # httpcore takes a connection that was just given to a request, and isn't asked yet, for idle, and closes it as one too many, or
        # as too old, while another thread begins to use it: `[Errno 9] Bad file descriptor`, and nobody knows what was delivered.
        holders = {id(each.connection) for each in self._requests}
        given = [each for each in self._connections if id(each) in holders]
        free = [each for each in self._connections if id(each) not in holders]
        spoiled = [each for each in free if _holds_more(each)]
        self._connections = [each for each in free if each not in spoiled]
        closing = super()._assign_requests_to_connections()  # type: ignore[misc]  # of the pool, beside which this class stands
        self._connections += given
        return [*spoiled, *closing]


def _holds_more(connection: Any) -> bool:
    """Tell whether more than an answer has come: httpcore would take it for the beginning of the next one, whoever asks then."""
    while (beneath := getattr(connection, "_connection", None)) is not None:
        connection = beneath
    protocol = getattr(connection, "_h11_state", None)
    return protocol is not None and bool(protocol.trailing_data[0])


class _Reentrant(_Careful):
    """A pool of threads, to which a stream may be given back in the midst of its work.

    The garbage collector comes at any point, also where httpcore's pool holds its lock, and closes a stream that is in a cycle: which asks
    for the same lock, in the same thread, for ever, and for everybody
    (`PoolByteStream.close` and `ConnectionPool.handle_request`, httpcore/_sync/connection_pool.py). So here the lock lets its thread in
    again, who walks through the requests isn't disturbed, and connections are given to requests by who does so already.
    """

    _is_assigning = False

    def _assign_requests_to_connections(self) -> list[Any]:
        if self._is_assigning:
            # Of the connection that is given back, the next one to come here learns.
            return []
        try:
            self._is_assigning = True
            return super()._assign_requests_to_connections()
        finally:
            self._is_assigning = False


class _Requests(list[Any]):
    """Walked through as they were when that began; else one would be skipped when one before it is removed, and wait for ever."""

    def __iter__(self) -> Iterator[Any]:
        # Not `copy`, which the collector itself may disturb, between taking the length and the items.
        return iter(list(super().__iter__()))


def careful(pool: Any) -> None:
    """Make it a pool that is careful; httpx has made it, of a class for each kind of proxy."""
    _change(pool, _Careful)


def careful_in_threads(pool: Any) -> None:
    """The same for one of the sync side, whose streams may be collected at any point of any thread."""
    _change(pool, _Reentrant)
    pool._optional_thread_lock = _lock  # noqa: SLF001
    pool._requests = _Requests(pool._requests)  # noqa: SLF001


def _change(pool: Any, manner: type) -> None:
    pool.__class__ = _beside(manner, type(pool))  # type: ignore[arg-type]  # a class can be hashed


@cache
def _beside(manner: type, pool: type) -> type:
    return type(pool.__name__, (manner, pool), {})
