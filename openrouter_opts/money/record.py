"""One request that left, and what came of it: a line of the books."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal, Protocol, Self
from uuid import uuid4

from openrouter_opts.errors import (
    BadResponse,
    ConnectionLost,
    EdgeTimeout,
    Empty,
    OpenRouterError,
    RateLimited,
    ServerError,
    TimedOut,
)
from openrouter_opts.money.cost import UNKNOWN_COST, Cost
from openrouter_opts.money.fees import has_extras
from openrouter_opts.protocol.completion import Abandoned, Usage
from openrouter_opts.protocol.decode import count_of, mappings, text_of, usage_of

Outcome = Literal["answered", "interrupted", "failed"]
"""How a request ended: with its answer; in the middle, by an error or because the caller left, so that it may be billed; or with
nothing, as it does where it was left before it was sent."""


_numbers = count()
_process = uuid4().hex


def new_key() -> str:
    """Return a key that no other request has, in any process."""
    return f"{_process}-{next(_numbers)}"


def _begin_anew() -> None:
    global _process  # noqa: PLW0603 - a forked child is a process of its own
    _process = uuid4().hex


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    os.register_at_fork(after_in_child=_begin_anew)


class Answer(Protocol):
    """What the books want of an answer, whatever was asked for."""

    @property
    def id(self) -> str | None:
        """The generation id."""
        ...

    @property
    def model(self) -> str | None:
        """The model that answered."""
        ...

    @property
    def provider(self) -> str | None:
        """Who served it."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What it consumed, with its cost."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers, lower case."""
        ...

    @property
    def attempts(self) -> int:
        """How many requests were sent to get it."""
        ...


@dataclass(frozen=True, slots=True)
class Asking:
    """What is known of a call before it is made."""

    model: str | None = None
    kind: str = "chat"
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)
    """The request."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request. What is tried again is a request each time, with a record of its own."""

    model: str | None
    """The model that answered, or was asked if none did."""
    provider: str | None
    generation_id: str | None
    usage: Usage | None
    outcome: Outcome = "answered"
    cost: Cost = UNKNOWN_COST
    """What it cost; of source `unknown` where nobody said."""
    kind: str = "chat"
    """What was asked for: `chat`, or `embedding`."""
    asked: str | None = None
    """The model that was asked."""
    attempts: int = 1
    """Which request of its call it was, from 1."""
    began: float = 0.0
    """When it was sent. Unix time, seconds."""
    at: float = field(default_factory=time.time)
    """When it ended. Unix time, seconds."""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    repeats: str | None = None
    """The generation whose answer OpenRouter's response cache gave once more, for nothing."""
    key: str = field(default_factory=new_key, repr=False)
    """Which request it is, whatever becomes known of it later."""

    @property
    def pending(self) -> bool:
        """Whether it may have been billed, and nobody has said what: `reconcile` asks."""
        return self.outcome != "failed" and self.cost.total is None

    @classmethod
    def of(
        cls,
        result: Answer | OpenRouterError | Abandoned,
        asking: Asking,
        *,
        began: float = 0.0,
        key: str | None = None,
    ) -> Record:
        """Make the record of a request that ended in `result`."""
        if isinstance(result, Abandoned):
            facts = _of_abandoned(result, asking)
        elif isinstance(result, OpenRouterError):
            facts = _of_error(result, asking)
        else:
            facts = _of_answer(result)
        model, provider, generation_id, usage, outcome, repeats = facts
        return cls(
            model=model or asking.model,
            provider=provider,
            generation_id=generation_id,
            usage=usage,
            outcome=outcome,
            cost=usage.cost if usage else UNKNOWN_COST,
            kind=asking.kind,
            asked=asking.model,
            attempts=result.attempts,
            began=began,
            tags=asking.tags,
            labels=asking.labels,
            repeats=repeats,
            key=key or new_key(),
        )

    def reconciled(self, generation: Mapping[str, Any]) -> Self:
        """Return the record with what `GET /generation` says about it; it stays pending where that says no cost."""
        cost = Cost.from_generation(generation)
        if cost.total is None:
            return self
        return replace(
            self,
            cost=cost,
            model=text_of(generation.get("model")) or self.model,
            provider=text_of(generation.get("provider_name")) or self.provider,
            usage=replace(self.usage or _counted(generation), cost=cost),
        )


_Facts = tuple[str | None, str | None, str | None, Usage | None, Outcome, str | None]


def _of_answer(answer: Answer) -> _Facts:
    repeats = answer.headers.get("x-openrouter-cache-source-id")
    return answer.model, answer.provider, answer.id, answer.usage, "answered", repeats


def _of_abandoned(left: Abandoned, asking: Asking) -> _Facts:
    model, provider, generation_id = (text_of(left.chunk.get(name)) for name in ("model", "provider", "id"))
    # A count that comes before the end goes on growing.
    usage = usage_of(left.chunk, {}) if _ends(left.chunk, asking.content) else None
    outcome: Outcome = "failed" if left.is_unsent else "interrupted"
    return model, provider, generation_id or left.generation_id, usage, outcome, None


def _ends(chunk: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Tell whether all choices that were asked for end in a chunk."""
    ended = [choice for choice in mappings(chunk.get("choices")) if choice.get("finish_reason")]
    return len(ended) >= (count_of(request.get("n")) or 1)


def _of_error(error: OpenRouterError, asking: Asking) -> _Facts:
    billed = error.partial is not None or _may_be_billed(error, asking.content)
    outcome: Outcome = "interrupted" if billed else "failed"
    model = error.partial.model if error.partial else None
    return model, error.provider, error.generation_id, error.usage, outcome, None


def _may_be_billed(error: OpenRouterError, request: Mapping[str, Any]) -> bool:
    """Tell whether a request reached a model that may have answered, as far as its error says.

    OpenRouter's own refusals are free, and so is an answer without output, but for searches and parsed files.
    Source: https://openrouter.ai/docs/guides/features/zero-completion-insurance
    """
    if isinstance(error, RateLimited | ServerError | Empty) and has_extras(request):
        return True
    return error.delivered != "no" and isinstance(
        error, ConnectionLost | TimedOut | EdgeTimeout | BadResponse
    )


def _counted(generation: Mapping[str, Any]) -> Usage:
    prompt = count_of(generation.get("native_tokens_prompt"))
    completion = count_of(generation.get("native_tokens_completion"))
    known = prompt is not None and completion is not None
    return Usage(prompt, completion, (prompt or 0) + (completion or 0) if known else None)
