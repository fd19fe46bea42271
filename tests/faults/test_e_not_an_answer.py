"""E: a 200 that is no answer, or an odd one."""

from __future__ import annotations

import gzip
import json
import math
import tracemalloc
import zlib
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts.errors import (
    APIError,
    AuthenticationError,
    ConnectionLost,
    Empty,
    Malformed,
    Moderated,
    OpenRouterError,
    Overloaded,
    ProviderFailed,
    RateLimited,
    ServerError,
    TimedOut,
)
from openrouter_opts.http import reading
from openrouter_opts.http.retry import Retry
from openrouter_opts.protocol.completion import Completion
from openrouter_opts.protocol.failure import from_status
from tests.both import Caller
from tests.fake_wire import JSON, whole_call
from tests.faults.aftermath import HI, KEY, SOON, both_kinds, ending, failure
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM_HEAD, USAGE, answer, chunked

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]


def completion(message: Any = None, finish_reason: Any = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {**COMPLETION, "choices": [choice], **more}


def content(text: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


# --- E1, E2: an error with status 200 ---


@pytest.mark.parametrize(
    ("said", "cls", "attempts"),
    [
        ({"code": 429, "message": "slow"}, RateLimited, 2),
        ({"code": 502, "message": "down"}, ProviderFailed, 2),
        ({"code": 529, "message": "busy"}, Overloaded, 2),
        ({"code": 401, "message": f"bad key {KEY}"}, AuthenticationError, 1),
        ({"code": 403, "message": "no", "metadata": {"reasons": ["hate"]}}, Moderated, 1),
        ({"code": "server_error", "message": "by a word"}, ServerError, 2),
        ({"message": "without a code"}, APIError, 1),
        ("only words", APIError, 1),
    ],
    ids=str,
)
@both_kinds
def test_an_error_with_status_200_has_the_class_of_its_code(
    said: Any, cls: type[OpenRouterError], attempts: int, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer({"id": "gen-2", "error": said})])
    error = failure(caller(server, api_key=KEY, max_retries=1), cls, stream=stream)
    assert (error.attempts, len(server.deliveries), error.delivered) == (attempts, attempts, "yes")
    assert error.generation_id in {"gen-1", "gen-2"}


@both_kinds
def test_an_error_that_cost_something_is_not_paid_for_again(stream: bool, scripted: Servers, caller: Callers):
    server = scripted([answer({"error": {"code": 502, "message": "down"}, "usage": USAGE})])
    error = failure(caller(server), ProviderFailed, stream=stream)
    assert (error.attempts, error.usage.cost.total) == (1, Decimal("0.0003"))


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "error", "message": content("Hel")},
        {"finish_reason": "error", "message": content("Hel"), "error": {"code": 502, "message": "down"}},
        {"finish_reason": "stop", "message": content("Hel"), "error": {"code": 502, "message": "down"}},
    ],
    ids=["reason", "reason and error", "error"],
)
@both_kinds
def test_an_answer_that_broke_off_keeps_what_there_is(
    choice: Any, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer({**COMPLETION, "choices": [choice]})])
    error = failure(caller(server), ProviderFailed, stream=stream)
    assert (error.partial.text, error.usage.cost.total) == ("Hel", Decimal("0.0003"))
    assert (error.generation_id, error.provider, error.attempts) == ("gen-1", "Mock", 1)


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "error", "message": content(None)},
        {"finish_reason": "error", "message": content(""), "error": {"code": 502, "message": "down"}},
    ],
    ids=["reason", "reason and error"],
)
@pytest.mark.parametrize("usage", [None, {**USAGE, "cost": 0}], ids=["no usage", "no cost"])
@both_kinds
def test_an_answer_that_broke_off_before_it_had_begun_is_tried_again_as_its_code(
    choice: Any, usage: Any, stream: bool, scripted: Servers, caller: Callers
):
    """Nothing came and nothing was billed: an error as a finish reason is insured, as an error with status 200 is.

    https://openrouter.ai/docs/guides/features/zero-completion-insurance
    """
    server = scripted([answer({**COMPLETION, "choices": [choice], "usage": usage})])
    error = failure(caller(server), ProviderFailed, stream=stream)
    assert (error.partial, error.attempts, len(server.deliveries)) == (None, 3, 3)
    billed = scripted([answer({**COMPLETION, "choices": [choice]})])
    assert failure(caller(billed), ProviderFailed, stream=stream).attempts == len(billed.deliveries) == 1


