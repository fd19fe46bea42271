"""An agent with tools: what the package is for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage

from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox

CLAUDE = "anthropic/claude-sonnet-4.6"
QUESTION: Any = {"messages": [HumanMessage("What is the weather in Paris, and what is the time in Tokyo?")]}


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"It is noon in {city}."


async def ainvoked(agent: Any) -> list[Any]:
    return (await agent.ainvoke(QUESTION))["messages"]


async def invoked(agent: Any) -> list[Any]:
    return agent.invoke(QUESTION)["messages"]


async def streamed(agent: Any) -> list[Any]:
    return [
        message
        for update in agent.stream(QUESTION, stream_mode="updates")
        for node in update.values()
        for message in node["messages"]
    ]


async def astreamed(agent: Any) -> list[Any]:
    # Tokens are asked for as well, which turns on streaming inside of the model's node.
    return [
        message
        async for mode, update in agent.astream(QUESTION, stream_mode=["messages", "updates"])
        if mode == "updates"
        for node in update.values()
        for message in node["messages"]
    ]


@pytest.mark.parametrize("run", [invoked, ainvoked, streamed, astreamed])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_an_agent_calls_two_tools_at_once_and_adds_up_its_cost(
    make_llm: Any, sandbox: Sandbox, run: Any, streaming: bool, output_version: str
) -> None:
    llm = make_llm(CLAUDE, streaming=streaming, output_version=output_version, reasoning={"max_tokens": 1024})
    with track_costs() as spend:
        messages = await run(create_agent(llm, [get_weather, get_time]))
    calling, *results, last = [message for message in messages if not isinstance(message, HumanMessage)]
    assert [call["args"] for call in calling.tool_calls] == [{"city": "Paris"}, {"city": "Tokyo"}]
    assert {result.content for result in results if isinstance(result, ToolMessage)} == {
        "It is sunny in Paris.",
        "It is noon in Tokyo.",
    }
    assert "sunny in Paris" in last.text
    assert "noon in Tokyo" in last.text
    costs = [message.response_metadata["cost"] for message in (calling, last)]
    assert sum(Decimal(str(cost)) for cost in costs) == spend.total == sandbox.credits_used
    # The sandbox checks the signatures of Claude's reasoning, so they were sent back unchanged.
    assert sandbox.last.body["messages"][1]["reasoning_details"][0]["signature"]


async def test_tokens_of_an_agent_have_the_id_of_their_message(make_llm: Any) -> None:
    agent = create_agent(make_llm(), [get_weather, get_time])
    tokens, whole = set(), set()
    async for mode, update in agent.astream(QUESTION, stream_mode=["messages", "updates"]):
        if mode == "messages":
            tokens.add(update[0].id)
        else:
            whole |= {message.id for node in update.values() for message in node["messages"]}
    assert whole <= tokens
