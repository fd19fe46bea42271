"""Objects instead of text: a program asks for one, by a tool or by a JSON Schema, and reads it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, closing, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.program.utils import create_flexible_model
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import BasePydanticProgram, Model
from pydantic import BaseModel, ValidationError

from llamaindex_openrouter_opts.arguments import begun, parsed
from llamaindex_openrouter_opts.errors import InvalidOutput
from openrouter_opts.json_schema import NotStrictError, strict_schema

if TYPE_CHECKING:
    from llamaindex_openrouter_opts.llm import OpenRouter

Way: TypeAlias = Literal["tool", "schema"]
Arguments: TypeAlias = Mapping[str, Any] | None

_FENCED: Final = re.compile(r"```(?:json)?[ \t]*\n(.*?)(?:\n\s*```|\Z)", re.DOTALL | re.IGNORECASE)
_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
# LlamaIndex passes these on to programs that choose by themselves.
_DECIDED_HERE: Final = frozenset({"allow_parallel_tool_calls", "tool_choice", "tool_required"})


class ObjectProgram(BasePydanticProgram[Model]):
    """Asks a model for an object of a class.

    Raises `InvalidOutput` when the model refuses, is cut off or writes no JSON, and pydantic's `ValidationError` when the JSON doesn't
    fit the class.

    Args:
        llm: The model.
        output_cls: The class.
        prompt: What to ask; calls give its variables.
        way: Whether to ask by a tool that must be called, or by `response_format`.
        strict: Whether to have the provider keep to the schema, where the schema allows it; `None` is true for `response_format`.
    """

    def __init__(
        self,
        llm: OpenRouter,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        way: Way,
        strict: bool | None = None,
    ) -> None:
        self._llm = llm
        self._output_cls = output_cls
        self._prompt = prompt
        self._way: Way = way
        self._strict = strict

    @property
    def output_cls(self) -> type[Model]:
        """The class of the objects."""
        return self._output_cls

    def __call__(self, *_args: Any, llm_kwargs: Arguments = None, **prompt_args: Any) -> Model:
        """Return an object. `llm_kwargs` go to the call of the model."""
        return _whole(self._llm.chat(**self._call(llm_kwargs, prompt_args)), self._output_cls)

    async def acall(self, *_args: Any, llm_kwargs: Arguments = None, **prompt_args: Any) -> Model:
        """Return an object. `llm_kwargs` go to the call of the model."""
        return _whole(await self._llm.achat(**self._call(llm_kwargs, prompt_args)), self._output_cls)

    def stream_call(
        self, *_args: Any, llm_kwargs: Arguments = None, **prompt_args: Any
    ) -> Generator[Any, None, None]:
        """Yield the object as it grows, fields still missing; the last one is whole, and of the class."""
        with closing(self._llm.stream_chat(**self._call(llm_kwargs, prompt_args))) as responses:
            grow = _Growing(self._output_cls)
            for response in responses:
                yield from grow(response)

    async def astream_call(
        self, *_args: Any, llm_kwargs: Arguments = None, **prompt_args: Any
    ) -> AsyncGenerator[Any, None]:
        """Yield the object as it grows, fields still missing; the last one is whole, and of the class."""
        return self._grown(await self._llm.astream_chat(**self._call(llm_kwargs, prompt_args)))

    async def _grown(self, stream: AsyncGenerator[ChatResponse, None]) -> AsyncGenerator[Any, None]:
        async with aclosing(stream) as responses:
            grow = _Growing(self._output_cls)
            async for response in responses:
                for step in grow(response):
                    yield step

    def _call(self, llm_kwargs: Arguments, prompt_args: Mapping[str, Any]) -> dict[str, Any]:
        messages = self._llm._extend_messages(self._prompt.format_messages(llm=self._llm, **prompt_args))  # noqa: SLF001 - as LlamaIndex's own programs
        call = {name: value for name, value in (llm_kwargs or {}).items() if name not in _DECIDED_HERE}
        if self._way == "schema":
            return {
                "messages": messages,
                "response_format": response_format(self._output_cls, self._strict),
                **call,
            }
        tool = object_tool(self._output_cls)
        prepared = self._llm._prepare_chat_with_tools(  # noqa: SLF001 - other tools stay beside this one
            [*call.pop("tools", ()), tool], chat_history=messages, **call
        )
        alone = len(prepared["tools"]) == 1
        name = {"type": "function", "function": {"name": tool["function"]["name"]}}
        return {**prepared, "tool_choice": "required" if alone else name}


def object_tool(output_cls: type[BaseModel]) -> dict[str, Any]:
    """Return the tool whose arguments are the object."""
    schema = output_cls.model_json_schema()
    description = schema.pop("description", None) or "Give the answer by calling this."
    function = {
        "name": _name(schema.pop("title", None), output_cls),
        "description": description,
        "parameters": schema,
    }
    return {"type": "function", "function": function}


def response_format(output_cls: type[BaseModel], strict: bool | None = None) -> dict[str, Any]:
    """Return the `response_format` that asks for the object."""
    plain = output_cls.model_json_schema()
    name = _name(plain.get("title"), output_cls)
    if strict is not False:
        with suppress(NotStrictError):
            named = {"name": name, "strict": True, "schema": strict_schema(plain)}
            return {"type": "json_schema", "json_schema": named}
    return {"type": "json_schema", "json_schema": {"name": name, "strict": False, "schema": plain}}


def _name(title: str | None, output_cls: type[BaseModel]) -> str:
    return _NOT_IN_A_NAME.sub("_", title or output_cls.__name__)[:64]


def _whole(response: ChatResponse, output_cls: type[Model]) -> Model:
    """Read the object of a whole answer."""
    text = _json_text(response)
    if parsed(text) is None or not text.strip():
        raise InvalidOutput(
            f"the model wrote no {output_cls.__name__}: {_reason(response, text)}",
            generation_id=response.additional_kwargs.get("id"),
            provider=response.additional_kwargs.get("provider"),
            delivered="yes",
        )
    return output_cls.model_validate_json(text)


def _reason(response: ChatResponse, text: str) -> str:
    if refusal := response.message.additional_kwargs.get("refusal"):
        return f"it refused, saying {refusal!r}"
    if response.additional_kwargs.get("finish_reason") == "length":
        return f"it reached the token limit after {len(text)} characters; raise `max_tokens`"
    return f"it wrote {text[:200]!r}"


def _json_text(response: ChatResponse) -> str:
    """Return the JSON: a call's arguments, or the text, out of the fence that some models put around it."""
    calls = response.message.additional_kwargs.get("tool_calls")
    text = str(calls[0]["function"]["arguments"] if calls else response.message.content or "")
    fenced = None if text.lstrip().startswith("{") else _FENCED.search(text)
    return fenced[1] if fenced else text


class _Growing:
    """Reads the steps of a stream; yields an object whenever there is more of it."""

    def __init__(self, output_cls: type[BaseModel]) -> None:
        self._output_cls = output_cls
        # Made once: LlamaIndex makes it for every chunk.
        self._partial_cls = create_flexible_model(output_cls)
        self._last: dict[str, Any] = {}

    def __call__(self, response: ChatResponse) -> Iterator[Any]:
        if response.additional_kwargs.get("finish_reason"):
            yield _whole(response, self._output_cls)
            return
        fields = begun(_json_text(response))
        if fields and fields != self._last:
            self._last = fields
            yield self._read(fields)

    def _read(self, fields: dict[str, Any]) -> BaseModel:
        try:
            return self._output_cls.model_validate(fields)
        except ValidationError:
            return self._partial_cls.model_validate(fields)
