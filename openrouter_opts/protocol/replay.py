"""What of an earlier answer goes back with the next request, and in which form; the same from every framework.

Providers check signatures and encrypted items, so an entry of `reasoning_details` is sent as it came, or not at all.
Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from pydantic_core import from_json

from openrouter_opts.protocol.completion import ToolCall
from openrouter_opts.protocol.decode import made_up_id

# "Invalid signature in thinking block" (Anthropic), "Corrupted thought signature" (Google): without one these are refused.
# https://github.com/OpenRouterTeam/ai-sdk-provider/blob/main/CHANGELOG.md (2.3.3, 2.5.1)
_SIGNED_FORMATS: Final = frozenset({"anthropic-claude-v1", "google-gemini-v1"})
# Data that a stream leaves out is of no entry in particular: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
_OF_NO_ONE: Final = (None, "", "[REDACTED]")


def tool_call(call_id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """Return a tool call as it goes out. Its arguments are always JSON, since the providers behind OpenRouter parse them.

    Args:
        call_id: The id that the result refers to; `name_calls` gives one to a call without.
        name: The function.
        arguments: A mapping, or the text that the model wrote.
    """
    text = _as_json(arguments) if isinstance(arguments, str) else json_text(arguments or {})
    # A name is required, and a call that was cut off before it has none.
    function = {"name": name or "unknown", "arguments": text}
    return {"id": call_id or "", "type": "function", "function": function}


def name_calls(messages: Iterable[dict[str, Any]]) -> None:
    """Give an id, in place, to the tool calls of a history that have none, and to their results, in the order in which they come."""
    history = list(messages)
    taken = {call["id"] for message in history for call in message.get("tool_calls") or ()}
    fresh = (made for made in map(made_up_id, count()) if made not in taken)
    open_calls: list[str] = []
    for message in history:
        if message["role"] == "assistant":
            unnamed = [call for call in message.get("tool_calls") or () if not call["id"]]
            for call in unnamed:
                call["id"] = next(fresh)
            open_calls = [call["id"] for call in unnamed]
        elif message["role"] == "tool" and open_calls and not message.get("tool_call_id"):
            message["tool_call_id"] = open_calls.pop(0)


def _as_json(text: str) -> str:
    """Return what the model wrote, as it is if it can be: prompt caches look at the bytes."""
    args = ToolCall("", "", text).args
    if args is None:
        # Under the name that pydantic-ai uses, so that the model sees what it wrote.
        return json_text({"INVALID_JSON": text})
    try:
        is_object = isinstance(from_json(text), dict)
    except ValueError:
        is_object = False
    return text if is_object else json_text(args)


def json_text(value: Any) -> str:
    """Write JSON as text for a model: readable, and in the order it has, since prompt caches look at the bytes."""
    return json.dumps(value, ensure_ascii=False, default=str)


def other_output(extra: Mapping[str, Any], *, images: Sequence[Any] = ()) -> dict[str, Any]:
    """Return what a model gave beside text, calls and reasoning.

    Args:
        extra: What a framework keeps of the answer (`refusal`, `images`, `annotations`, `audio`).
        images: The images of the message itself, as parts.
    """
    wire: dict[str, Any] = {}
    if refusal := extra.get("refusal"):
        wire["refusal"] = refusal
    if images := extra.get("images") or images:
        # Its place in the answer is no field of an image that goes back.
        wire["images"] = [{key: value for key, value in each.items() if key != "index"} for each in images]
    # A parsed file that goes back isn't parsed, and paid for, again.
    if files := [each for each in extra.get("annotations") or () if each.get("type") == "file"]:
        wire["annotations"] = files
    audio = extra.get("audio")
    if isinstance(audio, Mapping) and audio.get("id"):
        # A model hears its own audio by its id only.
        wire["audio"] = {"id": audio["id"]}
    return wire


def sendable(details: Sequence[Any] | None) -> list[Any] | None:
    """Return the `reasoning_details` to send with an assistant message, or `None` to send none.

    Pieces of one entry, as histories of other clients have them, are put together first: only the last one has the signature. An empty
    list is sent, since DeepSeek refuses the next turn without it. Reasoning text without details isn't sent: Claude
    refuses it, and no model needs it.
    """
    if details is None:
        return None
    kept = [entry for entry in _joined(details) if not _lacks_signature(entry)]
    return kept if kept or not details else None


def once_each(messages: Iterable[dict[str, Any]]) -> None:
    """Take entries away, in place, that an earlier message of the history has too: providers refuse the second one.

    Histories look like that when the parallel tool calls of one answer were split over several messages.
    """
    seen: set[str] = set()
    for message in messages:
        details = message.get("reasoning_details")
        if not details:
            continue
        fresh = [entry for entry in details if not _is_repeated(entry, seen)]
        if fresh:
            message["reasoning_details"] = fresh
        else:
            del message["reasoning_details"]


def _lacks_signature(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and entry.get("type") == "reasoning.text"
        and entry.get("format") in _SIGNED_FORMATS
        and not entry.get("signature")
    )


def _joined(details: Iterable[Any]) -> list[Any]:
    joined: list[Any] = []
    for entry in details:
        places = reversed(range(len(joined))) if _may_go_on(entry) else ()
        begun = next((place for place in places if _goes_on(joined[place], entry)), None)
        if begun is None:
            joined.append(entry)
        else:
            before = joined[begun]
            said = {key: value for key, value in entry.items() if value or key not in before}
            text = (before.get("text") or "") + (entry.get("text") or "")
            joined[begun] = {**before, **said, "text": text}
    return joined


def _may_go_on(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("type") == "reasoning.text"


def _goes_on(begun: Any, entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry goes on with an unsigned one: it has the same index, or is a signature and nothing else."""
    if not _lacks_signature(begun) or entry.get("format") not in (None, begun["format"]):
        return False
    index = entry.get("index")
    return (
        index == begun.get("index")
        if index is not None
        else bool(entry.get("signature") and not entry.get("text"))
    )


def _is_repeated(entry: Any, seen: set[str]) -> bool:
    if not isinstance(entry, Mapping) or not any(
        entry.get(name) not in _OF_NO_ONE for name in ("id", "signature", "data")
    ):
        return False
    key = json.dumps(entry, sort_keys=True, default=str)
    if key in seen:
        return True
    seen.add(key)
    return False
