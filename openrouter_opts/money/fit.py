"""Makes a request cost no more than there is, if it can be done without spoiling it. Pure: no network, no state.

What may be changed, and nothing else: the limit of the answer's tokens, `provider.max_price`, and `stop_server_tools_when`. Each only
ever gets tighter than what the user set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from itertools import chain
from typing import Any, Final

from openrouter_opts.lint.body import Body, number_in, object_in, provider_of
from openrouter_opts.lint.endpoints import BOUNDED, limits_of
from openrouter_opts.money.cost import EXACT
from openrouter_opts.money.estimate import Priced
from openrouter_opts.money.terms import Terms

USEFUL_TOKENS: Final = 256
"""An answer that has to be shorter is of no use."""
PLENTY_OF_TOKENS: Final = 4_096
"""An answer that nobody set a limit for may get this short before endpoints are left out for their price."""

_NUDGE: Final = Decimal("1.000001")
"""A bound is a hair above the price that it lets through, and so survives the server's arithmetic."""
_PLACES: Final = Decimal("1e-12")
_MICRO: Final = Decimal("1e-6")
_ALL: Final = Decimal(1)
_HALF: Final = Decimal("0.5")
"""The part of the money that the answers of a request with server tools may take; the rest is for what these cost."""
_INFINITE: Final = Decimal("Infinity")
_WINDOW: Final = 128_000


def fit(request: Priced, money: Decimal, *, alone: bool = True) -> Priced | None:
    """Return the request with the least change that makes it cost ``money`` at most, USD; None if it would be of no use then.

    In this order: an answer without a limit gets one, of `PLENTY_OF_TOKENS` at least; dear endpoints are left out; the answer gets as short
    as it has to, down to `USEFUL_TOKENS`. Where nobody knows the endpoints of a model, `max_price` keeps them to the price reckoned with.

    Server tools are always ended by the money, also where their number would end them sooner. Before the answer is made longer than is
    wanted, half of the money is kept for them, and they have all that it leaves; they are ended after their first calls before the answer
    gets shorter.

    An answer that nobody limited takes half of the money, if that is plenty, and leaves the rest to other calls. While there are others
    (not ``alone``) it takes a quarter of what is left. If only more is plenty, it gets no longer than that: of all, or of half beside others.
    So more money never makes for a shorter answer, as long as it leaves the same endpoints.
    """
    if request.offer.unpriced:
        return None
    whole = money if alone or request.limit else money / 4
    if _is_bound(request) and _fits(request, whole):
        return _ended(request, request, whole)
    part, most = (money, money) if request.limit else (whole / 2, whole) if alone else (whole, whole * 2)
    if (found := _plenty(_ways(request), part)) is not None:
        return found
    ways = [*_ways(request)]
    return _just_plenty(ways, most) or _useful(ways, whole) or _useful(ways, money, sparing=True)


@dataclass(frozen=True, slots=True)
class _Way:
    """A request whose endpoints ask for no more than is reckoned with.

    Attributes:
        asked: the request as it came.
        request: the same with its prices bounded.
        soonest: the same with its server tools ended after their first calls.
    """

    asked: Priced
    request: Priced
    soonest: Priced

    @property
    def wanted(self) -> int:
        """The tokens of an answer that is as long as it should be, if the money reaches."""
        if self.request.limit:
            return self.request.limit
        return min([PLENTY_OF_TOKENS + _budget(self.request.body), *self._caps])

    @property
    def least(self) -> int:
        """The tokens of the shortest answer that is of use."""
        return min(USEFUL_TOKENS + _budget(self.request.body), self.wanted)

    @property
    def _caps(self) -> list[int]:
        return [cap for each in self.request.offer.terms if (cap := self.request.cap(each))]

    def needs(self, tokens: int, share: Decimal) -> Decimal:
        """The money that such an answer needs: with all calls of server tools, or if it is to have no more than a share beside them."""
        whole, soonest = self.request.high(tokens), self.soonest.high(tokens)
        beside = None if soonest is None else soonest / share
        return min((money for money in (whole, beside) if money is not None), default=_INFINITE)

    def longest(self, money: Decimal, share: Decimal) -> int:
        """The most tokens that the answer may have for the money; 0 for none."""
        terms = self.request.offer.terms
        full = max((self.request.cap(each) or each.window or _WINDOW for each in terms), default=0)
        return _most(lambda tokens: self.needs(tokens, share) <= money, full)

    def finished(self, longest: int, money: Decimal) -> Priced:
        """The request with a limit for its answer, if it needs one, and what is left of the money for its server tools."""
        fitted = self.request
        if self.soonest.high(longest) != self.soonest.high():
            # Endpoints that can't write as much as is asked for are left out, so nobody is asked for more than it can.
            names = limits_of(self.asked.body) or ["max_tokens"]
            fitted = fitted.having(**dict.fromkeys(names, min([longest, *self._caps])))
        return _ended(self.asked, fitted, money)


