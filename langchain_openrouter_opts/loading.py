"""A model that `langchain_core.load` makes takes no key of the environment elsewhere."""

from __future__ import annotations

import traceback
from typing import Any, Final

from openrouter_opts.http.secret import ENV_KEY
from openrouter_opts.loading import refusal_of_the_key

_LOADER: Final = "langchain_core.load.load"
_REMEDY: Final = f"`load(…, secrets_map={{'{ENV_KEY}': …}})`"


def refuse_to_take_the_key(*, key: Any, url: str | None, proxy: str | None, verify: Any) -> None:
    """Raise `ConfigurationError` if a model that is being loaded would take the environment's key where others get it, or can read it.

    Args:
        key: The key that was given to the constructor, if one was.
        url: The `base_url` that was.
        proxy: The proxy that was.
        verify: Whether certificates are checked.
    """
    refusal = refusal_of_the_key(key=key, url=url, proxy=proxy, verify=verify, remedy=_REMEDY)
    if refusal and _is_loading():
        raise refusal


def _is_loading() -> bool:
    # It calls the constructor as everybody does, with nothing that says who calls.
    return any(frame.f_globals.get("__name__") == _LOADER for frame, _ in traceback.walk_stack(None))
