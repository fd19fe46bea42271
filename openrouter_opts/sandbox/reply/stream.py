"""A streamed answer: its chunks in the order and the shape of the real ones, as bytes.

https://openrouter.ai/docs/api_reference/streaming
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openrouter_opts.sandbox.faults import Break
from openrouter_opts.sandbox.money.tokens import pieces
from openrouter_opts.sandbox.reply import reasoning
from openrouter_opts.sandbox.reply.completion import error_of, image_part
from openrouter_opts.sandbox.reply.logprobs import logprobs_of
from openrouter_opts.sandbox.reply.served import Served
from openrouter_opts.sandbox.reply.turn import Call, Turn

COMMENT: Final = b": OPENROUTER PROCESSING\n\n"
DONE: Final = b"data: [DONE]\n\n"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event.

    Attributes:
        data: its bytes, the empty line included.
        tokens: how many generated tokens it carries.
        is_delta: whether it carries something that the model says.
    """

    data: bytes
    tokens: int = 0
    is_delta: bool = False


def chunks(served: Served) -> Iterator[Chunk]:
    """What comes before the finish reason."""
    if (served.request.get("debug") or {}).get("echo_upstream_body"):
        upstream = {name: value for name, value in served.request.items() if name not in _OURS}
        yield Chunk(event(_envelope(served) | {"choices": [], "debug": {"echo_upstream_body": upstream}}))
    for delta, tokens in _deltas(served.turn):
        logprobs = logprobs_of(served.request, delta.get("content")) if delta.get("content") else None
        yield Chunk(event(_chunk(served, delta, logprobs=logprobs)), tokens, is_delta=True)


_OURS: Final = frozenset({"provider", "plugins", "models", "debug", "session_id", "trace", "metadata"})


def finish(served: Served) -> Chunk:
    """The chunk with the finish reason."""
    turn = served.turn
    delta: Json = {"role": "assistant", "content": ""} | dict(turn.extra)
    if turn.refusal is not None:
        delta["refusal"] = turn.refusal
    return Chunk(event(_chunk(served, delta, finished=True)), is_delta=False)


def usage(served: Served) -> Chunk:
    """The last chunk: usage, with a choice that says the finish reason once more."""
    body = _chunk(served, {"role": "assistant", "content": ""}, finished=True)
    body["usage"] = served.usage()
    if served.metadata is not None:
        body["openrouter_metadata"] = dict(served.metadata)
    return Chunk(event(body))


def error(served: Served, broken: Break) -> Chunk:
    """The chunk that breaks a stream off."""
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}
    return Chunk(event({**_envelope(served), "error": error_of(broken), "choices": [choice]}))


def event(body: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + wire_json(body) + b"\n\n"


def wire_json(value: Any) -> bytes:
    """Compact JSON in UTF-8; a lone surrogate, which UTF-8 has no bytes for, is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _envelope(served: Served) -> Json:
    return served.head("chat.completion.chunk")


def _chunk(served: Served, delta: Json, *, finished: bool = False, logprobs: Json | None = None) -> Json:
    turn = served.turn
    choice = {
        "index": 0,
        "delta": delta,
        "finish_reason": turn.finish_reason if finished else None,
        "native_finish_reason": turn.native_finish_reason if finished else None,
        "logprobs": logprobs,
    }
    body = {**_envelope(served), "choices": [choice]}
    if served.endpoint.tier:
        body["service_tier"] = served.endpoint.tier
    return body


def _deltas(turn: Turn) -> Iterator[tuple[Json, int]]:
    """Everything the model says, piece by piece, with the tokens of each piece."""
    for annotation in turn.annotations:
        yield _delta(annotations=[annotation]), 0
    late = [entry for entry in turn.reasoning_details or () if reasoning.comes_last(entry)]
    yield from _reasoning_deltas(turn)
    for piece in pieces(turn.text or ""):
        yield (_delta(audio=_spoken(piece)) if turn.speaks else _delta(content=piece)), 1
    for index, url in enumerate(turn.images):
        yield _delta(images=[image_part(url, index)]), turn.image_tokens // len(turn.images)
    for index, call in enumerate(turn.calls):
        beside = [entry for entry in late if entry.get("id") == call.id]
        yield from _whole_call(index, call, beside) if beside else _call_in_pieces(index, call)
    called = {call.id for call in turn.calls}
    for entry in late:
        if entry.get("id") not in called:
            yield _delta(reasoning_details=[entry]), 0


def _spoken(piece: str) -> Json:
    """A hundredth of a second of silence for each token, as 16-bit samples, and what it says."""
    return {"data": base64.b64encode(bytes(480)).decode(), "transcript": piece}


def _delta(**parts: Any) -> Json:
    return {"role": "assistant", "content": "", **parts}


def _reasoning_deltas(turn: Turn) -> Iterator[tuple[Json, int]]:
    """Thoughts in fragments: text first, and what seals it last and alone."""
    entries = [entry for entry in turn.reasoning_details or () if not reasoning.comes_last(entry)]
    if turn.reasoning_details == ():
        yield _delta(reasoning_details=[]), 0
    if not entries:
        yield from ((_delta(reasoning=piece), 1) for piece in pieces(turn.reasoning or ""))
    for entry in entries:
        grows = next((name for name in ("text", "summary") if entry.get(name)), None)
        rest = {name: value for name, value in entry.items() if name not in ("text", "summary", "signature")}
        if entry.get("signature"):
            yield _delta(reasoning="", reasoning_details=[{**rest, "text": "", "signature": ""}]), 0
        for piece in pieces(entry[grows]) if grows else ():
            yield _delta(reasoning=piece, reasoning_details=[{**rest, grows: piece}]), 1
        if entry.get("signature"):
            yield _delta(reasoning=None, reasoning_details=[{**rest, "signature": entry["signature"]}]), 0
        elif grows is None:
            yield _delta(reasoning=None, reasoning_details=[dict(entry)]), 0


def _call_in_pieces(index: int, call: Call) -> Iterator[tuple[Json, int]]:
    """First who is called, then the arguments bit by bit."""
    function = {"name": call.name, "arguments": ""}
    first = {"index": index, "id": call.id, "type": "function", "function": function}
    yield _delta(content=None, tool_calls=[first]), len(pieces(call.name))
    for piece in pieces(call.arguments):
        more = {"index": index, "type": "function", "function": {"arguments": piece}}
        yield _delta(content=None, tool_calls=[more]), 1


def _whole_call(index: int, call: Call, beside: list[Mapping[str, Any]]) -> Iterator[tuple[Json, int]]:
    """A call in one piece with the signature beside it, as Gemini's come."""
    function = {"name": call.name, "arguments": call.arguments}
    whole = {"index": index, "id": call.id, "type": "function", "function": function}
    tokens = len(pieces(call.name)) + len(pieces(call.arguments))
    yield (
        _delta(content=None, tool_calls=[whole], reasoning_details=[dict(entry) for entry in beside]),
        tokens,
    )
