"""Chat engines: conversations over documents, and without any."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.memory import ChatMemoryBuffer

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import DOCUMENTS, accounted, said

METHODS = ["chat", "stream_chat", "achat", "astream_chat"]
every_method = pytest.mark.parametrize("method", METHODS)

# Each mode, and in how many requests it answers a first question and one that follows.
MODES = {ChatMode.CONTEXT: (1, 1), ChatMode.CONDENSE_QUESTION: (1, 2), ChatMode.CONDENSE_PLUS_CONTEXT: (1, 2)}


@every_method
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
async def test_a_chat_engine_answers_from_documents_and_knows_what_a_question_refers_to(
    mode: ChatMode, method: str, consumed: OpenRouter, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    engine = index.as_chat_engine(
        chat_mode=mode, llm=consumed, memory=ChatMemoryBuffer.from_defaults(llm=consumed)
    )
    ask = getattr(engine, method)
    first, next_one = MODES[mode]

    with accounted(sandbox):
        assert "Ida Holm" in await said(ask("Who built the lighthouse of Aster?"))
        assert len(sandbox.requests) == first
        assert "1872" in await said(ask("When was it built?"))

    assert len(sandbox.requests) == first + next_one
    assert DOCUMENTS[0] in str(sandbox.last.body["messages"])
    assert sandbox.last.body.get("stream", False) is ("stream" in method)


def simple(llm: OpenRouter, history: list[ChatMessage] | None = None, **settings: Any) -> SimpleChatEngine:
    # LlamaIndex's default memory leaves its database open.
    memory = ChatMemoryBuffer.from_defaults(history, llm=llm)
    return SimpleChatEngine.from_defaults(llm=llm, memory=memory, **settings)


@every_method
async def test_a_chat_engine_without_documents_remembers(
    method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    engine = simple(consumed, system_prompt="Be kind.")
    ask = getattr(engine, method)

    with accounted(sandbox):
        await said(ask("My name is Ida."))
        assert "Ida" in await said(ask("What is my name?"))

    roles = [message["role"] for message in sandbox.last.body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


@every_method
async def test_a_chat_engine_remembers_what_was_streamed_and_begins_anew_when_told(
    method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    engine = simple(consumed)
    answer = await said(getattr(engine, method)("What is 12 * 7?"))

    assert [(message.role.value, message.content) for message in engine.chat_history] == [
        ("user", "What is 12 * 7?"),
        ("assistant", answer),
    ]

    engine.reset()
    await said(getattr(engine, method)("What is 3 * 4?"))
    assert len(sandbox.last.body["messages"]) == 1


@every_method
async def test_a_chat_engine_sends_what_an_image_shows(
    method: str, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    picture = ChatMessage(
        role="user",
        blocks=[TextBlock(text="This is the harbour:"), ImageBlock(url="https://example.com/harbour.png")],
    )
    engine = simple(consumed, [picture])

    with accounted(sandbox):
        await said(getattr(engine, method)("What did I show you?"))

    shown: Any = sandbox.last.body["messages"][0]["content"][1]
    assert shown["image_url"]["url"] == "https://example.com/harbour.png"
