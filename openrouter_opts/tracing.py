"""What a call cost, told to the tracers of a framework: each reads it from a place of its own, under names of its own.

Of several names for one figure all stand on one span, or on one run: that of the call to the model. Nothing above it has them, so that
nobody adds them up twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.money.cost import Cost
from openrouter_opts.protocol.completion import Completion, Usage

Writer: TypeAlias = Callable[[Usage], None]
"""Puts what a call took where one tracer reads it."""


class Made(NamedTuple):
    """What tracers of a framework make of a call already, so that our own telemetry leaves it out."""

    span: bool = False
    metrics: bool = False


NOTHING: Final = Made()
_made: ContextVar[Made] = ContextVar("openrouter_opts_made", default=NOTHING)


def made_elsewhere() -> Made:
    """Return what others make of a call that is made now."""
    return _made.get()


class Traced(AbstractContextManager["Traced"]):
    """Tells tracers once what a call took: when its answer is there, or an error that holds what was paid for.

    Args:
        writers: One for each tracer.
        made: What they make of the call.
    """

    def __init__(self, writers: Iterable[Writer] = (), made: Made = NOTHING) -> None:
        self._writers = tuple(writers)
        self._made = made

    def answered(self, completion: Completion) -> Completion:
        """Tell what an answer took, and return it."""
        self._write(completion.usage)
        return completion

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Keep our own telemetry, for a call that is made inside, from making again what the tracers make."""
        token = _made.set(self._made)
        try:
            yield
        finally:
            _made.reset(token)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell what an error holds."""
        if isinstance(error, OpenRouterError):
            self._write(error.usage)

    def _write(self, usage: Usage | None) -> None:
        writers, self._writers = self._writers, ()
        if usage is not None:
            for write in writers:
                write(usage)


# --- names; the order is that of `_amounts` ---

# https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
_OPENINFERENCE: Final = ("llm.cost.total", "llm.cost.prompt", "llm.cost.completion")
# https://docs.langchain.com/langsmith/cost-tracking, https://mlflow.org/docs/latest/genai/tracing/token-usage-cost
_LANGSMITH_AND_MLFLOW: Final = ("total_cost", "input_cost", "output_cost")
# https://langfuse.com/docs/observability/features/token-and-cost-tracking
_LANGFUSE: Final = ("total", "input", "output")

COST_ATTRIBUTE: Final = "gen_ai.usage.cost"
"""The cost, in USD, on any OpenTelemetry span of a call: OpenTelemetry has no name for it yet, and this is what Langfuse and others read."""
MLFLOW_ATTRIBUTE: Final = "mlflow.llm.cost"


def span_attributes(cost: Cost) -> dict[str, float]:
    """Return a cost, in USD, as attributes of a span that OpenInference or OpenLLMetry makes; none if it is unknown."""
    named = _named(cost, _OPENINFERENCE)
    return {**named, COST_ATTRIBUTE: named["llm.cost.total"]} if named else {}


def input_and_output(cost: Cost) -> dict[str, float]:
    """Return a cost, in USD, under the names that LangSmith and MLflow share; nothing if it is unknown."""
    return _named(cost, _LANGSMITH_AND_MLFLOW)


def langfuse_details(cost: Cost) -> dict[str, float]:
    """Return a cost, in USD, as Langfuse's `cost_details`; nothing if it is unknown."""
    return _named(cost, _LANGFUSE)


def writer(named: Callable[[Cost], dict[str, float]], put: Callable[[dict[str, float]], Any]) -> Writer:
    """Return a writer of a cost; where it is unknown nothing is put, since unknown is not zero."""

    def write(usage: Usage) -> None:
        if cost := named(usage.cost):
            put(cost)

    return write


def _named(cost: Cost, names: tuple[str, str, str]) -> dict[str, float]:
    amounts = zip(names, _amounts(cost), strict=True)
    return {name: float(amount) for name, amount in amounts if amount is not None}


def _amounts(cost: Cost) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return the total, and its parts where they are known to be parts of it; the rest is fees, of which tracers know nothing."""
    if cost.fees is None or cost.prompt is None or cost.completion is None:
        return cost.total, None, None
    return cost.total, cost.prompt, cost.completion
