"""Checks a chat request as strictly as OpenRouter does, and says what is wrong and where.

Top-level keys that nobody knows pass: they are handed on to providers. What a request may hold is in the tables here, in
`messages` and in `options`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from openrouter_opts.sandbox.check.messages import CACHE_CONTROL, EFFORT, MESSAGES, calls_and_results
from openrouter_opts.sandbox.check.options import PLUGINS, PROVIDER, RESPONSE_FORMAT, TOOL_CHOICE, TOOLS
from openrouter_opts.sandbox.check.shapes import (
    Shape,
    anything,
    array,
    boolean,
    either,
    entries,
    integer,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
)
from openrouter_opts.sandbox.refusal import Refusal

_REASONING: Final = record(
    {
        "effort": nullable(EFFORT),
        "max_tokens": nullable(integer(1)),
        "exclude": nullable(boolean),
        "enabled": nullable(boolean),
        "summary": nullable(one_of("auto", "concise", "detailed")),
        "context": nullable(string()),
        "mode": nullable(one_of("standard", "pro")),
    }
)

_STOP_KEYS: Final[dict[str, tuple[str, Shape]]] = {
    "step_count_is": ("step_count", integer(1)),
    "has_tool_call": ("tool_name", string(least=1)),
    "max_tokens_used": ("max_tokens", integer(1)),
    "max_cost": ("max_cost_in_dollars", number(0)),
    "finish_reason_is": ("reason", string(least=1)),
}
_STOP_CONDITION: Final = tagged(
    "type",
    {name: record({key: shape}, required=[key]) for name, (key, shape) in _STOP_KEYS.items()},
    "stop condition",
)
_MOST_FOUND: Final = {"max_results": integer(1, 100)}
_TOOL_SEARCH: Final = tagged(
    "type",
    {
        "bm25": record(_MOST_FOUND),
        "regex": record(_MOST_FOUND),
        "custom": record(
            {"tool_id": string(least=1), "result_key": string(least=1), **_MOST_FOUND},
            required=["tool_id", "result_key"],
        ),
    },
    "tool search",
)

TRACE: Final = record(
    dict.fromkeys(("trace_id", "trace_name", "span_name", "generation_name", "parent_span_id"), string())
)
_FIELDS: Final[dict[str, Shape]] = {
    "messages": MESSAGES,
    "prompt": string(least=1),
    "model": string(least=1),
    "models": array(string(least=1), most=3),
    "preset": string(least=1),
    "stream": nullable(boolean),
    "stream_options": nullable(record({"include_usage": boolean})),
    "max_tokens": nullable(integer(1)),
    "max_completion_tokens": nullable(integer(1)),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1, above=0)),
    "top_k": nullable(integer(0)),
    "frequency_penalty": nullable(number(-2, 2)),
    "presence_penalty": nullable(number(-2, 2)),
    "repetition_penalty": nullable(number(0, 2, above=0)),
    "min_p": nullable(number(0, 1)),
    "top_a": nullable(number(0, 1)),
    "seed": nullable(integer()),
    "stop": nullable(either(array(string(least=1), most=4), string(least=1))),
    "logit_bias": nullable(entries(number(-100, 100), key=string(pattern=r"\d+"))),
    "logprobs": nullable(boolean),
    "top_logprobs": nullable(integer(0, 20)),
    "response_format": RESPONSE_FORMAT,
    "tools": TOOLS,
    "tool_choice": TOOL_CHOICE,
    "parallel_tool_calls": nullable(boolean),
    "max_tool_calls": nullable(integer(1, 30)),
    "stop_server_tools_when": array(_STOP_CONDITION, least=1),
    "deferred_tools": record(
        {
            "protocol": one_of("v1"),
            "profile": one_of("portable"),
            "validation": one_of("runtime"),
            "search": _TOOL_SEARCH,
        },
        required=["protocol", "profile", "validation", "search"],
    ),
    "reasoning": nullable(_REASONING),
    "reasoning_effort": nullable(EFFORT),
    "include_reasoning": nullable(boolean),
    "verbosity": nullable(one_of("low", "medium", "high", "xhigh", "max")),
    "provider": nullable(PROVIDER),
    "plugins": PLUGINS,
    "route": nullable(one_of("fallback", "sort")),
    "transforms": nullable(array(one_of("middle-out"))),
    "usage": nullable(record({"include": boolean})),
    "cache_control": CACHE_CONTROL,
    "prompt_cache_key": nullable(string()),
    "prompt_cache_options": nullable(
        record({"mode": one_of("explicit"), "ttl": one_of("30m", "12h")}, required=["mode"])
    ),
    "modalities": nullable(array(one_of("text", "image", "audio"))),
    "image_config": record(),
    "audio": record({"voice": string(), "format": one_of("wav", "mp3", "flac", "opus", "pcm16")}),
    "prediction": nullable(
        record({"type": one_of("content"), "content": anything}, required=["type", "content"])
    ),
    "service_tier": nullable(one_of("auto", "default", "flex", "priority", "fast", "scale", "ultrafast")),
    "speed": one_of("standard", "fast"),
    "session_id": string(most=256),
    "user": string(),
    "metadata": entries(string(most=512), key=string(most=64), most=16),
    "trace": TRACE,
    "debug": record({"echo_upstream_body": boolean}),
    "web_search_options": record({"search_context_size": one_of("low", "medium", "high")}),
    "x_search_filter": record(),
}
_BODY: Final = record(_FIELDS)

_MOST_CACHE_MARKS: Final = 4


def check(body: Any) -> Refusal | None:
    """Why the request would be refused with a 400, or None."""
    problem = _BODY(body, "") or next((found for rule in _RULES for found in rule(body)), None)
    return None if problem is None else Refusal(400, problem)


def _has_input(body: Mapping[str, Any]) -> Iterator[str]:
    if "messages" not in body and "prompt" not in body:
        yield 'Input required: specify "prompt" or "messages"'


def _reasoning_once(body: Mapping[str, Any]) -> Iterator[str]:
    reasoning, shorthand = body.get("reasoning") or {}, body.get("reasoning_effort")
    effort = reasoning.get("effort")
    if effort and shorthand and effort != shorthand:
        yield f"reasoning_effort: {shorthand!r} differs from reasoning.effort: {effort!r}; send only one of them"
    if effort and reasoning.get("max_tokens") is not None:
        yield 'reasoning: only one of "effort" and "max_tokens" can be given'


def _top_logprobs(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield "top_logprobs: needs logprobs: true"


def _audio_streams(body: Mapping[str, Any]) -> Iterator[str]:
    if "audio" in (body.get("modalities") or ()) and not body.get("stream"):
        yield "modalities: audio output requires stream: true"


def _tool_choice(body: Mapping[str, Any]) -> Iterator[str]:
    """A choice needs something to choose from."""
    choice, tools = body.get("tool_choice"), body.get("tools") or ()
    functions = [tool["function"]["name"] for tool in tools if tool["type"] == "function"]
    doubled = next((name for name in functions if functions.count(name) > 1), None)
    if doubled:
        yield f"tools: Tool names must be unique; {doubled!r} comes twice"
    if choice in (None, "none", "auto"):
        return
    if not tools:
        yield "tool_choice: is only allowed when tools are specified"
    if isinstance(choice, Mapping) and choice["type"] == "function":
        name = choice["function"]["name"]
        if name not in functions:
            yield f"tool_choice.function.name: {name!r} is not among the tools ({', '.join(functions)})"


def _tool_messages(body: Mapping[str, Any]) -> Iterator[str]:
    yield from calls_and_results(body.get("messages") or [])


def _cache_marks(body: Mapping[str, Any]) -> Iterator[str]:
    """Anthropic refuses these; so does the sandbox, whoever serves the model."""
    marks = list(_marks(body))
    if len(marks) > _MOST_CACHE_MARKS:
        yield (
            f"A maximum of {_MOST_CACHE_MARKS} blocks with cache_control may be provided. Found {len(marks)}."
        )
    hours = [mark.get("ttl") == "1h" for mark in marks]
    if hours != sorted(hours, reverse=True):
        yield (
            "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are"
            " processed in the following order: `tools`, `system`, `messages`."
        )


def _marks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Each `cache_control` in the order of the prompt; that of the request as a whole is on its last block."""
    contents = [message.get("content") for message in body.get("messages") or ()]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    marked = (*(body.get("tools") or ()), *parts, body)
    return (mark for each in marked if (mark := each.get("cache_control")))


_RULES: Final[tuple[Callable[[Mapping[str, Any]], Iterator[str]], ...]] = (
    _has_input,
    _reasoning_once,
    _top_logprobs,
    _audio_streams,
    _tool_choice,
    _tool_messages,
    _cache_marks,
)
