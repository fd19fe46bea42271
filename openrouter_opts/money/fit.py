"""Makes a request cost no more than there is, if it can be done without spoiling it. Pure: no network, no state.

What may be changed, and nothing else: the limit of the answer's tokens, `provider.max_price`, and `stop_server_tools_when`. Each only
ever gets tighter than what the user set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal, localcontext
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
_SHARES: Final = tuple(Decimal(part) / 20 for part in range(20, 0, -1))
"""How much of the money server tools may spend: all of it, or as much as leaves the turns after them affordable."""
_WINDOW: Final = 128_000


def fit(request: Priced, money: Decimal, *, alone: bool = True) -> Priced | None:
    """Return the request with the least change that makes it cost ``money`` at most, USD; None if it would be of no use then.

    In this order: an answer without a limit gets one, of `PLENTY_OF_TOKENS` at least; dear endpoints are left out; the answer gets as short
    as it has to, down to `USEFUL_TOKENS`. Where nobody knows the endpoints of a model, `max_price` keeps them to the price reckoned with.
    Server tools are always ended by the money, also where their number would end them sooner.

    An answer that nobody limited takes half of the money, if that is plenty, and leaves the rest to other calls. While there are others
    (not ``alone``) it takes a quarter of what is left, or half if only that is plenty, so that many at once have something each.
    """
    if request.offer.unpriced:
        return None
    whole = money if alone or request.limit else money / 4
    if _is_bound(request) and _fits(request, whole):
        return _ended(request, request, whole)
    if request.limit:
        return _plenty(request, money) or _useful(request, money)
    if alone:
        return _plenty(request, money / 2) or _plenty(request, money) or _useful(request, money)
    return (
        _plenty(request, whole)
        or _plenty(request, money / 2, sparing=True)
        or _useful(request, whole)
        or _useful(request, money, sparing=True)
    )


def _plenty(request: Priced, money: Decimal, *, sparing: bool = False) -> Priced | None:
    """The request with as much of an answer as is wanted, or with more if the money reaches and isn't to be spared."""
    for bounded in _bounded(request, money):
        longest, wanted = _longest(bounded, money), _wanted(bounded)
        if longest and longest >= wanted:
            return _finished(request, bounded, wanted if sparing else longest, money)
    return None


def _useful(request: Priced, money: Decimal, *, sparing: bool = False) -> Priced | None:
    """The request with the longest answer that the money reaches for, or with the shortest that is of use."""
    lengths = [(_longest(bounded, money), bounded) for bounded in _bounded(request, money)]
    able = [each for each in lengths if each[0] and each[0] >= _least(each[1])]
    if not able:
        return None
    longest, bounded = max(able, key=lambda each: each[0])
    return _finished(request, bounded, _least(bounded) if sparing else longest, money)


def _bounded(request: Priced, money: Decimal) -> Iterator[Priced]:
    """The request as it is, and with ever lower prices; then the same with a bound for its server tools."""
    ways = [request]
    if request.extras.tools:
        ways.append(_stopped(request, request, money * _SHARES[-1]))
    for stopped in ways:
        if _is_bound(stopped):
            yield stopped
        for terms in sorted(stopped.offer.terms, key=_dearness, reverse=True):
            yield stopped.having(provider=_with_bounds(stopped.body, terms.base))


def _is_bound(request: Priced) -> bool:
    """Whether no endpoint can be dearer than what is reckoned with."""
    return all(terms.source not in ("model", "listed") for terms in request.offer.terms)


def _dearness(terms: Terms) -> tuple[Decimal, Decimal]:
    return terms.completion, terms.prompt


def _longest(request: Priced, money: Decimal) -> int:
    """The most tokens that the answer may have for the money; 0 for none."""
    full = max((request.cap(each) or each.window or _WINDOW for each in request.offer.terms), default=0)
    return _most(lambda tokens: _fits(request, money, tokens), full)


def _most(holds: Callable[[int], bool], most: int) -> int:
    """The highest number up to ``most`` for which it holds, if it holds for those below; 0 if for none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _fits(request: Priced, money: Decimal, limit: int | None = None) -> bool:
    high = request.high(limit)
    return high is not None and high <= money


def _wanted(request: Priced) -> int:
    if request.limit:
        return request.limit
    caps = [cap for each in request.offer.terms if (cap := request.cap(each))]
    return min(PLENTY_OF_TOKENS + _budget(request.body), *caps) if caps else PLENTY_OF_TOKENS


def _least(request: Priced) -> int:
    return min(USEFUL_TOKENS + _budget(request.body), _wanted(request))


def _budget(body: Body) -> int:
    """The tokens that are set apart for thinking: providers refuse a limit that isn't above them."""
    budget = object_in(body, "reasoning").get("max_tokens")
    return budget if isinstance(budget, int) else 0


def _finished(asked: Priced, bounded: Priced, longest: int, money: Decimal) -> Priced:
    """The request with a limit for its answer, if it needs one, and what is left of the money for its server tools."""
    fitted = bounded
    if bounded.high(longest) != bounded.high():
        # Endpoints that can't write as much as is asked for are left out, so nobody is asked for more than it can.
        caps = [cap for each in bounded.offer.terms if (cap := bounded.cap(each))]
        names = limits_of(asked.body) or ["max_tokens"]
        fitted = bounded.having(**dict.fromkeys(names, min([longest, *caps])))
    return _ended(asked, fitted, money)


def _ended(asked: Priced, fitted: Priced, money: Decimal) -> Priced:
    """The request with its server tools ended by what is left of the money, unless they are ended by less already."""
    own = asked.extras.stop_cost
    shares = [money * share for share in _SHARES] if asked.extras.tools else []
    ended = (fitted if own is not None and own <= cost else _stopped(asked, fitted, cost) for cost in shares)
    return next((each for each in ended if _fits(each, money)), fitted)


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
    """The request with a bound for what its server tools cost, USD, beside the conditions that were asked for."""
    conditions = asked.body.get("stop_server_tools_when")
    if not conditions:
        # Conditions take the place of `max_tool_calls`, which shall hold all the same.
        conditions = [{"type": "step_count_is", "step_count": asked.extras.calls}]
    with localcontext(EXACT):
        dollars = float(max(cost.quantize(_MICRO), _MICRO))
    ours = {"type": "max_cost", "max_cost_in_dollars": dollars}
    return request.having(stop_server_tools_when=[*conditions, ours])
