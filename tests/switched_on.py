"""Tracers as their manuals switch them on, for as long as a test needs them. Each gives the config of a call of LangChain that it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Protocol, TypeAlias
from uuid import uuid4

import langsmith
import pytest
from langchain_core.tracers.langchain import LangChainTracer
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInferenceOfLangChain
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor as OpenInferenceOfLlamaIndex
from opentelemetry import context
from opentelemetry.instrumentation.langchain.callback_handler import TraceloopCallbackHandler
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as OpenLLMetryOfLlamaIndex
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from openrouter_opts.telemetry import instrument, uninstrument
from tests.collector import Collector


class Providers(Protocol):
    """Where spans and metrics are to go."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider


Config: TypeAlias = dict[str, Any]
SwitchedOn: TypeAlias = Callable[[Providers], AbstractContextManager[Config]]


@contextmanager
def ours(providers: Providers) -> Iterator[Config]:
    instrument(tracer_provider=providers.tracer_provider, meter_provider=providers.meter_provider)
    try:
        yield {}
    finally:
        uninstrument()


@contextmanager
def openinference_of_langchain(providers: Providers) -> Iterator[Config]:
    instrumentor = OpenInferenceOfLangChain()
    instrumentor.instrument(tracer_provider=providers.tracer_provider)
    try:
        yield {}
    finally:
        instrumentor.uninstrument()


@contextmanager
def openllmetry_of_langchain(providers: Providers) -> Iterator[Config]:
    """Its handler alone: the instrumentor, which adds it to every run, can't be switched off again."""
    meter = providers.meter_provider.get_meter("openllmetry")
    duration = meter.create_histogram("gen_ai.client.operation.duration", "s")
    tokens = meter.create_histogram("gen_ai.client.token.usage", "token")
    tracer = providers.tracer_provider.get_tracer("openllmetry")
    yield {"callbacks": [TraceloopCallbackHandler(tracer, duration, tokens)]}


@contextmanager
def langfuse(providers: Providers, **client: Any) -> Iterator[Config]:
    # Clients are kept for ever, by this key.
    key = f"pk-lf-{uuid4()}"
    made = Langfuse(public_key=key, secret_key="sk-lf-1", tracer_provider=providers.tracer_provider, **client)
    try:
        yield {"callbacks": [CallbackHandler(public_key=key)]}
    finally:
        made.shutdown()


@contextmanager
def langsmith_of_langchain(collector: Collector, **client: Any) -> Iterator[Config]:
    made = langsmith.Client(api_url=collector.url, api_key="ls-secret-key", **client)
    try:
        yield {"callbacks": [LangChainTracer(client=made)]}
    finally:
        made.flush(timeout=10)
        made.close()


@contextmanager
def mlflow_posting(collector: Collector) -> Iterator[Any]:
    """`mlflow-tracing`, as it is before its autologging is switched on. It posts each span as soon as that ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        import mlflow

        mlflow.set_tracking_uri(collector.url)
        try:
            yield mlflow
        finally:
            mlflow.langchain.autolog(disable=True)
            mlflow.llama_index.autolog(disable=True)
            mlflow.tracing.reset()


@contextmanager
def mlflow_of_both(collector: Collector) -> Iterator[Config]:
    with mlflow_posting(collector) as mlflow:
        mlflow.set_experiment("tests")
        mlflow.langchain.autolog()
        mlflow.llama_index.autolog()
        yield {}


@contextmanager
def nothing_left_in_llamaindex() -> Iterator[None]:
    """Take away what a tracer leaves behind once it is switched off: OpenLLMetry its handlers and a current span."""
    root, token = get_dispatcher(), context.attach(context.get_current())
    before = list(root.span_handlers), list(root.event_handlers)
    try:
        yield
    finally:
        root.span_handlers[:], root.event_handlers[:] = before
        context.detach(token)


def _of_llamaindex(instrumentor: Callable[[], Any]) -> SwitchedOn:
    @contextmanager
    def switched_on(providers: Providers) -> Iterator[Config]:
        with nothing_left_in_llamaindex():
            made = instrumentor()
            made.instrument(tracer_provider=providers.tracer_provider)
            try:
                yield {}
            finally:
                made.uninstrument()

    return switched_on


openinference_of_llamaindex = _of_llamaindex(OpenInferenceOfLlamaIndex)
openllmetry_of_llamaindex = _of_llamaindex(OpenLLMetryOfLlamaIndex)

OF_LANGCHAIN: Final[Mapping[str, SwitchedOn]] = {
    "ours": ours,
    "openinference": openinference_of_langchain,
    "openllmetry": openllmetry_of_langchain,
}
OF_LLAMAINDEX: Final[Mapping[str, SwitchedOn]] = {
    "ours": ours,
    "openinference": openinference_of_llamaindex,
    "openllmetry": openllmetry_of_llamaindex,
}
