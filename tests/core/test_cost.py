"""What a call cost, to the last digit, or honestly unknown."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest

from openrouter_opts.money.cost import UNKNOWN_COST, Cost, amount, total_of
from openrouter_opts.protocol.decode import completion

D = Decimal


def usage(
    cost: object,
    upstream: object = None,
    *,
    byok: bool | None = None,
    prompt: object = None,
    out: object = None,
) -> dict[str, Any]:
    details = {
        "upstream_inference_cost": upstream,
        "upstream_inference_prompt_cost": prompt,
        "upstream_inference_completions_cost": out,
    }
    body: dict[str, Any] = {"cost": cost, "cost_details": details}
    return body if byok is None else {**body, "is_byok": byok}


# Recorded answers of OpenRouter: what was billed, and the part of it that is OpenRouter's own.
RECORDED = [
    pytest.param(usage(0.00014, 0.00014, byok=False), D("0.00014"), D(0), id="2026"),
    pytest.param(usage(0.00014, None, byok=False), D("0.00014"), None, id="2025: upstream null"),
    pytest.param(usage(0, 0.0003253, byok=True), D("0.0003253"), D(0), id="own key, no fee"),
    pytest.param(
        usage(0.0000163, 0.0003253, byok=True), D("0.0003416"), D("0.0000163"), id="own key and a fee"
    ),
    pytest.param(usage(0.01606, 0.000176), D("0.01606"), D("0.015884"), id="advisor: no is_byok"),
    pytest.param(usage(0.007637, 0.000637), D("0.007637"), D("0.007"), id="search: no is_byok"),
    pytest.param(
        usage(0.0052, 0.0052, byok=False, prompt=0.0001, out=0.0001),
        D("0.0052"),
        D("0.0050"),
        id="search in upstream",
    ),
    pytest.param(usage(0.00216775, 0.00016775, byok=False), D("0.00216775"), D("0.002"), id="a parsed file"),
    pytest.param(usage(0, 0, byok=False), D(0), D(0), id="free"),
    pytest.param({"cost": 0.1}, D("0.1"), None, id="cost alone"),
    pytest.param({"cost": 0}, D(0), None, id="an int 0"),
    pytest.param({"cost": "0.00014"}, D("0.00014"), None, id="a string"),
    pytest.param(
        usage(0.0033789, 0.0033789, byok=False, prompt=0.0031281, out=0.0002508),
        D("0.0033789"),
        D(0),
        id="2026, with its parts",
    ),
    pytest.param(
        usage(0.0000163, 0.0003253, byok=True, prompt=0.0003, out=0.0000253),
        D("0.0003416"),
        D("0.0000163"),
        id="own key, a fee, and the parts",
    ),
    pytest.param(
        usage(0.3, 0.30000000000000004, byok=False, prompt=0.1, out=0.2),
        D("0.3"),
        None,
        id="an upstream cost above all that was billed",
    ),
    pytest.param(
        usage(0.30000000000000004, 0.30000000000000004, byok=False, prompt=0.1, out=0.2),
        D("0.30000000000000004"),
        D(0),
        id="parts that miss their sum by a float's rounding",
    ),
    pytest.param(
        {
            "cost": 0.0005,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": None,
                "upstream_inference_input_cost": 0.0003,
                "upstream_inference_output_cost": 0.0001,
            },
        },
        D("0.0005"),
        D("0.0001"),
        id="the names of the Responses API",
    ),
]


@pytest.mark.parametrize(("raw", "total", "fees"), RECORDED)
def test_what_recorded_answers_cost(raw: dict[str, Any], total: Decimal, fees: Decimal | None):
    cost = Cost.from_usage(raw)
    assert (cost.total, cost.fees, cost.source) == (total, fees, "reported")
    assert cost.charged == amount(raw["cost"])


def test_the_parts_are_kept():
    raw = usage(0.0003, 0.0003, byok=False, prompt=0.0001, out=0.0002)
    cost = Cost.from_usage(raw)
    assert (cost.prompt, cost.completion, cost.upstream, cost.is_byok) == (
        D("0.0001"),
        D("0.0002"),
        D("0.0003"),
        False,
    )
    assert cost.details is raw["cost_details"]


def test_the_names_of_the_responses_api_are_read_too():
    details = {"upstream_inference_input_cost": 0.0003, "upstream_inference_output_cost": 0}
    cost = Cost.from_usage({"cost": 0.0003, "cost_details": details})
    assert (cost.prompt, cost.completion) == (D("0.0003"), 0)


# Records of `GET /generation`: what was billed in all, and beyond the tokens.
GENERATIONS = [
    pytest.param({"total_cost": 0.0015, "is_byok": False}, D("0.0015"), None, id="plain"),
    pytest.param(
        {"total_cost": 0.0015, "is_byok": False, "upstream_inference_cost": 0}, D("0.0015"), None, id="zero"
    ),
    pytest.param(
        {"total_cost": 0.0001, "is_byok": True, "upstream_inference_cost": 0.002},
        D("0.0021"),
        D("0.0001"),
        id="own key",
    ),
    pytest.param(
        {"total_cost": 0, "is_byok": True, "upstream_inference_cost": None}, None, D(0), id="unsaid"
    ),
    pytest.param({"total_cost": None, "usage": 0.0015, "is_byok": False}, None, None, id="not yet"),
]


@pytest.mark.parametrize(("record", "total", "fees"), GENERATIONS)
def test_what_a_generation_cost(record: dict[str, Any], total: Decimal | None, fees: Decimal | None):
    cost = Cost.from_generation(record)
    assert (cost.total, cost.fees) == (total, fees)
    assert cost.source == ("unknown" if total is None else "reconciled")
    assert (cost.upstream is None) is not (record.get("is_byok") and total is not None)


HIT = {"x-openrouter-cache-status": "HIT"}


@pytest.mark.parametrize(
    "said", [None, {}, {"prompt_tokens": 0, "total_tokens": 0}, {"cost": None}, {"cost": 0}]
)
def test_an_answer_from_the_response_cache_costs_nothing(said: dict[str, Any] | None):
    answer = completion({"usage": said}, headers=HIT)
    assert (answer.cost.total, answer.cost.source) == (0, "reported")
    missed = completion({"usage": said}, headers={"x-openrouter-cache-status": "MISS"})
    assert (missed.cost.total == 0) is bool(said and said.get("cost") == 0)


@pytest.mark.parametrize("precision", [3, 28])
def test_sums_are_exact_whatever_the_precision_of_the_caller(precision: int):
    with localcontext(prec=precision):
        assert total_of([D("1000000.000000000001")] * 3) == D("3000000.000000000003")
        paid = Cost.from_usage(usage(1000000.25, 0.000000000001, byok=True))
    assert str(paid.total) == "1000000.250000000001"


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"cost": None},
        {"cost": "soon"},
        {"cost": -0.1},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"cost": True},
        {"cost": {}},
        {"cost_details": {"upstream_inference_cost": 0.1}},
        usage(None, 0.1, byok=True),
    ],
)
def test_a_cost_that_nobody_said_is_unknown(raw: dict[str, Any]):
    cost = Cost.from_usage(raw)
    assert (cost.total, cost.source) == (None, "unknown")


def test_with_an_own_key_the_total_is_unknown_until_the_provider_says_its_part():
    cost = Cost.from_usage(usage(0.001, None, byok=True))
    assert (cost.total, cost.charged, cost.fees, cost.source) == (None, D("0.001"), D("0.001"), "unknown")


def test_free_is_not_unknown():
    assert Cost.from_usage({"cost": 0}).total == 0
    assert UNKNOWN_COST.total is None


@pytest.mark.parametrize(
    ("value", "money"),
    [
        (0.1, "0.1"),
        (1e-7, "1E-7"),
        (1.5e-06, "0.0000015"),
        (3, "3"),
        ("0.30", "0.30"),
        (D("0.123456789012345678"), "0.123456789012345678"),
        (0.1 + 0.2, "0.30000000000000004"),
        (0.0, "0.0"),
    ],
)
def test_amounts_are_what_stood_on_the_wire(value: object, money: str):
    assert amount(value) == D(money)


@pytest.mark.parametrize("value", [-0.0, "-0", D("-0.00")])
def test_a_negative_zero_is_zero(value: object):
    money = amount(value)
    assert money == 0
    assert not money.is_signed()


@pytest.mark.parametrize("details", [None, [], "x", 5])
def test_details_that_are_none_do_no_harm(details: object):
    cost = Cost.from_usage({"cost": 0.1, "cost_details": details, "is_byok": "yes"})
    assert (cost.total, cost.details, cost.is_byok) == (D("0.1"), {}, None)
