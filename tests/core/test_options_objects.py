"""Every object inside an option, at every depth, as a mapping or as a class: checked, ordered, and never dropped."""

from __future__ import annotations

import copy
import json
import string
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import (
    AutoRouterPlugin,
    CacheControl,
    DeferredTools,
    Function,
    FunctionChoice,
    FunctionTool,
    Fusion,
    NamedFunction,
    OptionFields,
    PredictedText,
    Prediction,
    PromptCacheOptions,
    ProviderOptions,
    Reasoning,
    Subagent,
    ToolChoice,
    ToolSearch,
    Trace,
    UserLocation,
    WebPlugin,
    WebSearch,
    check,
)
from tests.option_objects import Place, places
from tests.option_values import option_sets

PLACES = places()
every_place = pytest.mark.parametrize("place", PLACES, ids=str)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def nothing_warned_about_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_unknown_keys", set())


def complaint(options: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        ProviderOptions.of(options)
    return str(caught.value)


def test_objects_are_found_at_every_depth():
    assert {
        "provider",
        "provider.max_price",
        "response_format.json_schema",
        "stop_server_tools_when[0]",
        "deferred_tools.search",
        "prediction.content[0]",
        "plugins[0].classifier_context.auto_mode.hard_deny[0]",
        "plugins[0].tools[0].parameters.user_location",
        "tools[0].function",
        "tools[0].parameters.environment.network_policy",
        "tools[0].parameters.tools[0].parameters.x_search",
        "tool_choice.function",
    } <= {place.path for place in PLACES}


# --- wrong values ---


@every_place
def test_wrong_type_is_refused_with_its_path(place: Place):
    assert ProviderOptions.of(place.options(place.required)).given
    for key in place.keys:
        if key == place.part.tag and place.part.model_fields[key].annotation is str:
            continue  # of another kind, which is nobody's
        said = complaint(place.options({**place.required, key: [[5]]}))
        assert said.startswith((f"{place.path}.{key}: ", f"{place.path}.{key}[0]")), said


@every_place
@pytest.mark.usefixtures("nothing_warned_about_yet")
def test_key_unlike_any_other_goes_through_with_one_warning(place: Place):
    options = place.options({**place.required, "zzzzzzzzzzzz": {"b": None, "a": 1}})
    with pytest.warns(UserWarning, match=r"zzzzzzzzzzzz is not known here, and is sent as it is") as caught:
        body = ProviderOptions.of(options).body
    told = [each for each in caught if each.category is UserWarning]  # some plugins are deprecated as well
    assert [(str(each.message).partition(" ")[0], each.filename) for each in told] == [
        (f"{place.path}.zzzzzzzzzzzz", __file__)
    ]
    assert '"zzzzzzzzzzzz": {"b": null, "a": 1}' in json.dumps(body)
    assert ProviderOptions.of(options).body == body


@every_place
def test_none_is_sent_nowhere(place: Place):
    for key in place.keys - place.required.keys():
        body = ProviderOptions.of(place.options({**place.required, key: None})).body
        assert "null" not in json.dumps(body)


@pytest.mark.usefixtures("nothing_warned_about_yet")
def test_an_unknown_key_is_told_of_once_for_each_kind_of_object():
    plugins = [{"id": name, "newer": 1} for name in ("moderation", "moderation", "fusion")]
    with pytest.warns(UserWarning, match="is not known here") as caught:
        ProviderOptions.of(plugins=plugins)
    assert [str(each.message).partition(" ")[0] for each in caught] == [
        "plugins[0].newer",
        "plugins[2].newer",
    ]


@st.composite
def misspelt_keys(draw: st.DrawFn) -> tuple[Place, str]:
    """Draw an object, and a key of it with one letter too many, too few, wrong, or in its neighbour's place."""
    place = draw(st.sampled_from([place for place in PLACES if place.keys]))
    key = draw(st.sampled_from(sorted(place.keys)))
    at = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from(string.ascii_lowercase + "_"))
    before, here, after = key[:at], key[at], key[at + 1 :]
    misspelt = draw(
        st.sampled_from(
            [
                before + letter + here + after,
                before + after,
                before + letter + after,
                before + after[:1] + here + after[1:],
            ]
        )
    )
    assume(misspelt not in place.part.known_keys())
    return place, misspelt


