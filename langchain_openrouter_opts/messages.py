"""LangChain's messages as the messages that OpenRouter takes.

Source: https://openrouter.ai/docs/api_reference/overview
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_openrouter_opts.assistant import Place, WireMessage, assistant_message
from langchain_openrouter_opts.content import add, is_block, parts
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.loops import in_thread
from openrouter_opts.protocol.encoding import is_large, snapshot
from openrouter_opts.protocol.parts import Part, marked
from openrouter_opts.protocol.replay import json_text, name_calls, once_each


def wire_messages(messages: Sequence[BaseMessage]) -> list[WireMessage]:
    """Convert a conversation; the messages stay as they are.

    Raises:
        ConfigurationError: A message holds something that can't be sent; names its path, and what to do.
    """
    wire: list[WireMessage] = []
    asked = max((index for index, each in enumerate(messages) if isinstance(each, HumanMessage)), default=-1)
    for index, message in enumerate(messages):
        write = _writer(type(message))
        place = Place(f"messages[{index}]", is_running=index > asked)
        if write is None:
            raise ConfigurationError(f"{place.path}: a {type(message).__name__} can't be sent to a model")
        wire += write(message, place)
    once_each(wire)
    name_calls(wire)
    return wire


async def awire_messages(messages: Sequence[BaseMessage]) -> list[WireMessage]:
    """Convert a conversation as `wire_messages` does, in a thread if there is much in it that may have to be encoded."""
    if any(isinstance(each.content, list) and is_large(each.content) for each in messages):
        # What it is now: a message may get another block while the thread is at work.
        now = snapshot({"messages": [{"content": each.content} for each in messages]})["messages"]
        asked = [each.model_copy(update=held) for each, held in zip(messages, now, strict=True)]
        return await in_thread(wire_messages, asked)
    return wire_messages(messages)


def _system(message: SystemMessage, place: Place) -> list[WireMessage]:
    # The key that ChatOpenAI reads, so that one prompt serves both.
    return [_instructions(message.additional_kwargs.get("__openai_role__", "system"), message, place)]


def _instructions(role: str, message: BaseMessage, place: Place) -> WireMessage:
    content = _content(message, place)
    for index, part in enumerate(content):
        if isinstance(part, dict) and part.get("type") != "text":
            raise ConfigurationError(
                f"{place.path}.content[{index}]: a {role} message takes text alone; "
                f"put the {part.get('type')} into a message of the user"
            )
    wire = {"role": role, "content": content}
    if "configuration_update" in message.additional_kwargs:
        wire["configuration_update"] = message.additional_kwargs["configuration_update"]
    return _finished(wire, message, place)


def _human(message: HumanMessage, place: Place) -> list[WireMessage]:
    """Part Anthropic's tool results, which are blocks of a user's message, from what the user said."""
    content = message.content
    if isinstance(content, str):
        return [_finished({"role": "user", "content": content}, message, place)]
    results: list[WireMessage] = []
    said: list[Part] = []
    for index, block in enumerate(content):
        path = f"{place.path}.content[{index}]"
        if isinstance(block, dict) and block.get("type") == "tool_result":
            results.append(_tool_result(block, path))
        else:
            add(said, block, path)
    if said or not results:
        return [*results, _finished({"role": "user", "content": said}, message, place)]
    return [*results[:-1], _marked_as(results[-1], message, place)]


def _tool_result(block: Mapping[str, Any], path: str) -> WireMessage:
    output = _tool_output(block.get("content") or "", f"{path}.content")
    wire = {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": output}
    return _marked(wire, block.get("cache_control"), f"{path}.cache_control")


def _tool(message: ToolMessage, place: Place) -> list[WireMessage]:
    # The API knows no name here: the call with this id has it. Nor a status: that the call failed is for the content to say.
    output = _tool_output(message.content, f"{place.path}.content")
    wire = {"role": "tool", "tool_call_id": message.tool_call_id, "content": output}
    return [_marked_as(wire, message, place)]


def _tool_output(content: str | list[Any], path: str) -> str | list[Part]:
    """Convert the output of a tool. Rows of data are sent as JSON, whatever key of theirs is called `type`."""
    if isinstance(content, str):
        return content
    converted: list[Part] = []
    for index, block in enumerate(content):
        if isinstance(block, dict) and not is_block(block):
            converted.append({"type": "text", "text": json_text(block)})
        else:
            add(converted, block, f"{path}[{index}]")
    return converted or ""


def _function(message: FunctionMessage, place: Place) -> list[WireMessage]:
    """Functions became tools; they had no ids, so the name stands for it, here and in the call."""
    output = _tool_output(message.content, f"{place.path}.content")
    return [{"role": "tool", "tool_call_id": message.name, "content": output}]


# LangChain's names for them.
_ROLES: Final = {"human": "user", "ai": "assistant"}


def _chat(message: ChatMessage, place: Place) -> list[WireMessage]:
    """A message of any role is what that role's own class would be."""
    role, extra = _ROLES.get(message.role, message.role), message.additional_kwargs
    if role in {"system", "developer"}:
        return [_instructions(role, message, place)]
    if role == "assistant":
        return _assistant(AIMessage(message.content, name=message.name, additional_kwargs=extra), place)
    if role == "tool":
        if not (call_id := extra.get("tool_call_id")):
            raise ConfigurationError(
                f"{place.path}.additional_kwargs.tool_call_id: a tool's result needs the id of the call that it answers"
            )
        return _tool(ToolMessage(message.content, tool_call_id=call_id, additional_kwargs=extra), place)
    return [_finished({"role": role, "content": _content(message, place)}, message, place)]


def _assistant(message: AIMessage, place: Place) -> list[WireMessage]:
    said = message.content
    if isinstance(said, str) and not (
        message.tool_calls or message.invalid_tool_calls or message.additional_kwargs
    ):
        # Most of a long history is this, and all of it is converted in every turn.
        wire: WireMessage = {"role": "assistant", "content": said}
    else:
        wire = assistant_message(message, place)
    return [_finished(wire, message, place)]


def _content(message: BaseMessage, place: Place) -> str | list[Part]:
    content = message.content
    return content if isinstance(content, str) else parts(content, f"{place.path}.content")


def _finished(wire: WireMessage, message: BaseMessage, place: Place) -> WireMessage:
    extra = message.additional_kwargs
    if name := message.name or extra.get("name"):
        wire["name"] = name
    return _marked_as(wire, message, place) if extra else wire


def _marked_as(wire: WireMessage, message: BaseMessage, place: Place) -> WireMessage:
    path = f"{place.path}.additional_kwargs.cache_control"
    return _marked(wire, message.additional_kwargs.get("cache_control"), path)


def _marked(wire: WireMessage, control: Any, path: str) -> WireMessage:
    """Put a cache breakpoint that is on a message as a whole onto one of its parts, the only place that has one on the wire."""
    if not control:
        return wire
    content = wire["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    return {**wire, "content": marked(content or [], control, path)}


Writer: TypeAlias = Callable[[Any, Place], list[WireMessage]]

_WRITERS: Final[Mapping[type[BaseMessage], Writer]] = {
    SystemMessage: _system,
    HumanMessage: _human,
    AIMessage: _assistant,
    ToolMessage: _tool,
    FunctionMessage: _function,
    ChatMessage: _chat,
}


@cache
def _writer(cls: type[BaseMessage]) -> Writer | None:
    """Find how a class of messages is written; chunks and subclasses are written like their base."""
    return next((_WRITERS[base] for base in cls.__mro__ if base in _WRITERS), None)
