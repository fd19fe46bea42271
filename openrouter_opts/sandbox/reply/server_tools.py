"""What OpenRouter itself does around a model's answer: searching the web, and reading files. All of it is made up here."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from openrouter_opts.sandbox.check.options import SEARCH_SHORTHANDS
from openrouter_opts.sandbox.routing.names import is_online

_SEARCH_TYPES: Final = frozenset({"openrouter:web_search", *SEARCH_SHORTHANDS})
_DEFAULT_RESULTS: Final = 5
_MOST_RESULTS: Final = 25
_SEARCH_PRICES: Final[Mapping[str, Mapping[str | None, Decimal]]] = {
    "exa": {
        None: Decimal("0.007"),
        "deep-lite": Decimal("0.012"),
        "deep": Decimal("0.012"),
        "deep-reasoning": Decimal("0.015"),
    },
    "parallel": {None: Decimal("0.005"), "turbo": Decimal("0.001"), "fast": Decimal("0.001")},
    "perplexity": {None: Decimal("0.005")},
    "firecrawl": {None: Decimal(0)},
}
"""USD per search by engine and mode, https://openrouter.ai/docs/guides/features/server-tools/web-search. Native search is Exa's here,
and Firecrawl's is paid with a key of one's own. The client reckons with a table of its own: two that were one would agree whatever it said."""
_MORE_RESULTS_COST: Final = frozenset({"exa", "parallel"})
_RESULTS_INCLUDED: Final = 10
_RESULT_PRICE: Final = Decimal("0.001")
_OCR_PRICE: Final = Decimal("0.002")
"""USD per page, https://openrouter.ai/docs/guides/overview/multimodal/pdfs."""

_PDF_TEXT: Final = re.compile(rb"\(((?:[^()\\]|\\.)*)\)\s*Tj")
_WORDS: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Extras:
    """What was done beside the inference.

    Attributes:
        annotations: citations and parsed files, as they go into the message.
        searches: web searches made.
        fee: USD.
    """

    annotations: tuple[dict[str, Any], ...] = ()
    searches: int = 0
    fee: Decimal = Decimal(0)


def extras_of(body: Mapping[str, Any]) -> Extras:
    """Run the server tools and plugins that the request switches on."""
    files, file_fee = _files(body)
    settings = _search_wanted(body)
    if settings is None:
        return Extras(files, 0, file_fee)
    results = min(settings.get("max_results") or _DEFAULT_RESULTS, _MOST_RESULTS)
    found = tuple(_citation(_question(body), rank) for rank in range(1, results + 1))
    return Extras((*found, *files), 1, file_fee + _search_price(settings, results))


def _search_price(settings: Mapping[str, Any], results: int) -> Decimal:
    engine: str = settings["engine"] if settings.get("engine") in _SEARCH_PRICES else "exa"
    prices = _SEARCH_PRICES[engine]
    beyond = max(results - _RESULTS_INCLUDED, 0) if engine in _MORE_RESULTS_COST else 0
    return prices.get(settings.get("mode"), prices[None]) + beyond * _RESULT_PRICE


def _search_wanted(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The settings of the search; None for no search.

    The plugin searches with every request; the tool is used by the model, here once per question.
    """
    for plugin in body.get("plugins") or ():
        if plugin["id"] == "web" and plugin.get("enabled") is not False:
            return dict(plugin)
    if is_online(body):
        return {}
    for tool in body.get("tools") or ():
        if tool["type"] in _SEARCH_TYPES and body["messages"][-1]["role"] == "user":
            settings: Mapping[str, Any] = (
                tool if tool["type"] in SEARCH_SHORTHANDS else tool.get("parameters")
            )
            return settings or {}
    return None


def _question(body: Mapping[str, Any]) -> str:
    """The text of the last user message."""
    content = next((each["content"] for each in reversed(body["messages"]) if each["role"] == "user"), "")
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")


def _citation(question: str, rank: int) -> dict[str, Any]:
    """A search result; as with the real engine, it belongs to no place in the text, so both indices are 0."""
    words = _WORDS.findall(question.lower())[:6] or ["search"]
    title = " ".join(words).capitalize()
    return {
        "type": "url_citation",
        "url_citation": {
            "url": f"https://example.com/{'-'.join(words)}/{rank}",
            "title": f"{title} ({rank})",
            "content": f"What page {rank} of the sandbox's web says about: {title}.",
            "start_index": 0,
            "end_index": 0,
        },
    }


def _files(body: Mapping[str, Any]) -> tuple[tuple[dict[str, Any], ...], Decimal]:
    """The PDFs of the prompt, parsed; those that an earlier answer has annotated already aren't parsed again."""
    known = {
        note["file"]["hash"]
        for message in body["messages"]
        for note in message.get("annotations") or ()
        if note["type"] == "file"
    }
    fresh = {
        note["file"]["hash"]: note
        for file in _pdfs(body)
        if (note := _parsed(file))["file"]["hash"] not in known
    }
    engines = [(plugin.get("pdf") or {}).get("engine") for plugin in body.get("plugins") or ()]
    return tuple(fresh.values()), _OCR_PRICE * len(fresh) if "mistral-ocr" in engines else Decimal(0)


def _pdfs(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for message in body["messages"]:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] == "file" and (part["file"].get("file_data") or "").startswith(
                "data:application/pdf"
            ):
                yield part["file"]


def _parsed(file: Mapping[str, Any]) -> dict[str, Any]:
    data = base64.b64decode(file["file_data"].partition(",")[2])
    name = file.get("filename") or "document.pdf"
    text = (
        b" ".join(_PDF_TEXT.findall(data)).decode("latin-1")
        or f"{name}: {len(data)} bytes without plain text."
    )
    content = [{"type": "text", "text": text}]
    return {
        "type": "file",
        "file": {"hash": hashlib.sha256(data).hexdigest(), "name": name, "content": content},
    }
