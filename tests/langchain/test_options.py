"""Options: from the constructor and per call, under any of their names."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import ConfigurationError, ProviderOptions
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask

REQUEST = {"model": "openai/gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]}


def body(sandbox: Sandbox) -> dict[str, Any]:
    """Return what the last request said beside its messages and its model."""
    sent = sandbox.last.body
    return {key: value for key, value in sent.items() if key not in {*REQUEST, "stream"}}


def test_nothing_is_sent_that_was_not_set(ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    ask(llm, "hi")
    sent = sandbox.last.body
    streams = {"stream": True} if sent.get("stream") else {}
    assert sent == REQUEST | streams


def test_the_constructor_of_the_design_reaches_the_wire(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(
        provider_options={
            "openrouter_models": ["openai/gpt-4o-mini"],
            "openrouter_provider": {"order": ["openai"], "require_parameters": True},
            "openrouter_plugins": [{"id": "response-healing"}],
            "app_title": "My App",
        }
    )
    llm.invoke("hi", provider_options={"max_price": {"prompt": 5}})
    assert body(sandbox) == {
        "models": ["openai/gpt-4o-mini"],
        "provider": {"order": ["openai"], "require_parameters": True, "max_price": {"prompt": 5}},
        "plugins": [{"id": "response-healing"}],
    }
    assert sandbox.last.headers["x-openrouter-title"] == "My App"


def test_a_call_wins_over_the_constructor_by_each_way(ask: Ask, make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(
        "openai/gpt-4o-mini", temperature=0.1, top_p=0.9, provider={"order": ["openai"], "zdr": False}
    )
    ask(llm, "hi", temperature=0.7, provider={"zdr": True}, openrouter_seed=3)
    assert body(sandbox) == {
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 3,
        "provider": {"order": ["openai"], "zdr": True},
    }
    ask(llm, "hi")
    assert body(sandbox)["temperature"] == 0.1


@pytest.mark.parametrize(
    "named",
    [
        {"provider": {"sort": "price"}},
        {"openrouter_provider": {"sort": "price"}},
        {"sort": "price"},
        {"provider_options": {"sort": "price"}},
        {"provider_options": ProviderOptions(provider={"sort": "price"})},
        {"model_kwargs": {"provider": {"sort": "price"}}},
        {"extra_body": {"provider": {"sort": "price"}}},
    ],
    ids=str,
)
def test_every_spelling_works_in_the_constructor(
    make_llm: Any, sandbox: Sandbox, named: dict[str, Any]
) -> None:
    make_llm(**named).invoke("hi")
    assert body(sandbox) == {"provider": {"sort": "price"}}


def test_options_that_are_bound_count_as_given_per_call(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm("anthropic/claude-haiku-4.5")
    llm.bind(temperature=0.3, models=["openai/gpt-4o-mini"]).bind(temperature=0.4).invoke("hi")
    assert body(sandbox) == {"temperature": 0.4, "models": ["openai/gpt-4o-mini"]}


def test_options_can_be_configured_at_run_time(make_llm: Any, sandbox: Sandbox) -> None:
    configurable = make_llm("openai/gpt-4o-mini").configurable_fields(temperature=ConfigurableField("temp"))
    configurable.with_config(configurable={"temp": 0.6}).invoke("hi")
    assert body(sandbox) == {"temperature": 0.6}


def test_a_changed_field_counts_whatever_changed_it(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm("openai/gpt-4o-mini")
    llm.invoke("hi")
    llm.temperature = 0.5
    llm.invoke("hi")
    assert body(sandbox) == {"temperature": 0.5}
    copied = llm.model_copy(update={"temperature": 0.6, "model_name": "anthropic/claude-haiku-4.5"})
    copied.invoke("hi")
    assert body(sandbox) == {"temperature": 0.6}
    assert sandbox.last.body["model"] == "anthropic/claude-haiku-4.5"
    llm.invoke("hi")
    assert body(sandbox) == {"temperature": 0.5}


def test_model_timeout_and_retries_can_be_given_per_call(make_llm: Any, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=503, retry_after=0.01)
    make_llm(max_retries=0).invoke("hi", model="openai/gpt-4o-mini", max_retries=1, timeout=5)
    assert len(sandbox.requests) == 2
    assert sandbox.last.body["model"] == "openai/gpt-4o-mini"


def test_headers_can_be_given_everywhere(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(default_headers={"X-One": "1"}, app_url="https://app", app_title="Größe")
    llm.invoke("hi", extra_headers={"X-Two": "2"})
    headers = sandbox.last.headers
    assert (headers["x-one"], headers["x-two"]) == ("1", "2")
    assert (headers["http-referer"], headers["x-openrouter-title"]) == ("https://app", "Größe")


def test_openrouters_metadata_is_reachable_beside_langchains(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(metadata={"for": "langchain"}, provider_options={"metadata": {"for": "openrouter"}})
    llm.invoke("hi")
    assert body(sandbox) == {"metadata": {"for": "openrouter"}}
    assert llm.metadata["for"] == "langchain"


def test_model_kwargs_pass_what_is_newer_than_this_library(make_llm: Any, sandbox: Sandbox) -> None:
    given = {"logit_bias": {5: 1}, "brand_new": {"x": 1}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make_llm("openai/gpt-4o-mini", model_kwargs=given, min_p=0.1).invoke("hi")
    assert body(sandbox) == {"logit_bias": {"5": 1}, "brand_new": {"x": 1}, "min_p": 0.1}
    assert given == {"logit_bias": {5: 1}, "brand_new": {"x": 1}}


def test_an_empty_list_of_stops_means_none(make_llm: Any, sandbox: Sandbox) -> None:
    make_llm(stop=[]).invoke("hi")
    assert body(sandbox) == {}
    llm = make_llm(stop_sequences=["x"])
    llm.invoke("hi")
    assert body(sandbox) == {"stop": ["x"]}
    llm.invoke("hi", stop=["y"])
    assert body(sandbox) == {"stop": ["y"]}
    llm.invoke("hi", stop=[])
    assert body(sandbox) == {}


def test_a_class_as_response_format_is_its_schema(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    class Answer(BaseModel):
        said: str

    llm.bind(response_format=Answer).invoke("hi")
    form = body(sandbox)["response_format"]["json_schema"]
    assert form["name"] == "Answer"
    assert form["schema"]["properties"]["said"]["type"] == "string"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"temprature": 1}, "temperature"),
        ({"max_retrys": 1}, "max_retries"),
        ({"openrouter_modles": []}, "models"),
        ({"provider_options": {"odrer": ["openai"]}}, "order"),
        ({"provider": {"ordr": ["openai"]}}, "order"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"base_url": "openrouter.ai"}, "base_url"),
        ({"max_retries": -1}, "max_retries"),
        ({"timeout": -1}, "timeout"),
        ({"models": ["a/b"], "openrouter_models": ["c/d"]}, "models"),
        ({"default_headers": {"Host": "x"}}, "base_url"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_at_once_and_named(given: dict[str, Any], hint: str) -> None:
    with pytest.raises(ConfigurationError, match=hint):
        ChatOpenRouter(**{"model": "openai/gpt-5-mini", "api_key": "k", **given})


def test_a_wrong_option_of_a_call_is_refused_before_anything_is_sent(
    ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    with pytest.raises(ConfigurationError, match="did you mean temperature"):
        ask(llm, "hi", temprature=1)
    assert not sandbox.requests


def test_key_and_base_url_come_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_BASE", sandbox.base_url)
    llm = ChatOpenRouter(model="openai/gpt-5-mini")
    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY"):
        llm.invoke("hi")
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    assert llm.invoke("hi").content


def test_a_key_can_be_asked_for_before_every_request(make_llm: Any, sandbox: Sandbox) -> None:
    asked = []
    llm = make_llm(api_key=lambda: asked.append(1) or sandbox.api_key)
    llm.invoke("hi")
    llm.invoke("hi")
    assert len(asked) == 2
