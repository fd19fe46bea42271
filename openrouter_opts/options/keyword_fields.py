"""The options that both model classes also take as plain keyword arguments. The rest of the table is in `fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from openrouter_opts.options.option import (
    AsGiven,
    Flag,
    Foreign,
    Like,
    ListOf,
    Number,
    OneOf,
    Open,
    Option,
    Secret,
    Whole,
)
from openrouter_opts.options.pages import (
    ATTRIBUTION,
    CACHING,
    DOCS,
    PARAMETERS,
    REASONING,
    REFERENCE,
    ROUTING,
)
from openrouter_opts.options.parts import CacheControl, Effort, ProviderPreferences, Reasoning
from openrouter_opts.options.plugins import Plugin

MOST_FALLBACKS: Final = 3


def _few(models: list[str]) -> list[str]:
    # One more may be the model itself, which goes when the request is put together.
    if len(models) > MOST_FALLBACKS + 1:
        raise ValueError(too_many(models))
    return models


def too_many(models: list[str]) -> str:
    """Say that there are more fallback models than OpenRouter takes."""
    return f"has {len(models)} models, and OpenRouter takes at most {MOST_FALLBACKS}; leave some out"


class OptionFields(BaseModel):
    """The options that both model classes also take as plain keyword arguments.

    `None` means that an option isn't set, and so isn't sent: the provider's own default holds.
    """

    temperature: Annotated[
        Number | None,
        Option("How freely the next token is chosen, 0 to 2; lower is steadier.", PARAMETERS),
    ] = None
    top_p: Annotated[
        Number | None,
        Option("Choose among the most probable tokens that add up to this share, above 0 to 1.", PARAMETERS),
    ] = None
    top_k: Annotated[
        Whole | None,
        Option("Choose among this many tokens; 0 is off. OpenAI's models ignore it.", PARAMETERS),
    ] = None
    min_p: Annotated[
        Number | None,
        Option("Leave out tokens below this share of the best one's probability, 0 to 1.", PARAMETERS),
    ] = None
    top_a: Annotated[
        Number | None,
        Option("As `min_p`, with the square of the best one's probability, 0 to 1.", PARAMETERS),
    ] = None
    frequency_penalty: Annotated[
        Number | None,
        Option("Against repetition, the more often the stronger, -2 to 2.", PARAMETERS),
    ] = None
    presence_penalty: Annotated[
        Number | None,
        Option("Against using any token again, -2 to 2.", PARAMETERS),
    ] = None
    repetition_penalty: Annotated[
        Number | None,
        Option("Against repetition, above 0 to 2; 1 is neutral.", PARAMETERS),
    ] = None
    max_tokens: Annotated[
        Whole | None,
        Option("The most tokens of an answer, its reasoning included; at least 1.", PARAMETERS),
    ] = None
    max_completion_tokens: Annotated[
        Whole | None,
        Option(
            "The newer name of `max_tokens`. Endpoints that can't write as much are left out.", PARAMETERS
        ),
    ] = None
    seed: Annotated[
        Whole | None,
        Option("The same seed tends to give the same answer; not guaranteed.", PARAMETERS),
    ] = None
    stop: Annotated[
        str | ListOf[str] | None,
        Option("Text that ends the answer; at most 4.", PARAMETERS, aliases=("stop_sequences",)),
    ] = None
    logit_bias: Annotated[
        Mapping[str | int, Number | None] | None,
        Option("Token id to a bias of -100 to 100.", PARAMETERS),
    ] = None
    logprobs: Annotated[
        Flag | None,
        Option("Return the probabilities of the tokens.", PARAMETERS),
    ] = None
    top_logprobs: Annotated[
        Whole | None,
        Option("How many likely tokens to return at each place, 0 to 20; turns on `logprobs`.", PARAMETERS),
    ] = None
    reasoning: Annotated[
        Like[Reasoning] | None,
        Option("How much the model thinks, and whether its thoughts are returned.", REASONING),
    ] = None
    reasoning_effort: Annotated[
        Effort | None,
        Option("The short form of `reasoning.effort`.", REASONING),
    ] = None
    verbosity: Annotated[
        Open[Literal["low", "medium", "high", "xhigh", "max"]] | None,
        Option("How long the answer is.", PARAMETERS),
    ] = None
    parallel_tool_calls: Annotated[
        Flag | None,
        Option("Whether the model may call several tools at once; by default it may.", PARAMETERS),
    ] = None
    models: Annotated[
        Annotated[ListOf[str], AfterValidator(_few)] | None,
        Option(
            "Models to fall back on, in order, at most 3 beside the model itself. The one that answers is billed.",
            f"{DOCS}guides/routing/model-fallbacks",
        ),
    ] = None
    provider: Annotated[
        Like[ProviderPreferences] | None,
        Option("Which provider serves the request. Its keys may also be given without it.", ROUTING),
    ] = None
    plugins: Annotated[
        ListOf[OneOf[Plugin]] | None,
        Option("What OpenRouter does around the model.", f"{DOCS}guides/features/plugins"),
    ] = None
    service_tier: Annotated[
        Open[Literal["auto", "default", "flex", "priority", "fast", "scale", "ultrafast"]] | None,
        Option(
            "Cheaper (`flex`, which never falls back) or faster (`priority`), where a provider has it.",
            f"{DOCS}guides/features/service-tiers",
        ),
    ] = None
    session_id: Annotated[
        str | None,
        Option(
            "Keeps a conversation at one provider, for its prompt cache; at most 256 characters.", CACHING
        ),
    ] = None
    user: Annotated[
        str | None,
        Option(
            "An id of your user, hashed before it goes on; keeps one user's abuse from the others.",
            REFERENCE,
        ),
    ] = None
    preset: Annotated[
        str | None,
        Option("The slug of a preset; what the request says wins over it.", f"{DOCS}guides/features/presets"),
    ] = None
    cache_control: Annotated[
        Like[CacheControl] | None,
        Option("Caches the whole prompt, and moves along with the conversation.", CACHING),
    ] = None
    prompt_cache_key: Annotated[
        str | None,
        Option("OpenAI's key for the prompt cache.", CACHING),
    ] = None
    modalities: Annotated[
        ListOf[Open[Literal["text", "image", "audio"]]] | None,
        Option("What the answer may consist of.", f"{DOCS}guides/overview/multimodal/image-generation"),
    ] = None
    image_config: Annotated[
        Mapping[str, Any] | None,
        Option(
            "How images are made: `aspect_ratio`, `image_size` and more, by provider.",
            f"{DOCS}guides/overview/multimodal/image-generation",
        ),
    ] = None
    app_referer: Annotated[
        str | None,
        Option(
            "The URL of your app, which OpenRouter's rankings count.",
            ATTRIBUTION,
            "header",
            "HTTP-Referer",
            aliases=("app_url",),
        ),
    ] = None
    app_title: Annotated[
        str | None,
        Option("The name of your app.", ATTRIBUTION, "header", "X-OpenRouter-Title", aliases=("X-Title",)),
    ] = None
    app_categories: Annotated[
        str | ListOf[str] | None,
        Option(
            "What kind of app it is, at most 2 slugs such as `cli-agent`.",
            ATTRIBUTION,
            "header",
            "X-OpenRouter-Categories",
        ),
    ] = None
    extra_headers: Annotated[
        Annotated[Mapping[str, Secret | None], AsGiven()] | None,
        Option(
            "Any further header, verbatim; wins over an option's own. `Authorization` goes in place of the key.",
            REFERENCE,
            "header",
            aliases=("default_headers",),
            secret=True,
        ),
        Field(repr=False),
    ] = None
    extra_body: Annotated[
        Foreign | None,
        Option("Anything newer than this library, verbatim; merged deeply, last.", PARAMETERS),
    ] = None
