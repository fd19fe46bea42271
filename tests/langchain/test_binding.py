"""What is bound lies between the constructor and the call, under whatever names, and outlives all that LangChain makes of a model."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage
from langchain_core.runnables import ConfigurableField, Runnable, RunnableBinding
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import ConfigurationError, OpenRouterError, ProviderOptions, Timeout
from openrouter_opts.options import Datetime, WebSearch
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask
from tests.option_examples import EXAMPLES

Make = Callable[..., ChatOpenRouter]
ZDR = {"provider": {"zdr": True}}
CLOCK, SEARCH = {"type": "openrouter:datetime"}, {"type": "openrouter:web_search"}
SAID = {"title": "Said", "type": "object", "properties": {"said": {"type": "string"}}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def double(a: int) -> int:
    """Twice a."""
    return 2 * a


@pytest.fixture
def make_llm(sandbox: Sandbox) -> Make:
    """Make models that send what they are told whether or not it does anything for that model."""

    def make(model: str = "openai/gpt-5-mini", **arguments: Any) -> ChatOpenRouter:
        where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
        return ChatOpenRouter(model=model, check="off", **where, **arguments)

    return make


def body(sandbox: Sandbox) -> dict[str, Any]:
    """Return what the last request said beside its model and its messages."""
    sent = sandbox.last.body
    return {key: value for key, value in sent.items() if key not in {"model", "messages", "stream"}}


def named(tools: list[dict[str, Any]]) -> list[str]:
    return [tool["function"]["name"] if "function" in tool else tool["type"] for tool in tools]


# --- layers ---


@pytest.mark.parametrize(
    ("layers", "sent"),
    [
        ([{}, {"provider": {"sort": "price"}}, ZDR], {"provider": {"sort": "price", "zdr": True}}),
        ([{}, {"provider_options": ZDR}, {"provider_options": {"seed": 1}}], {**ZDR, "seed": 1}),
        ([{}, ZDR, {"provider_options": {"sort": "price"}}], {"provider": {"zdr": True, "sort": "price"}}),
        (
            [{}, {"provider_options": ProviderOptions(**ZDR)}, {"sort": "price"}],
            {"provider": {"zdr": True, "sort": "price"}},
        ),
        ([{}, {"temperature": 0.1}, {"provider_options": {"temperature": 0.5}}], {"temperature": 0.5}),
        ([{}, {"provider_options": {"temperature": 0.1}}, {"temperature": 0.5}], {"temperature": 0.5}),
        ([{}, {"openrouter_top_k": 1}, {"top_k": 2}], {"top_k": 2}),
        (
            [{}, {"reasoning_effort": "low"}, {"reasoning": {"effort": "high"}}],
            {"reasoning": {"effort": "high"}},
        ),
        ([{}, {"stop": ["a"]}, {"stop_sequences": ["b"]}], {"stop": ["b"]}),
        ([{}, {"stop": ["a"]}, {"provider_options": {"stop": ["b"]}}], {"stop": ["b"]}),
        ([{}, {"stop": ["a"]}, {"stop": []}], {}),
        ([{"stop": ["a"]}, {"stop": []}, {}], {}),
        ([{}, {"seed": 1}, {"seed": None}], {}),
        ([{"seed": 1}, {"seed": None}, {}], {}),
        ([{"top_k": 1}, {"top_k": 2}, {"openrouter_top_k": 3}, {"seed": 4}], {"top_k": 3, "seed": 4}),
        (
            [{"sort": "price"}, {"zdr": False}, ZDR, {"order": ["openai"]}],
            {"provider": {"order": ["openai"], "zdr": True, "sort": "price"}},
        ),
        (
            [
                {},
                {"response_format": {"type": "json_object"}},
                {"openrouter_response_format": {"type": "text"}},
            ],
            {"response_format": {"type": "text"}},
        ),
        ([{}, {"tools": [CLOCK]}, {"provider_options": {"tools": [SEARCH]}}], {"tools": [SEARCH]}),
        (
            [{"tools": [CLOCK]}, {"tool_choice": "none"}, {"openrouter_tool_choice": "auto"}],
            {"tools": [CLOCK], "tool_choice": "auto"},
        ),
        ([{}, {"extra_body": {"a": {"b": 1}}}, {"extra_body": {"a": {"c": 2}}}], {"a": {"b": 1, "c": 2}}),
    ],
    ids=str,
)
def test_each_layer_wins_over_those_below_by_whatever_name(
    layers: list[dict[str, Any]], sent: dict[str, Any], ask: Ask, make_llm: Make, sandbox: Sandbox
) -> None:
    made, *bound, call = layers
    llm: Any = make_llm(**made)
    for each in bound:
        llm = llm.bind(**each)
    ask(llm, "Answer in JSON.", **call)
    assert body(sandbox) == sent


MIXED = (
    "temperature",
    "top_k",
    "stop",
    "provider",
    "models",
    "plugins",
    "user",
    "metadata",
    "trace",
    "extra_body",
)
layers_of_names = st.lists(st.lists(st.sampled_from(MIXED), unique=True, max_size=3), min_size=4, max_size=4)


def given_somehow(options: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return options by name or in a mapping, under one of their names."""
    given: dict[str, Any] = {}
    for name, value in options.items():
        place = given if random.random() < 0.5 else given.setdefault("provider_options", {})
        place[f"openrouter_{name}" if name == "metadata" or random.random() < 0.5 else name] = value
    return given


