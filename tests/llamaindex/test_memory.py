"""What an agent remembers: answers come back whole on the next turn, and count as little as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.simple_chat_store import chat_message_serialization
from sqlalchemy.ext.asyncio import create_async_engine

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox

# What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index"),
]

MakeLLM = Callable[..., OpenRouter]
streamed_or_not = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])

FILE = {
    "type": "file",
    "file": {"hash": "h", "name": "a.pdf", "content": [{"type": "text", "text": "word " * 38_000}]},
}
HIT = {
    "type": "url_citation",
    "url_citation": {
        "url": "https://a.example",
        "title": "A",
        "content": "hit " * 1500,
        "start_index": 0,
        "end_index": 4,
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
# Odd on purpose: unknown keys, an order of its own, numbers as text, other scripts.
DETAILS: list[dict[str, Any]] = [
    {
        "index": 0,
        "signature": "c2ln/+==",
        "type": "reasoning.text",
        "text": "Hm, ü \u2028",
        "format": "anthropic-claude-v1",
    },
    {
        "type": "reasoning.summary",
        "summary": "They add.",
        "format": "openai-responses-v1",
        "index": 1,
        "id": "rs_1",
    },
    {
        "type": "reasoning.encrypted",
        "data": "eHh4",
        "id": None,
        "format": "google-gemini-v1",
        "index": 2,
        "new": [1.5],
    },
]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
async def memory() -> AsyncIterator[Memory]:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    yield Memory.from_defaults(async_engine=engine)
    await engine.dispose()


def details_sent(sandbox: Sandbox) -> list[Any]:
    messages = sandbox.last.body["messages"]
    return [message["reasoning_details"] for message in messages if "reasoning_details" in message]


@streamed_or_not
async def test_one_parsed_pdf_does_not_push_the_conversation_out_of_an_agents_memory(
    streaming: bool, llm: OpenRouter, sandbox: Sandbox, memory: Memory
) -> None:
    assert len(str(FILE)) > 190_000
    agent = FunctionAgent(tools=[add], llm=llm, streaming=streaming)
    await agent.run("My name is Ida.", memory=memory)
    sandbox.answer_next({"content": "Words.", "annotations": [FILE, HIT, HIT, HIT]})
    await agent.run("What is in the PDF?", memory=memory)
    await agent.run("And what is my name?", memory=memory)

    sent = sandbox.last.body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert sent[3]["annotations"] == [FILE]


@pytest.mark.parametrize("details", [DETAILS, []], ids=["three kinds", "none"])
@streamed_or_not
@pytest.mark.parametrize("as_workflow", [False, True], ids=["agent", "workflow"])
async def test_reasoning_goes_back_to_the_byte_within_a_run_and_in_the_next(
    as_workflow: bool, streaming: bool, details: list[Any], llm: OpenRouter, sandbox: Sandbox, memory: Memory
) -> None:
    agent: Any = FunctionAgent(tools=[add], llm=llm, streaming=streaming, name="adder", description="Adds.")
    if as_workflow:
        agent = AgentWorkflow(agents=[agent], root_agent="adder")
    sandbox.answer_next({"content": None, "tool_calls": [CALL], "reasoning_details": details})
    sandbox.answer_next({"content": "3"})

    await agent.run("What is 1 + 2?", memory=memory)
    # As text, which also has the order of keys; fragments have their own.
    sent = json.dumps(details_sent(sandbox), sort_keys=streaming)
    assert sent == json.dumps([details], sort_keys=streaming)

    await agent.run("Thanks.", memory=memory)
    assert details_sent(sandbox) == [details]


@streamed_or_not
async def test_the_signature_of_gemini_goes_back_with_its_tool_call(
    streaming: bool, llm: OpenRouter, sandbox: Sandbox, memory: Memory
) -> None:
    details = [
        {
            "type": "reasoning.encrypted",
            "data": "sig",
            "id": "c1",
            "format": "google-gemini-v1",
            "index": 0,
        }
    ]
    sandbox.answer_next({"content": None, "tool_calls": [CALL], "reasoning_details": details})
    sandbox.answer_next({"content": "3"})

    await FunctionAgent(tools=[add], llm=llm, streaming=streaming).run("What is 1 + 2?", memory=memory)

    _, call, _ = sandbox.last.body["messages"]
    assert call["reasoning_details"] == details
    assert [each["id"] for each in call["tool_calls"]] == ["c1"]


def through_a_chat_store(message: ChatMessage) -> ChatMessage:
    # The function of SimpleChatStore by itself: pydantic 2.14 calls it otherwise than LlamaIndex 0.14 expects.
    saved = chat_message_serialization(message, lambda each, _: each.model_dump(mode="json"), None)
    return ChatMessage.model_validate_json(json.dumps(saved))


@pytest.mark.parametrize(
    "stored",
    [
        lambda message: ChatMessage.model_validate_json(message.model_dump_json()),
        lambda message: ChatMessage.model_validate(message.model_dump()),
        through_a_chat_store,
    ],
    ids=["json", "dict", "chat store"],
)
@streamed_or_not
def test_what_goes_back_is_the_same_after_it_was_stored(
    streaming: bool,
    stored: Callable[[ChatMessage], ChatMessage],
    llm: OpenRouter,
    sandbox: Sandbox,
    question: list[ChatMessage],
) -> None:
    sandbox.answer_next({"content": "84", "reasoning_details": DETAILS, "annotations": [FILE]})
    answer = list(llm.stream_chat(question))[-1] if streaming else llm.chat(question)
    thanks = ChatMessage(content="Thanks.")

    llm.chat([*question, answer.message, thanks])
    at_once = sandbox.last.body
    llm.chat([*question, stored(answer.message), thanks])

    assert isinstance(answer.message.blocks[0], ThinkingBlock)
    assert sandbox.last.body["messages"][1]["reasoning_details"] == DETAILS
    assert sandbox.last.body["messages"][1]["annotations"] == [FILE]
    assert sandbox.last.body == at_once
