"""A text that a regular expression matches, for the plain patterns that JSON Schemas hold."""

from __future__ import annotations

import re

_CLASSES = {
    "d": "1",
    "w": "a",
    "s": " ",
    "D": "a",
    "W": "-",
    "S": "a",
    "n": "\n",
    "t": "\t",
    "b": "",
    "B": "",
}
_MOST_TIMES = 1_000
_COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}\??")


def readable(pattern: str) -> re.Pattern[str] | None:
    r"""The pattern compiled; None for ECMAScript that Python cannot read, such as `\p{L}`, which is then left aside."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError):
        # JSON Schema patterns are ECMAScript: https://json-schema.org/understanding-json-schema/reference/regular_expressions
        return None


def example(pattern: str) -> str:
    """The shortest plain match: first alternatives, lowest counts.

    Literals, classes, groups, alternatives and counts are understood; look-around and back references match nothing
    here, so that such a pattern gives a text that may not fit.
    """
    text, _ = _alternatives(pattern, 0)
    return text


def _alternatives(pattern: str, at: int) -> tuple[str, int]:
    """The first alternative from `at` up to the closing bracket or the end, and where that is."""
    first: str | None = None
    pieces: list[str] = []
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            first, pieces, at = first if first is not None else "".join(pieces), [], at + 1
            continue
        piece, at = _piece(pattern, at)
        times, at = _times(pattern, at)
        pieces.append(piece * times)
    return first if first is not None else "".join(pieces), at


def _piece(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at]
    if char == "(":
        opened = re.compile(r"\((?:\?(?:P?<\w+>|:|[a-z]+:))?").match(pattern, at)
        text, end = _alternatives(pattern, opened.end() if opened else at + 1)
        return text, end + 1
    if char == "[":
        return _class(pattern, at + 1)
    if char == "\\" and at + 1 < len(pattern):
        return _CLASSES.get(pattern[at + 1], pattern[at + 1]), at + 2
    return {"^": "", "$": "", ".": "a"}.get(char, char), at + 1


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The first character of a class; for a negated one the first letter that is not excluded."""
    end = at + 1
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    body = pattern[at:end]
    if body.startswith("^"):
        excluded = re.compile(f"[{body[1:]}]")
        return next((char for char in "a1A -_" if not excluded.match(char)), "~"), end + 1
    return (_CLASSES.get(body[1], body[1]) if body.startswith("\\") else body[:1]), end + 1


def _times(pattern: str, at: int) -> tuple[int, int]:
    """How often at least, and where the count ends."""
    count = _COUNT.match(pattern, at)
    if count:
        return min(int(count[1]), _MOST_TIMES), count.end()
    char = pattern[at : at + 1]
    if char not in ("*", "+", "?") or not char:
        return 1, at
    lazy = pattern[at + 1 : at + 2] in ("?", "+")
    return (1 if char == "+" else 0), at + 1 + lazy
