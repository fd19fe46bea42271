"""Switching the telemetry on and off."""

from __future__ import annotations

from typing import Any

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.telemetry.watching import SWITCH


def instrument(
    *,
    tracer_provider: Any = None,
    meter_provider: Any = None,
    content: bool = False,
    draft_cost: bool = False,
) -> None:
    """Make a span and metrics for every call from now on, in both frameworks and without one; a second time replaces the first.

    Args:
        tracer_provider: Whose tracer to use; by default the global one.
        meter_provider: Whose meter to use; by default the global one.
        content: Whether spans have what was said: messages, tools, answers, and the text of errors, which may repeat it. Keys and headers are in
            none.
        draft_cost: Whether the cost has the names that are proposed to OpenTelemetry (`gen_ai.usage.cost.amount`, `.currency` and `.source`),
            in the place of `gen_ai.usage.cost`, which is what tools read today.

    Raises:
        ConfigurationError: `opentelemetry-api` isn't installed.
    """
    try:
        from openrouter_opts.telemetry.otel import Instruments  # noqa: PLC0415 - for those who switch it on
    except ImportError:
        raise ConfigurationError("telemetry: needs OpenTelemetry; install `openrouter-opts[otel]`") from None
    SWITCH.watch = Instruments.of(
        tracer_provider, meter_provider, content=content, draft_cost=draft_cost
    ).watch


def uninstrument() -> None:
    """Make none any more; a call that is under way ends as it began."""
    SWITCH.watch = None
