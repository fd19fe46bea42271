"""What a process that was spawned is asked to do; apart, so that it imports no tests."""

from __future__ import annotations

from typing import Any


def ask(model: Any, words: str) -> str:
    """Ask a client or a model of either framework."""
    if hasattr(model, "invoke"):
        return str(model.invoke(words).content)
    if hasattr(model, "metadata"):
        return str(model.complete(words))
    return str(model.complete([{"role": "user", "content": words}]).text)
