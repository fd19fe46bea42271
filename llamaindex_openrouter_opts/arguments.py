"""The arguments of a tool call: JSON text that a model wrote, and may not have finished."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


def parsed(text: str) -> dict[str, Any] | None:
    """Return whole arguments; `None` for what is no JSON object. No text at all means no arguments."""
    return _object(text, partial=False)


def begun(text: str) -> dict[str, Any]:
    """Return what there is of arguments that are still coming, strings that are cut off included."""
    return _object(text, partial=True) or {}


def _object(text: str, *, partial: bool) -> dict[str, Any] | None:
    if not text.strip():
        return {}
    try:
        value = from_json(text, allow_partial="trailing-strings" if partial else False)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
