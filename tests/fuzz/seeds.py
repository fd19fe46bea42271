"""Where fuzzing begins: the streams and answers that the tests know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.fake_wire import SSE, call
from tests.wire_bytes import COMPLETION, DONE, STREAM, USAGE, delta, event

_STREAMS: Final = [
    file.read_bytes() for file in sorted((Path(__file__).parents[1] / "streams").glob("*.sse"))
]
_ERROR: Final = {
    "code": 429,
    "message": "Rate limited",
    "metadata": {
        "provider_name": "Mock",
        "error_type": "rate_limit_exceeded",
        "raw": '{"error": "slow down"}',
    },
    "availability": {"retryable": True, "retry_after": 1, "fallback_models": ["m/y"]},
}
_CALLS: Final = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}},
    {"index": 0, "function": {"arguments": '{"a":'}},
    {"index": 1, "id": "call_2", "function": {"name": "g", "arguments": {"b": 2}}},
    {"index": 0, "function": {"arguments": "1}"}},
]
_AUDIO: Final = [{"id": "a", "data": "AAA="}, {"data": "BBBB", "transcript": "hi"}, {"expires_at": 1}]
_OF_STREAMS: Final = [
    *_STREAMS,
    STREAM,
    STREAM.replace(b"\n", b"\r\n"),
    b"\xef\xbb\xbf" + STREAM,
    delta("He") + event({"id": "gen-1", "error": _ERROR, "choices": []}) + event({"usage": USAGE}) + DONE,
    delta("He") + b"event: error\n" + event({"message": "no"}),
    b"".join(delta(tool_calls=[piece]) for piece in _CALLS) + delta(finish_reason="tool_calls") + DONE,
    b"".join(delta(audio=piece) for piece in _AUDIO) + delta("\ud83d") + delta("\ude00") + DONE,
    b'data: {"choices": [\ndata: {"delta": {"content": "x"}}]}\nid: 1\nretry: 5\n: comment\nevent\ndata\n\n',
]
_OF_ANSWERS: Final = [
    json.dumps(body).encode()
    for body in (
        COMPLETION,
        {"error": _ERROR},
        {"error": "no"},
        {
            **COMPLETION,
            "choices": [{"error": _ERROR, "message": {"content": "He"}, "finish_reason": "error"}],
        },
        {"provider": COMPLETION},
        {"data": [{"index": 0, "embedding": [0.5, 1e-9]}], "model": "m/x", "usage": USAGE},
        *(call([SSE, stream]).completion.raw for stream in _STREAMS),
    )
]

SEEDS: Final[Mapping[str, list[bytes]]] = {"sse": _OF_STREAMS, "decode": _OF_ANSWERS, "assemble": _OF_STREAMS}
