"""Properties: how the bytes are split changes nothing, and nothing that comes makes a call end in any way but two."""

from __future__ import annotations

import json
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.protocol.completion import Completion, Delta
from openrouter_opts.sandbox import Sandbox
from tests.fake_wire import JSON, SSE, Outcome, call, whole_call
from tests.invariants import ends_well, same, tells_the_same
from tests.json_places import mutated, places
from tests.wire_bytes import COMPLETION

FILES = sorted((Path(__file__).parent.parent / "streams").glob("*.sse"))
STREAMS = {file.stem: file.read_bytes() for file in FILES}
RECORDED = pytest.mark.parametrize("name", STREAMS)


# Recorded anew in every run, so that the sandbox cannot drift from what is read here: text, reasoning, and two tool calls.
ASKED = {
    "model": "anthropic/claude-sonnet-4.6",
    "stream": True,
    "reasoning": {"effort": "low"},
    "messages": [{"role": "user", "content": "What is the weather in Rome, and what is 3 times 4?"}],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": does,
                "parameters": {"type": "object", "properties": takes},
            },
        }
        for name, does, takes in (
            ("weather", "The weather in a city.", {"city": {"type": "string"}}),
            ("multiply", "Multiply two numbers.", {"a": {"type": "integer"}, "b": {"type": "integer"}}),
        )
    ],
}


@pytest.fixture(scope="module")
def from_the_sandbox() -> bytes:
    with Sandbox() as sandbox:
        request = urllib.request.Request(
            f"{sandbox.base_url}/chat/completions",
            json.dumps(ASKED).encode(),
            {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())


def test_a_stream_of_the_sandbox_is_read(from_the_sandbox: bytes):
    completion = call([SSE, from_the_sandbox]).completion
    assert [(call.name, call.args) for call in completion.tool_calls] == [
        ("weather", {"city": "Rome"}),
        ("multiply", {"a": 3, "b": 4}),
    ]
    (details,) = completion.choice.reasoning_details or ()
    assert details["signature"]
    assert details["text"] == completion.reasoning
    assert completion.cost.total


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_split_of_a_stream_of_the_sandbox_gives_the_same_answer(
    from_the_sandbox: bytes, data: st.DataObject
):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(from_the_sandbox)), max_size=60)))
    pieces = [from_the_sandbox[a:b] for a, b in zip([0, *cuts], [*cuts, len(from_the_sandbox)], strict=True)]
    assert same(call([SSE, from_the_sandbox]), call([SSE, *filter(None, pieces)]))


def whole(name: str) -> Outcome:
    return call([SSE, STREAMS[name]])


@RECORDED
def test_a_recorded_stream_is_read(name: str):
    completion = whole(name).completion
    assert completion.text
    assert completion.reasoning
    assert completion.choice.reasoning_details
    assert completion.cost.total
    assert completion.id
    assert completion.id.startswith("gen-")


def test_the_recorded_streams_say_what_their_models_said():
    claude, gemini, openai = (whole(name).completion for name in ("claude", "gemini", "openai"))
    assert [(call.name, call.args) for call in claude.tool_calls] == [
        ("lookup", {"country": "Côte d'Ivoire"}),
        ("clock", {}),
    ]
    assert claude.choice.reasoning_details == (
        {
            "type": "reasoning.text",
            "format": "anthropic-claude-v1",
            "index": 0,
            "text": "The user asks for the capital of Côte d'Ivoire.",
            "signature": "EqQBCkgIBRABGAIiQL8xK3cmHn0pVw==",
        },
    )
    assert openai.text == "2 + 2 = 4 ✓\n\nline\u2028separator"
    assert [item["type"] for item in openai.choice.reasoning_details or ()] == [
        "reasoning.summary",
        "reasoning.encrypted",
    ]
    assert (gemini.text, gemini.finish_reason, gemini.choice.native_finish_reason) == (
        "日本の首都は東京です。",
        "tool_calls",
        "STOP",
    )
    assert len(gemini.choice.annotations) == 1


@RECORDED
def test_one_byte_at_a_time_gives_the_same_answer(name: str):
    assert same(whole(name), call([SSE, *(bytes([byte]) for byte in STREAMS[name])]))


