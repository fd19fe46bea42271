"""MLflow is told of costs under the names that it reads. It is large, so here stand-ins are told; `make tracers` runs the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from pydantic import PrivateAttr

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox

HI = [ChatMessage("hi")]


class LiveSpan:
    """MLflow's own span, as far as it is written to."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def set_attribute(self, name: str, value: Any) -> None:
        self.attributes[name] = value


class MlflowLangchainTracer(BaseCallbackHandler):
    """The handler that `mlflow.langchain.autolog` adds, as far as it is looked into."""

    def __init__(self) -> None:
        self._run_span_mapping: dict[str, Any] = {}
        self.spans: list[LiveSpan] = []

    def on_chat_model_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self.spans.append(LiveSpan())
        self._run_span_mapping[str(run_id)] = SimpleNamespace(span=self.spans[-1], token=None)

    def on_llm_end(self, *_: Any, run_id: Any, **__: Any) -> None:
        self._run_span_mapping.pop(str(run_id))


class LlamaSpan(BaseSpan):
    """What MLflow keeps for a span of LlamaIndex."""

    _mlflow_span: LiveSpan = PrivateAttr(default_factory=LiveSpan)


LlamaSpan.__module__ = "mlflow.llama_index.tracer"


class MlflowSpanHandler(BaseSpanHandler[LlamaSpan]):
    """The handler that `mlflow.llama_index.autolog` adds."""

    def new_span(self, id_: str, bound_args: Any, parent_span_id: Any = None, **_: Any) -> LlamaSpan:
        return LlamaSpan(id_=id_, parent_id=parent_span_id)

    def prepare_to_exit_span(self, id_: str, *_: Any, **__: Any) -> LlamaSpan:
        self.completed_spans.append(self.open_spans[id_])
        return self.open_spans[id_]

    def prepare_to_drop_span(self, id_: str, *_: Any, **__: Any) -> LlamaSpan:
        return self.open_spans[id_]


async def _astream(llm: ChatOpenRouter, config: Any) -> list[Any]:
    return [chunk async for chunk in llm.astream("hi", config)]


LANGCHAIN: dict[str, Callable[[ChatOpenRouter, Any], Any]] = {
    "invoke": lambda llm, config: llm.invoke("hi", config),
    "stream": lambda llm, config: list(llm.stream("hi", config)),
    "ainvoke": lambda llm, config: asyncio.run(llm.ainvoke("hi", config)),
    "astream": lambda llm, config: asyncio.run(_astream(llm, config)),
}
LLAMAINDEX: dict[str, Callable[[OpenRouter], Any]] = {
    "chat": lambda llm: llm.chat(HI),
    "stream_chat": lambda llm: list(llm.stream_chat(HI)),
    "achat": lambda llm: asyncio.run(llm.achat(HI)),
    "complete": lambda llm: llm.complete("hi"),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def assert_billed(spans: list[LiveSpan], sandbox: Sandbox) -> None:
    (span,) = spans
    (cost,) = span.attributes.values()
    assert span.attributes == {"mlflow.llm.cost": cost}
    assert cost["total_cost"] == float(sandbox.credits_used) > 0
    assert cost["input_cost"] + cost["output_cost"] == pytest.approx(cost["total_cost"])


@pytest.mark.parametrize("way", LANGCHAIN)
def test_mlflow_is_told_what_a_call_of_langchain_cost(way: str, sandbox: Sandbox) -> None:
    tracer = MlflowLangchainTracer()
    llm = ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)
    LANGCHAIN[way](llm, {"callbacks": [tracer]})
    assert_billed(tracer.spans, sandbox)


@pytest.mark.parametrize("way", LLAMAINDEX)
def test_mlflow_is_told_what_a_call_of_llamaindex_cost(way: str, sandbox: Sandbox) -> None:
    handler, root = MlflowSpanHandler(completed_spans=[]), get_dispatcher()
    root.add_span_handler(handler)
    try:
        llm = OpenRouter(model="openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)
        LLAMAINDEX[way](llm)
    finally:
        root.span_handlers.remove(handler)
    assert_billed([span._mlflow_span for span in handler.completed_spans], sandbox)


class Elsewhere(MlflowLangchainTracer):
    """An MLflow to come, which keeps its spans in another way."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def on_chat_model_start(self, *_: Any, run_id: Any, **__: Any) -> None:
        self.kept.append(run_id)

    def on_llm_end(self, *_: Any, run_id: Any, **__: Any) -> None:
        self.kept.remove(run_id)


def test_an_mlflow_that_keeps_its_spans_in_another_way_breaks_no_call(sandbox: Sandbox) -> None:
    llm = ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)
    tracer = Elsewhere()
    assert llm.invoke("hi", {"callbacks": [tracer]}).text
    assert not tracer.kept
