"""H10, H11: a stream that ends early, as LangChain and LlamaIndex tell it: once, and with what had come."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.callbacks.base_handler import BaseCallbackHandler as IndexHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import ChatMessage

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.errors import Interrupted
from tests.faults.aftermath import KEY, in_use
from tests.faults.calls import Servers, until
from tests.scripted_server import Script, ScriptedServer
from tests.wire_bytes import delta, streamed

ENDLESS = streamed(delta("a"), delta("b"), end="HANG")
CUT = streamed(delta("a"), delta("b"))
over_both = pytest.mark.usefixtures("over_both")


async def cancelled_after(steps: int, stream: Any) -> None:
    """Read a stream in a task that is cancelled once so many steps have come."""
    came = asyncio.Semaphore(0)

    async def read() -> None:
        async for _ in stream:
            came.release()

    task = asyncio.create_task(read())
    for _ in range(steps):
        await came.acquire()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- H10: LangChain ---


class Ends(BaseCallbackHandler):
    """Writes down how runs end, and what they had until then."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.seen.append(("end", response.generations[0][0].text))

    def on_llm_error(self, error: BaseException, *, response: Any = None, **_: Any) -> None:
        self.seen.append((type(error).__name__, response.generations[0][0].text))


def chat_model(server: ScriptedServer) -> ChatOpenRouter:
    return ChatOpenRouter(model="m/x", base_url=server.base_url, api_key=KEY)


def test_a_run_of_langchain_that_is_left_ends_once_with_what_had_come(scripted: Servers):
    server, ends = scripted(ENDLESS), Ends()
    for chunk in chat_model(server).stream("hi", {"callbacks": [ends]}):
        if chunk.text == "b":
            break
    del chunk
    gc.collect()
    until(lambda: server.closed_by_client == 1)
    assert ends.seen == [("GeneratorExit", "ab")]


@over_both
async def test_an_async_run_of_langchain_that_is_left_ends_once_with_what_had_come(scripted: Servers):
    server, ends = scripted(ENDLESS), Ends()
    stream: Any = chat_model(server).astream("hi", {"callbacks": [ends]})
    async for chunk in stream:
        if chunk.text == "b":
            break
    await stream.aclose()
    assert ends.seen == [("GeneratorExit", "ab")]
    assert in_use() == []


@over_both
async def test_an_async_run_of_langchain_that_is_cancelled_ends_once_with_what_had_come(scripted: Servers):
    server, ends = scripted(ENDLESS), Ends()

    stream = chat_model(server).astream("hi", {"callbacks": [ends]})
    await cancelled_after(2, stream)
    assert ends.seen == [("CancelledError", "ab")]
    assert in_use() == []


def test_a_run_of_langchain_that_breaks_off_ends_once_with_what_had_come(scripted: Servers):
    ends = Ends()
    with pytest.raises(Interrupted):
        list(chat_model(scripted(CUT)).stream("hi", {"callbacks": [ends]}))
    assert ends.seen == [("Interrupted", "ab")]


@over_both
async def test_an_async_run_of_langchain_that_breaks_off_does_too(scripted: Servers):
    ends = Ends()
    with pytest.raises(Interrupted):
        _ = [each async for each in chat_model(scripted(CUT)).astream("hi", {"callbacks": [ends]})]
    assert ends.seen == [("Interrupted", "ab")]


# --- H11: LlamaIndex ---


class Told(BaseEventHandler):
    """Writes down what the dispatcher is told: the errors, what had been said until then, and how often it was over."""

    errors: list[str]
    said: list[str | None]
    ends: int = 0

    @classmethod
    def class_name(cls) -> str:
        return "Told"

    def handle(self, event: Any, **_: Any) -> None:
        if event.class_name() == "ExceptionEvent":
            self.errors.append(type(event.exception).__name__)
        elif event.class_name() == "LLMChatInProgressEvent":
            self.said.append(event.response.message.content)
        self.ends += event.class_name() == "LLMChatEndEvent"


class Ended(IndexHandler):
    """Writes down what the older callbacks are told at the end of an LLM's event."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.payloads: list[dict[str, Any]] = []

    def on_event_start(self, *_: Any, event_id: str = "", **__: Any) -> str:
        return event_id

    def on_event_end(self, event_type: CBEventType, payload: Any = None, **_: Any) -> None:
        if event_type is CBEventType.LLM:
            self.payloads.append(payload)

    def start_trace(self, *_: Any, **__: Any) -> None:
        """Nothing to do."""

    end_trace = start_trace


@pytest.fixture
def told() -> Iterator[Told]:
    heard, dispatcher = Told(errors=[], said=[]), get_dispatcher()
    dispatcher.add_event_handler(heard)
    yield heard
    dispatcher.event_handlers.remove(heard)


def llm(script: Script, scripted: Servers, ended: Ended) -> OpenRouter:
    where = scripted(script).base_url
    return OpenRouter("m/x", api_base=where, api_key=KEY, callback_manager=CallbackManager([ended]))


HI = [ChatMessage("hi")]


def were_told(name: str, ended: Ended, told: Told) -> None:
    """Look at what everybody was told of a stream that ended in an error, once `a` and `b` had come."""
    assert (told.errors, told.said, told.ends) == ([name], ["a", "ab"], 0)
    (payload,) = ended.payloads
    assert type(payload[EventPayload.EXCEPTION]).__name__ == name


def test_a_stream_of_llamaindex_that_breaks_off_says_so_once_and_keeps_what_came(
    scripted: Servers, told: Told
):
    ended, seen = Ended(), []
    with pytest.raises(Interrupted) as caught:
        seen.extend(llm(CUT, scripted, ended).stream_chat(HI))
    assert (seen[-1].message.content, caught.value.partial.text) == ("ab", "ab")
    were_told("Interrupted", ended, told)


@over_both
async def test_an_async_stream_of_llamaindex_that_breaks_off_does_too(scripted: Servers, told: Told):
    ended, seen = Ended(), []

    async def read() -> None:
        async for each in await llm(CUT, scripted, ended).astream_chat(HI):
            seen.append(each)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(Interrupted) as caught:
        await read()
    assert (seen[-1].message.content, caught.value.partial.text) == ("ab", "ab")
    were_told("Interrupted", ended, told)


def test_a_stream_of_llamaindex_that_is_left_says_so_once_and_closes_its_connection(
    scripted: Servers, told: Told
):
    ended = Ended()
    stream: Any = llm(ENDLESS, scripted, ended).stream_chat(HI)
    assert [next(stream).delta for _ in range(2)] == ["a", "b"]
    stream.close()
    assert in_use() == []
    were_told("GeneratorExit", ended, told)


@over_both
async def test_an_async_stream_of_llamaindex_that_is_left_does_too(scripted: Servers, told: Told):
    ended = Ended()
    stream: Any = await llm(ENDLESS, scripted, ended).astream_chat(HI)
    assert [(await anext(stream)).delta for _ in range(2)] == ["a", "b"]
    await stream.aclose()
    assert in_use() == []
    were_told("GeneratorExit", ended, told)


@over_both
async def test_an_async_stream_of_llamaindex_that_is_cancelled_does_too(scripted: Servers, told: Told):
    ended = Ended()
    await cancelled_after(2, await llm(ENDLESS, scripted, ended).astream_chat(HI))
    assert in_use() == []
    were_told("CancelledError", ended, told)
