"""F: the bytes of a stream. However they are cut, whatever stands between them, the answer is the same or an error says why not.

Every split point of every recorded stream is in `tests/core/test_split_streams.py`, where no socket is needed.
"""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from openrouter_opts.errors import BadRequest, Interrupted, Malformed, ProviderFailed
from openrouter_opts.http import reading
from openrouter_opts.protocol.sse import EventDecoder
from tests.fake_wire import SSE, call
from tests.faults.aftermath import failure
from tests.faults.calls import Callers, Servers, spoken, until
from tests.scripted_server import Script
from tests.wire_bytes import (
    COMPLETION,
    DONE,
    STREAM,
    STREAM_HEAD,
    USAGE_CHUNK,
    answer,
    chunked,
    delta,
    event,
    streamed,
)

STOP = delta("", finish_reason="stop")
WHOLE = b"".join([b": OPENROUTER PROCESSING\n\n", delta("Hé"), delta("ll😀"), STOP, USAGE_CHUNK, DONE])
RAW = "a\u2028b\u0085c\x0bd\x0ce"
"""What other libraries take for the end of a line."""


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def with_line_ends(*ends: bytes) -> bytes:
    lines = WHOLE.split(b"\n")
    return b"".join(line + ends[number % len(ends)] for number, line in enumerate(lines[:-1]))


def cut_at(part: bytes, inside: int) -> list[bytes]:
    place = WHOLE.index(part) + inside
    return [WHOLE[:place], WHOLE[place:]]


SAME: dict[str, list[bytes]] = {
    "F1 one byte at a time": in_pieces(WHOLE, 1),
    "F1 three bytes at a time": in_pieces(WHOLE, 3),
    "F2 CRLF": [with_line_ends(b"\r\n")],
    "F2 CR": [with_line_ends(b"\r")],
    "F2 mixed": [with_line_ends(b"\n", b"\r", b"\r\n")],
    "F2 CR LF in two pieces": with_line_ends(b"\r\n").replace(b"\r\n", b"\r|\n").split(b"|"),
    "F3 BOM": [b"\xef\xbb\xbf" + WHOLE.partition(b"\n\n")[2]],
    "F3 BOM in pieces": [b"\xef", b"\xbb\xbf" + WHOLE.partition(b"\n\n")[2]],
    "F1 cut in an escape": cut_at(rb"\u00e9", 3),
    "F8 comments": [b": OPENROUTER PROCESSING\n\n" * 10_000 + WHOLE],
    "F9 no space": [WHOLE.replace(b"data: ", b"data:")],
    "F9 several lines": [WHOLE.replace(b'"choices": ', b'\ndata: "choices": ')],
    "F9 other fields": [
        WHOLE.replace(b"data: ", b"id: 7\nretry: 10\nevent: message\nunknown: x\nnothing\ndata: ")
    ],
    "F9 empty data": [b"data\n\ndata:\n\nid: 1\n\n" + WHOLE],
    "F11 no blank line": [WHOLE.replace(DONE, b"").removesuffix(b"\n\n")],
    "F14 DONE with spaces": [WHOLE.replace(b"[DONE]", b" [DONE] ")],
    "F14 DONE twice": [WHOLE + DONE],
    "F14 data after DONE": [WHOLE + delta("more") + b"data: {no json\n\n"],
    "F14 no DONE": [WHOLE.replace(DONE, b"")],
}


@pytest.mark.parametrize("pieces", SAME.values(), ids=SAME)
def test_the_same_answer_comes_however_its_bytes_are_written(
    pieces: list[bytes], scripted: Servers, caller: Callers
):
    client = caller(scripted(streamed(*pieces)))
    said, completion = spoken(client)
    assert said == completion.text == "Héll😀"
    assert (completion.finish_reason, completion.cost.total is None) == ("stop", False)


