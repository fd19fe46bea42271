"""From the names in a request to models: variants, aliases, routers and fallbacks."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from openrouter_opts.catalog import Catalog
from openrouter_opts.catalog.catalog import ROUTERS
from openrouter_opts.catalog.slugs import Slug
from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.endpoints import endpoints_of, newest
from openrouter_opts.sandbox.routing.order import Choice

DEFAULT_MODEL: Final = "openrouter/auto"
"""What the account's settings would name where a request names no model."""

_POOLS: Final = {
    "openrouter/free": ("meta-llama/llama-3.3-70b-instruct:free", "google/gemma-4-31b-it:free"),
    "openrouter/auto": (
        "openai/gpt-5-mini",
        "google/gemini-2.5-flash",
        "anthropic/claude-sonnet-4.6",
        "google/gemini-2.5-flash-image",
        "deepseek/deepseek-v3.2",
    ),
}
_PLUGIN_OF_ROUTER: Final = {"openrouter/auto": "auto-router", "openrouter/auto-beta": "auto-beta-router"}

# These change routing or add a plugin; any other suffix is part of the model's name.
_VIRTUAL: Final = frozenset({"nitro", "floor", "exacto", "online"})


def names_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The models that the request names, in the order in which they are tried."""
    named = [name for name in (body.get("model"), *(body.get("models") or ())) if name]
    return tuple(dict.fromkeys(named)) or (DEFAULT_MODEL,)


def choices_of(body: Mapping[str, Any]) -> tuple[Choice, ...] | Refusal:
    """The models to try with their endpoints, or which name means nothing."""
    choices: list[Choice] = []
    for name in names_of(body):
        found = _choices_of_name(name, body)
        if isinstance(found, Refusal):
            return found
        choices.extend(found)
    return tuple(choices)


def strategy_of(body: Mapping[str, Any], answered: str) -> str:
    """How ``openrouter_metadata`` calls the way from the request to the model that answered."""
    first = names_of(body)[0]
    if first in ROUTERS:
        return first.removeprefix("openrouter/").partition("-")[0]
    if Slug.parse(first).is_latest_alias:
        return "latest"
    return "direct" if _base(first) == answered else "fallback"


def is_online(body: Mapping[str, Any]) -> bool:
    """Whether a model is named with ``:online``, which adds the web plugin."""
    return any("online" in Slug.parse(name).variants for name in names_of(body))


def _base(name: str) -> str:
    """The name without the suffixes that aren't part of a model's name."""
    slug = Slug.parse(name)
    kept = [variant for variant in slug.variants if variant not in _VIRTUAL]
    return ":".join([slug.base, *kept])


def _choices_of_name(name: str, body: Mapping[str, Any]) -> tuple[Choice, ...] | Refusal:
    if "@preset/" in name:
        return Refusal(
            404, f"Preset not found: {name.partition('@preset/')[2]}; the sandbox keeps no presets."
        )
    base, slug = _base(name), Slug.parse(name)
    if base in ROUTERS:
        return _routed(base, body)
    model = newest(base) if slug.is_latest_alias else Catalog.bundled().get(base)
    if model is None:
        return Refusal(400, f"{name} is not a valid model ID")
    # A model's dated name means the model; a variant that nobody offers has no endpoints.
    served = base if set(slug.variants) - _VIRTUAL else model.id
    return (Choice(name, endpoints_of(served), slug.variants),)


def _routed(router: str, body: Mapping[str, Any]) -> tuple[Choice, ...] | Refusal:
    """What a router chooses from; routing takes the first that can do what is asked."""
    settings = _router_settings(router, body)
    allowed, excluded = settings.get("allowed_models") or ["*"], settings.get("excluded_models") or []
    pool = [
        name
        for name in _POOLS.get(router, _POOLS["openrouter/auto"])
        if _matches(name, allowed) and not _matches(name, excluded)
    ]
    if not pool:
        return Refusal(404, f"No endpoints found for {router} that match allowed_models {allowed}.")
    return tuple(Choice(name, endpoints_of(name)) for name in pool)


def _router_settings(router: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = _PLUGIN_OF_ROUTER.get(router)
    return next((plugin for plugin in body.get("plugins") or () if plugin.get("id") == wanted), {})


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
