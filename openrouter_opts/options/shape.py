"""How the objects of options are merged and written, read from their types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from openrouter_opts.options.option import AsGiven, Part


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What is known of a value that may be an object.

    Attributes:
        keys: The keys that are known, in the order in which they go out, with the shapes of their values.
        other: The shape of what stands under any other key; `None` if that belongs to someone else.
        is_whole: Whether another value replaces it, and is never merged into it.
    """

    keys: Mapping[str, Shape] = field(default_factory=dict)
    other: Shape | None = None
    is_whole: bool = False

    def of(self, key: str) -> Shape:
        """Return the shape of what stands under a key."""
        return self.keys.get(key) or self.other or FOREIGN

    def owns(self, key: str) -> bool:
        """Whether a key is OpenRouter's, so that `None` under it can only mean that it isn't set."""
        return key in self.keys or self.other is not None

    def ordered(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object with its known keys in their order, and the others behind them as they are.

        One that has no keys of its own, such as `metadata`, has them in alphabetical order.
        """
        if self.other is not None and not self.keys:
            return {key: value[key] for key in sorted(value)}
        known = {key: value[key] for key in self.keys if key in value}
        return {**known, **value}


FOREIGN: Final = Shape()
"""Of what belongs to someone else."""


@cache
def _of_part(part: type[Part]) -> Shape:
    keys = {key: shape_of(part.model_fields[name].annotation) for key, name in part.known_keys().items()}
    return Shape(keys, None if part.is_verbatim else FOREIGN, part.is_whole)


def shape_of(annotation: Any) -> Shape:
    """Return the shape of the values that a type allows."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, Part):
        return _of_part(annotation)
    if origin is Annotated:
        is_foreign = any(isinstance(mark, AsGiven) for mark in inner[1:])
        return FOREIGN if is_foreign else shape_of(inner[0])
    if origin in {Union, UnionType}:
        # A part comes before the plain mapping that does as well.
        return next((shape for member in inner if (shape := shape_of(member)) is not FOREIGN), FOREIGN)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return Shape(other=shape_of(inner[1]))
    return FOREIGN
