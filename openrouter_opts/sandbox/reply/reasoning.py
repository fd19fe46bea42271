"""Reasoning as each family of models shows it, with signatures that are verified when they come back.

A loop of tool calls breaks for real when `reasoning_details` aren't sent back exactly as they came; so it does here.
https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.endpoints import Endpoint

# Signatures only have to notice changes; a fixed key lets a history outlive the sandbox that began it.
_KEY: Final = b"openrouter-opts sandbox"
_DIGEST_BYTES: Final = 64

_CLAUDE: Final = "anthropic-claude-v1"
_GEMINI: Final = "google-gemini-v1"

_FORMATS: Final = {
    "anthropic": _CLAUDE,
    "google": _GEMINI,
    "openai": "openai-responses-v1",
    "x-ai": "xai-responses-v1",
}
_MANDATORY: Final = re.compile(r"^openai/o\d|deepseek-r1|-thinking\b|-reasoning\b")
"""Models that always reason; the catalogue doesn't say, their names do."""

_CLAUDE_BUDGET: Final = (1_024, 128_000)
_UPDATABLE: Final = frozenset({"openai/gpt-6-astra"})


@dataclass(frozen=True, slots=True)
class ReasoningWish:
    """What a request wants: whether to reason, and whether to show it."""

    reasons: bool
    shows: bool


def wish_of(body: Mapping[str, Any], endpoint: Endpoint) -> ReasoningWish | Refusal:
    """What the request wants of this endpoint; a model that always reasons refuses not to."""
    reasoning = body.get("reasoning") or {}
    effort = reasoning.get("effort") or body.get("reasoning_effort")
    off = effort == "none" or reasoning.get("enabled") is False
    asked = body.get("reasoning") is not None or effort is not None or body.get("include_reasoning") is True
    mandatory = _MANDATORY.search(endpoint.model) is not None
    alias = str(body.get("model")).startswith("~")  # an alias maps settings that its model doesn't take
    if off and mandatory and not alias:
        return Refusal(400, f"Reasoning is mandatory for {endpoint.model} and cannot be disabled.")
    able = "reasoning" in endpoint.supported_parameters
    shows = reasoning.get("exclude") is not True and body.get("include_reasoning") is not False
    return ReasoningWish(reasons=mandatory or (able and asked and not off), shows=shows)


def budget_refusal(body: Mapping[str, Any], endpoint: Endpoint, max_tokens: int | None) -> Refusal | None:
    """Claude's budget has bounds, and has to leave room for an answer."""
    budget = (body.get("reasoning") or {}).get("max_tokens")
    if endpoint.author != "anthropic" or budget is None:
        return None
    least, most = _CLAUDE_BUDGET
    if not least <= budget <= most:
        text = f"reasoning.max_tokens: {endpoint.model} takes from {least:,} to {most:,} tokens, not {budget}"
        return Refusal(400, text)
    if max_tokens is None or max_tokens > budget:
        return None
    return Refusal(400, f"`max_tokens` ({max_tokens}) must be greater than `reasoning.max_tokens` ({budget})")


def update_refusal(messages: Sequence[Mapping[str, Any]], endpoint: Endpoint) -> Refusal | None:
    """Only some models can change how they reason in the middle of a conversation."""
    if endpoint.model in _UPDATABLE:
        return None
    found = next((index for index, each in enumerate(messages) if each.get("configuration_update")), None)
    if found is None:
        return None
    text = f"messages.{found}.configuration_update: is not supported by {endpoint.model}"
    return Refusal(400, f"{text}, only by {', '.join(sorted(_UPDATABLE))}")


