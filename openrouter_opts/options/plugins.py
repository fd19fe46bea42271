"""Plugins: what OpenRouter does around a model. https://openrouter.ai/docs/guides/features/plugins.

A plain mapping with an `id` does as well: it is checked as the class with that id, and goes through verbatim where there is none.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from openrouter_opts.options.option import Flag, Like, ListOf, Number, OneOf, Open, Part, Whole
from openrouter_opts.options.parts import SearchMode, UserLocation, XSearch
from openrouter_opts.options.server_tools import Tool


class Plugin(Part, verbatim=True):
    """Any plugin, by its id."""

    tag: ClassVar[str] = "id"

    id: str
    enabled: Flag | None = None
    """False switches off what the account or the model would switch on."""


class WebPlugin(Plugin):
    """One web search for every request. Deprecated by OpenRouter: the server tool `WebSearch` searches when the model wants to."""

    id: str = "web"
    max_results: Whole | None = None
    """By default 5."""
    engine: Open[Literal["native", "exa", "firecrawl", "parallel", "perplexity"]] | None = None
    mode: SearchMode | None = None
    search_prompt: str | None = None
    include_domains: ListOf[str] | None = None
    exclude_domains: ListOf[str] | None = None
    max_uses: Whole | None = None
    user_location: Like[UserLocation] | None = None
    x_search: Like[XSearch] | None = None


class WebFetchPlugin(Plugin):
    """Fetches the pages whose addresses are in the prompt."""

    id: str = "web-fetch"
    max_uses: Whole | None = None
    max_content_tokens: Whole | None = None
    allowed_domains: ListOf[str] | None = None
    blocked_domains: ListOf[str] | None = None


class PdfParser(Part):
    """How PDFs are read."""

    engine: Open[Literal["mistral-ocr", "cloudflare-ai", "native"]]
    """`cloudflare-ai` is free; `mistral-ocr` is billed per page."""


class FileParserPlugin(Plugin):
    """Reads files for models that can't."""

    id: str = "file-parser"
    pdf: Like[PdfParser] | None = None


class ResponseHealingPlugin(Plugin):
    """Repairs broken JSON in answers that have a `response_format` and aren't streamed."""

    id: str = "response-healing"


class ContextCompressionPlugin(Plugin):
    """Shortens prompts that are too long, from the middle.

    Runs by default for endpoints with at most 8,192 tokens of context; `enabled=False` forbids it.
    """

    id: str = "context-compression"
    engine: Open[Literal["middle-out"]] | None = None


class ModerationPlugin(Plugin):
    """Has the prompt moderated."""

    id: str = "moderation"


class AutoRouterPlugin(Plugin):
    """Settings of the model `openrouter/auto`."""

    id: str = "auto-router"
    allowed_models: ListOf[str] | None = None
    """Patterns with `*`, such as `anthropic/*`."""
    excluded_models: ListOf[str] | None = None
    """Patterns with `*`; they win over allowed ones."""
    cost_tier: Open[Literal["low", "medium", "high", "xhigh", "max"]] | None = None
    cost_quality_tradeoff: Whole | None = None
    """0 to 10. Deprecated by OpenRouter: use `cost_tier`."""
    pin_model: Flag | None = None
    """False: use the model of the last answer again."""


class AutoBetaRouterPlugin(Plugin):
    """Settings of the model `openrouter/auto-beta`, which ignores those of `auto-router`."""

    id: str = "auto-beta-router"
    allowed_models: ListOf[str] | None = None
    excluded_models: ListOf[str] | None = None
    cost_tier: Open[Literal["low", "medium", "high", "xhigh", "max"]] | None = None
    cost_quality_tradeoff: Whole | None = None


class ParetoRouterPlugin(Plugin):
    """Settings of the model `openrouter/pareto-code`."""

    id: str = "pareto-router"
    min_coding_score: Number | None = None
    """0 to 1."""
    max_price: Number | None = None
    """USD per million prompt tokens; the score doesn't count then."""
    price_source: Open[Literal["prompt", "weighted_avg"]] | None = None


class FusionPlugin(Plugin):
    """Settings of the model `openrouter/fusion`: several models answer, one makes an answer of theirs."""

    id: str = "fusion"
    preset: Open[Literal["general-high", "general-budget", "general-fast"]] | None = None
    analysis_models: ListOf[str] | None = None
    """At most 8."""
    model: str | None = None
    """The model that makes the final answer."""
    max_tool_calls: Whole | None = None
    """1 to 16, by default 4."""
    tools: ListOf[OneOf[Tool]] | None = None


class JevRouterPlugin(Plugin):
    """Settings of a router that its operator configured."""

    id: str = "jev-router"
    models: ListOf[str] | None = None
    allowed_models: ListOf[str] | None = None
    excluded_models: ListOf[str] | None = None
    cost_tier: str | None = None


class SwitchyardRouterPlugin(Plugin):
    """Settings of the switchyard router."""

    id: str = "switchyard-router"
    algorithm: Open[Literal["capability", "stage", "auto", "random", "composite", "passthrough"]] | None = (
        None
    )
    """By default `stage`."""
    judge_model: str | None = None


class AlignmentRule(Part):
    """What an answer must or must not do."""

    rule: str
    """Such as `No medical advice.`"""
    watch: ListOf[Open[Literal["content", "tool_calls", "refusal", "images", "audio"]]]
    """The parts of an answer that it is about."""


class AlignmentPlugin(Plugin):
    """Judges every answer by your rules (beta). Not with zero data retention."""

    id: str = "alignment"
    rules: ListOf[Like[AlignmentRule]]
    mode: Open[Literal["audit", "enforce"]] | None = None
    """By default `audit`. `enforce` holds a stream back until it is judged, and answers 403 when it blocks."""
    threshold: Number | None = None
    """0.01 to 1, by default 0.7."""
    max_retries: Whole | None = None
    """0 to 3, by default 1."""
    instruct: Flag | None = None
    """Whether the model is told the rules; by default true."""


class ArmorRule(Part):
    """Which tool calls a rule is about."""

    id: str
    instructions: str
    """What it matches, for the model that judges."""
    name: str | None = None
    """Shown in explanations; by default the id."""
    threshold: Number | None = None
    """How sure the judge has to be, 0 to 1: by default 0.6, and 0.7 for what is allowed."""


class ArmorFact(Part):
    """Something that the judge should know."""

    name: str
    value: str


class ArmorRules(Part):
    """Rules as objects or as plain strings."""

    hard_deny: ListOf[str | Like[ArmorRule]] | None = None
    """Never allowed."""
    soft_deny: ListOf[str | Like[ArmorRule]] | None = None
    """Not allowed unless a rule of `allow` says so."""
    allow: ListOf[str | Like[ArmorRule]] | None = None
    environment: ListOf[str | Like[ArmorFact]] | None = None
    """Facts, as objects or as `Name: value`."""


class ArmorContext(Part):
    """What tool calls are judged by."""

    v: Number
    """The version of this form: 1."""
    auto_mode: Like[ArmorRules] | None = None


class ArmorPlugin(Plugin):
    """Judges every tool call before you get it (beta); a call that is withheld comes as text."""

    id: str = "armor"
    mode: Open[Literal["enforce", "audit"]] | None = None
    on_error: Open[Literal["block", "log"]] | None = None
    output_mode: Open[Literal["text", "custom_item", "claude_code_compatibility"]] | None = None
    classifier_context: Like[ArmorContext] | None = None
    evaluate_native_tools: Flag | None = None
    use_cc_style_default_rules: Flag | None = None
