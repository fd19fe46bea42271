"""JSON in UTF-8 and base64, as they go out.

What is large is written in pieces: one call of C keeps every other thread waiting until it is done.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, Final

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.merge import copied
from openrouter_opts.protocol.surrogates import mended

LARGE: Final = 1024 * 1024
"""Characters from which on to write something takes so long that an event loop should not wait for it."""
PIECE: Final = 256 * 1024
_OF_A_VALUE: Final = 64
"""What an object or a list counts at least, so that one which contains itself is not looked through for ever."""
_COUNTED: Final = frozenset({str, bytes, bytearray, memoryview})
_DEEP: Final = 8
"""Images, files and recordings lie less deep in a request."""


def is_large(value: Any) -> bool:
    """Tell whether there are so many characters or bytes in a value, about, that it should not be written on an event loop."""
    return _holds(value, LARGE)


def _holds(value: Any, most: int) -> bool:
    pending: list[Iterable[Any]] = [(value,)]
    while pending:
        values = pending.pop()
        most -= _OF_A_VALUE
        for each in values:
            kind = type(each)
            if kind is dict:
                if len(each) == 2 and "role" in each and type(said := each.get("content")) is str:
                    # Most of a long history, which is looked through in every turn.
                    most -= len(said)
                else:
                    pending.append(each.values())
            elif kind in _COUNTED:
                most -= len(each)
            elif kind is list or kind is tuple:
                pending.append(each)
        if most < 0:
            return True
    return False


def snapshot(value: Any) -> Any:
    """Return a value as it is now, whatever becomes of it; texts are shared. Raises `ConfigurationError` for one that contains itself."""
    try:
        return copied(value)
    except RecursionError as error:
        raise ConfigurationError(_why_not(value, error)) from None


def encode(body: Mapping[str, Any]) -> bytes:
    """Write JSON in UTF-8; raises `ConfigurationError` with the path of what cannot be written."""
    try:
        return _utf8(_written(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(_why_not(body, error)) from None


def encode_in_pieces(body: Mapping[str, Any]) -> bytes:
    """Write the same in pieces, between which other threads go on; raises `ConfigurationError` as `encode` does."""
    # It grows in place, and is given away without a copy: a list of pieces would take the memory twice when it is joined.
    file = BytesIO()
    try:
        for piece in _pieces(body, _DEEP):
            file.write(_utf8(piece))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(_why_not(body, error)) from None
    return file.getvalue()


def base64_of(data: bytes | bytearray | memoryview) -> str:
    """Write bytes as base64."""
    size = 3 * PIECE
    pieces = (base64.b64encode(data[start : start + size]) for start in range(0, len(data), size))
    return b"".join(pieces).decode("ascii")


def in_base64(text: bytes) -> Iterator[bytes]:
    """Read base64, in pieces; raises `binascii.Error`, which is a `ValueError`, for what isn't that."""
    size = 4 * PIECE
    for start in range(0, len(text), size):
        piece = base64.b64decode(text[start : start + size], validate=True)
        if start + size < len(text) and len(piece) < 3 * PIECE:
            raise ValueError("it ends before its end")
        yield piece


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return mended(text).encode()


def _pieces(value: Any, depth: int) -> Iterator[str]:
    """Yield what `_written` returns; no piece is much longer than `PIECE`, unless it is made of many short texts."""
    if isinstance(value, str) and len(value) > PIECE:
        yield '"'
        for start, end in _cuts(value):
            yield _written(value[start:end])[1:-1]
        yield '"'
    elif isinstance(value, dict | list | tuple) and depth and _holds(value, PIECE):
        is_object = isinstance(value, dict)
        yield "{" if is_object else "["
        for at, key in enumerate(value if is_object else range(len(value))):
            yield ("," if at else "") + (_written({key: 0})[1:-2] if is_object else "")
            yield from _pieces(value[key], depth - 1)
        yield "}" if is_object else "]"
    else:
        yield _written(value)


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    """Yield where pieces of a text begin and end: not between the halves of a character."""
    start = 0
    while start < len(text):
        end = start + PIECE
        if "\ud800" <= text[end - 1 : end] <= "\udbff":
            end += 1
        yield start, end
        start = end


def _why_not(body: Any, error: Exception) -> str:
    return _find_unwritable(body) or f"body: cannot be written as JSON: {error}"


def _find_unwritable(body: Any) -> str | None:
    pending: list[tuple[str, Any, tuple[int, ...]]] = [("", body, ())]
    while pending:
        path, value, above = pending.pop()
        if id(value) in above:
            return f"{path}: contains itself, so it cannot be written as JSON"
        if len(above) > 500:
            return f"{path[:60]}…: is nested too deep to be written as JSON"
        if isinstance(value, dict):
            bad = next((key for key in value if _bad_key(key)), None)
            if bad is not None:
                return f"{path or 'body'}: JSON objects have strings as keys, not {bad!r:.60}"
            inner = [(f"{path}.{key}".lstrip("."), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            inner = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        elif problem := _problem(value):
            return f"{path}: {problem}"
        else:
            continue
        pending += [(where, item, (*above, id(value))) for where, item in reversed(inner)]
    return None


def _bad_key(key: object) -> bool:
    return not isinstance(key, str | int | float | None) or (
        isinstance(key, float) and not math.isfinite(key)
    )


def _problem(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no JSON number"
    if value is None or isinstance(value, str | int | float):
        return None
    return f"JSON has no form for a {type(value).__name__}; convert it first"
