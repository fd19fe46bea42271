"""How embeddings are used in both frameworks, for mypy and pyright to read; it is never run."""

from __future__ import annotations

from typing import assert_type

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import SecretStr

from langchain_openrouter_opts import OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouterEmbedding
from openrouter_opts import ProviderOptions, Timeout


async def in_langchain() -> None:
    embeddings: Embeddings = OpenRouterEmbeddings(model="openai/text-embedding-3-small")
    OpenRouterEmbeddings(
        model="m/x",
        api_key=SecretStr("k"),
        dimensions=256,
        encoding_format="float",
        query_input_type="search_query",
        chunk_size=32,
        timeout=Timeout(total=10),
        provider_options={"provider": {"zdr": True}},
    )
    assert_type(embeddings.embed_query("a"), list[float])
    assert_type(await embeddings.aembed_documents(["a"]), list[list[float]])
    InMemoryVectorStore(embeddings)


async def in_llamaindex() -> None:
    embedding: BaseEmbedding = OpenRouterEmbedding(model_name="openai/text-embedding-3-small")
    OpenRouterEmbedding(model_name="m/x", api_key="k", timeout=10, provider_options=ProviderOptions(user="u"))
    assert_type(await embedding.aget_text_embedding("a"), list[float])
    VectorStoreIndex.from_documents([], embed_model=embedding)
