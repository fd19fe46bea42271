"""Binding: a model, and arguments that lie between its constructor's and those of a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel, _ChatModelBinding
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import ensure_config, merge_configs
from langchain_core.runnables.utils import AnyConfigurableField
from typing_extensions import override

from langchain_openrouter_opts import arguments, structured
from langchain_openrouter_opts.composed import Composable, Fields
from langchain_openrouter_opts.errors import ModelErrors
from langchain_openrouter_opts.messages import wire_messages
from langchain_openrouter_opts.schemas import Schema
from langchain_openrouter_opts.tools import ToolLike, wire_tools
from openrouter_opts.money.estimate import Estimate
from openrouter_opts.options.toolbox import ToolChoice, beside, one_at_a_time, wire_choice

if TYPE_CHECKING:
    from langchain_openrouter_opts.chat_models import ChatOpenRouter


class Binding(Composable, _ChatModelBinding):  # type: ignore[no-redef]  # a field named `kwargs`, as in langchain-core
    """A model with arguments that each of its calls gets, as `bind`, `bind_tools` and `with_structured_output` make it.

    LangChain's own binding has a call replace whatever was bound under the same name, and leaves it beside what the call says under
    another one. Here the options that are bound are one layer: those of a further `bind`, and of a call, are laid over it, and mappings
    are merged deeply. Among `kwargs` it is `bound_call`; `tools`, `tool_choice`, `response_format` and `stop` stand beside it as they go
    out, since others look for them there.
    """

    @override
    def bind(self, **kwargs: Any) -> Binding:
        """Return the same with further arguments; raises `ConfigurationError` for options that are wrong."""
        return self.model_copy(update={"kwargs": arguments.bound_kwargs(self.kwargs, kwargs)})

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Binding:
        """Return the same with tools. See `ChatOpenRouter.bind_tools`."""
        call = {**one_at_a_time(tool_choice), **kwargs}
        options = self._model._made_ready().options  # noqa: SLF001 - of the same package
        configured = options.merged(arguments.bound_options(self.bind(**call).kwargs))
        wired = beside(configured, wire_tools(tools, strict=strict))
        # Providers refuse an empty list, and a choice among none.
        choice = wire_choice(tool_choice, wired) if wired else None
        if choice is not None:
            call["tool_choice"] = choice
        if call.get("response_format") is not None:
            call = structured.formatted(self._model, {**self._layer, **call}, wired)
        bound = self.bind(**call)
        return bound.bind(tools=wired) if tools else bound

    def with_structured_output(
        self,
        schema: Schema | None = None,
        *,
        include_raw: bool = False,
        method: structured.Method | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return the same with its answers read into a schema. See `ChatOpenRouter.with_structured_output`."""
        call = {**self._layer, **kwargs}
        asked, answer = structured.asked(
            self._model, schema, include_raw=include_raw, method=method, strict=strict, call=call
        )
        return self.bind_tools(**asked) | answer

    def estimate_cost(
        self, messages: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Estimate:
        """Return what a call may cost, with what is bound. See `ChatOpenRouter.estimate_cost`."""
        model = self._model
        with ModelErrors():
            call = arguments.of_call(stop, {**self.kwargs, **kwargs})
            prompt = model._convert_input(messages)  # noqa: SLF001 - what its calls do with theirs
            return model.client.estimate_cost(wire_messages(prompt.to_messages()), **call)

    @property
    def _layer(self) -> dict[str, Any]:
        """What is bound, as an argument."""
        return {name: value for name, value in self.kwargs.items() if name == arguments.BOUND}

    @property
    def _model(self) -> ChatOpenRouter:
        """The model underneath; where fields are chosen by a call, as the constructor made it."""
        *_, model = self._below()
        return cast("ChatOpenRouter", model)

    def _below(self) -> Iterator[Runnable[Any, Any]]:
        """Look down to the model."""
        each: Runnable[Any, Any] = self
        while not isinstance(each, BindingModel):
            each = each.bound if isinstance(each, RunnableBindingBase) else cast("Any", each).default
            yield each

    def _without_secrets(self, config: RunnableConfig) -> dict[str, Any]:
        """Return a config as it may be shown and stored."""
        configurable = (each for each in self._below() if isinstance(each, RunnableConfigurableFields))
        fields = {name: field for each in configurable for name, field in each.fields.items()}
        return arguments.shown_config(fields, config)

    @override
    def configurable_fields(self, **fields: AnyConfigurableField) -> Binding:
        """Return the same with fields of the model that a call's `config` may set; what is bound wins over them."""
        model = cast("Composable", self.bound)
        return self.model_copy(update={"bound": model.configurable_fields(**fields)})

    @override
    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, self._without_secrets(value) if name == "config" and value else value

    @override
    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the binding in LangChain's form, without keys and headers."""
        written = super().to_json()
        if written["type"] == "constructor" and self.kwargs:
            written["kwargs"]["kwargs"] = arguments.written(self.kwargs)
        if written["type"] == "constructor" and self.config:
            written["kwargs"]["config"] = self._without_secrets(self.config)
        return written


class _Bindable(Composable):
    """What a `Binding` can be made of."""

    @override
    def bind(self, **kwargs: Any) -> Binding:
        """Return the model with arguments for each of its calls; raises `ConfigurationError` for options that are wrong.

        They win over the constructor's, and those of a further `bind` and of a call win over them; mappings are merged deeply.
        """
        return Binding(bound=self, kwargs=arguments.bound_kwargs({}, kwargs), config={})

    def estimate_cost(
        self, messages: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Estimate:
        """Return what a call may cost, at least and at most, in USD, and what that rests on; nothing is sent.

        Arguments are those of `invoke`; with tools ask what `bind_tools` returns: `llm.bind_tools(tools).estimate_cost("hi")`.
        """
        return self.bind().estimate_cost(messages, stop=stop, **kwargs)

    # LangChain would make plain bindings of these, whose `bind` makes plain bindings in turn.

    @override
    def with_listeners(self, **listeners: Any) -> Binding:
        """Return the model with listeners: `on_start`, `on_end`, `on_error`."""
        return cast("Binding", self.bind().with_listeners(**listeners))

    @override
    def with_types(self, *, input_type: Any = None, output_type: Any = None) -> Binding:
        """Return the model with other types for its input and its output."""
        return cast("Binding", self.bind().with_types(input_type, output_type))

    @override
    def with_retry(self, **kwargs: Any) -> Binding:
        """Return the model with retries by LangChain; by itself it tries again as `max_retries` says."""
        return Binding(bound=super().with_retry(**kwargs), kwargs={}, config={})


class RunnableConfigurableFields(_Bindable, Fields):
    """A model with fields that a call's `config` may set: options among them lie over the constructor's, and below what is bound.

    It has the name of LangChain's, by which stored forms know it.
    """

    def bind_tools(self, tools: Sequence[ToolLike], **kwargs: Any) -> Binding:
        """Return the same with tools. See `ChatOpenRouter.bind_tools`."""
        return self.bind().bind_tools(tools, **kwargs)

    def with_structured_output(
        self, schema: Schema | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Return the same with its answers read into a schema, by a method that the model has as the constructor made it.

        See `ChatOpenRouter.with_structured_output`.
        """
        return self.bind().with_structured_output(schema, **kwargs)

    @override
    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Runnable[Any, Any]:
        """Return the same with a config for each call, over the ones that it has."""
        return super().with_config(merge_configs(self.config, config, cast("RunnableConfig", kwargs)))

    @override
    def _prepare(self, config: RunnableConfig | None = None) -> tuple[Runnable[Any, Any], RunnableConfig]:
        whole = ensure_config(config)
        values = arguments.chosen(self.fields, whole.get("configurable", {}))
        model = cast("ChatOpenRouter", self.default)
        return (arguments.configured(model, values) if values else model), whole

    @override
    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, arguments.shown_config(self.fields, value) if name == "config" and value else value

    @override
    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the model in LangChain's form, without keys and headers."""
        written = super().to_json()
        if written["type"] == "constructor" and self.config:
            written["kwargs"]["config"] = arguments.shown_config(self.fields, self.config)
        return written


class BindingModel(_Bindable, BaseChatModel):
    """A chat model whose `bind` makes a `Binding`."""

    @override
    def configurable_fields(self, **fields: AnyConfigurableField) -> RunnableConfigurableFields:
        """Return the model with fields, by any of their names, that a call's `config` may set."""
        plain = super().configurable_fields(**arguments.field_names(cast("ChatOpenRouter", self), fields))
        return RunnableConfigurableFields(default=self, fields=cast("Any", plain).fields)

    @override
    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Binding:
        """Return the model with a config for each of its calls."""
        return cast("Binding", self.bind().with_config(config, **kwargs))

    @override
    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Return the answer.

        `kwargs` are `model`, `provider_options`, `timeout`, `max_retries`, `check`, `spend_limit`, and any option by name.
        """
        arguments.check_call(kwargs)
        return super().invoke(input, config, stop=stop, **kwargs)

    @override
    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Return the answer. See `invoke`."""
        arguments.check_call(kwargs)
        return await super().ainvoke(input, config, stop=stop, **kwargs)
