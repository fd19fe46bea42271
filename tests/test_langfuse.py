"""What Langfuse's client posts to its server, from both frameworks: the cost is where the server reads it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from llama_index.core.base.llms.types import ChatMessage
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox


class Collector(ThreadingHTTPServer):
    """Langfuse's server, as far as it takes spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[dict[str, Any]]:
        """Return the attributes of every span."""
        found = []
        for path, body in self.posted:
            assert path == "/api/public/otel/v1/traces"
            sent = ExportTraceServiceRequest.FromString(body)
            found += [
                {pair.key: _plain(pair.value) for pair in span.attributes}
                for resource in sent.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        zipped = self.headers["Content-Encoding"] == "gzip"
        self.server.posted.append((self.path, gzip.decompress(body) if zipped else body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=[0.01])
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider()
    yield provider
    provider.shutdown()


@pytest.fixture
def key() -> str:
    """A public key: Langfuse keeps its clients for ever, by this."""
    return f"pk-lf-{uuid4()}"


@pytest.fixture
def client(key: str, collector: Collector, provider: TracerProvider) -> Iterator[Langfuse]:
    client = Langfuse(public_key=key, secret_key="sk-lf-1", base_url=collector.url, tracer_provider=provider)
    yield client
    client.shutdown()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_the_handler_for_langchain_posts_the_cost(
    key: str, client: Langfuse, collector: Collector, sandbox: Sandbox
) -> None:
    llm = ChatOpenRouter(model="openai/gpt-5-mini", base_url=sandbox.base_url, api_key=sandbox.api_key)
    message = llm.invoke("hi", {"callbacks": [CallbackHandler(public_key=key)]})
    client.flush()
    (span,) = collector.spans()
    cost = json.loads(span["langfuse.observation.cost_details"])
    assert cost["total"] == message.response_metadata["cost"]
    assert cost["input"] + cost["output"] == pytest.approx(cost["total"])


# OpenInference calls it on LlamaIndex's metadata.
@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")
@pytest.mark.parametrize("streamed", [False, True])
def test_spans_of_llamaindex_by_openinference_have_the_cost(
    streamed: bool, client: Langfuse, collector: Collector, provider: TracerProvider, sandbox: Sandbox
) -> None:
    llm = OpenRouter(model="openai/gpt-5-mini", api_base=sandbox.base_url, api_key=sandbox.api_key)
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    hi = [ChatMessage("hi")]
    response = list(llm.stream_chat(hi))[-1] if streamed else llm.chat(hi)
    instrumentor.uninstrument()
    client.flush()
    (span,) = collector.spans()
    assert span["gen_ai.usage.cost"] == response.additional_kwargs["cost"]
