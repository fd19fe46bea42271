"""What came of a call, as what its caller asked for."""

from __future__ import annotations

from typing import Any

from openrouter_opts.catalog import Model
from openrouter_opts.errors import Malformed, OpenRouterError
from openrouter_opts.http.reading import with_facts
from openrouter_opts.http.steps import Data, Head, Item
from openrouter_opts.protocol.completion import Completion
from openrouter_opts.protocol.embeddings import Embeddings
from openrouter_opts.protocol.failure import with_advice


def completion_of(items: list[Item]) -> Completion:
    """Return the answer to a chat."""
    (item,) = items
    assert isinstance(item, Completion)
    return item


def embeddings_of(items: list[Item]) -> Embeddings:
    """Return the vectors."""
    (item,) = items
    assert isinstance(item, Embeddings)
    return item


def data_of(items: list[Item]) -> Data:
    """Return the answer of a smaller endpoint."""
    (item,) = items
    assert isinstance(item, Data)
    return item


def object_of(answer: Data) -> dict[str, Any]:
    """Return the object under `data`; raises `Malformed` where there is none."""
    found = _under_data(answer)
    if not isinstance(found, dict):
        raise _malformed(answer, "the answer holds no object under `data`")
    return found


def list_of(answer: Data) -> list[dict[str, Any]]:
    """Return the list under `data`; raises `Malformed` where there is none."""
    found = _under_data(answer)
    if not isinstance(found, list):
        raise _malformed(answer, "the answer holds no list under `data`")
    return found


def models_of(answer: Data) -> tuple[Model, ...]:
    """Return the models under `data`; raises `Malformed` where they cannot be read."""
    try:
        return tuple(Model.from_wire(row) for row in list_of(answer) if isinstance(row, dict))
    except ValueError as problem:
        raise _malformed(answer, f"the list of models cannot be read: {problem}") from None


def _under_data(answer: Data) -> Any:
    return answer.body.get("data") if isinstance(answer.body, dict) else None


def _malformed(answer: Data, what: str) -> OpenRouterError:
    error = with_advice(Malformed, what, attempts=answer.attempts)
    return with_facts(error, Head(200, answer.headers))
