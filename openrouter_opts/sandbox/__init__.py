"""An OpenRouter of one's own, on loopback: for demos, notebooks and tests, offline and free.

    with Sandbox(credits="10") as sandbox:
        llm = ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)

It checks requests as strictly as OpenRouter does, routes them over a small catalogue of endpoints, bills them, and can be
told to misbehave. It needs the extra ``sandbox``; under pytest there is the fixture `openrouter_sandbox`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openrouter_opts.sandbox.money.generation import Generation
    from openrouter_opts.sandbox.seen import SeenRequest
    from openrouter_opts.sandbox.server import Sandbox

__all__ = ["Generation", "Sandbox", "SeenRequest"]

_HOMES = {
    "Generation": "openrouter_opts.sandbox.money.generation",
    "Sandbox": "openrouter_opts.sandbox.server",
    "SeenRequest": "openrouter_opts.sandbox.seen",
}


def __getattr__(name: str) -> Any:
    """Import on first use: pytest loads this package in every run, and most runs need no web server."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
