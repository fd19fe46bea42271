"""What every fault is held against, and servers that are wrong before they have read a request."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pytest
import trustme

from openrouter_opts import client
from openrouter_opts.http.retry import Retry
from tests.faults.aftermath import KEY, in_use


@pytest.fixture(scope="package", autouse=True)
def _quick_collections() -> Iterator[None]:
    """Set aside what was imported, so that a test can collect what it left behind in no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A `ResourceWarning` is an error here, as every warning is, once what gives it has been collected."""
    caplog.set_level(logging.DEBUG)
    yield
    assert in_use() == []
    gc.collect()
    for record in caplog.get_records("call"):
        shown = f"{record.getMessage()} {record.args} {record.exc_text}"
        # httpcore's own log has the head of a response word for word; a server may have put into it what it was sent.
        assert KEY not in shown or record.getMessage().startswith("receive_response_headers"), record


@pytest.fixture(autouse=True)
def hardly_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for a hundredth of the time. What a server asks for is waited for."""

    def quick(*settings: Any) -> Retry:
        return replace(retry(*settings), jitter=lambda: 0.01)

    retry = client._retry
    monkeypatch.setattr(client, "_retry", quick)


@pytest.fixture
def refusing() -> Iterator[str]:
    """Return the URL of a port that nobody listens on; held, so that nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/api/v1"


@pytest.fixture(params=["httpx", "aiohttp"])
def over_both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run an async test over plain httpx and over aiohttp."""
    monkeypatch.setattr("openrouter_opts.http.connections.has_aiohttp", lambda: request.param == "aiohttp")
    return request.param


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Press Ctrl-C in a moment."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    yield
    timer.join()
    signal.signal(signal.SIGINT, before)


Handler: TypeAlias = Callable[[socket.socket], None]


@dataclass
class RawServer:
    """Hands each connection over as it is, before anything was read."""

    listener: socket.socket
    handle: Handler
    connections: int = 0
    open: list[socket.socket] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.connections += 1
                self.open.append(connection)
                with connection, suppress(OSError):
                    self.handle(connection)

    def stop(self) -> None:
        # Closing a socket does not wake the thread that waits for it.
        for waited_for in (self.listener, *self.open):
            with suppress(OSError):
                waited_for.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def raw() -> Iterator[Callable[[Handler], RawServer]]:
    """Return a function that starts a server on bare sockets, one connection at a time."""
    with ExitStack() as stack:

        def start(handle: Handler) -> RawServer:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = RawServer(listener, handle)
            thread = threading.Thread(target=server.serve, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return an authority for certificates that nobody knows but the tests."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return the settings of a client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Return a function that makes the settings of a server, with a certificate for names of its choice."""

    def make(*names: str, **more: object) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1",)), **more).configure_cert(context)
        return context

    return make
