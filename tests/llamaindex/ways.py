"""The eight ways to call the model, as one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse

from llamaindex_openrouter_opts import OpenRouter

Answer: TypeAlias = ChatResponse | CompletionResponse
Way: TypeAlias = Callable[[OpenRouter, dict[str, Any]], Awaitable[Answer]]
PROMPT = "What is 12 * 7?"
MESSAGES = [ChatMessage(role="user", content=PROMPT)]


async def _chat(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return llm.chat(MESSAGES, **call)


async def _achat(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return await llm.achat(MESSAGES, **call)


async def _stream_chat(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return list(llm.stream_chat(MESSAGES, **call))[-1]


async def _astream_chat(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return [response async for response in await llm.astream_chat(MESSAGES, **call)][-1]


async def _complete(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return llm.complete(PROMPT, **call)


async def _acomplete(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return await llm.acomplete(PROMPT, **call)


async def _stream_complete(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return list(llm.stream_complete(PROMPT, **call))[-1]


async def _astream_complete(llm: OpenRouter, call: dict[str, Any]) -> Answer:
    return [response async for response in await llm.astream_complete(PROMPT, **call)][-1]


CHATS = [_chat, _achat, _stream_chat, _astream_chat]
COMPLETIONS = [_complete, _acomplete, _stream_complete, _astream_complete]
WAYS = [*CHATS, *COMPLETIONS]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
STREAMS = [_stream_chat, _astream_chat, _stream_complete, _astream_complete]
every_stream = pytest.mark.parametrize("way", STREAMS, ids=lambda way: way.__name__.strip("_"))
