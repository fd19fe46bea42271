"""Which connections of httpcore's pools are used again: none that somebody has, and none in which something is left."""

from __future__ import annotations

from functools import cache
from typing import Any


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


def careful(pool: Any) -> None:
    """Make it a pool that is careful; httpx has made it, of a class for each kind of proxy."""
    pool.__class__ = _careful(type(pool))  # type: ignore[arg-type]  # a class can be hashed


@cache
def _careful(pool: type) -> type:
    return type(pool.__name__, (_Careful, pool), {})
