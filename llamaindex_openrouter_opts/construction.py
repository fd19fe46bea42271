"""The constructor's arguments: options in every spelling, and what calls written for LlamaIndex's own OpenRouter class say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from pydantic import SecretStr

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.settings import Timeout
from openrouter_opts.options import OPTIONS, OptionFields, ProviderOptions, nearest
from openrouter_opts.options.table import SPELLINGS

_RENAMED: Final = {"base_url": "api_base", "default_headers": "extra_headers", "audio_config": "audio"}

_WITHOUT_EFFECT: Final = frozenset(
    {
        "api_version",  # it never had one at OpenRouter
        "reuse_client",  # connections belong to the process, and those that went stale are left alone
        "tokenizer",  # it served the completions endpoint, which OpenRouter's own class does not use
    }
)
_CLIENTS: Final = frozenset({"async_http_client", "async_openai_client", "http_client", "openai_client"})


def accepted(given: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Return the values of the fields.

    Options in any spelling become the field that they have, or else go into `provider_options`. Raises `ConfigurationError` for a name
    that doesn't exist, naming the nearest one, and for options that are wrong.
    """
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for written, value in given.items():
        name = _RENAMED.get(written, written)
        is_option = name in OptionFields.model_fields or (name in SPELLINGS and name not in fields)
        if not is_option and name not in fields:
            if written in _WITHOUT_EFFECT:
                continue
            raise ConfigurationError(_unknown(written, fields))
        place = options if is_option else settings
        if value is None:
            continue
        if name in place and place[name] != value:
            raise ConfigurationError(_twice(name))
        place[name] = value
    checked = ProviderOptions.of(None, **options).given
    own = {name: value for name, value in checked.items() if name in OptionFields.model_fields}
    others = ProviderOptions.of({name: value for name, value in checked.items() if name not in own})
    if others.given:
        settings["provider_options"] = ProviderOptions.of(settings.get("provider_options")).merged(others)
    return settings | own


def _twice(name: str) -> str:
    names = [name, *(other for other, renamed in _RENAMED.items() if renamed == name)]
    return f"{' and '.join(names)} are the same, and have different values; give one of them"


def _unknown(name: str, fields: Collection[str]) -> str:
    if name in _CLIENTS:
        return (
            f"{name}: requests go through this library's own transport, which takes no client; leave it out"
        )
    meant = nearest(name, {*fields, *SPELLINGS})
    question = f"did you mean {meant}? " if meant else ""
    return (
        f"{name}: there is no such argument; {question}What is newer than this library goes into extra_body"
    )


def secret(key: Any) -> Any:
    """Return a key that is a string as a secret, which no `repr` shows."""
    return SecretStr(key) if isinstance(key, str) else key


def dumped_options(options: ProviderOptions | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return options for `to_dict` and pickles: those that are set and no secret."""
    if options is None:
        return None
    given = ProviderOptions.of(options).given
    return {name: value for name, value in given.items() if not OPTIONS[name].secret}


def dumped_timeout(timeout: Any) -> Any:
    """Return a timeout for `to_dict`: seconds, or a mapping of its phases."""
    return timeout if timeout is None or isinstance(timeout, int | float) else asdict(Timeout.of(timeout))