# --- E3, E4: no JSON at all ---

PAGE = b"<html><title>Sign in to the airport</title>" + b"x" * 5000 + b"</html>"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PAGE, "text/html"),
        (PAGE, "application/json"),
        (PAGE, "text/event-stream"),
        (b"\n\n  " + PAGE, "text/html; charset=utf-8"),
    ],
    ids=["page", "as JSON", "as a stream", "padded"],
)
@both_kinds
def test_a_page_in_place_of_an_answer_is_told_by_its_beginning(
    body: bytes, kind: str, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer(body, Content_Type=kind)])
    error = failure(caller(server), Malformed, stream=stream)
    assert "Sign in to the airport" in str(error)
    assert len(str(error)) < 500
    assert (error.attempts, error.delivered) == (1, "yes")


@pytest.mark.parametrize("blank", [b"", b"   ", b"\n\n \n"], ids=["empty", "blanks", "lines"])
@both_kinds
def test_an_answer_with_an_empty_body_is_none(blank: bytes, stream: bool, scripted: Servers, caller: Callers):
    server = scripted([answer(blank)])
    error = failure(caller(server), Empty, stream=stream)
    assert (error.attempts, error.generation_id, error.delivered) == (1, "gen-1", "yes")


def test_an_answer_padded_with_blanks_while_waiting_is_read(scripted: Servers, caller: Callers):
    raw = b"  \n\n" * 5 + json.dumps(COMPLETION).encode()
    pieces = [chunked(raw[start : start + 10]) for start in range(0, len(raw), 10)]
    head = STREAM_HEAD.replace(b"text/event-stream", b"application/json")
    server = scripted([head, *pieces[:2], 0.05, *pieces[2:], chunked(b"")])
    assert caller(server).complete(HI).text == "Hello"


# --- E5, E6, E7: bodies that are cut, compressed, or too large ---

RAW = json.dumps(COMPLETION).encode()


@pytest.mark.parametrize("end", ["RST", "FIN"])
@both_kinds
def test_an_answer_shorter_than_its_length_is_lost(
    end: str, stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer(COMPLETION)[:-20], 0.05, end])
    error = failure(caller(server), ConnectionLost, stream=stream)
    assert (error.delivered, error.generation_id, len(server.deliveries)) == ("yes", "gen-1", 1)


@both_kinds
def test_an_answer_that_was_cut_before_it_was_sent_is_malformed(
    stream: bool, scripted: Servers, caller: Callers
):
    server = scripted([answer(RAW[:-20])])
    error = failure(caller(server), Malformed, stream=stream)
    assert (error.attempts, error.generation_id, len(server.deliveries)) == (1, "gen-1", 1)


@both_kinds
def test_an_answer_that_ends_with_the_connection_is_judged_by_its_content(
    stream: bool, scripted: Servers, caller: Callers
):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    whole = caller(scripted([head + RAW, "FIN"]))
    text = "".join(step.text for step in whole.stream(HI)) if stream else whole.complete(HI).text
    assert text == "Hello"
    failure(caller(scripted([head + RAW[:-20], "FIN"])), Malformed, stream=stream)


