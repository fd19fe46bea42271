"""Tools and tool choices, in the many forms that LangChain takes, as OpenRouter takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import Part, ProviderOptions, nearest

ToolLike: TypeAlias = Mapping[str, Any] | type | Callable[..., Any] | BaseTool | Part
WireTool: TypeAlias = dict[str, Any]

# They sit beside `function`, not in it: https://openrouter.ai/docs/guides/best-practices/prompt-caching
_BESIDE: Final = ("cache_control", "defer_loading")
# Types of a mapping that describes a function: none, or that of a JSON schema.
_FUNCTION_TYPES: Final = frozenset({None, "object"})
_WORDS: Final = {"any": "required", "required": "required", "auto": "auto", "none": "none"}


def wire_tools(tools: Iterable[ToolLike], *, strict: bool | None = None) -> list[WireTool]:
    """Convert tools; what is no function, such as `{"type": "openrouter:web_search"}`, goes out as it is.

    Args:
        tools: Functions, `BaseTool`s, pydantic classes, `TypedDict`s, JSON schemas, OpenAI's and Anthropic's tools, server tools.
        strict: Whether the arguments must keep to the schema; `None` leaves that open.
    """
    return [_wire_tool(tool, strict) for tool in tools]


def _wire_tool(tool: ToolLike, strict: bool | None) -> WireTool:
    if isinstance(tool, Part):
        (written,) = ProviderOptions.of(tools=[tool]).body["tools"]
        return dict(written)
    if isinstance(tool, Mapping):
        return _from_mapping(dict(tool), strict)
    function = convert_to_openai_tool(tool, strict=strict)
    extras = getattr(tool, "extras", None) if isinstance(tool, BaseTool) else None
    return {**function, **_beside(extras or {})}


def _from_mapping(tool: WireTool, strict: bool | None) -> WireTool:
    kind = tool.get("type")
    if "function" in tool:
        if strict is None:
            return tool
        return {**tool, **convert_to_openai_tool(tool["function"], strict=strict)}
    if kind not in _FUNCTION_TYPES and "input_schema" not in tool:
        return tool
    # Of a JSON schema every other key becomes one of the parameters.
    function = {key: value for key, value in tool.items() if key not in _BESIDE}
    return {**convert_to_openai_tool(function, strict=strict), **_beside(tool)}


def _beside(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in _BESIDE if given.get(key) is not None}


def wire_tool_choice(
    choice: str | bool | Mapping[str, Any] | None, tools: Sequence[WireTool]
) -> str | dict[str, Any] | None:
    """Convert a tool choice; `None` says nothing about it, and so does `False`.

    Args:
        choice: `"auto"`, `"none"`, `"required"` or `"any"`, `True` (which is the same), the name of a tool, or a mapping of OpenAI's or
            Anthropic's form.
        tools: The converted tools.

    Raises:
        ConfigurationError: It names a tool that isn't there, or none.
    """
    if choice is None or choice is False:
        return None
    if choice is True:
        return "required"
    if isinstance(choice, str):
        return _WORDS.get(choice) or _named(choice, tools)
    kind = choice.get("type")
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in (None, "function", "tool"):
        return _named(_name_in(choice), tools)
    return dict(choice)


def _name_in(choice: Mapping[str, Any]) -> str:
    held = choice.get("function")
    name = held.get("name") if isinstance(held, Mapping) else choice.get("name")
    if not isinstance(name, str):
        raise ConfigurationError(f"tool_choice: {dict(choice)!r:.80} names no tool")
    return name


def one_at_a_time(choice: object) -> dict[str, bool]:
    """Return the option for what Anthropic says within a choice: whether several calls may come at once."""
    if isinstance(choice, Mapping) and isinstance(alone := choice.get("disable_parallel_tool_use"), bool):
        return {"parallel_tool_calls": not alone}
    return {}


def tool_names(tools: Iterable[WireTool]) -> list[str]:
    """Return the names of the functions, and the types of the server tools."""
    return [str(tool.get("function", {}).get("name") or tool.get("type")) for tool in tools]


def _named(name: str, tools: Sequence[WireTool]) -> dict[str, Any]:
    names = tool_names(tools)
    if name not in names:
        guess = nearest(name, names)
        hint = f"did you mean {guess!r}?" if guess else f"there are {', '.join(names) or 'none'}"
        raise ConfigurationError(f"tool_choice: there is no tool {name!r}; {hint}")
    function = "function" in tools[names.index(name)]
    return {"type": "function", "function": {"name": name}} if function else {"type": name}
