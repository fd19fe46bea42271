"""The account of one call: what it may cost is reserved before each request, and what it did cost is put in the books after."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from openrouter_opts.errors import ConfigurationError, OpenRouterError
from openrouter_opts.money.entry import Entry, Lookup
from openrouter_opts.money.limits import SpendLimit
from openrouter_opts.money.record import Answer, Asking, Record, new_key
from openrouter_opts.money.store import settle
from openrouter_opts.money.tracking import Spend, scope_now
from openrouter_opts.protocol.completion import Abandoned
from openrouter_opts.protocol.decode import text_of
from openrouter_opts.protocol.request import Request

if TYPE_CHECKING:
    from openrouter_opts.money.admission import Admission
    from openrouter_opts.money.terms import Facts

_NOTHING: Final = Decimal(0)


class Account(Protocol):
    """What a driver asks and tells about money."""

    @property
    def has_limits(self) -> bool:
        """Whether what may be spent is limited."""
        ...

    def admit(self, request: Request, /) -> Request:
        """Return the request as it may be sent: as it is, or fitted to the money that is left. Raises `SpendLimitExceeded`."""
        ...

    def settle(self, result: Answer | OpenRouterError | Abandoned, /) -> None:
        """Take note of how the request that was admitted last ended."""
        ...


class _Uncounted:
    """The account of what costs nothing, or is nobody's concern."""

    has_limits = False

    def admit(self, request: Request, /) -> Request:
        return request

    def settle(self, result: Answer | OpenRouterError | Abandoned, /) -> None:
        pass


UNCOUNTED: Final[Account] = _Uncounted()


def account_of(
    request: Request,
    facts: Facts,
    *,
    kind: str = "chat",
    limits: Iterable[SpendLimit] = (),
    lookup: Lookup | None = None,
) -> Account:
    """Return the account of a call that is made now: it belongs to the scopes that are open now.

    Args:
        request: What is asked.
        facts: What is known of the models that it names.
        kind: What is asked for.
        limits: Limits beside those of the scopes; one that is given twice counts once.
        lookup: Whom to ask what it cost, where its answer doesn't say.
    """
    scope = scope_now()
    given = (*scope.limits, *limits)
    if not given and not scope.spends:
        return UNCOUNTED
    model = text_of(request.content.get("model"))
    asking = Asking(model, kind, scope.tags, scope.labels, request.content)
    return _Counted(asking, scope.spends, given, _admission(facts, given) if given else None, lookup)


def _admission(facts: Facts, limits: tuple[SpendLimit, ...]) -> Admission:
    from openrouter_opts.money.admission import Admission  # noqa: PLC0415 - most programs have no limit to load it for

    return Admission(facts, limits)


class _Counted:
    """The account of a call that somebody counts or limits."""

    def __init__(
        self,
        asking: Asking,
        spends: tuple[Spend, ...],
        limits: tuple[SpendLimit, ...],
        admission: Admission | None,
        lookup: Lookup | None,
    ) -> None:
        self._asking = asking
        self._spends = spends
        self._limits = limits
        self._admission = admission
        self._lookup = lookup
        self._key = ""
        self._began = 0.0
        self.has_limits = admission is not None

    def admit(self, request: Request, /) -> Request:
        self._key, self._began = new_key(), time.time()
        return request if self._admission is None else self._admission.admitted(request, self._key)

    def settle(self, result: Answer | OpenRouterError | Abandoned, /) -> None:
        limits, key = self._limits, self._key
        accounts = [limit.money for limit in limits]
        if isinstance(result, ConfigurationError):
            # Nothing was sent.
            settle(accounts, key, _NOTHING)
            return
        record = Record.of(result, self._asking, began=self._began, key=key)
        settle(accounts, key, None if record.pending else record.cost.total or _NOTHING)
        entry = Entry(record, self._lookup, partial(_settled, limits)) if record.pending else Entry(record)
        for spend in self._spends:
            spend.add(entry)
        if record.pending:
            for limit in limits:
                limit.keep(entry)
            if any(spend.reconciles for spend in self._spends) or any(limit.reconciles for limit in limits):
                _watch(entry)


def _watch(entry: Entry) -> None:
    from openrouter_opts.money.background import BACKGROUND  # noqa: PLC0415 - loaded for those who ask for it

    BACKGROUND.watch(entry)


def _settled(limits: Iterable[SpendLimit], record: Record) -> None:
    """Tell limits what a pending request did cost."""
    settle([limit.money for limit in limits], record.key, record.cost.total)
    for limit in limits:
        limit.drop(record)
