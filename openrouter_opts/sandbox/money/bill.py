"""What a generation costs: tokens times the endpoint's prices, and the fees of server tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Self

from openrouter_opts.sandbox.money.prompt import Block, parted, tokens_by_kind
from openrouter_opts.sandbox.money.prompt_cache import CacheUse
from openrouter_opts.sandbox.routing.endpoints import Endpoint

# Twelve places are exact in the double that a JSON number becomes, so what is reported is what is booked.
_SMALLEST: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Counts:
    """The tokens of a generation: `completion` holds those of every kind, and so does `prompt`.

    Attributes:
        images: the images of the prompt that no cache had a part in, and `image_in` their tokens.
        audio_read: those of `audio_in` that were read from a cache, and `audio_written` that were written to one.
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
    images: int = 0
    image_in: int = 0
    audio_in: int = 0
    audio_read: int = 0
    audio_written: int = 0
    audio_out: int = 0
    video_in: int = 0
    file_in: int = 0
    searches: int = 0
    fee: Decimal = Decimal(0)

    @classmethod
    def of_prompt(cls, blocks: Sequence[Block], used: CacheUse) -> Self:
        """The counts of a prompt, before anything is answered to it."""
        written = used.written + used.written_1h
        from_cache, to_cache, rest = parted(blocks, used.read, used.read + written)
        sizes = tokens_by_kind(blocks)
        return cls(
            prompt=sizes.total(),
            cache_read=used.read,
            cache_write=used.written,
            cache_write_1h=used.written_1h,
            images=sum(block.kind == "image" for block in rest),
            image_in=tokens_by_kind(rest)["image"],
            audio_in=sizes["audio"],
            audio_read=tokens_by_kind(from_cache)["audio"],
            audio_written=tokens_by_kind(to_cache)["audio"],
            video_in=sizes["video"],
            file_in=sizes["file"],
        )

    def having_sent(self, completion: int) -> Counts:
        """The counts of a stream that broke off after so many tokens."""
        reasoning = min(self.reasoning, completion)
        audio = min(self.audio_out, completion - reasoning)
        return replace(self, completion=completion, reasoning=reasoning, image=0, audio_out=audio)


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
    """Price the counts, each kind of token at the price that the endpoint names for it, https://openrouter.ai/docs/guides/overview/models.

    `web_search` isn't among them: it is the price of a provider's own search, and the sandbox searches for itself.
    """
    prompt, completion = _prompt(counts, endpoint), _completion(counts, endpoint)
    return Bill(prompt.quantize(_SMALLEST), completion.quantize(_SMALLEST), counts.fee.quantize(_SMALLEST))


def _prompt(counts: Counts, endpoint: Endpoint) -> Decimal:
    """What is read; an hour in the cache costs twice the prompt's price where it has none of its own."""
    price = endpoint.price
    audio = counts.audio_in - counts.audio_read - counts.audio_written
    cached = counts.cache_read + counts.cache_write + counts.cache_write_1h
    hour = (
        price("input_cache_write_1h") if "input_cache_write_1h" in endpoint.pricing else price("prompt") * 2
    )
    return (
        (counts.prompt - cached - audio - counts.image_in) * price("prompt")
        + audio * price("audio", "prompt")
        + _images(counts, endpoint)
        + (counts.cache_read - counts.audio_read) * price("input_cache_read")
        + counts.audio_read * price("input_audio_cache", "input_cache_read")
        + counts.cache_write * price("input_cache_write")
        + counts.cache_write_1h * hour
        + price("request")
    )


def _images(counts: Counts, endpoint: Endpoint) -> Decimal:
    """The images that are read, each at its own price or else by their tokens."""
    if "image" in endpoint.pricing:
        return counts.images * endpoint.price("image")
    return counts.image_in * endpoint.price("image_token", "prompt")


def _completion(counts: Counts, endpoint: Endpoint) -> Decimal:
    price = endpoint.price
    own = counts.reasoning + counts.image + counts.audio_out
    return (
        (counts.completion - own) * price("completion")
        + counts.reasoning * price("internal_reasoning", "completion")
        + counts.image * price("image_output", "completion")
        + counts.audio_out * price("audio_output", "completion")
    )


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
