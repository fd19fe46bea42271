"""Options reach OpenRouter through every door of LangChain, as they were given, and nothing of them gets lost."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import ConfigurationError, ProviderOptions, ProviderPreferences, Reasoning
from openrouter_opts.errors import BadRequest
from openrouter_opts.options import SPELLINGS, deprecated
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import USAGE, answer

Make = Callable[..., ChatOpenRouter]
Way = Callable[[Make, dict[str, Any]], object]
WAYS: dict[str, Way] = {
    "keyword": lambda make, options: make(**options).invoke("hi"),
    "provider_options": lambda make, options: make(provider_options=options).invoke("hi"),
    "call": lambda make, options: make().invoke("hi", **options),
    "provider_options of a call": lambda make, options: make().invoke("hi", provider_options=options),
    "bind": lambda make, options: make().bind(**options).invoke("hi"),
    "batch": lambda make, options: make().batch(["hi", "ho"], **options),
    "abatch": lambda make, options: asyncio.run(make().abatch(["hi", "ho"], **options)),
    "a batch with retries": lambda make, options: (
        make().with_retry(wait_exponential_jitter=False).batch(["hi", "ho"], **options)
    ),
    "map": lambda make, options: make().map().invoke(["hi", "ho"], **options),
}


def body(sandbox: Sandbox) -> dict[str, Any]:
    """Return what the last request said beside its model and its messages."""
    sent = sandbox.last.body
    return {key: value for key, value in sent.items() if key not in {"model", "messages", "stream"}}


@pytest.fixture(autouse=True)
def nothing_warned_about_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", set())


@pytest.fixture
def make_llm(sandbox: Sandbox) -> Make:
    """Make models here, where warnings should point, that send what they are told whether or not it does anything for that model."""

    def make(model: str = "openai/gpt-5-mini", **arguments: Any) -> ChatOpenRouter:
        where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
        return ChatOpenRouter(model=model, check="off", **where, **arguments)

    return make


# --- whatever is said about routing is sent ---


def test_every_routing_preference_is_sent(ask: Ask, make_llm: Make, sandbox: Sandbox) -> None:
    preferences = {"data_collection": "deny", "zdr": True, "max_price": {"prompt": 1, "completion": 2}}
    ask(make_llm(openrouter_provider=preferences), "hi")
    assert body(sandbox) == {"provider": preferences}


def test_a_provider_that_is_no_list_is_refused_by_name(make_llm: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"provider\.order: should be a valid list.*\['anthropic'\]"):
        make_llm(openrouter_provider={"order": "anthropic"})


@pytest.mark.wrong_on_purpose
def test_a_value_that_is_unknown_here_is_for_openrouter_to_judge(make_llm: Make, sandbox: Sandbox) -> None:
    with pytest.raises(BadRequest, match="data_collection"):
        make_llm(openrouter_provider={"data_collection": "never"}).invoke("hi")
    assert body(sandbox) == {"provider": {"data_collection": "never"}}


@pytest.mark.wrong_on_purpose
def test_a_preference_that_is_newer_than_this_library_is_sent_with_a_warning(
    make_llm: Make, sandbox: Sandbox
) -> None:
    preferences = {"order": ["openai"], "carbon_neutral": 1}
    with pytest.warns(UserWarning, match=r"provider\.carbon_neutral is not known here") as caught:
        llm = make_llm(openrouter_provider=preferences)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.raises(BadRequest, match="carbon_neutral"):
        llm.invoke("hi")
    assert body(sandbox) == {"provider": preferences}


def test_reasoning_is_sent_as_it_was_given(make_llm: Make, sandbox: Sandbox) -> None:
    reasoning = {"max_tokens": 2000, "exclude": True, "enabled": True}
    make_llm("anthropic/claude-sonnet-4.6", max_tokens=4000, reasoning=reasoning).invoke("hi")
    assert body(sandbox) == {"max_tokens": 4000, "reasoning": reasoning}


@pytest.mark.wrong_on_purpose
def test_plugins_of_tomorrow_are_sent_as_they_are(make_llm: Make, sandbox: Sandbox) -> None:
    plugins = [{"id": "response-healing"}, {"id": "brand-new", "x": 1}]
    with pytest.raises(BadRequest, match="brand-new"):
        make_llm(plugins=plugins).invoke("hi")
    assert body(sandbox) == {"plugins": plugins}


@pytest.mark.filterwarnings("ignore:plugins.0..future is not known here:UserWarning")
def test_a_web_plugin_keeps_what_is_newer_than_this_library(make_llm: Make, sandbox: Sandbox) -> None:
    plugins = [{"id": "web", "future": 1}]
    with pytest.warns(DeprecationWarning, match="the plugin web is deprecated"):
        make_llm(plugins=plugins).invoke("hi")
    assert body(sandbox) == {"plugins": plugins}


def test_model_kwargs_may_be_any_option(make_llm: Make, sandbox: Sandbox) -> None:
    kwargs = {
        "verbosity": "low",
        "structured_outputs": True,
        "preset": "my-preset",
        "metadata": {"a": "b"},
        "extra_body": {"x": 1},
    }
    make_llm(model_kwargs=kwargs).invoke("hi")
    assert body(sandbox) == {**{key: kwargs[key] for key in kwargs if key != "extra_body"}, "x": 1}


def test_callers_dicts_stay_as_they_are(make_llm: Make, sandbox: Sandbox) -> None:
    arguments = {
        "model_kwargs": {"top_k": 1, "provider": {"order": ["openai"]}},
        "provider_options": {"max_price": {"prompt": 5}},
        "provider": {"zdr": False},
    }
    call = {"provider_options": {"max_price": {"completion": 9}}, "provider": {"ignore": ["azure"]}}
    before = copy.deepcopy((arguments, call))
    make_llm(min_p=0.1, **arguments).invoke("hi", **call)
    assert (arguments, call) == before
    assert body(sandbox)["provider"] == {
        "order": ["openai"],
        "max_price": {"prompt": 5, "completion": 9},
        "zdr": False,
        "ignore": ["azure"],
    }


# --- names of yesterday ---


@pytest.mark.parametrize(
    ("old", "sent"),
    [
        ({"route": "fallback"}, {}),
        ({"route": "sort"}, {"provider": {"sort": {"partition": "none"}}}),
        ({"transforms": ["middle-out"]}, {"plugins": [{"id": "context-compression"}]}),
        ({"usage": {"include": True}}, {}),
        ({"include_reasoning": False}, {"reasoning": {"exclude": True}}),
        ({"stream_options": {"include_usage": True}}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("way", WAYS)
def test_a_deprecated_option_warns_once_at_the_users_line_and_is_sent_in_todays_terms(
    old: dict[str, Any], sent: dict[str, Any], way: str, make_llm: Make, sandbox: Sandbox
) -> None:
    with pytest.warns(DeprecationWarning, match=f"{next(iter(old))} is deprecated: ") as caught:
        WAYS[way](make_llm, old)
    WAYS[way](make_llm, old)
    assert [warning.filename for warning in caught] == [__file__]
    assert body(sandbox) == sent


def test_a_deprecated_option_of_an_async_call_warns_where_the_loop_is_run(make_llm: Make) -> None:
    """LangChain makes its calls in tasks of their own, which don't know who waits for them."""
    with pytest.warns(DeprecationWarning, match="route is deprecated") as caught:
        asyncio.run(make_llm().ainvoke("hi", route="fallback"))
    assert [warning.filename for warning in caught] == [__file__]


