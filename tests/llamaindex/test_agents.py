"""Agents: loops of calls and tools that end with the right answer and the right total cost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox
from tests.wire_bytes import DONE, STREAM_HEAD, USAGE_CHUNK, chunked, delta

# What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect"),
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index"),
]

MakeLLM = Callable[..., OpenRouter]
QUESTION = "What is the weather in Paris, and what is 12 times 7?"


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"It is sunny in {city}, and 18 degrees."


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def aweather(city: str) -> str:
    """Tell the current weather in a city."""
    return weather(city)


TOOLS: list[Any] = [weather, multiply]
ASYNC_TOOLS: list[Any] = [FunctionTool.from_defaults(async_fn=aweather, name="weather"), multiply]


@pytest.mark.parametrize(
    "model", ["openai/gpt-5-mini", "anthropic/claude-sonnet-4.6", "google/gemini-2.5-flash"]
)
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("tools", [TOOLS, ASYNC_TOOLS], ids=["sync", "async"])
async def test_an_agent_calls_two_tools_at_once_and_ends_with_answer_and_cost(
    model: str, streaming: bool, tools: list[Any], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(model, reasoning={"effort": "low"})
    agent = FunctionAgent(tools=tools, llm=llm, streaming=streaming)

    with track_costs() as spend:
        output = await agent.run(QUESTION)

    assert "sunny in Paris" in str(output)
    assert "84" in str(output)
    # At once, in threads: LlamaIndex lists them as they end.
    assert {call.tool_name for call in output.tool_calls} == {"weather", "multiply"}
    assert len(output.tool_calls) == 2
    assert len(sandbox.requests) == 2
    assert spend.total == sandbox.credits_used == _billed(sandbox) > 0
    results = sandbox.last.body["messages"][-2:]
    assert [result["role"] for result in results] == ["tool", "tool"]


def _billed(sandbox: Sandbox) -> Decimal:
    return sum((record.cost for record in sandbox.generations.values()), Decimal(0))


async def test_a_streaming_agent_shows_text_thoughts_and_tools_as_they_come(make_llm: MakeLLM) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"})
    run = FunctionAgent(tools=TOOLS, llm=llm).run(QUESTION)

    events = [event async for event in run.stream_events()]
    output = await run

    streamed = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.delta for event in streamed).endswith(str(output))
    assert "".join(event.thinking_delta or "" for event in streamed)
    assert {event.tool_name for event in events if isinstance(event, ToolCallResult)} == {
        "weather",
        "multiply",
    }


async def test_reasoning_goes_back_unchanged_in_the_loop(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"})

    output = await FunctionAgent(tools=TOOLS, llm=llm).run(QUESTION)

    (sent,) = [message for message in sandbox.last.body["messages"] if message["role"] == "assistant"]
    assert sent["content"] is None
    assert sent["reasoning_details"][0]["signature"]
    assert output.raw["choices"][0]["finish_reason"] == "stop"


async def test_reasoning_survives_a_memory_that_was_saved_as_json(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"})
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    await FunctionAgent(tools=TOOLS, llm=llm).run(QUESTION, memory=memory)

    saved = [message.model_dump_json() for message in await memory.aget()]
    history = [ChatMessage.model_validate_json(message) for message in saved]
    await FunctionAgent(tools=TOOLS, llm=llm).run("And what is 3 times 4?", chat_history=history)

    sent = [message for message in sandbox.last.body["messages"] if message.get("reasoning_details")]
    assert len(sent) == 3
    assert all(message["reasoning_details"][0]["signature"] for message in sent)


TOLD = "Tool `weather` was not run: its arguments are cut off"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("arguments", ['{"city": "Par', '{"city": ', "{", "", "null"])
async def test_a_tool_whose_arguments_were_cut_off_is_not_run_and_the_model_is_told(
    arguments: str, streaming: bool, llm: OpenRouter, sandbox: Sandbox
) -> None:
    ran: list[str] = []

    def weather(city: str | None = None) -> str:
        """Tell the current weather in a city."""
        ran.append(str(city))
        return "sunny"

    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    sandbox.answer_next({"content": None, "tool_calls": [call]}, finish_reason="length")
    sandbox.answer_next("I could not look.")

    output = await FunctionAgent(tools=[weather], llm=llm, streaming=streaming).run("Weather in Paris?")

    assert ran == []
    assert str(output) == "I could not look."
    limit = ", since the answer reached its token limit"
    told = f"{TOLD}{limit}. Call it again, with shorter arguments. Complete arguments were not found."
    assert sandbox.last.body["messages"][-1]["content"].startswith(told)


def piece(index: int, arguments: str, **head: str) -> dict[str, Any]:
    """A piece of a tool call in a stream; `head` is its id and its name, where the piece has them."""
    named = {"name": head["name"]} if "name" in head else {}
    call_id = {"id": head["id"]} if "id" in head else {}
    return {"index": index, "type": "function", **call_id, "function": {**named, "arguments": arguments}}


FIRST, SECOND = {"id": "c1", "name": "multiply"}, {"id": "c2", "name": "multiply"}
STREAMED_CALLS = {
    "two in one chunk": [[piece(0, '{"a":2,"b":3}', **FIRST), piece(1, '{"a":4,"b":5}', **SECOND)]],
    "interleaved": [
        [piece(0, '{"a":2,', **FIRST)],
        [piece(1, '{"a":4,', **SECOND)],
        [piece(0, '"b":3}')],
        [piece(1, '"b":5}')],
    ],
    "named in every piece": [
        [piece(0, '{"a":2,', **FIRST)],
        [piece(0, '"b":3}', **FIRST)],
        [piece(1, '{"a":4,', **SECOND)],
        [piece(1, '"b":5}', **SECOND)],
    ],
    "one index for both": [[piece(0, '{"a":2,"b":3}', **FIRST)], [piece(0, '{"a":4,"b":5}', **SECOND)]],
}


@pytest.mark.parametrize("chunks", STREAMED_CALLS.values(), ids=STREAMED_CALLS.keys())
async def test_an_agent_runs_every_call_of_a_stream(chunks: list[Any], scripted: Any) -> None:
    calling = [delta(tool_calls=calls) for calls in chunks]
    server = scripted(
        [STREAM_HEAD, *map(chunked, [*calling, delta(finish_reason="tool_calls"), USAGE_CHUNK, DONE, b""])],
        [STREAM_HEAD, *map(chunked, [delta("6 and 20", finish_reason="stop"), USAGE_CHUNK, DONE, b""])],
    )
    llm = OpenRouter(
        "m/x", api_base=server.base_url, api_key="sk-or-x", check="off", is_function_calling_model=True
    )

    output = await FunctionAgent(tools=TOOLS, llm=llm).run("What are 2 * 3 and 4 * 5?")

    assert str(output) == "6 and 20"
    sent = server.deliveries[-1].json["messages"]
    assert [(call["id"], call["function"]["name"]) for call in sent[-3]["tool_calls"]] == [
        ("c1", "multiply"),
        ("c2", "multiply"),
    ]
    assert {message["tool_call_id"]: message["content"] for message in sent[-2:]} == {"c1": "6", "c2": "20"}


@pytest.mark.parametrize("reason", [None, "content_filter"])
@pytest.mark.parametrize("arguments", ['{"city": "Par', "", " ", "null"])
async def test_a_call_that_a_stream_left_open_is_not_run(
    arguments: str, reason: str | None, scripted: Any
) -> None:
    ran: list[str] = []

    def weather(city: str | None = None) -> str:
        """Tell the current weather in a city."""
        ran.append(str(city))
        return "sunny"

    cut = delta(tool_calls=[piece(0, arguments, id="c1", name="weather")])
    end = [delta(finish_reason=reason)] if reason else []
    server = scripted(
        [STREAM_HEAD, *map(chunked, [cut, *end, USAGE_CHUNK, DONE, b""])],
        [STREAM_HEAD, *map(chunked, [delta("Sorry.", finish_reason="stop"), USAGE_CHUNK, DONE, b""])],
    )
    llm = OpenRouter(
        "m/x", api_base=server.base_url, api_key="sk-or-x", check="off", is_function_calling_model=True
    )

    assert str(await FunctionAgent(tools=[weather], llm=llm).run("Weather in Paris?")) == "Sorry."
    assert ran == []
    assert server.deliveries[-1].json["messages"][-1]["content"].startswith(TOLD)


async def test_a_broken_answer_is_not_taken_for_the_final_one(llm: OpenRouter, sandbox: Sandbox) -> None:
    sandbox.error_after(2, message="provider gone")

    with pytest.raises(Exception, match="provider gone"):
        await FunctionAgent(tools=TOOLS, llm=llm).run("Hello there, tell me something.")


async def test_a_tool_may_give_an_image_to_the_model(llm: OpenRouter, sandbox: Sandbox) -> None:
    def photo() -> list[Any]:
        """Take a photo of the harbour."""
        return [TextBlock(text="The harbour:"), ImageBlock(url="https://example.com/harbour.png")]

    await FunctionAgent(tools=[photo], llm=llm).run("Take a photo of the harbour.")

    assert sandbox.last.body["messages"][-1]["content"] == [
        {"type": "text", "text": "The harbour:"},
        {"type": "image_url", "image_url": {"url": "https://example.com/harbour.png"}},
    ]


async def test_an_agent_without_tools_just_answers(llm: OpenRouter, sandbox: Sandbox) -> None:
    output = await FunctionAgent(tools=[], llm=llm).run("What is 12 * 7?")

    assert str(output) == "12 * 7 = 84"
    assert "tools" not in sandbox.last.body


async def test_a_workflow_of_tools_is_made_of_function_agents(llm: OpenRouter) -> None:
    workflow = AgentWorkflow.from_tools_or_functions(TOOLS, llm=llm)

    assert [type(agent) for agent in workflow.agents.values()] == [FunctionAgent]
    assert "84" in str(await workflow.run("What is 12 times 7?"))


async def test_an_agent_remembers(llm: OpenRouter) -> None:
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    agent = FunctionAgent(tools=TOOLS, llm=llm)
    await agent.run("My name is Ida.", memory=memory)

    assert "Ida" in str(await agent.run("What is my name?", memory=memory))


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_react_agent_reasons_in_text(streaming: bool, llm: OpenRouter, sandbox: Sandbox) -> None:
    agent = ReActAgent(tools=TOOLS, llm=llm, streaming=streaming)

    with track_costs() as spend:
        output = await agent.run("What is 12 times 7?")

    assert "84" in str(output)
    assert spend.total == sandbox.credits_used
    assert "tools" not in sandbox.last.body


async def test_an_agent_starts_with_the_tool_it_is_told_to(llm: OpenRouter, sandbox: Sandbox) -> None:
    agent = FunctionAgent(tools=TOOLS, llm=llm, initial_tool_choice="multiply")

    await agent.run("What is 12 times 7?")

    choices = [request.body["tool_choice"] for request in sandbox.requests]
    assert choices == [{"type": "function", "function": {"name": "multiply"}}, "auto"]


async def test_a_conversation_goes_on_from_a_history(llm: OpenRouter) -> None:
    history = [
        ChatMessage(role="user", content="My name is Ida."),
        ChatMessage(role="assistant", content="Hello Ida."),
    ]

    output = await FunctionAgent(tools=TOOLS, llm=llm).run("What is my name?", chat_history=history)

    assert "Ida" in str(output)