@given(layers_of_names, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_layers_are_merged_as_options_are_however_they_are_written(
    make_llm: Make, sandbox: Sandbox, names: list[list[str]], random: Random
) -> None:
    layers = [{name: EXAMPLES[name] for name in each} for each in names]
    for layer in layers:
        if "provider" in layer:
            keys = random.sample(sorted(EXAMPLES["provider"]), 2)
            layer["provider"] = {key: EXAMPLES["provider"][key] for key in keys}
    made, bound, again, call = (given_somehow(layer, random) for layer in layers)
    model = "meta-llama/llama-3.3-70b-instruct"
    first, *others = map(ProviderOptions.of, layers)

    llm = make_llm(model, **made).bind(**bound).with_config(tags=["t"]).bind(**again)  # type: ignore[attr-defined]
    with suppress(OpenRouterError):  # there need not be an endpoint for what was drawn
        llm.invoke("hi", **call)

    assert body(sandbox) == first.merged(*others).body


@pytest.mark.parametrize(
    ("bound", "call"),
    [
        ({"model": "a/b"}, {"model": "openai/gpt-4o-mini"}),
        ({"model": "a/b"}, {"model_name": "openai/gpt-4o-mini"}),
        ({"model_name": "a/b"}, {"model": "openai/gpt-4o-mini"}),
        ({"model_name": "openai/gpt-4o-mini", "timeout": 3, "max_retries": 0}, {"request_timeout": 4}),
    ],
)
def test_what_is_no_option_is_bound_and_won_over_too(
    bound: dict[str, Any], call: dict[str, Any], ask: Ask, make_llm: Make, sandbox: Sandbox
) -> None:
    ask(make_llm().bind(**bound), "hi", **call)
    assert sandbox.last.body["model"] == "openai/gpt-4o-mini"


def test_headers_of_all_layers_are_sent(make_llm: Make, sandbox: Sandbox) -> None:
    llm = make_llm(extra_headers={"X-One": "1"}).bind(default_headers={"X-Two": "2", "X-Three": "2"})
    llm.invoke("hi", extra_headers={"X-Three": "3"})
    assert [sandbox.last.headers[name] for name in ("x-one", "x-two", "x-three")] == ["1", "2", "3"]


def test_two_values_in_one_layer_are_refused_there(make_llm: Make, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="top_k and openrouter_top_k are the same option"):
        make_llm().bind(top_k=1, openrouter_top_k=2)
    with pytest.raises(ConfigurationError, match="model and model_name are the same"):
        make_llm().bind(model="a/b", model_name="c/d")
    with pytest.raises(ConfigurationError, match="seed is given twice"):
        make_llm().bind(seed=1).invoke("hi", seed=2, provider_options={"seed": 3})
    assert not sandbox.requests


def test_a_name_that_does_not_exist_is_refused_by_the_call(make_llm: Make, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="did you mean temperature"):
        make_llm().bind(temprature=1, seed=2).invoke("hi")
    assert not sandbox.requests


def test_the_callers_values_stay_as_they_are(make_llm: Make, sandbox: Sandbox) -> None:
    bound = {"provider": {"order": ["openai"]}, "tools": [dict(CLOCK)]}
    llm = make_llm().bind(**bound)
    llm.invoke("hi", provider={"zdr": False})
    assert bound == {"provider": {"order": ["openai"]}, "tools": [CLOCK]}
    bound["provider"]["order"].append("azure")
    llm.invoke("hi")
    assert body(sandbox)["provider"] == {"order": ["openai"]}


# --- what LangChain makes of a binding ---


def _loaded(llm: Runnable[Any, Any], sandbox: Sandbox) -> Any:
    return load(
        json.loads(json.dumps(dumpd(llm))),
        allowed_objects=[ChatOpenRouter, RunnableBinding],
        valid_namespaces=["langchain_openrouter_opts"],
        secrets_map={"OPENROUTER_API_KEY": sandbox.api_key},
    )


def _pickled(llm: Runnable[Any, Any], _: Sandbox) -> Any:
    return pickle.loads(pickle.dumps(llm))


def _with_fallback(llm: Any, sandbox: Sandbox) -> Any:
    sandbox.fail_next(status=503)
    return llm.bind(max_retries=0).with_fallbacks([llm])


MADE: dict[str, Callable[[Any, Sandbox], Any]] = {
    "itself": lambda llm, _: llm,
    "with_config": lambda llm, _: llm.with_config(tags=["t"]),
    "with_listeners": lambda llm, _: llm.with_listeners(on_end=lambda run: None),
    "with_types": lambda llm, _: llm.with_types(input_type=str),
    "with_retry": lambda llm, _: llm.with_retry(stop_after_attempt=2),
    "with_fallbacks": _with_fallback,
    "an alternative": lambda llm, _: llm.configurable_alternatives(ConfigurableField("which"), other=llm),
    "bind_tools": lambda llm, _: llm.bind_tools([add]),
    "a pipe": lambda llm, _: llm | (lambda message: message),
    "dumps and load": _loaded,
    "pickle": _pickled,
}


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
@pytest.mark.parametrize("made", MADE)
def test_what_is_bound_outlives(
    made: str, ask: Ask, make_llm: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    bound = make_llm(top_k=1).bind(**ZDR, timeout=Timeout(total=60), user="u")
    ask(MADE[made](bound, sandbox), "hi", provider={"sort": "price"}, top_k=2)
    sent = body(sandbox)
    assert sent.pop("tools", None) is None or made == "bind_tools"
    assert sent == {"top_k": 2, "user": "u", "provider": {"zdr": True, "sort": "price"}}


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_structured_output_keeps_what_is_bound_before_it_with_it_and_after_it(
    method: Any, make_llm: Make, sandbox: Sandbox
) -> None:
    bound = make_llm().bind(**ZDR).with_config(tags=["t"])
    reader = bound.with_structured_output(SAID, method=method, provider_options={"sort": "price"})
    call: dict[str, Any] = {"provider": {"order": ["openai"]}}
    reader.invoke("Answer in JSON.", **call)
    list(reader.stream("Answer in JSON.", **call))
    await reader.ainvoke("Answer in JSON.", **call)
    [each async for each in reader.astream("Answer in JSON.", **call)]
    assert len(sandbox.requests) == 4
    for request in sandbox.requests:
        assert request.body.keys() & {"tools", "response_format"}
        said = {"order": ["openai"], "zdr": True, "sort": "price"}
        assert request.body["provider"] == said | _required(request.body)

    raw = bound.with_structured_output(SAID, method=method, include_raw=True).invoke("Answer in JSON.")
    assert raw["parsed"] is not None
    assert body(sandbox)["provider"] == {"zdr": True} | _required(body(sandbox))


def _required(sent: dict[str, Any]) -> dict[str, Any]:
    """Return what structured output adds to the routing, where it is asked for by a format."""
    return {"require_parameters": True} if "response_format" in sent else {}


async def test_batches_and_events_have_what_is_bound(make_llm: Make, sandbox: Sandbox) -> None:
    bound = make_llm().bind(**ZDR)
    bound.batch(["a", "b"], seed=1)
    await bound.abatch(["a", "b"], seed=1)
    list(bound.batch_as_completed(["a", "b"], seed=1))
    [each async for each in bound.astream_events("a", seed=1)]
    [each async for each in bound.atransform(_one("a"), seed=1)]
    list(bound.transform(iter(["a"]), seed=1))
    assert len(sandbox.requests) == 9
    for request in sandbox.requests:
        assert (request.body["provider"], request.body["seed"]) == (ZDR["provider"], 1)


async def _one(text: str) -> Any:
    yield text


def test_a_config_before_a_binding_is_none_that_forgets(make_llm: Make, sandbox: Sandbox) -> None:
    for wrapped in (
        make_llm().with_config(tags=["t"]),
        make_llm().with_listeners(on_end=lambda run: None),
        make_llm().with_types(input_type=str),
        make_llm().with_retry(stop_after_attempt=2),
    ):
        wrapped.bind(**ZDR).invoke("hi", provider={"sort": "price"})
        assert body(sandbox) == {"provider": {"zdr": True, "sort": "price"}}


# --- what others see ---


def test_tools_formats_and_stops_stay_visible_as_they_go_out(make_llm: Make, sandbox: Sandbox) -> None:
    bound = make_llm().bind(seed=1, ls_structured_output_format={"schema": SAID, "kwargs": {}}, check="off")
    bound = bound.bind_tools([double, Datetime()], tool_choice="double").bind(stop=["x"])
    assert named(bound.kwargs["tools"]) == ["double", "openrouter:datetime"]
    assert bound.kwargs["tool_choice"] == {"type": "function", "function": {"name": "double"}}
    assert bound.kwargs["stop"] == ["x"]
    assert bound.kwargs["ls_structured_output_format"]["schema"] == SAID
    assert bound.kwargs["check"] == "off"
    assert isinstance(bound, RunnableBinding)
    assert bound.bind(tool_choice=None, tools=None).kwargs.keys().isdisjoint({"tools", "tool_choice"})


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
def test_an_agent_of_langgraph_takes_a_model_whose_tools_are_bound(make_llm: Make, sandbox: Sandbox) -> None:
    bound = make_llm().bind(seed=1).bind_tools([add], tool_choice="auto")
    agent = create_react_agent(bound, [tool(add)])
    answer = agent.invoke({"messages": [("user", "What is 12 + 7? Use add.")]})["messages"][-1]
    assert "19" in answer.text
    assert [named(request.body["tools"]) for request in sandbox.requests] == [["add"], ["add"]]
    assert [request.body["seed"] for request in sandbox.requests] == [1, 1]

    with pytest.raises(ValueError, match="tools"):
        create_react_agent(bound, [tool(double)])


class Heard(BaseCallbackHandler):
    """Keeps the parameters that tracers are told."""

    raise_error = True

    def __init__(self) -> None:
        self.parameters: list[dict[str, Any]] = []

    def on_chat_model_start(self, *args: Any, invocation_params: dict[str, Any], **kwargs: Any) -> None:
        self.parameters.append(invocation_params)


def test_traces_show_what_holds_of_all_layers(make_llm: Make) -> None:
    heard = Heard()
    bound = (
        make_llm().bind(temperature=0.1, **ZDR, model="openai/gpt-4o-mini", max_tokens=5).bind_tools([add])
    )
    bound.invoke("hi", {"callbacks": [heard]}, temperature=0.2, provider={"sort": "price"}, stop=["x"])
    (parameters,) = heard.parameters
    assert parameters["temperature"] == 0.2
    assert parameters["provider"] == {"zdr": True, "sort": "price"}
    assert parameters["stop"] == ["x"]
    assert named(parameters["tools"]) == ["add"]
    assert "bound_call" not in parameters
    about = bound._model._get_ls_params(**bound.kwargs)
    assert (about["ls_model_name"], about["ls_temperature"], about["ls_max_tokens"]) == (
        "openai/gpt-4o-mini",
        0.1,
        5,
    )


def test_the_cache_tells_apart_what_is_bound(make_llm: Make, sandbox: Sandbox) -> None:
    llm = make_llm(cache=InMemoryCache())
    for bound, call in [
        ({}, {"seed": 1}),
        (ZDR, {"seed": 1}),
        (ZDR, {"seed": 2}),
        (ZDR, {"openrouter_seed": 2}),
    ]:
        llm.bind(**bound).invoke("hi", **call)
    assert [request.body["seed"] for request in sandbox.requests] == [1, 1, 2]


# --- tools beside tools ---


def test_tools_of_the_constructor_stay_beside_those_that_are_bound(make_llm: Make, sandbox: Sandbox) -> None:
    older = {"type": "function", "function": {"name": "double", "description": "Old."}}
    llm = make_llm(tools=[WebSearch(max_results=3), older], tool_choice="auto")
    message = llm.bind_tools([double]).bind_tools([Datetime()]).invoke("What is twice 21?")
    sent = body(sandbox)
    assert isinstance(message, AIMessage)
    assert named(sent["tools"]) == ["openrouter:web_search", "double", "openrouter:datetime"]
    assert sent["tools"][0]["parameters"] == {"max_results": 3}
    assert sent["tools"][1]["function"]["description"] == "Twice a."
    assert sent["tool_choice"] == "auto"


def test_a_server_tool_takes_the_place_of_one_of_its_type(make_llm: Make, sandbox: Sandbox) -> None:
    make_llm(tools=[WebSearch(), Datetime()]).bind_tools([WebSearch(max_results=2)]).invoke("hi")
    assert body(sandbox)["tools"] == [CLOCK, {**SEARCH, "parameters": {"max_results": 2}}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (WebSearch(max_results=9), SEARCH),
        ("openrouter:web_search", SEARCH),
        ("openrouter:datetime", CLOCK),
        ("double", {"type": "function", "function": {"name": "double"}}),
        ("none", "none"),
        (None, "required"),
    ],
    ids=str,
)
def test_the_choice_may_be_any_tool_and_is_the_constructors_otherwise(
    choice: Any, sent: Any, make_llm: Make, sandbox: Sandbox
) -> None:
    llm = make_llm(tools=[Datetime()], tool_choice="required")
    llm.bind_tools([double, WebSearch()], tool_choice=choice).invoke("What is twice 21?")
    assert body(sandbox)["tool_choice"] == sent


def test_a_choice_in_another_spelling_is_the_calls_too(make_llm: Make, sandbox: Sandbox) -> None:
    llm = make_llm()
    llm.bind_tools([double], provider_options={"tool_choice": "required"}).invoke("hi")
    assert body(sandbox)["tool_choice"] == "required"
    with pytest.raises(ConfigurationError, match="tool_choice is given twice"):
        llm.bind_tools([double], tool_choice="none", provider_options={"tool_choice": "required"})
    with pytest.raises(ConfigurationError, match=r"no tool 'openrouter:web_search'; there are double"):
        llm.bind_tools([double], tool_choice=WebSearch())


def test_a_strict_function_keeps_what_else_it_says(make_llm: Make) -> None:
    function = {"name": "double", "parameters": {"type": "object", "properties": {}}, "defer_loading": True}
    bound = make_llm().bind_tools([{"type": "function", "function": function}], strict=True)
    (tool,) = bound.kwargs["tools"]  # type: ignore[attr-defined]
    assert tool["function"]["defer_loading"] is True
    assert tool["function"]["strict"] is True
    assert tool["function"]["parameters"]["additionalProperties"] is False


# --- LangChain's own arguments ---


@pytest.mark.parametrize("name", ["metadata", "tags", "callbacks", "run_name", "run_id"])
async def test_what_belongs_into_the_config_is_refused_and_told_where_it_goes(
    name: str, make_llm: Make, sandbox: Sandbox
) -> None:
    llm, call = make_llm(), {name: {"a": "b"}}
    ours = "; OpenRouter's is openrouter_metadata" if name == "metadata" else ""
    for attempt in (
        lambda: llm.invoke("hi", **call),
        lambda: llm.batch(["hi"], **call),
        lambda: list(llm.stream("hi", **call)),
        lambda: llm.bind(**call),
    ):
        with pytest.raises(ConfigurationError, match=f"^{name}: LangChain's own goes into `config`{ours}$"):
            attempt()
    with pytest.raises(ConfigurationError, match=name):
        await llm.ainvoke("hi", **call)
    assert not sandbox.requests

    llm.bind(openrouter_metadata={"a": "b"}).invoke("hi", provider_options={"metadata": {"c": "d"}})
    assert body(sandbox) == {"metadata": {"a": "b", "c": "d"}}
