"""What pydantic found wrong, in one sentence that names the path."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from openrouter_opts.options.names import slip


def explain(problem: ValidationError, value: Any, path: str, *, secret: bool = False) -> str:
    """Say what is wrong at the deepest place: there, the value came closest to one of the forms that are allowed.

    Args:
        problem: What pydantic found.
        value: What was checked.
        path: Where that is.
        secret: Whether the sentence must not show what stands there.
    """
    found = [(_locate(error, value, path), error) for error in problem.errors(include_url=False)]
    (_, where, inner), worst = max(found, key=lambda item: item[0][0])
    if worst["type"] == "missing":
        return _missing(str(worst["loc"][-1]), inner, where)
    if worst["type"] == "value_error":
        return f"{where}: {worst['msg'].removeprefix('Value error, ')}"
    forms = {
        error["msg"].removeprefix("Input should be ") for (_, place, _), error in found if place == where
    }
    shown = type(inner).__name__ if secret else _short(inner)
    hint = f": write [{inner!r}]" if isinstance(inner, str) and "a valid list" in forms and not secret else ""
    return f"{where}: should be {' or '.join(sorted(forms))}, not {shown}{hint}"


def misspelt(path: str, meant: str) -> str:
    """Say which key was meant."""
    return (
        f"{path}: there is no such key; did you mean {meant}?"
        " If it is newer than this library, give it in extra_body"
    )


def _missing(key: str, holder: Any, where: str) -> str:
    """Say that a key is required, or which one was meant to be it."""
    for other in holder if isinstance(holder, dict) else ():
        if slip(other, [key]):
            return misspelt(f"{where.removesuffix(key)}{other}", key)
    return f"{where}: is required"


def _locate(error: ErrorDetails, value: Any, path: str) -> tuple[int, str, Any]:
    """Return how deep an error is, its path, and what stands there; of a key that is missing, the object that should have it."""
    depth = 0
    for step in error["loc"]:
        # Any other step says which branch of a union was tried.
        if isinstance(value, dict) and step in value:
            depth, path, value = depth + 1, f"{path}.{step}", value[step]
        elif isinstance(value, list) and isinstance(step, int):
            depth, path, value = depth + 1, f"{path}[{step}]", value[step]
    if error["type"] == "missing":
        depth, path = depth + 1, f"{path}.{error['loc'][-1]}"
    return depth, path, value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
