"""What must not be shown: the keys of providers, and headers, which may hold keys of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from openrouter_opts.http.urls import unseen
from openrouter_opts.options.table import OPTIONS, SPELLINGS

_HOLDERS: Final = frozenset(
    {"additional_kwargs", "bound_call", "llm_kwargs", "model_kwargs", "named_options", "provider_options"}
)
"""Arguments that hold options."""

_KEYS: Final = frozenset({"api_key", "openrouter_api_key"})
_URLS: Final = frozenset({"api_base", "base_url", "openrouter_api_base", "proxy"})


def is_secret(spelling: str) -> bool:
    """Tell whether a name is that of an option which must not be shown."""
    name, _ = SPELLINGS.get(spelling, (spelling, None))
    return name in OPTIONS and OPTIONS[name].secret


def covered(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as they were given, but nobody sees the secrets among them.

    Keys, and every string of a secret option, also inside arguments that hold options, are a `SecretStr`; a URL shows no password.
    """
    return {name: _covered(name, value) for name, value in given.items()}


def _covered(name: str, value: Any) -> Any:
    if is_secret(name):
        return cover(value)
    return covered(value) if name in _HOLDERS and isinstance(value, Mapping) else hidden(name, value)


def hidden(name: str, value: Any) -> Any:
    """Return a key, or a URL with a password, as one that does not show; any other field as it is."""
    if name in _KEYS:
        return cover(value)
    return unseen(value) if name in _URLS else value


def cover(value: Any) -> Any:
    """Return a value with every string in it as a `SecretStr`."""
    if isinstance(value, str):
        return SecretStr(value)
    if isinstance(value, Mapping):
        return {key: cover(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [cover(inner) for inner in value]
    return value


def revealed(secret: Any) -> Any:
    """Return what a `SecretStr` holds, and anything else as it is."""
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def without_secrets(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments without secret options, also inside arguments that hold options."""
    return {
        name: without_secrets(value) if name in _HOLDERS and isinstance(value, Mapping) else value
        for name, value in given.items()
        if not is_secret(name)
    }
