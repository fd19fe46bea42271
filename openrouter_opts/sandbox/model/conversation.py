"""Reading a chat request into a small value: what is asked, with which tools, and what is already known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openrouter_opts.sandbox.model.media import Attachment, attachment


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A tool call that the model asks for."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A tool that the caller runs."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came back for a call."""

    call: AskedCall
    text: str

    @property
    def failed(self) -> bool:
        """Chat completions have no error flag on tool messages: frameworks write it into the text."""
        return self.text.lstrip().casefold().startswith(("error", "exception", "traceback", '{"error'))


@dataclass(frozen=True, slots=True)
class Turn:
    """Something said before the question."""

    role: str
    text: str
    calls: tuple[AskedCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat request as the model sees it.

    `tool_choice` is auto, none, required, or `forced` holds the one tool to call. `schema` is set when the answer must
    be JSON: the caller's JSON Schema, or `{}` for any object. `evidence` is what has been found out so far, as text that
    arguments and fields may be filled from.
    """

    question: str
    system: str = ""
    earlier: tuple[Turn, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    results: tuple[ToolResult, ...] = ()
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: str = "auto"
    forced: str | None = None
    parallel: bool = True
    schema: Mapping[str, Any] | None = None
    prefill: str = ""
    draws: bool = False
    evidence: str = ""
    seed: int = 0


def read(body: Mapping[str, Any]) -> Conversation:
    """The conversation in the body of a chat request."""
    messages: Sequence[Mapping[str, Any]] = body.get("messages") or ()
    prefill = _prefill(messages)
    spoken = messages[:-1] if prefill is not None else messages
    asked = _last_user(spoken)
    question = spoken[asked] if asked is not None else {}
    since = spoken[asked + 1 :] if asked is not None else spoken
    choice, forced = _tool_choice(body.get("tool_choice"))
    results = tuple(_results(since))
    return Conversation(
        question=text_of(question.get("content")),
        system="\n\n".join(
            text_of(m.get("content")) for m in spoken if m.get("role") in ("system", "developer")
        ),
        earlier=tuple(_turn(m) for m in spoken[:asked] if m.get("role") in ("user", "assistant")),
        attachments=tuple(_attachments(question)),
        results=results,
        tools=tuple(_tools(body.get("tools") or ())),
        tool_choice=choice,
        forced=forced,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body.get("response_format")),
        prefill=prefill or "",
        draws="image" in (body.get("modalities") or ()),
        seed=int(body.get("seed") or 0),
    )


def text_of(content: Any) -> str:
    """The text in a message's content, a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _prefill(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The text of a trailing assistant message, which is to be continued; None when there is none."""
    last = messages[-1] if messages else {}
    if last.get("role") != "assistant" or last.get("tool_calls"):
        return None
    return text_of(last.get("content"))


def _last_user(messages: Sequence[Mapping[str, Any]]) -> int | None:
    return next((at for at in range(len(messages) - 1, -1, -1) if messages[at].get("role") == "user"), None)


def _turn(message: Mapping[str, Any]) -> Turn:
    calls = tuple(call for _, call in _calls(message))
    return Turn(role=str(message.get("role")), text=text_of(message.get("content")), calls=calls)


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str, AskedCall]]:
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield (
            str(call.get("id")),
            AskedCall(str(function.get("name")), arguments_of(function.get("arguments"))),
        )


def arguments_of(written: Any) -> dict[str, Any]:
    """The arguments of a call in the history; a cut or empty string counts as none."""
    try:
        read_back = json.loads(written) if isinstance(written, str) else written
    except ValueError:  # a call cut off by max_tokens may stand in the history
        return {}
    return read_back if isinstance(read_back, dict) else {}


def _results(messages: Sequence[Mapping[str, Any]]) -> Iterator[ToolResult]:
    """The tool results since the question, each with the call that it answers."""
    asked: dict[str, AskedCall] = {}
    for message in messages:
        asked.update(_calls(message))
        if message.get("role") == "tool":
            call = asked.get(
                str(message.get("tool_call_id")), AskedCall(str(message.get("name") or "tool"), {})
            )
            seen = (f"({found.description})" for found in _attachments(message))
            yield ToolResult(call, "\n".join((text_of(message.get("content")), *seen)).strip())


def _attachments(message: Mapping[str, Any]) -> Iterator[Attachment]:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        found = attachment(part) if isinstance(part, dict) else None
        if found:
            yield found


def _tools(tools: Sequence[Mapping[str, Any]]) -> Iterator[FunctionTool]:
    """The function tools; server tools (`openrouter:…`) run elsewhere and are none of the model's calls."""
    for tool in tools:
        function = tool.get("function") if tool.get("type") == "function" else None
        if function:
            yield FunctionTool(
                str(function.get("name")),
                str(function.get("description") or ""),
                function.get("parameters") or {},
            )


def _tool_choice(choice: Any) -> tuple[str, str | None]:
    if isinstance(choice, dict):
        return "required", (choice.get("function") or {}).get("name")
    return ("required" if choice == "any" else str(choice or "auto")), None


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if not isinstance(response_format, dict):
        return None
    if response_format.get("type") == "json_schema":
        return (response_format.get("json_schema") or {}).get("schema") or {}
    return {} if response_format.get("type") == "json_object" else None
