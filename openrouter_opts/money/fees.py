"""What is paid beside the tokens: the published prices of plugins and server tools.

https://openrouter.ai/docs/guides/features/server-tools/web-search, …/web-fetch and https://openrouter.ai/docs/guides/overview/multimodal/pdfs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from openrouter_opts.catalog.slugs import Slug
from openrouter_opts.lint.body import Body, models_of, object_in
from openrouter_opts.money.pdf import is_here, is_read_by_ocr, pages_of

MOST_CALLS: Final = 30
"""Server tool calls that a request allows by itself, https://openrouter.ai/docs/guides/features/server-tools#tool-call-limits."""

_SEARCH_PRICES: Final[Mapping[str, Mapping[str | None, Decimal]]] = {
    "exa": {
        None: Decimal("0.007"),
        "deep-lite": Decimal("0.012"),
        "deep": Decimal("0.012"),
        "deep-reasoning": Decimal("0.015"),
    },
    "parallel": {None: Decimal("0.005"), "turbo": Decimal("0.001"), "fast": Decimal("0.001")},
    "perplexity": {None: Decimal("0.005")},
    # Paid with a key of one's own, and never by OpenRouter.
    "firecrawl": {None: Decimal(0)},
}
"""USD per search, by engine and mode."""
_RESULTS_INCLUDED: Final = 10
_RESULT_PRICE: Final = Decimal("0.001")
NATIVE_SEARCH: Final = Decimal("0.035")
"""USD: the dearest search that a provider publishes, Google's, for endpoints that don't list theirs. https://ai.google.dev/pricing"""
_NATIVE_SEARCHES: Final = 5
"""Searches that a provider's own search is reckoned with: it decides by itself, and few take a limit."""
_FETCH_PRICE: Final = Decimal("0.001")
_PAGE_PRICE: Final = Decimal("0.002")
_MOST_PAGES: Final = 1_000

_CHARACTERS_OF_RESULT: Final[Mapping[str | None, int]] = {
    None: 4_000,
    "low": 5_000,
    "medium": 15_000,
    "high": 30_000,
}
_CHARACTERS_OF_TOKEN: Final = 2
"""Half of what English has; what is found isn't known before, so this is no bound, as it is for the prompt."""
_TOKENS_OF_PAGE: Final = 100_000

_SEARCHES: Final = frozenset(
    (
        "openrouter:web_search",
        "web_search",
        "web_search_preview",
        "web_search_preview_2025_03_11",
        "web_search_2025_08_26",
    )
)
_FREE_TOOLS: Final = frozenset(
    {"openrouter:datetime", "openrouter:experimental__search_models", "openrouter:files"}
)
_FREE_PLUGINS: Final = frozenset(
    {
        "response-healing",
        "context-compression",
        "moderation",
        "auto-router",
        "auto-beta-router",
        "pareto-router",
        "jev-router",
        "switchyard-router",
    }
)


@dataclass(frozen=True, slots=True)
class Fee:
    """What one use of a plugin or tool costs beside the tokens.

    Attributes:
        low: USD at least.
        high: USD at most.
        native: how many searches the endpoint's provider may make itself, at its own price.
        text: tokens that a use adds to the prompt.
        uses: how often it may be used at most; None for as often as the request allows.
    """

    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    native: int = 0
    text: int = 0
    uses: int | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What a request has beside the model.

    Attributes:
        always: what every request does: plugins.
        tools: what the model may do, one call after the other.
        calls: how many calls of tools there may be; None where nothing ends them but `stop_cost`.
        stop_cost: USD after which the tools are stopped.
        unpriced: what has no published price.
    """

    always: tuple[Fee, ...] = ()
    tools: tuple[Fee, ...] = ()
    calls: int | None = 0
    stop_cost: Decimal | None = None
    unpriced: tuple[str, ...] = ()


def extras_of(body: Body) -> Extras:
    """Read the plugins and server tools of a request."""
    named = [*_plugins(body), *_tools(body)]
    tools = [fee for _, fee, is_tool in named if is_tool and fee]
    calls, stop_cost = ends_of(body) if any(is_tool for *_, is_tool in named) else (0, None)
    return Extras(
        always=tuple(fee for _, fee, is_tool in named if not is_tool and fee),
        tools=tuple(tools),
        calls=calls,
        stop_cost=stop_cost,
        unpriced=tuple(dict.fromkeys(name for name, fee, _ in named if fee is None)),
    )


def has_extras(body: Body) -> bool:
    """Whether something may be billed beside the tokens; quick."""
    return bool(body.get("plugins")) or _is_online(body) or any(map(_is_server_tool, _listed(body, "tools")))


_Named = tuple[str, Fee | None, bool]


def _plugins(body: Body) -> Iterator[_Named]:
    for plugin in _listed(body, "plugins"):
        name = plugin.get("id")
        if not isinstance(name, str) or name in _FREE_PLUGINS or plugin.get("enabled") is False:
            continue
        priced = _PLUGINS.get(name)
        yield name, priced(plugin, body) if priced else None, False
    if _is_online(body) and not any(plugin.get("id") == "web" for plugin in _listed(body, "plugins")):
        yield ":online", _one_search({}, body), False


def _tools(body: Body) -> Iterator[_Named]:
    for tool in _listed(body, "tools"):
        kind = tool.get("type", "")
        if kind in _SEARCHES:
            settings = object_in(tool, "parameters") if kind.startswith("openrouter:") else tool
            yield kind, _search(settings, body), True
        elif kind == "openrouter:web_fetch":
            yield kind, _fetch(object_in(tool, "parameters"), body), True
        elif kind in _FREE_TOOLS:
            yield kind, Fee(text=_CHARACTERS_OF_RESULT[None]), True
        elif _is_server_tool(tool):
            yield kind, None, True


def _is_server_tool(tool: Mapping[str, Any]) -> bool:
    kind = tool.get("type")
    return isinstance(kind, str) and (kind.startswith("openrouter:") or kind in _SEARCHES)


def _is_online(body: Body) -> bool:
    return any("online" in Slug.parse(name).variants for name in models_of(body))


def _search(settings: Mapping[str, Any], body: Body) -> Fee | None:
    """One search. Who searches natively isn't known before it is done."""
    if isinstance(settings.get("x_search"), dict) or body.get("x_search_filter") is not None:
        # Billed by the item that is found.
        return None
    engine, mode = settings.get("engine"), settings.get("mode")
    results = settings.get("max_results")
    results = results if isinstance(results, int) and results > 0 else 5
    priced = engine if isinstance(engine, str) and engine in _SEARCH_PRICES else "exa"
    prices = _SEARCH_PRICES[priced]
    price = prices.get(mode, prices[None])
    if priced in ("exa", "parallel"):
        price += max(results - _RESULTS_INCLUDED, 0) * _RESULT_PRICE
    size = settings.get("max_characters")
    size = size if isinstance(size, int) else _CHARACTERS_OF_RESULT.get(settings.get("search_context_size"))
    uses = settings.get("max_uses")
    return Fee(
        low=price if engine == priced else Decimal(0),
        high=price,
        native=0 if engine == priced else 1,
        text=results * (size or _CHARACTERS_OF_RESULT[None]) // _CHARACTERS_OF_TOKEN,
        uses=uses if isinstance(uses, int) else None,
    )


