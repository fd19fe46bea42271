"""What OpenInference, OpenLLMetry and Langfuse see of a call's cost: each is the real one, exporting to memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.exceptions import ModelError
from langchain_core.runnables import RunnableLambda
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask, model_at
from tests.scripted_server import ScriptedServer
from tests.spans import Telemetry
from tests.switched_on import (
    Config,
    Providers,
    SwitchedOn,
    langfuse,
    openinference_of_langchain,
    openllmetry_of_langchain,
)
from tests.wire_bytes import STREAM_HEAD, USAGE, answer, chunked, delta, event

Made = Callable[..., ChatOpenRouter]


@contextmanager
def _langfuse(providers: Providers) -> Iterator[Config]:
    # Nobody listens at the address.
    nowhere: Any = {"base_url": "http://127.0.0.1:9", "span_exporter": InMemorySpanExporter()}
    with langfuse(providers, **nowhere) as config:
        yield config


TRACERS: dict[str, SwitchedOn] = {
    "openinference": openinference_of_langchain,
    "openllmetry": openllmetry_of_langchain,
    "langfuse": _langfuse,
}


class Tracer:
    """A tracer that is switched on."""

    def __init__(self, name: str, telemetry: Telemetry, config: Config) -> None:
        self.name, self.telemetry, self.config = name, telemetry, config

    @property
    def costs(self) -> list[float]:
        """The total of every span that has one."""
        if self.name == "langfuse":
            return [
                json.loads(said)["total"]
                for said in self.telemetry.values("langfuse.observation.cost_details")
            ]
        totals = self.telemetry.values("llm.cost.total")
        assert totals == self.telemetry.values("gen_ai.usage.cost")
        return totals


@pytest.fixture(params=TRACERS)
def tracer(request: pytest.FixtureRequest) -> Iterator[Tracer]:
    telemetry = Telemetry()
    with TRACERS[request.param](telemetry) as config:
        yield Tracer(request.param, telemetry, config)
    telemetry.close()


def test_the_span_of_a_call_has_its_cost(ask: Ask, make_llm: Made, tracer: Tracer) -> None:
    message = ask(make_llm(), "hi", tracer.config)
    assert tracer.costs == [message.response_metadata["cost"]]


WAYS: dict[str, Callable[[ChatOpenRouter, Any], Any]] = {
    "stream_events": lambda llm, config: list(llm.stream_events("hi", config, version="v3")),
    "streaming": lambda llm, config: llm.model_copy(update={"streaming": True}).invoke("hi", config),
    "batch": lambda llm, config: llm.batch(["hi"], config),
    "bound": lambda llm, config: list(llm.bind(temperature=None).stream("hi", config)),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_span_of_a_call_has_its_cost_in_every_other_way_too(
    way: str, make_llm: Made, tracer: Tracer, sandbox: Sandbox
) -> None:
    WAYS[way](make_llm(), tracer.config)
    assert tracer.costs == [float(sandbox.credits_used)]


def test_only_the_calls_of_an_agent_have_a_cost_and_together_they_are_all_that_was_spent(
    make_llm: Made, tracer: Tracer, sandbox: Sandbox
) -> None:
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        return f"It is sunny in {city}."

    agent: Any = create_agent(make_llm(), [get_weather])
    chain = RunnableLambda(lambda question: {"messages": [("user", question)]}) | agent
    chain.invoke("What is the weather in Paris?", tracer.config)
    assert len(tracer.telemetry.spans) > 3
    assert len(tracer.costs) == 2
    assert sum(tracer.costs) == pytest.approx(float(sandbox.credits_used))


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_cost_is_not_zero(known: bool, ask: Ask, tracer: Tracer) -> None:
    usage = USAGE if known else {**USAGE, "cost": None}
    chunks = delta("hi", finish_reason="stop"), event({"choices": [], "usage": usage}), event("[DONE]")
    body = {"id": "gen-1", "choices": [{"message": {"content": "hi"}}], "usage": usage}
    script = [STREAM_HEAD, *map(chunked, chunks), chunked(b"")]
    with ScriptedServer(
        [], choose=lambda sent: script if sent.json.get("stream") else [answer(body)]
    ) as server:
        ask(model_at(server), "hi", tracer.config)
    assert tracer.costs == ([USAGE["cost"]] if known else [])


def test_a_call_that_was_cut_has_what_it_cost_so_far(make_llm: Made, tracer: Tracer) -> None:
    cut = event({"id": "gen-1", "choices": [], "usage": USAGE, "error": {"code": 502, "message": "gone"}})
    with ScriptedServer([[STREAM_HEAD, chunked(delta("Hel")), chunked(cut), chunked(b"")]]) as server:
        llm = model_at(server, max_retries=0)
        with pytest.raises(ModelError):
            list(llm.stream("hi", tracer.config))
    # Langfuse's handler says of everything that fails that it cost nothing.
    assert tracer.costs == [0 if tracer.name == "langfuse" else USAGE["cost"]]


def test_our_own_telemetry_makes_nothing_that_a_tracer_makes(
    ask: Ask, make_llm: Made, tracer: Tracer, instrumented: Callable[..., None]
) -> None:
    instrumented(tracer.telemetry)
    message = ask(make_llm(), "hi", tracer.config)
    cost = message.response_metadata["cost"]
    assert tracer.costs == [cost]
    assert "openrouter_opts" not in tracer.telemetry.scopes
    assert [dollars for _, dollars in tracer.telemetry.points("gen_ai.client.operation.cost")] == [cost]
    # OpenLLMetry has metrics of the same names, and the others have none.
    tokens = [count for _, count in tracer.telemetry.points("gen_ai.client.token.usage")]
    assert message.usage_metadata
    assert sorted(tokens) == sorted(message.usage_metadata[f"{way}_tokens"] for way in ("input", "output"))


def test_our_own_telemetry_makes_the_span_where_no_tracer_does(
    ask: Ask, make_llm: Made, instrumented: Callable[..., None]
) -> None:
    telemetry = Telemetry()
    instrumented(telemetry)
    message = ask(make_llm(), "hi")
    assert [span.name for span in telemetry.spans] == ["chat openai/gpt-5-mini"]
    assert telemetry.values("gen_ai.usage.cost") == [message.response_metadata["cost"]]


def test_no_key_is_in_a_span(ask: Ask, make_llm: Made, tracer: Tracer, sandbox: Sandbox) -> None:
    ask(make_llm(), "hi", tracer.config)
    assert sandbox.api_key not in "".join(span.to_json() for span in tracer.telemetry.spans)
