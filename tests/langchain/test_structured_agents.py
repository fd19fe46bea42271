"""Agents that answer in a schema: they get whole objects, and half of one is never taken for an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import (
    ProviderStrategy,
    StructuredOutputValidationError,
    ToolStrategy,
)
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

from openrouter_opts import ConfigurationError
from openrouter_opts.sandbox import Sandbox

Run = Callable[[Any], Awaitable[dict[str, Any]]]

QUESTION: Any = {"messages": [HumanMessage("Who is it?")]}
BO = '{"name": "Bo", "age": 3}'
CUT = '{"name": "B'


class Person(BaseModel):
    """Someone."""

    name: str
    age: int = 0


class PersonDict(TypedDict):
    """Someone."""

    name: str
    age: int


@dataclass
class PersonData:
    """Someone."""

    name: str
    age: int = 0


def look_up(name: str) -> str:
    """Look someone up."""
    return f"{name} is three years old."


def merged(state: dict[str, Any], update: dict[str, Any]) -> None:
    for change in update.values():
        state["messages"] += change["messages"]
        state |= {key: value for key, value in change.items() if key != "messages"}


async def invoke(agent: Any) -> dict[str, Any]:
    return agent.invoke(QUESTION)


async def ainvoke(agent: Any) -> dict[str, Any]:
    return await agent.ainvoke(QUESTION)


async def stream(agent: Any) -> dict[str, Any]:
    state: dict[str, Any] = {"messages": []}
    # Tokens are asked for as well, which turns on streaming inside of the model's node.
    for mode, update in agent.stream(QUESTION, stream_mode=["messages", "updates"]):
        if mode == "updates":
            merged(state, update)
    return state


async def astream(agent: Any) -> dict[str, Any]:
    state: dict[str, Any] = {"messages": []}
    async for mode, update in agent.astream(QUESTION, stream_mode=["messages", "updates"]):
        if mode == "updates":
            merged(state, update)
    return state


every_way = pytest.mark.parametrize("run", [invoke, ainvoke, stream, astream])


def called(arguments: str, name: str = "Person") -> dict[str, Any]:
    return {"content": None, "tool_calls": [{"function": {"name": name, "arguments": arguments}}]}


@every_way
@pytest.mark.parametrize(
    ("strategy", "answer", "expected"),
    [
        (Person, {"content": BO}, Person(name="Bo", age=3)),
        (ProviderStrategy(Person), {"content": BO}, Person(name="Bo", age=3)),
        (ProviderStrategy(Person, strict=True), {"content": BO}, Person(name="Bo", age=3)),
        (ProviderStrategy(PersonDict), {"content": BO}, {"name": "Bo", "age": 3}),
        (ProviderStrategy(PersonData), {"content": BO}, PersonData("Bo", 3)),
        (ToolStrategy(Person), called(BO), Person(name="Bo", age=3)),
        (ToolStrategy(PersonDict), called(BO, "PersonDict"), {"name": "Bo", "age": 3}),
    ],
)
@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_an_agent_looks_things_up_and_answers_in_a_schema(
    make_llm: Any, sandbox: Sandbox, run: Run, strategy: Any, answer: Any, expected: Any, output_version: str
) -> None:
    sandbox.answer_next(called('{"name": "Bo"}', "look_up"))
    sandbox.answer_next(answer)
    agent = create_agent(make_llm(output_version=output_version), [look_up], response_format=strategy)
    state = await run(agent)
    assert state["structured_response"] == expected
    assert len(sandbox.requests) == 2
    assert "Bo is three years old." in [message.text for message in state["messages"]]


def test_an_agent_sends_its_schema_to_those_who_keep_to_it(make_llm: Any, sandbox: Sandbox) -> None:
    create_agent(make_llm(), [], response_format=ProviderStrategy(Person)).invoke(QUESTION)
    assert sandbox.last.body["provider"] == {"require_parameters": True}
    assert "strict" not in sandbox.last.body["response_format"]["json_schema"]
    assert "tools" not in sandbox.last.body


def test_a_strict_schema_of_an_agent_is_made_strict(make_llm: Any, sandbox: Sandbox) -> None:
    create_agent(make_llm(), [], response_format=ProviderStrategy(Person, strict=True)).invoke(QUESTION)
    asked = sandbox.last.body["response_format"]["json_schema"]
    assert asked["strict"] is True
    assert asked["schema"]["required"] == ["name", "age"]
    assert asked["schema"]["additionalProperties"] is False


def test_a_schema_of_an_agent_that_cannot_be_strict_is_refused(make_llm: Any, sandbox: Sandbox) -> None:
    class Counts(BaseModel):
        counts: dict[str, int]

    agent = create_agent(make_llm(), [], response_format=ProviderStrategy(Counts, strict=True))
    with pytest.raises(ConfigurationError, match=r"response_format\.json_schema\.schema: properties\.counts"):
        agent.invoke(QUESTION)
    assert not sandbox.requests


@every_way
@pytest.mark.parametrize("strategy", [Person, ProviderStrategy(Person)])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"content": CUT}, "length"),
        ({"content": CUT}, "stop"),
        ({"content": None, "refusal": "I won't."}, "content_filter"),
    ],
)
async def test_an_agent_raises_for_a_cut_or_refused_response(
    make_llm: Any, sandbox: Sandbox, run: Run, strategy: Any, answer: Any, reason: str
) -> None:
    sandbox.answer_next(answer, finish_reason=reason)
    with pytest.raises(StructuredOutputValidationError) as caught:
        await run(create_agent(make_llm(), [], response_format=strategy))
    # What was paid for is on the error.
    message = caught.value.ai_message
    assert message.response_metadata["cost"] > 0
    assert message.text == (answer["content"] or "")
    assert message.additional_kwargs.get("refusal") == answer.get("refusal")


@every_way
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (called(CUT), "length"),
        (called(CUT), "tool_calls"),
        (called('{"name": "Bo", "age": 3'), "tool_calls"),
        (called(""), "length"),
        ({"content": None, "refusal": "I won't."}, "content_filter"),
    ],
)
async def test_an_agent_asks_again_after_a_cut_or_refused_call(
    make_llm: Any, sandbox: Sandbox, run: Run, answer: Any, reason: str
) -> None:
    sandbox.answer_next(answer, finish_reason=reason)
    sandbox.answer_next(called('{"name": "Bernadette"}'))
    state = await run(create_agent(make_llm(), [], response_format=ToolStrategy(Person)))
    assert state["structured_response"] == Person(name="Bernadette")
    assert len(sandbox.requests) == 2
    first = next(message for message in state["messages"] if isinstance(message, AIMessage))
    assert first.tool_calls == []
