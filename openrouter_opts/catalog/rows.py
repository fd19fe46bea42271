"""Reading JSON that the API may change: a value of another kind than expected is as good as none."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_NO_PRICES: Final = frozenset({"discount", "overrides"})  # they are in `pricing`, and are not prices


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
        if name not in _NO_PRICES and (price := _price(value)) is not None
    }
    return prices or None


def lowest_prices_in(row: Mapping[str, Any]) -> Mapping[str, Decimal] | None:
    """The prices under ``pricing`` at the tier and hour when each is lowest, in USD."""
    prices = dict(prices_in(row) or {})
    overrides = object_in(row, "pricing").get("overrides")
    for override in overrides if isinstance(overrides, list) else ():
        for name, price in (prices_in({"pricing": override}) or {}).items():
            if name in prices:
                prices[name] = min(prices[name], price)
    return prices or None


def _price(value: Any) -> Decimal | None:
    """A price, or None: routers have ``"-1"``, since the price is that of the model they choose."""
    if not isinstance(value, str | int | float):
        return None
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price >= 0 else None
