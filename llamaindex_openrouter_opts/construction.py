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
_ROUTING: Final = ("order", "allow_fallbacks")


def accepted(given: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Return the values of the fields; raises `ConfigurationError`, as `sorted_out` does."""
    meant = {
        name: value for name, value in given.items() if name not in _WITHOUT_EFFECT and value is not None
    }
    for name in _CLIENTS & meant.keys():
        raise ConfigurationError(
            f"{name}: requests go through this library's own transport, which takes no client; leave it out"
        )
    if not meant.get("logprobs") and meant.get("top_logprobs") == 0:
        # LlamaIndex's default, which it heeds only where `logprobs` are asked for.
        del meant["top_logprobs"]
    unset = {name: None for name in given if name not in meant and name not in _WITHOUT_EFFECT | _CLIENTS}
    return sorted_out({**unset, **_with_call_settings(meant)}, fields=fields, renamed=_RENAMED)


def _with_call_settings(meant: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with what `additional_kwargs` say to the client of LlamaIndex's own class in its place here."""
    extra = meant.get("additional_kwargs")
    if not isinstance(extra, Mapping):
        return dict(meant)
    if extra.get("extra_query"):
        raise ConfigurationError(
            "additional_kwargs.extra_query: OpenRouter takes no query with a chat; say it in extra_body or extra_headers"
        )
    rest = {name: value for name, value in extra.items() if name not in {"timeout", "extra_query"}}
    if extra.get("extra_body"):
        rest["extra_body"] = _routed_by(meant, extra["extra_body"])
    # Its client takes the timeout of a call before its own.
    timeout = {"timeout": extra["timeout"]} if extra.get("timeout") is not None else {}
    return {**meant, "additional_kwargs": rest, **timeout}


def _routed_by(meant: Mapping[str, Any], body: Any) -> Any:
    """Return an `extra_body` without what `order` and `allow_fallbacks` say: they win over it there."""
    named = {name for name in _ROUTING if name in meant}
    provider = body.get("provider") if isinstance(body, Mapping) else None
    if not isinstance(provider, Mapping) or named.isdisjoint(provider):
        return body
    return {**body, "provider": {name: value for name, value in provider.items() if name not in named}}


def secret(key: Any) -> Any:
    """Return a key that is a string as a secret, which no `repr` shows."""
    return SecretStr(key) if isinstance(key, str) else key


def dumped_timeout(timeout: Any) -> Any:
    """Return a timeout for `to_dict`: seconds, or a mapping of its phases."""
    return timeout if timeout is None or isinstance(timeout, int | float) else asdict(Timeout.of(timeout))
