"""Where a content block keeps what it holds: the many spellings of one image, file, recording or film.

Read are LangChain's blocks (v1, and v0 with `source_type`), OpenAI's (chat and Responses), Anthropic's `source`, Google's `media` and
Bedrock's `{"format", "source"}`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from openrouter_opts.protocol.encoding import base64_of
from openrouter_opts.protocol.parts import format_of_sound, is_fetchable

Block: TypeAlias = Mapping[str, Any]

_URLS: Final = ("url", "file_uri", "file_url")
_DATA: Final = ("base64", "data", "bytes", "file_data")

# How base64 begins, by MIME type: for blocks that don't name theirs. RIFF is a film, a recording or an image, by its kind.
_MAGIC: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
}
_MAGIC_OF_SOUND: Final = {
    "UklGR": "audio/wav",
    "SUQz": "audio/mpeg",
    "//": "audio/mpeg",
    "ZkxhQw": "audio/flac",
    "T2dnUw": "audio/ogg",
}


class Unsendable(ValueError):
    """A block that can't be sent; whoever knows its place makes a `ConfigurationError` of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a block holds, and by which way: an address, base64, the id of an upload, or text."""

    kind: str
    """The type of the block, for errors."""
    url: str | None = None
    base64: str | None = None
    mime_type: str | None = None
    file_id: str | None = None
    text: str | None = None

    def address(self) -> str:
        """Return the URL, which for base64 is a data URL.

        Raises:
            Unsendable: There is neither, or it can't be fetched from where OpenRouter is.
        """
        if self.url is not None:
            return fetchable(self.url)
        if self.base64 is None:
            raise Unsendable(f"{self.kind}: needs `url` or `base64`")
        mime = self.mime_type or _guessed(self.base64, _MAGIC)
        if not mime:
            raise Unsendable(f"{self.kind}: base64 needs its `mime_type`")
        return f"data:{mime};base64,{self.base64}"

    def sound(self) -> dict[str, str]:
        """Return `data` and `format` as `input_audio` takes them.

        Raises:
            Unsendable: There is no data, or nothing tells its format.
        """
        if self.base64 is None:
            raise Unsendable(
                f"{self.kind}: needs `base64`; OpenRouter takes no URL and no file id for audio, so download it"
            )
        mime = self.mime_type or _guessed(self.base64, _MAGIC_OF_SOUND)
        if not mime:
            raise Unsendable(f"{self.kind}: needs its `mime_type`, such as 'audio/wav'")
        return {"data": self.base64, "format": format_of_sound(mime)}

    def as_text(self) -> str | None:
        """Return the text that it holds, as such or as base64 of UTF-8; `None` if it holds no text."""
        if self.text is not None or self.base64 is None:
            return self.text
        try:
            return base64.b64decode(self.base64, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None


def source_of(block: Block) -> Source:
    """Read a block, whichever flavour it has."""
    inner = block.get("source")
    given = inner if isinstance(inner, Mapping) else block
    kind = str(block.get("type"))
    way = given.get("source_type") or (given.get("type") if given is inner else None)
    mime = given.get("mime_type") or given.get("media_type") or block.get("mime_type")
    if way == "text":
        # In v0, `url` was the text itself.
        return Source(kind, text=_first(given, ("text", "data", "url")), mime_type=mime)
    url = _first(given, _URLS)
    data = _first(given, _DATA)
    if isinstance(data, bytes | bytearray | memoryview):
        data = base64_of(data)
    if data is not None and not isinstance(data, str):
        raise Unsendable(f"{kind}: base64 is text or bytes, not {type(data).__name__}")
    if data is None and isinstance(url, str) and url.startswith("data:"):
        data, url = url, None
    if data and (data.startswith("data:") or "://" in data[:10]):
        # Responses' `file_data` is an address, and people paste data URLs.
        head, comma, rest = data.partition(";base64,")
        if comma:
            data, mime = rest, mime or head.removeprefix("data:")
        else:
            data, url = None, data
    file_id = given.get("file_id") or (given.get("id") if way == "id" else None)
    return Source(kind, url, data, mime, file_id, given.get("text"))


def is_held(block: Block) -> bool:
    """Tell whether a block says where what it is about is; an address within somebody's site says it to nobody else."""
    if isinstance(inner := block.get("source"), Mapping):
        return bool(inner.get("type") or is_held(inner))
    if block.get("source_type") or any(block.get(name) for name in ("base64", "bytes", "file_id")):
        return True
    if isinstance(data := _first(block, _DATA), str):
        has_type = block.get("mime_type") or block.get("media_type") or block.get("format")
        return bool(has_type or data.startswith("data:") or "://" in data[:10] or _guessed(data, _MAGIC))
    url = _first(block, _URLS)
    return isinstance(data, bytes) or (isinstance(url, str) and (url.startswith("data:") or "://" in url))


def fetchable(url: Any) -> str:
    """Return an address that OpenRouter can fetch; raises `Unsendable` for one that it can't."""
    if not is_fetchable(url):
        raise Unsendable(
            f"url: {url!r:.60} can't be fetched by OpenRouter; give an http(s) URL, or the data as base64"
        )
    return str(url)


def address_of(data: Any) -> str:
    """Return where the data of a file is: an address as it is, and base64 that tells its type as a data URL.

    Raises:
        Unsendable: It is neither, or can't be fetched.
    """
    mime = _guessed(data, _MAGIC) if isinstance(data, str) else None
    return f"data:{mime};base64,{data}" if mime else fetchable(data)


def mime_type_of_sound(data: str) -> str:
    """Return the MIME type of a recording that a model made, which its answer doesn't name.

    Of the formats that there are (wav, mp3, flac, opus and pcm16), only the last has no head:
    https://openrouter.ai/docs/guides/overview/multimodal/audio
    """
    return _guessed(data, _MAGIC_OF_SOUND) or "audio/pcm"


def _guessed(data: str, by: Mapping[str, str]) -> str | None:
    return next((mime for start, mime in by.items() if data.startswith(start)), None)


def _first(given: Block, names: tuple[str, ...]) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)
