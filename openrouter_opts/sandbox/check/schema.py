"""The shape of a JSON Schema: providers refuse one whose keywords hold something else than they should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from openrouter_opts.sandbox.check.shapes import (
    Shape,
    anything,
    array,
    boolean,
    either,
    entries,
    integer,
    number,
    record,
    string,
)


def json_schema(value: Any, path: str) -> str | None:
    """A schema, with all that are within it; true and false are schemas too."""
    return _SCHEMA(value, path)


def object_schema(value: Any, path: str) -> str | None:
    """A schema that is an object, as the outermost has to be."""
    return _OBJECT(value, path)


_TABLE: Final = entries(json_schema)
_LIST: Final = array(json_schema)
# In draft 4, which some generators still write, an exclusive bound is a boolean beside `minimum`.
_EXCLUSIVE: Final = either(boolean, number())

_KEYWORDS: Final[Mapping[str, Shape]] = {
    "type": either(array(string()), string()),
    "enum": array(anything),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), _TABLE),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _LIST),
    **dict.fromkeys(("additionalProperties", "not", "contains", "if", "then", "else"), json_schema),
    "items": either(_LIST, json_schema),
    "required": array(string()),
    **dict.fromkeys(("$ref", "pattern", "format", "title", "description"), string()),
    **dict.fromkeys(("minimum", "maximum"), number()),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _EXCLUSIVE),
    "multipleOf": number(above=0),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), integer(0)),
}
_OBJECT: Final = record(_KEYWORDS)
_SCHEMA: Final = either(boolean, _OBJECT)
