"""The arguments of a tool call: JSON text that a model wrote, and may not have finished."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import from_json

from openrouter_opts.protocol.completion import Choice, ToolCall

# What models write where a tool has no parameters.
_NOTHING: Final = frozenset({"null", '""'})


def parsed(text: str, finish_reason: str | None = None) -> dict[str, Any] | None:
    """Return whole arguments; `None` for what is no JSON object, or was cut off. No text at all means no arguments, and so does `null`."""
    said = "" if text.strip() in _NOTHING else text
    return Choice(finish_reason=finish_reason).args_of(ToolCall("", "", said))


def begun(text: str) -> dict[str, Any]:
    """Return what there is of arguments that are still coming, strings that are cut off included."""
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
