"""About how many tokens a prompt has. Nothing is downloaded: exact counts come with each answer, by the model's own tokenizer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage

from langchain_openrouter_opts.messages import wire_messages
from langchain_openrouter_opts.tools import wire_tools

# What frames a message: its role and the marks around it.
_FRAME: Final = 4
_IMAGE: Final = 1_000
"""A picture of about a million pixels; providers scale larger ones down."""
# Characters of base64 to one token: a second of speech is 32 tokens, in 16 kB of sound; a page is 1,500, in 50 kB of file.
_CHARACTERS: Final[Mapping[str, int]] = {"input_audio": 650, "file": 44, "video_url": 650}


def tokens_of_text(text: str) -> int:
    """Return about how many tokens a text has: four ASCII characters make one, and each other character is one."""
    plain = len(text.encode("ascii", "ignore"))
    return math.ceil(plain / 4) + len(text) - plain


def tokens_of_prompt(messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
    """Return about how many tokens messages and tools have, as they would be sent; media count by their size.

    Raises:
        ConfigurationError: A message holds something that can't be sent.
    """
    wire = wire_messages(messages)
    counted = sum(_FRAME + _of_message(message) for message in wire)
    return counted + (_of_json(wire_tools(tools)) if tools else 0)


def _of_message(message: Mapping[str, Any]) -> int:
    content = message.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    calls = message.get("tool_calls")
    return (
        sum(map(_of_part, parts))
        + sum(_of_part(image) for image in message.get("images") or ())
        + tokens_of_text(message.get("name") or "")
        + (_of_json([call["function"] for call in calls]) if calls else 0)
        + (_of_json(message["reasoning_details"]) if message.get("reasoning_details") else 0)
    )


def _of_part(part: Mapping[str, Any]) -> int:
    kind = str(part.get("type"))
    if kind == "text":
        return tokens_of_text(part.get("text") or "")
    if kind == "image_url":
        return _IMAGE
    if kind in _CHARACTERS:
        return math.ceil(len(json.dumps(part.get(kind), default=str)) / _CHARACTERS[kind])
    return _of_json(part)


def _of_json(value: Any) -> int:
    return tokens_of_text(json.dumps(value, ensure_ascii=False, default=str))
