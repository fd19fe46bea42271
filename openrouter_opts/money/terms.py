"""At what price each endpoint that is left may serve a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from openrouter_opts.catalog import Endpoint, Model
from openrouter_opts.catalog.slugs import FREE, Slug
from openrouter_opts.lint.body import Body, has_preset, models_of, number_in, object_in, provider_of
from openrouter_opts.lint.endpoints import BOUNDED, Excluded, judged, most_tokens
from openrouter_opts.money.fees import NATIVE_SEARCH, Extras
from openrouter_opts.money.prompt import PromptSize

Facts: TypeAlias = Callable[[str], Model | None]
"""What is known of a model, by its slug."""

Source = Literal["endpoint", "model", "listed", "max_price", "free"]

_NOTHING: Final = Decimal(0)
_SEARCHES_ITSELF: Final = frozenset({"openai", "anthropic", "google", "x-ai", "perplexity"})
"""Authors whose models have a search of their provider's; Perplexity's search with every request."""
_LIMITS: Final = frozenset({"max_tokens", "max_completion_tokens"})
_CACHE_WRITE: Final = Decimal("1.3")
"""How many times the price of the prompt the dearest endpoint asks for what it keeps in its cache for some minutes: Gemini's; Claude's is 1.25."""
_CACHE_WRITE_1H: Final = Decimal(2)
"""The same for an hour: https://openrouter.ai/docs/guides/best-practices/prompt-caching"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an endpoint asks for, USD, at its dearest.

    Attributes:
        model: whose endpoint it is.
        tag: the endpoint, where it is known.
        source: what the prices are: the endpoint's own, the model's, by the word of a catalogue, those that are listed for it, which are
            no bound, the bounds that the request sets, or nothing for a free model.
        base: the prices that `provider.max_price` looks at.
        prompt: per prompt token, whatever is done with it: cached for an hour, heard, seen.
        cheapest_prompt: per prompt token that was cached before.
        completion: per token of the answer, thought or said.
        request: per request.
        image: per image of the prompt, beside its tokens.
        search: per search that the provider makes itself; None if it makes none.
        window: tokens that prompt and answer may have together.
        most: tokens that the answer may have; None where nobody says.
        is_limited: whether it keeps to the limit that a request sets: some don't take one, and nobody says that one holds for images.
    """

    model: str
    tag: str
    source: Source
    base: Mapping[str, Decimal]
    prompt: Decimal
    cheapest_prompt: Decimal
    completion: Decimal
    request: Decimal = _NOTHING
    image: Decimal = _NOTHING
    search: Decimal | None = None
    window: int | None = None
    most: int | None = None
    is_limited: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """Everyone who may serve a request.

    Attributes:
        terms: theirs.
        unpriced: the models among them whose price nobody knows.
        unbounded: for models with no price, or with one that is no bound: why that is so.
    """

    terms: tuple[Terms, ...]
    unpriced: tuple[str, ...] = ()
    unbounded: Mapping[str, str] = field(default_factory=dict[str, str])


def offer_of(body: Body, facts: Facts, size: PromptSize, extras: Extras) -> Offer:
    """Return who may serve a request, and at what price."""
    adds_text = extras.tools or any(fee.text for fee in extras.always)
    # What plugins and tools find isn't known before, so it may reach any price of long prompts.
    longest = None if adds_text else size.high
    names = models_of(body)
    if has_preset(body) or not names:
        # Other models than those of the request, or none that is known.
        return Offer(
            (), (f"@preset/{body['preset']}",) if body.get("preset") else names or ("the default model",)
        )
    terms: list[Terms] = []
    unpriced: list[str] = []
    unbounded: dict[str, str] = {}
    for name in names:
        model = facts(name)
        found = _terms_of(name, body, model, size, longest)
        terms += found
        if not found:
            unpriced.append(name)
        if model and model.unbounded and all(each.source == "listed" for each in found):
            unbounded[name] = model.unbounded
    return Offer(tuple(terms), tuple(unpriced), unbounded)


def _terms_of(
    name: str, body: Body, model: Model | None, size: PromptSize, longest: int | None
) -> list[Terms]:
    if FREE in Slug.parse(name).variants:
        model = model or Model(name, name)
        free = {"prompt": _NOTHING, "completion": _NOTHING}
        whole = Endpoint("", "", None, model.context_length, model.max_completion_tokens, pricing=free)
        return [_terms(whole, model, size, free, "free", draws=False)]
    bounds, draws = _bounds(body, size), _may_draw(body, model)
    if model is None or not model.endpoints:
        # Any endpoint that the bounds leave, so they are its price; but there is none for the price of an image.
        known = model.highest_pricing(longest) if model else None
        prices = {**(known or {}), **bounds}
        if not {"prompt", "completion"} <= prices.keys() or (draws and not known):
            return []
        model = model or Model(name, name)
        whole = Endpoint("", "", None, model.context_length, model.max_completion_tokens, _supported(model))
        if {"prompt", "completion"} <= bounds.keys() and not draws:
            return [_terms(whole, model, size, prices, "max_price", draws=draws)]
        source: Source = "listed" if model.unbounded else "model"
        return [_terms(whole, model, size, prices, source, draws=draws)]
    left = judged(body, name, model)
    # Where nothing is left OpenRouter refuses for free, unless what is known of the endpoints is out of date.
    endpoints = model.endpoints if isinstance(left, Excluded) else left.endpoints
    priced = [(each, each.highest_pricing(longest)) for each in endpoints]
    if any(prices is None or not {"prompt", "completion"} <= prices.keys() for _, prices in priced):
        return []
    return [_terms(each, model, size, prices or {}, "endpoint", draws=draws) for each, prices in priced]


def _may_draw(body: Body, model: Model | None) -> bool:
    """Whether there may be images in the answer: where the request doesn't say, whatever the model makes."""
    modalities = body.get("modalities") or (model.output_modalities if model else ())
    return isinstance(modalities, list | tuple) and "image" in modalities


