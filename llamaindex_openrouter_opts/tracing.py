"""What tracers of LlamaIndex get to see of a call's cost: it is written to the span that each of them keeps for the call.

LlamaIndex's events have no place for it. The spans are looked for when a call begins, since that of a stream is nobody's current one by
the time that the stream ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.span import active_span_id

from openrouter_opts.tracing import (
    MLFLOW_ATTRIBUTE,
    Made,
    Traced,
    Writer,
    input_and_output,
    span_attributes,
    writer,
)


def traced(model: str | None = None) -> Traced:
    """Return what tells the tracers of the call that is being made what it cost.

    Args:
        model: The model that the call asks for, if it is not that of the constructor, which is all that OpenInference sees.
    """
    for span in _spans():
        if _package(span) == "openinference":
            span["llm.provider"] = "openrouter"
            if model is not None:
                span["llm.model_name"] = model
    writers = [write for span in _spans() if (write := _writer(span))]
    return Traced(writers, Made(span=bool(writers)))


def _spans() -> Iterator[Any]:
    """Yield the spans of the call that is being made, one for each tracer that has one."""
    name = active_span_id.get()
    for handler in get_dispatcher().span_handlers:
        if name is not None and (span := handler.open_spans.get(name)) is not None:
            yield span


def _writer(span: Any) -> Writer | None:
    write = _WRITERS.get(_package(span))
    return write(span) if write else None


def _package(span: Any) -> str:
    return type(span).__module__.partition(".")[0]


def _openinference(span: Any) -> Writer:
    def put(cost: Mapping[str, float]) -> None:
        for name, value in cost.items():
            span[name] = value

    return writer(span_attributes, put)


def _openllmetry(span: Any) -> Writer | None:
    # There is none where it leaves the span to its instrumentation of a provider's own client.
    return span.otel_span and writer(span_attributes, span.otel_span.set_attributes)


def _mlflow(span: Any) -> Writer | None:
    # It has no public name: where it is not there, MLflow sees what it sees of any other model.
    live = getattr(span, "_mlflow_span", None)
    return live and writer(input_and_output, lambda cost: live.set_attribute(MLFLOW_ATTRIBUTE, cost))


_WRITERS: Final[Mapping[str, Callable[[Any], Writer | None]]] = {
    "openinference": _openinference,
    "opentelemetry": _openllmetry,
    "mlflow": _mlflow,
}
