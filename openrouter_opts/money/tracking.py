"""Keeps count of what calls cost: one record per request, wherever it was made from.

The records are made by `OpenRouterClient`, so that everything built on it is counted, in any framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.money.cost import total_of
from openrouter_opts.money.entry import Entry, entry_of
from openrouter_opts.money.limits import LimitLike, SpendLimit
from openrouter_opts.money.record import Record
from openrouter_opts.money.report import Row, as_html, as_rich, as_text, row_of, rows_of
from openrouter_opts.protocol.completion import Usage

if TYPE_CHECKING:
    from rich.table import Table

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Spend:
    """What was spent in a scope. Safe to read and to add to from any thread."""

    def __init__(self, limit: SpendLimit | None = None, *, reconciles: bool = False) -> None:
        # No lock: appending is atomic, and a collected stream may add its record while this thread reads.
        self._entries: list[Entry] = []
        self.limit = limit
        """The limit of the scope, if it has one."""
        self.reconciles = reconciles
        """Whether what is pending is looked up in the background."""

    def add(self, record: Record | Entry) -> None:
        """Count one request."""
        self._entries.append(record if isinstance(record, Entry) else entry_of(record))

    @property
    def records(self) -> tuple[Record, ...]:
        """Every request, in the order in which they ended; one that was tried again has a record for each attempt."""
        return tuple(entry.record for entry in tuple(self._entries))

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
    def completion_tokens(self) -> int:
        """Tokens out, reasoning included."""
        return self._tokens(lambda usage: usage.completion_tokens)

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
            ValueError: No record has such a label.
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

    def wrap(self, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        """Return a function that is counted here, in whichever thread it runs: `executor.map(spend.wrap(ask), questions)`.

        A thread doesn't know the scopes of the one that starts it; `asyncio.to_thread` and LangChain's executors tell it by themselves.
        Tasks know them, so a coroutine function needs no wrapping.
        """
        scope = _scope.get()
        if self not in scope.spends:
            scope = scope._replace(spends=(*scope.spends, self), limits=_with(scope.limits, self.limit))

        @wraps(function)
        def counted(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
            token = _scope.set(scope)
            try:
                return function(*args, **kwargs)
            finally:
                _scope.reset(token)

        return counted

    def _tokens(self, count: Callable[[Usage], int | None]) -> int:
        return sum((record.usage and count(record.usage)) or 0 for record in self.records)

    def __repr__(self) -> str:
        records = self.records
        return f"Spend(total=Decimal('{self.total}'), calls={len(records)}, unknown={self.unknown})"


def _total(records: Iterable[Record]) -> Decimal:
    return total_of(record.cost.total for record in records if record.cost.total is not None)


def _day(record: Record) -> str:
    return datetime.fromtimestamp(record.at, UTC).date().isoformat()


_KEYS: Final[Mapping[str, Callable[[Record], tuple[str | None, ...]]]] = {
    "model": lambda record: (record.model,),
    "provider": lambda record: (record.provider,),
    "outcome": lambda record: (record.outcome,),
    "kind": lambda record: (record.kind,),
    "day": lambda record: (_day(record),),
    "tag": lambda record: record.tags or (None,),
}


def grouped(records: Iterable[Record], key: str) -> dict[str | None, list[Record]]:
    """Return records by the value of a key, as `Spend.by` explains it."""
    records = tuple(records)
    names = _KEYS.get(key) or (lambda record: (record.labels.get(key),))
    if records and key not in _KEYS and not any(key in record.labels for record in records):
        labels = dict.fromkeys(label for record in records for label in record.labels)
        raise ValueError(f"key: there is no {key!r}; there are {', '.join((*_KEYS, *labels))}")
    groups: dict[str | None, list[Record]] = {}
    for record in records:
        for name in dict.fromkeys(names(record)):
            groups.setdefault(name, []).append(record)
    return groups


# --- scopes ---


class Scope(NamedTuple):
    """What holds for a call that is made now."""

    spends: tuple[Spend, ...] = ()
    limits: tuple[SpendLimit, ...] = ()
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}


_NOWHERE: Final = Scope()
_scope: ContextVar[Scope] = ContextVar("openrouter_opts_scope", default=_NOWHERE)


def scope_now() -> Scope:
    """Return the scopes that are open, with their limits and labels."""
    return _scope.get()


@contextmanager
def track_costs(
    *,
    limit: LimitLike = None,
    tags: Iterable[str] | Mapping[str, str] | None = None,
    reconcile: bool = False,
) -> Iterator[Spend]:
    """Count what everything called inside costs, in both frameworks, tasks and their threads included.

    Scopes nest: the outer one counts what the inner one counts. A call belongs to the scopes in which it is made, wherever its stream is
    read. A thread started by hand isn't inside, unless what it runs is wrapped: `Spend.wrap`.

    Args:
        limit: The most that the calls inside may cost together, USD, or a `SpendLimit`. A call that might cost more is refused before it
            is sent, with `SpendLimitExceeded`.
        tags: Tags, or a mapping of labels, for the records of the calls inside: `spend.by("tag")`, `spend.by("team")`.
        reconcile: Whether the cost of what was cut, cancelled or lost is looked up in the background.
    """
    spend = Spend(SpendLimit.of(limit), reconciles=reconcile)
    scope = _labelled(_scope.get(), tags)
    token = _scope.set(scope._replace(spends=(*scope.spends, spend), limits=_with(scope.limits, spend.limit)))
    try:
        yield spend
    finally:
        _scope.reset(token)


@contextmanager
def label_costs(*tags: str, **labels: str) -> Iterator[None]:
    """Give the records of the calls inside tags and labels, beside those that hold already.

    `with label_costs("nightly", user="42"): …` makes `spend.by("tag")` and `spend.by("user")` tell them apart.
    """
    token = _scope.set(_labelled(_labelled(_scope.get(), tags), labels))
    try:
        yield
    finally:
        _scope.reset(token)


def _labelled(scope: Scope, tags: Iterable[str] | Mapping[str, str] | None) -> Scope:
    if not tags:
        return scope
    if isinstance(tags, Mapping):
        taken = next((name for name in tags if name in _KEYS), None)
        if taken is not None:
            raise ConfigurationError(f"tags.{taken}: every record has a {taken} of its own; use another name")
        return scope._replace(labels={**scope.labels, **{_text(k): _text(v) for k, v in tags.items()}})
    given = (tags,) if isinstance(tags, str) else map(_text, tags)
    return scope._replace(tags=tuple(dict.fromkeys((*scope.tags, *given))))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"tags: should be strings, or a mapping of strings, and {value!r} is none")
    return value


def _with(limits: tuple[SpendLimit, ...], limit: SpendLimit | None) -> tuple[SpendLimit, ...]:
    return limits if limit is None or limit in limits else (*limits, limit)
