"""The network under httpx: waits that end on time, and connections that are closed however their encryption ends.

httpx bounds each connect, write and read by itself, with a limit that is fixed when the request is sent: ten slow pieces may take ten
times as long, and what is left of a call's time cannot be said. Its network is exchangeable, though. This one ends every blocking wait
at the moment that the step which waits has set for its thread, as `asyncio.timeout` does on the async side.
https://www.encode.io/httpcore/network-backends/
"""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from ssl import SSLContext, SSLError, SSLObject, SSLWantReadError
from time import monotonic
from typing import Any, Final, TypeVar, cast

import httpcore
from httpcore._exceptions import map_exceptions
from httpcore._utils import is_socket_readable

from openrouter_opts.http.addresses import addresses_of

_PIECE: Final = 64 * 1024
_TO_PROXY: Final = (b"CONNECT ", b"\x05", b"\x01")
"""How everything begins that a proxy is told before a request: https://www.rfc-editor.org/rfc/rfc1928 and rfc1929 have the last two."""
_UNCONNECTED: Final[dict[type[Exception], type[Exception]]] = {
    httpcore.ReadTimeout: httpcore.ConnectTimeout,
    httpcore.WriteTimeout: httpcore.ConnectTimeout,
    httpcore.ReadError: httpcore.ConnectError,
    httpcore.WriteError: httpcore.ConnectError,
}
T = TypeVar("T")


class _Deadline(threading.local):
    at: float = math.inf


_deadline = _Deadline()


def end_within(seconds: float | None) -> None:
    """Let everything that this thread waits for on a connection end within `seconds` from now, or whenever it comes (`None`)."""
    _deadline.at = math.inf if seconds is None else monotonic() + seconds


def _bounded(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    """Return the seconds that a wait may take; raises `late` when the thread has none left, so that nothing more is sent."""
    if _deadline.at == math.inf:
        return timeout
    left = _deadline.at - monotonic()
    if left <= 0:
        raise late("there is no time left")
    return left if timeout is None else min(timeout, left)


@dataclass(slots=True)
class Opening:
    """How far an attempt has come, of which neither a timeout nor a cancellation says anything."""

    is_connecting: bool = True
    """Whether nothing can have been sent yet."""

    def follow(self, event: str, info: Mapping[str, Any]) -> None:
        """Be told by httpcore what it does; what is sent to a proxy for a tunnel is not the request.

        https://www.encode.io/httpcore/extensions/#trace
        """
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.is_connecting = False

    async def afollow(self, event: str, info: Mapping[str, Any]) -> None:
        """The same, for the async side, on which httpcore awaits it."""
        self.follow(event, info)


_opening: ContextVar[Opening] = ContextVar("openrouter_opts_opening")


def opening() -> Opening:
    """Return what follows the request that this task is about to send, also where it isn't httpcore that sends it."""
    followed = Opening()
    _opening.set(followed)
    return followed


def connected() -> None:
    """Note that the request of this task has a connection now, on which it is sent."""
    _opening.get().is_connecting = False


class Network(httpcore.NetworkBackend):
    """Connections whose waits end at the deadline of the thread."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers; they share the time. Raises httpcore's errors."""
        seconds = _bounded(timeout, httpcore.ConnectTimeout)
        until = math.inf if seconds is None else monotonic() + seconds
        problem: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = _addresses(host, port, seconds)
        while addresses:
            # None is left without any: a socket takes zero for "do not wait".
            share = None if seconds is None else max(until - monotonic(), 0.001) / len(addresses)
            address, *addresses = addresses
            try:
                stream = self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                problem = failure
            else:
                return _Connection(stream, timeout)
        raise problem


def _addresses(host: str, port: int, seconds: float | None) -> list[str]:
    try:
        return addresses_of(host, port, seconds)
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"{host} was not found in time") from None
    except OSError as problem:
        raise httpcore.ConnectError(str(problem)) from problem


def _asks_proxy(asks: bool, said: bytes) -> bool:
    """Tell whether only a proxy has been asked so far. A request ends that, and none of its later pieces is looked at."""
    return asks and (not said or said.startswith(_TO_PROXY))


