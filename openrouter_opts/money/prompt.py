"""How many tokens a prompt may have, without a tokenizer.

Each model has its own, and what a provider counts is counted there. What holds for all of them: a token is at least one byte of the text.
So the bytes of the request are a bound, and the media in it, whose bytes say little, are put in the place of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openrouter_opts.lint.body import Body, models_of

BYTES_OF_A_LONG_TOKEN: Final = 8
"""The least that a prompt can be expected to have: long English words are single tokens."""

_PER_MESSAGE: Final = 16
_FOR_TOOLS: Final = 1_000
"""What providers write around messages and tools; https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview has up to 500."""

_IMAGE: Final = 5_000
"""The largest image at the dearest provider: Claude's at its full size."""
_IMAGE_OF: Final[Mapping[str, int]] = {"openai/gpt-4o-mini": 50_000}
"""It counts 33 times what others count: https://platform.openai.com/docs/guides/images-vision#calculating-costs."""

_AUDIO: Final = 40
"""Base64 characters for each token: 8 kbit/s, the thinnest that is understood, and Gemini's 32 tokens per second."""
_SAMPLES: Final = 300
"""The same for bare samples, 64 kbit/s at least."""
_BARE: Final = frozenset({"wav", "aiff", "pcm16", "pcm24"})

_CACHE_MARKS: Final = (b'"cache_control":', b'"prompt_cache_breakpoint":')
"""OpenRouter makes each of the other where a provider knows that one alone."""
_ONE_HOUR: Final = b'"ttl":"1h"'


@dataclass(frozen=True, slots=True)
class PromptSize:
    """What is known of a prompt's tokens.

    Attributes:
        low: the fewest that can be expected.
        high: a bound; None where only the model's window is one.
        images: how many images there are.
        has_audio: whether there is audio.
        caches: whether a part of it is marked to be kept in the provider's cache.
        caches_for_an_hour: whether a part of it is to be kept in the provider's cache for an hour, which costs more.
    """

    low: int
    high: int | None
    images: int = 0
    has_audio: bool = False
    caches: bool = False
    caches_for_an_hour: bool = False


@dataclass(frozen=True, slots=True)
class _Medium:
    """A part that isn't text: the characters it takes in the request, and the tokens it may be."""

    kind: str
    written: int
    tokens: int | None


def prompt_size(body: Body, written: bytes) -> PromptSize:
    """Return the bounds of a prompt: of a request, as an object and as it would be written."""
    messages = [each for each in body.get("messages") or () if isinstance(each, dict)]
    media = [found for message in messages for part in _parts(message) if (found := _medium(part, body))]
    text = max(len(written) - sum(each.written for each in media), 0)
    around = _PER_MESSAGE * len(messages) + (_FOR_TOOLS if body.get("tools") else 0)
    tokens = [each.tokens for each in media]
    known = sum(each for each in tokens if each is not None)
    return PromptSize(
        low=max(text // BYTES_OF_A_LONG_TOKEN, 1),
        high=None if None in tokens else text + around + known,
        images=sum(each.kind == "image" for each in media),
        has_audio=any(each.kind == "audio" for each in media),
        caches=any(mark in written for mark in _CACHE_MARKS),
        caches_for_an_hour=_ONE_HOUR in written,
    )


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("content", "images"):
        parts = message.get(key)
        for part in parts if isinstance(parts, list | tuple) else ():
            if isinstance(part, dict):
                yield part


def _medium(part: Mapping[str, Any], body: Body) -> _Medium | None:
    read = _READ.get(part.get("type", ""))
    inner = part.get(read.key) if read else None
    return read.size(inner, body) if read and isinstance(inner, dict) else None


def _image(image: Mapping[str, Any], body: Body) -> _Medium:
    tokens = max((_IMAGE_OF.get(name.partition(":")[0], _IMAGE) for name in models_of(body)), default=_IMAGE)
    return _Medium("image", _length(image.get("url")), tokens)


def _audio(audio: Mapping[str, Any], _: Body) -> _Medium:
    length = _length(audio.get("data"))
    return _Medium("audio", length, length // (_SAMPLES if audio.get("format") in _BARE else _AUDIO) + 100)


def _file(file: Mapping[str, Any], _: Body) -> _Medium | None:
    """A file in the request has a token for each of its characters at most, as text has, and a page of it is an image at most."""
    data = file.get("file_data")
    if not isinstance(data, str) or data.startswith(("http://", "https://")):
        return _Medium("file", 0, None)
    return _Medium("file", len(data), len(data) + _IMAGE)


def _video(video: Mapping[str, Any], _: Body) -> _Medium:
    """Nobody says how long it is."""
    return _Medium("video", _length(video.get("url")), None)


@dataclass(frozen=True, slots=True)
class _Read:
    key: str
    size: Callable[[Mapping[str, Any], Body], _Medium | None]


_READ: Final[Mapping[str, _Read]] = {
    "image_url": _Read("image_url", _image),
    "input_audio": _Read("input_audio", _audio),
    "file": _Read("file", _file),
    "video_url": _Read("video_url", _video),
    "input_video": _Read("video_url", _video),
}


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0
