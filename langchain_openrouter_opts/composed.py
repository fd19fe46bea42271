"""What LangChain makes of models: one with fallbacks, alternatives to choose from, one that is tried again.

LangChain's `bind` keeps arguments beside such a composition, where those of a call replace them. Here they are bound to each of the
models in it, by that model's own `bind`. A class has the name of LangChain's, by which traces and stored forms know it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import ConfigurableField, Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables import base as langchain_base
from langchain_core.runnables import configurable as langchain_configurable
from langchain_core.runnables import fallbacks as langchain_fallbacks
from langchain_core.runnables import retry as langchain_retry
from typing_extensions import override

from openrouter_opts.limited import with_one_limit
from openrouter_opts.money.tracking import scope_now, within
from openrouter_opts.stepping import AsyncBegunWithin, BegunWithin

if TYPE_CHECKING:
    Fallbacks = langchain_fallbacks.RunnableWithFallbacks[LanguageModelInput, AIMessage]
    Alternatives = langchain_configurable.RunnableConfigurableAlternatives[LanguageModelInput, AIMessage]
    Fields = langchain_configurable.RunnableConfigurableFields[LanguageModelInput, AIMessage]
    Retry = langchain_retry.RunnableRetry[LanguageModelInput, AIMessage]
    PlainBinding = langchain_base.RunnableBinding[LanguageModelInput, AIMessage]
else:
    # With arguments these are other classes to pydantic, which would make the models in them anew.
    Fallbacks = langchain_fallbacks.RunnableWithFallbacks
    Alternatives = langchain_configurable.RunnableConfigurableAlternatives
    Fields = langchain_configurable.RunnableConfigurableFields
    Retry = langchain_retry.RunnableRetry
    PlainBinding = langchain_base.RunnableBinding


class Composable(RunnableSerializable[LanguageModelInput, AIMessage]):
    """What compositions of this module are made of: a model, a binding, a composition."""

    if not TYPE_CHECKING:  # to type checkers these are LangChain's own

        @override
        def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
            """Return the answer in pieces. See `invoke`."""
            # The call is made by the first step, and belongs where the stream was asked for.
            scope = scope_now()
            return BegunWithin(super().stream(input, config, **kwargs), lambda: within(scope))

        @override
        def astream(
            self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
        ) -> AsyncIterator[Any]:
            """Return the answer in pieces. See `invoke`."""
            scope = scope_now()
            return AsyncBegunWithin(super().astream(input, config, **kwargs), lambda: within(scope))

    @override
    def with_fallbacks(
        self, fallbacks: Sequence[Runnable[LanguageModelInput, Any]], **how: Any
    ) -> RunnableWithFallbacks:
        """Return the same with others that are asked when it fails: `exceptions_to_handle`, `exception_key`."""
        return RunnableWithFallbacks(runnable=self, fallbacks=list(fallbacks), **how)

    @override
    def configurable_alternatives(
        self,
        which: ConfigurableField,
        *,
        default_key: str = "default",
        prefix_keys: bool = False,
        **alternatives: Runnable[LanguageModelInput, Any] | Callable[[], Runnable[LanguageModelInput, Any]],
    ) -> RunnableConfigurableAlternatives:
        """Return the same with others, one of which a call's `config` may choose."""
        return RunnableConfigurableAlternatives(
            which=which,
            default=self,
            alternatives=alternatives,
            default_key=default_key,
            prefix_keys=prefix_keys,
        )


class _Spread(Composable):
    """What is bound to it is bound to each model in it."""

    @abstractmethod
    def _of_each(self, made: Callable[[Any], Any]) -> Self:
        """Return the same of what is made of each model."""

    @override
    def bind(self, **kwargs: Any) -> Self:
        """Return the same with arguments for each call, bound to each model."""
        call = with_one_limit(kwargs)
        return self._of_each(lambda model: model.bind(**call))

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Self:
        """Return the same with tools. See `ChatOpenRouter.bind_tools`."""
        call = with_one_limit(kwargs)
        return self._of_each(lambda model: model.bind_tools(tools, **call))

    def with_structured_output(self, schema: Any = None, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Return the same with answers read into a schema. See `ChatOpenRouter.with_structured_output`."""
        call = with_one_limit(kwargs)
        return self._of_each(lambda model: model.with_structured_output(schema, **call))


class _Composition(_Spread):
    """What LangChain would put into plain bindings, whose `bind` makes plain bindings in turn."""

    @override
    def with_config(
        self, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the same with a config for each call."""
        return RunnableBinding(bound=self).with_config(config, **kwargs)

    @override
    def with_listeners(self, **listeners: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the same with listeners: `on_start`, `on_end`, `on_error`."""
        return RunnableBinding(bound=self).with_listeners(**listeners)

    @override
    def with_types(
        self, *, input_type: Any = None, output_type: Any = None
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the same with other types for its input and its output."""
        return RunnableBinding(bound=self).with_types(input_type, output_type)

    @override
    def with_retry(self, **how: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the same with retries by LangChain."""
        plain = cast("Any", super().with_retry(**how))
        return RunnableRetry(**plain.__dict__)


class RunnableWithFallbacks(_Composition, Fallbacks):
    """A model, and others that are asked when it fails."""

    @override
    def _of_each(self, made: Callable[[Any], Any]) -> Self:
        fallbacks = [made(each) for each in self.fallbacks]
        return self.model_copy(update={"runnable": made(self.runnable), "fallbacks": fallbacks})


class RunnableConfigurableAlternatives(_Composition, Alternatives):
    """Models, one of which a call's `config` chooses."""

    @override
    def _of_each(self, made: Callable[[Any], Any]) -> Self:
        alternatives = {
            name: made(each) if isinstance(each, Runnable) else _later(each, made)
            for name, each in self.alternatives.items()
        }
        return self.model_copy(update={"default": made(self.default), "alternatives": alternatives})


class RunnableRetry(_Composition, Retry):  # type: ignore[no-redef]  # a field named `kwargs`, as in langchain-core
    """A composition that is tried again when it fails."""

    @override
    def _of_each(self, made: Callable[[Any], Any]) -> Self:
        return self.model_copy(update={"bound": made(self.bound)})


class RunnableBinding(_Spread, PlainBinding):  # type: ignore[no-redef]  # a field named `kwargs`, as in langchain-core
    """A composition with a config, listeners or types."""

    @override
    def _of_each(self, made: Callable[[Any], Any]) -> Self:
        return self.model_copy(update={"bound": made(self.bound)})


def models_in(runnable: Any) -> Iterator[Any]:
    """What is asked in the end: the models that bindings and compositions, these and LangChain's own, may lead to."""
    match runnable:
        case langchain_base.RunnableBindingBase():
            parts = [runnable.bound]
        case langchain_fallbacks.RunnableWithFallbacks():
            parts = list(runnable.runnables)
        case langchain_configurable.RunnableConfigurableAlternatives():
            others = runnable.alternatives.values()
            parts = [runnable.default, *(each if isinstance(each, Runnable) else each() for each in others)]
        case langchain_configurable.DynamicRunnable():
            parts = [runnable.default]
        case _:
            yield runnable
            return
    for part in parts:
        yield from models_in(part)


def _later(alternative: Callable[[], Any], made: Callable[[Any], Any]) -> Callable[[], Any]:
    """Return what makes an alternative when it is chosen."""
    return lambda: made(alternative())
