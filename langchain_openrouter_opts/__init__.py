"""OpenRouter in LangChain: every option, and a money figure that is right."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from langchain_openrouter_opts.callbacks import OpenRouterCostCallbackHandler, get_openrouter_callback
from langchain_openrouter_opts.chat_models import ChatOpenRouter
from langchain_openrouter_opts.embeddings import OpenRouterEmbeddings
from langchain_openrouter_opts.errors import InvalidOutput, Refused, Truncated
from langchain_openrouter_opts.registry import register

if TYPE_CHECKING:
    from langchain_openrouter_opts.middleware import PromptCachingMiddleware, SpendLimitMiddleware

__all__ = [
    "ChatOpenRouter",
    "InvalidOutput",
    "OpenRouterCostCallbackHandler",
    "OpenRouterEmbeddings",
    "PromptCachingMiddleware",
    "Refused",
    "SpendLimitMiddleware",
    "Truncated",
    "get_openrouter_callback",
    "register",
]

# Imported when they are asked for: models and chains need `langchain-core`, and these need `langchain`.
_HOME_OF = {"PromptCachingMiddleware": "middleware", "SpendLimitMiddleware": "middleware"}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except ModuleNotFoundError as missing:
        if missing.name != "langchain":
            raise
        raise ImportError(
            f"{name} is for agents, which are in langchain: pip install 'langchain>=1.4'"
        ) from missing


def __dir__() -> list[str]:
    return __all__
