"""JSON in what a model writes: found in a fence, in prose and after its thinking, and never mended where it was cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from pydantic_core import from_json

from openrouter_opts.protocol.surrogates import mended

_THINKS: Final = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_HAS_THOUGHT: Final = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
# What prose may hold, `{x}` or `[1]`, is none.
_BEGINS: Final = re.compile(r'\{\s*(?:["}]|\Z)|\[\s*(?:[\[{"]|\Z)')
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?P<closed>")?|[\[\]{}]', re.DOTALL)

_FENCED: Final = re.compile(r"```[a-z]*\s(.*?)```", re.DOTALL | re.IGNORECASE)


class NotJSONError(ValueError):
    """There is no JSON object in a text, or more than one."""


class CutOffError(NotJSONError):
    """The JSON in a text does not end."""


def object_in(text: str) -> dict[str, Any]:
    """Return the JSON object in a text; what is around it doesn't count. The same object twice is one.

    Raises:
        CutOffError: It does not end.
        NotJSONError: There is none, or more than one, or another kind of JSON.
    """
    value = json_in(text)
    if not isinstance(value, dict):
        raise NotJSONError("it is a JSON array, and no object")
    return value


def json_in(text: str) -> dict[str, Any] | list[Any]:
    """Return the JSON object or array in a text. See `object_in`, which is for objects only."""
    found: list[Any] = []
    for start, end in _spans(text):
        if end is None:
            raise CutOffError("the JSON does not end")
        try:
            found.append(_read(text[start:end]))
        except (ValueError, RecursionError) as error:
            raise NotJSONError(f"what looks like JSON is none: {error}") from error
    if not found:
        raise NotJSONError("there is no JSON object")
    first, *others = found
    if any(other != first for other in others):
        raise NotJSONError(f"there are {len(found)} different JSON objects")
    return cast("dict[str, Any] | list[Any]", first)


def sole_json_in(text: str) -> Any:
    """Return the JSON of any kind that is all of a text, or of the one fence in it; `json_in` takes short arrays for prose.

    Raises:
        ValueError: There is none.
        RecursionError: It is nested too deep.
    """
    thought = _end_of_thinking(text)
    if thought is None:
        raise CutOffError("the JSON does not begin")
    rest = text[thought:].strip("\ufeff \t\r\n")
    fenced = _FENCED.findall(rest)
    return _read(fenced[0] if len(fenced) == 1 else rest)


def object_begun_in(text: str) -> dict[str, Any]:
    """Return what there is of the JSON object in a text that is still coming, strings that are cut off included."""
    thought = _end_of_thinking(text)
    begins = None if thought is None else _BEGINS.search(text, thought)
    if begins is None:
        return {}
    try:
        begun = from_json(mended(text[begins.start() :]), allow_partial="trailing-strings")
    except ValueError:
        return {}
    return begun if isinstance(begun, dict) else {}


def ends(text: str) -> bool:
    """Tell whether all that is opened in JSON text is closed; whether it is JSON at all is another question."""
    return all(end is not None for _, end in _spans(text))


def _spans(text: str) -> Iterator[tuple[int, int | None]]:
    """Yield where JSON begins and ends in a text; the end of what was cut off is `None`."""
    position = _end_of_thinking(text)
    if position is None:
        yield len(text), None
    while position is not None and (begins := _BEGINS.search(text, position)):
        position = _end(text, begins.start())
        yield begins.start(), position


def _end_of_thinking(text: str) -> int | None:
    """Return where the thinking ends that a text may begin with; `None` if it goes on."""
    if not _THINKS.match(text):
        return 0
    thought = _HAS_THOUGHT.search(text)
    return thought.end() if thought else None


def _end(text: str, start: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if not depth:
                return token.end()
        elif not token["closed"]:
            return None
    return None


def _read(text: str) -> Any:
    try:
        return from_json(mended(text))
    except ValueError:
        # Models write line breaks into strings, and halves of characters as escapes.
        loose = json.loads(text, strict=False)
        return json.loads(mended(json.dumps(loose, ensure_ascii=False)))
