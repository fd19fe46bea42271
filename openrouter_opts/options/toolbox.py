"""The tools of a call beside those of its model, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.names import nearest
from openrouter_opts.options.option import Part
from openrouter_opts.options.provider_options import ProviderOptions

WireTool: TypeAlias = dict[str, Any]
ToolChoice: TypeAlias = str | bool | Mapping[str, Any] | Part | None

_WORDS: Final[Mapping[str | bool, str]] = {
    True: "required",
    "any": "required",
    "required": "required",
    "auto": "auto",
    "none": "none",
}


def written(tool: Part) -> WireTool:
    """Return a typed tool, such as `WebSearch()`, as it goes out; raises `ConfigurationError` for what is wrong with it."""
    (wire,) = ProviderOptions.of(tools=[tool]).body["tools"]
    return dict(wire)


def laid_over(configured: ProviderOptions, call: ProviderOptions) -> ProviderOptions:
    """Return the options of a call over those that are configured. A configured tool choice is left out where there are no tools.

    It is for the calls that have some: providers answer 400 to a choice among none.
    """
    options = configured.merged(call)
    orphan = configured.body.get("tool_choice") is not None and not options.body.get("tools")
    if not orphan or "tool_choice" in call.given:
        return options
    return options.merged(ProviderOptions.of(tool_choice=None))


def tool_names(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the functions, and the types of the server tools."""
    return [str(_name_in(tool, "function") or tool.get("type")) for tool in tools]


def _name_in(tool: Mapping[str, Any], key: str) -> Any:
    about = tool.get(key)
    return about.get("name") if isinstance(about, Mapping) else None


def beside(configured: ProviderOptions, tools: Sequence[WireTool]) -> list[WireTool]:
    """Return the tools of a call beside those that are configured; raises `ConfigurationError` for what is no tool.

    A function takes the place of one of the same name, and a server tool that of one of its type.
    """
    called = ProviderOptions.of(tools=tools).given["tools"]
    taken = [_kind(tool) for tool in called]
    return [*(tool for tool in configured.body.get("tools", ()) if _kind(tool) not in taken), *called]


def _kind(tool: WireTool) -> Any:
    """Return what a tool must not have in common with another one."""
    if "function" in tool:
        return "function", _name_in(tool, "function")
    # There may be several subagents and advisors, each with a name.
    return (tool["type"], _name_in(tool, "parameters")) if tool["type"].startswith("openrouter:") else tool


def wire_choice(choice: ToolChoice, tools: Sequence[WireTool]) -> str | dict[str, Any] | None:
    """Convert a tool choice; `None` says nothing about it, and so does `False`.

    Args:
        choice: `"auto"`, `"none"`, `"required"` or `"any"`, `True` (which is the same), the name of a function, the type of a server tool,
            a typed tool, or a mapping of OpenAI's or Anthropic's form.
        tools: All tools of the call as they go out.

    Raises:
        ConfigurationError: It names a tool that isn't there, or none.
    """
    if choice is None or choice is False:
        return None
    if isinstance(choice, Part):
        (choice,) = tool_names([written(choice)])
    if isinstance(choice, str | bool):
        return _WORDS.get(choice) or _named(str(choice), tools)
    if not isinstance(choice, Mapping):
        raise ConfigurationError(
            f"tool_choice: {choice!r:.80} is none; give 'auto', 'none', 'required', the name of a tool, or a mapping"
        )
    kind = choice.get("type")
    if kind in (None, "function", "tool"):
        name = _name_in(choice, "function") or choice.get("name")
        if not isinstance(name, str):
            raise ConfigurationError(f"tool_choice: {dict(choice)!r:.80} names no tool")
        return _named(name, tools)
    return _WORDS.get(kind or "") or dict(choice)


def one_at_a_time(choice: object) -> dict[str, bool]:
    """Return the option for what Anthropic says within a choice: whether several calls may come at once."""
    if isinstance(choice, Mapping) and isinstance(alone := choice.get("disable_parallel_tool_use"), bool):
        return {"parallel_tool_calls": not alone}
    return {}


def _named(name: str, tools: Sequence[WireTool]) -> dict[str, Any]:
    names = tool_names(tools)
    if name not in names:
        guess = nearest(name, names)
        hint = f"did you mean {guess!r}?" if guess else f"there are {', '.join(names) or 'none'}"
        raise ConfigurationError(f"tool_choice: there is no tool {name!r}; {hint}")
    function = "function" in tools[names.index(name)]
    return {"type": "function", "function": {"name": name}} if function else {"type": name}
