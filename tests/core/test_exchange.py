"""The life of a call, without sockets: what is tried again, what counts as an answer, which timeout was missed."""

from __future__ import annotations

import json
import time
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts.errors import (
    APIError,
    BadRequest,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimedOut,
    EdgeTimeout,
    Empty,
    Forbidden,
    Interrupted,
    Malformed,
    NoProvider,
    NotFound,
    OpenRouterError,
    ProviderFailed,
    RateLimited,
    ServerError,
    SpendLimitExceeded,
    TimedOut,
)
from openrouter_opts.http.drive import drive
from openrouter_opts.http.exchange import exchange
from openrouter_opts.http.reading import Reader, read_completion, read_json, read_stream
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.settings import Timeout
from openrouter_opts.http.steps import Head, Open, Patience, Rest, Sleep
from openrouter_opts.money.account import UNCOUNTED
from openrouter_opts.protocol.completion import Abandoned
from openrouter_opts.protocol.request import Request
from tests.fake_wire import JSON, SSE, FakeAccount, FakeWire, call, whole_call
from tests.invariants import tells_the_same
from tests.wire_bytes import COMPLETION, DONE, STREAM, USAGE, USAGE_CHUNK, delta, event

ANSWER = json.dumps(COMPLETION).encode()
STOP = delta("", finish_reason="stop")


def lost() -> ConnectionLost:
    return ConnectionLost("reset", delivered="yes")


def refusal(status: int, body: Any = None, **headers: str) -> list[Any]:
    raw = b"" if body is None else json.dumps(body).encode()
    return [Head(status, {name.replace("_", "-"): value for name, value in headers.items()}), raw]


def said(code: object = 502, message: str = "no", **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "metadata": metadata}}


def error_chunk(code: object = 502, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    return event(
        {"id": "gen-1", "provider": "Mock", "model": "m/x", "choices": [choice], **said(code), **more}
    )


# --- answers that are whole ---


def test_an_answer_that_comes_whole():
    outcome = whole_call([JSON, ANSWER[:20], ANSWER[20:]])
    assert (outcome.completion.text, outcome.completion.id, outcome.completion.attempts) == (
        "Hello",
        "gen-1",
        1,
    )
    assert outcome.settled == [outcome.completion]
    assert outcome.wire.closed == 1


def test_an_answer_that_comes_in_chunks():
    outcome = call([SSE, STREAM])
    assert [step.text for step in outcome.deltas] == ["He", "llo"]
    assert (outcome.completion.text, outcome.completion.finish_reason) == ("Hello", "stop")
    assert outcome.completion.raw == COMPLETION
    assert outcome.items[-1] is outcome.completion
    assert outcome.settled == [outcome.completion]
    assert isinstance(outcome.wire.steps[-1], Rest)


def test_a_lookup_gives_its_body():
    assert call([JSON, b'{"data": [1]}'], read=read_json).data == {"data": [1]}
    call([JSON, json.dumps(said(404)).encode()], read=read_json).failed(NotFound)


@pytest.mark.parametrize("padding", [b"  \n\n ", b"\xef\xbb\xbf"])
def test_blanks_before_an_answer_are_passed_over(padding: bytes):
    assert whole_call([JSON, padding, ANSWER]).completion.text == "Hello"


# --- D: the server says no ---


@pytest.mark.parametrize("read", [whole_call, call])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_what_failed_there_is_tried_again(status: int, read: Any):
    good = [SSE, STREAM] if read is call else [JSON, ANSWER]
    outcome = read(refusal(status, said(status)), refusal(status), good)
    assert outcome.completion.text == "Hello"
    assert outcome.completion.attempts == 3
    assert outcome.wire.slept == [0.5, 1.0]
    assert (len(outcome.settled), outcome.settled[-1]) == (outcome.wire.opened, outcome.completion)


def test_after_the_last_attempt_the_error_says_how_many_there_were():
    outcome = whole_call(refusal(503, said(503)))
    assert outcome.failed(NoProvider).attempts == 3
    assert outcome.wire.opened == 3
    assert (len(outcome.settled), outcome.settled[-1]) == (outcome.wire.opened, outcome.error)
    assert whole_call(refusal(503), retry=Retry(max_retries=0)).wire.opened == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422])
