"""The endpoints of well-known models, written by hand: who serves them, on what terms.

Prices are USD per million tokens and of the right size rather than of a certain day; what counts is that they differ, as
do quantization, window, parameters and data policy, so that every routing preference has something to choose from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint; prices are in USD per million tokens, None where there is no such price."""

    tag: str
    prompt: str
    completion: str
    cache_read: str | None = None
    cache_write: str | None = None
    cache_write_1h: str | None = None
    image_output: str | None = None
    audio: str | None = None
    quantization: str = "unknown"
    context: int | None = None
    longest: int | None = None
    throughput: float = 60.0
    latency: float = 0.8
    more: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    tier: str | None = None
    caches_by_itself: bool = False


_SCHEMAS: Final = frozenset({"structured_outputs", "response_format"})
_TOOLS: Final = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_LOGPROBS: Final = frozenset({"logprobs", "top_logprobs", "logit_bias"})
_OPEN: Final = frozenset({"min_p", "repetition_penalty", "logit_bias"})


def _claude(
    prompt: str, completion: str, cache_read: str, cache_write: str, cache_write_1h: str
) -> tuple[Row, ...]:
    price = (prompt, completion, cache_read, cache_write, cache_write_1h)
    return (
        Row("anthropic", *price, throughput=62, latency=1.3),
        Row("amazon-bedrock", *price, throughput=55, latency=1.6, without=_SCHEMAS),
        Row("google-vertex", *price, throughput=71, latency=1.1, without=_SCHEMAS),
    )


def _gpt(
    prompt: str, completion: str, cache_read: str, *, half: tuple[str, str], double: tuple[str, str]
) -> tuple[Row, ...]:
    return (
        Row("openai", prompt, completion, cache_read, throughput=90, latency=1.4, caches_by_itself=True),
        Row("azure", prompt, completion, cache_read, throughput=75, latency=1.9, caches_by_itself=True),
        Row("openai/flex", *half, tier="flex", throughput=25, latency=6.0, caches_by_itself=True),
        Row("openai/priority", *double, tier="priority", throughput=180, latency=0.7, caches_by_itself=True),
    )


def _gemini(
    prompt: str, completion: str, cache_read: str, *, audio: str, image_output: str | None = None
) -> tuple[Row, ...]:
    vertex = Row(
        "google-vertex",
        *(prompt, completion, cache_read),
        audio=audio,
        image_output=image_output,
        throughput=130,
        latency=0.6,
        caches_by_itself=True,
    )
    return (vertex, replace(vertex, tag="google-ai-studio", throughput=145, latency=0.5))


LISTED: Final[dict[str, tuple[Row, ...]]] = {
    "anthropic/claude-sonnet-4.6": _claude("3", "15", "0.3", "3.75", "6"),
    "anthropic/claude-haiku-4.5": _claude("1", "5", "0.1", "1.25", "2"),
    "anthropic/claude-opus-5": _claude("5", "25", "0.5", "6.25", "10"),
    "openai/gpt-5-mini": _gpt("0.25", "2", "0.025", half=("0.125", "1"), double=("0.45", "3.6")),
    "openai/gpt-5.5": _gpt("5", "30", "0.5", half=("2.5", "15"), double=("10", "60")),
    "openai/gpt-4o-mini": (
        Row("openai", "0.15", "0.6", "0.075", throughput=85, latency=0.6, more=_LOGPROBS, caches_by_itself=True),
        Row("azure", "0.15", "0.6", "0.075", throughput=95, latency=0.9, more=_LOGPROBS, caches_by_itself=True),
    ),
    "google/gemini-2.5-flash": _gemini("0.3", "2.5", "0.03", audio="1"),
    "google/gemini-3.8-flash": _gemini("0.75", "3.75", "0.075", audio="1.5"),
    "google/gemini-2.5-flash-image": _gemini("0.3", "2.5", "0.03", audio="1", image_output="30"),
    "meta-llama/llama-3.3-70b-instruct": (
        Row("deepinfra/turbo", "0.05", "0.24", quantization="fp8", throughput=40, latency=0.9, more=_OPEN, without=_SCHEMAS),
        Row("deepinfra", "0.23", "0.4", quantization="bf16", throughput=32, latency=0.7, more=_OPEN, longest=16_384),
        Row("novita", "0.13", "0.39", quantization="fp8", throughput=35, latency=1.1, without=_TOOLS | _SCHEMAS),
        Row("groq", "0.59", "0.79", throughput=270, latency=0.2, longest=32_768, more=_LOGPROBS),
        Row("together", "0.88", "0.88", quantization="fp8", throughput=110, latency=0.5, more=_OPEN),
        Row("fireworks", "0.9", "0.9", quantization="fp16", throughput=120, latency=0.4, more=_OPEN | _LOGPROBS),
    ),
    "meta-llama/llama-3.3-70b-instruct:free": (
        Row("openinference", "0", "0", quantization="fp8", context=65_536, longest=4_096, throughput=20, latency=2.5, without=_SCHEMAS),
    ),
    "deepseek/deepseek-v3.2": (
        Row("deepseek", "0.28", "0.42", "0.028", quantization="fp8", throughput=35, latency=1.5, caches_by_itself=True),
        Row("deepinfra", "0.26", "0.4", quantization="fp4", throughput=28, latency=1.0, more=_OPEN),
        Row("fireworks", "0.56", "1.68", quantization="fp8", throughput=95, latency=0.8, more=_OPEN | _LOGPROBS),
        Row("together", "0.6", "1.7", quantization="fp8", throughput=70, latency=0.7, more=_OPEN),
    ),
    "qwen/qwen3-235b-a22b-2507": (
        Row("deepinfra", "0.09", "0.55", quantization="fp8", throughput=45, latency=0.8, more=_OPEN),
        Row("together", "0.2", "0.6", quantization="fp8", throughput=60, latency=0.5, more=_OPEN),
        Row("fireworks", "0.22", "0.88", quantization="bf16", throughput=80, latency=0.6, more=_OPEN | _LOGPROBS),
        Row("alibaba", "0.23", "0.92", throughput=40, latency=1.4, caches_by_itself=True),
    ),
    "mistralai/mistral-small-3.2-24b-instruct": (
        Row("mistral", "0.1", "0.3", throughput=90, latency=0.4),
        Row("deepinfra", "0.075", "0.2", quantization="fp8", throughput=55, latency=0.6, more=_OPEN, context=128_000),
    ),
    "moonshotai/kimi-k2-0905": (
        Row("moonshotai", "0.6", "2.5", "0.15", quantization="fp8", throughput=30, latency=1.8, caches_by_itself=True),
        Row("groq", "1", "3", throughput=220, latency=0.3, longest=16_384),
        Row("fireworks", "0.6", "2.5", quantization="fp8", throughput=70, latency=0.9, more=_OPEN),
    ),
}  # fmt: skip
