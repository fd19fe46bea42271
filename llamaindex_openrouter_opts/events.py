"""LlamaIndex's events and spans around calls: what they must not see, and the closing of streams that they leave out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import getattr_static, iscoroutinefunction
from typing import Any, Final, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index_instrumentation.dispatcher import DISPATCHER_SPAN_DECORATED_ATTR as SPANNED

from openrouter_opts.limited import shown_limits
from openrouter_opts.options.secrecy import covered

Response = TypeVar("Response")
Method = TypeVar("Method", bound=Callable[..., Any])


_DISCREET: Final = "__keeps_secrets__"
_asked: ContextVar[str | None] = ContextVar("llamaindex_openrouter_opts_asked", default=None)


def asked_model() -> str | None:
    """Return the model that the call which is being announced asks for, if it is not that of the constructor."""
    return _asked.get()


@contextmanager
def _asking(model: str | None) -> Iterator[None]:
    token = _asked.set(model)
    try:
        yield
    finally:
        _asked.reset(token)


def keep_secrets(cls: type[Any]) -> None:
    """Have the methods of a class that LlamaIndex watches cover the secrets among their arguments, before its spans and events see them.

    Limits are in plain form there, so that whoever hears of a call can write it down. `asked_model` is that of the call.
    """
    watched = {
        name for base in cls.__mro__ for name, method in vars(base).items() if hasattr(method, SPANNED)
    }
    for name in watched:
        method = getattr_static(cls, name)
        if not hasattr(method, _DISCREET):
            setattr(cls, name, _discreet(method))


def _discreet(method: Any) -> Callable[..., Any]:
    def call(llm: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        shown = (covered(value) if isinstance(value, Mapping) else value for value in args)
        return method.__get__(llm, type(llm))(*shown, **shown_limits(covered(kwargs)))

    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _asking(kwargs.get("model")):
            return call(self, args, kwargs)

    @wraps(method)
    async def acalled(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _asking(kwargs.get("model")):
            return await call(self, args, kwargs)

    discreet = acalled if iscoroutinefunction(method) else called
    setattr(discreet, _DISCREET, True)
    return discreet


def chat_events(method: Method) -> Method:
    """Announce the calls of a method that takes messages: start, progress and end, or the exception."""
    return cast("Method", llm_chat_callback()(method))


def completion_events(method: Method) -> Method:
    """Announce the calls of a method that takes a prompt."""
    return cast("Method", llm_completion_callback()(method))


Announce = Callable[[Callable[..., Any]], Callable[..., Any]]


def announced(
    announce: Announce,
    llm: Any,
    prompt: Any,
    call: Mapping[str, Any],
    responses: Generator[Response, None, None],
) -> Generator[Response, None, None]:
    """Announce a stream; closing what is returned closes the stream, and so its connection, at once.

    The decorators don't close the generator that they listen to, and the error that they note down keeps it alive.
    """

    def stream(_llm: Any, _prompt: Any, **_call: Any) -> Generator[Response, None, None]:
        return responses

    return _closed_with(announce(stream)(llm, prompt, **call), responses)


async def aannounced(
    announce: Announce,
    llm: Any,
    prompt: Any,
    call: Mapping[str, Any],
    responses: AsyncGenerator[Response, None],
) -> AsyncGenerator[Response, None]:
    """Announce a stream; closing what is returned closes the stream, and so its connection, at once. See `announced`."""

    async def stream(_llm: Any, _prompt: Any, **_call: Any) -> AsyncGenerator[Response, None]:
        return responses

    return _aclosed_with(await announce(stream)(llm, prompt, **call), responses)


def _closed_with(
    heard: Generator[Response, None, None], responses: Generator[Response, None, None]
) -> Generator[Response, None, None]:
    with closing(responses), closing(heard):
        yield from heard


async def _aclosed_with(
    heard: AsyncGenerator[Response, None], responses: AsyncGenerator[Response, None]
) -> AsyncGenerator[Response, None]:
    async with aclosing(responses), aclosing(heard):
        async for response in heard:
            yield response
