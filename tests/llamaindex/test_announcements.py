"""What LlamaIndex's handlers are told of a call, and what they can't do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.ways import CHATS, Way, every_way

MakeLLM = Callable[..., OpenRouter]


class Dumping(BaseEventHandler):
    """Dumps every event, and takes from what it is told of the model, as exporters do."""

    dumped: list[dict[str, Any]]

    @classmethod
    def class_name(cls) -> str:
        return "Dumping"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.dumped.append(event.model_dump())
        for told in getattr(event, "model_dict", {}).values():
            if isinstance(told, dict):
                told.clear()
        getattr(event, "model_dict", {}).clear()


@pytest.fixture
def dumped() -> Iterator[list[dict[str, Any]]]:
    handler, handlers = Dumping(dumped=[]), get_dispatcher().event_handlers
    handlers.append(handler)
    yield handler.dumped
    handlers.remove(handler)


@every_way
async def test_a_handler_that_dumps_events_changes_nothing_of_the_answer(
    way: Way, make_llm: MakeLLM, dumped: list[dict[str, Any]]
) -> None:
    llm = make_llm(provider={"sort": "price"})
    answer = await way(llm, {})

    assert dumped[-1]["response"]["additional_kwargs"]["cost"] == answer.additional_kwargs["cost"]
    assert isinstance(answer.raw, dict)
    assert answer.raw["usage"]["prompt_tokens"] == answer.additional_kwargs["prompt_tokens"]
    assert answer.raw["choices"][0]["finish_reason"] == "stop"
    assert llm.to_payload()["provider"] == {"sort": "price"}


@every_way
async def test_a_debug_handler_shows_prompt_and_answer_once_and_no_key(
    way: Way, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    llm = make_llm(callback_manager=CallbackManager([handler]))

    answer = await way(llm, {"seed": 7, "provider_api_keys": {"openai": "sk-own-key"}})

    ((start, end),) = handler.get_event_pairs(CBEventType.LLM)
    asked, told = (
        (EventPayload.MESSAGES, EventPayload.RESPONSE)
        if way in CHATS
        else (EventPayload.PROMPT, EventPayload.COMPLETION)
    )
    assert "12 * 7" in str(start.payload[asked])
    assert start.payload[EventPayload.ADDITIONAL_KWARGS]["seed"] == 7
    assert start.payload[EventPayload.SERIALIZED]["model"] == llm.model
    assert end.payload[told].raw == answer.raw
    shown = f"{start.payload} {end.payload}"
    assert sandbox.api_key not in shown
    assert "sk-own-key" not in shown


async def _read(given: Any) -> str:
    answer = await given if hasattr(given, "__await__") else given
    if hasattr(answer, "__anext__"):
        answer = [step async for step in answer][-1]
    elif hasattr(answer, "__next__"):
        answer = list(answer)[-1]
    return str(answer)


CHAT = ["chat", "achat", "stream_chat", "astream_chat"]
COMPLETE = ["complete", "acomplete", "stream_complete", "astream_complete"]
ASKED: dict[str, tuple[str, Any]] = {
    **{name: ("messages", [ChatMessage("What is 12 * 7?")]) for name in CHAT},
    **dict.fromkeys(COMPLETE, ("prompt", "What is 12 * 7?")),
}


@pytest.mark.parametrize("name", ASKED)
async def test_what_is_asked_may_be_given_by_place_or_by_name_and_only_once(
    name: str, llm: OpenRouter, sandbox: Sandbox
) -> None:
    argument, asked = ASKED[name]
    method = getattr(llm, name)

    assert "84" in await _read(method(asked))
    assert "84" in await _read(method(**{argument: asked}))
    for wrong in (method, lambda: method(asked, **{argument: asked})):
        with pytest.raises(
            (TypeError, ValueError), match=r"prompt|message|multiple|missing|required|argument"
        ):
            await _read(wrong())
    assert len(sandbox.requests) == 2
