"""What OpenInference sees of a call: one span, with its model and its tokens, and no key. It is the real one, exporting to memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox

HI = [ChatMessage("hi")]


async def _astreamed(llm: OpenRouter) -> Any:
    return [response async for response in await llm.astream_chat(HI)][-1]


WAYS: dict[str, Callable[[OpenRouter], Any]] = {
    "chat": lambda llm: llm.chat(HI),
    "stream_chat": lambda llm: list(llm.stream_chat(HI))[-1],
    "achat": lambda llm: asyncio.run(llm.achat(HI)),
    "astream_chat": lambda llm: asyncio.run(_astreamed(llm)),
}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


def _says(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


# OpenInference calls it on LlamaIndex's metadata; an error inside a span handler would be swallowed, and the span with it.
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
@pytest.mark.parametrize("way", WAYS)
def test_a_tracer_reads_model_and_tokens_from_one_span_and_sees_no_key(
    way: str, spans: InMemorySpanExporter, llm: OpenRouter, sandbox: Sandbox
) -> None:
    response = WAYS[way](llm)
    finished = spans.get_finished_spans()
    (span,) = [each for each in finished if _says(each, "llm.token_count.prompt") is not None]
    assert _says(span, "llm.token_count.prompt") == response.additional_kwargs["prompt_tokens"]
    assert _says(span, "llm.token_count.completion") == response.additional_kwargs["completion_tokens"]
    assert _says(span, "llm.model_name") == llm.model
    assert sandbox.api_key not in "".join(each.to_json() for each in finished)
