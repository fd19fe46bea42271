"""G: what a stream means. Whole, it is an answer; broken off, it is an error that keeps what had come."""

from __future__ import annotations

import time
import warnings
from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts.errors import (
    APIError,
    BadRequest,
    ConnectionLost,
    ContextLengthExceeded,
    Empty,
    Interrupted,
    OpenRouterError,
    Overloaded,
    ProviderFailed,
    RateLimited,
    ServerError,
    TimedOut,
)
from tests.faults.aftermath import HI, SOON, failure
from tests.faults.calls import Callers, Servers, spoken
from tests.wire_bytes import DONE, STREAM, USAGE, USAGE_CHUNK, chunked, delta, event, streamed

STOP = delta("", finish_reason="stop")


def call(arguments: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a piece of a tool call."""
    name = more.pop("name", None)
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"type": "function", **more, "function": function}


# --- G1-G3: how a stream ends ---


@pytest.mark.parametrize("end", ["RST", "FIN", chunked(b""), b"no chunk\r\n", b"5\r\ndata:"], ids=repr)
def test_a_finish_reason_makes_a_stream_whole(end: Any, scripted: Servers, caller: Callers):
    """Whether `[DONE]` came too is told nowhere: the answer is the same, and what may be missing, its usage, is `None`."""
    # The pause lets the client read what came before a reset, which takes unread bytes with it.
    client = caller(scripted([*streamed(delta("Hello"), STOP, end=0.05), end, "FIN"]))
    said, completion = spoken(client)
    assert (said, completion.finish_reason) == ("Hello", "stop")


BEGUN = [
    delta(reasoning="Let me think"),
    delta("Hel"),
    delta(tool_calls=[call('{"city": "Ro', index=0, id="call-1", name="weather")]),
    event({"id": "gen-1", "provider": "Mock", "choices": [], "usage": USAGE}),
]
CUT: dict[str, tuple[list[Any], type[OpenRouterError]]] = {
    "it just ends": ([chunked(b"")], Interrupted),
    "reset": ([0.05, "RST"], ConnectionLost),
    "closed": ([0.05, "FIN"], ConnectionLost),
    "no chunk": ([0.05, b"no chunk\r\n", "FIN"], ConnectionLost),
    "half a chunk": ([0.05, b"50\r\ndata: {", "FIN"], ConnectionLost),
}


@pytest.mark.parametrize(("end", "cls"), CUT.values(), ids=CUT)
def test_a_stream_that_is_cut_keeps_all_that_had_come(
    end: list[Any], cls: type[OpenRouterError], scripted: Servers, caller: Callers
):
    server = scripted([*streamed(*BEGUN, end=0.0), *end])
    error = failure(caller(server), cls, stream=True)
    partial = error.partial
    assert (partial.text, partial.reasoning, partial.finish_reason) == ("Hel", "Let me think", None)
    assert [(each.name, each.arguments) for each in partial.tool_calls] == [("weather", '{"city": "Ro')]
    assert (error.generation_id, error.provider, error.delivered) == ("gen-1", "Mock", "yes")
    assert error.usage.cost.total == Decimal("0.0003")
    assert len(server.deliveries) == 1


@pytest.mark.parametrize("again", [False, True])
def test_a_stream_of_comments_that_just_ends_may_have_been_paid_for(
    again: bool, scripted: Servers, caller: Callers
):
    waiting = [b": OPENROUTER PROCESSING\n\n"] * 3
    server = scripted(streamed(*waiting), streamed(*waiting, STREAM))
    client = caller(server, retry_uncertain=again)
    if again:
        assert spoken(client)[0] == "Hello"
    else:
        assert failure(client, Interrupted, stream=True).partial is None
    assert len(server.deliveries) == 1 + again


def test_what_came_before_an_error_was_given_to_the_caller(scripted: Servers, caller: Callers):
    stream, said = caller(scripted(streamed(delta("Hel"), delta("lo")))).stream(HI), []
    with pytest.raises(Interrupted):
        said.extend(step.text for step in stream)
    assert said == ["Hel", "lo"]


def test_half_a_tool_call_is_not_offered_to_be_run(scripted: Servers, caller: Callers):
    half = delta(tool_calls=[call('{"path": "/", "recursive": true', index=0, id="call-1", name="remove")])
    error = failure(caller(scripted(streamed(half))), Interrupted, stream=True)
    (kept,) = error.partial.tool_calls
    assert (kept.args, kept.arguments) == (None, '{"path": "/", "recursive": true')


# --- G4-G8: errors in a stream ---


def broken(**more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": ""}, "finish_reason": "error", **more}


ERRORS: dict[str, tuple[dict[str, Any], type[OpenRouterError], int | None]] = {
    **{
        f"code {code}": ({"error": {"code": code, "message": "x"}, "choices": [broken()]}, cls, code)
        for code, cls in {
            400: BadRequest,
            429: RateLimited,
            500: ServerError,
            502: ProviderFailed,
            529: Overloaded,
        }.items()
    },
    "a code in words": ({"error": {"code": "server_error", "message": "x"}}, ServerError, 500),
    "a prompt too long": (
        {"error": {"code": "context_length_exceeded", "message": "x"}},
        ContextLengthExceeded,
        400,
    ),
    "no message": ({"error": {"code": 429}}, RateLimited, 429),
    "no code": ({"error": {"message": "x"}}, APIError, None),
    "only text": ({"error": "x"}, APIError, None),
    "a code as text": ({"error": {"code": "502", "message": "x"}}, ProviderFailed, 502),
    "in its choice": ({"choices": [broken(error={"code": 502, "message": "x"})]}, ProviderFailed, 502),
    "only a finish reason": ({"choices": [broken()]}, ProviderFailed, 502),
}


@pytest.mark.parametrize(("chunk", "cls", "status"), ERRORS.values(), ids=ERRORS)
def test_an_error_in_a_stream_has_its_class_and_what_had_come(
    chunk: dict[str, Any],
    cls: type[OpenRouterError],
    status: int | None,
    scripted: Servers,
    caller: Callers,
):
    server = scripted(streamed(delta("Hel"), event({"id": "gen-1", "usage": USAGE, **chunk}), DONE))
    error = failure(caller(server), cls, stream=True)
    assert (error.status, error.partial.text, error.generation_id) == (status, "Hel", "gen-1")
    assert error.usage.cost.total == Decimal("0.0003")
    # After the first delta nothing is tried again, whatever the code.
    assert (error.attempts, len(server.deliveries)) == (1, 1)


def test_an_error_before_the_first_delta_is_tried_again(scripted: Servers, caller: Callers):
    busy = streamed(event({"error": {"code": 429, "message": "slow", "availability": {"retry_after": 0}}}))
    server = scripted(busy, streamed(STREAM))
    said, completion = spoken(caller(server))
    assert (said, completion.attempts, len(server.deliveries)) == ("Hello", 2, 2)


def test_an_error_before_the_first_delta_that_is_the_callers_is_not(scripted: Servers, caller: Callers):
    server = scripted(streamed(event({"error": {"code": 400, "message": "bad"}})))
    assert failure(caller(server), BadRequest, stream=True).partial is None
    assert len(server.deliveries) == 1


def test_an_error_after_the_finish_reason_is_a_warning(scripted: Servers, caller: Callers):
    late = event({"error": {"code": 502, "message": "Token limit reached"}})
    client = caller(scripted(streamed(delta("Hello"), STOP, late, USAGE_CHUNK, DONE)))
    with pytest.warns(UserWarning, match="Token limit reached"):
        said, completion = spoken(client)
    assert (said, completion.finish_reason, completion.cost.total) == ("Hello", "stop", Decimal("0.0003"))


# --- several choices: each of them is an answer, and half of one is half an answer ---


def of(choice: int, text: str = "", finish_reason: str | None = None, **more: Any) -> bytes:
    """Return the event of a chunk of one choice among several."""
    raw = {"index": choice, "delta": {"content": text}, "finish_reason": finish_reason, **more}
    return event({"id": "gen-1", "provider": "Mock", "model": "m/x", "choices": [raw]})


FIRST = [of(0, "Hello"), of(0, finish_reason="stop")]
DOWN = {"code": 502, "message": "down"}
ALL_DOWN = {"error": DOWN, "choices": []}
HALF: dict[str, tuple[list[Any], type[OpenRouterError]]] = {
    "not begun, reset": ([0.05, "RST"], ConnectionLost),
    "not begun, closed": ([chunked(b"")], Interrupted),
    "not begun, an error for all": ([chunked(event(ALL_DOWN) + DONE), chunked(b"")], ProviderFailed),
    "begun, closed": ([chunked(of(1, "Goo")), chunked(b"")], Interrupted),
    "begun, an error for all": (
        [chunked(of(1, "Goo") + event(ALL_DOWN) + DONE), chunked(b"")],
        ProviderFailed,
    ),
    "its own error": (
        [chunked(of(1, finish_reason="error", error=DOWN) + DONE), chunked(b"")],
        ProviderFailed,
    ),
    "its own error, without a reason": ([chunked(of(1, error=DOWN) + DONE), chunked(b"")], ProviderFailed),
    "a reason that is an error": (
        [chunked(of(1, finish_reason="error") + DONE), chunked(b"")],
        ProviderFailed,
    ),
}


@pytest.mark.parametrize(("rest", "cls"), HALF.values(), ids=HALF)
def test_one_of_two_choices_is_half_an_answer(
    rest: list[Any], cls: type[OpenRouterError], scripted: Servers, caller: Callers
):
    server = scripted([*streamed(*FIRST, end=0.0), *rest])
    error = failure(caller(server), cls, stream=True, n=2)
    assert (error.partial.text, error.generation_id, len(server.deliveries)) == ("Hello", "gen-1", 1)


def test_an_error_of_the_one_choice_that_had_not_ended_is_not_hidden_by_that_of_another(
    scripted: Servers, caller: Callers
):
    """Nobody asked for two choices, but two came."""
    both = [{"index": index, "delta": {}, "finish_reason": "error", "error": DOWN} for index in (0, 1)]
    both[0]["error"] = {"code": 429, "message": "slow"}
    server = scripted(streamed(*FIRST, event({"id": "gen-1", "choices": both}), DONE))
    assert failure(caller(server), ProviderFailed, stream=True).partial.text == "Hello"


def test_an_error_of_a_choice_that_had_ended_is_a_warning_and_the_other_goes_on(
    scripted: Servers, caller: Callers
):
    late = of(0, finish_reason="error", error={"code": 502, "message": "Token limit reached"})
    client = caller(scripted(streamed(of(1, "Good"), *FIRST, late, of(1, "bye", "stop"))))
    with pytest.warns(UserWarning, match="Token limit reached"):
        _, completion = spoken(client, n=2)
    assert [(each.text, each.finish_reason) for each in completion.choices] == [
        ("Hello", "stop"),
        ("Goodbye", "stop"),
    ]


def test_two_choices_that_have_ended_are_whole_without_done(scripted: Servers, caller: Callers):
    client = caller(scripted(streamed(*FIRST, of(1, "Goodbye", "length"))))
    _, completion = spoken(client, n=2)
    assert [each.text for each in completion.choices] == ["Hello", "Goodbye"]


def test_a_provider_that_knows_no_n_has_ended_once_it_says_done(scripted: Servers, caller: Callers):
    """It sends one choice however many were asked for, and only `[DONE]` tells that from a cut."""
    _, completion = spoken(caller(scripted(streamed(*FIRST, DONE))), n=2)
    assert [each.text for each in completion.choices] == ["Hello"]


# --- G9-G17: odd chunks ---


def usage(tokens: int, cost: float) -> bytes:
    return event(
        {"id": "gen-1", "choices": [], "usage": {**USAGE, "completion_tokens": tokens, "cost": cost}}
    )


NULLS = [
    event(odd)
    for odd in (
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"index": None, "delta": {"content": None, "tool_calls": None}}]},
    )
]
SAME: dict[str, list[bytes]] = {
    "G9 the end twice": [delta("Hello"), STOP, STOP, USAGE_CHUNK, USAGE_CHUNK],
    "G10 usage that grows": [usage(1, 0.0001), delta("Hello"), usage(2, 0.0002), STOP, USAGE_CHUNK],
    "G12 nothing in between": [*NULLS, delta("Hel"), *NULLS, delta("lo"), STOP, *NULLS, USAGE_CHUNK],
    "G17 no role": [delta("Hello", role=None), STOP, USAGE_CHUNK],
    "G17 an unknown role": [delta("Hel", role="oracle"), delta("lo", role="user"), STOP, USAGE_CHUNK],
}


@pytest.mark.parametrize("chunks", SAME.values(), ids=SAME)
def test_odd_chunks_make_the_same_answer(chunks: list[bytes], scripted: Servers, caller: Callers):
    said, completion = spoken(caller(scripted(streamed(*chunks, DONE))))
    assert said == completion.text == "Hello"
    assert (completion.finish_reason, completion.cost.total) == ("stop", Decimal("0.0003"))
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (7, 2)


def test_a_stream_without_usage_costs_nobody_knows_what(scripted: Servers, caller: Callers):
    _, completion = spoken(caller(scripted(streamed(delta("Hello"), STOP, DONE))))
    assert (completion.usage, completion.cost.total, completion.id) == (None, None, "gen-1")


def test_a_stream_of_nothing_is_empty(scripted: Servers, caller: Callers):
    server = scripted(streamed(*NULLS, DONE))
    error = failure(caller(server, max_retries=0), Empty, stream=True)
    assert (error.generation_id, error.partial) == ("gen-1", None)


ROME, TURIN = '{"city": "Rome"}', '{"city": "Turin"}'
TWO = [("weather", ROME), ("weather", TURIN)]
CALLS: dict[str, tuple[list[list[dict[str, Any]]], list[tuple[str, str]]]] = {
    "in pieces": (
        [
            [call("", index=0, id="a", name="weather")],
            [call('{"city": ', index=0)],
            [call('"Rome"}', index=0)],
        ],
        TWO[:1],
    ),
    "no index": ([[call('{"city": ', id="a", name="weather")], [call('"Rome"}')]], TWO[:1]),
    "the id each time": (
        [[call('{"city": ', index=0, id="a", name="weather")], [call('"Rome"}', index=0, id="a")]],
        TWO[:1],
    ),
    "the name last": ([[call(ROME, index=0, id="a")], [call(index=0, name="weather")]], TWO[:1]),
    "interleaved": (
        [
            [
                call('{"city": ', index=0, id="a", name="weather"),
                call('{"city": ', index=1, id="b", name="weather"),
            ],
            [call('"Turin"}', index=1), call('"Rome"}', index=0)],
        ],
        TWO,
    ),
    "one index for two": (
        [[call(ROME, index=0, id="a", name="weather")], [call(TURIN, index=0, id="b", name="weather")]],
        TWO,
    ),
    "no arguments": ([[call("", index=0, id="a", name="now")]], [("now", "")]),
    "null arguments": ([[call(None, index=0, id="a", name="now")]], [("now", "")]),
}


@pytest.mark.parametrize(("chunks", "calls"), CALLS.values(), ids=CALLS)
def test_tool_calls_are_told_apart_however_they_are_numbered(
    chunks: list[Any], calls: list[tuple[str, str]], scripted: Servers, caller: Callers
):
    ends = delta(finish_reason="tool_calls")
    body = [delta(tool_calls=pieces) for pieces in chunks]
    stream = caller(scripted(streamed(*body, ends, DONE))).stream(HI)
    seen = [piece for step in stream for piece in step.tool_calls]
    made = stream.completion.tool_calls
    assert [(each.name, each.arguments) for each in made] == calls
    assert all(isinstance(each.args, dict) for each in made)
    for slot, each in enumerate(made):
        mine = [piece for piece in seen if piece.slot == slot]
        assert "".join(piece.arguments for piece in mine) == each.arguments


def test_a_character_that_is_cut_in_two_deltas_is_one(scripted: Servers, caller: Callers):
    client = caller(scripted(streamed(delta("a\ud83d"), delta("\ude00b"), STOP, DONE)))
    said, completion = spoken(client)
    assert said == completion.text == "a😀b"


def test_reasoning_comes_back_as_it_was_signed(scripted: Servers, caller: Callers):
    text = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
    sealed = {"type": "reasoning.encrypted", "index": 0, "data": "gAAAA\u00e9=", "id": "rs_1"}
    chunks = [
        delta(reasoning="Let me ", reasoning_details=[{**text, "text": "Let me "}]),
        delta(reasoning="think", reasoning_details=[{**text, "text": "think"}]),
        delta(reasoning_details=[{**text, "text": "", "signature": "EqQB+/="}]),
        delta(reasoning_details=[sealed]),
        delta("Hello"),
    ]
    _, completion = spoken(caller(scripted(streamed(*chunks, STOP, DONE))))
    assert completion.reasoning == "Let me think"
    assert completion.choice.reasoning_details == (
        {**text, "text": "Let me think", "signature": "EqQB+/="},
        sealed,
    )


def test_the_model_that_answers_in_the_end_is_the_one_that_is_named(scripted: Servers, caller: Callers):
    first = event({"id": "gen-0", "model": "a/b", "provider": "A", "choices": []})
    _, completion = spoken(caller(scripted(streamed(first, delta("Hello"), STOP, DONE))))
    assert (completion.id, completion.model, completion.provider) == ("gen-1", "m/x", "Mock")


# --- G18-G23: time ---

COMMENT = chunked(b": OPENROUTER PROCESSING\n\n")
SLOW: dict[str, tuple[list[Any], dict[str, float], str]] = {
    "silence": (["HANG"], {"idle": SOON}, "idle"),
    "comments": ([0.02, COMMENT] * 100, {"progress": SOON}, "progress"),
    "byte by byte": ([0.02, chunked(b"d")] * 100, {"progress": SOON}, "progress"),
    "deltas without end": ([0.02, chunked(delta("lo"))] * 100, {"total": SOON}, "total"),
    "comments, and a total": ([0.02, COMMENT] * 100, {"total": SOON}, "total"),
}


@pytest.mark.parametrize(("rest", "timeout", "phase"), SLOW.values(), ids=SLOW)
def test_a_stream_is_waited_for_only_so_long(
    rest: list[Any], timeout: dict[str, float], phase: str, scripted: Servers, caller: Callers
):
    server = scripted([*streamed(delta("Hel"), end=0.0), *rest])
    began = time.monotonic()
    error = failure(caller(server, timeout=timeout), TimedOut, stream=True)
    assert SOON * 0.9 <= time.monotonic() - began < SOON + 1
    assert (error.phase, error.delivered, len(server.deliveries)) == (phase, "yes", 1)
    assert error.partial.text.startswith("Hel")


def test_comments_keep_a_stream_from_being_idle(scripted: Servers, caller: Callers):
    waiting = [step for _ in range(10) for step in (SOON / 3, COMMENT)]
    server = scripted(
        [*streamed(delta("Hel"), end=0.0), *waiting, chunked(delta("lo") + STOP + DONE), chunked(b"")]
    )
    assert spoken(caller(server, timeout={"idle": SOON}))[0] == "Hello"


@pytest.mark.parametrize("reason", ["length", "content_filter", "stop"])
def test_every_finish_reason_is_an_answer(reason: str, scripted: Servers, caller: Callers):
    last = delta("lo", finish_reason=reason)
    said, completion = spoken(caller(scripted(streamed(delta("Hel"), last, DONE))))
    assert (said, completion.finish_reason) == ("Hello", reason)


def test_a_refusal_is_an_answer(scripted: Servers, caller: Callers):
    stream = caller(
        scripted(streamed(delta(refusal="I'd "), delta(refusal="rather not"), STOP, DONE))
    ).stream(HI)
    assert "".join(step.refusal for step in stream) == "I'd rather not"
    assert stream.completion.choice.refusal == "I'd rather not"


def test_the_time_that_the_consumer_takes_is_not_the_servers(scripted: Servers, caller: Callers):
    client = caller(
        scripted(streamed(*[delta(letter) for letter in "Hello"], STOP, DONE)),
        timeout={"idle": SOON, "progress": SOON},
    )
    stream, said = client.stream(HI), ""
    for step in stream:
        said += step.text
        client.pause(SOON / 2)
    assert said == stream.completion.text == "Hello"


def test_no_answer_gives_a_warning(scripted: Servers, caller: Callers):
    with warnings.catch_warnings(action="error"):
        assert spoken(caller(scripted(streamed(STREAM))))[0] == "Hello"
