"""OpenRouter in LangChain: every option, and a money figure that is right."""

from __future__ import annotations

from langchain_openrouter_opts.chat_models import ChatOpenRouter
from langchain_openrouter_opts.registry import register

__all__ = ["ChatOpenRouter", "register"]
