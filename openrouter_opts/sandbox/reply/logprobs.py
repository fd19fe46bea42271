"""Made-up log probabilities: deterministic, and falling from one alternative to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_opts.sandbox.money.tokens import pieces


def logprobs_of(request: Mapping[str, Any], text: str | None) -> dict[str, Any] | None:
    """The `logprobs` object for ``text``; None where they weren't asked for."""
    if not request.get("logprobs") or text is None:
        return None
    wanted = request.get("top_logprobs") or 0
    return {"content": [_entry(token, wanted) for token in pieces(text)], "refusal": None}


def _entry(token: str, wanted: int) -> dict[str, Any]:
    likely = -round(len(token) / 100, 2)
    alternatives = [token, *(f"{token}{'?' * rank}" for rank in range(1, wanted))]
    top = [_token(each, likely - rank) for rank, each in enumerate(alternatives[:wanted])]
    return {**_token(token, likely), "top_logprobs": top}


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "surrogatepass"))}
