"""What a model says in one answer, after `stop` and `max_tokens` have had their say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from openrouter_opts.sandbox.answers import Answer
from openrouter_opts.sandbox.money.tokens import count, pieces
from openrouter_opts.sandbox.reply import reasoning
from openrouter_opts.sandbox.routing.endpoints import Endpoint
from openrouter_opts.sandbox.routing.wishes import max_tokens_of

_IMAGE_TOKENS: Final = 1_290

_NATIVE: Final[dict[str, dict[str, str]]] = {
    "anthropic": {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"},
    "openai": {"stop": "completed", "length": "max_output_tokens", "tool_calls": "completed"},
    "google": {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; the arguments are JSON text, cut short where the answer was."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer, whole.

    Attributes:
        reasoning_details: None where the answer has none; an empty list is something else.
        reasoning_tokens: what was thought, shown or not.
        speaks: whether the text is given as audio with a transcript.
        extra: further keys of the message, as scripted.
    """

    text: str | None = None
    calls: tuple[Call, ...] = ()
    reasoning: str | None = None
    reasoning_details: tuple[Mapping[str, Any], ...] | None = None
    reasoning_tokens: int = 0
    images: tuple[str, ...] = ()
    annotations: tuple[Mapping[str, Any], ...] = ()
    refusal: str | None = None
    finish_reason: str | None = "stop"
    native_finish_reason: str | None = "stop"
    speaks: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image_tokens(self) -> int:
        """Tokens of the images made."""
        return _IMAGE_TOKENS * len(self.images)

    @property
    def audio_tokens(self) -> int:
        """Tokens of what was spoken."""
        return count(self.text or "") if self.speaks else 0

    @property
    def tokens(self) -> int:
        """All that was generated, thoughts included."""
        said = count(self.text or "") + sum(call_tokens(call) for call in self.calls)
        return said + self.reasoning_tokens + self.image_tokens


def call_tokens(call: Call) -> int:
    """The tokens of a call: its name, and its arguments."""
    return count(call.name) + count(call.arguments)


def turn_of(answer: Answer, body: Mapping[str, Any], endpoint: Endpoint, *, shows: bool, seed: str) -> Turn:
    """Make an answer into what is sent: cut, signed, and with the names that the provider's family uses."""
    thought = pieces(answer.reasoning or "")
    budget = max_tokens_of(body)
    thought_out = thought if budget is None else thought[:budget]
    left = None if budget is None else budget - len(thought_out)
    text, stopped = _stopped(answer.text, body.get("stop"))
    calls = [
        Call(_call_id(seed, index), call.name, json.dumps(call.arguments, ensure_ascii=False))
        for index, call in enumerate(answer.tool_calls)
    ]
    turn = Turn(text=text, calls=tuple(calls), images=answer.images, reasoning_tokens=len(thought_out))
    turn = turn if left is None else _shortened(turn, left)
    whole = len(thought_out) == len(thought) and (text, len(calls)) == (turn.text, len(turn.calls))
    whole = whole and turn.calls == tuple(calls)
    reason = ("tool_calls" if calls else "stop") if whole else "length"
    if thought_out and shows:
        turn = _with_reasoning(turn, "".join(thought_out), endpoint, seed)
    return replace(
        turn,
        finish_reason=reason,
        native_finish_reason=_native(endpoint, reason, stopped=stopped),
        speaks="audio" in (body.get("modalities") or ()),
    )


def scripted_turn(
    message: Mapping[str, Any], finish_reason: str | None, endpoint: Endpoint, seed: str
) -> Turn:
    """The turn that a test has written, to the letter."""
    calls = tuple(
        Call(
            call.get("id") or _call_id(seed, index),
            call["function"]["name"],
            _as_text(call["function"].get("arguments", {})),
        )
        for index, call in enumerate(message.get("tool_calls") or ())
    )
    known = {
        "role",
        "content",
        "tool_calls",
        "reasoning",
        "reasoning_details",
        "images",
        "annotations",
        "refusal",
    }
    shown = message.get("reasoning_details")
    thought = message.get("reasoning") or (reasoning.text_of(shown) if shown else None)
    reason = finish_reason or ("tool_calls" if calls else "stop")
    return Turn(
        text=message.get("content"),
        calls=calls,
        reasoning=thought,
        reasoning_details=None if shown is None else tuple(shown),
        reasoning_tokens=count(thought or ""),
        images=tuple(image["image_url"]["url"] for image in message.get("images") or ()),
        annotations=tuple(message.get("annotations") or ()),
        refusal=message.get("refusal"),
        finish_reason=reason,
        native_finish_reason=_native(endpoint, reason, stopped=False),
        extra={name: value for name, value in message.items() if name not in known},
    )


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _stopped(text: str | None, stop: str | Sequence[str] | None) -> tuple[str | None, bool]:
    """The text up to the first stop sequence, which isn't part of it."""
    sequences = [stop] if isinstance(stop, str) else list(stop or ())
    places = [place for sequence in sequences if (place := (text or "").find(sequence)) >= 0]
    return (text[: min(places)], True) if text is not None and places else (text, False)


def _shortened(turn: Turn, left: int) -> Turn:
    """The turn within so many tokens: text first, then calls; the last call may end in the middle of its arguments."""
    text = turn.text
    if text is not None:
        kept = pieces(text)[:left]
        left -= len(kept)
        text = "".join(kept)
    calls: list[Call] = []
    for call in turn.calls:
        left -= count(call.name)
        if left <= 0:
            break
        kept = pieces(call.arguments)[:left]
        left -= len(kept)
        calls.append(replace(call, arguments="".join(kept)))
    return replace(turn, text=text, calls=tuple(calls))


def _with_reasoning(turn: Turn, thought: str, endpoint: Endpoint, seed: str) -> Turn:
    entries = reasoning.details(thought, endpoint, [call.id for call in turn.calls], seed)
    return replace(turn, reasoning=thought, reasoning_details=tuple(entries))


def _native(endpoint: Endpoint, reason: str, *, stopped: bool) -> str:
    if stopped and reason == "stop" and endpoint.author == "anthropic":
        return "stop_sequence"
    return _NATIVE.get(endpoint.author, {}).get(reason, reason)


def _call_id(seed: str, index: int) -> str:
    return f"call_{sha256(f'{seed}/{index}'.encode()).hexdigest()[:24]}"
