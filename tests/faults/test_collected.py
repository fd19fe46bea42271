"""I14: a stream that nobody holds any more is closed by the garbage collector, which comes at any point: in the midst of httpcore's pools too."""

from __future__ import annotations

import gc
import logging
import os
import signal
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpcore
import pytest
from httpcore._sync.connection_pool import PoolRequest

from openrouter_opts import OpenRouterClient
from openrouter_opts.http import reuse
from tests.faults.aftermath import HI, in_use
from tests.faults.calls import Servers, client_of
from tests.scripted_server import Delivery, Script
from tests.wire_bytes import COMPLETION, answer, delta, streamed

# What hangs in the collector cannot be interrupted.
pytestmark = pytest.mark.timeout(10, method="thread")


def hanging_streams(delivery: Delivery) -> Script:
    return streamed(delta("a"), end="HANG") if delivery.json.get("stream") else [answer(COMPLETION)]


@pytest.fixture
def at_our_word() -> Iterator[None]:
    """Keep the collector away, but where a test calls it."""
    gc.disable()
    yield
    gc.enable()


class Left:
    """A stream in a cycle, as an error that is kept by its own traceback leaves one."""

    def __init__(self, client: OpenRouterClient) -> None:
        self.itself = self
        self.stream = client.stream(HI)
        next(self.stream)


def meeting(
    monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str], once: Callable[[], object]
) -> threading.Event:
    """Have something done, once, where httpcore gets to a place; return what tells whether it was."""
    owner, name = place
    reached, original = threading.Event(), getattr(owner, name)

    def passed(*given: Any) -> Any:
        if not reached.is_set():
            reached.set()
            once()
        return original(*given)

    monkeypatch.setattr(owner, name, passed)
    return reached


PLACES = {
    "a request comes": (PoolRequest, "__init__"),
    "requests are looked through": (PoolRequest, "is_queued"),
    "connections are looked through": (httpcore.HTTPConnection, "is_idle"),
    "what came on them is looked at": (reuse, "_holds_more"),
    "a connection is made": (httpcore.ConnectionPool, "create_connection"),
    "a connection is given": (PoolRequest, "assign_to_connection"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.usefixtures("at_our_word")
def test_streams_are_collected_in_the_midst_of_another_call(
    place: tuple[Any, str], scripted: Servers, monkeypatch: pytest.MonkeyPatch
):
    client = client_of(scripted(choose=hanging_streams))
    client.complete(HI)
    left = [weakref.ref(Left(client)) for _ in range(3)]
    # It takes the connection that was left, but where one is to be made.
    kept = [client.stream(HI)] if place[1] == "create_connection" else []
    for stream in kept:
        next(stream)
    reached = meeting(monkeypatch, place, gc.collect)
    assert client.complete(HI).text == "Hello"
    assert reached.is_set()
    assert not any(each() for each in left), "they were collected there"
    for stream in kept:
        stream.close()
    assert client.complete(HI).text == "Hello"
    assert in_use() == []


@pytest.mark.usefixtures("at_our_word")
def test_a_stream_is_collected_wherever_the_collector_comes_by_itself(scripted: Servers):
    """Later from call to call, by the objects that the call has made until then."""
    client = client_of(scripted(choose=hanging_streams))
    usual = gc.get_threshold()
    try:
        for later in range(1, 600, 3):
            left = Left(client)
            # What is there is older than what comes, and counted no more.
            gc.collect(0)
            gc.set_threshold(later, 0, usual[2])
            del left
            gc.enable()
            assert client.complete(HI).text == "Hello"
            gc.disable()
    finally:
        gc.set_threshold(*usual)
    gc.collect()
    assert in_use() == []


def test_streams_of_two_pools_are_collected_each_in_the_midst_of_the_other(
    scripted: Servers, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
):
    server = scripted(choose=hanging_streams)
    clients = [client_of(server), client_of(server, verify=trusting)]
    streams = [client.stream(HI) for client in clients]
    for stream in streams:
        next(stream)
    both, mine = threading.Barrier(2), threading.local()
    original = PoolRequest.__init__

    def crossing(*given: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.3)
        mine.stream.close()
        original(*given)

    monkeypatch.setattr(PoolRequest, "__init__", crossing)
    said: list[str | None] = []

    def ask(client: OpenRouterClient, stream: Any) -> None:
        mine.stream = stream
        said.append(client.complete(HI).text)

    threads = [
        threading.Thread(target=ask, args=pair, daemon=True)
        for pair in zip(clients, reversed(streams), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert said == ["Hello", "Hello"]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_closes_a_stream_of_its_parent_though_a_thread_was_in_the_midst_of_the_pool(
    scripted: Servers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    # The thread may be writing to pytest's log as well, whose file has a lock that no fork takes.
    caplog.set_level(logging.CRITICAL)
    client = client_of(scripted(choose=hanging_streams))
    stream = client.stream(HI)
    next(stream)
    forked = threading.Event()
    # A fork waits for it, for as long as it takes; where one doesn't, it is in the midst of it still.
    reached = meeting(monkeypatch, (PoolRequest, "is_queued"), lambda: forked.wait(0.3))
    asking = threading.Thread(target=client.complete, args=(HI,))
    asking.start()
    reached.wait()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(3)
        status = 1
        try:
            stream.close()
            status = 0 if client.complete(HI).text == "Hello" else 2
        finally:
            os._exit(status)
    forked.set()
    assert os.waitpid(child, 0)[1] == 0
    asking.join()
    stream.close()
