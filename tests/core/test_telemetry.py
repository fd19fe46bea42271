"""OpenTelemetry, as a user sees it who has switched it on: spans and metrics, read by its own SDK."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from openrouter_opts import OpenRouterClient, OpenRouterError, SpendLimit
from openrouter_opts.errors import ConfigurationError, SpendLimitExceeded
from openrouter_opts.http.transport import Transport
from openrouter_opts.sandbox import Sandbox
from openrouter_opts.telemetry import instrument, uninstrument
from openrouter_opts.tracing import Made, Traced
from tests.both import Caller
from tests.scripted_server import ScriptedServer
from tests.spans import Telemetry
from tests.wire_bytes import (
    COMPLETION,
    STREAM,
    STREAM_HEAD,
    USAGE,
    answer,
    chunked,
    delta,
    event,
    streamed,
)

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
HI = [{"role": "user", "content": "hi there"}]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    switch_on(telemetry)
    yield telemetry
    uninstrument()
    telemetry.close()


def switch_on(telemetry: Telemetry, **how: bool) -> None:
    instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider, **how)


def only(telemetry: Telemetry) -> dict[str, Any]:
    """Return what the only span says."""
    (span,) = telemetry.spans
    return dict(span.attributes or {})


ANSWERED = {
    "gen_ai.provider.name": "openrouter",
    "gen_ai.request.model": "m/x",
    "gen_ai.response.id": "gen-1",
    "gen_ai.response.model": "m/x",
    "gen_ai.response.finish_reasons": ("stop",),
    "openrouter.provider.name": "Mock",
    "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.output_tokens": 2,
    "gen_ai.usage.cost": 0.0003,
    "server.address": "127.0.0.1",
}


def test_a_call_is_one_span_that_says_what_was_asked_what_came_and_what_it_cost(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    server = scripted([answer(COMPLETION)])
    caller(server).complete(HI, temperature=0.5, max_tokens=100, stop="END", session_id="s-1", top_k=3)
    (span,) = telemetry.spans
    assert (span.name, span.kind, span.status.status_code) == ("chat m/x", SpanKind.CLIENT, StatusCode.UNSET)
    assert span.instrumentation_scope.name == "openrouter_opts"
    assert dict(span.attributes or {}) == ANSWERED | {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.conversation.id": "s-1",
        "server.port": server.port,
    }


def test_a_stream_is_one_span_that_says_when_its_first_chunk_came(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    pause = 0.2
    script = [STREAM_HEAD, chunked(delta("He")), pause, chunked(delta("y")), chunked(STREAM), chunked(b"")]
    stream = caller(scripted(script)).stream(HI)
    assert not telemetry.spans
    assert next(stream).text == "He"
    list(stream)
    says = only(telemetry)
    assert {name: says.get(name) for name in ANSWERED} == ANSWERED
    assert says["gen_ai.request.stream"] is True
    ((_, first),) = telemetry.points("gen_ai.client.operation.time_to_first_chunk")
    ((_, all_of_it),) = telemetry.points("gen_ai.client.operation.duration")
    assert 0 < first < all_of_it - pause / 2
    assert first == says["gen_ai.response.time_to_first_chunk"]


def test_metrics_count_tokens_seconds_and_dollars_once_for_each_call(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    client = caller(scripted([answer(COMPLETION)], [answer(COMPLETION)]))
    client.complete(HI)
    client.complete(HI)
    told_apart = {name: ANSWERED[name] for name in ("gen_ai.provider.name", "gen_ai.request.model")}
    tokens = {at["gen_ai.token.type"]: total for at, total in telemetry.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 14, "output": 4}
    ((at, dollars),) = telemetry.points("gen_ai.client.operation.cost")
    assert dollars == pytest.approx(0.0006)
    assert (
        at.items() >= {**told_apart, "gen_ai.operation.name": "chat", "gen_ai.response.model": "m/x"}.items()
    )
    ((at, seconds),) = telemetry.points("gen_ai.client.operation.duration")
    assert at.items() >= told_apart.items()
    assert 0 < seconds < 20


def test_embeddings_are_an_operation_of_their_own(telemetry: Telemetry):
    with Sandbox() as sandbox:
        client = OpenRouterClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        found = client.embed(["one", "two"], model="openai/text-embedding-3-small", dimensions=256)
        asyncio.run(client.aembed("three", model="openai/text-embedding-3-small"))
    first, second = telemetry.spans
    assert first.name == second.name == "embeddings openai/text-embedding-3-small"
    says: Any = first.attributes
    assert says["gen_ai.embeddings.dimension.count"] == 256
    assert says["gen_ai.request.encoding_formats"] == ("base64",)
    assert found.usage is not None
    assert says["gen_ai.usage.input_tokens"] == found.usage.prompt_tokens
    assert says["gen_ai.usage.cost"] == float(found.cost.total or 0)


def test_lookups_are_no_calls_of_a_model(telemetry: Telemetry):
    with Sandbox() as sandbox:
        OpenRouterClient(api_key=sandbox.api_key, base_url=sandbox.base_url).key()
    assert not telemetry.spans


def test_a_call_that_fails_says_with_what_error_and_nothing_that_was_said(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    refused = answer({"error": {"code": 400, "message": "no word like 'hi there'"}}, status=400)
    with pytest.raises(OpenRouterError):
        caller(scripted([refused])).complete(HI)
    (span,) = telemetry.spans
    assert span.status.status_code is StatusCode.ERROR
    assert only(telemetry)["error.type"] == "BadRequest"
    assert "hi there" not in span.to_json()
    ((at, _),) = telemetry.points("gen_ai.client.operation.duration")
    assert at["error.type"] == "BadRequest"
    assert not telemetry.points("gen_ai.client.token.usage")


def test_a_stream_that_is_cut_says_what_had_come_and_what_it_cost(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    cut = event({"id": "gen-1", "choices": [], "usage": USAGE, "error": {"code": 502, "message": "gone"}})
    with pytest.raises(OpenRouterError):
        list(caller(scripted(streamed(delta("He"), cut)), max_retries=0).stream(HI))
    says = only(telemetry)
    assert says["error.type"] == "ProviderFailed"
    assert says["gen_ai.response.id"] == "gen-1"
    assert says["gen_ai.usage.cost"] == USAGE["cost"]


def ended(telemetry: Telemetry, number: int = 1) -> tuple[ReadableSpan, ...]:
    """Wait until so many spans have ended: those of streams that were left do in a thread of their own."""
    until = time.monotonic() + 10
    while len(telemetry.spans) < number and time.monotonic() < until:
        time.sleep(0.01)
    return telemetry.spans


def test_a_stream_that_is_left_early_is_no_error(scripted: Servers, caller: Callers, telemetry: Telemetry):
    stream = caller(scripted(streamed(delta("He"), end="HANG"))).stream(HI)
    next(stream)
    stream.close()
    (span,) = ended(telemetry)
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in only(telemetry)
    assert not telemetry.points("gen_ai.client.operation.cost")


def test_a_stream_may_be_collected_while_its_thread_holds_a_lock_of_the_exporter(
    scripted: Servers, telemetry: Telemetry
):
    lock = threading.Lock()

    class Locking(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            with lock:
                pass

    telemetry.tracer_provider.add_span_processor(Locking())
    server = scripted(streamed(delta("He"), end="HANG"))
    stream = OpenRouterClient(api_key="sk-or-v1-x", base_url=server.base_url, model="m/x").stream(HI)
    next(stream)
    with lock:
        del stream
        gc.collect()
    assert len(ended(telemetry)) == 1


def test_what_was_tried_again_is_one_span(scripted: Servers, caller: Callers, telemetry: Telemetry):
    busy = answer({"error": {"code": 503, "message": "busy"}}, status=503, Retry_After="0")
    caller(scripted([busy], [answer(COMPLETION)])).complete(HI)
    assert only(telemetry)["gen_ai.usage.cost"] == 0.0003


def test_what_a_limit_refuses_is_a_span_without_a_cost(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    limit = SpendLimit("0.000001", unknown_price="refuse")
    with pytest.raises(SpendLimitExceeded):
        caller(scripted([answer(COMPLETION)]), spend_limit=limit).complete(HI, max_retries=0)
    says = only(telemetry)
    assert says["error.type"] == "SpendLimitExceeded"
    assert "gen_ai.usage.cost" not in says


def test_spans_are_below_that_of_the_caller_and_above_those_of_the_http_library(
    scripted: Servers, caller: Callers, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
):
    tracer = telemetry.tracer_provider.get_tracer("app")
    build = Transport.build

    def sent(*given: Any) -> object:
        tracer.start_span("http").end()
        return build(*given)

    monkeypatch.setattr(Transport, "build", sent)
    with tracer.start_as_current_span("request"):
        stream = caller(scripted(streamed(STREAM))).stream(HI)
        for _ in stream:
            # The reader's own spans are not below that of the call.
            tracer.start_span("reading").end()
    names = {span.context.span_id: span.name for span in telemetry.spans if span.context}
    below = {span.name: names[span.parent.span_id] for span in telemetry.spans if span.parent}
    assert below == {"chat m/x": "request", "reading": "request", "http": "chat m/x"}


def test_a_stream_belongs_to_the_span_in_which_it_was_asked_for(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    tracer = telemetry.tracer_provider.get_tracer("app")
    with tracer.start_as_current_span("asking"):
        stream = caller(scripted(streamed(STREAM))).stream(HI)
    list(stream)
    asking, call = telemetry.spans
    assert asking.context
    assert call.parent
    assert call.parent.span_id == asking.context.span_id
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_neither_what_is_said_nor_a_key_is_in_a_span(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    secret = {"provider_api_keys": {"openai": "sk-own"}, "extra_headers": {"X-Gateway": "sk-gateway"}}
    tools = [{"type": "function", "function": {"name": "find_secret", "parameters": {"type": "object"}}}]
    caller(scripted([answer(COMPLETION)])).complete(HI, tools=tools, provider_options=secret)
    (span,) = telemetry.spans
    for private in ("hi there", "Hello", "find_secret", "sk-or-v1-test", "sk-own", "sk-gateway"):
        assert private not in span.to_json()


def test_what_is_said_is_in_the_span_when_asked_for(scripted: Servers, caller: Callers, telemetry: Telemetry):
    switch_on(telemetry, content=True)
    called = {"id": "c-1", "type": "function", "function": {"name": "find", "arguments": '{"a":1}'}}
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, image, linked, file]},
        {"role": "assistant", "content": None, "reasoning": "Let me look.", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c-1", "content": "found"},
    ]
    choice = {
        "message": {"role": "assistant", "content": "Hello", "reasoning": "Hm.", "tool_calls": [called]},
        "finish_reason": "tool_calls",
    }
    caller(scripted([answer({**COMPLETION, "choices": [choice]})])).complete(messages, tools=tools)
    says = only(telemetry)
    call = {"type": "tool_call", "id": "c-1", "name": "find", "arguments": '{"a":1}'}
    assert json.loads(says["gen_ai.tool.definitions"]) == tools
    assert json.loads(says["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "hi"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
                {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
                file,
            ],
        },
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Let me look."}, call]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c-1", "response": "found"}]},
    ]
    assert json.loads(says["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Hello"}, call],
            "finish_reason": "tool_calls",
        }
    ]


def test_of_vectors_nothing_is_said(telemetry: Telemetry):
    switch_on(telemetry, content=True)
    with Sandbox() as sandbox:
        client = OpenRouterClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        client.embed("one", model="openai/text-embedding-3-small")
    says = only(telemetry)
    assert says["gen_ai.operation.name"] == "embeddings"
    assert not [name for name in says if "messages" in name]


@pytest.mark.wrong_on_purpose
def test_what_openrouter_would_refuse_is_shown_as_it_is(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    switch_on(telemetry, content=True)
    image = {"type": "image_url", "image_url": "https://example.com/a.png"}
    caller(scripted([answer(COMPLETION)])).complete([{"content": ["half \ud83d", image]}])
    (shown,) = json.loads(only(telemetry)["gen_ai.input.messages"])
    assert shown == {"role": None, "parts": [{"type": "text", "content": "half \ud83d"}, image]}
    # An exporter writes it in UTF-8.
    assert only(telemetry)["gen_ai.input.messages"].encode()


def test_the_cost_has_the_names_that_are_proposed_when_asked_for(
    scripted: Servers, caller: Callers, telemetry: Telemetry
):
    switch_on(telemetry, draft_cost=True)
    caller(scripted([answer(COMPLETION)])).complete(HI)
    costs = {name: value for name, value in only(telemetry).items() if "cost" in name}
    assert costs == {
        "gen_ai.usage.cost.amount": 0.0003,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": "provider",
    }


def test_an_unknown_cost_is_not_zero(scripted: Servers, caller: Callers, telemetry: Telemetry):
    caller(scripted([answer({**COMPLETION, "usage": {**USAGE, "cost": None}})])).complete(HI)
    assert only(telemetry)["gen_ai.usage.input_tokens"] == 7
    assert "gen_ai.usage.cost" not in only(telemetry)
    assert not telemetry.points("gen_ai.client.operation.cost")


SECONDS, TOKENS = "gen_ai.client.operation.duration", "gen_ai.client.token.usage"
FIRST, DOLLARS = "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.operation.cost"


@pytest.mark.parametrize(
    ("made", "ours"),
    [
        (Made(span=True), {SECONDS, TOKENS, FIRST, DOLLARS}),
        (Made(metrics=True), {"span", FIRST, DOLLARS}),
        (Made(span=True, metrics=True), {FIRST, DOLLARS}),
    ],
)
def test_what_a_tracer_makes_of_a_call_is_not_made_again(
    made: Made, ours: set[str], scripted: Servers, caller: Callers, telemetry: Telemetry
):
    tracer = telemetry.tracer_provider.get_tracer("tracer")
    with tracer.start_as_current_span("theirs"), Traced(made=made).calling():
        stream = caller(scripted(streamed(STREAM))).stream(HI)
    assert "".join(step.text for step in stream) == "Hello"
    found = {name for name in (SECONDS, TOKENS, FIRST, DOLLARS) if telemetry.points(name)}
    spans = {span.name for span in telemetry.spans}
    assert found | ({"span"} if "chat m/x" in spans else set()) == ours
    ((_, dollars),) = telemetry.points(DOLLARS)
    assert dollars == pytest.approx(0.0003)


def test_the_spans_of_the_http_library_are_below_that_of_a_tracer_who_makes_one(
    scripted: Servers, caller: Callers, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
):
    tracer = telemetry.tracer_provider.get_tracer("tracer")
    build = Transport.build

    def sent(*given: Any) -> object:
        tracer.start_span("http").end()
        return build(*given)

    monkeypatch.setattr(Transport, "build", sent)
    with tracer.start_as_current_span("theirs"), Traced(made=Made(span=True)).calling():
        caller(scripted([answer(COMPLETION)])).complete(HI)
    http, theirs = telemetry.spans
    assert (http.name, theirs.name) == ("http", "theirs")
    assert http.parent == theirs.context


def test_a_call_that_is_not_sampled_is_measured(scripted: Servers, caller: Callers, telemetry: Telemetry):
    instrument(tracer_provider=TracerProvider(ALWAYS_OFF), meter_provider=telemetry.meter_provider)
    with pytest.raises(OpenRouterError):
        caller(scripted([answer({"error": {"code": 400}}, status=400)])).complete(HI)
    ((at, _),) = telemetry.points(SECONDS)
    assert at["error.type"] == "BadRequest"


def test_nothing_is_made_after_it_is_switched_off(scripted: Servers, caller: Callers, telemetry: Telemetry):
    uninstrument()
    caller(scripted([answer(COMPLETION)])).complete(HI)
    assert not telemetry.spans


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "openrouter_opts.telemetry.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"openrouter-opts\[otel\]"):
        instrument()
