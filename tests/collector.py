"""What tracers post to, on loopback: a collector of OTLP over HTTP, which also says what the servers of LangSmith and MLflow are asked for."""

from __future__ import annotations

import gzip
import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

# https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#otlphttp-request
TRACES: Final = "/v1/traces"
METRICS: Final = "/v1/metrics"
LANGFUSE_TRACES: Final = "/api/public/otel/v1/traces"
LANGSMITH_RUNS: Final = "/runs/batch"
MLFLOW_TRACES: Final = "/api/3.0/mlflow/traces"

# Batches of plain JSON are easier to look into than compressed multipart.
_LANGSMITH_INFO: Final = {
    "version": "1",
    "batch_ingest_config": {
        "use_multipart_endpoint": False,
        "size_limit": 100,
        "size_limit_bytes": 20_000_000,
        "scale_up_nthreads_limit": 1,
        "scale_up_qsize_trigger": 1000,
        "scale_down_nempty_trigger": 4,
    },
}
_MLFLOW_EXPERIMENT: Final = {"experiment": {"experiment_id": "0", "lifecycle_stage": "active"}}
_GET: Final = {
    "/info": json.dumps(_LANGSMITH_INFO).encode(),
    # MLflow posts spans to servers from 3.4 on.
    "/version": b"3.17.2",
    "/api/2.0/mlflow/experiments/get-by-name": json.dumps(_MLFLOW_EXPERIMENT).encode(),
}


def _stored(body: bytes) -> bytes:
    """Return a trace of MLflow's as one whose spans are stored already."""
    said = json.loads(body)
    said["trace"]["trace_info"].setdefault("tags", {})["mlflow.trace.spansLocation"] = "TRACKING_STORE"
    return json.dumps(said).encode()


def _nothing(_: bytes) -> bytes:
    return b""


_POST: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    LANGSMITH_RUNS: lambda _: b"{}",
    MLFLOW_TRACES: _stored,
}


@dataclass(frozen=True, slots=True)
class WireSpan:
    """A span, as it arrived."""

    name: str
    scope: str
    id: bytes
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WirePoint:
    """A series of a histogram, as it arrived."""

    metric: str
    unit: str
    attributes: Mapping[str, Any]
    count: int
    sum: float


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """Return attributes by name; none is there twice."""
    found = [(pair.key, plain(pair.value)) for pair in pairs]
    assert len(dict(found)) == len(found)
    return dict(found)


def plain(value: Any) -> Any:
    """Return a value in the type that it has on the wire."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(map(plain, value.array_value.values))
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return kind and getattr(value, kind)


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[str, bytes]] = []
        """Where something was posted, and what."""
        self._thread = threading.Thread(target=partial(self.serve_forever, 0.01))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def bodies(self, path: str) -> list[bytes]:
        """Return what was posted there."""
        return [body for at, body in self.posted if at == path]

    def spans(self, path: str = TRACES) -> list[WireSpan]:
        """Return every span that was posted there, each time that it was."""
        return [
            WireSpan(span.name, scope.scope.name, span.span_id, attributes(span.attributes))
            for body in self.bodies(path)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def points(self, path: str = METRICS) -> list[WirePoint]:
        """Return the series of every histogram, as they were posted there last: they are cumulative."""
        return [
            WirePoint(metric.name, metric.unit, attributes(point.attributes), point.count, point.sum)
            for body in self.bodies(path)[-1:]
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.histogram.data_points
        ]

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return LangSmith's runs by id, each as it ended: they are posted when they begin and patched when they end."""
        runs: dict[str, dict[str, Any]] = {}
        for body in self.bodies(LANGSMITH_RUNS):
            batch = json.loads(body)
            for run in (*batch.get("post", ()), *batch.get("patch", ())):
                known = {key: value for key, value in run.items() if value is not None}
                runs[run["id"]] = runs.get(run["id"], {}) | known
        return runs


class Exporting:
    """Providers to give to an instrumentor, which post to a collector."""

    def __init__(self, collector: Collector, below: str = "") -> None:
        self.collector = collector
        self._below = below
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}{below}{TRACES}"))
        )
        # It posts when it is told to.
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{collector.url}{below}{METRICS}"), math.inf
        )
        self.meter_provider = MeterProvider([reader])

    @property
    def spans(self) -> list[WireSpan]:
        """Every span that has arrived by now."""
        self.tracer_provider.force_flush()
        return self.collector.spans(self._below + TRACES)

    @property
    def points(self) -> list[WirePoint]:
        """Every series of a histogram that has arrived by now."""
        self.meter_provider.force_flush()
        return self.collector.points(self._below + METRICS)

    def close(self) -> None:
        self.meter_provider.force_flush()
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_GET(self) -> None:
        self._answer(_GET[urlsplit(self.path).path])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.posted.append((self.path, body))
        self._answer(_POST.get(self.path, _nothing)(body))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
