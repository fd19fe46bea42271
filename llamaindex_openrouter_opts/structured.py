"""Objects instead of text: a program asks for one, by a tool, by a JSON Schema or in words, and reads it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock
from llama_index.core.output_parsers.pydantic import PYDANTIC_FORMAT_TMPL
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import Model

from llamaindex_openrouter_opts.objects import GrowingObject, ObjectOf
from openrouter_opts.catalog import Catalog
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.lint import may_require
from openrouter_opts.options.model_options import parted

if TYPE_CHECKING:
    from llamaindex_openrouter_opts.llm import OpenRouter

Way: TypeAlias = Literal["tool", "schema", "text"]
Arguments: TypeAlias = Mapping[str, Any] | None

# LlamaIndex passes these on to programs that choose by themselves.
_DECIDED_HERE: Final = frozenset({"allow_parallel_tool_calls", "tool_choice", "tool_required"})


class ObjectProgram(Generic[Model]):
    """Asks a model for an object of a class.

    It is none of LlamaIndex's own programs, whose every call would be a span beside that of the method it is called by.

    Raises `InvalidOutput` when the model refuses, is cut off, or writes no JSON or JSON that doesn't fit the class.

    Args:
        llm: The model.
        output_cls: The class.
        prompt: What to ask; calls give its variables.
        way: Whether to ask by a tool that must be called, by `response_format`, or in words.
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
        self._wanted = ObjectOf.of(output_cls)
        self._prompt = prompt
        self._way: Way = way
        self._strict = strict

    def __call__(self, *, llm_kwargs: Arguments = None, **prompt_args: Any) -> Model:
        """Return an object. `llm_kwargs` go to the call of the model."""
        return self._wanted.read(self._llm.chat(**self._call(llm_kwargs, prompt_args)))

    async def acall(self, *, llm_kwargs: Arguments = None, **prompt_args: Any) -> Model:
        """Return an object. `llm_kwargs` go to the call of the model."""
        return self._wanted.read(await self._llm.achat(**self._call(llm_kwargs, prompt_args)))

    def stream_call(self, *, llm_kwargs: Arguments = None, **prompt_args: Any) -> Generator[Any, None, None]:
        """Yield the object as it grows, fields still missing; the last one is whole, and of the class."""
        with closing(self._llm.stream_chat(**self._call(llm_kwargs, prompt_args))) as responses:
            growing = GrowingObject(self._wanted)
            for response in responses:
                yield from growing.add(response)
            yield growing.end()

    async def astream_call(
        self, *, llm_kwargs: Arguments = None, **prompt_args: Any
    ) -> AsyncGenerator[Any, None]:
        """Yield the object as it grows, fields still missing; the last one is whole, and of the class."""
        return self._grown(await self._llm.astream_chat(**self._call(llm_kwargs, prompt_args)))

    async def _grown(self, stream: AsyncGenerator[ChatResponse, None]) -> AsyncGenerator[Any, None]:
        async with aclosing(stream) as responses:
            growing = GrowingObject(self._wanted)
            async for response in responses:
                for step in growing.add(response):
                    yield step
            yield growing.end()

    def _call(self, llm_kwargs: Arguments, prompt_args: Mapping[str, Any]) -> dict[str, Any]:
        messages = self._llm._extend_messages(self._prompt.format_messages(llm=self._llm, **prompt_args))  # noqa: SLF001 - as LlamaIndex's own programs
        call = {name: value for name, value in (llm_kwargs or {}).items() if name not in _DECIDED_HERE}
        if self._way == "text":
            return {"messages": _asked_in_words(messages, self._wanted), **self._unforced(call), **call}
        if "response_format" in parted(call)[1].given:
            raise ConfigurationError("response_format: is made of the class here; leave it out")
        if self._way == "schema":
            wanted = self._wanted.response_format(strict=self._strict)
            call = {"response_format": wanted, **self._unforced(call), **call}
            return {"messages": messages, **self._required(call), **call}
        tool = self._wanted.tool(strict=self._strict)
        prepared = self._llm._prepare_chat_with_tools(  # noqa: SLF001 - other tools stay beside this one
            [*call.pop("tools", ()), tool], chat_history=messages, **call
        )
        choice = {"type": "function", "function": {"name": self._wanted.name}}
        return {**prepared, "tool_choice": choice, "response_format": None}

    def _required(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return what keeps a call from endpoints that would drop its schema."""
        settings, said = parted(call)
        options = self._llm._options.merged(said)  # noqa: SLF001 - of the same package
        body = {"model": settings.get("model", self._llm.model), **options.body}
        return (
            {"require_parameters": True} if may_require(body, Catalog.of(self._llm.catalog).certain) else {}
        )

    def _unforced(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return what keeps the constructor's functions, which nobody would run here, from being called in place of an answer."""
        said = parted(call)[1]
        body = self._llm._options.body  # noqa: SLF001 - of the same package
        kinds = {tool.get("type") for tool in body.get("tools", ())}
        if "function" not in kinds or said.given.keys() & {"tools", "tool_choice"}:
            return {}
        return {"tool_choice": "none" if kinds == {"function"} else "auto"}


def _asked_in_words(messages: list[ChatMessage], wanted: ObjectOf[Any]) -> list[ChatMessage]:
    schema = json.dumps(wanted.schema, ensure_ascii=False)
    words = TextBlock(text=PYDANTIC_FORMAT_TMPL.format(schema=schema))
    *before, last = messages
    return [*before, last.model_copy(update={"blocks": [*last.blocks, words]})]
