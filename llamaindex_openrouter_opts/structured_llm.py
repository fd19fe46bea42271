"""An LLM that answers with objects, in every way that an LLM answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    MessageRole,
)
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts.base import ChatPromptTemplate
from pydantic import BaseModel

from llamaindex_openrouter_opts.events import aannounced, announced, chat_events, completion_events


class ObjectLLM(StructuredLLM):
    """LlamaIndex's `StructuredLLM`, whose streams are closed at once, and that streams completions as well.

    The object is in `raw`, and as JSON in the text; of a stream, the last response has the whole one.
    """

    def to_payload(self) -> dict[str, Any]:
        """Return what observers may see: what they may see of the LLM that is asked, under the name of this one."""
        return {**self.llm.to_payload(), "class_name": self.class_name()}

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer a conversation with an object that grows."""
        return announced(chat_events, self, messages, kwargs, self._grown(messages, kwargs))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Answer a conversation with an object that grows."""
        return await aannounced(chat_events, self, messages, kwargs, self._agrown(messages, kwargs))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ARG002 - LlamaIndex passes it
        """Answer a prompt with an object that grows."""

        def steps() -> CompletionResponseGen:
            with closing(self._grown([ChatMessage(content=prompt)], kwargs)) as responses:
                for response in responses:
                    yield _completion(response)

        return announced(completion_events, self, prompt, kwargs, steps())

    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: ARG002 - LlamaIndex passes it
        **kwargs: Any,
    ) -> Any:  # LlamaIndex says that it is a generator, and no async one
        """Answer a prompt with an object that grows."""

        async def steps() -> CompletionResponseAsyncGen:
            async with aclosing(self._agrown([ChatMessage(content=prompt)], kwargs)) as responses:
                async for response in responses:
                    yield _completion(response)

        return await aannounced(completion_events, self, prompt, kwargs, steps())

    def _grown(
        self, messages: Sequence[ChatMessage], call: Mapping[str, Any]
    ) -> Generator[ChatResponse, None, None]:
        prompt = ChatPromptTemplate(message_templates=messages)
        objects = self.llm.stream_structured_predict(self.output_cls, prompt, llm_kwargs=dict(call))
        with closing(objects):
            for each in objects:
                yield _response(each)

    async def _agrown(
        self, messages: Sequence[ChatMessage], call: Mapping[str, Any]
    ) -> AsyncGenerator[ChatResponse, None]:
        prompt = ChatPromptTemplate(message_templates=messages)
        objects = await self.llm.astream_structured_predict(self.output_cls, prompt, llm_kwargs=dict(call))
        async with aclosing(objects):
            async for each in objects:
                yield _response(each)


def _response(answer: BaseModel) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, content=answer.model_dump_json())
    return ChatResponse(message=message, raw=answer)


def _completion(response: ChatResponse) -> CompletionResponse:
    return CompletionResponse(text=response.message.content or "", raw=response.raw)
