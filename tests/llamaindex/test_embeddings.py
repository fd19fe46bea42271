"""`OpenRouterEmbedding`: all six methods, indexes and pipelines, and what they cost."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.embeddings.loading import load_embed_model
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter

from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import ConfigurationError, track_costs
from openrouter_opts.errors import Malformed, RateLimited
from openrouter_opts.sandbox import Sandbox
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import answer

MODEL = "sandbox/embedding"
Make = Callable[..., OpenRouterEmbedding]
WAYS: dict[str, Callable[[OpenRouterEmbedding, str], Any]] = {
    "query": lambda each, text: each.get_query_embedding(text),
    "aquery": lambda each, text: asyncio.run(each.aget_query_embedding(text)),
    "text": lambda each, text: each.get_text_embedding(text),
    "atext": lambda each, text: asyncio.run(each.aget_text_embedding(text)),
    "batch": lambda each, text: each.get_text_embedding_batch([text])[0],
    "abatch": lambda each, text: asyncio.run(each.aget_text_embedding_batch([text]))[0],
}


@pytest.fixture
def make(sandbox: Sandbox) -> Make:
    def made(model: str | None = MODEL, **given: Any) -> OpenRouterEmbedding:
        where = {"api_base": sandbox.base_url, "api_key": sandbox.api_key}
        return OpenRouterEmbedding(model, **{**where, **given})

    return made


@pytest.mark.parametrize("way", WAYS)
def test_each_method_sends_the_text_unchanged_and_says_what_it_is(make: Make, sandbox: Sandbox, way: str):
    embedding = make(
        query_input_type="search_query", text_input_type="search_document", dimensions=8, zdr=True, user="u"
    )
    with track_costs() as spend:
        assert len(WAYS[way](embedding, "a\nb")) == 8
    (request,) = sandbox.requests
    assert request.body == {
        "model": MODEL,
        "input": ["a\nb"],
        "dimensions": 8,
        "encoding_format": "base64",
        "input_type": "search_query" if "query" in way else "search_document",
        "provider": {"zdr": True},
        "user": "u",
    }
    assert spend.total == sandbox.credits_used > 0


@pytest.mark.parametrize("way", ["sync", "async"])
def test_long_lists_go_in_batches_and_come_back_in_order(make: Make, sandbox: Sandbox, way: str):
    texts = [f"text {number}" for number in range(7)]
    embedding = make(embed_batch_size=3)
    with track_costs() as spend:
        if way == "sync":
            found = embedding.get_text_embedding_batch(texts)
        else:
            found = asyncio.run(embedding.aget_text_embedding_batch(texts))
    assert len(spend.records) == len(sandbox.requests) == 3
    assert spend.total == sandbox.credits_used
    assert found == [embedding.get_text_embedding(text) for text in texts]


def test_async_batches_are_bounded(make: Make, monkeypatch: pytest.MonkeyPatch):
    running, most = 0, 0
    embedding = make(embed_batch_size=1, max_concurrency=3)
    real = type(embedding.client).aembed

    async def counted(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await real(self, *given, **named)
        finally:
            running -= 1

    monkeypatch.setattr(type(embedding.client), "aembed", counted)
    for _ in range(2):  # each in an event loop of its own
        asyncio.run(embedding.aget_text_embedding_batch(list("abcdefgh")))
    assert most == 3


def rows(*numbers: float, order: list[int]) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": [numbers[index]]} for index in order]
    return {"object": "list", "model": MODEL, "data": data, "usage": {"prompt_tokens": 2, "cost": 0.1}}


def test_vectors_that_come_in_another_order_find_their_texts(scripted: Callable[..., ScriptedServer]):
    server = scripted([answer(rows(1.0, 2.0, 3.0, order=[2, 0, 1]))])
    embedding = OpenRouterEmbedding("m/x", api_key="sk-or-v1-test", api_base=server.base_url)
    assert embedding.get_text_embedding_batch(["a", "b", "c"]) == [[1.0], [2.0], [3.0]]


def test_fewer_vectors_than_texts_is_an_error(scripted: Callable[..., ScriptedServer]):
    server = scripted([answer(rows(1.0, 2.0, order=[0, 1]))])
    embedding = OpenRouterEmbedding("m/x", api_key="sk-or-v1-test", api_base=server.base_url)
    with track_costs() as spend, pytest.raises(Malformed, match="asked for 3 vectors, and 2 came"):
        embedding.get_text_embedding_batch(["a", "b", "c"])
    assert spend.total == Decimal("0.1")


def test_a_failure_is_tried_again_as_often_as_was_said(make: Make, sandbox: Sandbox):
    sandbox.fail_next(status=429, retry_after=0)
    assert make().get_text_embedding("a")
    sandbox.fail_next(status=429, retry_after=0)
    with pytest.raises(RateLimited):
        make(max_retries=0).get_text_embedding("a")
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temperature": 0.5}, "temperature: embeddings take no such option"),
        ({"embed_batchsize": 5}, "embed_batchsize: there is no such argument; did you mean embed_batch_size"),
        ({"model_name": "m/other"}, "model and model_name are the same"),
        ({"text_input_type": ""}, "input_type: should be a string"),
    ],
)
def test_what_is_wrong_is_said_by_the_constructor(make: Make, given: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=said):
        make(**given)


def test_a_class_is_known_by_its_name():
    assert issubclass(OpenRouterEmbedding, BaseEmbedding)
    assert OpenRouterEmbedding.class_name() == "OpenRouterEmbedding"


def test_it_is_written_and_loaded_without_its_key(make: Make, monkeypatch: pytest.MonkeyPatch):
    embedding = make(
        api_key="sk-or-nobody-sees-this",
        extra_headers={"X-Key": "sk-nobody-either"},
        provider_api_keys={"openai": "sk-nobody"},
        user="u",
    )
    saved = embedding.to_dict()
    for shown in (json.dumps(saved), repr(embedding), str(pickle.dumps(embedding))):
        assert "sk-or-nobody" not in shown
        assert "sk-nobody" not in shown
    assert make(api_key="sk-or-another", user="u").to_dict() == saved
    loaded = load_embed_model(dict(saved))
    assert isinstance(loaded, OpenRouterEmbedding)
    assert loaded.to_dict() == saved
    key = make().api_key
    monkeypatch.setenv("OPENROUTER_API_KEY", key.get_secret_value())  # type: ignore[union-attr]
    opened = pickle.loads(pickle.dumps(make()))
    for each in (loaded, opened, copy.deepcopy(make())):
        assert each.get_text_embedding("a") == make().get_text_embedding("a")


FACTS = ["The lighthouse of Aster was built in 1872 by Ida Holm.", "Bread is made of flour, water and salt."]


def test_an_index_is_built_and_asked(make: Make, sandbox: Sandbox):
    llm = OpenRouter(model="openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)
    with track_costs() as spend:
        index = VectorStoreIndex.from_documents([Document(text=text) for text in FACTS], embed_model=make())
        said = index.as_query_engine(llm=llm, similarity_top_k=1).query("Who built the lighthouse?")
    assert "Ida Holm" in str(said)
    assert set(spend.by("kind")) == {"chat", "embedding"}
    assert spend.total == sandbox.credits_used


@pytest.mark.parametrize("way", ["run", "arun"])
def test_a_pipeline_gives_every_node_its_vector(make: Make, way: str):
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), make(embed_batch_size=1)])
    documents = [Document(text=text) for text in FACTS]
    nodes = (
        pipeline.run(documents=documents) if way == "run" else asyncio.run(pipeline.arun(documents=documents))
    )
    assert [len(node.embedding or ()) for node in nodes] == [256, 256]
