"""What OpenInference and OpenLLMetry see of a call's cost: both are the real ones, exporting to memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.embeddings import BaseEmbedding
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as OpenLLMetry

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import OpenRouterError
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.ways import Way, every_way
from tests.scripted_server import ScriptedServer
from tests.spans import Telemetry
from tests.switched_on import openinference_of_llamaindex, openllmetry_of_llamaindex
from tests.wire_bytes import STREAM_HEAD, USAGE, answer, chunked, delta, event

# OpenInference calls it on LlamaIndex's metadata; an error inside a span handler would be swallowed, and the span with it.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")

MakeLLM = Callable[..., OpenRouter]
HI = [ChatMessage("hi")]


@pytest.fixture(
    params=[openinference_of_llamaindex, openllmetry_of_llamaindex], ids=["openinference", "openllmetry"]
)
def telemetry(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    telemetry = Telemetry()
    with request.param(telemetry):
        yield telemetry
    telemetry.close()


def costs(telemetry: Telemetry) -> list[float]:
    """Return the total of every span that has one."""
    totals = telemetry.values("llm.cost.total")
    assert totals == telemetry.values("gen_ai.usage.cost")
    return totals


@every_way
async def test_the_span_of_a_call_has_its_cost(way: Way, telemetry: Telemetry, make_llm: MakeLLM) -> None:
    response = await way(make_llm(), {})
    (span,) = telemetry.spans
    assert costs(telemetry) == [response.additional_kwargs["cost"]]
    said: Any = span.attributes
    assert said["llm.cost.prompt"] + said["llm.cost.completion"] == pytest.approx(said["llm.cost.total"])


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_only_the_call_of_a_query_has_a_cost(
    streaming: bool, telemetry: Telemetry, llm: OpenRouter, embedding: BaseEmbedding, sandbox: Sandbox
) -> None:
    index = VectorStoreIndex.from_documents(
        [Document(text="The lighthouse of Aster was built in 1872.")], embed_model=embedding
    )
    response = index.as_query_engine(llm=llm, streaming=streaming).query("When was the lighthouse built?")
    assert "1872" in str(response)
    assert len(telemetry.spans) > 3
    assert costs(telemetry) == [float(sandbox.credits_used)]


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_the_calls_of_an_agent_have_costs_that_add_up_to_what_was_spent(
    streaming: bool, telemetry: Telemetry, llm: OpenRouter, sandbox: Sandbox
) -> None:
    def weather(city: str) -> str:
        """Tell the current weather in a city."""
        return f"It is sunny in {city}."

    await FunctionAgent(tools=[weather], llm=llm, streaming=streaming).run("What is the weather in Paris?")
    assert len(costs(telemetry)) == 2
    assert sum(costs(telemetry)) == pytest.approx(float(sandbox.credits_used))


@every_way
async def test_an_unknown_cost_is_not_zero(way: Way, telemetry: Telemetry) -> None:
    usage = {**USAGE, "cost": None}
    chunks = delta("hi", finish_reason="stop"), event({"choices": [], "usage": usage}), event("[DONE]")
    body = {"id": "gen-1", "choices": [{"message": {"content": "hi"}}], "usage": usage}
    script = [STREAM_HEAD, *map(chunked, chunks), chunked(b"")]
    with ScriptedServer(
        [], choose=lambda sent: script if sent.json.get("stream") else [answer(body)]
    ) as server:
        await way(OpenRouter(model="m/x", api_base=server.base_url, api_key="sk-or-v1-x"), {})
    assert costs(telemetry) == []


@every_way
async def test_our_own_telemetry_makes_no_second_span(
    way: Way, telemetry: Telemetry, make_llm: MakeLLM, instrumented: Callable[..., None]
) -> None:
    instrumented(telemetry)
    response = await way(make_llm(), {})
    assert costs(telemetry) == [response.additional_kwargs["cost"]]
    assert "openrouter_opts" not in telemetry.scopes
    assert len(telemetry.points("gen_ai.client.token.usage")) == 2


@every_way
async def test_our_own_telemetry_makes_the_span_where_no_tracer_does(
    way: Way, make_llm: MakeLLM, instrumented: Callable[..., None]
) -> None:
    telemetry = Telemetry()
    instrumented(telemetry)
    response = await way(make_llm(), {})
    assert [span.name for span in telemetry.spans] == ["chat openai/gpt-5-mini"]
    assert telemetry.values("gen_ai.usage.cost") == [response.additional_kwargs["cost"]]


def test_a_call_that_was_cut_has_what_it_cost_so_far(telemetry: Telemetry) -> None:
    cut = event({"id": "gen-1", "choices": [], "usage": USAGE, "error": {"code": 502, "message": "gone"}})
    with ScriptedServer([[STREAM_HEAD, chunked(delta("Hel")), chunked(cut), chunked(b"")]]) as server:
        llm = OpenRouter(model="m/x", api_base=server.base_url, api_key="sk-or-v1-x", max_retries=0)
        with pytest.raises(OpenRouterError):
            list(llm.stream_chat(HI))
    # OpenLLMetry never ends the span of a stream that fails.
    assert costs(telemetry) == ([] if OpenLLMetry().is_instrumented_by_opentelemetry else [USAGE["cost"]])
