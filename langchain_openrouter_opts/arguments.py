"""What a model is made and called with, sorted into its fields, its options and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from langchain_core.language_models import LangSmithParams

from langchain_openrouter_opts.profile import profile
from langchain_openrouter_opts.results import MODEL_PROVIDER
from langchain_openrouter_opts.schemas import response_format
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import OPTIONS, OptionFields, ProviderOptions, nearest
from openrouter_opts.options.table import SPELLINGS

if TYPE_CHECKING:
    from langchain_openrouter_opts.chat_models import ChatOpenRouter

OptionsLike: TypeAlias = ProviderOptions | Mapping[str, Any] | None
"""Options as they are given: ready ones, or any of their names with a value."""

# What langchain_openrouter and LangChain call something that has another name here.
_ALSO: Final[Mapping[str, str]] = {"default_headers": "extra_headers"}
_CALL_ALSO: Final[Mapping[str, str]] = {"model_name": "model", "request_timeout": "timeout"}

# LangChain's ways to say that there are none. Some providers refuse an empty list.
_NOTHING: Final[Mapping[str, Any]] = {"stop": [], "session_id": ""}


def sorted_out(cls: type[ChatOpenRouter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor with every spelling of an option brought to its field, or else into `provider_options`.

    Raises:
        ConfigurationError: An argument doesn't exist; names the nearest.
    """
    own = {*cls.model_fields, *(field.alias for field in cls.model_fields.values() if field.alias)}
    sorted_ = {name: value for name, value in given.items() if name in own}
    rest: dict[str, Any] = {}
    for name, value in _without_client(given).items():
        if name in own:
            continue
        option, key = SPELLINGS.get(_ALSO.get(name, name), (None, None))
        if option is None:
            meant = nearest(name, [*own, *SPELLINGS])
            raise ConfigurationError(
                f"{name}: there is no such argument{f'; did you mean {meant}?' if meant else ''}"
            )
        if key is None and option in own and sorted_.get(option) is None:
            sorted_[option] = value
        else:
            rest[name] = value
    if rest:
        sorted_["provider_options"] = _joined(sorted_.get("provider_options"), rest)
    return sorted_


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
    fields = type(model).model_fields
    aliases = {field.alias: name for name, field in fields.items() if field.alias} | {
        spelling: option
        for spelling, (option, key) in SPELLINGS.items()
        if key is None and option in OptionFields.model_fields
    }
    replaced = {aliases.get(_ALSO.get(name, name), name): value for name, value in update.items()}
    for name in replaced.keys() - fields.keys():
        meant = nearest(name, [*fields, *aliases])
        raise ConfigurationError(
            f"{name}: there is no such field{f'; did you mean {meant}?' if meant else ''}"
        )
    if model.profile == profile(model.model_name, model.catalog):
        slug, catalog = (replaced.get(name, getattr(model, name)) for name in ("model_name", "catalog"))
        replaced.setdefault("profile", profile(slug, catalog))
    return replaced


def _joined(options: OptionsLike, rest: Mapping[str, Any]) -> Any:
    if isinstance(options, ProviderOptions):
        return options.merged(ProviderOptions.of(rest))
    return {**(options or {}), **rest}


def options_of(model: ChatOpenRouter) -> ProviderOptions:
    """Return the options of a model: its fields and its `provider_options`, over its `model_kwargs`."""
    named = fields_of(model)
    emptied = {name: None for name, nothing in _NOTHING.items() if named.get(name) == nothing}
    options = ProviderOptions.of(model.provider_options, **{**named, **emptied})
    return _of_kwargs(model.model_kwargs).merged(options) if model.model_kwargs else options


def fields_of(model: ChatOpenRouter) -> dict[str, Any]:
    """Return the options that are set as fields of a model."""
    fields = {name: getattr(model, name) for name in OptionFields.model_fields}
    return {name: value for name, value in fields.items() if value is not None}


def _of_kwargs(given: Mapping[str, Any]) -> ProviderOptions:
    known = {name: value for name, value in given.items() if name in SPELLINGS}
    other = {name: value for name, value in given.items() if name not in SPELLINGS}
    return ProviderOptions.of(known).merged(ProviderOptions.of({"extra_body": other} if other else None))


def of_call(stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call gives, as the client takes it."""
    call = {_CALL_ALSO.get(name, _ALSO.get(name, name)): value for name, value in kwargs.items()}
    # One chose between `_generate` and `_stream`; the other is for `of_stream`.
    call.pop("stream", None)
    call.pop("stream_usage", None)
    if stop is not None:
        # An empty list takes the constructor's away.
        call["stop"] = stop or None
    if call.get("tools") == []:
        # Providers refuse an empty list; here too it takes the constructor's away.
        call["tools"] = None
    if isinstance(call.get("response_format"), type):
        call["response_format"] = response_format(call["response_format"])
    return call


def model_of(model: ChatOpenRouter, kwargs: Mapping[str, Any]) -> str:
    """Return the slug of the model that a call asks: its own, or else the constructor's."""
    named = of_call(None, kwargs).get("model")
    return named if isinstance(named, str) else model.model_name


def body_of(model: ChatOpenRouter, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the options add to the body of a call's request: those of the model, and over them those of the call."""
    call = of_call(None, kwargs)
    named = {name: value for name, value in call.items() if name in SPELLINGS}
    return options_of(model).merged(ProviderOptions.of(call.get("provider_options"), **named)).body


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
    named = {name: value for name, value in call.items() if name in SPELLINGS}
    return options.merged(ProviderOptions.of(call.get("provider_options"), **named))


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


def plain(options: OptionsLike) -> dict[str, Any]:
    """Return options as JSON that may be stored: without keys, and without headers, which may hold keys."""
    given = ProviderOptions.of(options).model_dump(exclude_unset=True)
    return {name: value for name, value in given.items() if not _is_secret(name)}


def shown(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call gives, for traces and cache keys: without what `plain` leaves out."""
    visible = {name: value for name, value in kwargs.items() if not _is_secret(_ALSO.get(name, name))}
    if visible.get("provider_options"):
        visible["provider_options"] = plain(visible["provider_options"])
    return visible


def _is_secret(name: str) -> bool:
    option, _ = SPELLINGS.get(name, (name, None))
    return option == "extra_headers" or (option in OPTIONS and OPTIONS[option].secret)
