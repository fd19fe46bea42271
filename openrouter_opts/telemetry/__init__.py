"""OpenTelemetry: a span and metrics for every call, by the conventions for generative AI, with what it cost.

It needs the extra `otel`. Where another library makes the span of a call already, such as an instrumentor of LangChain or LlamaIndex, there
is no second one.

Source: https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from openrouter_opts.telemetry.switch import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
