"""What every consumer of the model is held against: what it sent, and that all who count money came to the same sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from inspect import isawaitable
from typing import Any, Final

from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMCompletionEndEvent

from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox

OPTIONS: Final[dict[str, Any]] = {
    "seed": 7,
    "user": "ida",
    "session_id": "harbour",
    "provider": {"sort": "price", "data_collection": "deny"},
}
"""What the constructor is given, and what each request of each consumer must have."""

DOCUMENTS: Final = (
    "The lighthouse of Aster was built in 1872 by Ida Holm, who also drew the map of the harbour.",
    "The harbour market of Aster opens at six in the morning, except on the first Monday of a month.",
    "The ferry between Aster and Brim takes forty minutes and carries bicycles for free.",
)
QUESTION: Final = "Who built the lighthouse of Aster, and when?"


class Answers(BaseEventHandler):
    """Adds up what the answers themselves say that they cost."""

    cost: Decimal = Decimal(0)

    @classmethod
    def class_name(cls) -> str:
        return "Answers"

    def handle(self, event: Any, **_: Any) -> None:
        if isinstance(event, LLMChatEndEvent | LLMCompletionEndEvent) and event.response:
            # A structured LLM around the model answers too; what it cost stands in the answer inside.
            self.cost += Decimal(repr(event.response.additional_kwargs.get("cost", 0)))


@contextmanager
def accounted(sandbox: Sandbox, *, options: dict[str, Any] = OPTIONS) -> Iterator[None]:
    """Hold the requests inside against the options of the LLM, and what they cost against what was billed."""
    answers, handlers = Answers(), get_dispatcher().event_handlers
    handlers.append(answers)
    try:
        with track_costs() as spend:
            yield
    finally:
        handlers.remove(answers)
    assert sandbox.requests
    for request in sandbox.requests:
        assert request.path == "/chat/completions"
        assert _within(options, request.body), request.body
    assert spend.total == sandbox.credits_used > 0
    assert answers.cost == sandbox.credits_used


def _within(wanted: Any, given: Any) -> bool:
    """Whether mappings have all that is wanted of them; they may have more, as `provider` has for objects."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        return all(name in given and _within(value, given[name]) for name, value in wanted.items())
    return bool(wanted == given)


async def said(given: Any) -> str:
    """The text that an engine gave, awaited and read to its end."""
    answer = await given if isawaitable(given) else given
    if isinstance(answer, StreamingResponse):
        return "".join(answer.response_gen)
    if isinstance(answer, AsyncStreamingResponse):
        return "".join([piece async for piece in answer.response_gen])
    if isinstance(answer, StreamingAgentChatResponse):
        if answer.achat_stream is None:
            return "".join(answer.response_gen)
        return "".join([piece async for piece in answer.async_response_gen()])
    return str(answer)
