"""The chunks of a stream, and their sum."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph.message import add_messages

from langchain_openrouter_opts import ChatOpenRouter
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


def test_a_sum_becomes_a_plain_message(chunks_of: Any) -> None:
    first, *others = chunks_of('{"to": "Bob"', "length")
    for chunk in (first, first + others):
        assert type(message_chunk_to_message(chunk)) is AIMessage
