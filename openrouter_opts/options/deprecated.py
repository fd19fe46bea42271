"""Options that OpenRouter has renamed or retired: a warning once, and what to send instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from openrouter_opts.options.caller import warn
from openrouter_opts.options.merge import look, merge
from openrouter_opts.options.option import Option
from openrouter_opts.options.table import SHAPE

_TOOL: Final = "use the server tool `WebSearch` ({'type': 'openrouter:web_search'} in `tools`)"
_COMPRESSION: Final = "context-compression"
_PARTITIONS: Final = {"sort": "none", "fallback": "model"}
_warned: set[str] = set()


def warn_once(name: str, instead: str) -> None:
    """Warn about a deprecated name, at the user's line, the first time in this process."""
    if name not in _warned:
        _warned.add(name)
        warn(f"{name} is deprecated: {instead}", DeprecationWarning)


def warn_if_deprecated(option: Option, value: Any) -> None:
    """Warn about an option, or about a value of it, that OpenRouter has replaced."""
    if option.deprecated:
        warn_once(option.name, option.deprecated)
    elif option.name == "plugins" and any(plugin["id"] == "web" for plugin in value):
        warn_once("the plugin web", _TOOL)
    elif option.name == "models":
        for model in value:
            warn_if_online(model)


def warn_if_online(model: str) -> None:
    """Warn about a model slug with the deprecated suffix `:online`."""
    if ":online" in model:
        warn_once("the suffix :online", _TOOL)


def modern(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in today's terms. Values that have no translation stay: they may be newer than this library."""
    translated = dict(options)
    for name in _TRANSLATIONS.keys() & options.keys():
        translation = _TRANSLATIONS[name](options[name], translated)
        if translation is not None:
            del translated[name]
            translated |= translation
    return translated


def _route(value: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    if value == "fallback":
        return {}  # what OpenRouter does anyway
    if value != "sort":
        return None
    routing, sort = SHAPE.of("provider"), look(options, ("provider", "sort"))
    given = {"by": sort} if isinstance(sort, str) else sort or {}
    across = routing.of("sort").ordered({"partition": _PARTITIONS[value], **given})
    return {"provider": merge(options.get("provider") or {}, {"sort": across}, routing)}


def _transforms(value: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    if value not in (["middle-out"], []):
        return None
    plugins = options.get("plugins") or []
    if look(plugins, (_COMPRESSION,)):
        return {}
    plugin = {"id": _COMPRESSION} if value else {"id": _COMPRESSION, "enabled": False}
    return {"plugins": [*plugins, plugin]}


def _include_reasoning(value: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    shown = {} if value else {"exclude": True}
    return {"reasoning": merge(shown, options.get("reasoning") or {}, SHAPE.of("reasoning"))}


def _usage(value: Any, _: Mapping[str, Any]) -> dict[str, Any] | None:
    return {} if value.keys() <= {"include"} else None


def _stream_options(value: Any, _: Mapping[str, Any]) -> dict[str, Any] | None:
    # To be spared the usage is a wish of its own, even if OpenRouter doesn't grant it.
    return {} if value.keys() <= {"include_usage"} and value.get("include_usage") is not False else None


_TRANSLATIONS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], dict[str, Any] | None]]] = {
    "route": _route,
    "transforms": _transforms,
    "include_reasoning": _include_reasoning,
    "usage": _usage,
    "stream_options": _stream_options,
}


def outdated(options: Mapping[str, Any]) -> Iterator[str]:
    """Find options that say one thing by the name that it had, and another by the one that it has."""
    partition = look(options, ("provider", "sort", "partition"))
    if None not in (partition, meant := _PARTITIONS.get(options.get("route", ""))) and partition != meant:
        yield f"route={options['route']!r} means provider.sort.partition={meant!r}, not {partition!r}"
    shown, exclude = options.get("include_reasoning"), look(options, ("reasoning", "exclude"))
    if None not in (shown, exclude) and shown is exclude:
        yield f"include_reasoning={shown} means reasoning.exclude={not shown}, not {exclude}"
    transforms, plugin = options.get("transforms"), look(options, ("plugins", _COMPRESSION))
    if transforms in (["middle-out"], []) and plugin and bool(transforms) is (plugin.get("enabled") is False):
        yield f"transforms={transforms} contradicts the plugin {_COMPRESSION}"
    if options.get("speed") == "fast" and options.get("service_tier") not in {None, "fast", "priority"}:
        yield f"speed='fast' means service_tier='priority', not {options['service_tier']!r}"
