"""From what the user wrote to options under their own names, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.check import check_together, checked
from openrouter_opts.options.deprecated import warn_if_deprecated
from openrouter_opts.options.shape import Shape
from openrouter_opts.options.table import OPTIONS, SHAPE, resolve


def gather(written: Iterable[tuple[str, Any]], already: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were written, whatever their spelling, along with those that were checked before.

    Raises `ConfigurationError` for a name that doesn't exist, for a value that an option doesn't take, and for two spellings of
    one option that disagree.
    """
    options = dict(already)
    preferences: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    routing = SHAPE.of("provider")
    for spelling, value in written:
        name, key = resolve(spelling)
        if key is not None:  # a key of `provider`, without it
            preference = _check(name, {key: value}, name)
            _put(preferences, key, preference[key], spelling, spelled, routing)
        elif value is None:
            options.setdefault(name, None)
        else:
            _put(options, name, _check(name, value, spelling), spelling, spelled, SHAPE)
    if preferences:
        provider = dict(options.get("provider") or {})
        for key, value in preferences.items():
            _put(provider, key, value, spelled.get(key, key), {key: f"provider.{key}"}, routing)
        options["provider"] = routing.ordered(provider)
    check_together(options)
    return options


def _check(name: str, value: Any, path: str) -> Any:
    option = OPTIONS[name]
    value = checked(option, value, path)
    warn_if_deprecated(option, value)
    return value


def _put(
    into: dict[str, Any], name: str, value: Any, spelling: str, spelled: dict[str, str], shape: Shape
) -> None:
    """Put a value beside what was written before: objects are joined, and of two other values one has to be `None`, or both equal."""
    before = into.get(name)
    if value is None:  # says nothing
        into.setdefault(name, None)
        return
    into[name] = (
        value if before is None else _joined(before, value, spelled.get(name, name), spelling, shape.of(name))
    )
    spelled[name] = spelling


def _joined(before: Any, value: Any, other: str, spelling: str, shape: Shape) -> Any:
    if isinstance(before, dict) and isinstance(value, dict) and not shape.is_whole:
        joined = before | value
        for key in before.keys() & value.keys():
            first, second = before[key], value[key]
            if shape.owns(key) and None in (first, second):
                joined[key] = second if first is None else first
            else:
                joined[key] = _joined(first, second, f"{other}.{key}", f"{spelling}.{key}", shape.of(key))
        return shape.ordered(joined)
    if before != value:
        twice = (
            f"{spelling} is given twice"
            if other == spelling
            else f"{other} and {spelling} are the same option"
        )
        raise ConfigurationError(f"{twice}, with different values; give one of them")
    return value
