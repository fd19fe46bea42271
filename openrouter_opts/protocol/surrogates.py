"""Mends characters that were cut in two.

JSON writes a character such as 😀 as two escapes (a surrogate pair), and a model that streams token by token can send the halves apart, or
stop between them. A lone half cannot be encoded, so it would fail wherever the text is printed, stored or sent back.
"""

from __future__ import annotations

import re
from typing import Final

_HALF: Final = re.compile("[\ud800-\udfff]")


def mended(text: str) -> str:
    """Join halves that stand side by side, and put U+FFFD in place of lone ones."""
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TextPieces:
    """Text that comes in pieces, joined once at the end."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._half = ""

    def __bool__(self) -> bool:
        return bool(self._pieces or self._half)

    def take(self, piece: str) -> str:
        """Take the next piece; return what may be shown of it. Half a character at its end is kept for the next one."""
        if self._half or not piece.isascii():
            piece = self._without_half(self._half + piece)
        if piece:
            self._pieces.append(piece)
        return piece

    def rest(self) -> str:
        """Return what is still to be shown when nothing more comes: U+FFFD for half a character."""
        rest, self._half = mended(self._half), ""
        if rest:
            self._pieces.append(rest)
        return rest

    def whole(self) -> str:
        """Return the text so far."""
        return mended("".join(self._pieces) + self._half)

    def _without_half(self, piece: str) -> str:
        self._half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        return mended(piece.removesuffix(self._half))
