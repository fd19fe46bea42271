"""Options that the environment sets for everything in a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.provider_options import EMPTY, ProviderOptions

# The names are those that `langchain_openrouter` reads.
_VARIABLES: Final[Mapping[str, str]] = {
    "OPENROUTER_APP_URL": "app_referer",
    "OPENROUTER_APP_TITLE": "app_title",
    "OPENROUTER_SESSION_ID": "session_id",
}


def from_environment() -> ProviderOptions:
    """Return the options that environment variables set; an empty variable sets nothing.

    Raises:
        ConfigurationError: A value isn't allowed; names the variable.
    """
    set_ = [(variable, value) for variable in _VARIABLES if (value := os.environ.get(variable))]
    return EMPTY.merged(*(_option(variable, value) for variable, value in set_))


def _option(variable: str, value: str) -> ProviderOptions:
    try:
        return ProviderOptions.of({_VARIABLES[variable]: value})
    except ConfigurationError as problem:
        raise ConfigurationError(f"{variable}: {problem.message}") from None
