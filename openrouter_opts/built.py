"""The client that the fields of a framework's model describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from openrouter_opts.client import OpenRouterClient
from openrouter_opts.limited import Limited
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.merge import copied

# Settings of the client that have the same name in every model.
_SETTINGS: Final = (
    "timeout",
    "max_retries",
    "retry_uncertain",
    "check",
    "catalog",
    "trust_env",
    "verify",
    "proxy",
)


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
    def of(
        cls, model: Limited, built: Self | None, options: Callable[[], ProviderOptions], /, **settings: Any
    ) -> Self:
        """Return what the fields of a model describe: what was built before, or, when one of them has changed, a new one.

        Raises `ConfigurationError` for what is wrong with the settings.

        Args:
            model: The model, whose fields are settings of the client where they have the same name.
            built: What was built before.
            options: Returns the options of the fields.
            **settings: The arguments of `OpenRouterClient` that the model has under other names.
        """
        limits, fields = model._limits(), model.__dict__  # noqa: SLF001 - the field is for us
        if built is not None and built.fields == fields:
            return built
        known, own = options(), {name: fields[name] for name in _SETTINGS if name in fields}
        client = OpenRouterClient(provider_options=known, spend_limit=limits, **own, **settings)
        return cls(copied(dict(fields)), client, known)

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()


def _nothing() -> None:
    return None
