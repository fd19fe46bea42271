"""Memories: those that outlive a process, and those that ask the model what to keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import (
    ChatMemoryBuffer,
    ChatSummaryMemoryBuffer,
    FactExtractionMemoryBlock,
    Memory,
)
from llama_index.core.workflow import Context, JsonPickleSerializer
from sqlalchemy.ext.asyncio import create_async_engine

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import OPTIONS, accounted, said

# What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index"),
]
MakeLLM = Callable[..., OpenRouter]


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_a_conversation_goes_on_from_a_database_in_another_process(
    streaming: bool, make_llm: MakeLLM, sandbox: Sandbox, tmp_path: Path
) -> None:
    def agent() -> FunctionAgent:
        llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"}, **OPTIONS)
        return FunctionAgent(tools=[multiply], llm=llm, streaming=streaming)

    async def run(question: str) -> str:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'memory.sqlite'}")
        memory = Memory.from_defaults(session_id="ida", async_engine=engine)
        answer = str(await agent().run(question, memory=memory))
        await engine.dispose()
        return answer

    with accounted(sandbox):
        assert "84" in await run("My name is Ida. What is 12 times 7?")
        before = sandbox.last.body["messages"]
        assert "Ida" in await run("What is my name?")

    after = sandbox.last.body["messages"]
    assert after[: len(before)] == before
    assert [message["role"] for message in after] == ["user", "assistant", "tool", "assistant", "user"]
    assert all(message["reasoning_details"][0]["signature"] for message in after[1:4:2])


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
async def test_a_conversation_goes_on_from_a_saved_context_which_has_no_key(
    streaming: bool, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    def agent() -> FunctionAgent:
        llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"}, **OPTIONS)
        return FunctionAgent(tools=[multiply], llm=llm, streaming=streaming)

    # LlamaIndex's plain JsonSerializer leaves memories out.
    first, serializer = agent(), JsonPickleSerializer()
    begun: Any = Context(first)
    memory = ChatMemoryBuffer.from_defaults(llm=first.llm)
    with accounted(sandbox):
        assert "84" in str(await first.run("My name is Ida. What is 12 times 7?", ctx=begun, memory=memory))
        before = sandbox.last.body["messages"]
        saved = json.dumps(begun.to_dict(serializer=serializer))
        second = agent()
        again: Any = Context.from_dict(second, json.loads(saved), serializer=serializer)
        assert "Ida" in str(await second.run("What is my name?", ctx=again))

    assert sandbox.api_key not in saved
    assert sandbox.last.body["messages"][: len(before)] == before


async def test_a_memory_lets_the_model_write_down_facts_and_shows_them_again(
    consumed: OpenRouter, sandbox: Sandbox
) -> None:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    memory = Memory.from_defaults(
        async_engine=engine,
        memory_blocks=[FactExtractionMemoryBlock(llm=consumed)],
        token_limit=60,
        chat_history_token_ratio=0.5,
        token_flush_size=10,
    )
    sandbox.answer_next("<facts><fact>The user is called Ida.</fact></facts>")

    with accounted(sandbox):
        await memory.aput(ChatMessage(role="user", content="My name is Ida. " + "And so on. " * 20))
        await memory.aput(ChatMessage(role="assistant", content="Hello Ida."))
        await memory.aput(ChatMessage(role="user", content="What is my name?"))
        answer = await consumed.achat(await memory.aget())
    await engine.dispose()

    assert "My name is Ida." in str(sandbox.requests[0].body["messages"])
    assert "The user is called Ida." in sandbox.last.body["messages"][0]["content"]
    assert answer.message.content


@pytest.mark.parametrize("method", ["chat", "stream_chat", "achat", "astream_chat"])
async def test_a_memory_lets_the_model_sum_up_what_no_longer_fits(
    method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    memory = ChatSummaryMemoryBuffer.from_defaults(llm=consumed, token_limit=40)
    engine = SimpleChatEngine.from_defaults(llm=consumed, memory=memory)
    ask = getattr(engine, method)

    with accounted(sandbox):
        await said(ask("My name is Ida, and I live in the lighthouse of Aster, above the harbour."))
        await said(ask("What is 12 * 7?"))
        assert "12" in await said(ask("What is 3 * 4?"))

    first, *_, last = sandbox.last.body["messages"]
    assert first["role"] == "system"
    assert "Ida" in first["content"]
    assert last["content"] == "What is 3 * 4?"
