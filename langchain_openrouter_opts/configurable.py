"""What the `config` of a call chooses of a model: fields, and options, in whatever spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.configurable import make_options_spec
from langchain_core.runnables.utils import (
    AnyConfigurableField,
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    ConfigurableFieldSpec,
)

from langchain_openrouter_opts import arguments
from openrouter_opts.options import OPTIONS, ProviderOptions
from openrouter_opts.options.model_options import fields_of, parted
from openrouter_opts.options.names import refuse_unknown
from openrouter_opts.options.secrecy import without_secrets
from openrouter_opts.options.table import SPELLINGS

if TYPE_CHECKING:
    from langchain_openrouter_opts.chat_models import ChatOpenRouter


def names(
    model: ChatOpenRouter, fields: Mapping[str, AnyConfigurableField]
) -> dict[str, AnyConfigurableField]:
    """Return what may be chosen under the names of fields and options; raises `ConfigurationError` for what is neither."""
    named = arguments.field_names(model, fields)
    refuse_unknown(named, {*type(model).model_fields, *SPELLINGS})
    return named


def spec_of(model: ChatOpenRouter, name: str, field: AnyConfigurableField) -> ConfigurableFieldSpec:
    """Return what LangChain tells of a field, or of an option, that may be chosen."""
    own = type(model).model_fields.get(name)
    option = OPTIONS.get(SPELLINGS[name][0]) if name in SPELLINGS else None
    description = (own and own.description) or (option.doc if option else None)
    if not isinstance(field, ConfigurableField):
        return make_options_spec(field, description)
    return ConfigurableFieldSpec(
        id=field.id,
        name=field.name,
        description=field.description or description,
        annotation=field.annotation or (own.annotation if own else Any),
        default=getattr(model, name) if own else None,
        is_shared=field.is_shared,
    )


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
    fields = fields_of(arguments.options_of(copy).merged(layer))
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
