"""The shapes of routing preferences, plugins and tools."""

from __future__ import annotations

from typing import Any, Final

from openrouter_opts.sandbox.check.messages import CACHE_CONTROL
from openrouter_opts.sandbox.check.schema import object_schema
from openrouter_opts.sandbox.check.shapes import (
    Shape,
    anything,
    array,
    boolean,
    either,
    exclusive,
    integer,
    nullable,
    number,
    one_of,
    record,
    refused,
    string,
    tagged,
)

_NAMES: Final = array(string(least=1))
_TEXTS: Final = array(string())

# provider ----------------------------------------------------------------------------------------------------------------

_PRICE: Final = either(string(pattern=r"\d+(\.\d+)?([eE]-?\d{1,3})?"), number(0))
_PERCENTILES: Final = either(
    record(dict.fromkeys(("p50", "p75", "p90", "p99"), nullable(number(0))), closed=True), number(0)
)
_SORT_KEYS: Final = one_of("price", "throughput", "latency", "exacto")
_SORT: Final = either(
    record({"by": nullable(_SORT_KEYS), "partition": nullable(one_of("model", "none"))}, closed=True),
    _SORT_KEYS,
)
_QUANTIZATIONS: Final = (
    *("int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32"),
    "unknown",
)

PROVIDER: Final = record(
    {
        "order": nullable(_NAMES),
        "only": nullable(_NAMES),
        "ignore": nullable(_NAMES),
        "allow_fallbacks": nullable(boolean),
        "require_parameters": nullable(boolean),
        "data_collection": nullable(one_of("allow", "deny")),
        "zdr": nullable(boolean),
        "enforce_distillable_text": nullable(boolean),
        "quantizations": nullable(array(one_of(*_QUANTIZATIONS))),
        "sort": nullable(_SORT),
        "preferred_min_throughput": nullable(_PERCENTILES),
        "preferred_max_latency": nullable(_PERCENTILES),
        "max_price": record(
            dict.fromkeys(("prompt", "completion", "image", "audio", "request"), _PRICE), closed=True
        ),
        "options": record(),
    },
    closed=True,
)

# plugins -----------------------------------------------------------------------------------------------------------------

_SEARCH_ENGINES: Final = ("native", "exa", "firecrawl", "parallel", "perplexity")
_PATTERNS: Final = array(string(most=1024), most=1024)
_TIERS: Final = one_of("low", "medium", "high", "xhigh", "max")
_ROUTER: Final[dict[str, Shape]] = {
    "allowed_models": _PATTERNS,
    "excluded_models": _PATTERNS,
    "cost_tier": _TIERS,
    "cost_quality_tradeoff": integer(0, 10),
}
_RULE: Final = record(
    {
        "rule": string(least=1),
        "watch": array(one_of("content", "tool_calls", "refusal", "images", "audio")),
    },
    required=["rule", "watch"],
)

_PLUGIN_FIELDS: Final[dict[str, dict[str, Shape]]] = {
    "web": {
        "max_results": integer(1),
        "engine": one_of(*_SEARCH_ENGINES),
        "search_prompt": string(),
        "include_domains": _TEXTS,
        "exclude_domains": _TEXTS,
        "max_uses": integer(1),
    },
    "web-fetch": {
        "max_uses": integer(1),
        "max_content_tokens": integer(1),
        "allowed_domains": _TEXTS,
        "blocked_domains": _TEXTS,
    },
    "file-parser": {"pdf": record({"engine": one_of("mistral-ocr", "cloudflare-ai", "native", "pdf-text")})},
    "response-healing": {},
    "context-compression": {"engine": one_of("middle-out")},
    "moderation": {},
    "auto-router": {**_ROUTER, "pin_model": boolean},
    "auto-beta-router": _ROUTER,
    "pareto-router": {
        "min_coding_score": number(0, 1),
        "max_price": number(0),
        "price_source": one_of("prompt", "weighted_avg"),
    },
    "fusion": {
        "preset": one_of("general-high", "general-budget", "general-fast"),
        "analysis_models": array(string(), most=8),
        "model": string(),
        "max_tool_calls": integer(1, 16),
    },
    "jev-router": {
        "models": _TEXTS,
        "allowed_models": _TEXTS,
        "excluded_models": _TEXTS,
        "cost_tier": string(),
    },
    "switchyard-router": {
        "algorithm": one_of("capability", "stage", "auto", "random", "composite", "passthrough"),
        "judge_model": string(),
    },
    "alignment": {
        "rules": array(_RULE, least=1),
        "mode": one_of("audit", "enforce"),
        "threshold": number(0.01, 1),
        "max_retries": integer(0, 3),
        "instruct": boolean,
    },
    "armor": {
        "mode": one_of("enforce", "audit"),
        "on_error": one_of("block", "log"),
        "output_mode": one_of("text", "custom_item", "claude_code_compatibility"),
        "evaluate_native_tools": boolean,
        "use_cc_style_default_rules": boolean,
    },
}
_REQUIRED: Final = {"alignment": ("rules",)}

