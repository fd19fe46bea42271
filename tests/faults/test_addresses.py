"""B1, B3: a host is found, and one of its addresses reached, within the time that there is; after it nothing is sent."""

from __future__ import annotations

import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from openrouter_opts.errors import ConnectTimedOut, OpenRouterError, TimedOut
from openrouter_opts.http.addresses import addresses_of
from tests.faults.aftermath import HI, SOON, failure
from tests.faults.calls import Callers, Servers
from tests.wire_bytes import COMPLETION, answer

pytestmark = [
    pytest.mark.filterwarnings("ignore::openrouter_opts.errors.InsecureTransportWarning"),
    pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"]),
]

GATEWAY = "gateway.example"
LATE = 0.3
"""What a loaded machine may take beside."""


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that gives the gateway its addresses, which are found after a while, and returns its URL."""
    real = socket.getaddrinfo

    def set_up(*places: tuple[str, int], after: float = 0.0) -> str:
        def found(host: Any, port: Any, *args: Any, **named: Any) -> list[Any]:
            if host not in {GATEWAY, GATEWAY.encode()}:
                return real(host, port, *args, **named)
            time.sleep(after)
            return [each for place in places for each in real(*place, *args, **named)]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        return f"http://{GATEWAY}:{places[0][1]}/api/v1"

    return set_up


@pytest.fixture
def silent() -> Iterator[Callable[[int], str]]:
    """Return a function that makes a port of another loopback address one that takes nobody in, and returns the address."""
    with ExitStack() as stack:

        def fill(port: int) -> str:
            address = "127.0.0.2"
            held = stack.enter_context(socket.socket())
            held.bind((address, port))
            held.listen(0)
            # No connection is taken in once so many wait for it.
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(held.getsockname())
            return address

        yield fill


LIMITS: dict[str, tuple[dict[str, float], type[OpenRouterError]]] = {
    "connect": ({"connect": SOON}, ConnectTimedOut),
    "total": ({"connect": 5, "total": SOON}, TimedOut),
    "first_byte": ({"connect": 5, "first_byte": SOON}, TimedOut),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_the_addresses_of_a_host_share_the_time(
    limit: str, gateway: Callable[..., str], silent: Callable[[int], str], scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    url = gateway(*[(silent(server.port), server.port)] * 4)
    timeout, cls = LIMITS[limit]
    client = caller(server, base_url=url, timeout=timeout, max_retries=0)
    began = time.monotonic()
    failure(client, cls)
    assert SOON - 0.01 <= time.monotonic() - began < SOON + LATE


def test_an_address_that_does_not_answer_leaves_time_for_one_that_does(
    gateway: Callable[..., str], silent: Callable[[int], str], scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    url = gateway((silent(server.port), server.port), ("127.0.0.1", server.port))
    client = caller(server, base_url=url, timeout={"connect": 2 * SOON}, max_retries=0)
    assert client.complete(HI).text == "Hello"


@pytest.mark.parametrize("limit", LIMITS)
def test_a_host_that_is_found_too_late_is_asked_nothing(
    limit: str, gateway: Callable[..., str], scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    url = gateway(("127.0.0.1", server.port), after=SOON + 2 * LATE)
    timeout, cls = LIMITS[limit]
    client = caller(server, base_url=url, timeout=timeout, max_retries=0)
    began = time.monotonic()
    failure(client, cls)
    assert time.monotonic() - began < SOON + LATE
    client.pause(3 * LATE)
    assert server.deliveries == []


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread begin that looks for addresses, as where a system has no more of them, or Python 3.12.1 is about to end."""
    start = threading.Thread.start

    def begin(thread: threading.Thread) -> None:
        if thread.name == "openrouter-opts-addresses":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)


@pytest.mark.usefixtures("no_threads")
def test_a_host_is_found_where_no_thread_begins(
    gateway: Callable[..., str], scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)])
    assert caller(server, base_url=gateway(("127.0.0.1", server.port))).complete(HI).text == "Hello"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%3"])
def test_an_address_is_not_looked_for(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert addresses_of(address, 443, 1.0) == [address]


def test_an_address_of_one_link_is_written_with_the_link(monkeypatch: pytest.MonkeyPatch):
    places = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 3)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    assert addresses_of("x", 443, 1.0) == ["fe80::1%3", "192.0.2.1"]


def test_a_host_without_addresses_leaves_nothing_for_the_collector(monkeypatch: pytest.MonkeyPatch):
    class Unknown(OSError):
        """An error that can be watched."""

    def fail(*_: object, **__: object) -> None:
        raise Unknown

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    gc.disable()
    try:
        with pytest.raises(Unknown) as caught:
            addresses_of("x", 443, 1.0)
        kept = weakref.ref(caught.value)
        caught = None
        assert kept() is None
    finally:
        gc.enable()
