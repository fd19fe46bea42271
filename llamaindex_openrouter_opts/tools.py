"""Tools out, and the calls that come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from llamaindex_openrouter_opts.arguments import begun, parsed
from llamaindex_openrouter_opts.errors import InvalidOutput
from llamaindex_openrouter_opts.messages import legacy_call
from openrouter_opts.options import Part, ProviderOptions
from openrouter_opts.options.toolbox import ToolChoice, WireTool, beside, one_at_a_time, wire_choice, written

Tool = BaseTool | Mapping[str, Any] | Part


def wire_tools(tools: Iterable[Tool], *, strict: bool | None = None) -> list[WireTool]:
    """Convert tools. A mapping goes out as it is, and a typed tool too: OpenRouter's server tools, and definitions made by hand."""
    return [_wire_tool(tool, strict=strict) for tool in tools]


def _wire_tool(tool: Tool, *, strict: bool | None) -> WireTool:
    if isinstance(tool, Part):
        return written(tool)
    return dict(tool) if isinstance(tool, Mapping) else _function(tool, strict=strict)


def _function(tool: BaseTool, *, strict: bool | None) -> WireTool:
    wire = tool.metadata.to_openai_tool(skip_length_check=True)
    if strict is None:
        return wire
    function = {**wire["function"], "strict": strict}
    if strict:
        function["parameters"] = {**function["parameters"], "additionalProperties": False}
    return {**wire, "function": function}


def call_options(
    model: ProviderOptions,
    call: ProviderOptions,
    tools: Sequence[WireTool],
    *,
    choice: ToolChoice,
    required: bool,
    parallel: bool,
) -> dict[str, Any]:
    """Return the options of a call with tools.

    Args:
        model: The options of the model: its tools stay beside those of the call, and its choice holds unless the call has one.
        call: The options of the call.
        tools: The tools of the call.
        choice: The choice among them.
        required: Whether a tool must be called, if there is no choice.
        parallel: Whether several may be called at once.

    Raises:
        ConfigurationError: There is no tool of the choice, or the options of the call have another choice.
    """
    configured = model.merged(call)
    wired = beside(configured, tools)
    if not wired:
        return dict(call.given)
    if choice is None and required and call.given.get("tool_choice") is None:
        choice = "required"
    chosen = wire_choice(choice, wired)
    if chosen is not None:
        call = ProviderOptions.of(call, tool_choice=chosen)
    # That several may be called is OpenRouter's default, and saying so would rule out endpoints under `require_parameters`.
    unsaid = {"tool_choice": "auto"} | ({} if parallel else {"parallel_tool_calls": False})
    unsaid |= one_at_a_time(choice)
    defaults = {name: value for name, value in unsaid.items() if name not in configured.body}
    return {**defaults, **call.given, "tools": wired}


def conversation(
    user_msg: str | ChatMessage | None, history: Sequence[ChatMessage] | None
) -> list[ChatMessage]:
    """Return the messages of a call with tools, as a list of its own."""
    messages = list(history or ())
    if isinstance(user_msg, str):
        messages.append(ChatMessage(content=user_msg))
    elif user_msg is not None:
        messages.append(user_msg)
    return messages


def selections(response: ChatResponse, *, error_on_no_tool_call: bool = True) -> list[ToolSelection]:
    """Return the tools that a response calls.

    While a stream lasts, arguments are what has come so far. In a whole response, arguments that are no JSON object are never made
    up.

    Raises:
        ValueError: There is no call, and `error_on_no_tool_call` is set.
        InvalidOutput: The arguments of a call are cut off or no JSON object, and `error_on_no_tool_call` is set. Otherwise the
            selection names a tool that doesn't exist, and says why: so an agent tells the model instead of calling the tool.
    """
    calls = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs) for block in tool_calls(response.message)
    ]
    if not calls:
        calls = [legacy_call(call) for call in response.message.additional_kwargs.get("tool_calls") or ()]
    if not calls and error_on_no_tool_call:
        raise ValueError(f"the model called no tool; it said: {response.message.content!r}")
    return [
        _selection(response, call_id or "", name, arguments, strictly=error_on_no_tool_call)
        for call_id, name, arguments in calls
    ]


def tool_calls(message: ChatMessage) -> list[ToolCallBlock]:
    """Return the tool calls of a message."""
    return [block for block in message.blocks if isinstance(block, ToolCallBlock)]


def first_call_only(response: ChatResponse) -> ChatResponse:
    """Return the response with no tool call but the first, for callers that can't do with several."""
    calls = tool_calls(response.message)
    if len(calls) < 2:
        return response
    blocks = [
        block
        for block in response.message.blocks
        if not isinstance(block, ToolCallBlock) or block is calls[0]
    ]
    kwargs = response.message.additional_kwargs
    kwargs = {**kwargs, "tool_calls": kwargs["tool_calls"][:1]} if "tool_calls" in kwargs else kwargs
    message = response.message.model_copy(update={"blocks": blocks, "additional_kwargs": kwargs})
    return response.model_copy(update={"message": message})


def _selection(
    response: ChatResponse, call_id: str, name: str, arguments: Any, *, strictly: bool
) -> ToolSelection:
    reason = response.additional_kwargs.get("finish_reason")
    text = arguments if isinstance(arguments, str) else ""
    whole = dict(arguments) if isinstance(arguments, Mapping) else parsed(text, reason)
    if whole is not None or reason is None:
        return ToolSelection(
            tool_id=call_id, tool_name=name, tool_kwargs=begun(text) if whole is None else whole
        )
    cut = (
        "are cut off, since the answer reached its token limit"
        if reason == "length"
        else "are no JSON object"
    )
    if strictly:
        facts = response.additional_kwargs
        raise InvalidOutput(
            f"the arguments of a call of `{name}` {cut}: {text[:200]!r}",
            generation_id=facts.get("id"),
            provider=facts.get("provider"),
            delivered="yes",
        )
    return ToolSelection(
        tool_id=call_id, tool_name=f"{name}, called with arguments that {cut},", tool_kwargs={}
    )
