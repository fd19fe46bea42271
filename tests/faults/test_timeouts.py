"""Timeouts end when they say, on every side and over encrypted connections too, however the server keeps itself alive."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from openrouter_opts import Timeout
from openrouter_opts.errors import NoProvider, ProviderFailed, TimedOut
from openrouter_opts.http.network import _Connection, end_within
from tests.both import Caller
from tests.faults.aftermath import HI, KEY, SOON, failure
from tests.faults.calls import Callers, Servers, client_of
from tests.scripted_server import Delivery, Script
from tests.wire_bytes import COMPLETION, STREAM_HEAD, answer, chunked, delta, event, streamed

LATE = 0.3
"""What a loaded machine may take beside."""


def endless(piece: bytes, pause: float = 0.02) -> Script:
    return [step for _ in range(200) for step in (piece, pause)]


HEAD_IN_DROPS: Script = [b"HTTP/1.1 200 OK\r\n", *endless(b"X")]
BEGUN = streamed(delta("Hel"), end=0.0)
COMMENTS: Script = [*BEGUN, *endless(chunked(b": OPENROUTER PROCESSING\n\n"))]
DELTAS: Script = [*BEGUN, *endless(chunked(delta("x")))]
BYTES: Script = [*BEGUN, *endless(chunked(b"d"))]
BLANKS: Script = [
    STREAM_HEAD.replace(b"text/event-stream", b"application/json"),
    *endless(chunked(b" ")),
]
# Each of these starts a read shortly before the time is over.
LONGER = 2 * SOON
SLOW_COMMENTS: Script = [*BEGUN, *endless(chunked(b": OPENROUTER PROCESSING\n\n"), 0.9 * LONGER)]
SLOW_BLANKS: Script = [answer(COMPLETION)[:-30], *endless(b" ", 0.9 * LONGER)]

PRICES = {"prompt": "0.000001", "completion": "0.000002"}
ENDPOINTS = {"id": "m/x", "endpoints": [{"tag": "mock", "context_length": 8000, "pricing": PRICES}]}

CASES: dict[str, tuple[dict[str, float], Script, bool, str]] = {
    "no head": ({"first_byte": SOON}, ["HANG"], False, "first_byte"),
    "a head in drops": ({"first_byte": SOON}, HEAD_IN_DROPS, True, "first_byte"),
    "nothing more": ({"idle": SOON}, [*BEGUN, "HANG"], True, "idle"),
    "comments": ({"progress": SOON}, COMMENTS, True, "progress"),
    "slow comments": ({"progress": LONGER, "idle": 5}, SLOW_COMMENTS, True, "progress"),
    "bytes of one event": ({"progress": SOON}, BYTES, True, "progress"),
    "deltas without end": ({"total": SOON}, DELTAS, True, "total"),
    "slow comments, in all": ({"total": LONGER, "idle": 5, "progress": 5}, SLOW_COMMENTS, True, "total"),
    "blanks before a whole answer": ({"first_byte": SOON}, BLANKS, False, "first_byte"),
    "blanks, though a stream was asked for": ({"first_byte": SOON}, BLANKS, True, "first_byte"),
    "blanks before a stream": ({"progress": SOON}, [STREAM_HEAD, *endless(chunked(b"\n"))], True, "progress"),
    "a whole answer in drops": ({"total": LONGER, "idle": 5}, SLOW_BLANKS, False, "total"),
    "no head, in all": ({"total": SOON}, ["HANG"], False, "total"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_a_timeout_ends_when_it_says(
    case: str,
    encrypted: bool,
    scripted: Servers,
    caller: Callers,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    timeout, script, stream, phase = CASES[case]
    server = scripted(script, tls=certified() if encrypted else None)
    client = caller(server, timeout=timeout, verify=trusting)
    seconds = timeout[phase]
    began = time.monotonic()
    error = failure(client, TimedOut, stream=stream)
    assert seconds <= time.monotonic() - began < seconds + LATE
    assert (error.phase, error.attempts, len(server.deliveries)) == (phase, 1, 1)
    assert f"`{phase}` timeout of {seconds:g} s" in str(error)


def test_a_refusal_that_trickles_is_one_before_all_of_it_has_come(scripted: Servers, caller: Callers):
    begun = b"HTTP/1.1 503 No\r\nContent-Length: 100000\r\n\r\nbusy"
    client = caller(scripted([begun, *endless(b"x")]), timeout={"first_byte": SOON}, max_retries=0)
    began = time.monotonic()
    assert "busyxxx" in str(failure(client, NoProvider))
    assert SOON <= time.monotonic() - began < SOON + LATE


@pytest.mark.parametrize("given", [SOON, {"first_byte": SOON}, Timeout(first_byte=SOON), (5, SOON)], ids=str)
@pytest.mark.parametrize("where", ["constructor", "call"])
def test_a_timeout_may_be_given_in_many_ways(given: Any, where: str, scripted: Servers, caller: Callers):
    server = scripted(["HANG"])
    settings, call = ({"timeout": given}, {}) if where == "constructor" else ({}, {"timeout": given})
    began = time.monotonic()
    error = failure(caller(server, **settings), TimedOut, **call)
    assert SOON <= time.monotonic() - began < SOON + LATE
    assert error.phase == "first_byte"


def test_the_total_covers_attempts_and_the_waits_between_them(scripted: Servers, caller: Callers):
    busy = answer({"error": {"code": 503, "message": "busy"}}, 503, Retry_After="0.2")
    server = scripted([busy], [busy], ["HANG"])
    began = time.monotonic()
    error = failure(caller(server, timeout={"total": 2 * SOON}, max_retries=5), TimedOut)
    assert 2 * SOON <= time.monotonic() - began < 2 * SOON + LATE
    assert (error.phase, error.attempts, len(server.deliveries)) == ("total", 3, 3)


def test_the_total_covers_the_prices_that_are_asked_for_before(scripted: Servers, caller: Callers):
    silent = [True]

    def script(delivery: Delivery) -> Script:
        asked = answer({"data": ENDPOINTS}) if delivery.method == "GET" else answer(COMPLETION)
        return ["HANG"] if silent[0] and delivery.method == "GET" else [asked]

    server = scripted([], choose=script)
    client = caller(server, spend_limit="5")
    began = time.monotonic()
    error = failure(client, TimedOut, timeout={"total": SOON})
    assert SOON <= time.monotonic() - began < SOON + LATE
    assert (error.phase, error.delivered, error.attempts) == ("total", "no", 0)
    assert "nothing was sent" in str(error)
    assert [sent.method for sent in server.deliveries] == ["GET"]
    silent[0] = False
    assert client.complete(HI).text == "Hello", "that one call had no time says nothing of the prices"


def test_an_error_in_a_stream_is_raised_within_the_total(scripted: Servers, caller: Callers):
    down = event({"error": {"code": 502, "message": "down"}})
    client = caller(scripted(streamed(delta("Hel"), down, end="HANG")), timeout={"total": SOON})
    began = time.monotonic()
    assert failure(client, ProviderFailed, stream=True).partial.text == "Hel"
    assert time.monotonic() - began < SOON + LATE


def test_the_total_of_a_stream_begins_when_it_is_first_read(scripted: Servers, caller: Callers):
    client = caller(scripted(streamed(delta("Hello", finish_reason="stop"))), timeout={"total": LONGER})
    stream = client.stream(HI)
    client.pause(1.1 * LONGER)
    assert "".join(step.text for step in stream) == "Hello"


@pytest.mark.parametrize("timeout", [{"idle": SOON, "progress": SOON}, {"total": SOON}], ids=str)
def test_the_time_that_a_consumer_takes_is_not_the_servers(
    timeout: dict[str, float], scripted: Servers, caller: Callers
):
    client: Caller = caller(
        scripted(streamed(delta("a"), delta("b"), delta("", finish_reason="stop"), end="HANG")),
        timeout=timeout,
    )
    stream = client.stream(HI)
    assert next(stream).text == "a"
    client.pause(2 * SOON)
    assert "".join(step.text for step in stream) == "b"


def test_a_deadline_of_one_thread_is_no_other_threads(scripted: Servers, caller: Callers):
    """What a call leaves behind bounds no later one."""
    end_within(0.001)
    server = scripted([0.1, answer(COMPLETION)])
    assert (
        caller(server, timeout={"first_byte": None, "idle": None, "progress": None}).complete(HI).text
        == "Hello"
    )


def test_where_a_key_comes_from_sets_no_deadline_for_the_call(scripted: Servers, caller: Callers):
    vault = client_of(scripted([answer({"data": {"label": "mine"}})]), timeout=SOON)

    def fetch() -> str:
        assert vault.key()
        return KEY

    server = scripted([2 * SOON, answer(COMPLETION)])
    assert caller(server, api_key=fetch, timeout=10).complete(HI).text == "Hello"


def test_a_key_that_comes_too_late_is_sent_nowhere(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])

    def fetch() -> str:
        time.sleep(SOON)
        return KEY

    error = failure(caller(server, api_key=fetch, timeout={"total": SOON}), TimedOut)
    assert (error.phase, error.delivered) == ("total", "no")
    assert server.deliveries == []


class Interrupted:
    """A connection whose encryption is interrupted by Ctrl-C."""

    closed = False

    def start_tls(self, *_: Any) -> Any:
        raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True


def test_ctrl_c_while_a_connection_is_encrypted_leaves_none_open(trusting: ssl.SSLContext):
    stream: Any = Interrupted()
    end_within(None)
    with pytest.raises(KeyboardInterrupt):
        _Connection(stream, None).start_tls(trusting)
    assert stream.closed