SPARED = {"stream_options": {"include_usage": False}}


@pytest.mark.parametrize(
    ("constructor", "call", "usages"),
    [
        ({}, {}, 1),
        ({"model_kwargs": SPARED}, {}, 0),
        ({"provider_options": SPARED}, {}, 0),
        ({}, SPARED, 0),
        ({}, {"provider_options": SPARED}, 0),
        ({"stream_usage": False}, {}, 0),
        ({}, {"stream_usage": False}, 0),
        ({"stream_usage": False}, {"stream_usage": True}, 1),
        ({"stream_options": {"include_usage": True}}, {}, 1),
    ],
    ids=str,
)
def test_who_wants_no_usage_in_a_stream_gets_none(
    constructor: dict[str, Any], call: dict[str, Any], usages: int, make_llm: Make, sandbox: Sandbox
) -> None:
    told = any("stream_options" in str(each) for each in (constructor, call))
    with pytest.warns(DeprecationWarning, match="stream_options") if told else nullcontext():
        chunks = list(make_llm(**constructor).stream("hi", **call))
    assert sum(chunk.usage_metadata is not None for chunk in chunks) == usages
    assert chunks[-1].response_metadata["cost"] == float(sandbox.credits_used)
    asked_to_be_spared = "False}" in f"{constructor}{call}" and told
    assert sandbox.last.body.get("stream_options") == (
        SPARED["stream_options"] if asked_to_be_spared else None
    )


