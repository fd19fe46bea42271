"""Options of client, model and call are laid over one another; the caller's values stay as they are."""

from __future__ import annotations

import copy
import json
import pickle
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


SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "old", "description": "d", "schema": {"title": "Old"}},
}
CHOICE = {"type": "function", "function": {"name": "f"}}
CUSTOM = {"type": "custom", "tool_id": "t", "result_key": "r"}


@pytest.mark.parametrize(
    ("option", "lower", "upper"),
    [
        ("response_format", SCHEMA, {"type": "json_schema", "json_schema": {"name": "new"}}),
        ("response_format", SCHEMA, {"type": "json_object"}),
        ("tool_choice", CHOICE, {"type": "openrouter:web_search"}),
        ("tool_choice", CHOICE, {"type": "function", "function": {"name": "g"}}),
        ("prediction", {"type": "content", "content": "a"}, {"type": "content", "content": [{"type": "text", "text": "b"}]}),
    ],
)  # fmt: skip
def test_what_is_one_whole_is_replaced(option, lower, upper):
    below, above = ProviderOptions.of({option: lower}), ProviderOptions.of({option: upper})
    assert below.merged(above).body == {option: upper}
    assert ProviderOptions.of({option: lower, "extra_body": {option: upper}}).body == {option: upper}
    extra = ProviderOptions.of(extra_body={option: lower}), ProviderOptions.of(extra_body={option: upper})
    assert extra[0].merged(extra[1]).body == {option: upper}


def test_how_tools_are_searched_is_replaced_and_the_rest_of_it_merged():
    below = ProviderOptions.of(deferred_tools={"profile": "newer", "search": CUSTOM})
    above = ProviderOptions.of(deferred_tools={"profile": "newer", "search": {"type": "bm25"}})
    assert below.merged(above).body["deferred_tools"]["search"] == {"type": "bm25"}
    assert below.merged(above).body["deferred_tools"]["profile"] == "newer"


@pytest.mark.parametrize(
    ("lower", "upper", "left"),
    [
        ({"max_price": {"prompt": 5}, "sort": "price"}, {"max_price": None}, {"provider": {"sort": "price"}}),
        ({"max_price": {"prompt": 5}}, {"max_price": None}, {}),
        ({"provider": {"order": ["a"], "zdr": True}}, {"order": None}, {"provider": {"zdr": True}}),
        ({"order": ["a"], "zdr": True}, {"provider": {"order": None}}, {"provider": {"zdr": True}}),
        (
            {"max_price": {"prompt": 5, "completion": 9}},
            {"max_price": {"prompt": None}},
            {"provider": {"max_price": {"completion": 9}}},
        ),
        ({"max_price": {"prompt": 5}}, {"provider": {"max_price": {"prompt": None}}}, {}),
        ({"sort": {"by": "price", "partition": "none"}}, {"sort": {"partition": None}}, {"provider": {"sort": {"by": "price"}}}),
        ({"reasoning": {"max_tokens": 2000, "exclude": True}}, {"reasoning": {"max_tokens": None}}, {"reasoning": {"exclude": True}}),
        ({"cache_control": {"ttl": "1h"}}, {"cache_control": {"ttl": None}}, {"cache_control": {"type": "ephemeral"}}),
        ({"prompt_cache_options": {"ttl": "12h"}}, {"prompt_cache_options": {"ttl": None}}, {"prompt_cache_options": {"mode": "explicit"}}),
        ({"metadata": {"a": "b", "c": "d"}}, {"metadata": {"a": None}}, {"metadata": {"c": "d"}}),
        ({"image_config": {"a": "b", "c": "d"}}, {"image_config": {"a": None}}, {"image_config": {"c": "d"}}),
        ({"logit_bias": {5: 1, 6: 2}}, {"logit_bias": {"5": None}}, {"logit_bias": {"6": 2}}),
        ({"trace": {"trace_id": "a", "env": "b"}}, {"trace": {"trace_id": None}}, {"trace": {"env": "b"}}),
        ({"provider": {"options": {"a": {"x": 1}, "b": {"y": 2}}}}, {"provider": {"options": {"a": None}}}, {"provider": {"options": {"b": {"y": 2}}}}),
        ({"provider": {"options": {"a": {"x": 1}}}}, {"provider": {"options": {"a": {"x": None}}}}, {"provider": {"options": {"a": {"x": None}}}}),
        ({"extra_body": {"a": {"b": 1}}}, {"extra_body": {"a": {"b": None}}}, {"a": {"b": None}}),
        ({"seed": 1}, {"openrouter_seed": None}, {}),
    ],
)  # fmt: skip
def test_none_takes_away_what_a_lower_layer_set_at_any_depth(lower, upper, left):
    assert ProviderOptions.of(lower).merged(ProviderOptions.of(upper)).body == left


