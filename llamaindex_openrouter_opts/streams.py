"""A streamed answer as LlamaIndex's generators; closing one closes the connection."""

from __future__ import annotations

from contextlib import aclosing, closing

from llama_index.core.base.llms.types import (
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
)

from llamaindex_openrouter_opts.responses import Growing, chat_response, completion_response
from openrouter_opts.stream import AsyncStream, Stream
from openrouter_opts.tracing import Traced


def responses_of(stream: Stream, told: Traced) -> ChatResponseGen:
    """Yield the answer so far with each delta, and at the end the whole answer, of which tracers are told."""
    with told, closing(stream):
        answer = Growing()
        for delta in stream:
            if not delta.choice:
                yield answer.grow(delta)
        yield chat_response(told.answered(stream.completion), delta="")


async def aresponses_of(stream: AsyncStream, told: Traced) -> ChatResponseAsyncGen:
    """Yield the answer so far with each delta, and at the end the whole answer, of which tracers are told."""
    with told:
        async with aclosing(stream):
            answer = Growing()
            async for delta in stream:
                if not delta.choice:
                    yield answer.grow(delta)
            yield chat_response(told.answered(stream.completion), delta="")


def completions_of(stream: Stream, told: Traced) -> CompletionResponseGen:
    """Yield the same as responses to a bare prompt."""
    with closing(responses_of(stream, told)) as responses:
        for response in responses:
            yield completion_response(response)


async def acompletions_of(stream: AsyncStream, told: Traced) -> CompletionResponseAsyncGen:
    """Yield the same as responses to a bare prompt."""
    async with aclosing(aresponses_of(stream, told)) as responses:
        async for response in responses:
            yield completion_response(response)
