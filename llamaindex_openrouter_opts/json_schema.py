"""JSON Schemas as strict mode takes them: every property required, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema in the form that strict mode takes; `None` if there is none, since an object in it has free keys.

    Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    try:
        return _strict(schema, schema)
    except _FreeKeysError:
        return None


class _FreeKeysError(Exception):
    """An object takes any key."""


def _strict(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema and len(schema) > 1:
        # A reference may have nothing beside it, such as a description.
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _strict({**_referred(schema["$ref"], root), **beside}, root)
    result = {key: value for key, value in schema.items() if key != "default"}
    for key in _MAPS:
        if key in result:
            result[key] = {name: _inner(inner, root) for name, inner in result[key].items()}
    for key in _LISTS:
        if key in result:
            result[key] = [_inner(inner, root) for inner in result[key]]
    if isinstance(result.get("items"), Mapping):
        result["items"] = _strict(result["items"], root)
    if result.get("type") == "object" or "properties" in result:
        if not result.get("properties") or result.get("additionalProperties"):
            raise _FreeKeysError
        result["additionalProperties"] = False
        result["required"] = list(result["properties"])
    return result


def _inner(schema: Any, root: Mapping[str, Any]) -> Any:
    return _strict(schema, root) if isinstance(schema, Mapping) else schema


def _referred(ref: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root
    for step in ref.removeprefix("#/").split("/"):
        target = target[step]
    return dict(target)
