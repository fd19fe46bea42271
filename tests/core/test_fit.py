"""A request made to cost no more than there is: by as little as possible, never looser than the user's own, and never of no use."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts import Endpoint, Model
from openrouter_opts.catalog.rows import Override
from openrouter_opts.money.estimate import Priced
from openrouter_opts.money.fit import PLENTY_OF_TOKENS, USEFUL_TOKENS, fit
from openrouter_opts.protocol.request import encode

D = Decimal
HI = [{"role": "user", "content": "hi"}]
SEARCH = {"type": "openrouter:web_search", "parameters": {"engine": "exa"}}


def endpoint(tag: str, completion: str, most: int = 100_000, prompt: str = "1", **facts: Any) -> Endpoint:
    """Return an endpoint with prices in USD per million tokens."""
    pricing = {"prompt": D(prompt) / 10**6, "completion": D(completion) / 10**6}
    return Endpoint(tag, tag, None, 200_000, most, pricing=pricing, **facts)


CHEAP, MIDDLE, DEAR = endpoint("cheap", "1"), endpoint("middle", "4"), endpoint("dear", "100")
MODELS = {
    "a/one": Model("a/one", "One", endpoints=(MIDDLE,)),
    "a/three": Model("a/three", "Three", endpoints=(DEAR, MIDDLE, CHEAP)),
    "a/uneven": Model("a/uneven", "Uneven", endpoints=(MIDDLE, endpoint("small", "4", most=5_000))),
    "a/deaf": Model(
        "a/deaf", "Deaf", endpoints=(endpoint("deaf", "1", supported_parameters=frozenset({"seed"})),)
    ),
    "a/bare": Model(
        "a/bare",
        "Bare",
        context_length=200_000,
        max_completion_tokens=100_000,
        pricing={"prompt": D("1e-6"), "completion": D("4e-6")},
    ),
    "a/draws": Model("a/draws", "Draws", output_modalities=("image", "text"), endpoints=(DEAR, MIDDLE)),
    "a/tiered": Model(
        "a/tiered",
        "Tiered",
        endpoints=(
            endpoint(
                "tiered", "4", overrides=(Override(50_000, {"prompt": D("2.5e-6"), "completion": D("6e-6")}),)
            ),
        ),
    ),
    "a/endless": Model("a/endless", "Endless", pricing={"prompt": D("1e-6"), "completion": D("4e-6")}),
}


def asked(model: str = "a/one", **options: Any) -> Priced:
    body = {"model": model, "messages": HI, **options}
    return Priced.of(body, encode(body), MODELS.get)


def fitted(money: str, model: str = "a/one", **options: Any) -> dict[str, Any] | None:
    """Return what the request has beside its model and messages, once it is fitted."""
    request = asked(model, **options)
    found = fit(request, D(money))
    if found is None:
        return None
    high = found.high()
    assert high is not None
    assert high <= D(money)
    assert Priced.of(found.body, encode(found.body), MODELS.get).high() is not None
    return {name: value for name, value in found.body.items() if name not in ("model", "messages")}


def test_what_fits_is_left_as_it_is():
    request = asked(temperature=1)
    assert fit(request, D("0.5")) is request


# --- the limit of the answer ---


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_the_answer_gets_lower_under_its_own_name(name: str):
    found = fitted("0.2", **{name: 90_000})
    assert found is not None
    assert list(found) == [name]
    assert 49_000 < found[name] < 50_000


def test_both_names_get_lower_where_both_are_given():
    found = fitted("0.2", max_tokens=90_000, max_completion_tokens=80_000)
    assert found is not None
    assert found["max_tokens"] == found["max_completion_tokens"] < 50_000


def test_a_limit_that_is_low_enough_is_not_raised():
    assert fitted("0.2", max_tokens=40_000) == {"max_tokens": 40_000}


def test_an_answer_without_a_limit_gets_one_and_leaves_half_to_others():
    found = fitted("0.2")
    assert found is not None
    assert 24_000 < found["max_tokens"] < 25_000
    for little in ("0.018", "0.02", "0.03"):
        assert fitted(little) == {"max_tokens": PLENTY_OF_TOKENS}


def at_once(money: str, **options: Any) -> list[int]:
    """Return the limits that calls get which are all running, until there is no money left for another."""
    request, left, found = asked(**options), D(money), list[int]()
    while (one := fit(request, left, alone=not found)) is not None:
        high = one.high()
        assert high is not None
        left -= high
        found.append(one.body["max_tokens"])
    assert left >= 0
    return found


def test_calls_at_once_leave_something_to_each_other_down_to_what_is_of_use():
    found = at_once("0.2")
    assert len(found) > 12
    assert found == sorted(found, reverse=True)
    assert 24_000 < found[0] < 25_000
    assert PLENTY_OF_TOKENS in found
    assert found[-1] == USEFUL_TOKENS


def test_what_no_limit_of_tokens_makes_cheaper_gets_none_among_others_either():
    request = asked("a/draws", provider={"only": ["middle"]})
    found = fit(request, D("0.5"), alone=False)
    assert found is not None
    assert found.body == request.body


def test_calls_at_once_get_the_limit_that_they_were_given():
    *whole, rest = at_once("0.2", max_tokens=10_000)
    assert whole == [10_000] * 4
    assert 9_000 < rest < 10_000


def test_no_endpoint_is_asked_for_more_than_it_can_write():
    assert fitted("0.2", "a/uneven") == {"max_tokens": 5_000}


def test_an_endpoint_that_may_write_without_end_is_given_one():
    found = fitted("0.2", "a/endless")
    assert found is not None
    assert 24_000 < found["max_tokens"] < 25_000
    assert found["provider"] == {"max_price": {"prompt": "1.000001", "completion": "4.000004"}}


def test_a_limit_is_no_use_where_nobody_keeps_to_it():
    assert fitted("0.05", "a/deaf") is None
    assert fitted("0.05", "a/deaf", max_tokens=1000) is None


def test_an_image_is_not_cut_to_the_money():
    assert fitted("0.3", "a/draws") is None
    assert fitted("0.3", "a/draws", max_tokens=1000) is None
    assert fitted("0.3", "a/one", modalities=["image", "text"]) is None
    bounds = {"max_price": {"prompt": "1.000001", "completion": "4.000004"}}
    assert fitted("0.5", "a/draws", max_tokens=1000) == {"max_tokens": 1000, "provider": bounds}
    only_text = fitted("0.3", "a/draws", modalities=["text"])
    assert only_text is not None
    assert 30_000 < only_text["max_tokens"] < 40_000


def test_an_answer_that_would_be_of_no_use_is_none():
    assert fitted("0.0008") is None
    found = fitted("0.0013")
    assert found is not None
    assert USEFUL_TOKENS <= found["max_tokens"] < 320
    assert fitted("0.0008", max_tokens=100) == {"max_tokens": 100}
    assert fitted("0.0004", max_tokens=100) is None


def test_thinking_has_room_for_its_budget():
    thinking = {"reasoning": {"max_tokens": 2_000}}
    assert fitted("0.008", **thinking) is None
    found = fitted("0.0095", **thinking)
    assert found is not None
    assert found["max_tokens"] >= 2_000 + USEFUL_TOKENS


# --- prices ---


def test_dear_endpoints_are_left_out_rather_than_the_answer_that_was_asked_for_shortened():
    assert fitted("0.5", "a/three", max_tokens=50_000) == {
        "max_tokens": 50_000,
        "provider": {"max_price": {"prompt": "1.000001", "completion": "4.000004"}},
    }


def test_an_answer_that_nobody_limited_is_shortened_first():
    found = fitted("0.9", "a/three")
    assert found is not None
    assert list(found) == ["max_tokens"]
    assert PLENTY_OF_TOKENS <= found["max_tokens"] < 5_000


def test_then_dear_endpoints_are_left_out():
    found = fitted("0.1", "a/three")
    assert found is not None
    assert found["provider"] == {"max_price": {"prompt": "1.000001", "completion": "4.000004"}}
    assert 12_000 < found["max_tokens"] < 12_500


def test_then_the_cheapest_has_to_do_with_as_much_as_there_is():
    found = fitted("0.001", "a/three")
    assert found is not None
    assert found["provider"] == {"max_price": {"prompt": "1.000001", "completion": "1.000001"}}
    assert USEFUL_TOKENS <= found["max_tokens"] < 1_000


def test_the_users_own_preferences_stay_and_their_bounds_are_never_raised():
    own = {"sort": "price", "max_price": {"completion": 5, "prompt": "1.0", "image": 3}}
    assert fitted("0.1", "a/three", max_tokens=50_000, provider=own) == {
        "max_tokens": 50_000,
        "provider": {
            "sort": "price",
            "max_price": {"completion": "1.000001", "prompt": "1.0", "image": 3},
        },
    }


def test_where_nobody_knows_the_endpoints_the_price_is_kept_to():
    pin = {"max_price": {"prompt": "1.000001", "completion": "4.000004"}}
    assert fitted("9", "a/bare") == {"provider": pin}
    assert fitted("9", "a/bare", provider={"max_price": {"prompt": 9, "completion": 9}}) == {
        "provider": {"max_price": {"prompt": 9, "completion": 9}}
    }
    assert fitted("9", "a/one", models=["a/bare"]) == {"models": ["a/bare"], "provider": pin}


def test_a_price_that_nobody_knows_fits_nothing():
    assert fitted("9", "b/new") is None
    assert fitted("9", "a/one", models=["b/new"]) is None
    assert fitted("9", tools=[{"type": "openrouter:advisor"}]) is None


# --- server tools ---


def test_server_tools_get_what_the_answers_leave():
    found = fitted("1", tools=[SEARCH], max_tokens=1_000)
    assert found is not None
    steps, cost = found["stop_server_tools_when"]
    assert steps == {"type": "step_count_is", "step_count": 30}
    assert cost["type"] == "max_cost"
    assert 0.2 <= cost["max_cost_in_dollars"] < 1
    assert found["max_tokens"] == 1_000


def test_the_users_own_conditions_stay():
    own = [{"type": "has_tool_call", "tool_name": "x"}, {"type": "max_cost", "max_cost_in_dollars": 5}]
    found = fitted("1", tools=[SEARCH], max_tokens=1_000, stop_server_tools_when=own)
    assert found is not None
    assert found["stop_server_tools_when"][:2] == own
    assert found["stop_server_tools_when"][2]["max_cost_in_dollars"] < 1
    low = [{"type": "max_cost", "max_cost_in_dollars": 0.01}]
    assert fitted("1", tools=[SEARCH], max_tokens=1_000, stop_server_tools_when=low) == {
        "tools": [SEARCH],
        "max_tokens": 1_000,
        "stop_server_tools_when": low,
    }


def test_the_number_of_calls_that_was_asked_for_holds_beside_the_bound():
    found = fitted("0.4", tools=[SEARCH], max_tokens=1_000, max_tool_calls=7)
    assert found is not None
    assert found["stop_server_tools_when"][0] == {"type": "step_count_is", "step_count": 7}


def test_tools_that_fit_as_they_are_may_spend_all_that_is_left():
    options = {"tools": [SEARCH], "max_tokens": 100, "max_tool_calls": 1}
    ends = [
        {"type": "step_count_is", "step_count": 1},
        {"type": "max_cost", "max_cost_in_dollars": 1.0},
    ]
    assert fitted("1", **options) == {**options, "stop_server_tools_when": ends}
    low = {**options, "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 0.3}]}
    assert fitted("1", **low) == low


@pytest.mark.parametrize("money", ["0.5", "0.7", "1", "2", "5", "10", "50"])
def test_server_tools_have_their_part_of_the_money_beside_an_answer_that_nobody_limited(money: str):
    found = fitted(money, tools=[SEARCH])
    assert found is not None
    assert found.get("max_tokens", 100_000) >= PLENTY_OF_TOKENS
    assert found["stop_server_tools_when"][-1]["max_cost_in_dollars"] >= float(money) / 12.1


def test_server_tools_are_ended_after_their_first_calls_before_the_answer_gets_shorter():
    found = fitted("0.21", tools=[SEARCH], max_tokens=1_000)
    assert found is not None
    assert found["max_tokens"] == 1_000
    assert found["stop_server_tools_when"][-1]["max_cost_in_dollars"] < 0.01
    less = fitted("0.21", tools=[SEARCH], max_tokens=4_000)
    assert less is not None
    assert USEFUL_TOKENS < less["max_tokens"] < 4_000
    assert less["stop_server_tools_when"][-1]["max_cost_in_dollars"] < 0.001


def test_tools_that_nothing_would_end_are_ended_by_the_money():
    own = [{"type": "has_tool_call", "tool_name": "x"}]
    found = fitted("1", tools=[SEARCH], max_tokens=1_000, stop_server_tools_when=own)
    assert found is not None
    assert found["stop_server_tools_when"][0] == own[0]
    assert found["stop_server_tools_when"][1]["max_cost_in_dollars"] > 0.2


# --- more money ---

FREE_TOOL = {"type": "openrouter:datetime"}
AMOUNTS = [D("0.0005") * D("1.22") ** power for power in range(56)]
"""USD: from less than any answer costs to more than any costs, and each a little more than the one before."""


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_tokens": 20_000},
        {"n": 3},
        {"reasoning": {"max_tokens": 2_000}},
        {"tools": [SEARCH]},
        {"tools": [SEARCH], "max_tokens": 20_000},
        {"tools": [FREE_TOOL]},
        *({"tools": [SEARCH], "max_tool_calls": calls} for calls in (1, 2, 4, 8)),
        {"tools": [SEARCH], "stop_server_tools_when": [{"type": "max_cost", "max_cost_in_dollars": 0.2}]},
        {"tools": [SEARCH], "stop_server_tools_when": [{"type": "has_tool_call", "tool_name": "x"}]},
        {"plugins": [{"id": "web", "engine": "exa"}]},
    ],
)
@pytest.mark.parametrize("model", ["a/one", "a/three", "a/uneven", "a/bare", "a/endless", "a/tiered"])
def test_more_money_never_makes_for_a_shorter_answer(model: str, options: Any, alone: bool):
    request = asked(model, **options)
    longest: dict[str, float] = {}
    for money in AMOUNTS:
        found = fit(request, money, alone=alone)
        if found is None:
            assert not longest
            continue
        served_by = str(found.body.get("provider"))
        length = found.body.get("max_tokens", math.inf)
        assert length >= longest.get(served_by, 0), money
        longest[served_by] = length
    assert len(longest) >= (model == "a/three") + 1


@given(
    less=st.decimals("0.001", 20, places=8),
    more=st.decimals("0.00000001", 1, places=8),
    calls=st.none() | st.integers(1, 30),
    model=st.sampled_from(["a/one", "a/tiered"]),
    alone=st.booleans(),
)
def test_the_least_more_of_money_never_makes_for_a_shorter_answer(
    less: Decimal, more: Decimal, calls: int | None, model: str, alone: bool
):
    request = asked(model, tools=[SEARCH], **({} if calls is None else {"max_tool_calls": calls}))
    poor, rich = fit(request, less, alone=alone), fit(request, less + more, alone=alone)
    if poor is not None:
        assert rich is not None
        assert rich.body.get("max_tokens", math.inf) >= poor.body.get("max_tokens", math.inf)


def test_more_money_never_leaves_less_to_server_tools_either():
    request = asked(tools=[SEARCH])
    found = [each.body for money in AMOUNTS if (each := fit(request, money)) is not None]
    plenty = [each for each in found if each.get("max_tokens", math.inf) >= PLENTY_OF_TOKENS]
    costs = [each["stop_server_tools_when"][-1]["max_cost_in_dollars"] for each in plenty]
    assert len(costs) > 20
    assert costs == sorted(costs)


# --- whatever is asked ---


@given(
    model=st.sampled_from(sorted(MODELS)),
    fallback=st.sampled_from([*sorted(MODELS), None]),
    money=st.decimals("0.0001", 2, places=4),
    limit=st.none() | st.integers(1, 200_000),
    bound=st.none() | st.integers(1, 200),
    tools=st.booleans(),
    alone=st.booleans(),
)
def test_what_is_fitted_fits_and_nothing_got_looser(
    model: str,
    fallback: str | None,
    money: Decimal,
    limit: int | None,
    bound: int | None,
    tools: bool,
    alone: bool,
):
    options: dict[str, Any] = {} if fallback is None else {"models": [fallback]}
    if limit is not None:
        options["max_tokens"] = limit
    if bound is not None:
        options["provider"] = {"max_price": {"completion": bound}}
    if tools:
        options["tools"] = [SEARCH]
    request = asked(model, **options)
    found = fit(request, money, alone=alone)
    if found is None:
        return
    again = Priced.of(found.body, encode(request.body), MODELS.get)
    high = again.high()
    assert high is not None
    assert high <= money
    assert again.offer.terms
    if limit is not None:
        assert found.body["max_tokens"] <= limit
    if bound is not None:
        assert D(str(found.body["provider"]["max_price"]["completion"])) <= bound