def _unless_closed(said: T) -> T:
    if said == b"":
        raise httpcore.ConnectError("the proxy closed it")
    return said


class _Connection(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, seconds: float | None) -> None:
        self._stream = stream
        self._seconds = seconds
        self._asks_proxy = True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._asks_proxy:
            return self._connecting(lambda seconds: self._stream.read(max_bytes, seconds))
        return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._asks_proxy = _asks_proxy(self._asks_proxy, buffer)
        if self._asks_proxy:
            self._connecting(lambda seconds: self._stream.write(buffer, seconds))
            return
        # Each piece that the other side takes starts a wait of its own.
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], _bounded(timeout, httpcore.WriteTimeout))

    def _connecting(self, wait: Callable[[float | None], T]) -> T:
        """Wait for a proxy; one that doesn't answer is a connection that doesn't come about."""
        try:
            with map_exceptions(_UNCONNECTED):
                return _unless_closed(wait(_bounded(self._seconds, httpcore.ConnectTimeout)))
        except BaseException:
            # httpcore leaves one to a SOCKS proxy open.
            self._stream.close()
            raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            seconds = _bounded(timeout, httpcore.ConnectTimeout)
            return _Connection(self._stream.start_tls(ssl_context, server_hostname, seconds), timeout)
        except BaseException:
            # httpcore closes after errors, but not after Ctrl-C.
            self._stream.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def is_readable(socket: Any) -> bool:
    """Tell whether something has come on a socket, if only its end; what is closed counts too."""
    return is_socket_readable(socket)


class AsyncNetwork(httpcore.AsyncNetworkBackend):
    """The same for the async side, which bounds its waits itself; the timeouts are of httpcore's own signatures."""

    def __init__(self) -> None:
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; raises httpcore's errors."""
        stream = await self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        return _AsyncConnection(stream, timeout)


class _AsyncConnection(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, seconds: float | None) -> None:
        self._stream = stream
        self._seconds = seconds
        self._asks_proxy = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._asks_proxy:
            return await self._connecting(self._stream.read(max_bytes, self._seconds))
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._asks_proxy = _asks_proxy(self._asks_proxy, buffer)
        if self._asks_proxy:
            await self._connecting(self._stream.write(buffer, self._seconds))
        else:
            await self._stream.write(buffer, timeout)

    async def _connecting(self, waited: Awaitable[T]) -> T:
        """Wait for a proxy; one that doesn't answer is a connection that doesn't come about."""
        try:
            with map_exceptions(_UNCONNECTED):
                return _unless_closed(await waited)
        except BaseException:
            # httpcore leaves one to a SOCKS proxy open.
            await self._stream.aclose()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        found = self._stream.get_extra_info(info)
        if info == "is_readable":
            # What has come may not be in the socket any more, where httpcore looks for it.
            return found or any(map(_has_more, _layers(self._stream)))
        return found

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
            return _AsyncConnection(stream, timeout)
        except BaseException:
            # httpcore closes after errors, but not when the task is cancelled.
            await self._stream.aclose()
            raise


def _layers(stream: Any) -> Iterator[Any]:
    """Return anyio's streams beneath httpcore's: the outermost encryption first, and at last the one of the socket."""
    layer = getattr(stream, "_stream", None)
    while layer is not None:
        yield layer
        layer = getattr(layer, "transport_stream", None)


def _has_more(layer: Any) -> bool:
    """Tell whether one of anyio's streams holds something that nobody has read.

    anyio lets the event loop take up to 256 KB from a socket, hands httpcore the 64 KB it asks for, and queues the rest
    (`StreamProtocol.read_queue`, anyio/_backends/_asyncio.py).
    """
    if encryption := getattr(layer, "_ssl_object", None):
        return _holds_more(encryption)
    return bool(getattr(getattr(layer, "_protocol", None), "read_queue", ()))


def _holds_more(encryption: SSLObject) -> bool:
    """Tell whether something has come, if only a farewell, on a connection that waits for nothing; what it was is lost, as it shall be."""
    try:
        encryption.read(1)
    except SSLWantReadError:
        return False
    except SSLError:
        return True
    return True