def details(text: str, endpoint: Endpoint, call_ids: Sequence[str], seed: str) -> list[dict[str, Any]]:
    """The finished `reasoning_details` of one answer.

    Claude signs its text, OpenAI and xAI give a summary and an encrypted item, Gemini a thought and an encrypted signature
    (beside the first tool call, if there is one), everybody else plain text.
    """
    form = _FORMATS.get(endpoint.author, "unknown")
    thought = {"type": "reasoning.text", "text": text, "format": form, "index": 0}
    if form == _CLAUDE:
        return [{**thought, "signature": _seal(form, text, seed)}]
    if form == "unknown":
        return [thought]
    item = {"type": "reasoning.encrypted", "data": _seal(form, "", seed), "format": form, "index": 0}
    if form == _GEMINI:
        return [thought, {**item, "id": call_ids[0] if call_ids else None}]
    summary = {"type": "reasoning.summary", "summary": text, "format": form, "index": 0}
    return [summary, {**item, "id": f"rs_{_digest(form, '', seed.encode()).hex()[:32]}"}]


def text_of(entries: Sequence[Mapping[str, Any]]) -> str:
    """The text that `reasoning` repeats."""
    return "".join(entry.get("text") or entry.get("summary") or "" for entry in entries)


def comes_last(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is streamed after the content: Gemini's signatures are."""
    return entry.get("format") == _GEMINI and entry.get("type") == "reasoning.encrypted"


def replay_refusal(messages: Sequence[Mapping[str, Any]], endpoint: Endpoint) -> Refusal | None:
    """Why the provider would refuse the reasoning that the history carries: changed, unsigned, or told twice.

    Entries of another family are dropped on the way to the provider, so they aren't looked at.
    """
    seen: set[str] = set()
    for path, entry in _history(messages, _FORMATS.get(endpoint.author)):
        seal = str(entry.get("signature" if entry["type"] == "reasoning.text" else "data"))
        if not _is_genuine(entry, seal):
            return _broken(path, entry)
        if seal in seen:
            return Refusal(400, f"{path}: the same reasoning block is in the history twice")
        seen.add(seal)
    unsigned = _unsigned(messages) if endpoint.author == "anthropic" else None
    return _broken(unsigned, {"format": _CLAUDE}) if unsigned else None


def _history(
    messages: Sequence[Mapping[str, Any]], form: str | None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The entries that a family wrote, with their paths; without a seal Gemini's own thoughts are text and no more."""
    for index, message in enumerate(messages):
        for position, entry in enumerate(message.get("reasoning_details") or ()):
            plain = entry["type"] == "reasoning.summary" or (
                form != _CLAUDE and entry["type"] == "reasoning.text"
            )
            if form is not None and entry.get("format") == form and not plain:
                yield f"messages.{index}.reasoning_details.{position}", entry


def _unsigned(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Where reasoning is sent back as text alone, which carries no signature."""
    return next(
        (
            f"messages.{index}.reasoning"
            for index, message in enumerate(messages)
            if (message.get("reasoning") or message.get("reasoning_content"))
            and not message.get("reasoning_details")
        ),
        None,
    )


def _is_genuine(entry: Mapping[str, Any], seal: str) -> bool:
    """Whether the seal belongs to this text, or to none where the entry has no text."""
    try:
        raw = base64.b64decode(seal, validate=True)
    except ValueError:
        return False
    seed, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    return hmac.compare_digest(digest, _digest(str(entry["format"]), str(entry.get("text") or ""), seed))


def _broken(path: str, entry: Mapping[str, Any]) -> Refusal:
    form = entry.get("format")
    if form == _CLAUDE:
        text = f"{path}: Invalid `signature` in `thinking` block"
    elif form == _GEMINI:
        text = f"{path}: Corrupted thought signature."
    else:
        text = f"{path}: The encrypted content could not be verified."
    return Refusal(400, text, {"raw": text})


def _seal(form: str, text: str, seed: str) -> str:
    """A signature of ``text``, or encrypted data if there is none; no two answers have the same."""
    return base64.b64encode(seed.encode() + _digest(form, text, seed.encode())).decode()


def _digest(form: str, text: str, seed: bytes) -> bytes:
    message = b"\n".join((form.encode(), seed, text.encode("utf-8", "surrogatepass")))
    return hmac.digest(_KEY, message, "sha512")
