"""OpenTelemetry's spans and metrics, kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Telemetry:
    """Providers to give to an instrumentor, and what it told them."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader])

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in that order."""
        return self._exporter.get_finished_spans()

    @property
    def scopes(self) -> set[str]:
        """Who made them."""
        return {span.instrumentation_scope.name for span in self.spans if span.instrumentation_scope}

    def values(self, name: str) -> list[Any]:
        """Return the values of an attribute, of every span that has it."""
        found = (dict(span.attributes or {}).get(name) for span in self.spans)
        return [value for value in found if value is not None]

    def points(self, name: str) -> list[tuple[Mapping[str, Any], Any]]:
        """Return the attributes and the sum of each series of a histogram."""
        data = self._reader.get_metrics_data()
        return [
            (dict(point.attributes or {}), point.sum)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if metric.name == name
        ]

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
