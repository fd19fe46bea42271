"""The cache breakpoints of what LangChain sends: where they are, where they can be, and how one is set.

They are counted on the wire, as the request will have them, in whichever way they were given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.tools import BaseTool

from langchain_openrouter_opts.messages import wire_messages
from langchain_openrouter_opts.middleware.breakpoints import Place, Section, Ttl, plan
from langchain_openrouter_opts.tools import ToolLike, wire_tools
from openrouter_opts.options.toolbox import WireTool

# OpenRouter converts the two into each other, https://openrouter.ai/docs/guides/best-practices/prompt-caching.
_MARKS: Final = ("cache_control", "prompt_cache_breakpoint")


@dataclass(frozen=True, slots=True)
class Marked:
    """Tools and messages with their breakpoints.

    Attributes:
        tools: Copies of those that got one, in the form of the wire where they are no `BaseTool`s.
        messages: Likewise.
        count: How many breakpoints the request has in all.
    """

    tools: list[Any]
    messages: list[Any]
    count: int


@dataclass(frozen=True, slots=True)
class _Block:
    """A place of the prompt, and which tool or which message it is in; None for what the options bring along."""

    place: Place
    index: int | None = None


def with_breakpoints(
    tools: Sequence[ToolLike],
    messages: Sequence[BaseMessage],
    options: Mapping[str, Any],
    wanted: Mapping[Section, Ttl],
) -> Marked:
    """Return tools and messages with the breakpoints of `plan`; what is given stays as it is.

    Args:
        tools: The tools of a request.
        messages: Its messages, the system prompt first.
        options: What the options add to its body.
        wanted: The ttl for each section that is to get a breakpoint.

    Raises:
        ConfigurationError: A message can't be sent.
    """
    blocks = _blocks(tools, messages, options)
    planned = plan([block.place for block in blocks], wanted)
    marked_tools, marked_messages = list(tools), list(messages)
    for number, ttl in planned.items():
        index = blocks[number].index
        assert index is not None
        if blocks[number].place.section == "tools":
            marked_tools[index] = _marked_tool(tools[index], ttl)
        else:
            marked_messages[index] = _marked_message(messages[index], ttl)
    there = sum(block.place.ttl is not None for block in blocks)
    return Marked(marked_tools, marked_messages, there + len(planned))


def _blocks(
    tools: Sequence[ToolLike], messages: Sequence[BaseMessage], options: Mapping[str, Any]
) -> list[_Block]:
    """The prompt in the order in which caches read it: tools, system prompt, messages."""
    blocks = [_Block(place, index) for index, place in enumerate(_tool_places(tools))]
    if not tools:
        blocks = [_Block(Place("tools", _ttl(tool))) for tool in options.get("tools") or ()]
    for index, (section, message) in enumerate(zip(_sections(messages), messages, strict=True)):
        blocks += [_Block(place, index) for place in _message_places(message, section)]
    if ttl := _ttl(options):
        # As an option, the breakpoint is on the last block of all.
        blocks.append(_Block(Place("new", ttl)))
    return blocks


def _mark(ttl: Ttl) -> dict[str, str]:
    """A breakpoint as OpenRouter takes it; five minutes are its default."""
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def _marked_tool(tool: ToolLike, ttl: Ttl) -> BaseTool | WireTool:
    if isinstance(tool, BaseTool):
        return tool.model_copy(update={"extras": {**(tool.extras or {}), "cache_control": _mark(ttl)}})
    (wire,) = wire_tools([tool])
    return {**wire, "cache_control": _mark(ttl)}


def _marked_message(message: BaseMessage, ttl: Ttl) -> BaseMessage:
    """Mark the last text of a message. Its content stays as it is, for the middleware that comes after."""
    extra = {**message.additional_kwargs, "cache_control": _mark(ttl)}
    return message.model_copy(update={"additional_kwargs": extra})


def _sections(messages: Sequence[BaseMessage]) -> Iterator[Section]:
    answered = max((i for i, message in enumerate(messages) if isinstance(message, AIMessage)), default=0)
    opening = True
    for index, message in enumerate(messages):
        opening = opening and isinstance(message, SystemMessage)
        yield "system" if opening else "sent" if index < answered else "new"


def _tool_places(tools: Sequence[ToolLike]) -> Iterator[Place]:
    wired = wire_tools(tools)
    # Tools that are searched for have to be the same bytes in every turn: https://openrouter.ai/docs/guides/features/server-tools/tool-search
    searched = any(_is_deferred(tool) for tool in wired)
    for tool in wired:
        yield Place("tools", _ttl(tool), free="function" in tool and not searched)


def _is_deferred(tool: WireTool) -> bool:
    return bool(tool.get("defer_loading") or tool.get("function", {}).get("defer_loading"))


def _message_places(message: BaseMessage, section: Section) -> Iterator[Place]:
    """A place is free where a mark would show on the wire, but for blank texts, where Anthropic refuses it."""
    parts = list(_parts(message))
    written = any(map(_has_text, parts))
    marked = _parts(_marked_message(message, "5m")) if written else parts
    for part, with_mark in zip(parts, marked, strict=True):
        ttl = _ttl(part)
        yield Place(section, ttl, free=ttl is None and _ttl(with_mark) is not None and _has_text(part))


def _has_text(part: Mapping[str, Any]) -> bool:
    return bool(part.get("text", "").strip())


def _parts(message: BaseMessage) -> Iterator[dict[str, Any]]:
    for wire in wire_messages([message]):
        content = wire.get("content")
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content or ()


def _ttl(marked: Mapping[str, Any]) -> Ttl | None:
    """How long a mark lasts. The ttls of OpenAI's aren't translated, so elsewhere it is the default."""
    found = next((marked[name] for name in _MARKS if marked.get(name)), None)
    if found is None:
        return None
    return "1h" if isinstance(found, Mapping) and found.get("ttl") == "1h" else "5m"
