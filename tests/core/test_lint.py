"""What would certainly go wrong is said before anything is sent; what may go well is left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts import Catalog, Endpoint, Model, OpenRouterClient, preflight
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.lint import is_worth_linting, lint, may_require
from openrouter_opts.sandbox import Sandbox
from tests.both import Caller
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, answer

HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]

EVERYTHING = frozenset(
    {"max_tokens", "temperature", "seed", "tools", "response_format", "structured_outputs"}
)


def endpoint(tag: str, **facts: Any) -> Endpoint:
    prices = {"prompt": Decimal("0.000001"), "completion": Decimal("0.000004")}
    known = {"supported_parameters": EVERYTHING, "max_completion_tokens": 8_000, "pricing": prices}
    return Endpoint(tag.title(), tag, **(known | facts))


def served(*endpoints: Endpoint, **facts: Any) -> Model:
    return Model("acme/m", "M", endpoints=endpoints, **facts)


def found(facts: Model, **options: Any) -> list[str]:
    return found_among([facts], **options)


def found_among(models: list[Model], **options: Any) -> list[str]:
    """Lint a request for several models, of which nothing else is known."""
    known = {model.id: model for model in models}
    body = {"model": models[0].id, "models": [model.id for model in models[1:]], "messages": HI, **options}
    return [str(finding) for finding in lint(body, known.get)]


def bundled(model: str) -> Model:
    return Catalog.bundled()[model]


BIG = endpoint("big", max_completion_tokens=64_000, quantization="bf16", zdr=True)
SMALL = endpoint(
    "small/fp8",
    quantization="fp8",
    zdr=False,
    pricing={"prompt": Decimal("0.0000005")},
    context_length=32_000,
)
PLAIN = endpoint("plain", supported_parameters=frozenset({"max_tokens", "temperature"}), quantization="fp4")
MODEL = served(BIG, SMALL, PLAIN)


# --- parameters ---


def test_a_parameter_that_no_endpoint_supports_is_found():
    (line,) = found(bundled("openai/gpt-5-mini"), temperature=0.2)
    assert line == (
        "temperature: no endpoint of openai/gpt-5-mini supports it, so OpenRouter drops it silently;"
        " leave it out, or choose another model"
    )
    assert found(bundled("openai/gpt-4o-mini"), temperature=0.2) == []


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"response_format": SCHEMA}, "response_format"),
        ({"reasoning": {"effort": "low"}}, "reasoning"),
        ({"reasoning": {"enabled": True}}, "reasoning"),
        ({"reasoning": {"max_tokens": 2000}}, "reasoning"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
    ],
)
def test_what_a_model_without_such_abilities_is_asked_is_found(options: dict[str, Any], path: str):
    (line,) = found(bundled("aion-labs/aion-rp-llama-3.1-8b"), **options)
    assert line.startswith(f"{path}: no endpoint of aion-labs/aion-rp-llama-3.1-8b supports it")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tools": []},
        {"tools": [{"type": "openrouter:web_search"}]},
        {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
        {"reasoning": {"effort": "none"}},
        {"reasoning": {"enabled": False}},
        {"reasoning": {"exclude": True}},
        {"reasoning_effort": "none"},
        {"max_tokens": 4_000, "provider": {"sort": "price", "order": ["nobody"]}},
        {"session_id": "s", "user": "u", "plugins": [{"id": "web"}]},
    ],
)
def test_what_is_in_order_or_changes_nothing_is_left_alone(options: dict[str, Any]):
    without_tools = bundled("aion-labs/aion-rp-llama-3.1-8b")
    model = bundled("openai/gpt-5-mini") if options.get("tool_choice") else without_tools
    assert found(model, **options) == []


def test_values_that_change_nothing_need_no_support():
    no_effect = {"top_p": 1.0, "top_k": 0, "min_p": 0, "presence_penalty": 0.0, "repetition_penalty": 1}
    assert found(MODEL, **no_effect, logprobs=False, stop=[], logit_bias={}, top_logprobs=None) == []
    assert found(MODEL, verbosity="medium", structured_outputs=False, web_search_options={}) == []
    assert found(MODEL, parallel_tool_calls=False, tool_choice="required", prediction=None) == []
    assert len(found(MODEL, top_p=0.9, top_k=1, logprobs=True, stop="x")) == 4


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"verbosity": "low"}, "verbosity"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "none"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look"}}}, "tool_choice"),
        ({"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls"),
    ],
)
def test_every_listed_parameter_is_judged(options: dict[str, Any], path: str):
    model = served(BIG)
    (line,) = found(model, **options)
    assert line.startswith(f"{path}: no endpoint of acme/m supports it, so OpenRouter drops it silently")
    able = served(endpoint("able", supported_parameters=EVERYTHING | {path}))
    assert found(able, **options) == []


def test_structured_outputs_are_judged():
    (line,) = found(served(PLAIN), structured_outputs=True)
    assert line.startswith("structured_outputs: no endpoint of acme/m supports it")
    assert found(served(BIG), structured_outputs=True) == []


@pytest.mark.parametrize(
    "options",
    [
        {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True},
        {"tools": [TOOL], "tool_choice": {"type": "openrouter:web_search"}},
        {"tools": [{"type": "openrouter:web_search"}], "tool_choice": "required"},
        {"web_search_options": {"search_context_size": "low"}, "plugins": [{"id": "web"}]},
        {"web_search_options": {"search_context_size": "low"}, "model": "acme/m:online"},
    ],
)
def test_what_openrouter_does_itself_needs_no_support(options: dict[str, Any]):
    body = {"model": "acme/m", "messages": HI, **options}
    assert lint(body, lambda _: served(BIG)) == ()


def test_the_bundled_facts_say_nothing_of_parameters_that_they_do_not_record():
    model = bundled("openai/gpt-5-mini")
    assert found(model, seed=1, top_k=40, logprobs=True, stop=["x"], repetition_penalty=1.1) == []
    listed = Model.from_wire({"id": "a/b", "supported_parameters": ["max_tokens", "temperature"]})
    assert [line.partition(":")[0] for line in found(listed, seed=1, top_k=40)] == ["seed", "top_k"]


def test_facts_that_are_assumptions_find_nothing():
    assert found(Catalog().facts("a/b"), seed=1, reasoning_effort="high", max_tokens=10**9) == []


def test_a_model_whose_parameters_nobody_listed_finds_nothing():
    assert found(Model("a/b", "B"), temperature=0.2, tools=[TOOL]) == []
    assert found(served(Endpoint("X", "x")), temperature=0.2, tools=[TOOL]) == []


@pytest.mark.parametrize(("name", "value"), [("tools", [TOOL]), ("response_format", SCHEMA)])
def test_what_only_some_endpoints_do_is_found_unless_it_is_required(name: str, value: Any):
    (line,) = found(MODEL, **{name: value})
    assert line == (
        f"{name}: of the endpoints of acme/m that may serve it, plain would drop it silently;"
        " set provider.require_parameters"
    )
    assert found(MODEL, **{name: value}, provider={"require_parameters": True}) == []
    assert found(MODEL, **{name: value}, provider={"ignore": ["plain"]}) == []
    assert found(MODEL, **{name: value}, preset="mine") == []
    assert found(MODEL, seed=1) == []


def test_a_required_parameter_that_no_endpoint_supports_is_found():
    (line,) = found(MODEL, top_k=5, provider={"require_parameters": True})
    assert line.startswith(
        "top_k: no endpoint of acme/m supports it, and provider.require_parameters excludes"
    )


def test_a_value_that_changes_nothing_needs_support_where_that_is_required():
    assert found(MODEL, top_p=1) == []
    (line,) = found(MODEL, top_p=1, provider={"require_parameters": True})
    assert line.startswith("top_p: no endpoint of acme/m supports it")


def test_required_parameters_that_no_endpoint_has_together_are_found():
    one = endpoint("one", supported_parameters=frozenset({"seed"}))
    other = endpoint("other", supported_parameters=frozenset({"top_k"}))
    options = {"seed": 1, "top_k": 2}
    (line,) = found(served(one, other), **options, provider={"require_parameters": True})
    assert line == "provider.require_parameters: no endpoint of acme/m supports all of seed, top_k"
    assert found(served(one, other), **options) == []


def may(facts: Model | list[Model], **options: Any) -> bool:
    models = facts if isinstance(facts, list) else [facts]
    known = {model.id: model for model in models}
    body = {"model": models[0].id, "models": [model.id for model in models[1:]], "messages": HI, **options}
    return may_require(body, known.get)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"response_format": SCHEMA}, True),
        ({"response_format": SCHEMA, "seed": 1}, True),
        ({"response_format": SCHEMA, "seed": 1, "provider": {"require_parameters": None}}, True),
        ({"response_format": SCHEMA, "provider": {"require_parameters": False}}, False),
        ({"response_format": SCHEMA, "provider": {"require_parameters": True}}, False),
        ({"response_format": SCHEMA, "top_k": 5}, False),
        ({"response_format": SCHEMA, "provider": {"only": ["plain"]}}, False),
        ({"response_format": SCHEMA, "provider": {"only": ["nobody"]}}, True),
    ],
    ids=str,
)
def test_support_may_be_required_unless_that_leaves_no_endpoint_or_something_is_said_of_it(
    options: dict[str, Any], allowed: bool
):
    assert may(MODEL, **options) is allowed


def test_support_may_be_required_only_if_each_of_the_models_keeps_an_endpoint():
    able = Model("acme/able", "A", endpoints=(BIG,))
    unable = Model("acme/unable", "U", endpoints=(PLAIN,))
    assert may([able, MODEL], response_format=SCHEMA)
    assert not may([able, unable], response_format=SCHEMA)
    assert may(Model("acme/unknown", "?"), response_format=SCHEMA)


# --- routing ---


@pytest.mark.parametrize(
    ("provider", "line"),
    [
        ({"only": ["azure"]}, "only: leaves no endpoint of acme/m; it is served by big, small/fp8, plain"),
        ({"ignore": ["big", "Small", "plain"]}, "ignore: leaves no endpoint of acme/m; it is served by"),
        ({"order": ["azure"], "allow_fallbacks": False}, "order: leaves no endpoint of acme/m; it is"),
        (
            {"quantizations": ["int4"]},
            "quantizations: leaves no endpoint of acme/m; they are quantized as bf16,",
        ),
        ({"only": ["small"], "zdr": True}, "zdr: leaves no endpoint of acme/m; small/fp8 may keep data"),
        (
            {"max_price": {"prompt": 0.4}},
            "max_price: leaves no endpoint of acme/m; the lowest prices, in its units, are prompt 0.5",
        ),
        ({"only": ["big"], "quantizations": ["fp8"]}, "quantizations: leaves no endpoint"),
        ({"only": ["big"], "max_price": {"completion": "3.99"}}, "max_price: leaves no endpoint"),
    ],
)
def test_preferences_that_leave_no_endpoint_are_found(provider: dict[str, Any], line: str):
    (only,) = found(MODEL, provider=provider)
    assert only.startswith(f"provider.{line}")


@pytest.mark.parametrize(
    "provider",
    [
        {"only": ["azure", "Big"]},
        {"only": ["small"]},
        {"only": []},
        {"order": ["azure"]},
        {"order": ["azure", "small/fp8"], "allow_fallbacks": False},
        {"quantizations": ["fp8"]},
        {"zdr": True},
        {"zdr": False, "only": ["small"]},
        {"max_price": {"prompt": "0.5"}},
        {"max_price": {"prompt": 1, "completion": 4, "request": 0}},
        {"max_price": {"prompt": "cheap"}},
        {"max_price": None, "only": None},
    ],
)
def test_preferences_that_leave_an_endpoint_are_left_alone(provider: dict[str, Any]):
    assert found(MODEL, provider=provider) == []


def test_a_model_none_of_whose_endpoints_keeps_no_data_is_found():
    listed = Model("acme/m", "M").with_zdr(frozenset())
    (line,) = found(listed, provider={"zdr": True})
    assert line == "provider.zdr: leaves no endpoint of acme/m; each of them may keep data"
    assert found(listed, provider={"zdr": False, "only": ["nobody"]}) == []
    assert found(Model("acme/m", "M").with_zdr(frozenset({"big"})), provider={"zdr": True}) == []


def test_without_endpoints_preferences_are_not_judged():
    provider = {"only": ["nobody"], "quantizations": ["int4"], "max_price": {"prompt": 0}, "zdr": True}
    assert found(bundled("openai/gpt-5-mini"), provider=provider) == []


def test_endpoints_of_a_service_tier_have_to_be_asked_for():
    flex = endpoint("big/flex", service_tier="flex", supported_parameters=frozenset({"seed"}))
    model = served(BIG, flex)
    assert found(model, tools=[TOOL]) == []
    assert len(found(model, tools=[TOOL], service_tier="flex")) == 1
    assert len(found(model, tools=[TOOL], provider={"order": ["big/flex"]})) == 1
    assert found(served(flex, supported_parameters=frozenset({"tools"})), seed=1) == []
    body = {"model": "acme/m:floor", "messages": HI, "tools": [TOOL]}
    assert len(lint(body, lambda _: model)) == 1


# --- tokens and cache ---


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_more_tokens_than_any_endpoint_writes_are_found(name: str):
    line = f"{name}: is above what any endpoint of acme/m can write; ask for 64,000 tokens at most"
    assert found(MODEL, **{name: 64_001}) == [line]
    assert found(MODEL, **{name: 64_000}) == []
    assert "8,000" in found(MODEL, **{name: 8_001}, provider={"only": ["small"]})[0]


def test_both_limits_are_looked_at():
    line = "max_tokens: is above what any endpoint of acme/m can write; ask for 64,000 tokens at most"
    assert found(MODEL, max_tokens=64_001, max_completion_tokens=5) == [
        "max_tokens: is 64001, and max_completion_tokens is 5; give one of them",
        line,
    ]
    assert len(found(MODEL, max_tokens=64_001, max_completion_tokens=64_001)) == 2


def test_endpoints_that_write_less_than_asked_are_not_counted():
    assert found(MODEL, tools=[TOOL], max_tokens=8_001) == []


def test_without_endpoints_only_the_window_limits_the_answer():
    model = bundled("openai/gpt-5-mini")
    assert model.max_completion_tokens == 128_000
    assert found(model, max_tokens=200_000) == []
    assert "400,000" in found(model, max_tokens=400_001)[0]


def cached(marks: int) -> list[dict[str, Any]]:
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    return [{"role": "user", "content": [part] * marks}]


def test_more_than_four_cache_breakpoints_for_claude_are_found():
    claude, gpt = bundled("anthropic/claude-sonnet-4.6"), bundled("openai/gpt-5-mini")
    marked = TOOL | {"cache_control": {"type": "ephemeral"}}
    assert found(claude, messages=cached(4)) == []
    assert found(claude, messages=cached(4), tools=[TOOL]) == []
    assert found(gpt, messages=cached(5)) == []
    for body in (
        {"messages": cached(5)},
        {"messages": cached(4), "tools": [marked]},
        {"messages": cached(4), "cache_control": {"type": "ephemeral"}},
    ):
        (line,) = found(claude, **body)
        assert line.startswith("messages: more than 4 cache breakpoints, and anthropic/claude-sonnet-4.6")


def test_whatever_the_newest_claude_is_it_takes_no_more_cache_breakpoints():
    body = {"model": "~anthropic/claude-sonnet-latest", "messages": cached(5)}
    assert is_worth_linting(body)
    (finding,) = lint(body, lambda _: None)
    assert finding.message.startswith("more than 4 cache breakpoints, and ~anthropic/claude-sonnet-latest")


def test_an_hour_in_the_cache_after_five_minutes_is_found_for_claude():
    claude, gpt = bundled("anthropic/claude-sonnet-4.6"), bundled("openai/gpt-5-mini")
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert found(claude, messages=cached(1), tools=[TOOL | {"cache_control": hour}]) == []
    assert found(gpt, messages=cached(1), cache_control=hour) == []
    (line,) = found(claude, messages=cached(1), cache_control=hour)
    assert line.startswith("messages: a cache breakpoint for an hour after one for five minutes")
    assert "anthropic/claude-sonnet-4.6 takes the longer ones first" in line


def test_tools_that_may_not_be_called_may_be_dropped():
    able, unable = endpoint("big"), endpoint("old", supported_parameters=frozenset({"seed", "tool_choice"}))
    model = Model("acme/m", "M", endpoints=(able, unable))
    assert found(model, tools=[TOOL])
    assert found(model, tools=[TOOL], tool_choice="none") == []


# --- contradictions ---


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"reasoning": {"effort": "low", "max_tokens": 2000}},
            "reasoning.effort: says how much to reason, and so does reasoning.max_tokens; give one of them",
        ),
        (
            {"reasoning_effort": "low", "reasoning": {"max_tokens": 2000}},
            "reasoning_effort: says how much to reason, and so does reasoning.max_tokens; give one of them",
        ),
        (
            {"reasoning_effort": "low", "reasoning": {"effort": "high"}},
            "reasoning_effort: is 'low', and reasoning.effort is 'high'; give one of them",
        ),
        (
            {"max_tokens": 5, "max_completion_tokens": 6},
            "max_tokens: is 5, and max_completion_tokens is 6; give one of them",
        ),
        (
            {"top_logprobs": 2, "logprobs": False},
            "top_logprobs: needs logprobs, which are switched off; give one of them",
        ),
    ],
)
def test_contradictions_are_found_whatever_the_model(options: dict[str, Any], line: str):
    body = {"model": "who/knows", "messages": HI, **options}
    assert is_worth_linting(body)
    assert [str(finding) for finding in lint(body, lambda _: None)] == [line]


# --- fallback models ---

ABLE = Model("acme/able", "Able", endpoints=(endpoint("big"),))
UNABLE = Model(
    "acme/unable", "Unable", endpoints=(endpoint("old", supported_parameters=frozenset({"seed"})),)
)


def test_a_fallback_model_may_lack_what_the_first_one_has():
    assert found_among([ABLE, UNABLE], temperature=0.2, tools=[TOOL]) == []
    assert found_among([ABLE, UNABLE], provider={"only": ["big"]}) == []
    assert found_among([ABLE, UNABLE], messages=cached(5)) == []
    lines = found_among([UNABLE, ABLE], temperature=0.2)
    assert [line.partition(",")[0] for line in lines] == [
        "temperature: no endpoint of acme/unable supports it"
    ]


def test_the_first_model_that_keeps_an_endpoint_is_judged():
    (line,) = found_among([ABLE, UNABLE], temperature=0.2, provider={"only": ["old"]})
    assert line.startswith("temperature: no endpoint of acme/unable supports it")
    assert found_among([UNABLE, ABLE], temperature=0.2, provider={"only": ["big"]}) == []


def test_preferences_leave_no_endpoint_only_if_they_leave_none_of_any_model():
    assert [line[:48] for line in found_among([ABLE, UNABLE], provider={"only": ["azure"]})] == [
        "provider.only: leaves no endpoint of acme/able; ",
        "provider.only: leaves no endpoint of acme/unable",
    ]
    assert found_among([ABLE, UNABLE], max_tokens=9_000) != []
    assert found_among([ABLE, MODEL], max_tokens=9_000) == []


def test_a_model_that_nobody_knows_may_do_anything():
    body = {"models": ["acme/able", "who/knows"], "messages": HI}
    known = {"acme/able": ABLE}.get
    assert lint({**body, "provider": {"only": ["azure"]}}, known) == ()
    (finding,) = lint({**body, "top_k": 5}, known)
    assert finding.path == "top_k"
    assert lint({**body, "models": ["who/knows", "acme/able"], "top_k": 5}, known) == ()


def test_endpoints_that_are_sorted_across_models_are_judged_together():
    across = {"sort": {"by": "price", "partition": "none"}}
    assert found_among([UNABLE, ABLE], temperature=0.2, provider=across) == []
    (line,) = found_among([UNABLE, ABLE], top_k=5, provider=across)
    assert line.startswith("top_k: no endpoint of acme/unable, acme/able supports it")
    (line,) = found_among([ABLE, UNABLE], tools=[TOOL], provider=across)
    assert line.startswith("tools: of the endpoints of acme/able, acme/unable that may serve it, old would")
    body = {"models": ["acme/able", "who/knows"], "messages": HI, "provider": across, "top_k": 5}
    assert lint(body, {"acme/able": ABLE}.get) == ()
    claude = ["anthropic/a", "anthropic/b"]
    body = {"models": claude, "messages": cached(5), "provider": across}
    assert len(lint(body, lambda _: None)) == 1
    assert lint({**body, "models": [*claude, "acme/able"]}, lambda _: None) == ()


# --- robustness ---


def test_a_plain_call_is_not_worth_a_look():
    assert not is_worth_linting({"model": "anthropic/claude-sonnet-4.6", "messages": HI, "user": "u"})
    assert not is_worth_linting({"model": None, "messages": HI})
    assert is_worth_linting({"model": "anthropic/claude-sonnet-4.6", "messages": cached(5)})


keys = [
    "provider",
    "tools",
    "reasoning",
    "response_format",
    "max_tokens",
    "temperature",
    "messages",
    "models",
]
inner = ["only", "order", "ignore", "max_price", "quantizations", "prompt", "type", "effort", "content"]
odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "big", "1e9"]),
    lambda within: st.lists(within, max_size=3) | st.dictionaries(st.sampled_from(inner), within, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(keys), odd))
def test_no_body_breaks_it(body: dict[str, Any]):
    body["messages"] = body.get("messages") if isinstance(body.get("messages"), list) else HI
    is_worth_linting(body)
    for finding in lint({"model": "acme/m", **body}, lambda _: MODEL):
        assert finding.path
        assert finding.message


# --- through the client ---


@pytest.fixture
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has said nothing yet."""
    monkeypatch.setattr(preflight, "_warned", set())


