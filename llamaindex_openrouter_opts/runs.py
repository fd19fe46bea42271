"""What LlamaIndex says of where a call is made: who counts it, and under which labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base import global_stack_trace_ids
from llama_index_instrumentation.dispatcher import Dispatcher, active_instrument_tags
from pydantic import BaseModel, PrivateAttr

from llamaindex_openrouter_opts.callbacks import OpenRouterCostHandler
from openrouter_opts.money.tracking import counted_by, scope_now


class CountedModel(BaseModel):
    """A model whose calls are counted by the handlers that it was made with, and by those that it has when it is called.

    Engines and `Settings` put a callback manager of their own in the place of that of a model that they are given.
    """

    if TYPE_CHECKING:
        callback_manager: CallbackManager = CallbackManager([])

    _made_with: CallbackManager = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Remember the callback manager."""
        super().model_post_init(context)
        self._made_with = self.callback_manager

    def _counted(self, dispatcher: Dispatcher) -> AbstractContextManager[None]:
        return _counted((self._made_with, self.callback_manager), dispatcher)


def _counted(managers: Iterable[CallbackManager], dispatcher: Dispatcher) -> AbstractContextManager[None]:
    """Have the call that is made inside counted by the handlers of its model, with the tags of the instrumentation as labels.

    Args:
        managers: The callback managers of the model.
        dispatcher: Where its events begin.
    """
    handlers = (*(each for manager in managers for each in manager.handlers), *_handlers(dispatcher))
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
