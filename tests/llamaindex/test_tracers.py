"""What tracers see of a call: one span, with its model, its tokens and why it ended, and no key. They are real, exporting to memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.embeddings import MockEmbedding
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor as OpenInference
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as OpenLLMetry
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.ways import CHATS, WAYS, Way, every_way

pytestmark = [
    # OpenInference calls it on LlamaIndex's metadata; an error inside a span handler would be swallowed, and the span with it.
    pytest.mark.filterwarnings("ignore:The `json` method is deprecated"),
    # What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index"),
]

MakeLLM = Callable[..., OpenRouter]


class Sum(BaseModel):
    """A sum."""

    value: int


@dataclass(frozen=True)
class Tracer:
    """A tracer, and the names that it gives to what is known of every call."""

    instrumentor: Any
    model: str
    prompt_tokens: str
    completion_tokens: str
    finish_reason: str


TRACERS = {
    "OpenInference": Tracer(
        OpenInference,
        model="llm.model_name",
        prompt_tokens="llm.token_count.prompt",
        completion_tokens="llm.token_count.completion",
        finish_reason="llm.finish_reason",
    ),
    "OpenLLMetry": Tracer(
        OpenLLMetry,
        model="gen_ai.request.model",
        prompt_tokens="gen_ai.usage.input_tokens",
        completion_tokens="gen_ai.usage.output_tokens",
        finish_reason="gen_ai.response.finish_reasons",
    ),
}
# OpenLLMetry reads the events of chats only.
READ = [
    pytest.param(name, way, id=f"{name}-{way.__name__.strip('_')}")
    for name in TRACERS
    for way in (CHATS if name == "OpenLLMetry" else WAYS)
]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def watch(nothing_instrumented: None, exporter: InMemorySpanExporter) -> Iterator[Callable[[str], Tracer]]:
    """Return a function that lets a tracer watch until the test ends."""
    provider, watching = TracerProvider(), []
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def start(name: str) -> Tracer:
        tracer = TRACERS[name]
        watching.append(tracer.instrumentor())
        watching[-1].instrument(tracer_provider=provider)
        return tracer

    yield start
    for instrumentor in watching:
        instrumentor.uninstrument()
    provider.shutdown()


def _counted(exporter: InMemorySpanExporter, tracer: Tracer) -> list[dict[str, Any]]:
    """What the spans say that know of tokens."""
    found = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    return [says for says in found if tracer.prompt_tokens in says]


@pytest.mark.parametrize(("name", "way"), READ)
async def test_a_tracer_reads_model_tokens_and_finish_reason_from_one_span(
    name: str, way: Way, watch: Any, exporter: InMemorySpanExporter, make_llm: MakeLLM
) -> None:
    tracer = watch(name)
    answer = await way(make_llm("anthropic/claude-sonnet-4.6"), {})

    (says,) = _counted(exporter, tracer)
    known = answer.additional_kwargs
    assert says[tracer.model] == "anthropic/claude-sonnet-4.6"
    assert says[tracer.prompt_tokens] == known["prompt_tokens"] > 0
    assert says[tracer.completion_tokens] == known["completion_tokens"] > 0
    assert says[tracer.finish_reason] in {"stop", ("stop",)}
    assert "openai" not in {
        says.get("llm.provider"),
        says.get("llm.system"),
        says.get("gen_ai.provider.name"),
    }
    assert len(exporter.get_finished_spans()) == 1


@pytest.mark.parametrize(("name", "way"), READ)
async def test_a_tracer_reads_the_model_that_the_call_asks_for(
    name: str, way: Way, watch: Any, exporter: InMemorySpanExporter, make_llm: MakeLLM
) -> None:
    tracer = watch(name)
    llm = make_llm("anthropic/claude-sonnet-4.6")

    await way(llm, {"model": "openai/gpt-5"})
    await way(llm, {})

    assert [says[tracer.model] for says in _counted(exporter, tracer)] == [
        "openai/gpt-5",
        "anthropic/claude-sonnet-4.6",
    ]


@every_way
async def test_openinference_names_openrouter_as_the_provider(
    way: Way, watch: Any, exporter: InMemorySpanExporter, make_llm: MakeLLM
) -> None:
    tracer = watch("OpenInference")
    await way(make_llm(), {})

    (says,) = _counted(exporter, tracer)
    assert says["llm.provider"] == "openrouter"


@pytest.mark.parametrize("way", CHATS, ids=lambda way: way.__name__.strip("_"))
async def test_openllmetry_reads_the_model_of_every_span_of_an_object(
    way: Way, watch: Any, exporter: InMemorySpanExporter, make_llm: MakeLLM
) -> None:
    tracer = watch("OpenLLMetry")
    llm: Any = make_llm("openai/gpt-5-mini").as_structured_llm(Sum)
    await way(llm, {})

    found = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    asked = [says.get(tracer.model) for says in found if says.get("gen_ai.operation.name") == "chat"]
    assert len(asked) > 1
    assert set(asked) == {"openai/gpt-5-mini"}


@every_way
@pytest.mark.parametrize("name", TRACERS)
async def test_no_key_is_in_what_a_tracer_exports(
    name: str, way: Way, watch: Any, exporter: InMemorySpanExporter, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    watch(name)
    await way(make_llm(), {"provider_api_keys": {"openai": "sk-own-key"}})

    (span,) = exporter.get_finished_spans()
    assert sandbox.api_key not in span.to_json()
    assert "sk-own-key" not in span.to_json()


@pytest.mark.parametrize("way", CHATS, ids=lambda way: way.__name__.strip("_"))
async def test_openllmetry_names_openrouter_what_was_asked_for_and_what_answered(
    way: Way, watch: Any, exporter: InMemorySpanExporter, make_llm: MakeLLM
) -> None:
    watch("OpenLLMetry")
    answer = await way(make_llm("anthropic/claude-sonnet-4.6", temperature=0.5), {})

    (span,) = exporter.get_finished_spans()
    says = span.attributes or {}
    assert says["gen_ai.provider.name"] == "openrouter"
    assert says["gen_ai.request.temperature"] == 0.5
    assert says["gen_ai.response.model"] == answer.additional_kwargs["model"]
    assert says["gen_ai.response.id"] == answer.additional_kwargs["id"]


@pytest.mark.parametrize(
    ("name", "model"), [("OpenInference", "embedding.model_name"), ("OpenLLMetry", "gen_ai.request.model")]
)
@pytest.mark.parametrize("method", ["get_text_embedding", "aget_text_embedding"])
async def test_a_tracer_reads_the_model_of_vectors_and_sees_no_key(
    method: str, name: str, model: str, watch: Any, exporter: InMemorySpanExporter, sandbox: Sandbox
) -> None:
    watch(name)
    embedding = OpenRouterEmbedding(
        model_name="openai/text-embedding-3-small", api_base=sandbox.base_url, api_key=sandbox.api_key
    )
    vector = getattr(embedding, method)("The lighthouse of Aster.")
    assert len(await vector if method.startswith("a") else vector) > 100

    spans = exporter.get_finished_spans()
    assert [span.attributes[model] for span in spans if model in (span.attributes or {})] == [
        "openai/text-embedding-3-small"
    ]
    assert sandbox.api_key not in "".join(span.to_json() for span in spans)


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}."


async def _agent(llm: OpenRouter, streaming: bool) -> str:
    return str(await FunctionAgent(tools=[weather], llm=llm, streaming=streaming).run("Weather in Paris?"))


async def _query_engine(llm: OpenRouter, streaming: bool) -> str:
    documents = [Document(text="It is sunny in Paris.")]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=2))
    answer: Any = await index.as_query_engine(llm=llm, streaming=streaming).aquery("Weather in Paris?")
    return "".join([piece async for piece in answer.response_gen]) if streaming else str(answer)


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("ask", [_agent, _query_engine], ids=["agent", "query engine"])
@pytest.mark.parametrize("name", TRACERS)
async def test_every_call_that_an_agent_or_a_query_engine_makes_is_counted_once(
    name: str,
    ask: Any,
    streaming: bool,
    watch: Any,
    exporter: InMemorySpanExporter,
    llm: OpenRouter,
    sandbox: Sandbox,
) -> None:
    tracer = watch(name)
    with track_costs() as spend:
        assert "sunny" in await ask(llm, streaming)

    counted = _counted(exporter, tracer)
    assert len(counted) == len(sandbox.requests)
    assert sum(says[tracer.prompt_tokens] for says in counted) == spend.prompt_tokens
    assert sum(says[tracer.completion_tokens] for says in counted) == spend.completion_tokens
    assert sandbox.api_key not in "".join(span.to_json() for span in exporter.get_finished_spans())


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("ask", [_agent, _query_engine], ids=["agent", "query engine"])
async def test_a_token_counting_handler_counts_every_call_of_an_agent_or_a_query_engine(
    ask: Any, streaming: bool, make_llm: MakeLLM, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = TokenCountingHandler()
    manager = CallbackManager([counter])
    monkeypatch.setattr(Settings, "_callback_manager", manager)  # that of query engines
    with track_costs() as spend:
        await ask(make_llm(callback_manager=manager), streaming)

    assert len(counter.llm_token_counts) == len(sandbox.requests)
    assert counter.prompt_llm_token_count == spend.prompt_tokens
    assert counter.completion_llm_token_count == spend.completion_tokens