@pytest.fixture
def server(scripted: Servers) -> ScriptedServer:
    return scripted([answer(COMPLETION)])


@pytest.mark.usefixtures("unwarned")
def test_a_finding_is_said_once_at_the_callers_line_and_the_request_is_sent(server: ScriptedServer):
    client = OpenRouterClient(base_url=server.base_url, api_key="k", model="openai/gpt-5-mini", max_retries=0)
    with pytest.warns(UserWarning, match="^temperature: no endpoint of openai/gpt-5-mini") as said:
        client.complete(HI, temperature=0.2)
    assert [warning.filename for warning in said] == [__file__]
    client.complete(HI, temperature=0.2)
    assert [sent.json["temperature"] for sent in server.deliveries] == [0.2, 0.2]


@pytest.mark.usefixtures("unwarned")
def test_as_an_error_it_names_all_and_nothing_is_sent(server: ScriptedServer, caller: Callers):
    client = caller(server, model="openai/gpt-5-mini", check="error")
    options = {"temperature": 0.2, "max_tokens": 10**7}
    for call in (client.complete, client.stream):
        with pytest.raises(ConfigurationError, match=r"^max_tokens: is above .*400,000 tokens"):
            call(HI, **options)
    with pytest.raises(ConfigurationError) as caught:
        client.complete(HI, temperature=0.2, top_logprobs=3, extra_body={"logprobs": False})
    assert [line[:31] for line in str(caught.value).splitlines()] == [
        "top_logprobs: needs logprobs, w",
        "temperature: no endpoint of ope",
    ]
    assert server.deliveries == []


