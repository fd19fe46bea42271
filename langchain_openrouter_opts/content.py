"""Content blocks as OpenRouter's content parts.

Taken are LangChain's standard blocks (v1, and v0 with `source_type`), and the blocks of OpenAI (chat and Responses), Anthropic, Google and
Bedrock. A block of a type that is not known here goes out as it is, since OpenRouter may know it.
Source of the parts: https://openrouter.ai/docs/api_reference/overview
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from langchain_openrouter_opts.media import (
    Block,
    Source,
    Unsendable,
    address_of,
    fetchable,
    is_held,
    source_of,
)
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.protocol.parts import Part, file_name, file_name_in, marked

# LangChain's own notes on a block, and what other providers leave on a text: not for the wire.
_NOTES: Final = frozenset({"annotations", "citations", "extras", "id", "index", "metadata", "phase"})


def parts(content: Iterable[str | Block], where: str) -> list[Part]:
    """Convert the blocks of a message.

    Args:
        content: The blocks.
        where: The path that errors name, such as `messages[0].content`.

    Raises:
        ConfigurationError: Something can't be sent; names its path, and what to do.
    """
    converted: list[Part] = []
    for index, block in enumerate(content):
        add(converted, block, f"{where}[{index}]")
    return converted


def add(converted: list[Part], block: str | Block, where: str) -> None:
    """Convert one block and add it to the parts before it; `where` is its path."""
    if isinstance(block, Mapping) and "cachePoint" in block:
        # Bedrock's breakpoint follows what is to be cached.
        converted[:] = marked(converted, _control_of(block["cachePoint"]), where)
    else:
        converted += parts_of(block, where)


def parts_of(block: str | Block, where: str) -> list[Part]:
    """Convert one block, which gives one part unless it is a document of blocks; `where` is its path."""
    if isinstance(block, str):
        return [{"type": "text", "text": block}]
    if block.get("type") == "non_standard" and isinstance(block.get("value"), Mapping):
        return parts_of(block["value"], where)
    try:
        block = block if "type" in block else _typed(block)
        inside = _blocks_inside(block)
        if inside is None:
            convert = _PARTS.get(block["type"])
            return [convert(block) if convert else dict(block)]
    except Unsendable as problem:
        raise ConfigurationError(f"{where}: {problem}") from None
    return _document_of_blocks(block, parts(inside, f"{where}.source.content"), where)


def is_block(row: Block) -> bool:
    """Tell whether a row of a tool's output is a block that is known here: it holds what its type is about, and hasn't just the type's name."""
    kind = row.get("type")
    if not isinstance(kind, str) or kind not in _PARTS:
        return "cachePoint" in row or (kind == "non_standard" and isinstance(row.get("value"), Mapping))
    convert = _PARTS[kind]
    if convert in {_text, _text_plain} and isinstance(row.get("text"), str):
        return True
    if convert in {_text, _search_result}:
        return convert is _search_result and isinstance(row.get("content"), list)
    inner = row.get(_INNER.get(convert, kind))
    held = {**row, "url": inner} if isinstance(inner, str) else inner if isinstance(inner, Mapping) else row
    return is_held(held) and (convert is not _media or bool(source_of(held).mime_type))


def _control_of(point: Any) -> dict[str, Any]:
    ttl = {"ttl": point["ttl"]} if isinstance(point, Mapping) and point.get("ttl") else {}
    return {"type": "ephemeral", **ttl}


def _typed(block: Block) -> Block:
    """Give a block without a type, which Bedrock's and some of Google's are, the type that its key names."""
    if isinstance(block.get("text"), str):
        return {"type": "text", **block}
    for name, kind in (("image", "image"), ("video", "video"), ("document", "file")):
        inner = block.get(name)
        if isinstance(inner, Mapping) and isinstance(inner.get("source"), Mapping):
            mime, _ = mimetypes.guess_type(f"x.{inner.get('format')}")
            return {
                "type": kind,
                "title": inner.get("name"),
                "source": {"mime_type": mime, **inner["source"]},
            }
    raise Unsendable(f"a block needs a `type`; this one has {sorted(block)}")


def _kept(block: Block, *taken: str) -> Part:
    """Return what of a block goes out as it is. A cache breakpoint may also be among its `extras`."""
    kept = {key: value for key, value in block.items() if key not in _NOTES and key not in taken}
    return {**kept, **_breakpoint(block)}


def _breakpoint(block: Block) -> Part:
    control = block.get("cache_control") or _extras(block).get("cache_control")
    return {"cache_control": control} if control else {}


def _extras(block: Block) -> Mapping[str, Any]:
    """Return what stands beside the content. v0 blocks called it `metadata`, which langchain-core puts into `extras`."""
    extras = block.get("extras")
    extras = extras if isinstance(extras, Mapping) else {}
    metadata = block.get("metadata") or extras.get("metadata")
    return {**metadata, **extras} if isinstance(metadata, Mapping) else extras


def _text(block: Block) -> Part:
    return {**_kept(block), "type": "text"}


def _image_url(block: Block) -> Part:
    given = block.get("image_url")
    if given is None:
        return _image(block)
    image = dict(given) if isinstance(given, Mapping) else {"url": given}
    image["url"] = fetchable(image.get("url"))
    if detail := block.get("detail"):
        image.setdefault("detail", detail)
    return {**_kept(block, "detail"), "type": "image_url", "image_url": image}


