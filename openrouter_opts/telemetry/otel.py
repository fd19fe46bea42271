"""Spans and metrics of calls, made with OpenTelemetry's API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from time import perf_counter, time_ns
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry import context, metrics, trace
from opentelemetry.metrics import Histogram, MeterProvider
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, Tracer, TracerProvider

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.steps import Item
from openrouter_opts.protocol.completion import Completion, Delta, Usage
from openrouter_opts.protocol.embeddings import Embeddings
from openrouter_opts.protocol.request import Request
from openrouter_opts.telemetry import content
from openrouter_opts.telemetry.attributes import (
    Answer,
    Attributes,
    of_answer,
    of_call,
    of_chunk,
    of_cost,
    of_request,
    of_usage,
    operation_of,
)
from openrouter_opts.tracing import Made, made_elsewhere

_SCOPE: Final = "openrouter_opts"
# https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
_SECONDS: Final = [0.01 * 2**power for power in range(14)]
_TOKENS: Final = [4**power for power in range(14)]
_DOLLARS: Final = [10.0**power for power in range(-6, 3)]


@dataclass(frozen=True, slots=True)
class Instruments:
    """What spans and metrics are made with, and how."""

    tracer: Tracer
    duration: Histogram
    first_chunk: Histogram
    tokens: Histogram
    cost: Histogram
    content: bool
    draft_cost: bool

    @classmethod
    def of(
        cls,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        *,
        content: bool,
        draft_cost: bool,
    ) -> Self:
        """Make the instruments; without providers, of the global ones."""
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)

        def histogram(name: str, unit: str, what: str, buckets: list[Any]) -> Histogram:
            return meter.create_histogram(
                f"gen_ai.client.{name}", unit, what, explicit_bucket_boundaries_advisory=buckets
            )

        return cls(
            trace.get_tracer(_SCOPE, tracer_provider=tracer_provider),
            histogram("operation.duration", "s", "How long an operation took.", _SECONDS),
            histogram(
                "operation.time_to_first_chunk", "s", "How long the first chunk took to come.", _SECONDS
            ),
            histogram("token.usage", "{token}", "How many tokens went in, and came out.", _TOKENS),
            # Not of the conventions, which have none for money.
            histogram("operation.cost", "USD", "What an operation cost, as billed.", _DOLLARS),
            content,
            draft_cost,
        )

    def watch(self, request: Request, base_url: str) -> SpanWatch:
        """Return the watch of a call that is made now."""
        return SpanWatch(self, request, of_call(request, base_url))


@dataclass(slots=True)
class SpanWatch:
    """A call that becomes a span and metrics, as far as no other library makes them of it."""

    _with: Instruments
    _request: Request
    _call: Attributes
    _made: Made = field(default_factory=made_elsewhere)
    # Of the place where the call is made; a stream may be read elsewhere.
    _context: context.Context = field(default_factory=context.get_current)
    _span: Span = INVALID_SPAN
    _began: float = 0.0
    _first: float | None = None
    _chunk: Mapping[str, Any] = field(default_factory=dict)
    _answer: Answer | None = None

    def __enter__(self) -> Self:
        """Begin the span."""
        self._began = perf_counter()
        if not self._made.span:
            said = content.of_request(self._request.content) if self._with.content else {}
            self._span = self._with.tracer.start_span(
                " ".join([operation_of(self._request), *self._model()]),
                self._context,
                SpanKind.CLIENT,
                {**self._call, **of_request(self._request.content), **said},
            )
        return self

    def _model(self) -> list[str]:
        model = self._call.get("gen_ai.request.model")
        return [model] if model else []

    def step(self) -> AbstractContextManager[Any]:
        """Return what makes the span the current one, so that those of the HTTP library are below it."""
        if self._made.span:
            return nullcontext()
        return trace.use_span(self._span, record_exception=False, set_status_on_exception=False)

    def saw(self, item: Item) -> None:
        """Note when the first chunk came, the last one, and the answer."""
        if isinstance(item, Delta):
            self._chunk = item.chunk
            if self._first is None:
                self._first = perf_counter() - self._began
        else:
            # Lookups are not watched.
            assert isinstance(item, Completion | Embeddings)
            self._answer = item

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span, and record the metrics."""
        end = partial(self._end, error, perf_counter() - self._began, time_ns())
        if isinstance(error, GeneratorExit):
            # A stream that is left may be collected at any point of any thread, and so while that holds a lock of an exporter.
            # None can be started while the interpreter goes down.
            with suppress(RuntimeError):
                Thread(target=end, name="openrouter-telemetry").start()
                return
        end()

    def _end(self, error: BaseException | None, duration: float, now: int) -> None:
        failure = error if isinstance(error, OpenRouterError) else None
        answer = self._answer or (failure.partial if failure else None)
        usage = self._answer.usage if self._answer else failure.usage if failure else None
        # Whoever left early has made no mistake.
        wrong = type(error).__qualname__ if isinstance(error, Exception) else None
        if self._span.is_recording():
            self._span.set_attributes(self._outcome(answer, usage))
            if wrong is not None:
                self._span.set_attribute("error.type", wrong)
                self._span.set_status(StatusCode.ERROR, str(error) if self._with.content else None)
        self._span.end(now)
        model = answer.model if answer else of_chunk(self._chunk).get("gen_ai.response.model")
        known = {"gen_ai.response.model": model} if model else {}
        self._record(usage, duration, self._call | known | ({"error.type": wrong} if wrong else {}))

    def _outcome(self, answer: Answer | None, usage: Usage | None) -> Attributes:
        outcome = {} if self._first is None else {"gen_ai.response.time_to_first_chunk": self._first}
        if answer:
            outcome |= of_answer(answer) | (content.of_answer(answer) if self._with.content else {})
        else:
            outcome |= of_chunk(self._chunk)
        if usage:
            outcome |= of_usage(usage) | of_cost(usage.cost, draft=self._with.draft_cost)
        return outcome

    def _record(self, usage: Usage | None, duration: float, attributes: Attributes) -> None:
        if self._first is not None:
            self._with.first_chunk.record(self._first, attributes)
        if usage and usage.cost.total is not None:
            self._with.cost.record(float(usage.cost.total), attributes)
        if self._made.metrics:
            return
        self._with.duration.record(duration, attributes)
        counts = (usage.prompt_tokens, usage.completion_tokens) if usage else ()
        for kind, count in zip(("input", "output"), counts, strict=False):
            if count is not None:
                self._with.tokens.record(count, {**attributes, "gen_ai.token.type": kind})
