"""Prices are asked for once by however many calls begin together, and whoever asks may leave."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import (
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    Malformed,
    NotFound,
    OpenRouterError,
    RateLimited,
    ServerError,
    TimedOut,
)
from openrouter_opts.http.prices import _PATIENCE, LIVE, LivePrices
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.settings import Timeout
from openrouter_opts.http.steps import Open, Patience, Sleep
from openrouter_opts.sandbox import Sandbox
from tests.scripted_server import Delivery, ScriptedServer
from tests.wire_bytes import COMPLETION, ENDPOINTS, answer

Servers = Callable[..., ScriptedServer]

HI = [{"role": "user", "content": "hi"}]
NINE = {"max_tokens": 9}
PATIENT: Any = Patience(Timeout()), Retry(0), {}
"""A call that has time, and is tried once."""
CHAT = "openai/gpt-5-mini"


def test_one_asks_and_the_others_wait_until_it_knows_or_leaves_or_is_never_done():
    now = 0.0
    live = LivePrices(lambda: now)
    first, second, third, fourth = (live.asking("s", ["m/x"], *PATIENT) for _ in range(4))
    assert isinstance(next(live.asking("another", ["m/x"], *PATIENT)), Open)
    assert isinstance(next(first), Open)
    assert isinstance(next(second), Sleep)
    assert isinstance(next(second), Sleep)
    first.close()
    assert isinstance(next(second), Open)
    assert isinstance(next(third), Sleep)
    now = 70.0
    assert isinstance(next(third), Open)
    assert isinstance(next(fourth), Sleep)
    with suppress(StopIteration):
        third.throw(ConnectionLost("reset"))
    assert list(fourth) == []
    assert live.get("s", "m/x") is None


def test_a_call_without_time_left_says_nothing_of_prices_to_others():
    live, now = LivePrices(lambda: 0.0), [0.0]
    hurry = Patience(Timeout(total=1.0), lambda: now[0])
    hurried = live.asking_for_vectors("s", ["x"], hurry, Retry(), {})
    assert isinstance(next(hurried), Open)
    now[0] = 1.0
    with suppress(StopIteration):
        hurried.throw(ConnectionLost("late"))
    assert isinstance(next(live.asking_for_vectors("s", ["x"], *PATIENT)), Open)


FINAL: list[OpenRouterError] = [
    NotFound("no such model", status=404),
    BadRequest("no slug", status=400),
    ConfigurationError("it points elsewhere", status=302),
    Malformed("a page"),
]
PASSING: list[OpenRouterError] = [
    RateLimited("busy", status=429),
    ServerError("down", status=500),
    ConnectionLost("reset"),
    ConnectionFailed("refused"),
    TimedOut("late", phase="first_byte"),
    AuthenticationError("another key", status=401),
]


@pytest.mark.parametrize("asking", [LivePrices.asking, LivePrices.asking_for_vectors])
@pytest.mark.parametrize(
    ("error", "seconds"),
    [*((each, 60.0) for each in FINAL), *((each, 2.0) for each in PASSING)],
    ids=lambda given: type(given).__name__ if isinstance(given, OpenRouterError) else None,
)
def test_only_what_is_final_is_remembered_for_long(asking: Any, error: OpenRouterError, seconds: float):
    now = 0.0
    live = LivePrices(lambda: now)

    def ask() -> int:
        """Fail whatever is asked; return how much that was."""
        flow, asked = asking(live, "s", ["m/x"], *PATIENT), 0
        with suppress(StopIteration):
            step = next(flow)
            while isinstance(step, Open):
                asked += 1
                step = flow.throw(error)
        return asked

    first = ask()
    assert first == (2 if asking is LivePrices.asking_for_vectors else 1)
    now = seconds - 0.1
    assert ask() == 0
    now = seconds
    assert ask() == first


@pytest.mark.parametrize(
    ("given", "left", "expected"),
    [
        ({}, 0.0, Timeout(5, 5, 5, 300, 70)),
        ({"first_byte": 2, "idle": 1, "connect": 3, "progress": None}, 0.0, Timeout(3, 2, 1, 300, 70)),
        ({"total": 100, "first_byte": None, "idle": None}, 40.0, Timeout(5, 5, 5, 300, 60)),
        ({"total": 100}, 10.0, Timeout(5, 5, 5, 300, 70)),
        ({"total": 1}, 1.0, Timeout(5, 5, 5, 300, 0.001)),
    ],
)
def test_prices_are_waited_for_no_longer_than_the_call_would_wait(
    given: dict[str, Any], left: float, expected: Timeout
):
    now = [0.0]
    patience = Patience(Timeout(**given), lambda: now[0])
    now[0] = left
    assert patience.hurried(_PATIENCE)._timeout == expected


def test_in_a_forked_child_nobody_asks(scripted: Servers):
    server = scripted(
        choose=lambda sent: [answer(ENDPOINTS)] if sent.method == "GET" else [answer(COMPLETION)]
    )
    asker = LIVE.asking(server.base_url, ["m/x"], *PATIENT)
    assert isinstance(next(asker), Open)
    with warnings.catch_warnings():
        # Since Python 3.12 it is warned of forks beside threads, of which the server has some.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os._exit(len(LIVE._askers))
    assert (os.waitpid(child, 0)[1], len(LIVE._askers)) == (0, 1)
    asker.close()


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
