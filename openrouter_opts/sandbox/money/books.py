"""The account: credits, what is set aside for running requests, and the generations that were paid."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from openrouter_opts.sandbox.money.generation import Generation
from openrouter_opts.sandbox.refusal import USER_ID, Refusal

_BUY = "visit https://openrouter.ai/settings/credits and add more credits"


class Books:
    """Credits and generations of one account; safe to use from any thread."""

    def __init__(self, credits_bought: Decimal) -> None:
        self._lock = threading.Lock()
        self._bought = credits_bought
        self._used = Decimal(0)
        self._reserved = Decimal(0)
        self._generations: dict[str, Generation] = {}
        self._asked: set[str] = set()

    def reset(self) -> None:
        """Restore the credits and forget the generations."""
        with self._lock:
            self._used = Decimal(0)
            self._generations.clear()
            self._asked.clear()

    @property
    def used(self) -> Decimal:
        """USD spent."""
        with self._lock:
            return self._used

    @property
    def left(self) -> Decimal:
        """USD left."""
        with self._lock:
            return self._bought - self._used

    @property
    def generations(self) -> dict[str, Generation]:
        """All records by id, oldest first."""
        with self._lock:
            return dict(self._generations)

    def reserve(self, estimate: Decimal) -> Refusal | None:
        """Set aside what a request may cost while it runs, until `release`; or the reason why it can't be."""
        with self._lock:
            refusal = self._refusal(estimate)
            if refusal is None:
                self._reserved += estimate
            return refusal

    def release(self, estimate: Decimal) -> None:
        """Give back what was set aside."""
        with self._lock:
            self._reserved -= estimate

    def record(self, generation: Generation) -> None:
        """Keep a generation, and charge for it."""
        with self._lock:
            self._used += generation.cost
            self._generations[generation.id] = generation

    def look_up(self, generation_id: str) -> Generation | None:
        """The record; not at the first time of asking, since the real ones appear a moment later."""
        with self._lock:
            if generation_id not in self._asked:
                self._asked.add(generation_id)
                return None
            return self._generations.get(generation_id)

    def key_wire(self, label: str, *, manages: bool) -> dict[str, Any]:
        """The object below ``data`` of ``GET /key``; ``manages`` says whether it is a management key."""
        used = float(self.used)
        spent = dict.fromkeys(("usage", "usage_daily", "usage_weekly", "usage_monthly"), used)
        byok = dict.fromkeys(("byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"), 0)
        return {
            "label": label,
            "limit": None,
            "limit_remaining": None,
            "limit_reset": None,
            "include_byok_in_limit": False,
            **spent,
            **byok,
            "is_free_tier": False,
            "is_management_key": manages,
            "is_provisioning_key": manages,
            "expires_at": None,
            "creator_user_id": USER_ID,
            "organization_id": None,
            "workspace_id": None,
            "allowed_data_regions": ["global"],
            "budgets": [],
            "effective_budget": None,
            "free_model_daily_requests": {"limit": 1000, "remaining": 1000, "used": 0},
            "rate_limit": {
                "requests": -1,
                "interval": "10s",
                "note": "This field is deprecated and safe to ignore.",
            },
        }

    def credits_wire(self) -> dict[str, Any]:
        """The object below ``data`` of ``GET /credits``."""
        return {"total_credits": float(self._bought), "total_usage": float(self.used)}

    def _refusal(self, estimate: Decimal) -> Refusal | None:
        """Why there isn't enough: nothing left, too much for this one request, or too many requests at once.

        Who is in debt doesn't even get what is free.
        """
        left = self._bought - self._used
        if not estimate and left >= 0:
            return None
        if left <= 0:
            text = f"Insufficient credits. To go on, {_BUY}."
            return Refusal(402, text, {"limit_source": "openrouter_credits", "reason": "balance_exhausted"})
        if estimate > left:
            text = (
                "This request requires more credits, or fewer max_tokens. It may cost"
                f" ${estimate:f}, but the balance is ${left:f}. To increase it, {_BUY}."
            )
            return Refusal(
                402, text, {"limit_source": "openrouter_credits", "reason": "weight_exceeds_budget"}
            )
        if self._reserved + estimate > left:
            metadata = {"limit_source": "openrouter_in_flight_budget", "reason": "in_flight_budget_exhausted"}
            text = "The requests that are running may use up the balance; retry when they are done."
            return Refusal(402, text, metadata, headers={"Retry-After": "1"})
        return None
