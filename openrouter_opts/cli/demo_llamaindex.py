"""The demo's LlamaIndex part: a query engine over a few documents, and an agent with tools."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from zlib import crc32

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.base.response.schema import StreamingResponse
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.workflow import WorkflowRuntimeError
from rich.console import Console

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.cli.demo_tools import QUESTION, multiply, weather

MODEL = "openai/gpt-5-mini"
MAX_TURNS = 4
DOCUMENTS = (
    "The lighthouse of Aster was built in 1872 by Ida Holm, who also drew the map of the harbour.",
    "The harbour market of Aster opens at six in the morning, except on the first Monday of a month.",
    "The ferry between Aster and Brim takes forty minutes and carries bicycles for free.",
)


class WordEmbedding(BaseEmbedding):
    """Counts words: good enough to find a sentence among three, and needs no network."""

    def _get_text_embedding(self, text: str) -> list[float]:
        counts = [0.0] * 512
        for word in re.findall(r"\w{4,}", text.lower()):
            counts[crc32(word.encode()) % len(counts)] += 1.0
        return counts

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def model(name: str, server: dict[str, Any], limits: dict[str, Any]) -> OpenRouter:
    """Return the LLM."""
    return OpenRouter(model=name, **server, **limits)


def query_engine(llm: OpenRouter, console: Console) -> None:
    """Stream an answer from documents."""
    documents = [Document(text=text) for text in DOCUMENTS]
    index = VectorStoreIndex.from_documents(documents, embed_model=WordEmbedding())
    question = "Who built the lighthouse of Aster, and when?"
    console.print(question, style="dim")
    answer = index.as_query_engine(llm=llm, streaming=True, similarity_top_k=2).query(question)
    assert isinstance(answer, StreamingResponse)
    for text in answer.response_gen:
        console.print(text, end="", markup=False)
    console.print()


def agent(llm: OpenRouter, console: Console) -> None:
    """Stream an agent that calls two tools."""
    console.print(QUESTION, style="dim")
    asyncio.run(_agent(llm, console))
    console.print()


async def _agent(llm: OpenRouter, console: Console) -> None:
    loop = FunctionAgent(tools=[weather, multiply], llm=llm).run(user_msg=QUESTION, max_iterations=MAX_TURNS)
    async for event in loop.stream_events():
        if isinstance(event, ToolCallResult):
            console.print(f"  {event.tool_name} → {event.tool_output.content}", style="cyan", markup=False)
        elif isinstance(event, AgentStream):
            console.print(event.delta, end="", markup=False)
    try:
        await loop
    except WorkflowRuntimeError:
        console.print(f"(stopped after {MAX_TURNS} turns)", style="yellow")


STEPS = (
    ("query engine", "LlamaIndex", MODEL, 1, query_engine),
    ("agent", "LlamaIndex", MODEL, MAX_TURNS, agent),
)
