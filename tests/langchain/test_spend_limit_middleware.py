"""`SpendLimitMiddleware` with agents: they end with an answer when their money does, and never spend more."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRetryMiddleware, hook_config
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain.tools import ToolRuntime
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter, SpendLimitMiddleware
from langchain_openrouter_opts.middleware import spend_limit
from langchain_openrouter_opts.middleware.threads import ThreadMoney, Threads
from openrouter_opts import ConfigurationError, SpendLimit, SpendLimitExceeded, track_costs
from openrouter_opts.options import WebSearch
from openrouter_opts.sandbox import Sandbox

Make: TypeAlias = Callable[..., ChatOpenRouter]

QUESTION: Final[Any] = {"messages": [HumanMessage("What is the weather in Paris?")]}
LITTLE: Final = "0.0000001"


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


def calls_weather(sandbox: Sandbox, times: int = 1) -> None:
    """Have the model call the tool over and over."""
    for _ in range(times):
        sandbox.answer_next(
            {"tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Paris"}}}]}
        )


def chats(sandbox: Sandbox) -> list[Any]:
    return [request.body for request in sandbox.requests if request.path == "/chat/completions"]


async def _ainvoke(agent: Any) -> list[Any]:
    return (await agent.ainvoke(QUESTION))["messages"]


async def _invoke(agent: Any) -> list[Any]:
    return agent.invoke(QUESTION)["messages"]


async def _stream(agent: Any) -> list[Any]:
    return list(agent.stream(QUESTION, stream_mode="values"))[-1]["messages"]


async def _astream(agent: Any) -> list[Any]:
    modes = ["messages", "values"]
    return [state async for mode, state in agent.astream(QUESTION, stream_mode=modes) if mode == "values"][
        -1
    ]["messages"]


every_way = pytest.mark.parametrize(
    "run", [_invoke, _ainvoke, _stream, _astream], ids=lambda run: run.__name__.strip("_")
)


def is_last_answer(message: Any) -> bool:
    return isinstance(message, AIMessage) and message.response_metadata["finish_reason"] == "spend_limit"


@every_way
@pytest.mark.parametrize("place", ["limit", "run_limit", "thread_limit", "model", "scope"])
def test_an_agent_without_money_ends_with_an_answer_and_asks_nothing(
    run: Any, place: str, make_llm: Make, sandbox: Sandbox
):
    given = {place: LITTLE} if place.endswith("limit") else {}
    llm = make_llm(spend_limit=LITTLE if place == "model" else None)
    agent = create_agent(llm, [weather], middleware=[SpendLimitMiddleware(**given)])
    with track_costs(limit=LITTLE if place == "scope" else None):
        messages = asyncio.run(run(agent))
    assert [type(message) for message in messages] == [HumanMessage, AIMessage]
    assert is_last_answer(messages[-1])
    assert "spend limit allows ($0.0000001, of which $0.0000001 is left)" in messages[-1].text
    assert chats(sandbox) == []


@every_way
def test_an_agent_that_goes_on_and_on_ends_within_its_limit(run: Any, make_llm: Make, sandbox: Sandbox):
    calls_weather(sandbox, 20)
    limit = SpendLimit("0.0015")
    llm = make_llm(max_tokens=400)
    agent = create_agent(llm, [weather], middleware=[SpendLimitMiddleware(limit)])
    messages = asyncio.run(run(agent))
    assert 2 < sum(isinstance(message, ToolMessage) for message in messages) < 19
    assert is_last_answer(messages[-1])
    assert isinstance(messages[-2], ToolMessage)
    assert limit.spent == sandbox.credits_used <= limit.amount
    assert limit.reserved == limit.pending == 0


def test_an_amount_makes_requests_fit_what_is_left(make_llm: Make, sandbox: Sandbox):
    calls_weather(sandbox, 3)
    agent = create_agent(make_llm(), [weather], middleware=[SpendLimitMiddleware(run_limit="0.02")])
    messages = agent.invoke(QUESTION)["messages"]
    assert not is_last_answer(messages[-1])
    sent = [body["max_tokens"] for body in chats(sandbox)]
    assert len(sent) == 4
    assert all(0 < tokens < 10_000 for tokens in sent)


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
@pytest.mark.parametrize("tools", [[], [weather]], ids=["no tools", "tools"])
def test_an_agent_with_a_response_format_ends_too(
    strategy: Any, tools: Any, make_llm: Make, sandbox: Sandbox
):
    class Weather(BaseModel):
        """The weather."""

        sunny: bool

    agent = create_agent(
        make_llm(),
        tools,
        response_format=strategy(Weather),
        middleware=[SpendLimitMiddleware(run_limit=LITTLE)],
    )
    state = agent.invoke(QUESTION, {"recursion_limit": 10})
    assert is_last_answer(state["messages"][-1])
    assert state["structured_response"] is None
    assert chats(sandbox) == []


class NeverContent(AgentMiddleware[Any, Any, Any]):
    """Sends every answer back."""

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any]:
        return {"jump_to": "model", "messages": [HumanMessage("Better, please.")]}


def test_nobody_sends_the_last_answer_back(make_llm: Make, sandbox: Sandbox):
    middleware = [NeverContent(), SpendLimitMiddleware(SpendLimit("0.0005"))]
    agent = create_agent(make_llm(max_tokens=100), middleware=middleware)
    messages = agent.invoke(QUESTION, {"recursion_limit": 1000})["messages"]
    assert len(messages) > 3
    assert is_last_answer(messages[-1])
    assert sandbox.credits_used <= Decimal("0.0005")


def test_server_tools_get_what_is_left_beside_what_the_user_said(make_llm: Make, sandbox: Sandbox):
    mine = {"type": "step_count_is", "step_count": 50}
    llm = make_llm(stop_server_tools_when=[mine])
    limit = SpendLimit("0.3", on_limit="fit")
    agent = create_agent(llm, [WebSearch().wire()], middleware=[SpendLimitMiddleware(limit)])
    agent.invoke(QUESTION)
    (body,) = chats(sandbox)
    own, ours = body["stop_server_tools_when"]
    assert own == mine
    assert ours["type"] == "max_cost"
    assert 0 < ours["max_cost_in_dollars"] < 0.3
    assert limit.spent == sandbox.credits_used <= limit.amount


# --- tools that ask models ---


def _agent_with_helper(make_llm: Make, *middleware: Any, tries: int = 1, **helper: Any) -> Any:
    inner = create_agent(make_llm(max_tokens=100, **helper))

    @tool
    async def ask(question: str) -> str:
        """Ask a helper."""
        for _ in range(tries):
            state = await inner.ainvoke({"messages": [HumanMessage(question)]})
        return str(state["messages"][-1].content)

    return create_agent(make_llm(max_tokens=100), [ask], middleware=list(middleware))


def _asks_helper(sandbox: Sandbox, times: int) -> None:
    call = {"function": {"name": "ask", "arguments": {"question": "What is 6 times 7?"}}}
    sandbox.answer_next({"tool_calls": [call] * times})


async def test_what_tools_and_subagents_cost_counts(make_llm: Make, sandbox: Sandbox):
    limit = SpendLimit("0.01")
    _asks_helper(sandbox, 3)
    state = await _agent_with_helper(make_llm, SpendLimitMiddleware(limit)).ainvoke(QUESTION)
    said = [message.text for message in state["messages"] if isinstance(message, ToolMessage)]
    assert said == ["6 * 7 = 42"] * 3
    assert len(chats(sandbox)) == 5
    assert limit.spent == sandbox.credits_used > 0


async def test_a_tool_that_would_cost_too_much_says_so_and_the_agent_goes_on(
    make_llm: Make, sandbox: Sandbox
):
    _asks_helper(sandbox, 2)
    agent = _agent_with_helper(make_llm, SpendLimitMiddleware(), spend_limit=LITTLE)
    messages = (await agent.ainvoke(QUESTION))["messages"]
    said = [message for message in messages if isinstance(message, ToolMessage)]
    assert [message.status for message in said] == ["error", "error"]
    assert all("This tool was stopped" in message.text for message in said)
    assert not is_last_answer(messages[-1])


async def test_parallel_tools_never_get_above_the_limit(make_llm: Make, sandbox: Sandbox):
    limit = SpendLimit("0.0012")
    _asks_helper(sandbox, 20)
    agent = _agent_with_helper(make_llm, SpendLimitMiddleware(limit), tries=5)
    messages = (await agent.ainvoke(QUESTION))["messages"]
    refused = [
        message for message in messages if isinstance(message, ToolMessage) and message.status == "error"
    ]
    assert 0 < len(refused) < 20
    assert limit.spent == sandbox.credits_used <= limit.amount


@pytest.mark.parametrize(
    "made",
    [
        lambda llm: llm.bind(temperature=1),
        lambda llm: llm.with_config(tags=["agent"]),
        lambda llm: llm.with_retry(wait_exponential_jitter=False),
        lambda llm: llm.with_fallbacks([llm.bind(seed=1)]).with_config(tags=["agent"]),
    ],
    ids=["bind", "with_config", "with_retry", "with_fallbacks"],
)
def test_the_limit_holds_for_what_is_made_of_a_model(
    made: Callable[[Any], Any], make_llm: Make, sandbox: Sandbox
):
    for limit, ends in (("1", False), (LITTLE, True)):
        agent = create_agent(made(make_llm()), middleware=[SpendLimitMiddleware(run_limit=limit)])
        assert is_last_answer(agent.invoke(QUESTION)["messages"][-1]) is ends
    assert len(chats(sandbox)) == 1
    stranger = FakeListChatModel(responses=["free of charge"])
    agent = create_agent(
        make_llm().with_fallbacks([stranger]), middleware=[SpendLimitMiddleware(run_limit="1")]
    )
    with pytest.raises(ConfigurationError, match="no limit holds for a FakeListChatModel"):
        agent.invoke(QUESTION)


# --- runs and threads ---


def test_each_run_has_a_limit_of_its_own(make_llm: Make, sandbox: Sandbox):
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": 0.0015}
    llm = make_llm(max_tokens=100)
    agent = create_agent(llm, [weather], middleware=[SpendLimitMiddleware(run_limit="0.002")])
    for _ in range(3):
        sandbox.answer_next("It is sunny.", usage=usage)
        assert not is_last_answer(agent.invoke(QUESTION)["messages"][-1])
    assert sandbox.credits_used == Decimal("0.0045")
    call = {"tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Paris"}}}]}
    sandbox.answer_next(call, usage=usage | {"cost": 0.0019})
    assert is_last_answer(agent.invoke(QUESTION)["messages"][-1])


def test_tries_again_within_a_run_are_under_its_limit(make_llm: Make, sandbox: Sandbox):
    sandbox.fail_next(500, times=2, retry_after=0, path="/chat/completions")
    agent = create_agent(
        make_llm(max_tokens=100, max_retries=0),
        middleware=[
            ModelRetryMiddleware(max_retries=3, initial_delay=0, jitter=False),
            SpendLimitMiddleware(run_limit="0.0005"),
        ],
    )
    assert not is_last_answer(agent.invoke(QUESTION)["messages"][-1])
    assert len(chats(sandbox)) == 3


def test_runs_of_one_thread_at_once_share_its_limit(make_llm: Make, sandbox: Sandbox):
    sandbox.delay_next(first_byte=0.2)
    saver = InMemorySaver()
    limit = SpendLimitMiddleware(thread_limit="0.0008")
    agent = create_agent(make_llm(max_tokens=300), middleware=[limit], checkpointer=saver)
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}

    async def at_once() -> list[Any]:
        return await asyncio.gather(*(agent.ainvoke(QUESTION, config) for _ in range(5)))

    for _ in range(5):
        sandbox.answer_next("word " * 300, usage={"cost": 0.0006})
    ended = [is_last_answer(state["messages"][-1]) for state in asyncio.run(at_once())]
    assert ended.count(False) == 1
    assert sandbox.credits_used == Decimal("0.0006")
    assert is_last_answer(agent.invoke(QUESTION, config)["messages"][-1])
    assert Decimal(agent.get_state(config).values["thread_spend"]) == Decimal("0.0006")
    elsewhere: RunnableConfig = {"configurable": {"thread_id": "2"}}
    assert not is_last_answer(agent.invoke(QUESTION, elsewhere)["messages"][-1])


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_a_thread_remembers_what_it_has_cost(where: str, make_llm: Make, sandbox: Sandbox, tmp_path: Path):
    def answers(thread: str, count: int) -> list[bool]:
        """Ask so often, in a process of its own each time as far as the agent can tell."""
        ended = []
        config: RunnableConfig = {"configurable": {"thread_id": thread}}
        for _ in range(count):
            with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saved:
                agent = create_agent(
                    make_llm(max_tokens=100),
                    middleware=[SpendLimitMiddleware(thread_limit="0.0004")],
                    checkpointer=memory if where == "memory" else saved,
                )
                sandbox.answer_next("It is sunny. " * 4)
                state = agent.invoke(QUESTION, config)
                ended.append(is_last_answer(state["messages"][-1]))
                assert state.keys() == {"messages"}
                known = agent.get_state(config).values
                spent.append(Decimal(known["thread_spend"]))
                assert "thread_spend_now" not in known
        return ended

    memory, spent = InMemorySaver(), list[Decimal]()
    first = answers("first", 12)
    assert first == sorted(first)
    assert first[0] is False
    assert first[-1] is True
    assert spent[-1] == sandbox.credits_used <= Decimal("0.0004")
    assert answers("second", 1) == [False]


# --- threads, and the runs that leave them ---

THREAD: Final[RunnableConfig] = {"configurable": {"thread_id": "1"}}
AN_ANSWER: Final = Decimal("0.0006")
"""What `answers` has each of its answers cost."""


def answers(sandbox: Sandbox, times: int = 1) -> None:
    for _ in range(times):
        sandbox.answer_next("It is sunny.", usage={"cost": float(AN_ANSWER)})


def thrifty(make_llm: Make, saver: Any, limit: str = "0.001", **more: Any) -> Any:
    middleware = SpendLimitMiddleware(thread_limit=limit)
    return create_agent(make_llm(max_tokens=300), middleware=[middleware], checkpointer=saver, **more)


async def _left(agent: Any) -> None:
    for _ in (steps := agent.stream(QUESTION, THREAD, stream_mode="messages")):
        break
    steps.close()


async def _cancelled(agent: Any) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in agent.astream(QUESTION, THREAD, stream_mode="messages"):
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


every_leaving = pytest.mark.parametrize("leave", [_left, _cancelled], ids=lambda leave: leave.__name__)


@every_leaving
@pytest.mark.parametrize("agents", ["one agent", "an agent for each run"])
def test_what_runs_that_were_left_may_have_cost_is_gone_from_their_thread(
    leave: Any, agents: str, make_llm: Make, sandbox: Sandbox
):
    saver = InMemorySaver()
    first = thrifty(make_llm, saver)

    async def use() -> None:
        for _ in range(8):
            agent = first if agents == "one agent" else thrifty(make_llm, saver)
            sandbox.answer_next("word " * 300)
            await leave(agent)

    asyncio.run(use())
    sent = len(chats(sandbox))
    assert 0 < sent < 8
    assert sandbox.credits_used <= Decimal("0.001")
    assert is_last_answer(thrifty(make_llm, saver).invoke(QUESTION, THREAD)["messages"][-1])
    assert len(chats(sandbox)) == sent
    # The state says it for other processes.
    assert Decimal(first.get_state(THREAD).values["thread_spend"]) > Decimal("0.0005")


def test_a_run_that_was_left_counts_under_whichever_checkpointer_its_thread_is_restored(
    make_llm: Make, sandbox: Sandbox, tmp_path: Path
):
    for _ in range(2):
        with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            sandbox.answer_next("word " * 300)
            asyncio.run(_left(thrifty(make_llm, saver, "0.0007")))
    assert len(chats(sandbox)) == 1


def test_what_a_left_run_is_found_to_have_cost_is_all_that_it_has_cost(make_llm: Make, sandbox: Sandbox):
    mine = SpendLimit("1")
    agent = create_agent(
        make_llm(max_tokens=300, spend_limit=mine),
        middleware=[SpendLimitMiddleware(thread_limit="0.00063")],
        checkpointer=InMemorySaver(),
    )
    sandbox.answer_next("word " * 300)
    sandbox.delay_next(between=0.05)
    asyncio.run(_cancelled(agent))
    assert is_last_answer(agent.invoke(QUESTION, THREAD)["messages"][-1])
    (lost,) = mine.pending_records
    mine.write_off(lost, "0.00002")
    answers(sandbox)
    assert not is_last_answer(agent.invoke(QUESTION, THREAD)["messages"][-1])
    assert Decimal(agent.get_state(THREAD).values["thread_spend"]) == mine.spent == Decimal("0.00062")


def test_agents_made_for_each_request_share_the_limit_of_a_thread(make_llm: Make, sandbox: Sandbox):
    sandbox.delay_next(first_byte=0.2)
    answers(sandbox, 8)
    saver = InMemorySaver()

    def request(_: int) -> bool:
        return is_last_answer(thrifty(make_llm, saver).invoke(QUESTION, THREAD)["messages"][-1])

    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(request, range(8)))
    assert ended.count(False) == 1
    assert sandbox.credits_used == AN_ANSWER


def test_threads_of_one_name_are_kept_apart_by_their_checkpointers_and_their_amounts(
    make_llm: Make, sandbox: Sandbox
):
    saver = InMemorySaver()
    for kept, limit, ends in (
        (saver, "0.001", False),
        (saver, "0.001", True),
        (InMemorySaver(), "0.001", False),
        (saver, "0.002", False),
        (saver, "0.001", True),
    ):
        answers(sandbox)
        agent = thrifty(make_llm, kept, limit)
        assert is_last_answer(agent.invoke(QUESTION, THREAD)["messages"][-1]) is ends


def test_what_another_process_has_spent_in_a_thread_comes_on_top(
    make_llm: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    agent = thrifty(make_llm, InMemorySaver(), "0.0029")
    here, elsewhere = Threads(), Threads()

    def spend(process: Threads) -> Decimal:
        monkeypatch.setattr(spend_limit, "_THREADS", process)
        answers(sandbox)
        agent.invoke(QUESTION, THREAD)
        return Decimal(agent.get_state(THREAD).values["thread_spend"])

    noted = [spend(process) for process in (here, elsewhere, elsewhere, here, elsewhere, here)]
    assert noted == [AN_ANSWER * count for count in (1, 2, 3, 4, 4, 4)]
    assert sandbox.credits_used == AN_ANSWER * 4


def test_a_run_that_was_left_counts_in_a_thread_that_was_begun_in_another_process(
    make_llm: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    agent = thrifty(make_llm, InMemorySaver(), "0.0019")
    answers(sandbox)
    agent.invoke(QUESTION, THREAD)
    monkeypatch.setattr(spend_limit, "_THREADS", Threads())
    for _ in range(4):
        sandbox.answer_next("word " * 300)
        asyncio.run(_left(agent))
    assert sandbox.credits_used <= Decimal("0.0019")
    assert is_last_answer(agent.invoke(QUESTION, THREAD)["messages"][-1])


@pytest.mark.parametrize("process", ["the same", "another"])
@pytest.mark.parametrize("given", [None, QUESTION], ids=["again", "anew"])
def test_who_goes_back_to_before_the_first_answer_has_what_is_left(
    process: str, given: Any, make_llm: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    agent = thrifty(make_llm, InMemorySaver(), "0.0015")
    answers(sandbox, 3)
    agent.invoke(QUESTION, THREAD)
    if process == "another":
        monkeypatch.setattr(spend_limit, "_THREADS", Threads())
    assert not is_last_answer(agent.invoke(QUESTION, THREAD)["messages"][-1])
    first = list(agent.get_state_history(THREAD))[-1].config
    assert is_last_answer(agent.invoke(given, first)["messages"][-1])
    assert sandbox.credits_used == AN_ANSWER * 2


def test_a_thread_has_what_is_left_by_one_of_its_id_that_was_deleted(make_llm: Make, sandbox: Sandbox):
    saver = InMemorySaver()
    agent = thrifty(make_llm, saver)
    answers(sandbox, 2)
    agent.invoke(QUESTION, THREAD)
    saver.delete_thread("1")
    assert is_last_answer(agent.invoke(QUESTION, THREAD)["messages"][-1])
    other: RunnableConfig = {"configurable": {"thread_id": "2"}}
    assert not is_last_answer(agent.invoke(QUESTION, other)["messages"][-1])


def test_runs_at_once_leave_in_the_state_what_they_have_cost_and_no_more(make_llm: Make, sandbox: Sandbox):
    agent = thrifty(make_llm, InMemorySaver(), "1")
    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: agent.invoke(QUESTION, THREAD), range(12)))
        assert Decimal(agent.get_state(THREAD).values["thread_spend"]) == sandbox.credits_used


def test_an_agent_inside_a_graph_has_a_thread_limit_that_is_remembered(make_llm: Make, sandbox: Sandbox):
    graph: Any = StateGraph(MessagesState)
    graph.add_node("one", thrifty(make_llm, None))
    graph.add_node("two", thrifty(make_llm, None))
    graph.add_edge(START, "one").add_edge("one", "two")
    whole = graph.compile(checkpointer=InMemorySaver())
    answers(sandbox, 4)
    whole.invoke(QUESTION, THREAD)
    assert len(chats(sandbox)) == 2
    last = whole.invoke(QUESTION, THREAD)["messages"][-2:]
    assert list(map(is_last_answer, last)) == [True, True]
    assert len(chats(sandbox)) == 2


@pytest.mark.parametrize("place", ["run_limit", "thread_limit"])
def test_a_tool_that_is_resumed_is_under_the_limit(place: str, make_llm: Make, sandbox: Sandbox):
    @tool
    def ask(question: str) -> str:
        """Ask a helper, if the user agrees."""
        interrupt("May I?")
        return make_llm().invoke("word " * 5000).text

    limits: dict[str, Any] = {place: "0.001"}
    agent = create_agent(
        make_llm(max_tokens=100),
        [ask],
        middleware=[SpendLimitMiddleware(**limits)],
        checkpointer=InMemorySaver(),
    )
    _asks_helper(sandbox, 1)
    agent.invoke(QUESTION, THREAD)
    before = len(chats(sandbox))
    messages = agent.invoke(Command(resume="yes"), THREAD)["messages"]
    (said,) = [message for message in messages if isinstance(message, ToolMessage)]
    assert "This tool was stopped" in said.text
    assert len(chats(sandbox)) == before + 1


@pytest.mark.parametrize(
    "copied",
    [lambda state: {name: copy.copy(value) for name, value in state.items()}, copy.deepcopy],
    ids=["each value", "deep"],
)
@pytest.mark.parametrize(("place", "kept"), [("run_limit", "run_limit"), ("thread_limit", "thread_spend")])
def test_the_state_of_an_agent_can_be_copied_and_is_under_the_same_limits(
    place: str, kept: str, copied: Callable[[Any], Any], make_llm: Make, sandbox: Sandbox
):
    class Copying(AgentMiddleware[Any, Any, Any]):
        """Goes on with copies of what it is given."""

        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            state = copied(request.state)
            assert state[f"{kept}_now"] is request.state[f"{kept}_now"]
            return handler(request.override(state=state))

        wrap_tool_call = wrap_model_call

    @tool
    def look_up(runtime: ToolRuntime) -> str:
        """Look something up."""
        copied(runtime.state)
        return "found"

    limits: dict[str, Any] = {place: "0.001"}
    middleware = [Copying(), SpendLimitMiddleware(**limits)]
    agent = create_agent(
        make_llm(max_tokens=300), [look_up], middleware=middleware, checkpointer=InMemorySaver()
    )
    for _ in range(2):
        call = {"tool_calls": [{"function": {"name": "look_up", "arguments": {}}}]}
        sandbox.answer_next(call, usage={"cost": float(AN_ANSWER)})
    messages = agent.invoke(QUESTION, THREAD)["messages"]
    assert [message.text for message in messages if isinstance(message, ToolMessage)] == ["found"]
    assert is_last_answer(messages[-1])


def test_only_threads_that_ran_long_ago_are_forgotten():
    threads = Threads(most=2)

    def find(place: str) -> ThreadMoney:
        amount = Decimal(1)
        return threads.find(
            amount, None, place, lambda name: ThreadMoney(SpendLimit(amount), Decimal(0), name)
        )

    running = find("running")
    names = [find(place).name for place in ("a", "b", "c")]
    assert find("running") is running
    assert find("c").name == names[-1]
    assert find("a").name != names[0]


def test_a_thread_takes_no_more_room_with_every_checkpointer():
    threads, amount = Threads(), Decimal(1)
    for number in range(100):
        threads.find(
            amount, "name", f"place {number}", lambda name: ThreadMoney(SpendLimit(amount), Decimal(0), name)
        )
    assert len(threads._known) == 2


# --- what else can be said ---


def test_an_error_can_be_had_instead(make_llm: Make, sandbox: Sandbox):
    agent = create_agent(make_llm(), middleware=[SpendLimitMiddleware(LITTLE, exit_behavior="error")])
    with pytest.raises(SpendLimitExceeded):
        agent.invoke(QUESTION)
    _asks_helper(sandbox, 1)
    asker = _agent_with_helper(make_llm, SpendLimitMiddleware(exit_behavior="error"), spend_limit=LITTLE)
    with pytest.raises(SpendLimitExceeded):
        asyncio.run(asker.ainvoke(QUESTION))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"limit": "much"}, "limit"),
        ({"run_limit": -1}, "run_limit"),
        ({"thread_limit": "nan"}, "thread_limit"),
        ({"exit_behavior": "stop"}, "exit_behavior"),
    ],
)
def test_what_is_wrong_is_said_at_once(given: Any, problem: str):
    with pytest.raises(ConfigurationError, match=rf"^{problem}: "):
        SpendLimitMiddleware(**given)


def test_a_model_for_which_no_limit_can_hold_is_refused():
    agent = create_agent(FakeListChatModel(responses=["hi"]), middleware=[SpendLimitMiddleware("1")])
    with pytest.raises(ConfigurationError, match="no limit holds for a FakeListChatModel"):
        agent.invoke(QUESTION)
