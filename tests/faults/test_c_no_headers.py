"""C: the request has left, and no head comes back: it may have been delivered, and billed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import ConnectionLost, OpenRouterError, PayloadTooLarge, TimedOut
from tests.both import Caller, Side
from tests.faults.aftermath import KEY, SOON, both_kinds, ending, failure
from tests.faults.conftest import Handler, RawServer
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM_HEAD, answer, chunked, delta

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
Raw = Callable[[Handler], RawServer]
LARGE = [{"role": "user", "content": "x" * 20_000_000}]


# --- C1: the connection ends ---


@pytest.mark.parametrize("end", ["RST", "FIN"])
@both_kinds
def test_a_connection_that_ends_before_the_head_may_have_been_paid_for(
    end: str, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([end])
    error = failure(caller(server), ConnectionLost, stream=stream)
    assert (error.delivered, error.attempts, len(server.deliveries)) == ("maybe", 1, 1)
    error = failure(caller(server, retry_uncertain=True, max_retries=1), ConnectionLost, stream=stream)
    assert (error.attempts, len(server.deliveries)) == (2, 3)


@pytest.mark.parametrize("end", ["RST", "FIN"])
def test_half_a_head_is_none(end: str, scripted: Servers, caller: Callers):
    server = scripted([b"HTTP/1.1 200 OK\r\nX-Generation-Id: gen-1\r\nContent-Le", 0.05, end])
    error = failure(caller(server), ConnectionLost)
    assert (error.delivered, error.attempts, len(server.deliveries)) == ("maybe", 1, 1)


# --- C2: nothing comes ---


@both_kinds
def test_a_head_that_never_comes_is_asked_for_once(stream: bool, scripted: Servers, caller: Callers):
    server = scripted(["HANG"])
    began = time.monotonic()
    error = failure(caller(server, timeout={"first_byte": SOON}), TimedOut, stream=stream)
    assert SOON <= time.monotonic() - began < SOON + 0.25
    assert (error.phase, error.delivered, error.attempts, len(server.deliveries)) == (
        "first_byte",
        "maybe",
        1,
        1,
    )
    assert "`first_byte` timeout of 0.3 s" in str(error)


@both_kinds
def test_a_head_that_comes_in_drops_is_no_head_in_time(stream: bool, scripted: Servers, caller: Callers):
    drops = [step for byte in b"HTTP/1.1 200 OK\r\n" * 20 for step in (bytes([byte]), 0.02)]
    server = scripted(drops)
    began = time.monotonic()
    error = failure(caller(server, timeout={"first_byte": SOON}), TimedOut, stream=stream)
    assert SOON <= time.monotonic() - began < SOON + 0.25
    assert (error.phase, len(server.deliveries)) == ("first_byte", 1)


@both_kinds
def test_the_whole_call_bounds_the_wait_for_the_head(stream: bool, scripted: Servers, caller: Callers):
    server = scripted(["HANG"])
    began = time.monotonic()
    error = failure(caller(server, timeout={"total": SOON}, retry_uncertain=True), TimedOut, stream=stream)
    assert SOON <= time.monotonic() - began < SOON + 0.25
    assert (error.phase, error.delivered, error.attempts) == ("total", "maybe", 1)


@pytest.mark.parametrize("bytes_at_a_time", [0, 262_144], ids=["nothing", "little"])
def test_a_request_that_is_hardly_read_is_not_sent_for_ever(bytes_at_a_time: int, raw: Raw, side: Side):
    given_up = threading.Event()

    def hardly_read(connection: socket.socket) -> None:
        while not given_up.wait(0.02):
            if bytes_at_a_time:
                connection.recv(bytes_at_a_time)

    url = f"http://{raw(hardly_read).place}/v1"
    client = Caller(side, OpenRouterClient(api_key=KEY, base_url=url, timeout={"first_byte": SOON}))
    began = time.monotonic()
    try:
        with pytest.raises(TimedOut) as caught:
            client.complete(LARGE * 2, model="m/x")
        # Read as slowly as it is, all of it would take three seconds; to write it down takes a moment too.
        assert time.monotonic() - began < SOON + 1.5
        assert (caught.value.phase, caught.value.attempts) == ("first_byte", 1)
    finally:
        client.close()
        given_up.set()


# --- C3: what comes is no head ---


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 20\xff OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
        # A thousand short ones are a head like any other to h11; a megabyte of them is too much for every library.
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 1000) for n in range(2000)) + b"\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
    ],
    ids=["words", "status", "header", "1 MB header", "2000 headers", "TLS alert"],
)
@both_kinds
def test_garbage_in_place_of_a_head_may_have_been_paid_for(
    garbage: bytes, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([garbage, "FIN"])
    error = failure(caller(server), ConnectionLost, stream=stream)
    assert (error.delivered, error.attempts, len(server.deliveries)) == ("maybe", 1, 1)
    assert len(str(error)) < 2_200


# --- C4: the answer comes, or the connection ends, while the request is still on its way ---


def refusing_early(then: Callable[[socket.socket], None]) -> Handler:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        then(connection)

    return refuse


def say_no_and_drain(connection: socket.socket) -> None:
    connection.sendall(answer({"error": {"code": 413, "message": "too large"}}, 413, Connection="close"))
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1_000_000):
        pass


def reset(connection: socket.socket) -> None:
    """Closing with unread bytes resets."""
    connection.close()


@pytest.mark.parametrize(
    ("then", "cls", "delivered"),
    [(say_no_and_drain, PayloadTooLarge, "yes"), (reset, ConnectionLost, "maybe")],
    ids=["413", "reset"],
)
def test_an_upload_that_is_cut_short_has_the_servers_answer_if_there_is_one(
    then: Any, cls: type[OpenRouterError], delivered: str, raw: Raw, side: Side
):
    server = raw(refusing_early(then))
    client = Caller(side, OpenRouterClient(api_key=KEY, base_url=f"http://{server.place}/v1", model="m/x"))
    with pytest.raises(OpenRouterError) as caught:
        client.complete(LARGE)
    error = caught.value
    assert type(error) is cls, error
    assert (error.delivered, error.attempts, server.connections) == (delivered, 1, 1)
    client.close()


# --- C5: the head says which generation it is, and then the connection ends ---


@pytest.mark.parametrize("end", ["RST", "FIN"])
@both_kinds
def test_what_is_lost_after_its_head_can_be_looked_up(
    end: str, stream: bool, scripted: Servers, caller: Callers
):
    head = STREAM_HEAD if stream else answer(COMPLETION)[:-20].replace(b"X-Gen", b"cf-ray: ray-1\r\nX-Gen")
    head = head.replace(b"Transfer", b"cf-ray: ray-1\r\nTransfer")
    server = scripted([head, 0.05, end])
    error = failure(caller(server), ConnectionLost, stream=stream)
    assert (error.delivered, error.generation_id, error.request_id) == ("yes", "gen-1", "ray-1")
    assert (error.attempts, len(server.deliveries), error.partial) == (1, 1, None)
    assert error.response.status_code == 200


def test_a_stream_that_is_lost_keeps_its_generation_and_its_beginning(scripted: Servers, caller: Callers):
    server = scripted([STREAM_HEAD, chunked(delta("Hel")), 0.05, "RST"])
    error = ending(caller(server), stream=True)
    assert error is not None
    assert error.partial is not None
    assert (error.generation_id, error.partial.text) == ("gen-1", "Hel")


# --- much of a head ---

LONG: dict[str, dict[str, str]] = {
    "a line of ten kilobytes": {"Set-Cookie": 10_000 * "x"},
    "a line of ninety kilobytes": {"Content-Security-Policy": 90_000 * "x"},
    "a thousand lines": {f"X-{number}": "y" for number in range(1000)},
}


@pytest.mark.parametrize("kind", LONG)
def test_a_head_may_be_long(
    kind: str, scripted: Callable[..., ScriptedServer], caller: Callable[..., Caller]
):
    client = caller(scripted([answer(COMPLETION, **LONG[kind])]))
    assert client.complete([{"role": "user", "content": "hi"}]).text == "Hello"
