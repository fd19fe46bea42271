"""Filling a JSON Schema with values: from the question where it offers them, otherwise plausible and valid ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from openrouter_opts.sandbox.model.clues import Clues
from openrouter_opts.sandbox.model.limits import as_number, fitted, in_range
from openrouter_opts.sandbox.model.pattern import readable
from openrouter_opts.sandbox.model.plausible import FORMATS, NUMBERS, kind_of, prose
from openrouter_opts.sandbox.model.text import capitalised, numbers, topic, words

_DEEPEST = 12
_SHALLOW = 4
_MISSING = object()
_MOST_ITEMS = 20
_MOST_DEMANDED = 1_000


@dataclass(frozen=True, slots=True)
class _Field:
    """A place in the schema: its root (for `$ref`), the field's name in words, and how deep it lies.

    `eager` fills optional fields too, as a model does in an answer but not in a tool call.
    """

    root: Mapping[str, Any]
    label: tuple[str, ...] = ()
    depth: int = 0
    eager: bool = False
    turn: int = 0

    def inner(self, name: str) -> _Field:
        return replace(self, label=words(name), depth=self.depth + 1, turn=0)


_Filler = Callable[[Mapping[str, Any], Clues, _Field], Any]


def fill(schema: Mapping[str, Any], clues: Clues, *, eager: bool = False) -> Any:
    """A value that is valid against the schema.

    Args:
        schema: JSON Schema; `$ref` is followed within it.
        clues: What the question offers.
        eager: Also fill optional text fields. Otherwise they are given only when the question mentions them.
    """
    return _filled(schema, clues, _Field(root=schema, eager=eager))


def _filled(schema: Any, clues: Clues, field: _Field) -> Any:
    schema = _resolved(schema, field.root)
    if "const" in schema:
        return schema["const"]
    if field.depth > 3 * _DEEPEST:
        return None  # the schema demands itself without end: nothing finite is valid
    if schema.get("enum"):
        mentioned = _mentioned(schema["enum"], clues)
        return mentioned[0] if mentioned else schema.get("default", schema["enum"][0])
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _one_of(schema, [_resolved(option, field.root) for option in schema[key]], clues, field)
    filler: _Filler = _FILLERS.get(schema.get("type") or _implied(schema), _string)
    return filler(schema, clues, field)


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with `$ref` followed, `allOf` merged in, and a list of types written as `anyOf`."""
    followed = 0
    merged: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    while "$ref" in merged and followed < _DEEPEST:
        beside = {key: value for key, value in merged.items() if key != "$ref"}
        merged, followed = {**_pointed(str(merged["$ref"]), root), **beside}, followed + 1
    for part in merged.get("allOf") or ():
        other = _resolved(part, root)
        properties = {**(merged.get("properties") or {}), **(other.get("properties") or {})}
        required = [*(merged.get("required") or ()), *(other.get("required") or ())]
        merged = {
            **other,
            **merged,
            **({"properties": properties, "required": required} if properties else {}),
        }
    if isinstance(merged.get("type"), list):
        beside = {key: value for key, value in merged.items() if key != "type"}
        return {"anyOf": [{**beside, "type": kind} for kind in merged["type"]]}
    return merged


