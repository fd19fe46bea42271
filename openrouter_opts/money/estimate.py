"""What a request may cost, by what is known of its models, before it is sent. Pure: no network, no state.

The highest figure is a bound where endpoints are known: the dearest one that the options leave, a prompt of as many tokens as it has bytes,
an answer as long as it may get, every tool used as often as it may be. The lowest one is what the cheapest endpoint asks for a short answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from functools import cached_property
from typing import Any, Final

from openrouter_opts.lint.body import Body, listed
from openrouter_opts.lint.endpoints import limits_of
from openrouter_opts.money.cost import EXACT, dollars
from openrouter_opts.money.fees import Extras, Fee, ends_of, extras_of
from openrouter_opts.money.prompt import PromptSize, prompt_size
from openrouter_opts.money.terms import Facts, Offer, Terms, offer_of

_NOTHING: Final = Decimal(0)
_SMALLEST: Final = Decimal("1e-12")
"""USD; figures of estimates have no further places."""
_AT_ONCE: Final = 4
"""Server tool calls that are reckoned with between two looks at what they have cost."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request may cost, in USD.

    Attributes:
        low: what it costs at least, if the prompt isn't cached for free; None where a price isn't known.
        high: what it costs at most; None where nothing bounds it, or a price isn't known. Unknown is never zero. Where only the listed
            price of a model is known, and not what each of its endpoints asks, it is reckoned with that price, and `is_bound` is False.
        prompt_tokens: at least, and at most; None for as many as a model takes.
        completion_tokens: at most; None where nobody says.
        assumptions: what the figures rest on, in words.
        is_bound: whether it can't cost more than `high`.

    With a provider key of your own the provider's bill is counted too, and OpenRouter's fee for using it, which depends on your account,
    is not in here.
    """

    low: Decimal | None
    high: Decimal | None
    prompt_tokens: tuple[int, int | None] = (0, None)
    completion_tokens: int | None = None
    assumptions: tuple[str, ...] = ()
    is_bound: bool = True

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return "; ".join(("unknown", *self.assumptions))
        more = "" if self.is_bound else ", or more"
        return "; ".join((f"{dollars(self.low)} to {dollars(self.high)}{more}", *self.assumptions))


@dataclass(frozen=True)
class Priced:
    """A request with everything about it that money depends on.

    Attributes:
        body: as it would be sent.
        size: of its prompt.
        extras: its plugins and server tools.
        offer: who may serve it, and at what price.
        facts: what is known of models.
    """

    body: Body
    size: PromptSize
    extras: Extras
    offer: Offer
    facts: Facts

    @classmethod
    def of(cls, body: Body, written: bytes, facts: Facts) -> Priced:
        """Read a request: as an object, and as it would be written."""
        size, extras = prompt_size(body, written), extras_of(body)
        return cls(body, size, extras, offer_of(body, facts, size, extras), facts)

    def having(self, **options: Any) -> Priced:
        """The same request with other routing preferences, or with another limit of its answer."""
        body = {**self.body, **options}
        return replace(self, body=body, offer=offer_of(body, self.facts, self.size, self.extras))

    def ending(self, conditions: list[Any]) -> Priced:
        """The same request with other ends of its server tools."""
        body = {**self.body, "stop_server_tools_when": conditions}
        calls, stop_cost = ends_of(body)
        return replace(self, body=body, extras=replace(self.extras, calls=calls, stop_cost=stop_cost))

    @property
    def is_conversation(self) -> bool:
        """Whether it is answered in tokens: requests for embeddings and ranks are not."""
        return "messages" in self.body

    @cached_property
    def limit(self) -> int | None:
        """The tokens that the answer may have, if the request says so."""
        return min((limit for limit in limits_of(self.body).values() if limit > 0), default=None)

    @cached_property
    def answers(self) -> int:
        """How many answers are asked for; each is paid."""
        n = self.body.get("n")
        return n if isinstance(n, int) and n > 1 else 1

    @cached_property
    def predicted(self) -> int:
        """Tokens of the predicted text, which are paid where the model rejects them."""
        prediction = self.body.get("prediction")
        return len(str(prediction.get("content")).encode()) if isinstance(prediction, dict) else 0

    def unknown(self, limit: int | None = None) -> Iterator[str]:
        """What stands in the way of a bound, in words; with another limit of the answer's tokens, if one is given."""
        if self.offer.unpriced:
            yield f"the price of {listed(self.offer.unpriced)} isn't known"
        for name, why in self.offer.unbounded.items():
            yield f"what {name} asks at most isn't known: {why}"
        yield from self._endless(limit)

    def _endless(self, limit: int | None) -> Iterator[str]:
        """What else than prices stands in the way."""
        extras, terms = self.extras, self.offer.terms
        if extras.unpriced:
            yield f"what {listed(extras.unpriced)} costs isn't published"
        elif extras.calls is None and extras.stop_cost is None:
            yield "nothing ends the server tools: stop_server_tools_when has neither step_count_is nor max_cost"
        endless = [each for each in terms if each.completion and self.cap(each, limit) is None]
        if endless:
            remedy = "; set max_tokens" if all(each.is_limited for each in endless) else ""
            yield f"how much {listed(each.model for each in endless)} writes at most isn't known{remedy}"
        windowless = [each.model for each in terms if each.prompt and each.window is None]
        if windowless and self.size.high is None:
            yield f"how long a prompt {listed(windowless)} takes isn't known"

    def cap(self, terms: Terms, limit: int | None = None) -> int | None:
        """The most tokens that an endpoint writes: by the limit given here, or else the request's own, or else by itself."""
        if not self.is_conversation:
            return 0
        limit = self.limit if limit is None else limit
        if limit is None or not terms.is_limited:
            return terms.most
        return limit if terms.most is None else min(limit, terms.most)

    def high(self, limit: int | None = None) -> Decimal | None:
        """The bound, with another limit of the answer's tokens, if one is given; None where there is none."""
        return None if any(self.unknown(limit)) else self._dearest(limit)

    def at_listed_prices(self) -> Decimal | None:
        """The same, if no endpoint asks for more than the listed price of its model."""
        return None if self.offer.unpriced or any(self._endless(None)) else self._dearest(None)

    def _dearest(self, limit: int | None) -> Decimal:
        with localcontext(EXACT):
            highest = max((_most(self, each, limit) for each in self.offer.terms), default=_NOTHING)
            return highest.quantize(_SMALLEST, ROUND_CEILING)

    def low(self) -> Decimal | None:
        """The least that it costs; None where a price isn't known."""
        if self.offer.unpriced:
            return None
        with localcontext(EXACT):
            lowest = min(
                self.size.low * each.cheapest_prompt + each.completion + each.request
                for each in self.offer.terms
            )
            fees = sum((fee.low for fee in self.extras.always), _NOTHING)
            return (lowest + fees).quantize(_SMALLEST, ROUND_FLOOR)

    def assumptions(self) -> Iterator[str]:
        """What the bounds rest on, in words."""
        yield from self.unknown()
        size, terms = self.size, self.offer.terms
        most = "as many as the model takes" if size.high is None else f"{size.high:,}"
        yield f"the prompt has {size.low:,} to {most} tokens"
        caps = {cap for each in terms if (cap := self.cap(each)) is not None}
        if caps and self.is_conversation:
            why = "as the request says" if self.limit in caps else "the most that the model writes"
            yield f"the answer has {max(caps):,} tokens at most, {why}"
        unlimited = dict.fromkeys(each.model for each in terms if not each.is_limited)
        if unlimited and self.limit:
            yield f"{listed(unlimited)} may write more than max_tokens: it makes images, or an endpoint doesn't take a limit"
        for model in dict.fromkeys(each.model for each in terms):
            yield self._served(model)
        plugins = max((_always(self.extras, each) for each in terms), default=_NOTHING)
        if plugins:
            yield f"plugins cost {dollars(plugins)} at most"
        if self.extras.tools:
            calls = self.extras.calls
            yield f"server tools are called {'until the money is spent' if calls is None else f'{calls} times at most'}"

    def _served(self, model: str) -> str:
        terms = [each for each in self.offer.terms if each.model == model]
        return {
            "endpoint": f"{model} is served by {listed(each.tag for each in terms)}",
            "model": f"{model} is served at the price of the catalogue",
            "listed": f"{model} is served at its listed price",
            "max_price": f"{model} is served at the bounds of provider.max_price",
            "free": f"{model} is free",
        }[terms[0].source]


