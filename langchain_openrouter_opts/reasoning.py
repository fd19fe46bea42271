"""Reasoning that goes back: what the model needs of its own earlier thinking, unchanged.

Signatures and encrypted items are checked by the providers, so entries of `reasoning_details` are sent as they came, or not at all.
Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openrouter_opts.protocol.replay import sendable

Entry = Mapping[str, Any]


def replayed(details: Sequence[Any] | None, blocks: Iterable[Mapping[str, Any]] = ()) -> list[Entry] | None:
    """Return the `reasoning_details` to send with an assistant message, or `None` to send none.

    An empty list is sent, since DeepSeek refuses the next turn without it. Reasoning that is text alone isn't sent: Claude refuses
    it, and no model needs it.

    Args:
        details: What OpenRouter gave with this message, if this message came from it.
        blocks: Otherwise the reasoning blocks of its content: LangChain's, or Anthropic's.
    """
    if details is None:
        entries = [entry for block in blocks for entry in _entries(block)]
        return entries or None
    return sendable(details)


def _entries(block: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that a content block stands for, if it holds what a provider would accept."""
    extras = block.get("extras")
    extras = extras if isinstance(extras, Mapping) else {}
    if isinstance(whole := extras.get("reasoning_details"), list):
        return replayed(whole) or []
    if block.get("type") == "redacted_thinking":
        return [{"type": "reasoning.encrypted", "data": block.get("data"), "format": "anthropic-claude-v1"}]
    signature = block.get("signature") or extras.get("signature")
    if not signature:
        return []
    text = block.get("thinking") or block.get("reasoning") or ""
    form = extras.get("format") or "anthropic-claude-v1"
    return [{"type": "reasoning.text", "text": text, "signature": signature, "format": form}]
