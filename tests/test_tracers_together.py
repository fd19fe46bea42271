"""Several tracers at once: each posts what a call cost once, to its own place, and our own telemetry makes nothing a second time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from llama_index.core.base.llms.types import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox
from tests.collector import LANGFUSE_TRACES, METRICS, TRACES, Collector, Exporting, WireSpan
from tests.switched_on import (
    Config,
    SwitchedOn,
    langfuse,
    langsmith_of_langchain,
    mlflow_of_both,
    openinference_of_langchain,
    openinference_of_llamaindex,
    openllmetry_of_langchain,
    openllmetry_of_llamaindex,
    ours,
)

# OpenInference calls it on LlamaIndex's metadata; an error inside a span handler would be swallowed, and the span with it.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def where(sandbox: Sandbox) -> dict[str, str]:
    return {"base_url": sandbox.base_url, "api_key": sandbox.api_key}


@contextmanager
def together(collector: Collector, **tracers: SwitchedOn) -> Iterator[Config]:
    """Switch tracers on; what they make with OpenTelemetry goes to a place of each one's name, and all of it has come in the end."""
    callbacks: list[Any] = []
    with ExitStack() as stack:
        for name, tracer in tracers.items():
            exporting = Exporting(collector, f"/{name}")
            stack.callback(exporting.close)
            callbacks += stack.enter_context(tracer(exporting)).get("callbacks", [])
        yield {"callbacks": callbacks}


def spans_of(collector: Collector, name: str) -> list[WireSpan]:
    return collector.spans(f"/{name}{TRACES}")


def said(spans: Iterable[WireSpan], name: str = "gen_ai.usage.cost") -> list[Any]:
    """Return the values of an attribute, of every span that has it."""
    found = (span.attributes.get(name) for span in spans)
    return [value for value in found if value is not None]


def metered(collector: Collector) -> list[tuple[float, int]]:
    """Return the dollars of our own metric, and the number of calls that they are of."""
    points = collector.points(f"/ours{METRICS}")
    return [(point.sum, point.count) for point in points if point.metric == "gen_ai.client.operation.cost"]


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}."


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_six_tracers_each_post_the_cost_of_each_call_of_an_agent_of_langchain_once(
    streaming: bool, collector: Collector, where: dict[str, str]
) -> None:
    agent: Any = create_agent(
        ChatOpenRouter(model="openai/gpt-5-mini", streaming=streaming, **where), [weather]
    )
    with (
        together(
            collector,
            ours=ours,
            openinference=openinference_of_langchain,
            openllmetry=openllmetry_of_langchain,
            langfuse=lambda providers: langfuse(providers, base_url=collector.url),
            langsmith=lambda _: langsmith_of_langchain(collector),
            mlflow=lambda _: mlflow_of_both(collector),
        ) as config,
        track_costs() as spend,
    ):
        agent.invoke({"messages": [("user", "What is the weather in Paris?")]}, config)
    billed = [float(record.cost.total or 0) for record in spend.records]
    assert len(billed) == 2

    for tracer in ("openinference", "openllmetry"):
        assert said(spans_of(collector, tracer)) == billed
    details = said(collector.spans(LANGFUSE_TRACES), "langfuse.observation.cost_details")
    assert [json.loads(detail)["total"] for detail in details] == billed
    runs = sorted(collector.runs().values(), key=lambda run: run["start_time"])
    usages = [usage for run in runs if (usage := run["extra"]["metadata"].get("usage_metadata"))]
    assert [usage["total_cost"] for usage in usages] == billed
    assert [cost["total_cost"] for cost in said(collector.spans(), "mlflow.llm.cost")] == billed
    assert not spans_of(collector, "ours")
    assert metered(collector) == [(pytest.approx(sum(billed)), 2)]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_four_tracers_each_post_the_cost_of_a_call_of_llamaindex_once(
    streamed: bool, collector: Collector, sandbox: Sandbox, where: dict[str, str]
) -> None:
    llm, hi = OpenRouter(model="openai/gpt-5-mini", **where), [ChatMessage("hi")]
    with together(
        collector,
        ours=ours,
        openinference=openinference_of_llamaindex,
        openllmetry=openllmetry_of_llamaindex,
        mlflow=lambda _: mlflow_of_both(collector),
    ):
        list(llm.stream_chat(hi)) if streamed else llm.chat(hi)
    billed = float(sandbox.credits_used)

    for tracer in ("openinference", "openllmetry"):
        assert said(spans_of(collector, tracer)) == [billed]
    assert [cost["total_cost"] for cost in said(collector.spans(), "mlflow.llm.cost")] == [billed]
    assert not spans_of(collector, "ours")
    assert metered(collector) == [(billed, 1)]


@pytest.mark.parametrize("mode", ["langsmith", "hybrid", "otel"])
def test_a_call_is_one_span_whether_our_own_telemetry_makes_it_or_langsmith(
    mode: str, collector: Collector, sandbox: Sandbox, where: dict[str, str]
) -> None:
    @contextmanager
    def both(exporting: Any) -> Iterator[Config]:
        mine = {"tracing_mode": mode, "otel_tracer_provider": exporting.tracer_provider}
        with ours(exporting), langsmith_of_langchain(collector, **mine) as config:
            yield config

    with together(collector, ours=both) as config:
        ChatOpenRouter(model="openai/gpt-5-mini", **where).invoke("hi", config)
    billed = float(sandbox.credits_used)

    (span,) = spans_of(collector, "ours")
    assert span.attributes["gen_ai.usage.input_tokens"] > 0
    if mode == "langsmith":
        assert said([span]) == [billed]
    else:
        # LangSmith's exporter has a place of its own for it, and no other.
        (usage,) = said([span], "langsmith.metadata.usage_metadata")
        assert json.loads(usage)["total_cost"] == billed
    assert len(collector.runs()) == (mode != "otel")
    assert metered(collector) == [(billed, 1)]


EMBEDDINGS: dict[str, Callable[..., Any]] = {
    "langchain": lambda **where: OpenRouterEmbeddings(
        model="openai/text-embedding-3-small", **where
    ).embed_query("hi"),
    "llamaindex": lambda **where: OpenRouterEmbedding(
        model_name="openai/text-embedding-3-small", **where
    ).get_text_embedding("hi"),
}


@pytest.mark.parametrize("framework", EMBEDDINGS)
def test_vectors_have_one_cost_and_it_is_on_the_span_of_our_own_telemetry(
    framework: str, collector: Collector, sandbox: Sandbox, where: dict[str, str]
) -> None:
    tracers = {
        "ours": ours,
        "openinference": openinference_of_llamaindex,
        "openllmetry": openllmetry_of_llamaindex,
        "openinference-langchain": openinference_of_langchain,
    }
    with together(collector, **tracers):
        EMBEDDINGS[framework](**where)
    billed = float(sandbox.credits_used)

    # LangChain tells no tracer of its embeddings.
    assert bool(spans_of(collector, "openinference")) == (framework == "llamaindex")
    assert {name: costs for name in tracers if (costs := said(spans_of(collector, name)))} == {
        "ours": [billed]
    }
    assert metered(collector) == [(billed, 1)]
