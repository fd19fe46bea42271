"""What is attached to a message, and a small picture to hand out."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_SIDE = 16


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, sound, film or document, in words such as `a PDF "report.pdf" (application/pdf, 1,024 bytes)`."""

    kind: str
    description: str


def attachment(part: Mapping[str, Any]) -> Attachment | None:
    """The attachment in a content part; None for text."""
    reader = _READERS.get(str(part.get("type")))
    return reader(part) if reader else None


def _image(part: Mapping[str, Any]) -> Attachment:
    return Attachment("image", f"an image {_source(_url(part.get('image_url')))}")


def _video(part: Mapping[str, Any]) -> Attachment:
    return Attachment("video", f"a video {_source(_url(part.get('video_url')))}")


def _audio(part: Mapping[str, Any]) -> Attachment:
    audio = part.get("input_audio") or {}
    return Attachment(
        "audio", f"an audio clip ({audio.get('format')}, {_bytes(str(audio.get('data') or ''))})"
    )


def _file(part: Mapping[str, Any]) -> Attachment:
    file = part.get("file") or {}
    name = f'"{file["filename"]}" ' if file.get("filename") else ""
    source = (
        _source(str(file["file_data"])) if file.get("file_data") else f"(uploaded as {file.get('file_id')})"
    )
    return Attachment("file", f"a file {name}{source}")


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Attachment]] = {
    "image_url": _image,
    "video_url": _video,
    "input_video": _video,
    "input_audio": _audio,
    "file": _file,
}


def _url(value: Any) -> str:
    return str(value.get("url") or "") if isinstance(value, dict) else str(value or "")


def _source(url: str) -> str:
    """Where it comes from, never the data itself."""
    if url.startswith("data:"):
        head, _, data = url.removeprefix("data:").partition(",")
        return f"({head.split(';')[0] or 'text/plain'}, {_bytes(data)})"
    return f"from {urlsplit(url).hostname or 'an unknown place'}"


def _bytes(encoded: str) -> str:
    return f"{len(encoded.rstrip('=')) * 3 // 4:,} bytes"


def picture(subject: str, seed: int) -> str:
    """A small valid PNG as a data URL: two colours that follow from the subject and the seed."""
    digest = (
        zlib.crc32(subject.encode("utf-8", "surrogatepass"), seed & 0xFFFFFFFF).to_bytes(4, "big")
        + b"\x80\xc0"
    )
    first, second = digest[:3], digest[3:]
    rows = b"".join(
        b"\x00" + b"".join(first if (x // 4 + y // 4) % 2 else second for x in range(_SIDE))
        for y in range(_SIDE)
    )
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
    )
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
