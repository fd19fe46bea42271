"""Every Python block of docs/tracing.md runs, in order, and what the page says is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langfuse import get_client
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openrouter_opts.sandbox import Sandbox
from openrouter_opts.telemetry import uninstrument
from tests.collector import LANGFUSE_TRACES, Collector
from tests.switched_on import mlflow_posting

PAGE = Path(__file__).parent.parent / "docs" / "tracing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What would be printed."""
    console = InMemorySpanExporter()
    monkeypatch.setattr(export, "ConsoleSpanExporter", lambda: console)
    yield console
    uninstrument()
    LangChainInstrumentor().uninstrument()
    LlamaIndexInstrumentor().uninstrument()


# OpenInference calls it on LlamaIndex's metadata.
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
def test_every_block_runs(
    monkeypatch: pytest.MonkeyPatch, console: InMemorySpanExporter, collector: Collector
) -> None:
    with Sandbox() as sandbox, mlflow_posting(collector):
        for name, value in {
            "OPENROUTER_API_KEY": sandbox.api_key,
            "OPENROUTER_API_BASE": sandbox.base_url,
            "LANGFUSE_PUBLIC_KEY": f"pk-lf-{uuid4()}",
            "LANGFUSE_SECRET_KEY": "sk-lf-1",
            "LANGFUSE_BASE_URL": collector.url,
        }.items():
            monkeypatch.setenv(name, value)
        names: dict[str, Any] = {}
        for number, block in enumerate(BLOCKS, 1):
            exec(compile(block, f"docs/tracing.md, block {number}", "exec"), names)
    costs = {
        span.name: dict(span.attributes or {}).get("gen_ai.usage.cost")
        for span in console.get_finished_spans()
    }
    assert costs.keys() == {"ChatOpenRouter", "OpenRouter.complete", "chat openai/gpt-5-mini"}
    assert all(costs.values())
    get_client().shutdown()
    names["provider"].shutdown()
    posted = collector.spans(LANGFUSE_TRACES), collector.spans()
    for spans, cost in zip(posted, ("gen_ai.usage.cost", "mlflow.llm.cost"), strict=True):
        assert {"ChatOpenRouter", "OpenRouter.complete"} <= {span.name for span in spans}
        assert all(span.attributes[cost] for span in spans)
