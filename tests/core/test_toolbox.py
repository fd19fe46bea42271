"""Tools beside those that are configured, and the choice among them, whichever framework they come from."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import Datetime, Function, FunctionTool, ProviderOptions, WebSearch
from openrouter_opts.options.toolbox import beside, laid_over, one_at_a_time, tool_names, wire_choice, written

LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look"}}
SEARCH: dict[str, Any] = {"type": "openrouter:web_search"}
CHOOSE_LOOK = {"type": "function", "function": {"name": "look"}}


def advisor(name: str) -> dict[str, Any]:
    return {"type": "openrouter:advisor", "parameters": {"name": name}}


@pytest.mark.parametrize(
    ("tool", "wire"),
    [
        (Datetime(), {"type": "openrouter:datetime"}),
        (
            WebSearch(max_results=3, engine=None),
            {"type": "openrouter:web_search", "parameters": {"max_results": 3}},
        ),
        (FunctionTool(function=Function(name="look")), LOOK),
    ],
)
def test_a_typed_tool_is_written_as_it_goes_out(tool: Any, wire: dict[str, Any]) -> None:
    assert written(tool) == wire


def test_tools_are_named_by_their_function_or_their_type() -> None:
    assert tool_names([LOOK, SEARCH, {"type": "mcp", "function": None}]) == [
        "look",
        "openrouter:web_search",
        "mcp",
    ]


@pytest.mark.parametrize(
    ("configured", "called", "together"),
    [
        ([], [LOOK], [LOOK]),
        ([SEARCH], [LOOK], [SEARCH, LOOK]),
        ([LOOK, SEARCH], [{**LOOK, "function": {"name": "look", "strict": True}}],
         [SEARCH, {**LOOK, "function": {"name": "look", "strict": True}}]),
        ([SEARCH, LOOK], [{**SEARCH, "parameters": {"max_results": 3}}],
         [LOOK, {**SEARCH, "parameters": {"max_results": 3}}]),
        ([advisor("a"), advisor("b")], [advisor("b")], [advisor("a"), advisor("b")]),
        ([{"type": "mcp", "server_label": "a"}], [{"type": "mcp", "server_label": "b"}],
         [{"type": "mcp", "server_label": "a"}, {"type": "mcp", "server_label": "b"}]),
        ([{"type": "mcp", "server_label": "a"}], [{"type": "mcp", "server_label": "a"}],
         [{"type": "mcp", "server_label": "a"}]),
    ],
    ids=[
        "none", "others", "same function", "same server tool", "of two advisors one", "two servers of tools", "same server of tools",
    ],
)  # fmt: skip
def test_a_tool_takes_the_place_of_its_like(
    configured: list[Any], called: list[Any], together: list[Any]
) -> None:
    assert beside(ProviderOptions.of(tools=configured), called) == together


def test_what_is_no_tool_is_refused_with_its_path() -> None:
    with pytest.raises(ConfigurationError, match=r"tools\[1\]\.type: is required"):
        beside(ProviderOptions(), [LOOK, {"name": "look"}])


@pytest.mark.parametrize(
    ("configured", "call", "sent"),
    [
        ({"tool_choice": "required"}, {}, {}),
        ({"tool_choice": "required", "seed": 1}, {"tools": []}, {"seed": 1, "tools": []}),
        ({"tool_choice": "required"}, {"tools": [LOOK]}, {"tools": [LOOK], "tool_choice": "required"}),
        ({"tool_choice": "required", "tools": [LOOK]}, {}, {"tools": [LOOK], "tool_choice": "required"}),
        ({}, {"tool_choice": "auto"}, {"tool_choice": "auto"}),
        ({"tool_choice": "required"}, {"tool_choice": "auto"}, {"tool_choice": "auto"}),
    ],
)
def test_a_configured_choice_is_for_calls_that_have_tools(
    configured: dict[str, Any], call: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert laid_over(ProviderOptions.of(configured), ProviderOptions.of(call)).body == sent


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (None, None),
        (False, None),
        (True, "required"),
        ("any", "required"),
        ("none", "none"),
        ("look", CHOOSE_LOOK),
        ("openrouter:web_search", SEARCH),
        (WebSearch(max_results=3), SEARCH),
        (FunctionTool(function=Function(name="look")), CHOOSE_LOOK),
        (CHOOSE_LOOK, CHOOSE_LOOK),
        ({"type": "tool", "name": "look"}, CHOOSE_LOOK),
        ({"name": "look"}, CHOOSE_LOOK),
        ({"type": "any", "disable_parallel_tool_use": True}, "required"),
        (SEARCH, SEARCH),
        ({"type": "allowed_tools", "mode": "auto", "tools": [LOOK]},
         {"type": "allowed_tools", "mode": "auto", "tools": [LOOK]}),
    ],
)  # fmt: skip
def test_a_choice_goes_out_as_openrouter_takes_it(choice: Any, wire: Any) -> None:
    assert wire_choice(choice, [LOOK, SEARCH]) == wire


@pytest.mark.parametrize(
    ("choice", "tools", "said"),
    [
        ("loook", [LOOK, SEARCH], "there is no tool 'loook'; did you mean 'look'?"),
        ("xyz", [LOOK, SEARCH], "there is no tool 'xyz'; there are look, openrouter:web_search"),
        ({"type": "tool", "name": "look"}, [], "there is no tool 'look'; there are none"),
        (Datetime(), [LOOK], "there is no tool 'openrouter:datetime'"),
        ({"type": "function"}, [LOOK], "{'type': 'function'} names no tool"),
        ({"type": "function", "function": {"name": 5}}, [LOOK], "names no tool"),
        (["look"], [LOOK], r"['look'] is none; give 'auto', 'none', 'required', the name of a tool"),
    ],
)
def test_a_choice_of_what_is_not_there_is_refused(choice: Any, tools: list[Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        wire_choice(choice, tools)
    assert str(caught.value).startswith("tool_choice: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "option"),
    [
        ({"type": "auto", "disable_parallel_tool_use": True}, {"parallel_tool_calls": False}),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"parallel_tool_calls": True}),
        ({"type": "auto", "disable_parallel_tool_use": None}, {}),
        ({"type": "auto"}, {}),
        ("auto", {}),
        (None, {}),
    ],
)
def test_what_a_choice_says_of_several_calls_at_once_is_an_option(
    choice: Any, option: dict[str, bool]
) -> None:
    assert one_at_a_time(choice) == option
