"""What is wrong with an option is said before anything is sent: what, where, and what to do."""

from __future__ import annotations

import string
import warnings
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import (
    SPELLINGS,
    MaxPrice,
    ProviderOptions,
    ProviderPreferences,
    check,
    nearest,
)

NAN = float("nan")


@pytest.fixture(autouse=True)
def nothing_warned_about_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_unknown_keys", set())


def complaint(options: object = None, /, **named: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        ProviderOptions.of(options, **named)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tempratuer", "temperature"),
        ("maxTokens", "max_tokens"),
        ("top-p", "top_p"),
        ("openrouter_modls", "openrouter_models"),
        ("plugin", "plugins"),
        ("allow_fallback", "allow_fallbacks"),
        ("app_tittle", "app_title"),
        ("thinking", "reasoning"),
        ("openrouter_effort", "reasoning_effort"),
        ("http_referer", "app_referer"),
        ("x_title", "app_title"),
    ],
)
def test_name_that_does_not_exist_is_refused_with_the_nearest(written, meant):
    assert f"did you mean {meant}?" in complaint({written: 1})
    with pytest.raises(ConfigurationError, match=f"did you mean {meant}"):
        ProviderOptions(**{written: 1})


def test_name_that_looks_like_none_is_refused_with_the_way_out():
    assert (
        complaint(zzz=1)
        == "zzz: there is no such option (what is newer than this library goes into extra_body)"
    )
    assert nearest("zzz", SPELLINGS) is None


@pytest.mark.parametrize(
    "name", ["model", "messages", "stream", "api_key", "timeout", "max_retries", "base_url"]
)
def test_argument_of_the_call_is_no_option(name):
    assert complaint({name: 1}).startswith(f"{name}: is no option; ")


def test_name_that_is_no_string_is_refused():
    assert "5: the name of an option is a string, not int" in complaint({5: 1})


@pytest.mark.parametrize("options", [["models"], "models", 5])
def test_options_that_are_no_mapping_are_refused(options):
    assert complaint(options).startswith("provider_options: should be a mapping or ProviderOptions, not ")


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(SPELLINGS)),
    st.integers(0, 30),
    st.sampled_from(string.ascii_lowercase + "_"),
    st.sampled_from(["insert", "delete", "replace"]),
)
def test_misspelt_name_never_passes(name, place, letter, edit):
    cut = place % len(name)
    after = name[cut:] if edit == "insert" else name[cut + 1 :]
    misspelt = name[:cut] + ("" if edit == "delete" else letter) + after
    assume(misspelt not in SPELLINGS)
    assert misspelt in complaint({misspelt: 1})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": "0.5"}, "temperature: should be a valid number, not '0.5'"),
        ({"temperature": True}, "temperature: should be a valid number, not True"),
        ({"seed": 1.5}, "seed: should be a valid integer, not 1.5"),
        ({"max_tokens": "5"}, "max_tokens: should be a valid integer, not '5'"),
        ({"logprobs": 1}, "logprobs: should be a valid boolean, not 1"),
        ({"stop": ["a", 5]}, "stop[1]: should be a valid string, not 5"),
        ({"models": "a/b"}, "models: should be a valid list, not 'a/b': write ['a/b']"),
        ({"provider": {"order": "x"}}, "provider.order: should be a valid list, not 'x': write ['x']"),
        (
            {"openrouter_provider": {"only": [1]}},
            "openrouter_provider.only[0]: should be a valid string, not 1",
        ),
        (
            {"provider": {"max_price": {"prompt": [1]}}},
            "provider.max_price.prompt: should be a valid number or a valid string, not [1]",
        ),
        (
            {"max_price": {"prompt": True}},
            "provider.max_price.prompt: should be a valid number or a valid string, not True",
        ),
        ({"provider": {"zdr": "yes"}}, "provider.zdr: should be a valid boolean, not 'yes'"),
        (
            {"provider": {"preferred_max_latency": {"p50": "fast"}}},
            "provider.preferred_max_latency.p50: should be a valid number, not 'fast'",
        ),
        ({"reasoning": {"max_tokens": "1k"}}, "reasoning.max_tokens: should be a valid integer, not '1k'"),
        ({"plugins": {"id": "web"}}, "plugins: should be a valid list, not {'id': 'web'}"),
        ({"plugins": [{"engine": "exa"}]}, "plugins[0].id: is required"),
        ({"tools": [{"function": {}}]}, "tools[0].type: is required"),
        ({"metadata": {"a": 1}}, "metadata.a: should be a valid string, not 1"),
        ({"logit_bias": {"5": "no"}}, "logit_bias.5: should be a valid number, not 'no'"),
        ({"audio": {"voice": "alloy"}}, "audio.format: is required"),
    ],
)
def test_wrong_type_is_refused_with_its_path(options, said):
    assert complaint(options) == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"order": {"a"}}, "provider.order: JSON has no form for a set; write a list"),
        ({"models": (name for name in "ab")}, "models: JSON has no form for a generator; write a list"),
        ({"stop": frozenset("a")}, "stop: JSON has no form for a frozenset; write a list"),
        ({"extra_body": {"a": [b"x"]}}, "extra_body.a[0]: JSON has no form for a bytes; write a list"),
        (
            {"image_config": {"a": object()}},
            "image_config.a: JSON has no form for a object; convert it first",
        ),
        ({"temperature": Decimal("0.5")}, "temperature: should be a valid number, not Decimal('0.5')"),
        (
            {"max_price": {"prompt": Decimal("NaN")}},
            "provider.max_price.prompt: should be a valid number or text of a finite number, not Decimal('NaN')",
        ),
        ({"logit_bias": {5: 1, "5": 2}}, "logit_bias: has 5 as a number and as a string; give one of them"),
    ],
)
def test_value_that_json_has_no_form_for_is_refused_at_once(options, said):
    assert complaint(options) == said


