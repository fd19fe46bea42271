"""What is timed: one call on our model, on the framework's model from memory, and by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, convert_to_messages
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms import LLM

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from tests.benchmarks import wire
from tests.benchmarks.floors import LangChainFromMemory, LlamaIndexFromMemory, RawExchange
from tests.benchmarks.server import bare_server

Call: TypeAlias = Callable[[], str]
Run: TypeAlias = Callable[[Coroutine[Any, Any, str]], str]
KEY = "sk-or-v1-bench"


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is to do in the cases."""

    deltas: int = 2000
    messages: int = 401
    at_once: int = 500


@dataclass(frozen=True, slots=True)
class Case:
    """Three ways to one answer: ours, and the two that add up to the floor."""

    name: str
    answer: str
    """What each way returns."""
    ours: Call
    framework: Call
    raw: Call
    requests: int = 1
    """Requests in one call."""
    repeat: int = 1
    """Calls in one sample: more where one is short."""


@contextmanager
def cases(size: Size) -> Iterator[list[Case]]:
    """Yield the cases, with everything running that they need."""
    with bare_server(size.deltas) as base_url, asyncio.Runner() as runner:
        raw = RawExchange(base_url)

        def run(answering: Coroutine[Any, Any, str]) -> str:
            # By itself a runner keeps the context in which it was made, without the scopes opened since.
            return runner.run(answering, context=copy_context())

        try:
            yield [*_langchain(size, run, raw, base_url), *_llamaindex(size, run, raw, base_url)]
        finally:
            raw.close()
            runner.run(raw.aclose())


def _langchain(size: Size, run: Run, raw: RawExchange, base_url: str) -> Iterator[Case]:
    answer, deltas = wire.plain_answer(), wire.pieces(size.deltas)
    ours: BaseChatModel = ChatOpenRouter(model=wire.MODEL, api_key=KEY, base_url=base_url)
    memory: BaseChatModel = LangChainFromMemory(answer=answer, deltas=deltas)
    question, history = wire.question(), wire.history(size.messages)
    asked, talked = convert_to_messages(question), convert_to_messages(history)
    body = {"model": wire.MODEL, "messages": question}

    def invoke(model: BaseChatModel, messages: list[BaseMessage]) -> str:
        return model.invoke(messages).text

    def stream(model: BaseChatModel) -> str:
        return "".join([chunk.text for chunk in model.stream(asked)])

    async def astream(model: BaseChatModel) -> str:
        return "".join([chunk.text async for chunk in model.astream(asked)])

    async def ainvoke(model: BaseChatModel) -> str:
        return (await model.ainvoke(asked)).text

    async def at_once(call: Callable[[], Awaitable[str]]) -> str:
        return "".join(await asyncio.gather(*(call() for _ in range(size.at_once))))

    yield Case(
        "LangChain invoke",
        answer,
        lambda: invoke(ours, asked),
        lambda: invoke(memory, asked),
        lambda: raw.whole(body),
        repeat=20,
    )
    yield Case(
        f"LangChain history, {size.messages} messages",
        answer,
        lambda: invoke(ours, talked),
        lambda: invoke(memory, talked),
        lambda: raw.whole({"model": wire.MODEL, "messages": history}),
        repeat=10,
    )
    yield Case(
        f"LangChain stream, {size.deltas} deltas",
        "".join(deltas),
        lambda: stream(ours),
        lambda: stream(memory),
        lambda: raw.streamed(body),
    )
    yield Case(
        f"LangChain astream, {size.deltas} deltas",
        "".join(deltas),
        lambda: run(astream(ours)),
        lambda: run(astream(memory)),
        lambda: run(raw.astreamed(body)),
    )
    yield Case(
        f"LangChain ainvoke, {size.at_once} at once",
        answer * size.at_once,
        lambda: run(at_once(lambda: ainvoke(ours))),
        lambda: run(at_once(lambda: ainvoke(memory))),
        lambda: run(at_once(lambda: raw.awhole(body))),
        requests=size.at_once,
    )


def _llamaindex(size: Size, run: Run, raw: RawExchange, base_url: str) -> Iterator[Case]:
    answer, deltas = wire.plain_answer(), wire.pieces(size.deltas)
    ours: LLM = OpenRouter(model=wire.MODEL, api_key=KEY, api_base=base_url)
    memory: LLM = LlamaIndexFromMemory(answer=answer, deltas=deltas)
    question = wire.question()
    asked: Sequence[ChatMessage] = [
        ChatMessage(role=message["role"], content=message["content"]) for message in question
    ]
    body: dict[str, Any] = {"model": wire.MODEL, "messages": question}

    def chat(model: LLM) -> str:
        return model.chat(asked).message.content or ""

    def stream_chat(model: LLM) -> str:
        return "".join([response.delta or "" for response in model.stream_chat(asked)])

    async def astream_chat(model: LLM) -> str:
        return "".join([response.delta or "" async for response in await model.astream_chat(asked)])

    yield Case(
        "LlamaIndex chat",
        answer,
        lambda: chat(ours),
        lambda: chat(memory),
        lambda: raw.whole(body),
        repeat=20,
    )
    yield Case(
        f"LlamaIndex stream_chat, {size.deltas} deltas",
        "".join(deltas),
        lambda: stream_chat(ours),
        lambda: stream_chat(memory),
        lambda: raw.streamed(body),
    )
    yield Case(
        f"LlamaIndex astream_chat, {size.deltas} deltas",
        "".join(deltas),
        lambda: run(astream_chat(ours)),
        lambda: run(astream_chat(memory)),
        lambda: run(raw.astreamed(body)),
    )
