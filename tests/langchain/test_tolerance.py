"""Answers with something missing, repeated or in another place, as providers behind OpenRouter send them: each is one good message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import HumanMessage

from tests.langchain.conftest import Ask, either, model_at
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, STREAM_HEAD, USAGE, USAGE_CHUNK, answer, chunked, delta, event

Start = Callable[..., ScriptedServer]


def body(message: dict[str, Any] | None = None, *, without: str = "", **more: Any) -> dict[str, Any]:
    """Return an answer; `message` goes over its message, and `without` is left out, wherever it stands."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello", **(message or {})},
        "finish_reason": "stop",
    }
    whole = {**COMPLETION, "created": 1790000000, **more}
    for holder in (whole, choice, choice["message"]):
        holder.pop(without, None)
    if without != "choices":
        whole["choices"] = [choice]
    return whole


def look(arguments: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": arguments},
        **more,
    }


@pytest.mark.parametrize(
    "given",
    [
        *(
            pytest.param(body(without=name), id=f"without {name}")
            for name in ("id", "object", "created", "model", "provider", "index", "role", "usage")
        ),
        pytest.param(body(without="finish_reason"), id="without finish_reason"),
        pytest.param(body(system_fingerprint=None), id="with null for a fingerprint"),
        pytest.param(body(created=1790000000.5), id="created at a fraction of a second"),
        pytest.param(body(object="text_completion"), id="of another object"),
        pytest.param(body(openrouter_metadata={"strategy": "direct"}), id="with half of the metadata"),
        pytest.param(body({"refusal": None, "reasoning": None}), id="with null for what isn't there"),
        pytest.param(body({"content": [{"type": "text", "text": "Hello"}]}), id="with parts for content"),
        pytest.param({"provider": body()}, id="inside provider"),
    ],
)
def test_an_answer_is_read_whatever_else_is_wrong_with_it(ask: Ask, scripted: Start, given: Any) -> None:
    server = scripted([answer(given)])
    assert ask(model_at(server), "hi").content == "Hello"


def test_json_is_read_whatever_it_calls_itself(ask: Ask, scripted: Start) -> None:
    server = scripted([answer(body(), Content_Type="text/plain")])
    assert ask(model_at(server), "hi").content == "Hello"


def test_fractions_of_tokens_are_counted_as_whole_ones(ask: Ask, scripted: Start) -> None:
    usage = {**USAGE, "prompt_tokens": 7.0, "completion_tokens": 2.9, "total_tokens": 9.9}
    message = ask(model_at(scripted([answer(body(usage=usage))])), "hi")
    assert message.usage_metadata is not None
    assert {type(count) for count in message.usage_metadata.values()} == {int}
    assert message.usage_metadata["input_tokens"] == 7


@pytest.mark.parametrize(
    ("calls", "id_"),
    [
        pytest.param([look('{"a": 1}')], "c1", id="as it should be"),
        pytest.param([look({"a": 1})], "c1", id="arguments as an object"),
        pytest.param([{"function": look('{"a": 1}')["function"], "id": "c1"}], "c1", id="no type"),
        pytest.param([look('{"a": 1}', type="")], "c1", id="an empty type"),
        pytest.param([look('{"a": 1}', id="")], "callgen1_0", id="an empty id"),
        pytest.param([look('{"a": 1}', id=None)], "callgen1_0", id="no id"),
    ],
)
def test_a_tool_call_is_read_whatever_is_missing(ask: Ask, scripted: Start, calls: Any, id_: str) -> None:
    server = scripted([answer(body({"content": None, "tool_calls": calls}))])
    (call,) = ask(model_at(server), "hi").tool_calls
    assert (call["name"], call["args"], call["id"]) == ("look", {"a": 1}, id_)