def test_what_is_wrong_with_the_request_is_not_tried_again(status: int):
    outcome = whole_call(refusal(status, said(status)))
    assert isinstance(outcome.error, APIError)
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("status", [504, 520, 524])
def test_what_may_have_been_generated_is_not_tried_again(status: int):
    outcome = whole_call(refusal(status))
    assert outcome.failed(EdgeTimeout).delivered == "maybe"
    assert outcome.wire.opened == 1
    assert whole_call(refusal(status), retry=Retry(uncertain=True)).wire.opened == 3


def test_retry_after_is_waited_for():
    outcome = whole_call(refusal(429, said(429), retry_after="2"), [JSON, ANSWER])
    assert outcome.wire.slept == [2.0]
    assert outcome.completion.text == "Hello"


def test_a_wait_of_an_hour_is_not_begun():
    outcome = whole_call(refusal(429, said(429), retry_after="3600"))
    assert outcome.failed(RateLimited).retry_after == 3600
    assert outcome.wire.opened == 1


def test_a_server_that_says_do_not_retry_is_obeyed():
    assert whole_call(refusal(503, x_should_retry="false")).wire.opened == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int):
    outcome = whole_call(refusal(status, location="https://elsewhere.example/v1"))
    assert "https://elsewhere.example/v1" in str(outcome.failed(ConfigurationError))
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("status", [201, 202, 204, 206, 299])
def test_another_success_is_no_answer(status: int):
    outcome = whole_call(refusal(status))
    assert outcome.failed(Empty).status == status
    assert outcome.wire.opened == 1


def test_the_body_of_an_error_is_read_only_so_far():
    piece = b"x" * 10_000
    outcome = whole_call([Head(400), *[piece] * 1000])
    outcome.failed(BadRequest)
    assert len(outcome.wire.steps) < 12


@pytest.mark.parametrize("broken", [lost(), 1000.0])
def test_a_body_that_breaks_off_does_not_hide_the_status(broken: Any):
    outcome = whole_call([Head(400), b'{"error": {"mess', broken])
    assert outcome.failed(BadRequest).status == 400


# --- B, C: the connection ---


def test_a_connection_that_never_came_about_is_tried_again():
    outcome = whole_call([ConnectionFailed("refused")], [JSON, ANSWER])
    assert outcome.completion.attempts == 2


@pytest.mark.parametrize("error", [ConnectionLost("reset", delivered="maybe"), ConfigurationError("no key")])
def test_what_may_have_been_delivered_is_not_tried_again(error: OpenRouterError):
    outcome = whole_call([error])
    assert outcome.error is error
    assert outcome.wire.opened == 1


# --- E: a 200 that is no answer ---


