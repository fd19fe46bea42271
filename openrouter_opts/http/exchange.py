"""The whole life of one request as one pure generator: it says what to do next, and a driver does it.

Everything that is decided is decided here: when to try again, whether an answer is whole, which timeout was missed. A driver
(`openrouter_opts.http.drive`) performs the steps, and sends back what came of each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

from openrouter_opts.errors import (
    ConfigurationError,
    ConnectionLost,
    Empty,
    Interrupted,
    Malformed,
    OpenRouterError,
    Phase,
    TimedOut,
)
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.settings import Timeout
from openrouter_opts.protocol import decode, failure
from openrouter_opts.protocol.assemble import Assembler
from openrouter_opts.protocol.completion import Completion, Delta
from openrouter_opts.protocol.request import Request
from openrouter_opts.protocol.sse import Event, EventDecoder, EventTooLarge

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
MAX_ERROR_BYTES: Final = 64 * 1024
IDLE: Final[Phase] = "idle"
PROGRESS: Final[Phase] = "progress"
_DONE: Final = b"[DONE]"
# What no stream of events has: an answer that comes whole, or a portal's login page.
_WHOLE: Final = ("application/json", "text/html")


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request; answer with its `Head`. An earlier response is closed first."""

    request: Request
    seconds: float | None


class Read(NamedTuple):
    """Answer with the next bytes of the body, `b""` at its end."""

    seconds: float | None


class Drain(NamedTuple):
    """The answer is whole: take what is left of the body, so that the connection can be used again, or drop it."""

    seconds: float


class Sleep(NamedTuple):
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a response; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """The JSON answer of a smaller endpoint."""

    body: Any


Item: TypeAlias = Delta | Completion | Data
Step: TypeAlias = Open | Read | Drain | Sleep | Item
Reply: TypeAlias = Head | bytes | None
Flow: TypeAlias = Generator[Step, Any, None]
Reader: TypeAlias = "Callable[[Head, int, Patience], Flow]"


