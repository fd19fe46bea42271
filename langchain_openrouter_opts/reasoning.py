"""Reasoning that goes back: what the model needs of its own earlier thinking, unchanged.

Providers check signatures and encrypted items, each family its own, so an entry is sent as it came, under the name of the family that
wrote it, or not at all. Reasoning that is text alone isn't sent: Claude refuses it, and no model needs it.
Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage

from openrouter_opts.protocol.replay import sendable

Entry = Mapping[str, Any]

CLAUDE: Final = "anthropic-claude-v1"
GEMINI: Final = "google-gemini-v1"
GEMINI_SIGNATURES: Final = "__gemini_function_call_thought_signatures__"
"""Where langchain-google-genai keeps the signatures of function calls, by the id of the call."""

_BY_MODEL: Final = {"claude": CLAUDE, "gemini": GEMINI}
_BY_PROVIDER: Final = {"anthropic": CLAUDE, "google_genai": GEMINI, "google_vertexai": GEMINI}
# Encrypted items can be read by the account alone for which they were written, so only those that came through OpenRouter go back to it:
# https://github.com/BerriAI/litellm/pull/27703. They did if the model has a slug of OpenRouter.
_BY_AUTHOR: Final = {"openai": "openai-responses-v1", "x-ai": "xai-responses-v1"}


def replayed(
    message: AIMessage, blocks: Sequence[Mapping[str, Any]], *, is_running: bool
) -> list[Any] | None:
    """Return the `reasoning_details` to send with an assistant message, or `None` to send none.

    An empty list is sent, since DeepSeek refuses the next turn without it.

    Args:
        message: The message; what OpenRouter gave with it is all that counts, if there is any.
        blocks: Otherwise the blocks of its content that hold reasoning, or a signature.
        is_running: Whether it belongs to the turn that goes on with this request.
    """
    details = own_details(message, blocks)
    if details is not None:
        return sendable(details)
    origin = _origin(message)
    if origin.family == GEMINI and not is_running:
        # Asked for in the running turn only, and refused where another of Google's services wrote them:
        # https://github.com/OpenRouterTeam/ai-sdk-provider/issues/491
        return None
    entries = [entry for block in blocks for entry in _entries(block, origin)]
    signatures = message.additional_kwargs.get(GEMINI_SIGNATURES) or {}
    if signatures:
        # The same ones stand among the blocks, without the call that they belong to.
        entries = [entry for entry in entries if entry["type"] != "reasoning.encrypted"]
    entries += [
        {"type": "reasoning.encrypted", "data": signature, "id": call_id, "format": GEMINI}
        for call_id, signature in signatures.items()
    ]
    return entries or None


def own_details(message: AIMessage, blocks: Sequence[Mapping[str, Any]]) -> list[Any] | None:
    """Return what OpenRouter gave with a message: kept beside the content, or in the `extras` of its reasoning blocks."""
    details: list[Any] | None = message.additional_kwargs.get("reasoning_details")
    if details is not None:
        return details
    kept = [
        entries for block in blocks if isinstance(entries := _extras(block).get("reasoning_details"), list)
    ]
    return [entry for entries in kept for entry in entries] if kept else None


@dataclass(frozen=True, slots=True)
class _Origin:
    family: str | None
    """Whose signatures the message has, in OpenRouter's word for `format`; `None` if that isn't known."""
    encrypted: str | None
    """The same for the encrypted items of OpenAI's Responses."""


def _origin(message: AIMessage) -> _Origin:
    metadata = message.response_metadata
    provider = metadata.get("model_provider")
    model = str(metadata.get("model_name") or metadata.get("model") or "").lower()
    author = model.partition("/")[0] if "/" in model else ""
    family = next((form for word, form in _BY_MODEL.items() if word in model), None)
    if family is None and GEMINI_SIGNATURES in message.additional_kwargs:
        family = GEMINI
    if family is None:
        family = _BY_PROVIDER.get(provider or "")
    if family is None and not model and (provider is None or provider.startswith("bedrock")):
        # Nobody says, and it is Anthropic's blocks that people write by hand.
        family = CLAUDE
    return _Origin(family, _BY_AUTHOR.get(author))


def _extras(block: Mapping[str, Any]) -> Mapping[str, Any]:
    extras = block.get("extras")
    return extras if isinstance(extras, Mapping) else {}


def _entries(block: Mapping[str, Any], origin: _Origin) -> Iterator[dict[str, Any]]:
    """Yield the entries that a content block stands for, as far as a provider would accept them."""
    extras = _extras(block)
    inner = block.get("reasoning_content")
    given = {**block, **extras, **(inner if isinstance(inner, Mapping) else {})}
    form = extras.get("format") or origin.family
    yield from _of_openai(given, extras.get("format") or origin.encrypted)
    if form is None:
        return
    redacted = given.get("redacted_content", given.get("data"))
    if redacted:
        yield {"type": "reasoning.encrypted", "data": _base64(redacted), "format": form}
    signature = given.get("signature")
    if signature and block.get("type") in _THOUGHTS:
        text = given.get("thinking") or given.get("reasoning") or given.get("text") or ""
        yield {"type": "reasoning.text", "text": text, "signature": signature, "format": form}
    elif signature and form == GEMINI:
        yield {"type": "reasoning.encrypted", "data": _base64(signature), "format": form}


_THOUGHTS: Final = frozenset({"reasoning", "thinking", "reasoning_content"})


def _of_openai(given: Mapping[str, Any], form: str | None) -> Iterator[dict[str, Any]]:
    encrypted = given.get("encrypted_content")
    if not encrypted or form is None:
        return
    summaries = [each.get("text") or "" for each in given.get("summary") or () if isinstance(each, Mapping)]
    if text := "\n\n".join(summaries) or given.get("reasoning"):
        yield {"type": "reasoning.summary", "summary": text, "format": form}
    yield {"type": "reasoning.encrypted", "data": encrypted, "id": given.get("id"), "format": form}


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
