"""OpenRouter's answers as LangChain's messages and results: whole ones. `chunks` and `events` bring the same message in steps."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import AIMessage, InvalidToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall
from langchain_core.messages.tool import invalid_tool_call as invalid
from langchain_core.messages.tool import tool_call as valid
from langchain_core.outputs import ChatGeneration, ChatResult

from openrouter_opts.errors import Malformed
from openrouter_opts.protocol.completion import Choice, Completion, Usage
from openrouter_opts.protocol.completion import ToolCall as WireCall
from openrouter_opts.protocol.failure import delivery_of

MODEL_PROVIDER: Final = "openrouter"
"""What `response_metadata["model_provider"]` says, and LangSmith's `ls_provider`: middleware compares the two."""

_INPUT_DETAILS: Final = {"cached_tokens": "cache_read", "cache_write_tokens": "cache_creation"}


def chat_result(completion: Completion) -> ChatResult:
    """Return every choice as a generation; what the call used and cost is on the first, since it was paid once."""
    generations = [
        ChatGeneration(message=_message(completion, choice, paid=not index, counted=not index))
        for index, choice in enumerate(completion.choices)
    ]
    return ChatResult(generations=generations, llm_output=_output(completion))


def whole_message(completion: Completion, *, counted: bool = True) -> AIMessage:
    """Return the answer of a stream as one message.

    Args:
        completion: The answer, which holds one choice: several are refused before they are asked for.
        counted: Whether the message says how many tokens it took.

    Raises:
        Malformed: It holds others; `partial` and `usage` have all of it.
    """
    if any(choice.index for choice in completion.choices):
        raise Malformed(
            f"one answer was asked for, and the stream held {len(completion.choices)}: `partial` has them all",
            delivered="yes",
            provider=completion.provider,
            generation_id=completion.id,
            **delivery_of(completion),
            partial=completion,
            usage=completion.usage,
        )
    return _message(completion, completion.choice, paid=True, counted=counted)


def tool_calls(choice: Choice) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Return the calls that may be run, and those that must not: their arguments are no JSON object, or were cut off."""
    calls: list[ToolCall] = []
    broken: list[InvalidToolCall] = []
    for call in choice.tool_calls:
        args = args_of(choice, call)
        if args is None:
            name, text = call.name or None, call.arguments or None
            broken.append(invalid(name=name, args=text, id=call.id, error=_problem(choice, call)))
        else:
            calls.append(valid(name=call.name, args=args, id=call.id))
    return calls, broken


def args_of(choice: Choice, call: WireCall) -> dict[str, Any] | None:
    """Return the arguments with which a call may be run, or `None` if it must not be: so too one that names no tool."""
    return choice.args_of(call) if call.name else None


def _problem(choice: Choice, call: WireCall) -> str:
    if not call.name:
        return "the call names no tool"
    if choice.finish_reason == "length":
        return "the arguments were cut off at the token limit: raise `max_tokens`"
    if not call.has_arguments:
        return f"the answer ended before the arguments: its finish reason is {choice.finish_reason!r}"
    return "the arguments are no JSON object"


def usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Return the token counts under LangChain's names. Integers only: langchain-core can't add anything else up."""
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    counted = UsageMetadata(
        input_tokens=prompt,
        output_tokens=completion,
        total_tokens=prompt + completion if usage.total_tokens is None else usage.total_tokens,
    )
    if usage.prompt_details:
        named = {_INPUT_DETAILS.get(key, _bare(key)): count for key, count in usage.prompt_details.items()}
        counted["input_token_details"] = InputTokenDetails(**named)  # type: ignore[typeddict-item]
    if usage.completion_details:
        named = {_bare(key): count for key, count in usage.completion_details.items()}
        counted["output_token_details"] = OutputTokenDetails(**named)  # type: ignore[typeddict-item]
    return counted


def _message(completion: Completion, choice: Choice, *, paid: bool, counted: bool) -> AIMessage:
    kwargs = _whole(choice)
    if choice.reasoning:
        kwargs["reasoning_content"] = choice.reasoning
    if choice.refusal:
        kwargs["refusal"] = choice.refusal
    calls, invalid_calls = tool_calls(choice)
    metadata = _metadata(completion, choice)
    if paid:
        metadata |= _money(completion)
    usage = completion.usage if counted else None
    if usage:
        metadata["token_usage"] = _token_usage(usage)
    return AIMessage(
        content=choice.text or "",
        additional_kwargs=kwargs,
        tool_calls=calls,
        invalid_tool_calls=invalid_calls,
        response_metadata=metadata,
        usage_metadata=usage_metadata(usage),
    )


def _whole(choice: Choice) -> dict[str, Any]:
    """Return what comes in one piece, under the names of the wire."""
    kwargs: dict[str, Any] = {}
    if choice.reasoning_details is not None:
        # An empty list means something: the next turn has to send it back.
        kwargs["reasoning_details"] = [dict(entry) for entry in choice.reasoning_details]
    if choice.annotations:
        kwargs["annotations"] = [dict(each) for each in choice.annotations]
    if choice.images:
        kwargs["images"] = [dict(each) for each in choice.images]
    if choice.audio:
        kwargs["audio"] = dict(choice.audio)
    return kwargs


def _metadata(completion: Completion, choice: Choice) -> dict[str, Any]:
    known = {
        "model_provider": MODEL_PROVIDER,
        "model_name": completion.model,
        "provider": completion.provider,
        "id": completion.id,
        "created": completion.created,
        "finish_reason": choice.finish_reason,
        "native_finish_reason": choice.native_finish_reason,
        "logprobs": choice.logprobs,
        "service_tier": completion.service_tier,
        "system_fingerprint": completion.system_fingerprint,
        "openrouter_metadata": completion.raw.get("openrouter_metadata"),
    }
    return {key: value for key, value in known.items() if value is not None} | delivery_of(completion)


def _money(completion: Completion) -> dict[str, Any]:
    """Return the cost in USD and what it was for; nothing where nobody said it, since unknown is not zero."""
    cost = completion.cost
    known = {
        "cost": None if cost.total is None else float(cost.total),
        "cost_details": dict(cost.details) or None,
        "is_byok": cost.is_byok,
        "server_tool_use": dict(completion.usage.server_tool_use) or None if completion.usage else None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _output(completion: Completion) -> dict[str, Any]:
    output: dict[str, Any] = {} if completion.model is None else {"model_name": completion.model}
    usage = completion.usage
    if usage is not None:
        output["token_usage"] = _token_usage(usage)
    if completion.cost.total is not None:
        output["cost"] = float(completion.cost.total)
    return output


def _token_usage(usage: Usage) -> dict[str, int]:
    """Return the token counts under OpenAI's names, as langchain-core puts them into the metadata of a message that came whole."""
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: getattr(usage, name) or 0 for name in counts}


def _bare(name: str) -> str:
    return name.removesuffix("_tokens")
