"""Middleware for `langchain.agents.create_agent`. Needs `langchain`, not only `langchain-core`."""

from __future__ import annotations

from langchain_openrouter_opts.middleware.prompt_caching import PromptCachingMiddleware
from langchain_openrouter_opts.middleware.spend_limit import SpendLimitMiddleware

__all__ = ["PromptCachingMiddleware", "SpendLimitMiddleware"]
