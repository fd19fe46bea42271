"""What content parts are, whichever framework they come from: addresses, names, formats, and where a cache breakpoint stands."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from openrouter_opts.errors import ConfigurationError

Part: TypeAlias = dict[str, Any]

_FETCHED: Final = frozenset({"http", "https", "data"})
_FORMATS_OF_SOUND: Final = {
    "mpeg": "mp3",
    "mp4": "m4a",
    "x-m4a": "m4a",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-flac": "flac",
    "x-aiff": "aiff",
    "x-aac": "aac",
    "opus": "ogg",
    "l16": "pcm16",
    "pcm": "pcm16",
    "l24": "pcm24",
}
"""Names of `input_audio.format` that are not the subtype of the MIME type."""


def is_fetchable(url: Any) -> bool:
    """Tell whether OpenRouter can fetch an address from where it is."""
    try:
        # A data URL may be very long, and is looked through whole otherwise.
        return isinstance(url, str) and (url.startswith("data:") or urlsplit(url).scheme in _FETCHED)
    except ValueError:  # `[` with nothing that closes it is no address
        return False


def format_of_sound(mime_type: str) -> str:
    """Return what `input_audio.format` calls a MIME type or a format."""
    subtype = mime_type.partition(";")[0].rpartition("/")[2].lower()
    return _FORMATS_OF_SOUND.get(subtype, subtype)


def file_name(mime_type: str | None, named: str | None = None) -> str:
    """Return the name of a file, with the ending of its type: some providers require one, and tell files apart by its ending.

    The end of a title, as of `Report v1.2`, is none: an ending is that of a type that is known.
    Source: https://openrouter.ai/docs/guides/overview/multimodal/pdfs
    """
    if named and _has_ending(named):
        return named
    return f"{named or 'document'}{mimetypes.guess_extension(mime_type or '') or ''}"


def file_name_in(url: str) -> str | None:
    """Return the name of a file in its address; `None` if there is none with an ending, by which files are told apart."""
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    return name if _has_ending(name) and parts.scheme != "data" else None


def _has_ending(name: str) -> bool:
    # Of a name, and not of an address, which this takes too. Some systems know the pages of a manual by `.1` to `.9`.
    kind, encoding = mimetypes.guess_type(f"/{name}")
    return bool(kind or encoding) and not name.rpartition(".")[2].isdigit()


def marked(before: Sequence[Part], control: Any, where: str) -> list[Part]:
    """Return parts with a cache breakpoint: on the last text, since it is typed there alone, or else on the last part.

    Raises:
        ConfigurationError: There is no part to put it on; `where` is the path that it names.
    """
    if not before:
        raise ConfigurationError(
            f"{where}: a cache breakpoint needs a text or another part to stand on; put it on the message before or after"
        )
    last = max(range(len(before)), key=lambda index: (before[index].get("type") == "text", index))
    return [*before[:last], {"cache_control": control, **before[last]}, *before[last + 1 :]]
