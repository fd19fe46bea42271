"""What of a model's reasoning goes back with the next request.

Providers check signatures and encrypted items, so an entry of `reasoning_details` is sent as it came, or not at all.
Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# "Invalid signature in thinking block" (Anthropic), "Corrupted thought signature" (Google): without one these are refused.
# https://github.com/OpenRouterTeam/ai-sdk-provider/blob/main/CHANGELOG.md (2.3.3, 2.5.1)
_SIGNED_FORMATS: Final = frozenset({"anthropic-claude-v1", "google-gemini-v1"})


def sendable(details: Sequence[Any] | None) -> list[Any] | None:
    """Return the `reasoning_details` to send with an assistant message, or `None` to send none.

    An empty list is sent, since DeepSeek refuses the next turn without it. Reasoning text without details isn't sent: Claude
    refuses it, and no model needs it.
    """
    if details is None:
        return None
    kept = [entry for entry in details if not _lacks_signature(entry)]
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


def _is_repeated(entry: Any, seen: set[str]) -> bool:
    if not isinstance(entry, Mapping) or not any(map(entry.get, ("id", "signature", "data"))):
        return False
    key = json.dumps(entry, sort_keys=True, default=str)
    if key in seen:
        return True
    seen.add(key)
    return False