class Patience:
    """Keeps the time of one call, and says how long the next wait may be and what it is called when it gets longer."""

    def __init__(self, timeout: Timeout, clock: Callable[[], float] = monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._started = clock()
        # Time spent waiting since the last event. What the consumer does in between is not the server's fault.
        self._waited = 0.0

    def left(self) -> float | None:
        """Return the seconds left of the total timeout."""
        total = self._timeout.total
        return None if total is None else total - (self._clock() - self._started)

    def open(self, request: Request) -> Generator[Step, Head, Head]:
        """Send the request."""
        self._waited = 0.0
        limit = self._timeout.first_byte
        return self._wait(lambda seconds: Open(request, seconds), limit, "first_byte")

    def read(self) -> Generator[Step, bytes, bytes]:
        """Read on."""
        limit, phase = self._timeout.idle, IDLE
        progress = self._timeout.progress
        left = None if progress is None else progress - self._waited
        if left is not None and (limit is None or left < limit):
            limit, phase = left, PROGRESS
        return self._wait(Read, limit, phase)

    def progressed(self) -> None:
        """Note that an event has come."""
        self._waited = 0.0

    def _wait(
        self, step: Callable[[float | None], Step], limit: float | None, phase: Phase
    ) -> Generator[Step, Any, Any]:
        left = self.left()
        if left is not None and (limit is None or left < limit):
            limit, phase = left, "total"
        if limit is not None and limit <= 0:
            raise _timed_out(phase)
        began = self._clock()
        try:
            reply = yield step(limit)
        except TimedOut as error:
            raise error if error.phase == "connect" else _timed_out(phase) from None
        self._waited += self._clock() - began
        return reply


def _timed_out(phase: Phase) -> TimedOut:
    return TimedOut(
        f"the `{phase}` timeout passed while waiting for the answer", phase=phase, delivered="maybe"
    )


def exchange(request: Request, read: Reader, retry: Retry, patience: Patience) -> Flow:
    """Send a request until it is answered or not worth another attempt.

    Yields steps to perform, and items for the caller: deltas, then the completion. Raises `OpenRouterError`.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            head = yield from patience.open(request)
            if head.status != 200:
                raise (yield from _refusal(head, patience))
            yield from read(head, attempt, patience)
        except OpenRouterError as error:
            error.attempts = attempt
            delay = retry.delay(error, attempt, patience.left())
            if delay is None:
                raise
            yield Sleep(delay)
        else:
            return


def _refusal(head: Head, patience: Patience) -> Generator[Step, Any, OpenRouterError]:
    if 300 <= head.status < 400:
        target = head.headers.get("location", "nowhere")
        return ConfigurationError(
            f"base_url: the server answers {head.status} and points to {target!r}; use that address if you trust it",
            status=head.status,
            delivered="yes",
        )
    body = yield from _read_beginning(patience, MAX_ERROR_BYTES)
    if head.status < 300:
        return Empty(
            f"the server answered {head.status}, which holds no answer", status=head.status, delivered="yes"
        )
    return failure.from_status(head.status, head.headers, body)


def _read_beginning(patience: Patience, limit: int) -> Generator[Step, Any, bytes]:
    """Read as much of an error's body as comes: its status says enough, even if the body breaks off."""
    body = b""
    try:
        while len(body) < limit and (piece := (yield from patience.read())):
            body += piece
            patience.progressed()
    except OpenRouterError:
        return body
    return body


def _read_all(patience: Patience, limit: int) -> Generator[Step, Any, bytes]:
    pieces: list[bytes] = []
    size = 0
    while piece := (yield from patience.read()):
        pieces.append(piece)
        size += len(piece)
        # Blanks that keep the connection alive are no progress, but there is no telling them from an answer here.
        patience.progressed()
        if size > limit:
            raise Malformed(f"the answer is larger than {limit} bytes", delivered="yes")
    return b"".join(pieces)


def read_json(head: Head, attempt: int, patience: Patience) -> Flow:  # noqa: ARG001 - a reader's signature
    """Read the answer of a smaller endpoint."""
    body = decode.parse((yield from _read_all(patience, MAX_ANSWER_BYTES)))
    if isinstance(body, dict) and (said := decode.error_in(body)):
        raise failure.from_error(said, headers=head.headers)
    yield Data(body)


def read_completion(head: Head, attempt: int, patience: Patience) -> Flow:
    """Read a chat answer that comes whole."""
    try:
        data = yield from _read_all(patience, MAX_ANSWER_BYTES)
        yield whole(data, head, attempt)
    except OpenRouterError as error:
        raise _with_facts(error, head) from None


def whole(data: bytes, head: Head, attempt: int) -> Completion:
    """Judge a body with status 200: a completion, or the error it holds."""
    if not data.strip():
        raise Empty("the answer has an empty body", status=head.status, delivered="yes")
    body = decode.parse(data)
    if not isinstance(body, dict):
        raise Malformed(f"the answer is a JSON {type(body).__name__}, not an object", delivered="yes")
    body = decode.unnest(body)
    completion = decode.completion(body, headers=head.headers, attempts=attempt)
    if said := decode.error_in(body):
        raise _failed_midway(failure.from_error(said, headers=head.headers, body=data), completion)
    return _checked(completion)


def _checked(completion: Completion) -> Completion:
    if completion.choices and not all(decode.is_empty(choice) for choice in completion.choices):
        return completion
    what = "nothing in its choice" if completion.choices else "no choices"
    raise Empty(
        f"the answer has {what}", delivered="yes", generation_id=completion.id, usage=completion.usage
    )


def read_stream(head: Head, attempt: int, patience: Patience) -> Flow:
    """Read a chat answer that comes in chunks; yields deltas, then the completion."""
    if head.headers.get("content-type", "").startswith(_WHOLE):
        yield from _read_unstreamed(head, attempt, patience)
        return
    assembler = Assembler()
    try:
        ended = yield from _read_chunks(assembler, patience)
        yield _checked(decode.completion(assembler.body(), headers=head.headers, attempts=attempt))
    except OpenRouterError as error:
        partial = decode.completion(assembler.body(), headers=head.headers, attempts=attempt, ended=False)
        raise _with_facts(_failed_midway(error, partial, keep=assembler.has_content), head) from None
    if ended:
        yield Drain(0.1)


def _read_chunks(assembler: Assembler, patience: Patience) -> Generator[Step, Any, bool]:
    """Read the stream to its end; return whether `[DONE]` came."""
    try:
        ended = yield from _relay(assembler, patience)
    except (ConnectionLost, TimedOut, Interrupted):
        # After the finish reason nothing is missing but, at most, the usage.
        if not assembler.has_finish_reason:
            raise
        return False
    if not ended and not assembler.has_finish_reason:
        raise Interrupted("the stream ended before a finish reason or `[DONE]`", delivered="yes")
    return ended


def _relay(assembler: Assembler, patience: Patience) -> Generator[Step, Any, bool]:
    """Pass on what the stream adds; return whether `[DONE]` came."""
    decoder = EventDecoder()
    while True:
        data = yield from patience.read()
        try:
            events = decoder.feed(data) if data else decoder.close()
        except EventTooLarge as problem:
            raise Malformed(str(problem), delivered="yes") from None
        for event in events:
            chunk = _chunk_of(event, at_end=not data)
            if chunk is None:
                return True
            patience.progressed()
            _raise_error_in(chunk, event, assembler)
            yield from assembler.feed(chunk)
        if not data:
            return False


def _chunk_of(event: Event, *, at_end: bool) -> Mapping[str, Any] | None:
    """Return the chunk of an event; `{}` for an event without one, `None` for `[DONE]`."""
    data = event.data.strip()
    if data == _DONE:
        return None
    if not data:
        return {}
    try:
        chunk = decode.parse(data)
    except Malformed:
        if at_end:
            raise Interrupted("the stream ended inside an event", delivered="yes") from None
        raise
    if not isinstance(chunk, dict):
        raise Malformed(f"the stream holds a JSON {type(chunk).__name__}, not a chunk", delivered="yes")
    return chunk


def _raise_error_in(chunk: Mapping[str, Any], event: Event, assembler: Assembler) -> None:
    said = decode.error_in(chunk)
    if said is None and event.name == "error":
        said = str(chunk.get("message") or "the stream reports an error")
    if said is None:
        return
    if assembler.has_finish_reason:
        # Recorded: `finish_reason: "length"`, then `Token limit reached`. The answer is whole and paid for.
        text = said if isinstance(said, str) else said.get("message")
        warnings.warn(f"OpenRouter reported an error after the answer had ended: {text}", stacklevel=2)
        return
    assembler.feed({**chunk, "choices": _without_error_reason(chunk)})
    raise failure.from_error(said)


def _without_error_reason(chunk: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**choice, "finish_reason": None} for choice in decode.mappings(chunk.get("choices"))]


def _read_unstreamed(head: Head, attempt: int, patience: Patience) -> Flow:
    """Read the whole answer that some servers give to a streaming request."""
    try:
        data = yield from _read_all(patience, MAX_ANSWER_BYTES)
        completion = whole(data, head, attempt)
    except OpenRouterError as error:
        raise _with_facts(error, head) from None
    yield from Assembler().feed(completion.raw)
    yield completion


def _failed_midway(error: OpenRouterError, partial: Completion, *, keep: bool = True) -> OpenRouterError:
    """Keep on the error what was received, and paid for."""
    answered = keep and any(not decode.is_empty(choice) for choice in partial.choices)
    if answered and error.partial is None:
        error.partial = partial
    error.usage = error.usage or partial.usage
    error.generation_id = error.generation_id or partial.id
    error.provider = error.provider or partial.provider
    return error


def _with_facts(error: OpenRouterError, head: Head) -> OpenRouterError:
    error.delivered = "yes"
    error.generation_id = error.generation_id or head.headers.get("x-generation-id")
    error.request_id = error.request_id or head.headers.get("request-id") or head.headers.get("cf-ray")
    if error.response is None:
        error.response = failure.view(head.status, head.headers, b"")
    return error
