"""Callbacks that count what calls cost: of the runs that they are given to, or of all that is inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_openrouter_opts.runs import Runs
from openrouter_opts.money.tracking import Spend, counted_by


class OpenRouterCostCallbackHandler(Spend, Runs):
    """Counts what the calls of its runs cost: `chain.invoke(question, config={"callbacks": [handler]})`.

    Give it to a model, a chain, an agent or a graph; whatever those call counts, streamed or not, in every thread and task that
    LangChain begins, and in `asyncio` tasks and `asyncio.to_thread`. In a thread or a pool that your own node or tool begins, LangChain knows
    of no run: a call is neither counted nor under the `limit` there, unless the `config` is passed on,
    `pool.submit(llm.invoke, question, config)`; `get_openrouter_callback()` and `track_costs()` count it anyway. There is a record
    for each request that left: tries that failed, streams that were cut and calls that were cancelled are here too, and an answer from
    LangChain's cache is not, since nothing was asked. `handler.by("run")`, `by("tag")`, and `by` any key of the `metadata` tell calls
    apart by what their `config` says; `run` is the id of the outermost run. The sums have the names of `track_costs()`, and those of
    LangChain's `get_openai_callback`; money is in USD, as `Decimal`.

    A request that several handlers and scopes count is in each of them once. Models of other packages aren't counted, and neither are
    embeddings, which LangChain runs without callbacks; `get_openrouter_callback()` and `track_costs()` count those.

    Args:
        limit: The most that the calls may cost together, USD, or a `SpendLimit`; what might cost more isn't sent: `SpendLimitExceeded`.
        reconciles: Whether the cost of what was cut, cancelled or lost is looked up in the background.
    """


@contextmanager
def get_openrouter_callback() -> Iterator[OpenRouterCostCallbackHandler]:
    """Count what everything called inside costs, without passing a handler on.

    `with get_openrouter_callback() as cb: …` gives `cb.total_cost` (`Decimal`, USD), `total_tokens`, `prompt_tokens`,
    `prompt_tokens_cached`, `completion_tokens`, `reasoning_tokens`, `successful_requests`, and all that
    `OpenRouterCostCallbackHandler` has. Threads and tasks that begin inside are inside, as with `track_costs()`.
    """
    handler = OpenRouterCostCallbackHandler()
    with counted_by([handler]):
        yield handler
