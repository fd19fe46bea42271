"""The events of LangChain's streaming protocol, v3: what they say, in which order, and how they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts.errors import (
    ConfigurationError,
    ConnectionLost,
    Interrupted,
    Malformed,
    ProviderFailed,
)
from openrouter_opts import OpenRouterError, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.langchain.five_ways import CITATION, CITED, FACTS, IMAGES, SIGNED, more, opened
from tests.scripted_server import Script, ScriptedServer
from tests.wire_bytes import DONE, STREAM_HEAD, USAGE_CHUNK, chunked, delta, event, streamed

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

CLAUDE = "anthropic/claude-sonnet-4.6"
CALL = opened(0, "c1", "add", '{"a": 1}')

# Gives the events of an answer, and the error that ended them.
Tell = Callable[..., tuple[list[Any], Any]]


@pytest.fixture(params=["sync", "async"])
def tell(request: pytest.FixtureRequest) -> Tell:
    def sync(llm: ChatOpenRouter, **given: Any) -> tuple[list[Any], Any]:
        events: list[Any] = []
        try:
            events.extend(llm.stream_events("hi", version="v3", **given))
        except OpenRouterError as error:
            return events, error
        return events, None

    async def asynchronous(llm: ChatOpenRouter, **given: Any) -> tuple[list[Any], Any]:
        events: list[Any] = []
        try:
            async for each in await llm.astream_events("hi", version="v3", **given):
                events.append(each)  # noqa: PERF401 - what came before the error counts
        except OpenRouterError as error:
            return events, error
        return events, None

    if request.param == "sync":
        return sync
    return lambda llm, **given: asyncio.run(asynchronous(llm, **given))


@pytest.fixture
def at(llm: ChatOpenRouter, scripted: Any) -> Callable[..., tuple[ChatOpenRouter, ScriptedServer]]:
    """Return a function that makes a model at a server that plays a script."""

    def make(script: Script, **update: Any) -> tuple[ChatOpenRouter, ScriptedServer]:
        server = scripted(script)
        return llm.model_copy(update={"openrouter_api_base": server.base_url, **update}), server

    return make


def piece(**said: Any) -> bytes:
    return event({**FACTS, "choices": [{"index": 0, "delta": said, "finish_reason": None}]})


def named(events: list[Any], name: str) -> list[Any]:
    return [each for each in events if each["event"] == name]


def test_every_block_begins_grows_and_is_finished_whole(tell: Tell, at: Any) -> None:
    details = {**SIGNED, "text": "Hm."}
    llm, _ = at(
        streamed(
            piece(role="assistant", content="", reasoning="H"),
            piece(reasoning="m.", reasoning_details=[details]),
            piece(content="See"),
            piece(**opened(0, "c1", "add")),
            piece(**opened(1, "c2", "now")),
            piece(**more(0, '{"a"')),
            piece(content=" here", images=IMAGES[:1], annotations=[CITATION]),
            piece(**more(0, ": 1}")),
            delta("", finish_reason="tool_calls"),
            USAGE_CHUNK,
            DONE,
        )
    )
    run_id = uuid4()
    events, error = tell(llm, config={"run_id": run_id})

    assert error is None
    assert_valid_event_stream(events)
    start, *blocks, finish = events
    assert start == {
        "event": "message-start",
        "role": "ai",
        "id": f"lc_run--{run_id}",
        "metadata": {"provider": "openrouter", "model": "mock/model-2026"},
    }
    chunk = {"type": "tool_call_chunk", "args": ""}
    image = {"type": "image", "mime_type": "image/png"}
    assert [
        (each["event"][14:], each["index"], each.get("content") or each.get("delta")) for each in blocks
    ] == [
        ("start", 0, {"type": "reasoning", "reasoning": ""}),
        ("delta", 0, {"type": "reasoning-delta", "reasoning": "H"}),
        ("delta", 0, {"type": "reasoning-delta", "reasoning": "m."}),
        ("start", 1, {"type": "text", "text": ""}),
        ("delta", 1, {"type": "text-delta", "text": "See"}),
        ("start", 2, {**chunk, "id": "c1", "name": "add", "index": "lc_tc_0"}),
        ("start", 3, {**chunk, "id": "c2", "name": "now", "index": "lc_tc_1"}),
        ("delta", 2, {"type": "tool-call-delta", "args": '{"a"'}),
        ("delta", 1, {"type": "text-delta", "text": " here"}),
        ("delta", 2, {"type": "tool-call-delta", "args": ": 1}"}),
        (
            "finish",
            0,
            {
                "type": "reasoning",
                "reasoning": "Hm.",
                "extras": {"signature": "sig", "reasoning_details": [details]},
            },
        ),
        ("finish", 1, {"type": "text", "text": "See here", "annotations": [CITED]}),
        ("finish", 2, {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1}}),
        ("finish", 3, {"type": "tool_call", "id": "c2", "name": "now", "args": {}}),
        ("start", 4, image),
        ("finish", 4, {**image, "base64": "iVBORw0KGgo=", "index": 4}),
    ]
    assert finish["usage"] == {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    assert finish["metadata"]["cost"] == 0.0003
    assert finish["metadata"]["finish_reason"] == "tool_calls"
    assert finish["metadata"]["provider"] == "Mock"
    assert finish["additional_kwargs"]["reasoning_details"] == [details]


def test_blocks_of_a_model_that_speaks_before_it_thinks_are_in_the_order_in_which_they_began(
    tell: Tell, at: Any
) -> None:
    llm, _ = at(
        streamed(
            piece(content="Well"),
            piece(reasoning="Hm."),
            piece(content=", 4."),
            delta("", finish_reason="stop"),
            DONE,
        )
    )
    events, _ = tell(llm)
    assert_valid_event_stream(events)
    assert [
        (each["index"], each["content"].get("text") or each["content"].get("reasoning"))
        for each in named(events, "content-block-finish")
    ] == [(1, "Hm."), (0, "Well, 4.")]


def test_who_listens_to_a_projection_hears_its_pieces(at: Any) -> None:
    llm, _ = at(
        streamed(
            piece(reasoning="Hm."),
            piece(content="He"),
            piece(content="llo"),
            piece(**opened(0, "c1", "add", '{"a"')),
            piece(**more(0, ": 1}")),
            delta("", finish_reason="tool_calls"),
            DONE,
        )
    )
    told = llm.stream_events("hi", version="v3")
    assert list(told.text) == ["He", "llo"]
    assert list(told.reasoning) == ["Hm."]
    assert [(each["id"], each["name"], each["args"]) for each in told.tool_calls] == [
        ("c1", "add", '{"a"'),
        ("c1", "add", ": 1}"),
    ]
    assert told.tool_calls.get() == told.output.tool_calls


def test_usage_may_be_left_out(tell: Tell, at: Any) -> None:
    llm, _ = at(streamed(piece(content="Hi."), delta("", finish_reason="stop"), USAGE_CHUNK, DONE))
    events, _ = tell(llm, stream_usage=False)
    assert "usage" not in events[-1]
    assert "token_usage" not in events[-1]["metadata"]
    assert events[-1]["metadata"]["cost"] == 0.0003


# --- endings ---

ERROR = event(
    {
        **FACTS,
        "error": {"code": 502, "message": "the provider fell over"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0.25},
    }
)


class Errors(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[BaseException] = []

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.seen.append(error)


@pytest.mark.parametrize(
    ("script", "cls"),
    [
        (streamed(piece(content="He"), piece(**CALL)), Interrupted),
        (streamed(piece(content="He"), piece(**CALL), end="RST"), ConnectionLost),
        (streamed(piece(content="He"), piece(**CALL), ERROR, DONE), ProviderFailed),
    ],
    ids=["ended", "reset", "error"],
)
def test_half_an_answer_raises_and_keeps_what_came(
    tell: Tell, at: Any, script: Script, cls: type[Exception]
) -> None:
    llm, _ = at(script)
    events, error = tell(llm)
    assert type(error) is cls
    assert error.partial.text == "He"
    assert error.partial.tool_calls[0].id == "c1"
    assert error.generation_id == FACTS["id"]
    assert not named(events, "content-block-finish")
    assert not named(events, "message-finish")


def test_an_error_has_what_was_paid_for_and_reaches_every_projection(at: Any) -> None:
    llm, _ = at(streamed(piece(content="He"), ERROR, DONE))
    errors = Errors()
    told = llm.stream_events("hi", version="v3", config={"callbacks": [errors]})
    for listen in (lambda: list(told.text), lambda: list(told.tool_calls), lambda: told.output):
        with pytest.raises(ProviderFailed, match="fell over") as caught:
            listen()
        assert caught.value.usage is not None
        assert caught.value.usage.cost.total == Decimal("0.25")
        assert errors.seen == [caught.value]


def closed(server: ScriptedServer) -> bool:
    deadline = time.monotonic() + 5
    while not server.closed_by_client and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.closed_by_client == 1


NOT_JSON: Script = [STREAM_HEAD, chunked(piece(content="first")), chunked(event("{no JSON")), "HANG"]


def test_an_error_leaves_nothing_open(at: Any) -> None:
    llm, server = at(NOT_JSON)
    # The error is held, and with it all that it came through.
    with pytest.raises(Malformed) as caught:
        list(llm.stream_events("hi", version="v3"))
    assert closed(server), caught


async def test_an_error_leaves_nothing_open_asynchronously(at: Any) -> None:
    llm, server = at(NOT_JSON)
    with pytest.raises(Malformed) as caught:
        await (await llm.astream_events("hi", version="v3"))
    assert await asyncio.to_thread(closed, server), caught


def test_options_that_are_wrong_are_refused_before_anything_is_sent(tell: Tell, at: Any) -> None:
    llm, server = at(streamed(DONE))
    events, error = tell(llm, temprature=1)
    assert isinstance(error, ConfigurationError)
    assert "temperature" in str(error)
    assert not events
    assert not server.deliveries


HANGING: Script = [STREAM_HEAD, chunked(piece(content="He")), "HANG"]


def test_events_that_are_left_close_the_connection_at_once(at: Any) -> None:
    llm, server = at(HANGING)
    with track_costs() as spend:
        events = llm._stream_chat_model_events([HumanMessage("hi")], stop=None, run_manager=None)
        assert next(events)["event"] == "message-start"
        events.close()
    assert closed(server)
    assert spend.unknown


@pytest.mark.parametrize("leave", ["aclose", "cancel"])
async def test_events_that_are_left_close_the_connection_at_once_asynchronously(at: Any, leave: str) -> None:
    llm, server = at(HANGING)

    async def listen() -> None:
        told = await llm.astream_events("hi", version="v3")
        async with told:
            async for each in told:
                if each["event"] == "content-block-delta":
                    if leave == "aclose":
                        return
                    came.set()

    came = asyncio.Event()
    task = asyncio.create_task(listen())
    if leave == "cancel":
        await came.wait()
        task.cancel()
    await asyncio.wait([task])
    assert await asyncio.to_thread(closed, server)


# --- consumers ---


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"It is noon in {city}."


QUESTION: Any = {"messages": [HumanMessage("What is the weather in Paris, and what is the time in Tokyo?")]}


async def test_an_agent_is_told_in_events_and_its_reasoning_goes_back(
    make_llm: Any, sandbox: Sandbox
) -> None:
    agent: Any = create_agent(make_llm(CLAUDE, reasoning={"max_tokens": 1024}), [get_weather, get_time])
    with track_costs() as spend:
        run = await agent.astream_events(QUESTION, version="v3")
        told = [await message.output async for message in run.messages]
        messages = (await run.output())["messages"]
    calling, *results, last = messages[1:]
    assert told == [calling, last]
    assert all(isinstance(result, ToolMessage) for result in results)
    assert "sunny in Paris" in last.text
    assert spend.total == sandbox.credits_used
    # The sandbox checks the signatures of Claude's reasoning, so they were sent back unchanged.
    assert sandbox.last.body["messages"][1]["reasoning_details"][0]["signature"]


def test_an_agent_is_told_in_events_synchronously(make_llm: Any) -> None:
    agent: Any = create_agent(make_llm(), [get_weather, get_time])
    run = agent.stream_events(QUESTION, version="v3")
    told = [message.output for message in run.messages]
    messages = run.output["messages"]
    assert told == [messages[1], messages[-1]]
    assert "noon in Tokyo" in str(told[-1].text)


async def run_invoke(agent: Any) -> list[Any]:
    return agent.invoke(QUESTION)["messages"]


async def run_ainvoke(agent: Any) -> list[Any]:
    return (await agent.ainvoke(QUESTION))["messages"]


async def run_with_tokens(agent: Any) -> list[Any]:
    states = [state async for _, state in agent.astream(QUESTION, stream_mode=["messages", "values"])]
    return states[-1]["messages"]


async def run_with_events(agent: Any) -> list[Any]:
    run = await agent.astream_events(QUESTION, version="v3")
    return (await run.output())["messages"]


@pytest.mark.parametrize("run", [run_invoke, run_ainvoke, run_with_tokens, run_with_events])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize("arguments", ['{"city": "Par', ""])
async def test_an_agent_never_runs_a_call_that_was_cut_off(
    make_llm: Any, sandbox: Sandbox, run: Any, streaming: bool, output_version: str, arguments: str
) -> None:
    def delete_all(city: str = "everything") -> str:
        """Delete a city, or everything."""
        raise AssertionError(city)

    cut = {"id": "c1", "type": "function", "function": {"name": "delete_all", "arguments": arguments}}
    sandbox.answer_next({"content": None, "tool_calls": [cut]}, finish_reason="length")
    agent = create_agent(make_llm(streaming=streaming, output_version=output_version), [delete_all])
    last = (await run(agent))[-1]
    assert last.tool_calls == []
    (broken,) = last.invalid_tool_calls
    assert (broken["id"], broken["name"], broken["args"]) == ("c1", "delete_all", arguments or None)
    assert "cut off" in broken["error"]


def test_a_block_stands_where_it_began(scripted: Any, tell: Tell) -> None:
    called = event({**FACTS, "choices": [{"index": 0, "delta": CALL}]})
    server = scripted(streamed(called, delta("Then this.", finish_reason="tool_calls"), USAGE_CHUNK, DONE))
    llm = ChatOpenRouter(model="m/x", api_key="k", base_url=server.base_url)
    events, error = tell(llm)
    assert error is None
    finished = {
        each["index"]: each["content"]["type"]
        for each in events
        if "finish" in each["event"] and "index" in each
    }
    assert [finished[index] for index in sorted(finished)] == ["tool_call", "text"]
