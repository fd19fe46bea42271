"""A request that has found its endpoint and its answer, before any of it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openrouter_opts.sandbox.money.bill import FREE, Bill, Counts, bill, usage
from openrouter_opts.sandbox.reply.turn import Turn
from openrouter_opts.sandbox.routing.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Served:
    """Everything that an answer is made from.

    Attributes:
        request: the checked body, as it came.
        metadata: `openrouter_metadata`, if it was asked for.
        scripted_usage: what a test wants `usage` to say.
        reserved: USD set aside until it is sent.
        source: the generation that a response-cache hit repeats; nothing is billed then.
    """

    generation_id: str
    created: int
    endpoint: Endpoint
    turn: Turn
    counts: Counts
    request: Mapping[str, Any]
    attempts: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] | None = None
    scripted_usage: Mapping[str, Any] | None = None
    reserved: Decimal = Decimal(0)
    source: str | None = None

    def charge(self, counts: Counts | None = None) -> Bill:
        """What ``counts`` cost here."""
        return FREE if self.source else bill(counts or self.counts, self.endpoint)

    def usage(self) -> dict[str, Any]:
        """The `usage` object of the whole answer."""
        counts = Counts(prompt=0) if self.source else self.counts
        return usage(counts, self.charge()) | dict(self.scripted_usage or {})

    def head(self, kind: str) -> dict[str, Any]:
        """What the body and each chunk begin with."""
        return {
            "id": self.generation_id,
            "provider": self.endpoint.provider.name,
            "model": self.endpoint.model,
            "object": kind,
            "created": self.created,
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended.

    Attributes:
        first_token: when it began, by `time.monotonic`.
        sent: how many tokens had gone out when it broke off; None for a whole answer.
        failed: whether the provider broke it off.
    """

    first_token: float
    sent: int | None = None
    failed: bool = False
