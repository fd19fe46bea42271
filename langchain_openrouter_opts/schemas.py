"""What an answer should look like: read in any spelling, and written as `response_format` or as a tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import isclass, isroutine
from typing import Any, Final, TypeAlias, get_origin

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_function
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_json
from typing_extensions import is_typeddict, override

from langchain_openrouter_opts.typed_dicts import plain
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.json_schema import JsonSchema, NotStrictError, as_object, inlined, strict_schema

Schema: TypeAlias = Mapping[str, Any] | type | Callable[..., Any]
"""A pydantic class, another type that pydantic reads, a `TypedDict`, a JSON Schema, or OpenAI's form of a tool or a response format."""

_DEFAULT_NAME: Final = "Output"
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
# Where a mapping that gives a schema a name holds it.
_HOLDERS: Final = ("schema", "parameters", "input_schema")
_ABOUT: Final = frozenset({"type", "name", "description", "strict", *_HOLDERS})
_TYPES: Final = ("object", "array", "string", "number", "integer", "boolean", "null")
_OF_A_SCHEMA: Final = frozenset({"properties", "$ref", "enum", "const", "anyOf", "oneOf", "allOf"})
_FORMS: Final = "give a pydantic class or another type, a TypedDict, a JSON Schema, or OpenAI's form of a tool or a response format"


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat the names of fields."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@dataclass(frozen=True)
class AnswerSchema:
    """A schema to answer in.

    Attributes:
        name: How the tool or the format is called.
        schema: A JSON Schema of an object, which strict mode takes if `strict` is true.
        output: The type of what is read; `dict` where answers stay as they are.
        description: What is said about it beside the schema.
        strict: Whether the answer must keep to it; `None` leaves that open.
        key: The only key of the object, if the schema that was given is none of an object: its value is the answer.
        more: What else was given beside the name.
        beside: What was given beside the function, such as `cache_control`.
    """

    name: str
    schema: JsonSchema
    output: Any = dict
    description: str | None = None
    strict: bool | None = None
    key: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Any, *, strict: bool | None = None) -> AnswerSchema:
        """Read a schema in any spelling.

        Args:
            given: A `Schema`.
            strict: Whether the answer must keep to it; `None` leaves that to the schema.

        Raises:
            ConfigurationError: It is no schema, it says otherwise about `strict`, or it has no strict form.
        """
        spelled = _of_mapping(given) if isinstance(given, Mapping) else _of_type(given)
        said = spelled.strict if strict is None else strict
        if spelled.strict is not None and spelled.strict is not said:
            raise ConfigurationError(f"strict: the schema says {spelled.strict}, and the argument {strict}")
        schema, key = as_object(spelled.schema)
        if said:
            schema = strictly(schema, "schema")
        return replace(spelled, schema=schema, key=key, strict=said)

    def response_format(self) -> dict[str, Any]:
        """Return the `response_format` that asks for it."""
        return {"type": "json_schema", "json_schema": self._named("schema", self.schema, self.description)}

    def tool(self) -> dict[str, Any]:
        """Return the tool whose arguments are the answer."""
        parameters = inlined(self.schema)
        said = parameters.pop("description", None)
        function = self._named("parameters", parameters, self.description or said)
        return {**self.beside, "type": "function", "function": function}

    def _named(self, key: str, schema: JsonSchema, description: str | None) -> dict[str, Any]:
        about = {"name": self.name, "description": description, key: dict(schema), "strict": self.strict}
        return {**self.more, **{name: value for name, value in about.items() if value is not None}}

    def json_schema(self) -> dict[str, Any]:
        """Return it as a JSON Schema that has its name and its description."""
        about = {"description": self.description} if self.description else {}
        return {"title": self.name, **about, **self.schema}

    @property
    def is_object(self) -> bool:
        """Whether what is read is a `dict`, or an instance of a pydantic class that is written as an object."""
        return self.key is None and (self.output is dict or _is_pydantic(self.output))

    def read(self, value: Mapping[str, Any]) -> Any:
        """Return what the JSON of an answer stands for; raises pydantic's `ValidationError`, of either of its versions, if it doesn't fit."""
        inner = value if self.key is None else value.get(self.key)
        if self.output is dict:
            return inner
        if _is_pydantic_1(self.output):
            return self.output.parse_obj(inner)
        # As JSON: of a strict class, dates and tuples are read from JSON, and not from what it is in Python.
        return self._adapter.validate_json(to_json(inner))

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.output)


