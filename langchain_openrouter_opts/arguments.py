"""What a model is made and called with, sorted into its fields, its options and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from langchain_core.language_models import LangSmithParams
from langchain_core.runnables.utils import (
    AnyConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
)

from langchain_openrouter_opts.errors import ModelErrors
from langchain_openrouter_opts.profile import profile
from langchain_openrouter_opts.results import MODEL_PROVIDER
from langchain_openrouter_opts.schemas import response_format
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.settings import Timeout
from openrouter_opts.limited import with_one_limit, written_limits
from openrouter_opts.options import OptionFields, Part, ProviderOptions, nearest
from openrouter_opts.options.model_options import fields_of, first_names, parted, sorted_out, stored
from openrouter_opts.options.names import refuse_unknown
from openrouter_opts.options.secrecy import without_secrets
from openrouter_opts.options.table import SPELLINGS

if TYPE_CHECKING:
    from langchain_openrouter_opts.chat_models import ChatOpenRouter

Call: TypeAlias = dict[str, Any]

BOUND: Final = "bound_call"
"""The argument of a call that holds what `bind` was given: it lies between the constructor and what the call itself says."""

_RENAMED: Final[Mapping[str, str]] = {"model_name": "model", "request_timeout": "timeout"}
# What the client takes beside the options.
_BESIDE: Final = ("model", "timeout", "max_retries", "check", "spend_limit")
# Options that LangChain and those who build on it look for among the arguments of a call.
_VISIBLE: Final = ("tools", "tool_choice", "response_format", "stop")
# Arguments of LangChain's own, which belong into the `config`.
_OF_A_RUN: Final = ("callbacks", "metadata", "run_id", "run_name", "tags")
# What calls take: of LangChain's, and of ours.
_KNOWN: Final = {
    *SPELLINGS,
    *_RENAMED,
    *_BESIDE,
    BOUND,
    "provider_options",
    "stream",
    "stream_usage",
    "ls_structured_output_format",
    "structured_output_format",
}
# LangChain's ways to say that there are none. Some providers refuse an empty list.
_NOTHING: Final[Mapping[str, Any]] = {"stop": [], "session_id": ""}


def of_constructor(cls: type[ChatOpenRouter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fields; raises `ConfigurationError`, as `sorted_out` does."""
    return sorted_out(_without_client(given), fields=cls.model_fields, renamed=_aliases(cls))


def _aliases(cls: type[ChatOpenRouter]) -> dict[str, str]:
    return {field.alias: name for name, field in cls.model_fields.items() if field.alias}


def _without_client(given: Mapping[str, Any]) -> dict[str, Any]:
    """Take the place away that langchain_openrouter has for a client of OpenRouter's SDK."""
    if given.get("client") is not None:
        raise ConfigurationError(
            "client: this model has its own; give it api_key, base_url, timeout, max_retries and default_headers"
        )
    return {name: value for name, value in given.items() if name != "client"}


