"""I: many at once. Threads, event loops, processes: nothing is mixed up, nothing is shared that cannot be."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import logging
import multiprocessing
import os
import pickle
import ssl
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
import trio
from llama_index.core.llms import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import OpenRouterClient, track_costs
from openrouter_opts.errors import ConfigurationError, OpenRouterError, RateLimited
from openrouter_opts.http import pools
from openrouter_opts.http.retry import MAX_WAIT, Retry
from openrouter_opts.protocol.encoding import LARGE
from openrouter_opts.protocol.failure import from_status
from tests.both import Side
from tests.faults.aftermath import HI, KEY, in_use
from tests.faults.calls import Callers, Servers, client_of, spoken
from tests.faults.in_a_child import ask
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, STREAM, answer, delta, streamed

STOP = delta("", finish_reason="stop")
BUSY = [answer({"error": {"code": 503}}, 503, Retry_After="0")]
over_both = pytest.mark.usefixtures("over_both")


@pytest.fixture(autouse=True)
def _few_logs(caplog: pytest.LogCaptureFixture, nothing_is_left: None) -> None:
    """What httpcore says of a thousand calls takes longer than the calls."""
    caplog.set_level(logging.INFO)


def echo(sent: Delivery) -> Script:
    """Answer with the user's words, so that a mix-up shows."""
    words = sent.json["messages"][0]["content"]
    if sent.json.get("stream"):
        return streamed(delta(words), STOP, DONE)
    choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
    return [answer({**COMPLETION, "choices": [choice]})]


def say(words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": words}]


async def asked(client: OpenRouterClient, *words: str) -> list[str | None]:
    completions = await asyncio.gather(*(client.acomplete(say(each)) for each in words))
    return [each.text for each in completions]


# --- I1, I2: threads and tasks ---


def test_two_hundred_threads_share_a_client(scripted: Servers):
    client = client_of(scripted(choose=echo))

    def work(number: int) -> list[str]:
        wrong = []
        for turn in range(5):
            words = f"{number}/{turn}"
            if turn % 2:
                said = client.complete(say(words)).text
            else:
                said = "".join(step.text for step in client.stream(say(words)))
            wrong += [] if said == words else [f"{words} was answered by {said}"]
        return wrong

    with ThreadPoolExecutor(200) as threads:
        assert [wrong for each in threads.map(work, range(200)) for wrong in each] == []


@over_both
async def test_a_thousand_streams_run_at_once(scripted: Servers):
    client = client_of(scripted(choose=echo))

    async def read(number: int) -> bool:
        stream = client.astream(say(str(number)))
        return "".join([step.text async for step in stream]) == str(number)

    assert all(await asyncio.gather(*(read(number) for number in range(1000))))


def test_a_thread_that_is_held_up_after_its_stream_harms_nobody(
    scripted: Servers, monkeypatch: pytest.MonkeyPatch
):
    # Once, the end of a stream was bounded by shutting its socket down a little later, when it could be another call's.
    slow = [0.4, answer(COMPLETION)]
    server = scripted(choose=lambda sent: streamed(STREAM) if sent.json.get("stream") else slow)
    client = client_of(server)
    in_the_pool, answered = threading.Event(), threading.Event()
    close = httpx.Response.close

    def held_up(response: httpx.Response) -> None:
        close(response)
        if threading.current_thread() is reader:
            in_the_pool.set()
            answered.wait(5)

    monkeypatch.setattr(httpx.Response, "close", held_up)
    reader = threading.Thread(target=lambda: list(client.stream(HI)))
    reader.start()
    assert in_the_pool.wait(5)
    said = client.complete(HI).text
    answered.set()
    reader.join()
    assert (said, server.connections) == ("Hello", 1)


# --- I3, I4, I5, I8: event loops ---


@over_both
def test_a_client_serves_one_event_loop_after_another(scripted: Servers):
    client = client_of(scripted(choose=echo))
    for loop in range(5):
        words = [f"{loop}/{turn}" for turn in range(3)]
        assert asyncio.run(asked(client, *words)) == words
        gc.collect()
    assert pools._open == {}


@over_both
def test_a_client_serves_one_loop_that_runs_now_and_then(scripted: Servers):
    server = scripted(choose=echo)
    client = client_of(server)
    loop = asyncio.new_event_loop()
    for turn in range(5):
        assert loop.run_until_complete(asked(client, str(turn))) == [str(turn)]
    loop.close()
    assert server.connections == 1


@over_both
def test_a_client_serves_event_loops_in_many_threads(scripted: Servers):
    client = client_of(scripted(choose=echo))

    def work(number: int) -> bool:
        words = [f"{number}/{turn}" for turn in range(5)]
        return all(asyncio.run(asked(client, *words)) == words for _ in range(3))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))
    gc.collect()
    assert pools._open == {}