def test_characters_that_end_lines_elsewhere_are_untouched(scripted: Servers, caller: Callers):
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "@"}}]}, ensure_ascii=False)
    said, completion = spoken(caller(scripted(streamed(event(chunk.replace("@", RAW)), STOP, DONE))))
    assert said == completion.text == RAW


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_character_may_be_cut_anywhere(cut: int, scripted: Servers, caller: Callers):
    raw = event('{"choices": [{"index": 0, "delta": {"content": "😀"}}]}')
    place = raw.index("😀".encode()) + cut
    client = caller(scripted(streamed(raw[:place], raw[place:], STOP, DONE)))
    assert spoken(client)[0] == "😀"


# --- bytes that are no answer ---

HALF_A_CHARACTER = event('{"choices": [{"index": 0, "delta": {"content": "😀').rstrip()[:-2]
NO_ANSWER: dict[str, tuple[bytes, type[Exception]]] = {
    "F5 it ends inside a character": (HALF_A_CHARACTER, Interrupted),
    "F6 invalid UTF-8": (b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n' + STOP, Malformed),
    "F6 Latin-1": (b'data: {"choices": [{"delta": {"content": "\xe9"}}]}\n\n' + STOP, Malformed),
    "F10 an event named error": (b'event: error\ndata: {"code": 502, "message": "down"}\n\n', ProviderFailed),
    "F11 half an event": (b'data: {"choices": [{"del', Interrupted),
    "F11 half an event, and a blank line": (b'data: {"choices": [{"del\n\n' + STOP, Malformed),
}


@pytest.mark.parametrize(("tail", "cls"), NO_ANSWER.values(), ids=NO_ANSWER)
def test_bytes_that_are_no_answer_are_an_error_with_what_had_come(
    tail: bytes, cls: type, scripted: Servers, caller: Callers
):
    server = scripted(streamed(delta("Hel"), tail))
    error = failure(caller(server), cls, stream=True)
    assert (error.partial.text, error.generation_id, error.delivered) == ("Hel", "gen-1", "yes")
    assert len(server.deliveries) == 1


# --- much ---


def test_an_event_of_many_megabytes_is_read(scripted: Servers, caller: Callers):
    image = delta("x" * 16_000_000)
    client = caller(scripted(streamed(*in_pieces(image, 65536), STOP, DONE)))
    said, completion = spoken(client)
    assert len(said) == len(completion.text or "") == 16_000_000


def test_an_event_of_64_megabytes_in_small_pieces_takes_time_in_proportion():
    image = in_pieces(delta("x" * 64_000_000) + STOP + DONE, 4096)
    began = time.process_time()
    outcome = call([SSE, *image])
    # A fifth of a second on a busy machine; what copies all of it with each piece takes minutes.
    assert (len(outcome.text), time.process_time() - began < 2) == (64_000_000, True)


ENDLESS: dict[str, Callable[[int], bytes]] = {
    "a line": lambda size: b"x" * size,
    "an event": lambda size: b"data: x\n" * (size // 8),
    "an event of empty lines": lambda size: b"data\n" * (size // 5),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_is_given_up_and_its_connection_closed(
    kind: str, scripted: Servers, caller: Callers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "EventDecoder", lambda: EventDecoder(max_event_bytes=100_000))
    server = scripted([*streamed(delta("Hel"), end=0.0), *[chunked(ENDLESS[kind](50_000))] * 3, "HANG"])
    client = caller(server)
    error = failure(client, Malformed, stream=True)
    assert "larger than 100000 bytes" in str(error)
    assert error.partial.text == "Hel"
    until(lambda: server.closed_by_client == 1, client.pause)


@pytest.mark.measured
def test_a_hundred_thousand_tiny_events_are_quick():
    data = b"data: {}\n\n" * 100_000
    decoder, began = EventDecoder(), time.process_time()
    count = sum(len(decoder.feed(piece)) for piece in in_pieces(data, 4096))
    # Five microseconds each; it takes half a microsecond on an idle machine, and one on a busy one. `make bench` has the figure.
    assert (count, time.process_time() - began < 0.5) == (100_000, True)


# --- after the end, and other answers ---


FOREVER: dict[str, Script] = {
    "nothing more": ["HANG"],
    "comments now and then": [step for _ in range(150) for step in (chunked(b": x\n\n"), 0.02)],
    "as much as goes": [chunked(b": x\n\n" * 10_000)] * 2000,
}
SOME = 0.4
"""What a loaded machine may take beside."""


@pytest.mark.measured
@pytest.mark.parametrize("rest", FOREVER)
def test_a_server_that_goes_on_after_done_holds_up_nothing_for_longer_than_a_tenth_of_a_second(
    rest: str, scripted: Servers, caller: Callers
):
    server = scripted([*streamed(WHOLE, end=0.0), *FOREVER[rest]])
    client = caller(server)
    began = time.monotonic()
    said, completion = spoken(client)
    assert time.monotonic() - began < 0.1 + SOME
    assert (said, completion.cost.total is None) == ("Héll😀", False)
    until(lambda: server.closed_by_client == 1, client.pause)


@pytest.mark.measured
@pytest.mark.parametrize("rest", FOREVER)
def test_a_server_that_goes_on_after_an_error_holds_it_up_for_a_second_at_most(
    rest: str, scripted: Servers, caller: Callers
):
    broken = event({"error": {"code": 502, "message": "down"}})
    server = scripted([*streamed(delta("Hel"), broken, USAGE_CHUNK, end=0.0), *FOREVER[rest]])
    client = caller(server)
    began = time.monotonic()
    tracemalloc.start()
    try:
        error = failure(client, ProviderFailed, stream=True)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The server's own pieces are among it.
    assert (time.monotonic() - began < 1 + 2 * SOME, taken < 32_000_000) == (True, True)
    assert (error.partial.text, error.usage.cost.total is None) == ("Hel", False)
    until(lambda: server.closed_by_client == 1, client.pause)


def test_a_connection_whose_stream_has_ended_is_used_again(scripted: Servers, caller: Callers):
    server = scripted(streamed(WHOLE))
    client = caller(server)
    assert [spoken(client)[0] for _ in range(3)] == ["Héll😀"] * 3
    assert server.connections == 1


def test_a_stream_may_be_answered_whole(scripted: Servers, caller: Callers):
    said, completion = spoken(caller(scripted([answer(COMPLETION)])))
    assert (said, completion.finish_reason) == ("Hello", "stop")


def test_a_stream_may_be_refused_whole(scripted: Servers, caller: Callers):
    refusal = {"error": {"code": 400, "message": "bad"}}
    failure(caller(scripted([answer(refusal, 400)])), BadRequest, stream=True)
    failure(caller(scripted([answer(refusal)])), BadRequest, stream=True)


COMPRESSED = {"gzip": gzip.compress, "deflate": zlib.compress}


def compressed(coding: str, data: bytes) -> Script:
    head = STREAM_HEAD.replace(b"Content-Type", b"Content-Encoding: %b\r\nContent-Type" % coding.encode())
    return [head, *map(chunked, in_pieces(data, 50)), chunked(b"")]


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_compressed_stream_is_read_though_none_was_asked_for(
    coding: str, scripted: Servers, caller: Callers
):
    server = scripted(compressed(coding, COMPRESSED[coding](STREAM)))
    assert spoken(caller(server))[0] == "Hello"
    assert server.deliveries[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_compressed_stream_that_is_cut_is_half_an_answer(coding: str, scripted: Servers, caller: Callers):
    whole = b"".join(delta(f"word {number} ") for number in range(500)) + STREAM
    data = COMPRESSED[coding](whole)
    error = failure(caller(scripted(compressed(coding, data[: len(data) // 2]))), Interrupted, stream=True)
    assert error.partial.text.startswith("word 0 word 1 ")


@pytest.mark.parametrize("coding", COMPRESSED)
def test_a_stream_that_only_says_it_is_compressed_is_malformed(
    coding: str, scripted: Servers, caller: Callers
):
    failure(caller(scripted(compressed(coding, STREAM))), Malformed, stream=True)
