"""A request as the sandbox saw it, for a test to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_SECRET: Final = frozenset({"authorization", "x-provider-api-keys"})


class Headers(Mapping[str, str]):
    """Header values by name, in any case; names are given in lower case.

    Values are read as UTF-8, and as Latin-1 where they aren't that.
    """

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._values = {name.decode("latin-1").lower(): _decoded(value) for name, value in raw}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shown = {name: value for name, value in self._values.items() if name not in _SECRET}
        return f"Headers({shown!r})"


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that came in, answered or not.

    Attributes:
        method: ``GET``, ``POST``, …
        path: below the base URL, without the query: ``/chat/completions``.
        query: what came after the ``?``.
        headers: by name, in any case.
        body: the parsed JSON, or None where there was no body or it wasn't JSON.
        raw: the body's bytes.
        at: when it came, in seconds since 1970.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: Any
    raw: bytes
    at: float
