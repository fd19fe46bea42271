"""Whether a request may be sent, by the limits that hold for it."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from typing import Final

from openrouter_opts.errors import SpendLimitExceeded
from openrouter_opts.money.cost import dollars
from openrouter_opts.money.estimate import Priced
from openrouter_opts.money.fit import fit
from openrouter_opts.money.limits import SpendLimit
from openrouter_opts.money.store import reserve
from openrouter_opts.money.terms import Facts
from openrouter_opts.protocol.request import Request

_TRIES: Final = 20
"""How often a request is fitted to what is left, while others take of it that aren't fitted."""
_one_at_a_time: Final = threading.Lock()
"""Held while a request is fitted: of calls that begin together each sees what those before it took, and leaves some to those after it."""
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    # Not one of `openrouter_opts.locks`: whoever holds it waits for one of those, which a fork takes after this.
    _release: Final = _one_at_a_time.release
    os.register_at_fork(before=_one_at_a_time.acquire, after_in_parent=_release, after_in_child=_release)


class Admission:
    """Reserves what a request may cost at worst, in all limits or in none."""

    def __init__(self, facts: Facts, limits: tuple[SpendLimit, ...]) -> None:
        # Those that never change a request come first, so that one of them is named where several have too little left.
        self.limits = tuple(sorted(limits, key=lambda limit: limit.on_limit == "fit"))
        self._fitting = tuple(limit for limit in limits if limit.on_limit == "fit")
        self._facts = facts
        self._priced: Priced | None = None

    def admitted(self, request: Request, key: str) -> Request:
        """Return the request as it may be sent, once what it may cost is reserved under ``key``; raises `SpendLimitExceeded`.

        It is fitted to the limits that ask for that and to no others, which admit what came of it, or refuse it.
        """
        priced = self._priced
        if priced is None:
            priced = self._priced = Priced.of(request.content, request.body or b"", self._facts)
        if self._fitting:
            with _one_at_a_time:
                admitted, short = self._fitted(priced, key)
        else:
            admitted, short = priced, self._short(priced, key)
        if short is not None:
            raise _refusal(short, admitted)
        return request if admitted is priced else request.with_content(admitted.body)

    def _fitted(self, priced: Priced, key: str) -> tuple[Priced, SpendLimit | None]:
        """The request fitted to what is left, where it can be; it is reserved, or else there is a limit with too little left."""
        for _ in range(_TRIES):
            figures = [limit.figures for limit in self._fitting]
            alone = not any(each.reserved for each in figures)
            fitted = fit(priced, min(each.remaining for each in figures), alone=alone)
            if fitted is None:
                break
            short = self._short(fitted, key)
            if short is None or short.on_limit == "refuse":
                return fitted, short
        return priced, self._short(priced, key)

    def _short(self, priced: Priced, key: str) -> SpendLimit | None:
        """Reserve what a request may cost in all limits, or return one that has too little left."""
        short = reserve({limit.money: _claim(limit, priced) for limit in self.limits}, key)
        return next((limit for limit in self.limits if limit.money in short), None)


def _claim(limit: SpendLimit, priced: Priced) -> Decimal:
    worst = priced.high()
    if worst is not None:
        return worst
    if limit.unknown_price == "allow":
        if not limit.remaining:
            raise _refusal(limit, priced)
        return Decimal(0)
    if isinstance(limit.unknown_price, Decimal):
        return limit.unknown_price
    text = (
        f"what this request may cost isn't known, so the limit of {dollars(limit.amount)} can't hold: {'; '.join(priced.unknown())};"
        " give a `catalog` that knows, bound the price with provider.max_price (prompt and completion), or say what to do with"
        " unknown_price"
    )
    raise SpendLimitExceeded(text, **_figures(limit), worst_case=None)


def _refusal(limit: SpendLimit, priced: Priced) -> SpendLimitExceeded:
    figures, worst = limit.figures, priced.high()
    may_cost = f"may cost up to {dollars(worst)}" if worst is not None else "has no known price"
    if worst is None and isinstance(limit.unknown_price, Decimal):
        may_cost += f", and is reckoned with {dollars(limit.unknown_price)}"
    text = (
        f"this request {may_cost}, and the limit of {dollars(figures.amount)} leaves"
        f" {dollars(figures.remaining)}: {dollars(figures.spent)} is spent, {dollars(figures.reserved)} reserved for running"
        f" requests, {dollars(figures.pending)} pending; {'; '.join(priced.assumptions())}; {_remedy(limit, priced)}"
    )
    return SpendLimitExceeded(text, **_figures(limit), worst_case=worst)


def _remedy(limit: SpendLimit, priced: Priced) -> str:
    if not priced.is_conversation:
        return "send fewer inputs at once, or shorter ones, or raise the limit"
    if not any(each.is_limited for each in priced.offer.terms):
        return "raise the limit, or ask for text alone of a model that takes max_tokens: nothing else makes the answer shorter"
    if limit.on_limit == "fit":
        return "even a short answer would be too much; raise the limit, or shorten the prompt"
    return "set max_tokens, raise the limit, or let the request be fitted with on_limit='fit'"


def _figures(limit: SpendLimit) -> dict[str, Decimal]:
    amount, spent, reserved, pending = limit.figures
    return {"limit": amount, "spent": spent, "reserved": reserved, "pending": pending}