FIRST = look('{"a"', index=0)
LATER = {"index": 0, "function": {"arguments": ": 1}"}}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([FIRST, LATER], id="as it should be"),
        pytest.param([look('{"a"'), {"function": {"arguments": ": 1}"}}], id="no index"),
        pytest.param([look('{"a"', index=0, type=""), {**LATER, "type": ""}], id="an empty type"),
        pytest.param(
            [FIRST, {**LATER, "id": None, "function": {"name": None, "arguments": ": 1}"}}], id="nulls"
        ),
        pytest.param([FIRST, look(": 1}", index=0)], id="id and name in every piece"),
        pytest.param(
            [FIRST, {"index": 0, "function": {"name": "look", "arguments": ": 1}"}}], id="the name again"
        ),
        pytest.param([FIRST, LATER, look('{"a": 1}', index=0)], id="the whole call once more"),
    ],
)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_a_tool_call_in_pieces_is_one_call(ask: Ask, scripted: Start, pieces: Any, version: str) -> None:
    whole = body({"content": None, "tool_calls": [look('{"a": 1}')]})
    chunks = [delta(tool_calls=[piece]) for piece in pieces]
    server = scripted(choose=either(whole, *chunks, delta("", finish_reason="tool_calls"), USAGE_CHUNK, DONE))
    message = ask(model_at(server, output_version=version), "hi")
    (call,) = message.tool_calls
    assert (call["name"], call["args"], call["id"]) == ("look", {"a": 1}, "c1")
    assert not message.invalid_tool_calls
    (block,) = [block for block in message.content_blocks if block["type"] == "tool_call"]
    assert (block["name"], block["args"]) == ("look", {"a": 1})


@pytest.mark.parametrize(
    ("pieces", "ids"),
    [
        pytest.param(
            [look('{"a": 1}', index=0), look('{"a": 2}', index=1, id="c2")],
            ["c1", "c2"],
            id="as it should be",
        ),
        pytest.param([look('{"a": 1}'), look('{"a": 2}', id="c2")], ["c1", "c2"], id="no index"),
        pytest.param(
            [look('{"a": 1}', index=0), look('{"a": 2}', index=0, id="c2")],
            ["c1", "c2"],
            id="one index for both",
        ),
        pytest.param(
            [look('{"a": 1}', id=None), look('{"a": 2}', id=None)],
            ["callgen1_0", "callgen1_1"],
            id="neither an index nor an id",
        ),
        pytest.param(
            [look('{"a": 1}', index=0, id=None), look('{"a": 2}', index=1, id=None)],
            ["callgen1_0", "callgen1_1"],
            id="no id",
        ),
    ],
)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_two_tool_calls_are_two(ask: Ask, scripted: Start, pieces: Any, ids: list[str], version: str) -> None:
    calls = [{name: value for name, value in piece.items() if name != "index"} for piece in pieces]
    whole = body({"content": None, "tool_calls": calls})
    end = delta("", finish_reason="tool_calls")
    server = scripted(choose=either(whole, delta(tool_calls=pieces), end, USAGE_CHUNK, DONE))
    message = ask(model_at(server, output_version=version), "hi")
    assert [call["args"] for call in message.tool_calls] == [{"a": 1}, {"a": 2}]
    assert [call["id"] for call in message.tool_calls] == ids
    assert not message.invalid_tool_calls


def test_one_id_for_two_tool_calls_stays_two_calls(ask: Ask, scripted: Start) -> None:
    whole = body({"content": None, "tool_calls": [look('{"a": 1}'), look('{"a": 2}')]})
    pieces = [delta(tool_calls=[look(json.dumps({"a": number}), index=number)]) for number in (1, 2)]
    end = delta("", finish_reason="tool_calls")
    server = scripted(choose=either(whole, *pieces, end, USAGE_CHUNK, DONE))
    message = ask(model_at(server), "hi")
    assert [call["args"] for call in message.tool_calls] == [{"a": 1}, {"a": 2}]
    assert len({call["id"] for call in message.tool_calls}) == 2


def test_the_blocks_of_a_v1_stream_say_what_they_continue(scripted: Start) -> None:
    pieces = [
        delta(reasoning="Hm", reasoning_details=[{"type": "reasoning.text", "text": "Hm", "index": 0}]),
        delta(reasoning=".", reasoning_details=[{"type": "reasoning.text", "text": ".", "index": 0}]),
        delta("Hel"),
        delta("lo"),
        delta(tool_calls=[FIRST]),
        delta(tool_calls=[LATER]),
        delta("", finish_reason="tool_calls"),
        USAGE_CHUNK,
        DONE,
    ]
    server = scripted([STREAM_HEAD, *map(chunked, pieces), chunked(b"")])
    chunks = list(model_at(server, output_version="v1").stream("hi"))
    indexes = [block["index"] for chunk in chunks for block in chunk.content if "index" in block]
    kinds = [str(index).rpartition("_")[0] for index in indexes]
    assert [kind for kind in kinds if kind != "lc_rs"] == ["lc_txt", "lc_txt", "lc_tc", "lc_tc"]
    assert kinds.count("lc_rs") >= 2
    assert len(set(indexes)) == 3


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\r\n: OPENROUTER PROCESSING\r\n\r\n", delta("Hello"), DONE], id="comments"),
        pytest.param([delta("Hello").replace(b"\n", b"\r\n"), DONE], id="lines that end in CRLF"),
        pytest.param([delta("Hello").replace(b"data: ", b"data:"), DONE], id="no space"),
        pytest.param(
            [event({"choices": []}), delta("Hello"), event({"choices": [{"delta": None}]}), DONE],
            id="chunks of nothing",
        ),
        pytest.param([delta("Hello", finish_reason="stop")], id="no end but a finish reason"),
        pytest.param([delta("Hello", role="tool"), DONE], id="another role"),
        pytest.param([delta(None, content=[{"type": "text", "text": "Hello"}]), DONE], id="parts"),
    ],
)
def test_a_stream_is_read_whatever_its_form(scripted: Start, pieces: list[bytes]) -> None:
    server = scripted([STREAM_HEAD, *map(chunked, pieces), chunked(b"")])
    assert "".join(chunk.text for chunk in model_at(server).stream("hi")) == "Hello"