def test_an_answer_that_stops_coming_is_idle(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)[:-20], "HANG"])
    error = failure(caller(server, timeout={"idle": SOON}), TimedOut)
    assert (error.phase, error.delivered, error.generation_id, error.attempts) == ("idle", "yes", "gen-1", 1)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(RAW)),
        ("GZIP", gzip.compress(RAW)),
        ("deflate", zlib.compress(RAW)),
        ("deflate", raw_deflate(RAW)),
        ("identity", RAW),
        ("gzip, identity", gzip.compress(RAW)),
    ],
)
def test_a_compressed_answer_is_read(coding: str, body: bytes, scripted: Servers, caller: Callers):
    server = scripted([answer(body, Content_Encoding=coding)])
    assert caller(server).complete(HI).text == "Hello"
    assert "gzip" in server.deliveries[0].headers["accept-encoding"]


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(RAW)[:-12]),
        ("gzip", gzip.compress(RAW)[:-5] + b"wrong"),
        ("gzip", b"not gzip at all"),
        ("deflate", zlib.compress(RAW)[:-10]),
        ("deflate", b"\xff\xff\xff\xff"),
        ("x-of-tomorrow", b"\x00\x01\x02"),
    ],
    ids=["without its end", "wrong sum", "garbage", "deflate cut", "deflate garbage", "unknown"],
)
def test_an_answer_that_cannot_be_decompressed_whole_is_malformed(
    coding: str, body: bytes, scripted: Servers, caller: Callers
):
    server = scripted([answer(body, Content_Encoding=coding)])
    error = failure(caller(server), Malformed)
    assert (error.attempts, error.generation_id, len(server.deliveries)) == (1, "gen-1", 1)


def test_an_answer_cut_before_anything_can_be_unpacked_is_empty(scripted: Servers, caller: Callers):
    """Its beginning is well-formed, so the cut cannot be told from an end; nothing is nothing, and never half an answer."""
    server = scripted([answer(gzip.compress(RAW)[:20], Content_Encoding="gzip")])
    error = failure(caller(server), Empty)
    assert (error.attempts, error.generation_id, len(server.deliveries)) == (1, "gen-1", 1)


@cache
def bomb() -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    megabyte = b" " * 1024 * 1024
    return b"".join(packer.compress(megabyte) for _ in range(200)) + packer.flush()


def test_a_compressed_answer_larger_than_the_limit_is_refused_before_it_is_unpacked(
    scripted: Servers, caller: Callers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "MAX_ANSWER_BYTES", 4 * 1024 * 1024)
    server = scripted([answer(bomb(), Content_Encoding="gzip")])
    client = caller(server)
    tracemalloc.start()
    try:
        error = failure(client, Malformed)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than 4194304 bytes" in str(error)
    # A piece of 64 KB, which is unpacked at once, becomes as many megabytes; the whole would be 200, and as many again when joined.
    assert taken < 150 * 1024 * 1024


# --- E8, E9, E10: the letters and the numbers ---


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            json.dumps(completion(content("é日😀")), ensure_ascii=False).encode(),
            "application/json; charset=latin-1",
        ),
        (
            json.dumps(completion(content("é日😀")), ensure_ascii=False).encode(),
            "application/json; charset=bogus",
        ),
        (b"\xef\xbb\xbf" + json.dumps(completion(content("é日😀"))).encode(), "application/json"),
    ],
    ids=["latin-1", "bogus", "mark"],
)
def test_an_answer_is_utf_8_whatever_its_head_says(
    body: bytes, kind: str, scripted: Servers, caller: Callers
):
    assert caller(scripted([answer(body, Content_Type=kind)])).complete(HI).text == "é日😀"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(COMPLETION).encode("utf-16"),
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b'{"choices": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        RAW[:-1] + b', "odd": ' + b"9" * 5000 + b"}",
        b"[]",
        b"null",
        b'"words"',
        b"5",
    ],
    ids=[
        "UTF-16",
        "not UTF-8",
        "deep lists",
        "deep objects",
        "long number",
        "list",
        "null",
        "words",
        "number",
    ],
)
@both_kinds
def test_what_is_no_json_object_is_malformed(body: bytes, stream: bool, scripted: Servers, caller: Callers):
    error = failure(caller(scripted([answer(body)])), Malformed, stream=stream)
    assert (error.attempts, error.delivered, error.generation_id) == (1, "yes", "gen-1")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-0.0"])
def test_numbers_that_nobody_can_read_do_no_harm_outside_the_answer(
    number: str, scripted: Servers, caller: Callers
):
    raw = RAW[:-1] + f', "odd": {number}, "system_fingerprint": "a", "system_fingerprint": "b"}}'.encode()
    answered = caller(scripted([answer(raw)])).complete(HI)
    assert (answered.text, answered.cost.total) == ("Hello", Decimal("0.0003"))