@pytest.mark.usefixtures("unwarned")
def test_it_can_be_switched_off_and_on_for_one_call(server: ScriptedServer, caller: Callers):
    off = caller(server, model="openai/gpt-5-mini", check="off")
    off.complete(HI, temperature=0.2)
    with pytest.raises(ConfigurationError, match="temperature"):
        off.complete(HI, temperature=0.2, check="error")
    caller(server, model="openai/gpt-5-mini", check="error").complete(HI, temperature=0.2, check="off")
    assert len(server.deliveries) == 2
    assert "check" not in server.deliveries[0].json


@pytest.mark.parametrize("wrong", ["loud", True, ["warn"]])
def test_another_check_is_refused(wrong: Any, server: ScriptedServer, caller: Callers):
    for call in (lambda: OpenRouterClient(check=wrong), lambda: caller(server).complete(HI, check=wrong)):
        with pytest.raises(ConfigurationError, match=r"^check: should be 'off', 'warn' or 'error'"):
            call()


@pytest.mark.usefixtures("unwarned")
@pytest.mark.parametrize(
    "model",
    [
        *("m/x", "openrouter/auto", "~openai/gpt-mini-latest", "~openai/gpt-latest"),
        *("openai/gpt-5-mini:thinking", "@preset/mine"),
    ],
)
def test_a_model_whose_facts_are_not_certain_is_not_judged(
    model: str, server: ScriptedServer, caller: Callers
):
    caller(server, model=model, check="error").complete(HI, temperature=0.2)


