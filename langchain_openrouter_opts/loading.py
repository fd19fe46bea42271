"""A model that `langchain_core.load` makes may be of anybody's writing: no address in it gets the key of whoever loads it."""

from __future__ import annotations

import traceback
from typing import Any, Final

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.secret import ENV_KEY
from openrouter_opts.http.settings import is_foreign

_LOADER: Final = "langchain_core.load.load"


def refuse_to_take_the_key(*, key: Any, url: str | None, proxy: str | None) -> None:
    """Raise `ConfigurationError` if a model that is being loaded brings an address of its own, and would take the environment's key there.

    Args:
        key: The key that was given to the constructor, if one was.
        url: The `base_url` that was.
        proxy: The proxy that was; what is written of a model never has one.
    """
    leads_away = "proxy" if proxy else "base_url" if url and is_foreign(url) else None
    if leads_away and key is None and _is_loading():
        raise ConfigurationError(
            f"{leads_away}: a model that is loaded takes no key from the environment to an address that came with it; if you trust "
            f"what you load, give the key as well: `load(…, secrets_map={{'{ENV_KEY}': …}})`"
        )


def _is_loading() -> bool:
    # It calls the constructor as everybody does, with nothing that says who calls.
    return any(frame.f_globals.get("__name__") == _LOADER for frame, _ in traceback.walk_stack(None))
