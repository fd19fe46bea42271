"""Streams in the hand: they can be left at any time, and then the connection is closed at once."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from openrouter_opts import AsyncStream, OpenRouterClient, Stream
from openrouter_opts.errors import Interrupted, OpenRouterError
from tests.scripted_server import ScriptedServer, Step
from tests.wire_bytes import STREAM, delta, streamed

HI = [{"role": "user", "content": "hi"}]
Servers = Callable[..., ScriptedServer]


def client_of(server: ScriptedServer) -> OpenRouterClient:
    return OpenRouterClient(api_key="sk-or-v1-test", base_url=server.base_url, model="m/x")


def closed_soon(server: ScriptedServer, seconds: float = 1.0) -> bool:
    """Tell whether the server sees the connection closed."""
    end = time.monotonic() + seconds
    while server.closed_by_client == 0 and time.monotonic() < end:
        time.sleep(0.005)
    return server.closed_by_client == 1


@pytest.fixture
def endless(scripted: Servers) -> ScriptedServer:
    return scripted(streamed(delta("a"), delta("b"), end="HANG"))


def test_closing_a_stream_closes_the_connection(endless: ScriptedServer):
    stream = client_of(endless).stream(HI)
    assert next(stream).text == "a"
    stream.close()
    assert closed_soon(endless)
    assert list(stream) == []
    stream.close()


def test_leaving_the_with_block_closes_the_connection(endless: ScriptedServer):
    with client_of(endless).stream(HI) as stream:
        assert isinstance(stream, Stream)
        next(stream)
    assert closed_soon(endless)


def test_an_exception_in_the_with_block_passes_and_closes(endless: ScriptedServer):
    def fail() -> None:
        with client_of(endless).stream(HI) as stream:
            next(stream)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert closed_soon(endless)


def test_forgetting_a_stream_closes_the_connection(endless: ScriptedServer):
    for _ in client_of(endless).stream(HI):
        break
    gc.collect()
    assert closed_soon(endless)


def test_a_stream_that_was_never_read_sends_nothing(endless: ScriptedServer):
    client_of(endless).stream(HI).close()
    assert endless.deliveries == []


def test_a_stream_ends_once_and_then_stays_ended(scripted: Servers):
    stream = client_of(scripted(streamed(STREAM))).stream(HI)
    assert "".join(step.text for step in stream) == "Hello"
    assert list(stream) == []
    assert stream.completion.text == "Hello"


def test_a_stream_does_not_end_as_if_well_after_ctrl_c(
    endless: ScriptedServer, monkeypatch: pytest.MonkeyPatch
):
    stream = client_of(endless).stream(HI)
    assert [next(stream).text, next(stream).text] == ["a", "b"]

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("openrouter_opts.http.transport.SyncWire.perform", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    with pytest.raises(Interrupted) as caught:
        next(stream)
    assert (caught.value.partial.text, caught.value.generation_id) == ("ab", "gen-1")


def test_a_stream_that_failed_has_no_completion(scripted: Servers):
    stream = client_of(scripted(streamed(delta("a"), end="FIN"))).stream(HI)
    assert next(stream).text == "a"
    with pytest.raises(OpenRouterError):
        next(stream)
    with pytest.raises(Interrupted, match="cut before its end") as caught:
        list(stream)
    assert (caught.value.partial.text, caught.value.delivered, caught.value.attempts) == ("a", "yes", 1)
    stream.close()
    assert list(stream) == []
    with pytest.raises(RuntimeError, match="not whole yet"):
        _ = stream.completion


@pytest.fixture(params=[True, False], ids=["aiohttp", "httpx"])
def _transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openrouter_opts.http.connections.has_aiohttp", lambda: request.param)


both_transports = pytest.mark.usefixtures("_transport")


async def closes_soon(server: ScriptedServer) -> bool:
    return await asyncio.to_thread(closed_soon, server)


@both_transports
async def test_closing_an_async_stream_closes_the_connection(endless: ScriptedServer):
    stream = client_of(endless).astream(HI)
    assert (await anext(stream)).text == "a"
    await stream.aclose()
    assert await closes_soon(endless)
    assert [step async for step in stream] == []
    await stream.aclose()


@both_transports
async def test_leaving_the_async_with_block_closes_the_connection(endless: ScriptedServer):
    async with client_of(endless).astream(HI) as stream:
        assert isinstance(stream, AsyncStream)
        await anext(stream)
    assert await closes_soon(endless)


@both_transports
async def test_forgetting_an_async_stream_closes_the_connection(endless: ScriptedServer):
    async for _ in client_of(endless).astream(HI):
        break
    gc.collect()
    assert await closes_soon(endless)


@both_transports
@pytest.mark.parametrize("deltas", [1, 2, 3], ids=["at the first", "at the second", "while waiting"])
async def test_cancelling_a_task_closes_the_connection(endless: ScriptedServer, deltas: int):
    seen = asyncio.Event()

    async def read() -> None:
        count = 0
        async for _ in client_of(endless).astream(HI):
            count += 1
            if count == min(deltas, 2):
                seen.set()
                await asyncio.sleep(0 if deltas == 3 else 10)

    task = asyncio.create_task(read())
    await asyncio.wait_for(seen.wait(), 5)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await closes_soon(endless)


@both_transports
@pytest.mark.parametrize(
    "script", [streamed(delta("a"), delta("b"), end="HANG"), ["HANG"]], ids=["begun", "not"]
)
async def test_a_stream_does_not_end_as_if_well_after_a_cancelled_read(scripted: Servers, script: list[Step]):
    stream, said = client_of(scripted(script)).astream(HI), ""

    async def read() -> None:
        nonlocal said
        async for step in stream:
            said += step.text

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.2)
    with pytest.raises(Interrupted, match="cut before its end") as caught:
        await read()
    error = caught.value
    assert said == (error.partial.text if error.partial else "")
    assert (error.generation_id, error.delivered) == (("gen-1", "yes") if said else (None, "maybe"))
    await stream.aclose()
    await read()


@both_transports
async def test_a_deadline_around_a_stream_is_the_callers_own(endless: ScriptedServer):
    async def read() -> None:
        async for _ in client_of(endless).astream(HI):
            pass

    with pytest.raises(TimeoutError) as caught:
        await asyncio.wait_for(read(), 0.2)
    assert not isinstance(caught.value, OpenRouterError)
    assert await closes_soon(endless)
