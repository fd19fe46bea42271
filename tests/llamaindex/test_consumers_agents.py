"""Agents of every kind, alone and together, and workflows of one's own."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from pydantic import BaseModel
from workflows.errors import WorkflowCancelledByUser

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.consumers import QUESTION, accounted
from tests.wire_bytes import STREAM_HEAD, chunked, delta

# What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index"),
]
streamed_or_not = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
MakeLLM = Callable[..., OpenRouter]


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}."


def execute(code: str) -> str:
    """Run Python, and give what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {"multiply": multiply, "weather": weather})
    return printed.getvalue()


AGENTS: dict[str, Callable[..., Any]] = {
    "FunctionAgent": FunctionAgent,
    "ReActAgent": ReActAgent,
    "CodeActAgent": lambda **given: CodeActAgent(code_execute_fn=execute, **given),
}


@streamed_or_not
@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_uses_its_tools_and_answers(
    kind: str, streaming: bool, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    agent = AGENTS[kind](tools=[weather, multiply], llm=consumed, streaming=streaming)

    with accounted(sandbox):
        output = await agent.run("What is 12 times 7?")

    assert "84" in str(output)
    assert len(sandbox.requests) == 2
    assert {request.body.get("stream", False) for request in sandbox.requests} == {streaming}


async def test_an_agent_that_writes_code_shows_it_as_it_comes_and_what_it_gave(
    consumed: OpenRouter, sandbox: Sandbox
) -> None:
    agent = AGENTS["CodeActAgent"](tools=[weather], llm=consumed)

    with accounted(sandbox):
        run = agent.run("What is the weather in Paris?")
        events = [event async for event in run.stream_events()]
        assert "sunny in Paris" in str(await run)

    written = "".join(event.delta for event in events if isinstance(event, AgentStream))
    assert "<execute>\nprint(weather(city='Paris'))\n</execute>" in written
    (ran,) = [event for event in events if isinstance(event, ToolCallResult)]
    assert ran.tool_output.content == "It is sunny in Paris.\n"
    assert "It is sunny in Paris." in sandbox.last.body["messages"][-1]["content"]


def pair(llm: OpenRouter, *, streaming: bool = True) -> AgentWorkflow:
    """A host who hands over to whoever knows the weather."""
    host = FunctionAgent(
        name="host",
        description="Greets, and hands over.",
        tools=[multiply],
        llm=llm,
        can_handoff_to=["meteorologist"],
        streaming=streaming,
    )
    meteorologist = FunctionAgent(
        name="meteorologist",
        description="Knows the weather.",
        tools=[weather],
        llm=llm,
        streaming=streaming,
        can_handoff_to=["host"],
    )
    return AgentWorkflow(agents=[host, meteorologist], root_agent="host")


@streamed_or_not
async def test_an_agent_hands_over_to_another_which_knows_what_was_said(
    streaming: bool, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    with accounted(sandbox):
        run = pair(consumed, streaming=streaming).run("What is the weather in Paris?")
        events = [event async for event in run.stream_events()]
        assert "sunny in Paris" in str(await run)

    spoke = [event.current_agent_name for event in events if isinstance(event, AgentOutput)]
    assert spoke == ["host", "meteorologist", "meteorologist"]
    named = [[tool["function"]["name"] for tool in request.body["tools"]] for request in sandbox.requests]
    assert named == [["multiply", "handoff"], ["weather", "handoff"], ["weather", "handoff"]]
    messages = sandbox.last.body["messages"]
    called = [call for message in messages for call in message.get("tool_calls", ())]
    assert [call["function"]["name"] for call in called] == ["handoff", "weather"]
    assert [call["id"] for call in called] == [
        message["tool_call_id"] for message in messages if message["role"] == "tool"
    ]


@streamed_or_not
async def test_what_a_tool_returns_directly_is_the_answer_and_goes_back_as_a_models_message(
    streaming: bool, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    tool = FunctionTool.from_defaults(weather, return_direct=True)
    memory = ChatMemoryBuffer.from_defaults(llm=consumed)
    agent = FunctionAgent(tools=[tool], llm=consumed, streaming=streaming)

    with accounted(sandbox):
        assert str(await agent.run("Weather in Paris?", memory=memory)) == "It is sunny in Paris."
        assert len(sandbox.requests) == 1
        await agent.run("Thank you!", memory=memory)

    _, call, result, told, _ = sandbox.last.body["messages"]
    assert result["tool_call_id"] == call["tool_calls"][0]["id"]
    assert told == {"role": "assistant", "content": "It is sunny in Paris."}


@streamed_or_not
async def test_an_agent_searches_documents_through_a_query_engine_of_the_same_model(
    streaming: bool, consumed: OpenRouter, index: VectorStoreIndex, sandbox: Sandbox
) -> None:
    search = QueryEngineTool.from_defaults(
        index.as_query_engine(llm=consumed), name="search", description="Search for what is known of Aster."
    )
    agent = FunctionAgent(tools=[search], llm=consumed, streaming=streaming)

    with accounted(sandbox):
        assert "Ida Holm" in str(await agent.run(f"Search: {QUESTION}"))

    assert len(sandbox.requests) == 3


@streamed_or_not
async def test_an_agent_that_has_called_too_often_answers_with_what_it_knows(
    streaming: bool, consumed: OpenRouter, sandbox: Sandbox
) -> None:
    agent = FunctionAgent(
        tools=[multiply], llm=consumed, streaming=streaming, early_stopping_method="generate"
    )

    with accounted(sandbox):
        output = await agent.run("What is 12 times 7?", max_iterations=1)

    assert "84" in str(output)
    assert "tools" not in sandbox.last.body


async def test_an_agent_that_is_cancelled_hangs_up_at_once_and_its_call_is_in_the_books(
    make_llm: MakeLLM, scripted: Any
) -> None:
    server = scripted([STREAM_HEAD, chunked(delta("word ")), "HANG"])
    llm = make_llm("openai/gpt-5-mini", api_base=server.base_url)

    with track_costs() as spend:
        run = FunctionAgent(tools=[multiply], llm=llm).run("Tell me something.")
        async for event in run.stream_events():
            if isinstance(event, AgentStream) and event.delta:
                break
        await run.cancel_run()
        with contextlib.suppress(WorkflowCancelledByUser):
            await run

    for _ in range(100):
        if server.closed_by_client:
            break
        await asyncio.sleep(0.01)
    assert server.closed_by_client == 1
    assert len(server.deliveries) == len(spend.pending) == 1


class Forecast(BaseModel):
    city: str
    answer: str


@streamed_or_not
@pytest.mark.parametrize("model", ["openai/gpt-5-mini", "deepseek/deepseek-chat-v3.1"])
async def test_an_agent_gives_an_object(
    model: str, streaming: bool, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    agent = FunctionAgent(tools=[weather], llm=make_llm(model), output_cls=Forecast, streaming=streaming)

    with accounted(sandbox, options={}):
        output = await agent.run("What is the weather in Paris?")

    forecast = output.get_pydantic_model(Forecast)
    assert isinstance(forecast, Forecast)
    assert forecast.city == "Paris"
    assert len(sandbox.requests) == 3


class Piece(Event):
    text: str


class Teller(Workflow):
    """Passes on what its model streams, as events."""

    llm: Any

    @step
    async def tell(self, ctx: Context, ev: StartEvent) -> StopEvent:
        answer = None
        async for answer in await self.llm.astream_chat([ChatMessage(ev.question)]):
            ctx.write_event_to_stream(Piece(text=answer.delta or ""))
        assert answer
        return StopEvent(result=answer.additional_kwargs["cost"])


async def test_a_workflow_of_ones_own_streams_the_pieces_as_they_come(
    consumed: OpenRouter, sandbox: Sandbox
) -> None:
    teller = Teller()
    teller.llm = consumed

    with accounted(sandbox):
        run = teller.run(question="Count to five.")
        pieces = [event.text async for event in run.stream_events() if isinstance(event, Piece)]
        assert await run == float(sandbox.credits_used)

    assert len(pieces) > 3
    assert "".join(pieces) == "1, 2, 3, 4, 5"