PLUGINS: Final = array(
    tagged(
        "id",
        {
            name: record({"enabled": boolean, **fields}, required=_REQUIRED.get(name, ()))
            for name, fields in _PLUGIN_FIELDS.items()
        },
        "plugin id",
    )
)

# tools -------------------------------------------------------------------------------------------------------------------

_NAME: Final = string(pattern=r"[a-zA-Z0-9_-]{1,64}")
_SEARCH: Final = exclusive(
    record(
        {
            "engine": one_of("auto", *_SEARCH_ENGINES),
            "max_results": integer(1, 25),
            "max_total_results": integer(1),
            "max_uses": integer(1),
            "search_context_size": one_of("low", "medium", "high"),
            "max_characters": integer(1, 100_000),
            "allowed_domains": _TEXTS,
            "excluded_domains": _TEXTS,
        }
    ),
    "allowed_domains",
    "excluded_domains",
)
_ELSEWHERE: Final = refused("is of the Responses API; chat completions don't take it")
_SUBAGENT: Final = record(
    {
        "max_tool_calls": integer(1, 25),
        "inherit_functions": _ELSEWHERE,
        "inherited_function_names": _ELSEWHERE,
    }
)
_PARAMETERS: Final[dict[str, Shape]] = {"openrouter:web_search": _SEARCH, "openrouter:subagent": _SUBAGENT}
SEARCH_SHORTHANDS: Final = (
    "web_search",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "web_search_2025_08_26",
)
_NOT_HERE: Final = ("openrouter:shell", "openrouter:apply_patch", "openrouter:tool_search")


def _kind_of_server_tool(kind: str, path: str, what: str) -> str | None:
    """The name of a tool that runs at OpenRouter: any below ``openrouter:``, but for those of other APIs."""
    if kind in _NOT_HERE:
        return f"{path}: {kind} is not available on chat completions"
    if not kind.startswith("openrouter:"):
        return f"{path}: {kind!r:.80} is not a tool {what}; one of function, openrouter:…, {', '.join(SEARCH_SHORTHANDS)}"
    return None


def _server_tool(value: dict[str, Any], path: str) -> str | None:
    """A tool that runs at OpenRouter."""
    if problem := _kind_of_server_tool(value["type"], f"{path}.type", "type"):
        return problem
    parameters = _PARAMETERS.get(value["type"], record())
    return parameters(value.get("parameters") or {}, f"{path}.parameters")


_FUNCTION: Final = record(
    {
        "name": _NAME,
        "description": nullable(string()),
        "parameters": nullable(object_schema),
        "strict": nullable(boolean),
        "defer_loading": boolean,
    },
    required=["name"],
)

TOOLS: Final = array(
    tagged(
        "type",
        {
            "function": record(
                {"function": _FUNCTION, "cache_control": nullable(CACHE_CONTROL), "defer_loading": boolean},
                required=["function"],
            ),
            **dict.fromkeys(SEARCH_SHORTHANDS, _SEARCH),
        },
        "tool type",
        other=_server_tool,
    )
)

TOOL_CHOICE: Final = either(
    tagged(
        "type",
        {
            "function": record(
                {"function": record({"name": string(least=1)}, required=["name"])}, required=["function"]
            ),
            # With `deferred_tools`, and for tool search.
            "allowed_tools": anything,
            **dict.fromkeys(SEARCH_SHORTHANDS, anything),
        },
        "tool choice",
        other=lambda value, path: _kind_of_server_tool(value["type"], f"{path}.type", "choice"),
    ),
    one_of("none", "auto", "required"),
)

RESPONSE_FORMAT: Final = tagged(
    "type",
    {
        "text": anything,
        "json_object": anything,
        "json_schema": record(
            {
                "json_schema": record(
                    {
                        "name": _NAME,
                        "description": string(),
                        "schema": object_schema,
                        "strict": nullable(boolean),
                    },
                    required=["name"],
                )
            },
            required=["json_schema"],
        ),
        "grammar": record({"grammar": string()}, required=["grammar"]),
        "python": anything,
    },
    "response format",
)
