"""Keeps count of what calls cost: one record per call, wherever it was made from.

The records are made by `OpenRouterClient`, so that everything built on it is counted, in any framework.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

from openrouter_opts.errors import (
    BadResponse,
    ConfigurationError,
    ConnectionLost,
    EdgeTimeout,
    OpenRouterError,
    TimedOut,
)
from openrouter_opts.money.cost import UNKNOWN_COST, Cost
from openrouter_opts.protocol.completion import Abandoned, Completion, Usage
from openrouter_opts.protocol.decode import text_of

Key = Literal["model", "provider", "outcome"]
_KEYS: Final = get_args(Key)
Outcome = Literal["answered", "interrupted", "failed"]
"""How a request ended: with its answer; in the middle, by an error or because the caller left, so that it may be billed; or with
nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """One call."""

    model: str | None
    """The model that answered, or was asked if none did."""
    provider: str | None
    generation_id: str | None
    usage: Usage | None
    outcome: Outcome = "answered"
    attempts: int = 1
    at: float = field(default_factory=time.time)
    """Unix time, seconds."""

    @property
    def cost(self) -> Cost:
        """What it cost; of source `unknown` where nobody said."""
        return self.usage.cost if self.usage else UNKNOWN_COST

    @classmethod
    def of(cls, result: Completion | OpenRouterError | Abandoned, asked: str | None) -> Record:
        """Make the record of a call that ended in `result`; `asked` is the model that was asked for."""
        if isinstance(result, Completion):
            return cls(
                result.model or asked, result.provider, result.id, result.usage, "answered", result.attempts
            )
        if isinstance(result, Abandoned):
            model, provider, generation_id = (
                text_of(result.chunk.get(key)) for key in ("model", "provider", "id")
            )
            return cls(model or asked, provider, generation_id, None, "interrupted", result.attempts)
        model = result.partial.model if result.partial else None
        billed = result.partial is not None or _may_be_billed(result)
        outcome: Outcome = "interrupted" if billed else "failed"
        return cls(
            model or asked, result.provider, result.generation_id, result.usage, outcome, result.attempts
        )


def _may_be_billed(error: OpenRouterError) -> bool:
    """Tell whether a request reached a model that may have answered, as far as its error says.

    OpenRouter's own refusals are free, and so is an answer without output (zero-completion insurance).
    """
    return error.delivered != "no" and isinstance(
        error, ConnectionLost | TimedOut | EdgeTimeout | BadResponse
    )


class Spend:
    """What was spent in a scope. Safe to read and to add to from any thread."""

    def __init__(self) -> None:
        # No lock: appending is atomic, and a collected stream may add its record while this thread reads.
        self._records: list[Record] = []

    def add(self, record: Record) -> None:
        """Count one call."""
        self._records.append(record)

    @property
    def records(self) -> tuple[Record, ...]:
        """Every request, in the order in which they ended; one that was tried again has a record for each attempt."""
        return tuple(self._records)

    @property
    def total(self) -> Decimal:
        """All known costs, in USD. Calls whose cost nobody said are in `unknown`, and not in here."""
        return sum(
            (record.cost.total for record in self.records if record.cost.total is not None), Decimal(0)
        )

    @property
    def total_cost(self) -> Decimal:
        """The same as `total`, under the name that LangChain's callbacks use."""
        return self.total

    @property
    def unknown(self) -> int:
        """How many requests may have cost something, and nobody said what: their ids are the keys for `GET /generation`."""
        return sum(record.outcome != "failed" and record.cost.total is None for record in self.records)

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

    def by(self, key: Key) -> dict[str | None, Decimal]:
        """Return the known costs summed over the records of equal `key`, dearest first; raises `ValueError` for another key."""
        if key not in _KEYS:
            raise ValueError(f"key: there is no {key!r}; there are {', '.join(_KEYS)}")
        sums: dict[str | None, Decimal] = {}
        for record in self.records:
            name = getattr(record, key)
            sums[name] = sums.get(name, Decimal(0)) + (record.cost.total or Decimal(0))
        return dict(sorted(sums.items(), key=lambda pair: -pair[1]))

    def _tokens(self, count: Callable[[Usage], int | None]) -> int:
        return sum((record.usage and count(record.usage)) or 0 for record in self.records)

    def __repr__(self) -> str:
        records = self.records
        return f"Spend(total=Decimal('{self.total}'), calls={len(records)}, unknown={self.unknown})"


# Takes note of how a call ended, for the books.
Settle: TypeAlias = Callable[[Completion | OpenRouterError | Abandoned], None]

_open_scopes: ContextVar[tuple[Spend, ...]] = ContextVar("openrouter_opts_spend", default=())


@contextmanager
def track_costs() -> Iterator[Spend]:
    """Count what everything called inside costs, in both frameworks, tasks and their threads included.

    Scopes nest: the outer one counts what the inner one counts. A thread started by hand has to run in a copy of the context
    (`contextvars.copy_context().run`) to be counted; `asyncio.to_thread` and LangChain's executors do that by themselves.
    """
    spend = Spend()
    token = _open_scopes.set((*_open_scopes.get(), spend))
    try:
        yield spend
    finally:
        _open_scopes.reset(token)


def settling(asked: str | None) -> Settle:
    """Return what takes the result of the call that begins now to the scopes that are open now."""
    scopes = _open_scopes.get()

    def settle(result: Completion | OpenRouterError | Abandoned) -> None:
        if isinstance(result, ConfigurationError):
            # Nothing was sent.
            return
        for scope in scopes:
            scope.add(Record.of(result, asked))

    return settle
