"""From the blocks of a message to the parts that OpenRouter takes.

URLs are passed on: whoever serves the model fetches them. Files and bytes go out as data URLs.
Source: https://openrouter.ai/docs/guides/overview/multimodal/overview
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import IOBase
from pathlib import Path
from threading import Lock
from typing import Any, Final
from weakref import WeakKeyDictionary

import filetype  # type: ignore[import-untyped]
from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.utils import resolve_binary

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.locks import forkable_lock
from openrouter_opts.protocol.encoding import base64_of, in_base64, is_large
from openrouter_opts.protocol.parts import Part, file_name, file_name_in, format_of_sound, is_fetchable

_BLANK: Final[Part] = {"type": "text", "text": ""}
_DEFAULT_TTL: Final = "5m"
_UNTITLED: Final = "input_document"  # what LlamaIndex calls a document without a title
_being_read: Final[WeakKeyDictionary[IOBase, Lock]] = WeakKeyDictionary()
"""A file has one place at which it is read, and calls that are made at once may have it in common."""


def parts_of(blocks: Iterable[tuple[int, Any]], where: str) -> list[Part]:
    """Convert blocks, each with its place in the message; `where` is the path that errors name.

    Providers refuse a blank text beside something else, so one is kept only if it is all there is.
    """
    parts: list[Part] = []
    is_blank = False
    for index, block in blocks:
        place = f"{where}.blocks[{index}]"
        if isinstance(block, CachePoint):
            _mark(parts, block, place)
            continue
        for part in _converter(block, place)(block, place):
            is_blank = is_blank or part == _BLANK
            parts += [] if part == _BLANK else [part]
    return parts or ([dict(_BLANK)] if is_blank else [])


def takes_long(block: Any) -> bool:
    """Tell whether a file has to be read for a block, or there is so much in it that an event loop should not wait for it."""
    held = vars(block)
    return (
        held.get("path") is not None
        or is_large(held)
        or any(isinstance(each, IOBase) for each in held.values())
        or any(map(takes_long, _inside(block)))
    )


def _inside(block: Any) -> Sequence[Any]:
    if isinstance(block, CitationBlock):
        return [block.cited_content]
    return block.content if isinstance(block, CitableBlock) else ()


def _mark(parts: list[Part], point: CachePoint, where: str) -> None:
    """Let the prompt cache end with the last part."""
    if not parts:
        raise ConfigurationError(
            f"{where}: a cache point follows what is to be cached, and nothing that can bear a mark comes before it "
            "(tool calls and blank texts can't); put it after a text, in this message or in the one before"
        )
    parts[-1] = {**parts[-1], "cache_control": cache_control_of(point)}


def cache_control_of(point: CachePoint) -> dict[str, str]:
    """Return the `cache_control` of a cache point; five minutes are the default, and left out."""
    control = point.cache_control
    return (
        {"type": control.type} if control.ttl == _DEFAULT_TTL else {"type": control.type, "ttl": control.ttl}
    )


def _text(block: TextBlock, _where: str) -> list[Part]:
    return [{"type": "text", "text": block.text}]


def _image(block: ImageBlock, where: str) -> list[Part]:
    url = _url(block.url, block.image, block.path, block.image_mimetype, where, "image_mimetype")
    image_url = {"url": url, "detail": block.detail} if block.detail else {"url": url}
    return [{"type": "image_url", "image_url": image_url}]


def _video(block: VideoBlock, where: str) -> list[Part]:
    url = _url(block.url, block.video, block.path, block.video_mimetype, where, "video_mimetype")
    settings = {"detail": block.detail, "fps": block.fps}
    given = {name: value for name, value in settings.items() if value is not None}
    return [{"type": "video_url", "video_url": {"url": url, **given}}]


def _audio(block: AudioBlock, where: str) -> list[Part]:
    url = str(block.url) if block.url else None
    if url and not url.startswith("data:") and not block.audio and block.path is None:
        raise ConfigurationError(
            f"{where}.url: OpenRouter takes audio as data only; download {url} and pass `audio`"
        )
    data = _read(block.audio, block.path, where, url)
    guess = filetype.guess(data)
    format_ = block.format or (guess.extension if guess else None)
    if not format_:
        raise ConfigurationError(
            f"{where}.format: cannot tell it from the data; set it, to `wav` or `mp3` say"
        )
    sound = {"data": base64_of(data), "format": format_of_sound(format_)}
    return [{"type": "input_audio", "input_audio": sound}]


def _document(block: DocumentBlock, where: str) -> list[Part]:
    named = block.title if block.title != _UNTITLED else None
    if block.url and not block.data and not block.path:
        address = {"file_data": _fetchable(block.url, where)}
        filename = named or file_name_in(block.url)
        return [{"type": "file", "file": {"filename": filename, **address} if filename else address}]
    data = _read(block.data, block.path, where, block.url)
    mimetype = block.document_mimetype or _guess(data)
    text = _plain_text(data, mimetype)
    if text is not None:
        return [{"type": "text", "text": f"{named}\n\n{text}" if named else text}]
    if not mimetype:
        raise ConfigurationError(f"{where}.document_mimetype: cannot tell it from the data; set it")
    name = named or (Path(block.path).name if block.path else None)
    return [
        {
            "type": "file",
            "file": {"filename": file_name(mimetype, name), "file_data": _data_url(data, mimetype)},
        }
    ]


def _citable(block: CitableBlock, where: str) -> list[Part]:
    heading = {"type": "text", "text": f"{block.title} ({block.source})"}
    return [heading, *parts_of(enumerate(block.content), f"{where}.content")]


def _citation(block: CitationBlock, where: str) -> list[Part]:
    heading = {"type": "text", "text": f"{block.title} ({block.source})"}
    return [heading, *parts_of([(0, block.cited_content)], f"{where}.cited_content")]


def _said_by_the_model(block: Any, where: str) -> list[Part]:
    kind = type(block).__name__
    raise ConfigurationError(
        f"{where}: a {kind} is something that a model said; take it out, or give the message the role `assistant`"
    )


_CONVERTERS: Final[Mapping[type, Callable[[Any, str], list[Part]]]] = {
    TextBlock: _text,
    ImageBlock: _image,
    AudioBlock: _audio,
    VideoBlock: _video,
    DocumentBlock: _document,
    CitableBlock: _citable,
    CitationBlock: _citation,
    ThinkingBlock: _said_by_the_model,
    ToolCallBlock: _said_by_the_model,
}


def _converter(block: Any, where: str) -> Callable[[Any, str], list[Part]]:
    for cls in type(block).__mro__:
        if cls in _CONVERTERS:
            return _CONVERTERS[cls]
    known = ", ".join(cls.__name__ for cls in _CONVERTERS)
    raise ConfigurationError(f"{where}: no way to send a {type(block).__name__}; there are {known}")


def _url(
    url: object, data: bytes | IOBase | None, path: Path | None, mimetype: str | None, where: str, field: str
) -> str:
    # Whether one of pydantic's URLs is true is asked of its length, for which it is written out.
    given = None if url is None else str(url)
    if given and not data and path is None:
        return _fetchable(given, where)
    if data and isinstance(data, bytes) and mimetype and _is_base64(data):
        # As blocks that were made from bytes hold them; there is no need to read it and to write it again.
        return b"".join([f"data:{mimetype};base64,".encode(), data]).decode("ascii")
    content = _read(data, path, where, given)
    mimetype = mimetype or _guess(content)
    if not mimetype:
        raise ConfigurationError(f"{where}.{field}: cannot tell it from the data; set it")
    return _data_url(content, mimetype)


def _fetchable(url: str, where: str) -> str:
    if not is_fetchable(url):
        raise ConfigurationError(
            f"{where}.url: {url:.60} can't be fetched by OpenRouter; give an http(s) URL, the data, or a path"
        )
    return url


def _read(data: bytes | IOBase | None, path: str | Path | None, where: str, url: str | None) -> bytes:
    """Return the bytes of a block; blocks that were made from bytes hold them as base64."""
    if isinstance(data, IOBase):
        with _being_read.setdefault(data, forkable_lock()):
            data.seek(0)
            content = data.read()
    elif data:
        content = b"".join(in_base64(data)) if _is_base64(data) else data
    elif path or url:
        content = resolve_binary(path=path, url=url).read()
    else:
        content = b""
    if not content:
        raise ConfigurationError(f"{where}: the block is empty; give it data, a path or a URL")
    return bytes(content)


def _plain_text(data: bytes, mimetype: str | None) -> str | None:
    """Return a text document as text, which every model reads."""
    if mimetype and not mimetype.startswith("text/"):
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _guess(data: bytes) -> str | None:
    kind = filetype.guess(data)
    return str(kind.mime) if kind else None


def _is_base64(data: bytes) -> bool:
    try:
        return all(in_base64(data))
    except ValueError:
        return False


def _data_url(data: bytes, mimetype: str) -> str:
    return f"data:{mimetype};base64,{base64_of(data)}"
