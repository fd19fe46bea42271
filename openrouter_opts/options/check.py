"""Whether values are what an option takes. Every error names the path of what is wrong: `provider.max_price.prompt`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.caller import stack_level
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.merge import RIVALS, look
from openrouter_opts.options.names import slip
from openrouter_opts.options.option import OpenPart, Option, Part

# The transport writes these itself.
_RESERVED_HEADERS: Final[Mapping[str, str]] = {
    "authorization": "pass `api_key` instead",
    "host": "pass `base_url` instead",
    **dict.fromkeys(
        (
            "connection",
            "content-length",
            "content-type",
            "expect",
            "keep-alive",
            "proxy-authorization",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ),
        "leave it out",
    ),
}
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_unknown_keys: set[str] = set()


def plain(value: Any, path: str) -> Any:
    """Return a copy in plain JSON form, parts written out; raises `ConfigurationError` for NaN and for keys that JSON can't have."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigurationError(f"{path}: {value} is no JSON number; give a finite one")
        return value
    if isinstance(value, Part):
        value = value.wire()
    if isinstance(value, Mapping):
        return {_key(key, path): plain(inner, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    return value


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)  # token ids, in `logit_bias`
    raise ConfigurationError(f"{path}: {key!r} cannot be a key; JSON objects have strings for keys")


def checked(option: Option, value: Any, path: str) -> Any:
    """Return the value in plain form, otherwise as it was given; raises `ConfigurationError` if the option doesn't take it."""
    try:
        value = plain(value, path)
    except RecursionError:
        raise ConfigurationError(f"{path}: is nested too deep, or contains itself") from None
    try:
        seen = _adapter(option.name).validate_python(value)
    except ValidationError as problem:
        raise ConfigurationError(_explain(problem, value, path, secret=option.secret)) from None
    _check_keys(seen, path)
    if option.secret:
        value = {
            name: secret if isinstance(secret, SecretStr) else SecretStr(secret)
            for name, secret in value.items()
        }
    if option.place == "header":
        _check_header(option, value, path)
    return value


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    # Made when an option is first used: making all of them would take longer than the rest of the import.
    annotation: Any = AllFields.model_fields[name].annotation
    return TypeAdapter(annotation)


def _explain(problem: ValidationError, value: Any, path: str, *, secret: bool) -> str:
    """Say what is wrong at the deepest place: there, the value came closest to one of the forms that are allowed."""
    found = [(_locate(error, value, path), error) for error in problem.errors(include_url=False)]
    (_, where, inner), worst = max(found, key=lambda item: item[0][0])
    if worst["type"] == "missing":
        return f"{where}: is required"
    if worst["type"] == "value_error":
        return f"{where}: {worst['msg'].removeprefix('Value error, ')}"
    forms = {
        error["msg"].removeprefix("Input should be ") for (_, place, _), error in found if place == where
    }
    shown = type(inner).__name__ if secret else _short(inner)
    hint = f": write [{inner!r}]" if isinstance(inner, str) and "a valid list" in forms and not secret else ""
    return f"{where}: should be {' or '.join(sorted(forms))}, not {shown}{hint}"


def _locate(error: ErrorDetails, value: Any, path: str) -> tuple[int, str, Any]:
    """Return how deep an error is, its path, and what stands there."""
    depth = 0
    for step in error["loc"]:
        # Any other step says which branch of a union was tried.
        if isinstance(value, dict) and step in value:
            depth, path, value = depth + 1, f"{path}.{step}", value[step]
        elif isinstance(value, list) and isinstance(step, int):
            depth, path, value = depth + 1, f"{path}[{step}]", value[step]
    if error["type"] == "missing":
        depth, path = depth + 1, f"{path}.{error['loc'][-1]}"
    return depth, path, value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _check_keys(seen: Any, path: str) -> None:
    for key, known, where in _unknown(seen, path):
        full = f"{where}.{key}"
        if meant := slip(key, known):
            raise ConfigurationError(
                f"{full}: there is no such key; did you mean {meant}? If it is newer than this library, give it in extra_body"
            )
        if full not in _unknown_keys:
            _unknown_keys.add(full)
            warnings.warn(f"{full} is not known here, and is sent as it is", UserWarning, stack_level())


def _unknown(seen: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Find keys that no part knows: (key, the keys it could have been, path of its object)."""
    if isinstance(seen, list):
        for index, item in enumerate(seen):
            yield from _unknown(item, f"{path}[{index}]")
    elif isinstance(seen, Part):
        if not isinstance(seen, OpenPart):
            yield from ((key, seen.known_keys(), path) for key in seen.model_extra or ())
        for key, name in seen.known_keys().items():
            if name in seen.model_fields_set:
                yield from _unknown(getattr(seen, name), f"{path}.{key}")


def _check_header(option: Option, value: Any, path: str) -> None:
    if option.name != "extra_headers":
        _check_header_value(option.form(value), path, option.wire)
        return
    for name, text in value.items():
        remedy = _RESERVED_HEADERS.get(name.lower())
        if remedy:
            raise ConfigurationError(f"{path}.{name}: this header cannot be set; {remedy}")
        if not name or not _TOKEN.issuperset(name.lower()):
            raise ConfigurationError(f"{path}: {name!r} is no name of a header; use letters, digits and -")
        _check_header_value(text or "", f"{path}.{name}", name)


def _check_header_value(text: str, path: str, header: str) -> None:
    for position, character in enumerate(text, 1):
        if (
            (character < " " and character != "\t")
            or character == "\x7f"
            or "\ud800" <= character <= "\udfff"
        ):
            # Named by its place: the value could be a secret.
            raise ConfigurationError(
                f"{path}: character {position} cannot be in the header {header}; remove line breaks and control characters"
            )


def check_reasoning(options: Mapping[str, Any]) -> None:
    """Refuse two amounts of reasoning, as OpenRouter does."""
    short, effort, budget = (look(options, path) for path in RIVALS[0])
    if None not in {short, effort} and short != effort:
        raise ConfigurationError(
            f"reasoning_effort is {short!r} and reasoning.effort is {effort!r}; give one of them"
        )
    if budget is not None and (short is not None or effort is not None):
        name = "reasoning_effort" if effort is None else "reasoning.effort"
        raise ConfigurationError(
            f"{name} and reasoning.max_tokens both say how much to reason; give one of them"
        )