# --- E11, E12: nothing in it ---


@pytest.mark.parametrize("choices", [[], None, "absent", {}, "odd", [None]], ids=str)
@both_kinds
def test_an_answer_without_choices_is_tried_again_once_if_nobody_was_billed(
    choices: Any, stream: bool, scripted: Servers, caller: Callers
):
    body = {key: value for key, value in {**COMPLETION, "choices": choices}.items() if value != "absent"}
    billed = scripted([answer(body)])
    error = failure(caller(billed), Empty, stream=stream)
    assert (error.attempts, error.usage.cost.total) == (1, Decimal("0.0003"))
    del body["usage"]
    free = scripted([answer(body)])
    error = failure(caller(free), Empty, stream=stream)
    assert (error.attempts, len(free.deliveries), error.usage) == (2, 2, None)
    assert error.generation_id == "gen-1"


@both_kinds
def test_an_answer_without_choices_is_tried_again_once_whatever_was_before(
    stream: bool, scripted: Servers, caller: Callers
):
    busy = answer({"error": {"code": 503, "message": "busy"}}, 503, Retry_After="0")
    empty = answer({"id": "gen-1", "choices": []})
    answered = scripted([busy], [empty], [answer(COMPLETION)])
    assert ending(caller(answered, max_retries=5), stream=stream) is None
    again = scripted([empty], [busy], [empty])
    assert failure(caller(again, max_retries=5), Empty, stream=stream).attempts == 3


@pytest.mark.parametrize(
    "message",
    [None, {}, content(None), content(None, tool_calls=[], reasoning="")],
    ids=str,
)
@both_kinds
def test_a_message_with_nothing_in_it_is_empty(
    message: Any, stream: bool, scripted: Servers, caller: Callers
):
    error = failure(caller(scripted([answer(completion(message))])), Empty, stream=stream)
    assert (error.usage.completion_tokens, error.generation_id, error.attempts) == (2, "gen-1", 1)


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    "message",
    [
        content(None, tool_calls=[CALL]),
        content(None, reasoning="hm"),
        content(None, reasoning_details=[{"type": "reasoning.encrypted", "data": "x", "index": 0}]),
        content(None, refusal="I can't"),
        content(None, images=[IMAGE]),
        content(None, audio={"id": "a", "data": "AA=="}),
    ],
    ids=["tool call", "reasoning", "details", "refusal", "image", "audio"],
)
@both_kinds
def test_a_message_without_text_may_have_something_else_in_it(
    message: Any, stream: bool, scripted: Servers, caller: Callers
):
    client = caller(scripted([answer(completion(message))]))
    if stream:
        streaming = client.stream(HI)
        list(streaming)
        answered = streaming.completion
    else:
        answered = client.complete(HI)
    assert answered.text == ""
    assert answered.raw["choices"][0]["message"] == message


# --- E13-E18: odd answers ---


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a": ', None),
        ("words", None),
        ("[1]", None),
    ],
    ids=str,
)
def test_arguments_of_a_tool_are_read_or_kept_as_they_are(
    arguments: Any, args: Any, scripted: Servers, caller: Callers
):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    body = completion(content(None, tool_calls=[call]), "tool_calls")
    (made,) = caller(scripted([answer(body)])).complete(HI).tool_calls
    assert made.args == args
    if isinstance(arguments, str):
        assert made.arguments == arguments


