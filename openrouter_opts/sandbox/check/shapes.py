"""A small language for the shapes of JSON: each shape names the first thing that is wrong, with its path.

A `Shape` is a function of a value and its path; it gives None or one sentence. They are made from tables in `messages`,
`options` and `request`, so that what a request may hold is read there as data.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

Shape = Callable[[Any, str], str | None]


def anything(_value: Any, _path: str) -> str | None:
    """Any JSON."""
    return None


def boolean(value: Any, path: str) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else _expected(path, "a boolean", value)


def string(*, most: int | None = None, pattern: str | None = None, least: int = 0) -> Shape:
    """A string of ``least`` to ``most`` characters that matches ``pattern``."""
    matcher = re.compile(pattern) if pattern else None

    def shape(value: Any, path: str) -> str | None:
        if not isinstance(value, str):
            return _expected(path, "a string", value)
        if len(value) < least:
            return f"{path}: must not be empty"
        if most is not None and len(value) > most:
            return f"{path}: must have at most {most} characters, has {len(value)}"
        if matcher and not matcher.fullmatch(value):
            return f"{path}: {value!r:.80} must match ^{pattern}$"
        return None

    return shape


def number(low: float | None = None, high: float | None = None, *, above: float | None = None) -> Shape:
    """A number from ``low`` to ``high``, or above ``above``; no more than a double can hold."""

    def shape(value: Any, path: str) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return _expected(path, "a number", value)
        if abs(value) > sys.float_info.max:
            return f"{path}: is too large for a number"
        if low is not None and value < low:
            return f"{path}: must be at least {low}, is {value}"
        if above is not None and value <= above:
            return f"{path}: must be greater than {above}, is {value}"
        if high is not None and value > high:
            return f"{path}: must be at most {high}, is {value}"
        return None

    return shape


def integer(low: int | None = None, high: int | None = None) -> Shape:
    """A whole number from ``low`` to ``high``."""
    bounded = number(low, high)

    def shape(value: Any, path: str) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return _expected(path, "an integer", value)
        return bounded(value, path)

    return shape


def one_of(*known: str) -> Shape:
    """One of the strings."""

    def shape(value: Any, path: str) -> str | None:
        if not isinstance(value, str):
            return _expected(path, f"one of {', '.join(known)}", value)
        if value in known:
            return None
        return f"{path}: {value!r:.80} is not one of {', '.join(known)}{_nearest(value, known)}"

    return shape


def array(item: Shape, *, least: int = 0, most: int | None = None) -> Shape:
    """An array of ``least`` to ``most`` such items."""

    def shape(value: Any, path: str) -> str | None:
        if not isinstance(value, list):
            return _expected(path, "an array", value)
        if len(value) < least:
            return f"{path}: must have at least {least} item{'s' if least > 1 else ''}"
        if most is not None and len(value) > most:
            return f"'{path}' array must have {most} items or fewer."
        return _first(item(element, f"{path}.{index}") for index, element in enumerate(value))

    return shape


def record(
    fields: Mapping[str, Shape] | None = None,
    *,
    required: Sequence[str] = (),
    closed: bool = False,
    most: int | None = None,
) -> Shape:
    """An object with these fields; further ones are refused where it is ``closed``."""
    shapes = fields or {}

    def shape(value: Any, path: str) -> str | None:
        if not isinstance(value, dict):
            return _expected(path or "body", "an object", value)
        below = f"{path}." if path else ""
        for name in required:
            if name not in value:
                return f"{below}{name}: Required"
        if closed and (unknown := next((name for name in value if name not in shapes), None)) is not None:
            return f"{path}: Unrecognized key {unknown!r}{_nearest(unknown, tuple(shapes))}"
        if most is not None and len(value) > most:
            return f"{path}: must have at most {most} entries, has {len(value)}"
        return _first(shapes[name](each, f"{below}{name}") for name, each in value.items() if name in shapes)

    return shape


def entries(of: Shape, *, key: Shape = anything, most: int | None = None) -> Shape:
    """An object used as a table: every value has the shape ``of``, every key the shape ``key``."""
    table = record(most=most)

    def shape(value: Any, path: str) -> str | None:
        if problem := table(value, path):
            return problem
        return _first(
            key(name, f"{path}.{name:.80}") or of(each, f"{path}.{name:.80}") for name, each in value.items()
        )

    return shape


def tagged(tag: str, shapes: Mapping[str, Shape], what: str, other: Shape | None = None) -> Shape:
    """An object whose ``tag`` says which shape it has; ``other`` takes the tags that aren't listed."""

    def shape(value: Any, path: str) -> str | None:
        if not isinstance(value, dict):
            return _expected(path, "an object", value)
        if tag not in value:
            return f"{path}.{tag}: Required"
        name = value[tag]
        if isinstance(name, str) and name in shapes:
            return shapes[name](value, path)
        if isinstance(name, str) and other is not None:
            return other(value, path)
        known = tuple(shapes)
        return f"{path}.{tag}: {name!r:.80} is not a {what}; one of {', '.join(known)}{_nearest(name, known)}"

    return shape


def exclusive(shape: Shape, one: str, other: str) -> Shape:
    """The shape of an object that has at most one of two keys."""

    def at_most_one(value: Any, path: str) -> str | None:
        if problem := shape(value, path):
            return problem
        both = value.get(one) is not None and value.get(other) is not None
        return f'{path}: only one of "{one}" and "{other}" can be given' if both else None

    return at_most_one


def refused(reason: str) -> Shape:
    """What isn't taken here, whatever it holds."""
    return lambda _value, path: f"{path}: {reason}"


def either(*shapes: Shape) -> Shape:
    """One of these shapes; the problem told is that of the shape that comes nearest: the last of the value's own kind."""

    def shape(value: Any, path: str) -> str | None:
        problems = [each(value, path) for each in shapes]
        if None in problems:
            return None
        deep = [problem for problem in problems if problem and not problem.startswith(f"{path}: expected")]
        return deep[-1] if deep else problems[-1]

    return shape


def nullable(shape: Shape) -> Shape:
    """The shape, or null."""
    return lambda value, path: None if value is None else shape(value, path)


def _first(problems: Any) -> str | None:
    return next((problem for problem in problems if problem), None)


def _expected(path: str, kind: str, value: Any) -> str:
    return f"{path}: expected {kind}, received {_kind(value)}"


def _kind(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return "null" if value is None else names[type(value)]


def _nearest(value: Any, known: Sequence[str]) -> str:
    near = get_close_matches(value, known, n=1) if isinstance(value, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""