def response_format(given: Any) -> dict[str, Any]:
    """Return the `response_format` of a call, made strict where it says so.

    Args:
        given: What the API takes, or a `Schema` of an object.

    Raises:
        ConfigurationError: It is no schema, none of an object, or it has no strict form and says that it is strict.
    """
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind == "json_schema":
        named = given.get("json_schema")
        if not (
            isinstance(named, Mapping) and named.get("strict") and isinstance(named.get("schema"), Mapping)
        ):
            return dict(given)
        schema = strictly(named["schema"], "response_format.json_schema.schema")
        return {**given, "json_schema": {**named, "schema": schema}}
    if isinstance(kind, str) and kind not in {*_TYPES, "function"}:
        return dict(given)
    asked = AnswerSchema.of(given)
    if asked.key is not None:
        raise ConfigurationError(
            "response_format: should be an object; `with_structured_output` takes other schemas"
        )
    return asked.response_format()


def strictly(schema: JsonSchema, path: str) -> dict[str, Any]:
    """Return a schema as strict mode takes it; raises `ConfigurationError`, which names its path, if it has no such form."""
    try:
        return strict_schema(schema)
    except NotStrictError as error:
        raise ConfigurationError(f"{path}: {error}, and strict mode has no such schema") from error


def _of_mapping(given: Mapping[str, Any]) -> AnswerSchema:
    match given:
        case {"type": "json_schema", "json_schema": Mapping() as held}:
            return _held(held)
        case {"type": "function", "function": Mapping() as held, **beside}:
            return _held(held, beside)
        case {"toolSpec": {"name": name, "inputSchema": {"json": Mapping() as schema}} as spec}:
            return _held({"name": name, "description": spec.get("description"), "schema": schema})
        case _ if any(isinstance(given.get(holder), Mapping) for holder in _HOLDERS):
            return _held(given)
    kind = given.get("type")
    if not (isinstance(kind, list) or kind in _TYPES or (kind is None and _OF_A_SCHEMA & given.keys())):
        raise ConfigurationError(f"schema: {dict(given)!r:.80} holds no schema; {_FORMS}")
    schema = {key: value for key, value in given.items() if key not in {"title", "name", "strict"}}
    return AnswerSchema(_as_name(given.get("title") or given.get("name")), schema, strict=given.get("strict"))


def _held(given: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> AnswerSchema:
    """Read a schema that is held by what gives it a name."""
    schema = next((given[holder] for holder in _HOLDERS if isinstance(given.get(holder), Mapping)), None)
    if schema is None:
        raise ConfigurationError(f"schema: {dict(given)!r:.80} has a name and no schema")
    name = given.get("name")
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ConfigurationError(
            f"schema.name: {name!r} should be of letters, digits, _ and -, and at most 64"
        )
    return AnswerSchema(
        name or _as_name(schema.get("title")),
        {key: value for key, value in schema.items() if key != "title"},
        description=given.get("description"),
        strict=given.get("strict"),
        more={key: value for key, value in given.items() if key not in _ABOUT},
        beside=beside or {},
    )


def _of_type(given: Any) -> AnswerSchema:
    if _is_pydantic_1(given) or is_typeddict(given) or _is_function(given):
        function = convert_to_openai_function(plain(given) if is_typeddict(given) else given)
        description = {"description": function["description"]} if function.get("description") else {}
        output = given if _is_pydantic_1(given) else dict
        return AnswerSchema(_as_name(function["name"]), description | function.get("parameters", {}), output)
    if not (isclass(given) or get_origin(given) is not None):
        raise ConfigurationError(f"schema: {given!r:.80} is none; {_FORMS}")
    try:
        schema = TypeAdapter(given).json_schema(schema_generator=_Untitled)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise ConfigurationError(f"schema: {given!r:.80} has no JSON Schema: {error.message}") from error
    own = given.__name__ if isclass(given) and given.__module__ != "builtins" else None
    return AnswerSchema(_as_name(schema.pop("title", own)), schema, given)


def _is_pydantic(given: Any) -> bool:
    return isclass(given) and is_basemodel_subclass(given)


def _is_pydantic_1(given: Any) -> bool:
    return _is_pydantic(given) and not issubclass(given, BaseModel)


def _is_function(given: Any) -> bool:
    return isinstance(given, BaseTool) or isroutine(given)


def _as_name(title: Any) -> str:
    return _NOT_IN_A_NAME.sub("_", str(title or _DEFAULT_NAME))[:64]
