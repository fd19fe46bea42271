"""What a request says twice, and differently: OpenRouter refuses it, whatever the model."""

from __future__ import annotations

from collections.abc import Iterator

from openrouter_opts.lint.body import Body, object_in
from openrouter_opts.lint.finding import Finding


def contradictions(body: Body) -> Iterator[Finding]:
    """Find what says two things about one matter.

    https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
    """
    yield from disagreements(body)
    asked = object_in(body, "reasoning")
    short, effort = body.get("reasoning_effort"), asked.get("effort")
    if asked.get("max_tokens") is not None and not (short is effort is None):
        name = "reasoning_effort" if effort is None else "reasoning.effort"
        yield Finding(name, "says how much to reason, and so does reasoning.max_tokens; give one of them")


def disagreements(body: Body) -> Iterator[Finding]:
    """Find two names of one option with different values, and probabilities that are asked for and switched off.

    https://openrouter.ai/docs/api_reference/parameters
    """
    short, effort = body.get("reasoning_effort"), object_in(body, "reasoning").get("effort")
    if None not in (short, effort) and short != effort:
        yield Finding(
            "reasoning_effort", f"is {short!r}, and reasoning.effort is {effort!r}; give one of them"
        )
    old, limit = body.get("max_tokens"), body.get("max_completion_tokens")
    if None not in (old, limit) and old != limit:
        yield Finding("max_tokens", f"is {old!r}, and max_completion_tokens is {limit!r}; give one of them")
    if body.get("top_logprobs") is not None and body.get("logprobs") is False:
        yield Finding("top_logprobs", "needs logprobs, which are switched off; give one of them")
