"""LangChain's messages as the messages that OpenRouter takes.

Source: https://openrouter.ai/docs/api_reference/overview
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_openrouter_opts.content import part, parts
from langchain_openrouter_opts.reasoning import replayed
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.protocol.replay import json_text, once_each, other_output, tool_call

WireMessage: TypeAlias = dict[str, Any]
Place: TypeAlias = Literal["content", "calls", "reasoning", "images", "refusal", "nowhere"]

_PLACES: Final[Mapping[str, Place]] = {
    "tool_call": "calls",
    "tool_use": "calls",
    "reasoning": "reasoning",
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "image": "images",
    "image_url": "images",
    "refusal": "refusal",
    # Calls that `tool_calls` and `invalid_tool_calls` hold as well.
    "function_call": "nowhere",
    "input_json_delta": "nowhere",
    "invalid_tool_call": "nowhere",
    "tool_call_chunk": "nowhere",
    # What a server did by itself: with OpenRouter that travels in `reasoning_details`, with others it stays there.
    "server_tool_call": "nowhere",
    "server_tool_call_chunk": "nowhere",
    "server_tool_result": "nowhere",
    # A model hears its own audio by its id only, which is in `additional_kwargs`.
    "audio": "nowhere",
}
"""Where a block of an assistant message goes, if it isn't a content part."""


def wire_messages(messages: Sequence[BaseMessage]) -> list[WireMessage]:
    """Convert a conversation; the messages stay as they are.

    Raises:
        ConfigurationError: A message holds something that can't be sent; says which.
    """
    wire: list[WireMessage] = []
    for index, message in enumerate(messages):
        try:
            wire += _writer(type(message))(message)
        except ConfigurationError as problem:
            raise ConfigurationError(f"messages[{index}]: {problem.message}") from None
    once_each(wire)
    return wire


def _system(message: SystemMessage) -> list[WireMessage]:
    extra = message.additional_kwargs
    # The key that ChatOpenAI reads, so that one prompt serves both.
    wire = {"role": extra.get("__openai_role__", "system"), "content": _content(message)}
    if "configuration_update" in extra:
        wire["configuration_update"] = extra["configuration_update"]
    return [_finished(wire, message)]


def _human(message: HumanMessage) -> list[WireMessage]:
    if isinstance(message.content, str):
        return [_finished({"role": "user", "content": message.content}, message)]
    results, said = _tool_results(message.content)
    if said or not results:
        results.append(_finished({"role": "user", "content": parts(said)}, message))
    return results


def _tool_results(content: Iterable[str | dict[str, Any]]) -> tuple[list[WireMessage], list[Any]]:
    """Part Anthropic's tool results, which are blocks of a user message, from what the user said."""
    results: list[WireMessage] = []
    said: list[Any] = []
    for block in content:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            output = _tool_output(block.get("content") or "")
            results.append({"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": output})
        else:
            said.append(block)
    return results, said


def _tool(message: ToolMessage) -> list[WireMessage]:
    # The API knows no name here: the call with this id has it.
    wire = {
        "role": "tool",
        "tool_call_id": message.tool_call_id,
        "content": _tool_output(message.content),
    }
    return [_marked(wire, message)]


def _tool_output(content: str | list[Any]) -> str | list[WireMessage]:
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": json_text(block)}
        if isinstance(block, dict) and "type" not in block
        else part(block)
        for block in content
    ] or ""


def _function(message: FunctionMessage) -> list[WireMessage]:
    """Functions became tools; they had no ids, so the name stands for it, here and in `_tool_calls`."""
    return [{"role": "tool", "tool_call_id": message.name, "content": _tool_output(message.content)}]


def _chat(message: ChatMessage) -> list[WireMessage]:
    return [_finished({"role": message.role, "content": _content(message)}, message)]


