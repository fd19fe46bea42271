"""The chunks of a stream, and their sum."""

from __future__ import annotations

import copy
import json
import operator
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_chunk_to_message,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph.message import add_messages

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts.messages import wire_messages
from tests.langchain.five_ways import FACTS, more, opened
from tests.wire_bytes import DONE, delta, event, streamed


@pytest.fixture(params=["v0", "v1"])
def chunks_of(request: pytest.FixtureRequest, scripted: Any) -> Callable[[str, str], list[Any]]:
    """Return a function that streams a call whose arguments come in two pieces, and gives the chunks."""

    def chunks(arguments: str, finish_reason: str) -> list[Any]:
        middle = len(arguments) // 2
        pieces = (opened(0, "c1", "pay", arguments[:middle]), more(0, arguments[middle:]))
        deltas = [event({**FACTS, "choices": [{"index": 0, "delta": piece}]}) for piece in pieces]
        server = scripted(streamed(*deltas, delta("", finish_reason=finish_reason), DONE))
        llm = ChatOpenRouter(
            model="m/x", api_key="sk-or-v1-test", base_url=server.base_url, output_version=request.param
        )
        return list(llm.stream("hi"))

    return chunks


def test_a_call_can_be_shown_while_it_comes_and_is_read_strictly_at_the_end(chunks_of: Any) -> None:
    first, second, last = chunks_of('{"to": "Bob"', "length")
    assert (first + second).tool_calls[0]["args"] == {"to": "Bob"}
    assert (first + second + last).tool_calls == []


def test_the_sum_of_a_sound_answer_is_a_plain_chunk(chunks_of: Any) -> None:
    whole = reduce(operator.add, chunks_of('{"to": "Bob"}', "tool_calls"))
    assert type(whole) is AIMessageChunk
    assert whole.tool_calls[0]["args"] == {"to": "Bob"}


def kept_by_langgraph(chunk: Any) -> Any:
    serializer = JsonPlusSerializer(
        allowed_msgpack_modules=[("langchain_openrouter_opts.chunks", "AIMessageChunk")]
    )
    return serializer.loads_typed(serializer.dumps_typed(chunk))


@pytest.mark.parametrize(
    "keep",
    [
        lambda chunk: chunk + AIMessageChunk(""),
        lambda chunk: AIMessageChunk("") + chunk,
        lambda chunk: chunk.model_copy(deep=True),
        copy.deepcopy,
        lambda chunk: pickle.loads(pickle.dumps(chunk)),
        kept_by_langgraph,
        message_chunk_to_message,
        lambda chunk: add_messages([], [chunk])[0],  # type: ignore[index]
    ],
    ids=["added to", "added", "model_copy", "deepcopy", "pickle", "langgraph", "message", "add_messages"],
)
def test_a_broken_call_stays_broken_whatever_becomes_of_the_sum(chunks_of: Any, keep: Any) -> None:
    whole = reduce(operator.add, chunks_of('{"to": "Bob"', "length"))
    kept = keep(whole)
    assert kept.tool_calls == []
    assert kept.invalid_tool_calls == whole.invalid_tool_calls
    assert [block["type"] for block in kept.content_blocks] == ["invalid_tool_call"]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        '{"path": "/home',
        '{"path": "/home\\',
        '{"paths": ["/home"',
        '{"paths": ["/home',
        '{"a": {',
        '{"a": 1',
        "",
    ],
)
@pytest.mark.parametrize(
    "again",
    [
        lambda sum_: loads(dumps(sum_), allowed_objects="all"),
        lambda sum_: load(dumpd(sum_), allowed_objects="all"),
        lambda sum_: messages_from_dict(messages_to_dict([sum_]))[0],
        lambda sum_: AIMessageChunk(**sum_.model_dump()),
        lambda sum_: AIMessageChunk(**AIMessageChunk(**sum_.model_dump()).model_dump()),
        lambda sum_: add_ai_message_chunks(AIMessageChunk(""), sum_),
    ],
    ids=["dumps", "dumpd", "messages_to_dict", "model_dump", "model_dump twice", "core's sum"],
)
def test_a_call_that_was_cut_off_stays_broken_after_a_round_trip(
    chunks_of: Any, again: Any, arguments: str
) -> None:
    whole = reduce(operator.add, chunks_of(arguments, "length"))
    (broken,) = whole.invalid_tool_calls
    assert broken["args"] == (arguments or None)
    kept = again(whole)
    assert kept.tool_calls == []
    assert [call["name"] for call in kept.invalid_tool_calls] == ["pay"]
    (sent,) = wire_messages([kept])
    (called,) = sent["tool_calls"]
    assert called["function"]["arguments"] == (json.dumps({"INVALID_JSON": arguments}) if arguments else "{}")


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_call_that_was_cut_off_says_the_same_after_dumps(chunks_of: Any) -> None:
    whole = reduce(operator.add, chunks_of('{"path": "/home', "length"))
    kept = loads(dumps(whole), allowed_objects="all")
    assert type(kept) is AIMessage
    assert kept.invalid_tool_calls == whole.invalid_tool_calls
    assert kept.content_blocks == message_chunk_to_message(whole).content_blocks


def test_pieces_that_langchain_adds_itself_make_no_call_of_one_that_was_cut_off(chunks_of: Any) -> None:
    pieces = [AIMessageChunk(**chunk.model_dump()) for chunk in chunks_of('{"path": "/home', "length")]
    assert add_ai_message_chunks(*pieces).tool_calls == []


def test_a_call_that_was_cut_off_and_mended_since_goes_back_broken() -> None:
    stored = AIMessageChunk(
        content="",
        tool_call_chunks=[tool_call_chunk(name="pay", args='{"to": "Bo', id="c1", index=0)],
        response_metadata={"model_provider": "openrouter", "finish_reason": "length"},
    )
    assert stored.tool_calls[0]["args"] == {"to": "Bo"}
    (sent,) = wire_messages([stored])
    assert sent["tool_calls"][0]["function"]["arguments"] == json.dumps({"INVALID_JSON": '{"to": "Bo'})


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
def test_a_history_in_json_holds_no_call_that_was_cut_off(chunks_of: Any) -> None:
    kept: list[dict[str, Any]] = []

    class History(BaseChatMessageHistory):
        @property
        def messages(self) -> list[BaseMessage]:  # type: ignore[override]
            return messages_from_dict(kept)

        def add_messages(self, messages: Sequence[BaseMessage]) -> None:
            kept.extend(messages_to_dict(messages))

        def clear(self) -> None:
            kept.clear()

    def model(_: Any) -> Iterator[Any]:
        yield from chunks_of('{"path": "/home', "length")

    history = History()
    chain = RunnableWithMessageHistory(RunnableLambda(model), lambda: history, history_factory_config=[])
    list(chain.stream("hi"))
    assert getattr(history.messages[-1], "tool_calls", None) == []


def test_a_sum_becomes_a_plain_message(chunks_of: Any) -> None:
    first, *others = chunks_of('{"to": "Bob"', "length")
    for chunk in (first, first + others):
        assert type(message_chunk_to_message(chunk)) is AIMessage
