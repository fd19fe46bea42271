"""How many tokens a prompt may have, without a tokenizer.

Each model has its own, and what a provider counts is counted there. What holds for all of them: a token is at least one byte of the text.
So the bytes of the request are a bound, and the media in it, whose bytes say little, are put in the place of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openrouter_opts.lint.body import Body, models_of
from openrouter_opts.money.pdf import IMAGES_BY_OCR, guessed_pages, is_here, is_read_by_ocr, pages_of

BYTES_OF_A_LONG_TOKEN: Final = 8
"""The least that a prompt can be expected to have: long English words are single tokens."""

_PER_MESSAGE: Final = 16
_FOR_TOOLS: Final = 1_000
"""What providers write around messages and tools; https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview has up to 500."""

_IMAGE: Final = 5_000
"""The largest image at the dearest provider: Claude's at its full size. A page has less, as an image and
as text: https://docs.claude.com/en/docs/build-with-claude/pdf-support."""
_IMAGE_OF: Final[Mapping[str, int]] = {"openai/gpt-4o-mini": 50_000}
"""It counts 33 times what others count: https://platform.openai.com/docs/guides/images-vision#calculating-costs."""

_AUDIO: Final = 40
"""Base64 characters for each token: 8 kbit/s, the thinnest that is understood, and Gemini's 32 tokens per second."""
_SAMPLES: Final = 300
"""The same for bare samples, 64 kbit/s at least."""
_BARE: Final = frozenset({"wav", "aiff", "pcm16", "pcm24"})

_LARGE_FILE: Final = 2_000_000
"""Characters of a file whose pages aren't counted, since an event loop waits meanwhile; they alone are more than most models take."""

_CACHE_MARKS: Final = (b'"cache_control":', b'"prompt_cache_breakpoint":')
"""OpenRouter makes each of the other where a provider knows that one alone."""
_ONE_HOUR: Final = b'"ttl":"1h"'


@dataclass(frozen=True, slots=True)
class PromptSize:
    """What is known of a prompt's tokens.

    Attributes:
        low: the fewest that can be expected.
        high: a bound; None where only the model's window is one.
        prompts: how many there are, each of which may be as long as a model takes: one for each input of a request for embeddings.
        images: how many images there are, pages of files among them.
        has_audio: whether there is audio.
        caches: whether a part of it is marked to be kept in the provider's cache.
        caches_for_an_hour: whether a part of it is to be kept in the provider's cache for an hour, which costs more.
    """

    low: int
    high: int | None
    prompts: int = 1
    images: int = 0
    has_audio: bool = False
    caches: bool = False
    caches_for_an_hour: bool = False


@dataclass(frozen=True, slots=True)
class _Medium:
    """A part that isn't text: the characters it takes in the request, the tokens it may be, and what of it is seen or heard."""

    written: int
    tokens: int | None
    images: int = 0
    has_audio: bool = False


def prompt_size(body: Body, written: bytes) -> PromptSize:
    """Return the bounds of a prompt: of a request, as an object and as it would be written."""
    inputs = _inputs(body)
    messages = [each for each in (*(body.get("messages") or ()), *inputs) if isinstance(each, dict)]
    media = [found for message in messages for part in _parts(message) if (found := _medium(part, body))]
    text = max(len(written) - sum(each.written for each in media), 0)
    around = _PER_MESSAGE * len(messages) + (_FOR_TOOLS if body.get("tools") else 0)
    tokens = [each.tokens for each in media]
    known = sum(each for each in tokens if each is not None)
    return PromptSize(
        low=max(text // BYTES_OF_A_LONG_TOKEN, 1),
        high=None if None in tokens else text + around + known,
        prompts=max(len(inputs), 1),
        images=sum(each.images for each in media),
        has_audio=any(each.has_audio for each in media),
        caches=any(mark in written for mark in _CACHE_MARKS),
        caches_for_an_hour=_ONE_HOUR in written,
    )


def _inputs(body: Body) -> list[Any]:
    """What vectors are asked for; a list of numbers is one input, of tokens."""
    given = body.get("input")
    inputs = [*given] if isinstance(given, list | tuple) else []
    return [each for each in inputs if not isinstance(each, int)]


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("content", "images"):
        parts = message.get(key)
        for part in parts if isinstance(parts, list | tuple) else ():
            if isinstance(part, dict):
                yield part


def _medium(part: Mapping[str, Any], body: Body) -> _Medium | None:
    read = _READ.get(part.get("type", ""))
    inner = next((part[key] for key in read.keys if isinstance(part.get(key), dict)), None) if read else None
    return read.size(inner, body) if read and inner is not None else None


def _image(image: Mapping[str, Any], body: Body) -> _Medium:
    return _Medium(_length(image.get("url")), _tokens_of_image(body), images=1)


def _tokens_of_image(body: Body) -> int:
    return max((_IMAGE_OF.get(name.partition(":")[0], _IMAGE) for name in models_of(body)), default=_IMAGE)


def _audio(audio: Mapping[str, Any], _: Body) -> _Medium:
    data = audio.get("data")
    if not is_here(data):
        return _Medium(0, None, has_audio=True)
    length = len(data)
    tokens = length // (_SAMPLES if audio.get("format") in _BARE else _AUDIO) + 100
    return _Medium(length, tokens, has_audio=True)


def _file(file: Mapping[str, Any], body: Body) -> _Medium:
    """A file in the request has a token for each of its characters at most, as text has, and a page of it is an image at most."""
    data = file.get("file_data", file.get("data"))
    if not is_here(data):
        return _Medium(0, None)
    length = len(data)
    if data.startswith("data:text/"):
        return _Medium(length, length)
    pages = guessed_pages(length) if length > _LARGE_FILE else pages_of(data)
    if pages is None:
        return _Medium(length, None)
    plugins = [each for each in body.get("plugins") or () if isinstance(each, dict)]
    images = pages + (IMAGES_BY_OCR if any(map(is_read_by_ocr, plugins)) else 0)
    return _Medium(length, length + images * _tokens_of_image(body), images)


def _video(video: Mapping[str, Any], _: Body) -> _Medium:
    """Nobody says how long it is."""
    return _Medium(max(_length(video.get("url")), _length(video.get("data"))), None)


@dataclass(frozen=True, slots=True)
class _Read:
    keys: tuple[str, ...]
    size: Callable[[Mapping[str, Any], Body], _Medium]


_READ: Final[Mapping[str, _Read]] = {
    "image_url": _Read(("image_url",), _image),
    "input_audio": _Read(("input_audio",), _audio),
    "file": _Read(("file",), _file),
    "input_file": _Read(("input_file",), _file),
    "video_url": _Read(("video_url",), _video),
    "input_video": _Read(("video_url", "input_video"), _video),
}
"""Where each type of part has what it is about; vectors of a video have it elsewhere than answers."""


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0
