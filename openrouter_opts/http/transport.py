"""The only file that does I/O, and the only one that knows httpx.

Connections are pooled per process (and per event loop) and shared by every client with the same settings, so that making a client costs
nothing. On the async side `httpx-aiohttp` carries the requests when it is installed: httpx's own pool costs O(n²) with many open
connections (https://github.com/encode/httpcore/issues/1093 is the same pool). Requests go to httpx's transports directly: cookies,
redirects and authentication, which its clients add, would be a third of the cost of a call, and are not wanted here.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import os
import ssl
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.deadlines import Network, end_within
from openrouter_opts.http.faults import translate
from openrouter_opts.http.proxies import Proxy, proxy_for
from openrouter_opts.http.secret import Secret
from openrouter_opts.http.settings import Settings
from openrouter_opts.http.steps import Head, Open, Read, Rest, Sleep

# httpx loses pool slots for cancelled requests, so slots are not what bounds us; and few kept-alive connections keep its pool fast.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=5.0)
_USER_AGENT: Final = "openrouter-opts"
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_Key: TypeAlias = tuple[bool | ssl.SSLContext, Proxy | None, bool]
"""What connections depend on: `verify`, the proxy, and `trust_env`, for the certificates."""

_pools: dict[_Key, httpx.BaseTransport] = {}
_async_pools: dict[
    tuple[_Key, asyncio.AbstractEventLoop], tuple[httpx.AsyncBaseTransport, AsyncGenerator[None]]
] = {}
_inherited: list[Any] = []
_lock = threading.Lock()


class Transport:
    """Opens wires to one server."""

    def __init__(self, settings: Settings, secret: Secret) -> None:
        self._settings = settings
        self._secret = secret

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

    def build(self, step: Open) -> httpx.Request:
        """Build the httpx request, with the key. All of its waits together are bounded by whoever sends it."""
        request = step.request
        headers = {
            "accept": "*/*",
            # A cut gzip stream goes unnoticed, and events should not wait in a compressor.
            "accept-encoding": "identity" if request.stream else "gzip, deflate",
            "user-agent": _USER_AGENT,
            "authorization": f"Bearer {self._secret.reveal()}",
        }
        if request.body is not None:
            headers["content-type"] = "application/json"
        headers |= {name.lower(): value for name, value in request.headers.items()}
        connect = self._settings.timeout.connect
        return httpx.Request(
            request.method,
            _parsed(self._settings.base_url + request.path),
            headers=[(name.encode("ascii"), value.encode()) for name, value in headers.items()],
            content=request.body,
            extensions={"timeout": {"connect": connect, "read": None, "write": None, "pool": None}},
        )

    def head(self, request: httpx.Request, response: httpx.Response) -> Head:
        """Return the head of a response; after a 401, with whether there is another key by now."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        rekeyed = response.status_code == 401 and self._has_other_key(request.headers["authorization"])
        return Head(response.status_code, headers, rekeyed)

    def _has_other_key(self, sent: str) -> bool:
        try:
            return sent != f"Bearer {self._secret.reveal()}"
        except ConfigurationError:
            # There is none any more, so the server's word stands.
            return False

    def pool(self) -> httpx.BaseTransport:
        """Return the shared connections; made at the first call, since that takes 20 ms."""
        with _lock:
            pool = _pools.get(self._key)
            if pool is None:
                pool = _pools[self._key] = _make(self._new_pool)
        return pool

    async def async_pool(self) -> httpx.AsyncBaseTransport:
        """Return the connections of the running loop; the loop itself closes them when it shuts down."""
        loop = asyncio.get_running_loop()
        held = _async_pools.get((self._key, loop))
        if held is None:
            _forget_closed_loops()
            pool: httpx.AsyncBaseTransport = _make(self._new_async_pool)
            keeper = _keep(pool, (self._key, loop))
            _async_pools[self._key, loop] = pool, keeper
            # Started in this loop, the generator is closed by the loop's `shutdown_asyncgens`.
            await anext(keeper)
            return pool
        return held[0]

    def _arguments(self) -> dict[str, Any]:
        verify, proxy, trust_env = self._key
        return {
            "verify": verify,
            "proxy": proxy.url if proxy else None,
            "trust_env": trust_env,
            "limits": _LIMITS,
        }

    def _new_pool(self) -> httpx.BaseTransport:
        return _OnTime(**self._arguments())

    def _new_async_pool(self) -> httpx.AsyncBaseTransport:
        verify, proxy, trust_env = self._key
        if proxy or not has_aiohttp():
            return httpx.AsyncHTTPTransport(**self._arguments())
        return _aiohttp_transport(verify, trust_env=trust_env)


