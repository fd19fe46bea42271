"""An answer is the same message in whichever way it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_protocol.protocol import MessagesData
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import TypeAdapter

from langchain_openrouter_opts import ChatOpenRouter
from tests.langchain.conftest import added
from tests.langchain.five_ways import ANSWERS, Answer

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

Way = Callable[[ChatOpenRouter], Awaitable[AIMessage]]


async def invoke(llm: ChatOpenRouter) -> AIMessage:
    return llm.invoke("hi")


async def ainvoke(llm: ChatOpenRouter) -> AIMessage:
    return await llm.ainvoke("hi")


async def invoke_that_streams(llm: ChatOpenRouter) -> AIMessage:
    return llm.invoke("hi", stream=True)


async def stream(llm: ChatOpenRouter) -> AIMessage:
    return added(list(llm.stream("hi")))


async def astream(llm: ChatOpenRouter) -> AIMessage:
    return added([chunk async for chunk in llm.astream("hi")])


async def stream_added_to_a_plain_chunk(llm: ChatOpenRouter) -> AIMessage:
    return added([AIMessageChunk(""), *llm.stream("hi")])


async def stream_added_at_once(llm: ChatOpenRouter) -> AIMessage:
    first, *others = llm.stream("hi")
    message = message_chunk_to_message(first + others)
    assert type(message) is AIMessage
    return message


PROTOCOL: TypeAdapter[Any] = TypeAdapter(list[MessagesData])


def check(events: list[Any]) -> None:
    """Hold events against the types of the protocol, and against its rules about their order."""
    PROTOCOL.validate_python(events)
    assert_valid_event_stream(events)


async def events(llm: ChatOpenRouter) -> AIMessage:
    told = llm.stream_events("hi", version="v3")
    check(list(told))
    return told.output


async def aevents(llm: ChatOpenRouter) -> AIMessage:
    told = await llm.astream_events("hi", version="v3")
    check([event async for event in told])
    return await told


async def older_events(llm: ChatOpenRouter) -> AIMessage:
    *_, last = [event async for event in llm.astream_events("hi", version="v2")]
    assert last["event"] == "on_chat_model_end"
    return last["data"]["output"]


def graph_of(llm: ChatOpenRouter) -> Any:
    async def answer(state: MessagesState) -> MessagesState:
        return {"messages": [await llm.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()


async def graph(llm: ChatOpenRouter) -> AIMessage:
    asked = {"messages": [("user", "hi")]}
    states = [state async for _, state in graph_of(llm).astream(asked, stream_mode=["messages", "values"])]
    message = states[-1]["messages"][-1]
    assert type(message) is AIMessage
    return message


async def graph_events(llm: ChatOpenRouter) -> AIMessage:
    run = await graph_of(llm).astream_events({"messages": [("user", "hi")]}, version="v3")
    (told,) = [message async for message in run.messages]
    message = (await run.output())["messages"][-1]
    assert shown(await told.output) == shown(message)
    return message


ALWAYS_V1 = (events, aevents, graph_events)
WAYS: tuple[Way, ...] = (
    invoke,
    ainvoke,
    invoke_that_streams,
    stream,
    astream,
    stream_added_to_a_plain_chunk,
    stream_added_at_once,
    older_events,
    graph,
    *ALWAYS_V1,
)


def without_index(content: Any) -> Any:
    """Return blocks without the numbers by which chunks and events find each other."""
    if isinstance(content, str):
        return content
    return [{key: value for key, value in block.items() if key != "index"} for block in content if block]


def shown(message: AIMessage) -> dict[str, Any]:
    """Return all that a message says, but for its id, which is the run's."""
    return {
        # Events make "" of a content without blocks.
        "content": without_index(message.content) or "",
        "content_blocks": without_index(message.content_blocks),
        "text": message.text,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "additional_kwargs": message.additional_kwargs,
        "response_metadata": message.response_metadata,
        "usage_metadata": message.usage_metadata,
    }


@pytest.mark.parametrize("output_version", [None, "v1"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("said", ANSWERS, ids=lambda said: said.name)
async def test_an_answer_is_the_same_message_in_every_way(
    scripted: Any, said: Answer, way: Way, output_version: str | None
) -> None:
    server = scripted(choose=said.script)
    llm = ChatOpenRouter(model="m/x", api_key="sk-or-v1-test", base_url=server.base_url)
    llm = llm.model_copy(update={"output_version": output_version})
    whole = llm.model_copy(update={"output_version": "v1"}) if way in ALWAYS_V1 else llm
    message = shown(await way(llm))
    assert message["content_blocks"] == list(said.blocks)
    assert message == shown(whole.invoke("hi"))
