"""The client that the fields of a framework's model describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from openrouter_opts.client import OpenRouterClient
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.merge import copied


@dataclass(frozen=True, slots=True)
class Built:
    """A client, and the fields that it was made of: they may be assigned to, and their mappings changed in place.

    A copy of a model makes its own: neither copying nor pickling takes this along.
    """

    fields: Mapping[str, Any]
    client: OpenRouterClient
    options: ProviderOptions
    """The options of the fields, all layers in one."""

    @classmethod
    def of(cls, fields: Mapping[str, Any], options: ProviderOptions, **settings: Any) -> Self:
        """Build a client; raises `ConfigurationError` for what is wrong with the settings.

        Args:
            fields: Everything that the result depends on.
            options: The options among them.
            **settings: The other arguments of `OpenRouterClient`.
        """
        return cls(copied(dict(fields)), OpenRouterClient(provider_options=options, **settings), options)

    def is_of(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether these fields would be built into the same."""
        return self.fields == fields

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()


def _nothing() -> None:
    return None
