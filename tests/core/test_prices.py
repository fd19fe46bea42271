"""Prices are asked for once by however many calls begin together, and whoever asks may leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import ConnectionLost
from openrouter_opts.http.prices import LivePrices
from openrouter_opts.http.steps import Open, Sleep
from openrouter_opts.sandbox import Sandbox
from tests.scripted_server import Delivery, ScriptedServer
from tests.wire_bytes import COMPLETION, answer

Servers = Callable[..., ScriptedServer]

HI = [{"role": "user", "content": "hi"}]
NINE = {"max_tokens": 9}
CHAT = "openai/gpt-5-mini"
ENDPOINT = {
    "tag": "x",
    "provider_name": "X",
    "context_length": 10_000,
    "max_completion_tokens": 1000,
    "pricing": {"prompt": "0.000001", "completion": "0.000001"},
}
ENDPOINTS = {"data": {"id": "m/x", "endpoints": [ENDPOINT]}}


def test_one_asks_and_the_others_wait_until_it_knows_or_leaves_or_is_never_done():
    now = 0.0
    live = LivePrices(lambda: now)
    first, second, third, fourth = (live.asking("s", ["m/x"], lambda: None, {}) for _ in range(4))
    assert isinstance(next(live.asking("another", ["m/x"], lambda: None, {})), Open)
    assert isinstance(next(first), Open)
    assert isinstance(next(second), Sleep)
    assert isinstance(next(second), Sleep)
    first.close()
    assert isinstance(next(second), Open)
    assert isinstance(next(third), Sleep)
    now = 10.0
    assert isinstance(next(third), Open)
    assert isinstance(next(fourth), Sleep)
    with suppress(StopIteration):
        third.throw(ConnectionLost("reset"))
    assert list(fourth) == []
    assert live.get("s", "m/x") is None


def test_a_call_without_time_left_says_nothing_of_prices_to_others():
    live, left = LivePrices(lambda: 0.0), [1.0]
    hurried = live.asking_for_vectors("s", ["x"], lambda: left[0], {})
    assert isinstance(next(hurried), Open)
    left[0] = 0.0
    with suppress(StopIteration):
        hurried.throw(ConnectionLost("late"))
    assert isinstance(next(live.asking_for_vectors("s", ["x"], lambda: None, {})), Open)


@pytest.mark.parametrize("way", ["threads", "tasks"])
@pytest.mark.parametrize("kind", ["chat", "embedding"])
def test_many_calls_at_once_ask_once(way: str, kind: str):
    with Sandbox(credits="100") as sandbox:
        client = OpenRouterClient(
            api_key=sandbox.api_key, base_url=sandbox.base_url, check="off", spend_limit="1", model=CHAT
        )
        embedding: Any = {"model": "openai/text-embedding-3-small"}

        def ask(_: int) -> Any:
            return client.complete(HI, **NINE) if kind == "chat" else client.embed(["hi"], **embedding)

        async def ask_all() -> None:
            calls: list[Any] = [
                client.acomplete(HI, **NINE) if kind == "chat" else client.aembed(["hi"], **embedding)
                for _ in range(30)
            ]
            await asyncio.gather(*calls)

        if way == "tasks":
            asyncio.run(ask_all())
        else:
            with ThreadPoolExecutor(30) as pool:
                list(pool.map(ask, range(30)))
        asked = [seen.path for seen in sandbox.requests if seen.method == "GET"]
        assert asked
        assert len(asked) == len(set(asked))
        assert len(sandbox.requests) == 30 + len(asked)


async def test_when_the_one_that_asks_is_cancelled_another_asks(scripted: Servers):
    asked = list[str]()

    def choose(sent: Delivery) -> Any:
        asked.append(sent.method)
        if asked == ["GET"]:
            return [30.0]
        return [answer(ENDPOINTS)] if sent.method == "GET" else [answer(COMPLETION)]

    server = scripted(choose=choose)
    client = OpenRouterClient(
        model="m/x", api_key="k", base_url=server.base_url, check="off", spend_limit="1"
    )
    first, *others = (asyncio.create_task(client.acomplete(HI, **NINE)) for _ in range(6))
    await asyncio.sleep(0.3)
    assert asked == ["GET"]
    first.cancel()
    found = await asyncio.wait_for(asyncio.gather(*others), 5)
    assert [each.text for each in found] == ["Hello"] * 5
    assert sorted(asked) == ["GET", "GET", *["POST"] * 5]
