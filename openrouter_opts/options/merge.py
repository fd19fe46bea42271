"""Laying one set of options over another, in plain form: objects are dicts.

Nothing given is changed; what comes out may share values with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openrouter_opts.options.shape import Shape

Path = tuple[str, ...]
_ANYTHING: Final = object()

ATOMS: Final = frozenset({str, int, bool, type(None)})
"""Most of what options hold: neither copied nor looked into, which is most of the time that a call with many tools takes."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to say something: what stands at a path, or one value there."""

    path: Path
    value: Any = _ANYTHING

    def is_taken(self, options: Mapping[str, Any]) -> bool:
        """Whether options say it this way."""
        found = look(options, self.path)
        return found is not None and self.value in (_ANYTHING, found)


# Ways to say the same thing. Whoever says it in one way has the last word over layers below that said it in another; sent
# together they would contradict each other, and OpenRouter refuses some of them.
RIVALS: Final[tuple[tuple[Way, ...], ...]] = (
    (Way(("reasoning_effort",)), Way(("reasoning", "effort")), Way(("reasoning", "max_tokens"))),
    (Way(("max_tokens",)), Way(("max_completion_tokens",))),
    (Way(("service_tier",)), Way(("speed",))),
    (Way(("logprobs",), value=False), Way(("top_logprobs",))),
    (Way(("route",)), Way(("provider", "sort", "partition"))),
    (Way(("transforms",)), Way(("plugins", "context-compression"))),
    (Way(("include_reasoning",)), Way(("reasoning", "exclude"))),
)
_BY_ROOT: Final[Mapping[str, tuple[tuple[Way, ...], ...]]] = {
    root: tuple(group for group in RIVALS if any(way.path[0] == root for way in group))
    for root in {way.path[0] for group in RIVALS for way in group}
}


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Merge objects deeply; anything else is replaced, lists and objects that are one whole included."""
    merged = dict(lower)
    for key, value in upper.items():
        below, inner = merged.get(key), shape.of(key)
        if isinstance(below, dict) and isinstance(value, dict) and not inner.is_whole:
            merged[key] = merge(below, value, inner)
        else:
            merged[key] = value
    return shape.ordered(merged)


def overlay(lower: Mapping[str, Any], upper: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Merge options: as `merge`, and what the upper layer says in other words goes from the lower one."""
    for way in _outdone(upper):
        if way.is_taken(lower):
            lower = _without(lower, way.path)
    return merge(lower, upper, shape)


def settled(value: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Return a copy in order, without what is `None`, and without objects that are empty because of it; what is someone else's stays."""
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        if not shape.owns(key):
            kept[key] = copied(inner)
        elif isinstance(inner, dict):
            left = settled(inner, shape.of(key))
            if left or not inner:
                kept[key] = left
        elif inner is not None:
            kept[key] = copied(inner)
    return shape.ordered(kept)


def copied(value: Any) -> Any:
    """Return a copy of a value in plain form that shares nothing with it that could be changed."""
    if isinstance(value, dict):
        return {key: inner if type(inner) in ATOMS else copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [inner if type(inner) in ATOMS else copied(inner) for inner in value]
    return tuple(map(copied, value)) if isinstance(value, tuple) else value


def look(options: Any, path: Path) -> Any:
    """Return the value at a path, or `None`. A plugin among others is found by its id."""
    for key in path:
        if isinstance(options, list):
            options = next((item for item in options if item["id"] == key), None)
        else:
            options = options.get(key) if isinstance(options, dict) else None
    return options


def _outdone(upper: Mapping[str, Any]) -> Iterator[Way]:
    for root in _BY_ROOT.keys() & upper.keys():
        for group in _BY_ROOT[root]:
            taken = [way for way in group if way.is_taken(upper)]
            if taken:
                yield from (way for way in group if way not in taken)


def _without(options: Any, path: Path) -> Any:
    """Return options without what stands at a path, and without objects and lists that are empty because of it."""
    head, *rest = path
    if isinstance(options, list):
        return [item for item in options if item["id"] != head]
    inner = _without(options[head], tuple(rest)) if rest else None
    if inner:
        return {**options, head: inner}
    return {key: value for key, value in options.items() if key != head}
