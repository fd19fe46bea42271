"""Objects in answers: how one is asked for, and how it is read, whole or while it is still coming."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.program.utils import create_flexible_model
from llama_index.core.types import Model
from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from llamaindex_openrouter_opts.errors import InvalidOutput, Refused, Truncated
from openrouter_opts.json_schema import JsonSchema, NotStrictError, as_object, inlined, strict_schema
from openrouter_opts.json_text import CutOffError, NotJSONError, json_in, object_begun_in, sole_json_in

_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
_MOST_PROBLEMS: Final = 5


@dataclass(frozen=True)
class ObjectOf(Generic[Model]):
    """What an answer should be.

    Attributes:
        output_cls: Its class.
        name: How the tool or the format is called.
        schema: The JSON Schema of an object.
        key: The only key of that object, if the class is written as something else, such as an array; its value is the answer then.
    """

    output_cls: type[Model]
    name: str
    schema: JsonSchema
    key: str | None

    @classmethod
    def of(cls, output_cls: type[Model]) -> ObjectOf[Model]:
        """Return what instances of a class look like in JSON."""
        plain = output_cls.model_json_schema()
        title = str(plain.pop("title", None) or output_cls.__name__)
        schema, key = as_object(plain)
        return ObjectOf(output_cls, _NOT_IN_A_NAME.sub("_", title)[:64], schema, key)

    def tool(self, *, strict: bool | None = None) -> dict[str, Any]:
        """Return the tool whose arguments are the object."""
        parameters = {key: value for key, value in inlined(self.schema).items() if key != "title"}
        description = parameters.pop("description", None) or "Give the answer by calling this."
        return function_tool(self.name, description, parameters, strict=strict)

    def response_format(self, *, strict: bool | None = None) -> dict[str, Any]:
        """Return the `response_format` that asks for the object, strictly unless the schema or the caller says otherwise."""
        schema = None if strict is False else _strict_or_none(self.schema)
        named = {"name": self.name, "strict": schema is not None, "schema": schema or dict(self.schema)}
        return {"type": "json_schema", "json_schema": named}

    def read(self, response: ChatResponse) -> Model:
        """Return the object in a whole answer.

        Raises:
            InvalidOutput: There is none, or one that doesn't fit the class; `Truncated` if it was cut off, `Refused` if it was refused.
        """
        self._check_ending(response)
        try:
            value = self._value(self._text(response))
        except CutOffError as error:
            raise Truncated.of(
                f"the model wrote no {self.name}: it was cut off, {error}", response
            ) from error
        except NotJSONError as error:
            wrote = f"it wrote {self._said(response)!r:.200}; {error}"
            raise InvalidOutput.of(f"the model wrote no {self.name}: {wrote}", response) from error
        try:
            return self._instance(value)
        except ValidationError as error:
            problems = "; ".join(_told(each) for each in error.errors()[:_MOST_PROBLEMS])
            raise InvalidOutput.of(f"the model wrote no {self.name}: {problems}", response) from error
        except PydanticSerializationError as error:
            raise InvalidOutput.of(
                f"the model wrote no {self.name}: it is nested too deeply", response
            ) from error

    def _check_ending(self, response: ChatResponse) -> None:
        reason = response.additional_kwargs.get("finish_reason")
        if refusal := response.message.additional_kwargs.get("refusal"):
            raise Refused.of(f"the model wrote no {self.name}: it refused, saying {refusal!r}", response)
        if reason == "content_filter":
            raise Refused.of(f"the model wrote no {self.name}: a content filter stopped it", response)
        if reason == "length":
            cut = "it reached the token limit; raise `max_tokens`"
            raise Truncated.of(f"the model wrote no {self.name}: {cut}", response)

    def _text(self, response: ChatResponse) -> str:
        """Return where the JSON should be: the arguments of the call that was asked for, or the text."""
        calls = _calls(response)
        for name, arguments in calls:
            if name == self.name:
                return arguments
        if calls:
            raise NotJSONError(f"it called {', '.join(name for name, _ in calls)}")
        return response.message.content or ""

    def _said(self, response: ChatResponse) -> str:
        return next((text for name, text in _calls(response) if name == self.name), None) or (
            response.message.content or ""
        )

    def _value(self, text: str) -> Any:
        if self.key is not None:
            with suppress(ValueError, RecursionError):
                return sole_json_in(text)
        return json_in(text)

    def _instance(self, value: Any) -> Model:
        if self.key is not None and isinstance(value, dict) and value.keys() == {self.key}:
            value = value[self.key]
        # As JSON: of a strict class, dates and tuples are read from JSON, and not from what it is in Python.
        return self.output_cls.model_validate_json(to_json(value))

    def begun(self, response: ChatResponse) -> tuple[Any, BaseModel | None]:
        """Return what there is of the object in an answer that is still coming, as JSON and as an object; `None` if that shows nothing."""
        try:
            fields: Any = object_begun_in(self._text(response))
        except NotJSONError:
            return None, None
        if self.key is not None:
            fields = fields.get(self.key)
        fields = _without_beginning(fields)
        if _is_blank(fields):
            return None, None
        try:
            return fields, self.output_cls.model_validate_json(to_json(fields))
        except ValidationError:
            return fields, self._partly(fields)

    def _partly(self, fields: Any) -> BaseModel | None:
        if issubclass(self.output_cls, RootModel) or not isinstance(fields, Mapping):
            return None
        named = {self._names.get(key, key): value for key, value in fields.items()}
        return self._partial_cls.model_validate(named)

    @cached_property
    def _partial_cls(self) -> type[BaseModel]:
        # Made once: LlamaIndex makes it for every chunk.
        return create_flexible_model(self.output_cls)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The fields by what JSON calls them."""
        return {
            alias: name
            for name, field in self.output_cls.model_fields.items()
            for alias in (field.alias, field.validation_alias)
            if isinstance(alias, str)
        }


