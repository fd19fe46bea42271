"""Warnings at the user's line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Final

# A model class is called through its framework, and made through pydantic.
_NOT_THE_CALLER: Final = frozenset(
    {
        "openrouter_opts",
        "langchain_openrouter_opts",
        "llamaindex_openrouter_opts",
        "langchain_core",
        "langchain",
        "langgraph",
        "langsmith",
        "llama_index",
        "llama_index_instrumentation",
        "pydantic",
    }
)
# What runs a task or a thread: beyond it is whoever waits for it, and not who called.
_RUNNERS: Final = frozenset({"asyncio", "concurrent", "threading"})


@dataclass(frozen=True, slots=True)
class _Line:
    filename: str
    number: int
    module: str


_asked_at: ContextVar[_Line | None] = ContextVar("asked_at", default=None)


def warn(text: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's that led here; in a thread or a task, at the one that `asked_here` knows."""
    level, _, is_inside = _user(sys._getframe(1))  # noqa: SLF001 - the documented way to the stack, and a tenth of inspect's time
    line = _asked_at.get() if is_inside else None
    if line is None:
        # `warnings` counts from here. Python 3.12 can skip files by prefix; this does the same for 3.11.
        warnings.warn(text, category, level + 1)
    else:
        warnings.warn_explicit(text, category, line.filename, line.number, line.module)


@contextmanager
def asked_here() -> Iterator[None]:
    """Have the threads and tasks that begin inside warn at the user's line that led here."""
    _, frame, is_inside = _user(sys._getframe(2))  # noqa: SLF001 - beyond contextlib's own
    line = _Line(frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__", ""))
    token = _asked_at.set(_asked_at.get() if is_inside else line)
    try:
        yield
    finally:
        _asked_at.reset(token)


def _user(frame: FrameType) -> tuple[int, FrameType, bool]:
    """Find the first frame of the user's: how far out it is, and whether what runs a thread or a task is between."""
    level, is_inside = 1, False
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        is_inside = is_inside or package in _RUNNERS
        if package not in _NOT_THE_CALLER | _RUNNERS:
            break
        level, frame = level + 1, frame.f_back
    return level, frame, is_inside