def of_update(model: ChatOpenRouter, update: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a copy of a model replaces, from any of their names. The profile follows the model, unless it was given.

    Raises:
        ConfigurationError: There is no such field; names the nearest.
    """
    replaced = field_names(model, update)
    if model.profile == profile(model.model_name, model.catalog):
        slug, catalog = (replaced.get(name, getattr(model, name)) for name in ("model_name", "catalog"))
        replaced.setdefault("profile", profile(slug, catalog))
    return replaced


def field_names(model: ChatOpenRouter, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given under the names of fields; raises `ConfigurationError` for what is no field, and names the nearest."""
    fields = type(model).model_fields
    aliases = _aliases(type(model)) | {
        spelling: option
        for spelling, (option, key) in SPELLINGS.items()
        if key is None and option in OptionFields.model_fields
    }
    named = first_names(given, aliases)
    for name in named.keys() - fields.keys():
        meant = nearest(name, [*fields, *aliases])
        raise ConfigurationError(
            f"{name}: there is no such field{f'; did you mean {meant}?' if meant else ''}"
        )
    return named


def chosen(fields: Mapping[str, AnyConfigurableField], configurable: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a config sets, with their values.

    Args:
        fields: Those that it may set.
        configurable: What it says, by the `id` of a field.
    """
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if isinstance(field, ConfigurableFieldSingleOption):
            values[name] = field.options[configurable.get(field.id) or field.default]
        elif isinstance(field, ConfigurableFieldMultiOption):
            values[name] = [field.options[each] for each in configurable.get(field.id, field.default)]
        elif field.id in configurable:
            values[name] = configurable[field.id]
    return values


def configured(model: ChatOpenRouter, values: Mapping[str, Any]) -> ChatOpenRouter:
    """Return a copy of a model with fields that a config sets: options lie over its own, whatever way those were given."""
    settings, layer = parted({name: value for name, value in values.items() if name != "named_options"})
    layer = ProviderOptions.of(values.get("named_options")).merged(layer)
    copy = model.model_copy(update=settings)
    fields = fields_of(options_of(copy).merged(layer))
    return copy.model_copy(update={**fields, "model_kwargs": {}})


def shown_config(fields: Mapping[str, AnyConfigurableField], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as it may be shown and stored: without secrets among the fields that it sets."""
    if not config.get("configurable"):
        return dict(config)
    names = {field.id: name for name, field in fields.items()}
    shown = {
        key: inner
        for key, value in config["configurable"].items()
        for inner in without_secrets({str(names.get(key, key)): value}).values()
    }
    return {**config, "configurable": shown}


def options_of(model: ChatOpenRouter) -> ProviderOptions:
    """Return the options of a model: its fields, over its `model_kwargs`."""
    options = model.own_options()
    emptied = {name: None for name, nothing in _NOTHING.items() if options.given.get(name) == nothing}
    options = options.merged(ProviderOptions.of(emptied))
    return _of_kwargs(model.model_kwargs).merged(options) if model.model_kwargs else options


def _of_kwargs(given: Mapping[str, Any]) -> ProviderOptions:
    known = {name: value for name, value in given.items() if name in SPELLINGS}
    other = {name: value for name, value in given.items() if name not in SPELLINGS}
    return ProviderOptions.of(known).merged(ProviderOptions.of({"extra_body": other} if other else None))


def check_call(kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that LangChain has for itself, in another place."""
    for name in _OF_A_RUN:
        if name in kwargs:
            ours = f"; OpenRouter's is openrouter_{name}" if name in SPELLINGS else ""
            raise ConfigurationError(f"{name}: LangChain's own goes into `config`{ours}")


def of_call(stop: list[str] | None, kwargs: Mapping[str, Any]) -> Call:
    """Return what a call gives, as the client takes it."""
    call = said(kwargs if stop is None else {**kwargs, "stop": stop})
    # One chose between `_generate` and `_stream`; the other is for `of_stream`.
    call.pop("stream", None)
    call.pop("stream_usage", None)
    return call


def said(kwargs: Mapping[str, Any]) -> Call:
    """Return a call in the client's terms; what was bound lies below what the call itself says. Raises `ConfigurationError`."""
    call = dict(kwargs)
    bound = call.pop(BOUND, None)
    return _named(call) if bound is None else _over(bound, _named(_own_part(bound, call)))


def bound_kwargs(lower: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Call:
    """Return the arguments of a binding: one layer of all that is bound, and beside it what is no option, and what others look for.

    Args:
        lower: Those of the binding below.
        kwargs: What is bound to it. Raises `ConfigurationError` for options that are wrong.
    """
    call = _over(said(lower), said(kwargs))
    refuse_unknown(kwargs, _KNOWN)
    bound: Call = {name: call.pop(name) for name in (*_BESIDE, "provider_options") if name in call}
    is_empty = len(bound) == 1 and not bound["provider_options"].given
    return call if is_empty else {**call, **_visible(bound), BOUND: bound}


def bound_options(kwargs: Mapping[str, Any]) -> ProviderOptions:
    """Return the options among the arguments of a binding."""
    return parted(said(kwargs))[1]


def written(given: Mapping[str, Any]) -> Call:
    """Return the arguments of a constructor or of a binding as they may be stored: in plain form, and without secrets."""
    return {name: _plain(name, value) for name, value in without_secrets(given).items()}


def _plain(name: str, value: Any) -> Any:
    if name in {"provider_options", "named_options"}:
        return stored(value)
    if name == BOUND:
        return written(value)
    if name == "spend_limit":
        return written_limits(value)
    if isinstance(value, Part):
        return value.wire()
    if name in {"timeout", "request_timeout"} and not isinstance(value, int | float | None):
        return asdict(Timeout.of(value))
    return value


def _own_part(bound: Call, call: Mapping[str, Any]) -> Call:
    """Return what a call says itself: without what is there because it was bound."""
    known = _visible(bound)
    return {name: value for name, value in call.items() if name not in known or known[name] != value}


def _named(call: Mapping[str, Any]) -> Call:
    """Return a call with its arguments under their first names, and in the client's terms."""
    check_call(call)
    # What is bound is one limit for all calls; and limits add up, so that one more takes none away.
    named = with_one_limit(first_names(call, _RENAMED))
    if named.get("stop") == []:
        # An empty list takes the constructor's away.
        named["stop"] = None
    if named.get("tools") == []:
        # Providers refuse an empty list; here too it takes the constructor's away.
        named["tools"] = None
    if isinstance(named.get("response_format"), type):
        named["response_format"] = response_format(named["response_format"])
    return named


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Call:
    """Lay one call over another: options are merged deeply, and whatever the upper one says wins."""
    (below, low), (above, high) = parted(lower), parted(upper)
    both = below.get("spend_limit") and above.get("spend_limit")
    limits = {"spend_limit": (*below["spend_limit"], *above["spend_limit"])} if both else {}
    return {**below, **above, **limits, "provider_options": low.merged(high)}


def _visible(bound: Mapping[str, Any]) -> Call:
    """Return what stays visible of what is bound."""
    rest, options = parted(bound)
    seen = {name: options.given[name] for name in _VISIBLE if options.given.get(name) is not None}
    return {**rest, **seen}


def model_of(model: ChatOpenRouter, kwargs: Mapping[str, Any]) -> str:
    """Return the slug of the model that a call asks: its own, or else the constructor's."""
    named = of_call(None, kwargs).get("model")
    return named if isinstance(named, str) else model.model_name


def body_of(model: ChatOpenRouter, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the options add to the body of a call's request: those of the model, and over them those of the call."""
    return asked_for(options_of(model), of_call(None, kwargs)).body


def of_stream(
    model: ChatOpenRouter, options: ProviderOptions, stop: list[str] | None, kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Return what a streamed call gives, as the client takes it, and whether its last chunk has `usage_metadata`.

    That is said by `stream_usage`, or in OpenAI's words, by `stream_options`.

    Args:
        model: The model.
        options: Its options.
        stop: The call's own, or `None`.
        kwargs: What else the call gives.

    Raises:
        ConfigurationError: Several answers are asked for, which would be mixed into one.
    """
    call = of_call(stop, kwargs)
    asked = asked_for(options, call)
    if asked.body.get("n", 1) != 1:
        raise ConfigurationError("n: a stream holds one answer; use `generate` for several")
    said = asked.given.get("stream_options") or {}
    counted = kwargs.get("stream_usage", model.stream_usage and said.get("include_usage") is not False)
    return call, bool(counted)


def asked_for(options: ProviderOptions, call: Mapping[str, Any]) -> ProviderOptions:
    """Return the options of a model with those of a call over them."""
    return options.merged(parted(call)[1])


def traced(
    options: ProviderOptions, model: str, stop: list[str] | None, kwargs: Mapping[str, Any]
) -> LangSmithParams:
    """Return what LangSmith shows of a call.

    Args:
        options: Those of the model.
        model: The model of calls that name none.
        stop: The call's own, or `None`.
        kwargs: What else the call gives.
    """
    call = of_call(stop, kwargs)
    asked = asked_for(options, call)
    params = LangSmithParams(
        ls_provider=MODEL_PROVIDER, ls_model_name=call.get("model") or model, ls_model_type="chat"
    )
    if asked.temperature is not None:
        params["ls_temperature"] = asked.temperature
    if limit := asked.max_completion_tokens or asked.max_tokens:
        params["ls_max_tokens"] = limit
    if asked.stop:
        params["ls_stop"] = [asked.stop] if isinstance(asked.stop, str) else list(asked.stop)
    return params


def shown(stop: list[str] | None, kwargs: Mapping[str, Any]) -> Call:
    """Return what a call gives, for traces and cache keys: with `stop` and what was bound, and without secrets."""
    with ModelErrors():
        call = {"stop": stop, **(said(kwargs if stop is None else {**kwargs, "stop": stop}))}
    # No answer depends on it, and it says something else after each call.
    call.pop("spend_limit", None)
    options = call.get("provider_options")
    if isinstance(options, ProviderOptions):
        del call["provider_options"]
        call = {**call, **options.given}
    return without_secrets(call)
