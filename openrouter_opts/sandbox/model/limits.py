"""Keeping texts and numbers within what a JSON Schema allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from openrouter_opts.sandbox.model.pattern import example, readable
from openrouter_opts.sandbox.model.plausible import FORMATS

_LONGEST = 100_000
"""Characters that a text is stretched to at most; no model writes more in one answer."""


def fitted(text: str, schema: Mapping[str, Any]) -> str:
    """The text within the schema's pattern and length."""
    pattern = readable(schema["pattern"]) if "pattern" in schema else None
    if pattern and not pattern.search(text):
        text = example(pattern.pattern)
    known, otherwise = FORMATS.get(schema.get("format", ""), (None, ""))
    if known and not known.fullmatch(text):
        text = otherwise
    shortest: int = min(schema.get("minLength", 0), _LONGEST)
    longest: int | None = schema.get("maxLength")
    return text.ljust(shortest, ".")[:longest]


def in_range(number: float, schema: Mapping[str, Any]) -> bool:
    """Whether the schema takes the number as it is."""
    whole = schema.get("type") != "integer" or number == int(number)
    return whole and as_number(number, schema) == number


def as_number(number: float, schema: Mapping[str, Any]) -> int | float:
    """The number, moved into the range and onto the grid of the schema."""
    step = float(schema.get("multipleOf") or 0)
    step = max(step, 1.0) if schema.get("type") == "integer" else step
    low, high = _range(schema, step or 1e-3)
    clamped = min(max(number, low), high)
    if not step or math.isinf(clamped / step):  # a grid too fine for a double holds every double
        return clamped
    on_grid = math.floor(clamped / step) * step
    on_grid = on_grid + step if on_grid < low else on_grid
    return int(on_grid) if on_grid == int(on_grid) else on_grid


def _range(schema: Mapping[str, Any], gap: float) -> tuple[float, float]:
    """The lowest and the highest number allowed; an exclusive bound is kept clear of by the gap."""
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return (
        max(schema.get("minimum", -math.inf), -math.inf if above is None else above + gap),
        min(schema.get("maximum", math.inf), math.inf if below is None else below - gap),
    )
