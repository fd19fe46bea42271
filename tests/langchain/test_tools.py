"""Tools in every form that LangChain knows, and the choice among them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, Required

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts.schemas import AnswerSchema
from langchain_openrouter_opts.tools import wire_tools
from openrouter_opts import ConfigurationError
from openrouter_opts.options import WebSearch
from openrouter_opts.options.toolbox import wire_choice
from openrouter_opts.sandbox import Sandbox

MARK = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
WIRE = {"type": "function", "function": {"name": "double", "description": "Twice a.", "parameters": SCHEMA}}


def double(a: int) -> int:
    """Twice a."""
    return 2 * a


class Double(BaseModel):
    """Twice a."""

    a: int


class DoubleDict(TypedDict):
    """Twice a."""

    a: Annotated[int, ..., "the number"]


@tool(extras={"cache_control": MARK, "defer_loading": True, "other": 1})
def marked(a: Annotated[int, Field(description="the number")]) -> int:
    """Twice a."""
    return 2 * a


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (double, "double"),
        (tool(double), "double"),
        (Double, "Double"),
        (DoubleDict, "DoubleDict"),
        ({"title": "double", "description": "Twice a.", **SCHEMA}, "double"),
        ({"name": "double", "description": "Twice a.", "parameters": SCHEMA}, "double"),
        ({"name": "double", "description": "Twice a.", "input_schema": SCHEMA}, "double"),
        ({"type": "custom", "name": "double", "input_schema": SCHEMA}, "double"),
        (WIRE, "double"),
    ],
)
def test_functions_are_written_alike_whatever_they_are_given_as(given: Any, name: str) -> None:
    (wire,) = wire_tools([given])
    assert wire["type"] == "function"
    assert wire["function"]["name"] == name
    assert wire["function"]["parameters"]["properties"]["a"]["type"] == "integer"


@pytest.mark.parametrize(
    "server_tool",
    [
        {"type": "openrouter:web_search", "parameters": {"max_results": 3}},
        {"type": "openrouter:brand_new", "parameters": {"x": 1}},
        {"type": "web_search", "max_results": 3},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
)
def test_tools_that_are_no_functions_go_out_as_they_are(server_tool: dict[str, Any]) -> None:
    assert wire_tools([server_tool]) == [server_tool]


def test_typed_server_tools_are_written_out() -> None:
    assert wire_tools([WebSearch(max_results=3)]) == [
        {"type": "openrouter:web_search", "parameters": {"max_results": 3}}
    ]


def test_marks_stand_beside_the_function() -> None:
    anthropic = {"name": "double", "input_schema": SCHEMA, "cache_control": MARK}
    of_tool, of_mapping = wire_tools([marked, anthropic])
    assert of_tool.keys() == {"type", "function", "cache_control", "defer_loading"}
    assert of_mapping["cache_control"] == MARK
    assert "cache_control" not in of_mapping["function"]


def test_a_mark_on_a_json_schema_is_no_parameter() -> None:
    given = {
        "title": "double",
        "description": "Twice a.",
        **SCHEMA,
        "cache_control": MARK,
        "defer_loading": True,
    }
    (wire,) = wire_tools([given])
    assert wire["cache_control"] == MARK
    assert wire["defer_loading"] is True
    assert wire["function"]["parameters"] == SCHEMA


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [(dict[str, int], "takes any key"), (Any, "may be anything"), (list[dict[str, int]], "takes any key")],
)
def test_a_parameter_that_strict_mode_has_not_is_refused_with_its_path(
    annotation: Any, problem: str, llm: ChatOpenRouter
) -> None:
    def count(sums: Any) -> int:
        """Count."""
        return len(sums)

    count.__annotations__["sums"] = annotation
    path = r"tools\[1\]\.function\.parameters: properties\.sums.* "
    with pytest.raises(ConfigurationError, match=path + problem):
        llm.bind_tools([double, count], strict=True)
    assert llm.bind_tools([count], strict=False)


@pytest.mark.parametrize("parameters", [{}, {"parameters": {"type": "object"}}, {"parameters": {}}])
def test_a_function_without_parameters_can_be_strict(parameters: dict[str, Any]) -> None:
    (wire,) = wire_tools([{"type": "function", "function": {"name": "now", **parameters}}], strict=True)
    assert wire["function"]["parameters"] == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_a_tool_that_says_otherwise_about_strict_is_refused() -> None:
    function = {"name": "now", "strict": False}
    with pytest.raises(ConfigurationError, match=r"tools\[0\]\.function\.strict"):
        wire_tools([{"type": "function", "function": function}], strict=True)


class Bare(TypedDict):
    a: Required[int]
    b: NotRequired[Annotated[str, ..., "the word"]]
    c: NotRequired[list[DoubleDict]]


class Loose(TypedDict, total=False):
    """Loosely.

    Args:
        b: the word
    """

    a: Required[int]
    b: str
    c: NotRequired[list[DoubleDict] | None]


@pytest.mark.parametrize(("given", "description"), [(Bare, ""), (Loose, "Loosely.")])
def test_a_typed_dict_says_which_of_its_keys_are_required_and_nothing_of_dict(
    given: Any, description: str
) -> None:
    (wire,) = wire_tools([given])
    function = wire["function"]
    assert function["description"] == description
    assert function["parameters"]["required"] == ["a"]
    assert function["parameters"]["properties"]["b"] == {"type": "string", "description": "the word"}
    assert set(function["parameters"]["properties"]) == {"a", "b", "c"}
    asked = AnswerSchema.of(given)
    assert asked.schema["required"] == ["a"]
    assert asked.schema.get("description", "") == description


def test_strict_tools_have_strict_schemas() -> None:
    (wire,) = wire_tools([double], strict=True)
    assert wire["function"]["strict"] is True
    assert wire["function"]["parameters"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        (None, None),
        (False, None),
        (True, "required"),
        ("any", "required"),
        ("required", "required"),
        ("auto", "auto"),
        ("none", "none"),
        ("double", {"type": "function", "function": {"name": "double"}}),
        ("openrouter:datetime", {"type": "openrouter:datetime"}),
        (
            {"type": "function", "function": {"name": "double"}},
            {"type": "function", "function": {"name": "double"}},
        ),
        ({"type": "tool", "name": "double"}, {"type": "function", "function": {"name": "double"}}),
        ({"type": "function", "name": "double"}, {"type": "function", "function": {"name": "double"}}),
        ({"function": {"name": "double"}}, {"type": "function", "function": {"name": "double"}}),
        ({"type": "any"}, "required"),
        ({"type": "auto"}, "auto"),
        ({"type": "openrouter:datetime"}, {"type": "openrouter:datetime"}),
    ],
)
def test_a_tool_choice_can_be_written_in_many_ways(given: Any, wire: Any) -> None:
    tools = wire_tools([double, {"type": "openrouter:datetime"}])
    assert wire_choice(given, tools) == wire


@pytest.mark.parametrize(
    "choice",
    [
        "duoble",
        {"type": "function", "function": {"name": "duoble"}},
        {"type": "function", "name": "duoble"},
        {"type": "tool", "name": "duoble"},
        {"name": "duoble"},
    ],
)
def test_the_choice_of_a_tool_that_is_not_there_is_refused(llm: ChatOpenRouter, choice: Any) -> None:
    with pytest.raises(
        ConfigurationError, match="tool_choice: there is no tool 'duoble'; did you mean 'double'"
    ):
        llm.bind_tools([double], tool_choice=choice)


@pytest.mark.parametrize(
    "choice", [{"type": "tool"}, {"type": "function", "function": {}}, {"nome": "double"}]
)
def test_a_choice_that_names_no_tool_is_refused(llm: ChatOpenRouter, choice: Any) -> None:
    with pytest.raises(ConfigurationError, match="names no tool"):
        llm.bind_tools([double], tool_choice=choice)


@pytest.mark.parametrize(
    ("choice", "given", "parallel"),
    [
        ({"type": "any", "disable_parallel_tool_use": True}, {}, False),
        ({"type": "tool", "name": "double", "disable_parallel_tool_use": False}, {}, True),
        ({"type": "any", "disable_parallel_tool_use": True}, {"parallel_tool_calls": True}, True),
        ({"type": "any"}, {}, None),
    ],
)
def test_anthropics_word_on_parallel_calls_counts(
    llm: ChatOpenRouter, sandbox: Sandbox, choice: Any, given: Any, parallel: bool | None
) -> None:
    llm.bind_tools([double], tool_choice=choice, **given).invoke("What is twice 21?")
    assert sandbox.last.body.get("parallel_tool_calls") is parallel


def test_bound_tools_are_sent_with_what_was_said_about_them(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    clock = {"type": "openrouter:datetime"}
    bound = llm.bind_tools([double, clock], tool_choice="double", parallel_tool_calls=False)
    message = bound.invoke("What is twice 21?")
    sent = sandbox.last.body
    assert [each["type"] for each in sent["tools"]] == ["function", "openrouter:datetime"]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "double"}}
    assert sent["parallel_tool_calls"] is False
    assert message.tool_calls[0]["args"] == {"a": 21}


def test_an_empty_list_of_tools_is_not_sent(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    llm.bind_tools([], tool_choice="any").invoke("hi")
    assert not sandbox.last.body.keys() & {"tools", "tool_choice"}
    llm.bind(tools=[]).invoke("hi")
    assert "tools" not in sandbox.last.body
    llm.invoke("hi", tools=[])
    assert "tools" not in sandbox.last.body


@pytest.mark.parametrize("choice", [["double"], ("double",), 5, 1.0])
def test_a_tool_choice_of_another_kind_is_refused_with_its_path(llm: ChatOpenRouter, choice: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^tool_choice: .* is none; give 'auto'"):
        llm.bind_tools([double], tool_choice=choice)
