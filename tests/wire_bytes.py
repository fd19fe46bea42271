"""What OpenRouter sends, as bytes for the scripted server and the fake wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.scripted_server import Step


def answer(body: Any, status: int = 200, **headers: str) -> bytes:
    """Return a whole response; `body` is bytes, or anything that JSON can hold."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "Content-Type": "application/json",
        "Content-Length": str(len(raw)),
        "X-Generation-Id": "gen-1",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + raw


def chunked(piece: bytes) -> bytes:
    """Return a piece of a chunked body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Generation-Id: gen-1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def event(chunk: Mapping[str, Any] | str) -> bytes:
    """Return one event of a stream."""
    return f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n".encode()


def delta(text: str | None = None, *, finish_reason: str | None = None, **more: Any) -> bytes:
    """Return the event of a chunk with one choice; `more` goes into its delta."""
    choice = {"index": 0, "delta": {"role": "assistant", **more}, "finish_reason": finish_reason}
    if text is not None:
        choice["delta"]["content"] = text
    return event({"id": "gen-1", "provider": "Mock", "model": "m/x", "choices": [choice]})


USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 2,
    "total_tokens": 9,
    "cost": 0.0003,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 0.0003},
}
DONE = event("[DONE]")
USAGE_CHUNK = event({"id": "gen-1", "provider": "Mock", "model": "m/x", "choices": [], "usage": USAGE})
STREAM = b"".join(
    [
        b": OPENROUTER PROCESSING\n\n",
        delta("He"),
        delta("llo"),
        delta("", finish_reason="stop"),
        USAGE_CHUNK,
        DONE,
    ]
)
ENDPOINTS = {
    "data": {
        "id": "m/x",
        "endpoints": [
            {
                "tag": "x",
                "provider_name": "X",
                "context_length": 10_000,
                "max_completion_tokens": 1000,
                "pricing": {"prompt": "0.000001", "completion": "0.000001"},
            }
        ],
    }
}

COMPLETION = {
    "id": "gen-1",
    "object": "chat.completion",
    "model": "m/x",
    "provider": "Mock",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "finish_reason": "stop",
            "native_finish_reason": None,
        }
    ],
    "usage": USAGE,
}


def streamed(*pieces: bytes, end: Step | None = None) -> list[Step]:
    """Return the script of a stream: `pieces` in chunks, then the end of the body, or `end` instead."""
    return [STREAM_HEAD, *map(chunked, pieces), chunked(b"") if end is None else end]
