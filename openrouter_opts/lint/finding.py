"""Something that would go wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would go wrong.

    Attributes:
        path: where it is in the request: ``provider.only``.
        message: what it is, with which model, and what to do.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"
