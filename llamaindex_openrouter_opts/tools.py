"""Tools out, and the calls that come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.types import BaseTool

from llamaindex_openrouter_opts.arguments import are_cut_off, begun, parsed
from llamaindex_openrouter_opts.errors import InvalidOutput, Truncated
from llamaindex_openrouter_opts.messages import legacy_call, wire_messages
from llamaindex_openrouter_opts.objects import function_tool
from llamaindex_openrouter_opts.responses import Unfinished
from openrouter_opts.catalog import Catalog
from openrouter_opts.client import OpenRouterClient
from openrouter_opts.lint.body import models_of
from openrouter_opts.money.estimate import Estimate
from openrouter_opts.options import Part, ProviderOptions
from openrouter_opts.options.model_options import parted
from openrouter_opts.options.toolbox import ToolChoice, WireTool, beside, one_at_a_time, wire_choice, written

Tool = BaseTool | Mapping[str, Any] | Part

# Agents tell the model: "Tool … not found. Please select a tool that is available."
_NOT_RUN: Final = " Complete arguments were"


class ToolMethods:
    """How a model takes tools.

    Beside LlamaIndex's classes and not below them, since what overrides an abstract method of theirs becomes a span of its own.
    """

    if TYPE_CHECKING:
        catalog: Catalog | None
        model: str
        strict: bool | None

        @property
        def _options(self) -> ProviderOptions: ...
        @property
        def client(self) -> OpenRouterClient:
            """Return the client underneath."""
            ...

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_kwargs: Any
    ) -> list[ToolSelection]:
        """Return the tools that a response calls. See `llamaindex_openrouter_opts.tools.selections`."""
        return selections(response, error_on_no_tool_call=error_on_no_tool_call)

    def predict_and_call(self, tools: Sequence[Tool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """Answer by calling tools; see `FunctionCallingLLM.predict_and_call`. A call that can't be run gives an error in its place."""
        answer: AgentChatResponse = cast("Any", super()).predict_and_call(_Runnable(tools), *args, **kwargs)
        return answer

    async def apredict_and_call(self, tools: Sequence[Tool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """Answer by calling tools. See `predict_and_call`."""
        answer: AgentChatResponse = await cast("Any", super()).apredict_and_call(
            _Runnable(tools), *args, **kwargs
        )
        return answer

    def estimate_cost(
        self, messages: str | Sequence[ChatMessage], *, tools: Sequence[Tool] = (), **kwargs: Any
    ) -> Estimate:
        """Return what a call may cost, at least and at most, in USD, and what that rests on; nothing is sent.

        Args:
            messages: The conversation, or a prompt.
            tools: As `chat_with_tools` takes them.
            **kwargs: Those of the call; see `chat` and `chat_with_tools`.
        """
        history = [ChatMessage(content=messages)] if isinstance(messages, str) else list(messages)
        call: dict[str, Any] = {"messages": history, **kwargs}
        if tools:
            call = self._prepare_chat_with_tools(tools, chat_history=history, **kwargs)
        return self.client.estimate_cost(wire_messages(call.pop("messages")), **call)

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[Tool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002 - LlamaIndex passes it
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: ToolChoice = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        call, options = parted(kwargs)
        slug = call.get("model") or self.model
        return {
            "messages": conversation(user_msg, chat_history),
            **call,
            **call_options(
                self._options,
                options,
                wire_tools(tools, strict=self.strict),
                choice=tool_choice,
                required=tool_required,
                alone=not allow_parallel_tool_calls and self._can_be_told(slug, options),
            ),
        }

    def _can_be_told(self, slug: str, options: ProviderOptions) -> bool:
        """Whether every model of a call is known to have endpoints that can be told to call one tool at a time."""
        slugs = models_of({**self._options.merged(options).body, "model": slug})
        facts = map(Catalog.of(self.catalog).certain, slugs)
        return all(each is not None and "parallel_tool_calls" in each.supported_parameters for each in facts)

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[Tool],
        allow_parallel_tool_calls: bool = False,
        **_kwargs: Any,
    ) -> ChatResponse:
        kept = response if allow_parallel_tool_calls else first_call_only(response)
        if isinstance(tools, _Runnable):
            tools.explain(kept)
        return kept


class _Runnable(list[Tool]):
    """The tools of `predict_and_call`, which looks for a selection's tool among them, and takes it for granted that it is there."""

    def explain(self, response: ChatResponse) -> None:
        """Add a tool for each call that can't be run; it fails, saying why."""
        for selection in selections(response, error_on_no_tool_call=False):
            if selection.tool_name.endswith(_NOT_RUN):
                self.append(_failing(selection.tool_name))


def _failing(name: str) -> FunctionTool:
    def fail() -> None:
        raise ValueError(name.removesuffix(_NOT_RUN))

    return FunctionTool.from_defaults(fail, name=name, description=name)


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
    function = wire["function"]
    return function_tool(function["name"], function.get("description"), function["parameters"], strict=strict)


def call_options(
    model: ProviderOptions,
    call: ProviderOptions,
    tools: Sequence[WireTool],
    *,
    choice: ToolChoice,
    required: bool,
    alone: bool,
) -> dict[str, Any]:
    """Return the options of a call with tools.

    Args:
        model: The options of the model: its tools stay beside those of the call, and its choice holds unless the call has one.
        call: The options of the call.
        tools: The tools of the call.
        choice: The choice among them.
        required: Whether a tool must be called, if there is no choice.
        alone: Whether to say that several may not be called at once, unless the options say something about it.

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
    unsaid: dict[str, Any] = {"tool_choice": "auto"}
    if alone:
        unsaid["parallel_tool_calls"] = False
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
        InvalidOutput: The arguments of a call are no JSON object, and `error_on_no_tool_call` is set; `Truncated` if they are cut off.
            Without it, the
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
    if isinstance(response, Unfinished):
        return ToolSelection(tool_id=call_id, tool_name=name, tool_kwargs=begun(text))
    whole = dict(arguments) if isinstance(arguments, Mapping) else parsed(text, reason)
    if whole is not None:
        return ToolSelection(tool_id=call_id, tool_name=name, tool_kwargs=whole)
    cut_off = are_cut_off(text, reason)
    limit = ", since the answer reached its token limit" if reason == "length" else ""
    problem = f"are cut off{limit}" if cut_off else "are no JSON object"
    if strictly:
        error = Truncated if cut_off else InvalidOutput
        raise error.of(f"the arguments of a call of `{name}` {problem}: {text[:200]!r}", response)
    again = "Call it again, with shorter arguments" if cut_off else "Call it again"
    told = f"`{name}` was not run: its arguments {problem}. {again}.{_NOT_RUN}"
    return ToolSelection(tool_id=call_id, tool_name=told, tool_kwargs={})
