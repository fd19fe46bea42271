"""What LlamaIndex says of where a call is made: who counts it, and under which labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base import global_stack_trace_ids
from llama_index_instrumentation.dispatcher import Dispatcher, active_instrument_tags

from llamaindex_openrouter_opts.callbacks import OpenRouterCostHandler
from openrouter_opts.money.tracking import counted_by, scope_now


def counted(manager: CallbackManager, dispatcher: Dispatcher) -> AbstractContextManager[None]:
    """Have the call that is made inside counted by the handlers of its model, with the tags of the instrumentation as labels.

    Args:
        manager: The callback manager of the model.
        dispatcher: Where its events begin.
    """
    handlers = (*manager.handlers, *_handlers(dispatcher))
    spends = [handler.spend for handler in handlers if isinstance(handler, OpenRouterCostHandler)]
    if not spends and not scope_now().spends:
        return nullcontext()
    return counted_by(spends, labels={**_trace(), **_labels(active_instrument_tags.get())})


def _handlers(dispatcher: Dispatcher) -> Iterator[Any]:
    yield from dispatcher.event_handlers
    while dispatcher.propagate and dispatcher.parent_name:
        dispatcher = dispatcher.parent
        yield from dispatcher.event_handlers


def _trace() -> dict[str, str]:
    """The outermost thing that LlamaIndex does: `query`, `chat`, `index_construction`."""
    traces = global_stack_trace_ids.get()
    return {"trace": traces[0]} if traces else {}


def _labels(tags: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in tags.items() if isinstance(value, str | int | float)}
