"""The text protocol of ReAct agents: `Action:`, `Action Input:`, `Observation:`."""

from __future__ import annotations

import ast
import json
import re

from openrouter_opts.sandbox.model.conversation import AskedCall, Conversation, FunctionTool, arguments_of
from openrouter_opts.sandbox.model.protocol import Protocol

_PROTOCOL = re.compile(r"^Action Input:", re.MULTILINE)
_TOOL = re.compile(
    r"^> Tool Name: (?P<name>\S+)\nTool Description: (?P<description>.*?)\nTool Args: (?P<args>\{.*\})\s*$",
    re.MULTILINE | re.DOTALL,
)
_TOOL_START = re.compile(r"^(?=> Tool Name: )", re.MULTILINE)
_ACTION = re.compile(r"^Action: *(?P<name>\S+)\s*\nAction Input: *(?P<input>.*)", re.MULTILINE | re.DOTALL)
_OBSERVATION = re.compile(r"^\s*Observation: *", re.IGNORECASE)


def react(talk: Conversation) -> Protocol | None:
    """The protocol, if the system prompt lays it down."""
    if not _PROTOCOL.search(talk.system) or "Thought:" not in talk.system:
        return None
    described = (_TOOL.search(block) for block in _TOOL_START.split(talk.system))
    tools = tuple(_tool(match) for match in described if match)
    return Protocol(tools, _action, _final, _asked, _OBSERVATION)


def _tool(match: re.Match[str]) -> FunctionTool:
    return FunctionTool(match["name"], match["description"], arguments_of(match["args"]))


def _action(thought: str, call: AskedCall) -> str:
    given = json.dumps(call.arguments, ensure_ascii=False)
    return f"Thought: {thought}\nAction: {call.name}\nAction Input: {given}"


def _final(text: str) -> str:
    return f"Thought: I can answer without using any more tools.\nAnswer: {text}"


def _asked(text: str) -> AskedCall | None:
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
