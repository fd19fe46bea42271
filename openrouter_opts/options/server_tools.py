"""Tools that run at OpenRouter. https://openrouter.ai/docs/guides/features/server-tools.

They go among `tools`, beside your own functions. Each use costs extra, with free models too. A plain mapping with a `type` does as
well, and is the way for a tool that is newer than this file.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from openrouter_opts.options.option import Flag, Like, ListOf, Number, Open, OpenPart, Whole
from openrouter_opts.options.parts import CacheControl, Reasoning, UserLocation, XSearch


class Tool(OpenPart):
    """Any tool, by its type."""

    type: str


class ServerTool(OpenPart):
    """A tool that runs at OpenRouter; its fields are the tool's parameters."""

    type: ClassVar[str]

    def wire(self) -> dict[str, Any]:
        """Return the tool as it goes out."""
        parameters = super().wire()
        return {"type": self.type, "parameters": parameters} if parameters else {"type": self.type}


class WebSearch(ServerTool):
    """Lets the model search the web."""

    type = "openrouter:web_search"
    engine: Open[Literal["auto", "native", "exa", "parallel", "firecrawl", "perplexity"]] | None = None
    mode: str | None = None
    max_results: Whole | None = None
    """1 to 25 for each search, by default 5."""
    max_total_results: Whole | None = None
    max_uses: Whole | None = None
    search_context_size: Open[Literal["low", "medium", "high"]] | None = None
    max_characters: Whole | None = None
    """1 to 100,000; wins over `search_context_size`."""
    allowed_domains: ListOf[str] | None = None
    """Not with `excluded_domains`, on most engines."""
    excluded_domains: ListOf[str] | None = None
    user_location: Like[UserLocation] | None = None
    x_search: Like[XSearch] | None = None


class WebFetch(ServerTool):
    """Lets the model read web pages."""

    type = "openrouter:web_fetch"
    engine: Open[Literal["auto", "native", "openrouter", "exa", "parallel", "firecrawl"]] | None = None
    max_uses: Whole | None = None
    max_content_tokens: Whole | None = None
    allowed_domains: ListOf[str] | None = None
    blocked_domains: ListOf[str] | None = None


class Datetime(ServerTool):
    """Tells the model the time."""

    type = "openrouter:datetime"
    timezone: str | None = None
    """An IANA name, by default UTC."""


class ImageGeneration(ServerTool):
    """Lets the model make images; any key of `image_config` is taken too."""

    type = "openrouter:image_generation"
    model: str | None = None


class Advisor(ServerTool):
    """Lets the model ask another one."""

    type = "openrouter:advisor"
    name: str | None = None
    model: str | None = None
    instructions: str | None = None
    forward_transcript: Flag | None = None
    reasoning: Like[Reasoning] | None = None
    temperature: Number | None = None
    max_completion_tokens: Whole | None = None
    max_tool_calls: Whole | None = None
    """At most 25."""
    stream: Flag | None = None


class Subagent(ServerTool):
    """Lets the model give a task to another one, with server tools of its own."""

    type = "openrouter:subagent"
    name: str | None = None
    model: str | None = None
    instructions: str | None = None
    tools: ListOf[dict[str, Any]] | None = None
    max_tool_calls: Whole | None = None
    """At most 25."""
    reasoning: Like[Reasoning] | None = None
    temperature: Number | None = None
    max_completion_tokens: Whole | None = None


class Fusion(ServerTool):
    """Lets the model have a question answered by several others."""

    type = "openrouter:fusion"
    preset: Open[Literal["general-high", "general-budget", "general-fast"]] | None = None
    analysis_models: ListOf[str] | None = None
    model: str | None = None
    max_tool_calls: Whole | None = None
    tools: ListOf[dict[str, Any]] | None = None
    reasoning: Like[Reasoning] | None = None
    temperature: Number | None = None
    max_completion_tokens: Whole | None = None
    cache_control: Like[CacheControl] | None = None


class SearchModels(ServerTool):
    """Lets the model search OpenRouter's models (experimental)."""

    type = "openrouter:experimental__search_models"
    max_results: Whole | None = None
    """At most 20, by default 5."""


class Bash(ServerTool):
    """Lets the model run commands in a container."""

    type = "openrouter:bash"
    engine: Open[Literal["auto", "native", "openrouter"]] | None = None
    environment: dict[str, Any] | None = None


class Files(ServerTool):
    """Lets the model use the files of the account."""

    type = "openrouter:files"
