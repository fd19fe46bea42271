"""The only file that does I/O, over the connections of `openrouter_opts.http.connections`.

Requests go to httpx's transports directly: cookies, redirects and authentication, which its clients add, would be a third of the cost
of a call, and are not wanted here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.cancellation import undisturbed
from openrouter_opts.http.connections import Maker
from openrouter_opts.http.faults import refused_by_proxy, translate
from openrouter_opts.http.loops import in_thread, running_loop
from openrouter_opts.http.network import Opening, end_within, opening
from openrouter_opts.http.pools import Pools, close_with_loop, shared
from openrouter_opts.http.proxies import Proxy, proxy_for
from openrouter_opts.http.secret import Secret, in_use
from openrouter_opts.http.settings import Settings
from openrouter_opts.http.steps import Head, Open, Read, Reply, Rest, Sleep, Write
from openrouter_opts.protocol.echoes import keyless
from openrouter_opts.protocol.request import Request

_USER_AGENT: Final = "openrouter-opts"
_LARGE: Final = 1024 * 1024
_PIECE: Final = 64 * 1024
_MOST_OF_THE_REST: Final = 1024 * 1024
"""What is read, at most, after the answer has ended, or failed; what the call cost takes less than a thousandth of that."""
_Key: TypeAlias = tuple[bool | ssl.SSLContext, Proxy | None, bool]
"""What connections depend on: `verify`, the proxy, and `trust_env`, for the certificates."""


class Transport:
    """Opens wires to one server."""

    def __init__(self, settings: Settings, secret: Secret, parent: Transport | None = None) -> None:
        self._settings = settings
        self._secret = secret
        self._parent = parent

    def with_settings(self, settings: Settings) -> Transport:
        """Return the same transport for a call with other timeouts or retries."""
        return Transport(settings, self._secret, self)

    def __reduce__(self) -> tuple[type[Transport], tuple[Any, ...]]:
        # Connections are of one process; a copy finds those that are there.
        return Transport, (self._settings, self._secret, self._parent)

    @cached_property
    def _key(self) -> _Key:
        settings = self._settings
        proxy = proxy_for(settings.base_url, settings.proxy, trust_env=settings.trust_env)
        return settings.verify, proxy, settings.trust_env

    @property
    def peer(self) -> str:
        """Whom the connection is with, for messages."""
        host, proxy = urlsplit(self._settings.base_url).netloc, self._key[1]
        return f"{host} through the proxy {proxy.host}" if proxy else host

    def wire(self) -> SyncWire:
        """Return the way for one request."""
        return SyncWire(self)

    def async_wire(self) -> AsyncWire:
        """Return the way for one request of the running loop."""
        return AsyncWire(self)

    def build(self, request: Request, pieces: AsyncIterator[bytes] | None = None) -> httpx.Request:
        """Build the httpx request, with the key, unless its headers say otherwise. All of its waits are bounded by whoever sends it.

        Args:
            request: What is to be sent, written.
            pieces: The body once more, to be sent piece by piece.
        """
        headers = {
            "accept": "*/*",
            # A cut gzip stream goes unnoticed, and events should not wait in a compressor.
            "accept-encoding": "identity" if request.stream else "gzip, deflate",
            "user-agent": _USER_AGENT,
        }
        own = {name.lower(): value for name, value in request.headers.items()}
        has_key = "authorization" not in own
        if has_key:
            headers["authorization"] = f"Bearer {self._secret.reveal()}"
        else:
            in_use(own["authorization"].rpartition(" ")[2])
        if request.body is not None:
            headers["content-type"] = "application/json"
            headers["content-length"] = str(len(request.body))
        headers |= own
        connect = self._settings.timeout.connect
        return httpx.Request(
            request.method,
            _parsed(self._settings.base_url + request.path),
            headers=[(name.encode("ascii"), value.encode()) for name, value in headers.items()],
            content=pieces or request.body,
            extensions={
                "timeout": {"connect": connect, "read": None, "write": None, "pool": None},
                "has_key": has_key,
            },
        )

    def head(self, request: httpx.Request, response: httpx.Response) -> Head:
        """Return the head of a response; after a 401, with whether there is another key by now. Raises what a proxy says for itself."""
        if response.status_code == 407 and self._asks_proxy:
            raise refused_by_proxy(self.peer)
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_refused = response.status_code == 401 and request.extensions["has_key"]
        rekeyed = is_refused and self._has_other_key(request.headers["authorization"])
        return Head(response.status_code, keyless(headers), rekeyed)

    @property
    def _asks_proxy(self) -> bool:
        """Whether a proxy is asked for the answer itself, as for http:// alone; through a tunnel it can say nothing."""
        proxy = self._key[1]
        return bool(proxy and proxy.forwards and urlsplit(self._settings.base_url).scheme == "http")

    def _has_other_key(self, sent: str) -> bool:
        try:
            return sent != f"Bearer {self._secret.reveal()}"
        except ConfigurationError:
            # There is none any more, so the server's word stands.
            return False

    @cached_property
    def pools(self) -> Pools:
        """The connections, shared with every client that has the same settings."""
        if self._parent:
            return self._parent.pools
        verify, _, _ = self._key
        # Those with a user's own context would outlive it.
        return shared(self._key, lambda: Maker(*self._key), lasting=isinstance(verify, bool))


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def _pieces(body: bytes | None) -> AsyncIterator[bytes] | None:
    """Cut up a body that would keep the event loop busy, and that aiohttp would warn of."""
    return _cut_up(body) if body and len(body) > _LARGE else None


