"""How the LangChain package is used with agents, for mypy and pyright to read; it is never run."""

from __future__ import annotations

from typing import Any, assert_type

from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import ConfigurableField

from langchain_openrouter_opts import ChatOpenRouter, PromptCachingMiddleware, SpendLimitMiddleware, register
from openrouter_opts import OpenRouterError, SpendLimit


def cache(llm: ChatOpenRouter) -> None:
    create_agent(llm, middleware=[PromptCachingMiddleware()])
    create_agent(llm, middleware=[PromptCachingMiddleware(ttl="1h", conversation_ttl="5m", min_tokens=2000)])
    create_agent(llm, middleware=[ModelFallbackMiddleware(llm), PromptCachingMiddleware()])
    middleware: PromptCachingMiddleware[Any, Any] = PromptCachingMiddleware()
    assert_type(middleware.min_tokens, int)


def limit(llm: ChatOpenRouter) -> None:
    create_agent(llm, middleware=[SpendLimitMiddleware(SpendLimit("5"), run_limit="0.50", thread_limit=2)])
    create_agent(llm, middleware=[PromptCachingMiddleware(), SpendLimitMiddleware(exit_behavior="error")])


def by_name() -> None:
    assert_type(register(), None)
    register(replace=True)
    assert_type(init_chat_model("openrouter_opts:anthropic/claude-sonnet-4.6"), BaseChatModel)


def composed(llm: ChatOpenRouter) -> None:
    field = ConfigurableField("it")
    safe = llm.with_fallbacks([llm.bind(seed=1)], exceptions_to_handle=(OpenRouterError,))
    assert_type(safe.invoke("hi"), AIMessage)
    assert_type(safe.bind(seed=2).with_config(tags=["t"]).invoke("hi"), AIMessage)
    assert_type(llm.configurable_fields(temperature=field).bind(seed=2).invoke("hi"), AIMessage)
    assert_type(llm.configurable_alternatives(field, other=safe).invoke("hi"), AIMessage)
