"""LlamaIndex's messages as the messages that OpenRouter takes.

Source: https://openrouter.ai/docs/api_reference/overview
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitationBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_openrouter_opts.content import parts_of, takes_long
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.loops import in_thread
from openrouter_opts.protocol.parts import Part, marked
from openrouter_opts.protocol.replay import name_calls, once_each, other_output, sendable, tool_call

WireMessage: TypeAlias = dict[str, Any]

DETAILS: Final = "reasoning_details"
"""Where a `ThinkingBlock` keeps, in `additional_information`, what the next request has to send back."""
FILES: Final = "annotations"
"""Where it keeps the files that OpenRouter has parsed, which go back too: LlamaIndex's memory doesn't count them there."""

# These have places of their own in an answer; a citation is of what the model has said, and goes nowhere.
_BESIDE: Final = (CitationBlock, ImageBlock, ThinkingBlock, ToolCallBlock)


def wire_messages(messages: Sequence[ChatMessage]) -> list[WireMessage]:
    """Convert a conversation; the messages stay as they are.

    Raises:
        ConfigurationError: A message holds something that can't be sent; names its path.
    """
    wire: list[WireMessage] = []
    for index, message in enumerate(messages):
        wire.append(_WRITERS[message.role](_answering(message, wire), f"messages[{index}]"))
    once_each(wire)
    name_calls(wire)
    return wire


async def awire_messages(messages: Sequence[ChatMessage]) -> list[WireMessage]:
    """Convert a conversation as `wire_messages` does, in a thread if files are to be read for it, or much is to be encoded."""
    if any(takes_long(block) for message in messages for block in message.blocks):
        # What it is now: a history may go on while the thread is at work.
        asked = [each.model_copy(update={"blocks": [*each.blocks]}) for each in messages]
        return await in_thread(wire_messages, asked)
    return wire_messages(messages)


def _answering(message: ChatMessage, before: Sequence[WireMessage]) -> ChatMessage:
    """Return the result of a function in an old history, which names no call, with the id of the last call of its name."""
    extra = message.additional_kwargs
    if message.role is not MessageRole.FUNCTION or extra.get("tool_call_id"):
        return message
    calls = [call for each in before for call in each.get("tool_calls") or ()]
    ids = [call["id"] for call in calls if call["function"]["name"] == extra.get("name")]
    return (
        message.model_copy(update={"additional_kwargs": {**extra, "tool_call_id": ids[-1]}})
        if ids
        else message
    )


def _as_role(role: str) -> Callable[[ChatMessage, str], WireMessage]:
    def write(message: ChatMessage, where: str) -> WireMessage:
        content = _content(enumerate(message.blocks), where)
        return _finished({"role": role, "content": content}, message, where)

    return write


def _assistant(message: ChatMessage, where: str) -> WireMessage:
    blocks, extra = message.blocks, message.additional_kwargs
    if len(blocks) == 1 and type(blocks[0]) is TextBlock and not extra:
        return {"role": "assistant", "content": blocks[0].text}
    audio = extra.get("audio") or {}
    # A model hears its own recording by its id, and for another model there is what was said.
    beside = (*_BESIDE, AudioBlock) if audio.get("id") or audio.get("transcript") else _BESIDE
    content = _content(
        ((at, block) for at, block in enumerate(blocks) if not isinstance(block, beside)), where
    )
    heard = audio.get("id") and content == audio.get("transcript")
    wire: WireMessage = {"role": "assistant", "content": "" if heard else content}
    if calls := _tool_calls(message):
        wire["tool_calls"] = calls
    details = sendable(_kept(blocks, DETAILS))
    if details is not None:
        wire[DETAILS] = details
    images = parts_of(
        [(at, block) for at, block in enumerate(blocks) if isinstance(block, ImageBlock)], where
    )
    files = _kept(blocks, FILES) or extra.get("annotations")
    wire.update(other_output({**extra, "annotations": files}, images=images))
    if not wire["content"] and len(wire) > 2:
        # Amazon Nova refuses a blank text beside tool calls.
        wire["content"] = None
    return _finished(wire, message, where)


def _tool(message: ChatMessage, where: str) -> WireMessage:
    call_id = message.additional_kwargs.get("tool_call_id")
    if not call_id:
        raise ConfigurationError(
            f"{where}.additional_kwargs.tool_call_id: a tool's result needs the id of the call that it answers"
        )
    # The API knows no name here: the call with this id has it.
    content = _content(enumerate(message.blocks), where)
    return _marked({"role": "tool", "tool_call_id": call_id, "content": content}, message, where)


_WRITERS: Final[Mapping[MessageRole, Callable[[ChatMessage, str], WireMessage]]] = {
    MessageRole.SYSTEM: _as_role("system"),
    MessageRole.DEVELOPER: _as_role("developer"),
    MessageRole.USER: _as_role("user"),
    MessageRole.ASSISTANT: _assistant,
    MessageRole.CHATBOT: _assistant,
    MessageRole.MODEL: _assistant,
    MessageRole.TOOL: _tool,
    MessageRole.FUNCTION: _tool,
}


def _content(blocks: Iterable[tuple[int, Any]], where: str) -> str | list[Part]:
    parts = parts_of(blocks, where)
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts or ""


def _finished(wire: WireMessage, message: ChatMessage, where: str) -> WireMessage:
    """Add what a message of any role may carry. Other `additional_kwargs` are other people's notes, and stay here."""
    if name := message.additional_kwargs.get("name"):
        wire["name"] = name
    return _marked(wire, message, where)


def _marked(wire: WireMessage, message: ChatMessage, where: str) -> WireMessage:
    if mark := message.additional_kwargs.get("cache_control"):
        content = wire["content"] or []
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        wire["content"] = marked(parts, mark, f"{where}.additional_kwargs.cache_control")
    return wire


def _tool_calls(message: ChatMessage) -> list[WireMessage]:
    """Return the calls of the blocks, or else those that older histories keep in `additional_kwargs`."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if blocks:
        return [tool_call(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
    extra = message.additional_kwargs
    if calls := extra.get("tool_calls"):
        return [tool_call(*legacy_call(call)) for call in calls]
    if function := extra.get("function_call"):
        # These had no ids, so the name stands for it.
        name = _get(function, "name")
        return [tool_call(name, name, _get(function, "arguments"))]
    return []


def legacy_call(call: Any) -> tuple[str | None, str, Any]:
    """Read a tool call of `additional_kwargs`: a dict, or an object of some provider's SDK."""
    call_id, function = _get(call, "id"), _get(call, "function")
    return call_id, _get(function, "name") or "", _get(function, "arguments")


def _kept(blocks: Sequence[Any], name: str) -> list[Any] | None:
    """Return what the thinking blocks keep under a name, `None` if none has it."""
    lists = [
        block.additional_information[name]
        for block in blocks
        if isinstance(block, ThinkingBlock) and name in block.additional_information
    ]
    return [entry for entries in lists for entry in entries] if lists else None


def _get(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
