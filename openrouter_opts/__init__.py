"""Everything OpenRouter can do, with a money figure that is right; without a framework.

`langchain_openrouter_opts` and `llamaindex_openrouter_opts` put it into LangChain and LlamaIndex.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openrouter_opts import errors
    from openrouter_opts.catalog import Catalog, Endpoint, Model
    from openrouter_opts.client import OpenRouterClient
    from openrouter_opts.errors import ConfigurationError, OpenRouterError, SpendLimitExceeded
    from openrouter_opts.http.settings import Timeout
    from openrouter_opts.money.cost import Cost
    from openrouter_opts.money.estimate import Estimate
    from openrouter_opts.money.limits import SpendLimit
    from openrouter_opts.money.reconcile import areconcile, reconcile
    from openrouter_opts.money.record import Record
    from openrouter_opts.money.tracking import Spend, label_costs, track_costs
    from openrouter_opts.options import CacheControl, ProviderOptions, ProviderPreferences, Reasoning
    from openrouter_opts.protocol.completion import Choice, Completion, Delta, ToolCall, ToolCallDelta, Usage
    from openrouter_opts.protocol.embeddings import Embeddings
    from openrouter_opts.stream import AsyncStream, Stream

__all__ = [
    "AsyncStream",
    "CacheControl",
    "Catalog",
    "Choice",
    "Completion",
    "ConfigurationError",
    "Cost",
    "Delta",
    "Embeddings",
    "Endpoint",
    "Estimate",
    "Model",
    "OpenRouterClient",
    "OpenRouterError",
    "ProviderOptions",
    "ProviderPreferences",
    "Reasoning",
    "Record",
    "Spend",
    "SpendLimit",
    "SpendLimitExceeded",
    "Stream",
    "Timeout",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "areconcile",
    "errors",
    "label_costs",
    "reconcile",
    "track_costs",
]

# Imported when they are asked for: pytest loads this package for its fixture in every run, and should not wait for httpx.
_HOMES = {
    "catalog": ("Catalog", "Endpoint", "Model"),
    "client": ("OpenRouterClient",),
    "errors": ("ConfigurationError", "OpenRouterError", "SpendLimitExceeded"),
    "http.settings": ("Timeout",),
    "money.cost": ("Cost",),
    "money.estimate": ("Estimate",),
    "money.limits": ("SpendLimit",),
    "money.reconcile": ("areconcile", "reconcile"),
    "money.record": ("Record",),
    "money.tracking": ("Spend", "label_costs", "track_costs"),
    "options": ("CacheControl", "ProviderOptions", "ProviderPreferences", "Reasoning"),
    "protocol.completion": ("Choice", "Completion", "Delta", "ToolCall", "ToolCallDelta", "Usage"),
    "protocol.embeddings": ("Embeddings",),
    "stream": ("AsyncStream", "Stream"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    if name == "errors":
        return import_module(f"{__name__}.errors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
