"""The arguments of a tool call: JSON text that a model wrote, and may not have finished."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from openrouter_opts.json_text import ends
from openrouter_opts.protocol.completion import Choice, ToolCall


def parsed(text: str, finish_reason: str | None = None) -> dict[str, Any] | None:
    """Return whole arguments; `None` for what is no JSON object, or was cut off. See `Choice.args_of`."""
    return Choice(finish_reason=finish_reason).args_of(ToolCall("", "", text))


def are_cut_off(text: str, finish_reason: str | None) -> bool:
    """Tell whether arguments that are not whole were cut off, and not just written wrongly."""
    return finish_reason == "length" or not ends(text) or not ToolCall("", "", text).has_arguments


def begun(text: str) -> dict[str, Any]:
    """Return what there is of arguments that are still coming, strings that are cut off included."""
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
