"""Tools in the many forms that LangChain takes, as OpenRouter takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from openrouter_opts.options import Part
from openrouter_opts.options.toolbox import WireTool, written

ToolLike: TypeAlias = Mapping[str, Any] | type | Callable[..., Any] | BaseTool | Part

# They sit beside `function`, not in it: https://openrouter.ai/docs/guides/best-practices/prompt-caching
_BESIDE: Final = ("cache_control", "defer_loading")
# Types of a mapping that describes a function: none, or that of a JSON schema.
_FUNCTION_TYPES: Final = frozenset({None, "object"})


def wire_tools(tools: Iterable[ToolLike], *, strict: bool | None = None) -> list[WireTool]:
    """Convert tools; what is no function, such as `{"type": "openrouter:web_search"}`, goes out as it is.

    Args:
        tools: Functions, `BaseTool`s, pydantic classes, `TypedDict`s, JSON schemas, OpenAI's and Anthropic's tools, server tools.
        strict: Whether the arguments must keep to the schema; `None` leaves that open.
    """
    return [_wire_tool(tool, strict) for tool in tools]


def _wire_tool(tool: ToolLike, strict: bool | None) -> WireTool:
    if isinstance(tool, Part):
        return written(tool)
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
        converted = convert_to_openai_tool(tool["function"], strict=strict)
        return {**tool, "function": {**tool["function"], **converted["function"]}}
    if kind not in _FUNCTION_TYPES and "input_schema" not in tool:
        return tool
    # Of a JSON schema every other key becomes one of the parameters.
    function = {key: value for key, value in tool.items() if key not in _BESIDE}
    return {**convert_to_openai_tool(function, strict=strict), **_beside(tool)}


def _beside(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in _BESIDE if given.get(key) is not None}
