"""One sandbox for all tests of the LangChain package, and models that talk to it."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import answer, streamed


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(credits="1000") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The sandbox, as if it were new."""
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def make_llm(sandbox: Sandbox) -> Callable[..., ChatOpenRouter]:
    """Return a function that makes a model at the sandbox."""

    def make(model: str = "openai/gpt-5-mini", **arguments: Any) -> ChatOpenRouter:
        where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
        return ChatOpenRouter(model=model, **(where | arguments))

    return make


@pytest.fixture
def llm(make_llm: Callable[..., ChatOpenRouter]) -> ChatOpenRouter:
    return make_llm()


def model_at(server: ScriptedServer, **options: Any) -> ChatOpenRouter:
    """Return a model that talks to a scripted server."""
    given = {"model": "m/x", "api_key": "sk-or-v1-test", "base_url": server.base_url}
    return ChatOpenRouter(**(given | options))


def either(body: Any, *chunks: bytes) -> Callable[[Delivery], Script]:
    """Return what a scripted server chooses by: one answer, whole or streamed, as it is asked for."""
    return lambda delivery: streamed(*chunks) if delivery.json.get("stream") else [answer(body)]


Ask = Callable[..., AIMessage]


@pytest.fixture(params=["invoke", "stream", "ainvoke", "astream"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each of the four ways to call a model; all of them return the whole message."""

    async def ainvoke(llm: Runnable[Any, AIMessage], *given: Any, **options: Any) -> AIMessage:
        return await llm.ainvoke(*given, **options)

    async def astream(llm: Runnable[Any, AIMessage], *given: Any, **options: Any) -> AIMessage:
        return added([chunk async for chunk in llm.astream(*given, **options)])

    ways: dict[str, Ask] = {
        "invoke": lambda llm, *given, **options: llm.invoke(*given, **options),
        "stream": lambda llm, *given, **options: added(list(llm.stream(*given, **options))),
        "ainvoke": lambda *given, **options: asyncio.run(ainvoke(*given, **options)),
        "astream": lambda *given, **options: asyncio.run(astream(*given, **options)),
    }
    return ways[request.param]


def added(chunks: list[Any]) -> AIMessage:
    whole: AIMessage = functools.reduce(operator.add, chunks)
    return whole