@pytest.mark.parametrize(
    "usage",
    [
        "absent",
        None,
        {},
        [],
        "many",
        {"prompt_tokens": "7", "cost": "free"},
        {"prompt_tokens": -7, "completion_tokens": -1, "cost": -0.5},
        {"cost": None},
        {"prompt_tokens": 1.5, "completion_tokens": True},
    ],
    ids=str,
)
def test_usage_that_makes_no_sense_is_unknown_and_not_zero(usage: Any, scripted: Servers, caller: Callers):
    body = {key: value for key, value in {**COMPLETION, "usage": usage}.items() if value != "absent"}
    answered = caller(scripted([answer(body)])).complete(HI)
    assert answered.text == "Hello"
    assert answered.cost.total is None
    assert answered.raw.get("usage", "absent") == usage


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "1e999"])
def test_a_cost_that_is_no_number_is_unknown(cost: str, scripted: Servers, caller: Callers):
    raw = json.dumps({**COMPLETION, "usage": {"cost": "COST"}}).replace('"COST"', cost).encode()
    assert caller(scripted([answer(raw)])).complete(HI).cost.total is None


def test_what_is_not_known_is_kept(scripted: Servers, caller: Callers):
    body = completion(
        content("Hello", annotations=[{"type": "of_tomorrow", "x": 1}], of_tomorrow=[1]),
        "of_tomorrow",
        of_tomorrow={"a": 1},
        service_tier="odd",
    )
    answered = caller(scripted([answer(body)])).complete(HI)
    assert (answered.text, answered.finish_reason) == ("Hello", "of_tomorrow")
    assert answered.raw == body


def test_a_completion_that_is_wrapped_in_its_provider_is_found(scripted: Servers, caller: Callers):
    answered = caller(scripted([answer({"provider": COMPLETION})])).complete(HI)
    assert (answered.text, answered.id) == ("Hello", "gen-1")


def test_content_may_come_in_parts_and_choices_in_numbers(scripted: Servers, caller: Callers):
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}, {"type": "of_tomorrow"}]
    body = completion(content(parts))
    body["choices"].append({"index": 1, "message": content("Bye"), "finish_reason": "length"})
    answered = caller(scripted([answer(body)])).complete(HI)
    assert [choice.text for choice in answered.choices] == ["Hello", "Bye"]
    assert [choice.finish_reason for choice in answered.choices] == ["stop", "length"]


# --- whatever comes ---

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = (
    ("choices",), ("choices", 0), ("choices", 0, "message"), ("choices", 0, "message", "content"),
    ("choices", 0, "finish_reason"), ("choices", 0, "message", "tool_calls"), ("usage",), ("usage", "cost"),
    ("usage", "cost_details"), ("id",), ("provider",), ("model",), ("error",), ("choices", 0, "error"),
)  # fmt: skip


@given(path=st.sampled_from(PATHS), value=VALUES)
def test_whatever_stands_in_an_answer_it_is_an_answer_or_an_error_of_ours(path: tuple[Any, ...], value: Any):
    body = json.loads(RAW)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    outcome = whole_call([JSON, json.dumps(body).encode()], retry=Retry(0))
    assert outcome.error or isinstance(outcome.completion, Completion)


@given(data=st.binary(max_size=200))
def test_whatever_comes_for_an_answer_it_is_an_answer_or_an_error_of_ours(data: bytes):
    outcome = whole_call([JSON, data], retry=Retry(0))
    assert outcome.error or isinstance(outcome.completion, Completion)


HEADERS = st.sampled_from(
    ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-remaining", "x-should-retry"]
)
DATES = st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
WORDS = st.text(max_size=20) | st.floats().map(str) | st.integers().map(str) | DATES | st.just("0")


@given(
    status=st.sampled_from([402, 429, 500, 503, 529]),
    headers=st.dictionaries(HEADERS, WORDS),
    availability=st.dictionaries(st.sampled_from(["retry_after", "retryable"]), VALUES),
    attempt=st.integers(1, 10**6),
    left=st.none() | st.floats(-10, 1000),
)
def test_whatever_a_server_wishes_the_wait_is_from_nothing_to_a_minute(
    status: int, headers: dict[str, str], availability: Any, attempt: int, left: float | None
):
    body = json.dumps({"error": {"code": status, "availability": availability}}).encode()
    error = from_status(status, headers, body)
    assert error.retry_after is None or 0 <= error.retry_after < math.inf
    delay = Retry(max_retries=10**9).delay(error, attempt, left)
    assert delay is None or (0 <= delay <= 60 and (left is None or delay < left))
    pickled = str(error)
    assert len(pickled) < 2_500
