"""What is said about an option beside its type, and the types that options are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

# JSON tells true, 1, 1.0 and "1" apart, so nothing is converted from one into the other.
Number: TypeAlias = Annotated[float, Strict()]
"""An int or a float; a bool is none."""
Whole: TypeAlias = Annotated[int, Strict()]
Flag: TypeAlias = Annotated[bool, Strict()]

T = TypeVar("T")


Open: TypeAlias = T | str
"""Known values, and any newer one: `Open[Literal["low", "high"]]`."""


class TheFirst:
    """Check against the first member of a union: the others are for type checkers, and would let anything through."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(get_args(source)[0])


class _AsList:
    """Check a sequence as the list that it is in JSON."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(list[get_args(source)[0]])  # type: ignore[misc]


Like = Annotated[T | Mapping[str, Any], TheFirst()]
"""A part, or a plain mapping of the same form."""
ListOf = Annotated[Sequence[T], _AsList()]
"""A list or a tuple."""


class Part(BaseModel):
    """A JSON object inside an option. Keys that are newer than this class are kept.

    A plain mapping does as well wherever a part is taken. What is set goes out, an explicit `None` as `null`.
    """

    # Building every validator at once would take most of the import.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @classmethod
    def known_keys(cls) -> Mapping[str, str]:
        """Return the keys of the JSON object that this class knows, each with the field that holds it."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    def wire(self) -> dict[str, Any]:
        """Return the JSON object as it goes out."""
        given = {
            key: value
            for key, name in self.known_keys().items()
            if (value := getattr(self, name)) is not None or name in self.model_fields_set
        }
        return {name: _written(value) for name, value in {**given, **(self.model_extra or {})}.items()}


def _written(value: Any) -> Any:
    if isinstance(value, Part):
        return value.wire()
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value


class OpenPart(Part):
    """A part whose further keys belong to someone else: any name is right."""


def header_text(value: Any) -> str:
    """Write a value as a header: lists with commas, booleans and objects as in JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


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
    form: Callable[[Any], str] = header_text
    """How a value is written into the header."""
    name: str = ""
    """The name of the field."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.any_schema()