@RECORDED
@pytest.mark.parametrize("ending", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_other_line_ends_give_the_same_answer(name: str, ending: bytes):
    assert same(whole(name), call([SSE, STREAMS[name].replace(b"\n", ending)]))


@RECORDED
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_split_gives_the_same_answer(name: str, data: st.DataObject):
    raw = STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=30)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    # An empty read would be the end of the body.
    assert same(whole(name), call([SSE, *filter(None, pieces)]))


@RECORDED
def test_a_stream_cut_anywhere_is_an_error_or_whole(name: str):
    raw = STREAMS[name]
    last_word = raw.index(b'"finish_reason":"')
    for cut in range(0, len(raw), 7):
        outcome = call([SSE, raw[:cut]])
        assert (outcome.error is None) == any(isinstance(item, Completion) for item in outcome.items)
        if cut < last_word:
            assert isinstance(outcome.error, OpenRouterError), cut
            assert bool(outcome.deltas) == (outcome.error.partial is not None)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 600)
    | st.floats()
    | st.sampled_from(["", "x", "error", "stop", "429", "\ud83d", "\ude00", '{"a": 1}']),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "error", "text"]), inner)
    ),
    max_leaves=5,
)


CHUNKS = {
    name: [json.loads(line[6:]) for line in raw.decode().split("\n") if line.startswith("data: {")]
    for name, raw in STREAMS.items()
}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_mutated_stream_ends_in_an_answer_or_an_error_of_ours(data: st.DataObject):
    chunks: Any = CHUNKS[data.draw(st.sampled_from(sorted(CHUNKS)))]
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(places(chunks)[1:]))
        chunks = mutated(chunks, path, data.draw(json_values))
        if not path[1:]:
            break
    body = (
        b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    )
    with warnings.catch_warnings(action="ignore"):
        ends_well(call([SSE, body]))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_stream_with_broken_bytes_ends_in_an_answer_or_an_error_of_ours_however_it_is_split(
    data: st.DataObject,
):
    raw = STREAMS[data.draw(st.sampled_from(sorted(STREAMS)))]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(start + 8, len(raw))))
        raw = (
            raw[:start]
            + data.draw(st.binary(max_size=4) | st.sampled_from([b"\n", b"\r", b"\n\n"]))
            + raw[end:]
        )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=20)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    with warnings.catch_warnings(action="ignore"):
        whole, split = call([SSE, raw]), call([SSE, *filter(None, pieces)])
    ends_well(whole)
    ends_well(split)
    assert (whole.deltas, type(whole.error)) == (split.deltas, type(split.error))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_mutated_answer_ends_in_an_answer_or_an_error_of_ours(data: st.DataObject):
    body = whole(data.draw(st.sampled_from(sorted(STREAMS)))).completion.raw | {"extra": COMPLETION}
    for _ in range(data.draw(st.integers(1, 4))):
        body = mutated(body, data.draw(st.sampled_from(places(body))), data.draw(json_values))
    ends_well(whole_call([JSON, json.dumps(body).encode()]))


@settings(max_examples=100, deadline=None)
@given(raw=st.binary(max_size=200), event=st.booleans())
def test_arbitrary_bytes_end_in_an_answer_or_an_error_of_ours(raw: bytes, event: bool):
    ends_well(call([SSE, b"data: " + raw + b"\n\n"] if event else [SSE, raw]) if raw else call([SSE]))
    ends_well(whole_call([JSON, raw]))


@RECORDED
def test_an_answer_that_comes_in_chunks_equals_the_same_answer_whole(name: str):
    streamed = whole(name).completion
    assert whole_call([JSON, json.dumps(streamed.raw).encode()]).completion.choices == streamed.choices


@pytest.mark.parametrize("key", ["delta", "message"])
def test_a_stream_that_stops_within_a_character_tells_what_its_answer_says(key: str):
    half = {"content": "a\ud83d", "reasoning": "b\ud83d"}
    raw = {"choices": [{"index": 0, key: half, "finish_reason": "length"}]}
    body = b"data: " + json.dumps(raw).encode() + b"\n\ndata: [DONE]\n\n"
    outcome = call([SSE, body]) if key == "delta" else call([JSON, json.dumps(raw).encode()])
    tells_the_same(outcome.deltas, outcome.completion)
    assert outcome.text == "a\ufffd"


def test_a_delta_is_a_small_value():
    assert Delta() == Delta("", "", (), "", 0, {})
