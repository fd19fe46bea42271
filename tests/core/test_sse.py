"""Server-sent events: exact to the specification however the bytes are split."""

from __future__ import annotations

import time

import pytest

from openrouter_opts.protocol.sse import MAX_EVENT_BYTES, Event, EventDecoder, EventTooLarge

PLAIN = (
    ": OPENROUTER PROCESSING\n\n"
    'data: {"a": 1}\n\n'
    "data:no space\n\n"
    "id: 1\nretry: 10\nunknown: x\ndata: first\ndata: second\n\n"
    "event: error\ndata: broken\n\n"
    "data: é 😀 a\u2028b\x85c\x0bd\x0ce\n\n"
    "data\n\n"
    "event: lonely\n\n"
    "data: [DONE]\n\n"
)
EVENTS = [
    Event(b'{"a": 1}'),
    Event(b"no space"),
    Event(b"first\nsecond"),
    Event(b"broken", "error"),
    Event("é 😀 a\u2028b\x85c\x0bd\x0ce".encode()),
    Event(b""),
    Event(b"[DONE]"),
]


def decode(*pieces: bytes, max_event_bytes: int = MAX_EVENT_BYTES) -> list[Event]:
    decoder = EventDecoder(max_event_bytes)
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def with_line_ends(ending: str) -> bytes:
    return PLAIN.replace("\n", ending).encode()


ENDINGS = pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])


@ENDINGS
def test_events_come_out_whole(ending: str):
    assert decode(with_line_ends(ending)) == EVENTS


@ENDINGS
def test_every_split_point_gives_the_same_events(ending: str):
    data = with_line_ends(ending)
    for cut in range(len(data) + 1):
        assert decode(data[:cut], data[cut:]) == EVENTS, cut


@ENDINGS
def test_one_byte_at_a_time_gives_the_same_events(ending: str):
    assert decode(*(bytes([byte]) for byte in with_line_ends(ending))) == EVENTS


def test_line_ends_may_be_mixed():
    data = b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r"
    for cut in range(len(data) + 1):
        assert decode(data[:cut], data[cut:]) == [Event(b"a\nb\nc"), Event(b"d")], cut


def test_empty_pieces_change_nothing():
    assert decode(b"", b"data: a\r", b"", b"\n\r", b"", b"\n") == [Event(b"a")]


@pytest.mark.parametrize("cut", range(5))
def test_a_byte_order_mark_at_the_start_is_no_part_of_the_first_event(cut: int):
    data = b"\xef\xbb\xbfdata: a\n\n"
    assert decode(data[:cut], data[cut:]) == [Event(b"a")]


def test_a_byte_order_mark_later_is_data():
    assert decode(b"data: \xef\xbb\xbfa\n\n") == [Event(b"\xef\xbb\xbfa")]


def test_only_one_space_after_the_colon_is_dropped():
    assert decode(b"data:  a\n\nevent:  b\ndata:\tc\n\n") == [Event(b" a"), Event(b"\tc", " b")]


def test_the_name_of_an_event_without_data_does_not_stick_to_the_next():
    assert decode(b"event: error\n\ndata: a\n\n") == [Event(b"a")]


def test_a_name_that_is_taken_back_is_none():
    assert decode(b"event: error\nevent\ndata: a\n\n") == [Event(b"a")]


def test_a_field_that_only_begins_with_data_is_another_field():
    assert decode(b"dataset: a\ndatax\n\n") == []


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_the_last_event_may_lack_its_blank_line(ending: bytes):
    assert decode(b"data: a\n\ndata: b" + ending) == [Event(b"a"), Event(b"b")]


def test_the_end_of_a_finished_stream_adds_nothing():
    assert decode(b"data: a\n\n: bye") == [Event(b"a")]


def test_ten_thousand_comments_are_passed_over_and_none_is_kept():
    decoder = EventDecoder(max_event_bytes=100)
    for _ in range(10_000):
        assert decoder.feed(b": OPENROUTER PROCESSING\n\n") == []
    assert decoder.feed(b"data: a\n\n") == [Event(b"a")]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 200 + b"\n"],
        [b"data: "] + [b"x" * 10] * 20,
        [b"data: xxxxxxxxxx\n"] * 20,
        [b"data:\n"] * 200,
        [b": a comment that never ends"] * 20,
    ],
    ids=["one line", "a line in pieces", "many lines", "many empty lines", "a comment"],
)
def test_an_event_over_the_limit_is_refused(pieces: list[bytes]):
    with pytest.raises(EventTooLarge, match="larger than 100 bytes"):
        decode(*pieces, max_event_bytes=100)


def test_the_limit_is_for_one_event_not_for_the_stream():
    decoder = EventDecoder(max_event_bytes=100)
    assert len([event for _ in range(50) for event in decoder.feed(b"data: " + b"x" * 90 + b"\n\n")]) == 50


def test_a_large_event_in_small_pieces_takes_linear_time():
    # Joining at each piece would copy 16 MB four thousand times: half a minute.
    piece = b"x" * 4096
    began = time.perf_counter()
    events = decode(b"data: ", *[piece] * 4096, b"\n\n")
    assert len(events[0].data) == 4096 * 4096
    assert time.perf_counter() - began < 2
