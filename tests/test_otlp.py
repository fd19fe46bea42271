"""What arrives at a collector of OpenTelemetry, over its own protocol: from our own telemetry, OpenInference and OpenLLMetry, in both frameworks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import OpenRouterClient, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.collector import Collector, Exporting, WirePoint, WireSpan
from tests.scripted_server import ScriptedServer
from tests.switched_on import OF_LANGCHAIN, OF_LLAMAINDEX, Config, SwitchedOn, ours
from tests.wire_bytes import COMPLETION, USAGE, answer

# OpenInference calls it on LlamaIndex's metadata; an error inside a span handler would be swallowed, and the span with it.
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")

Ways = dict[str, Callable[[Any, Any, dict[str, Any]], Any]]
HELLO = [{"role": "user", "content": "hi"}]
HI = [ChatMessage("hi")]


async def _drained(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def _awaited(stream: Any) -> list[Any]:
    return await _drained(await stream)


LANGCHAIN: Ways = {
    "invoke": lambda llm, config, call: llm.invoke("hi", config, **call),
    "stream": lambda llm, config, call: list(llm.stream("hi", config, **call)),
    "ainvoke": lambda llm, config, call: asyncio.run(llm.ainvoke("hi", config, **call)),
    "astream": lambda llm, config, call: asyncio.run(_drained(llm.astream("hi", config, **call))),
}
LLAMAINDEX: Ways = {
    "chat": lambda llm, _, call: llm.chat(HI, **call),
    "stream_chat": lambda llm, _, call: list(llm.stream_chat(HI, **call)),
    "achat": lambda llm, _, call: asyncio.run(llm.achat(HI, **call)),
    "astream_chat": lambda llm, _, call: asyncio.run(_awaited(llm.astream_chat(HI, **call))),
}
CLIENT: Ways = {
    "complete": lambda client, _, call: client.complete(HELLO, **call),
    "stream": lambda client, _, call: list(client.stream(HELLO, **call)),
}


async def _left(stream: Any) -> None:
    await anext(stream)
    await stream.aclose()


async def _awaited_and_left(stream: Any) -> None:
    await _left(await stream)


def _left_at_once(stream: Any) -> None:
    next(stream)
    stream.close()


LEFT = {
    (ChatOpenRouter, "stream"): lambda llm, config: _left_at_once(llm.stream("hi", config)),
    (ChatOpenRouter, "astream"): lambda llm, config: asyncio.run(_left(llm.astream("hi", config))),
    (OpenRouter, "stream_chat"): lambda llm, _: _left_at_once(llm.stream_chat(HI)),
    (OpenRouter, "astream_chat"): lambda llm, _: asyncio.run(_awaited_and_left(llm.astream_chat(HI))),
    (OpenRouterClient, "stream"): lambda client, _: _left_at_once(client.stream(HELLO)),
}


CANCELLED = {
    ChatOpenRouter: lambda llm, config: llm.ainvoke("hi", config),
    OpenRouter: lambda llm, _: llm.achat(HI),
    OpenRouterClient: lambda client, _: client.acomplete(HELLO),
}


async def _given_up(call: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await call


@dataclass(frozen=True)
class Seen:
    """A model, the ways to call it, and a tracer that sees it."""

    model: Callable[..., Any]
    tracer: SwitchedOn
    ways: Ways
    agent: Callable[[Any, Config], Any] | None = None
    to_object: Callable[[Any, Config], Any] | None = None


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}."


class Sum(BaseModel):
    """A sum."""

    value: int


def _object_of_langchain(llm: ChatOpenRouter, config: Config) -> Any:
    return llm.with_structured_output(Sum, include_raw=True).invoke("What is 1 + 1?", config)


def _object_of_llamaindex(llm: OpenRouter, _: Config) -> Any:
    return llm.as_structured_llm(Sum).complete("What is 1 + 1?")


CHOICES = {**COMPLETION, "choices": [{**COMPLETION["choices"][0], "index": index} for index in range(3)]}
QUESTION = "What is the weather in Paris?"


def _agent_of_langchain(llm: ChatOpenRouter, config: Config) -> Any:
    agent: Any = create_agent(llm, [weather])
    return agent.invoke({"messages": [("user", QUESTION)]}, config)


def _agent_of_llamaindex(llm: OpenRouter, _: Config) -> Any:
    async def run() -> Any:
        return await FunctionAgent(tools=[weather], llm=llm).run(QUESTION)

    return asyncio.run(run())


SEEN = {
    "ours-client": Seen(OpenRouterClient, ours, CLIENT),
    **{
        f"{name}-langchain": Seen(
            ChatOpenRouter, tracer, LANGCHAIN, _agent_of_langchain, _object_of_langchain
        )
        for name, tracer in OF_LANGCHAIN.items()
    },
    **{
        f"{name}-llamaindex": Seen(
            OpenRouter, tracer, LLAMAINDEX, _agent_of_llamaindex, _object_of_llamaindex
        )
        for name, tracer in OF_LLAMAINDEX.items()
    },
}
COSTS = {
    "ours": {"gen_ai.usage.cost"},
    "openinference": {"gen_ai.usage.cost", "llm.cost.total", "llm.cost.prompt", "llm.cost.completion"},
    "openllmetry": {"gen_ai.usage.cost", "llm.cost.total", "llm.cost.prompt", "llm.cost.completion"},
}
TOKENS = {
    "ours": ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
    "openinference": ("llm.token_count.prompt", "llm.token_count.completion"),
    "openllmetry": ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
}
EVERY_WAY = [pytest.param(name, way, id=f"{name}-{way}") for name, seen in SEEN.items() for way in seen.ways]
IN_STREAMS = [
    pytest.param(name, way, id=f"{name}-{way}")
    for name, seen in SEEN.items()
    for way in seen.ways
    if "stream" in way
]


@pytest.fixture
def exporting(collector: Collector) -> Iterator[Exporting]:
    exporting = Exporting(collector)
    yield exporting
    exporting.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


class Traced:
    """A model that is seen by a tracer, which posts to a collector."""

    def __init__(self, name: str, config: Config, sandbox: Sandbox, exporting: Exporting) -> None:
        self.seen, self.kind, self.config = SEEN[name], name.partition("-")[0], config
        self.sandbox, self._exporting = sandbox, exporting
        self.llm = self.seen.model(
            model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key
        )

    def at(self, server: ScriptedServer) -> None:
        """Talk to another server."""
        self.llm = self.seen.model(model="m/x", base_url=server.base_url, api_key="sk-or-v1-x")

    def call(self, way: str, **options: Any) -> Any:
        return self.seen.ways[way](self.llm, self.config, options)

    @property
    def spans(self) -> list[WireSpan]:
        """Every span that arrived; each did once."""
        for thread in threading.enumerate():
            # The span of a stream that was left ends in one of its own.
            if thread.name == "openrouter-telemetry":
                thread.join()
        spans = self._exporting.spans
        assert len({span.id for span in spans}) == len(spans)
        return spans

    @property
    def costs(self) -> list[dict[str, Any]]:
        """What each span says of costs, of those that say something."""
        said = [{k: v for k, v in span.attributes.items() if "cost" in k} for span in self.spans]
        return [costs for costs in said if costs]

    @property
    def billed(self) -> float:
        return float(self.sandbox.credits_used)


@pytest.fixture
def traced(sandbox: Sandbox, exporting: Exporting) -> Iterator[Callable[[str], Traced]]:
    with ExitStack() as stack:

        def start(name: str) -> Traced:
            return Traced(name, stack.enter_context(SEEN[name].tracer(exporting)), sandbox, exporting)

        yield start
    assert sandbox.api_key.encode() not in b"".join(body for _, body in exporting.collector.posted)


@pytest.mark.parametrize(("name", "way"), EVERY_WAY)
def test_a_call_arrives_as_one_span_with_its_cost_in_dollars_and_its_tokens_in_whole_numbers(
    name: str, way: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    it.call(way)
    (span,) = it.spans
    (costs,) = it.costs
    assert costs.keys() == COSTS[it.kind]
    assert {type(cost) for cost in costs.values()} == {float}
    assert costs["gen_ai.usage.cost"] == costs.get("llm.cost.total", it.billed) == it.billed > 0
    parts = costs.get("llm.cost.prompt", it.billed) + costs.get("llm.cost.completion", 0)
    assert parts == pytest.approx(it.billed)
    assert [type(span.attributes[count]) for count in TOKENS[it.kind]] == [int, int]


@pytest.mark.parametrize("name", [name for name, seen in SEEN.items() if seen.agent])
def test_only_the_calls_of_an_agent_arrive_with_a_cost_and_together_they_are_what_was_billed(
    name: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    assert it.seen.agent
    it.seen.agent(it.llm, it.config)
    assert len(it.spans) == 2 if it.kind == "ours" else len(it.spans) > 3
    assert len(it.costs) == 2
    assert sum(costs["gen_ai.usage.cost"] for costs in it.costs) == pytest.approx(it.billed)


@pytest.mark.parametrize("name", [name for name, seen in SEEN.items() if seen.to_object])
def test_of_all_that_arrives_of_an_object_only_the_call_has_its_cost(
    name: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    assert it.seen.to_object
    it.seen.to_object(it.llm, it.config)
    assert len(it.spans) == 1 if it.kind == "ours" else len(it.spans) > 2
    assert [costs["gen_ai.usage.cost"] for costs in it.costs] == [it.billed]


@pytest.mark.parametrize(("name", "way"), EVERY_WAY)
def test_what_was_tried_again_arrives_as_one_span_with_one_cost(
    name: str, way: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    it.sandbox.fail_next(status=503, retry_after=0)
    it.call(way)
    assert len(it.sandbox.requests) == 2
    assert len(it.spans) == 1
    assert [costs["gen_ai.usage.cost"] for costs in it.costs] == [it.billed]


@pytest.mark.parametrize("name", [name for name in SEEN if "llamaindex" not in name])
def test_choices_arrive_as_one_span_with_the_cost_and_the_tokens_of_all_of_them(
    name: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    with ScriptedServer([[answer(CHOICES)]]) as server:
        it.at(server)
        it.call(next(iter(it.seen.ways)), n=3)
    (span,) = it.spans
    assert [costs["gen_ai.usage.cost"] for costs in it.costs] == [USAGE["cost"]]
    counts = [span.attributes[count] for count in TOKENS[it.kind]]
    assert counts == [USAGE["prompt_tokens"], USAGE["completion_tokens"]]


@pytest.mark.parametrize(("name", "way"), IN_STREAMS)
def test_a_stream_that_is_left_arrives_once_and_without_a_cost_since_nobody_said_one(
    name: str, way: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    LEFT[it.seen.model, way](it.llm, it.config)
    # OpenLLMetry doesn't end the span of a stream of LlamaIndex that doesn't end.
    assert len(it.spans) == (0 if name == "openllmetry-llamaindex" else 1)
    assert it.costs == []


@pytest.mark.parametrize(
    ("name", "way"), [each for each in IN_STREAMS if str(each.values[0]).startswith("ours")]
)
def test_our_span_of_a_stream_that_is_left_says_which_generation_it_was_and_who_was_answering(
    name: str, way: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    with track_costs() as spend:
        LEFT[it.seen.model, way](it.llm, it.config)
    (record,), (span,) = spend.records, it.spans
    assert record.generation_id
    said = ("gen_ai.response.id", "gen_ai.response.model", "openrouter.provider.name")
    assert [span.attributes[each] for each in said] == [record.generation_id, record.model, record.provider]
    assert "gen_ai.response.finish_reasons" not in span.attributes


@pytest.mark.parametrize("name", SEEN)
def test_a_call_that_is_cancelled_arrives_once_at_most_and_without_a_cost(
    name: str, traced: Callable[[str], Traced]
) -> None:
    it = traced(name)
    with ScriptedServer([["HANG"]]) as server:
        it.at(server)
        asyncio.run(_given_up(CANCELLED[it.seen.model](it.llm, it.config)))
    # LangChain tells nobody that a call was cancelled, and OpenLLMetry doesn't hear it of LlamaIndex.
    assert len(it.spans) == (
        name in {"ours-client", "ours-langchain", "ours-llamaindex", "openinference-llamaindex"}
    )
    assert it.costs == []


@pytest.mark.parametrize(("name", "way"), EVERY_WAY)
def test_the_metrics_of_a_call_arrive_once_and_in_their_units(
    name: str, way: str, traced: Callable[[str], Traced], exporting: Exporting
) -> None:
    it = traced(name)
    with track_costs() as spend, ours(exporting):
        it.call(way)
    points = exporting.points
    # OpenLLMetry, where it has metrics at all, makes these two itself.
    assert [(point.sum, point.count, point.unit.strip("{}")) for point in named(points, "token.usage")] == [
        (spend.prompt_tokens, 1, "token"),
        (spend.completion_tokens, 1, "token"),
    ]
    ((duration,), (cost,)) = named(points, "operation.duration"), named(points, "operation.cost")
    assert (duration.unit, duration.count) == ("s", 1)
    assert (cost.sum, cost.unit, cost.count) == (it.billed, "USD", 1)


def named(points: list[WirePoint], name: str) -> list[WirePoint]:
    """Return the series of a metric, input before output."""
    found = [point for point in points if point.metric == f"gen_ai.client.{name}"]
    return sorted(found, key=lambda point: point.attributes.get("gen_ai.token.type", ""))
