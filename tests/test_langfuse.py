"""What Langfuse's client posts to its server, from both frameworks: the cost is where the server reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.collector import LANGFUSE_TRACES, Collector
from tests.spans import Telemetry
from tests.switched_on import langfuse, openinference_of_llamaindex


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("streamed", [False, True])
def test_the_handler_for_langchain_posts_the_cost(
    streamed: bool, telemetry: Telemetry, collector: Collector, sandbox: Sandbox
) -> None:
    llm = ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)
    with langfuse(telemetry, base_url=collector.url) as config:
        list(llm.stream("hi", config)) if streamed else llm.invoke("hi", config)
    (span,) = collector.spans(LANGFUSE_TRACES)
    cost = json.loads(span.attributes["langfuse.observation.cost_details"])
    assert cost["total"] == float(sandbox.credits_used) > 0
    assert cost["input"] + cost["output"] == pytest.approx(cost["total"])


# OpenInference calls it on LlamaIndex's metadata.
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
@pytest.mark.parametrize("streamed", [False, True])
def test_spans_of_llamaindex_by_openinference_have_the_cost(
    streamed: bool, telemetry: Telemetry, collector: Collector, sandbox: Sandbox
) -> None:
    llm = OpenRouter(model="openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)
    hi = [ChatMessage("hi")]
    with (
        langfuse(telemetry, base_url=collector.url),
        openinference_of_llamaindex(telemetry),
    ):
        list(llm.stream_chat(hi)) if streamed else llm.chat(hi)
    (span,) = collector.spans(LANGFUSE_TRACES)
    assert span.attributes["gen_ai.usage.cost"] == float(sandbox.credits_used) > 0
