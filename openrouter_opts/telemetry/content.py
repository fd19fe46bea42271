"""What was said in a call, in the form that OpenTelemetry's conventions give it: messages of parts, as JSON.

Source: https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-input-messages.json
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from openrouter_opts.protocol.completion import Choice, Completion

Part: TypeAlias = dict[str, Any]


def of_request(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the messages and the tools of a request."""
    said = {
        "gen_ai.input.messages": [_message(message) for message in body.get("messages", ())],
        "gen_ai.tool.definitions": body.get("tools"),
    }
    return {name: _json(value) for name, value in said.items() if value}


def of_answer(answer: object) -> dict[str, str]:
    """Return the choices of an answer."""
    if not isinstance(answer, Completion) or not answer.choices:
        return {}
    return {"gen_ai.output.messages": _json([_choice(choice) for choice in answer.choices])}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": role, "parts": [response]}
    parts = [_text("text", content)] if isinstance(content, str) else [_part(each) for each in content or ()]
    reasoning = [_text("reasoning", message["reasoning"])] if message.get("reasoning") else []
    return {"role": role, "parts": [*reasoning, *parts, *_calls(message.get("tool_calls") or ())]}


def _part(part: Any) -> Part:
    """Return a part of a message; the conventions let those of other types be as they are."""
    if not isinstance(part, Mapping):
        # OpenRouter will refuse it.
        return _text("text", part)
    if part.get("type") == "text":
        return _text("text", part.get("text"))
    return _image(part) or dict(part)


def _image(part: Mapping[str, Any]) -> Part | None:
    source = part.get("image_url")
    url = source.get("url") if isinstance(source, Mapping) else None
    if not isinstance(url, str):
        return None
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        mime_type = head.removeprefix("data:")
        return {"type": "blob", "modality": "image", "mime_type": mime_type, "content": data}
    return {"type": "uri", "modality": "image", "uri": url}


def _calls(calls: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    for call in calls:
        function = call.get("function") or {}
        yield _call(call.get("id"), function.get("name"), function.get("arguments"))


def _choice(choice: Choice) -> dict[str, Any]:
    parts = [_text("reasoning", choice.reasoning)] if choice.reasoning else []
    parts += [_text("text", said) for said in (choice.text, choice.refusal) if said]
    parts += [_part(image) for image in choice.images]
    parts += [_call(call.id, call.name, call.arguments) for call in choice.tool_calls]
    return {"role": "assistant", "parts": parts, "finish_reason": choice.finish_reason}


def _text(kind: str, text: Any) -> Part:
    return {"type": kind, "content": text}


def _call(call_id: Any, name: Any, arguments: Any) -> Part:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _json(value: Any) -> str:
    # Escaped: half a character, which a model may write, has no UTF-8.
    return json.dumps(value, separators=(",", ":"))
