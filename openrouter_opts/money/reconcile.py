"""Finds out what was billed where no answer said it: what was cancelled, cut or lost.

`GET /generation` knows, a moment after the answer, and much later where a stream was interrupted: it answers 404 until then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, TypeAlias

from openrouter_opts.errors import (
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    Forbidden,
    OpenRouterError,
)
from openrouter_opts.money.entry import Entry, Lookup, entry_of
from openrouter_opts.money.limits import SpendLimit
from openrouter_opts.money.record import Record
from openrouter_opts.money.sums import Sums

_DELAYS: Final = (0.5, 1.0, 2.0, 4.0)
_LATER: Final = 8.0
_LEAST: Final = 1.0
"""Seconds for a question when fewer are left: without that, nobody could be asked just once."""
_MOST: Final = 60.0
# What would be said again.
_FINAL: Final = (AuthenticationError, BadRequest, ConfigurationError, Forbidden)


class Ask(NamedTuple):
    """Look a generation up, within so many seconds; answer with its record, or with the error."""

    lookup: Lookup
    generation_id: str
    seconds: float


class Pause(NamedTuple):
    """Wait before asking again."""

    seconds: float


Reconciling: TypeAlias = Generator[Ask | Pause, Any, None]


def reconciling(
    entries: Iterable[Entry],
    wait: float,
    clock: Callable[[], float] = time.monotonic,
    *,
    client: Lookup | None = None,
) -> Reconciling:
    """Ask for what is pending, in rounds, until all is settled or the next round would be too late."""
    until = clock() + wait
    left = [entry for entry in entries if entry.record.pending and entry.record.generation_id]
    delays = chain(_DELAYS, repeat(_LATER))
    while True:
        delay, again = next(delays), list[Entry]()
        for entry in left:
            if clock() > until + _LEAST:
                return
            wish = yield from _asked(entry, client or entry.lookup, max(until - clock(), _LEAST))
            if wish is not None:
                again.append(entry)
                # The server may want to be left alone for longer.
                delay = max(delay, min(wish, _MOST))
        left = again
        if not left or clock() + delay > until:
            return
        yield Pause(delay)


def _asked(entry: Entry, lookup: Lookup | None, seconds: float) -> Generator[Ask, Any, float | None]:
    """Ask once; return for how long not to ask again, `None` if that would be no use."""
    generation_id = entry.record.generation_id
    if lookup is None or generation_id is None:
        return None
    answer = yield Ask(lookup, generation_id, seconds)
    return taken(entry, answer)


def taken(entry: Entry, answer: Mapping[str, Any] | OpenRouterError) -> float | None:
    """Settle an entry by an answer; return the seconds for which not to ask again, `None` if that would be no use."""
    if isinstance(answer, OpenRouterError):
        return None if isinstance(answer, _FINAL) else answer.retry_after or 0.0
    entry.settle(entry.record.reconciled(answer))
    return 0.0 if entry.record.pending else None


Reconcilable: TypeAlias = Sums | SpendLimit | Iterable[Record]


def reconcile(what: Reconcilable, client: Lookup | None = None, *, wait: float = 30.0) -> tuple[Record, ...]:
    """Ask OpenRouter what pending requests have cost, and settle them: in every scope that counts them, and in every limit.

    A record that is settled has a cost of source `"reconciled"`. One that OpenRouter doesn't know of, or not yet, stays pending, and so
    does one without a generation id: a call that was cancelled or timed out before its answer began may have been billed, and nobody can
    be asked. `SpendLimit.write_off` settles such a record with what you take it to have cost. A lookup that fails raises nothing.

    Args:
        what: A `Spend` or a handler of callbacks, a `SpendLimit`, or records.
        client: Whom to ask this time; by default the client that made the call.
        wait: For how many seconds to go on asking at most, with growing pauses. A server that says nothing is waited for no longer.

    Returns:
        The records that were pending, as they are now.
    """
    entries = _entries(what)
    flow = reconciling(entries, wait, client=client)
    reply: Any = None
    while (step := _next(flow, reply)) is not None:
        reply = None
        if isinstance(step, Pause):
            time.sleep(step.seconds)
        else:
            try:
                reply = step.lookup.generation(step.generation_id, patient=False, within=step.seconds)
            except OpenRouterError as error:
                reply = error
    return tuple(entry.record for entry in entries)


async def areconcile(
    what: Reconcilable, client: Lookup | None = None, *, wait: float = 30.0
) -> tuple[Record, ...]:
    """Ask OpenRouter what pending requests have cost, and settle them. See `reconcile`."""
    entries = _entries(what)
    flow = reconciling(entries, wait, client=client)
    reply: Any = None
    while (step := _next(flow, reply)) is not None:
        reply = None
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        else:
            try:
                reply = await step.lookup.ageneration(step.generation_id, patient=False, within=step.seconds)
            except OpenRouterError as error:
                reply = error
    return tuple(entry.record for entry in entries)


def _next(flow: Reconciling, reply: Any) -> Ask | Pause | None:
    try:
        return flow.send(reply)
    except StopIteration:
        return None


def _entries(what: Reconcilable) -> list[Entry]:
    if isinstance(what, Sums):
        records: Iterable[Record] = what.pending
    elif isinstance(what, SpendLimit):
        records = what.pending_records
    else:
        records = (record for record in what if record.pending)
    return [entry_of(record) for record in records]
