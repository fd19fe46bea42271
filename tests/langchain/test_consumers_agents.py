"""`create_agent` with the middleware that comes with LangChain, and its three ways to structured output, against the sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
)
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import ModelError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox

Made = Callable[..., ChatOpenRouter]
GPT, CLAUDE, GEMINI = "openai/gpt-5-mini", "anthropic/claude-sonnet-4.6", "google/gemini-2.5-flash"
QUESTION = HumanMessage("What is the weather in Paris?")


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"It is noon in {city}."


Run = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(params=["invoke", "ainvoke", "stream"])
def run(request: pytest.FixtureRequest) -> Run:
    """Ways to run an agent to its end; all of them return its last state."""

    async def invoke(agent: Any, *messages: BaseMessage) -> dict[str, Any]:
        return agent.invoke({"messages": list(messages)})

    async def ainvoke(agent: Any, *messages: BaseMessage) -> dict[str, Any]:
        return await agent.ainvoke({"messages": list(messages)})

    async def stream(agent: Any, *messages: BaseMessage) -> dict[str, Any]:
        # Tokens are asked for as well, which turns on streaming inside of the model's node.
        modes = [
            state
            async for state in agent.astream({"messages": list(messages)}, stream_mode=["messages", "values"])
        ]
        return next(state for mode, state in reversed(modes) if mode == "values")

    return {"invoke": invoke, "ainvoke": ainvoke, "stream": stream}[request.param]


# The history is short of the limit by LangChain's own estimate; that it isn't is said by the last answer's usage.
LONG_AGO = [HumanMessage("Tell me of Aster."), AIMessage("Aster has a lighthouse."), HumanMessage("Go on.")]


@pytest.mark.parametrize("slug", [GPT, f"{GPT}:nitro"])
async def test_a_history_is_summarized_when_the_usage_says_that_it_is_long(
    run: Run, make_llm: Made, sandbox: Sandbox, slug: str
) -> None:
    llm = make_llm(slug)
    window = llm.profile["max_input_tokens"]
    sandbox.answer_next(
        "It was built in 1872.",
        usage={"prompt_tokens": window, "completion_tokens": 10, "total_tokens": window + 10},
    )
    last = llm.invoke(LONG_AGO)
    sandbox.answer_next("Aster has a lighthouse of 1872.")
    agent = create_agent(
        llm,
        [get_weather],
        middleware=[SummarizationMiddleware(llm, trigger=("fraction", 0.9), keep=("messages", 1))],
    )
    messages = (await run(agent, *LONG_AGO, last, QUESTION))["messages"]
    assert "Aster has a lighthouse of 1872." in messages[0].text
    assert messages[1].text == QUESTION.content
    assert "sunny in Paris" in messages[-1].text
    _, summary, first, _ = (request.body["messages"] for request in sandbox.requests)
    assert "It was built in 1872." in summary[0]["content"]
    assert [message["role"] for message in first] == ["user", "user"]


async def test_a_summary_that_is_too_long_itself_is_asked_for_again_without_its_middle(
    run: Run, make_llm: Made, sandbox: Sandbox
) -> None:
    llm = make_llm()
    summarize = SummarizationMiddleware(
        llm, trigger=("messages", 3), keep=("messages", 1), trim_tokens_to_summarize=None
    )
    too_long = "This endpoint's maximum context length is 400000 tokens."
    sandbox.fail_next(status=400, message=too_long, error_type="context_length_exceeded")
    sandbox.answer_next("A short summary.")
    history = [HumanMessage("Hello. " * 10_000), AIMessage("Hi. " * 10_000), QUESTION]
    messages = (await run(create_agent(llm, [], middleware=[summarize]), *history))["messages"]
    assert "A short summary." in messages[0].text
    failed, again, _ = sandbox.requests
    assert len(again.raw) < len(failed.raw)


async def test_what_may_be_tried_again_is_tried_again_by_the_middleware(
    run: Run, make_llm: Made, sandbox: Sandbox
) -> None:
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0)
    agent = create_agent(make_llm(max_retries=0), [get_weather], middleware=[retry])
    sandbox.fail_next(status=429)
    sandbox.fail_next(status=503)
    with track_costs() as spend:
        messages = (await run(agent, QUESTION))["messages"]
    assert "sunny in Paris" in messages[-1].text
    assert [record.outcome for record in spend.records] == ["failed", "failed", "answered", "answered"]
    assert spend.total == sandbox.credits_used


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
async def test_what_would_fail_again_is_raised_through_the_middleware_at_once(
    run: Run, make_llm: Made, sandbox: Sandbox, status: int
) -> None:
    agent = create_agent(
        make_llm(), [get_weather], middleware=[ModelRetryMiddleware(max_retries=2, initial_delay=0)]
    )
    sandbox.fail_next(status=status)
    with pytest.raises(ModelError) as caught:
        await run(agent, QUESTION)
    assert caught.value.status == status  # type: ignore[attr-defined]
    assert len(sandbox.requests) == 1


async def test_another_model_takes_over_in_the_middle_of_a_tool_loop(
    run: Run, make_llm: Made, sandbox: Sandbox
) -> None:
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        sandbox.model_down(CLAUDE)
        return f"It is sunny in {city}."

    llm = make_llm(CLAUDE, max_retries=0, reasoning={"max_tokens": 1024})
    agent = create_agent(llm, [get_weather], middleware=[ModelFallbackMiddleware(make_llm(GPT))])
    with track_costs() as spend:
        calling, _, last = (await run(agent, QUESTION))["messages"][1:]
    assert calling.response_metadata["model_name"] == CLAUDE
    assert last.response_metadata["model_name"] == GPT
    assert "sunny in Paris" in last.text
    assert spend.total == sandbox.credits_used


async def test_an_agent_stops_calling_tools_at_its_limit(run: Run, make_llm: Made) -> None:
    agent = create_agent(
        make_llm(), [get_weather, get_time], middleware=[ToolCallLimitMiddleware(run_limit=1)]
    )
    question = HumanMessage("What is the weather in Paris, and what is the time in Tokyo?")
    messages = (await run(agent, question))["messages"]
    results = {message.status for message in messages if isinstance(message, ToolMessage)}
    assert results == {"success", "error"}
    assert isinstance(messages[-1], AIMessage)
    assert not messages[-1].tool_calls


async def test_an_agent_stops_calling_its_model_at_its_limit(
    run: Run, make_llm: Made, sandbox: Sandbox
) -> None:
    llm = make_llm()
    ending = create_agent(llm, [get_weather], middleware=[ModelCallLimitMiddleware(run_limit=1)])
    assert "limit" in (await run(ending, QUESTION))["messages"][-1].text
    assert len(sandbox.requests) == 1
    raising = create_agent(
        llm, [get_weather], middleware=[ModelCallLimitMiddleware(run_limit=1, exit_behavior="error")]
    )
    with pytest.raises(ModelCallLimitExceededError):
        await run(raising, QUESTION)


async def test_a_model_selects_the_tools_that_another_gets(
    run: Run, make_llm: Made, sandbox: Sandbox
) -> None:
    select = LLMToolSelectorMiddleware(model=make_llm(GEMINI), max_tools=1)
    agent = create_agent(make_llm(CLAUDE), [get_weather, get_time], middleware=[select])
    assert "sunny in Paris" in (await run(agent, QUESTION))["messages"][-1].text
    answering = [request.body for request in sandbox.requests if request.body["model"] == CLAUDE]
    assert [len(body["tools"]) for body in answering] == [1, 1]


class Weather(BaseModel):
    """The weather somewhere."""

    city: str
    sunny: bool


class WeatherDict(TypedDict):
    """The weather somewhere."""

    city: str
    sunny: bool


SCHEMA = {**Weather.model_json_schema(), "title": "Report"}
# Older Gemini models take no schema beside tools, which LangChain knows.
NATIVE = {(GPT, True), (GPT, False), (CLAUDE, True), (CLAUDE, False), (GEMINI, False)}


@pytest.mark.parametrize("schema", [Weather, WeatherDict, SCHEMA], ids=["pydantic", "typeddict", "json"])
@pytest.mark.parametrize("with_tools", [False, True], ids=["bare", "tools"])
@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy, None], ids=["provider", "tool", "auto"])
@pytest.mark.parametrize("slug", [GPT, CLAUDE, GEMINI])
def test_an_agent_answers_in_a_schema_by_each_strategy(
    make_llm: Made, sandbox: Sandbox, slug: str, strategy: Any, with_tools: bool, schema: Any
) -> None:
    wanted = strategy(schema) if strategy else schema
    tools = [get_weather] if with_tools else []
    agent: Any = create_agent(make_llm(slug), tools, response_format=wanted)
    answer = agent.invoke({"messages": [QUESTION]})["structured_response"]
    found = answer.model_dump() if isinstance(answer, BaseModel) else answer
    assert isinstance(answer, Weather if schema is Weather else dict)
    assert found["city"] == "Paris"
    assert found["sunny"] is with_tools  # by the tool's result
    native = strategy is ProviderStrategy or (strategy is None and (slug, with_tools) in NATIVE)
    for body in (request.body for request in sandbox.requests):
        assert (body.get("response_format", {}).get("type") == "json_schema") is native
        assert body.get("tool_choice") == (None if native else "required")
        assert ("tools" in body) is (with_tools or not native)


@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy])
async def test_a_schema_is_answered_while_tokens_are_streamed(
    run: Run, make_llm: Made, strategy: Any
) -> None:
    llm = make_llm(CLAUDE, reasoning={"max_tokens": 1024} if strategy is ProviderStrategy else None)
    agent = create_agent(llm, [get_weather], response_format=strategy(Weather))
    state = await run(agent, QUESTION)
    assert state["structured_response"] == Weather(city="Paris", sunny=True)


async def test_an_answer_that_misses_the_schema_is_asked_for_again_with_what_was_wrong(
    run: Run, make_llm: Made, sandbox: Sandbox
) -> None:
    wrong = {"type": "function", "function": {"name": "Weather", "arguments": {"city": "Paris"}}}
    sandbox.answer_next({"content": None, "tool_calls": [wrong]})
    agent = create_agent(make_llm(CLAUDE), [], response_format=ToolStrategy(Weather))
    assert isinstance((await run(agent, QUESTION))["structured_response"], Weather)
    *_, complaint = sandbox.last.body["messages"]
    assert complaint["role"] == "tool"
    assert "sunny" in complaint["content"]