def test_long_values_are_cut_in_messages():
    assert len(complaint(temperature="x" * 10_000)) < 200


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"temperature": NAN}, "temperature"),
        ({"provider": {"max_price": {"prompt": NAN}}}, "provider.max_price.prompt"),
        ({"provider": ProviderPreferences(max_price=MaxPrice(prompt=NAN))}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": float("inf")}}, "provider.max_price.prompt"),
        ({"extra_body": {"a": [1, {"b": -float("inf")}]}}, "extra_body.a[1].b"),
        ({"tools": [{"type": "x", "parameters": {"a": NAN}}]}, "tools[0].parameters.a"),
    ],
)
def test_number_that_json_does_not_have_is_refused_with_its_path(options, path):
    assert complaint(options).startswith(f"{path}: ")
    assert "JSON number" in complaint(options)


def test_key_that_json_does_not_have_is_refused_with_its_path():
    assert complaint(extra_body={"a": {(1, 2): 3}}).startswith("extra_body.a: (1, 2) cannot be a key")


def test_value_that_contains_itself_is_refused():
    loop: dict[str, object] = {}
    loop["again"] = loop
    assert complaint(extra_body=loop) == "extra_body: is nested too deep, or contains itself"


def test_more_than_three_fallback_models_are_refused():
    assert complaint(models=["a", "b", "c", "d", "e"]) == (
        "models: has 5 models, and OpenRouter takes at most 3; leave some out"
    )
    # One of them may be the model itself, which is known when the request is put together.
    assert ProviderOptions.of(models=["a", "b", "c", "d"]).given


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": {"ordr": ["a"]}}, "provider.ordr: there is no such key; did you mean order?"),
        ({"provider": {"onyl": ["a"]}}, "did you mean only?"),
        ({"provider": {"requireParameters": True}}, "did you mean require_parameters?"),
        (
            {"provider": {"max_price": {"promt": 1}}},
            "provider.max_price.promt: there is no such key; did you mean prompt?",
        ),
        ({"provider": {"sort": {"partiton": "none"}}}, "provider.sort.partiton"),
        (
            {"max_price": {"reqeust": 1}},
            "provider.max_price.reqeust: there is no such key; did you mean request?",
        ),
        ({"reasoning": {"efort": "low"}}, "reasoning.efort: there is no such key; did you mean effort?"),
        ({"cache_control": {"tll": "1h"}}, "cache_control.tll: there is no such key; did you mean ttl?"),
        ({"debug": {"echo_upstream_bdy": True}}, "debug.echo_upstream_bdy"),
    ],
)
def test_misspelt_key_inside_an_option_is_refused_with_the_right_one(options, said):
    assert said in complaint(options)
    ((name, value),) = options.items()
    assert ProviderOptions.of(extra_body={name: value}).body == {name: value}


def test_key_unlike_any_other_goes_through_with_one_warning():
    options = {"provider": {"carbon_budget": 5}}
    with pytest.warns(UserWarning, match=r"^provider\.carbon_budget is not known here") as caught:
        assert ProviderOptions.of(options).body == options
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ProviderOptions.of(options).body == options


