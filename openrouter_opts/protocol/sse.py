"""Server-sent events from bytes, sans I/O: exact to the specification, linear in time, bounded in memory.

Ours, because the libraries at hand fail one of: a BOM, U+2028 inside a line, linear time, a size limit.
Specification: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

# One event can hold a generated image or a minute of audio in base64.
MAX_EVENT_BYTES: Final = 256 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
# What a line takes in memory beside its bytes: without it, endless empty lines would be within the limit for gigabytes.
_LINE_BYTES: Final = 48


class Event(NamedTuple):
    """One event that had data."""

    data: bytes
    name: str = "message"


class EventTooLarge(ValueError):
    """An event grew over the limit; `events` are those that came whole before it, in the same bytes."""

    events: Sequence[Event] = ()


class EventDecoder:
    """Turns bytes, split anywhere, into events.

    Comments (OpenRouter's `: OPENROUTER PROCESSING`), `id:` and `retry:` are passed over.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._name = b""
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return the events they complete. Raises `EventTooLarge`."""
        *lines, last = self._with_plain_line_ends(chunk).split(b"\n")
        events: list[Event] = []
        try:
            if lines:
                lines[0] = self._end_tail(lines[0])
                self._take_lines(lines, events)
            self._hold(last)
        except EventTooLarge as problem:
            problem.events = events
            raise
        return events

    def close(self) -> list[Event]:
        """Say that the stream has ended; return the event that still lacked its blank line, if there is one.

        The specification drops it; a provider's proxy that forgets the last line break should not cost an answer, so the
        caller judges by whether the data is whole.
        """
        events: list[Event] = []
        self._take_lines([self._end_tail(b""), b""], events)
        return events

    def _with_plain_line_ends(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _hold(self, part: bytes) -> None:
        """Keep the beginning of a line for the bytes to come; joining later keeps this linear."""
        if part:
            self._tail.append(part)
            self._tail_size += len(part)
            self._check_size()

    def _end_tail(self, head: bytes) -> bytes:
        line = head
        if self._tail:
            line = b"".join([*self._tail, head])
            self._tail = []
            self._tail_size = 0
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _check_size(self) -> None:
        if self._tail_size + self._data_size > self._max:
            raise EventTooLarge(f"an event of the stream is larger than {self._max} bytes")

    def _take_lines(self, lines: list[bytes], events: list[Event]) -> None:
        for line in lines:
            if line.startswith(b"data:"):
                self._take_data(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data:
                    events.append(self._dispatch())
                self._name = b""
            elif line == b"data":
                self._take_data(b"")
            elif line.startswith(b"event:"):
                self._name = line[6:].removeprefix(b" ")
            elif line == b"event":
                self._name = b""

    def _take_data(self, data: bytes) -> None:
        self._data_size += len(data) + (_LINE_BYTES if self._data else 0)
        self._data.append(data)
        self._check_size()

    def _dispatch(self) -> Event:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._data_size = 0
        return Event(data, self._name.decode("utf-8", "replace")) if self._name else Event(data)
