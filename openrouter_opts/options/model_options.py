"""The options of a framework's model class: how its constructor takes them, and how its fields hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field, PlainSerializer, SkipValidation, WithJsonSchema, field_serializer

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.urls import public
from openrouter_opts.options.keyword_fields import OptionFields
from openrouter_opts.options.merge import copied
from openrouter_opts.options.names import refuse_unknown
from openrouter_opts.options.provider_options import ProviderOptions
from openrouter_opts.options.secrecy import covered, without_secrets
from openrouter_opts.options.table import SPELLINGS

OptionsLike: TypeAlias = ProviderOptions | Mapping[str, Any] | None
"""Options as they are given: ready ones, or any of their names with a value."""

_PLAIN: Final = WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}]})
_MAPPINGS: Final = ("additional_kwargs", "model_kwargs")
_OWN: Final = OptionFields.model_fields.keys()


def stored(options: OptionsLike) -> dict[str, Any] | None:
    """Return options in plain form, as they may be shown and stored: those that are set and no secrets."""
    return None if options is None else without_secrets(ProviderOptions.of(options).given)


class ModelOptions(OptionFields):
    """The options of a model: the common ones have fields of their own. Whatever shows or stores a model leaves secrets out."""

    provider_options: Annotated[SkipValidation[OptionsLike], PlainSerializer(stored), _PLAIN] = Field(
        default=None,
        description="Any options: a `ProviderOptions`, or a mapping of their names. Has to agree with those given by name.",
    )
    named_options: Annotated[SkipValidation[OptionsLike], PlainSerializer(stored), _PLAIN] = Field(
        default=None, description="Options that were given by name and have no field of their own."
    )

    @field_serializer("extra_headers")
    def _no_headers(self, _: Any) -> None:
        """Any header may hold a secret, and what is written may be read by others."""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, covered({name: value})[name] if name else value

    def own_options(self) -> ProviderOptions:
        """Return the options of all fields; raises `ConfigurationError` for those that are wrong or disagree."""
        own = {name: value for name in _OWN if (value := getattr(self, name)) is not None}
        named = ProviderOptions.of(self.named_options, **own)
        return ProviderOptions.of(self.provider_options, **named.given)


def fields_of(options: ProviderOptions) -> dict[str, Any]:
    """Return the values of all fields that hold options, for these and no others."""
    unset = dict.fromkeys((*_OWN, "provider_options"))
    held = _fields(options.given, {})
    # A field that is `None` says nothing, and these take away what the environment has.
    taken = {name: None for name, value in options.given.items() if value is None}
    return {**unset, **held, "named_options": ProviderOptions.of(held.get("named_options"), **taken)}


def storable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a model's fields for its pickle: without secrets, and without user and password of its proxy."""
    kept = without_secrets(fields)
    proxy = {"proxy": public(fields["proxy"])} if "proxy" in fields else {}
    return {**kept, **{name: None for name in fields if name not in kept}, **proxy}


def sorted_out(
    given: Mapping[str, Any], *, fields: Collection[str], renamed: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values of a model's fields from the arguments of its constructor.

    Options in any spelling become the field that they have, or else go into `named_options`. They are checked and copied.

    Args:
        given: The arguments; `None` means that one isn't given.
        fields: The names of the fields.
        renamed: Further names of fields and options, each with the first one.

    Raises:
        ConfigurationError: A name doesn't exist; names the nearest. Two names of the same thing have different values. An option is wrong.
    """
    refuse_unknown(given, {*fields, *renamed, *SPELLINGS})
    named = first_names({name: value for name, value in given.items() if value is not None}, renamed)
    # A framework may have a field of the name of an option that none of ours is for.
    options = {
        name: value
        for name, value in named.items()
        if name in _OWN or (name in SPELLINGS and name not in fields)
    }
    settings = {name: value for name, value in named.items() if name not in options}
    return {**_copies(settings), **_fields(options, settings)}


def first_names(given: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments under their first names; raises `ConfigurationError` if two names of the same thing have different values."""
    spelled: dict[str, str] = {}
    for spelling, value in given.items():
        other = spelled.setdefault(renamed.get(spelling, spelling), spelling)
        if other != spelling and given[other] != value:
            raise ConfigurationError(
                f"{other} and {spelling} are the same, and have different values; give one of them"
            )
    return {name: given[spelling] for name, spelling in spelled.items()}


def parted(call: Mapping[str, Any]) -> tuple[dict[str, Any], ProviderOptions]:
    """Part what is no option of a call from its options; raises `ConfigurationError` for options that are wrong."""
    options = {name: value for name, value in call.items() if name in SPELLINGS}
    rest = {name: value for name, value in call.items() if name not in options and name != "provider_options"}
    return rest, ProviderOptions.of(call.get("provider_options"), **options)


def _fields(options: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that hold options."""
    named = ProviderOptions.of(None, **options).given
    own = {name: value for name, value in named.items() if name in _OWN}
    rest = {name: value for name, value in named.items() if name not in _OWN}
    held: dict[str, Any] = {}
    if "provider_options" in settings:
        # Together they are made only to see that they agree.
        ProviderOptions.of(settings["provider_options"], **options)
        held["provider_options"] = ProviderOptions.of(settings["provider_options"])
    if rest or "named_options" in settings:
        held["named_options"] = ProviderOptions.of(settings.get("named_options"), **rest)
    return {**held, **own}


def _copies(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings whose mappings are copies; the caller's may change later."""
    for name in _MAPPINGS:
        if not isinstance(settings.get(name), Mapping | None):
            kind = type(settings[name]).__name__
            raise ConfigurationError(f"{name}: should be a mapping of options, not {kind}")
    return covered(
        {name: copied(value) if isinstance(value, dict) else value for name, value in settings.items()}
    )
