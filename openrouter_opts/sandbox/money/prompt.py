"""What a request's prompt weighs, block by block, in the order in which providers cache it: tools, then messages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final

from openrouter_opts.sandbox.money.tokens import count

_PER_MESSAGE: Final = 3
_IMAGE_TOKENS: Final = 258
_VIDEO_TOKENS: Final = 2_580
_BYTES_PER_AUDIO_TOKEN: Final = 1_000
_BYTES_PER_FILE_TOKEN: Final = 40
_LEAST_MEDIA_TOKENS: Final = 10

_MARKS: Final = ("cache_control", "prompt_cache_breakpoint")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the prompt that a provider can cache up to.

    Attributes:
        value: the piece itself, with the role it has.
        tokens: its size.
        kind: ``text``, ``image``, ``audio``, ``video`` or ``file``.
        ttl: how long to keep the prefix that ends here: ``5m``, ``1h``, or None where it isn't marked.
    """

    value: tuple[str, Any]
    tokens: int
    kind: str = "text"
    ttl: str | None = None

    def key(self) -> bytes:
        """The block's identity; marks are no part of it."""
        role, value = self.value
        if isinstance(value, Mapping):
            value = {name: each for name, each in value.items() if name not in _MARKS}
        return json.dumps([role, value]).encode()


def blocks_of(body: Mapping[str, Any]) -> list[Block]:
    """The prompt as blocks."""
    blocks = [
        Block(("tool", tool), count(json.dumps(tool)), ttl=_ttl(tool)) for tool in body.get("tools") or ()
    ]
    for message in body["messages"]:
        blocks.extend(_message_blocks(message))
    return blocks


def fitted(blocks: Sequence[Block], most: int) -> list[Block]:
    """The prompt with its middle left out, if it has more than ``most`` tokens."""
    kept = list(blocks)
    over = sum(block.tokens for block in blocks) - most
    if over <= 0:
        return kept
    for index in sorted(range(len(kept)), key=lambda index: abs(2 * index - len(kept) + 1)):
        cut = min(over, kept[index].tokens)
        kept[index] = replace(kept[index], tokens=kept[index].tokens - cut)
        over -= cut
    return [block for block in kept if block.tokens]


def parted(blocks: Sequence[Block], *places: int) -> Iterator[list[Block]]:
    """The prompt in parts, each of which ends after so many tokens from the beginning; the last one is the rest."""
    ends = list(accumulate(block.tokens for block in blocks))
    begin = 0
    for place in (*places, ends[-1] if ends else 0):
        yield [block for block, end in zip(blocks, ends, strict=True) if begin < end <= place]
        begin = place


def tokens_by_kind(blocks: Iterable[Block]) -> Counter[str]:
    """How many tokens there are of each kind."""
    sizes: Counter[str] = Counter()
    for block in blocks:
        sizes[block.kind] += block.tokens
    return sizes


def _message_blocks(message: Mapping[str, Any]) -> Iterator[Block]:
    role, content = message["role"], message.get("content")
    extra = _PER_MESSAGE + sum(
        count(str(message[name])) for name in ("name", "tool_call_id") if message.get(name)
    )
    if message.get("tool_calls"):
        calls = [call["function"] for call in message["tool_calls"]]
        yield Block((role, {"calls": calls}), extra + count(json.dumps(calls)))
        extra = 0
    if isinstance(content, str):
        # A string is short for one text, and so the same prompt to a cache.
        yield _part_block(role, {"type": "text", "text": content}, extra)
    elif isinstance(content, list):
        for part in content:
            yield _part_block(role, part, extra)
            extra = 0


def _part_block(role: str, part: Mapping[str, Any], extra: int) -> Block:
    kind = part["type"]
    ttl = _ttl(part)
    if kind == "text":
        return Block((role, part), extra + count(part["text"]), ttl=ttl)
    if kind == "image_url":
        return Block((role, part), extra + _IMAGE_TOKENS, "image", ttl)
    if kind == "input_audio":
        size = len(part["input_audio"]["data"]) // _BYTES_PER_AUDIO_TOKEN
        return Block((role, part), extra + max(size, _LEAST_MEDIA_TOKENS), "audio", ttl)
    if kind == "file":
        size = len(part["file"].get("file_data") or "") // _BYTES_PER_FILE_TOKEN
        return Block((role, part), extra + max(size, _LEAST_MEDIA_TOKENS), "file", ttl)
    return Block((role, part), extra + _VIDEO_TOKENS, "video", ttl)


def _ttl(marked: Mapping[str, Any]) -> str | None:
    mark = next((marked[name] for name in _MARKS if marked.get(name)), None)
    return None if mark is None else ("5m" if mark.get("ttl") in (None, "5m") else "1h")