# --- per call ---


def test_a_call_is_honoured_and_the_constructor_stays(make_llm: Make, sandbox: Sandbox) -> None:
    llm = make_llm(provider={"order": ["openai"]}, max_retries=0, extra_headers={"x-a": "mine"})
    sandbox.fail_next(status=503, retry_after=0.01)
    llm.invoke("hi", openrouter_provider={"zdr": True}, timeout=3, extra_headers={"x-a": "b"}, max_retries=1)
    assert len(sandbox.requests) == 2
    assert body(sandbox) == {"provider": {"order": ["openai"], "zdr": True}}
    assert sandbox.last.headers["x-a"] == "b"
    llm.invoke("hi")
    assert body(sandbox) == {"provider": {"order": ["openai"]}}
    assert sandbox.last.headers["x-a"] == "mine"
    assert llm.max_retries == 0


def test_headers_of_ones_own_are_sent_in_place_of_ours(make_llm: Make, sandbox: Sandbox) -> None:
    own = {"Authorization": f"Bearer {sandbox.api_key}", "User-Agent": "me"}
    # The sandbox would refuse the other key.
    llm = ChatOpenRouter(
        model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key="no", default_headers=own
    )
    llm.invoke("hi")
    assert sandbox.last.headers["user-agent"] == "me"
    assert sandbox.api_key not in repr(llm)
    assert llm.client.key()["label"]


def test_several_answers_are_several_generations_paid_once(scripted: Callable[..., ScriptedServer]) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(["one", "two"])
    ]
    server = scripted([answer({"id": "gen-1", "model": "m/x", "choices": choices, "usage": USAGE})])
    llm = ChatOpenRouter(model="m/x", base_url=server.base_url, api_key="k", n=2)
    result = llm.generate([[HumanMessage("hi")]])
    assert json.loads(server.deliveries[0].body)["n"] == 2
    assert [generation.text for generation in result.generations[0]] == ["one", "two"]
    paid = [generation.message.usage_metadata for generation in result.generations[0]]
    assert [usage and usage["total_tokens"] for usage in paid] == [9, None]


# --- LangChain's ways to configure ---


def test_bound_options_reach_every_way_to_call(ask: Ask, make_llm: Make, sandbox: Sandbox) -> None:
    bound = make_llm(provider={"order": ["openai"]}).bind(
        provider_options=ProviderOptions(provider=ProviderPreferences(max_price={"prompt": 5})), seed=3
    )
    ask(bound, "hi", top_k=5)
    assert body(sandbox) == {
        "top_k": 5,
        "seed": 3,
        "provider": {"order": ["openai"], "max_price": {"prompt": 5}},
    }


def test_bound_options_outlive_tools_and_structured_output(make_llm: Make, sandbox: Sandbox) -> None:
    schema = {"title": "Said", "type": "object", "properties": {"said": {"type": "string"}}}
    make_llm().with_structured_output(schema, provider={"require_parameters": True}).invoke("hi")
    assert body(sandbox)["provider"] == {"require_parameters": True}
    make_llm().bind_tools([schema], provider_options={"zdr": True}).invoke("hi")
    assert body(sandbox)["provider"] == {"zdr": True}


