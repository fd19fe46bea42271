"""What MLflow posts to its server, from both frameworks. It is `mlflow-tracing`, the part of MLflow that traces; what the server makes of it,
such as the cost of a whole trace, `make tracers` shows, with all of MLflow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from llama_index.core.agent.workflow import FunctionAgent

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.collector import MLFLOW_TRACES, Collector
from tests.switched_on import mlflow_of_both
from tests.tracers.ways import UNSEEN, WAYS


@pytest.fixture
def mlflow(collector: Collector) -> Iterator[None]:
    with mlflow_of_both(collector):
        yield


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def llm(sandbox: Sandbox) -> ChatOpenRouter:
    return ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)


@pytest.fixture
def index_llm(sandbox: Sandbox) -> OpenRouter:
    return OpenRouter(model="openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)


def costs(collector: Collector) -> list[Mapping[str, float]]:
    """Return the cost of every span that has one."""
    found = (span.attributes.get("mlflow.llm.cost") for span in collector.spans())
    return [cost for cost in found if cost]


@pytest.mark.usefixtures("mlflow")
@pytest.mark.parametrize("way", WAYS)
def test_the_only_span_of_a_call_has_what_was_billed(
    way: str, llm: ChatOpenRouter, index_llm: OpenRouter, collector: Collector, sandbox: Sandbox
) -> None:
    WAYS[way](llm, index_llm)
    (span,) = collector.spans()
    assert len(collector.bodies(MLFLOW_TRACES)) == 1
    if way in UNSEEN:
        assert not costs(collector)
        return
    (cost,) = costs(collector)
    assert cost["total_cost"] == float(sandbox.credits_used) > 0
    assert cost["input_cost"] + cost["output_cost"] == pytest.approx(cost["total_cost"])
    assert {type(amount) for amount in cost.values()} == {float}
    assert {type(count) for count in span.attributes["mlflow.chat.tokenUsage"].values()} == {int}


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}."


def _agent_of_langchain(llm: ChatOpenRouter, _: OpenRouter) -> None:
    agent: Any = create_agent(llm, [weather])
    agent.invoke({"messages": [("user", "What is the weather in Paris?")]})


def _agent_of_llamaindex(_: ChatOpenRouter, llm: OpenRouter) -> None:
    async def run() -> Any:
        # Of an async stream MLflow sees nothing.
        return await FunctionAgent(tools=[weather], llm=llm, streaming=False).run(
            "What is the weather in Paris?"
        )

    asyncio.run(run())


@pytest.mark.usefixtures("mlflow")
@pytest.mark.parametrize("agent", [_agent_of_langchain, _agent_of_llamaindex])
def test_only_the_calls_of_an_agent_have_a_cost_and_together_they_are_what_was_billed(
    agent: Callable[[ChatOpenRouter, OpenRouter], None],
    llm: ChatOpenRouter,
    index_llm: OpenRouter,
    collector: Collector,
    sandbox: Sandbox,
) -> None:
    agent(llm, index_llm)
    assert len({span.id for span in collector.spans()}) == len(collector.spans()) > 3
    assert len(costs(collector)) == 2
    assert sum(cost["total_cost"] for cost in costs(collector)) == pytest.approx(float(sandbox.credits_used))
    assert sandbox.api_key.encode() not in b"".join(body for _, body in collector.posted)


class MlflowLangchainTracer(BaseCallbackHandler):
    """An MLflow to come, which keeps its spans in another way."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def on_chat_model_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self.kept.append(run_id)

    def on_llm_end(self, *_: Any, run_id: Any, **__: Any) -> None:
        self.kept.remove(run_id)


def test_an_mlflow_that_keeps_its_spans_in_another_way_breaks_no_call(llm: ChatOpenRouter) -> None:
    tracer = MlflowLangchainTracer()
    assert llm.invoke("hi", {"callbacks": [tracer]}).text
    assert not tracer.kept
