"""B9, I1, I6: a connection is used again only when nothing is left in it; what stays in it would be the next call's answer."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpcore
import pytest
from httpcore._sync.connection_pool import PoolRequest

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import ConnectionLost, Malformed, OpenRouterError
from openrouter_opts.http.network import _holds_more
from openrouter_opts.http.reuse import careful
from tests.both import Caller, Side
from tests.faults.aftermath import HI
from tests.faults.calls import Callers, Servers, client_of
from tests.scripted_server import Delivery, Script
from tests.wire_bytes import COMPLETION, answer


def said(words: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
    return answer({**COMPLETION, "choices": [choice]})


def answers(client: Caller, *calls: str) -> list[Any]:
    """Return what each call is told, or the class of its error."""
    told: list[Any] = []
    for words in calls:
        try:
            told.append(client.complete([{"role": "user", "content": words}]).text)
        except OpenRouterError as error:
            told.append(type(error))
    return told


def echo_with(surplus: Callable[[str], Script]) -> Callable[[Delivery], Script]:
    """Return what answers every call with its own words; after the first answer comes more."""
    calls: list[str] = []

    def choose(delivery: Delivery) -> Script:
        calls.append(words := delivery.json["messages"][0]["content"])
        return surplus(words) if len(calls) == 1 else [said(words)]

    return choose


SURPLUS: dict[str, Callable[[str], Script]] = {
    "a second answer": lambda words: [said(words) + said("of somebody else")],
    "a second answer, by itself": lambda words: [said(words), said("of somebody else")],
    "a second answer, later": lambda words: [said(words), 0.02, said("of somebody else")],
    "an error": lambda words: [said(words) + answer({"error": {"code": 500, "message": "late"}}, 500)],
    "a blank line": lambda words: [said(words) + b"\r\n"],
    "garbage, by itself": lambda words: [said(words), 0.02, b"garbage"],
}


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("kind", SURPLUS)
def test_more_than_an_answer_is_nobody_elses_answer(
    kind: str,
    encrypted: bool,
    scripted: Servers,
    caller: Callers,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    server = scripted(choose=echo_with(SURPLUS[kind]), tls=certified() if encrypted else None)
    client = caller(server, verify=trusting)
    told = answers(client, "alice")
    client.pause(0.05)
    assert told + answers(client, "bob", "carol") == ["alice", "bob", "carol"]
    assert [each.json["messages"][0]["content"] for each in server.deliveries] == ["alice", "bob", "carol"]


def said_in(size: int, words: str) -> bytes:
    """Return an answer of so many bytes, with its head."""

    def padded(spaces: int) -> bytes:
        choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
        return answer(json.dumps({**COMPLETION, "choices": [choice]}).encode() + b" " * spaces)

    spaces = size - len(padded(0))
    return padded(spaces - len(padded(spaces)) + size)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize(
    ("size", "more"),
    [(60_000, 14_000), (60_000, 30_000), (64_000, 14_000), (65_536, 600), (262_144, 600)],
)
def test_more_than_a_large_answer_is_nobody_elses_answer(
    size: int,
    more: int,
    encrypted: bool,
    scripted: Servers,
    caller: Callers,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    """What httpcore reads is 64 KB at most; an event loop takes more from the socket at once."""
    surplus = said_in(more, "of somebody else")
    # Encrypted, it is a piece of its own that holds none of the answer's end.
    choose = echo_with(
        lambda words: [said_in(size, words), surplus] if encrypted else [said_in(size, words) + surplus]
    )
    server = scripted(choose=choose, tls=certified() if encrypted else None)
    client = caller(server, verify=trusting)
    told = answers(client, "alice")
    client.pause(0.05)
    assert told + answers(client, "bob", "carol") == ["alice", "bob", "carol"]
    assert [each.json["messages"][0]["content"] for each in server.deliveries] == ["alice", "bob", "carol"]
    assert server.connections == 2


def test_garbage_right_behind_an_answer_harms_nobody_else(scripted: Servers, caller: Callers, side: Side):
    # aiohttp's parser drops whatever it was given in one go with what it can't read, so the answer itself is lost there: but to the
    # call that it was for, and as what may have been paid.
    first = ConnectionLost if side == "aiohttp" else "alice"
    server = scripted(choose=echo_with(lambda words: [said(words) + b"garbage"]))
    assert answers(caller(server), "alice", "bob", "carol") == [first, "bob", "carol"]


def test_an_answer_that_is_longer_than_it_says_harms_nobody_else(
    scripted: Servers, caller: Callers, side: Side
):
    raw = json.dumps(COMPLETION).encode()
    short = answer(raw, Content_Length=str(len(raw) - 10))
    # As above.
    first = ConnectionLost if side == "aiohttp" else Malformed
    server = scripted(choose=echo_with(lambda _: [short]))
    assert answers(caller(server), "alice", "bob", "carol") == [first, "bob", "carol"]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_connection_in_which_nothing_is_left_is_used_again(
    encrypted: bool,
    scripted: Servers,
    caller: Callers,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    server = scripted([said("Hello")], tls=certified() if encrypted else None)
    assert answers(caller(server, verify=trusting), *"abc") == ["Hello"] * 3
    assert server.connections == 1


class Encryption:
    """A connection's encryption, that brings something or not."""

    def __init__(self, brings: bytes | Exception) -> None:
        self.brings = brings

    def read(self, _: int) -> bytes:
        if isinstance(self.brings, Exception):
            raise self.brings
        return self.brings


@pytest.mark.parametrize(
    ("brings", "more"),
    [(b"x", True), (b"", True), (ssl.SSLZeroReturnError(), True), (ssl.SSLWantReadError(), False)],
    ids=["bytes", "the end", "a farewell", "nothing"],
)
def test_an_encrypted_connection_is_asked_what_it_holds(brings: bytes | Exception, more: bool):
    encryption: Any = Encryption(brings)
    assert _holds_more(encryption) is more


class Idle(httpcore.ConnectionInterface):
    """A connection that has nothing to do, as one that was given to a request is until that begins."""

    def is_idle(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    has_expired = is_closed


def test_a_connection_is_not_closed_as_one_too_many_while_a_thread_begins_to_use_it():
    pool = httpcore.ConnectionPool(max_keepalive_connections=1)
    careful(pool)
    given, *others = pool._connections = [Idle(), Idle(), Idle()]
    request = PoolRequest(httpcore.Request("POST", "http://localhost"))
    request.assign_to_connection(given)
    pool._requests = [request]
    assert pool._assign_requests_to_connections() == others[:1]
    assert given in pool._connections


# --- B9: a kept connection that the server has closed ---


def asked_after(busy: float, client: OpenRouterClient) -> list[str | None]:
    """Ask, keep the event loop busy, so that it notices nothing, and ask again."""

    async def twice() -> list[str | None]:
        first = await client.acomplete(HI)
        time.sleep(busy)  # noqa: ASYNC251 - as an application's own work does
        return [first.text, (await client.acomplete(HI)).text]

    return asyncio.run(twice())


@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_a_connection_that_the_server_closed_while_the_loop_was_busy_is_not_used(
    end: str, scripted: Servers, over_both: str
):
    server = scripted([said("Hello"), end])
    # Nothing is tried again: nothing has to be.
    assert asked_after(0.3, client_of(server, max_retries=0)) == ["Hello", "Hello"]
    assert len(server.deliveries) == 2
