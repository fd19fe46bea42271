"""A limit on money: what may be spent is reserved before, booked after, and never more than the limit."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import subprocess
import sys
import threading
from collections import OrderedDict
from decimal import Decimal, localcontext
from itertools import count
from typing import Any
from uuid import uuid4
from weakref import ref

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openrouter_opts import OpenRouterClient, SpendLimit
from openrouter_opts.errors import ConfigurationError, SpendLimitExceeded
from openrouter_opts.money import limits
from openrouter_opts.money.store import MEMORY, Figures, Money, Store, reserve, settle

D = Decimal


def held(limit: SpendLimit) -> tuple[Decimal, Decimal, Decimal]:
    return limit.spent, limit.reserved, limit.pending


def claim(limits: list[SpendLimit], money: str, key: str = "k") -> list[SpendLimit]:
    short = reserve({limit.money: D(money) for limit in limits}, key)
    return [limit for limit in limits if limit.money in short]


def book(limits: list[SpendLimit], charged: str | None, key: str = "k") -> None:
    settle([limit.money for limit in limits], key, None if charged is None else D(charged))


# --- the figures ---


def test_what_was_spent_elsewhere_can_be_charged_beyond_the_amount_too():
    limit = SpendLimit("0.5", spent="0.1")
    claim([limit], "0.2")
    limit.charge("0.15")
    limit.charge(D(1))
    assert held(limit) == (D("1.25"), D("0.2"), 0)
    assert limit.remaining == 0
    with pytest.raises(ConfigurationError, match=r"^usd: needs USD from 0 on"):
        limit.charge(-1)


@pytest.mark.parametrize("amount", ["0.50", D("0.5"), 0.5, "0.5000"])
def test_a_limit_is_an_exact_amount(amount: Any):
    limit = SpendLimit(amount)
    assert limit.amount == limit.remaining == D("0.5")
    assert held(limit) == (0, 0, 0)
    assert SpendLimit(3).amount == 3


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"amount": "much"}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": float("inf")}, "amount"),
        ({"amount": 1, "on_limit": "warn"}, "on_limit"),
        ({"amount": 1, "unknown_price": "maybe"}, "unknown_price"),
        ({"amount": 1, "unknown_price": -1}, "unknown_price"),
    ],
)
def test_what_is_no_limit_is_refused(wrong: dict[str, Any], path: str):
    with pytest.raises(ConfigurationError, match=f"^{path}: "):
        SpendLimit(**wrong)


def test_an_amount_alone_will_do():
    limit = SpendLimit("1")
    assert SpendLimit.of(limit) is limit
    assert SpendLimit.of(None) is None
    made = SpendLimit.of("0.5")
    assert made is not None
    assert (made.amount, made.on_limit, made.unknown_price) == (D("0.5"), "refuse", "refuse")
    assert SpendLimit(1, unknown_price="0.01").unknown_price == D("0.01")


def test_a_charge_takes_the_place_of_its_reservation():
    limit = SpendLimit("1")
    assert claim([limit], "0.6") == []
    assert (held(limit), limit.remaining) == ((0, D("0.6"), 0), D("0.4"))
    assert claim([limit], "0.5", "other") == [limit]
    book([limit], "0.1")
    assert (held(limit), limit.remaining) == ((D("0.1"), 0, 0), D("0.9"))
    assert repr(limit) == "SpendLimit('1': $0.10 spent, $0 reserved, $0 pending)"


def test_what_nobody_knows_the_cost_of_stays_held_until_somebody_does():
    limit = SpendLimit("1")
    claim([limit], "0.6")
    book([limit], None)
    assert held(limit) == (0, 0, D("0.6"))
    assert claim([limit], "0.5", "other") == [limit]
    book([limit], "0.2")
    assert held(limit) == (D("0.2"), 0, 0)
    book([limit], "0.2")
    assert held(limit) == (D("0.2"), 0, 0)


def test_a_reservation_in_several_limits_is_in_all_or_in_none():
    wide, narrow = SpendLimit("1"), SpendLimit("0.5")
    assert claim([wide, narrow], "0.6") == [narrow]
    assert (held(wide), held(narrow)) == ((0, 0, 0), (0, 0, 0))
    assert claim([wide, narrow], "0.5") == []
    assert claim([wide, narrow], "0.6", "other") == [wide, narrow]


def test_what_costs_nothing_is_let_through_even_when_nothing_is_left():
    limit = SpendLimit(0)
    assert claim([limit], "0") == []
    assert claim([limit], "0.000000000001", "other") == [limit]


def test_a_charge_above_its_reservation_is_booked_all_the_same():
    limit = SpendLimit("1")
    claim([limit], "0.5")
    book([limit], "1.5")
    assert (limit.spent, limit.remaining, limit.figures.left) == (D("1.5"), 0, D("-0.5"))
    assert claim([limit], "0.1", "other") == [limit]
    assert claim([limit], "0", "free") == []


def test_a_limit_can_be_raised_and_lowered_while_it_is_used():
    limit = SpendLimit("1")
    claim([limit], "0.6")
    limit.amount = "0.5"
    assert (limit.amount, limit.remaining) == (D("0.5"), 0)
    limit.amount = 2
    assert limit.remaining == D("1.4")
    with pytest.raises(ConfigurationError):
        limit.amount = "x"


def test_figures_are_exact_whatever_the_precision_of_the_caller():
    limit = SpendLimit("1000000")
    with localcontext(prec=3):
        for number in range(10):
            claim([limit], "0.000000000001", str(number))
            book([limit], "0.000000000001", str(number))
    assert limit.remaining == D("999999.99999999999")


# --- one limit, wherever it is used ---


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda limit: pickle.loads(pickle.dumps(limit))])
def test_a_copy_is_the_same_limit(again: Any):
    limit = SpendLimit("1", on_limit="fit", unknown_price=D("0.1"))
    assert again(limit) is limit
    assert again({"model": [limit]})["model"][0] is limit


def test_in_another_process_a_limit_starts_from_what_was_held_here():
    limit = SpendLimit("1", on_limit="fit", unknown_price=D("0.1"), reconcile=True)
    claim([limit], "0.3", "a")
    book([limit], "0.1", "a")
    claim([limit], "0.3", "b")
    book([limit], None, "b")
    claim([limit], "0.3", "c")
    code = (
        "import pickle, sys; it = pickle.load(sys.stdin.buffer); again = pickle.loads(pickle.dumps(it));"
        "print(it.amount, it.spent, it.remaining, it.on_limit, it.unknown_price, it.reconciles, again is it)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(limit), capture_output=True, check=True, timeout=60
    )
    assert told.stdout.split() == [b"1", b"0.7", b"0.3", b"fit", b"0.1", b"True", b"True"]


def test_a_limit_may_be_given_as_its_arguments():
    limit = SpendLimit.of({"amount": "0.5", "on_limit": "fit", "unknown_price": "0.1", "reconcile": True})
    assert limit is not None
    assert (limit.amount, limit.on_limit, limit.unknown_price) == (D("0.5"), "fit", D("0.1"))
    assert limit.reconciles


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"amount": 1, "on_limits": "fit"}, r"spend_limit\.on_limits: .* there are id, amount, on_limit, "),
        ({"on_limit": "fit"}, "amount: needs USD"),
    ],
)
def test_arguments_that_make_no_limit_are_refused(given: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=f"^{said}"):
        OpenRouterClient(spend_limit=given)


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ({"amount": "1E+3"}, ("1000", "refuse", "refuse", False)),
        (
            {"amount": 0.5, "on_limit": "fit", "unknown_price": D("1E-7"), "reconcile": True},
            ("0.5", "fit", "0.0000001", True),
        ),
    ],
)
def test_a_limit_that_was_stored_as_json_is_the_same_one(arguments: dict[str, Any], written: Any):
    limit = SpendLimit(**arguments)
    stored = json.dumps(limit.written())
    names = ("amount", "on_limit", "unknown_price", "reconcile")
    assert json.loads(stored) == dict(zip(names, written, strict=True)) | {"id": limit.money.id}
    assert SpendLimit.of(json.loads(stored)) is limit


def _read(stored: bytes) -> SpendLimit | None:
    return SpendLimit.of(json.loads(stored))


@pytest.mark.parametrize(
    ("store", "opened"),
    [(pickle.dumps, pickle.loads), (SpendLimit.written, SpendLimit.of)],
    ids=["pickle", "JSON"],
)
def test_a_stored_limit_that_nobody_holds_any_more_is_opened_as_it_was_left(store: Any, opened: Any):
    limit = SpendLimit("1")
    stored = store(limit)
    for _ in range(3):
        claim([limit], "0.3")
        book([limit], "0.3")
        del limit
        gc.collect()
        limit = opened(stored)
    assert (limit.spent, limit.remaining) == (D("0.9"), D("0.1"))


def test_the_limits_that_were_stored_last_are_kept_and_no_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "_stored", OrderedDict[str, SpendLimit]())
    monkeypatch.setattr(limits, "_MOST_STORED", 2)
    made = [SpendLimit("1") for _ in range(5)]
    for limit in (*made[:3], made[1], made[3]):
        pickle.dumps(limit)
    copy.deepcopy(made[4])
    left = [ref(limit) for limit in made]
    del made, limit
    gc.collect()
    assert [each() is not None for each in left] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("store", "opened", "spent"),
    [(pickle.dumps, pickle.loads, "0.3"), (lambda limit: json.dumps(limit.written()).encode(), _read, "0")],
    ids=["pickle", "JSON"],
)
def test_a_limit_that_was_stored_in_another_process_starts_once(store: Any, opened: Any, spent: str):
    limit = SpendLimit("1", spent="0.3")
    stored = store(limit).replace(limit.money.id.encode(), uuid4().hex.encode())
    for told in (D(spent), D(spent) + D("0.2")):
        limit = opened(stored)
        assert held(limit) == (told, 0, 0)
        claim([limit], "0.2")
        book([limit], "0.2")
        del limit
        gc.collect()


# --- many at once ---


class Requests(RuleBasedStateMachine):
    """Requests that are reserved in some of three limits, and then settled, or lost, and perhaps found out later."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[SpendLimit] = []
        self.spent: list[Decimal] = []
        self.open: dict[str, tuple[list[int], Decimal]] = {}
        self.numbers = count()

    @initialize(amounts=st.lists(st.decimals(0, 5, places=2), min_size=3, max_size=3))
    def begin(self, amounts: list[Decimal]) -> None:
        self.limits = [SpendLimit(amount) for amount in amounts]
        self.spent = [D(0)] * 3

    @rule(
        chosen=st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
        money=st.decimals(0, 2, places=3),
    )
    def reserve(self, chosen: list[int], money: Decimal) -> None:
        key, before = str(next(self.numbers)), [limit.figures for limit in self.limits]
        if not reserve({self.limits[index].money: money for index in chosen}, key):
            self.open[key] = chosen, money
        else:
            assert [limit.figures for limit in self.limits] == before
            assert any(money > before[index].left for index in chosen)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.decimals(0, 1, places=3))
    def settle(self, data: st.DataObject, share: Decimal) -> None:
        self._settle(data.draw(st.sampled_from(sorted(self.open))), share)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.open)))
        settle([self.limits[index].money for index in self.open[key][0]], key, None)

    def _settle(self, key: str, share: Decimal) -> None:
        chosen, money = self.open.pop(key)
        settle([self.limits[index].money for index in chosen], key, money * share)
        for index in chosen:
            self.spent[index] += money * share

    @invariant()
    def no_limit_is_exceeded_and_nothing_is_booked_twice(self) -> None:
        for limit, spent in zip(self.limits, self.spent, strict=True):
            assert limit.spent == spent
            assert limit.spent + limit.reserved + limit.pending <= limit.amount

    def teardown(self) -> None:
        for key in list(self.open):
            self._settle(key, D("0.5"))
        for limit, spent in zip(self.limits, self.spent, strict=True):
            assert (limit.spent, limit.reserved, limit.pending) == (spent, 0, 0)
            assert limit.money.held == {}


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=50, stateful_step_count=30)