@given(misspelt_keys())
@settings(max_examples=400, deadline=None)
def test_misspelt_key_inside_an_option_never_passes(misspelt: tuple[Place, str]):
    place, key = misspelt
    said = complaint(place.options({**place.required, key: None}))
    assert said.startswith(f"{place.path}.{key}: there is no such key; did you mean ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"audio": {"voice": "alloy", "fromat": "wav"}},
            "audio.fromat: there is no such key; did you mean format?",
        ),
        (
            {"deferred_tools": {"serch": {"type": "bm25"}}},
            "deferred_tools.serch: there is no such key; did you mean search?",
        ),
        (
            {"tools": [{"type": "function", "function": {"nme": "f"}}]},
            "tools[0].function.nme: there is no such key; did you mean name?",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0].function: is required"),
        (
            {"tools": [{"type": "openrouter:web_search", "max_results": 5}]},
            "tools[0]: write max_results into its `parameters`",
        ),
        (
            {"tool_choice": {"type": "function", "funtion": {"name": "f"}}},
            "tool_choice.funtion: there is no such key; did you mean function?",
        ),
        ({"plugins": [{"id": "alignment"}]}, "plugins[0].rules: is required"),
    ],
)
def test_key_that_is_missing_is_named_or_the_one_that_was_meant_to_be_it(options: dict[str, Any], said: str):
    assert complaint(options).startswith(said)


@pytest.mark.parametrize(
    "options",
    [
        {"plugins": [{"id": "brand-new", "enabeld": None, "max_results": "5"}]},
        {"tools": [{"type": "openrouter:brand_new", "parametrs": {"a": None}, "function": 5}]},
        {"tools": [{"type": "mcp", "server_label": None}]},
        {"tool_choice": {"type": "allowed_tools", "mode": None, "tools": [{"type": "function"}]}},
        {"tools": [{"type": "openrouter:image_generation", "parameters": {"model": "a/b", "qualty": None}}]},
        {"trace": {"trace_ix": None, "environment": {"b": 1, "a": None}}},
        {"provider": {"options": {"together": {"ordr": None, "b": 1, "a": 2}}}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"typ": None, "enum": [None]}}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"const": None, "typ": 1}}}},
        {"extra_body": {"provider": {"sort": None, "order": None}, "reasonng": {"effrt": None}}},
    ],
)  # fmt: skip
def test_what_belongs_to_someone_else_goes_through_verbatim(options: dict[str, Any]):
    body = ProviderOptions.of(options).body
    assert json.dumps(body) == json.dumps(options.get("extra_body", options))


# --- mappings and classes ---


@pytest.mark.parametrize(
    ("mapping", "part"),
    [
        ({"cache_control": {"ttl": "1h"}}, CacheControl(ttl="1h")),
        ({"prompt_cache_options": {"ttl": "12h"}}, PromptCacheOptions(ttl="12h")),
        ({"prediction": {"content": [{"text": "x"}]}}, Prediction(content=[PredictedText(text="x")])),
        ({"deferred_tools": {"search": {"type": "bm25"}}}, DeferredTools(search=ToolSearch(type="bm25"))),
        ({"reasoning": {"summary": "auto", "effort": "low"}}, Reasoning(effort="low", summary="auto")),
        ({"plugins": [{"max_results": 3, "id": "web"}]}, [WebPlugin(max_results=3)]),
        ({"plugins": [{"id": "auto-router", "excluded_models": ["a/*"], "allowed_models": ["b/*"]}]}, [AutoRouterPlugin(allowed_models=["b/*"], excluded_models=("a/*",))]),
        ({"tools": [{"parameters": {"user_location": {"city": "Berlin"}, "engine": "exa"}, "type": "openrouter:web_search"}]}, [WebSearch(engine="exa", user_location=UserLocation(city="Berlin"))]),
        ({"tools": [{"type": "openrouter:subagent", "parameters": {"tools": [{"type": "openrouter:web_search", "parameters": {"max_results": 1}}], "name": "a"}}]}, [Subagent(name="a", tools=[WebSearch(max_results=1)])]),
        ({"tools": [{"type": "openrouter:fusion", "parameters": {"cache_control": {}}}]}, [Fusion(cache_control=CacheControl())]),
        ({"tools": [{"cache_control": {"ttl": "1h"}, "function": {"description": "d", "name": "f"}, "type": "function"}]}, [FunctionTool(function=Function(name="f", description="d"), cache_control=CacheControl(ttl="1h"))]),
        ({"tool_choice": {"function": {"name": "f"}, "type": "function"}}, FunctionChoice(function=NamedFunction(name="f"))),
        ({"tool_choice": {"type": "openrouter:web_search"}}, ToolChoice(type="openrouter:web_search")),
        ({"trace": {"environment": "e", "span_name": "s", "trace_id": "t"}}, Trace(trace_id="t", span_name="s", environment="e")),
    ],
)  # fmt: skip
def test_mapping_and_class_send_the_same_bytes(mapping: dict[str, Any], part: Any):
    (name,) = mapping
    assert json.dumps(ProviderOptions.of(mapping).body) == json.dumps(ProviderOptions.of({name: part}).body)
    assert ProviderOptions.of(mapping) == ProviderOptions.of({name: part})


