"""Structured output: by which method a model is asked for it, and what is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from langchain_openrouter_opts import arguments
from langchain_openrouter_opts.answers import Answer, Asked
from langchain_openrouter_opts.profile import profile
from langchain_openrouter_opts.schemas import AnswerSchema, Schema, response_format
from langchain_openrouter_opts.tools import wire_tools
from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.lint import may_require
from openrouter_opts.lint.body import models_of
from openrouter_opts.options.toolbox import WireTool, tool_names

if TYPE_CHECKING:
    from langchain_openrouter_opts.chat_models import ChatOpenRouter

Method: TypeAlias = Literal["function_calling", "json_mode", "json_schema"]
Call: TypeAlias = dict[str, Any]

_JSON_MODE: Final = {"type": "json_object"}
# Google's older models take tools or a response format, not both; langchain makes the same exception for its agents.
_ONE_OF_BOTH: Final = re.compile(r"google/gemini-[12]\b")


def asked(
    llm: ChatOpenRouter,
    given: Schema | None,
    *,
    include_raw: bool,
    method: Method | None,
    strict: bool | None,
    call: Call,
) -> tuple[Call, Answer]:
    """Return the arguments of `bind_tools` that ask for answers of a schema, and what reads them.

    The arguments are those of `ChatOpenRouter.with_structured_output`.
    """
    if "response_format" in call:
        raise ConfigurationError("response_format: is made of the schema here; leave it out")
    tools, choice = wire_tools(call.pop("tools", None) or ()), call.pop("tool_choice", None)
    body = _body(llm, call)
    chosen = method_for(llm, body, has_tools=bool(tools)) if method is None else _checked(method)
    schema = _schema(given, chosen, strict)
    others = _functions([*body.get("tools", ()), *tools])
    told = Asked(schema, chosen == "function_calling", frozenset(others))
    if schema is not None:
        about = {"kwargs": {"method": chosen, "strict": strict}, "schema": schema.json_schema()}
        call["ls_structured_output_format"] = about
    if schema is not None and told.by_tool:
        tools, choice = [schema.tool(), *tools], _choice(choice, schema.name, others)
        if not schema.strict and _can_be_forced(llm, body):
            call = requiring(llm, call, tools)
    elif schema is not None and chosen == "json_schema":
        call["response_format"] = schema.response_format()
    else:
        call["response_format"] = _JSON_MODE
    return {**call, "tools": tools, "tool_choice": choice}, Answer(asked=told, include_raw=include_raw)


def _choice(choice: Any, name: str, others: Sequence[str]) -> Any:
    if name in others:
        raise ConfigurationError(f"tools: {name!r} is the name of the schema as well; rename one of them")
    if choice is not None:
        return choice
    return "required" if others else name


def formatted(llm: ChatOpenRouter, call: Call, tools: list[WireTool]) -> Call:
    """Return a call with its `response_format` as it goes out, to endpoints that keep to it."""
    form = response_format(call["response_format"])
    call = {**call, "response_format": form}
    return requiring(llm, call, tools) if form.get("type") in {"json_schema", "json_object"} else call


def requiring(llm: ChatOpenRouter, call: Call, tools: list[WireTool]) -> Call:
    """Return a call that goes only to endpoints that support all it says, where that can be asked for."""
    body = _body(llm, {**call, "tools": tools} if tools else call)
    return {**call, "require_parameters": True} if may_require(body, _catalog(llm).certain) else call


def method_for(llm: ChatOpenRouter, body: Mapping[str, Any], *, has_tools: bool = False) -> Method:
    """Choose what all models of a request can do: their own structured outputs if they have them, tool calls otherwise."""
    slugs = models_of(body)
    if has_tools and any(map(_ONE_OF_BOTH.search, slugs)):
        return "function_calling"
    return "json_schema" if all(_keeps_to_schemas(llm, slug) for slug in slugs) else "function_calling"


def _keeps_to_schemas(llm: ChatOpenRouter, slug: str) -> bool:
    """What the user says of the model, in its `profile`, counts for more than what is known of it."""
    said = llm.profile
    if slug == llm.model_name and said is not None and said != profile(slug):
        return bool(said.get("structured_output"))
    return _catalog(llm).facts(slug).structured_output


def _can_be_forced(llm: ChatOpenRouter, body: Mapping[str, Any]) -> bool:
    """Whether models are known to have endpoints that can be made to call a tool.

    OpenRouter sends a request with tools to endpoints with tools anyway. Whether those can be forced to call one is another parameter,
    which some models support nowhere; and it says nowhere whether a strict tool is a further one.
    """
    return all(
        facts.known
        and (facts.recorded_parameters is None or "tool_choice" in facts.recorded_parameters)
        and "tool_choice" in facts.supported_parameters
        for facts in _facts(llm, body)
    )


def _facts(llm: ChatOpenRouter, body: Mapping[str, Any]) -> list[Model]:
    return [_catalog(llm).facts(slug) for slug in models_of(body)]


def _catalog(llm: ChatOpenRouter) -> Catalog:
    return Catalog.of(llm.catalog)


def _body(llm: ChatOpenRouter, call: Call) -> Mapping[str, Any]:
    """Return a request's share of the body, but for its messages."""
    return {"model": arguments.model_of(llm, call), **arguments.body_of(llm, call)}


def _checked(method: str) -> Method:
    if method in get_args(Method):
        return cast("Method", method)
    raise ConfigurationError(f"method: there are {', '.join(get_args(Method))}, and no {method!r}")


def _schema(given: Schema | None, method: Method, strict: bool | None) -> AnswerSchema | None:
    if method == "json_mode":
        if strict:
            raise ConfigurationError("strict: JSON mode keeps to no schema; choose another method")
        schema = None if given is None else replace(AnswerSchema.of(given), strict=None)
        if schema and schema.key is not None:
            raise ConfigurationError(
                "schema: JSON mode answers with an object; choose another method, or a schema of an object"
            )
        return schema
    if given is None:
        raise ConfigurationError("schema: is missing; only method='json_mode' does without")
    return AnswerSchema.of(given, strict=strict)


def _functions(tools: Sequence[WireTool]) -> list[str]:
    return tool_names(tool for tool in tools if tool.get("type") == "function")
