"""Tools that run at OpenRouter. https://openrouter.ai/docs/guides/features/server-tools.

They go among `tools`, beside your own functions. Each use costs extra, with free models too. A plain mapping with a `type` does as
well: it is checked as the class with that type, and goes through verbatim where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

from openrouter_opts.options.option import (
    Flag,
    Foreign,
    Like,
    ListOf,
    Number,
    OneOf,
    Open,
    Part,
    Whole,
)
from openrouter_opts.options.parts import CacheControl, Reasoning, SearchMode, UserLocation, XSearch


class Tool(Part, verbatim=True):
    """Any tool, by its type."""

    type: str


class Function(Part):
    """A function of your own that the model may call."""

    name: str
    """At most 64 letters, digits, `_` and `-`."""
    description: str | None = None
    """When to call it, and what it does; the model reads it."""
    parameters: Foreign | None = None
    """A JSON Schema of its arguments."""
    strict: Flag | None = None
    """True: the arguments must keep to the schema."""
    defer_loading: Flag | None = None
    """True: the model has to search for it. May stand beside `function` as well."""


class FunctionTool(Tool):
    """A function among the tools."""

    type: str = "function"
    function: Like[Function]
    cache_control: Like[CacheControl] | None = None
    """Caches the tools up to this one."""
    defer_loading: Flag | None = None


class ServerTool(Tool):
    """A tool that runs at OpenRouter; its fields are the tool's parameters."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Part:
        """Return the part that the tool's JSON object stands for; raises pydantic's `ValidationError`."""
        if misplaced := sorted((value.keys() & cls.known_keys().keys()) - {"type"}):
            raise ValueError(f"write {', '.join(misplaced)} into its `parameters`")
        return _InRequest[cls].model_validate(value)  # type: ignore[valid-type]

    def wire(self, *, unset: bool = False) -> dict[str, Any]:
        """Return the tool as it goes out. See `Part.wire`."""
        parameters = super().wire(unset=unset)
        tool = {"type": parameters.pop("type")}
        return {**tool, "parameters": parameters} if parameters else tool


_Parameters = TypeVar("_Parameters", bound=ServerTool)


class _InRequest(Part, Generic[_Parameters]):
    """A server tool as it is in a request, where its fields are in an object of their own."""

    type: str
    parameters: Like[_Parameters] | None = None

    def wire(self, *, unset: bool = False) -> dict[str, Any]:
        """Return the tool as it goes out. See `Part.wire`."""
        tool = super().wire(unset=unset)
        if isinstance(self.parameters, ServerTool):
            parameters = Part.wire(self.parameters, unset=unset)
            if "type" not in self.parameters.model_fields_set:
                del parameters["type"]
            tool["parameters"] = parameters
        return tool


class WebSearch(ServerTool):
    """Lets the model search the web."""

    type: str = "openrouter:web_search"
    engine: Open[Literal["auto", "native", "exa", "parallel", "firecrawl", "perplexity"]] | None = None
    mode: SearchMode | None = None
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


class WebSearchShorthand(WebSearch):
    """The same in OpenAI's words. Its keys, those of `WebSearch`, stand beside `type`."""

    type: str = "web_search"
    further_tags: ClassVar[tuple[str, ...]] = (
        "web_search_preview",
        "web_search_preview_2025_03_11",
        "web_search_2025_08_26",
    )

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Part:
        """Return the part that the tool's JSON object stands for; raises pydantic's `ValidationError`."""
        return cls.model_validate(value)

    def wire(self, *, unset: bool = False) -> dict[str, Any]:
        """Return the tool as it goes out. See `Part.wire`."""
        return Part.wire(self, unset=unset)


class WebFetch(ServerTool):
    """Lets the model read web pages."""

    type: str = "openrouter:web_fetch"
    engine: Open[Literal["auto", "native", "openrouter", "exa", "parallel", "firecrawl"]] | None = None
    max_uses: Whole | None = None
    max_content_tokens: Whole | None = None
    allowed_domains: ListOf[str] | None = None
    blocked_domains: ListOf[str] | None = None


class Datetime(ServerTool):
    """Tells the model the time."""

    type: str = "openrouter:datetime"
    timezone: str | None = None
    """An IANA name, by default UTC."""


class ImageGeneration(ServerTool, verbatim=True):
    """Lets the model make images; any key of `image_config` is taken too."""

    type: str = "openrouter:image_generation"
    model: str | None = None


class Advisor(ServerTool):
    """Lets the model ask another one."""

    type: str = "openrouter:advisor"
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

    type: str = "openrouter:subagent"
    name: str | None = None
    model: str | None = None
    instructions: str | None = None
    tools: ListOf[OneOf[Tool]] | None = None
    """Server tools only, and not itself."""
    max_tool_calls: Whole | None = None
    """At most 25."""
    reasoning: Like[Reasoning] | None = None
    temperature: Number | None = None
    max_completion_tokens: Whole | None = None


class Fusion(ServerTool):
    """Lets the model have a question answered by several others."""

    type: str = "openrouter:fusion"
    preset: Open[Literal["general-high", "general-budget", "general-fast"]] | None = None
    analysis_models: ListOf[str] | None = None
    model: str | None = None
    max_tool_calls: Whole | None = None
    tools: ListOf[OneOf[Tool]] | None = None
    reasoning: Like[Reasoning] | None = None
    temperature: Number | None = None
    max_completion_tokens: Whole | None = None
    cache_control: Like[CacheControl] | None = None


class SearchModels(ServerTool):
    """Lets the model search OpenRouter's models (experimental)."""

    type: str = "openrouter:experimental__search_models"
    max_results: Whole | None = None
    """At most 20, by default 5."""


class NetworkPolicy(Part):
    """What a container may reach; by default nothing."""

    type: Open[Literal["disabled", "allowlist"]]
    allowed_domains: ListOf[str] | None = None
    """Names or patterns with `*`, at most 50; with `allowlist`."""


class Container(Part):
    """Where commands run: a new container, or by its id one that stays."""

    type: Open[Literal["container_auto", "container_reference"]]
    container_id: str | None = None
    """At most 40 letters, digits, `_` and `-`; with `container_reference`."""
    file_ids: ListOf[str] | None = None
    """Files of the account that are copied into it, at most 20."""
    network_policy: Like[NetworkPolicy] | None = None


class Bash(ServerTool):
    """Lets the model run commands in a container."""

    type: str = "openrouter:bash"
    engine: Open[Literal["auto", "native", "openrouter"]] | None = None
    environment: Like[Container] | None = None


class Files(ServerTool):
    """Lets the model use the files of the account."""

    type: str = "openrouter:files"


def choice_of(choice: Any) -> Any:
    """Return what chooses a tool, where the tool itself is given; anything else as it is."""
    if isinstance(choice, FunctionTool):
        return {"type": choice.type, "function": {"name": choice.wire()["function"]["name"]}}
    return {"type": choice.type} if isinstance(choice, Tool) else choice