def _one_search(plugin: Mapping[str, Any], body: Body) -> Fee | None:
    """The plugin searches once with each request; a provider's own search as often as it likes."""
    fee = _search(plugin, body)
    if fee is None or not fee.native:
        return fee
    return replace(fee, native=_NATIVE_SEARCHES if fee.uses is None else fee.uses)


def _fetch(settings: Mapping[str, Any], _: Body) -> Fee:
    engine, most, uses = (settings.get(name) for name in ("engine", "max_content_tokens", "max_uses"))
    return Fee(
        high=Decimal(0) if engine in ("openrouter", "firecrawl") else _FETCH_PRICE,
        text=most if isinstance(most, int) else _TOKENS_OF_PAGE,
        uses=uses if isinstance(uses, int) else None,
    )


def _fetches(plugin: Mapping[str, Any], body: Body) -> Fee:
    """The plugin fetches the pages whose addresses are in the prompt."""
    fee = _fetch(plugin, body)
    pages = str(body.get("messages")).count("http")
    uses = pages if fee.uses is None else min(fee.uses, pages)
    return Fee(high=fee.high * uses, text=fee.text * uses)


def _parsed(plugin: Mapping[str, Any], body: Body) -> Fee:
    """Files that are read by OCR; those that an earlier answer has annotated aren't read again, which isn't relied on."""
    if not is_read_by_ocr(plugin):
        return Fee()
    return Fee(high=sum(map(_paid_pages, _files(body))) * _PAGE_PRICE)


def _files(body: Body) -> Iterator[Any]:
    for message in _listed(body, "messages"):
        for part in _listed(message, "content"):
            if part.get("type") == "file":
                yield object_in(part, "file").get("file_data")


def _paid_pages(data: Any) -> int:
    pages = pages_of(data) if is_here(data) else None
    return _MOST_PAGES if pages is None else min(pages, _MOST_PAGES)


_PLUGINS: Final[Mapping[str, Callable[[Mapping[str, Any], Body], Fee | None]]] = {
    "web": _one_search,
    "web-fetch": _fetches,
    "file-parser": _parsed,
}


def ends_of(body: Body) -> tuple[int | None, Decimal | None]:
    """What ends a loop of server tools: so many calls, or so much money. Conditions take the place of the usual number."""
    conditions = _listed(body, "stop_server_tools_when")
    if not conditions:
        most = body.get("max_tool_calls")
        return (most if isinstance(most, int) else MOST_CALLS), None
    counts = [each.get("step_count") for each in conditions if each.get("type") == "step_count_is"]
    costs = [each.get("max_cost_in_dollars") for each in conditions if each.get("type") == "max_cost"]
    return (
        min((count for count in counts if isinstance(count, int)), default=None),
        min((Decimal(str(cost)) for cost in costs if isinstance(cost, int | float | Decimal)), default=None),
    )


def _listed(row: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = row.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list | tuple) else []
