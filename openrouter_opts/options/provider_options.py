"""The options of a call, checked, and laid over one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, Final, Self, final

from pydantic import ConfigDict, PrivateAttr

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.deprecated import modern
from openrouter_opts.options.fields import AllFields
from openrouter_opts.options.given import gather
from openrouter_opts.options.merge import copied, merge, overlay, settled
from openrouter_opts.options.secrecy import revealed, without_secrets
from openrouter_opts.options.table import OPTIONS, SHAPE

_UNSET: Final[Mapping[str, Any]] = dict.fromkeys(OPTIONS)
_HEADERS: Final = tuple(
    option for option in OPTIONS.values() if option.place == "header" and option.name != "extra_headers"
)
_HEADER_NAMES: Final[Mapping[str, frozenset[str]]] = {
    name: names
    for option in _HEADERS
    for names in [frozenset(each.lower() for each in (option.wire, *option.aliases) if "-" in each)]
    for name in names
}
"""Every name of a header that is an option, in small letters, with all names that it has."""
_NOT_BODY: Final = frozenset(name for name, option in OPTIONS.items() if option.place == "header") | {
    "extra_body"
}


class HiddenDict(dict[str, str]):
    """A mapping whose `repr` shows the keys only."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "…"))


@final
class ProviderOptions(AllFields):
    """Everything OpenRouter can be told beside the model and the messages.

    ```python
    ProviderOptions(models=["openai/gpt-5-mini"], provider=ProviderPreferences(order=["together"], zdr=True))
    ProviderOptions.of(openrouter_models=["openai/gpt-5-mini"], order=["together"], zdr=True)  # the same
    ```

    Every option may be written with `openrouter_` before it, and the keys of `provider` also without it. What is set goes out as it
    was given; what isn't set, or is `None`, isn't sent. Raises `ConfigurationError` for a name that doesn't exist, for a value of the
    wrong type, and for two spellings of one option that disagree.
    """

    model_config = ConfigDict(frozen=True)

    _layers: tuple[Mapping[str, Any], ...] = PrivateAttr()

    if not TYPE_CHECKING:  # type checkers read the fields

        def __init__(self, /, **named: Any) -> None:
            self.__setstate__(_state(gather(named.items(), {})))

    @classmethod
    def of(cls, given: ProviderOptions | Mapping[str, Any] | None = None, /, **named: Any) -> ProviderOptions:
        """Return options from a mapping or from keyword arguments, in any spelling, or from both.

        `None` means that an option isn't set here; laid over other options with `merged`, it takes theirs away.
        Raises `ConfigurationError`, as the constructor does.
        """
        if isinstance(given, ProviderOptions):
            return cls._made(gather(named.items(), given.given)) if named else given
        if not isinstance(given, Mapping | None):
            raise ConfigurationError(
                f"provider_options: should be a mapping or ProviderOptions, not {type(given).__name__}"
            )
        if not given and not named:
            return EMPTY
        return cls._made(gather((*(given or {}).items(), *named.items()), {}))

    @classmethod
    def _made(cls, *layers: Mapping[str, Any]) -> Self:
        made = cls.__new__(cls)
        made.__setstate__(_state(*layers))
        return made

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The options that were set, `None` included, in the order of the table."""
        return SHAPE.ordered({name: self.__dict__[name] for name in self.model_fields_set})

    def merged(self, *over: ProviderOptions) -> ProviderOptions:
        """Return these options with others laid over them; later ones win.

        Mappings merge deeply, lists are replaced, and so is a mapping that is one whole, such as `response_format`. `None` takes away
        what was set below, at any depth. Two ways to say one thing, such as `reasoning_effort` and `reasoning`, count as one. Nothing is
        changed in place.
        """
        layers = [options for options in (self, *over) if options.given]
        if len(layers) <= 1:
            return layers[0] if layers else self
        # The layers are kept: what is taken away is so below, and not only from the layer that lies there at the time.
        return self._made(*(layer for options in layers for layer in options._layers))  # noqa: SLF001 - of this class

    @property
    def body(self) -> dict[str, Any]:
        """The options' share of the request body, in a fixed order; `extra_body` is merged into it last."""
        options = {name: value for name, value in self.given.items() if name not in _NOT_BODY}
        body = SHAPE.ordered(modern(settled(options, SHAPE)))
        if self.extra_body:
            body = merge(body, copied(self.extra_body), SHAPE)
        if body.get("top_logprobs") is not None and "logprobs" not in body:
            body = SHAPE.ordered({**body, "logprobs": True})
        return body

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The options' share of the request headers; `extra_headers` win. Its `repr` shows no values."""
        given = settled({option.name: self.__dict__[option.name] for option in _HEADERS}, SHAPE)
        headers = {OPTIONS[name].wire: OPTIONS[name].form(value) for name, value in given.items()}
        for name, value in (self.extra_headers or {}).items():
            same = _HEADER_NAMES.get(name.lower(), {name.lower()})
            headers = {other: text for other, text in headers.items() if other.lower() not in same}
            if value is not None:
                headers[name] = revealed(value)
        return HiddenDict((name, value.strip()) for name, value in headers.items())

    @property
    def has_authorization(self) -> bool:
        """Whether their headers have the place of the key."""
        return any(name.lower() == "authorization" for name in self.extra_headers or ())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with options replaced; they are checked. Raises `ConfigurationError`."""
        updated = self._made({**self.given, **gather((update or {}).items(), {})})
        return updated.__deepcopy__() if deep else updated

    def __eq__(self, other: object) -> bool:
        return self.given == other.given if isinstance(other, ProviderOptions) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.given))  # the values may be dicts and lists

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        yield from self.given.items()

    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled: the options that are no secrets."""
        return _state(*map(without_secrets, self._layers))


def _state(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what pydantic restores an instance from, as when unpickling: the values need no further check."""
    first, *over = layers
    given = reduce(_laid_over, over, first)
    return {
        "__dict__": {**_UNSET, **given},
        "__pydantic_fields_set__": set(given),
        "__pydantic_extra__": None,
        "__pydantic_private__": {"_layers": layers},
    }


def _laid_over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Mapping[str, Any]:
    """Lay options over others; one that is a header wins over a lower `extra_headers` that sets the same."""
    if headers := lower.get("extra_headers"):
        taken = {
            name
            for option in _HEADERS
            if upper.get(option.name) is not None
            for name in _HEADER_NAMES[option.wire.lower()]
        }
        left = {name: value for name, value in headers.items() if name.lower() not in taken}
        lower = {**lower, "extra_headers": left}
    return overlay(lower, upper, SHAPE)


EMPTY: Final = ProviderOptions()
