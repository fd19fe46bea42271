"""What is said about an option beside its type, and the types that options are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, SecretStr, Strict, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options.explain import explain

T = TypeVar("T")


class _AsWritten:
    """Check a number and keep it as it was written, since 1 and 1.0 are different bytes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    @staticmethod
    def _check(value: Any, check: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, Decimal):  # pydantic would take it, and JSON has no form for it
            raise PydanticCustomError("float_type", "Input should be a valid number")
        check(value)
        return value


class ExactText:
    """Check text of a number, or write a decimal number as text, which keeps every place of it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._write, handler.generate_schema(str))

    @staticmethod
    def _write(value: Any) -> Any:
        try:
            number = Decimal(value) if isinstance(value, str) else value
        except InvalidOperation:
            raise PydanticCustomError("price", "Input should be text of a number") from None
        if isinstance(number, Decimal) and not number.is_finite():
            raise PydanticCustomError("price", "Input should be text of a finite number")
        return f"{value:f}" if isinstance(value, Decimal) else value


class TheFirst:
    """Check against the first member of a union: the others are for type checkers, and would let anything through."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(get_args(source)[0])


class _ByTag:
    """Check a mapping as the class whose tag it has, and as the first member of the union where there is no such class."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        family: type[Part] = get_args(source)[0]

        def check(value: Any, as_any: core_schema.ValidatorFunctionWrapHandler) -> Any:
            tag = value.get(family.tag) if isinstance(value, dict) else None
            kind = family.kinds().get(tag) if isinstance(tag, str) else None
            return as_any(value) if kind is None else kind.read(value)

        return core_schema.no_info_wrap_validator_function(check, handler.generate_schema(family))


class InstanceOnly:
    """Take instances only: a mapping of the same form is something else."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(source)


class _AsList:
    """Check a sequence as the list that it is in JSON."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(list[get_args(source)[0]])  # type: ignore[misc]


class AsGiven:
    """Marks an object whose keys and values belong to someone else: in their order, `None` being a value like any other."""


# JSON tells true, 1, 1.0 and "1" apart, so nothing is converted from one into the other.
Number: TypeAlias = Annotated[float, Strict(), _AsWritten()]
"""An int or a float; a bool is none."""
Whole: TypeAlias = Annotated[int, Strict()]
Flag: TypeAlias = Annotated[bool, Strict()]
Price: TypeAlias = Number | Annotated[str | Decimal, ExactText()]
"""A number, or text; a `Decimal` goes out as text."""
Foreign: TypeAlias = Annotated[Mapping[str, Any], AsGiven()]
"""An object that isn't OpenRouter's, such as a JSON Schema; goes out verbatim."""

Open: TypeAlias = T | str
"""Known values, and any newer one: `Open[Literal["low", "high"]]`."""
Like = Annotated[T | Mapping[str, Any], TheFirst()]
"""A part, or a plain mapping of the same form."""
OneOf = Annotated[T | Mapping[str, Any], _ByTag()]
"""A part of a family, or a plain mapping: it is checked as the class that has its tag, and goes through verbatim if none has."""
Itself = Annotated[T, InstanceOnly()]
"""A part, and no mapping of its form."""
ListOf = Annotated[Sequence[T], _AsList()]
"""A list or a tuple."""
Secret: TypeAlias = Annotated[SecretStr | str, TheFirst()]
"""Text that no `repr` and no dump shows."""


class Part(BaseModel):
    """A JSON object inside an option. Keys that are newer than this class are kept.

    A plain mapping does as well wherever a part is taken, and sends the same bytes. A key that is `None` isn't sent: it takes away what
    a layer below has set.

    Raises:
        ConfigurationError: A value is of the wrong type.
    """

    # Building every validator at once would take most of the import.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    tag: ClassVar[str] = "type"
    """The key that tells the members of a family apart."""
    further_tags: ClassVar[tuple[str, ...]] = ()
    """What stands there beside the default, for the same thing."""
    is_verbatim: ClassVar[bool] = False
    """Whether further keys belong to someone else: any name is right, and `None` is a value."""
    is_whole: ClassVar[bool] = False
    """Whether its keys only make sense together: another one replaces it, and is never merged into it."""

    def __init_subclass__(cls, *, verbatim: bool = False, whole: bool = False, **config: Any) -> None:
        super().__init_subclass__(**config)
        cls.is_verbatim, cls.is_whole = verbatim, whole

    if not TYPE_CHECKING:  # type checkers read the fields

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as problem:
                raise ConfigurationError(explain(problem, fields, type(self).__name__)) from None

        # As pydantic marks its own: a part inside another is made without it, so that errors keep their whole path.
        __init__.__pydantic_base_init__ = True

    @classmethod
    @cache
    def known_keys(cls) -> Mapping[str, str]:
        """Return the keys of the JSON object that this class knows, each with the field that holds it."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @classmethod
    @cache
    def kinds(cls) -> Mapping[str, type[Part]]:
        """Return the classes of this family, by each tag that they stand for."""
        kinds: dict[str, type[Part]] = {}
        for kind in cls.__subclasses__():
            tags = (kind.model_fields[cls.tag].default, *kind.further_tags)
            kinds |= {**dict.fromkeys((tag for tag in tags if isinstance(tag, str)), kind), **kind.kinds()}
        return kinds

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Part:
        """Return the part that a JSON object stands for; raises pydantic's `ValidationError`."""
        return cls.model_validate(value)

    def wire(self, *, unset: bool = False) -> dict[str, Any]:
        """Return the JSON object as it goes out, known keys in the order of the class.

        Args:
            unset: Whether keys that are `None` stay: laid over another layer, they take away what it has set.
        """
        return {key: _written(value, unset) for key, value in self._set(unset)}

    def _set(self, unset: bool) -> Iterator[tuple[str, Any]]:
        for key, name in self.known_keys().items():
            value = getattr(self, name)
            if value is not None or (unset and name in self.model_fields_set):
                yield key, value
        for key, value in (self.model_extra or {}).items():
            if value is not None or unset or self.is_verbatim:
                yield key, value


def _written(value: Any, unset: bool) -> Any:
    if isinstance(value, Part):
        return value.wire(unset=unset)
    if isinstance(value, list | tuple):
        return [_written(item, unset=False) for item in value]  # lists are replaced: nothing is below
    return value


def written(value: Any) -> Any:
    """Return a checked value in its JSON form, with the keys that are to take away what is below."""
    return _written(value, unset=True)


def header_text(value: Any) -> str:
    """Write a value as a header: lists with commas, booleans and objects as in JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def _itself(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Option:
    """One option of OpenRouter: what it does, where it goes, and what else it is called.

    It annotates a field and so is the option's only declaration. The field keeps what the user gave, as it was given: values are
    checked by `ProviderOptions`, which can say in OpenRouter's terms what is wrong.
    """

    doc: str
    """Meaning, range and unit."""
    source: str
    """The page of OpenRouter's documentation."""
    place: Literal["body", "header"] = "body"
    wire: str = ""
    """The header, or the key of the body."""
    aliases: tuple[str, ...] = ()
    """Further names, beside the name with `openrouter_` before it."""
    deprecated: str | None = None
    """What to do instead."""
    secret: bool = False
    """Whether its value must not be shown."""
    read: Callable[[Any], Any] = _itself
    """What a value stands for, before it is checked."""
    form: Callable[[Any], str] = header_text
    """How a value is written into the header."""
    name: str = ""
    """The name of the field."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.any_schema()
