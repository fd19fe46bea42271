"""The table: every option of OpenRouter, once. Their order is the order in which they go out, since caches look at the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from openrouter_opts.http.secret import in_use
from openrouter_opts.options.keyword_fields import OptionFields
from openrouter_opts.options.option import (
    Flag,
    Itself,
    Like,
    ListOf,
    OneOf,
    Open,
    Option,
    Secret,
    Whole,
    header_text,
)
from openrouter_opts.options.pages import (
    CACHING,
    DOCS,
    PARAMETERS,
    REASONING,
    REFERENCE,
    RESPONSE_CACHE,
    ROUTING,
)
from openrouter_opts.options.parts import (
    Audio,
    Debug,
    DeferredTools,
    Prediction,
    PromptCacheOptions,
    ResponseFormat,
    StopCondition,
    ToolChoice,
    Trace,
    WebSearchOptions,
)
from openrouter_opts.options.server_tools import Tool, choice_of


def _switch(value: Any) -> str:
    return {True: "enabled", False: "disabled"}.get(value, str(value))


def _keys(keys: Mapping[str, SecretStr | None]) -> str:
    """Write keys as JSON: this is the one place where they are revealed."""
    return header_text(
        {slug: in_use(key.get_secret_value()) for slug, key in keys.items() if key is not None}
    )


class AllFields(OptionFields):
    """Every option: those of the model classes, and the rest."""

    response_format: Annotated[
        Like[ResponseFormat] | None,
        Option("The form of the answer.", f"{DOCS}guides/features/structured-outputs"),
    ] = None
    structured_outputs: Annotated[
        Flag | None,
        Option("Ask for a model with structured outputs.", PARAMETERS),
    ] = None
    tools: Annotated[
        ListOf[OneOf[Tool]] | None,
        Option(
            "Functions and server tools, in every request of a tool loop.",
            f"{DOCS}guides/features/tool-calling",
        ),
    ] = None
    tool_choice: Annotated[
        Open[Literal["none", "auto", "required"]] | OneOf[ToolChoice] | Itself[Tool] | None,
        Option(
            "Whether, or which, tool must be called.",
            f"{DOCS}guides/features/tool-calling",
            read=choice_of,
        ),
    ] = None
    deferred_tools: Annotated[
        Like[DeferredTools] | None,
        Option("Has the model search for its tools.", f"{DOCS}guides/features/server-tools/tool-search"),
    ] = None
    max_tool_calls: Annotated[
        Whole | None,
        Option(
            "The most steps of server tools, 1 to 30, by default 30.", f"{DOCS}guides/features/server-tools"
        ),
    ] = None
    stop_server_tools_when: Annotated[
        ListOf[Like[StopCondition]] | None,
        Option(
            "Ends a loop of server tools when any of these holds; wins over `max_tool_calls`.",
            f"{DOCS}guides/features/server-tools",
        ),
    ] = None
    include_reasoning: Annotated[
        Flag | None,
        Option(
            "Whether thoughts are returned.",
            REASONING,
            deprecated="use `reasoning`, such as {'exclude': True}",
        ),
    ] = None
    route: Annotated[
        Open[Literal["fallback", "sort"]] | None,
        Option(
            "Whether endpoints are sorted across models.",
            ROUTING,
            deprecated="use `provider.sort.partition`: 'none' for 'sort', 'model' (the default) for 'fallback'",
        ),
    ] = None
    transforms: Annotated[
        ListOf[str] | None,
        Option(
            "Shortens prompts that are too long.",
            f"{DOCS}guides/features/message-transforms",
            deprecated="use `plugins` with {'id': 'context-compression'}",
        ),
    ] = None
    usage: Annotated[
        Mapping[str, Any] | None,
        Option(
            "Has no effect: usage and cost always come.",
            f"{DOCS}cookbook/administration/usage-accounting",
            deprecated="leave it out, usage and cost always come",
        ),
    ] = None
    stream_options: Annotated[
        Mapping[str, Any] | None,
        Option(
            "Has no effect: usage always comes.",
            REFERENCE,
            deprecated="leave it out, usage and cost always come",
        ),
    ] = None
    prompt_cache_options: Annotated[
        Like[PromptCacheOptions] | None,
        Option("OpenAI's prompt cache, for GPT-5.6 and later.", CACHING),
    ] = None
    prediction: Annotated[
        Like[Prediction] | None,
        Option("Text that the answer will largely repeat, which makes it faster.", PARAMETERS),
    ] = None
    audio: Annotated[
        Like[Audio] | None,
        Option(
            "The voice of the answer; streaming only, with `audio` in `modalities`.",
            f"{DOCS}guides/overview/multimodal/audio",
        ),
    ] = None
    speed: Annotated[
        Open[Literal["standard", "fast"]] | None,
        Option("Anthropic's word for `service_tier`.", f"{DOCS}guides/features/service-tiers"),
    ] = None
    web_search_options: Annotated[
        Like[WebSearchOptions] | None,
        Option("Settings of the provider's own web search.", PARAMETERS),
    ] = None
    x_search_filter: Annotated[
        Mapping[str, Any] | None,
        Option("Settings of xAI's own search.", f"{DOCS}guides/features/plugins/web-search"),
    ] = None
    safety_settings: Annotated[
        Any,
        Option("Gemini's thresholds, passed on to Google.", PARAMETERS),
    ] = None
    n: Annotated[
        Whole | None,
        Option("How many answers; OpenRouter passes it on, and answers with one.", PARAMETERS),
    ] = None
    metadata: Annotated[
        Mapping[str, str | None] | None,
        Option("At most 16 pairs for your logs, keys up to 64 and values up to 512 characters.", REFERENCE),
    ] = None
    trace: Annotated[
        Like[Trace] | None,
        Option("How the generation shows in observability tools.", f"{DOCS}guides/features/broadcast"),
    ] = None
    debug: Annotated[
        Like[Debug] | None,
        Option(
            "Reports what went to the provider; streaming only.", f"{DOCS}api_reference/errors-and-debugging"
        ),
    ] = None
    response_cache: Annotated[
        Flag | None,
        Option(
            "Answer an identical request from the cache, for free.",
            RESPONSE_CACHE,
            "header",
            "X-OpenRouter-Cache",
        ),
    ] = None
    response_cache_ttl: Annotated[
        Whole | None,
        Option(
            "How many seconds an answer is kept, 1 to 86400, by default 300.",
            RESPONSE_CACHE,
            "header",
            "X-OpenRouter-Cache-TTL",
        ),
    ] = None
    response_cache_clear: Annotated[
        Flag | None,
        Option(
            "Replace what the cache has for this request.",
            RESPONSE_CACHE,
            "header",
            "X-OpenRouter-Cache-Clear",
        ),
    ] = None
    router_metadata: Annotated[
        Flag | str | None,
        Option(
            "Report the routing in `openrouter_metadata` of the answer.",
            f"{DOCS}guides/features/router-metadata",
            "header",
            "X-OpenRouter-Metadata",
            form=_switch,
        ),
    ] = None
    anthropic_beta: Annotated[
        str | ListOf[str] | None,
        Option(
            "Beta features of Anthropic's; `strict` tools need one.", ROUTING, "header", "x-anthropic-beta"
        ),
    ] = None
    provider_api_keys: Annotated[
        Mapping[str, Secret | None] | None,
        Option(
            "Your own keys, by provider.",
            "https://github.com/OpenRouterTeam/ai-sdk-provider",
            "header",
            "X-Provider-API-Keys",
            secret=True,
            form=_keys,
        ),
        Field(repr=False),
    ] = None
