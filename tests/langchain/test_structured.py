"""Structured output: by which method it is asked for, and what is sent."""

from __future__ import annotations

import warnings
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import Catalog, ConfigurationError, Endpoint, Model
from openrouter_opts.sandbox import Sandbox


class Place(BaseModel):
    """A place to be."""

    city: str
    country: str | None = None


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
METHODS = ["function_calling", "json_schema", "json_mode"]
QUESTION = "Where is the Eiffel tower? Answer as JSON with the keys 'city' and 'country'."
CALLS_TOOLS = "amazon/nova-lite-v1"
CLAUDE = "anthropic/claude-sonnet-4.6"


def look_up(name: str) -> str:
    """Look a place up."""
    return name


@pytest.mark.parametrize("method", METHODS)
def test_each_method_reads_into_a_class_and_into_a_dict(llm: ChatOpenRouter, method: Any) -> None:
    assert isinstance(llm.with_structured_output(Place, method=method).invoke(QUESTION), Place)
    *_, last = llm.with_structured_output(Place, method=method).stream(QUESTION)
    assert isinstance(last, Place)
    assert "city" in llm.with_structured_output(SCHEMA, method=method).invoke(QUESTION)


@pytest.mark.parametrize("method", METHODS)
async def test_each_method_works_asynchronously(llm: ChatOpenRouter, method: Any) -> None:
    structured = llm.with_structured_output(Place, method=method)
    assert isinstance(await structured.ainvoke(QUESTION), Place)
    assert isinstance([each async for each in structured.astream(QUESTION)][-1], Place)


@pytest.mark.parametrize(
    ("method", "key", "value"),
    [
        ("json_mode", "response_format", {"type": "json_object"}),
        ("function_calling", "tool_choice", {"type": "function", "function": {"name": "Place"}}),
    ],
)
def test_the_method_decides_what_is_sent(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any, key: str, value: Any
) -> None:
    llm.with_structured_output(Place, method=method, include_raw=True).invoke("Answer in JSON.")
    assert sandbox.last.body[key] == value


