"""The shapes of messages and their content parts, https://openrouter.ai/docs/api_reference/overview."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from openrouter_opts.sandbox.check.shapes import (
    Shape,
    anything,
    array,
    either,
    integer,
    nullable,
    one_of,
    record,
    string,
    tagged,
)

CACHE_CONTROL: Final = record(
    {"type": one_of("ephemeral"), "ttl": one_of("5m", "1h")}, required=["type"], closed=True
)
_BREAKPOINT: Final = record({"mode": one_of("explicit"), "ttl": one_of("30m", "12h")}, required=["mode"])
_MARKS: Final[dict[str, Shape]] = {
    "cache_control": nullable(CACHE_CONTROL),
    "prompt_cache_breakpoint": nullable(_BREAKPOINT),
}
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(;[\w=.+-]+)*;base64,")
_IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/jpg", "image/webp", "image/gif"})


def _url(value: Any, path: str) -> str | None:
    """An address, or data in one."""
    if problem := string(least=1)(value, path):
        return problem
    if value.startswith(("http://", "https://")):
        return None
    if not (head := _DATA_URL.match(value)):
        return f"{path}: {value!r:.60} is neither an http(s) URL nor a data URL with base64"
    return _base64(value[head.end() :], path)


def _image_url(value: Any, path: str) -> str | None:
    if problem := _url(value, path):
        return problem
    media = value.partition(":")[2].partition(";")[0]
    if value.startswith("data:") and media not in _IMAGE_TYPES:
        return f"{path}: unsupported image format {media!r}; one of {', '.join(sorted(_IMAGE_TYPES))}"
    return None


def _base64(value: Any, path: str) -> str | None:
    if not isinstance(value, str) or value.startswith(("http://", "https://", "data:")):
        return f"{path}: expected base64 data, not an address"
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return f"{path}: is not valid base64"
    return None


_AUDIO_FORMATS: Final = ("wav", "mp3", "flac", "m4a", "ogg", "aiff", "aac", "pcm16", "pcm24")
_TEXT_PART: Final = record({"type": anything, "text": string(), **_MARKS}, required=["text"])
_VIDEO: Final = record(
    {
        "video_url": record({"url": _url, "processing": one_of("agentic", "static")}, required=["url"]),
        **_MARKS,
    },
    required=["video_url"],
)
_FILE: Final = record({"filename": string(), "file_data": _url, "file_id": string()})

_PARTS: Final[dict[str, Shape]] = {
    "text": _TEXT_PART,
    "image_url": record(
        {
            "image_url": record(
                {"url": _image_url, "detail": one_of("auto", "low", "high", "original")}, required=["url"]
            ),
            **_MARKS,
        },
        required=["image_url"],
    ),
    "input_audio": record(
        {
            "input_audio": record(
                {"data": _base64, "format": one_of(*_AUDIO_FORMATS)}, required=["data", "format"]
            ),
            **_MARKS,
        },
        required=["input_audio"],
    ),
    "file": record({"file": _FILE, **_MARKS}, required=["file"]),
    "video_url": _VIDEO,
    "input_video": _VIDEO,
}

_TEXT: Final = either(array(tagged("type", {"text": _TEXT_PART}, "content part type of this role")), string())
PART: Final = tagged("type", _PARTS, "content part type")
_CONTENT: Final = either(array(PART), string())

_TOOL_CALL: Final = record(
    {
        "id": string(),
        "type": one_of("function"),
        "function": record({"name": string(least=1), "arguments": string()}, required=["name", "arguments"]),
    },
    required=["id", "type", "function"],
)
_REASONING_DETAIL: Final = record(
    {
        "type": string(least=1),
        "id": nullable(string()),
        "format": nullable(string()),
        "index": nullable(integer()),
        "text": nullable(string()),
        "signature": nullable(string()),
        "summary": string(),
        "data": string(),
    },
    required=["type"],
)

EFFORT: Final = one_of("max", "xhigh", "high", "medium", "low", "minimal", "none")
_UPDATE: Final = record({"reasoning": record({"effort": EFFORT})})
_INSTRUCTIONS: Final[dict[str, Shape]] = {
    "content": _TEXT,
    "name": string(),
    "configuration_update": nullable(_UPDATE),
}
_PARSED_FILE: Final = record({"file": record({"hash": string()}, required=["hash"])}, required=["file"])

_FIELDS: Final[dict[str, dict[str, Shape]]] = {
    "system": _INSTRUCTIONS,
    "developer": _INSTRUCTIONS,
    "user": {"content": _CONTENT, "name": string()},
    "assistant": {
        "content": nullable(_CONTENT),
        "name": string(),
        "tool_calls": nullable(array(_TOOL_CALL)),
        "reasoning": nullable(string()),
        "reasoning_content": nullable(string()),
        "reasoning_details": nullable(array(_REASONING_DETAIL)),
        "refusal": nullable(string()),
        "images": nullable(array(record())),
        "annotations": nullable(array(tagged("type", {"file": _PARSED_FILE}, "annotation", other=anything))),
    },
    "tool": {"content": _CONTENT, "tool_call_id": string(least=1)},
}
_REQUIRED: Final = {
    **dict.fromkeys(("system", "developer", "user"), ("content",)),
    "tool": ("content", "tool_call_id"),
}
_ROLES: Final = {role: record(fields, required=_REQUIRED.get(role, ())) for role, fields in _FIELDS.items()}

MESSAGES: Final = array(tagged("role", _ROLES, "message role"), least=1)


def understood(message: Mapping[str, Any]) -> dict[str, Any]:
    """A checked message without the keys that its role doesn't have, whose values nobody has checked."""
    known = _FIELDS[message["role"]]
    return {name: value for name, value in message.items() if name in known or name == "role"}


def calls_and_results(messages: list[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with the order of tool calls and tool results: providers want each call answered, once, at once."""
    open_calls: dict[str, str] = {}
    for index, message in enumerate(messages):
        path = f"messages.{index}"
        if message["role"] == "tool":
            call_id = message["tool_call_id"]
            if open_calls.pop(call_id, None) is None:
                yield f"{path}.tool_call_id: {call_id!r} answers no tool call of the assistant message before it"
            continue
        if open_calls:
            call_id, where = next(iter(open_calls.items()))
            yield f"{where}: tool call {call_id!r} has no tool message with its tool_call_id before {path}"
        calls = message.get("tool_calls") or () if message["role"] == "assistant" else ()
        open_calls = {call["id"]: f"{path}.tool_calls" for call in calls}
    if open_calls:
        call_id, where = next(iter(open_calls.items()))
        yield f"{where}: tool call {call_id!r} has no tool message with its tool_call_id after it"