def _image(block: Block) -> Part:
    source = source_of(block)
    if source.file_id:
        # Image parts know URLs only; an upload is named by a file part.
        return _file(block)
    image = {"url": source.address()}
    if detail := block.get("detail") or _extras(block).get("detail"):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image, **_breakpoint(block)}


def _video_url(block: Block) -> Part:
    given = block.get("video_url")
    video = dict(given) if isinstance(given, Mapping) else {"url": given}
    video["url"] = fetchable(video.get("url"))
    return {**_kept(block), "type": "video_url", "video_url": video}


def _video(block: Block) -> Part:
    video = {"url": source_of(block).address()}
    if processing := _extras(block).get("processing"):
        video["processing"] = processing
    return {"type": "video_url", "video_url": video, **_breakpoint(block)}


def _input_audio(block: Block) -> Part:
    given = block.get("input_audio")
    given = given if isinstance(given, Mapping) else {}
    sound = source_of({"type": "input_audio", "data": given.get("data"), "mime_type": given.get("format")})
    return {**_kept(block), "input_audio": {**given, **sound.sound()}}


def _audio(block: Block) -> Part:
    return {"type": "input_audio", "input_audio": source_of(block).sound(), **_breakpoint(block)}


def _file(block: Block) -> Part:
    if isinstance(given := block.get("file"), Mapping):
        address = {"file_data": address_of(given["file_data"])} if given.get("file_data") else {}
        return {**_kept(block), "file": {**given, **address}}
    source = source_of(block)
    is_text = source.text is not None or (source.mime_type or "").startswith("text/")
    return _text_plain(block) if is_text and source.as_text() is not None else _file_part(block, source)


def _file_part(block: Block, source: Source) -> Part:
    held = {"file_id": source.file_id} if source.file_id else {"file_data": source.address()}
    named = _name(block) or (file_name_in(source.url) if source.url else None)
    name = file_name(source.mime_type, named) if source.base64 else named
    file = {"filename": name, **held} if name else held
    return {"type": "file", "file": file, **_breakpoint(block)}


def _name(block: Block) -> str | None:
    extras = _extras(block)
    names = (block.get("filename"), extras.get("filename"), block.get("title"), extras.get("name"))
    return next((name for name in names if name), None)


def _text_plain(block: Block) -> Part:
    """Text goes out as text, so that any model reads it; a link to a text stays a file."""
    source = source_of(block)
    text = source.as_text()
    if text is None:
        if source.base64:
            raise Unsendable(f"{source.kind}: the base64 is no UTF-8 text")
        return _file_part(block, source)
    whole = "\n\n".join(filter(None, (block.get("title"), block.get("context"), text)))
    return {"type": "text", "text": whole, **_breakpoint(block)}


def _blocks_inside(block: Block) -> list[Any] | None:
    """Return the blocks of which one of Anthropic's documents is made."""
    source = block.get("source")
    if block["type"] != "document" or not isinstance(source, Mapping) or source.get("type") != "content":
        return None
    content = source.get("content") or []
    return [content] if isinstance(content, str) else list(content)


def _document_of_blocks(block: Block, inside: list[Part], where: str) -> list[Part]:
    heading = "\n\n".join(filter(None, (block.get("title"), block.get("context"))))
    whole = [{"type": "text", "text": heading}, *inside] if heading else inside
    control = _breakpoint(block).get("cache_control")
    return marked(whole, control, where) if control else whole


def _search_result(block: Block) -> Part:
    """Anthropic's way to give a model what it may cite."""
    said = [each.get("text") or "" for each in block.get("content") or () if isinstance(each, Mapping)]
    heading = "\n".join(filter(None, (block.get("title"), block.get("source"))))
    return {"type": "text", "text": "\n\n".join(filter(None, (heading, *said))), **_breakpoint(block)}


def _media(block: Block) -> Part:
    """Google's block for everything that isn't text; its MIME type says what it is."""
    mime = source_of(block).mime_type
    if not mime:
        raise Unsendable(f"{block['type']}: needs its `mime_type`, such as 'image/png'")
    return _BY_MEDIUM.get(mime.partition("/")[0], _file)(block)


Convert: TypeAlias = Callable[[Block], Part]

_BY_MEDIUM: Final[Mapping[str, Convert]] = {"image": _image, "audio": _audio, "video": _video}
_PARTS: Final[Mapping[str, Convert]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "text-plain": _text_plain,
    "image": _image,
    "image_url": _image_url,
    "input_image": _image_url,
    "audio": _audio,
    "input_audio": _input_audio,
    "video": _video,
    "video_url": _video_url,
    "input_video": _video_url,
    "file": _file,
    "input_file": _file,
    "document": _file,
    "search_result": _search_result,
    "media": _media,
    "file_data": _media,
}
# Where a part of OpenRouter's, and the block that is like it, holds what it is about.
_INNER: Final[Mapping[Convert, str]] = {
    _image_url: "image_url",
    _video_url: "video_url",
    _input_audio: "input_audio",
    _file: "file",
}
