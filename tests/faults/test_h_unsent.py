"""H: calls that are left before anything of them was sent. They cost nothing, and hold nothing of a limit."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import OpenRouterClient, Record, SpendLimit, track_costs
from openrouter_opts.catalog import Catalog, Endpoint, Model
from openrouter_opts.errors import ConnectionFailed, ConnectTimedOut
from tests.faults.aftermath import HI, KEY, SOON, both_kinds, failure, in_use
from tests.faults.calls import Callers, Servers, auntil, client_of
from tests.faults.conftest import Handler, RawServer
from tests.faults.nowhere import crowded, silent
from tests.scripted_server import Script
from tests.wire_bytes import COMPLETION, answer, delta, streamed

D = Decimal
PRICES = {"prompt": D("1e-6"), "completion": D("1e-3")}
KNOWN = Catalog([Model("m/x", "X", endpoints=(Endpoint("Mock", "mock", None, 10_000, 9, pricing=PRICES),))])
SOMEWHERE = "https://openrouter.invalid/api/v1"
over_both = pytest.mark.usefixtures("over_both")
Settings = dict[str, Any]


def limited(**settings: Any) -> Settings:
    return {"model": "m/x", "api_key": KEY, "catalog": KNOWN, "spend_limit": SpendLimit("1"), **settings}


# --- where a call may wait, with nothing sent ---


NOWHERE: dict[str, Callable[[ExitStack], Settings]] = {
    "connecting": lambda stack: {"base_url": f"http://{crowded(stack)}/api/v1"},
    "encrypting": lambda stack: {"base_url": f"https://{silent(stack)}/api/v1"},
    "asking a proxy": lambda stack: {"base_url": SOMEWHERE, "proxy": f"http://{silent(stack)}"},
}


@pytest.fixture(params=NOWHERE)
def nowhere(request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Lead to where a call waits with nothing sent."""
    with ExitStack() as stack:
        yield NOWHERE[request.param](stack)


# --- ways to ask ---


