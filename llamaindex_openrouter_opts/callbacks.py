"""A handler that counts what calls cost, for both ways in which LlamaIndex tells of them."""

from __future__ import annotations

from typing import Any

from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.callbacks.schema import CBEventType
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers.base import BaseEventHandler
from pydantic import Field, PrivateAttr

from openrouter_opts.money.record import Record
from openrouter_opts.money.sums import Sums
from openrouter_opts.money.tracking import Spend


class OpenRouterCostHandler(Sums, BaseEventHandler, BaseCallbackHandler):
    """Counts what the calls of models cost that it is a handler of: LLMs and embeddings of this package.

    Give it to a callback manager, `Settings.callback_manager = CallbackManager([handler])` or the one that a model is made with, or to the
    instrumentation, `get_dispatcher().add_event_handler(handler)`; to several is fine too, since each request is counted once. What a
    model is made with counts its calls wherever it is used, also inside an engine, which gives the model its own callback manager. There is a
    record for each request that left: tries that failed, streams that were cut and calls that were cancelled are here too.

    `handler.by("trace")` tells apart what LlamaIndex does (`query`, `chat`, `index_construction`, …), and `by` any key what is said with
    `instrument_tags({"user": "42"})`. A query with `streaming=True` asks the model only when it is read, after LlamaIndex has ended its
    trace: it has none, `None`, and neither has a model that is called by itself. The sums have the names of `track_costs()`; money is in USD, as `Decimal`.
    """

    event_starts_to_ignore: tuple[CBEventType, ...] = Field(default=tuple(CBEventType), repr=False)
    event_ends_to_ignore: tuple[CBEventType, ...] = Field(default=tuple(CBEventType), repr=False)

    _spend: Spend = PrivateAttr(default_factory=Spend)

    @property
    def records(self) -> tuple[Record, ...]:
        """Every request, in the order in which they ended; one that was tried again has a record for each attempt."""
        return self._spend.records

    @property
    def spend(self) -> Spend:
        """The same as `track_costs()` gives: `reconcile(handler.spend)`, `handler.spend.wrap(function)`."""
        return self._spend

    def __repr__(self) -> str:
        return repr(self._spend).replace(type(self._spend).__name__, type(self).__name__, 1)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex knows the class."""
        return "OpenRouterCostHandler"

    # What a request cost comes from where it is made. LlamaIndex only has to know the handler; of its events there is nothing to learn.

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Take an event of the instrumentation; nothing is done with it."""

    def start_trace(self, trace_id: str | None = None) -> None:
        """Take the start of a trace; nothing is done with it."""

    def end_trace(self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None) -> None:
        """Take the end of a trace; nothing is done with it."""

    def on_event_start(self, event_type: CBEventType, *_: Any, event_id: str = "", **__: Any) -> str:  # noqa: ARG002
        """Take the start of an event; nothing is done with it."""
        return event_id

    def on_event_end(self, event_type: CBEventType, *_: Any, **__: Any) -> None:
        """Take the end of an event; nothing is done with it."""
