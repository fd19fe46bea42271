"""Content blocks as OpenRouter's content parts.

Taken are LangChain's standard blocks (v1, and v0 with `source_type`), OpenAI's parts and Anthropic's blocks. A block of a type that is
not known here goes out as it is, since OpenRouter may know it.
Source of the parts: https://openrouter.ai/docs/api_reference/overview
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from openrouter_opts.errors import ConfigurationError

Part: TypeAlias = dict[str, Any]
Block: TypeAlias = Mapping[str, Any]

# LangChain's own bookkeeping on a block, and what other providers leave on a text: not for the wire.
_BOOKKEEPING: Final = frozenset({"annotations", "citations", "extras", "id", "index"})

_AUDIO_FORMATS: Final = {
    "mpeg": "mp3",
    "mp4": "m4a",
    "x-m4a": "m4a",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-flac": "flac",
    "x-aiff": "aiff",
    "l16": "pcm16",
}
"""Names of `input_audio.format` that are not the subtype of the MIME type."""

_MAGIC: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
}
"""How base64 begins, by MIME type: for blocks that don't name theirs."""


def parts(content: Iterable[str | Block]) -> list[Part]:
    """Convert the blocks of a message; raises `ConfigurationError` for what can't be sent."""
    return [part(block) for block in content]


def part(block: str | Block) -> Part:
    """Convert one block."""
    if isinstance(block, str):
        return {"type": "text", "text": block}
    convert = _PARTS.get(block.get("type"))  # type: ignore[arg-type]  # no type at all is no key of the table
    return convert(block) if convert else dict(block)


def _text(block: Block) -> Part:
    converted = {key: value for key, value in block.items() if key not in _BOOKKEEPING}
    return _with_cache_control(converted, block)


def _with_cache_control(converted: Part, block: Block) -> Part:
    """Keep a cache breakpoint wherever the block has it: standard blocks carry it in `extras`."""
    mark = block.get("cache_control") or _extras(block).get("cache_control")
    return {**converted, "cache_control": mark} if mark else converted


def _extras(block: Block) -> Mapping[str, Any]:
    # v0 blocks called it `metadata`.
    extras = block.get("extras") or block.get("metadata")
    return extras if isinstance(extras, Mapping) else {}


def _image_url(block: Block) -> Part:
    given = block.get("image_url")
    image = {"url": given} if isinstance(given, str) else dict(given or {})
    if detail := block.get("detail"):
        image.setdefault("detail", detail)
    return _with_cache_control({"type": "image_url", "image_url": image}, block)


def _image(block: Block) -> Part:
    if block.get("file_id"):
        # Image parts know URLs only; an upload is named by a file part.
        return _file(block)
    image = {"url": _url(block)}
    if detail := block.get("detail") or _extras(block).get("detail"):
        image["detail"] = detail
    return _with_cache_control({"type": "image_url", "image_url": image}, block)


def _video(block: Block) -> Part:
    video = {"url": _url(block)}
    if processing := _extras(block).get("processing"):
        video["processing"] = processing
    return _with_cache_control({"type": "video_url", "video_url": video}, block)


def _video_url(block: Block) -> Part:
    given = block.get("video_url")
    return {**block, "video_url": {"url": given}} if isinstance(given, str) else dict(block)


def _audio(block: Block) -> Part:
    data, mime = _data(block)
    if data is None:
        raise ConfigurationError(
            "an audio block needs `base64`: OpenRouter takes no URL and no file id for audio"
        )
    if not mime:
        raise ConfigurationError("an audio block needs its `mime_type`, such as 'audio/wav'")
    subtype = mime.partition(";")[0].rpartition("/")[2].lower()
    audio = {"data": data, "format": _AUDIO_FORMATS.get(subtype, subtype)}
    return _with_cache_control({"type": "input_audio", "input_audio": audio}, block)


def _file(block: Block) -> Part:
    if "file" in block:
        return dict(block)
    if block.get("source_type") == "text":
        return _text_plain(block)
    if file_id := block.get("file_id") or (block.get("id") if block.get("source_type") == "id" else None):
        file = {"file_id": file_id}
    else:
        file = {"file_data": _url(block)}
    if name := _file_name(block):
        file = {"filename": name, **file}
    return _with_cache_control({"type": "file", "file": file}, block)


def _file_name(block: Block) -> str | None:
    extras = _extras(block)
    names = (block.get("filename"), extras.get("filename"), block.get("title"), extras.get("name"))
    return next((name for name in names if name), None)


def _text_plain(block: Block) -> Part:
    """Text goes out as text, so that any model reads it; a link to a text stays a file."""
    text = block.get("text") if block.get("source_type") != "text" else block.get("text", block.get("data"))
    data, _ = _data(block)
    if text is None and data is not None:
        text = _decoded(data)
    if text is None:
        return _file({**block, "type": "file"})
    whole = "\n\n".join(filter(None, (block.get("title"), block.get("context"), text)))
    return _with_cache_control({"type": "text", "text": whole}, block)


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ConfigurationError("the `base64` of a text-plain block is no UTF-8 text") from None


def _document(block: Block) -> Part:
    """Anthropic's documents."""
    source = block.get("source") or {}
    if source.get("type") == "text":
        return _text_plain({**block, "text": source.get("data")})
    return _file(block)


def _non_standard(block: Block) -> Part:
    value = block.get("value")
    return part(value) if isinstance(value, Mapping) else dict(block)


def _url(block: Block) -> str:
    """Return the URL of a block, which for base64 is a data URL."""
    source = block.get("source")
    url = block.get("url") or (source.get("url") if isinstance(source, Mapping) else None)
    if isinstance(url, str):
        return url
    data, mime = _data(block)
    if data is None:
        raise ConfigurationError(
            f"a block of type {block.get('type')!r} needs `url` or `base64`; it has {sorted(block)}"
        )
    mime = mime or next((kind for start, kind in _MAGIC.items() if data.startswith(start)), None)
    if not mime:
        raise ConfigurationError(f"a block of type {block.get('type')!r} with base64 needs its `mime_type`")
    return f"data:{mime};base64,{data}"


def _data(block: Block) -> tuple[str | None, str | None]:
    """Return base64 and MIME type, from wherever the flavour of the block keeps them."""
    source = block.get("source")
    if isinstance(source, Mapping):
        return source.get("data"), source.get("media_type")
    data = block.get("base64")
    return data if data is not None else block.get("data"), block.get("mime_type")


_PARTS: Final[Mapping[str, Callable[[Block], Part]]] = {
    "text": _text,
    "image_url": _image_url,
    "image": _image,
    "video": _video,
    "video_url": _video_url,
    "audio": _audio,
    "file": _file,
    "text-plain": _text_plain,
    "document": _document,
    "non_standard": _non_standard,
}
