"""Connections of aiohttp, for httpx-aiohttp. The extra `aiohttp` has to be installed to import this."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from inspect import signature
from typing import Any, Final

import aiohttp
from aiohttp.client import ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from openrouter_opts.http.network import connected, is_readable

_HEAD: Final = 100 * 1024
"""The most bytes of a line of a response's head. A gateway's cookies, and its policies, may take more than aiohttp's 8 KB."""
_MANY_HEADERS: Final[dict[str, Any]] = (
    # Before aiohttp 3.14 their number had no limit, and no argument.
    {"max_headers": 1024} if "max_headers" in signature(aiohttp.ClientSession).parameters else {}
)


class Response(aiohttp.ClientResponse):
    """aiohttp's response; its body ends when the connection does.

    aiohttp 3.14.5 closes the connection when the chunks of a body are garbage, but tells only whoever waits for a head: who reads the
    body waits for ever.
    """

    async def start(self, connection: Connection) -> Response:
        """Read the head; watch the connection until the body has ended."""
        protocol = connection.protocol
        await super().start(connection)
        assert protocol is not None
        _end_with(protocol, self.content)
        return self


def _end_with(protocol: ResponseHandler, body: aiohttp.StreamReader) -> None:
    def end(_: asyncio.Future[None]) -> None:
        if not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError(str(protocol.exception() or "it was closed")))

    ended = protocol.closed
    # Who waits for a head is woken before the connection is told that it is lost.
    assert ended is not None
    # Once, however many bodies it brings.
    ended.remove_done_callback(_look_at)
    ended.add_done_callback(_look_at)
    ended.add_done_callback(end)
    # The connection may serve many more.
    body.on_eof(partial(_forget, ended, end))


def _look_at(ended: asyncio.Future[None]) -> None:
    """Or asyncio reports that nobody did: it may end with an error when it is idle."""
    # It is cancelled with whoever waits for the end of all connections.
    with suppress(asyncio.CancelledError):
        ended.exception()


def _forget(ended: asyncio.Future[None], callback: Callable[[asyncio.Future[None]], None]) -> None:
    ended.remove_done_callback(callback)


class Connector(aiohttp.TCPConnector):
    """aiohttp's connections; one that is given up is closed at once.

    aiohttp would first send what is left of the request, which a server that reads nothing prevents for ever, and over TLS wait half a
    minute for the server's farewell.
    """

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Return a connection; one that doesn't come about in time is known as such.

        aiohttp would give the time to each address of a host, and to finding them as long as that takes.
        """
        async with asyncio.timeout(timeout.sock_connect):
            connection = await super().connect(req, traces, timeout)
        connected()
        return connection

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        """Return a kept connection that can be used again."""
        while (connection := await super()._get(key, traces)) is not None and _has_ended(connection):
            connection.close()
        return connection

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        given_up = should_close or protocol.should_close
        if given_up:
            protocol.abort()
        super()._release(key, protocol, should_close=given_up)


def _has_ended(connection: Connection) -> bool:
    """Tell whether something has come, if only the end, on a connection on which nobody had asked; it would be taken for the next answer.

    What came may not have been noticed yet, if the loop was busy.
    """
    protocol, transport = connection.protocol, connection.transport
    # A protocol is a queue too, and false when it is empty.
    if protocol is None or transport is None or protocol.should_close:
        return True
    return is_readable(transport.get_extra_info("socket"))


def session(context: ssl.SSLContext, keepalive: float | None) -> aiohttp.ClientSession:
    """Return a session with as many connections as are asked for: aiohttp's own limit is 100. It reads as large a head as httpcore does."""
    connector = Connector(limit=0, ssl=context, keepalive_timeout=keepalive)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=Response,
        max_line_size=_HEAD,
        max_field_size=_HEAD,
        **_MANY_HEADERS,
    )
