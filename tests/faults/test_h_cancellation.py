"""H: calls and streams that are left before their end. Nothing is swallowed, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from llama_index.core.llms import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import ConnectionLost, Interrupted, OpenRouterError
from openrouter_opts.http import over_aiohttp, pools
from openrouter_opts.protocol.completion import Completion
from tests.faults.aftermath import HI, KEY, in_use
from tests.faults.calls import Callers, Servers, auntil, client_of, until
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.spans import Telemetry
from tests.wire_bytes import COMPLETION, STREAM, answer, delta, streamed

ENDLESS = streamed(delta("a"), delta("b"), end="HANG")
BUSY = [answer({"error": {"code": 503}}, 503, Retry_After="5")]
BUSY_NOW = [answer({"error": {"code": 503}}, 503, Retry_After="0")]
over_both = pytest.mark.usefixtures("over_both")


def endless_or_whole(sent: Delivery) -> Script:
    return ENDLESS if sent.json.get("stream") else [answer(COMPLETION)]


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the URL of a port that answers no attempt to connect: as many wait there already as may."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(held.getsockname())
        yield f"http://127.0.0.1:{held.getsockname()[1]}/api/v1"
        for each in waiting:
            each.close()


# --- H1, H2: cancelled ---

WHERE: dict[str, Script | None] = {
    "connecting": None,
    "waiting for the head": ["HANG"],
    "sleeping before an attempt": BUSY,
    "between chunks": ENDLESS,
}
anywhere = pytest.mark.parametrize("where", WHERE)


@pytest.fixture
def read(where: str, scripted: Servers, silent: str) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a function that reads a stream that stops at some point for ever."""
    server = scripted(WHERE[where] or ["HANG"])
    client = client_of(server, **({} if WHERE[where] else {"base_url": silent}))

    async def run() -> None:
        async for _ in client.astream(HI):
            pass

    return run


@over_both
@anywhere
async def test_a_cancelled_call_ends_at_once_and_swallows_nothing(read: Any):
    task = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 0.2
    assert in_use() == []


@over_both
@anywhere
async def test_a_cancellation_during_the_cleanup_of_another_leaves_nothing(read: Any):
    for steps in range(6):
        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
    await auntil(lambda: in_use() == [])


@over_both
@pytest.mark.parametrize("asked", [1, 5])
async def test_a_call_may_be_cancelled_at_any_step(asked: int, scripted: Servers):
    client = client_of(scripted(["HANG"]))
    for steps in range(25):
        tasks = [asyncio.create_task(client.acomplete(HI)) for _ in range(asked)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in ended] == [asyncio.CancelledError] * asked
        assert in_use() == [], steps


async def in_a_timeout(read: Any) -> None:
    async with asyncio.timeout(0.1):
        await read()


async def waited_for(read: Any) -> None:
    await asyncio.wait_for(read(), 0.1)


async def with_a_failing_sibling(read: Any) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.1)
        raise KeyError

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        group.create_task(fail())


async def in_a_scope_of_anyio(read: Any) -> None:
    with anyio.move_on_after(0.1) as scope:
        await read()
    assert scope.cancelled_caught
    raise TimeoutError


WAYS = {
    in_a_timeout: TimeoutError,
    waited_for: TimeoutError,
    with_a_failing_sibling: ExceptionGroup,
    in_a_scope_of_anyio: TimeoutError,
}


@over_both
@anywhere
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_every_way_to_cancel_ends_in_its_own_error(way: Any, read: Any):
    with pytest.raises(WAYS[way]) as caught:
        await way(read)
    if isinstance(caught.value, ExceptionGroup):
        assert [type(each) for each in caught.value.exceptions] == [KeyError]
    assert in_use() == []


