"""A handler that counts money, for the callback manager and for the instrumentation: in every way to call, and nothing twice."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any, Final, TypeAlias

import pytest
from llama_index.core import Document, Settings, SummaryIndex, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.dispatcher import instrument_tags
from llama_index_instrumentation.event_handlers.base import BaseEventHandler
from pydantic import BaseModel, Field

from llamaindex_openrouter_opts import OpenRouter, OpenRouterCostHandler, OpenRouterEmbedding
from openrouter_opts import OpenRouterError, SpendLimit, reconcile, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.ways import Way, every_way

Make: TypeAlias = Callable[..., OpenRouter]
STORY: Final = [ChatMessage(content="Tell me a story.")]


@pytest.fixture
def dispatched() -> Iterator[OpenRouterCostHandler]:
    """A handler of the instrumentation."""
    dispatcher, handler = get_dispatcher(), OpenRouterCostHandler()
    before = list(dispatcher.event_handlers)
    dispatcher.add_event_handler(handler)
    yield handler
    dispatcher.event_handlers = before


@every_way
@pytest.mark.parametrize("place", ["callback manager", "instrumentation", "both"])
async def test_a_handler_counts_every_way_to_call_once(
    way: Way, place: str, make_llm: Make, sandbox: Sandbox, dispatched: OpenRouterCostHandler
):
    handler = dispatched if place != "callback manager" else OpenRouterCostHandler()
    given = {} if place == "instrumentation" else {"callback_manager": CallbackManager([handler])}
    with track_costs() as outer, track_costs() as inner:
        await way(make_llm(**given), {})
    (record,) = handler.records
    assert (record.model, record.kind, record.outcome) == ("openai/gpt-5-mini", "chat", "answered")
    assert handler.total == handler.total_cost == sandbox.credits_used > 0
    assert outer.records == inner.records == handler.records
    assert handler.prompt_tokens + handler.completion_tokens == handler.total_tokens > 0
    assert handler.successful_requests == 1


async def test_a_model_without_the_handler_is_not_counted(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostHandler()
    make_llm(callback_manager=CallbackManager([handler])).complete("hi")
    make_llm().complete("hi")
    assert len(sandbox.requests) == 2
    assert len(handler.records) == 1


@pytest.mark.usefixtures("loop_of_llama_index")
@pytest.mark.parametrize("place", ["settings", "instrumentation"])
def test_an_index_and_its_queries_are_told_apart(
    place: str,
    make_llm: Make,
    sandbox: Sandbox,
    dispatched: OpenRouterCostHandler,
    monkeypatch: pytest.MonkeyPatch,
):
    handler = dispatched if place == "instrumentation" else OpenRouterCostHandler()
    manager = CallbackManager([handler] if place == "settings" else [])
    embedding = OpenRouterEmbedding(
        "openai/text-embedding-3-small", api_base=sandbox.base_url, api_key=sandbox.api_key
    )
    for name, value in {"_llm": make_llm(), "_embed_model": embedding, "_callback_manager": manager}.items():
        monkeypatch.setattr(Settings, name, value)
    with instrument_tags({"user": 42, "list": []}):
        index = VectorStoreIndex.from_documents([Document(text="The lighthouse of Aster was built in 1872.")])
        index.as_query_engine(similarity_top_k=1).query("When was the lighthouse built?")
    index.as_chat_engine(chat_mode="context", memory=ChatMemoryBuffer.from_defaults(llm=make_llm())).chat(
        "Who built it?"
    )
    assert handler.by("kind").keys() == {"chat", "embedding"}
    assert handler.by("trace").keys() == {"index_construction", "query", "chat"}
    assert handler.by("user").keys() == {"42", None}
    assert "list" not in handler.records[0].labels
    assert handler.total == sandbox.credits_used
    assert [
        record.kind for record in handler.records if record.labels.get("trace") == "index_construction"
    ] == ["embedding"]


DOCUMENTS: Final = [Document(text="The lighthouse of Aster was built in 1872.")]


@pytest.mark.usefixtures("loop_of_llama_index")
@pytest.mark.parametrize("also", ["nowhere else", "settings"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda index, llm: index.as_query_engine(llm=llm).query("When?"),
        lambda index, llm: index.as_chat_engine(
            llm=llm, chat_mode="condense_plus_context", memory=ChatMemoryBuffer.from_defaults(llm=llm)
        ).chat("When?"),
        lambda index, llm: SimpleChatEngine.from_defaults(
            llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm)
        ).chat("When?"),
    ],
    ids=["query engine", "chat engine", "simple chat engine"],
)
def test_the_handler_of_a_model_counts_it_inside_an_engine_that_has_another_callback_manager(
    ask: Any, also: str, make_llm: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    handler, of_settings = OpenRouterCostHandler(), OpenRouterCostHandler()
    given = CallbackManager([handler])
    both = [of_settings, handler] if also == "settings" else [of_settings]
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager(both))
    embedding = OpenRouterEmbedding(
        "openai/text-embedding-3-small",
        api_base=sandbox.base_url,
        api_key=sandbox.api_key,
        callback_manager=given,
    )
    index = VectorStoreIndex.from_documents(DOCUMENTS, embed_model=embedding)
    ask(index, make_llm(callback_manager=given))
    sent = sum(request.method == "POST" for request in sandbox.requests)
    assert len(handler.records) == sent > 1
    assert handler.by("kind").keys() == {"chat", "embedding"}
    assert handler.total == sandbox.credits_used


@pytest.mark.usefixtures("loop_of_llama_index")
@pytest.mark.parametrize("streaming", [False, True])
def test_a_query_that_streams_has_no_trace_and_is_told_apart_all_the_same(
    streaming: bool, make_llm: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    handler = OpenRouterCostHandler()
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([handler]))
    engine = SummaryIndex.from_documents(DOCUMENTS).as_query_engine(llm=make_llm(), streaming=streaming)
    assert str(engine.query("When was the lighthouse built?"))
    assert handler.by("trace") == {None if streaming else "query": sandbox.credits_used}
    assert ("query" in handler.table("trace")) is not streaming
    with pytest.raises(ValueError, match="there is no 'trice'"):
        handler.by("trice")


async def test_async_embeddings_are_counted_too(sandbox: Sandbox):
    handler = OpenRouterCostHandler()
    where = {"api_base": sandbox.base_url, "api_key": sandbox.api_key}
    embedding = OpenRouterEmbedding(
        "openai/text-embedding-3-small",
        callback_manager=CallbackManager([handler]),
        embed_batch_size=2,
        **where,
    )
    await embedding.aget_text_embedding_batch(["one", "two", "three"])
    assert len(handler.records) == 2
    assert handler.by("kind") == {"embedding": sandbox.credits_used}


def test_tries_that_failed_and_streams_that_were_left_are_counted(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostHandler()
    llm = make_llm(callback_manager=CallbackManager([handler]))
    sandbox.fail_next(503, retry_after=0)
    llm.chat(STORY)
    sandbox.fail_next(400)
    with pytest.raises(OpenRouterError):
        llm.chat(STORY)
    sandbox.cut_after(2)
    with pytest.raises(OpenRouterError):
        list(llm.stream_chat(STORY))
    with closing(llm.stream_chat(STORY)) as responses:
        next(responses)
    outcomes = [record.outcome for record in handler.records]
    assert outcomes == ["failed", "answered", "failed", "interrupted", "interrupted"]
    assert len(handler.pending) == handler.unknown == 2
    reconcile(handler, wait=5)
    assert handler.pending == ()
    assert handler.total == sandbox.credits_used


def test_parallel_tasks_are_counted_once_each(make_llm: Make, sandbox: Sandbox):
    handlers = [OpenRouterCostHandler() for _ in range(4)]
    shared = OpenRouterCostHandler()

    async def all_at_once() -> None:
        llms = [make_llm(callback_manager=CallbackManager([handler, shared])) for handler in handlers]
        await asyncio.gather(*(llm.acomplete("hi") for llm in llms for _ in range(5)))

    asyncio.run(all_at_once())
    assert [len(handler.records) for handler in handlers] == [5] * 4
    assert sum(handler.total for handler in handlers) == shared.total == sandbox.credits_used


class Written(BaseEventHandler):
    """Writes every event down."""

    events: list[str] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.events.append(event.model_dump_json())


@every_way
async def test_events_of_a_call_with_a_limit_can_be_written_and_the_limit_holds(
    way: Way, make_llm: Make, sandbox: Sandbox, dispatched: OpenRouterCostHandler
):
    written, limit = Written(), SpendLimit("1")
    get_dispatcher().add_event_handler(written)
    await way(make_llm(), {"spend_limit": [limit, "0.5"]})
    assert any(limit.money.id in event for event in written.events)
    assert limit.spent == dispatched.total == sandbox.credits_used > 0


class City(BaseModel):
    """A city."""

    name: str


def test_structured_answers_and_copies_of_a_model_count_in_the_same_place(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostHandler()
    llm = make_llm(callback_manager=CallbackManager([handler]))
    sandbox.answer_next('{"name": "Oslo"}')
    llm.as_structured_llm(City).chat(STORY)
    for copied in (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(deep=True)):
        copied.complete("hi")
    assert len(handler.records) == 4
    assert handler.total == sandbox.credits_used
    assert pickle.loads(pickle.dumps(llm)).model == llm.model


def test_a_handler_shows_what_it_counted(make_llm: Make, sandbox: Sandbox):
    handler = OpenRouterCostHandler()
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "cost": 0.0123}
    sandbox.answer_next("Hello.", usage=usage)
    make_llm(callback_manager=CallbackManager([handler])).complete("hi")
    assert handler.total == Decimal("0.0123")
    assert "$0.0123" in str(handler)
    assert "<svg" in handler._repr_html_()
    assert repr(handler) == "OpenRouterCostHandler(total=Decimal('0.0123'), calls=1, unknown=0)"
    assert handler.spend.total == handler.total