def _supported(model: Model) -> frozenset[str]:
    """What all endpoints can be taken to support; nothing is known where these parameters aren't recorded."""
    recorded = model.recorded_parameters is None or bool(_LIMITS & model.recorded_parameters)
    return model.supported_parameters if recorded else frozenset()


def _terms(
    endpoint: Endpoint,
    model: Model,
    size: PromptSize,
    prices: Mapping[str, Decimal],
    source: Source,
    *,
    draws: bool,
) -> Terms:
    author = Slug.parse(model.id).author
    base = endpoint.pricing or prices
    search = prices.get("web_search", NATIVE_SEARCH) if author in _SEARCHES_ITSELF else None
    always = prices.get("web_search", _NOTHING) if author == "perplexity" else _NOTHING
    supported = endpoint.supported_parameters
    return Terms(
        model=model.id,
        tag=endpoint.tag,
        source=source,
        base={name: base[name] for name in BOUNDED if name in base},
        prompt=_prompt_price(prices, size),
        cheapest_prompt=min(prices["prompt"], prices.get("input_cache_read", prices["prompt"])),
        completion=max(
            prices[name]
            for name in ("completion", "internal_reasoning", "image_output", "audio_output")
            if name in prices
        ),
        request=prices.get("request", _NOTHING) + always,
        image=prices.get("image", _NOTHING),
        search=search,
        window=endpoint.context_length or model.context_length,
        most=most_tokens(endpoint, 0) or None,
        is_limited=not draws and (not supported or not supported.isdisjoint(_LIMITS)),
    )


def _prompt_price(prices: Mapping[str, Decimal], size: PromptSize) -> Decimal:
    names = ["prompt", "input_cache_write"]
    names += ["image_token"] if size.images else []
    names += ["audio"] if size.has_audio else []
    price = max(prices[name] for name in names if name in prices)
    if "input_cache_write" in prices and size.caches_for_an_hour:
        price = max(price, prices.get("input_cache_write_1h", prices["prompt"] * _CACHE_WRITE_1H))
    return price


def _bounds(body: Body, size: PromptSize) -> dict[str, Decimal]:
    """`provider.max_price`, in USD per token, and what follows of it for the cache, whose price it doesn't bound."""
    given = object_in(provider_of(body), "max_price")
    bounds = {
        name: bound / scale
        for name, scale in BOUNDED.items()
        if (bound := number_in(given.get(name))) is not None
    }
    if size.caches and "prompt" in bounds:
        bounds["input_cache_write"] = bounds["prompt"] * _CACHE_WRITE
        bounds["input_cache_write_1h"] = bounds["prompt"] * _CACHE_WRITE_1H
    return bounds