async def _written(request: Request) -> Request:
    # It is written in pieces, between which the thread lets the loop go on.
    return await in_thread(request.written) if request.is_unwritten else request


async def _cut_up(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]
        # As long as the other side takes everything at once, aiohttp goes on without a pause.
        await asyncio.sleep(0)


class SyncWire:
    """One request's way, blocking."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._response: httpx.Response | None = None
        self._body: Iterator[bytes] | None = None
        self._opening = Opening()

    @property
    def is_unsent(self) -> bool:
        """Whether nothing of the request can have been sent."""
        return self._opening.is_connecting

    def perform(self, step: Write | Open | Read | Rest | Sleep) -> Reply:
        """Do a step; raises `OpenRouterError`."""
        if isinstance(step, Read):
            return self._read(step)
        if isinstance(step, Open):
            return self._open(step)
        if isinstance(step, Rest):
            return self._rest(step)
        if isinstance(step, Write):
            return self._write(step)
        self.close()
        time.sleep(step.seconds)
        return None

    def _write(self, step: Write) -> Request:
        return step.request.written()

    def _open(self, step: Open) -> Head:
        self._opening = Opening()
        self.close()
        began = time.monotonic()
        try:
            request = self._transport.build(step.request.written())
            request.extensions["trace"] = self._opening.follow
            # Not before: whoever is asked for the key may wait for another server, in this thread.
            end_within(None if step.seconds is None else began + step.seconds - time.monotonic())
            self._response = response = self._transport.pools.of_threads().handle_request(request)
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(
                problem, sent=False, host=self._transport.peer, connecting=self.is_unsent
            ) from None
        except BaseException as interrupted:
            # Error trackers show locals, and those of the libraries beneath hold the request's headers, and so the key.
            interrupted.__traceback__ = None
            raise
        self._body = response.iter_bytes()
        return self._transport.head(request, response)

    def _read(self, step: Read) -> bytes:
        assert self._body is not None
        end_within(step.seconds)
        try:
            return next(self._body, b"")
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(problem, sent=True, host=self._transport.peer) from None

    def _rest(self, step: Rest) -> bytes:
        assert self._body is not None
        pieces: list[bytes] = []
        size = 0
        end_within(step.seconds)
        with contextlib.suppress(Exception):
            # An error of any kind means that the connection is gone, which is no loss: what matters is here.
            while size < _MOST_OF_THE_REST and (piece := next(self._body, b"")):
                pieces.append(piece)
                size += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the connection, at once."""
        response, self._response = self._response, None
        if response is not None:
            response.close()


class AsyncWire:
    """One request's way, awaited."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._response: httpx.Response | None = None
        self._body: AsyncIterator[bytes] | None = None
        self._closing: asyncio.Future[None] | None = None
        self._opening = Opening()

    @property
    def is_unsent(self) -> bool:
        """Whether nothing of the request can have been sent."""
        return self._opening.is_connecting

    async def perform(self, step: Write | Open | Read | Rest | Sleep) -> Reply:
        """Do a step; raises `OpenRouterError`."""
        if isinstance(step, Read):
            return await self._read(step)
        if isinstance(step, Open):
            return await self._open(step)
        if isinstance(step, Rest):
            return await self._rest(step)
        if isinstance(step, Write):
            return await self._write(step)
        await self.close()
        await asyncio.sleep(step.seconds)
        return None

    async def _write(self, step: Write) -> Request:
        running_loop()
        try:
            async with asyncio.timeout(step.seconds):
                return await _written(step.request)
        except TimeoutError as problem:
            raise translate(problem, sent=False, host=self._transport.peer, connecting=True) from None

    async def _open(self, step: Open) -> Head:
        self._opening = opening()
        await self.close()
        running_loop()
        try:
            async with asyncio.timeout(step.seconds):
                written = await _written(step.request)
                request = self._transport.build(written, _pieces(written.body))
                request.extensions["trace"] = self._opening.afollow
                pool = await self._transport.pools.of_loop()
                self._response = response = await pool.handle_async_request(request)
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(
                problem, sent=False, host=self._transport.peer, connecting=self.is_unsent
            ) from None
        except BaseException as interrupted:
            # Error trackers show locals, and those of the libraries beneath hold the request's headers, and so the key.
            interrupted.__traceback__ = None
            raise
        close_with_loop(self)
        self._body = response.aiter_bytes()
        return self._transport.head(request, response)

    async def _read(self, step: Read) -> bytes:
        assert self._body is not None
        try:
            async with asyncio.timeout(step.seconds):
                return await anext(self._body, b"")
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(problem, sent=True, host=self._transport.peer) from None

    async def _rest(self, step: Rest) -> bytes:
        assert self._body is not None
        pieces: list[bytes] = []
        size = 0
        with contextlib.suppress(Exception):
            # An error of any kind means that the connection is gone, which is no loss: what matters is here.
            async with asyncio.timeout(step.seconds):
                while size < _MOST_OF_THE_REST and (piece := await anext(self._body, b"")):
                    pieces.append(piece)
                    size += len(piece)
        return b"".join(pieces)

    async def close(self) -> None:
        """Let go of the connection, at once; or wait for what does so already, for the loop as it ends or for a finalizer."""
        response, self._response = self._response, None
        if response is not None:
            self._closing = asyncio.ensure_future(response.aclose())
        if self._closing is not None:
            await undisturbed(self._closing)
