"""`OpenRouterEmbeddings`: the standard tests, and what they don't ask."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.exceptions import ModelInvalidRequestError, ModelRateLimitError
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_openrouter_opts import OpenRouterEmbeddings
from openrouter_opts import ConfigurationError, ProviderOptions, track_costs
from openrouter_opts.errors import Malformed, RateLimited
from openrouter_opts.sandbox import Sandbox

MODEL = "sandbox/embedding"
Make = Callable[..., OpenRouterEmbeddings]


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[OpenRouterEmbeddings]:
        return OpenRouterEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "api_key": "sk-or-unit"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        # The key is read at the first request, from the environment of that time.
        return {"OPENROUTER_API_KEY": "sk-or-env"}, {"model": MODEL}, {"model": MODEL, "api_key": None}


class TestIntegration(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _at_the_sandbox(self, sandbox: Sandbox) -> None:
        self._where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}

    @property
    def embeddings_class(self) -> type[OpenRouterEmbeddings]:
        return OpenRouterEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, **self._where}


@pytest.fixture
def make(sandbox: Sandbox) -> Make:
    def made(**given: Any) -> OpenRouterEmbeddings:
        where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
        return OpenRouterEmbeddings(**{"model": MODEL, **where, **given})

    return made


@pytest.fixture(params=["sync", "async"])
def documents(request: pytest.FixtureRequest) -> Callable[[OpenRouterEmbeddings, list[str]], Any]:
    if request.param == "sync":
        return lambda embeddings, texts: embeddings.embed_documents(texts)
    return lambda embeddings, texts: asyncio.run(embeddings.aembed_documents(texts))


def test_long_lists_go_in_batches_and_come_back_in_order(make: Make, sandbox: Sandbox, documents: Any):
    texts = [f"text {number}\nwith\ta break" for number in range(7)]
    with track_costs() as spend:
        found = documents(make(chunk_size=3), texts)
    assert found == [make().embed_query(text) for text in texts]
    sent = [request.body["input"] for request in sandbox.requests[:3]]
    assert sorted(sent) == [texts[:3], texts[3:6], texts[6:]]
    assert [record.kind for record in spend.records] == ["embedding"] * 3
    assert spend.total == sum(Decimal(str(each.cost)) for each in list(sandbox.generations.values())[:3])


def test_no_documents_are_no_request(make: Make, sandbox: Sandbox, documents: Any):
    assert documents(make(), []) == []
    assert sandbox.requests == []


def test_input_type_tells_queries_from_documents_if_it_is_asked_to(make: Make, sandbox: Sandbox):
    make().embed_query("a")
    both = make(query_input_type="search_query", document_input_type="search_document", dimensions=8)
    assert len(both.embed_query("a")) == 8
    both.embed_documents(["a"])
    asyncio.run(both.aembed_query("a"))
    asyncio.run(both.aembed_documents(["a"]))
    assert [request.body.get("input_type") for request in sandbox.requests] == [
        None,
        *["search_query", "search_document"] * 2,
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"provider": {"zdr": True}, "user": "u", "app_title": "My App"},
        {"provider_options": {"openrouter_provider": {"zdr": True}, "user": "u", "app_title": "My App"}},
        {
            "provider_options": ProviderOptions(user="u", app_title="My App"),
            "zdr": True,
        },
    ],
)
def test_options_are_given_in_every_way(make: Make, sandbox: Sandbox, given: dict[str, Any]):
    make(**given).embed_query("a")
    (request,) = sandbox.requests
    assert (request.body["provider"], request.body["user"]) == ({"zdr": True}, "u")
    assert request.headers["x-openrouter-title"] == "My App"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temperature": 0.5}, "temperature: embeddings take no such option"),
        ({"modle": "m"}, "modle: there is no such argument; did you mean model"),
        ({"model_name": "m/other"}, "model and model_name are the same"),
        ({"dimensions": 0}, "dimensions: should be a whole number from 1"),
        ({"document_input_type": ""}, "input_type: should be a string"),
    ],
)
def test_what_is_wrong_is_said_by_the_constructor(make: Make, given: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=said):
        make(**given)


def test_errors_are_those_of_langchain_too(make: Make, sandbox: Sandbox, documents: Any):
    sandbox.fail_next(status=429, retry_after=0)
    with pytest.raises(ModelRateLimitError) as caught:
        documents(make(max_retries=0), ["a"])
    assert isinstance(caught.value, RateLimited)
    with pytest.raises(ModelInvalidRequestError, match=r"input\[1\]: is an empty text"):
        documents(make(), ["a", ""])


def test_one_batch_that_fails_ends_the_others(make: Make, sandbox: Sandbox):
    sandbox.fail_next(status=400)
    with pytest.raises(ModelInvalidRequestError):
        asyncio.run(make(chunk_size=1, max_concurrency=1).aembed_documents(["a", "b", "c"]))
    assert len(sandbox.requests) == 1


def test_async_batches_are_bounded(make: Make, monkeypatch: pytest.MonkeyPatch):
    running, most = 0, 0
    embeddings = make(chunk_size=1, max_concurrency=3)
    real = type(embeddings.client).aembed

    async def counted(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await real(self, *given, **named)
        finally:
            running -= 1

    monkeypatch.setattr(type(embeddings.client), "aembed", counted)
    asyncio.run(embeddings.aembed_documents(list("abcdefgh")))
    assert most == 3


def test_fewer_vectors_than_texts_is_an_error(make: Make, sandbox: Sandbox):
    sandbox.fail_next(status=200, body={"object": "list", "model": MODEL, "data": [], "usage": {"cost": 0.1}})
    with track_costs() as spend, pytest.raises(Malformed, match="asked for 2 vectors, and 0 came"):
        make().embed_documents(["a", "b"])
    assert spend.total == Decimal("0.1")


def test_the_key_is_read_late_and_is_in_no_pickle_or_repr(make: Make, monkeypatch: pytest.MonkeyPatch):
    with_key = make(
        api_key="sk-or-nobody-sees-this",
        extra_headers={"X-Key": "sk-nobody-either"},
        provider_api_keys={"openai": "sk-nobody"},
    )
    for shown in (repr(with_key), str(with_key.model_dump()), str(pickle.dumps(with_key))):
        assert "sk-or-nobody" not in shown
        assert "sk-nobody" not in shown
    sandbox_key = make().api_key
    assert sandbox_key is not None
    opened = pickle.loads(pickle.dumps(make()))
    with pytest.raises(ConfigurationError, match="there is no API key"):
        opened.embed_query("a")
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox_key.get_secret_value())
    assert opened.embed_query("a") == copy.deepcopy(make()).embed_query("a")


def test_a_vector_store_finds_what_is_near(make: Make):
    store = InMemoryVectorStore(make())
    store.add_documents([Document("Bread is made of flour."), Document("The lighthouse is of 1872.")])
    (found,) = store.similarity_search("How old is the lighthouse?", k=1)
    assert found.page_content == "The lighthouse is of 1872."
