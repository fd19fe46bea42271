"""JSON Schemas as structured outputs take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeAlias

JsonSchema: TypeAlias = Mapping[str, Any]

DEFINITIONS: Final = ("$defs", "definitions")
"""Where a schema keeps what it refers to."""

_MAPS: Final = ("properties", *DEFINITIONS)
_LISTS: Final = ("anyOf", "oneOf", "allOf")
# Most providers refuse them at the top.
_ALTERNATIVES: Final = frozenset({"anyOf", "oneOf", "allOf"})
_KEY: Final = "value"
# An alternative is told by its own keys, so strict mode does without what says how to tell it.
_NOT_STRICT: Final = frozenset({"default", "discriminator"})
_NEVER_STRICT: Final = frozenset(
    {"prefixItems", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"}
)
_SAYS_A_TYPE: Final = frozenset({"type", "anyOf", "oneOf", "allOf", "enum", "const", "$ref"})


class NotStrictError(ValueError):
    """Strict mode has no form of a schema; says where in it, and why."""

    def __init__(self, where: tuple[str, ...], problem: str) -> None:
        super().__init__(f"{'.'.join(where) or 'the schema'} {problem}")


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a schema: the path to it, and the references that were followed on the way."""

    root: JsonSchema
    where: tuple[str, ...] = ()
    followed: tuple[str, ...] = ()

    def within(self, *steps: str) -> Self:
        return replace(self, where=(*self.where, *steps))

    def following(self, ref: str) -> Self:
        return replace(self, followed=(*self.followed, ref))


def strict_schema(schema: JsonSchema) -> dict[str, Any]:
    """Return the schema in the form that strict mode takes: every property required, no others, and `anyOf` for alternatives.

    Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas

    Raises:
        NotStrictError: There is none, since an object in it takes any key, or a value in it may be anything.
    """
    return _strict(schema, _Place(schema))


def _strict(schema: Any, place: _Place) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise NotStrictError(place.where, "may be anything")
    if never := sorted(_NEVER_STRICT & schema.keys()):
        raise NotStrictError(place.where, f"has {never[0]}")
    kept = {key: value for key, value in schema.items() if key not in _NOT_STRICT}
    if "$ref" in kept and len(kept) > 1:
        return _strict_reference(kept.pop("$ref"), kept, place)
    if "anyOf" not in kept and "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
    return _closed({key: _strict_part(key, value, place.within(key)) for key, value in kept.items()}, place)


def _strict_reference(ref: str, beside: JsonSchema, place: _Place) -> dict[str, Any]:
    """A reference may have nothing beside it, such as a description: what it refers to takes its place."""
    if ref in place.followed:
        return {"$ref": ref}
    target = referred(ref, place.root)
    if target is None:
        raise NotStrictError(place.where, f"refers to {ref}, which isn't there")
    return _strict({**target, **beside}, place.following(ref))


def _strict_part(key: str, value: Any, place: _Place) -> Any:
    if key in _MAPS:
        return {name: _strict(inner, place.within(name)) for name, inner in value.items()}
    if key in _LISTS:
        return [_strict(inner, place.within(str(index))) for index, inner in enumerate(value)]
    if key == "items" and isinstance(value, Mapping):
        return _strict(value, place)
    return value


def _closed(schema: dict[str, Any], place: _Place) -> dict[str, Any]:
    if schema.get("type") == "object" or "properties" in schema:
        free = schema.get("additionalProperties", False) is not False or "patternProperties" in schema
        if free or "properties" not in schema:
            raise NotStrictError(place.where, "takes any key")
        return {**schema, "additionalProperties": False, "required": list(schema["properties"])}
    if _SAYS_A_TYPE.isdisjoint(schema):
        raise NotStrictError(place.where, "may be anything")
    return schema


def as_object(schema: JsonSchema) -> tuple[JsonSchema, str | None]:
    """Return a schema of an object, and the key under which it holds what is asked for, if that is none.

    Tools and formats take nothing else at the top.
    """
    if (target := referred(schema.get("$ref"), schema)) is not None:
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    kind = schema.get("type", "object" if "properties" in schema else None)
    if kind == "object" and not _ALTERNATIVES & schema.keys():
        return {"type": kind, **schema}, None
    definitions = {key: schema[key] for key in DEFINITIONS if key in schema}
    inner = {key: value for key, value in schema.items() if key not in DEFINITIONS}
    return {"type": "object", "properties": {_KEY: inner}, "required": [_KEY], **definitions}, _KEY


def inlined(schema: JsonSchema) -> dict[str, Any]:
    """Return the schema with definitions in the place of references to them, since not every provider follows those in a tool.

    A definition that refers to itself stays one.
    """
    recursive: set[str] = set()
    rest = {key: value for key, value in schema.items() if key not in DEFINITIONS}
    whole = _inlined(rest, _Place(schema), recursive)
    definitions = {key: schema[key] for key in DEFINITIONS if key in schema}
    return {**whole, **definitions} if recursive else whole


def _inlined(node: Any, place: _Place, recursive: set[str]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, place, recursive) for each in node]
    if not isinstance(node, Mapping):
        return node
    ref = node.get("$ref")
    target = referred(ref, place.root)
    if target is None or not isinstance(ref, str):
        return {key: _inlined(value, place, recursive) for key, value in node.items()}
    if ref in place.followed:
        recursive.add(ref)
        return dict(node)
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return _inlined({**target, **beside}, place.following(ref), recursive)


def referred(ref: Any, root: JsonSchema) -> JsonSchema | None:
    """Return what a reference within a schema leads to; `None` where that is nothing, or elsewhere."""
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return None
    target: Any = root
    for step in ref[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, Mapping) or key not in target:
            return None
        target = target[key]
    return target if isinstance(target, Mapping) else None
