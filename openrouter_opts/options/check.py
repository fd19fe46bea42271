"""Whether values are what an option takes. Every error names the path of what is wrong: `provider.max_price.prompt`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

from pydantic import SecretStr, TypeAdapter, ValidationError

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.lint import disagreements
from openrouter_opts.options.caller import warn
from openrouter_opts.options.deprecated import outdated
from openrouter_opts.options.explain import explain, misspelt
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.merge import ATOMS
from openrouter_opts.options.names import slip
from openrouter_opts.options.option import Option, Part, written
from openrouter_opts.options.secrecy import revealed

# The transport writes these itself.
_RESERVED_HEADERS: Final[Mapping[str, str]] = {
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
_INDEX: Final = re.compile(r"\[\d+\]")
_unknown_keys: set[tuple[type[Part], str]] = set()


def plain(value: Any, path: str) -> Any:
    """Return a copy in plain JSON form, parts written out; raises `ConfigurationError` for what JSON has no form for.

    Decimal numbers and secrets are left to the type of the option.
    """
    if isinstance(value, dict):
        return _object(value, path)
    if isinstance(value, list | tuple):
        return [
            inner if type(inner) in ATOMS else plain(inner, f"{path}[{index}]")
            for index, inner in enumerate(value)
        ]
    if isinstance(value, Part):
        return _object(value.wire(unset=True), path)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{path}: {value} is no JSON number; give a finite one")
    if value is None or isinstance(value, str | int | float | Decimal | SecretStr):
        return value
    if isinstance(value, Mapping):
        return _object(value, path)
    kind = type(value).__name__
    if isinstance(value, Iterable):
        raise ConfigurationError(f"{path}: JSON has no form for a {kind}; write a list")
    raise ConfigurationError(f"{path}: JSON has no form for a {kind}; convert it first")


def _object(value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    if set(map(type, value)) <= {str}:
        return {
            key: inner if type(inner) in ATOMS else plain(inner, f"{path}.{key}")
            for key, inner in value.items()
        }
    taken: dict[str, Any] = {}
    for key, inner in value.items():
        name = _key(key, path)
        if name in taken:
            raise ConfigurationError(f"{path}: has {name} as a number and as a string; give one of them")
        taken[name] = plain(inner, f"{path}.{name}")
    return taken


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)  # token ids, in `logit_bias`
    raise ConfigurationError(f"{path}: {key!r} cannot be a key; JSON objects have strings for keys")


def checked(option: Option, value: Any, path: str) -> Any:
    """Return the value in its JSON form; raises `ConfigurationError` if the option doesn't take it.

    A mapping comes out as its class would write it: known keys in their order, with the tags that have one value only.
    """
    try:
        value = plain(option.read(value), path)
    except RecursionError:
        raise ConfigurationError(f"{path}: is nested too deep, or contains itself") from None
    try:
        seen = _adapter(option.name).validate_python(value)
    except ValidationError as problem:
        raise ConfigurationError(explain(problem, value, path, secret=option.secret)) from None
    _check_keys(option, seen, path)
    value = written(seen)
    if option.place == "header":
        _check_header(option, value, path)
    return value


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    # Made when an option is first used: making all of them would take longer than the rest of the import.
    annotation: Any = AllFields.model_fields[name].annotation
    return TypeAdapter(annotation)


def _check_keys(option: Option, seen: Any, path: str) -> None:
    for part, where in _parts(seen, path):
        for key in () if part.is_verbatim else part.model_extra or ():
            full = f"{where}.{key}"
            if meant := slip(key, part.known_keys()):
                raise ConfigurationError(misspelt(full, meant))
            # Whatever the spelling of the option, and wherever in a list.
            unknown = (type(part), _INDEX.sub("[]", option.name + full.removeprefix(path)))
            if unknown not in _unknown_keys:
                _unknown_keys.add(unknown)
                warn(f"{full} is not known here, and is sent as it is")


def _parts(seen: Any, path: str) -> Iterator[tuple[Part, str]]:
    """Find the parts in a value, each with its path."""
    if isinstance(seen, list):
        for index, item in enumerate(seen):
            if isinstance(item, Part):
                yield from _parts(item, f"{path}[{index}]")
    elif isinstance(seen, Part):
        yield seen, path
        for key, name in seen.known_keys().items():
            if isinstance(inner := getattr(seen, name), Part | list):
                yield from _parts(inner, f"{path}.{key}")


def _check_header(option: Option, value: Any, path: str) -> None:
    if option.name != "extra_headers":
        _check_header_value(option.form(value), path, option.wire)
        return
    seen: dict[str, str] = {}
    for name, text in value.items():
        other = seen.setdefault(name.lower(), name)
        if value[other] != text:
            raise ConfigurationError(
                f"{path}: {other} and {name} are the same header, with different values; give one of them"
            )
        remedy = _RESERVED_HEADERS.get(name.lower())
        if remedy:
            raise ConfigurationError(f"{path}.{name}: this header cannot be set; {remedy}")
        if not name or not _TOKEN.issuperset(name.lower()):
            raise ConfigurationError(f"{path}: {name!r} is no name of a header; use letters, digits and -")
        _check_header_value(revealed(text or ""), f"{path}.{name}", name)


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


def check_together(options: Mapping[str, Any]) -> None:
    """Refuse options that are one and the same, and disagree."""
    problems = (*map(str, disagreements(options)), *outdated(options))
    if problems:
        raise ConfigurationError("\n".join(problems))
