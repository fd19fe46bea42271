"""Tools in the many forms that LangChain takes, as OpenRouter takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from typing_extensions import is_typeddict

from langchain_openrouter_opts.schemas import strictly
from langchain_openrouter_opts.typed_dicts import plain
from openrouter_opts.errors import ConfigurationError
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

    Raises:
        ConfigurationError: A tool says otherwise about `strict`, or a parameter has no strict form; names its path.
    """
    return [_told(_wire_tool(tool), strict, f"tools[{index}]") for index, tool in enumerate(tools)]


def _told(tool: WireTool, strict: bool | None, path: str) -> WireTool:
    """Return a tool that says whether it is strict, if it is a function."""
    function = tool.get("function")
    if strict is None or not isinstance(function, Mapping):
        return tool
    if (said := function.get("strict")) not in (None, strict):
        raise ConfigurationError(f"{path}.function.strict: the tool says {said}, and the argument {strict}")
    told = {**function, "strict": strict}
    if strict:
        # A function without parameters may say so in any of these ways.
        parameters = {"type": "object", "properties": {}, **(function.get("parameters") or {})}
        told["parameters"] = strictly(parameters, f"{path}.function.parameters")
    return {**tool, "function": told}


def _wire_tool(tool: ToolLike) -> WireTool:
    if isinstance(tool, Part):
        return written(tool)
    if isinstance(tool, Mapping):
        return _from_mapping(dict(tool))
    function = convert_to_openai_tool(plain(tool) if is_typeddict(tool) else tool)
    extras = getattr(tool, "extras", None) if isinstance(tool, BaseTool) else None
    return {**function, **_beside(extras or {})}


def _from_mapping(tool: WireTool) -> WireTool:
    kind = tool.get("type")
    if "function" in tool:
        return tool
    if kind not in _FUNCTION_TYPES and "input_schema" not in tool:
        return tool
    # Of a JSON schema every other key becomes one of the parameters.
    function = {key: value for key, value in tool.items() if key not in _BESIDE}
    return {**convert_to_openai_tool(function), **_beside(tool)}


def _beside(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given[key] for key in _BESIDE if given.get(key) is not None}
