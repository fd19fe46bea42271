"""The methods that take a prompt and its variables, and answer with text or with an object.

LlamaIndex's own give every keyword to the prompt. Here one that is no variable of the prompt, and that calls take, goes to the call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.events.llm import (
    LLMPredictEndEvent,
    LLMPredictStartEvent,
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import BasePromptTemplate, SelectorPromptTemplate
from llama_index.core.types import BasePydanticProgram, Model, TokenAsyncGen, TokenGen
from llama_index_instrumentation import get_dispatcher
from typing_extensions import override

from llamaindex_openrouter_opts.events import keep_secrets
from llamaindex_openrouter_opts.structured import ObjectProgram
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import SPELLINGS
from openrouter_opts.options.caller import warn
from openrouter_opts.options.names import slip

BESIDE_OPTIONS: Final = frozenset({"check", "max_retries", "model", "spend_limit", "timeout"})
"""What a call takes beside its options."""
_OF_A_CALL: Final = SPELLINGS.keys() | BESIDE_OPTIONS | {"provider_options"}

dispatcher = get_dispatcher(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt with its variables filled in: messages, or text for a model that isn't used as a chat model; and the call's options."""

    call: dict[str, Any]
    messages: list[ChatMessage] = field(default_factory=list)
    text: str | None = None


class PromptMethods(FunctionCallingLLM):
    """`predict`, `stream`, `structured_predict` and their twins."""

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        keep_secrets(cls)

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Answer a prompt with text.

        Args:
            prompt: The prompt.
            **prompt_args: Its variables. Options that are none of them are for this call; see `chat`.
        """
        asked = self._asked(prompt, prompt_args)
        if asked.text is not None:
            return self._answered(self.complete(asked.text, formatted=True, **asked.call).text)
        return self._answered(self.chat(asked.messages, **asked.call).message.content)

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Answer a prompt with text. See `predict`."""
        asked = self._asked(prompt, prompt_args)
        if asked.text is not None:
            return self._answered((await self.acomplete(asked.text, formatted=True, **asked.call)).text)
        return self._answered((await self.achat(asked.messages, **asked.call)).message.content)

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """Answer a prompt with text, piece by piece. Closing the generator closes the connection. See `predict`."""
        self._refuse_output_parser(prompt)
        asked = self._asked(prompt, prompt_args)
        if asked.text is not None:
            return _pieces(self.stream_complete(asked.text, formatted=True, **asked.call))
        return _pieces(self.stream_chat(asked.messages, **asked.call))

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """Answer a prompt with text, piece by piece. Closing the generator closes the connection. See `predict`."""
        self._refuse_output_parser(prompt)
        asked = self._asked(prompt, prompt_args)
        if asked.text is not None:
            return _apieces(await self.astream_complete(asked.text, formatted=True, **asked.call))
        return _apieces(await self.astream_chat(asked.messages, **asked.call))

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Answer a prompt with an object of `output_cls`.

        Args:
            output_cls: The class.
            prompt: The prompt.
            llm_kwargs: What is for this call; see `chat`.
            **prompt_args: The variables of the prompt. Options that are none of them are for this call too.

        Raises:
            InvalidOutput: The model wrote no JSON, or JSON that doesn't fit the class; `Truncated` if it was cut off, `Refused` if it
                refused.
        """
        _announce_object(output_cls, prompt, prompt_args)
        call, variables = divided(prompt, prompt_args, llm_kwargs)
        return _object(self._program(output_cls, prompt)(llm_kwargs=call, **variables))

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Answer a prompt with an object of `output_cls`. See `structured_predict`."""
        _announce_object(output_cls, prompt, prompt_args)
        call, variables = divided(prompt, prompt_args, llm_kwargs)
        return _object(await self._program(output_cls, prompt).acall(llm_kwargs=call, **variables))

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        call, variables = divided(prompt, prompt_args, llm_kwargs)
        return self._program(output_cls, prompt).stream_call(llm_kwargs=call, **variables)

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        call, variables = divided(prompt, prompt_args, llm_kwargs)
        return await self._program(output_cls, prompt).astream_call(llm_kwargs=call, **variables)

    # Not there at run time: LlamaIndex makes a span of whatever overrides an abstract method.
    if TYPE_CHECKING:

        def _program(
            self, output_cls: type[Model], prompt: BasePromptTemplate
        ) -> ObjectProgram[Model] | BasePydanticProgram[Model]:
            """Return what asks for an object."""
            ...

    def _asked(self, prompt: BasePromptTemplate, prompt_args: Mapping[str, Any]) -> Asked:
        call, variables = divided(prompt, prompt_args)
        dispatcher.event(LLMPredictStartEvent(template=prompt, template_args=variables))
        self._log_template_data(prompt, **variables)
        if self.metadata.is_chat_model:
            return Asked(call, messages=self._get_messages(prompt, **variables))
        return Asked(call, text=self._get_prompt(prompt, **variables))

    def _answered(self, text: str | None) -> str:
        output = self._parse_output(text or "")
        dispatcher.event(LLMPredictEndEvent(output=output))
        return output

    def _refuse_output_parser(self, prompt: BasePromptTemplate) -> None:
        if prompt.output_parser is not None or self.output_parser is not None:
            raise ConfigurationError(
                "output_parser: it reads whole answers, so a stream can't have one; use `predict`"
            )


def divided(
    prompt: BasePromptTemplate, given: Mapping[str, Any], call: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part what is for the call, in addition to `call`, from the variables of the prompt.

    A prompt ignores what is none of its variables, and LlamaIndex gives some prompts more than they need; so of a keyword that is neither
    this only warns, and only if it looks like an option.
    """
    variables = _variables(prompt)
    if "llm_kwargs" in given and "llm_kwargs" not in variables:
        # Structured prediction has it as an argument of its own; elsewhere it means the same.
        given = dict(given)
        call = {**(call or {}), **(given.pop("llm_kwargs") or {})}
    options = {name: value for name, value in given.items() if name not in variables and name in _OF_A_CALL}
    # Functions of a prompt are given every keyword, and take what they like.
    kept = given if prompt.function_mappings else {name: given[name] for name in given if name not in options}
    for name in given.keys() - variables - options.keys():
        if meant := slip(name, _OF_A_CALL):
            warn(f"{name} is neither a variable of the prompt nor an option; did you mean {meant}?")
    return {**(call or {}), **options}, dict(kept)


def _variables(prompt: BasePromptTemplate) -> set[str]:
    """Return every name that a prompt takes: its variables, and what maps to them."""
    if isinstance(prompt, SelectorPromptTemplate):
        return set().union(
            *map(_variables, (prompt.default_template, *(chosen for _, chosen in prompt.conditionals or ())))
        )
    return {*prompt.template_vars, *(prompt.template_var_mappings or ()), *(prompt.function_mappings or ())}


def _announce_object(
    output_cls: type[Any], prompt: BasePromptTemplate, prompt_args: Mapping[str, Any]
) -> None:
    dispatcher.event(
        LLMStructuredPredictStartEvent(
            output_cls=output_cls, template=prompt, template_args=dict(prompt_args)
        )
    )


def _object(output: Model | list[Model]) -> Model:
    assert not isinstance(output, list)
    dispatcher.event(LLMStructuredPredictEndEvent(output=output))
    return output


def _pieces(responses: Any) -> TokenGen:
    with closing(responses):
        for response in responses:
            yield response.delta or ""


async def _apieces(responses: Any) -> TokenAsyncGen:
    async with aclosing(responses):
        async for response in responses:
            yield response.delta or ""
