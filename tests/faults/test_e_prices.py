"""E, at the prices that are asked for before a call under a limit: a free lookup, which is tried again as the call itself is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.llms import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import SpendLimit, SpendLimitExceeded
from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.prices import LIVE
from tests.faults.aftermath import HI, KEY, SOON, failure
from tests.faults.calls import Callers, Servers, client_of
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import COMPLETION, ENDPOINTS, answer

PRICED = answer(ENDPOINTS)
VECTORS = answer({"data": [{"id": "m/x", "pricing": {"prompt": "0.000001", "completion": "0"}}]})
NOT_LISTED = answer({"error": {"code": 404, "message": "no such model"}}, 404)
VECTOR = answer(
    {
        "object": "list",
        "model": "m/x",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1, "cost": 0.000001},
    }
)
SLOW = answer({"error": {"code": 429, "message": "slow down"}}, 429, Retry_After="0")
PASSING: dict[str, Script] = {
    "429": [SLOW],
    "503": [answer({"error": {"code": 503, "message": "down"}}, 503)],
    "504": [answer({"error": {"code": 504, "message": "late"}}, 504)],
    "an error in a 200": [answer({"error": {"code": 502, "message": "down"}})],
    "reset": ["RST"],
    "closed": ["FIN"],
    "cut": [PRICED[:-5], "FIN"],
    "silence": ["HANG"],
}


def serving(*lookups: Script) -> Callable[[Delivery], Script]:
    """Answer the lookups one after the other, the last one again and again, and every call."""
    left = list(lookups)

    def choose(sent: Delivery) -> Script:
        if sent.method == "GET":
            return left.pop(0) if len(left) > 1 else left[0]
        return [VECTOR if sent.path.endswith("/embeddings") else answer(COMPLETION)]

    return choose


def asked(server: ScriptedServer) -> list[str]:
    return [sent.path.removeprefix("/api/v1") for sent in server.deliveries]


LISTED = "/models/m/x/endpoints"


@pytest.mark.parametrize("passing", PASSING)
@pytest.mark.parametrize("kind", ["chat", "stream", "embedding"])
def test_a_lookup_that_fails_for_the_moment_is_tried_again(
    kind: str, passing: str, scripted: Servers, caller: Callers
):
    server = scripted(choose=serving(PASSING[passing], [PRICED]))
    client = caller(server, spend_limit="1", timeout={"first_byte": SOON}, check="off")
    if kind == "chat":
        assert client.complete(HI).text == "Hello"
    elif kind == "stream":
        assert "".join(step.text for step in client.stream(HI)) == "Hello"
    else:
        assert client.embed("hi").vector == [0.5, 0.5]
    assert asked(server)[:-1] == [LISTED, LISTED]


def test_so_is_the_list_of_models_that_make_vectors(scripted: Servers, caller: Callers):
    server = scripted(choose=serving([NOT_LISTED], [SLOW], [VECTORS]))
    client = caller(server, spend_limit="1", check="off")
    for _ in range(2):
        assert client.embed("hi").vector == [0.5, 0.5]
    assert asked(server) == [LISTED, *["/embeddings/models"] * 2, "/embeddings", "/embeddings"]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_it_is_tried_as_often_as_the_call_may_be(retries: int, scripted: Servers, caller: Callers):
    server = scripted(choose=serving([SLOW]))
    error = failure(caller(server, check="off"), SpendLimitExceeded, spend_limit="1", max_retries=retries)
    assert "could not be had: 429;" in str(error)
    assert asked(server) == [LISTED] * (1 + retries)


def test_after_a_moment_it_is_asked_again(
    scripted: Servers, caller: Callers, monkeypatch: pytest.MonkeyPatch
):
    now = time.monotonic()
    monkeypatch.setattr(LIVE, "_clock", lambda: now)
    server = scripted(choose=serving([SLOW], [PRICED]))
    client = caller(server, spend_limit="1", max_retries=0, check="off")
    for _ in range(2):
        failure(client, SpendLimitExceeded)
    assert asked(server) == [LISTED]
    now += 2.0
    assert client.complete(HI).text == "Hello"
    assert asked(server) == [LISTED, LISTED, "/chat/completions"]


def test_it_waits_for_as_long_as_the_server_asks_and_the_call_has(scripted: Servers, caller: Callers):
    busy = answer({"error": {"code": 429, "message": "slow down"}}, 429, Retry_After="0.3")
    server = scripted(choose=serving([busy], [PRICED]))
    client = caller(server, spend_limit="1", check="off")
    began = time.monotonic()
    error = failure(client, SpendLimitExceeded, timeout={"total": 0.25})
    assert time.monotonic() - began < 0.25, "it would be too late, so nobody waits for it"
    assert "429" in str(error)
    LIVE.forget()
    server = scripted(choose=serving([busy], [PRICED]))
    began = time.monotonic()
    assert caller(server, spend_limit="1", check="off").complete(HI, timeout={"total": 5}).text == "Hello"
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("phase", "script"), {"first_byte": ["HANG"], "idle": [PRICED[:-5], "HANG"]}.items())
def test_it_is_waited_for_no_longer_than_the_call_would_be(
    phase: str, script: Script, scripted: Servers, caller: Callers
):
    client = caller(scripted(choose=serving(script)), spend_limit="1", max_retries=1, check="off")
    began = time.monotonic()
    error = failure(client, SpendLimitExceeded, timeout={phase: SOON})
    assert "TimedOut" in str(error)
    assert 2 * SOON <= time.monotonic() - began < 4 * SOON + 1


@pytest.mark.parametrize("way", ["threads", "httpx", "aiohttp"])
@pytest.mark.parametrize("lasting", [False, True], ids=["for the moment", "for longer"])
def test_of_many_calls_at_once_one_asks_and_tries_again(
    lasting: bool, way: str, scripted: Servers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("openrouter_opts.http.connections.has_aiohttp", lambda: way == "aiohttp")
    server = scripted(choose=serving([SLOW], [SLOW if lasting else PRICED]))
    client = client_of(server, spend_limit="1", check="off")

    def ask(_: int) -> str:
        try:
            return client.complete(HI).text
        except OpenRouterError as error:
            return type(error).__name__

    async def ask_all() -> list[Any]:
        ended = await asyncio.gather(*(client.acomplete(HI) for _ in range(20)), return_exceptions=True)
        return [getattr(each, "text", type(each).__name__) for each in ended]

    if way == "threads":
        with ThreadPoolExecutor(20) as pool:
            ended = list(pool.map(ask, range(20)))
    else:
        ended = asyncio.run(ask_all())
    assert ended == ["SpendLimitExceeded" if lasting else "Hello"] * 20
    assert asked(server).count(LISTED) == (3 if lasting else 2)
    assert len(asked(server)) == (3 if lasting else 22)


FRAMEWORKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "LangChain": lambda how: ChatOpenRouter(model="m/x", check="off", **how).invoke("hi").text,
    "LangChain, async": lambda how: (
        asyncio.run(ChatOpenRouter(model="m/x", check="off", **how).ainvoke("hi")).text
    ),
    "LangChain, vectors": lambda how: OpenRouterEmbeddings(model="m/x", **how).embed_query("hi"),
    "LlamaIndex": lambda how: OpenRouter("m/x", check="off", **how).chat(INDEX_HI).message.content,
    "LlamaIndex, async": lambda how: (
        asyncio.run(OpenRouter("m/x", check="off", **how).achat(INDEX_HI)).message.content
    ),
    "LlamaIndex, vectors": lambda how: OpenRouterEmbedding("m/x", **how).get_query_embedding("hi"),
}
INDEX_HI = [ChatMessage("hi")]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_model_of_a_framework_is_answered_though_the_first_lookup_is_refused(
    framework: str, scripted: Servers
):
    server, limit = scripted(choose=serving([SLOW], [PRICED])), SpendLimit("1")
    how = {"base_url": server.base_url, "api_key": KEY, "spend_limit": limit}
    assert FRAMEWORKS[framework](how) in ("Hello", [0.5, 0.5])
    assert asked(server)[:-1] == [LISTED, LISTED]
    assert limit.spent > 0
    assert limit.reserved == limit.pending == 0
