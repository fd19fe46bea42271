"""The books of both frameworks against those of an account, and limits that models of both share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, closing
from dataclasses import dataclass
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterCostCallbackHandler
from llamaindex_openrouter_opts import OpenRouter, OpenRouterCostHandler
from openrouter_opts import SpendLimit, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.frameworks import LANGCHAIN, LLAMAINDEX
from tests.random_calls import AMOUNT, Asker, ask_above_a_limit, ask_at_random

Messages = Sequence[Any]


@dataclass
class InLangChain:
    """Asks a LangChain model."""

    llm: ChatOpenRouter

    def complete(self, messages: Messages, **options: Any) -> None:
        self.llm.invoke(messages, **options)

    async def acomplete(self, messages: Messages, **options: Any) -> None:
        await self.llm.ainvoke(messages, **options)

    def stream(self, messages: Messages, **options: Any) -> AbstractContextManager[Any]:
        chunks: Any = self.llm.stream(messages, **options)
        return closing(chunks)

    def astream(self, messages: Messages, **options: Any) -> AbstractAsyncContextManager[Any]:
        chunks: Any = self.llm.astream(messages, **options)
        return aclosing(chunks)


@dataclass
class InLlamaIndex:
    """Asks a LlamaIndex model."""

    llm: OpenRouter

    def complete(self, messages: Messages, **options: Any) -> None:
        self.llm.chat(_chat(messages), **options)

    async def acomplete(self, messages: Messages, **options: Any) -> None:
        await self.llm.achat(_chat(messages), **options)

    def stream(self, messages: Messages, **options: Any) -> AbstractContextManager[Any]:
        responses: Any = self.llm.stream_chat(_chat(messages), **options)
        return closing(responses)

    def astream(self, messages: Messages, **options: Any) -> AbstractAsyncContextManager[Any]:
        async def responses() -> AsyncGenerator[Any, None]:
            async with aclosing(await self.llm.astream_chat(_chat(messages), **options)) as stream:
                async for response in stream:
                    yield response

        return aclosing(responses())


def _chat(messages: Messages) -> list[ChatMessage]:
    return [ChatMessage(**message) for message in messages]


def askers(sandbox: Sandbox, **given: Any) -> list[Asker]:
    manager = given.pop("manager", CallbackManager())
    callbacks = given.pop("callbacks", None)
    return [
        InLangChain(LANGCHAIN.make(sandbox, callbacks=callbacks, **given)),
        InLlamaIndex(LLAMAINDEX.make(sandbox, callback_manager=manager, **given)),
    ]


def test_after_hundreds_of_calls_in_both_frameworks_our_books_are_those_of_the_account():
    theirs, others = OpenRouterCostCallbackHandler(), OpenRouterCostHandler()
    with Sandbox(credits="1000") as sandbox, track_costs() as spend:
        ask_at_random(
            2, askers(sandbox, callbacks=[theirs], manager=CallbackManager([others])), sandbox, spend
        )
        assert theirs.total + others.total == spend.total == sandbox.credits_used
        assert len(theirs.records) + len(others.records) == len(spend.records)
        keys = {record.key for record in (*theirs.records, *others.records)}
        assert keys == {record.key for record in spend.records}
        assert all("run" in record.labels for record in theirs.records)


@pytest.mark.parametrize("on_limit", ["refuse", "fit"])
@pytest.mark.parametrize("way", ["threads", "tasks"])
def test_two_hundred_at_once_in_both_frameworks_never_get_above_one_limit(way: str, on_limit: Any):
    limit = SpendLimit(AMOUNT, on_limit=on_limit)
    with Sandbox(credits="1000") as sandbox:
        ask_above_a_limit(askers(sandbox, spend_limit=limit), sandbox, limit, way, trouble=True)
