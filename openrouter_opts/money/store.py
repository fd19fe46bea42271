"""Where the figures of limits are kept: in memory, for one process. A database may take its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol
from uuid import uuid4

from openrouter_opts.locks import forkable_lock
from openrouter_opts.money.cost import EXACT

_NOTHING: Final = Decimal(0)


class Figures(NamedTuple):
    """A limit at one moment, in USD."""

    amount: Decimal
    spent: Decimal
    reserved: Decimal
    pending: Decimal

    @property
    def left(self) -> Decimal:
        """What the rest of the figures leave of the amount; below 0 where a charge was above its reservation, or the limit was lowered."""
        held = EXACT.add(self.spent, EXACT.add(self.reserved, self.pending))
        return EXACT.subtract(self.amount, held)

    @property
    def remaining(self) -> Decimal:
        """What can still be reserved."""
        return max(self.left, _NOTHING)


class Money:
    """The account of one limit. Its store changes it, and nobody else."""

    __slots__ = ("amount", "held", "id", "pending", "reserved", "spent", "store")

    def __init__(
        self,
        amount: Decimal,
        store: Store,
        *,
        spent: Decimal = _NOTHING,
        identity: str | None = None,
    ) -> None:
        self.id = identity or uuid4().hex
        self.store = store
        self.amount = amount
        self.spent = spent
        self.reserved = _NOTHING
        self.pending = _NOTHING
        self.held: dict[str, tuple[Decimal, bool]] = {}
        """By request: what is set aside for it, and whether it is pending."""

    @property
    def figures(self) -> Figures:
        """The figures; to be read by the store."""
        return Figures(self.amount, self.spent, self.reserved, self.pending)


class Store(Protocol):
    """What limits ask of the place where their figures are kept.

    It is asked in the thread or event loop of the call, so its answers have to be quick. `settle` may be called by the garbage collector,
    at any point of any thread, and must not wait for a lock.
    """

    def reserve(self, claims: Mapping[Money, Decimal], key: str, /) -> Collection[Money]:
        """Set an amount of each account aside for a request, or none at all; return the accounts that have too little left."""
        ...

    def settle(self, accounts: Sequence[Money], key: str, charged: Decimal | None, /) -> None:
        """Put what a request did cost in the place of what is set aside for it; `None` keeps it as pending."""
        ...

    def set(self, account: Money, amount: Decimal, /) -> None:
        """Make an amount the limit."""
        ...

    def figures(self, account: Money, /) -> Figures:
        """Return the figures as of one moment."""
        ...


class _Memory:
    """Accounts in memory, all under one lock, so that a reservation in several is one step."""

    def __init__(self) -> None:
        self._lock = forkable_lock()
        # What has been settled and isn't booked yet. Whoever has the lock books it, so that to settle is never to wait.
        self._settled: deque[tuple[Sequence[Money], str, Decimal | None]] = deque()

    def reserve(self, claims: Mapping[Money, Decimal], key: str, /) -> Collection[Money]:
        with self._lock:
            self._book_settled()
            short = [money for money, claim in claims.items() if claim and claim > money.figures.left]
            if not short:
                for money, claim in claims.items():
                    money.held[key] = (claim, False)
                    money.reserved = EXACT.add(money.reserved, claim)
        self._catch_up()
        return short

    def settle(self, accounts: Sequence[Money], key: str, charged: Decimal | None, /) -> None:
        self._settled.append((accounts, key, charged))
        self._catch_up()

    def set(self, account: Money, amount: Decimal, /) -> None:
        with self._lock:
            account.amount = amount
        self._catch_up()

    def figures(self, account: Money, /) -> Figures:
        with self._lock:
            self._book_settled()
            found = account.figures
        self._catch_up()
        return found

    def _catch_up(self) -> None:
        """Book what was settled in the meantime, unless somebody else has the lock, who will then."""
        while self._settled and self._lock.acquire(blocking=False):
            try:
                self._book_settled()
            finally:
                self._lock.release()

    def _book_settled(self) -> None:
        while self._settled:
            accounts, key, charged = self._settled.popleft()
            for money in accounts:
                _book(money, key, charged)


def _book(money: Money, key: str, charged: Decimal | None) -> None:
    held = money.held.pop(key, None)
    if held is None:
        # Settled before.
        return
    claim, is_pending = held
    if is_pending:
        money.pending = EXACT.subtract(money.pending, claim)
    else:
        money.reserved = EXACT.subtract(money.reserved, claim)
    if charged is not None:
        money.spent = EXACT.add(money.spent, charged)
    else:
        money.held[key] = (claim, True)
        money.pending = EXACT.add(money.pending, claim)


MEMORY: Final[Store] = _Memory()


def reserve(claims: Mapping[Money, Decimal], key: str) -> Collection[Money]:
    """Set amounts aside for a request, in each account or in none.

    Args:
        claims: How much in each account, USD.
        key: Which request it is for.

    Returns:
        The accounts that have too little left; empty when all is reserved.
    """
    done: list[Money] = []
    for store, accounts in _by_store(claims):
        short = store.reserve({money: claims[money] for money in accounts}, key)
        if short:
            settle(done, key, _NOTHING)
            return short
        done += accounts
    return ()


def settle(accounts: Iterable[Money], key: str, charged: Decimal | None) -> None:
    """Put what a request did cost in the place of its reservation; `None` keeps it as pending. Never waits."""
    for store, held in _by_store(accounts):
        store.settle(held, key, charged)


def _by_store(accounts: Iterable[Money]) -> Iterable[tuple[Store, list[Money]]]:
    stores: dict[int, tuple[Store, list[Money]]] = {}
    for money in accounts:
        stores.setdefault(id(money.store), (money.store, []))[1].append(money)
    return stores.values()
