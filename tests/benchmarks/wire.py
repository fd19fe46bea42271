"""What the bare server answers, rendered once, and what the answers say."""

from __future__ import annotations

import json
from typing import Any

MODEL = "anthropic/claude-sonnet-4.6"
COST = 0.00123
_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 400,
    "total_tokens": 1600,
    "cost": COST,
    "is_byok": False,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
    "cost_details": {
        "upstream_inference_cost": None,
        "upstream_inference_prompt_cost": 0.0006,
        "upstream_inference_completions_cost": 0.00063,
    },
    "completion_tokens_details": {"reasoning_tokens": 0, "image_tokens": 0},
}
_TOP = {
    "id": "gen-1763942400-benchbenchbenchbench",
    "provider": "Anthropic",
    "model": MODEL,
    "created": 1763942400,
}


def pieces(deltas: int) -> list[str]:
    """Return the texts of the deltas of a stream."""
    return [f" word{index % 97}" for index in range(deltas)]


def plain_answer() -> str:
    return "".join(pieces(100))


def completion() -> bytes:
    """Render the response to a call without streaming."""
    choice = {
        "index": 0,
        "logprobs": None,
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
        "message": {
            "role": "assistant",
            "content": plain_answer(),
            "refusal": None,
            "reasoning": None,
        },
    }
    body = json.dumps({**_TOP, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    head = "\r\n".join(
        [
            "HTTP/1.1 200 OK",
            "Content-Type: application/json",
            f"X-Generation-Id: {_TOP['id']}",
            f"Content-Length: {len(body)}",
        ]
    )
    return head.encode() + b"\r\n\r\n" + body


def stream(deltas: int) -> bytes:
    """Render the response to a streaming call: each event in an HTTP chunk of its own, as OpenRouter sends them."""
    events = [b": OPENROUTER PROCESSING\n\n"] * 2
    events += [_event(_chunk(text)) for text in pieces(deltas)]
    events += [
        _event(_chunk("", finish_reason="stop")),
        _event({**_chunk("", finish_reason="stop"), "usage": _USAGE}),
        b"data: [DONE]\n\n",
    ]
    head = "\r\n".join(
        [
            "HTTP/1.1 200 OK",
            "Content-Type: text/event-stream",
            f"X-Generation-Id: {_TOP['id']}",
            "Transfer-Encoding: chunked",
        ]
    )
    return head.encode() + b"\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(e), e) for e in [*events, b""])


def _chunk(text: str, *, finish_reason: str | None = None) -> dict[str, Any]:
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": text},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason and "end_turn",
        "logprobs": None,
    }
    return {**_TOP, "object": "chat.completion.chunk", "choices": [choice]}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def question() -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "How fast is it?"},
    ]


def history(messages: int) -> list[dict[str, str]]:
    """Return a long conversation in wire form: user and assistant in turn, ending with the user."""
    said = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 3
    return [
        {"role": "assistant" if index % 2 else "user", "content": f"{index}: {said}"}
        for index in range(messages)
    ]