@pytest.mark.parametrize("read", [whole_call, call])
def test_an_error_with_status_200_has_the_class_of_its_code_and_is_tried_again(read: Any):
    bad = [JSON, json.dumps(said(429)).encode()]
    outcome = read(bad, bad, [JSON, ANSWER])
    assert outcome.completion.attempts == 3
    error = read(bad).failed(RateLimited)
    assert (error.generation_id, error.request_id, error.attempts) == ("gen-1", "ray", 3)


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": "par"}, "finish_reason": "error", "error": {"code": 502, "message": "no"}},
        {"message": {"content": "par"}, "finish_reason": "error"},
    ],
)
def test_an_answer_that_broke_off_keeps_its_part(choice: dict[str, Any]):
    body = {"id": "gen-1", "provider": "Mock", "choices": [choice], "usage": USAGE}
    outcome = whole_call([JSON, json.dumps(body).encode()])
    error = outcome.failed(ProviderFailed)
    assert error.partial.text == "par"
    assert str(error.usage.cost.total) == "0.0003"
    assert error.provider == "Mock"
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("read", [whole_call, call])
def test_a_page_is_no_answer(read: Any):
    outcome = read([Head(200, {"content-type": "text/html; charset=utf-8"}), b"<html>Please sign in</html>"])
    assert "Please sign in" in str(outcome.failed(Malformed))
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("body", [b"", b"   \n "])
def test_a_body_with_nothing_in_it_is_empty_and_may_have_been_paid_for(body: bytes):
    outcome = whole_call([JSON, body])
    assert outcome.failed(Empty).generation_id == "gen-1"
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("body", [b'{"choices": [{"mess', b"[]", b"null", b"5", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_malformed(body: bytes):
    outcome = whole_call([JSON, body])
    assert outcome.failed(Malformed).generation_id == "gen-1"
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("choices", [[], None, [{"message": None}], [{"message": {"content": None}}]])
def test_an_answer_without_content_is_tried_again_once(choices: object):
    empty = json.dumps({"id": "gen-1", "choices": choices}).encode()
    assert whole_call([JSON, empty], [JSON, ANSWER]).completion.attempts == 2
    outcome = whole_call([JSON, empty])
    assert outcome.failed(Empty).generation_id == "gen-1"
    assert outcome.wire.opened == 2


def test_an_empty_answer_that_was_paid_for_is_not_tried_again():
    outcome = whole_call([JSON, json.dumps({"choices": [], "usage": USAGE}).encode()])
    assert outcome.failed(Empty).usage.prompt_tokens == 7
    assert outcome.wire.opened == 1


def test_a_completion_nested_in_provider_is_found():
    assert whole_call([JSON, json.dumps({"provider": COMPLETION}).encode()]).completion.text == "Hello"


def test_an_answer_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("openrouter_opts.http.reading.MAX_ANSWER_BYTES", 1000)
    outcome = whole_call([JSON, *[b" " * 400] * 10])
    assert "larger than 1000 bytes" in str(outcome.failed(Malformed))
    assert len(outcome.wire.steps) == 4


@pytest.mark.parametrize("head", [SSE, JSON], ids=["stream", "whole"])
def test_blanks_before_an_answer_take_little_time_and_no_memory(head: Head, monkeypatch: pytest.MonkeyPatch):
    flood = [b"\n" * 65536] * (32 * 16)
    tracemalloc.start()
    began = time.process_time()
    outcome = call([head, *flood, STREAM if head is SSE else ANSWER])
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.completion.text == "Hello"
    assert (seconds < 2, peak < 4 * 1024 * 1024) == (True, True), (seconds, peak)
    monkeypatch.setattr("openrouter_opts.http.reading.MAX_ANSWER_BYTES", 1024 * 1024)
    outcome = call([head, *flood])
    assert "larger than 1048576 bytes" in str(outcome.failed(Malformed))
    assert len(outcome.wire.steps) == 18


# --- F, G: streams ---


def test_a_stream_without_done_is_whole_once_it_has_a_finish_reason():
    assert call([SSE, delta("Hello"), STOP]).completion.text == "Hello"


def test_a_stream_without_a_finish_reason_is_whole_once_done_came():
    completion = call([SSE, delta("Hello"), DONE]).completion
    assert (completion.text, completion.finish_reason) == ("Hello", None)


def test_a_stream_with_neither_is_half_an_answer():
    usage = event({"choices": [], "usage": USAGE})
    call_piece = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a'}}
    outcome = call([SSE, delta("Hel", reasoning="hm"), delta(tool_calls=[call_piece]), usage])
    error = outcome.failed(Interrupted)
    assert outcome.text == "Hel"
    assert (error.partial.text, error.partial.reasoning) == ("Hel", "hm")
    assert (error.partial.tool_calls[0].args, error.partial.finish_reason) == (None, None)
    assert str(error.usage.cost.total) == "0.0003"
    assert (error.generation_id, error.provider, error.delivered) == ("gen-1", "Mock", "yes")
    assert outcome.wire.opened == 1
    assert outcome.settled == [error]


@pytest.mark.parametrize(
    "tail", [b'data: {"choices": [{"delta": {"content": "x', 'data: {"a": "é'.encode()[:-1]]
)
def test_a_stream_that_ends_inside_an_event_is_half_an_answer(tail: bytes):
    assert call([SSE, delta("Hel"), tail]).failed(Interrupted).partial.text == "Hel"


def test_the_last_event_may_lack_its_blank_line():
    assert call([SSE, delta("Hello"), STOP.rstrip()]).completion.finish_reason == "stop"


def test_a_connection_that_breaks_keeps_what_had_come():
    outcome = call([SSE, delta("Hel"), lost()])
    error = outcome.failed(ConnectionLost)
    assert (error.partial.text, error.delivered, error.generation_id) == ("Hel", "yes", "gen-1")
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("end", [lost(), 1000.0, b'data: {"usa'])
def test_what_breaks_after_the_finish_reason_costs_no_answer(end: Any):
    outcome = call([SSE, delta("Hello"), STOP, end])
    assert outcome.completion.text == "Hello"
    assert outcome.completion.cost.source == "unknown"


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (429, RateLimited),
        (502, ProviderFailed),
        ("server_error", ServerError),
        ("odd", APIError),
        (None, APIError),
    ],
)
def test_an_error_in_the_stream_has_the_class_of_its_code_and_keeps_what_had_come(
    code: object, cls: type[OpenRouterError]
):
    outcome = call([SSE, delta("Hel"), error_chunk(code, usage=USAGE), DONE])
    error = outcome.failed(cls)
    assert outcome.text == "Hel"
    assert (error.partial.text, error.partial.finish_reason) == ("Hel", None)
    assert str(error.usage.cost.total) == "0.0003"
    assert (error.generation_id, error.attempts) == ("gen-1", 1)
    assert outcome.wire.opened == 1


