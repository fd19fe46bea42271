"""Reading JSON that the API may change: a value of another kind than expected is as good as none."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

_NO_PRICES: Final = frozenset({"discount", "overrides"})  # they are in `pricing`, and are not prices
_CONDITIONS: Final = frozenset({"min_prompt_tokens", "utc_start", "utc_end", "utc_days"})


class Override(NamedTuple):
    """Prices that take the place of others, from so many prompt tokens on, or at some hours.

    Attributes:
        above: prompt tokens that have to be exceeded.
        pricing: the prices, USD.
    """

    above: int
    pricing: Mapping[str, Decimal]


def object_in(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under ``key``, or an empty one."""
    value = row.get(key)
    return value if isinstance(value, Mapping) else {}


def text_in(row: Mapping[str, Any], key: str) -> str | None:
    """The text under ``key``."""
    value = row.get(key)
    return value if isinstance(value, str) else None


def names_in(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The list of texts under ``key``, or an empty one."""
    value = row.get(key)
    return tuple(value) if isinstance(value, list | tuple) and set(map(type, value)) <= {str} else ()


def count_in(row: Mapping[str, Any], key: str) -> int | None:
    """A number of tokens; zero is how some rows say that there is none to speak of."""
    value = row.get(key)
    return value if isinstance(value, int) and value > 0 else None


def prices_in(row: Mapping[str, Any]) -> Mapping[str, Decimal] | None:
    """The prices under ``pricing``, in USD."""
    prices = {
        name: price
        for name, value in object_in(row, "pricing").items()
        if name not in _NO_PRICES | _CONDITIONS and (price := _price(value)) is not None
    }
    return prices or None


def overrides_in(row: Mapping[str, Any]) -> tuple[Override, ...]:
    """The overrides under ``pricing``; their hours and days are left out."""
    rows = object_in(row, "pricing").get("overrides")
    return tuple(
        Override(count_in(each, "min_prompt_tokens") or 0, prices)
        for each in (rows if isinstance(rows, list) else ())
        if isinstance(each, Mapping) and (prices := prices_in({"pricing": each}))
    )


def lowest_prices_in(row: Mapping[str, Any]) -> Mapping[str, Decimal] | None:
    """The prices under ``pricing`` at the tier and hour when each is lowest, in USD."""
    prices = dict(prices_in(row) or {})
    for override in overrides_in(row):
        for name, price in override.pricing.items():
            if name in prices:
                prices[name] = min(prices[name], price)
    return prices or None


def highest(
    prices: Mapping[str, Decimal] | None, overrides: tuple[Override, ...], prompt_tokens: int | None
) -> Mapping[str, Decimal] | None:
    """The prices at the hour when each is highest, for a prompt of so many tokens at most, or of any length."""
    if not overrides or prices is None:
        return prices
    dearest = dict(prices)
    for override in overrides:
        if prompt_tokens is None or prompt_tokens > override.above:
            for name, price in override.pricing.items():
                dearest[name] = max(dearest.get(name, price), price)
    return dearest


def _price(value: Any) -> Decimal | None:
    """A price, or None: routers have ``"-1"``, since the price is that of the model they choose."""
    if not isinstance(value, str | int | float):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price >= 0 else None
