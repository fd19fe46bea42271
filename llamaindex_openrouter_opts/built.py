"""The client that an LLM's fields describe."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Self

from openrouter_opts.client import OpenRouterClient
from openrouter_opts.options import OptionFields, ProviderOptions

_OPTIONS: Final = tuple(OptionFields.model_fields)
_REST: Final = (
    *("model", "api_key", "api_base", "timeout", "max_retries", "retry_uncertain"),
    *("proxy", "trust_env", "verify", "check", "catalog", "provider_options", "additional_kwargs"),
)
_CHANGEABLE: Final = (dict, list)
"""What users change in place."""


@dataclass(frozen=True, slots=True)
class Built:
    """A client, and the fields that it was made of: they may be assigned to, and their dicts changed in place.

    A copy of an LLM makes its own: neither copying nor pickling takes this along.
    """

    fields: Mapping[str, Any]
    client: OpenRouterClient
    options: ProviderOptions
    """The options of the fields, all layers in one."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Build from the values of an LLM's fields; raises `ConfigurationError` for what is wrong with them."""
        fields = _relevant(values)
        named = {name: fields[name] for name in _OPTIONS if name in fields}
        options = ProviderOptions.of(fields["provider_options"], **named).merged(
            ProviderOptions.of(fields["additional_kwargs"])
        )
        client = OpenRouterClient(
            model=fields["model"],
            api_key=fields["api_key"],
            base_url=fields["api_base"],
            timeout=fields["timeout"],
            max_retries=fields["max_retries"],
            retry_uncertain=fields["retry_uncertain"],
            proxy=fields["proxy"],
            trust_env=fields["trust_env"],
            verify=fields["verify"],
            check=fields["check"],
            catalog=fields["catalog"],
            provider_options=options,
        )
        # Callables that fetch a key, and SSL contexts, are not ours to copy.
        kept = {
            name: deepcopy(value) if isinstance(value, _CHANGEABLE) else value
            for name, value in fields.items()
        }
        return cls(kept, client, options)

    def is_of(self, values: Mapping[str, Any]) -> bool:
        """Tell whether these values would be built into the same."""
        return self.fields == _relevant(values)

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()


def _nothing() -> None:
    return None


def _relevant(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name in _OPTIONS if (value := values[name]) is not None}
    for name in _REST:
        fields[name] = values[name]
    return fields
