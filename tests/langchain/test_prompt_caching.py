"""`PromptCachingMiddleware` in agents: what is on the wire, what the cache gives back, and what is left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    dynamic_prompt,
)
from langchain.chat_models import init_chat_model
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_openrouter_opts import PromptCachingMiddleware, register
from langchain_openrouter_opts.middleware.cache_watch import CacheWatch
from openrouter_opts import ConfigurationError
from openrouter_opts.sandbox import Sandbox

CLAUDE = "anthropic/claude-sonnet-4.6"
QWEN = "qwen/qwen3-235b-a22b-2507"
SYSTEM = "You are a helpful assistant, and you know every city of the world. " * 20
QUESTIONS = (
    "What is the weather in Paris, and what is the time in Tokyo?",
    "What is the weather in Rome?",
    "What is the time in Lima?",
)
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


@tool
def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"It is noon in {city}."


def marks(body: dict[str, Any]) -> dict[str, Any]:
    """Return where each mark of a request is, and what it says: tools by name, messages by number."""
    tools = {
        tool["function"]["name"]: tool["cache_control"]
        for tool in body.get("tools", ())
        if "cache_control" in tool
    }
    texts = {
        f"{index}.{number}": part["cache_control"]
        for index, message in enumerate(body["messages"])
        if isinstance(message["content"], list)
        for number, part in enumerate(message["content"])
        if "cache_control" in part
    }
    return tools | texts


Run = Callable[[Any, Any, Any], list[Any]]


def invoked(agent: Any, given: Any, config: Any) -> list[Any]:
    return agent.invoke(given, config)["messages"]


def ainvoked(agent: Any, given: Any, config: Any) -> list[Any]:
    return asyncio.run(agent.ainvoke(given, config))["messages"]


def streamed(agent: Any, given: Any, config: Any) -> list[Any]:
    *_, last = (
        state
        for mode, state in agent.stream(given, config, stream_mode=["messages", "values"])
        if mode == "values"
    )
    return last["messages"]


def astreamed(agent: Any, given: Any, config: Any) -> list[Any]:
    async def run() -> Any:
        stream = agent.astream(given, config, stream_mode=["messages", "values"])
        return [state async for mode, state in stream if mode == "values"]

    return asyncio.run(run())[-1]["messages"]


every_way = pytest.mark.parametrize("run", [invoked, ainvoked, streamed, astreamed])


@every_way
def test_each_turn_of_an_agent_reads_all_of_the_turns_before(
    make_llm: Any, sandbox: Sandbox, run: Run
) -> None:
    agent = create_agent(
        make_llm(CLAUDE, reasoning={"max_tokens": 1024}),
        [get_weather, get_time],
        system_prompt=SYSTEM,
        middleware=[PromptCachingMiddleware()],
        checkpointer=InMemorySaver(),
    )
    for question in QUESTIONS:
        messages = run(agent, {"messages": [HumanMessage(question)]}, {"configurable": {"thread_id": "1"}})
    assert [marks(request.body) for request in sandbox.requests] == [
        {"get_time": MARK, "0.0": MARK, "1.0": MARK},
        {"get_time": MARK, "0.0": MARK, "1.0": MARK, "4.0": MARK},
        {"get_time": MARK, "0.0": MARK, "4.0": MARK, "6.0": MARK},
        {"get_time": MARK, "0.0": MARK, "6.0": MARK, "8.0": MARK},
        {"get_time": MARK, "0.0": MARK, "8.0": MARK, "10.0": MARK},
        {"get_time": MARK, "0.0": MARK, "10.0": MARK, "12.0": MARK},
    ]
    usages = [message.usage_metadata for message in messages if isinstance(message, AIMessage)]
    read = [usage["input_token_details"]["cache_read"] for usage in usages if usage]
    sent = [usage["input_tokens"] for usage in usages if usage]
    assert read == [0, *sent[:-1]]
    assert "cache_control" not in repr(messages)


def test_it_saves_money(make_llm: Any, sandbox: Sandbox) -> None:
    costs = []
    for middleware in ([], [PromptCachingMiddleware[Any, Any]()]):
        sandbox.reset()
        agent: Any = create_agent(
            make_llm(CLAUDE), [get_weather, get_time], system_prompt=SYSTEM, middleware=middleware
        )
        messages: list[Any] = []
        for question in QUESTIONS:
            messages = agent.invoke({"messages": [*messages, HumanMessage(question)]})["messages"]
        costs.append(sandbox.credits_used)
    without, with_cache = costs
    assert with_cache < without * 2 / 3


def test_what_the_caller_has_stays_as_it_is(make_llm: Any, sandbox: Sandbox) -> None:
    given = [HumanMessage(QUESTIONS[0])]
    prompt = SystemMessage(SYSTEM)
    agent: Any = create_agent(
        make_llm(CLAUDE), [get_time], system_prompt=prompt, middleware=[PromptCachingMiddleware()]
    )
    agent.invoke({"messages": given})
    assert len(marks(sandbox.last.body)) == 4
    assert "cache_control" not in repr((given, prompt, get_time))


@pytest.mark.parametrize(
    ("ttls", "tools_and_system", "turns"),
    [
        ({}, MARK, MARK),
        ({"ttl": "5m"}, MARK, MARK),
        ({"ttl": "1h"}, HOUR, HOUR),
        ({"ttl": "1h", "conversation_ttl": "5m"}, HOUR, MARK),
    ],
)
def test_what_changes_often_may_be_kept_for_less_long(
    make_llm: Any, sandbox: Sandbox, ttls: Any, tools_and_system: Any, turns: Any
) -> None:
    agent: Any = create_agent(
        make_llm(CLAUDE), [get_time], system_prompt=SYSTEM, middleware=[PromptCachingMiddleware(**ttls)]
    )
    agent.invoke({"messages": [HumanMessage("What is the time in Tokyo?")]})
    assert marks(sandbox.last.body) == {
        "get_time": tools_and_system,
        "0.0": tools_and_system,
        "1.0": turns,
        "3.0": turns,
    }


@pytest.mark.parametrize(
    ("ttls", "said"),
    [
        ({"ttl": "2h"}, "ttl: should be '5m' or '1h', not '2h'"),
        ({"conversation_ttl": "5"}, "conversation_ttl: should be '5m' or '1h', not '5'"),
        ({"conversation_ttl": "1h"}, "conversation_ttl: can't be longer than ttl"),
    ],
)
def test_a_ttl_that_cannot_be_is_an_error(ttls: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        PromptCachingMiddleware(**ttls)


def test_a_breakpoint_of_yours_stays_and_counts(make_llm: Any, sandbox: Sandbox) -> None:
    marked = get_time.model_copy(update={"extras": {"cache_control": MARK}})
    book = {"type": "text", "text": "A long book.", "cache_control": MARK}
    agent: Any = create_agent(
        make_llm(CLAUDE, cache_control=MARK),
        [marked, get_weather],
        system_prompt=SYSTEM,
        middleware=[PromptCachingMiddleware(ttl="1h")],
    )
    agent.invoke({"messages": [HumanMessage([book, {"type": "text", "text": "What is it about?"}])]})
    # One of four is the option's, which is at the end; where five minutes are before, an hour can't follow.
    assert marks(sandbox.last.body) == {"get_time": MARK, "0.0": MARK, "1.0": MARK}
    assert sandbox.last.body["cache_control"] == MARK


@pytest.mark.parametrize(
    "settings",
    [
        {"cache_control": MARK},
        {"openrouter_cache_control": MARK},
        {"provider_options": {"cache_control": MARK}},
        {"extra_body": {"cache_control": MARK}},
    ],
)
def test_the_option_counts_in_every_spelling(make_llm: Any, sandbox: Sandbox, settings: Any) -> None:
    class Settings(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(model_settings=settings))

    agent: Any = create_agent(
        make_llm(CLAUDE), [get_time], system_prompt=SYSTEM, middleware=[Settings(), PromptCachingMiddleware()]
    )
    agent.invoke({"messages": [HumanMessage("What is the time in Tokyo?")]})
    assert marks(sandbox.last.body) == {"get_time": MARK, "0.0": MARK, "1.0": MARK}
    assert sandbox.last.body["cache_control"] == MARK


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-5-mini",
        "google/gemini-3.8-flash",
        "deepseek/deepseek-v3.2",
        "moonshotai/kimi-k2-0905",
        "meta-llama/llama-3.3-70b-instruct",
    ],
)
def test_models_that_cache_by_themselves_or_not_at_all_are_left_alone(
    make_llm: Any, sandbox: Sandbox, model: str
) -> None:
    bodies = []
    for middleware in ([], [PromptCachingMiddleware[Any, Any]()]):
        agent: Any = create_agent(
            make_llm(model, seed=1), [get_time], system_prompt=SYSTEM, middleware=middleware
        )
        agent.invoke({"messages": [HumanMessage("hi")]})
        bodies.append(sandbox.last.raw)
    assert bodies[0] == bodies[1]


def test_qwen_has_them_on_messages_and_for_five_minutes(make_llm: Any, sandbox: Sandbox) -> None:
    agent: Any = create_agent(
        make_llm(QWEN), [get_time], system_prompt=SYSTEM, middleware=[PromptCachingMiddleware(ttl="1h")]
    )
    agent.invoke({"messages": [HumanMessage("What is the time in Tokyo?")]})
    assert marks(sandbox.last.body) == {"0.0": MARK, "1.0": MARK, "3.0": MARK}


def test_the_model_of_the_call_decides(make_llm: Any, sandbox: Sandbox) -> None:
    class Model(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(model_settings={"model": f"{CLAUDE}:nitro"}))

    agent: Any = create_agent(make_llm(), [get_time], middleware=[Model(), PromptCachingMiddleware()])
    agent.invoke({"messages": [HumanMessage("hi")]})
    assert marks(sandbox.last.body) == {"get_time": MARK, "0.0": MARK}


def test_a_prompt_below_your_minimum_is_left_alone(make_llm: Any, sandbox: Sandbox) -> None:
    agent: Any = create_agent(
        make_llm(CLAUDE), [get_time], middleware=[PromptCachingMiddleware(min_tokens=500)]
    )
    agent.invoke({"messages": [HumanMessage("hi")]})
    assert marks(sandbox.last.body) == {}
    agent.invoke({"messages": [HumanMessage(SYSTEM * 2)]})
    assert marks(sandbox.last.body) == {"get_time": MARK, "0.0": MARK}


def test_a_message_that_cannot_be_sent_is_named_by_its_place(make_llm: Any, sandbox: Sandbox) -> None:
    agent: Any = create_agent(make_llm(CLAUDE), [], middleware=[PromptCachingMiddleware()])
    wrong = HumanMessage([{"type": "audio", "url": "https://example.com/a.wav"}])
    with pytest.raises(ConfigurationError, match=r"^messages\[1\]"):
        agent.invoke({"messages": [HumanMessage("hi"), wrong]})
    assert not sandbox.requests


def test_a_model_that_is_none_is_the_models_own_error(make_llm: Any, sandbox: Sandbox) -> None:
    class Model(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(model_settings={"model": 5}))

    agent: Any = create_agent(make_llm(CLAUDE), [], middleware=[Model(), PromptCachingMiddleware()])
    with pytest.raises(ConfigurationError, match="model: needs a slug"):
        agent.invoke({"messages": [HumanMessage("hi")]})
    assert not sandbox.requests


# --- beside other middleware ---


@pytest.mark.parametrize(
    ("fallback", "inside"),
    [
        # Listed last, it plans for each model that is tried.
        ("anthropic/claude-haiku-4.5", {"get_time": MARK, "0.0": MARK, "1.0": MARK}),
        ("openai/gpt-5-mini", {}),
    ],
)
def test_the_fallback_has_the_breakpoints_that_it_has_a_use_for(
    make_llm: Any, sandbox: Sandbox, fallback: str, inside: dict[str, Any]
) -> None:
    agent: Any = create_agent(
        make_llm(CLAUDE, max_retries=0),
        [get_time],
        system_prompt=SYSTEM,
        middleware=[ModelFallbackMiddleware(make_llm(fallback)), PromptCachingMiddleware()],
    )
    sandbox.fail_next(status=502)
    agent.invoke({"messages": [HumanMessage("hi")]})
    first, second = sandbox.requests
    assert marks(first.body) == {"get_time": MARK, "0.0": MARK, "1.0": MARK}
    assert (second.body["model"], marks(second.body)) == (fallback, inside)


@pytest.mark.parametrize("fallback", ["anthropic/claude-haiku-4.5", "openai/gpt-5-mini"])
def test_listed_first_it_works_beside_a_fallback_too(make_llm: Any, sandbox: Sandbox, fallback: str) -> None:
    agent: Any = create_agent(
        make_llm(CLAUDE, max_retries=0),
        [get_time],
        system_prompt=SYSTEM,
        middleware=[PromptCachingMiddleware(), ModelFallbackMiddleware(make_llm(fallback))],
    )
    sandbox.fail_next(status=502)
    answer = agent.invoke({"messages": [HumanMessage("hi")]})["messages"][-1]
    assert answer.response_metadata["model_name"] == fallback
    # The fallback takes them off the tools.
    assert marks(sandbox.last.body) == {"0.0": MARK, "1.0": MARK}


def test_a_retry_sends_the_same_request_again(make_llm: Any, sandbox: Sandbox) -> None:
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0)
    agent: Any = create_agent(
        make_llm(CLAUDE, max_retries=0), [get_time], middleware=[PromptCachingMiddleware(), retry]
    )
    sandbox.fail_next(status=502)
    agent.invoke({"messages": [HumanMessage("hi")]})
    first, second = sandbox.requests
    assert first.raw == second.raw
    assert marks(second.body) == {"get_time": MARK, "0.0": MARK}


def test_a_configurable_model_is_judged_by_what_it_is_in_this_call(sandbox: Sandbox) -> None:
    register()
    model = init_chat_model(
        f"openrouter_opts:{CLAUDE}",
        configurable_fields=("model",),
        base_url=sandbox.base_url,
        api_key=sandbox.api_key,
    )
    agent: Any = create_agent(model, [get_time], middleware=[PromptCachingMiddleware()])
    question: Any = {"messages": [HumanMessage("hi")]}
    agent.invoke(question)
    assert marks(sandbox.last.body) == {"get_time": MARK, "0.0": MARK}
    agent.invoke(question, {"configurable": {"model": "openrouter_opts:openai/gpt-5-mini"}})
    assert (sandbox.last.body["model"], marks(sandbox.last.body)) == ("openai/gpt-5-mini", {})
    chosen = model.with_config(
        configurable={"model": "openrouter_opts:anthropic/claude-opus-5"}, tags=["mine"]
    )
    create_agent(chosen, [get_time], middleware=[PromptCachingMiddleware()]).invoke(question)
    assert sandbox.last.body["model"] == "anthropic/claude-opus-5"
    assert marks(sandbox.last.body) == {"get_time": MARK, "0.0": MARK}


def test_a_model_of_another_package_is_left_alone_and_that_is_said_once() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("One."), AIMessage("Two.")]))
    agent: Any = create_agent(model, [], middleware=[PromptCachingMiddleware()])
    with pytest.warns(UserWarning, match="a GenericFakeChatModel is left alone") as said:
        agent.invoke({"messages": [HumanMessage("hi")]})
    assert [warning.filename for warning in said] == [__file__]
    agent.invoke({"messages": [HumanMessage("hi")]})


# --- when nothing is read ---


@pytest.fixture
def ever_changing() -> AgentMiddleware[Any, Any]:
    """A system prompt that is never the same."""
    numbers: Iterator[int] = count()

    @dynamic_prompt
    def prompt(_: Any) -> str:
        return f"It is the year {1000 + next(numbers)}. {SYSTEM}"

    return prompt


def ask(number: int) -> list[Any]:
    return [HumanMessage("Say hello.", id="first"), AIMessage("Hello."), HumanMessage(f"Say {number}.")]


def test_a_prompt_that_changes_each_time_is_warned_of_once(
    make_llm: Any, sandbox: Sandbox, ever_changing: Any
) -> None:
    middleware: Sequence[Any] = [ever_changing, PromptCachingMiddleware()]
    agent: Any = create_agent(make_llm(CLAUDE), [], middleware=middleware)
    for number in range(2):
        agent.invoke({"messages": ask(number)})
    with pytest.warns(UserWarning, match=r"cached_tokens stays 0\), and it is written each time") as said:
        agent.invoke({"messages": ask(2)})
    assert [warning.filename for warning in said] == [__file__]
    for number in range(3, 6):
        agent.invoke({"messages": ask(number)})
    assert all(request.body for request in sandbox.requests)


async def test_it_is_noticed_in_async_agents_too(make_llm: Any, ever_changing: Any) -> None:
    middleware: Sequence[Any] = [ever_changing, PromptCachingMiddleware()]
    agent: Any = create_agent(make_llm(CLAUDE), [], middleware=middleware)
    for number in range(2):
        await agent.ainvoke({"messages": ask(number)})
    with pytest.warns(UserWarning, match="it is written each time"):
        await agent.ainvoke({"messages": ask(2)})


def test_a_fallback_that_caches_by_itself_is_not_expected_to_read(
    make_llm: Any, sandbox: Sandbox, ever_changing: Any
) -> None:
    middleware: Sequence[Any] = [
        ever_changing,
        PromptCachingMiddleware(),
        ModelFallbackMiddleware(make_llm("openai/gpt-5-mini")),
    ]
    agent: Any = create_agent(make_llm(CLAUDE, max_retries=0), [], middleware=middleware)
    long = HumanMessage("word " * 5_000)
    for number in range(4):
        sandbox.fail_next(status=502)
        agent.invoke({"messages": [*ask(number), long]})


def test_a_prompt_without_a_place_for_a_breakpoint_is_not_expected_to_be_read(
    make_llm: Any, sandbox: Sandbox
) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    agent: Any = create_agent(make_llm(CLAUDE), [], middleware=[PromptCachingMiddleware()])
    for _ in range(4):
        usage = agent.invoke({"messages": [HumanMessage([image] * 20, id="first")]})["messages"][
            -1
        ].usage_metadata
        assert usage["input_tokens"] > 4_096
    assert marks(sandbox.last.body) == {}


def answer(
    read: int = 0, written: int = 0, tokens: int = 2_000, provider: str | None = "Anthropic", **more: Any
) -> AIMessage:
    details = {"cache_read": read, "cache_creation": written}
    usage = {
        "input_tokens": tokens,
        "output_tokens": 1,
        "total_tokens": tokens + 1,
        "input_token_details": details,
    }
    return AIMessage("", usage_metadata=usage, response_metadata={"provider": provider}, **more)


HELLO = [HumanMessage("hi", id="first")]
WROTE = answer(written=1_900)
READ = answer(read=1_800)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([WROTE, WROTE, WROTE], "and it is written each time"),
        ([READ, answer(), answer()], None),
        ([READ, WROTE, WROTE], "and it is written each time"),
        ([WROTE, WROTE, READ, WROTE], None),
        ([WROTE, WROTE, READ, WROTE, WROTE], "and it is written each time"),
        ([WROTE, WROTE], None),
        # Neither written nor read: the prompt may be too short for the model, or the endpoint doesn't cache.
        ([answer()] * 9, None),
        (
            [answer(tokens=5_000)] * 3,
            "nor written to it: the endpoint of Anthropic does not cache this model",
        ),
        (
            [answer(tokens=5_000, provider=None)] * 3,
            "nor written to it: the endpoint does not cache this model",
        ),
        (
            [WROTE, answer(written=1_900, provider="Amazon Bedrock"), WROTE],
            "each provider has its own, and Amazon Bedrock, Anthropic took turns; `session_id` keeps",
        ),
        # Nobody said.
        ([WROTE, AIMessage(""), WROTE], None),
    ],
)
def test_it_is_said_when_hits_that_had_to_come_did_not(answers: list[AIMessage], said: str | None) -> None:
    watch = CacheWatch()
    found = [watch.problem(HELLO, clock(), each) for each in answers]
    *before, last = found
    assert before == [None] * len(before)
    assert (said in last) if said and last else last == said


def clock(later: float = 0) -> float:
    return time.monotonic() + later


def test_a_cache_that_has_expired_is_not_expected_to_be_read() -> None:
    watch = CacheWatch()
    for _ in range(9):
        assert watch.problem(HELLO, clock(301), WROTE) is None


def test_calls_at_the_same_time_cannot_read_from_each_other() -> None:
    watch, started = CacheWatch(), clock()
    for _ in range(9):
        assert watch.problem(HELLO, started, WROTE) is None


def test_each_conversation_is_judged_by_itself() -> None:
    """As in a service whose users all say hello, and each of whom has a system prompt."""
    watch = CacheWatch()
    for number in range(600):
        assert watch.problem([HumanMessage("hi", id=str(number))], clock(), WROTE) is None
    # Messages outside of an agent have no id to know them by.
    for _ in range(3):
        assert watch.problem([HumanMessage("hi")], clock(), WROTE) is None


def test_what_was_long_ago_is_forgotten() -> None:
    watch = CacheWatch()
    for number in (0, *range(300), 0, 0):
        assert watch.problem([HumanMessage("hi", id=str(number))], clock(), WROTE) is None