def estimate(body: Body, written: bytes, facts: Facts) -> Estimate:
    """Return what a request may cost.

    Args:
        body: The request as it would be sent.
        written: The same, as JSON.
        facts: What is known of the models that it names.
    """
    request = Priced.of(body, written, facts)
    caps = [request.cap(each) for each in request.offer.terms]
    return Estimate(
        low=request.low(),
        high=request.at_listed_prices(),
        prompt_tokens=(request.size.low, request.size.high),
        completion_tokens=None if not caps or None in caps else max(cap or 0 for cap in caps),
        assumptions=tuple(request.assumptions()),
        is_bound=request.high() is not None,
    )


# --- the bound ---


def _most(request: Priced, terms: Terms, limit: int | None) -> Decimal:
    """What an endpoint charges at most. Tools are paid, and each of their calls has the whole prompt read again."""
    extras, cap = request.extras, request.cap(terms, limit) or 0
    once = _always(extras, terms)
    added = sum(_text(fee, terms) for fee in extras.always)
    if not extras.tools:
        return once + _turn(request, terms, added, cap)
    call = max(_fee(fee, terms) for fee in extras.tools)
    text = max(fee.text for fee in extras.tools)
    bounds: list[Decimal] = []
    if extras.calls is not None:
        calls = extras.calls
        fees = _fees(extras, calls, terms)
        bounds.append(fees + (calls + 1) * _turn(request, terms, added + calls * (text + cap), cap))
    if extras.stop_cost is not None:
        # The turn that goes beyond it, its calls, and one last turn; the prompt has grown by no more than what was paid for, at the
        # lowest price, and is read again at the highest.
        lowest = terms.base.get("prompt", _NOTHING)
        grown = int(extras.stop_cost / lowest) + 1 if lowest else terms.window or 0
        last = _turn(request, terms, added + grown + 2 * (_AT_ONCE * text + cap), cap)
        bounds.append(extras.stop_cost + _AT_ONCE * call + 2 * last)
    return once + min(bounds)


