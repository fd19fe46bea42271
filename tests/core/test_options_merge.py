"""Options of client, model and call are laid over one another; the caller's values stay as they are."""

from __future__ import annotations

import copy
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrouter_opts.options import OPTIONS, ProviderOptions, deprecated
from tests.option_examples import EXAMPLES


@pytest.fixture(autouse=True)
def already_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {*OPTIONS, "the plugin web", "the suffix :online"}
    monkeypatch.setattr(deprecated, "_warned", every)


def test_later_layers_win_and_mappings_merge_deeply():
    client = ProviderOptions.of(temperature=0.1, provider={"order": ["a"], "max_price": {"prompt": 1}})
    model = ProviderOptions.of(provider={"order": ["b"]}, metadata={"team": "search"})
    call = ProviderOptions.of(max_price={"completion": 2}, metadata={"user": "u"})
    assert client.merged(model, call).body == {
        "temperature": 0.1,
        "provider": {"order": ["b"], "max_price": {"prompt": 1, "completion": 2}},
        "metadata": {"team": "search", "user": "u"},
    }


def test_merging_leaves_the_layers_as_they_are():
    lower = ProviderOptions.of(provider={"max_price": {"prompt": 1}})
    upper = ProviderOptions.of(provider={"max_price": {"completion": 2}}, seed=7)
    assert lower.merged(upper).given == {"provider": {"max_price": {"prompt": 1, "completion": 2}}, "seed": 7}
    assert lower.given == lower.body == {"provider": {"max_price": {"prompt": 1}}}
    assert upper.given == upper.body == {"provider": {"max_price": {"completion": 2}}, "seed": 7}


def test_none_takes_away_what_a_lower_layer_set():
    lower = ProviderOptions.of(temperature=0.1, seed=7)
    assert lower.merged(ProviderOptions.of(temperature=None)).body == {"seed": 7}
    assert (
        ProviderOptions.of(temperature=0.1, extra_headers={"X-A": "1"})
        .merged(ProviderOptions.of(extra_headers={"X-A": None}))
        .headers
        == {}
    )


@pytest.mark.parametrize(
    ("lower", "upper", "together"),
    [
        (
            {"reasoning_effort": "low"},
            {"reasoning": {"max_tokens": 2000}},
            {"reasoning": {"max_tokens": 2000}},
        ),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        (
            {"reasoning": {"effort": "low", "exclude": True}},
            {"reasoning": {"max_tokens": 2000}},
            {"reasoning": {"exclude": True, "max_tokens": 2000}},
        ),
        ({"max_completion_tokens": 10}, {"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 10}, {"max_completion_tokens": 5}, {"max_completion_tokens": 5}),
        ({"sort": {"partition": "model"}}, {"route": "sort"}, {"provider": {"sort": {"partition": "none"}}}),
        ({"reasoning": {"exclude": False}}, {"include_reasoning": False}, {"reasoning": {"exclude": True}}),
        (
            {"reasoning": {"enabled": True}},
            {"reasoning_effort": "low"},
            {"reasoning": {"enabled": True}, "reasoning_effort": "low"},
        ),
    ],
)
def test_later_layer_wins_over_the_same_thing_said_differently(lower, upper, together):
    assert ProviderOptions.of(lower).merged(ProviderOptions.of(upper)).body == together


def test_nothing_over_something_is_that_thing():
    options = ProviderOptions.of(seed=7)
    assert options.merged(ProviderOptions.of({})) is options
    assert ProviderOptions.of({}).merged(options) is options
    assert ProviderOptions.of(options) is options
    assert ProviderOptions.of() is ProviderOptions.of({})


# Two amounts of reasoning contradict each other.
COMPATIBLE = {name: value for name, value in EXAMPLES.items() if name != "reasoning"}
option_sets = st.lists(st.sampled_from(list(COMPATIBLE)), unique=True).map(
    lambda names: {name: copy.deepcopy(COMPATIBLE[name]) for name in names}
)


@given(option_sets, option_sets)
@settings(max_examples=50, deadline=None)
def test_nothing_the_caller_passes_in_is_changed_or_shared(lower, upper):
    before = copy.deepcopy((lower, upper))
    below, above = ProviderOptions.of(lower), ProviderOptions.of(upper)
    sent = json.dumps((below.body, above.body))
    assert json.dumps(below.merged(above).body)
    assert (lower, upper) == before
    for value in (*lower.values(), *upper.values()):
        if isinstance(value, dict | list):
            value.clear()
    assert json.dumps((below.body, above.body)) == sent


@given(option_sets, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_of_the_body_is_fixed(options, random):
    shuffled = list(options.items())
    random.shuffle(shuffled)
    body = ProviderOptions.of(dict(shuffled)).body
    assert list(body) == list(ProviderOptions.of(options).body)
    places = [list(OPTIONS).index(name) for name in body if name in OPTIONS]
    assert all(first < second for first, second in pairwise(places))


@given(option_sets, option_sets, option_sets)
@settings(max_examples=50, deadline=None)
def test_layers_may_be_merged_in_any_grouping(first, second, third):
    a, b, c = map(ProviderOptions.of, (first, second, third))
    assert a.merged(b).merged(c) == a.merged(b.merged(c)) == a.merged(b, c)
