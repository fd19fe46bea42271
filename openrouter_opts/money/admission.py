"""Whether a request may be sent, by the limits that hold for it."""

from __future__ import annotations

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
"""How often a request is fitted to what is left, while other calls take it."""


class Admission:
    """Reserves what a request may cost at worst, in all limits or in none."""

    def __init__(self, facts: Facts, limits: tuple[SpendLimit, ...]) -> None:
        self.limits = limits
        self._facts = facts
        self._priced: Priced | None = None

    def admitted(self, request: Request, key: str) -> Request:
        """Return the request as it may be sent, once what it may cost is reserved under ``key``; raises `SpendLimitExceeded`."""
        priced = self._priced
        if priced is None:
            priced = self._priced = Priced.of(request.content, request.body or b"", self._facts)
        if any(limit.on_limit == "fit" for limit in self.limits):
            fitted = self._fitted(priced, key)
            if fitted is not None:
                return request if fitted is priced else request.with_content(fitted.body)
        worst = priced.high()
        claims = {limit.money: _claim(limit, worst, priced) for limit in self.limits}
        short = reserve(claims, key)
        for limit in self.limits:
            if limit.money in short:
                raise _refusal(limit, claims[limit.money], priced)
        return request

    def _fitted(self, priced: Priced, key: str) -> Priced | None:
        """The request fitted to what is left, and reserved; `None` where it can't be."""
        for _ in range(_TRIES):
            fitted = fit(priced, min(limit.remaining for limit in self.limits))
            high = None if fitted is None else fitted.high()
            if high is None:
                return None
            if not reserve({limit.money: high for limit in self.limits}, key):
                return fitted
        return None


def _claim(limit: SpendLimit, worst: Decimal | None, priced: Priced) -> Decimal:
    if worst is not None:
        return worst
    if limit.unknown_price == "allow":
        if not limit.remaining:
            raise _refusal(limit, Decimal(0), priced)
        return Decimal(0)
    if isinstance(limit.unknown_price, Decimal):
        return limit.unknown_price
    text = (
        f"what this request may cost isn't known, so the limit of {dollars(limit.amount)} can't hold: {'; '.join(priced.unknown())};"
        " give a `catalog` that knows, bound the price with provider.max_price (prompt and completion), or say what to do with"
        " unknown_price"
    )
    raise SpendLimitExceeded(text, **_figures(limit), worst_case=None)


def _refusal(limit: SpendLimit, claim: Decimal, priced: Priced) -> SpendLimitExceeded:
    figures, worst = limit.figures, priced.high()
    may_cost = f"may cost up to {dollars(claim)}" if worst is not None else "has no known price"
    if worst is None and claim:
        may_cost += f", and is reckoned with {dollars(claim)}"
    remedy = (
        "even a short answer would be too much; raise the limit, or shorten the prompt"
        if limit.on_limit == "fit"
        else "set max_tokens, raise the limit, or let the request be fitted with on_limit='fit'"
    )
    text = (
        f"this request {may_cost}, and the limit of {dollars(figures.amount)} leaves"
        f" {dollars(figures.remaining)}: {dollars(figures.spent)} is spent, {dollars(figures.reserved)} reserved for running"
        f" requests, {dollars(figures.pending)} pending; {'; '.join(priced.assumptions())}; {remedy}"
    )
    return SpendLimitExceeded(text, **_figures(limit), worst_case=worst)


def _figures(limit: SpendLimit) -> dict[str, Decimal]:
    amount, spent, reserved, pending = limit.figures
    return {"limit": amount, "spent": spent, "reserved": reserved, "pending": pending}