@pytest.mark.parametrize("name", ["trace", "image_config", "metadata", "x_search_filter", "extra_body"])
def test_objects_with_keys_of_someone_else_take_any(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ProviderOptions.of({name: {"trace_ix": "x"}}).given == {name: {"trace_ix": "x"}}


def test_two_spellings_that_disagree_are_refused():
    assert complaint({"openrouter_models": ["a"]}, models=["b"]) == (
        "openrouter_models and models are the same option, with different values; give one of them"
    )
    assert complaint({"app_url": "https://a.example", "HTTP-Referer": "https://b.example"}).startswith(
        "app_url and HTTP-Referer are the same option"
    )
    assert complaint({"seed": 1}, seed=2) == "seed is given twice, with different values; give one of them"
    assert "seed is given twice" in complaint(ProviderOptions(seed=1), seed=2)
    assert complaint(order=["a"], provider={"order": ["b"]}).startswith(
        "provider.order and order are the same option"
    )
    assert complaint({"max_price": {"prompt": 1}, "openrouter_max_price": {"prompt": 2}}).startswith(
        "max_price.prompt and openrouter_max_price.prompt are the same option"
    )


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("response_format", {"type": "json_schema", "json_schema": {"name": "a"}}, {"type": "json_object"}),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"title": "A"}}},
            {"type": "json_schema", "json_schema": {"name": "a", "strict": True}},
        ),
        ("tool_choice", {"type": "openrouter:web_search"}, {"type": "openrouter:datetime"}),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}, "auto"),
        ("prediction", {"content": "a"}, {"content": "b"}),
    ],
)
def test_two_values_that_are_each_one_whole_are_refused(name, one, other):
    assert complaint({name: one}, **{f"openrouter_{name}": other}) == (
        f"{name} and openrouter_{name} are the same option, with different values; give one of them"
    )
    assert ProviderOptions.of({name: one}, **{f"openrouter_{name}": one}) == ProviderOptions.of({name: one})


def test_two_ways_to_search_tools_are_refused():
    bm25 = {"search": {"type": "bm25"}}
    custom = {"search": {"type": "custom", "tool_id": "t", "result_key": "r"}}
    assert complaint({"deferred_tools": bm25}, openrouter_deferred_tools=custom).startswith(
        "deferred_tools.search and openrouter_deferred_tools.search are the same option"
    )


def test_objects_of_two_spellings_that_agree_are_joined():
    together = ProviderOptions.of({"openrouter_provider": {"zdr": True, "max_price": {"prompt": 1}}})
    joined = ProviderOptions.of(together, provider={"order": ["a"], "max_price": {"completion": 2}})
    assert joined.given == {
        "provider": {"zdr": True, "max_price": {"prompt": 1, "completion": 2}, "order": ["a"]}
    }
    assert together.given == {"provider": {"zdr": True, "max_price": {"prompt": 1}}}


def test_spelling_that_says_nothing_does_not_disagree():
    assert ProviderOptions.of({"openrouter_seed": None, "seed": 7}).body == {"seed": 7}
    assert ProviderOptions.of({"seed": 7}, openrouter_seed=None).body == {"seed": 7}
    assert ProviderOptions.of(order=None, provider={"order": ["a"]}).body == {"provider": {"order": ["a"]}}
    assert ProviderOptions.of(order=["a"], provider={"order": None}).body == {"provider": {"order": ["a"]}}
    twice = {"max_price": {"prompt": None}, "openrouter_max_price": {"prompt": 1}}
    assert ProviderOptions.of(twice).body == {"provider": {"max_price": {"prompt": 1}}}
    assert complaint({"extra_headers": {"X-A": "1"}}, openrouter_extra_headers={"X-A": None}).startswith(
        "extra_headers.X-A and openrouter_extra_headers.X-A are the same option"
    )


def test_two_spellings_of_the_effort_that_disagree_are_refused():
    said = complaint({"reasoning_effort": "low", "reasoning": {"effort": "high"}})
    assert said == "reasoning_effort: is 'low', and reasoning.effort is 'high'; give one of them"


