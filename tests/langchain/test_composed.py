"""Fallbacks, alternatives and fields that a config chooses: what is bound to them is bound to each model in them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps
from langchain_core.runnables import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    Runnable,
)

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import ConfigurationError
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask
from tests.langchain.test_binding import CLOCK, SAID, add, body, make_llm

__all__ = ["make_llm"]  # the fixture

Make = Callable[..., ChatOpenRouter]
Made = Callable[[ChatOpenRouter, ChatOpenRouter], Any]
MAIN, OTHER = "openai/gpt-5-mini", "openai/gpt-4o-mini"
SECRET = "sk-of-a-provider"
KEYS = {"provider_api_keys": {"openai": SECRET}}
FIELD = ConfigurableField("it")

COMPOSED: dict[str, Made] = {
    "fallbacks": lambda llm, other: llm.with_fallbacks([other]),
    "alternatives": lambda llm, other: llm.configurable_alternatives(FIELD, other=other),
    "a chosen alternative": lambda llm, other: llm.configurable_alternatives(FIELD, other=other).with_config(
        configurable={"it": "other"}
    ),
    "an alternative made when it is chosen": lambda llm, other: llm.configurable_alternatives(
        FIELD, default_key="main", other=lambda: other
    ).with_config(configurable={"it": "other"}),
    "configurable fields": lambda llm, _: llm.configurable_fields(temperature=FIELD),
    "chosen fields": lambda llm, _: llm.configurable_fields(user=FIELD).with_config(configurable={"it": "x"}),
}
FURTHER: dict[str, Callable[[Any], Any]] = {
    "": lambda made: made,
    "with_config": lambda made: made.with_config(tags=["t"]),
    "with_listeners": lambda made: made.with_listeners(on_end=lambda run: None),
    "with_types": lambda made: made.with_types(input_type=str),
    "with_retry": lambda made: made.with_retry(stop_after_attempt=2),
    "with_config and with_retry": lambda made: made.with_config(tags=["t"]).with_retry(),
    "with_fallbacks": lambda made: made.with_fallbacks([made]),
    "configurable_alternatives": lambda made: made.configurable_alternatives(ConfigurableField("w"), b=made),
    "bind": lambda made: made.bind(seed=1),
    "bind_tools": lambda made: made.bind_tools([add]),
}


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize("composed", COMPOSED)
def test_what_is_bound_to_it_lies_under_what_a_call_says(
    composed: str, further: str, ask: Ask, make_llm: Make, sandbox: Sandbox
) -> None:
    made = COMPOSED[composed](make_llm(top_k=1), make_llm(OTHER, top_k=1))
    bound = FURTHER[further](made).bind(provider={"zdr": True}, top_k=2)
    assert isinstance(bound, Runnable)
    ask(bound, "hi", provider={"sort": "price"})
    sent = body(sandbox)
    assert sent.pop("user", None) == ("x" if composed == "chosen fields" else None)
    assert sent.pop("seed", None) == (1 if further == "bind" else None)
    assert (sent.pop("tools", None) is not None) is (further == "bind_tools")
    assert sent == {"top_k": 2, "provider": {"zdr": True, "sort": "price"}}
    assert sandbox.last.body["model"] == (OTHER if "alternative " in composed + " " else MAIN)


def test_what_is_bound_reaches_the_fallback(make_llm: Make, sandbox: Sandbox) -> None:
    safe = make_llm(max_retries=0).with_fallbacks([make_llm(OTHER, seed=2)]).bind(provider={"zdr": True})
    sandbox.fail_next(status=503)
    safe.invoke("hi", provider={"sort": "price"})
    assert sandbox.last.body["model"] == OTHER
    assert body(sandbox) == {"seed": 2, "provider": {"zdr": True, "sort": "price"}}


def test_another_kind_of_model_may_be_the_fallback(make_llm: Make, sandbox: Sandbox) -> None:
    safe = make_llm(max_retries=0).with_fallbacks([FakeListChatModel(responses=["spare"])])
    sandbox.fail_next(status=503)
    assert safe.bind(stop=["x"]).invoke("hi").content == "spare"
    assert body(sandbox) == {"stop": ["x"]}


@pytest.mark.parametrize("composed", COMPOSED)
def test_it_answers_in_a_schema(composed: str, make_llm: Make, sandbox: Sandbox) -> None:
    made = COMPOSED[composed](make_llm(), make_llm(OTHER))
    read = made.bind(seed=1).with_structured_output(SAID, method="json_schema")
    assert "said" in read.invoke("Answer in JSON.")
    assert sandbox.last.body["seed"] == 1
    assert sandbox.last.body["response_format"]["json_schema"]["name"] == "Said"


def test_tools_may_be_bound_before_a_config_chooses_a_field(make_llm: Make, sandbox: Sandbox) -> None:
    calling = make_llm().configurable_fields(model=FIELD).bind_tools([add])
    calling.with_config(configurable={"it": OTHER}).invoke("hi")
    assert sandbox.last.body["model"] == OTHER
    assert sandbox.last.body["tools"][0]["function"]["name"] == "add"


def test_a_binding_has_the_fields_of_its_model(ask: Ask, make_llm: Make, sandbox: Sandbox) -> None:
    tuned = make_llm().bind(seed=1).configurable_fields(temperature=FIELD)
    ask(tuned.with_config(configurable={"it": 0.7}), "hi")
    assert body(sandbox) == {"seed": 1, "temperature": 0.7}
    ask(tuned.bind(temperature=0.1).with_config(configurable={"it": 0.7}), "hi")
    assert body(sandbox) == {"seed": 1, "temperature": 0.1}


@pytest.mark.parametrize(
    ("given", "field", "value", "sent"),
    [
        ({"provider_options": {"temperature": 0.2}}, "temperature", 0.9, {"temperature": 0.9}),
        (
            {"model_kwargs": {"temperature": 0.2, "new": 1}},
            "temperature",
            0.9,
            {"temperature": 0.9, "new": 1},
        ),
        ({"temperature": 0.2}, "provider_options", {"temperature": 0.9}, {"temperature": 0.9}),
        ({"temperature": 0.2}, "temperature", None, {}),
        ({"max_completion_tokens": 20}, "max_tokens", 9, {"max_tokens": 9}),
        ({"reasoning_effort": "low"}, "reasoning", {"max_tokens": 2000}, {"reasoning": {"max_tokens": 2000}}),
        (
            {"provider": {"zdr": True}, "top_a": 0.5},
            "provider_options",
            {"sort": "price"},
            {"provider": {"zdr": True, "sort": "price"}, "top_a": 0.5},
        ),
        ({"model_kwargs": {"top_k": 2}}, "model_kwargs", {"new": 1}, {"new": 1}),
        ({"max_retries": 3, "seed": 1}, "max_retries", 0, {"seed": 1}),
        (
            {"provider": {"zdr": True}},
            "max_price",
            {"prompt": 1},
            {"provider": {"zdr": True, "max_price": {"prompt": 1}}},
        ),
        ({}, "openrouter_n", 1, {"n": 1}),
        ({"app_title": "A"}, "tools", [CLOCK], {"tools": [CLOCK]}),
    ],
)
def test_what_a_config_chooses_lies_over_the_constructors(
    given: dict[str, Any],
    field: str,
    value: Any,
    sent: dict[str, Any],
    ask: Ask,
    make_llm: Make,
    sandbox: Sandbox,
) -> None:
    llm = make_llm(**given)
    before = pickle.dumps(llm)
    ask(llm.configurable_fields(**{field: FIELD}).with_config(configurable={"it": value}), "hi")
    assert body(sandbox) == sent
    assert pickle.dumps(llm) == before


def test_a_config_may_choose_among_values(make_llm: Make, sandbox: Sandbox) -> None:
    one = ConfigurableFieldSingleOption("speed", {"low": 0.1, "high": 0.9}, default="low")
    several = ConfigurableFieldMultiOption(
        "spare", {"mini": OTHER, "large": "openai/gpt-5"}, default=["mini"]
    )
    tuned = make_llm(provider_options={"temperature": 0.5}).configurable_fields(
        temperature=one, models=several
    )
    tuned.invoke("hi")
    assert body(sandbox) == {"temperature": 0.1, "models": [OTHER]}
    tuned.invoke("hi", {"configurable": {"speed": "high", "spare": ["mini", "large"]}})
    assert body(sandbox) == {"temperature": 0.9, "models": [OTHER, "openai/gpt-5"]}


def test_what_a_config_may_choose_is_told(make_llm: Make) -> None:
    one = ConfigurableFieldSingleOption("sort", {"cheap": "price"}, default="cheap")
    tuned = make_llm(temperature=0.2).configurable_fields(
        temperature=FIELD, max_price=ConfigurableField("p"), sort=one
    )
    told = {spec.id: spec for spec in tuned.bind(seed=1).config_specs}
    assert told.keys() == {"it", "p", "sort"}
    assert told["it"].default == 0.2
    assert told["p"].default is None
    assert all(spec.description for spec in told.values())


def test_a_field_that_does_not_exist_is_named(make_llm: Make) -> None:
    with pytest.raises(
        ConfigurationError, match="temprature: there is no such argument; did you mean temperature"
    ):
        make_llm().configurable_fields(temprature=FIELD)


def test_what_is_bound_has_to_exist(make_llm: Make) -> None:
    for llm in (make_llm(), make_llm().bind(seed=1), make_llm().with_fallbacks([make_llm()])):
        with pytest.raises(
            ConfigurationError, match="temprature: there is no such argument; did you mean temperature"
        ):
            llm.bind(temprature=0.1)


@pytest.mark.parametrize("further", FURTHER)
@pytest.mark.parametrize("composed", COMPOSED)
def test_no_key_is_shown_or_stored(composed: str, further: str, make_llm: Make, sandbox: Sandbox) -> None:
    made = FURTHER[further](COMPOSED[composed](make_llm(), make_llm(OTHER)).bind(**KEYS))
    for shown in (repr(made), str(made), dumps(made)):
        assert SECRET not in shown
        assert sandbox.api_key not in shown
    made.invoke("hi")
    assert SECRET in sandbox.last.headers["x-provider-api-keys"]


@pytest.mark.parametrize("bound", [False, True])
def test_no_key_that_a_config_chooses_is_shown_or_stored(
    bound: bool, make_llm: Make, sandbox: Sandbox
) -> None:
    tuned: Any = make_llm().configurable_fields(provider_options=FIELD)
    chosen = (tuned.bind(seed=1) if bound else tuned).with_config(configurable={"it": {**KEYS, "top_k": 3}})
    for shown in (repr(chosen), str(chosen), dumps(chosen)):
        assert SECRET not in shown
        assert "top_k" in shown
    chosen.invoke("hi")
    assert SECRET in sandbox.last.headers["x-provider-api-keys"]


def test_traces_and_stored_forms_know_it_by_langchains_name(make_llm: Make) -> None:
    safe = make_llm().with_fallbacks([make_llm(OTHER)])
    assert safe.get_name() == "RunnableWithFallbacks"
    assert safe.lc_id() == ["langchain", "schema", "runnable", "RunnableWithFallbacks"]
