"""The body of an answer that isn't streamed."""

from __future__ import annotations

from typing import Any

from openrouter_opts.sandbox.faults import Break
from openrouter_opts.sandbox.money.tokens import pieces
from openrouter_opts.sandbox.reply.logprobs import logprobs_of
from openrouter_opts.sandbox.reply.served import Served
from openrouter_opts.sandbox.reply.turn import Turn


def completion(served: Served) -> dict[str, Any]:
    """The whole body."""
    turn = served.turn
    choice = {
        "index": 0,
        "message": _message(turn),
        "finish_reason": turn.finish_reason,
        "native_finish_reason": turn.native_finish_reason,
        "logprobs": logprobs_of(served.request, turn.text),
    }
    body = {**served.head("chat.completion"), "system_fingerprint": None, "choices": [choice]}
    if served.endpoint.tier:
        body["service_tier"] = served.endpoint.tier
    body["usage"] = served.usage()
    if served.metadata is not None:
        body["openrouter_metadata"] = dict(served.metadata)
    return body


def broken_completion(served: Served, broken: Break) -> dict[str, Any]:
    """The body of an answer that failed after the provider had accepted it: status 200 all the same.

    With nothing said it has an error and no choices; else the choice has the error, and what was said so far.
    """
    error = error_of(broken)
    if broken.deltas == 0:
        return {"id": served.generation_id, "error": error}
    body = completion(served)
    said = "".join(pieces(served.turn.text or "")[: broken.deltas])
    message = {"role": "assistant", "content": said, "refusal": None, "reasoning": None}
    body["choices"] = [
        {
            "index": 0,
            "message": message,
            "finish_reason": "error",
            "native_finish_reason": None,
            "error": error,
        }
    ]
    del body["usage"]
    return body


def error_of(broken: Break) -> dict[str, Any]:
    """The `error` object of an answer that broke off."""
    metadata = {"error_type": broken.error_type, "provider_code": str(broken.code)}
    return {"code": broken.code, "message": broken.message, "metadata": metadata}


def _message(turn: Turn) -> dict[str, Any]:
    """The message; what the model didn't use is absent, but for the four keys that are always there."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": turn.text,
        "refusal": turn.refusal,
        "reasoning": turn.reasoning,
    }
    if turn.calls:
        message["tool_calls"] = [
            {
                "type": "function",
                "index": index,
                "id": call.id,
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(turn.calls)
        ]
    if turn.reasoning_details is not None:
        message["reasoning_details"] = [dict(entry) for entry in turn.reasoning_details]
    if turn.images:
        message["images"] = [image_part(url, index) for index, url in enumerate(turn.images)]
    if turn.annotations:
        message["annotations"] = list(turn.annotations)
    return message | dict(turn.extra)


def image_part(url: str, index: int) -> dict[str, Any]:
    """An image of the answer."""
    return {"type": "image_url", "image_url": {"url": url}, "index": index}
