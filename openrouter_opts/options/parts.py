"""The objects inside options: routing preferences, reasoning, caching and the smaller ones.

Each may be written as a plain mapping as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from openrouter_opts.options.option import Flag, Foreign, Like, ListOf, Number, Open, Part, Price, Whole

Effort: TypeAlias = Open[Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]]
Quantization: TypeAlias = Open[
    Literal["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown"]
]
SearchMode: TypeAlias = Open[
    Literal["instant", "fast", "auto", "deep-lite", "deep", "deep-reasoning", "turbo", "basic", "advanced"]
]


class MaxPrice(Part):
    """The most that an endpoint may cost, in USD; endpoints above it are excluded.

    Numbers and strings are both taken: a string keeps every decimal place, and a `Decimal` goes out as one.
    """

    prompt: Price | None = None
    """Per million prompt tokens (the models' own prices are per token)."""
    completion: Price | None = None
    """Per million completion tokens."""
    image: Price | None = None
    """Per image."""
    audio: Price | None = None
    """Per unit of audio."""
    request: Price | None = None
    """Per request."""


class Percentiles(Part):
    """Thresholds over the last five minutes; every one that is given must hold."""

    p50: Number | None = None
    p75: Number | None = None
    p90: Number | None = None
    p99: Number | None = None


class ProviderSort(Part):
    """An order of endpoints, and whether it goes across models."""

    by: Open[Literal["price", "throughput", "latency", "exacto"]] | None = None
    partition: Open[Literal["model", "none"]] | None = None
    """`model` (the default) tries every endpoint of one model before the next; `none` sorts those of all models together."""


class ProviderPreferences(Part):
    """Which provider serves the request. https://openrouter.ai/docs/guides/routing/provider-selection.

    Providers are written as slugs: `together`, `deepinfra/turbo`, `google-vertex/us-east5`.
    """

    order: ListOf[str] | None = None
    """Providers to try first, in this order. Switches off load balancing and sticky routing, and so costs prompt cache hits."""
    only: ListOf[str] | None = None
    """Only these providers, along with those that the account allows."""
    ignore: ListOf[str] | None = None
    """None of these providers, nor those that the account ignores."""
    allow_fallbacks: Flag | None = None
    """False: the first choice only, and its error if it fails. Default true."""
    require_parameters: Flag | None = None
    """True: only endpoints that know every parameter sent. By default an endpoint drops silently what it doesn't know."""
    data_collection: Open[Literal["allow", "deny"]] | None = None
    """`deny`: only providers that neither store prompts nor train on them."""
    zdr: Flag | None = None
    """True: only endpoints with zero data retention. Plugins and server tools aren't covered."""
    enforce_distillable_text: Flag | None = None
    """True: only models whose author allows training on their output."""
    quantizations: ListOf[Quantization] | None = None
    """Only endpoints of these quantizations."""
    sort: Open[Literal["price", "throughput", "latency", "exacto"]] | Like[ProviderSort] | None = None
    """Sort endpoints instead of balancing the load."""
    preferred_min_throughput: Number | Like[Percentiles] | None = None
    """Tokens per second, a number being the median. Slower endpoints come later; none is excluded."""
    preferred_max_latency: Number | Like[Percentiles] | None = None
    """Seconds, a number being the median. Slower endpoints come later; none is excluded."""
    max_price: Like[MaxPrice] | None = None
    """Endpoints above it are excluded."""
    options: Mapping[str, Foreign | None] | None = None
    """Parameters for one provider, by its slug; only the provider that serves the request gets its own."""


class Reasoning(Part):
    """How much the model thinks. https://openrouter.ai/docs/guides/best-practices/reasoning-tokens."""

    effort: Effort | None = None
    """A share of `max_tokens`: 95 % for `max` and `xhigh`, 80 % `high`, 50 % `medium`, 20 % `low`, 10 % `minimal`. Not with `max_tokens`."""
    max_tokens: Whole | None = None
    """A budget in tokens. Anthropic: 1,024 to 128,000, and below the `max_tokens` of the request. Not with `effort`."""
    exclude: Flag | None = None
    """True: think, but don't return the thoughts. They are billed all the same."""
    enabled: Flag | None = None
    """True alone is medium effort; false is off."""
    summary: Open[Literal["auto", "concise", "detailed"]] | None = None
    """OpenAI: how long the summary of the thoughts is."""
    context: str | None = None
    """OpenAI: which earlier thoughts the model sees, such as `all_turns`."""
    mode: Open[Literal["standard", "pro"]] | None = None
    """OpenAI: `pro` uses the model's pro version."""


class CacheControl(Part):
    """Where the prompt cache may end. https://openrouter.ai/docs/guides/best-practices/prompt-caching.

    As an option, the end moves along with the conversation; on a part of a message or on a tool, it is there.
    """

    type: Open[Literal["ephemeral"]] = "ephemeral"
    ttl: Open[Literal["5m", "1h"]] | None = None
    """How long it lives; by default five minutes. Writing costs 1.25 times the prompt price, or twice for an hour."""


class PromptCacheOptions(Part):
    """OpenAI's prompt cache. With `explicit` and no breakpoint in the messages nothing is cached."""

    mode: Open[Literal["explicit"]] = "explicit"
    ttl: Open[Literal["30m", "12h"]] | None = None


class Audio(Part):
    """The voice of the answer."""

    voice: str
    format: Open[Literal["wav", "mp3", "flac", "opus", "pcm16"]]


class PredictedText(Part):
    """A piece of the predicted text."""

    type: Open[Literal["text"]] = "text"
    text: str


class Prediction(Part, whole=True):
    """Text that the answer will largely repeat."""

    type: Open[Literal["content"]] = "content"
    content: str | ListOf[Like[PredictedText]]


class Debug(Part):
    """What to report about the request; streaming only."""

    echo_upstream_body: Flag | None = None
    """True: the first chunk carries the body that went to the provider."""


class Trace(Part, verbatim=True):
    """How the generation shows in observability tools; any further key is passed on to them."""

    trace_id: str | None = None
    trace_name: str | None = None
    span_name: str | None = None
    generation_name: str | None = None
    parent_span_id: str | None = None


class ToolSearch(Part, whole=True):
    """How a deferred tool is found: `bm25`, `regex`, or `custom`, a tool of your own."""

    type: Open[Literal["bm25", "regex", "custom"]]
    max_results: Whole | None = None
    """1 to 100, by default 5."""
    tool_id: str | None = None
    """The tool that searches; `custom` only."""
    result_key: str | None = None
    """Where its result lists the names; `custom` only."""


class DeferredTools(Part):
    """Tools that the model has to search for, on any model. Tools and choice must stay the same in every turn."""

    protocol: str = "v1"
    profile: str = "portable"
    validation: str = "runtime"
    search: Like[ToolSearch]


class StopCondition(Part):
    """A condition that ends a loop of server tools: a type, and the key that goes with it."""

    type: Open[Literal["step_count_is", "has_tool_call", "max_tokens_used", "max_cost", "finish_reason_is"]]
    step_count: Whole | None = None
    """With `step_count_is`."""
    tool_name: str | None = None
    """With `has_tool_call`."""
    max_tokens: Whole | None = None
    """With `max_tokens_used`."""
    max_cost_in_dollars: Number | None = None
    """With `max_cost`."""
    reason: str | None = None
    """With `finish_reason_is`, such as `length`."""


class JsonSchema(Part):
    """A JSON Schema for the answer, and its name."""

    name: str
    """At most 64 letters, digits, `_` and `-`."""
    description: str | None = None
    """What the answer is for; the model reads it."""
    schema_: Foreign | None = Field(None, alias="schema")
    """The schema itself."""
    strict: Flag | None = None
    """True: the answer must keep to it. How well it does differs by provider."""


class ResponseFormat(Part, whole=True):
    """The form of the answer: a type, and the key that goes with it."""

    type: Open[Literal["text", "json_object", "json_schema", "grammar", "python"]]
    """For `json_object`, a message has to say "JSON" too."""
    json_schema: Like[JsonSchema] | None = None
    """With `json_schema`."""
    grammar: str | None = None
    """With `grammar`."""


class ToolChoice(Part, verbatim=True, whole=True):
    """The tool that has to be called: a server tool by its type."""

    type: str


class NamedFunction(Part):
    """A function, by its name."""

    name: str


class FunctionChoice(ToolChoice):
    """The function that has to be called."""

    type: str = "function"
    function: Like[NamedFunction]


class WebSearchOptions(Part):
    """Settings of the provider's own web search."""

    search_context_size: Open[Literal["low", "medium", "high"]] | None = None
    user_location: Foreign | None = None
    """Roughly where the user is, in the form that the provider has for it."""


class UserLocation(Part):
    """Roughly where the user is, for searches."""

    type: Open[Literal["approximate"]] = "approximate"
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class XSearch(Part):
    """What to search on X. Handles are either allowed or excluded, at most 20."""

    allowed_x_handles: ListOf[str] | None = None
    excluded_x_handles: ListOf[str] | None = None
    from_date: str | None = None
    """ISO 8601, such as `2026-01-31`."""
    to_date: str | None = None
    enable_image_understanding: Flag | None = None
    enable_video_understanding: Flag | None = None