def _ways(request: Priced) -> Iterator[_Way]:
    """The request as it is, and with ever lower prices."""
    dearest = sorted(request.offer.terms, key=_dearness, reverse=True)
    cheaper = (request.having(provider=_with_bounds(request.body, terms.base)) for terms in dearest)
    for each in chain([request] if _is_bound(request) else [], cheaper):
        yield _Way(request, each, _stopped(request, each, _MICRO))


def _plenty(ways: Iterable[_Way], money: Decimal) -> Priced | None:
    """The request with as much of an answer as is wanted, or with more if the money reaches."""
    able = (way for way in ways if way.needs(way.wanted, _HALF) <= money)
    return next((way.finished(way.longest(money, _HALF), money) for way in able), None)


def _just_plenty(ways: Iterable[_Way], money: Decimal) -> Priced | None:
    """The request with just as much of an answer as is wanted, for no more money than it takes, or else for all that its server tools leave."""
    for share in (_HALF, _ALL):
        for way in ways:
            needs = way.needs(way.wanted, share)
            if needs <= money:
                return way.finished(way.wanted, needs if share == _HALF else money)
    return None


def _useful(ways: Iterable[_Way], money: Decimal, *, sparing: bool = False) -> Priced | None:
    """The request with the longest answer that the money reaches for, or with the shortest that is of use."""
    able = [(way.longest(money, _ALL), way) for way in ways if way.needs(way.least, _ALL) <= money]
    if not able:
        return None
    longest, way = max(able, key=lambda each: each[0])
    return way.finished(way.least if sparing else longest, money)


def _is_bound(request: Priced) -> bool:
    """Whether no endpoint can be dearer than what is reckoned with."""
    return all(terms.source not in ("model", "listed") for terms in request.offer.terms)


def _dearness(terms: Terms) -> tuple[Decimal, Decimal]:
    return terms.completion, terms.prompt


def _most(holds: Callable[[int], bool], most: int) -> int:
    """The highest number up to ``most`` for which it holds, if it holds for those below; 0 if for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _fits(request: Priced, money: Decimal) -> bool:
    high = request.high()
    return high is not None and high <= money


def _budget(body: Body) -> int:
    """The tokens that are set apart for thinking: providers refuse a limit that isn't above them."""
    budget = object_in(body, "reasoning").get("max_tokens")
    return budget if isinstance(budget, int) else 0


def _ended(asked: Priced, fitted: Priced, money: Decimal) -> Priced:
    """The request with its server tools ended when what is left of the money is spent."""
    if not asked.extras.tools:
        return fitted
    most = _most(lambda micros: _fits(_stopped(asked, fitted, micros * _MICRO), money), int(money / _MICRO))
    return _stopped(asked, fitted, max(most, 1) * _MICRO)


# --- what is changed ---


def _with_bounds(body: Body, base: Mapping[str, Decimal]) -> dict[str, Any]:
    """The routing preferences with the prices of one endpoint as bounds, where they are tighter than the user's."""
    preferences = provider_of(body)
    own = object_in(preferences, "max_price")
    bounds = dict(own)
    with localcontext(EXACT):
        for name, price in base.items():
            bound = (price * BOUNDED[name] * _NUDGE).quantize(_PLACES, ROUND_CEILING).normalize()
            given = number_in(own.get(name))
            if given is None or bound < given:
                bounds[name] = f"{bound:f}"
    return {**preferences, "max_price": bounds}


def _stopped(asked: Priced, request: Priced, cost: Decimal) -> Priced:
    """The request with a bound for what its server tools cost, USD, beside the conditions that were asked for, unless one of these is lower."""
    own = asked.extras.stop_cost
    if not asked.extras.tools or (own is not None and own <= cost):
        return request
    # Conditions take the place of `max_tool_calls`, which shall hold all the same.
    usual = [{"type": "step_count_is", "step_count": asked.extras.calls}]
    conditions = asked.body.get("stop_server_tools_when") or usual
    ours = {"type": "max_cost", "max_cost_in_dollars": float(cost)}
    return request.ending([*conditions, ours])
