"""`ChatOpenRouter`: the models of OpenRouter as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.load import dumpd
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, LLMResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, PlainSerializer, PrivateAttr, SecretStr, SkipValidation
from typing_extensions import override

from langchain_openrouter_opts import arguments, blocks, structured
from langchain_openrouter_opts.binding import BindingModel
from langchain_openrouter_opts.chunks import Chunks
from langchain_openrouter_opts.counting import tokens_of_prompt, tokens_of_text
from langchain_openrouter_opts.errors import ModelErrors
from langchain_openrouter_opts.events import Events, Steps, message_id
from langchain_openrouter_opts.loading import refuse_to_take_the_key
from langchain_openrouter_opts.messages import awire_messages, wire_messages
from langchain_openrouter_opts.profile import profile
from langchain_openrouter_opts.results import chat_result
from langchain_openrouter_opts.runs import RunningModel, in_run
from langchain_openrouter_opts.schemas import Schema
from langchain_openrouter_opts.spending import from_cache, with_totals
from langchain_openrouter_opts.tools import ToolLike
from langchain_openrouter_opts.tracing import traced
from openrouter_opts.built import Built
from openrouter_opts.catalog import Catalog
from openrouter_opts.client import OpenRouterClient
from openrouter_opts.http.secret import ENV_KEY
from openrouter_opts.http.urls import UrlField
from openrouter_opts.limited import Limited
from openrouter_opts.options.model_options import ModelOptions, storable
from openrouter_opts.options.secrecy import covered, without_secrets
from openrouter_opts.options.toolbox import ToolChoice
from openrouter_opts.preflight import Check

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData

T = TypeVar("T")

blocks.register()


class ChatOpenRouter(ModelOptions, Limited, RunningModel, BindingModel):
    """A chat model of OpenRouter.

    Every option of OpenRouter may be given to the constructor and to each call, among `provider_options` or as a keyword argument, under
    its own name or with `openrouter_` before it: `llm.invoke("hi", temperature=0, provider_options={"max_price": {"prompt": 1}})`. What
    a call gives is laid over what the constructor got, and mappings are merged deeply. What isn't set isn't sent.

    Answers carry `response_metadata` with `cost` (USD, what was billed), `cost_details`, `model_name`, `provider`, `id`,
    `finish_reason`, `native_finish_reason`, `request_id`, and `attempts` if there were several; a stream has them on its last chunk.

    Raises:
        ConfigurationError: An argument that doesn't exist, a value that isn't allowed, or one option in two spellings that disagree;
            before anything is sent.
    """

    model_name: str = Field(alias="model")
    """The slug of a model, such as `"anthropic/claude-sonnet-4.6"`; variants such as `:nitro` included."""
    openrouter_api_key: Annotated[
        SecretStr | Callable[[], str] | None,
        # A callable has no JSON, and a secret is stars.
        PlainSerializer(lambda key: str(key) if isinstance(key, SecretStr) else None, when_used="json"),
    ] = Field(default=None, alias="api_key", repr=False)
    """The key, or what is asked for it before every request; by default `OPENROUTER_API_KEY`, read at the first request."""
    openrouter_api_base: UrlField = Field(default=None, alias="base_url")
    """By default `OPENROUTER_API_BASE`, or else OpenRouter."""
    request_timeout: Any = Field(default=None, alias="timeout")
    """Seconds, `(connect, read)`, an `openrouter_opts.Timeout` that tells the phases apart, or an `httpx.Timeout`."""
    max_retries: int = 2
    """Further attempts after the first; nothing is tried again once a part of the answer has come."""
    retry_uncertain: bool = False
    """Also try again what may have been delivered, and so may be billed twice."""
    model_kwargs: Annotated[dict[str, Any], PlainSerializer(without_secrets)] = Field(default_factory=dict)
    """Further keys of the request's body: options by name, anything else verbatim. Every other way to give an option wins over it."""
    check: SkipValidation[Check] = "warn"
    """What to do, before sending, about a request that would certainly go wrong: `"off"`, `"warn"` once about each, or `"error"`."""
    catalog: Catalog | None = Field(default=None, exclude=True, repr=False)
    """What `check` and `profile` know of models; by default the facts that come with this package."""
    streaming: bool = False
    """Whether `invoke` streams too, for the sake of callbacks."""
    stream_usage: bool = True
    """Whether a stream's last chunk has `usage_metadata`."""
    proxy: UrlField = Field(default=None, exclude=True, repr=False)
    """The URL of a proxy."""
    trust_env: bool = True
    """Whether the environment's proxy variables count."""
    verify: Any = Field(default=True, exclude=True)
    """Whether to check certificates, or an `ssl.SSLContext`."""

    # Errors of pydantic would show the key among what was given.
    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True)

    _ready: Built | None = PrivateAttr(default=None)
    _written: tuple[Built, dict[str, Any]] | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # type checkers make a signature from the fields

        def __init__(self, **given: Any) -> None:
            given = covered(given)
            super().__init__(**arguments.of_constructor(type(self), given))
            refuse_to_take_the_key(
                key=self.openrouter_api_key,
                url=self.openrouter_api_base,
                proxy=self.proxy,
                verify=self.verify,
            )
            self._made_ready()

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with fields replaced, by any of their names; raises `ConfigurationError` for what is no field."""
        update = covered(update or {})
        return super().model_copy(update=arguments.of_update(self, update) if update else None, deep=deep)

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        # The profile is that of the model, unless another was given.
        follows = name in {"model_name", "catalog"}
        for field, new in (arguments.of_update(self, {name: value}) if follows else {name: value}).items():
            super().__setattr__(field, new)

    @property
    def client(self) -> OpenRouterClient:
        """The client underneath, for OpenRouter's other endpoints: `llm.client.generation(id)`."""
        return self._made_ready().client

    def _made_ready(self) -> Built:
        """Return the client and its options. They are made again when a field has changed, by whatever way."""
        self._ready = Built.of(
            self,
            self._ready,
            lambda: arguments.options_of(self),
            model=self.model_name,
            api_key=self.openrouter_api_key,
            base_url=self.openrouter_api_base,
            timeout=self.request_timeout,
        )
        return self._ready

    def _errors(self) -> ModelErrors:
        return ModelErrors(uncertain=self.retry_uncertain)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._errors(), in_run(run_manager), traced(run_manager) as told, told.calling():
            call = arguments.of_call(stop, kwargs)
            return chat_result(told.answered(self.client.complete(wire_messages(messages), **call)))

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._errors(), in_run(run_manager), traced(run_manager) as told, told.calling():
            call = arguments.of_call(stop, kwargs)
            wire = await awire_messages(messages)
            return chat_result(told.answered(await self.client.acomplete(wire, **call)))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return self._produced(Chunks(), messages, stop, run_manager=run_manager, **kwargs)

    @override
    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._aproduced(Chunks(), messages, stop, run_manager=run_manager, **kwargs)

    # No base declares these two: langchain-core looks for them by name, and otherwise makes events of chunks.
    def _stream_chat_model_events(self, messages: list[BaseMessage], **call: Any) -> Iterator[MessagesData]:
        return self._produced(Events(message_id(call["run_manager"])), messages, **call)

    def _astream_chat_model_events(
        self, messages: list[BaseMessage], **call: Any
    ) -> AsyncIterator[MessagesData]:
        return self._aproduced(Events(message_id(call["run_manager"])), messages, **call)

    def _produced(
        self, steps: Steps[T], messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any
    ) -> Iterator[T]:
        run = kwargs.pop("run_manager")
        with self._errors(), traced(run) as told:
            call, counted = arguments.of_stream(self, self._made_ready().options, stop, kwargs)
            with in_run(run), told.calling():
                stream = self.client.stream(wire_messages(messages), **call)
            with stream:
                for delta in stream:
                    yield from steps.take(delta)
                yield from steps.end(told.answered(stream.completion), counted=counted)

    async def _aproduced(
        self, steps: Steps[T], messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any
    ) -> AsyncIterator[T]:
        run = kwargs.pop("run_manager")
        with self._errors(), traced(run) as told:
            call, counted = arguments.of_stream(self, self._made_ready().options, stop, kwargs)
            wire = await awire_messages(messages)
            with in_run(run), told.calling():
                stream = self.client.astream(wire, **call)
            async with stream:
                async for delta in stream:
                    for each in steps.take(delta):
                        yield each
                for each in steps.end(told.answered(stream.completion), counted=counted):
                    yield each

    @override
    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools, beside those that it has already; one of the same name takes the other's place.

        Args:
            tools: Functions, `BaseTool`s, pydantic classes, `TypedDict`s, schemas, and server tools such as `WebSearch()` or
                `{"type": "openrouter:web_search"}`, which go out as they are.
            tool_choice: `"auto"`, `"none"`, `"required"` or `"any"`, `True` (any), the name of a tool, a typed tool, or what the API
                takes. By default what the constructor says.
            strict: Whether arguments must keep to the schemas.
            **kwargs: Any options, such as `parallel_tool_calls`. With a `response_format`, which may be a pydantic class, the request
                goes to endpoints that keep to it; see `with_structured_output`.

        Raises:
            ConfigurationError: `tool_choice` names a tool that isn't there.
        """
        return self.bind().bind_tools(tools, tool_choice=tool_choice, strict=strict, **kwargs)

    @override
    def with_structured_output(
        self,
        schema: Schema | None = None,
        *,
        include_raw: bool = False,
        method: structured.Method | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return the model with its answers read into a schema.

        An answer is taken whole or not at all. A stream shows a `dict`, or an instance of a pydantic class, as it grows, and ends with
        what was read of the whole. Fences, prose and thinking around JSON don't count.

        The request goes to endpoints that keep to the schema only: `require_parameters` is set, unless you say otherwise, or the catalogue
        knows that another parameter of yours would leave no endpoint then. OpenRouter sends a request with tools to endpoints with tools
        anyway; for `function_calling` it is set where the catalogue knows of endpoints that can be made to call one, and never with
        `strict`, of which OpenRouter doesn't say whether it is a parameter of its own there.

        Args:
            schema: A pydantic class, or any other type that pydantic reads, such as `list[Person]` (then answers are its instances); a
                `TypedDict`, a JSON Schema, or OpenAI's form of a tool or of a response format (then they are as the model wrote them).
                What is no object is held by one on its way. JSON mode does without a schema.
            include_raw: Return `{"raw", "parsed", "parsing_error"}`, and raise nothing about an answer that can't be read.
            method: `json_schema`, the model's own structured outputs; `function_calling`; or `json_mode`, where the prompt has to say which
                keys. By default `json_schema` if all models of the request are known to support it, by their `profile` or the
                `catalog`; otherwise `function_calling`.
            strict: Whether the answer must keep to the schema; the schema is then made one that strict mode takes.
            **kwargs: Any options, and `tools` that may be called before the answer; it is `None` when they are. With `function_calling`
                one of the tools has to be called then, and the schema's otherwise, unless `tool_choice` says something else.

        Raises:
            ConfigurationError: At once: there is no such method, no schema, or none that strict mode takes.
            Refused: The model, a filter or a policy would not answer.
            Truncated: The answer was cut off; what came is in `partial`.
            InvalidOutput: The model wrote no JSON, or JSON that doesn't fit the schema; `Truncated` is one of these. All three are also
                langchain-core's `OutputParserException`.
        """
        return self.bind().with_structured_output(
            schema, include_raw=include_raw, method=method, strict=strict, **kwargs
        )

    @override
    def get_num_tokens(self, text: str) -> int:
        """Return about how many tokens a text has, if there is no `custom_get_token_ids`; exact counts come with each answer."""
        return tokens_of_text(text) if self.custom_get_token_ids is None else super().get_num_tokens(text)

    @override
    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """Return about how many tokens messages and tools have; nothing is downloaded for it."""
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        return tokens_of_prompt(messages, tools)

    @property
    @override
    def _llm_type(self) -> str:
        return "openrouter-chat"

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self._made_ready().options.body}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        with ModelErrors():
            return arguments.traced(self._made_ready().options, self.model_name, stop, kwargs)

    @property
    @override
    def _serialized(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        # langchain-core makes this once for all time, and takes it as the key of cached answers: it has to follow the fields,
        # but for the limit, on which no answer depends.
        built = self._made_ready()
        if self._written is None or self._written[0] is not built:
            self._written = built, dumpd(self.model_copy(update={"spend_limit": None}))
        return self._written[1]

    @override
    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return super()._get_invocation_params(**arguments.shown(stop, kwargs))

    @override
    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return super()._get_llm_string(**arguments.shown(stop, kwargs))

    @override
    def generate(self, *args: Any, **kwargs: Any) -> LLMResult:
        return with_totals(super().generate(*args, **kwargs))

    @override
    async def agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        return with_totals(await super().agenerate(*args, **kwargs))

    @override
    def _convert_cached_generations(self, cache_val: list[Generation]) -> list[ChatGeneration]:
        # Copies: langchain-core changes what it is given, and whoever asked first has the same objects.
        found = super()._convert_cached_generations([each.model_copy() for each in cache_val])
        return [from_cache(each) for each in found]

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile(self.model_name, self.catalog)

    @classmethod
    @override
    def is_lc_serializable(cls) -> bool:
        return True

    @property
    @override
    def lc_secrets(self) -> dict[str, str]:
        return {"openrouter_api_key": ENV_KEY}

    @override
    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the model in LangChain's form, without keys and headers."""
        written = super().to_json()
        if written["type"] == "constructor":
            written["kwargs"] = arguments.written(written["kwargs"])
        return written

    @override
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__  # not what is made of the fields

    __hash__ = None  # type: ignore[assignment]  # as pydantic has it: fields may change

    @override
    def __getstate__(self) -> dict[Any, Any]:
        # A pickle has neither key nor connections; where it is opened, the key comes from the environment.
        state = super().__getstate__()
        fields = {**storable(state["__dict__"]), "openrouter_api_key": None}
        return {**state, "__dict__": fields, "__pydantic_private__": {"_ready": None, "_written": None}}
