"""What of a framework's model nobody sees: its key, and the passwords of its URLs, however the fields got them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel

from openrouter_opts.options.secrecy import hidden


class Discreet(BaseModel):
    """A model that hides keys in fields that are assigned, or replaced in a copy: neither is validated."""

    if not TYPE_CHECKING:  # type checkers know the fields

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, hidden(name, value))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with fields replaced."""
        update = {name: hidden(name, value) for name, value in update.items()} if update else None
        return super().model_copy(update=update, deep=deep)
