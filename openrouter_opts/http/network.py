"""The network under httpx: waits that end on time, and connections that are closed however their encryption ends.

httpx bounds each connect, write and read by itself, with a limit that is fixed when the request is sent: ten slow pieces may take ten
times as long, and what is left of a call's time cannot be said. Its network is exchangeable, though. This one ends every blocking wait
at the moment that the step which waits has set for its thread, as `asyncio.timeout` does on the async side.
https://www.encode.io/httpcore/network-backends/
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from ssl import SSLContext, SSLError, SSLObject, SSLWantReadError
from time import monotonic
from typing import Any, Final, cast

import httpcore
from httpcore._utils import is_socket_readable

from openrouter_opts.http.addresses import addresses_of

_PIECE: Final = 64 * 1024


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


_opening: ContextVar[Opening | None] = ContextVar("openrouter_opts_opening", default=None)


def opening() -> Opening:
    """Return what follows the request that this task is about to send, also where it isn't httpcore that sends it."""
    followed = Opening()
    _opening.set(followed)
    return followed


def connected() -> None:
    """Note that the request of this task has a connection now, on which it is sent."""
    if followed := _opening.get():
        followed.is_connecting = False


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
                return _Connection(
                    self._network.connect_tcp(address, port, share, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                problem = failure
        raise problem


def _addresses(host: str, port: int, seconds: float | None) -> list[str]:
    try:
        return addresses_of(host, port, seconds)
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"{host} was not found in time") from None
    except OSError as problem:
        raise httpcore.ConnectError(str(problem)) from problem


class _Connection(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Each piece that the other side takes starts a wait of its own.
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], _bounded(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            seconds = _bounded(timeout, httpcore.ConnectTimeout)
            return _Connection(self._stream.start_tls(ssl_context, server_hostname, seconds))
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
        return _AsyncConnection(
            await self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        )


class _AsyncConnection(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

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
            return _AsyncConnection(await self._stream.start_tls(ssl_context, server_hostname, timeout))
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