def test_usage_that_comes_twice_is_counted_once_and_the_last_cost_is_the_cost(
    ask: Ask, scripted: Start
) -> None:
    early = {**USAGE, "completion_tokens": 1, "total_tokens": 8, "cost": 0.0001}
    finish = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": early}
    server = scripted(choose=either(body(), delta("Hello"), event(finish), USAGE_CHUNK, DONE))
    message = ask(model_at(server), "hi")
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 9
    assert message.response_metadata["cost"] == 0.0003
    assert message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_reasoning_is_found_under_both_of_its_names(
    ask: Ask, scripted: Start, key: str, version: str
) -> None:
    whole = body({key: "Let me think."})
    chunks = [delta(**{key: "Let me "}), delta(**{key: "think."}), delta("Hello", finish_reason="stop"), DONE]
    message = ask(model_at(scripted(choose=either(whole, *chunks)), output_version=version), "hi")
    assert message.text == "Hello"
    first = message.content_blocks[0]
    assert (first["type"], first["reasoning"]) == ("reasoning", "Let me think.")


def test_what_the_usage_tells_in_detail_is_on_the_message(ask: Ask, scripted: Start) -> None:
    usage = {
        **USAGE,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 1, "video_tokens": 2, "file_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 5, "image_tokens": 6},
        "server_tool_use_details": {"tool_calls_requested": 2, "web_search_requests": 1},
        "is_byok": True,
        "cost_details": {"upstream_inference_cost": 0.01},
    }
    paid = event({"id": "gen-1", "choices": [], "usage": usage})
    server = scripted(choose=either(body(usage=usage), delta("Hello", finish_reason="stop"), paid, DONE))
    message = ask(model_at(server), "hi")
    assert message.usage_metadata is not None
    assert message.usage_metadata["input_token_details"] == {
        "cache_read": 3,
        "audio": 1,
        "video": 2,
        "file": 4,
    }
    assert message.usage_metadata["output_token_details"] == {"reasoning": 1, "audio": 5, "image": 6}
    metadata = message.response_metadata
    assert metadata["is_byok"] is True
    assert metadata["server_tool_use"] == {"tool_calls_requested": 2, "web_search_requests": 1}


@pytest.mark.parametrize("streaming", [False, True])
def test_a_batch_adds_up_what_it_used_and_cost_streamed_or_not(scripted: Start, streaming: bool) -> None:
    chunks = [delta("Hello", finish_reason="stop"), USAGE_CHUNK, DONE]
    llm = model_at(scripted(choose=either(body(), *chunks)), streaming=streaming)
    prompts: list[Any] = [[HumanMessage("a")], [HumanMessage("b")]]
    wanted = {
        "token_usage": {"prompt_tokens": 14, "completion_tokens": 4, "total_tokens": 18},
        "cost": 0.0006,
        "model_name": "m/x",
    }
    assert llm.generate(prompts).llm_output == wanted
    assert asyncio.run(llm.agenerate(prompts)).llm_output == wanted


@pytest.mark.parametrize("streaming", [False, True])
def test_a_batch_from_the_cache_used_and_cost_nothing(scripted: Start, streaming: bool) -> None:
    chunks = [delta("Hello", finish_reason="stop"), USAGE_CHUNK, DONE]
    server = scripted(choose=either(body(), *chunks))
    llm = model_at(server, streaming=streaming, cache=InMemoryCache())
    for output in ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}, {}):
        assert llm.generate([[HumanMessage("a")]]).llm_output["token_usage"] == output
    assert len(server.deliveries) == 1
