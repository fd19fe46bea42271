"""What is fuzzed: each target takes bytes, and raises if something happens that must not.

The invariant: a completion or an `OpenRouterError` and never anything else, and the same from the same bytes however they are split.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, TypeAlias
from zlib import crc32

from openrouter_opts.http.reading import Reader, read_completion, read_embeddings, read_json, read_stream
from openrouter_opts.http.steps import Head
from openrouter_opts.protocol.sse import Event, EventDecoder
from tests.fake_wire import JSON, SSE, Outcome, call
from tests.invariants import ends_well

Target: TypeAlias = Callable[[bytes], None]
_REFUSED: Final = Head(429, {"content-type": "application/json", "date": "Sat, 22 Nov 2025 10:00:00 GMT"})
_BIT_BY_BIT: Final = 500
"""Bytes of a stream that also come one by one: enough for an event, and it takes time."""


def sse(data: bytes) -> None:
    """Events are those of the specification, in any pieces."""
    wanted = as_specified(data)
    assert events([data]) == wanted
    assert events(pieces(data)) == wanted
    begun = data[:_BIT_BY_BIT]
    assert events([bytes([byte]) for byte in begun]) == as_specified(begun)


def decode(data: bytes) -> None:
    """A body is an answer or an error: of a chat, streamed or not, of a refusal, of vectors, of a smaller endpoint."""
    judge(data, JSON, read_completion)
    judge(data, JSON, read_stream)
    judge(data, _REFUSED, read_completion)
    for read in (read_embeddings(1), read_json):
        outcome = played([data], JSON, read)
        assert len(outcome.items) == (outcome.error is None)


def assemble(data: bytes) -> None:
    """A stream is deltas and an answer, or an error that keeps what came."""
    judge(data, SSE, read_stream)


TARGETS: Final[Mapping[str, Target]] = {"sse": sse, "decode": decode, "assemble": assemble}


def judge(data: bytes, head: Head, read: Reader) -> None:
    outcome = played([data], head, read)
    ends_well(outcome)
    assert told(played(pieces(data), head, read)) == told(outcome)


def played(body: list[bytes], head: Head, read: Reader) -> Outcome:
    # An empty read would be the end of the body. What is warned of is for the tests of warnings.
    with warnings.catch_warnings(action="ignore"):
        return call([head, *filter(None, body)], read=read)


def told(outcome: Outcome) -> str:
    """Return all that a caller learns. As text, since NaN is not itself."""
    return repr((outcome.items, outcome.error, outcome.error and vars(outcome.error)))


def pieces(data: bytes) -> list[bytes]:
    """Split bytes at places that depend on nothing but them, so that what was found is found again."""
    chance = Random(crc32(data))
    cuts = sorted(chance.choices(range(len(data) + 1), k=chance.randint(1, 12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def events(parts: list[bytes]) -> list[Event]:
    decoder = EventDecoder()
    fed = [event for part in parts for event in decoder.feed(part)]
    return fed + decoder.close()


def as_specified(data: bytes) -> list[Event]:
    """Read the events as https://html.spec.whatwg.org/multipage/server-sent-events.html words it, all at once.

    But for the end, where the specification drops an event that lacks its blank line.
    """
    found: list[Event] = []
    name, values = b"", list[bytes]()
    for line in [*re.split(rb"\r\n|\n|\r", data.removeprefix(b"\xef\xbb\xbf")), b""]:
        field, _, value = line.partition(b":")
        if field == b"data":
            values.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
        elif not line:
            if values:
                found.append(Event(b"\n".join(values), name.decode("utf-8", "replace") or "message"))
            name, values = b"", []
    return found