def test_none_takes_away_a_key_of_ones_own():
    lower = ProviderOptions.of(provider_api_keys={"together": "sk-a", "openai": "sk-b"})
    upper = ProviderOptions.of(provider_api_keys={"together": None})
    assert lower.merged(upper).headers == {"X-Provider-API-Keys": '{"openai": "sk-b"}'}
    assert lower.merged(upper, ProviderOptions.of(provider_api_keys={"openai": None})).headers == {}


def test_what_was_taken_away_stays_away_when_the_layers_above_are_merged_first():
    model = ProviderOptions.of(
        provider={"order": ["a"], "max_price": {"prompt": 5}}, reasoning={"effort": "low"}
    )
    bound = ProviderOptions.of(provider={"max_price": None}, reasoning_effort="high")
    call = ProviderOptions.of(max_price={"completion": 9}, reasoning_effort=None)
    above = bound.merged(call)
    expected = {"provider": {"order": ["a"], "max_price": {"completion": 9}}}
    assert model.merged(bound).merged(call).body == model.merged(above).body == expected
    assert model.merged(pickle.loads(pickle.dumps(above)), ProviderOptions.of()).body == expected
    assert model.merged(copy.deepcopy(above)).body == expected


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
        ({"speed": "fast"}, {"service_tier": "default"}, {"service_tier": "default"}),
        ({"service_tier": "flex"}, {"speed": "fast"}, {"speed": "fast"}),
        ({"logprobs": False}, {"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"top_logprobs": 3}, {"logprobs": False}, {"logprobs": False}),
        ({"top_logprobs": 3}, {"logprobs": True}, {"logprobs": True, "top_logprobs": 3}),
        ({"top_logprobs": 3}, {"logprobs": None}, {"logprobs": True, "top_logprobs": 3}),
        (
            {"plugins": [{"id": "context-compression", "enabled": False}, {"id": "moderation"}]},
            {"transforms": ["middle-out"]},
            {"plugins": [{"id": "moderation"}, {"id": "context-compression"}]},
        ),
        (
            {"transforms": []},
            {"plugins": [{"id": "context-compression"}]},
            {"plugins": [{"id": "context-compression"}]},
        ),
        (
            {"transforms": ["middle-out"]},
            {"plugins": [{"id": "moderation"}]},
            {"plugins": [{"id": "moderation"}, {"id": "context-compression"}]},
        ),
        ({"route": "sort"}, {"sort": {"partition": "model"}}, {"provider": {"sort": {"partition": "model"}}}),
        ({"include_reasoning": False}, {"reasoning": {"exclude": False}}, {"reasoning": {"exclude": False}}),
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


# Two amounts of reasoning, or two tiers, contradict each other.
COMPATIBLE = {name: value for name, value in EXAMPLES.items() if name not in {"reasoning", "speed"}}
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


TAKING_AWAY = [
    *({name: None} for name in COMPATIBLE if name != "extra_headers"),
    *({"provider": {key: None}} for key in COMPATIBLE["provider"]),
    {"max_price": {"prompt": None}},
    {"reasoning": {"effort": None, "max_tokens": 2000}},
    {"cache_control": {"ttl": None}},
    {"logprobs": False},
]
layers = option_sets | st.sampled_from(TAKING_AWAY)


@given(layers, layers, layers)
@settings(max_examples=150, deadline=None)
def test_layers_may_be_merged_in_any_grouping(first, second, third):
    a, b, c = map(ProviderOptions.of, (first, second, third))
    assert a.merged(b).merged(c) == a.merged(b.merged(c)) == a.merged(b, c)
    assert json.dumps(a.merged(b).merged(c).body) == json.dumps(a.merged(b.merged(c)).body)
