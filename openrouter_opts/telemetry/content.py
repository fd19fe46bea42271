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
    role, content = message["role"], message.get("content")
    if role == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": role, "parts": [response]}
    parts = [_text("text", content)] if isinstance(content, str) else [_part(each) for each in content or ()]
    reasoning = [_text("reasoning", message["reasoning"])] if message.get("reasoning") else []
    return {"role": role, "parts": [*reasoning, *parts, *_calls(message.get("tool_calls") or ())]}


def _part(part: Mapping[str, Any]) -> Part:
    if part.get("type") == "text":
        return _text("text", part.get("text"))
    if part.get("type") == "image_url":
        return _image(part["image_url"]["url"])
    # The conventions let any further type of part be as it is.
    return dict(part)


def _image(url: str) -> Part:
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
    parts += [_image(image["image_url"]["url"]) for image in choice.images if "image_url" in image]
    parts += [_call(call.id, call.name, call.arguments) for call in choice.tool_calls]
    return {"role": "assistant", "parts": parts, "finish_reason": choice.finish_reason}


def _text(kind: str, text: Any) -> Part:
    return {"type": kind, "content": text}


def _call(call_id: Any, name: Any, arguments: Any) -> Part:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