@pytest.mark.parametrize("parameters", [{"max_results": 3}, {"type": "fast", "max_results": 3}])
def test_a_server_tool_has_a_type_among_its_parameters_only_if_it_was_written_there(parameters: Any):
    tools = [{"type": "openrouter:web_search", "parameters": parameters}]
    assert ProviderOptions.of(tools=tools).body == {"tools": tools}


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_the_search_of_openais_words_has_its_keys_beside_its_type(kind: str):
    tool = {"type": kind, "engine": "exa", "max_results": 3}
    body = ProviderOptions.of(tools=[reversed_keys(tool)]).body
    assert json.dumps(body) == json.dumps({"tools": [tool]})
    said = complaint({"tools": [{"type": kind, "max_result": 3}]})
    assert said.startswith("tools[0].max_result: there is no such key; did you mean max_results?")


@pytest.mark.parametrize(
    ("tool", "choice"),
    [
        (WebSearch(max_results=3), {"type": "openrouter:web_search"}),
        (FunctionTool(function=Function(name="f", description="d")), {"type": "function", "function": {"name": "f"}}),
    ],
)  # fmt: skip
def test_a_tool_may_stand_for_its_choice(tool: Any, choice: dict[str, Any]):
    assert ProviderOptions.of(tools=[tool], tool_choice=tool).body["tool_choice"] == choice


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Reasoning(effort=5), "Reasoning.effort: should be 'max', "),
        (lambda: WebSearch(user_location={"city": 5}), "WebSearch.user_location.city: should be a valid string, not 5"),
        (lambda: FunctionTool(function={"nme": "f"}), "FunctionTool.function.nme: there is no such key; did you mean name?"),
        (lambda: Fusion(tools=[{"type": "openrouter:datetime", "parameters": {"timezone": 1}}]), "Fusion.tools[0].parameters.timezone: should be"),
    ],
)  # fmt: skip
def test_a_part_that_is_wrong_is_refused_where_it_is_made(make: Any, said: str):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(said)


# --- the order of keys ---

FOREIGN = {
    *(
        "logit_bias",
        "metadata",
        "image_config",
        "x_search_filter",
        "safety_settings",
        "usage",
        "stream_options",
    ),
    *("trace", "schema", "options", "extra_body", "web_search_options"),
}