@pytest.mark.parametrize("bare", [{"error": "text"}, {"error": {}, "choices": [{"error": {"message": "x"}}]}])
def test_an_error_in_the_stream_may_be_bare(bare: dict[str, Any]):
    assert call([SSE, delta("Hel"), event(bare)]).failed(APIError).partial.text == "Hel"


def test_a_finish_reason_may_be_all_there_is_of_an_error():
    outcome = call([SSE, delta("Hel"), delta(finish_reason="error"), DONE])
    assert outcome.failed(ProviderFailed).partial.text == "Hel"


@pytest.mark.parametrize(
    "data", [b'{"message": "out of memory"}', b'{"error": {"message": "out of memory"}}']
)
def test_an_event_named_error_is_an_error(data: bytes):
    assert "out of memory" in str(call([SSE, b"event: error\ndata: " + data + b"\n\n"]).failed(APIError))


def test_an_error_before_the_first_delta_is_tried_again():
    silent = b": OPENROUTER PROCESSING\n\n" + delta("")
    outcome = call([SSE, silent, error_chunk(429)], [SSE, STREAM])
    assert outcome.completion.attempts == 2
    assert outcome.text == "Hello"
    assert call([SSE, error_chunk(400)]).wire.opened == 1


@pytest.mark.parametrize(
    "first", [delta("x"), delta(reasoning="x"), delta(refusal="x"), delta(tool_calls=[{"id": "c"}])]
)
def test_nothing_is_tried_again_after_the_first_delta(first: bytes):
    outcome = call([SSE, first, error_chunk(429)], [SSE, STREAM])
    assert outcome.failed(RateLimited).partial is not None
    assert outcome.wire.opened == 1


def test_an_error_after_the_finish_reason_is_a_warning():
    late = event({"error": {"code": 400, "message": "Token limit reached"}, "usage": USAGE, "choices": []})
    with pytest.warns(UserWarning, match="Token limit reached"):
        outcome = call([SSE, delta("Hello"), delta("", finish_reason="length"), late, DONE])
    assert outcome.completion.finish_reason == "length"
    assert str(outcome.completion.cost.total) == "0.0003"


