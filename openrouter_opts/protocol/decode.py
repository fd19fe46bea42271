"""From JSON to values: tolerant of everything OpenRouter and the providers behind it have been seen to send.

Each quirk is a function with its source. Nothing here raises for a field that is missing, null or new.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from pydantic_core import from_json

from openrouter_opts.errors import Malformed
from openrouter_opts.money.cost import CACHED, Cost
from openrouter_opts.protocol.completion import Choice, Completion, ToolCall, Usage
from openrouter_opts.protocol.echoes import scrub
from openrouter_opts.protocol.failure import with_advice
from openrouter_opts.protocol.surrogates import mended
from openrouter_opts.response import USEFUL_HEADERS

_NOTHING: Final[Mapping[str, Any]] = {}


def parse(data: bytes) -> Any:
    """Parse JSON; raises `Malformed` with the beginning of what came instead."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return from_json(data)
    except ValueError as problem:
        with contextlib.suppress(ValueError, RecursionError):
            # Half a character as an escape, or a raw tab or page break in a text: only the slower parser lets them pass.
            if any(kind in str(problem) for kind in ("hex escape", "control character")):
                return json.loads(data, strict=False)
        start = scrub(data.decode("utf-8", "replace").strip(), 200)
        raise with_advice(
            Malformed, f"the server sent no JSON ({problem}): {start!r}", delivered="yes"
        ) from None


def error_in(body: Mapping[str, Any]) -> Mapping[str, Any] | str | None:
    """Find the error of a body or chunk with status 200: on top, in its choice, or only as a finish reason.

    Source: https://openrouter.ai/docs/api_reference/errors-and-debugging ("Always check `error` on 200").
    """
    if said := error_of(body):
        return said
    for raw in sequence(body.get("choices")):
        if isinstance(raw, dict) and (said := error_of_choice(raw)):
            return said
    return None


def error_of(said: Mapping[str, Any]) -> Mapping[str, Any] | str | None:
    """Return the `error` of a body, a chunk or a choice, without looking further."""
    error = said.get("error")
    if not error:
        return None
    return error if isinstance(error, Mapping | str) else str(error)


def error_of_choice(raw: Mapping[str, Any]) -> Mapping[str, Any] | str | None:
    """Return the error of a choice, which may be told by its finish reason alone."""
    if raw.get("finish_reason") == "error":
        return error_of(raw) or {"code": 502, "message": "the provider broke off and gave no reason"}
    return error_of(raw)