@over_both
async def test_a_sync_call_inside_a_running_loop_blocks_it_and_works(scripted: Servers):
    client = client_of(scripted(choose=echo))
    assert await asked(client, "async") == ["async"]
    assert client.complete(say("sync")).text == "sync"
    assert "".join(step.text for step in client.stream(say("stream"))) == "stream"
    assert await asked(client, "again") == ["again"]


def run_by_hand(main: Coroutine[Any, Any, None], new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Run a coroutine as LlamaIndex's `asyncio_run` does: nobody shuts down the loop's generators."""
    loop = new_loop()
    loop.run_until_complete(main)
    loop.close()


def run_as_python_does(
    main: Coroutine[Any, Any, None], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(debug=False, loop_factory=new_loop) as runner:
        runner.run(main)


LOOPS = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    import uvloop

    def new_uvloop() -> asyncio.AbstractEventLoop:
        loop = uvloop.new_event_loop()
        # Debugging, uvloop 0.23 looks for who dropped a generator in frames that are gone: Python 3.12 and 3.13 crash.
        # https://github.com/MagicStack/uvloop/issues/730
        loop.set_debug(False)
        return loop

    LOOPS["uvloop"] = new_uvloop


def echo_unless_slow(sent: Delivery) -> Script:
    return ["HANG"] if sent.json["messages"][0]["content"] == "slow" else echo(sent)


@over_both
@pytest.mark.parametrize("tls", [False, True], ids=["", "tls"])
@pytest.mark.parametrize("run", [run_as_python_does, run_by_hand])
@pytest.mark.parametrize("kind", LOOPS)
def test_calls_streams_and_cancellations_work_in_one_loop_after_another(
    kind: str,
    run: Any,
    tls: bool,
    scripted: Servers,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    server = scripted(choose=echo_unless_slow, tls=certified() if tls else None)
    client = client_of(server, verify=trusting)

    async def streamed_back(words: str) -> str:
        return "".join([step.text async for step in client.astream(say(words))])

    async def work(turn: str) -> None:
        assert await asked(client, f"{turn}a", f"{turn}b") == [f"{turn}a", f"{turn}b"]
        streams = await asyncio.gather(*(streamed_back(f"{turn}{each}") for each in "abc"))
        assert streams == [f"{turn}a", f"{turn}b", f"{turn}c"]
        slow = asyncio.create_task(asked(client, "slow", "slow"))
        for wait in (0, 0.01, 0.05):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(streamed_back("slow"), wait)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert in_use() == []
        large = "x" * (3_000_000 if turn == "1" else 3)
        assert await streamed_back(large) == large
        left = client.astream(say("left"))
        await anext(left)

    for turn in "12345":
        run(work(turn), LOOPS[kind])
        gc.collect()
        assert pools._open == {}
    assert client.complete(say("sync")).text == "sync"


UNDER_TRIO: dict[str, Callable[[ScriptedServer], Any]] = {
    "call": lambda server: client_of(server).acomplete(HI),
    "stream": lambda server: anext(client_of(server).astream(HI)),
    "vectors": lambda server: client_of(server, model="embedder").aembed("hi"),
    "limit": lambda server: client_of(server, spend_limit="1").acomplete(HI),
    "lookup": lambda server: client_of(server).amodels(),
    "LlamaIndex": lambda server: OpenRouter("m/x", api_base=server.base_url, api_key=KEY).achat(
        [ChatMessage("hi")]
    ),
    "LlamaIndex, much": lambda server: OpenRouter("m/x", api_base=server.base_url, api_key=KEY).achat(
        [ChatMessage("hi" * LARGE)]
    ),
    "LangChain's documents": lambda server: OpenRouterEmbeddings(
        model="m/x", base_url=server.base_url, api_key=KEY
    ).aembed_documents(["a", "b"]),
    "LlamaIndex's query": lambda server: OpenRouterEmbedding(
        model_name="m/x", api_base=server.base_url, api_key=KEY
    ).aget_query_embedding("a"),
}


@pytest.mark.parametrize("kind", UNDER_TRIO)
def test_an_async_call_under_trio_says_before_it_is_sent_what_to_do(kind: str, scripted: Servers):
    server = scripted(choose=echo)

    async def main() -> None:
        await UNDER_TRIO[kind](server)

    with (
        track_costs() as spend,
        pytest.raises(ConfigurationError, match=r"asyncio.*trio\.to_thread\.run_sync"),
    ):
        trio.run(main)
    assert (server.connections, spend.records) == (0, ())


def test_a_sync_call_in_a_thread_of_trio_works(scripted: Servers):
    client = client_of(scripted(choose=echo))

    async def main() -> list[str | None]:
        said: list[str | None] = []

        async def call(words: str) -> None:
            said.append((await trio.to_thread.run_sync(client.complete, say(words))).text)

        async with trio.open_nursery() as nursery:
            for words in "abc":
                nursery.start_soon(call, words)
        return sorted(filter(None, said))

    assert trio.run(main) == list("abc")


NESTED = """
import asyncio, sys
import nest_asyncio
from openrouter_opts import OpenRouterClient
from openrouter_opts.http import connections
connections.has_aiohttp = lambda: sys.argv[2] == "aiohttp"
nest_asyncio.apply()
client = OpenRouterClient(api_key="sk-or-v1-x", base_url=sys.argv[1], model="m/x")
async def call(words):
    return (await client.acomplete([{"role": "user", "content": words}])).text
async def outer():
    # As a notebook does.
    inner = asyncio.get_event_loop().run_until_complete(call("inner"))
    return [inner, asyncio.run(call("run")), await call("outer")]
print(asyncio.run(outer()))
"""


@pytest.mark.parametrize("over", ["httpx", "aiohttp"])
def test_nested_loops_of_a_notebook_work(over: str, scripted: Servers):
    command = [sys.executable, "-c", NESTED, scripted(choose=echo).base_url, over]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['inner', 'run', 'outer']\n", "")


# --- I6, I7: processes and copies ---


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_forked_child_opens_its_own_connection(
    encrypted: bool,
    scripted: Servers,
    side: Side,
    certified: Callable[..., ssl.SSLContext],
    trusting: ssl.SSLContext,
):
    server = scripted(choose=echo, tls=certified() if encrypted else None)
    client = client_of(server, verify=trusting if encrypted else True)
    asynchronous = side != "sync"

    def ask(words: str) -> bool:
        said = asyncio.run(asked(client, words))[0] if asynchronous else client.complete(say(words)).text
        return said == words

    kept = client.stream(say("a stream of the parent"))
    next(kept)
    assert ask("parent")
    warm = server.connections
    child = os.fork()
    if child == 0:
        status = 1
        try:
            gc.collect()
            status = 0 if ask("child") else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert server.connections == warm + 1
    assert kept.close() is None
    assert ask("again")
    # A loop that has ended took its connection with it; that of the threads is still there.
    assert server.connections == warm + (2 if asynchronous else 1)


@over_both
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_ends_the_loop_of_its_parent_leaves_its_connections(scripted: Servers):
    server = scripted(choose=echo)
    client = client_of(server)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(asked(client, "before")) == ["before"]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            loop.set_exception_handler(lambda *_: os._exit(2))
            loop.run_until_complete(loop.shutdown_asyncgens())
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert loop.run_until_complete(asked(client, "after")) == ["after"]
    assert server.connections == 1
    loop.close()


@pytest.fixture(params=["client", "LangChain", "LlamaIndex"])
def model(request: pytest.FixtureRequest, scripted: Servers, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a model that has connections already."""
    # A pickled model takes its key from the environment.
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    server = scripted(choose=echo)
    made = {
        "client": lambda: client_of(server),
        "LangChain": lambda: ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=KEY),
        "LlamaIndex": lambda: OpenRouter("m/x", api_base=server.base_url, api_key=KEY),
    }[request.param]()
    assert ask(made, "warm") == "warm"
    return made


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda model: model.model_copy(deep=True) if hasattr(model, "model_copy") else model,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_model_works(how: str, model: Any):
    copied = COPIES[how](model)
    assert ask(copied, "copy") == "copy"
    assert ask(model, "model") == "model"