def _always(extras: Extras, terms: Terms) -> Decimal:
    """What every request pays beside the tokens."""
    with localcontext(EXACT):
        return sum((_fee(fee, terms) for fee in extras.always), _NOTHING)


def _turn(request: Priced, terms: Terms, added: int, cap: int) -> Decimal:
    """One time that the model reads and writes."""
    size = request.size
    window = terms.window and terms.window * size.prompts
    tokens = window if size.high is None else size.high + added
    tokens = min(tokens or 0, window or tokens or 0)
    return (
        tokens * terms.prompt
        + (cap * request.answers + request.predicted) * terms.completion
        + size.images * terms.image
        + terms.request
    )


def _fees(extras: Extras, calls: int, terms: Terms) -> Decimal:
    """What so many calls cost, the dearest tool first, each as often as it may be used."""
    total, left = _NOTHING, calls
    for fee in sorted(extras.tools, key=lambda fee: _fee(fee, terms), reverse=True):
        uses = left if fee.uses is None else min(fee.uses, left)
        total, left = total + uses * _fee(fee, terms), left - uses
    return total


def _fee(fee: Fee, terms: Terms) -> Decimal:
    return fee.high if terms.search is None else max(fee.high, fee.native * terms.search)


def _text(fee: Fee, terms: Terms) -> int:
    return fee.text if terms.search is None else fee.text * max(fee.native, 1)
