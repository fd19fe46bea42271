"""A framework's model that is loaded may be of anybody's writing: it leads the key of whoever loads it to nobody else."""

from __future__ import annotations

from typing import Any

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.settings import check_base_url, doubts_about


def refusal_of_the_key(
    *, key: Any, url: str | None, proxy: str | None, verify: Any, remedy: str
) -> ConfigurationError | None:
    """Return what to raise if a model is loaded that would take the environment's key where others get it, or can read it; else `None`.

    Whoever writes such a call is warned, at most; what is loaded was written by somebody else.

    Args:
        key: The key that was given to the constructor, if one was.
        url: The `base_url` that came with the model.
        proxy: The proxy that came with it; what is written of a model never has one.
        verify: Whether certificates are checked; what is written of a model doesn't say so either.
        remedy: How to give the key as well.

    Raises:
        ConfigurationError: The URL is none.
    """
    if key is not None:
        return None
    leads_away = {
        "proxy": bool(proxy),
        "base_url": url is not None and any(doubts_about(url, check_base_url(url), key_is_given=False)),
        "verify": verify is not True,
    }
    named = next((name for name, leads in leads_away.items() if leads), None)
    if named is None:
        return None
    return ConfigurationError(
        f"{named}: a model that is loaded takes no key from the environment to an address that came with it, nor where others can read "
        f"it; if you trust what you load, give the key as well: {remedy}"
    )