@pytest.mark.usefixtures("unwarned")
@pytest.mark.parametrize("variant", [":nitro", ":floor", ":exacto", ":free", "-2025-08-07", "@preset/mine"])
def test_a_variant_has_the_facts_of_its_model(variant: str, server: ScriptedServer, caller: Callers):
    client = caller(server, model=f"openai/gpt-5-mini{variant}", check="error")
    with pytest.raises(ConfigurationError, match="temperature"):
        client.complete(HI, temperature=0.2)


@pytest.mark.usefixtures("unwarned")
def test_with_the_endpoints_asked_for_routing_is_judged():
    with Sandbox() as sandbox:
        asked = {
            "base_url": sandbox.base_url,
            "api_key": sandbox.api_key,
            "model": "anthropic/claude-sonnet-4.6",
        }
        facts = OpenRouterClient(**asked).endpoints("anthropic/claude-sonnet-4.6")
        client = OpenRouterClient(**asked, catalog=Catalog.bundled().with_endpoints(facts), check="error")
        client.complete(HI, provider={"order": ["google-vertex"], "max_price": {"prompt": 3}})
        sent = len(sandbox.requests)
        for provider, path in [({"only": ["openai"]}, "only"), ({"max_price": {"prompt": 2.9}}, "max_price")]:
            with pytest.raises(
                ConfigurationError, match=f"^provider.{path}: leaves no endpoint of anthropic/"
            ):
                client.complete(HI, provider=provider)
        with pytest.raises(ConfigurationError, match="amazon-bedrock, google-vertex would drop it"):
            client.complete(HI, response_format=SCHEMA)
        assert len(sandbox.requests) == sent


