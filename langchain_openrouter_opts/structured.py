"""Structured output: how it is asked for, and how it is read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from operator import itemgetter
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeGuard, cast, get_args

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import TBaseModel, is_basemodel_subclass
from pydantic import BaseModel

from openrouter_opts.catalog import Catalog
from openrouter_opts.errors import ConfigurationError

Method: TypeAlias = Literal["function_calling", "json_mode", "json_schema"]
Schema: TypeAlias = Mapping[str, Any] | type

_DEFAULT_NAME: Final = "Output"


def method_for(model: str) -> Method:
    """Choose for a model: its own support of JSON Schema if the catalogue knows of it, tool calls otherwise."""
    return "json_schema" if Catalog.bundled().facts(model).structured_output else "function_calling"


def check_method(method: str) -> Method:
    """Return the method; raises `ConfigurationError` if there is no such method."""
    if method in get_args(Method):
        return cast("Method", method)
    raise ConfigurationError(f"method: there are {', '.join(get_args(Method))}, and no {method!r}")


def response_format(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Return the `response_format` that asks for a schema.

    Args:
        schema: A pydantic class, a `TypedDict`, a JSON Schema, or what the API itself takes, whole or its inner part.
        strict: Whether the model must keep to the schema; then the schema is made one that strict mode takes: every property required,
            and no others.
    """
    if isinstance(schema, Mapping):
        if isinstance(schema.get("type"), str) and schema["type"].startswith("json_"):
            return dict(schema)
        if isinstance(schema.get("schema"), Mapping):
            return {"type": "json_schema", "json_schema": dict(schema) | _strict(strict)}
    json_schema = convert_to_json_schema(titled(schema), strict=strict)
    named = {"name": json_schema["title"], "schema": json_schema}
    return {"type": "json_schema", "json_schema": named | _strict(strict)}


def titled(schema: Any) -> Any:
    """Return the schema; a JSON Schema without a title gets one, since tools and formats have names."""
    if isinstance(schema, Mapping) and not schema.keys() & {"title", "name", "function", "toolSpec"}:
        return {"title": _DEFAULT_NAME, **deepcopy(dict(schema))}
    return schema


def _strict(strict: bool | None) -> dict[str, bool]:
    return {} if strict is None else {"strict": strict}


def json_parser(schema: Schema | None) -> BaseOutputParser[Any]:
    """Return what reads an answer in JSON: into the pydantic class, or else into a `dict`."""
    if _is_pydantic(schema):
        return PydanticAnswer(pydantic_object=schema)
    return JsonAnswer()


def tool_parser(schema: Schema, name: str) -> BaseOutputParser[Any]:
    """Return what reads the call of the tool `name` that stands for the schema."""
    if _is_pydantic(schema):
        return PydanticCall(tools=[schema], first_tool_only=True)
    return JsonCall(key_name=name, first_tool_only=True)


def _is_pydantic(schema: object) -> TypeGuard[type[BaseModel]]:
    return inspect.isclass(schema) and is_basemodel_subclass(schema)


def read(
    model: Runnable[LanguageModelInput, AIMessage], parser: BaseOutputParser[Any], *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Join a model and a parser; with `include_raw` the result has `raw`, `parsed` and `parsing_error`."""
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


class _Complete:
    """A parser that refuses half an answer: cut-off JSON can be mended into an object that nobody meant."""

    reads_calls: ClassVar = False

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        message = result[0].message if isinstance(result[0], ChatGeneration) else None
        if isinstance(message, AIMessage):
            problem = self._problem(message, partial=partial)
            if problem:
                raise OutputParserException(problem, llm_output=message.text)
            if message.tool_calls and not self.reads_calls and not message.text:
                # Another tool comes first; the answer follows in a later turn.
                return None
        return super().parse_result(result, partial=partial)  # type: ignore[misc]  # it is mixed into parsers

    def _problem(self, message: AIMessage, *, partial: bool) -> str | None:
        reason = message.response_metadata.get("finish_reason")
        if refusal := message.additional_kwargs.get("refusal"):
            return None if partial and reason is None else f"the model refused: {refusal}"
        if reason == "length":
            return "the answer was cut off at the token limit: raise `max_tokens`"
        if reason == "content_filter":
            return "the answer was stopped by a content filter"
        over = reason is not None or not partial
        if self.reads_calls and over and not message.tool_calls:
            said = "with arguments that are no JSON object" if message.invalid_tool_calls else "not"
            return f"the model called the tool {said}, and said: {message.text!r}"
        return None


class PydanticAnswer(_Complete, PydanticOutputParser[TBaseModel]):
    """Reads an answer in JSON into a pydantic class."""


class JsonAnswer(_Complete, JsonOutputParser):
    """Reads an answer in JSON into a `dict`."""


class PydanticCall(_Complete, PydanticToolsParser):
    """Reads a tool call into a pydantic class."""

    reads_calls: ClassVar = True


class JsonCall(_Complete, JsonOutputKeyToolsParser):
    """Reads a tool call into a `dict`."""

    reads_calls: ClassVar = True
