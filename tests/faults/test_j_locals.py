"""J2: error trackers show the locals of every frame, and in those of a call that was cancelled or of a constructor are keys as well."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient
from tests.faults.aftermath import HI, KEY, frames_that_show
from tests.faults.calls import Servers, client_of
from tests.scripted_server import Script
from tests.wire_bytes import answer, delta, streamed

WHERE: dict[str, Script] = {
    "before the head": ["HANG"],
    "in the head": [b"HTTP/1.1 200 OK\r\nA: b\r\n", "HANG"],
    "between chunks": streamed(delta("a"), end="HANG"),
    "sleeping before an attempt": [answer({"error": {"code": 503}}, 503, Retry_After="5")],
}
anywhere = pytest.mark.parametrize("where", WHERE)
both_kinds = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


async def asked(client: OpenRouterClient, messages: Any, *, stream: bool) -> None:
    if stream:
        async for _ in client.astream(messages):
            pass
    else:
        await client.acomplete(messages)


@anywhere
@both_kinds
@pytest.mark.usefixtures("over_both")
async def test_no_frame_of_a_call_that_took_too_long_shows_the_key(
    where: str, stream: bool, scripted: Servers
):
    client = client_of(scripted(WHERE[where]))
    with pytest.raises(TimeoutError) as caught:
        await asyncio.wait_for(asked(client, HI, stream=stream), 0.1)
    assert frames_that_show(KEY, caught.value) == []


@pytest.fixture
def deaf() -> Iterator[str]:
    """Return the URL of a server that reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield f"http://127.0.0.1:{held.getsockname()[1]}/api/v1"


@pytest.mark.usefixtures("over_both")
async def test_no_frame_of_a_call_that_is_cancelled_while_it_is_sent_shows_the_key(deaf: str):
    client = OpenRouterClient(api_key=KEY, base_url=deaf, model="m/x", check="off")
    task = asyncio.create_task(client.acomplete([{"role": "user", "content": "x" * 20_000_000}]))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert frames_that_show(KEY, caught.value) == []


@anywhere
@both_kinds
@pytest.mark.usefixtures("interrupted")
def test_no_frame_of_a_call_that_is_interrupted_shows_the_key(where: str, stream: bool, scripted: Servers):
    client = client_of(scripted(WHERE[where]))
    with pytest.raises(KeyboardInterrupt) as caught:
        list(client.stream(HI)) if stream else client.complete(HI)
    assert frames_that_show(KEY, caught.value) == []