def _assistant(message: AIMessage) -> list[WireMessage]:
    extra = message.additional_kwargs
    if isinstance(message.content, str) and not (message.tool_calls or message.invalid_tool_calls or extra):
        # Most of a long history is this, and all of it is converted in every turn.
        return [_finished({"role": "assistant", "content": message.content}, message)]
    places = _sorted_out(message.content) if isinstance(message.content, list) else {}
    calls = _tool_calls(message, places.get("calls", ()))
    content = _assistant_content(places["content"]) if places else message.content
    wire: WireMessage = {"role": "assistant", "content": content}
    if calls:
        wire["tool_calls"] = calls
    details = replayed(extra.get("reasoning_details"), places.get("reasoning", ()))
    if details is not None:
        wire["reasoning_details"] = details
    if extra or places:
        refusal = "".join(block.get("refusal", "") for block in places.get("refusal", ()))
        wire.update(other_output(extra, images=parts(places.get("images", ())), refusal=refusal))
    if not content and len(wire) > 2:
        # Amazon Nova refuses a blank text beside tool calls.
        wire["content"] = None
    return [_finished(wire, message)]


def _sorted_out(content: list[Any]) -> dict[Place, list[Any]]:
    places: dict[Place, list[Any]] = {"content": []}
    for each in content:
        block = each
        if isinstance(each, dict) and each.get("type") == "non_standard":
            block = each.get("value", each)
        kind = block.get("type") if isinstance(block, dict) else None
        places.setdefault(_PLACES.get(kind or "", "content"), []).append(block)
    return places


def _assistant_content(blocks: list[Any]) -> str | list[WireMessage]:
    converted = [each for each in parts(blocks) if each.get("type") != "text" or each.get("text")]
    if not converted:
        return ""
    if len(converted) == 1 and converted[0].keys() == {"type", "text"}:
        # One form for one text, whichever `output_version` it came in: prompt caches look at the bytes.
        return str(converted[0]["text"])
    return converted


def _tool_calls(message: AIMessage, blocks: Iterable[Mapping[str, Any]]) -> list[WireMessage]:
    calls: list[tuple[str | None, str | None, Any]] = [
        (call.get("id"), call.get("name"), call.get("args"))
        for call in (*message.tool_calls, *message.invalid_tool_calls)
    ]
    known = {call_id for call_id, *_ in calls}
    calls += [
        (block.get("id"), block.get("name"), block.get("input", block.get("args")))
        for block in blocks
        if block.get("id") not in known
    ]
    if legacy := message.additional_kwargs.get("function_call"):
        calls.append((legacy.get("name"), legacy.get("name"), legacy.get("arguments")))
    return [tool_call(slot, *call) for slot, call in enumerate(calls)]


def _content(message: BaseMessage) -> str | list[WireMessage]:
    content = message.content
    return content if isinstance(content, str) else parts(content)


def _finished(wire: WireMessage, message: BaseMessage) -> WireMessage:
    extra = message.additional_kwargs
    if name := message.name or extra.get("name"):
        wire["name"] = name
    return _marked(wire, message) if extra else wire


def _marked(wire: WireMessage, message: BaseMessage) -> WireMessage:
    """Put a cache breakpoint that is on the message as a whole onto its last text, the only place that has one on the wire."""
    mark = message.additional_kwargs.get("cache_control")
    content = wire["content"]
    if not mark or not content:
        return wire
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    last = max((i for i, each in enumerate(blocks) if each.get("type") == "text"), default=None)
    if last is not None:
        blocks[last] = {"cache_control": mark, **blocks[last]}
    return {**wire, "content": blocks}


Writer: TypeAlias = Callable[[Any], list[WireMessage]]

_WRITERS: Final[Mapping[type[BaseMessage], Writer]] = {
    SystemMessage: _system,
    HumanMessage: _human,
    AIMessage: _assistant,
    ToolMessage: _tool,
    FunctionMessage: _function,
    ChatMessage: _chat,
}


@cache
def _writer(cls: type[BaseMessage]) -> Writer:
    """Find how a class of messages is written; chunks and subclasses are written like their base."""
    for base in cls.__mro__:
        if base in _WRITERS:
            return _WRITERS[base]
    raise ConfigurationError(f"a {cls.__name__} can't be sent to a model")