@pytest.mark.parametrize("effort", [{"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}])
def test_an_effort_and_a_budget_are_left_to_the_check_of_the_request(effort):
    body = ProviderOptions.of(effort).body
    both = {**body, "reasoning": {**body.get("reasoning", {}), "max_tokens": 2000}}
    assert ProviderOptions.of(both).body == both


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"include_reasoning": True, "reasoning": {"exclude": True}},
            "include_reasoning=True means reasoning.exclude=False, not True",
        ),
        (
            {"include_reasoning": False, "reasoning": {"exclude": False}},
            "include_reasoning=False means reasoning.exclude=True, not False",
        ),
        (
            {"route": "sort", "sort": {"partition": "model"}},
            "route='sort' means provider.sort.partition='none', not 'model'",
        ),
        (
            {"route": "fallback", "sort": {"partition": "none"}},
            "route='fallback' means provider.sort.partition='model', not 'none'",
        ),
        (
            {"transforms": [], "plugins": [{"id": "context-compression"}]},
            "transforms=[] contradicts the plugin context-compression",
        ),
        (
            {"transforms": ["middle-out"], "plugins": [{"id": "context-compression", "enabled": False}]},
            "transforms=['middle-out'] contradicts the plugin context-compression",
        ),
        (
            {"speed": "fast", "service_tier": "flex"},
            "speed='fast' means service_tier='priority', not 'flex'",
        ),
        (
            {"top_logprobs": 2, "logprobs": False},
            "top_logprobs: needs logprobs, which are switched off; give one of them",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_options_that_contradict_each_other_are_refused(options, said):
    assert complaint(options) == said


@pytest.mark.parametrize(
    "options",
    [
        {"include_reasoning": False, "reasoning": {"exclude": True}},
        {"route": "sort", "sort": {"partition": "none"}},
        {"transforms": ["middle-out"], "plugins": [{"id": "context-compression", "engine": "middle-out"}]},
        {"transforms": [], "plugins": [{"id": "context-compression", "enabled": False}]},
        {"speed": "fast", "service_tier": "priority"},
        {"speed": "standard", "service_tier": "flex"},
        {"top_logprobs": 2, "logprobs": True},
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_options_that_agree_are_taken(options):
    assert ProviderOptions.of(options).body


def test_the_same_amount_of_reasoning_may_be_said_twice():
    options = {"reasoning": {"effort": "low"}, "reasoning_effort": "low"}
    assert ProviderOptions.of(options).body == options


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x7f", "\ud800"])
@pytest.mark.parametrize("name", ["app_title", "app_referer", "app_categories", "anthropic_beta"])
def test_header_value_with_a_control_character_is_refused(name, character):
    said = complaint({name: f"a{character}b"})
    assert said.startswith(f"{name}: character 2 cannot be in the header ")


def test_a_header_with_two_values_is_refused():
    assert complaint(extra_headers={"x-a": "1", "X-A": "2"}) == (
        "extra_headers: x-a and X-A are the same header, with different values; give one of them"
    )
    assert ProviderOptions.of(extra_headers={"x-a": "1", "X-A": "1"}).headers


@pytest.mark.parametrize("price", ["cheap", "", "1,5", "NaN", "Infinity"])
def test_a_price_in_text_is_a_number(price):
    said = complaint(max_price={"prompt": price})
    assert said.startswith("provider.max_price.prompt: should be a valid number or text of a")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Models", "models"),
        ("max-tokens", "max_tokens"),
        ("openruoter_models", "openrouter_models"),
        ("openrouter_modles", "openrouter_models"),
        ("provider_optoins", "provider_options"),
        ("chekc", "check"),
        ("spend_limt", "spend_limit"),
    ],
)
def test_the_name_that_was_meant_is_said(given, meant):
    assert f" {meant}" in complaint({given: 1}).replace("`", "")


def test_two_limits_of_the_answer_have_to_agree():
    said = complaint(max_tokens=5, max_completion_tokens=6)
    assert said == "max_tokens: is 5, and max_completion_tokens is 6; give one of them"
    assert ProviderOptions.of(max_tokens=5, max_completion_tokens=5).body
    assert ProviderOptions.of(max_tokens=5).merged(ProviderOptions.of(max_completion_tokens=6)).body == {
        "max_completion_tokens": 6
    }


def test_extra_header_is_checked():
    assert complaint(extra_headers={"X-Key": "sk-secret\n"}) == (
        "extra_headers.X-Key: character 10 cannot be in the header X-Key; remove line breaks and control characters"
    )
    assert "'X A' is no name of a header" in complaint(extra_headers={"X A": "b"})
    assert "'' is no name of a header" in complaint(extra_headers={"": "b"})


@pytest.mark.parametrize("name", ["Proxy-Authorization", "HOST", "content-length", "Content-Type"])
def test_header_of_the_transport_is_refused(name):
    said = complaint(extra_headers={name: "sk-secret"})
    assert said.startswith(f"extra_headers.{name}: this header cannot be set; ")
    assert "sk-secret" not in said


def test_message_about_a_secret_does_not_show_it():
    assert complaint(provider_api_keys={"together": ["sk-secret"]}) == (
        "provider_api_keys.together: should be a valid string, not list"
    )
    assert complaint(extra_headers={"X-Provider-API-Keys": {"openai": "sk-secret"}}) == (
        "extra_headers.X-Provider-API-Keys: should be a valid string, not dict"
    )
    assert complaint(extra_headers=[("X-Key", "sk-secret")]) == (
        "extra_headers: should be a valid dictionary, not list"
    )


def test_white_space_around_a_header_value_is_left_out():
    assert ProviderOptions.of(app_title=" My App ").headers == {"X-OpenRouter-Title": "My App"}


def test_check_works_inside_a_pydantic_model():
    from pydantic import BaseModel, ValidationError

    class Job(BaseModel):
        options: ProviderOptions

    assert Job(options={"openrouter_seed": 7}).options.body == {"seed": 7}
    with pytest.raises(ValidationError, match="did you mean seed"):
        Job(options={"sed": 7})