def test_the_finish_reason_may_come_twice():
    twice = event({"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}], "usage": USAGE})
    completion = call([SSE, delta("Hello"), STOP, twice, DONE]).completion
    assert (completion.finish_reason, completion.usage and completion.usage.total_tokens) == ("stop", 9)


def test_what_comes_after_done_is_passed_over():
    assert call([SSE, delta("Hello"), STOP, DONE, delta("more"), DONE]).completion.text == "Hello"


def test_done_may_have_blanks_around_it():
    assert call([SSE, delta("Hello"), b"data:   [DONE]  \n\n"]).completion.text == "Hello"


@pytest.mark.parametrize(
    "odd", [b"data: {}\n\n", b"data:\n\n", b"data\n\n", delta(), b'data: {"choices":null}\n\n']
)
def test_chunks_with_nothing_in_them_are_passed_over(odd: bytes):
    assert call([SSE, odd, STREAM]).completion.text == "Hello"


@pytest.mark.parametrize(
    "odd", [b"data: [1]\n\n", b"data: hello\n\n", b'data: "x"\n\n', b'data: {"a": "\xff"}\n\n']
)
def test_an_event_that_is_no_chunk_is_malformed(odd: bytes):
    outcome = call([SSE, delta("Hel"), odd, STREAM])
    assert outcome.failed(Malformed).partial.text == "Hel"
    assert outcome.wire.opened == 1


def test_a_stream_of_nothing_is_empty():
    assert call([SSE, DONE], [SSE, STREAM]).completion.attempts == 2
    call([SSE, DONE]).failed(Empty)
    call([SSE]).failed(Interrupted)


def test_an_event_larger_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "openrouter_opts.http.reading.EventDecoder.__init__.__defaults__", (1000,), raising=True
    )
    outcome = call([SSE, delta("Hel"), b"data: ", *[b"x" * 500] * 10])
    assert outcome.failed(Malformed).partial.text == "Hel"
    assert len(outcome.wire.steps) < 8
    together = call([SSE, delta("Hel") + b"data: " + b"x" * 5000])
    assert (together.text, together.failed(Malformed).partial.text) == ("Hel", "Hel")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_an_answer_that_comes_whole_though_a_stream_was_asked_for(content_type: str):
    outcome = call([Head(200, {"content-type": content_type}), ANSWER])
    assert outcome.text == "Hello"
    assert outcome.completion.text == "Hello"


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"id": "c", "function": {"name": name}} for name in ("f", "f", "g")]},
        {"tool_calls": [{}, {"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        {"content": "a\ud83d", "refusal": "b\ud83d", "reasoning": "c\ud83d"},
        {"content": None, "audio": {"id": "a", "data": "AAA=", "transcript": "hi"}},
        {
            "content": [{"type": "text", "text": "a"}, {"type": "image_url"}],
            "images": [{"type": "image_url"}],
        },
    ],
    ids=["one id for three calls", "a call with nothing in it", "half a character", "speech", "parts"],
)
def test_the_deltas_of_an_answer_that_comes_whole_tell_the_same(message: dict[str, Any]):
    body = {"id": "gen-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    outcome = call([JSON, json.dumps(body).encode()])
    tells_the_same(outcome.deltas, outcome.completion)
    (delta_,) = outcome.deltas
    assert delta_.chunk == body
    assert delta_.transcript == message.get("audio", {}).get("transcript", "")


def test_choices_that_come_whole_have_a_delta_each_unless_there_is_nothing_in_them():
    choices = [{"index": i, "message": {"content": text}} for i, text in enumerate(("a", None, "c"))]
    outcome = call([JSON, json.dumps({"choices": choices}).encode()])
    assert [(each.choice, each.text) for each in outcome.deltas] == [(0, "a"), (2, "c")]


# --- timeouts ---

PATIENT = Timeout(connect=1, first_byte=10, idle=5, progress=20, total=None)
COMMENT = b": OPENROUTER PROCESSING\n\n"


def missed(*attempt: Any, timeout: Timeout = PATIENT) -> TimedOut:
    return call([*attempt], timeout=timeout).failed(TimedOut)


def test_no_head_in_time_is_not_tried_again():
    outcome = call([11.0, SSE, STREAM], timeout=PATIENT)
    error = outcome.failed(TimedOut)
    assert (error.phase, error.delivered, outcome.wire.opened) == ("first_byte", "maybe", 1)


def test_no_connection_in_time_is_tried_again():
    outcome = call([ConnectTimedOut("late")], [SSE, STREAM])
    assert outcome.completion.attempts == 2
    error = call([ConnectTimedOut("late")]).failed(ConnectTimedOut)
    assert (error.phase, error.delivered, error.attempts) == ("connect", "no", 3)


def test_a_limit_that_ends_while_there_is_no_connection_says_that_nothing_was_sent():
    hurried = Timeout(connect=5, first_byte=2)
    assert call([ConnectTimedOut("late")], [SSE, STREAM], timeout=hurried).completion.attempts == 2
    error = call([ConnectTimedOut("late")], timeout=hurried).failed(TimedOut)
    assert (error.phase, error.delivered, error.attempts) == ("first_byte", "no", 3)
    assert "nothing was sent" in str(error)
    error = call([ConnectTimedOut("late")], timeout=Timeout(connect=5, total=2)).failed(TimedOut)
    assert (error.phase, error.delivered) == ("total", "no")


def test_silence_is_idle():
    error = missed(SSE, delta("Hel"), 6.0)
    assert (error.phase, error.delivered, error.partial and error.partial.text) == ("idle", "yes", "Hel")


def test_comments_are_signs_of_life_but_no_progress():
    assert call([SSE, *[4.0, COMMENT] * 4, STREAM], timeout=PATIENT).completion.text == "Hello"
    error = missed(SSE, delta("Hel"), *[4.0, COMMENT] * 10)
    assert (error.phase, error.partial and error.partial.text) == ("progress", "Hel")


@pytest.mark.parametrize("read", [whole_call, call])
def test_an_answer_may_take_as_long_as_its_first_byte_may(read: Any):
    """A default call may think for ten minutes, twice as long as there may be between two events."""
    outcome = read([550.0, JSON if read is whole_call else SSE, ANSWER if read is whole_call else STREAM])
    assert outcome.completion.text == "Hello"


@pytest.mark.parametrize("read", [whole_call, call])
def test_blanks_are_signs_of_life_but_not_yet_an_answer(read: Any):
    assert read([3.0, JSON, *[3.0, b" "] * 2, ANSWER], timeout=PATIENT).completion.text == "Hello"
    outcome = read([3.0, JSON, *[3.0, b" "] * 3, ANSWER], timeout=PATIENT)
    assert (outcome.failed(TimedOut).phase, outcome.wire.now) == ("first_byte", PATIENT.first_byte)
    silent = read([3.0, JSON, 6.0], timeout=PATIENT)
    assert silent.failed(TimedOut).phase == "idle"


def test_an_answer_that_has_begun_may_take_its_time():
    pieces = [each for byte in ANSWER for each in (4.0, bytes([byte]))]
    assert whole_call([JSON, *pieces], timeout=PATIENT).completion.text == "Hello"


def test_every_event_is_progress():
    assert call([SSE, *[4.0, delta("x")] * 20, DONE], timeout=PATIENT).text == "x" * 20


def test_the_total_bounds_a_stream_that_never_ends():
    error = missed(SSE, *[4.0, delta("x")] * 100, timeout=Timeout(idle=5, total=30))
    assert (error.phase, error.partial and error.partial.text) == ("total", "x" * 7)


def test_the_total_covers_all_attempts_and_the_waits_between_them():
    outcome = whole_call([4.0, *refusal(503, retry_after="4")], timeout=Timeout(total=13))
    assert outcome.failed(NoProvider).attempts == 2
    assert outcome.wire.now == 12.0


def test_the_time_a_consumer_takes_is_not_the_servers():
    wire = FakeWire([[SSE, *[1.0, COMMENT, 1.0, delta("x")] * 5, DONE]])
    flow = exchange(Request("POST", "/"), read_stream, Retry(), Patience(PATIENT, wire.clock))
    seen = 0
    for _ in drive(flow, wire, UNCOUNTED):
        wire.now += 1000
        seen += 1
    assert seen == 6


def test_every_wait_is_bounded_by_what_is_left():
    outcome = call([1.0, SSE, 1.0, delta("x"), DONE], timeout=Timeout(first_byte=10, idle=60, total=5))
    opened, *reads = [step.seconds for step in outcome.wire.steps if not isinstance(step, Rest)]
    assert opened == 5
    assert reads == [4, 3]


def test_without_timeouts_every_wait_is_endless():
    endless = Timeout(connect=None, first_byte=None, idle=None, progress=None, total=None)
    outcome = call([10.0**6, SSE, 10.0**6, STREAM], timeout=endless)
    assert outcome.completion.text == "Hello"
    assert all(step.seconds is None for step in outcome.wire.steps if not isinstance(step, Rest))


def test_what_is_late_before_it_is_sent_was_not_delivered():
    wire = FakeWire([[SSE, STREAM]])
    patience = Patience(Timeout(total=30), wire.clock)
    wire.now += 31
    with pytest.raises(TimedOut, match="nothing was sent") as caught:
        list(drive(exchange(Request("POST", "/"), read_stream, Retry(), patience), wire, UNCOUNTED))
    assert (caught.value.phase, caught.value.delivered, caught.value.attempts) == ("total", "no", 0)
    assert wire.opened == 0


def test_what_the_key_or_the_options_stop_before_it_is_sent_is_no_attempt():
    assert whole_call([ConfigurationError("no key")]).failed(ConfigurationError).attempts == 0
    assert whole_call(refusal(301)).failed(ConfigurationError).attempts == 1
    again = whole_call(refusal(503), [ConfigurationError("no key")])
    assert (again.failed(ConfigurationError).attempts, again.wire.opened) == (1, 2)


def test_the_time_a_consumer_takes_is_not_of_the_total():
    wire = FakeWire([[SSE, *[1.0, delta("x")] * 5, STOP, DONE]])
    patience = Patience(Timeout(total=6), wire.clock)
    seen = 0
    for _ in drive(exchange(Request("POST", "/"), read_stream, Retry(), patience), wire, UNCOUNTED):
        wire.now += 1000
        seen += 1
    assert seen == 6


@pytest.mark.parametrize(("total", "seconds"), [(None, 1.0), (30, 1.0), (5, 0.5)])
def test_what_follows_an_error_is_waited_for_no_longer_than_the_total(total: float | None, seconds: float):
    outcome = call([SSE, 4.5, error_chunk(400)], timeout=Timeout(total=total))
    outcome.failed(BadRequest)
    assert [step.seconds for step in outcome.wire.steps if isinstance(step, Rest)] == [seconds]


# --- the driver ---


def test_closing_early_closes_the_wire_and_leaves_a_note_in_the_books():
    wire = FakeWire([[SSE, STREAM]])
    settled: list[Any] = []
    driven = drive(
        exchange(Request("POST", "/"), read_stream, Retry(), Patience(Timeout(), wire.clock)),
        wire,
        FakeAccount(settled),
    )
    next(driven)
    driven.close()
    (left,) = settled
    assert wire.closed == 1
    assert isinstance(left, Abandoned)
    assert left.chunk["id"]


@pytest.mark.parametrize("read", [read_stream, read_completion])
def test_what_is_left_before_its_first_chunk_has_the_generation_of_its_headers(read: Reader):
    class Left(FakeWire):
        def _next(self, step: Any) -> Any:
            if isinstance(step, Open):
                return SSE
            raise KeyboardInterrupt

    wire = Left([[]])
    settled: list[Any] = []
    flow = exchange(Request("POST", "/"), read, Retry(), Patience(Timeout(), wire.clock))
    with pytest.raises(KeyboardInterrupt):
        list(drive(flow, wire, FakeAccount(settled)))
    assert settled == [Abandoned({}, 1, "gen-1")]


@pytest.mark.parametrize("problem", [ConnectionLost("reset"), 10.0**6])
def test_a_stream_that_is_lost_before_its_first_chunk_has_the_generation_of_its_headers(problem: Any):
    error = call([SSE, problem]).error
    assert error is not None
    assert (error.generation_id, error.delivered) == ("gen-1", "yes")


def test_what_is_not_admitted_is_not_sent_and_is_not_in_the_books():
    outcome = call([SSE, STREAM], admits=0)
    assert outcome.failed(SpendLimitExceeded).attempts == 0
    assert (outcome.wire.opened, outcome.settled) == (0, [])


def test_each_attempt_has_to_be_admitted_and_the_first_error_is_not_hidden():
    outcome = call([Head(503)], [SSE, STREAM], admits=1)
    error = outcome.failed(NoProvider)
    assert (error.attempts, outcome.wire.opened) == (1, 1)
    assert error.__notes__ == ["It was not tried again: no money left"]
    assert outcome.settled == [error]


def test_a_request_that_there_is_no_time_left_for_is_not_in_the_books():
    class Sleepy(FakeWire):
        def perform(self, step: Any) -> Any:
            if isinstance(step, Sleep):
                self.now += 60
            return super().perform(step)

    wire = Sleepy([[Head(503)]])
    settled: list[Any] = []
    patience = Patience(Timeout(total=30), wire.clock)
    flow = exchange(Request("POST", "/"), read_stream, Retry(), patience)
    with pytest.raises(NoProvider) as caught:
        list(drive(flow, wire, FakeAccount(settled)))
    assert (wire.opened, caught.value.attempts, settled) == (1, 1, [caught.value])
    assert "`total` timeout of 30 s; nothing was sent" in caught.value.__notes__[0]


def test_what_is_no_error_of_ours_passes_through_and_closes_the_wire():
    class Broken(FakeWire):
        def perform(self, step: Any) -> Any:
            raise KeyboardInterrupt

    wire = Broken([])
    flow = exchange(Request("POST", "/"), read_stream, Retry(), Patience(Timeout(), wire.clock))
    with pytest.raises(KeyboardInterrupt):
        next(drive(flow, wire, UNCOUNTED))
    assert wire.closed == 1


def test_the_first_step_sends_the_request_as_it_is():
    outcome = call([SSE, STREAM])
    first = outcome.wire.steps[0]
    assert isinstance(first, Open)
    assert first.request.stream
    assert USAGE_CHUNK in STREAM
    assert isinstance(whole_call(refusal(500), retry=Retry(max_retries=0)).error, ServerError)


# --- what is paid for is kept ---


def usage_event(cost: float) -> bytes:
    return event({"id": "gen-1", "choices": [], "usage": {"prompt_tokens": 1, "cost": cost}})


def test_an_attempt_that_cost_something_is_not_made_again():
    paid = {"error": {"code": 502, "message": "down"}, "usage": {"prompt_tokens": 1, "cost": 0.01}}
    outcome = whole_call([JSON, json.dumps(paid).encode()], [JSON, ANSWER])
    assert isinstance(outcome.error, ProviderFailed)
    assert outcome.wire.opened == 1
    assert outcome.error.usage
    assert outcome.error.usage.cost.total == Decimal("0.01")


ODD = b"data: {oops\n\n"


@pytest.mark.parametrize("ending", [DONE, b"", None], ids=["[DONE]", "nothing", "not even a blank line"])
@pytest.mark.parametrize("apart", [False, True], ids=["in one read", "in reads of their own"])
@pytest.mark.parametrize(
    ("broken", "cls"),
    [(event({"error": {"code": 403, "message": "no"}}), Forbidden), (ODD, Malformed), (ODD + ODD, Malformed)],
    ids=["an error", "no JSON", "no JSON twice"],
)
def test_the_usage_that_follows_an_error_is_kept(
    broken: bytes, cls: type[OpenRouterError], apart: bool, ending: bytes | None
):
    usage = usage_event(0.07)
    pieces = [broken, usage.rstrip() if ending is None else usage]
    pieces += filter(None, [ending])
    outcome = call([SSE, *(pieces if apart else [b"".join(pieces)])])
    assert outcome.failed(cls).usage.cost.total == Decimal("0.07")
    assert outcome.wire.opened == 1


def test_the_usage_of_an_answer_that_is_whole_is_kept_whatever_came_before_it():
    completion = call([SSE, delta("Hello"), STOP, ODD + usage_event(0.07) + DONE]).completion
    assert (completion.text, completion.cost.total) == ("Hello", Decimal("0.07"))


@pytest.mark.parametrize(
    "delta",
    [
        {"audio": {"data": "AAAA"}},
        {"images": [{"type": "image_url", "image_url": {"url": "data:,x"}}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}]},
    ],
    ids=["audio", "an image", "encrypted reasoning"],
)
def test_whatever_came_of_an_answer_is_kept_and_not_asked_for_again(delta: dict[str, Any]):
    begun = event({"id": "gen-1", "choices": [{"index": 0, "delta": delta}]})
    outcome = call([SSE, begun, event({"error": {"code": 502, "message": "down"}})], [SSE, STREAM])
    assert outcome.wire.opened == 1
    assert outcome.error is not None
    assert outcome.error.partial is not None


def test_a_chunk_with_an_image_is_a_delta():
    image = {"type": "image_url", "image_url": {"url": "data:,x"}}
    begun = event({"id": "gen-1", "choices": [{"index": 0, "delta": {"images": [image]}}]})
    (delta, *_) = call([SSE, begun, STREAM]).deltas
    assert delta.chunk["choices"][0]["delta"]["images"] == [image]


def test_with_several_choices_each_has_to_end():
    ended = event(
        {"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    )
    half = event({"id": "gen-1", "choices": [{"index": 1, "delta": {"content": "half of"}}]})
    assert isinstance(call([SSE, ended, half]).error, Interrupted)


def test_what_cannot_be_read_after_the_finish_reason_costs_no_answer():
    ended = event(
        {"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    )
    assert call([SSE, ended, b"data: {broken\n\n"]).completion.text == "a"


@pytest.mark.parametrize("kind", ["Application/JSON", "text/json", ""])
def test_a_whole_answer_to_a_streaming_request_is_known_by_its_look(kind: str):
    head = Head(200, {"content-type": kind} if kind else {})
    assert call([head, b"  ", ANSWER]).completion.cost.total


def test_a_timeout_that_a_provider_reports_is_not_tried_again_whatever_its_status():
    body = json.dumps(
        {"error": {"code": 503, "message": "x", "metadata": {"error_type": "timeout"}}}
    ).encode()
    outcome = whole_call([Head(503), body], [JSON, ANSWER])
    assert isinstance(outcome.error, EdgeTimeout)
    assert outcome.wire.opened == 1
