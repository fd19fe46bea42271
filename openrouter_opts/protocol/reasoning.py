"""Puts streamed `reasoning_details` together, so that the next turn can send them back unchanged.

Fragments belong together when type and index agree: ids are often null, and different types have been seen to share an index.
Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

# What grows from fragment to fragment; of every other key the last word counts.
_GROWS: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}
_MERGED: Final = frozenset({*_GROWS, "reasoning.encrypted"})


class ReasoningPieces:
    """Takes fragments; gives whole entries, in the order in which they began."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._by_key: dict[tuple[str, int], _Entry] = {}

    def feed(self, fragments: Iterable[Mapping[str, Any]]) -> None:
        """Take the fragments of one chunk."""
        for fragment in fragments:
            entry = self._entry_of(fragment)
            if entry is None:
                self._open(fragment)
            else:
                entry.add(fragment)

    def whole(self) -> list[dict[str, Any]]:
        """Return the entries so far."""
        return [entry.whole() for entry in self._entries]

    def _entry_of(self, fragment: Mapping[str, Any]) -> _Entry | None:
        key = _key(fragment)
        if key:
            entry = self._by_key.get(key)
            return None if entry and entry.is_another(fragment) else entry
        # Without an index: Claude's text goes on until its signature comes.
        last = self._entries[-1] if self._entries else None
        if last and fragment.get("type") == "reasoning.text" and last.continues_with(fragment):
            return last
        return None

    def _open(self, fragment: Mapping[str, Any]) -> None:
        entry = _Entry(fragment)
        self._entries.append(entry)
        key = _key(fragment)
        if key:
            self._by_key[key] = entry


class _Entry:
    def __init__(self, fragment: Mapping[str, Any]) -> None:
        self._fields = dict(fragment)
        self._grows = _GROWS.get(str(fragment.get("type")))
        self._pieces: list[str] = []
        self._keep(fragment)

    def add(self, fragment: Mapping[str, Any]) -> None:
        self._keep(fragment)
        for name, value in fragment.items():
            if name != self._grows and (value or name not in self._fields):
                self._fields[name] = value

    def is_another(self, fragment: Mapping[str, Any]) -> bool:
        """Encrypted items come whole; two of them with one index are still two when their ids differ."""
        mine, theirs = self._fields.get("id"), fragment.get("id")
        return bool(fragment.get("type") == "reasoning.encrypted" and mine and theirs and mine != theirs)

    def continues_with(self, fragment: Mapping[str, Any]) -> bool:
        fields = self._fields
        same = fields.get("type") == "reasoning.text" and fields.get("format") == fragment.get("format")
        return same and not fields.get("signature") and fields.get("index") is None

    def whole(self) -> dict[str, Any]:
        if self._grows and self._pieces:
            return {**self._fields, self._grows: "".join(self._pieces)}
        return dict(self._fields)

    def _keep(self, fragment: Mapping[str, Any]) -> None:
        if self._grows:
            piece = fragment.get(self._grows)
            if isinstance(piece, str):
                self._pieces.append(piece)


def _key(fragment: Mapping[str, Any]) -> tuple[str, int] | None:
    kind, index = fragment.get("type"), fragment.get("index")
    return (kind, index) if isinstance(kind, str) and kind in _MERGED and isinstance(index, int) else None
