"""Every option, by every name, reaches the request as it was given."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from types import MappingProxyType

import pytest
from openrouter.components import ChatRequest
from pydantic import SecretStr

from openrouter_opts.options import (
    OPTIONS,
    AutoRouterPlugin,
    CacheControl,
    Datetime,
    MaxPrice,
    OptionFields,
    Plugin,
    ProviderOptions,
    ProviderPreferences,
    ProviderSort,
    Reasoning,
    Tool,
    UserLocation,
    WebSearch,
    deprecated,
)
from tests import oracle
from tests.option_examples import EXAMPLES, ON_THE_WIRE


@pytest.fixture(autouse=True)
def already_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {*OPTIONS, "the plugin web", "the suffix :online"}
    monkeypatch.setattr(deprecated, "_warned", every)


def wire(options: ProviderOptions) -> dict:
    return {**options.body, **options.headers}


def test_every_option_has_an_example():
    assert EXAMPLES.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_option_reaches_the_request_by_its_name(name):
    assert wire(ProviderOptions.of({name: EXAMPLES[name]})) == ON_THE_WIRE.get(name, {name: EXAMPLES[name]})


@pytest.mark.parametrize("name", OPTIONS)
def test_option_goes_by_all_its_names(name):
    plain = ProviderOptions.of({name: EXAMPLES[name]})
    for spelling in (f"openrouter_{name}", *OPTIONS[name].aliases, OPTIONS[name].wire):
        assert ProviderOptions.of({spelling: EXAMPLES[name]}) == plain
        assert ProviderOptions(**{spelling: EXAMPLES[name]}) == plain


@pytest.mark.parametrize("name", OPTIONS)
def test_option_that_is_none_is_not_sent(name):
    assert wire(ProviderOptions.of({name: None})) == {}


@pytest.mark.parametrize("name", OPTIONS)
def test_option_says_what_it_does_and_where_that_is_written(name):
    option = OPTIONS[name]
    assert option.name == name
    assert option.doc.endswith(".")
    assert option.source.startswith("https://")


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.place == "body"])
def test_official_sdk_understands_what_goes_out(name):
    body = {
        "messages": [{"role": "user", "content": "hi"}],
        **ProviderOptions.of({name: EXAMPLES[name]}).body,
    }
    assert oracle.problems(body) == []


def test_everything_the_official_sdk_can_send_is_an_option():
    assert ChatRequest.model_fields.keys() - {"messages", "model", "stream"} <= OPTIONS.keys()


@pytest.mark.parametrize("key", ProviderPreferences.model_fields)
def test_routing_preference_may_be_given_without_provider(key):
    value = EXAMPLES["provider"][key]
    assert ProviderOptions.of({key: value}).body == {"provider": {key: value}}


def test_routing_preferences_with_and_without_provider_go_together():
    options = ProviderOptions.of({"zdr": True, "provider": {"order": ["together"]}}, max_price={"prompt": 1})
    assert options.body == {"provider": {"order": ["together"], "zdr": True, "max_price": {"prompt": 1}}}


def test_plain_keyword_arguments_of_the_models_do_not_hide_members_of_the_frameworks():
    from langchain_core.language_models.chat_models import BaseChatModel
    from llama_index.core.llms.function_calling import FunctionCallingLLM

    own = OptionFields.model_fields.keys()
    for framework in (BaseChatModel, FunctionCallingLLM):
        assert own.isdisjoint({*dir(framework), *framework.model_fields})


@pytest.mark.parametrize("value", [1, 1.0, 0.5])
def test_numbers_go_out_as_they_were_given(value):
    assert repr(ProviderOptions.of(temperature=value).body) == f"{{'temperature': {value!r}}}"


def test_prices_may_be_numbers_or_strings():
    price = {"prompt": "0.50", "completion": 1, "request": 0.0}
    assert repr(ProviderOptions.of(max_price=price).body["provider"]) == f"{{'max_price': {price!r}}}"


@pytest.mark.parametrize("price", ["0.50", "12345678901234567890.123456789", "1E+2", "0"])
def test_decimal_price_goes_out_as_text_to_the_last_place(price):
    sent = ProviderOptions.of(max_price={"prompt": Decimal(price)}).body["provider"]["max_price"]["prompt"]
    assert sent == f"{Decimal(price):f}"
    assert MaxPrice(prompt=Decimal(price)).wire() == {"prompt": sent}


def test_parts_are_the_same_as_plain_mappings():
    parts = ProviderOptions(
        provider=ProviderPreferences(
            order=("together",), sort=ProviderSort(by="price"), max_price=MaxPrice(prompt=1)
        ),
        reasoning=Reasoning(max_tokens=2000),
        cache_control=CacheControl(ttl="1h"),
        plugins=[AutoRouterPlugin(allowed_models=["anthropic/*"]), Plugin(id="newer", level=3)],
        tools=[WebSearch(max_results=3), Datetime(), Tool(type="openrouter:newer", parameters={"a": None})],
    )
    assert parts.body == {
        "reasoning": {"max_tokens": 2000},
        "provider": {"order": ["together"], "sort": {"by": "price"}, "max_price": {"prompt": 1}},
        "plugins": [{"id": "auto-router", "allowed_models": ["anthropic/*"]}, {"id": "newer", "level": 3}],
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "tools": [
            {"type": "openrouter:web_search", "parameters": {"max_results": 3}},
            {"type": "openrouter:datetime"},
            {"type": "openrouter:newer", "parameters": {"a": None}},
        ],
    }
    assert parts == ProviderOptions.of(parts.body)


def test_parts_inside_parts_are_written_out():
    tool = WebSearch(user_location=UserLocation(city="Berlin"), newer=[Reasoning(effort="low")])
    assert tool.wire() == {
        "type": "openrouter:web_search",
        "parameters": {
            "user_location": {"type": "approximate", "city": "Berlin"},
            "newer": [{"effort": "low"}],
        },
    }


def test_none_inside_a_part_is_not_sent():
    preferences = ProviderPreferences(order=None, only=["a"], sort=ProviderSort(by=None))
    assert preferences.wire() == {"only": ["a"], "sort": {}}
    assert Reasoning(effort="low", newer=None).wire() == {"effort": "low"}
    assert ProviderOptions(provider=preferences).body == {"provider": {"only": ["a"]}}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"max_price": None}, {}),
        ({"max_price": {"prompt": None}}, {}),
        ({"provider": {"max_price": None, "sort": {"by": None}}}, {}),
        ({"reasoning": {"effort": None}}, {}),
        ({"reasoning": {}, "provider": {"max_price": {}}}, {"reasoning": {}, "provider": {"max_price": {}}}),
        ({"cache_control": {"ttl": None}}, {"cache_control": {"type": "ephemeral"}}),
        ({"metadata": {"a": None, "b": "c"}}, {"metadata": {"b": "c"}}),
        ({"image_config": {"aspect_ratio": None}}, {}),
        ({"logit_bias": {5: None}}, {}),
        ({"provider": {"options": {"together": None}}}, {}),
        ({"plugins": [{"id": "web", "engine": None}]}, {"plugins": [{"id": "web"}]}),
        ({"response_format": {"type": "text", "grammar": None}}, {"response_format": {"type": "text"}}),
        ({"provider_api_keys": {"together": None}}, {}),
        ({"extra_headers": {"X-A": None}}, {}),
    ],
)
def test_none_is_never_sent(options, sent):
    assert wire(ProviderOptions.of(options)) == sent


@pytest.mark.parametrize(
    "options",
    [
        {"provider": {"order": ["together"], "max_price": {"prompt": 1}}},
        {"extra_body": {"newer": {"a": [{"b": 1}]}}},
        {"metadata": {"a": "b"}},
    ],
)
def test_mappings_of_any_kind_are_objects(options):
    assert ProviderOptions.of(_frozen(options)) == ProviderOptions.of(options)


def _frozen(value):
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    return value


def test_token_ids_of_logit_bias_may_be_numbers():
    assert ProviderOptions.of(logit_bias={50256: -100}).body == {"logit_bias": {"50256": -100}}


def test_top_logprobs_turn_on_logprobs_wherever_they_come_from():
    options = ProviderOptions.of(extra_body={"top_logprobs": 2})
    assert list(options.body.items()) == [("logprobs", True), ("top_logprobs", 2)]
    assert ProviderOptions.of(extra_body={"top_logprobs": None}).body == {"top_logprobs": None}
    assert ProviderOptions.of(top_logprobs=2, extra_body={"logprobs": None}).body["logprobs"] is None


def test_values_newer_than_the_library_go_through():
    options = {
        "service_tier": "hyper",
        "reasoning": {"effort": "extreme"},
        "plugins": [{"id": "newer", "level": 3}],
        "tools": [{"type": "openrouter:newer", "parameters": {"a": [1]}}],
        "provider": {"quantizations": ["fp2"], "data_collection": "later"},
    }
    assert ProviderOptions.of(options).body == options


def test_extra_body_is_merged_last_and_deeply():
    options = ProviderOptions.of(
        provider={"order": ["a"], "zdr": True},
        extra_body={"provider": {"order": ["b"]}, "seed": None, "newer": 1},
    )
    assert options.body == {"provider": {"order": ["b"], "zdr": True}, "seed": None, "newer": 1}


def test_extra_header_wins_over_an_option_whatever_its_case():
    options = ProviderOptions.of(
        app_referer="https://a.example", extra_headers={"http-referer": "https://b.example"}
    )
    assert options.headers == {"http-referer": "https://b.example"}


def test_options_given_twice_alike_are_one():
    assert ProviderOptions.of({"openrouter_seed": 7}, seed=7).body == {"seed": 7}
    assert ProviderOptions.of(ProviderOptions(seed=7), temperature=1).body == {"temperature": 1, "seed": 7}


@pytest.mark.parametrize(
    ("below", "above", "sent"),
    [
        ({"extra_headers": {"X-OpenRouter-Title": "b"}}, {"app_title": "a"}, {"X-OpenRouter-Title": "a"}),
        ({"extra_headers": {"x-title": "b", "X-A": "1"}}, {"app_title": "a"}, {"X-A": "1", "X-OpenRouter-Title": "a"}),
        ({"app_title": "a"}, {"extra_headers": {"X-Title": "b"}}, {"X-Title": "b"}),
        ({"app_title": "a"}, {"extra_headers": {"X-Title": None}}, {}),
        ({"extra_headers": {"X-Title": "b"}}, {"app_referer": "https://a"}, {"HTTP-Referer": "https://a", "X-Title": "b"}),
    ],
)  # fmt: skip
def test_a_header_is_sent_once_as_it_was_said_last(below, above, sent):
    assert ProviderOptions.of(below).merged(ProviderOptions.of(above)).headers == sent


def test_secrets_are_in_the_header_only():
    options = ProviderOptions.of(
        provider_api_keys={"together": "sk-mine", "openai": SecretStr("sk-other")},
        extra_headers={"X-Gateway-Key": "sk-third"},
    )
    shown = (
        f"{options!r} {options} {options.headers!r} {options.model_dump_json(include={'provider_api_keys'})}"
    )
    assert "sk-" not in shown
    assert "X-Gateway-Key" in shown
    assert options.headers == {
        "X-Provider-API-Keys": '{"openai": "sk-other", "together": "sk-mine"}',
        "X-Gateway-Key": "sk-third",
    }
    assert copy.deepcopy(options).headers == options.headers
    assert pickle.loads(pickle.dumps(options)).headers == {}


def test_repr_shows_what_is_set():
    assert repr(ProviderOptions(seed=7, temperature=None)) == "ProviderOptions(temperature=None, seed=7)"


def test_options_are_frozen_and_copies_are_checked():
    options = ProviderOptions(seed=7)
    assert options.body == {"seed": 7}
    with pytest.raises(ValueError, match="frozen"):
        options.seed = 8
    assert options.model_copy(update={"seed": 8}).body == {"seed": 8}
    with pytest.raises(ValueError, match="did you mean seed"):
        options.model_copy(update={"sed": 8})


def test_options_are_equal_when_the_same_ones_are_set():
    assert ProviderOptions(seed=7, top_k=1) == ProviderOptions(top_k=1, seed=7)
    assert hash(ProviderOptions(seed=7)) == hash(ProviderOptions.of(openrouter_seed=7))
    assert ProviderOptions(seed=7) != ProviderOptions(seed=7, temperature=None)
    assert ProviderOptions(seed=7) != {"seed": 7}
