"""httpx's connections, and those of aiohttp under httpx: how they are made, and what of them is mended here.

On the async side `httpx-aiohttp` carries the requests when it is installed: httpx's own pool costs O(n²) with many open
connections (https://github.com/encode/httpcore/issues/1093 is the same pool).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import httpx

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.cancellation import to_its_end, undisturbed
from openrouter_opts.http.network import AsyncNetwork, Network
from openrouter_opts.http.proxies import Proxy
from openrouter_opts.http.reuse import careful, careful_in_threads
from openrouter_opts.locks import forkable_lock

# httpx loses pool slots for cancelled requests, so slots are not what bounds us; and few kept-alive connections keep its pool fast.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=5.0)
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_reading: Final = forkable_lock()
T = TypeVar("T")


class Maker:
    """Makes pools of connections, all with the same certificates."""

    def __init__(self, verify: bool | ssl.SSLContext, proxy: Proxy | None, trust_env: bool) -> None:
        self._verify = verify
        self._proxy = proxy
        self._trust_env = trust_env
        self._context: ssl.SSLContext | None = None

    def prepare(self) -> None:
        """Read the certificates; of all who come at once, one reads."""
        if self._context is None:
            with _reading:
                self._context = self._context or _make(self._new_context)

    def prepare_async(self) -> None:
        """Read the certificates, and import what the connections of a loop need."""
        self.prepare()
        if self._is_over_aiohttp:
            _over_aiohttp()
        else:
            # httpx would import it with its first connection.
            importlib.import_module("anyio._backends._asyncio")

    def pool(self) -> httpx.BaseTransport:
        """Return connections for threads."""
        return _make(lambda: _Connections(**self._arguments()))

    def async_pool(self) -> httpx.AsyncBaseTransport:
        """Return connections for the running loop: those of aiohttp, if it is there."""
        if not self._is_over_aiohttp:
            return _make(lambda: _AsyncConnections(**self._arguments()))
        assert self._context is not None
        return _over_aiohttp()(self._context)

    @property
    def _is_over_aiohttp(self) -> bool:
        return not self._proxy and has_aiohttp()

    def _new_context(self) -> ssl.SSLContext:
        return httpx.create_ssl_context(verify=self._verify, trust_env=self._trust_env)

    def _arguments(self) -> dict[str, Any]:
        proxy = self._proxy.url if self._proxy else None
        return {"verify": self._context, "proxy": proxy, "limits": _LIMITS}


class _Connections(httpx.HTTPTransport):
    """httpx's connections, over our network: httpx makes the pool itself, and has no argument for what is under it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._pool._network_backend = Network()  # noqa: SLF001
        careful_in_threads(self._pool)


class _AsyncConnections(httpx.AsyncHTTPTransport):
    """The same for the async side; none of them is lost to a second cancellation."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._pool._network_backend = AsyncNetwork()  # noqa: SLF001
        careful(self._pool)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.cancelled_once(super().handle_async_request(request), httpx.Response.aclose)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BodyCancelledOnce(response.stream, self)
        return response

    async def cancelled_once(
        self, awaitable: Awaitable[T], unwanted: Callable[[T], Awaitable[object]] | None = None
    ) -> T:
        """Await it to its end, as `to_its_end` does; a cancellation leaves no connection that counts as in use."""
        try:
            return await to_its_end(awaitable, unwanted)
        except asyncio.CancelledError:
            await undisturbed(self._close_unused())
            raise

    async def _close_unused(self) -> None:
        """Close connections that were opened for a request which was cancelled before it was sent, or while it tidied up after an error.

        They count as in use for ever: https://github.com/encode/httpcore/issues/1093
        """
        pool: Any = self._pool
        taken = [each.connection for each in pool._requests]  # noqa: SLF001
        unused = [each for each in pool.connections if each not in taken and not each.is_idle()]
        # All at once, before anything is waited for: other tasks may be cancelled, and look for the same ones, meanwhile.
        for connection in unused:
            pool._connections.remove(connection)  # noqa: SLF001
        for connection in unused:
            await connection.aclose()


class _BodyCancelledOnce(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, connections: _AsyncConnections) -> None:
        self._stream = stream
        self._connections = connections

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._stream)
        while piece := await self._connections.cancelled_once(anext(pieces, b"")):
            yield piece

    async def aclose(self) -> None:
        # What is interrupted here is never done: httpx and httpcore both take it for closed from its first moment.
        await undisturbed(self._stream.aclose())


def has_aiohttp() -> bool:
    """Tell whether the extra `aiohttp` is installed."""
    return importlib.util.find_spec("httpx_aiohttp") is not None


def _over_aiohttp() -> Callable[[ssl.SSLContext], httpx.AsyncBaseTransport]:
    """Return what makes connections of aiohttp; the first time, it is imported."""
    import httpx_aiohttp  # noqa: PLC0415 - an extra

    from openrouter_opts.http.over_aiohttp import session  # noqa: PLC0415 - needs the same extra

    return lambda context: httpx_aiohttp.AiohttpTransport(
        verify=context, client=lambda: session(context, _LIMITS.keepalive_expiry)
    )


def _make(build: Callable[[], T]) -> T:
    try:
        return build()
    except ImportError:
        raise ConfigurationError(
            "a SOCKS proxy needs a further package: pip install 'httpx[socks]'"
        ) from None
    except OSError as problem:
        # Of files only those of certificates are read when connections are set up, and of those variables only the first.
        source = next(
            (f"{name}={os.environ[name]!r}" for name in _CERTIFICATES if os.environ.get(name)), "verify"
        )
        raise ConfigurationError(f"{source}: the certificates cannot be read: {problem}") from None
