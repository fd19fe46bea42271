"""A record in the books, which may become known better: by everyone who keeps it at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from weakref import WeakValueDictionary

from openrouter_opts.money.record import Record


class Lookup(Protocol):
    """Whom to ask what a generation cost: a client."""

    def generation(
        self, generation_id: str, /, *, patient: bool = True, within: float | None = None
    ) -> Mapping[str, Any]:
        """Return the record of a generation, within so many seconds; raises `OpenRouterError`."""
        ...

    def ageneration(
        self, generation_id: str, /, *, patient: bool = True, within: float | None = None
    ) -> Awaitable[Mapping[str, Any]]:
        """The same, awaited."""
        ...


class Entry:
    """One line of the books, shared by all scopes that were open when its request was made.

    Args:
        record: What is known for now.
        lookup: Whom to ask for more.
        settled: Told the record when its cost has become known.
    """

    __slots__ = ("__weakref__", "_settled", "lookup", "record")

    def __init__(
        self,
        record: Record,
        lookup: Lookup | None = None,
        settled: Callable[[Record], None] | None = None,
    ) -> None:
        self.record = record
        self.lookup = lookup
        self._settled = settled
        if record.pending:
            _pending.setdefault(record.key, self)

    def settle(self, record: Record) -> None:
        """Put a record in the place of the pending one; the first one counts."""
        told, self._settled = self._settled, None
        if self.record.pending and not record.pending:
            self.record = record
            if told is not None:
                told(record)


_pending: WeakValueDictionary[str, Entry] = WeakValueDictionary()


def entry_of(record: Record) -> Entry:
    """Return the entry of a record: for a pending one the entry that is kept already, wherever that is, or else a new one."""
    return (_pending.get(record.key) if record.pending else None) or Entry(record)
