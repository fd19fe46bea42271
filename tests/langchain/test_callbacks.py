"""Callbacks that count money: in every way to call, through chains, agents and graphs, and nothing twice."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from decimal import Decimal
from queue import Queue
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import CallbackManager
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from langchain_openrouter_opts import (
    ChatOpenRouter,
    OpenRouterCostCallbackHandler,
    OpenRouterEmbeddings,
    get_openrouter_callback,
    runs,
)
from langchain_openrouter_opts.runs import Runs
from openrouter_opts import OpenRouterError, SpendLimitExceeded, reconcile, track_costs
from openrouter_opts.sandbox import Sandbox

Make: TypeAlias = Callable[..., ChatOpenRouter]
Way: TypeAlias = Callable[[Any, Any, RunnableConfig], Awaitable[Any]]


@pytest.fixture(autouse=True)
def no_run_is_remembered_for_longer_than_it_lasts() -> Iterator[None]:
    yield
    assert Runs._roots == {}


async def _stream(llm: Any, question: Any, config: RunnableConfig) -> None:
    assert list(llm.stream(question, config))


async def _astream(llm: Any, question: Any, config: RunnableConfig) -> None:
    assert [chunk async for chunk in llm.astream(question, config)]


async def _events(llm: Any, question: Any, config: RunnableConfig) -> None:
    assert [event async for event in llm.astream_events(question, config, version="v2")]


async def _messages(llm: Any, question: Any, config: RunnableConfig) -> None:
    assert llm.stream_events(question, config, version="v3").output


async def _invoke(llm: Any, question: Any, config: RunnableConfig) -> None:
    llm.invoke(question, config)


async def _batch(llm: Any, question: Any, config: RunnableConfig) -> None:
    llm.batch([question], config)


WAYS: Final[dict[str, Way]] = {
    "invoke": _invoke,
    "ainvoke": lambda llm, question, config: llm.ainvoke(question, config),
    "stream": _stream,
    "astream": _astream,
    "batch": _batch,
    "abatch": lambda llm, question, config: llm.abatch([question], config),
    "astream_events": _events,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_way
@pytest.mark.parametrize("shape", ["model", "chain", "binding", "streaming", "structured"])
def test_a_handler_counts_what_its_run_costs_and_knows_it_by_the_config(
    way: Way, shape: str, make_llm: Make, sandbox: Sandbox
):
    llm: Any = make_llm(streaming=shape == "streaming")
    runnable = {
        "chain": RunnableLambda(lambda question: question)
        | llm
        | RunnableLambda(lambda message: message.text),
        "binding": llm.bind(max_tokens=100).with_config(tags=["bound"]),
        "structured": llm.with_structured_output({"title": "city", "type": "object"}, method="json_mode"),
    }.get(shape, llm)
    sandbox.answer_next('{"name": "Oslo"}')
    handler, run = OpenRouterCostCallbackHandler(), uuid4()
    config: RunnableConfig = {
        "callbacks": [handler],
        "run_id": run,
        "tags": ["nightly"],
        "metadata": {"user": 42, "list": []},
    }
    asyncio.run(way(runnable, "Where?", config))
    (record,) = handler.records
    assert handler.total == handler.total_cost == sandbox.credits_used > 0
    assert (record.model, record.kind, record.outcome) == ("openai/gpt-5-mini", "chat", "answered")
    assert handler.by("provider") == {record.provider: handler.total}
    assert record.tags == ("nightly", "bound")[: 1 + (shape == "binding")] or set(record.tags) == {
        "bound",
        "nightly",
    }
    assert handler.by("run") == {str(run): handler.total}
    assert handler.by("user") == {"42": handler.total}
    assert "list" not in record.labels
    assert not [name for name in record.labels if name.startswith("ls_")]


def test_a_stream_of_messages_is_counted_in_its_run(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler()
    asyncio.run(_messages(make_llm(), "hi", {"callbacks": [handler], "tags": ["x"]}))
    assert handler.by("tag") == {"x": sandbox.credits_used}


@every_way
def test_nothing_is_counted_twice_however_many_count(way: Way, make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler()
    llm = make_llm(callbacks=[handler])
    with track_costs() as outer, get_openrouter_callback() as callback, track_costs() as inner:
        asyncio.run(way(llm, "hi", {"callbacks": [handler, callback]}))
    for spend in (handler, outer, callback, inner):
        assert (len(spend.records), spend.total) == (1, sandbox.credits_used)
    assert handler.records == outer.records == callback.records
    assert outer.by("run").keys() == {handler.records[0].labels["run"]}


@every_way
def test_a_call_that_has_no_handler_is_not_counted_by_that_of_the_call_before(
    way: Way, make_llm: Make, sandbox: Sandbox
):
    handler = OpenRouterCostCallbackHandler()

    async def both() -> None:
        await way(make_llm(), "hi", {"callbacks": [handler]})
        await way(make_llm(), "hi", {})

    asyncio.run(both())
    assert len(sandbox.requests) == 2
    assert len(handler.records) == 1


class NoMore(BaseRateLimiter):
    """Lets nobody through."""

    def acquire(self, *, blocking: bool = True) -> bool:
        raise TimeoutError

    async def aacquire(self, *, blocking: bool = True) -> bool:
        raise TimeoutError


def test_a_stream_that_never_began_leaves_nothing_behind(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler()
    with pytest.raises(TimeoutError):
        list(make_llm(rate_limiter=NoMore()).stream("hi", {"callbacks": [handler]}))
    list(make_llm().stream("hi"))
    assert handler.records == ()
    assert sandbox.credits_used > 0


# --- chains, agents, graphs ---


def test_parallel_branches_and_threads_belong_to_their_own_run(make_llm: Make, sandbox: Sandbox):
    llm = make_llm()
    chain = RunnableParallel(a=llm, b=RunnableLambda(lambda _: "ho") | llm.with_config(tags=["b"]))
    handlers = [OpenRouterCostCallbackHandler() for _ in range(8)]
    shared = OpenRouterCostCallbackHandler()
    configs: list[RunnableConfig] = [
        {"callbacks": [handler, shared], "run_id": uuid4(), "metadata": {"number": number}}
        for number, handler in enumerate(handlers)
    ]
    chain.batch(["hi"] * 8, configs)
    assert [len(handler.records) for handler in handlers] == [2] * 8
    assert sum(handler.total for handler in handlers) == shared.total == sandbox.credits_used
    assert shared.by("run") == {
        str(config["run_id"]): handler.total for config, handler in zip(configs, handlers, strict=True)
    }
    assert shared.by("number").keys() == {str(number) for number in range(8)}
    assert shared.by("tag").keys() == {None, "b"}


@pytest.mark.parametrize("passed_on", [True, False])
def test_a_pool_of_ones_own_belongs_to_the_run_whose_config_is_passed_on(
    passed_on: bool, make_llm: Make, sandbox: Sandbox
):
    llm, run = make_llm(), uuid4()

    def node(question: str, config: RunnableConfig) -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            given = (config,) if passed_on else ()
            return [each.result() for each in [pool.submit(llm.invoke, question, *given) for _ in range(8)]]

    handler = OpenRouterCostCallbackHandler()
    chain = RunnableLambda(lambda question: question) | RunnableLambda(node)
    with track_costs() as spend:
        chain.invoke("hi", {"callbacks": [handler], "run_id": run, "metadata": {"user": "42"}})
    # Scopes go on into threads by themselves.
    assert spend.total == sandbox.credits_used > 0
    assert len(handler.records) == (8 if passed_on else 0)
    if passed_on:
        assert handler.by("run") == {str(run): sandbox.credits_used}
        assert handler.by("user") == {"42": sandbox.credits_used}


def test_a_worker_that_was_begun_inside_is_inside_until_the_end(make_llm: Make, sandbox: Sandbox):
    llm = make_llm()
    questions: Queue[Future[Any] | None] = Queue()

    def work() -> None:
        while (question := questions.get()) is not None:
            question.set_result(llm.invoke("hi"))

    def ask() -> None:
        question: Future[Any] = Future()
        questions.put(question)
        question.result(10)

    worker = threading.Thread(target=work)
    with get_openrouter_callback() as callback:
        worker.start()
        ask()
        spent = sandbox.credits_used
    ask()
    questions.put(None)
    worker.join()
    assert callback.total == spent < sandbox.credits_used


def test_a_scope_that_ends_while_langchain_sets_a_run_up_leaves_its_thread_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    looked, ended, made = threading.Event(), threading.Event(), list[CallbackManager]()
    look = runs._WhileCounting.get

    def get(self: runs._WhileCounting) -> runs.Runs | None:
        found = look(self)
        looked.set()
        assert ended.wait(10)
        return found

    monkeypatch.setattr(runs._WhileCounting, "get", get)
    thread = threading.Thread(target=lambda: made.append(CallbackManager.configure()))
    with track_costs():
        thread.start()
        assert looked.wait(10)
    ended.set()
    thread.join()
    assert made


@pytest.mark.parametrize("streamed", [False, True], ids=["invoke", "stream"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_an_agent_is_one_run_with_the_models_that_its_tools_and_subagents_ask(
    streamed: bool, asynchronous: bool, make_llm: Make, sandbox: Sandbox
):
    helper = create_agent(make_llm("openai/gpt-4o-mini"), name="helper")

    @tool
    async def population(city: str) -> str:
        """Tell how many people live in a city."""
        state = await helper.ainvoke({"messages": [HumanMessage(f"How many people live in {city}?")]})
        return str(state["messages"][-1].content)

    @tool("population")
    def population_now(city: str) -> str:
        """Tell how many people live in a city."""
        state = helper.invoke({"messages": [HumanMessage(f"How many people live in {city}?")]})
        return str(state["messages"][-1].content)

    agent = create_agent(make_llm(), [population if asynchronous else population_now], name="asker")
    sandbox.answer_next({"tool_calls": [{"function": {"name": "population", "arguments": {"city": "Oslo"}}}]})
    handler, run = OpenRouterCostCallbackHandler(), uuid4()
    state = {"messages": [HumanMessage("How many people live in Oslo?")]}
    config: RunnableConfig = {"callbacks": [handler], "run_id": run}
    if asynchronous:
        asyncio.run(_astream(agent, state, config) if streamed else agent.ainvoke(state, config))
    else:
        list(agent.stream(state, config, stream_mode="messages")) if streamed else agent.invoke(state, config)
    assert [record.model for record in handler.records] == [
        "openai/gpt-5-mini",
        "openai/gpt-4o-mini",
        "openai/gpt-5-mini",
    ]
    assert handler.by("run") == {str(run): sandbox.credits_used}
    assert handler.by("lc_agent_name").keys() == {"asker", "helper"}
    assert handler.by("langgraph_node").keys() == {"model"}


def test_a_graph_and_its_subgraph_are_one_run_of_a_thread(make_llm: Make, sandbox: Sandbox):
    llm = make_llm()

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke(state["messages"])]}

    inner = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile()
    outer = StateGraph(MessagesState)
    outer.add_node("first", ask).add_node("second", inner).add_edge(START, "first").add_edge(
        "first", "second"
    )
    with get_openrouter_callback() as callback:
        outer.compile().invoke({"messages": [HumanMessage("hi")]}, {"configurable": {"thread_id": "seven"}})
    assert len(callback.records) == 2
    assert callback.by("thread_id") == {"seven": sandbox.credits_used}
    assert len(callback.by("run")) == 1


# --- what goes wrong ---


def test_tries_that_failed_are_records_of_their_own(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler()
    sandbox.fail_next(503, retry_after=0)
    make_llm().invoke("hi", {"callbacks": [handler]})
    sandbox.fail_next(400)
    with pytest.raises(OpenRouterError):
        make_llm().invoke("hi", {"callbacks": [handler]})
    assert [(record.outcome, record.attempts) for record in handler.records] == [
        ("failed", 1),
        ("answered", 2),
        ("failed", 1),
    ]
    assert (handler.successful_requests, handler.total) == (1, sandbox.credits_used)


def test_langchains_own_retries_are_counted_once_each(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler()
    sandbox.fail_next(429, retry_after=0)
    llm = make_llm(max_retries=0).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    llm.invoke("hi", {"callbacks": [handler], "tags": ["mine"]})
    assert [record.outcome for record in handler.records] == ["failed", "answered"]
    assert handler.records[0].labels["run"] == handler.records[1].labels["run"]
    assert {record.tags for record in handler.records} == {("mine",)}


async def _cut(llm: Any, config: RunnableConfig, sandbox: Sandbox) -> None:
    sandbox.cut_after(2)
    with pytest.raises(OpenRouterError):
        list(llm.stream("Tell me a story.", config))


async def _closed(llm: Any, config: RunnableConfig, sandbox: Sandbox) -> None:
    with closing(llm.stream("Tell me a story.", config)) as chunks:
        next(chunks)


async def _aclosed(llm: Any, config: RunnableConfig, sandbox: Sandbox) -> None:
    async with aclosing(llm.astream("Tell me a story.", config)) as chunks:
        await anext(chunks)


async def _cancelled(llm: Any, config: RunnableConfig, sandbox: Sandbox) -> None:
    sandbox.delay_next(between=0.05)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in llm.astream("Tell me a story.", config):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "end", [_cut, _closed, _aclosed, _cancelled], ids=lambda end: end.__name__.strip("_")
)
def test_what_was_cut_closed_or_cancelled_is_pending_until_it_is_reconciled(
    end: Any, make_llm: Make, sandbox: Sandbox
):
    handler = OpenRouterCostCallbackHandler()
    config: RunnableConfig = {"callbacks": [handler], "tags": ["cut"]}
    asyncio.run(end(make_llm(), config, sandbox))
    (record,) = handler.pending
    assert (record.outcome, record.tags, handler.total) == ("interrupted", ("cut",), 0)
    reconcile(handler, wait=5)
    assert handler.pending == ()
    assert handler.by("tag") == {"cut": sandbox.credits_used}


def test_an_answer_from_the_cache_costs_nothing(make_llm: Make, sandbox: Sandbox):
    llm = make_llm(cache=InMemoryCache())
    with get_openrouter_callback() as callback:
        llm.invoke("hi")
        paid = callback.total
        assert llm.invoke("hi").response_metadata["cost"] == 0
    assert callback.total == paid == sandbox.credits_used > 0
    assert (callback.successful_requests, len(callback.records)) == (1, 1)


# --- the figures ---


def test_the_fields_are_those_of_langchains_own_callback(make_llm: Make, sandbox: Sandbox):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "cost": 0.0123,
        "prompt_tokens_details": {"cached_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    sandbox.answer_next("Hello.", usage=usage)
    with get_openrouter_callback() as callback:
        make_llm().invoke("hi")
    assert callback.total_cost == Decimal("0.0123")
    assert isinstance(callback.total_cost, Decimal)
    figures = (
        "total_tokens",
        "prompt_tokens",
        "prompt_tokens_cached",
        "completion_tokens",
        "reasoning_tokens",
    )
    assert [getattr(callback, name) for name in figures] == [150, 100, 80, 50, 20]
    assert callback.successful_requests == 1
    assert "$0.0123" in str(callback)
    assert "<svg" in callback._repr_html_()


def test_embeddings_are_counted_inside_and_nothing_outside(make_llm: Make, sandbox: Sandbox):
    where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    embeddings = OpenRouterEmbeddings(model="openai/text-embedding-3-small", **where)
    make_llm().invoke("hi")
    before = sandbox.credits_used
    with get_openrouter_callback() as callback:
        embeddings.embed_query("hi")
    make_llm().invoke("hi")
    assert callback.by("kind").keys() == {"embedding"}
    assert callback.total == Decimal("0.00000002") < before


def test_a_limit_of_a_handler_holds(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler("0.0000001")
    with pytest.raises(SpendLimitExceeded):
        make_llm().invoke("hi", {"callbacks": [handler]})
    assert handler.records == ()


def test_a_copy_of_a_handler_is_the_same_and_a_pickle_is_empty(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostCallbackHandler()
    llm = make_llm(callbacks=[handler])
    for each in (llm, copy.deepcopy(llm), llm.model_copy(deep=True)):
        each.invoke("hi")
    assert len(handler.records) == 3
    assert copy.copy(handler) is handler
    opened = pickle.loads(pickle.dumps(handler))
    assert isinstance(opened, OpenRouterCostCallbackHandler)
    assert opened.records == ()
    assert repr(handler).startswith("OpenRouterCostCallbackHandler(total=Decimal('0.0")


def test_the_run_of_a_call_is_known_without_any_handler(make_llm: Make, sandbox: Sandbox):
    run = UUID(int=7)
    chain = RunnableLambda(lambda question: question) | make_llm()
    with track_costs(tags=["mine"]) as spend:
        chain.invoke("hi", {"run_id": run, "tags": ["theirs"], "metadata": {"team": "a"}})
        list(chain.stream("hi", {"run_id": run, "tags": ["theirs"], "metadata": {"team": "a"}}))
    assert spend.by("run") == {str(run): sandbox.credits_used}
    assert spend.by("team") == {"a": sandbox.credits_used}
    assert {record.tags for record in spend.records} == {("mine", "theirs")}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["stream", "astream"])
@pytest.mark.parametrize(
    "made",
    [
        lambda llm: llm,
        lambda llm: llm.bind(seed=1),
        lambda llm: llm.with_config(tags=["a"]),
        lambda llm: llm.with_retry(),
        lambda llm: llm.with_fallbacks([llm]),
    ],
    ids=["model", "bind", "with_config", "with_retry", "with_fallbacks"],
)
def test_a_stream_belongs_where_it_was_asked_for_and_not_where_it_is_read(
    made: Callable[[Any], Any], asynchronous: bool, make_llm: Make, sandbox: Sandbox
):
    async def read(limit: str | None) -> tuple[Decimal, ...]:
        ways = made(make_llm(max_tokens=50))
        with track_costs(limit=limit, tags={"team": "a"}) as asked:
            stream = ways.astream("hi") if asynchronous else ways.stream("hi")
        with track_costs() as elsewhere:
            if asynchronous:
                assert [chunk async for chunk in stream]
            else:
                assert list(stream)
        assert list(asked.by("team")) == ["a"]
        return asked.total, elsewhere.total

    assert asyncio.run(read(None)) == (sandbox.credits_used, 0)
    with pytest.raises(SpendLimitExceeded):
        asyncio.run(read("0.0000001"))
