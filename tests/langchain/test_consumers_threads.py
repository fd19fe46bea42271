"""Threads that are put away and restored: what a model needs of its own reasoning is on the wire again, to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.load import dumps, loads
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.langchain import thread_process
from tests.langchain.conftest import Ask

Made = Callable[..., ChatOpenRouter]
CLAUDE, GPT, GEMINI = "anthropic/claude-sonnet-4.6", "openai/gpt-5-mini", "google/gemini-2.5-pro"
# The sandbox checks the signatures of those above, so what is scripted for them has to be their own; it takes anything of this one.
OTHER = "deepseek/deepseek-v3.2"

DETAILS: dict[str, list[dict[str, Any]]] = {
    "signed": [
        {"type": "reasoning.text", "text": "Größe — 🌤️\u2028 “so”\n", "signature": "RXFJ+/=c2ln", "format": "anthropic-claude-v1", "id": None, "index": 0},
    ],
    "summary and encrypted share an index": [
        {"type": "reasoning.summary", "summary": "**Looking** up", "format": "openai-responses-v1", "id": "rs_1", "index": 0},
        {"type": "reasoning.encrypted", "data": "gAAAAA" + "A+/=" * 500, "format": "openai-responses-v1", "id": "rs_1", "index": 0},
    ],
    "thought and its signature share an index": [
        {"type": "reasoning.text", "text": "Let me look.", "format": "google-gemini-v1", "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "CiQB", "format": "google-gemini-v1", "id": "call_1", "index": 0},
    ],
    "two of a kind": [
        {"type": "reasoning.encrypted", "data": "one", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "two", "id": "rs_2", "format": "openai-responses-v1", "index": 1},
    ],
    "newer than this library": [
        {"type": "reasoning.novel", "b": 1, "a": {"deep": [1.5, None, True, {}]}, "format": "acme-v9", "index": 0},
    ],
    "none": [],
}  # fmt: skip
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}
every_kind = pytest.mark.parametrize(
    "details",
    [
        # The official SDK knows no such kind.
        pytest.param(value, marks=[pytest.mark.wrong_on_purpose] if kind.startswith("newer") else [], id=kind)
        for kind, value in DETAILS.items()
    ],
)


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


def replayed(sandbox: Sandbox, *, sort_keys: bool) -> list[str]:
    """Return the reasoning of each message in the last request as JSON; what came in fragments has no order of its keys."""
    messages = sandbox.last.body["messages"]
    return [
        as_json(message["reasoning_details"], sort_keys=sort_keys)
        for message in messages
        if "reasoning_details" in message
    ]


def as_json(value: Any, *, sort_keys: bool) -> str:
    return json.dumps(value, sort_keys=sort_keys, ensure_ascii=False)


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@every_kind
@pytest.mark.parametrize("output_version", ["v0", "v1"])
def test_reasoning_outlives_a_round_trip_through_json(
    ask: Ask, make_llm: Made, sandbox: Sandbox, details: Any, output_version: str
) -> None:
    llm = make_llm(OTHER, output_version=output_version)
    sandbox.answer_next({"content": "Fine.", "reasoning": "Hm.", "reasoning_details": details})
    history = [HumanMessage("How are you?"), ask(llm, "How are you?")]
    restored = loads(dumps(history), allowed_objects="messages")
    ask(llm, [*restored, HumanMessage("And now?")])
    streamed = bool(sandbox.last.body.get("stream"))
    assert replayed(sandbox, sort_keys=streamed) == [as_json(details, sort_keys=streamed)]


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Any]:
    yield InMemorySaver()


@asynccontextmanager
async def sqlite(path: Path) -> AsyncIterator[Any]:
    with SqliteSaver.from_conn_string(str(path / "threads.db")) as saver:
        yield saver


@asynccontextmanager
async def async_sqlite(path: Path) -> AsyncIterator[Any]:
    async with AsyncSqliteSaver.from_conn_string(str(path / "threads.db")) as saver:
        yield saver


@every_kind
@pytest.mark.parametrize("streaming", [False, True], ids=["invoke", "stream"])
@pytest.mark.parametrize("saver", [memory, sqlite, async_sqlite])
async def test_reasoning_outlives_a_checkpoint_in_the_middle_of_a_tool_loop(
    make_llm: Made, sandbox: Sandbox, tmp_path: Path, saver: Any, streaming: bool, details: Any
) -> None:
    sandbox.answer_next({"content": None, "tool_calls": [CALL], "reasoning_details": details})
    async with saver(tmp_path) as checkpointer:
        for given in ({"messages": [HumanMessage("What is the weather in Paris?")]}, None):
            agent = create_agent(
                make_llm(OTHER, streaming=streaming),
                [get_weather],
                checkpointer=checkpointer,
                interrupt_before=["tools"],
            )
            if saver is sqlite:  # it has no async side
                state = agent.invoke(given, thread_process.THREAD)
            else:
                state = await agent.ainvoke(given, thread_process.THREAD)
    assert "sunny in Paris" in state["messages"][-1].text
    assert replayed(sandbox, sort_keys=streaming) == [as_json(details, sort_keys=streaming)]


def in_a_process(sandbox: Sandbox, model: str, *arguments: str) -> int:
    where = {"OPENROUTER_API_KEY": sandbox.api_key, "OPENROUTER_API_BASE": sandbox.base_url, "MODEL": model}
    command = [sys.executable, "-m", thread_process.__name__, *arguments]
    return subprocess.run(command, env={**os.environ, **where}, check=False, timeout=60).returncode


@pytest.mark.parametrize(
    ("model", "way", "kind"),
    [
        (CLAUDE, "invoke", None),
        (GPT, "stream", None),
        (GEMINI, "stream", None),
        (OTHER, "stream", "summary and encrypted share an index"),
    ],
)
def test_a_thread_goes_on_after_its_process_has_died(
    sandbox: Sandbox, tmp_path: Path, model: str, way: str, kind: str | None
) -> None:
    if kind:
        sandbox.answer_next({"content": None, "tool_calls": [CALL], "reasoning_details": DETAILS[kind]})
    database = str(tmp_path / "threads.db")
    assert in_a_process(sandbox, model, database, "begin", way) == thread_process.DIED
    assert len(sandbox.requests) == 1
    assert in_a_process(sandbox, model, database, "go-on", way) == 0
    _, resumed, last = (request.body["messages"] for request in sandbox.requests)
    assert [message["role"] for message in resumed] == ["user", "assistant", "tool"]
    assert [message["role"] for message in last] == ["user", "assistant", "tool", "assistant", "user"]
    # Of the three families the sandbox itself has checked what it had signed; it answers 400 to anything else.
    assert last[:3] == resumed
    if kind:
        assert replayed(sandbox, sort_keys=True)[0] == as_json(DETAILS[kind], sort_keys=True)
    else:
        assert all(message["reasoning_details"] for message in last if message["role"] == "assistant")