async def read(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def read_index(how: Settings) -> None:
    await read(await OpenRouter(**how).astream_chat([ChatMessage("hi")]))


WAYS: dict[str, Callable[[Settings], Awaitable[Any]]] = {
    "whole": lambda how: OpenRouterClient(**how).acomplete(HI),
    "streamed": lambda how: read(OpenRouterClient(**how).astream(HI)),
    "embedding": lambda how: OpenRouterClient(**how).aembed("hi"),
    "LangChain": lambda how: ChatOpenRouter(**how).ainvoke("hi"),
    "LangChain, streamed": lambda how: read(ChatOpenRouter(**how).astream("hi")),
    "LlamaIndex": lambda how: OpenRouter(**how).achat([ChatMessage("hi")]),
    "LlamaIndex, streamed": read_index,
}


async def left_after(seconds: float, way: str, how: Settings) -> Record:
    """Cancel a call; return its record."""
    with track_costs() as spend:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(WAYS[way](how), seconds)
        assert in_use() == []
    (record,) = spend.records
    return record


@over_both
@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_is_cancelled_before_it_was_sent_costs_and_holds_nothing(
    way: str, nowhere: Settings
):
    how = limited(**nowhere)
    for _ in range(2):
        record = await left_after(0.1, way, how)
        assert (record.outcome, record.pending, record.cost.total) == ("failed", False, None)
    assert how["spend_limit"].figures == (1, 0, 0, 0)


@over_both
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kept", [False, True], ids=["first", "on a kept connection"])
async def test_a_call_that_is_cancelled_after_it_was_sent_stays_pending(
    kept: bool, way: str, scripted: Servers
):
    server = scripted(*([[answer(COMPLETION)]] if kept else []), ["HANG"])
    how = limited(base_url=server.base_url)
    if kept:
        await client_of(server).acomplete(HI)
    record = await left_after(0.2, way, how)
    assert (record.outcome, record.pending, server.connections) == ("interrupted", True, 1)
    assert how["spend_limit"].pending == how["spend_limit"].figures.pending > 0


@over_both
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("kept", [False, True], ids=["each connects", "on a kept connection"])
async def test_what_is_cancelled_at_any_step_is_free_only_if_the_server_never_sees_it(
    kept: bool,
    encrypted: bool,
    scripted: Servers,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    server = scripted(
        choose=lambda sent: ["HANG"] if "user" in sent.json else [answer(COMPLETION)],
        tls=certified() if encrypted else None,
    )
    client = OpenRouterClient(**limited(base_url=server.base_url, verify=trusting))
    outcome = dict[str, str]()
    for steps in range(40):
        if kept:
            await client.acomplete(HI)
        with track_costs() as spend:
            task = asyncio.create_task(client.acomplete(HI, user=str(steps)))
            for _ in range(steps):
                await asyncio.sleep(0)
            # An encryption takes more than steps, and the last one is sent in any case.
            await asyncio.sleep(0.2 if steps == 39 else encrypted * steps / 10_000)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        outcome |= {str(steps): record.outcome for record in spend.records}
    # On a kept connection aiohttp sends it in the first step.
    assert set(outcome.values()) >= ({"interrupted"} if kept else {"failed", "interrupted"})
    # What was sent may still be on its way.
    await asyncio.sleep(0.1)
    seen = {sent.json.get("user") for sent in server.deliveries} - {None}
    assert {outcome[each] for each in seen} == {"interrupted"}


@pytest.mark.usefixtures("interrupted")
# Interrupted, CPython's own functions that connect and encrypt leave closing their socket to the collector, which says so.
@pytest.mark.filterwarnings("ignore:.*(socket.socket|SSLSocket):pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_before_anything_was_sent_costs_nothing(nowhere: Settings, caller: Callers, scripted: Servers):
    how = limited(**nowhere)
    with track_costs() as spend, pytest.raises(KeyboardInterrupt):
        list(caller(scripted(), **how).stream(HI))
    gc.collect()
    assert [record.outcome for record in spend.records] == ["failed"]
    assert how["spend_limit"].figures == (1, 0, 0, 0)


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("script", [["HANG"], streamed(delta("a"), end="HANG")], ids=["no head", "a chunk"])
def test_ctrl_c_after_it_was_sent_leaves_it_pending(script: Script, caller: Callers, scripted: Servers):
    server = scripted(script)
    how = limited(base_url=server.base_url)
    with track_costs() as spend, pytest.raises(KeyboardInterrupt):
        list(caller(server, **how).stream(HI))
    assert [record.pending for record in spend.records] == [True]
    assert how["spend_limit"].figures.pending > 0


@over_both
async def test_each_attempt_is_looked_at_for_itself(
    raw: Callable[[Handler], RawServer],
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    """The first one is sent, and refused; the next one finds nobody who encrypts."""

    def refuse_once(connection: socket.socket) -> None:
        if server.connections > 1:
            connection.recv(10_000)
            connection.recv(10_000)
            return
        with certified().wrap_socket(connection, server_side=True) as encrypted:
            sent = b""
            while b'"hi"' not in sent:
                sent += encrypted.recv(100_000)
            encrypted.sendall(
                b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )

    server = raw(refuse_once)
    how = limited(base_url=f"https://{server.place}/api/v1", verify=trusting)
    with track_costs() as spend, pytest.raises(TimeoutError):
        await asyncio.wait_for(OpenRouterClient(**how).acomplete(HI), 0.5)
    await auntil(lambda: server.connections == 2)
    assert [(record.attempts, record.outcome) for record in spend.records] == [(1, "failed"), (2, "failed")]
    assert how["spend_limit"].figures == (1, 0, 0, 0)


# --- and what an error says of it ---


@both_kinds
def test_a_proxy_that_never_answers_has_delivered_nothing(stream: bool, caller: Callers, scripted: Servers):
    with ExitStack() as stack:
        timeout = {"connect": SOON / 2, "first_byte": 10.0}
        how = limited(base_url=SOMEWHERE, proxy=f"http://{silent(stack)}", timeout=timeout, max_retries=1)
        with track_costs() as spend:
            error = failure(caller(scripted(), **how), ConnectTimedOut, stream=stream)
        assert (error.phase, error.delivered, error.attempts) == ("connect", "no", 2)
        assert [record.pending for record in spend.records] == [False, False]
        assert how["spend_limit"].figures == (1, 0, 0, 0)


@both_kinds
def test_a_proxy_that_hangs_up_has_delivered_nothing(
    stream: bool, raw: Callable[[Handler], RawServer], caller: Callers, scripted: Servers
):
    def hang_up(connection: socket.socket) -> None:
        connection.recv(10_000)

    server = raw(hang_up)
    how = limited(base_url=SOMEWHERE, proxy=f"http://{server.place}", max_retries=1)
    with track_costs() as spend:
        error = failure(caller(scripted(), **how), ConnectionFailed, stream=stream)
    assert (error.delivered, error.attempts, server.connections) == ("no", 2, 2)
    assert f"through the proxy {server.place}" in str(error)
    assert [record.pending for record in spend.records] == [False, False]