def _pointed(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a local reference such as `#/$defs/City` points at; `{}` (anything) where it leads nowhere."""
    at: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        at = at.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(at, Mapping) else {}
    return at if isinstance(at, Mapping) else {}


def _implied(schema: Mapping[str, Any]) -> str:
    """The type of a schema that does not say it."""
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _mentioned(options: list[Any], clues: Clues) -> list[Any]:
    """The options that the question names, whole words only."""
    asked = f" {' '.join(words(clues.text))} "
    whole = f" {' '.join(words(clues.whole))} "
    named = [(option, f" {' '.join(words(option))} ") for option in options if isinstance(option, str)]
    found = sorted((asked.index(name), option) for option, name in named if name.strip() and name in asked)
    return [option for _, option in found] or [
        option for option, name in named if name.strip() and name in whole
    ]


def _one_of(schema: Mapping[str, Any], options: list[Mapping[str, Any]], clues: Clues, field: _Field) -> Any:
    """The option that the question speaks for; null, if allowed, when it speaks for none."""
    field = replace(field, depth=field.depth + 1)
    solid = [option for option in options if option.get("type") != "null"]
    nullable = len(solid) < len(options)
    if not solid or (nullable and field.depth > _DEEPEST):
        return None
    if field.depth > _DEEPEST:
        return _filled(min(solid, key=lambda option: len(option.get("properties") or ())), clues, field)
    if not nullable:
        return _filled(max(solid, key=lambda option: _speaks_for(option, clues)), clues, field)
    described = {"description": schema.get("description", "")}
    for option in solid:
        value = _optional({**described, **option}, clues, field)
        if value is not _MISSING:
            return value
    return None


def _speaks_for(option: Mapping[str, Any], clues: Clues) -> int:
    """How many of the option's own words the question has; numbers and texts go by what is left to hand out."""
    if option.get("type") in ("integer", "number"):
        return 2 if numbers(clues.text) else 0
    told = " ".join(str(part) for part in (option.get("title", ""), *(option.get("properties") or ())))
    constants = " ".join(str(one.get("const", "")) for one in (option.get("properties") or {}).values())
    return len(clues.words.intersection(words(f"{told} {constants}")))


def _optional(schema: Any, clues: Clues, field: _Field) -> Any:
    """The value of a field that may be left out, or `_MISSING` when nothing asks for it."""
    schema = _resolved(schema, field.root)
    if field.depth > _DEEPEST or clues.declines(field.label):
        return _MISSING
    if schema.get("enum") or "const" in schema:
        mentioned = _mentioned(schema.get("enum") or [schema["const"]], clues)
        return mentioned[0] if mentioned else _MISSING
    options = schema.get("anyOf") or schema.get("oneOf")
    kind = schema.get("type") or ("anyOf" if options else _implied(schema))
    return _OPTIONAL.get(kind, _optional_other)(schema, clues, field)


def _optional_number(schema: Mapping[str, Any], clues: Clues, field: _Field) -> Any:
    found = clues.number_beside(field.label, lambda number: in_range(number, schema))
    return _MISSING if found is None else as_number(found, schema)


def _optional_nested(schema: Mapping[str, Any], clues: Clues, field: _Field) -> Any:
    wanted = clues.mentions(field.label) or (field.eager and field.depth <= _SHALLOW)
    return _filled(schema, clues, field) if wanted else _MISSING


def _optional_other(schema: Mapping[str, Any], clues: Clues, field: _Field) -> Any:
    """A choice between types may be null; everything else is given when the question names it."""
    solid = [
        one
        for option in schema.get("anyOf") or ()
        if (one := _resolved(option, field.root)).get("type") != "null"
    ]
    if len(solid) == 1:
        return _optional(solid[0], clues, replace(field, depth=field.depth + 1))
    return _filled(schema, clues, field) if clues.mentions(field.label) else _MISSING


def _optional_string(schema: Mapping[str, Any], clues: Clues, field: _Field) -> Any:
    evident = _evident_string(schema, clues, field)
    if evident is not None:
        return fitted(evident, schema)
    kind = kind_of(field.label)
    if "format" in schema or (kind and kind.otherwise and not clues.mentions(field.label)):
        return _MISSING
    if field.eager or clues.mentions(field.label):
        return _string(schema, clues, field)
    return _MISSING


def _object(schema: Mapping[str, Any], clues: Clues, field: _Field) -> dict[str, Any]:
    """Values that stand beside their label are taken first, so that the others get what is left, in order."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    labelled = {
        name: value
        for name, inner in properties.items()
        if (value := _beside_label(inner, clues, field.inner(name))) is not _MISSING
    }
    values: dict[str, Any] = {}
    for name, inner in properties.items():
        if name in labelled:
            value = labelled[name]
        elif name in required:
            value = _filled(inner, clues, field.inner(name))
        else:
            value = _optional(inner, clues, field.inner(name))
        if value is not _MISSING:
            values[name] = value
    extra = schema.get("additionalProperties")
    for name in required.difference(properties):
        values[name] = _filled(extra if isinstance(extra, Mapping) else {}, clues, field.inner(name))
    return values


def _beside_label(schema: Any, clues: Clues, field: _Field) -> Any:
    """The value of a number or string field that the question gives with its name: `x=3`, "city: Rome"."""
    schema = _resolved(schema, field.root)
    if "enum" in schema or "const" in schema or not field.label:
        return _MISSING
    solid = [_resolved(option, field.root) for option in schema.get("anyOf") or (schema,)]
    kinds = {option.get("type"): option for option in solid}
    figure = kinds.get("integer") or kinds.get("number")
    if figure:
        return _optional_number(figure, clues, field)
    if "string" in kinds and not kinds["string"].keys() & {"enum", "const"}:
        told = clues.labelled(field.label)
        return _MISSING if told is None else fitted(told, kinds["string"])
    return _MISSING


def _array(schema: Mapping[str, Any], clues: Clues, field: _Field) -> list[Any]:
    least = min(schema.get("minItems") or 0, _MOST_DEMANDED)
    most = schema.get("maxItems", _MOST_ITEMS)
    fixed = [_filled(item, clues, field) for item in schema.get("prefixItems") or ()][:most]
    if "items" not in schema and fixed:
        return fixed
    item = _resolved(schema.get("items", {"type": "string"}), field.root)
    wanted = max(least - len(fixed), 0 if field.depth > _SHALLOW else 1)
    values = (fixed + _items(item, clues, field, wanted))[:most]
    return _distinct(values, item, least) if schema.get("uniqueItems") else values


def _items(item: Mapping[str, Any], clues: Clues, field: _Field, least: int) -> list[Any]:
    """At least so many items, and more when the question offers more."""
    values = _ready_items(item, clues, field)
    greedy = item.get("type") in ("integer", "number", "object") and field.depth <= _SHALLOW
    while len(values) < max(least, _MOST_ITEMS):
        left = clues.left
        if len(values) >= least and not (left and greedy):
            break
        value = _filled(item, clues, replace(field, depth=field.depth + 1, turn=len(values)))
        if len(values) >= least and clues.left == left:
            break
        values.append(value)
    return values


def _ready_items(item: Mapping[str, Any], clues: Clues, field: _Field) -> list[Any]:
    """Options that the question names, or its quotations or names, or several texts for an answer."""
    if "enum" in item:
        return _mentioned(item["enum"], clues)
    if item.get("type") != "string" or "format" in item or field.depth > _SHALLOW:
        return []
    return [fitted(text, item) for text in clues.quotations() or clues.names() or _composed(clues, field)]


def _composed(clues: Clues, field: _Field) -> list[str]:
    """As many texts as asked for ("list three ideas"), else three; a tool call gets none."""
    if not field.eager:
        return []
    asked = clues.number(lambda number: 1 <= number <= _MOST_ITEMS and number == int(number))
    singular = " ".join(field.label).removesuffix("s") or "item"
    return [
        capitalised(f"{singular} {at} about {topic(clues.whole)}") for at in range(1, int(asked or 3) + 1)
    ]


def _distinct(values: list[Any], item: Mapping[str, Any], least: int) -> list[Any]:
    """The values without repeats, filled up to the minimum with other options, numbers or texts."""
    kept = [value for at, value in enumerate(values) if value not in values[:at]]
    spare = iter([*item.get("enum", ()), *(_varied(item, turn) for turn in range(1, 4 * _MOST_ITEMS))])
    while len(kept) < min(least, len(values)):
        value = next(spare, _MISSING)
        if value is _MISSING:
            return kept
        if value not in kept:
            kept.append(value)
    return kept


def _varied(item: Mapping[str, Any], turn: int) -> Any:
    """One of many different values for an item."""
    if item.get("type") in ("integer", "number"):
        return as_number(turn * (item.get("multipleOf") or 1), item)
    return fitted(f"{turn}", item)


def _string(schema: Mapping[str, Any], clues: Clues, field: _Field) -> str:
    evident = _evident_string(schema, clues, field)
    if evident is not None:
        return fitted(evident, schema)
    if isinstance(schema.get("default"), str):
        return str(schema["default"])
    if schema.get("format") in FORMATS:
        return fitted(FORMATS[schema["format"]][1], schema)
    kind = kind_of(field.label)
    if kind and kind.otherwise:
        return fitted(kind.otherwise, schema)
    description = str(schema.get("description", ""))
    return fitted(
        prose(field.label, description, clues, field.turn) if field.eager else topic(clues.text), schema
    )


def _evident_string(schema: Mapping[str, Any], clues: Clues, field: _Field) -> str | None:
    """What the question offers for the field, if anything."""
    if schema.get("format") in FORMATS:
        return clues.matching(FORMATS[schema["format"]][0])
    if "pattern" in schema:
        pattern = readable(rf"\b(?:{schema['pattern'].strip('^$')})\b")
        return clues.matching(pattern) if pattern else None
    kind = kind_of(field.label)
    if field.eager and (kind is None or kind.otherwise is None) and not _is_name(field.label):
        return None
    if kind:
        return kind.look(clues)
    return clues.quotation() or clues.name()


def _is_name(label: tuple[str, ...]) -> bool:
    return bool({"name", "person", "customer", "company", "occupation", "job"} & set(label))


def _number(schema: Mapping[str, Any], clues: Clues, field: _Field) -> int | float:
    found = clues.number(lambda number: in_range(number, schema))
    if found is None and isinstance(schema.get("default"), int | float):
        found = schema["default"]
    if found is None:
        found = next((NUMBERS[word] for word in field.label if word in NUMBERS), 1)
    return as_number(found, schema)


def _boolean(schema: Mapping[str, Any], clues: Clues, field: _Field) -> bool:
    if clues.declines(field.label):
        return False
    told = clues.labelled(field.label)
    if told is not None:
        return told.casefold().startswith(("t", "y", "on", "1"))
    return clues.mentions(field.label) or bool(schema.get("default", False))


def _null(_schema: Mapping[str, Any], _clues: Clues, _field: _Field) -> None:
    return None


_OPTIONAL: Mapping[str, _Filler] = {
    "string": _optional_string,
    "integer": _optional_number,
    "number": _optional_number,
    "object": _optional_nested,
    "array": _optional_nested,
}
_FILLERS: Mapping[str, _Filler] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
