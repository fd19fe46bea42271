"""What records come to: sums, by whatever tells them apart, and tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from openrouter_opts.money.cost import total_of
from openrouter_opts.money.record import Record
from openrouter_opts.money.report import Row, as_html, as_rich, as_text, row_of, rows_of
from openrouter_opts.protocol.completion import Usage

if TYPE_CHECKING:
    from rich.table import Table


class Sums(ABC):
    """The sums of some records: costs in USD, exact, and tokens."""

    @property
    @abstractmethod
    def records(self) -> tuple[Record, ...]:
        """Every request, in the order in which they ended; one that was tried again has a record for each attempt."""

    @property
    def pending(self) -> tuple[Record, ...]:
        """The requests that may have cost something, and nobody has said what; `reconcile(spend, client)` asks."""
        return tuple(record for record in self.records if record.pending)

    @property
    def total(self) -> Decimal:
        """All known costs, in USD. Requests whose cost nobody said are in `pending`, and not in here."""
        return _total(self.records)

    @property
    def total_cost(self) -> Decimal:
        """The same as `total`, under the name that LangChain's callbacks use."""
        return self.total

    @property
    def unknown(self) -> int:
        """How many requests are in `pending`."""
        return len(self.pending)

    @property
    def saved(self) -> Decimal:
        """What answers from OpenRouter's response cache would have cost, as far as their first request was counted here."""
        costs = {record.generation_id: record.cost.total for record in self.records}
        repeated = (costs.get(record.repeats) for record in self.records if record.repeats)
        return total_of(cost for cost in repeated if cost is not None)

    @property
    def successful_requests(self) -> int:
        """How many calls were answered."""
        return sum(record.outcome == "answered" for record in self.records)

    @property
    def prompt_tokens(self) -> int:
        """Tokens in."""
        return self._tokens(lambda usage: usage.prompt_tokens)

    @property
    def prompt_tokens_cached(self) -> int:
        """Tokens in that were read from a provider's cache."""
        return self._tokens(lambda usage: usage.cached_tokens)

    @property
    def completion_tokens(self) -> int:
        """Tokens out, reasoning included."""
        return self._tokens(lambda usage: usage.completion_tokens)

    @property
    def reasoning_tokens(self) -> int:
        """Tokens out that the model thought with."""
        return self._tokens(lambda usage: usage.reasoning_tokens)

    @property
    def total_tokens(self) -> int:
        """Tokens in and out."""
        return self._tokens(lambda usage: usage.total_tokens)

    def by(self, key: str) -> dict[str | None, Decimal]:
        """Return the known costs summed over the records of equal `key`, dearest first.

        Args:
            key: `"model"`, `"provider"`, `"outcome"`, `"kind"`, `"day"` (UTC), `"tag"`, or a label that was given. Under `"tag"` a record
                counts with each of its tags.

        Raises:
            ValueError: No record has such a label, and it is none that a framework gives where it knows it (`"run"`, `"trace"`).
        """
        records = self.records
        groups = grouped(records, key)
        return dict(
            sorted(((name, _total(group)) for name, group in groups.items()), key=lambda pair: -pair[1])
        )

    def table(self, by: str = "model") -> str:
        """Return the figures as a table, a line for each value of a key; the keys are those of `by`. `print(spend)` shows it too."""
        return as_text(by, *self._rows(by))

    def __str__(self) -> str:
        return self.table()

    def __rich__(self) -> Table:
        return as_rich("model", *self._rows("model"))

    def _repr_html_(self) -> str:
        return as_html("model", *self._rows("model"))

    def _rows(self, key: str) -> tuple[list[Row], Row]:
        records = self.records
        return rows_of(grouped(records, key)), row_of("all", records)

    def _tokens(self, count: Callable[[Usage], int | None]) -> int:
        return sum((record.usage and count(record.usage)) or 0 for record in self.records)


def _total(records: Iterable[Record]) -> Decimal:
    return total_of(record.cost.total for record in records if record.cost.total is not None)


def _day(record: Record) -> str:
    return datetime.fromtimestamp(record.at, UTC).date().isoformat()


KEYS: Final[Mapping[str, Callable[[Record], tuple[str | None, ...]]]] = {
    "model": lambda record: (record.model,),
    "provider": lambda record: (record.provider,),
    "outcome": lambda record: (record.outcome,),
    "kind": lambda record: (record.kind,),
    "day": lambda record: (_day(record),),
    "tag": lambda record: record.tags or (None,),
}


_OF_FRAMEWORKS: Final = ("run", "trace")


def grouped(records: Iterable[Record], key: str) -> dict[str | None, list[Record]]:
    """Return records by the value of a key, as `Spend.by` explains it."""
    records = tuple(records)
    names = KEYS.get(key) or (lambda record: (record.labels.get(key),))
    known = key in KEYS or key in _OF_FRAMEWORKS or any(key in record.labels for record in records)
    if records and not known:
        labels = dict.fromkeys(label for record in records for label in record.labels)
        raise ValueError(f"key: there is no {key!r}; there are {', '.join((*KEYS, *labels))}")
    groups: dict[str | None, list[Record]] = {}
    for record in records:
        for name in dict.fromkeys(names(record)):
            groups.setdefault(name, []).append(record)
    return groups