def test_threads_at_once_never_get_above_the_limit():
    limit, other = SpendLimit("10"), SpendLimit("12")
    admitted: list[str] = []
    highest = D(0)

    def run(number: int) -> None:
        nonlocal highest
        for turn in range(100):
            key = f"{number}-{turn}"
            if not claim([limit, other], "0.5", key):
                admitted.append(key)
                figures = limit.figures
                highest = max(highest, figures.amount - figures.left)
                book([limit, other], "0.02" if turn % 3 else None, key)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert highest <= 10
    assert limit.spent + limit.pending <= 10
    assert len(admitted) == limit.spent / D("0.02") + limit.pending / D("0.5")
    assert limit.figures[1:] == other.figures[1:]


def test_settling_never_waits_even_inside_of_the_store():
    """A stream may be collected at any point, that of a reservation in the same thread included."""
    limit = SpendLimit("1")
    claim([limit], "0.5")
    lock = MEMORY._lock  # type: ignore[attr-defined]
    with lock:
        book([limit], "0.1")
    assert claim([limit], "0.9", "next") == []
    assert held(limit) == (D("0.1"), D("0.9"), 0)


# --- a store of one's own ---


class Elsewhere:
    """A store that says yes or no to everything."""

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self.told: list[Any] = []

    def reserve(self, claims: Any, key: str, /) -> Any:
        self.told.append(("reserve", [*claims.values()], key))
        return list(claims) if self.full else []

    def settle(self, accounts: Any, key: str, charged: Decimal | None, /) -> None:
        self.told.append(("settle", len(accounts), key, charged))

    def set(self, account: Money, amount: Decimal, /) -> None:
        self.told.append(("set", amount))

    def figures(self, account: Money, /) -> Figures:
        return Figures(account.amount, D(1), D(2), D(3))


