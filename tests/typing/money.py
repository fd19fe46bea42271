"""How money is counted and limited in both frameworks, for mypy and pyright to read; it is never run."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_type

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index_instrumentation import get_dispatcher

from langchain_openrouter_opts import (
    ChatOpenRouter,
    OpenRouterCostCallbackHandler,
    OpenRouterEmbeddings,
    get_openrouter_callback,
)
from llamaindex_openrouter_opts import OpenRouter, OpenRouterCostHandler, OpenRouterEmbedding
from openrouter_opts import Estimate, Record, Spend, SpendLimit, areconcile, reconcile


def in_langchain(chain: Runnable[str, str]) -> None:
    limit = SpendLimit("0.50", on_limit="fit")
    # Where a field may be given by its name as well, mypy's plugin knows no other.
    llm = ChatOpenRouter(model="m/x", spend_limit=limit)  # type: ignore[call-arg]
    ChatOpenRouter(model="m/x", spend_limit=[limit, "0.50", Decimal(1)])  # type: ignore[call-arg]
    OpenRouterEmbeddings(model="m/x", spend_limit={"amount": "0.50"})
    llm.invoke("hi", spend_limit="0.01")
    assert_type(llm.estimate_cost("hi", max_tokens=10), Estimate)
    assert_type(llm.bind(max_tokens=10).estimate_cost("hi"), Estimate)

    handler = OpenRouterCostCallbackHandler()
    plain: BaseCallbackHandler = handler
    spend: Spend = handler
    chain.invoke("hi", {"callbacks": [plain]})
    assert_type(handler.total_cost, Decimal)
    assert_type(handler.by("tag"), dict[str | None, Decimal])
    assert_type(reconcile(spend), tuple[Record, ...])
    with get_openrouter_callback() as callback:
        assert_type(callback, OpenRouterCostCallbackHandler)
        assert_type(callback.prompt_tokens_cached, int)


async def in_llamaindex() -> None:
    handler = OpenRouterCostHandler()
    llm = OpenRouter(model="m/x", spend_limit="0.50", callback_manager=CallbackManager([handler]))
    OpenRouterEmbedding(model_name="m/x", spend_limit=SpendLimit("0.50"))
    get_dispatcher().add_event_handler(handler)
    llm.chat([ChatMessage("hi")], spend_limit="0.01")
    assert_type(llm.estimate_cost("hi", tools=[{"type": "openrouter:web_search"}]), Estimate)
    assert_type(handler.total, Decimal)
    assert_type(handler.spend, Spend)
    await areconcile(handler)
