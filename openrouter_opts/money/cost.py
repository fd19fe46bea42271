"""What one call cost, read from the `usage` object of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any, Final, Literal

CostSource = Literal["reported", "reconciled", "estimated", "unknown"]

# The caller's own context may round: sums of money do not.
EXACT: Final = Context(prec=200)
_ROUNDING: Final = Decimal("1e-9")
"""Parts that miss their sum by less than a billionth of a dollar are its parts."""


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
    """What was billed beyond the tokens: web search, file parsing, server tools, the BYOK fee."""
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
        is_byok, charged, upstream, total = _billed(usage, "cost", details)
        prompt, completion = _first(details, _PROMPT_NAMES), _first(details, _COMPLETION_NAMES)
        fees = charged if is_byok and total is None else _fees(total, upstream, prompt, completion)
        source: CostSource = "unknown" if total is None else "reported"
        return cls(total, charged, prompt, completion, upstream, fees, is_byok, source, details)

    @classmethod
    def from_generation(cls, record: Mapping[str, Any]) -> Cost:
        """Read the cost of a generation's record (`GET /generation`); the same rule holds.

        Its upstream cost says something with your own key only: otherwise it is 0 or null.
        Source: https://openrouter.ai/docs/cookbook/administration/usage-accounting
        """
        is_byok, charged, upstream, total = _billed(record, "total_cost", record)
        return cls(
            total=total,
            charged=charged,
            upstream=upstream if is_byok else None,
            fees=charged if is_byok else None,
            is_byok=is_byok,
            source="unknown" if total is None else "reconciled",
        )


UNKNOWN_COST: Final = Cost()
CACHED: Final = Cost(total=Decimal(0), charged=Decimal(0), source="reported")
"""An answer from OpenRouter's response cache: https://openrouter.ai/docs/guides/features/response-caching#billing."""

# The second name is that of the Responses API.
_PROMPT_NAMES: Final = ("upstream_inference_prompt_cost", "upstream_inference_input_cost")
_COMPLETION_NAMES: Final = ("upstream_inference_completions_cost", "upstream_inference_output_cost")


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """Add up amounts of money, to the last digit."""
    total = Decimal(0)
    for each in amounts:
        total = EXACT.add(total, each)
    return total


def amount(value: object) -> Decimal | None:
    """Read one amount of money: `None` for what is absent, negative, not finite or not a number. A negative zero is zero.

    A JSON number arrives as a float, whose shortest `repr` is the number that stood on the wire.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        money = Decimal(value if isinstance(value, int | Decimal) else str(value))
    except InvalidOperation:
        return None
    return money.copy_abs() if money.is_finite() and money >= 0 else None


def dollars(money: Decimal) -> str:
    """Write an amount for people: to the millionth of a dollar, or two figures of what is less than that."""
    with localcontext(EXACT):
        places = max(6, 1 - money.adjusted()) if money else 0
        text = f"{money.quantize(Decimal(1).scaleb(-places)):f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"${whole}.{fraction.ljust(2, '0')}" if fraction else f"${whole}"


def _first(details: Mapping[str, Any], names: Iterable[str]) -> Decimal | None:
    return next((found for name in names if (found := amount(details.get(name))) is not None), None)


def _billed(
    row: Mapping[str, Any], key: str, details: Mapping[str, Any]
) -> tuple[bool | None, Decimal | None, Decimal | None, Decimal | None]:
    """Whether an own key was used, what was charged, what the provider asked, and what was billed in all."""
    is_byok = row.get("is_byok")
    is_byok = is_byok if isinstance(is_byok, bool) else None
    charged, upstream = amount(row.get(key)), amount(details.get("upstream_inference_cost"))
    if charged is None or is_byok is not True:
        return is_byok, charged, upstream, charged
    # Without the upstream cost: the provider bills the key's owner, and nobody has said how much.
    return is_byok, charged, upstream, None if upstream is None else EXACT.add(charged, upstream)


def _fees(
    total: Decimal | None, upstream: Decimal | None, prompt: Decimal | None, completion: Decimal | None
) -> Decimal | None:
    """What is left of the total without the tokens. A provider's own search has been seen inside the upstream cost."""
    if total is None:
        return None
    inference = upstream
    if prompt is not None and completion is not None:
        tokens = EXACT.add(prompt, completion)
        if upstream is None or abs(EXACT.subtract(upstream, tokens)) >= _ROUNDING:
            inference = tokens
    if inference is None:
        return None
    fees = EXACT.subtract(total, inference)
    return fees if fees >= 0 else None