def test_a_model_works_in_spawned_processes(model: Any):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert list(processes.map(ask, [model] * 3, "abc")) == list("abc")


def test_a_copy_with_a_users_own_tls_context_shares_it(scripted: Servers):
    client = client_of(scripted(choose=echo), verify=ssl.create_default_context())
    assert ask(copy.deepcopy(client), "copy") == "copy"
    with pytest.raises(TypeError, match="SSLContext"):
        pickle.dumps(client)


# --- shared pools ---


def test_a_client_is_made_in_no_time_and_shares_its_connections(scripted: Servers, caller: Callers):
    server = scripted(choose=echo)
    first = caller(server)
    assert first.complete(say("first")).text == "first"
    began = time.process_time()
    clients = [client_of(server) for _ in range(100)]
    assert (time.process_time() - began) / 100 < 0.001
    first.client = clients[-1]
    assert first.complete(say("last"), timeout=5).text == "last"
    assert server.connections == 1


def test_connections_of_a_users_own_tls_context_end_with_its_clients(scripted: Servers, caller: Callers):
    server = scripted(choose=echo)
    context = ssl.create_default_context()
    made, watched = caller(server, verify=context), weakref.ref(context)
    for timeout in (5, 6, None):
        # Each of them is a call with settings of its own, and still the client's connections are found.
        assert made.complete(say("hi"), timeout=timeout).text == "hi"
    assert server.connections == 1
    del context, made.client
    gc.collect()
    made.pause(0.05)
    gc.collect()
    assert watched() is None
    assert in_use() == []


