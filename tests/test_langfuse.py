"""What Langfuse's client posts to its server, from both frameworks: the cost is where the server reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from llama_index.core.base.llms.types import ChatMessage
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.collector import LANGFUSE_TRACES, Collector


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider()
    yield provider
    provider.shutdown()


@pytest.fixture
def key() -> str:
    """A public key: Langfuse keeps its clients for ever, by this."""
    return f"pk-lf-{uuid4()}"


@pytest.fixture
def client(key: str, collector: Collector, provider: TracerProvider) -> Iterator[Langfuse]:
    client = Langfuse(public_key=key, secret_key="sk-lf-1", base_url=collector.url, tracer_provider=provider)
    yield client
    client.shutdown()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_the_handler_for_langchain_posts_the_cost(
    key: str, client: Langfuse, collector: Collector, sandbox: Sandbox
) -> None:
    llm = ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)
    message = llm.invoke("hi", {"callbacks": [CallbackHandler(public_key=key)]})
    client.flush()
    (span,) = collector.spans(LANGFUSE_TRACES)
    cost = json.loads(span.attributes["langfuse.observation.cost_details"])
    assert cost["total"] == message.response_metadata["cost"]
    assert cost["input"] + cost["output"] == pytest.approx(cost["total"])


# OpenInference calls it on LlamaIndex's metadata.
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
@pytest.mark.parametrize("streamed", [False, True])
def test_spans_of_llamaindex_by_openinference_have_the_cost(
    streamed: bool, client: Langfuse, collector: Collector, provider: TracerProvider, sandbox: Sandbox
) -> None:
    llm = OpenRouter(model="openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    hi = [ChatMessage("hi")]
    response = list(llm.stream_chat(hi))[-1] if streamed else llm.chat(hi)
    instrumentor.uninstrument()
    client.flush()
    (span,) = collector.spans(LANGFUSE_TRACES)
    assert span.attributes["gen_ai.usage.cost"] == response.additional_kwargs["cost"]
