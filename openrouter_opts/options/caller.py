"""Whose line a warning is about."""

from __future__ import annotations

import sys
from typing import Final

# A model class is called through its framework, maybe in a task that the framework makes, and made through pydantic.
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
        "asyncio",
    }
)


def stack_level() -> int:
    """Return the `stacklevel` with which a warning, given by whoever asks, points at the user's line.

    Python 3.12 can skip files by prefix; this does the same for 3.11.
    """
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - the documented way to the stack, and a tenth of inspect's time
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _NOT_THE_CALLER:
            break
        level, frame = level + 1, frame.f_back
    return level
