"""What any implementation has to pay: the framework with a model that answers from memory, and the bare exchange.

The models from memory make fresh messages and chunks for each call, as every model must, with the same texts and the same usage.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import httpx
import httpx_aiohttp
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

_METADATA = {"model_name": "from/memory", "finish_reason": "stop", "cost": 0.00123, "provider": "Memory"}


def _usage() -> UsageMetadata:
    return UsageMetadata(input_tokens=1200, output_tokens=400, total_tokens=1600)


class LangChainFromMemory(BaseChatModel):
    answer: str
    deltas: list[str]

    @property
    def _llm_type(self) -> str:
        return "from-memory"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        message = AIMessage(self.answer, response_metadata=dict(_METADATA), usage_metadata=_usage())
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate()

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for text in self.deltas:
            yield ChatGenerationChunk(message=AIMessageChunk(text))
        last = AIMessageChunk("", response_metadata=dict(_METADATA), usage_metadata=_usage())
        yield ChatGenerationChunk(message=last)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream():
            yield chunk


class LlamaIndexFromMemory(CustomLLM):
    answer: str
    deltas: list[str]

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, model_name="from/memory")

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _response(self.answer, **_METADATA)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return _responses(self.deltas)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        async def generate() -> ChatResponseAsyncGen:
            for response in _responses(self.deltas):
                yield response

        return generate()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self.answer)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        yield self.complete(prompt, formatted, **kwargs)


def _responses(deltas: list[str]) -> ChatResponseGen:
    text = ""
    for delta in deltas:
        text += delta
        yield _response(text, delta)
    yield _response(text, "", **_METADATA)


def _response(text: str, delta: str | None = None, **facts: Any) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
    return ChatResponse(message=message, delta=delta, raw={"choices": []}, additional_kwargs=facts)


class RawExchange:
    """`httpx` and `json`, written by hand for one purpose, over kept-alive connections."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/chat/completions"
        self._headers = {"authorization": "Bearer sk-or-bench", "content-type": "application/json"}
        self._client = httpx.Client(timeout=60)
        # 500 calls at once cost 0.66 s of CPU through httpx's own pool at its best (20 connections), and 0.16 s this way.
        transport = httpx_aiohttp.AiohttpTransport(limits=httpx.Limits(max_connections=100))
        self._async_client = httpx.AsyncClient(transport=transport, timeout=60)

    def whole(self, body: Mapping[str, Any]) -> str:
        response = self._client.post(self._url, content=json.dumps(body), headers=self._headers)
        return _text_of(json.loads(response.content))

    async def awhole(self, body: Mapping[str, Any]) -> str:
        response = await self._async_client.post(self._url, content=json.dumps(body), headers=self._headers)
        return _text_of(json.loads(response.content))

    def streamed(self, body: Mapping[str, Any]) -> str:
        content = json.dumps({**body, "stream": True})
        with self._client.stream("POST", self._url, content=content, headers=self._headers) as response:
            return "".join(map(_delta_of, response.iter_lines()))

    async def astreamed(self, body: Mapping[str, Any]) -> str:
        content = json.dumps({**body, "stream": True})
        sending = self._async_client.stream("POST", self._url, content=content, headers=self._headers)
        async with sending as response:
            return "".join([_delta_of(line) async for line in response.aiter_lines()])

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.aclose()


def _text_of(body: Mapping[str, Any]) -> str:
    return body["choices"][0]["message"]["content"]


def _delta_of(line: str) -> str:
    if not line.startswith("data: ") or line == "data: [DONE]":
        return ""
    return json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
