"""The table of options, read from the fields: which there are, and every way to write each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.names import alike, nearest, slip
from openrouter_opts.options.option import Option
from openrouter_opts.options.parts import ProviderPreferences
from openrouter_opts.options.shape import Shape, shape_of

Place = tuple[str, str | None]
"""An option, and the key of `provider` if it was given without it: `max_price`."""


def _options() -> Mapping[str, Option]:
    declared = {
        name: next(mark for mark in field.metadata if isinstance(mark, Option))
        for name, field in AllFields.model_fields.items()
    }
    return {name: replace(option, name=name, wire=option.wire or name) for name, option in declared.items()}


def _spellings() -> Mapping[str, Place]:
    names: dict[str, Place] = {key: ("provider", key) for key in ProviderPreferences.model_fields}
    names |= {name: (name, None) for name in OPTIONS}
    others: dict[str, Place] = {
        other: (name, None) for name, option in OPTIONS.items() for other in (option.wire, *option.aliases)
    }
    return {f"openrouter_{name}": place for name, place in names.items()} | others | names


def _shape() -> Shape:
    options = {name: shape_of(field.annotation) for name, field in AllFields.model_fields.items()}
    # It is merged into the body, and so as the body is.
    return Shape({**options, "extra_body": Shape(options)})


OPTIONS: Final[Mapping[str, Option]] = MappingProxyType(_options())
"""Every option by name, in the order in which they go out."""
SPELLINGS: Final[Mapping[str, Place]] = _spellings()
SHAPE: Final = _shape()
"""The options as one object: how they are merged, and in which order they go out."""

_ELSEWHERE: Final[Mapping[str, str]] = {
    "check": "pass `check` beside the options",
    "model": "pass `model` beside the options",
    "messages": "pass the messages to the call",
    "stream": "call the streaming method",
    "api_base": "pass `base_url` to the constructor",
    "api_key": "pass `api_key` to the constructor",
    "base_url": "pass `base_url` to the constructor",
    "timeout": "pass `timeout` beside the options",
    "max_retries": "pass `max_retries` beside the options",
    "provider_options": "pass `provider_options` to a constructor or a call",
    "spend_limit": "pass `spend_limit` beside the options",
}


def resolve(spelling: object) -> Place:
    """Return which option a name means; raises `ConfigurationError` with the nearest name if there is none."""
    if not isinstance(spelling, str):
        raise ConfigurationError(
            f"{spelling!r}: the name of an option is a string, not {type(spelling).__name__}"
        )
    place = SPELLINGS.get(spelling)
    if place is None:
        raise ConfigurationError(f"{spelling}: {_remedy(spelling)}")
    return place


# What other libraries and providers call an option.
_MEANT: Final[Mapping[str, str]] = {
    "effort": "reasoning_effort",
    "http_referer": "app_referer",
    "thinking": "reasoning",
    "x_title": "app_title",
}


def _remedy(spelling: str) -> str:
    plain = spelling.removeprefix("openrouter_")
    if meant := _MEANT.get(plain) or alike(spelling, SPELLINGS):
        return f"there is no such option; did you mean {meant}?"
    if elsewhere := _ELSEWHERE.get(plain) or _ELSEWHERE.get(slip(plain, _ELSEWHERE) or ""):
        return f"is no option; {elsewhere}"
    names = SPELLINGS if plain == spelling else [name for name in SPELLINGS if name.startswith("openrouter_")]
    meant = nearest(spelling, names)
    question = f"; did you mean {meant}?" if meant else ""
    return f"there is no such option{question} (what is newer than this library goes into extra_body)"
