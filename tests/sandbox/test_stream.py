"""Answers that come in chunks."""

from __future__ import annotations

import base64
import json

import pytest
from openrouter.components import ChatStreamChunk

QUESTION = "What is 12 * 7?"


def deltas(reply):
    return [chunk["choices"][0]["delta"] for chunk in reply.chunks]


def text(reply):
    return "".join(delta.get("content") or "" for delta in deltas(reply))


def test_a_stream_is_framed_like_the_real_one(call):
    reply = call.stream(QUESTION)
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.lines[0] == ": OPENROUTER PROCESSING"
    assert reply.lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in reply.lines[1:-1])
    assert {chunk["id"] for chunk in reply.chunks} == {reply.headers["x-generation-id"]}
    assert {chunk["object"] for chunk in reply.chunks} == {"chat.completion.chunk"}
    assert {chunk["provider"] for chunk in reply.chunks} == {"OpenAI"}
    assert {delta["role"] for delta in deltas(reply)} == {"assistant"}


def test_usage_comes_once_after_the_finish_reason_which_it_repeats(call):
    *before, finish, usage = call.stream(QUESTION).chunks
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in before)
    assert not any("usage" in chunk for chunk in (*before, finish))
    assert finish["choices"][0]["finish_reason"] == usage["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert usage["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize("body", [{}, {"max_tokens": 3}, {"reasoning": {"effort": "low"}}, {"seed": 3}])
def test_streamed_and_whole_answers_are_the_same(call, body):
    whole, streamed = call.chat(QUESTION, **body), call.stream(QUESTION, **body)
    assert text(streamed) == whole.message["content"]
    assert "".join(delta.get("reasoning") or "" for delta in deltas(streamed)) == (
        whole.message["reasoning"] or ""
    )
    assert streamed.chunks[-1]["usage"] == whole.json["usage"]
    assert streamed.chunks[-1]["choices"][0]["finish_reason"] == whole.json["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    "model", ["anthropic/claude-sonnet-4.6", "openai/gpt-5-mini", "google/gemini-2.5-flash"]
)
def test_the_official_sdk_reads_every_chunk(call, tools, model):
    reply = call.stream(
        "What is the weather in Paris?", model=model, tools=tools, reasoning={"effort": "low"}
    )
    assert all(ChatStreamChunk.model_validate(chunk).choices for chunk in reply.chunks)


def test_tool_calls_come_by_index_name_first_and_arguments_in_pieces(call, tools):
    reply = call.stream("What is the weather in Paris, and what is 3 times 4?", tools=tools)
    fragments = [each for delta in deltas(reply) for each in delta.get("tool_calls", ())]
    assert [each["index"] for each in fragments] == sorted(each["index"] for each in fragments)
    for index, arguments in enumerate(({"city": "Paris"}, {"a": 3, "b": 4})):
        first, *more = [each for each in fragments if each["index"] == index]
        assert first["id"]
        assert first["function"]["name"]
        assert first["function"]["arguments"] == ""
        assert len(more) > 1
        assert not any("id" in each or "name" in each["function"] for each in more)
        assert json.loads("".join(each["function"]["arguments"] for each in more)) == arguments
    assert reply.chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def details(reply):
    return [entry for delta in deltas(reply) for entry in delta.get("reasoning_details", ())]


def test_claude_sends_its_signature_alone_and_last(call):
    body = {"model": "anthropic/claude-sonnet-4.6", "reasoning": {"max_tokens": 2000}}
    first, *middle, last = details(call.stream(QUESTION, **body))
    assert (first["text"], first["signature"]) == ("", "")
    assert len(middle) > 3
    assert not any("signature" in entry for entry in middle)
    assert last["signature"]
    assert "text" not in last
    assert {entry["format"] for entry in (first, *middle, last)} == {"anthropic-claude-v1"}
    assert {entry["index"] for entry in (first, *middle, last)} == {0}


def test_openai_sends_a_summary_in_pieces_and_an_encrypted_item_whole(call):
    entries = details(call.stream(QUESTION, reasoning={"effort": "low"}))
    *summary, encrypted = entries
    assert {entry["type"] for entry in summary} == {"reasoning.summary"}
    assert encrypted["type"] == "reasoning.encrypted"
    assert encrypted["id"].startswith("rs_")


def test_an_empty_list_of_reasoning_is_said_in_a_stream_too(sandbox, call):
    # DeepSeek refuses the next turn without it.
    sandbox.answer_next({"content": "84", "reasoning": "Let me see.", "reasoning_details": []})
    reply = call.stream(QUESTION)
    said = [delta for delta in deltas(reply) if "reasoning_details" in delta]
    assert [delta["reasoning_details"] for delta in said] == [[]]
    assert "".join(delta.get("reasoning") or "" for delta in deltas(reply)) == "Let me see."


def test_gemini_sends_its_signature_beside_the_tool_call(call, tools):
    body = {"model": "google/gemini-2.5-flash", "reasoning": {"enabled": True}, "tools": tools}
    reply = call.stream("What is the weather in Paris?", **body)
    (delta,) = [delta for delta in deltas(reply) if delta.get("tool_calls")]
    (entry,) = delta["reasoning_details"]
    assert entry["type"] == "reasoning.encrypted"
    assert entry["id"] == delta["tool_calls"][0]["id"]


def test_gemini_sends_its_signature_after_the_text(call):
    reply = call.stream(QUESTION, model="google/gemini-2.5-flash", reasoning={"enabled": True})
    kinds = [
        "signature" if "encrypted" in str(delta) else "text" if delta["content"] else ""
        for delta in deltas(reply)
    ]
    assert [kind for kind in kinds if kind][-1] == "signature"


def test_citations_come_before_the_text_one_by_one(call):
    first = deltas(call.stream("cats", plugins=[{"id": "web", "max_results": 3}]))[:4]
    assert [len(delta.get("annotations", ())) for delta in first] == [1, 1, 1, 0]


def test_the_upstream_body_is_echoed_when_asked_for(call):
    first = call.stream(QUESTION, debug={"echo_upstream_body": True}).chunks[0]
    assert first["choices"] == []
    assert first["debug"]["echo_upstream_body"]["messages"][0]["content"] == QUESTION


def test_router_metadata_is_on_the_last_chunk(call):
    reply = call.chat(QUESTION, headers={"X-OpenRouter-Metadata": "enabled"}, stream=True)
    assert ["openrouter_metadata" in chunk for chunk in reply.chunks].index(True) == len(reply.chunks) - 1


def test_an_audio_model_speaks(call):
    body = {
        "model": "openai/gpt-audio",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "pcm16"},
    }
    audio = [delta["audio"] for delta in deltas(call.stream("Say hello", **body)) if "audio" in delta]
    assert "".join(each["transcript"] for each in audio)
    assert all(base64.b64decode(each["data"], validate=True) for each in audio)


def test_a_refused_stream_is_plain_json(call):
    reply = call.stream(QUESTION, models=["a", "b", "c", "d"])
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/json"


def test_text_is_sent_as_utf8(call):
    reply = call.stream('Repeat after me: "žluťoučký kůň 🐎"')
    assert "🐎".encode() in reply.raw
