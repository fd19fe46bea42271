"""The text protocol of ReAct agents: tools are described in the system prompt, asked for and answered in text."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, replace

from openrouter_opts.sandbox.model.conversation import (
    AskedCall,
    Conversation,
    FunctionTool,
    ToolResult,
    Turn,
    arguments_of,
)

_PROTOCOL = re.compile(r"^Action Input:", re.MULTILINE)
_TOOL = re.compile(
    r"^> Tool Name: (?P<name>\S+)\nTool Description: (?P<description>.*?)\nTool Args: (?P<args>\{.*\})\s*$",
    re.MULTILINE | re.DOTALL,
)
_TOOL_START = re.compile(r"^(?=> Tool Name: )", re.MULTILINE)
_ACTION = re.compile(r"^Action: *(?P<name>\S+)\s*\nAction Input: *(?P<input>.*)", re.MULTILINE | re.DOTALL)
_OBSERVATION = re.compile(r"^\s*Observation: *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the agent wants its tools asked for."""

    tools: tuple[FunctionTool, ...]

    def action(self, thought: str, call: AskedCall) -> str:
        """The text that asks for a call."""
        given = json.dumps(call.arguments, ensure_ascii=False)
        return f"Thought: {thought}\nAction: {call.name}\nAction Input: {given}"

    def final(self, text: str) -> str:
        """The text that ends the loop."""
        return f"Thought: I can answer without using any more tools.\nAnswer: {text}"


def protocol_of(talk: Conversation) -> Protocol | None:
    """The protocol that the system prompt lays down, if it lays down one."""
    if not _PROTOCOL.search(talk.system) or "Thought:" not in talk.system:
        return None
    described = (_TOOL.search(block) for block in _TOOL_START.split(talk.system))
    return Protocol(tuple(_tool(match) for match in described if match))


def _tool(match: re.Match[str]) -> FunctionTool:
    return FunctionTool(match["name"], match["description"], arguments_of(match["args"]))


def observe(talk: Conversation, protocol: Protocol) -> Conversation:
    """The conversation with actions and observations read as calls and results, and no system prompt."""
    turns = (*talk.earlier, Turn("user", talk.question))
    asked = next((at for at in range(len(turns) - 1, -1, -1) if _is_question(turns[at])), 0)
    results: list[ToolResult] = []
    call: AskedCall | None = None
    for turn in turns[asked + 1 :]:
        if turn.role == "assistant":
            call = _action(turn.text) or call
        elif call and _OBSERVATION.match(turn.text):
            results.append(ToolResult(call, _OBSERVATION.sub("", turn.text, count=1)))
    return replace(
        talk,
        question=turns[asked].text,
        system="",
        earlier=turns[:asked],
        results=(*results, *talk.results),
        tools=protocol.tools,
        tool_choice="auto",
        parallel=False,
    )


def _is_question(turn: Turn) -> bool:
    return turn.role == "user" and not _OBSERVATION.match(turn.text)


def _action(text: str) -> AskedCall | None:
    """The call in an assistant's message; its input is JSON, or Python as LlamaIndex writes it into the history."""
    match = _ACTION.search(text)
    return AskedCall(match["name"], _input(match["input"].strip())) if match else None


def _input(written: str) -> dict[str, object]:
    if arguments := arguments_of(written):
        return arguments
    try:
        value = ast.literal_eval(written)
    except (
        SyntaxError,
        ValueError,
    ):  # neither JSON nor Python: an input that nobody can read has no arguments
        return {}
    return value if isinstance(value, dict) else {}