@over_both
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_call_that_is_cancelled_at_any_of_its_steps_leaves_nothing(stream: bool, scripted: Servers):
    server = scripted(
        choose=lambda sent: streamed(STREAM) if sent.json.get("stream") else [answer(COMPLETION)]
    )
    client = client_of(server)

    async def call() -> None:
        if stream:
            _ = [delta async for delta in client.astream(HI)]
        else:
            await client.acomplete(HI)

    for steps in range(80):
        task = asyncio.create_task(call())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert in_use() == [], steps


ENDS: dict[str, Script] = {
    "answered": streamed(STREAM),
    "ends early": streamed(delta("a")),
    "no JSON": streamed(delta("a"), b"data: {\n\n", end="HANG"),
    "closed": streamed(delta("a"), end="FIN"),
    "reset": streamed(delta("a"), end="RST"),
}


@over_both
@pytest.mark.parametrize("end", ENDS)
async def test_a_stream_that_is_cancelled_at_any_step_of_its_end_leaves_nothing(end: str, scripted: Servers):
    client = client_of(scripted(ENDS[end]))
    for steps in range(1, 20):
        stream = client.astream(HI)
        await anext(stream)
        # All that is still to come has come to this process now, and the steps until the end are the same ones each time.
        await asyncio.sleep(0.01)
        task = asyncio.create_task(read_on(stream))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError, OpenRouterError):
            await task
        assert in_use() == [], steps


