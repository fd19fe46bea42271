"""What tracers of LangChain get to see of a run's cost: each of them is told in its own way, and none is imported for it.

The integer counts in `usage_metadata` are what langchain-core adds up; a cost among them would break that sum. So it is written to
the run that a tracer keeps for this call of the model, or to its span, just before the tracer ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from langchain_openrouter_opts.results import usage_metadata
from langchain_openrouter_opts.runs import RunLike, run_now
from openrouter_opts.protocol.completion import Usage
from openrouter_opts.tracing import (
    MLFLOW_ATTRIBUTE,
    Made,
    Traced,
    Writer,
    input_and_output,
    langfuse_details,
    span_attributes,
    writer,
)


def traced(manager: RunLike) -> Traced:
    """Return what tells the tracers of a run what it cost; without a manager, of the run that is being made."""
    run = manager or run_now()
    if run is None:
        return Traced()
    found = [
        (write, _makes_span(kind, handler), kind in _WITH_METRICS)
        for handler in run.handlers
        if (kind := _kind(handler)) and (write := _WRITERS[kind](handler, run.run_id))
    ]
    made = Made(span=any(span for _, span, _ in found), metrics=any(metrics for *_, metrics in found))
    return Traced([write for write, *_ in found], made)


def _kind(handler: BaseCallbackHandler) -> str | None:
    return next((cls.__name__ for cls in type(handler).__mro__ if cls.__name__ in _WRITERS), None)


def _makes_span(kind: str, handler: Any) -> bool:
    # LangSmith makes runs, and spans of them if it is told to: https://docs.langchain.com/langsmith/trace-with-opentelemetry
    return kind != "LangChainTracer" or getattr(handler.client, "otel_exporter", None) is not None


def _langsmith(handler: Any, run_id: UUID) -> Writer | None:
    """`usage_metadata` of the run's metadata: the tracer puts the counts of the message there when the run ends."""
    run = handler.run_map.get(str(run_id))
    if run is None:
        return None

    def write(usage: Usage) -> None:
        metadata = _Costed(run.extra.get("metadata") or {}, input_and_output(usage.cost))
        # Of a run that fails, or whose message has no counts, the tracer puts nothing there.
        metadata[_USAGE] = usage_metadata(usage)
        run.extra["metadata"] = metadata

    return write


_USAGE: Final = "usage_metadata"


class _Costed(dict[str, Any]):
    """The metadata of a run, in which the cost stays beside the counts."""

    def __init__(self, metadata: Mapping[str, Any], cost: Mapping[str, float]) -> None:
        super().__init__(metadata)
        self._cost = cost

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, {**value, **self._cost} if key == _USAGE else value)

    def __reduce__(self) -> tuple[Any, ...]:
        # What is copied, or pickled, has been written.
        return dict, (dict(self),)


def _openinference(handler: Any, run_id: UUID) -> Writer | None:
    span = handler.get_span(run_id)
    return span and writer(span_attributes, span.set_attributes)


def _openllmetry(handler: Any, run_id: UUID) -> Writer | None:
    held = handler.spans.get(run_id)
    return held and writer(span_attributes, held.span.set_attributes)


# The other two have no public name for what they hold: where it is not there, they see what they see of any other model.
def _mlflow(handler: Any, run_id: UUID) -> Writer | None:
    held = getattr(handler, "_run_span_mapping", {}).get(str(run_id))
    return held and writer(input_and_output, lambda cost: held.span.set_attribute(MLFLOW_ATTRIBUTE, cost))


def _langfuse(handler: Any, run_id: UUID) -> Writer | None:
    generation = getattr(handler, "_runs", {}).get(run_id)
    return generation and writer(langfuse_details, lambda cost: generation.update(cost_details=cost))


_WRITERS: Final[Mapping[str, Callable[[Any, UUID], Writer | None]]] = {
    "LangChainTracer": _langsmith,
    "OpenInferenceTracer": _openinference,
    "TraceloopCallbackHandler": _openllmetry,
    "MlflowLangchainTracer": _mlflow,
    "LangchainCallbackHandler": _langfuse,
}
_WITH_METRICS: Final = {"TraceloopCallbackHandler"}