@pytest.mark.usefixtures("unwarned")
def test_with_the_list_of_zdr_endpoints_asked_for_zdr_is_judged():
    claude = "anthropic/claude-sonnet-4.6"
    with Sandbox() as sandbox:
        asked = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "model": claude}
        lookup = OpenRouterClient(**asked)
        catalog = Catalog.bundled().with_zdr(lookup.zdr_endpoints())
        known = catalog.with_endpoints(lookup.endpoints(claude))
        client = OpenRouterClient(**asked, catalog=known, check="error")
        client.complete(HI, provider={"zdr": True})
        sent = len(sandbox.requests)
        with pytest.raises(
            ConfigurationError, match=r"^provider\.zdr: leaves no endpoint of .*; anthropic may"
        ):
            client.complete(HI, provider={"zdr": True, "only": ["anthropic"]})
        with pytest.raises(
            ConfigurationError, match=r"^provider\.zdr: .*gpt-5-nano; each of them may keep data"
        ):
            client.complete(HI, model="openai/gpt-5-nano", zdr=True)
        assert len(sandbox.requests) == sent


@pytest.mark.usefixtures("unwarned")
@pytest.mark.parametrize(
    ("model", "call"),
    [
        ({"reasoning": {"effort": "low"}}, {"extra_body": {"reasoning": {"max_tokens": 2000}}}),
        ({"extra_body": {"reasoning_effort": "low"}}, {"reasoning": {"max_tokens": 2000}}),
    ],
)
def test_two_amounts_of_reasoning_are_found_wherever_they_come_from(
    model: dict[str, Any], call: dict[str, Any], server: ScriptedServer, caller: Callers
):
    client = caller(server, model="anthropic/claude-sonnet-4.6", provider_options=model)
    with pytest.raises(ConfigurationError, match=r"^reasoning.*give one of them"):
        client.complete(HI, check="error", **call)
    assert server.deliveries == []
    with pytest.warns(UserWarning, match=r"^reasoning.*give one of them"):
        client.complete(HI, **call)
    client.complete(HI, check="off", **call)
    assert len(server.deliveries) == 2


@pytest.mark.usefixtures("unwarned")
def test_a_later_amount_of_reasoning_replaces_an_earlier_one(server: ScriptedServer, caller: Callers):
    options = {"reasoning": {"effort": "low"}}
    client = caller(server, model="anthropic/claude-sonnet-4.6", provider_options=options, check="error")
    client.complete(HI, reasoning={"max_tokens": 2000})
    assert server.deliveries[0].json["reasoning"] == {"max_tokens": 2000}


def test_a_call_with_nothing_to_judge_reads_no_catalogue():
    script = (
        "from openrouter_opts import preflight\n"
        "from openrouter_opts.catalog import catalog\n"
        f"preflight.preflight({{'model': 'anthropic/claude-sonnet-4.6', 'messages': {HI!r}}}, 'warn')\n"
        "print(catalog._bundled.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
