"""What one call cost, read from the `usage` object of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

CostSource = Literal["reported", "reconciled", "estimated", "unknown"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one generation cost, in USD (an OpenRouter credit is one US dollar).

    Every amount is an exact `Decimal`, or `None` where nobody said it: unknown is not zero.
    """

    total: Decimal | None = None
    """All that was billed: what OpenRouter charged and, with your own provider key (BYOK), the provider's bill."""
    charged: Decimal | None = None
    """What left the OpenRouter account: `usage.cost`. With BYOK that is OpenRouter's fee alone."""
    prompt: Decimal | None = None
    """The provider's price of the prompt."""
    completion: Decimal | None = None
    """The provider's price of the completion."""
    upstream: Decimal | None = None
    """The provider's price of the inference, prompt and completion together."""
    fees: Decimal | None = None
    """What OpenRouter charged beyond the inference: web search, file parsing, server tools, the BYOK fee."""
    is_byok: bool | None = None
    """Whether your own provider key paid for the inference; `None` when the answer does not say."""
    source: CostSource = "unknown"
    """Where the total comes from."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """`usage.cost_details` as it came."""

    @classmethod
    def from_usage(cls, usage: Mapping[str, Any]) -> Cost:
        """Read the cost of a `usage` object.

        Billed total = `usage.cost`, plus `cost_details.upstream_inference_cost` if `is_byok` is true: without BYOK the
        upstream cost is a part of `cost`, not beside it.
        Source: https://openrouter.ai/docs/cookbook/administration/usage-accounting
        """
        details = usage.get("cost_details")
        details = details if isinstance(details, Mapping) else {}
        is_byok = usage.get("is_byok")
        is_byok = is_byok if isinstance(is_byok, bool) else None
        charged = amount(usage.get("cost"))
        upstream = amount(details.get("upstream_inference_cost"))
        total = _total(charged, upstream, is_byok=is_byok)
        return cls(
            total=total,
            charged=charged,
            prompt=amount(details.get("upstream_inference_prompt_cost")),
            completion=amount(details.get("upstream_inference_completions_cost")),
            upstream=upstream,
            fees=_fees(charged, upstream, is_byok=is_byok),
            is_byok=is_byok,
            source="unknown" if total is None else "reported",
            details=details,
        )


UNKNOWN_COST = Cost()


def amount(value: object) -> Decimal | None:
    """Read one amount of money: `None` for what is absent, negative, not finite or not a number.

    A JSON number arrives as a float, whose shortest `repr` is the number that stood on the wire.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        money = Decimal(value if isinstance(value, int | Decimal) else str(value))
    except InvalidOperation:
        return None
    return money if money.is_finite() and money >= 0 else None


def _total(charged: Decimal | None, upstream: Decimal | None, *, is_byok: bool | None) -> Decimal | None:
    if charged is None or is_byok is not True:
        return charged
    # The provider bills the key's owner, and has not said how much.
    return None if upstream is None else charged + upstream


def _fees(charged: Decimal | None, upstream: Decimal | None, *, is_byok: bool | None) -> Decimal | None:
    if charged is None:
        return None
    if is_byok is True:
        return charged
    return charged - upstream if upstream is not None and charged >= upstream else None