def unnest(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the completion that was once seen inside `provider`: https://github.com/pydantic/pydantic-ai/issues/3994."""
    inner = body.get("provider")
    return inner if isinstance(inner, dict) and "choices" in inner else body


def completion(
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    attempts: int = 1,
    ended: bool = True,
) -> Completion:
    """Read an answer.

    Args:
        body: The answer as it came, or as it was assembled.
        headers: The response headers, lower case; the useful ones are kept.
        attempts: How many requests were sent to get it.
        ended: Whether it came to its end; if not, its finish reason is taken literally.
    """
    headers = {name: value for name, value in (headers or {}).items() if name in USEFUL_HEADERS}
    generation_id = text_of(body.get("id")) or headers.get("x-generation-id")
    return Completion(
        id=generation_id,
        model=text_of(body.get("model")),
        provider=text_of(body.get("provider")) or headers.get("x-provider-name"),
        created=count_of(body.get("created")),
        choices=tuple(
            sorted(
                (
                    choice(raw, generation_id=generation_id, ended=ended)
                    for raw in mappings(body.get("choices"))
                ),
                key=attrgetter("index"),
            )
        ),
        usage=usage_of(body, headers),
        service_tier=text_of(body.get("service_tier")),
        system_fingerprint=text_of(body.get("system_fingerprint")),
        headers=headers,
        attempts=attempts,
        raw=body,
    )


def choice(raw: Mapping[str, Any], *, generation_id: str | None = None, ended: bool = True) -> Choice:
    """Read one choice of an answer; the arguments are explained at `completion`."""
    message = raw.get("message")
    message = message if isinstance(message, dict) else _NOTHING
    details = message.get("reasoning_details")
    calls = tool_calls(message.get("tool_calls"), generation_id)
    reason = text_of(raw.get("finish_reason"))
    text = content_text(message.get("content"))
    audio = message.get("audio")
    logprobs = raw.get("logprobs")
    return Choice(
        index=index_of(raw),
        text=text and mended(text),
        refusal=mended(text_of(message.get("refusal")) or "") or None,
        reasoning=mended(reasoning_text(message)) or None,
        reasoning_details=mappings(details) if isinstance(details, list) else None,
        tool_calls=calls,
        images=mappings(message.get("images")),
        audio=audio if isinstance(audio, dict) else None,
        annotations=mappings(message.get("annotations")),
        finish_reason=finish_reason(reason, has_calls=bool(calls)) if ended else reason,
        native_finish_reason=text_of(raw.get("native_finish_reason")),
        logprobs=logprobs if isinstance(logprobs, dict) else None,
    )


def finish_reason(reason: str | None, *, has_calls: bool) -> str | None:
    """Gemini 3 says `stop` though it calls tools. Where nothing is said, nothing is known of the ending.

    Source: https://github.com/OpenRouterTeam/ai-sdk-provider/issues/420
    """
    return "tool_calls" if has_calls and reason == "stop" else reason


def content_text(content: object) -> str | None:
    """Read `content`: a string, null, or (in the schema, rarely seen) a list of parts."""
    if content is None or isinstance(content, str):
        return content
    parts = [part.get("text") for part in mappings(content) if part.get("type") == "text"]
    return "".join(part for part in parts if isinstance(part, str))


def reasoning_text(message: Mapping[str, Any]) -> str:
    """Read the reasoning of a message or delta.

    `reasoning` and `reasoning_details` say the same thing twice, so one of them is taken; `reasoning_content` is DeepSeek's name.
    """
    for key in ("reasoning", "reasoning_content"):
        said = message.get(key)
        if isinstance(said, str) and said:
            return said
    details = message.get("reasoning_details")
    if not details:
        return ""
    pieces = [detail.get("text") or detail.get("summary") for detail in mappings(details)]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def index_of(choice: Mapping[str, Any]) -> int:
    """Return the place of a choice among those that were asked for with `n`: 0 where none is said."""
    return count_of(choice.get("index")) or 0


def tool_calls(raw: object, generation_id: str | None = None) -> tuple[ToolCall, ...]:
    """Read the tool calls of an answer. An id that is missing or repeated is made up, so that results find their call.

    What has neither id nor name nor arguments is no call.
    """
    calls: list[ToolCall] = []
    for item in mappings(raw):
        function = item.get("function")
        function = function if isinstance(function, dict) else _NOTHING
        given, name = text_of(item.get("id")) or "", text_of(function.get("name")) or ""
        arguments = mended(arguments_text(function.get("arguments")))
        if given or name or arguments:
            made = call_id(given, len(calls), {call.id for call in calls}, generation_id)
            calls.append(ToolCall(made, name, arguments, len(calls)))
    return tuple(calls)


def call_id(given: str, slot: int, taken: Container[str], generation_id: object) -> str:
    """Return the id of the tool call in `slot`: its own, or one made up if it has none or another call has the same."""
    made = given or made_up_id(slot, generation_id=generation_id)
    while made in taken:
        made = made_up_id(slot, made)
    return made


def made_up_id(slot: int, given: str = "", generation_id: object = None) -> str:
    """Make an id for the call in `slot`.

    It is made of the generation id, because ids must differ over a whole conversation, and short, because OpenAI takes 40 characters.
    """
    origin = "".join(filter(str.isalnum, text_of(generation_id) or ""))[-20:]
    return f"{given or 'call' + origin}_{slot}"


def arguments_text(arguments: object) -> str:
    """Read `arguments`: JSON text; an object from some providers; null or absent for a call without arguments."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def usage(raw: Mapping[str, Any]) -> Usage:
    """Read a `usage` object. What is missing or makes no sense is unknown, which is not zero."""
    prompt = count_of(raw.get("prompt_tokens"))
    completion_ = count_of(raw.get("completion_tokens"))
    total = count_of(raw.get("total_tokens"))
    if total is None and prompt is not None and completion_ is not None:
        total = prompt + completion_
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion_,
        total_tokens=total,
        prompt_details=_counts(raw.get("prompt_tokens_details")),
        completion_details=_counts(raw.get("completion_tokens_details")),
        # The guides say `server_tool_use`, the schema `server_tool_use_details`.
        server_tool_use=_counts(raw.get("server_tool_use_details") or raw.get("server_tool_use")),
        cost=Cost.from_usage(raw),
        raw=raw,
    )


def usage_of(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage | None:
    """Read the `usage` of an answer, if it has one; the headers say whether the answer came from OpenRouter's cache."""
    raw = body.get("usage")
    read = usage(raw) if isinstance(raw, dict) and raw else None
    if headers.get("x-openrouter-cache-status") == "HIT" and (read is None or read.cost.total is None):
        # A hit counts nothing, and need not say that it costs nothing.
        return replace(read or Usage(), cost=CACHED)
    return read


def is_empty(answer: Choice) -> bool:
    """Tell whether a choice holds nothing at all.

    `""` with a finish reason is an answer (Claude ends a turn that way after a tool result), and so is nothing for `length`
    (the reasoning used up the tokens) or `content_filter`.
    """
    said = (answer.text, answer.refusal, answer.reasoning, answer.annotations, _has_reasoned(answer))
    if any(said) or answer.tool_calls or answer.images or answer.audio:
        return False
    if answer.finish_reason in {"length", "content_filter"}:
        return False
    return answer.text is None or answer.finish_reason in {None, "error"}


def _has_reasoned(answer: Choice) -> bool:
    # Claude's first fragment has neither text nor signature yet. Text and summaries are in the choice's `reasoning`.
    grown = ("data", "signature", "result")
    return any(detail.get(key) for detail in answer.reasoning_details or () for key in grown)


def mappings(raw: object) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a JSON array; `()` for anything else."""
    return tuple(item for item in sequence(raw) if isinstance(item, dict))


def sequence(raw: object) -> Iterable[Any]:
    """Return a JSON array; `()` for anything else."""
    return raw if isinstance(raw, list | tuple) else ()


def text_of(value: object) -> str | None:
    """Return a string; `None` for anything else, and for the empty one."""
    return value if isinstance(value, str) and value else None


def count_of(value: object) -> int | None:
    """Return a count; `None` for what is negative, not finite or no number. Some providers send fractions of tokens."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < float("inf") else None


def _counts(raw: object) -> dict[str, int]:
    if not isinstance(raw, dict):
        return {}
    return {name: count for name, value in raw.items() if (count := count_of(value)) is not None}
