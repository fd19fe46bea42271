"""Structured output: what is asked for, what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts.structured import method_for, response_format
from openrouter_opts import ConfigurationError
from openrouter_opts.sandbox import Sandbox


class Place(BaseModel):
    """A place to be."""

    city: str
    country: str | None = None


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
METHODS = ["function_calling", "json_schema", "json_mode"]
CALL = {"id": "c1", "type": "function", "function": {"name": "Place", "arguments": '{"city": "Par'}}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_reads_into_a_class_and_into_a_dict(llm: ChatOpenRouter, method: Any) -> None:
    question = "Where is the Eiffel tower? Answer as JSON with the keys 'city' and 'country'."
    assert isinstance(llm.with_structured_output(Place, method=method).invoke(question), Place)
    *_, last = llm.with_structured_output(Place, method=method).stream(question)
    assert isinstance(last, Place)
    assert "city" in llm.with_structured_output(SCHEMA, method=method).invoke(question)


@pytest.mark.parametrize("method", METHODS)
async def test_each_method_works_asynchronously(llm: ChatOpenRouter, method: Any) -> None:
    question = "Where is the Eiffel tower? Answer as JSON with the keys 'city' and 'country'."
    structured = llm.with_structured_output(Place, method=method)
    assert isinstance(await structured.ainvoke(question), Place)
    assert isinstance([each async for each in structured.astream(question)][-1], Place)


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


def test_the_method_is_chosen_by_what_the_model_can_do(make_llm: Any, sandbox: Sandbox) -> None:
    make_llm("openai/gpt-5-mini").with_structured_output(Place, include_raw=True).invoke("Paris")
    assert sandbox.last.body["response_format"]["json_schema"]["name"] == "Place"
    assert method_for("someone/unheard-of") == "function_calling"


def test_a_strict_schema_is_made_strict() -> None:
    form = response_format(Place, strict=True)["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["required"] == ["city", "country"]
    assert "strict" not in response_format(Place)["json_schema"]


@pytest.mark.parametrize(
    "schema",
    [
        {"name": "Place", "strict": True, "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "Place", "strict": True, "schema": SCHEMA}},
    ],
)
def test_a_response_format_of_openais_form_is_kept(schema: dict[str, Any]) -> None:
    assert response_format(schema) == {
        "type": "json_schema",
        "json_schema": {"name": "Place", "strict": True, "schema": SCHEMA},
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_schema_needs_no_title(llm: ChatOpenRouter, method: Any) -> None:
    assert "title" not in SCHEMA
    result = llm.with_structured_output(SCHEMA, method=method).invoke("Paris. Answer in JSON with 'city'.")
    assert isinstance(result, dict)


def test_json_mode_needs_no_schema(llm: ChatOpenRouter) -> None:
    result = llm.with_structured_output(None, method="json_mode").invoke("Say it in JSON with the key 'a'.")
    assert isinstance(result, dict)


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_the_other_methods_need_a_schema(llm: ChatOpenRouter, method: Any) -> None:
    with pytest.raises(ConfigurationError, match="schema"):
        llm.with_structured_output(None, method=method)


def test_a_method_that_does_not_exist_is_refused(llm: ChatOpenRouter) -> None:
    with pytest.raises(ConfigurationError, match="json_schema"):
        llm.with_structured_output(Place, method="yaml")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "answer", "reason", "problem"),
    [
        ("json_schema", {"content": '{"city": "Par'}, "length", "cut off"),
        ("function_calling", {"content": None, "tool_calls": [CALL]}, "length", "cut off"),
        ("json_schema", {"content": "", "refusal": "I won't."}, "stop", "I won't."),
        ("json_schema", {"content": '{"city"'}, "content_filter", "filter"),
        ("function_calling", {"content": "Paris, I think."}, "stop", "Paris, I think."),
        ("json_schema", {"content": "Paris, I think."}, "stop", "Paris, I think."),
        ("json_schema", {"content": '{"town": "Paris"}'}, "stop", "city"),
    ],
)
def test_half_an_answer_or_none_is_an_error(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any, answer: Any, reason: str, problem: str
) -> None:
    structured = llm.with_structured_output(Place, method=method)
    sandbox.answer_next(answer, finish_reason=reason)
    with pytest.raises(OutputParserException, match=problem):
        structured.invoke("Where is the Eiffel tower?")
    sandbox.answer_next(answer, finish_reason=reason)
    result = llm.with_structured_output(Place, method=method, include_raw=True).invoke("Where?")
    assert result["parsed"] is None
    assert problem in str(result["parsing_error"])
    assert result["raw"].response_metadata["cost"] > 0


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_a_stream_that_is_cut_off_ends_in_an_error(
    llm: ChatOpenRouter, sandbox: Sandbox, method: Any
) -> None:
    cut = {"content": '{"city": "Par'} if method == "json_schema" else {"content": None, "tool_calls": [CALL]}
    sandbox.answer_next(cut, finish_reason="length")
    with pytest.raises(OutputParserException, match="cut off"):
        list(llm.with_structured_output(Place, method=method).stream("Where?"))


def test_tools_may_be_called_before_a_structured_answer(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    def look_up(name: str) -> str:
        """Look a place up."""
        return name

    structured = llm.with_structured_output(
        Place, method="json_schema", tools=[look_up], tool_choice="look_up", include_raw=True
    )
    result = structured.invoke("Look up the Eiffel tower.")
    assert sandbox.last.body["response_format"]["type"] == "json_schema"
    assert result["raw"].tool_calls[0]["name"] == "look_up"
    assert (result["parsed"], result["parsing_error"]) == (None, None)
