"""Laying one set of options over another, in plain form: objects are dicts.

Nothing given is changed; what comes out may share values with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str, ...]

# Ways to say the same thing. Whoever says it in one way has the last word over layers below that said it in another; sent
# together they would contradict each other, and OpenRouter refuses some of them.
RIVALS: Final[tuple[tuple[Path, ...], ...]] = (
    (("reasoning_effort",), ("reasoning", "effort"), ("reasoning", "max_tokens")),
    (("max_tokens",), ("max_completion_tokens",)),
    (("route",), ("provider", "sort", "partition")),
    (("include_reasoning",), ("reasoning", "exclude")),
)
_BY_ROOT: Final[Mapping[str, tuple[tuple[Path, ...], ...]]] = {
    root: tuple(group for group in RIVALS if any(path[0] == root for path in group))
    for root in {path[0] for group in RIVALS for path in group}
}


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Merge objects deeply; anything else, lists included, is replaced."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def overlay(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Merge options: as `merge`, and what the upper layer says in other words goes from the lower one."""
    for path in _outdone(upper):
        lower = _without(lower, path)
    return merge(lower, upper)


def look(options: Any, path: Path) -> Any:
    """Return the value at a path, or `None`."""
    for key in path:
        if not isinstance(options, dict):
            return None
        options = options.get(key)
    return options


def _outdone(upper: Mapping[str, Any]) -> Iterator[Path]:
    for root in _BY_ROOT.keys() & upper.keys():
        for group in _BY_ROOT[root]:
            said = [path for path in group if look(upper, path) is not None]
            if said:
                yield from (path for path in group if path not in said)


def _without(options: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    head, *rest = path
    if not isinstance(options, dict) or head not in options:
        return options
    inner = _without(options[head], tuple(rest)) if rest else None
    if rest and inner is options[head]:
        return options
    if inner:
        return {**options, head: inner}
    return {key: value for key, value in options.items() if key != head}
