"""A request that would certainly go wrong is said to, through LangChain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage

from openrouter_opts import Catalog, preflight
from openrouter_opts.errors import BadRequest, ConfigurationError
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture(autouse=True)
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has said nothing yet."""
    monkeypatch.setattr(preflight, "_warned", set())


def test_it_warns_once_at_the_users_line(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(temperature=0.2)
    with pytest.warns(UserWarning, match="temperature: no endpoint of openai/gpt-5-mini") as said:
        llm.invoke("hi")
    assert [warning.filename for warning in said] == [__file__]
    llm.invoke("hi")
    assert [request.body["temperature"] for request in sandbox.requests] == [0.2, 0.2]


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_it_points_at_the_users_line_from_within_a_batch(make_llm: Any, way: str) -> None:
    llm = make_llm(temperature=0.2)
    run = {
        "batch": lambda: llm.batch(["hi", "ho"]),
        "abatch": lambda: asyncio.run(llm.abatch(["hi", "ho"])),
    }
    with pytest.warns(UserWarning, match="temperature: no endpoint of openai/gpt-5-mini") as said:
        run[way]()
    assert [warning.filename for warning in said] == [__file__]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_it_points_at_the_users_line_from_within_an_agent(make_llm: Any, way: str) -> None:
    agent: Any = create_agent(make_llm(temperature=0.2), [add])
    question = {"messages": [HumanMessage("hi")]}

    async def astream() -> None:
        [_ async for _ in agent.astream(question)]

    run = {
        "invoke": lambda: agent.invoke(question),
        "ainvoke": lambda: asyncio.run(agent.ainvoke(question)),
        "stream": lambda: list(agent.stream(question)),
        "astream": lambda: asyncio.run(astream()),
    }
    with pytest.warns(UserWarning, match="temperature: no endpoint of openai/gpt-5-mini") as said:
        run[way]()
    assert [warning.filename for warning in said] == [__file__]


def test_as_an_error_it_comes_before_anything_is_sent(ask: Ask, make_llm: Any, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="temperature"):
        ask(make_llm(check="error"), "hi", temperature=0.2)
    with pytest.raises(ConfigurationError, match="temperature"):
        ask(make_llm(temperature=0.2).bind(check="error"), "hi")
    assert not sandbox.requests
    ask(make_llm(check="error", temperature=0.2), "hi", check="off")
    assert sandbox.last.body["temperature"] == 0.2


def test_an_effort_and_a_budget_together_are_judged_as_check_says(
    ask: Ask, make_llm: Any, sandbox: Sandbox
) -> None:
    both = {"effort": "high", "max_tokens": 2000}
    with pytest.raises(ConfigurationError, match=r"reasoning\.effort: says how much to reason, and so does"):
        ask(make_llm(check="error"), "hi", reasoning=both)
    assert not sandbox.requests
    with (
        pytest.warns(UserWarning, match=r"reasoning\.effort: says how much to reason, and so does"),
        pytest.raises(BadRequest, match="only one of"),
    ):
        ask(make_llm(reasoning=both), "hi")
    with pytest.raises(BadRequest, match="only one of"):
        ask(make_llm(check="off"), "hi", reasoning=both)
    assert [request.body["reasoning"] for request in sandbox.requests] == [both, both]


def test_a_plain_call_with_tools_says_nothing(make_llm: Any) -> None:
    assert make_llm(check="error").bind_tools([add]).invoke("What is 2 + 3?").tool_calls


def test_with_endpoints_in_the_catalogue_routing_is_judged(make_llm: Any) -> None:
    catalog = Catalog.bundled().with_endpoints(make_llm().client.endpoints("openai/gpt-5-mini"))
    llm = make_llm(check="error", catalog=catalog)
    with pytest.raises(ConfigurationError, match=r"provider\.only: leaves no endpoint of openai/gpt-5-mini"):
        llm.invoke("hi", provider={"only": ["anthropic"]})
