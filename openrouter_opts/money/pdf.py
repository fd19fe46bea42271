"""How many pages a file of a prompt has, by its bytes: providers read a page as an image, and OCR is paid by the page."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from openrouter_opts.lint.body import object_in

IMAGES_BY_OCR: Final = 8
"""Images that OCR takes out of a file at most, and sends along: https://openrouter.ai/docs/guides/overview/multimodal/pdfs."""

_BYTES_OF_A_SHORT_PAGE: Final = 1_000
_PAGE: Final = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_STREAM: Final = re.compile(rb"(?<!end)stream\r?\n")
_BYTES_OF_DICTIONARY: Final = 300
"""Before a stream there is a dictionary that says what is in it."""
_INFLATED: Final = 5_000_000
"""The bytes of such streams that are looked at; what swells to more than that is made to do so."""


def is_here(data: object) -> TypeGuard[str]:
    """Whether the data of a file is in the request; if not it is at an address, or was uploaded before."""
    return isinstance(data, str) and not data.startswith(("http://", "https://"))


def is_read_by_ocr(plugin: Mapping[str, Any]) -> bool:
    """Whether a plugin of a request reads files by OCR."""
    is_parser = plugin.get("id") == "file-parser" and plugin.get("enabled") is not False
    return is_parser and object_in(plugin, "pdf").get("engine") == "mistral-ocr"


def guessed_pages(size: int) -> int:
    """How many pages a file of so many bytes may have, if it doesn't say so."""
    return size // _BYTES_OF_A_SHORT_PAGE + 1


def pages_of(data: str) -> int | None:
    """How many pages a PDF in base64 has, if it says so, or may have; None for what is no base64."""
    try:
        content = base64.b64decode(data.rpartition(",")[2])
    except (ValueError, binascii.Error):
        return None
    objects = [*_objects(content)]
    said = sum(len(_PAGE.findall(part)) for part in (content, *objects))
    is_all_seen = sum(map(len, objects)) < _INFLATED
    return said if said and is_all_seen else max(said, guessed_pages(len(content)))


def _objects(content: bytes) -> Iterator[bytes]:
    """What the object streams of a PDF have in them: most since version 1.5 have their pages there, compressed (ISO 32000-1, 7.5.7)."""
    left = _INFLATED
    for found in _STREAM.finditer(content):
        if content.find(b"/ObjStm", max(found.start() - _BYTES_OF_DICTIONARY, 0), found.start()) < 0:
            continue
        end = content.find(b"endstream", found.end())
        if end < 0 or left <= 0:
            return
        try:
            inflated = zlib.decompressobj().decompress(content[found.end() : end], left)
        except zlib.error:
            # Encrypted, or compressed in another way.
            continue
        left -= len(inflated)
        yield inflated