def reversed_keys(value: Any, key: str = "") -> Any:
    """Return the same options with the keys of OpenRouter's own objects the other way round."""
    if key in FOREIGN:
        return value
    if isinstance(value, list):
        return [reversed_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    if key == "function":  # its parameters are a JSON Schema
        return dict(reversed(value.items()))
    return {name: reversed_keys(inner, name) for name, inner in reversed(value.items())}


@given(option_sets())
@settings(max_examples=150, deadline=None)
def test_same_options_are_the_same_bytes_whatever_the_order_they_were_written_in(options: dict[str, Any]):
    sent = json.dumps(ProviderOptions.of(options).body)
    assert json.dumps(ProviderOptions.of(reversed_keys(options)).body) == sent


def halves(value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return dict([*value.items()][::2]), dict([*value.items()][1::2])


# Whoever says it last says it alone.
RIVALS = {"max_tokens", "logprobs", "include_reasoning", "route", "transforms", "speed", "reasoning_effort"}


@given(option_sets(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_same_options_are_the_same_bytes_whichever_layer_they_come_from(
    options: dict[str, Any], swapped: bool
):
    options = {name: value for name, value in options.items() if name not in RIVALS}
    layers: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for index, (name, value) in enumerate(options.items()):
        if name in {"provider", "reasoning", "debug"}:
            layers[0][name], layers[1][name] = halves(value)
        else:
            layers[index % 2][name] = value
    below, above = map(ProviderOptions.of, reversed(layers) if swapped else layers)
    assert json.dumps(below.merged(above).body) == json.dumps(ProviderOptions.of(options).body)


@pytest.mark.parametrize(
    "options",
    [
        {"sort": "price", "order": ["a"], "max_price": {"completion": 2, "prompt": 1}},
        {"max_price": {"prompt": 1, "completion": 2}, "order": ["a"], "sort": "price"},
        {"sort": "price", "provider": {"max_price": {"completion": 2, "prompt": 1}, "order": ["a"]}},
        {"max_price": {"completion": 2}, "openrouter_max_price": {"prompt": 1}, "sort": "price", "order": ["a"]},
        {"provider": {"sort": "price"}, "openrouter_provider": {"order": ["a"], "max_price": {"prompt": 1, "completion": 2}}},
    ],
)  # fmt: skip
def test_same_options_are_the_same_bytes_whichever_way_they_are_spelled(options: dict[str, Any]):
    assert json.dumps(ProviderOptions.of(options).body) == json.dumps(
        {"provider": {"order": ["a"], "sort": "price", "max_price": {"prompt": 1, "completion": 2}}}
    )


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {"a": "1", "b": "2"}},
        {"logit_bias": {"1": 1, "5": 2}},
        {"provider": {"options": {"a": {}, "b": {}}}},
        {"provider_api_keys": {"a": "1", "b": "2"}},
    ],
    ids=str,
)
def test_pairs_without_an_order_are_the_same_bytes_in_any(options: dict[str, Any]):
    one, other = ProviderOptions.of(options), ProviderOptions.of(reversed_keys(options))
    assert json.dumps(one.body) == json.dumps(other.body)
    assert one.headers == other.headers


def test_what_is_someone_elses_keeps_its_order():
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}, "$defs": {}}
    format_ = {"json_schema": {"schema": schema, "name": "x"}, "type": "json_schema"}
    body = ProviderOptions.of(response_format=format_, extra_body={"b": 1, "a": 2}).body
    assert list(body) == ["response_format", "b", "a"]
    assert list(body["response_format"]["json_schema"]) == ["name", "schema"]
    assert json.dumps(body["response_format"]["json_schema"]["schema"]) == json.dumps(schema)


def test_what_extra_body_adds_to_an_option_stands_where_the_option_has_it():
    body = ProviderOptions.of(
        sort="price", seed=1, extra_body={"provider": {"newer": 1, "order": ["a"]}, "top_k": 1}
    ).body
    assert json.dumps(body) == json.dumps(
        {"top_k": 1, "seed": 1, "provider": {"order": ["a"], "sort": "price", "newer": 1}}
    )


def test_what_a_body_holds_is_the_callers():
    options = ProviderOptions.of(provider={"order": ["a"]}, extra_body={"newer": {"b": [1]}})
    before = copy.deepcopy(options.body)
    body = options.body
    body["provider"]["order"].append("z")
    body["newer"]["b"].append(2)
    assert options.body == before
    assert options.given["provider"] == {"order": ["a"]}


def test_the_fields_of_model_classes_take_parts_and_mappings():
    class Model(OptionFields):
        pass

    assert Model(plugins=[WebPlugin()]).plugins == [WebPlugin()]
