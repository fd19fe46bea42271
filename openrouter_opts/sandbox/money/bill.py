"""What a generation costs: tokens times the endpoint's prices, and the fees of server tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from openrouter_opts.sandbox.routing.endpoints import Endpoint

# Twelve places are exact in the double that a JSON number becomes, so what is reported is what is booked.
_SMALLEST: Final = Decimal("1e-12")

SEARCH_PRICE: Final = Decimal("0.004")
"""USD per search result."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The tokens of a generation: `completion` holds the reasoning and image tokens, `prompt` the cached ones.

    Attributes:
        fee: what server tools and plugins cost, USD.
        searches: web searches made.
    """

    prompt: int
    completion: int = 0
    reasoning: int = 0
    image: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    audio_in: int = 0
    audio_out: int = 0
    video_in: int = 0
    file_in: int = 0
    searches: int = 0
    fee: Decimal = Decimal(0)

    def having_sent(self, completion: int) -> Counts:
        """The counts of a stream that broke off after so many tokens."""
        return replace(
            self, completion=completion, reasoning=min(self.reasoning, completion), image=0, audio_out=0
        )


@dataclass(frozen=True, slots=True)
class Bill:
    """USD, exact to twelve places."""

    prompt: Decimal
    completion: Decimal
    fee: Decimal

    @property
    def inference(self) -> Decimal:
        """What the provider is paid."""
        return self.prompt + self.completion

    @property
    def cost(self) -> Decimal:
        """What the account is charged."""
        return self.inference + self.fee


FREE: Final = Bill(Decimal(0), Decimal(0), Decimal(0))


def bill(counts: Counts, endpoint: Endpoint) -> Bill:
    """Price the counts; an hour in the cache costs twice the prompt's price."""
    price = endpoint.price
    plain = counts.prompt - counts.cache_read - counts.cache_write - counts.cache_write_1h
    prompt = (
        plain * price("prompt")
        + counts.cache_read * price("input_cache_read")
        + counts.cache_write * price("input_cache_write")
        + counts.cache_write_1h * price("prompt") * 2
        + price("request")
    )
    per_image_token = price("image_output") or price("completion")
    completion = (counts.completion - counts.image) * price("completion") + counts.image * per_image_token
    return Bill(prompt.quantize(_SMALLEST), completion.quantize(_SMALLEST), counts.fee.quantize(_SMALLEST))


def usage(counts: Counts, charged: Bill) -> dict[str, Any]:
    """The `usage` object of an answer."""
    body: dict[str, Any] = {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
        "cost": float(charged.cost),
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": counts.cache_read,
            "cache_write_tokens": counts.cache_write + counts.cache_write_1h,
            "audio_tokens": counts.audio_in,
            "video_tokens": counts.video_in,
            "file_tokens": counts.file_in,
        },
        "cost_details": {
            "upstream_inference_cost": float(charged.inference),
            "upstream_inference_prompt_cost": float(charged.prompt),
            "upstream_inference_completions_cost": float(charged.completion),
        },
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "image_tokens": counts.image,
            "audio_tokens": counts.audio_out,
        },
    }
    if counts.searches:
        body["server_tool_use_details"] = {
            "tool_calls_requested": counts.searches,
            "tool_calls_executed": counts.searches,
            "web_search_requests": counts.searches,
        }
    return body
