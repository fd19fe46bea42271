"""Every way to make a call, in both frameworks, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter

HI: Final = [ChatMessage("hi")]


async def _drained(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def _awaited(stream: Any) -> list[Any]:
    return await _drained(await stream)


WAYS: Final[Mapping[str, Callable[[ChatOpenRouter, OpenRouter], Any]]] = {
    "LangChain invoke": lambda llm, _: llm.invoke("hi"),
    "LangChain stream": lambda llm, _: list(llm.stream("hi")),
    "LangChain ainvoke": lambda llm, _: asyncio.run(llm.ainvoke("hi")),
    "LangChain astream": lambda llm, _: asyncio.run(_drained(llm.astream("hi"))),
    "LangChain stream_events": lambda llm, _: list(llm.stream_events("hi", version="v3")),
    "LlamaIndex chat": lambda _, llm: llm.chat(HI),
    "LlamaIndex stream_chat": lambda _, llm: list(llm.stream_chat(HI)),
    "LlamaIndex achat": lambda _, llm: asyncio.run(llm.achat(HI)),
    "LlamaIndex astream_chat": lambda _, llm: asyncio.run(_awaited(llm.astream_chat(HI))),
    "LlamaIndex complete": lambda _, llm: llm.complete("hi"),
    "LlamaIndex stream_complete": lambda _, llm: list(llm.stream_complete("hi")),
    "LlamaIndex acomplete": lambda _, llm: asyncio.run(llm.acomplete("hi")),
    "LlamaIndex astream_complete": lambda _, llm: asyncio.run(_awaited(llm.astream_complete("hi"))),
}
# MLflow ends the span of an async stream of LlamaIndex when it begins, and sees neither tokens nor cost.
UNSEEN: Final = {"LlamaIndex astream_chat", "LlamaIndex astream_complete"}
