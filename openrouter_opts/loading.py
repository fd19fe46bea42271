"""A framework's model that is loaded may be of anybody's writing: no address in it gets the key of whoever loads it."""

from __future__ import annotations

from typing import Any

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.settings import check_base_url, is_foreign


def refusal_of_the_key(
    *, key: Any, url: str | None, proxy: str | None, remedy: str
) -> ConfigurationError | None:
    """Return what to raise if a model is loaded that would take the environment's key to an address of its own; `None` if it would not.

    Args:
        key: The key that was given to the constructor, if one was.
        url: The `base_url` that came with the model.
        proxy: The proxy that came with it; what is written of a model never has one.
        remedy: How to give the key as well.

    Raises:
        ConfigurationError: The URL is none.
    """
    if key is not None:
        return None
    leads_away = "proxy" if proxy else "base_url" if url and is_foreign(check_base_url(url)) else None
    if leads_away is None:
        return None
    return ConfigurationError(
        f"{leads_away}: a model that is loaded takes no key from the environment to an address that came with it; if you trust what "
        f"you load, give the key as well: {remedy}"
    )
