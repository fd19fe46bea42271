"""How the LangChain package is used with agents, for mypy and pyright to read; it is never run."""

from __future__ import annotations

from typing import assert_type

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from langchain_openrouter_opts import register


def by_name() -> None:
    assert_type(register(), None)
    register(replace=True)
    assert_type(init_chat_model("openrouter_opts:anthropic/claude-sonnet-4.6"), BaseChatModel)
