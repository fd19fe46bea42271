"""OpenRouter's answers as LlamaIndex's responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CitationBlock,
    CompletionResponse,
    ContentBlock,
    ImageBlock,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_openrouter_opts.arguments import parsed
from llamaindex_openrouter_opts.messages import DETAILS, FILES
from openrouter_opts.protocol.completion import Choice, Completion, Delta, ToolCall, ToolCallDelta, Usage
from openrouter_opts.protocol.failure import delivery_of


def chat_response(completion: Completion, *, delta: str | None = None) -> ChatResponse:
    """Return a whole answer. `raw` is its body; `additional_kwargs` say what it used, what it cost, and who gave it."""
    return ChatResponse(
        message=_message(completion.choice, completion.usage),
        raw=completion.raw,
        delta=delta,
        logprobs=_logprobs(completion.choice.logprobs),
        additional_kwargs=_facts(completion),
    )


def completion_response(response: ChatResponse) -> CompletionResponse:
    """Return a chat response as the response to a bare prompt."""
    return CompletionResponse(
        text=response.message.content or "",
        raw=response.raw,
        delta=response.delta,
        logprobs=response.logprobs,
        additional_kwargs=response.message.additional_kwargs | response.additional_kwargs,
    )


class Unfinished(ChatResponse):
    """A response whose answer is still coming: in a tool call of it, arguments are what there is so far."""


class Growing:
    """A response that grows: each step is a value of its own, which later steps leave as it is."""

    def __init__(self) -> None:
        self._text = ""
        self._transcript = ""
        self._thinking = ""
        self._refusal = ""
        self._calls: dict[int, ToolCall] = {}

    def grow(self, delta: Delta) -> Unfinished:
        """Return the answer so far, with what this delta adds in `delta`."""
        self._text += delta.text
        self._transcript += delta.transcript
        self._thinking += delta.reasoning
        self._refusal += delta.refusal
        for piece in delta.tool_calls:
            self._calls[piece.slot] = _longer(self._calls.get(piece.slot), piece)
        blocks: list[ContentBlock] = []
        if self._thinking:
            blocks.append(ThinkingBlock(content=self._thinking))
        # As in the whole answer, what is spoken is the text where nothing is written.
        if text := self._text or self._transcript:
            blocks.append(TextBlock(text=text))
        kwargs: dict[str, Any] = {"refusal": self._refusal} if self._refusal else {}
        if self._calls:
            calls = tuple(self._calls.values())
            blocks += [_call_block(call, call.arguments) for call in calls]
            kwargs["tool_calls"] = _plain_calls(calls)
        return Unfinished(
            message=ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=kwargs),
            raw=delta.chunk,
            delta=delta.text if self._text else delta.transcript,
            additional_kwargs={"thinking_delta": delta.reasoning} if delta.reasoning else {},
        )


def _longer(call: ToolCall | None, piece: ToolCallDelta) -> ToolCall:
    if call is None:
        return ToolCall(piece.id or "", piece.name or "", piece.arguments, piece.slot)
    return ToolCall(
        call.id or piece.id or "", call.name or piece.name or "", call.arguments + piece.arguments, call.index
    )


def _message(choice: Choice, usage: Usage | None) -> ChatMessage:
    return ChatMessage(
        role=MessageRole.ASSISTANT, blocks=list(_blocks(choice, usage)), additional_kwargs=_kwargs(choice)
    )


def _blocks(choice: Choice, usage: Usage | None) -> Iterator[ContentBlock]:
    files = [each for each in choice.annotations if each.get("type") == "file"]
    if choice.reasoning or choice.reasoning_details is not None or files:
        yield _thinking(choice, usage, files)
    said = choice.text or (choice.audio or {}).get("transcript") or choice.text
    if said is not None and (said or not choice.tool_calls):
        yield TextBlock(text=said)
    for image in choice.images:
        yield _image(image)
    if choice.audio and choice.audio.get("data"):
        yield _audio(choice.audio["data"])
    for annotation in choice.annotations:
        if citation := _citation(annotation):
            yield citation
    for call in choice.tool_calls:
        # What is no JSON object stays the text that the model wrote.
        arguments = parsed(call.arguments, choice.finish_reason)
        yield _call_block(call, call.arguments if arguments is None else arguments)


def _thinking(choice: Choice, usage: Usage | None, files: list[Mapping[str, Any]]) -> ThinkingBlock:
    # Kept here and not in the message's `additional_kwargs`, which LlamaIndex's memory counts as text.
    kept: dict[str, Any] = (
        {} if choice.reasoning_details is None else {DETAILS: list(choice.reasoning_details)}
    )
    return ThinkingBlock(
        content=choice.reasoning,
        num_tokens=usage.reasoning_tokens if usage else None,
        additional_information={**kept, FILES: files} if files else kept,
    )


def _call_block(call: ToolCall, arguments: dict[str, Any] | str) -> ToolCallBlock:
    return ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=arguments)


def _image(image: Mapping[str, Any]) -> ImageBlock:
    source = image.get("image_url")
    url = str(source.get("url") if isinstance(source, Mapping) else source)
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        # As base64: blocks take bytes that look like base64 for base64.
        return ImageBlock(image=data.encode(), image_mimetype=head.removeprefix("data:"))
    return ImageBlock(url=url)


def _audio(data: str) -> AudioBlock:
    block = AudioBlock(audio=data.encode())
    # Of the formats that there are (wav, mp3, flac, opus and pcm16), only the last has no head.
    # https://openrouter.ai/docs/guides/overview/multimodal/audio
    block.format = block.format or "pcm16"
    return block


def _citation(annotation: Mapping[str, Any]) -> CitationBlock | None:
    source = annotation.get("url_citation") or annotation.get("web_search_citation")
    if not isinstance(source, Mapping):
        return None
    places = {key: source[key] for key in ("start_index", "end_index") if isinstance(source.get(key), int)}
    return CitationBlock(
        cited_content=TextBlock(text=source.get("content") or source.get("cited_text") or ""),
        source=source.get("url") or "",
        title=source.get("title") or "",
        additional_location_info=places,
    )


def _kwargs(choice: Choice) -> dict[str, Any]:
    kwargs: dict[str, Any] = {}
    if choice.tool_calls:
        # LlamaIndex looks here for calls while it streams objects, and in its chat engines.
        kwargs["tool_calls"] = _plain_calls(choice.tool_calls)
    if choice.refusal:
        kwargs["refusal"] = choice.refusal
    if choice.audio:
        kwargs["audio"] = {key: value for key, value in choice.audio.items() if key != "data"}
    return kwargs


def _plain_calls(calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]


def _facts(completion: Completion) -> dict[str, Any]:
    """Return what is known of a call, under the names that LlamaIndex's handlers and tracers read."""
    choice, cost = completion.choice, completion.cost
    facts = {
        **_tokens(completion.usage),
        "cost": None if cost.total is None else float(cost.total),
        "cost_details": dict(cost.details) or None,
        "model": completion.model,
        "model_name": completion.model,
        "provider": completion.provider,
        "id": completion.id,
        "finish_reason": choice.finish_reason,
        "native_finish_reason": choice.native_finish_reason,
        "service_tier": completion.service_tier,
        # Of the response, since memories count those of the message.
        "annotations": list(choice.annotations) or None,
    }
    return {name: value for name, value in facts.items() if value is not None} | delivery_of(completion)


def _tokens(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": dict(usage.prompt_details) or None,
        "completion_tokens_details": dict(usage.completion_details) or None,
        "cache_creation_input_tokens": usage.cache_write_tokens or None,
    }


def _logprobs(logprobs: Mapping[str, Any] | None) -> list[list[LogProb]] | None:
    """Return the candidates for each token, or the token alone where there are none."""
    tokens = logprobs.get("content") if logprobs else None
    if not tokens:
        return None
    return [[_logprob(each) for each in token.get("top_logprobs") or [token]] for token in tokens]


def _logprob(token: Mapping[str, Any]) -> LogProb:
    return LogProb(
        token=token.get("token") or "", logprob=token.get("logprob") or 0.0, bytes=token.get("bytes") or []
    )