class GrowingObject:
    """Reads the steps of a stream; yields an object whenever there is more of it, and at the end the whole one."""

    def __init__(self, wanted: ObjectOf[Any]) -> None:
        self._wanted = wanted
        self._shown: Any = None
        self._last: ChatResponse | None = None

    def add(self, response: ChatResponse) -> Iterator[Any]:
        """Yield what a further step shows."""
        self._last = response
        fields, partial = self._wanted.begun(response)
        if partial is not None and fields != self._shown:
            self._shown = fields
            yield partial

    def end(self) -> Any:
        """Return the whole object; raises as `ObjectOf.read`."""
        # A stream without a single step has raised by now.
        assert self._last is not None
        return self._wanted.read(self._last)


def function_tool(
    name: str, description: str | None, parameters: JsonSchema, *, strict: bool | None
) -> dict[str, Any]:
    """Return a function as a tool; strict where that was asked for and its schema allows it."""
    strictly = _strict_or_none(parameters) if strict else None
    function: dict[str, Any] = {
        "name": name,
        "description": description,
        "parameters": strictly or dict(parameters),
    }
    if strict is not None:
        function["strict"] = strictly is not None
    return {"type": "function", "function": function}


def _without_beginning(value: Any) -> Any:
    """Return JSON that is still coming without the value at its end, as long as that is empty."""
    if not isinstance(value, dict | list) or not value:
        return value
    last = next(reversed(value)) if isinstance(value, dict) else len(value) - 1
    grown = copy(value)
    grown[last] = _without_beginning(value[last])
    if grown[last] in ("", [], {}):
        del grown[last]
    return grown


def _is_blank(value: Any) -> bool:
    return all(each is None for each in value.values()) if isinstance(value, dict) else not value


def _strict_or_none(schema: JsonSchema) -> dict[str, Any] | None:
    try:
        return strict_schema(schema)
    except NotStrictError:
        return None


def _calls(response: ChatResponse) -> list[tuple[str, str]]:
    """Return names and arguments of the calls, as the model wrote them."""
    calls = response.message.additional_kwargs.get("tool_calls") or ()
    return [(str(call["function"]["name"]), str(call["function"]["arguments"])) for call in calls]


def _told(problem: Mapping[str, Any]) -> str:
    where = ".".join(map(str, problem["loc"])) or "all of it"
    value = f", and is {problem['input']!r:.60}" if problem["type"] != "missing" else ""
    return f"{where}: {problem['msg']}{value}"
