"""From the chunks of a stream to the body that the same answer would have had without streaming.

Linear: pieces are kept in lists and joined once, at the end.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from openrouter_opts.protocol.completion import Choice, Completion, Delta, ToolCallDelta
from openrouter_opts.protocol.decode import (
    arguments_text,
    call_id,
    content_text,
    index_of,
    mappings,
    reasoning_text,
    sequence,
    text_of,
)
from openrouter_opts.protocol.reasoning import ReasoningPieces
from openrouter_opts.protocol.surrogates import TextPieces

_ONCE: Final = ("id", "model", "provider", "created", "service_tier", "system_fingerprint")
_LAST: Final = ("openrouter_metadata", "alignment", "safeguard_results", "debug")
# What most deltas hold; a delta with any other key is looked at more closely.
_COMMON: Final = frozenset({"role", "content", "reasoning", "refusal", "tool_calls"})


class Assembler:
    """Takes chunks, gives deltas, and in the end the body.

    Args:
        asked: How many choices were asked for (`n`).
    """

    def __init__(self, asked: int = 1) -> None:
        self._asked = asked
        self._top: dict[str, Any] = {}
        self._choices: dict[int, _ChoicePieces] = {}
        self._usage: dict[str, Any] | None = None

    @property
    def has_finish_reason(self) -> bool:
        """Whether every choice that was asked for has its finish reason: then the answer is whole, even if `[DONE]` never comes."""
        begun = self._choices.values()
        return len(begun) >= max(1, self._asked) and all(pieces.finish_reason for pieces in begun)

    def has_ended(self, raw: Mapping[str, Any]) -> bool:
        """Whether the choice of a chunk had its finish reason before that chunk."""
        pieces = self._choices.get(index_of(raw))
        return pieces is not None and bool(pieces.finish_reason)

    def feed(self, chunk: Mapping[str, Any]) -> list[Delta]:
        """Take a chunk; return what it adds to each choice, which may be nothing."""
        for key in _ONCE:
            value = chunk.get(key)
            # The last word counts: with fallbacks the model can change before the first text.
            if value is not None:
                self._top[key] = value
        for key in _LAST:
            if key in chunk:
                self._top[key] = chunk[key]
        usage = chunk.get("usage")
        if isinstance(usage, dict) and usage:
            # Cumulative or repeated usage replaces: adding it up would double the bill. What a later one doesn't say stays as it was.
            before = self._usage or {}
            self._usage = {**usage, **{name: before[name] for name in before if usage.get(name) is None}}
        return [
            delta
            for raw in sequence(chunk.get("choices"))
            if isinstance(raw, dict) and (delta := self._pieces(raw).feed(raw, chunk))
        ]

    def rest(self) -> list[Delta]:
        """Return what was kept back for a next chunk, now that none comes."""
        return [delta for pieces in self._choices.values() if (delta := pieces.rest())]

    def body(self) -> dict[str, Any]:
        """Return the body of everything so far."""
        body: dict[str, Any] = {"object": "chat.completion", **self._top}
        body["choices"] = [self._choices[index].body() for index in sorted(self._choices)]
        if self._usage is not None:
            body["usage"] = self._usage
        return body

    def _pieces(self, raw: Mapping[str, Any]) -> _ChoicePieces:
        index = index_of(raw)
        pieces = self._choices.get(index)
        if pieces is None:
            pieces = self._choices[index] = _ChoicePieces(index)
        return pieces


def at_once(answer: Completion) -> list[Delta]:
    """Return an answer that came whole as the deltas of a stream: one for each choice with something in it."""
    return [delta for choice in answer.choices if (delta := _whole_delta(choice, answer.raw))]


def _whole_delta(choice: Choice, chunk: Mapping[str, Any]) -> Delta | None:
    calls = tuple(
        ToolCallDelta(slot, call.id, call.name or None, call.arguments)
        for slot, call in enumerate(choice.tool_calls)
    )
    said = (choice.text or "", choice.reasoning or "", calls, choice.refusal or "")
    spoken = text_of((choice.audio or {}).get("transcript")) or ""
    if not (any(said) or choice.images or choice.annotations or choice.audio):
        return None
    return Delta(*said, choice.index, chunk, spoken)


class _ChoicePieces:
    def __init__(self, index: int) -> None:
        self._index = index
        self.finish_reason: str | None = None
        self._native: str | None = None
        self._content: TextPieces | None = None
        self._refusal = TextPieces()
        self._reasoning = TextPieces()
        self._details: ReasoningPieces | None = None
        self._calls = _ToolCallPieces()
        self._lists: dict[str, list[Any]] = {}
        self._audio: dict[str, Any] = {}
        self._audio_data: list[str] = []
        self._transcript = TextPieces()
        self._logprobs: dict[str, list[Any]] = {}

    def feed(self, raw: Mapping[str, Any], chunk: Mapping[str, Any]) -> Delta | None:
        reason = raw.get("finish_reason")
        if reason and not self.finish_reason:
            # The usage chunk repeats the finish reason; the first one is the answer's.
            self.finish_reason = reason
        self._native = raw.get("native_finish_reason") or self._native
        logprobs = raw.get("logprobs")
        if isinstance(logprobs, dict):
            self._take_logprobs(logprobs)
        delta = raw.get("delta")
        if delta is None:
            # A provider that ignores `stream` sends the whole message.
            delta = raw.get("message")
        return self._take_delta(delta, chunk) if isinstance(delta, dict) else None

    def _take_delta(self, delta: Mapping[str, Any], chunk: Mapping[str, Any]) -> Delta | None:
        text = content_text(delta.get("content"))
        if text is not None:
            if self._content is None:
                self._content = TextPieces()
            text = self._content.take(text)
        reasoning = self._reasoning.take(reasoning_text(delta))
        refusal = self._refusal.take(text_of(delta.get("refusal")) or "")
        calls = self._calls.feed(delta["tool_calls"], chunk.get("id")) if delta.get("tool_calls") else ()
        spoken, rare = ("", False) if delta.keys() <= _COMMON else self._take_rare(delta)
        if not (text or reasoning or calls or refusal or rare):
            return None
        return Delta(text or "", reasoning, calls, refusal, self._index, chunk, spoken)

    def rest(self) -> Delta | None:
        text = self._content.rest() if self._content else ""
        reasoning, refusal, calls = self._reasoning.rest(), self._refusal.rest(), self._calls.rest()
        spoken = self._transcript.rest()
        if not (text or reasoning or calls or refusal or spoken):
            return None
        return Delta(text, reasoning, calls, refusal, self._index, transcript=spoken)

    def _take_rare(self, delta: Mapping[str, Any]) -> tuple[str, bool]:
        """Take what few deltas have; return what is spoken in it, and whether there was anything of an answer."""
        details = delta.get("reasoning_details")
        if isinstance(details, list):
            self._details = self._details or ReasoningPieces()
            self._details.feed(mappings(details))
        taken = False
        for key in ("annotations", "images"):
            for item in mappings(delta.get(key)):
                taken = True
                kept = self._lists.setdefault(key, [])
                if key == "annotations" or item not in kept:
                    kept.append(item)
        audio = delta.get("audio")
        spoken, heard = self._take_audio(audio) if isinstance(audio, dict) else ("", False)
        return spoken, taken or heard

    def _take_audio(self, audio: Mapping[str, Any]) -> tuple[str, bool]:
        spoken, heard = "", False
        for key, value in audio.items():
            part = text_of(value) if key in {"data", "transcript"} else value
            if part is None:
                continue
            heard = True
            if key == "data":
                self._audio_data.append(part)
            elif key == "transcript":
                spoken = self._transcript.take(part)
            else:
                self._audio[key] = part
        return spoken, heard

    def _take_logprobs(self, logprobs: Mapping[str, Any]) -> None:
        for key, values in logprobs.items():
            if isinstance(values, list):
                self._logprobs.setdefault(key, []).extend(values)

    def body(self) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self._content is None else self._content.whole(),
        }
        if self._refusal:
            message["refusal"] = self._refusal.whole()
        if self._reasoning:
            message["reasoning"] = self._reasoning.whole()
        if self._details is not None:
            message["reasoning_details"] = self._details.whole()
        if calls := self._calls.whole():
            message["tool_calls"] = calls
        message.update(self._lists)
        if audio := self._whole_audio():
            message["audio"] = audio
        body: dict[str, Any] = {
            "index": self._index,
            "message": message,
            "finish_reason": self.finish_reason,
            "native_finish_reason": self._native,
        }
        if self._logprobs:
            body["logprobs"] = self._logprobs
        return body

    def _whole_audio(self) -> dict[str, Any]:
        audio = dict(self._audio)
        if self._transcript:
            audio["transcript"] = self._transcript.whole()
        if any(self._audio_data):
            audio["data"] = _join_base64(self._audio_data)
        return audio


class _ToolCallPieces:
    """Puts the pieces of tool calls together, however the provider numbers them.

    Seen: no `index` for a lone call, one `index` for two calls, one id for two calls, ids and names repeated in every piece, empty ids,
    arguments as an object, a whole call sent twice.
    """

    def __init__(self) -> None:
        self._calls: list[_CallPieces] = []
        self._ids: set[str] = set()
        self._last_of_index: dict[int, int] = {}

    def feed(self, raw: object, answer: object) -> tuple[ToolCallDelta, ...]:
        """Take the pieces of one chunk; `answer` is the generation id, for calls that come without an id."""
        return tuple(delta for item in _in_order(mappings(raw)) if (delta := self._take(item, answer)))

    def _take(self, item: Mapping[str, Any], answer: object) -> ToolCallDelta | None:
        function = item.get("function")
        function = function if isinstance(function, dict) else {}
        index = item.get("index")
        index = index if isinstance(index, int) else None
        given = text_of(item.get("id")) or ""
        name = text_of(function.get("name")) or ""
        text = arguments_text(function.get("arguments"))
        slot = self._slot(index, given, name)
        if slot is not None:
            return self._calls[slot].add(slot, given, name, text)
        return self._open(index, given, name, text, answer) if given or name or text else None

    def _slot(self, index: int | None, given: str, name: str) -> int | None:
        """Find the call that a piece belongs to; `None` opens a new one."""
        if given:
            for slot, call in enumerate(self._calls):
                if call.given == given and call.index == index:
                    return slot
        last = len(self._calls) - 1 if index is None else self._last_of_index.get(index, -1)
        if last < 0:
            return None
        call = self._calls[last]
        has_other_id = bool(given and call.given)
        # With an index, a name that comes again is a repetition; without one, all there is to tell calls apart is the name.
        has_other_name = bool(name and call.name) and (index is None or name != call.name)
        return None if has_other_id or has_other_name else last

    def _open(self, index: int | None, given: str, name: str, text: str, answer: object) -> ToolCallDelta:
        slot = len(self._calls)
        made = call_id(given, slot, self._ids, answer)
        self._ids.add(made)
        call = _CallPieces(made, given, name, index)
        self._calls.append(call)
        if index is not None:
            self._last_of_index[index] = slot
        return ToolCallDelta(slot, made, name or None, call.take(text))

    def rest(self) -> tuple[ToolCallDelta, ...]:
        rests = [call.arguments.rest() for call in self._calls]
        return tuple(ToolCallDelta(slot, None, None, rest) for slot, rest in enumerate(rests) if rest)

    def whole(self) -> list[dict[str, Any]]:
        return [call.whole(slot) for slot, call in enumerate(self._calls)]


def _in_order(pieces: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the pieces of one chunk in the order of their calls, where each says which it belongs to."""
    if len(pieces) < 2 or not all(isinstance(piece.get("index"), int) for piece in pieces):
        return pieces
    return sorted(pieces, key=itemgetter("index"))


@dataclass(slots=True)
class _CallPieces:
    id: str
    given: str
    """The id that the provider gave, `""` if none."""
    name: str
    index: int | None
    arguments: TextPieces = field(default_factory=TextPieces)
    size: int = 0

    def take(self, text: str) -> str:
        self.size += len(text)
        return self.arguments.take(text)

    def add(self, slot: int, given: str, name: str, text: str) -> ToolCallDelta | None:
        self.given = self.given or given
        new_name = name if not self.name else ""
        self.name = self.name or name
        if given and name and not new_name and self._repeats(text):
            return None
        text = self.take(text)
        return ToolCallDelta(slot, None, new_name or None, text) if text or new_name else None

    def _repeats(self, text: str) -> bool:
        """Tell whether a piece is the finished call over again: some engines send it whole in the last chunk."""
        return len(text) == self.size and text.endswith("}") and text == self.arguments.whole()

    def whole(self, slot: int) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.arguments.whole()}
        return {"index": slot, "id": self.id, "type": "function", "function": function}


def _join_base64(pieces: list[str]) -> str:
    """Join audio: each piece is padded for itself, so the bytes are joined, not the texts."""
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
    except ValueError:
        # A stream cut at odd places is one text.
        return "".join(pieces)
