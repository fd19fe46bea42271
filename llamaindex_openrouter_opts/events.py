"""LlamaIndex's events around calls, and the closing of streams that its decorators leave out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, closing
from typing import Any, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

Response = TypeVar("Response")
Method = TypeVar("Method", bound=Callable[..., Any])


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
