"""A request as it would be sent, read with caution: what is of another kind than expected is as good as none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]


def models_of(body: Body) -> tuple[str, ...]:
    """Return the models that a request names, in the order in which they are tried."""
    model = body.get("model")
    named = (model, *names_in(body, "models")) if isinstance(model, str) else names_in(body, "models")
    return tuple(dict.fromkeys(named))


def has_preset(body: Body) -> bool:
    """Tell whether a preset is used, which may say what the request doesn't."""
    return bool(body.get("preset")) or any("@preset/" in name for name in models_of(body))


def provider_of(body: Body) -> Body:
    """Return the routing preferences."""
    return object_in(body, "provider")


def object_in(body: Body, key: str) -> Body:
    """Return the object under a key, or an empty one."""
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def names_in(body: Body, key: str) -> tuple[str, ...]:
    """Return the strings in the list under a key."""
    value = body.get(key)
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else ()


def number_in(value: Any) -> Decimal | None:
    """Return a bound, which may be written as a string; None for what is no number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return None if number.is_nan() else number


def listed(names: Iterable[str]) -> str:
    """Write each name once, in their order; many are cut short."""
    distinct = list(dict.fromkeys(names))
    shown = ", ".join(distinct[:6])
    return shown if len(distinct) <= 6 else f"{shown} and {len(distinct) - 6} more"