@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize(
    "schema",
    [
        {"name": "Place", "strict": True, "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "Place", "strict": True, "schema": SCHEMA}},
        {"type": "function", "function": {"name": "Place", "strict": True, "parameters": SCHEMA}},
    ],
)
def test_a_schema_reaches_the_model_by_every_method_in_every_spelling(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any, schema: Any
) -> None:
    answer = llm.with_structured_output(schema, method=method).invoke(QUESTION)
    assert "city" in answer
    body = sandbox.last.body
    asked = (
        body["response_format"]["json_schema"] if method == "json_schema" else body["tools"][0]["function"]
    )
    assert asked["strict"] is True
    assert asked["schema" if method == "json_schema" else "parameters"] == {
        **SCHEMA,
        "additionalProperties": False,
    }


@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize(
    "schema", [list[Place], {"title": "L", "type": "array", "items": SCHEMA}, Place | int]
)
def test_an_answer_may_be_something_else_than_an_object(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any, schema: Any
) -> None:
    value = [{"city": "Paris"}] if schema != Place | int else 3
    answer: Any = {"content": f'{{"value": {value}}}'.replace("'", '"')}
    name = "L" if isinstance(schema, dict) else "Output"
    if method == "function_calling":
        answer = {"tool_calls": [{"function": {"name": name, "arguments": {"value": value}}}]}
    structured = llm.with_structured_output(schema, method=method)
    for _ in range(2):
        sandbox.answer_next(answer)
    result = structured.invoke(QUESTION)
    assert result == (value if isinstance(schema, dict) or value == 3 else [Place(city="Paris")])
    # Parts of a list would be added up by whatever comes next in a chain.
    assert list(structured.stream(QUESTION)) == [result]


@pytest.mark.parametrize("schema", [Place, SCHEMA, list[Place], Place | int])
def test_a_trace_has_the_schema_and_the_method(llm: ChatOpenRouter, schema: Any) -> None:
    class Watch(BaseCallbackHandler):
        seen: Any = None

        def on_chat_model_start(self, *_: Any, options: Any, **__: Any) -> None:
            self.seen = options["ls_structured_output_format"]

    watch = Watch()
    structured = llm.with_structured_output(schema, method="json_schema", include_raw=True)
    structured.invoke(QUESTION, config={"callbacks": [watch]})
    assert watch.seen["kwargs"] == {"method": "json_schema", "strict": None}
    assert "city" in str(watch.seen["schema"])


def test_json_mode_needs_no_schema(llm: ChatOpenRouter) -> None:
    structured = llm.with_structured_output(None, method="json_mode")
    assert isinstance(structured.invoke("Say it in JSON with the key 'a'."), dict)


@pytest.mark.parametrize(
    ("schema", "given", "problem"),
    [
        (None, {}, "schema: is missing; only method='json_mode' does without"),
        (None, {"method": "function_calling"}, "schema: is missing"),
        (
            Place,
            {"method": "yaml"},
            "method: there are function_calling, json_mode, json_schema, and no 'yaml'",
        ),
        (Place, {"method": "json_mode", "strict": True}, "strict: JSON mode keeps to no schema"),
        (list[int], {"method": "json_mode"}, "schema: JSON mode answers with an object"),
        (Place, {"response_format": {"type": "text"}}, "response_format: is made of the schema"),
        (Place, {"method": "function_calling", "tools": [Place]}, "tools: 'Place' is the name of the schema"),
        (
            Place,
            {"method": "function_calling", "tool_choice": "Plaice"},
            "tool_choice: .* did you mean 'Place'?",
        ),
        (dict[str, int], {"method": "json_schema", "strict": True}, "schema: the schema takes any key"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent(
    llm: ChatOpenRouter, sandbox: Sandbox, schema: Any, given: Any, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        llm.with_structured_output(schema, **given)
    assert not sandbox.requests


# --- the method is chosen by what the models can do ---


def method_of(structured: Any) -> str:
    return structured.first.kwargs["ls_structured_output_format"]["kwargs"]["method"]


def known(slug: str, *parameters: str, **facts: Any) -> Model:
    return Model(slug, slug, supported_parameters=frozenset(parameters), **facts)


@pytest.mark.parametrize(
    ("model", "given", "method"),
    [
        ("openai/gpt-5-mini", {}, "json_schema"),
        ("openai/gpt-5-mini:nitro", {}, "json_schema"),
        (CALLS_TOOLS, {}, "function_calling"),
        ("someone/unheard-of", {}, "function_calling"),
        ("openai/gpt-5-mini", {"model": CALLS_TOOLS}, "function_calling"),
        (CALLS_TOOLS, {"model": "openai/gpt-5-mini"}, "json_schema"),
        (CALLS_TOOLS, {"model_name": "openai/gpt-5-mini"}, "json_schema"),
        ("openai/gpt-5-mini", {"models": [CALLS_TOOLS]}, "function_calling"),
        ("openai/gpt-5-mini", {"provider_options": {"openrouter_models": [CALLS_TOOLS]}}, "function_calling"),
        ("openai/gpt-5-mini", {"models": ["openai/gpt-4o-mini"]}, "json_schema"),
        ("google/gemini-2.5-flash", {}, "json_schema"),
        ("google/gemini-2.5-flash", {"tools": [look_up]}, "function_calling"),
        ("openai/gpt-5-mini", {"tools": [look_up]}, "json_schema"),
    ],
)
def test_the_method_is_chosen_by_what_the_models_of_a_call_can_do(
    make_llm: Any, model: str, given: Any, method: str
) -> None:
    assert method_of(make_llm(model).with_structured_output(Place, **given)) == method


def test_the_method_follows_the_fallback_models_of_the_constructor(make_llm: Any) -> None:
    llm = make_llm(models=[CALLS_TOOLS])
    assert method_of(llm.with_structured_output(Place)) == "function_calling"
    assert method_of(llm.with_structured_output(Place, models=None)) == "json_schema"


def test_the_method_follows_the_catalogue_that_was_given(make_llm: Any) -> None:
    catalog = Catalog([known("me/mine", "structured_outputs"), known("openai/gpt-5-mini", "tools")])
    assert method_of(make_llm("me/mine", catalog=catalog).with_structured_output(Place)) == "json_schema"
    assert method_of(make_llm(catalog=catalog).with_structured_output(Place)) == "function_calling"


@pytest.mark.parametrize(("able", "method"), [(True, "json_schema"), (False, "function_calling")])
def test_the_method_follows_the_profile_that_was_given(make_llm: Any, able: bool, method: str) -> None:
    llm = make_llm(
        "openai/gpt-5-mini:nitro" if not able else CALLS_TOOLS, profile={"structured_output": able}
    )
    assert method_of(llm.with_structured_output(Place)) == method


# --- only endpoints that keep to the schema ---


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize(
    "given",
    [{}, {"provider": {"sort": "price"}}, {"provider_options": {"openrouter_provider": {"zdr": True}}}],
)
def test_an_endpoint_that_would_drop_the_schema_is_not_asked(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any, given: Any
) -> None:
    llm.with_structured_output(Place, method=method, include_raw=True, **given).invoke(QUESTION)
    assert sandbox.last.body["provider"]["require_parameters"] is True
    assert len(sandbox.last.body["provider"]) == 1 + len(given)


@pytest.mark.parametrize(
    "given",
    [
        {"require_parameters": False},
        {"provider": {"require_parameters": False}},
        {"provider_options": {"require_parameters": False}},
        {"extra_body": {"provider": {"require_parameters": False}}},
    ],
)
def test_what_the_user_says_about_required_parameters_counts(
    llm: ChatOpenRouter, make_llm: Any, sandbox: Sandbox, given: Any
) -> None:
    llm.with_structured_output(Place, **given).invoke(QUESTION)
    assert sandbox.last.body["provider"] == {"require_parameters": False}
    make_llm(**given).with_structured_output(Place).invoke(QUESTION)
    assert sandbox.last.body["provider"] == {"require_parameters": False}


@pytest.mark.parametrize("given", [{"temperature": 0}, {"temperature": 1}])
def test_a_parameter_that_no_endpoint_has_does_not_exclude_them_all(
    make_llm: Any, sandbox: Sandbox, given: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says that the temperature is dropped
        assert isinstance(make_llm(**given).with_structured_output(Place).invoke(QUESTION), Place)
    assert "provider" not in sandbox.last.body


def test_one_fallback_model_that_would_be_excluded_is_enough(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm(CLAUDE, models=["openai/gpt-5-mini"], temperature=0, check="off")
    llm.with_structured_output(Place).invoke(QUESTION)
    assert "provider" not in sandbox.last.body


def served(*, forced: bool) -> Catalog:
    parameters = frozenset({"tools", "temperature", *(["tool_choice"] if forced else [])})
    prices = {"prompt": Decimal("0.000001"), "completion": Decimal("0.000004")}
    endpoint = Endpoint("Some", "some", supported_parameters=parameters, pricing=prices)
    model = known(CLAUDE, *parameters)
    return Catalog([replace(model, endpoints=(endpoint,))])


@pytest.mark.parametrize(
    ("given", "call", "required"),
    [
        ({"catalog": served(forced=True)}, {}, True),
        ({"catalog": served(forced=True)}, {"strict": True}, False),
        ({"catalog": served(forced=True)}, {"require_parameters": False}, False),
        ({"catalog": served(forced=True)}, {"top_k": 3, "check": "off"}, False),
        ({"catalog": served(forced=False)}, {"check": "off"}, False),
        ({}, {}, False),
    ],
)
def test_a_tool_that_must_be_called_is_asked_of_those_who_can_be_made_to(
    make_llm: Any, sandbox: Sandbox, given: Any, call: Any, required: bool
) -> None:
    structured = make_llm(CLAUDE, **given).with_structured_output(Place, method="function_calling", **call)
    assert isinstance(structured.invoke(QUESTION), Place)
    assert sandbox.last.body.get("provider", {}).get("require_parameters", False) is required


def test_a_response_format_beside_tools_is_asked_of_those_who_keep_to_it(
    llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    llm.bind_tools([look_up], response_format=Place).invoke(QUESTION)
    assert sandbox.last.body["provider"] == {"require_parameters": True}
    llm.bind_tools([look_up], response_format={"type": "text"}).invoke(QUESTION)
    assert "provider" not in sandbox.last.body
    llm.bind(response_format=Place).invoke(QUESTION)
    assert "provider" not in sandbox.last.body


# --- tools beside the schema ---


@pytest.mark.parametrize(
    ("method", "choice"),
    [("json_schema", None), ("function_calling", "required")],
)
def test_tools_may_be_called_before_a_structured_answer(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any, choice: Any
) -> None:
    structured = llm.with_structured_output(Place, method=method, tools=[look_up], include_raw=True)
    sandbox.answer_next({"tool_calls": [{"function": {"name": "look_up", "arguments": {"name": "x"}}}]})
    result = structured.invoke("Look up the Eiffel tower.")
    names = [tool["function"]["name"] for tool in sandbox.last.body["tools"]]
    assert names == (["look_up"] if method == "json_schema" else ["Place", "look_up"])
    assert sandbox.last.body.get("tool_choice") == choice
    assert result["raw"].tool_calls[0]["name"] == "look_up"
    assert (result["parsed"], result["parsing_error"]) == (None, None)


@pytest.mark.parametrize("method", METHODS)
def test_the_choice_of_a_tool_is_the_callers(llm: ChatOpenRouter, sandbox: Sandbox, method: Any) -> None:
    structured = llm.with_structured_output(
        Place, method=method, tools=[look_up], tool_choice="look_up", include_raw=True
    )
    result = structured.invoke("Look up the Eiffel tower in JSON.")
    assert sandbox.last.body["tool_choice"] == {"type": "function", "function": {"name": "look_up"}}
    assert (result["parsed"], result["parsing_error"]) == (None, None)
