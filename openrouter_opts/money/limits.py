"""Limits that hold: what a request may cost at worst is set aside before it is sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Literal, Self, TypeAlias, cast, get_args
from uuid import uuid4
from weakref import WeakValueDictionary

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.locks import forkable_lock
from openrouter_opts.money.cost import EXACT, Cost, amount, dollars
from openrouter_opts.money.entry import Entry
from openrouter_opts.money.record import Record
from openrouter_opts.money.store import MEMORY, Figures, Money, Store, reserve, settle

OnLimit = Literal["refuse", "fit"]
UnknownPrice: TypeAlias = Literal["refuse", "allow"] | Decimal

_ON_LIMIT: Final = get_args(OnLimit)
_MOST_STORED: Final = 10_000
_WRITTEN: Final = ("id", "amount", "on_limit", "unknown_price", "reconcile")


class SpendLimit:
    """The most that calls may cost together, in USD: of a client, of several, or of a scope (`track_costs(limit=…)`).

    Before each request its worst case is reserved, so that any number of calls at once stay below the limit; what it did cost takes the
    place of the reservation. What was cancelled, cut or lost keeps it until somebody says what it cost (`reconcile`, `write_off`), since
    it may be billed in full. `openrouter_opts.money.estimate` says how the worst case is reckoned.

    A limit is safe to use from any thread and task, and it is one limit wherever it is used: copies, deep ones and pickles opened in the same
    process are the same limit, and so is what a model writes of it as JSON. Where nobody holds it any more, that is true of the last 10,000
    that were pickled, written or opened. It counts in one process: a pickle opened in another one starts from what had been spent, reserved
    and was pending when it was made, and JSON from nothing.

    Args:
        amount: USD, exact: a string, a `Decimal` or a whole number; a float is taken as it is written.
        on_limit: What to do with a request whose worst case is too much. `"refuse"` raises `SpendLimitExceeded` and never changes a
            request. `"fit"` lowers `max_tokens`, or excludes dear endpoints by `provider.max_price`, or ends a loop of server tools by
            `stop_server_tools_when`, until the worst case fits, and refuses only what would be of no use any more. An answer without
            `max_tokens` takes half of what is left, and while others are running a quarter: many calls at once want `max_tokens`. Where
            other limits hold too, those that refuse are asked about the request as it was fitted. Images are never cut: one that may come
            is reserved for whole.
        unknown_price: What to do with a request whose price nobody knows: `"refuse"` it, `"allow"` it without a reservation for as long as
            anything is left, or reserve a flat amount (USD) for it.
        reconcile: Whether the cost of what is pending is looked up in the background.
        spent: What was spent under it already, USD.
        store: Where the figures are kept; by default in memory.

    Raises:
        ConfigurationError: This is no amount, or no way to treat a request.
    """

    def __init__(
        self,
        amount: str | float | Decimal,
        *,
        on_limit: OnLimit = "refuse",
        unknown_price: UnknownPrice | str | float = "refuse",
        reconcile: bool = False,
        spent: str | float | Decimal = 0,
        store: Store = MEMORY,
    ) -> None:
        self.on_limit: OnLimit = _on_limit(on_limit)
        self.unknown_price: UnknownPrice = _unknown_price(unknown_price)
        self.reconciles = reconcile
        self.money = Money(_usd(amount, "amount"), store, spent=_usd(spent, "spent"))
        """The account, for its store."""
        self._entries: dict[str, Entry] = {}
        _limits[self.money.id] = self

    @classmethod
    def of(cls, given: LimitLike, path: str = "amount") -> SpendLimit | None:
        """Return a limit as it is, or one of an amount, or of a mapping of arguments; `None` for none. Raises `ConfigurationError`."""
        if given is None or isinstance(given, SpendLimit):
            return given
        if not isinstance(given, Mapping):
            return cls(_usd(given, path))
        for name in given.keys() - _WRITTEN:
            raise ConfigurationError(
                f"{path}.{name}: there is no such argument; there are {', '.join(_WRITTEN)}"
            )
        return _read(given)

    def written(self) -> dict[str, str | bool]:
        """Return the limit as it may be stored: which one it is and its arguments, and nothing of what was spent."""
        unknown = self.unknown_price
        _keep(self)
        return {
            "id": self.money.id,
            "amount": f"{self.amount:f}",
            "on_limit": self.on_limit,
            "unknown_price": f"{unknown:f}" if isinstance(unknown, Decimal) else unknown,
            "reconcile": self.reconciles,
        }

    @property
    def amount(self) -> Decimal:
        """The limit, USD. It may be set anew at any time; what has been spent stays spent."""
        return self.figures.amount

    @amount.setter
    def amount(self, value: str | float | Decimal) -> None:
        self.money.store.set(self.money, _usd(value, "amount"))

    @property
    def figures(self) -> Figures:
        """The limit, and what is spent, reserved and pending, as of one moment."""
        return self.money.store.figures(self.money)

    @property
    def spent(self) -> Decimal:
        """What was billed, USD."""
        return self.figures.spent

    @property
    def reserved(self) -> Decimal:
        """What running requests may cost at worst, USD."""
        return self.figures.reserved

    @property
    def pending(self) -> Decimal:
        """What requests may have cost at worst that ended without anybody saying it, USD."""
        return self.figures.pending

    @property
    def remaining(self) -> Decimal:
        """What can still be reserved, USD; never below 0."""
        return self.figures.remaining

    @property
    def pending_records(self) -> tuple[Record, ...]:
        """The requests that `pending` is for; `reconcile(limit, client)` asks what they cost."""
        return tuple(entry.record for entry in tuple(self._entries.values()))

    def charge(self, usd: str | float | Decimal) -> None:
        """Count money as spent that no call here has spent, in another process for instance; raises `ConfigurationError` for none."""
        money, key = _usd(usd, "usd"), uuid4().hex
        reserve({self.money: Decimal(0)}, key)
        settle((self.money,), key, money)

    def write_off(self, record: Record, charged: str | float | Decimal = 0) -> None:
        """Stop holding money for a pending request, and count it as having cost `charged`, USD, in every scope and limit.

        That is for what nobody will ever say, such as a request that was lost before it had a generation id. The cost has the source
        `"estimated"`: yours. A record that isn't pending here any more is left as it is.
        """
        entry = self._entries.get(record.key)
        if entry is not None:
            cost = Cost(total=_usd(charged, "charged"), source="estimated")
            entry.settle(replace(entry.record, cost=cost))

    def keep(self, entry: Entry) -> None:
        """Remember a request that is pending."""
        self._entries[entry.record.key] = entry

    def drop(self, record: Record) -> None:
        """Forget it."""
        self._entries.pop(record.key, None)

    def __repr__(self) -> str:
        held = self.figures
        spent, reserved, pending = (dollars(each) for each in (held.spent, held.reserved, held.pending))
        return f"SpendLimit('{held.amount:f}': {spent} spent, {reserved} reserved, {pending} pending)"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        _keep(self)
        held = self.figures
        spent = EXACT.subtract(held.amount, held.left)
        options = (self.on_limit, self.unknown_price, self.reconciles)
        return _opened, (self.money.id, held.amount, spent, *options)


LimitLike: TypeAlias = SpendLimit | str | int | float | Decimal | Mapping[str, Any] | None
"""A limit, or what makes one: USD, or a mapping of its arguments."""
LimitsLike: TypeAlias = LimitLike | Sequence[LimitLike]
"""One limit, or several, all of which hold."""


def limits_of(given: LimitsLike, path: str = "spend_limit") -> tuple[SpendLimit, ...]:
    """Return the limits that were given, each one once; raises `ConfigurationError` for what is none."""
    several = given if isinstance(given, list | tuple) else (cast("LimitLike", given),)
    limits = (SpendLimit.of(each, path) for each in several)
    return tuple(dict.fromkeys(limit for limit in limits if limit is not None))


# Those of this process, so that a copy of a limit is that limit.
_limits: WeakValueDictionary[str, SpendLimit] = WeakValueDictionary()
# Those that may be opened once more: what was spent under them since they were stored isn't known anywhere else.
_stored: OrderedDict[str, SpendLimit] = OrderedDict()
_storing: Final = forkable_lock()


def _keep(limit: SpendLimit) -> SpendLimit:
    """Keep a limit that was stored, and return the one that is known by its id."""
    with _storing:
        kept = _stored.setdefault(limit.money.id, limit)
        _stored.move_to_end(limit.money.id)
        if len(_stored) > _MOST_STORED:
            _stored.popitem(last=False)
    return kept


def _opened(
    identity: str, amount: Decimal, spent: Decimal, on_limit: OnLimit, unknown: UnknownPrice, reconciles: bool
) -> SpendLimit:
    limit = SpendLimit(amount, on_limit=on_limit, unknown_price=unknown, reconcile=reconciles)
    limit.money = Money(amount, MEMORY, spent=spent, identity=identity)
    return _keep(_limits.setdefault(identity, limit))


def _read(written: Mapping[str, Any]) -> SpendLimit:
    arguments = {"amount": None, **written}
    identity = arguments.pop("id", None)
    if identity is None:
        return SpendLimit(**arguments)
    known = _limits.get(identity)
    if known is None:
        known = SpendLimit(**arguments)
        known.money = Money(known.amount, MEMORY, identity=identity)
        known = _limits.setdefault(identity, known)
    return _keep(known)


def _usd(value: object, path: str) -> Decimal:
    money = amount(value)
    if money is None:
        raise ConfigurationError(f"{path}: needs USD from 0 on, such as '0.50', got {value!r}")
    return money


def _on_limit(value: object) -> OnLimit:
    if value not in _ON_LIMIT:
        raise ConfigurationError(f"on_limit: should be 'refuse' or 'fit', not {value!r}")
    return cast("OnLimit", value)


def _unknown_price(value: object) -> UnknownPrice:
    if value in ("refuse", "allow"):
        return cast("UnknownPrice", value)
    money = amount(value)
    if money is None:
        raise ConfigurationError(f"unknown_price: should be 'refuse', 'allow' or USD, not {value!r}")
    return money
