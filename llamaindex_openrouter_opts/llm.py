"""OpenRouter as a LlamaIndex LLM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.constants import DEFAULT_NUM_OUTPUTS
from llama_index.core.llms.callbacks import dispatcher
from llama_index.core.program.utils import get_program_for_llm
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import BasePydanticProgram, Model, PydanticProgramMode
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    SkipValidation,
)
from pydantic.json_schema import SkipJsonSchema

from llamaindex_openrouter_opts.construction import accepted, dumped_timeout, secret
from llamaindex_openrouter_opts.events import (
    aannounced,
    announced,
    asked_model,
    chat_events,
    completion_events,
)
from llamaindex_openrouter_opts.loading import LoadedModel
from llamaindex_openrouter_opts.messages import awire_messages, wire_messages
from llamaindex_openrouter_opts.prompts import BESIDE_OPTIONS, PromptMethods
from llamaindex_openrouter_opts.responses import chat_response, completion_response
from llamaindex_openrouter_opts.runs import CountedModel
from llamaindex_openrouter_opts.streams import acompletions_of, aresponses_of, completions_of, responses_of
from llamaindex_openrouter_opts.structured import ObjectProgram, Way
from llamaindex_openrouter_opts.structured_llm import ObjectLLM
from llamaindex_openrouter_opts.tools import ToolMethods
from llamaindex_openrouter_opts.tracing import traced
from openrouter_opts.built import Built
from openrouter_opts.catalog import Catalog
from openrouter_opts.catalog import Model as Facts
from openrouter_opts.client import OpenRouterClient
from openrouter_opts.http.settings import TimeoutLike
from openrouter_opts.http.urls import UrlField
from openrouter_opts.limited import Limited
from openrouter_opts.money.limits import limits_of
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.model_options import ModelOptions, parted, storable, stored
from openrouter_opts.options.secrecy import covered
from openrouter_opts.options.table import resolve
from openrouter_opts.preflight import Check
from openrouter_opts.protocol.decode import count_of
from openrouter_opts.stream import AsyncStream, Stream
from openrouter_opts.tracing import Traced

DEFAULT_MODEL: Final = "openrouter/auto"
"""Whichever model OpenRouter finds best for the prompt."""


# A prompt has at least this part of the window, one in so many, whatever `max_tokens` says.
_OF_A_PROMPT: Final = 4


class OpenRouter(ModelOptions, Limited, CountedModel, LoadedModel, ToolMethods, PromptMethods):
    """A model served by OpenRouter, for LlamaIndex: query engines, chat engines, agents, structured prediction.

    Every option of OpenRouter can be set here and in each call, by name or in `provider_options`; what a call says wins. Options
    that aren't set aren't sent. Responses have the tokens, the cost in USD, the model, the provider and the generation id in
    `additional_kwargs`, and the plain body in `raw`; of a stream, the last response has them.

    Calls raise `openrouter_opts.errors.OpenRouterError`s; a `ConfigurationError` comes before anything is sent.

    Example:
        >>> llm = OpenRouter(model="anthropic/claude-sonnet-4.6", temperature=0.2, app_title="My App")
        >>> llm.complete("Say hi.", provider_options={"max_price": {"prompt": 1}})  # doctest: +SKIP
    """

    model: str = Field(
        default=DEFAULT_MODEL,
        description="The slug of the model, such as `openai/gpt-5-mini`; by default OpenRouter chooses.",
    )
    api_key: Annotated[str | SecretStr | Callable[[], str] | None, BeforeValidator(secret)] = Field(
        default=None,
        description="The key, or a callable that is asked before every request; by default `OPENROUTER_API_KEY`, read when needed.",
        exclude=True,
        repr=False,
    )
    api_base: UrlField = Field(
        default=None,
        description="The URL of the API; by default `OPENROUTER_API_BASE`, or else OpenRouter's own.",
    )
    timeout: Annotated[TimeoutLike, PlainSerializer(dumped_timeout)] = Field(
        default=None, description="Seconds, or an `openrouter_opts.Timeout` that tells the phases apart."
    )
    max_retries: int = Field(
        default=2, description="Further attempts after the first; none once a part of the answer has come."
    )
    retry_uncertain: bool = Field(
        default=False,
        description="Whether to try again what may have been delivered, and so may be paid twice.",
    )
    check: SkipValidation[Check] = Field(
        default="warn",
        description="What to do, before sending, about a request that would certainly go wrong: `off`, `warn` once, or `error`.",
    )
    catalog: SkipJsonSchema[SkipValidation[Catalog | None]] = Field(
        default=None,
        description="What `check`, `metadata` and structured output know of models; by default the facts that come with this package.",
        exclude=True,
        repr=False,
    )
    additional_kwargs: Annotated[dict[str, Any], PlainSerializer(stored)] = Field(
        default_factory=dict,
        description="Further options, `extra_body` among them; they win over the other fields.",
        repr=False,
    )
    context_window: int | None = Field(
        default=None,
        description="Tokens that prompt and answer have together; by default what the catalogue says.",
    )
    num_output: int | None = Field(
        default=None,
        description="Tokens that LlamaIndex leaves for an answer; by default `max_tokens`, up to three quarters of the window, or else 256.",
    )
    is_chat_model: bool = Field(default=True, description="Whether LlamaIndex uses its chat prompts.")
    is_function_calling_model: bool | None = Field(
        default=None, description="Whether the model calls tools; by default what the catalogue says."
    )
    should_use_structured_outputs: bool | None = Field(
        default=None,
        description="Whether objects are asked for by `response_format` (true) or by a tool (false); by default what the catalogue says.",
    )
    strict: bool | None = Field(
        default=None,
        description="Whether tools are sent as strict or as not strict; those that strict mode has no form of are never strict.",
    )

    proxy: UrlField = Field(default=None, description="The URL of a proxy.", exclude=True, repr=False)
    trust_env: bool = Field(default=True, description="Whether the environment's proxy variables count.")
    verify: Any = Field(
        default=True, description="Whether to check certificates, or an `ssl.SSLContext`.", exclude=True
    )

    # Errors of pydantic would show the key among what was given.
    model_config = ConfigDict(hide_input_in_errors=True)

    _built: Built | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # type checkers take the signature from the fields

        def __init__(
            self,
            model: str | None = None,
            temperature: float | None = None,
            max_tokens: int | None = None,
            additional_kwargs: dict[str, Any] | None = None,
            max_retries: int | None = None,
            api_base: UrlField = None,
            api_key: Any = None,
            order: list[str] | None = None,
            allow_fallbacks: bool | None = None,
            **given: Any,
        ) -> None:
            # In the order of LlamaIndex's own class.
            given = {
                "model": DEFAULT_MODEL if model is None else model,
                "temperature": temperature,
                "max_tokens": max_tokens,
                "additional_kwargs": additional_kwargs,
                "max_retries": max_retries,
                "api_base": api_base,
                "api_key": api_key,
                "order": order,
                "allow_fallbacks": allow_fallbacks,
                **given,
            }
            given = covered(given)
            # Error trackers show the locals of every frame.
            del api_base, api_key, additional_kwargs
            super().__init__(**accepted(given, type(self).model_fields))
            self._build()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy with mappings of its own. An SSL context can't be copied, and is shared."""
        return super().__deepcopy__({**(memo or {}), id(self.verify): self.verify})

    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled: everything but keys and passwords; the environment gives OpenRouter's again where it is unpickled."""
        keyless = {**storable(self.__dict__), "api_key": None}
        # LlamaIndex takes what can't be pickled away from the object itself, which here is a copy.
        return super(OpenRouter, self.model_copy(update=keyless)).__getstate__()

    @property
    def client(self) -> OpenRouterClient:
        """The client underneath, for OpenRouter's other endpoints: `llm.client.generation(id)`."""
        return self._build().client

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises this class, and tracers name the provider."""
        return "OpenRouter"

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex needs to know of the model; from the catalogue, unless it was set. Never asks the network."""
        facts, body = self._facts, self._options.body
        calls_tools = self.is_function_calling_model
        window = self.context_window or facts.context_length or LLMMetadata().context_window
        most = count_of(body.get("max_completion_tokens")) or count_of(body.get("max_tokens"))
        return LLMMetadata(
            context_window=window,
            # What an answer may have at most is often the whole window, of which LlamaIndex would leave nothing for a prompt.
            num_output=self.num_output or min(most or DEFAULT_NUM_OUTPUTS, window - window // _OF_A_PROMPT),
            is_chat_model=self.is_chat_model,
            is_function_calling_model=facts.calls_tools if calls_tools is None else calls_tools,
            model_name=self.model,
        )

    @property
    def _facts(self) -> Facts:
        return Catalog.of(self.catalog).facts(self.model)

    def to_payload(self) -> dict[str, Any]:
        """Return what observers may see of this LLM: no key, no headers."""
        metadata = self.metadata
        body = self._options.body
        shown = ("temperature", "max_tokens", "max_completion_tokens", "models", "provider")
        return {
            "class_name": self.class_name(),
            **dict(metadata),
            "model": asked_model() or self.model,
            "max_retries": self.max_retries,
            "timeout": dumped_timeout(self.timeout),
            **deepcopy({name: body[name] for name in shown if name in body}),
        }

    @chat_events
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation.

        Args:
            messages: The conversation.
            **kwargs: `model`, `provider_options`, `timeout`, `max_retries`, `check`, `spend_limit`, and any option by name, for this call.
        """
        return self._chat(messages, kwargs)

    @chat_events
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation. See `chat`."""
        return await self._achat(messages, kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a conversation step by step. Closing the generator closes the connection. See `chat`."""
        responses = responses_of(*self._stream(messages, kwargs))
        return announced(chat_events, self, messages, kwargs, responses)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Answer a conversation step by step. Closing the generator closes the connection. See `chat`."""
        responses = aresponses_of(*await self._astream(messages, kwargs))
        return await aannounced(chat_events, self, messages, kwargs, responses)

    @completion_events
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt. See `chat`."""
        return completion_response(self._chat(self._prompted(prompt, formatted=formatted), kwargs))

    @completion_events
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Answer a prompt. See `chat`."""
        return completion_response(await self._achat(self._prompted(prompt, formatted=formatted), kwargs))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Answer a prompt step by step. Closing the generator closes the connection. See `chat`."""
        messages = self._prompted(prompt, formatted=formatted)
        responses = completions_of(*self._stream(messages, kwargs))
        return announced(completion_events, self, prompt, kwargs, responses)

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """Answer a prompt step by step. Closing the generator closes the connection. See `chat`."""
        messages = self._prompted(prompt, formatted=formatted)
        responses = acompletions_of(*await self._astream(messages, kwargs))
        return await aannounced(completion_events, self, prompt, kwargs, responses)

    def as_structured_llm(self, output_cls: type[BaseModel], **kwargs: Any) -> ObjectLLM:
        """Return an LLM that answers with objects.

        Args:
            output_cls: Their class.
            **kwargs: What is for all its calls, see `chat`; its `system_prompt`; and the other fields of `StructuredLLM`.

        Raises:
            ConfigurationError: An option doesn't exist, or is wrong.
        """
        # Of the fields of LLMs it is this one that makes the messages of a prediction.
        said = {"system_prompt": kwargs.pop("system_prompt")} if "system_prompt" in kwargs else {}
        fields = {name: kwargs.pop(name) for name in list(kwargs) if name in ObjectLLM.model_fields}
        llm = self._with(kwargs) if kwargs else self
        return ObjectLLM(llm=llm.model_copy(update=said) if said else llm, output_cls=output_cls, **fields)

    def _with(self, call: Mapping[str, Any]) -> Self:
        """Return a copy whose calls all say this."""
        beside, options = parted(call)
        for name in beside.keys() - BESIDE_OPTIONS:
            resolve(name)  # refuses it, and says what was meant
        own = ProviderOptions.of(self.additional_kwargs).merged(options)
        said = {name: value for name, value in beside.items() if value is not None}
        if "spend_limit" in said:
            said["spend_limit"] = limits_of([*self._limits(), *limits_of(said["spend_limit"])])
        copy = self.model_copy(update={**said, "additional_kwargs": dict(own.given)})
        copy._build()  # noqa: SLF001 - what is wrong is said at once
        return copy

    def _program(
        self, output_cls: type[Model], prompt: BasePromptTemplate
    ) -> ObjectProgram[Model] | BasePydanticProgram[Model]:
        way = self._way()
        if way:
            return ObjectProgram(self, output_cls, prompt, way, self.strict)
        return get_program_for_llm(output_cls, prompt, self, pydantic_program_mode=self.pydantic_program_mode)

    def _way(self) -> Way | None:
        """How to ask for an object; `None` for ways that are LlamaIndex's own."""
        mode, calls_tools = self.pydantic_program_mode, self.metadata.is_function_calling_model
        if mode is PydanticProgramMode.FUNCTION:
            return "tool"
        if mode is PydanticProgramMode.LLM:
            return "text"
        if mode is not PydanticProgramMode.DEFAULT:
            return None
        schema = self.should_use_structured_outputs
        if self._facts.structured_output if schema is None else schema:
            return "schema"
        return "tool" if calls_tools else "text"

    def _chat(self, messages: Sequence[ChatMessage], call: Mapping[str, Any]) -> ChatResponse:
        with self._counted(dispatcher), traced(call.get("model")) as told, told.calling():
            return chat_response(told.answered(self.client.complete(wire_messages(messages), **call)))

    async def _achat(self, messages: Sequence[ChatMessage], call: Mapping[str, Any]) -> ChatResponse:
        with self._counted(dispatcher), traced(call.get("model")) as told, told.calling():
            wire = await awire_messages(messages)
            return chat_response(told.answered(await self.client.acomplete(wire, **call)))

    def _stream(self, messages: Sequence[ChatMessage], call: Mapping[str, Any]) -> tuple[Stream, Traced]:
        with self._counted(dispatcher), (told := traced(call.get("model"))).calling():
            return self.client.stream(wire_messages(messages), **call), told

    async def _astream(
        self, messages: Sequence[ChatMessage], call: Mapping[str, Any]
    ) -> tuple[AsyncStream, Traced]:
        with self._counted(dispatcher), (told := traced(call.get("model"))).calling():
            return self.client.astream(await awire_messages(messages), **call), told

    def _prompted(self, prompt: str, *, formatted: bool) -> list[ChatMessage]:
        if not formatted and not self.is_chat_model and self.completion_to_prompt:
            prompt = self.completion_to_prompt(prompt)
        return [ChatMessage(content=prompt)]

    @property
    def _options(self) -> ProviderOptions:
        """The options of the constructor, all layers in one."""
        return self._build().options

    def _build(self) -> Built:
        """Return what the fields describe, made anew when one of them has changed."""
        self._built = Built.of(
            self,
            self._built,
            lambda: self.own_options().merged(ProviderOptions.of(self.additional_kwargs)),
            model=self.model,
            api_key=self.api_key,
            base_url=self.api_base,
        )
        return self._built