# --- I9, I10: in the loop ---


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Return the threads that read certificates, which nobody has read yet."""
    found, make = [], httpx.create_ssl_context

    def read(**how: Any) -> ssl.SSLContext:
        if isinstance(how["verify"], bool):
            found.append(threading.current_thread())
            time.sleep(0.05)
        return make(**how)

    monkeypatch.setattr(pools, "_shared", weakref.WeakValueDictionary())
    monkeypatch.setattr(httpx, "create_ssl_context", read)
    return found


@over_both
async def test_certificates_are_not_read_in_the_thread_of_the_loop_and_serve_threads_too(
    scripted: Servers, readers: list[threading.Thread]
):
    client = client_of(scripted(choose=echo))
    assert await asked(client, *"abc") == list("abc")
    assert readers
    assert threading.current_thread() not in readers
    readers.clear()
    assert (await asyncio.to_thread(client.complete, say("d"))).text == "d"
    assert readers == []


def _in_threads(one: Callable[[str], str | None], words: str) -> list[str | None]:
    with ThreadPoolExecutor(len(words)) as workers:
        return list(workers.map(one, words))


AT_ONCE: dict[str, Callable[[OpenRouterClient, str], list[str | None]]] = {
    "threads": lambda client, words: _in_threads(lambda each: client.complete(say(each)).text, words),
    "loops": lambda client, words: _in_threads(lambda each: asyncio.run(asked(client, each))[0], words),
    "tasks": lambda client, words: asyncio.run(asked(client, *words)),
}


@over_both
@pytest.mark.parametrize("ask_all", AT_ONCE.values(), ids=AT_ONCE)
def test_of_all_first_calls_at_once_one_reads_the_certificates(
    ask_all: Callable[[OpenRouterClient, str], list[str | None]],
    scripted: Servers,
    readers: list[threading.Thread],
):
    words = "abcdefghij"
    assert ask_all(client_of(scripted(choose=echo)), words) == list(words)
    assert len(readers) == 1


WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def test_every_attempt_is_made_in_the_context_of_the_caller(scripted: Servers, caller: Callers):
    heard: list[str] = []

    def key() -> str:
        heard.append(WHO.get())
        return KEY

    client = caller(scripted(BUSY, BUSY, [answer(COMPLETION)]), api_key=key)
    token = WHO.set("me")
    assert client.complete(HI).attempts == 3
    WHO.reset(token)
    assert heard == ["me"] * 3


# --- I11, I12: time ---


def test_a_hundred_clients_that_are_turned_away_do_not_come_back_at_once():
    limited = from_status(429, {}, b"{}")
    delays = {Retry().delay(limited, 1) for _ in range(100)}
    assert len(delays) > 90
    assert all(0.375 <= delay <= 0.5 for delay in delays if delay is not None)


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_jumps_ends_no_wait(
    jump: float, scripted: Servers, caller: Callers, monkeypatch: pytest.MonkeyPatch
):
    client = caller(scripted(streamed(STREAM)), timeout={"total": 5, "idle": 5, "progress": 5})
    stream, now = client.stream(HI), time.time
    next(stream)
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert "".join(step.text for step in stream) == "llo"


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_date_to_come_back_at_is_never_waited_for_longer_than_a_minute(date: str):
    error = from_status(429, {"retry-after": date}, b"{}")
    assert isinstance(error, RateLimited)
    delay = Retry().delay(error, 1)
    assert delay is None or 0 <= delay <= MAX_WAIT


# --- I13: memory ---


@pytest.fixture
def _collected_by_hand() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


SCRIPTS: dict[str, Script] = {
    "answered": [answer(COMPLETION)],
    "refused": [answer({"error": {"code": 400, "message": "x"}}, 400)],
    "reset": ["RST"],
    "malformed": [answer(b"{")],
}


@pytest.mark.usefixtures("_collected_by_hand")
@pytest.mark.parametrize("kind", SCRIPTS)
def test_nothing_of_a_call_waits_for_the_collector(kind: str, scripted: Servers, side: Side):
    client = client_of(scripted(SCRIPTS[kind]))

    def held() -> dict[int, object]:
        found = (each for each in gc.get_objects() if isinstance(each, httpx.Response | OpenRouterError))
        return {id(each): each for each in found}

    async def call() -> None:
        with suppress(OpenRouterError):
            await client.acomplete(HI)

    before = held()  # by other tests

    for _ in range(3):
        with suppress(OpenRouterError):
            client.complete(HI) if side == "sync" else asyncio.run(call())
    assert held().keys() <= before.keys()


def test_streams_that_were_left_are_not_remembered(scripted: Servers, caller: Callers):
    client = caller(scripted(choose=lambda sent: streamed(delta("a"), delta("b"), end="HANG")))
    for _ in range(20):
        stream = client.stream(HI)
        next(stream)
        stream.close()
    assert in_use() == []
    assert sum(len(held) for held in pools._open.values()) <= 1


def test_a_model_is_made_in_a_millisecond(scripted: Servers):
    server: ScriptedServer = scripted(choose=echo)
    makers: list[Callable[[], Any]] = [
        lambda: ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=KEY),
        lambda: OpenRouter("m/x", api_base=server.base_url, api_key=KEY),
    ]
    for make in makers:
        make()
        began = time.process_time()
        for _ in range(50):
            make()
        assert (time.process_time() - began) / 50 < 0.001


def test_answers_to_many_streams_of_one_thread_are_not_mixed_up(scripted: Servers, caller: Callers):
    client = caller(scripted(choose=echo))
    streams = [client.stream(say(str(number))) for number in range(20)]
    begun = [next(stream).text for stream in streams]
    rest = ["".join(step.text for step in stream) for stream in streams]
    assert [first + more for first, more in zip(begun, rest, strict=True)] == [str(n) for n in range(20)]
    assert spoken(client)[0] == "hi"