def test_with_config_keeps_bound_options(make_llm: Make, sandbox: Sandbox) -> None:
    llm = make_llm().bind(models=["openai/gpt-4o-mini"]).with_config(tags=["t"], run_name="asked")
    llm.invoke("hi", config={"metadata": {"for": "tracing"}})
    assert body(sandbox) == {"models": ["openai/gpt-4o-mini"]}


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("temperature", 0.6, {"temperature": 0.6}),
        ("provider", {"sort": "price"}, {"provider": {"sort": "price"}}),
        ("models", ["openai/gpt-4o-mini"], {"models": ["openai/gpt-4o-mini"]}),
        ("reasoning", Reasoning(effort="low"), {"reasoning": {"effort": "low"}}),
        ("provider_options", {"openrouter_top_k": 4, "zdr": True}, {"top_k": 4, "provider": {"zdr": True}}),
        ("provider_options", ProviderOptions(seed=1), {"seed": 1}),
        ("extra_body", {"newer": 1}, {"newer": 1}),
    ],
    ids=str,
)
def test_any_field_can_be_configured_at_run_time(
    field: str, value: Any, sent: dict[str, Any], ask: Ask, make_llm: Make, sandbox: Sandbox
) -> None:
    configurable = make_llm().configurable_fields(**{field: ConfigurableField("it")})
    ask(configurable.with_config(configurable={"it": value}), "hi")
    assert body(sandbox) == sent
    ask(configurable, "hi")
    assert body(sandbox) == {}


def test_the_model_can_be_configured_at_run_time(make_llm: Make, sandbox: Sandbox) -> None:
    configurable = make_llm(seed=1).configurable_fields(model_name=ConfigurableField("model"))
    configurable.invoke("hi", config={"configurable": {"model": "anthropic/claude-haiku-4.5"}})
    assert sandbox.last.body["model"] == "anthropic/claude-haiku-4.5"
    assert body(sandbox) == {"seed": 1}


def test_alternatives_keep_their_own_options(ask: Ask, make_llm: Make, sandbox: Sandbox) -> None:
    cheap = make_llm(provider={"sort": "price"})
    fast = make_llm("openai/gpt-4o-mini", provider={"sort": "throughput"}, app_title="Fast")
    chosen = cheap.configurable_alternatives(ConfigurableField("speed"), default_key="cheap", fast=fast)
    chain = ChatPromptTemplate.from_template("say {word}") | chosen
    ask(chain, {"word": "hi"})
    assert body(sandbox) == {"provider": {"sort": "price"}}
    ask(chain.with_config(configurable={"speed": "fast"}), {"word": "hi"})
    assert body(sandbox) == {"provider": {"sort": "throughput"}}
    assert sandbox.last.body["model"] == "openai/gpt-4o-mini"
    assert sandbox.last.headers["x-openrouter-title"] == "Fast"


def test_fallbacks_keep_their_own_options(make_llm: Make, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=503)
    first = make_llm(seed=1, max_retries=0)
    first.with_fallbacks([make_llm(seed=2)]).bind(temperature=0.5).invoke("hi")
    assert body(sandbox) == {"temperature": 0.5, "seed": 2}


# --- misspelt ---


@given(
    st.sampled_from(sorted(SPELLINGS)),
    st.integers(0, 30),
    st.sampled_from("abcdefghijklmnopqrstuvwxyz_"),
    st.sampled_from(sorted(WAYS)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_misspelt_option_never_passes(
    make_llm: Make, sandbox: Sandbox, name: str, place: int, letter: str, way: str
) -> None:
    cut = place % len(name)
    misspelt = name[:cut] + letter + name[cut + 1 :]
    fields = ChatOpenRouter.model_fields.items()
    assume(
        misspelt not in SPELLINGS.keys() | {other for name, field in fields for other in (name, field.alias)}
    )
    with pytest.raises(ConfigurationError, match=misspelt):
        WAYS[way](make_llm, {misspelt: 1})
    assert not sandbox.requests
