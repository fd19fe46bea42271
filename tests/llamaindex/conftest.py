"""One sandbox for all tests of the LlamaIndex package, and models that talk to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.embeddings import BaseEmbedding

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import DOCUMENTS, OPTIONS

MakeLLM = Callable[..., OpenRouter]


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
def make_llm(sandbox: Sandbox) -> MakeLLM:
    """Return a function that makes a model at the sandbox."""

    def make(model: str = "openai/gpt-5-mini", **arguments: Any) -> OpenRouter:
        where = {"api_base": sandbox.base_url, "api_key": sandbox.api_key}
        return OpenRouter(model=model, **(where | arguments))

    return make


@pytest.fixture
def llm(make_llm: MakeLLM) -> OpenRouter:
    return make_llm()


@pytest.fixture
def consumed(make_llm: MakeLLM) -> OpenRouter:
    """A model with options, for consumers, each of whose requests must have them."""
    return make_llm(**OPTIONS)


@pytest.fixture
def index(embedding: WordEmbedding) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text=text) for text in DOCUMENTS], embed_model=embedding)


@pytest.fixture
def question() -> list[ChatMessage]:
    return [ChatMessage(role="user", content="What is 12 * 7?")]


@pytest.fixture
def nothing_instrumented() -> Iterator[None]:
    from tests.switched_on import nothing_left_in_llamaindex

    with nothing_left_in_llamaindex():
        yield


class WordEmbedding(BaseEmbedding):
    """Counts words: good enough to find a sentence among a few, and needs no network."""

    def _get_text_embedding(self, text: str) -> list[float]:
        counts = [0.0] * 256
        for word in re.findall(r"\w{4,}", text.lower()):
            counts[crc32(word.encode()) % len(counts)] += 1.0
        return counts

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@pytest.fixture
def embedding() -> WordEmbedding:
    return WordEmbedding()