def test_figures_may_be_kept_elsewhere_and_what_one_store_refuses_no_other_keeps():
    free, full = Elsewhere(full=False), Elsewhere(full=True)
    stores: list[Store] = [free, full]
    here, there, nowhere = SpendLimit(10), SpendLimit(10, store=stores[0]), SpendLimit(10, store=stores[1])
    assert claim([here, there], "0.5") == []
    assert claim([here, there, nowhere], "0.5", "other") == [nowhere]
    assert (there.spent, there.remaining) == (1, 4)
    there.amount = 20
    assert free.told == [
        ("reserve", [D("0.5")], "k"),
        ("reserve", [D("0.5")], "other"),
        ("settle", 1, "other", 0),
        ("set", 20),
    ]
    assert here.reserved == D("0.5")


# --- the error ---


def test_the_error_has_the_figures_and_survives_a_pickle():
    error = SpendLimitExceeded("too much", limit=D("1"), spent=D("0.5"), reserved=D("0.3"), pending=D("0.1"))
    again = pickle.loads(pickle.dumps(error))
    assert (again.limit, again.spent, again.remaining, again.worst_case) == (1, D("0.5"), D("0.1"), None)
    assert (again.delivered, again.retryable, str(again)) == ("no", False, "too much")
    assert SpendLimitExceeded("x", limit=D(1), spent=D(2)).remaining == 0
