"""Which options a request for vectors takes, and what to do about the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.model_options import first_names
from openrouter_opts.options.names import refuse_unknown
from openrouter_opts.options.provider_options import ProviderOptions
from openrouter_opts.options.secrecy import covered
from openrouter_opts.options.table import OPTIONS, SPELLINGS

# https://openrouter.ai/docs/api/api-reference/embeddings/create-embeddings
_TAKEN: Final = frozenset({"provider", "user", "session_id", "trace", "extra_body"}) | {
    name for name, option in OPTIONS.items() if option.place == "header"
}
_REMEDIES: Final[Mapping[str, str]] = {
    "models": "vectors of another model cannot be compared with these; leave it out, and let `provider` choose who serves the model",
    "metadata": "use `trace`",
}


def embedding_options(options: ProviderOptions) -> ProviderOptions:
    """Return options that a request for vectors takes; raises `ConfigurationError` for any other one that is set."""
    problems = [
        f"{name}: embeddings take no such option; {_REMEDIES.get(name, 'leave it out, or put it into extra_body')}"
        for name, value in options.given.items()
        if name not in _TAKEN and value is not None
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return options


def shared_options(options: ProviderOptions) -> ProviderOptions:
    """Return those of a client's options that its requests for vectors share with its chats."""
    return ProviderOptions.of({name: value for name, value in options.given.items() if name in _TAKEN})


def embedding_fields(
    given: Mapping[str, Any], *, fields: Collection[str], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values of an embedding model's fields from the arguments of its constructor, all options in `provider_options`.

    Args:
        given: The arguments; `None` means that one isn't given.
        fields: The names of the fields.
        renamed: Further names of fields, each with the first one.

    Raises:
        ConfigurationError: A name doesn't exist; names the nearest. Two names of the same thing disagree. An option is wrong, or none
            for embeddings.
    """
    refuse_unknown(given, {*fields, *renamed, *SPELLINGS})
    named = first_names({name: value for name, value in given.items() if value is not None}, renamed)
    settings = {name: value for name, value in named.items() if name in fields}
    options = covered({name: value for name, value in named.items() if name not in fields})
    both = ProviderOptions.of(settings.pop("provider_options", None), **options)
    return {**settings, "provider_options": embedding_options(both)}