class _OnTime(httpx.HTTPTransport):
    """httpx's connections, over a network whose waits end on time."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        # httpx makes the pool itself, and has no argument for its network.
        self._pool._network_backend = Network()  # noqa: SLF001


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def has_aiohttp() -> bool:
    """Tell whether the extra `aiohttp` is installed."""
    return importlib.util.find_spec("httpx_aiohttp") is not None


def _aiohttp_transport(verify: bool | ssl.SSLContext, *, trust_env: bool) -> httpx.AsyncBaseTransport:
    import httpx_aiohttp  # noqa: PLC0415 - an extra

    from openrouter_opts.http.over_aiohttp import session  # noqa: PLC0415 - needs the same extra

    context = httpx.create_ssl_context(verify=verify, trust_env=trust_env)
    return httpx_aiohttp.AiohttpTransport(
        verify=context, client=lambda: session(context, _LIMITS.keepalive_expiry)
    )


def _make(build: Callable[[], Any]) -> Any:
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


async def _keep(
    pool: httpx.AsyncBaseTransport, key: tuple[_Key, asyncio.AbstractEventLoop]
) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        _async_pools.pop(key, None)
        await pool.aclose()


def _forget_closed_loops() -> None:
    for key in [key for key in list(_async_pools) if key[1].is_closed()]:
        _async_pools.pop(key, None)


def _close_all() -> None:
    for pool in _pools.values():
        pool.close()


def _inherit() -> None:
    # In a forked child: the connections are the parent's, so they are neither used nor closed here.
    _inherited.append((dict(_pools), dict(_async_pools)))
    _pools.clear()
    _async_pools.clear()
    _lock.release()


# Left open, kept-alive sockets are reported as a ResourceWarning when the interpreter goes down.
atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    # Held over the fork, the lock cannot be left locked in the child by a thread that is not there.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_inherit)


class SyncWire:
    """One request's way, blocking."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._response: httpx.Response | None = None
        self._body: Iterator[bytes] | None = None

    def perform(self, step: Open | Read | Rest | Sleep) -> Head | bytes | None:
        """Do a step; raises `OpenRouterError`."""
        if isinstance(step, Read):
            return self._read(step)
        if isinstance(step, Open):
            return self._open(step)
        if isinstance(step, Rest):
            return self._rest(step)
        self.close()
        time.sleep(step.seconds)
        return None

    def _open(self, step: Open) -> Head:
        self.close()
        end_within(step.seconds)
        try:
            request = self._transport.build(step)
            self._response = self._transport.pool().handle_request(request)
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(problem, sent=False, host=self._transport.peer) from None
        self._body = self._response.iter_bytes()
        return self._transport.head(request, self._response)

    def _read(self, step: Read) -> bytes:
        assert self._body is not None
        end_within(step.seconds)
        try:
            return next(self._body, b"")
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(problem, sent=True, host=self._transport.peer) from None

    def _rest(self, step: Rest) -> bytes:
        assert self._body is not None
        rest = b""
        end_within(step.seconds)
        with contextlib.suppress(Exception):
            # An error of any kind means that the connection is gone, which is no loss: what matters is here.
            for piece in self._body:
                rest += piece
        return rest

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

    async def perform(self, step: Open | Read | Rest | Sleep) -> Head | bytes | None:
        """Do a step; raises `OpenRouterError`."""
        if isinstance(step, Read):
            return await self._read(step)
        if isinstance(step, Open):
            return await self._open(step)
        if isinstance(step, Rest):
            return await self._rest(step)
        await self.close()
        await asyncio.sleep(step.seconds)
        return None

    async def _open(self, step: Open) -> Head:
        await self.close()
        try:
            request = self._transport.build(step)
            pool = await self._transport.async_pool()
            async with asyncio.timeout(step.seconds):
                self._response = await pool.handle_async_request(request)
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(problem, sent=False, host=self._transport.peer) from None
        self._body = self._response.aiter_bytes()
        return self._transport.head(request, self._response)

    async def _read(self, step: Read) -> bytes:
        assert self._body is not None
        try:
            async with asyncio.timeout(step.seconds):
                return await anext(self._body, b"")
        except Exception as problem:  # noqa: BLE001 - every kind is translated
            raise translate(problem, sent=True, host=self._transport.peer) from None

    async def _rest(self, step: Rest) -> bytes:
        assert self._body is not None
        rest = b""
        with contextlib.suppress(Exception):
            # An error of any kind means that the connection is gone, which is no loss: what matters is here.
            async with asyncio.timeout(step.seconds):
                async for piece in self._body:
                    rest += piece
        return rest

    async def close(self) -> None:
        """Let go of the connection, at once."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()