async def read_on(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


@over_both
async def test_many_that_are_cancelled_at_once_swallow_nothing(scripted: Servers):
    client = client_of(scripted([answer(COMPLETION)]))
    for steps in range(40):
        tasks = [asyncio.create_task(client.acomplete(HI)) for _ in range(30)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {asyncio.CancelledError, Completion}, results
    assert in_use() == []


@over_both
async def test_a_connection_that_breaks_while_nobody_uses_it_is_nothing_to_report(scripted: Servers):
    server = scripted([answer(COMPLETION), 0.05, "RST"])
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    await client_of(server).acomplete(HI)
    await asyncio.sleep(0.2)
    await client_of(server).acomplete(HI)
    gc.collect()
    await asyncio.sleep(0)
    assert told == []


@over_both
@pytest.mark.parametrize("connecting", [True, False], ids=["connecting", "at any point"])
async def test_a_thousand_cancelled_calls_leave_nothing(
    connecting: bool, scripted: Servers, silent: str, caplog: pytest.LogCaptureFixture
):
    # What httpcore says of a thousand calls takes longer than the calls.
    caplog.set_level(logging.WARNING)
    server = scripted(choose=lambda sent: ["HANG"] if sent.json.get("user") else [answer(COMPLETION)])
    client = client_of(server)
    slow = client_of(server, base_url=silent) if connecting else client
    for number in range(20):
        tasks = [asyncio.create_task(slow.acomplete(HI, user="slow")) for _ in range(50)]
        await asyncio.sleep([0, 0.0005, 0.002, 0.02][number % 4])
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert in_use() == []
    answers = await asyncio.gather(*(client.acomplete(HI) for _ in range(20)))
    assert {each.text for each in answers} == {"Hello"}
    assert kept() <= 20


def kept() -> int:
    """Return how many connections of loops are open."""
    held = [pool for of_loop in pools._open.values() for pool in of_loop]
    return sum(
        sum(map(len, pool.client.connector._conns.values()))
        if hasattr(pool, "client")
        else len(pool._pool.connections)
        for pool in held
    )


# --- H3, H4, H7: left ---


@pytest.mark.parametrize("way", ["close", "drop", "raise", "in a cycle"])
def test_a_stream_that_is_left_closes_its_connection_at_once(way: str, scripted: Servers):
    server = scripted(choose=endless_or_whole)
    client = client_of(server)

    def read() -> None:
        stream = client.stream(HI)
        for step in stream:
            assert step.text == "a"
            if way == "raise":
                raise KeyError
            if way == "close":
                stream.close()
                stream.close()
            if way == "in a cycle":
                round_and_round: list[Any] = [stream]
                round_and_round.append(round_and_round)
            break

    if way == "raise":
        with pytest.raises(KeyError) as caught:
            read()
        assert caught.value.__context__ is None
        del caught
    else:
        read()
    gc.collect()
    until(lambda: server.closed_by_client == 1)
    assert in_use() == []
    assert client.complete(HI).text == "Hello"


@over_both
@pytest.mark.parametrize("way", ["close", "drop", "raise", "in a cycle"])
async def test_an_async_stream_that_is_left_closes_its_connection_at_once(way: str, scripted: Servers):
    server = scripted(choose=endless_or_whole)
    client = client_of(server)

    async def read() -> None:
        stream = client.astream(HI)
        async for step in stream:
            assert step.text == "a"
            if way == "raise":
                raise KeyError
            if way == "close":
                await stream.aclose()
                await stream.aclose()
            if way == "in a cycle":
                round_and_round: list[Any] = [stream]
                round_and_round.append(round_and_round)
            break

    if way == "raise":
        with pytest.raises(KeyError) as caught:
            await read()
        del caught
    else:
        await read()
    gc.collect()
    await auntil(lambda: (server.closed_by_client, in_use()) == (1, []))
    assert (await client.acomplete(HI)).text == "Hello"


def run_by_hand(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine as LlamaIndex's `asyncio_run` does: nobody shuts down the loop's generators."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def run_in_a_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """The same, but from a function that a running loop has called."""

    async def outer() -> Any:
        return await asyncio.to_thread(run_by_hand, main)

    return asyncio.run(outer())


kept_streams: list[Any] = []


async def drop(client: OpenRouterClient) -> None:
    await anext(client.astream(HI))


async def keep(client: OpenRouterClient) -> None:
    kept_streams.append(client.astream(HI))
    await anext(kept_streams[-1])


async def hide(client: OpenRouterClient) -> None:
    stream = client.astream(HI)
    await anext(stream)
    round_and_round: list[Any] = [stream]
    round_and_round.append(round_and_round)


async def call(client: OpenRouterClient) -> None:
    completions = await asyncio.gather(*(client.acomplete(HI) for _ in range(5)))
    assert {each.text for each in completions} == {"Hello"}


@over_both
@pytest.mark.parametrize("runs", [asyncio.run, run_by_hand, run_in_a_loop])
@pytest.mark.parametrize("main", [drop, keep, hide, call])
def test_a_loop_that_ends_takes_its_connections_with_it(main: Any, runs: Any, scripted: Servers):
    server = scripted(choose=endless_or_whole)
    client = client_of(server)
    for _ in range(3):
        runs(main(client))
        # A `ResourceWarning`, or an exception in some `__del__`, would fail the test.
        gc.collect()
    assert pools._open == {}
    if main is not call:
        until(lambda: server.closed_by_client == 3)
    for stream in kept_streams:
        with pytest.raises(RuntimeError, match="not whole"):
            _ = stream.completion
    kept_streams.clear()
    gc.collect()


def chat_model(server: ScriptedServer) -> ChatOpenRouter:
    return ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=KEY)


def index_llm(server: ScriptedServer) -> OpenRouter:
    return OpenRouter("m/x", api_base=server.base_url, api_key=KEY)


async def read_of(stream: Any) -> AsyncIterator[Any]:
    async for step in await stream:
        yield step


READERS: dict[str, Callable[[ScriptedServer], Any]] = {
    "client": lambda server: client_of(server).astream(HI),
    "LangChain": lambda server: chat_model(server).astream("hi", {"callbacks": [AsyncCallbackHandler()]}),
    "binding": lambda server: chat_model(server).bind(seed=1).astream("hi"),
    "chain": lambda server: (chat_model(server) | StrOutputParser()).astream("hi"),
    "LlamaIndex": lambda server: read_of(index_llm(server).astream_chat([ChatMessage("hi")])),
    "LlamaIndex, a prompt": lambda server: read_of(index_llm(server).astream_complete("hi")),
}


@over_both
@pytest.mark.parametrize("watched", [False, True], ids=["", "watched"])
@pytest.mark.parametrize("runs", [asyncio.run, run_by_hand])
@pytest.mark.parametrize("held", [False, True], ids=["dropped", "held"])
@pytest.mark.parametrize("reader", READERS)
def test_a_stream_whose_reader_fails_ends_quietly_with_its_loop(
    reader: str,
    held: bool,
    runs: Any,
    watched: bool,
    scripted: Servers,
    instrumented: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
):
    if watched:
        instrumented(Telemetry())
    server = scripted(choose=endless_or_whole)

    async def main() -> None:
        # Its loop closes all generators at once, and those of a stream close each other. The error holds this frame.
        stream = READERS[reader](server)
        await anext(stream)
        if not held:
            del stream
        raise KeyError

    with pytest.raises(KeyError):
        runs(main())
    # Until Python 3.13 an `aclose()` that is cancelled before it begins, as `asyncio.run` does it to those of finalizers, leaves the
    # generators inside in the middle of theirs: https://github.com/python/cpython/issues/117881
    if held or sys.version_info[:2] != (3, 12):
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    until(lambda: server.closed_by_client == 1)
    assert pools._open == {}


@over_both
@pytest.mark.parametrize("runs", [asyncio.run, run_by_hand, run_in_a_loop])
@pytest.mark.parametrize("others", [False, True], ids=["alone", "among others"])
def test_a_client_that_nobody_has_when_its_loop_ends_leaves_no_connection(
    others: bool, runs: Any, scripted: Servers
):
    server = scripted(choose=endless_or_whole)

    async def main() -> None:
        if others:
            await call(client_of(server))
            await keep(client_of(server, trust_env=False))
        await call(client_of(server, verify=ssl.create_default_context()))

    runs(main())
    # A `ResourceWarning` would fail the test.
    gc.collect()
    assert pools._open == {}
    kept_streams.clear()
    gc.collect()


class Nothing:
    """Makes pools without connections, which take a while to close."""

    def __init__(self) -> None:
        self.closed = 0

    def prepare(self) -> None:
        pass

    prepare_async = prepare

    def async_pool(self) -> Nothing:
        return self

    pool = async_pool

    async def aclose(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0.001)
        self.closed += 1


@pytest.mark.parametrize("runs", [run_by_hand, run_in_a_loop])
def test_a_loop_that_is_closed_waits_for_what_is_being_closed(runs: Any):
    made = Nothing()

    async def main() -> None:
        await pools.shared("nothing", lambda: made, lasting=False).of_loop()
        for _ in range(5):
            await asyncio.sleep(0)

    runs(main())
    assert (made.closed, pools._open) == (1, {})


def test_what_is_being_closed_is_closed_though_nobody_waits_any_more():
    made = Nothing()

    async def main() -> None:
        held = pools.shared("nothing", lambda: made, lasting=False)
        await held.of_loop()
        ending = asyncio.create_task(asyncio.get_running_loop().shutdown_asyncgens())
        await asyncio.sleep(0.001)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending

    run_by_hand(main())
    assert (made.closed, pools._open) == (1, {})


def test_a_loop_that_has_had_thousands_of_clients_can_be_closed():
    async def main() -> None:
        for number in range(2 * sys.getrecursionlimit()):
            await pools.shared(number, Nothing, lasting=False).of_loop()

    asyncio.run(main())
    assert pools._open == {}


async def test_the_end_of_a_connection_that_nobody_awaits_any_more_is_silent():
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    cancelled, failed = (asyncio.get_running_loop().create_future() for _ in range(2))
    for ended in (cancelled, failed):
        ended.add_done_callback(over_aiohttp._look_at)
    cancelled.cancel()
    failed.set_exception(ConnectionResetError())
    await asyncio.sleep(0)
    del cancelled, failed, ended
    gc.collect()
    assert reported == []


@over_both
def test_a_loop_that_is_closed_inside_another_takes_its_connections_with_it(scripted: Servers):
    client = client_of(scripted(choose=endless_or_whole))

    async def outer() -> None:
        inner = asyncio.new_event_loop()
        await asyncio.to_thread(inner.run_until_complete, keep(client))
        inner.close()

    asyncio.run(outer())
    kept_streams.clear()
    gc.collect()
    assert pools._open == {}


@over_both
def test_an_async_stream_may_be_collected_in_another_thread(scripted: Servers):
    server = scripted(choose=endless_or_whole)
    client = client_of(server)

    async def main() -> None:
        await keep(client)
        thread = threading.Thread(target=kept_streams.clear)
        thread.start()
        await asyncio.to_thread(thread.join)
        await auntil(lambda: (server.closed_by_client, in_use()) == (1, []))

    asyncio.run(main())


# --- H5: two at once ---


@over_both
async def test_a_stream_has_one_reader_at_a_time(scripted: Servers):
    client = client_of(scripted(choose=endless_or_whole))
    stream = client.astream(HI)
    for _ in "ab":
        await anext(stream)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.05)
    for attempt in (anext(stream), stream.aclose()):
        with pytest.raises(RuntimeError, match="already running"):
            await attempt
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert in_use() == []
    assert (await client.acomplete(HI)).text == "Hello"


def test_a_stream_has_one_reading_thread_at_a_time(scripted: Servers):
    server = scripted([*streamed(delta("a"), end=0.3), "FIN"])
    stream = client_of(server).stream(HI)
    next(stream)
    ended: list[BaseException] = []

    def read() -> None:
        try:
            next(stream)
        except ConnectionLost as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.1)
    for attempt in (stream.__next__, stream.close):
        with pytest.raises(ValueError, match="already executing"):
            attempt()
    thread.join()
    assert len(ended) == 1


# --- H6: Ctrl-C ---


@anywhere
@pytest.mark.usefixtures("interrupted")
# Interrupted, CPython's own `socket.create_connection` leaves closing its socket to the collector, which says so.
@pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_ends_a_call_at_once(where: str, scripted: Servers, caller: Callers, silent: str):
    server = scripted(WHERE[where] or ["HANG"])
    client = caller(server, **({} if WHERE[where] else {"base_url": silent}))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(client.stream(HI))
    assert time.monotonic() - began < 2
    gc.collect()
    assert in_use() == []


# --- H8, H9: ends ---

PROGRAM = """
import asyncio, sys, threading, time
from openrouter_opts import OpenRouterClient
from openrouter_opts.http import connections
connections.has_aiohttp = lambda: sys.argv[2] == "aiohttp"
client = OpenRouterClient(api_key="sk-or-v1-x", base_url=sys.argv[1], model="m/x")
messages = [{"role": "user", "content": "hi"}]
streams = []
"""
LEFT = {
    "streams": """
async def work():
    await client.acomplete(messages)
    await anext(client.astream(messages))
    streams.append(client.astream(messages))
    await anext(streams[-1])
client.complete(messages)
streams.append(client.stream(messages))
next(streams[-1])
next(client.stream(messages))
asyncio.run(work())
loop = asyncio.new_event_loop()
loop.run_until_complete(work())
loop.close()
""",
    "threads": """
read = []
async def aforever():
    streams.append(client.astream(messages))
    read.append(await anext(streams[-1]))
    async for delta in client.astream(messages):
        read.append(delta)
threading.Thread(target=lambda: [read.append(delta) for delta in client.stream(messages)], daemon=True).start()
threading.Thread(target=asyncio.run, args=(aforever(),), daemon=True).start()
while len(read) < 5:
    time.sleep(0.01)
""",
    "a loop": """
async def work():
    streams.append(client.astream(messages))
    await anext(streams[-1])
    sys.exit(0)
loop = asyncio.new_event_loop()
loop.run_until_complete(anext(client.astream(messages)))
asyncio.run(work())
""",
    "LangChain": """
from langchain_core.output_parsers import StrOutputParser
from langchain_openrouter_opts import ChatOpenRouter
chat = ChatOpenRouter(model="m/x", base_url=sys.argv[1], api_key="sk-or-v1-x")
async def work():
    streams.append((chat | StrOutputParser()).astream("hi"))
    await anext(streams[-1])
streams.append(chat.stream("hi"))
next(streams[-1])
asyncio.run(work())
""",
    "LlamaIndex": """
from llamaindex_openrouter_opts import OpenRouter
llm = OpenRouter("m/x", api_base=sys.argv[1], api_key="sk-or-v1-x")
async def work():
    streams.append(await llm.astream_complete("hi"))
    await anext(streams[-1])
streams.append(llm.stream_complete("hi"))
next(streams[-1])
asyncio.run(work())
""",
}


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
@pytest.mark.parametrize("left", LEFT)
def test_a_process_that_ends_leaves_nothing_open_and_says_nothing(left: str, kind: str, scripted: Servers):
    server = scripted(choose=endless_or_whole)
    # What the imports of a framework warn of is not ours.
    strict = ["-W", "error"] if left not in READERS else []
    command = [sys.executable, "-X", "dev", *strict, "-c", PROGRAM + LEFT[left], server.base_url, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "Executing <" not in line]
    assert (done.returncode, complaints) == (0, [])


def test_a_closed_stream_stays_closed(scripted: Servers, caller: Callers):
    # There is no client to close: its connections are everybody's, and end with the process or the loop.
    client = caller(scripted(choose=endless_or_whole))
    stream = client.stream(HI)
    assert next(stream).text == "a"
    for _ in range(2):
        stream.close()
        assert list(stream) == []
    with pytest.raises(RuntimeError, match="not whole"):
        _ = stream.completion
    assert client.complete(HI).text == "Hello"


def test_a_stream_that_nobody_reads_sends_nothing(scripted: Servers, caller: Callers):
    server = scripted(choose=endless_or_whole)
    caller(server).stream(HI).close()
    assert server.connections == 0


# --- H12: what had come ---

THINKING = delta(reasoning="Let me think")
CALL = delta(tool_calls=[{"index": 0, "id": "call-1", "function": {"name": "weather", "arguments": '{"ci'}}])


def test_what_had_come_of_a_stream_that_is_left_can_be_read(scripted: Servers, caller: Callers):
    client = caller(scripted(BUSY_NOW, streamed(THINKING, delta("Hel"), CALL, end="HANG")))
    stream = client.stream(HI)
    assert stream.partial.choices == ()
    seen = [next(stream) for _ in range(3)]
    stream.close()
    partial = stream.partial
    assert (partial.reasoning, partial.text, partial.finish_reason) == ("Let me think", "Hel", None)
    assert [(each.name, each.arguments, each.args) for each in partial.tool_calls] == [
        ("weather", '{"ci', None)
    ]
    assert (partial.id, partial.attempts, partial.usage, len(seen)) == ("gen-1", 2, None, 3)


@over_both
async def test_what_had_come_of_a_cancelled_stream_can_be_read(scripted: Servers):
    stream = client_of(scripted(ENDLESS)).astream(HI)

    async def read() -> None:
        async for _ in stream:
            pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.2)
    assert stream.partial.text == "ab"


@pytest.mark.parametrize("script", [streamed(STREAM), [answer(COMPLETION)]], ids=["streamed", "whole"])
def test_what_has_come_of_a_whole_stream_is_its_answer(script: Script, scripted: Servers, caller: Callers):
    stream = caller(scripted(script)).stream(HI)
    list(stream)
    assert stream.partial is stream.completion


def test_what_had_come_of_a_cut_stream_is_what_its_error_has(scripted: Servers, caller: Callers):
    stream = caller(scripted(streamed(delta("Hel")))).stream(HI)
    with pytest.raises(Interrupted) as caught:
        list(stream)
    assert stream.partial == caught.value.partial
    del caught
