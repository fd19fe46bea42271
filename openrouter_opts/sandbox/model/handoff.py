"""Handing over: a tool that names other agents is called when one of them knows what is asked."""

from __future__ import annotations

import ast
import re

from openrouter_opts.sandbox.model.conversation import AskedCall, Conversation, FunctionTool
from openrouter_opts.sandbox.model.text import keywords

_AGENTS = re.compile(r"^\{.*\}$", re.MULTILINE)


def hand_over(talk: Conversation) -> AskedCall | None:
    """The call that hands over to the agent whose description shares most words with the question, if one does, and nobody has yet."""
    if talk.tool_choice == "none" or any("to_agent" in result.call.arguments for result in talk.results):
        return None
    asked = set(keywords(talk.question))
    fitting = [
        (len(shared), tool.name, agent)
        for tool in talk.tools
        for agent, told in _agents(tool).items()
        if (shared := asked.intersection(keywords(f"{agent} {told}")))
    ]
    if not fitting:
        return None
    _, tool, agent = max(fitting, key=lambda each: each[0])
    return AskedCall(tool, {"to_agent": agent, "reason": f"{agent} knows about this."})


def _agents(tool: FunctionTool) -> dict[str, str]:
    """The agents by name, each with its description, as LlamaIndex lists them in the tool's own."""
    listed = _AGENTS.search(tool.description)
    if listed is None or "to_agent" not in tool.parameters.get("properties", {}):
        return {}
    try:
        agents = ast.literal_eval(listed[0])
    except (SyntaxError, ValueError):  # braces, and no listing
        return {}
    return {str(name): str(told) for name, told in agents.items()} if isinstance(agents, dict) else {}
