"""A19, I9: what is large keeps no event loop waiting, and takes little more memory than it has to."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from openrouter_opts import Catalog, SpendLimit
from openrouter_opts.errors import TimedOut
from openrouter_opts.http import pools
from openrouter_opts.protocol import request as wire_request
from openrouter_opts.protocol.encoding import LARGE
from tests.both import Side
from tests.faults.aftermath import both_kinds
from tests.faults.calls import Callers, Servers, client_of
from tests.faults.large_calls import BLOCKED, SIZE, WAYS, Ask
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, answer, streamed

ROOT: Final = Path(__file__).parents[2]


def forgetting(server: ScriptedServer) -> ScriptedServer:
    """Let the server keep no bodies."""
    server.choose = lambda _: server.deliveries.clear() or [answer(COMPLETION)]
    return server


@pytest.mark.measured
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.wrong_on_purpose
def test_a_large_image_keeps_no_loop_waiting(way: str, scripted: Servers, over_both: str):
    server = forgetting(scripted([answer(COMPLETION)]))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    command = [sys.executable, "-m", "tests.faults.large_calls", way, server.base_url, over_both]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert float(ran.stdout) < BLOCKED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.wrong_on_purpose
def test_a_large_image_takes_little_more_memory_than_it(way: str, scripted: Servers, over_both: str):
    server = forgetting(scripted([answer(COMPLETION)]))

    async def peak(ask: Ask) -> int:
        tracemalloc.start()
        try:
            await ask()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The server's own copy is among it.
    assert asyncio.run(peak(WAYS[way](server.base_url))) - SIZE < 2.5 * SIZE


@pytest.mark.parametrize("is_fitted", [False, True])
@pytest.mark.parametrize("size", [1, LARGE], ids=["small", "large"])
def test_a_stream_asks_what_was_said_when_it_was_made(
    size: int, is_fitted: bool, scripted: Servers, caller: Callers
):
    server = scripted(streamed(STREAM))
    history = [{"role": "user", "content": "A" * size}]
    limit = SpendLimit("3.00", on_limit="fit") if is_fitted else None
    asked = caller(server, model="openai/gpt-5-mini", catalog=Catalog.bundled(), spend_limit=limit)
    stream = asked.stream(history)
    history.append({"role": "user", "content": "LATER"})
    assert list(stream)
    sent = server.deliveries[0].json
    assert len(sent["messages"]) == 1
    assert ("provider" in sent) is is_fitted


@pytest.mark.parametrize(
    "change",
    [
        lambda history: history.clear(),
        lambda history: history[-1].update(name="Ann"),
        lambda history: history[-1].clear(),
    ],
    ids=["shorter", "a key more", "keys less"],
)
@pytest.mark.usefixtures("over_both")
async def test_a_history_that_changes_while_it_is_written_goes_out_as_it_was(
    change: Callable[[list[Any]], None], scripted: Servers
):
    server = scripted([answer(COMPLETION)])
    history = [{"role": "user", "content": "A" * 4 * LARGE} for _ in range(4)]
    call = asyncio.create_task(client_of(server).acomplete(history))
    await asyncio.sleep(0)
    change(history)
    await call
    assert [each.keys() for each in server.deliveries[0].json["messages"]] == [{"role", "content"}] * 4


@both_kinds
def test_the_whole_call_bounds_the_writing_too(
    stream: bool, side: Side, scripted: Servers, caller: Callers, monkeypatch: pytest.MonkeyPatch
):
    """Nothing waits for anything on the sync side, so that there it is written first."""
    written = threading.Event()

    def slowly(_: Any) -> bytes:
        written.wait(1.0)
        return b"{}"

    monkeypatch.setattr(wire_request, "encode_in_pieces", slowly)
    server, began = scripted([answer(COMPLETION)]), time.monotonic()
    client, long = caller(server, timeout={"total": 0.05}), [{"role": "user", "content": "A" * LARGE}]
    with pytest.raises(TimedOut) as caught:
        list(client.stream(long)) if stream else client.complete(long)
    took = time.monotonic() - began
    written.set()
    error = caught.value
    assert (error.phase, error.delivered, error.attempts, server.connections) == ("total", "no", 0, 0)
    assert "`total` timeout of 0.05 s; nothing was sent" in str(error)
    assert took < 0.5 or side == "sync"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.wrong_on_purpose
def test_a_large_image_waits_for_no_thread_that_waits_for_the_call(
    way: str, scripted: Servers, over_both: str, monkeypatch: pytest.MonkeyPatch
):
    """As those of sync tools do that ask a model in the loop."""
    monkeypatch.setattr(pools, "_shared", {})
    server, answered = forgetting(scripted([answer(COMPLETION)])), threading.Event()

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        tool = loop.run_in_executor(None, answered.wait)
        try:
            async with asyncio.timeout(20):
                await WAYS[way](server.base_url)()
        finally:
            answered.set()
            await tool

    asyncio.run(ask())
