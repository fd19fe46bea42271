"""The constructor's arguments: options in every spelling, and what calls written for LlamaIndex's own OpenRouter class say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from pydantic import SecretStr

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.settings import Timeout
from openrouter_opts.options.model_options import sorted_out

_RENAMED: Final = {"base_url": "api_base", "audio_config": "audio"}

_WITHOUT_EFFECT: Final = frozenset(
    {
        "api_version",  # it never had one at OpenRouter
        "reuse_client",  # connections belong to the process, and those that went stale are left alone
        "tokenizer",  # it served the completions endpoint, which OpenRouter's own class does not use
    }
)
_CLIENTS: Final = frozenset({"async_http_client", "async_openai_client", "http_client", "openai_client"})


def accepted(given: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Return the values of the fields; raises `ConfigurationError`, as `sorted_out` does."""
    for name in _CLIENTS & given.keys():
        raise ConfigurationError(
            f"{name}: requests go through this library's own transport, which takes no client; leave it out"
        )
    meant = {name: value for name, value in given.items() if name not in _WITHOUT_EFFECT}
    return sorted_out(meant, fields=fields, renamed=_RENAMED)


def secret(key: Any) -> Any:
    """Return a key that is a string as a secret, which no `repr` shows."""
    return SecretStr(key) if isinstance(key, str) else key


def dumped_timeout(timeout: Any) -> Any:
    """Return a timeout for `to_dict`: seconds, or a mapping of its phases."""
    return timeout if timeout is None or isinstance(timeout, int | float) else asdict(Timeout.of(timeout))
