"""How an answer is read and judged, once its head has come: whole or in chunks, complete or not, an error or not."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final, TypeAlias

from openrouter_opts.errors import (
    BadResponse,
    ConnectionLost,
    Empty,
    Interrupted,
    Malformed,
    OpenRouterError,
    TimedOut,
)
from openrouter_opts.http.steps import Data, Flow, Head, Patience, Step
from openrouter_opts.options.caller import warn
from openrouter_opts.protocol import decode, embeddings, failure
from openrouter_opts.protocol.assemble import Assembler, at_once
from openrouter_opts.protocol.completion import Completion, Usage
from openrouter_opts.protocol.sse import Event, EventDecoder, EventTooLarge

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
_DONE: Final = b"[DONE]"
_BLANKS: Final = b" \t\r\n"
# What no stream of events has: an answer that comes whole, or a portal's login page.
_WHOLE: Final = ("application/json", "text/html")
Reader: TypeAlias = Callable[[Head, int, Patience], Flow]


def _beginning(wait: Callable[[], Generator[Step, bytes, bytes]]) -> Generator[Step, Any, bytes]:
    """Read until there is more than blanks, which OpenRouter and some servers send while they wait; return it without them."""
    size = 0
    while piece := (yield from wait()):
        if begun := piece.lstrip(_BLANKS):
            return begun
        size += len(piece)
        _check(size)
    return b""


def _read_all(patience: Patience) -> Generator[Step, Any, bytes]:
    begun = yield from _beginning(patience.begin)
    return (yield from _read_rest(patience, begun))


def _read_rest(patience: Patience, begun: bytes) -> Generator[Step, Any, bytes]:
    pieces, size, piece = list[bytes](), 0, begun
    while piece:
        pieces.append(piece)
        size += len(piece)
        _check(size)
        patience.progressed()
        piece = yield from patience.read()
    return b"".join(pieces)


def _check(size: int) -> None:
    if size > MAX_ANSWER_BYTES:
        what = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
        raise failure.with_advice(Malformed, what, delivered="yes")


def read_json(head: Head, attempt: int, patience: Patience) -> Flow:
    """Read the answer of a smaller endpoint."""
    yield Data((yield from read_body(head, patience)), head.headers, attempt)


def read_body(head: Head, patience: Patience) -> Generator[Step, Any, Any]:
    """Read JSON with status 200, and return it; raises the error it holds."""
    try:
        data = yield from _read_all(patience)
        body = decode.parse(data)
        if isinstance(body, dict) and (said := decode.error_in(body)):
            raise failure.from_error(said, headers=head.headers, body=data, beside=body)
    except OpenRouterError as error:
        raise with_facts(error, head) from None
    return body


def read_embeddings(count: int) -> Reader:
    """Return what reads `count` vectors."""

    def read(head: Head, attempt: int, patience: Patience) -> Flow:
        try:
            yield _vectors((yield from _read_all(patience)), head, attempt, count)
        except OpenRouterError as error:
            raise with_facts(error, head) from None

    return read


def _vectors(data: bytes, head: Head, attempt: int, count: int) -> embeddings.Embeddings:
    body = _object(data, head)
    facts = embeddings.facts(body, headers=head.headers, attempts=attempt)
    try:
        if said := decode.error_in(body):
            raise failure.from_error(said, headers=head.headers, body=data, beside=body)
        return replace(facts, vectors=embeddings.vectors(body, count))
    except OpenRouterError as error:
        raise _that_cost(error, facts) from None


def read_completion(head: Head, attempt: int, patience: Patience) -> Flow:
    """Read a chat answer that comes whole."""
    try:
        data = yield from _read_all(patience)
        yield whole(data, head, attempt)
    except OpenRouterError as error:
        raise with_facts(error, head) from None


def whole(data: bytes, head: Head, attempt: int) -> Completion:
    """Judge a body with status 200: a completion, or the error it holds."""
    body = decode.unnest(_object(data, head))
    completion = decode.completion(body, headers=head.headers, attempts=attempt)
    if said := decode.error_in(body):
        raise _failed_midway(
            failure.from_error(said, headers=head.headers, body=data, beside=body), completion
        )
    try:
        return _checked(completion)
    except Empty as error:
        raise _failed_midway(error, completion) from None


def _object(data: bytes, head: Head) -> dict[str, Any]:
    if not data:
        raise failure.with_advice(Empty, "the answer has an empty body", status=head.status, delivered="yes")
    body = decode.parse(data)
    if not isinstance(body, dict):
        raise failure.with_advice(
            Malformed, f"the answer is a JSON {type(body).__name__}, not an object", delivered="yes"
        )
    return body


def _checked(completion: Completion) -> Completion:
    if completion.choices and not all(decode.is_empty(choice) for choice in completion.choices):
        return completion
    what = "nothing in its choice" if completion.choices else "no choices"
    raise failure.with_advice(
        Empty, f"the answer has {what}", delivered="yes", generation_id=completion.id, usage=completion.usage
    )


@dataclass(slots=True)
class SoFar:
    """What has come of a stream, to be looked at whenever it is left."""

    asked: int = 1
    """How many choices were asked for."""
    assembler: Assembler = field(default_factory=Assembler)
    head: Head = field(default_factory=lambda: Head(0))
    attempt: int = 0
    whole: Completion | None = None
    """The answer, where it came whole though a stream was asked for."""

    def read(self, head: Head, attempt: int, patience: Patience) -> Flow:
        """Read a stream as `read_stream` does."""
        return read_stream(head, attempt, patience, self)

    def completion(self, *, ended: bool = False) -> Completion:
        """Return it as an answer; one that has not `ended` is taken literally."""
        if self.whole:
            return self.whole
        body, headers = self.assembler.body(), self.head.headers
        return decode.completion(body, headers=headers, attempts=self.attempt, ended=ended)

    def cut(self) -> OpenRouterError:
        """Return the error of a stream that is read on after it was cut here: cancelled, interrupted, or failed before."""
        what = "the stream was cut before its end, when its reader was cancelled or it had failed"
        error = failure.with_advice(Interrupted, what, attempts=self.attempt, delivered="maybe")
        error = _failed_midway(error, self.completion())
        return with_facts(error, self.head) if self.head.status else error


def read_stream(head: Head, attempt: int, patience: Patience, so_far: SoFar | None = None) -> Flow:
    """Read a chat answer that comes in chunks; yields deltas, then the completion. Keeps `so_far` up to date."""
    comes_whole = head.headers.get("content-type", "").lower().startswith(_WHOLE)
    try:
        begun = yield from _beginning(patience.begin if comes_whole else patience.read)
    except OpenRouterError as error:
        raise with_facts(error, head) from None
    so_far = so_far or SoFar()
    so_far.assembler, so_far.head, so_far.attempt = Assembler(so_far.asked), head, attempt
    # A body that is no stream is told by its look too: JSON, or a portal's login page.
    if comes_whole or begun[:1] in (b"{", b"<"):
        yield from _read_unstreamed(so_far, patience, begun)
        return
    try:
        ended = yield from _read_chunks(so_far.assembler, patience, begun)
        yield from patience.handing(so_far.assembler.rest())
        yield _checked(so_far.completion(ended=True))
    except OpenRouterError as error:
        raise with_facts(_failed_midway(error, so_far.completion()), head) from None
    if ended:
        yield from patience.rest(0.1)


def _read_chunks(assembler: Assembler, patience: Patience, begun: bytes) -> Generator[Step, Any, bool]:
    """Read the stream to its end; return whether `[DONE]` came."""
    try:
        ended = yield from _relay(assembler, patience, begun)
    except (ConnectionLost, TimedOut, Interrupted, Malformed):
        # After the finish reason nothing is missing but, at most, the usage.
        if not assembler.has_finish_reason:
            raise
        return False
    if not ended and not assembler.has_finish_reason:
        raise failure.with_advice(
            Interrupted, "the stream ended before a finish reason or `[DONE]`", delivered="yes"
        )
    return ended


def _relay(assembler: Assembler, patience: Patience, data: bytes) -> Generator[Step, Any, bool]:
    """Pass on what the stream adds; return whether `[DONE]` came."""
    decoder = EventDecoder()
    while True:
        events = _events(decoder, data)
        for event in events:
            try:
                chunk = _chunk_of(event, at_end=not data)
                if chunk is None:
                    return True
                patience.progressed()
                if error := _error_of(chunk, event, assembler):
                    raise error
            except OpenRouterError:
                # What the call cost comes after its error.
                rest = yield from patience.rest(1.0)
                late = chain(_events(decoder, rest), _events(decoder, b""))
                _take_usage(assembler, chain(events, late))
                raise
            yield from patience.handing(assembler.feed(chunk))
        if not data:
            return False
        data = yield from patience.read()


def _events(decoder: EventDecoder, data: bytes) -> Iterator[Event]:
    try:
        yield from decoder.feed(data) if data else decoder.close()
    except EventTooLarge as problem:
        # What came whole before it is of the answer.
        yield from problem.events
        raise failure.with_advice(Malformed, str(problem), delivered="yes") from None


def _take_usage(assembler: Assembler, events: Iterable[Event]) -> None:
    # What cannot be read says less than the error before it.
    with suppress(BadResponse):
        for event in events:
            with suppress(BadResponse):
                assembler.feed({**(_chunk_of(event, at_end=True) or {}), "choices": []})


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
            raise failure.with_advice(
                Interrupted, "the stream ended inside an event", delivered="yes"
            ) from None
        raise
    if not isinstance(chunk, dict):
        raise failure.with_advice(
            Malformed, f"the stream holds a JSON {type(chunk).__name__}, not a chunk", delivered="yes"
        )
    return chunk


def _error_of(chunk: Mapping[str, Any], event: Event, assembler: Assembler) -> OpenRouterError | None:
    if event.name != "error" and not decode.error_in(chunk):
        return None
    broken = [raw for raw in decode.mappings(chunk.get("choices")) if decode.error_of_choice(raw)]
    # What comes for a choice that has ended takes nothing from it.
    cut = [raw for raw in broken if not assembler.has_ended(raw)]
    of_all = decode.error_of(chunk)
    said = of_all or next(map(decode.error_of_choice, cut or broken), None)
    if said is None:
        said = of_all = {**chunk, "message": chunk.get("message") or "the stream reports an error"}
    error = failure.from_error(said, beside=chunk)
    if not cut and (assembler.has_finish_reason or not of_all):
        # Recorded: `finish_reason: "length"`, then `Token limit reached`. The answer is whole and paid for.
        text = f"OpenRouter reported an error after the answer had ended: {error}"
        warn(text)
        return None
    assembler.feed({**chunk, "choices": _without_error_reason(chunk)})
    return error


def _without_error_reason(chunk: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**choice, "finish_reason": None} for choice in decode.mappings(chunk.get("choices"))]


def _read_unstreamed(so_far: SoFar, patience: Patience, begun: bytes) -> Flow:
    """Read the whole answer that some servers give to a streaming request."""
    try:
        data = yield from _read_rest(patience, begun)
        so_far.whole = completion = whole(data, so_far.head, so_far.attempt)
    except OpenRouterError as error:
        raise with_facts(error, so_far.head) from None
    yield from patience.handing(at_once(completion))
    yield completion


def _failed_midway(error: OpenRouterError, partial: Completion) -> OpenRouterError:
    """Keep on the error what was received, and paid for."""
    answered = any(not decode.is_empty(choice) for choice in partial.choices)
    if answered and error.partial is None:
        error.partial = partial
    return _that_cost(error, partial)


def _that_cost(error: OpenRouterError, answer: Completion | embeddings.Embeddings) -> OpenRouterError:
    error.usage = error.usage or answer.usage
    error.generation_id = error.generation_id or answer.id
    error.provider = error.provider or answer.provider
    return error


def usage_in(body: bytes, head: Head) -> Usage | None:
    """Return what a refusal says that it cost: a provider may have failed when the answer was paid for."""
    try:
        said = decode.parse(body)
    except Malformed:
        return None
    return decode.usage_of(said, head.headers) if isinstance(said, dict) else None


def with_facts(error: OpenRouterError, head: Head) -> OpenRouterError:
    """Put on an error what the head of the response says; its request was delivered."""
    error.delivered = "yes"
    error.generation_id = error.generation_id or head.headers.get("x-generation-id")
    error.request_id = error.request_id or failure.request_id(head.headers)
    if error.response is None:
        error.response = failure.view(head.status, head.headers, b"")
    return error
