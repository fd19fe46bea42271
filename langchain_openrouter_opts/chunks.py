"""A streamed answer as LangChain's chunks, whose sum is the message that the same answer would have been without streaming.

Whatever the answer says once is on exactly one chunk, the last: langchain-core joins strings, adds up integers, and raises for two floats
that differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Self

from langchain_core import messages as core
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import AIMessage, message_chunk_to_message
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import model_validator
from typing_extensions import override

from langchain_openrouter_opts.blocks import whole_content
from langchain_openrouter_opts.broken_calls import end_of, read_strictly
from langchain_openrouter_opts.results import MODEL_PROVIDER, args_of, whole_message
from openrouter_opts.protocol.completion import Completion, Delta

# What the chunks before the last have given out.
_STREAMED: Final = frozenset({"reasoning_content", "refusal"})


class _Message:
    """What `message_chunk_to_message` calls to make a message of a chunk: the class that stands next to the chunk's own."""

    def __new__(cls, **fields: Any) -> Any:
        return super().__new__(cls) if issubclass(cls, core.AIMessageChunk) else AIMessage(**fields)


class AIMessageChunk(_Message, core.AIMessageChunk):
    """A chunk whose sum reads its tool calls strictly once the answer is over.

    langchain-core mends arguments that are half a JSON object, so that a call can be shown while it comes. At the end a call that was cut
    off would look like one that may be run.
    """

    @model_validator(mode="after")
    def _read_strictly(self) -> Self:
        if self.chunk_position != "last":
            return self
        if self.tool_call_chunks:
            self.tool_calls, self.invalid_tool_calls = read_strictly(self)
        if self.response_metadata.get("output_version") == "v1" and isinstance(self.content, list):
            self.content = whole_content(self)
        return self

    @override
    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return it as LangChain serialises it: with a broken call, as the message that it is."""
        if self.chunk_position == "last" and self.invalid_tool_calls:
            return message_chunk_to_message(self).to_json()
        return super().to_json()

    def __add__(self, other: Any) -> Any:
        """Return the sum: while the answer comes, or if one of its calls is broken, one of these; otherwise a plain chunk."""
        whole = super().__add__(other)
        if (
            isinstance(whole, AIMessageChunk)
            and whole.chunk_position == "last"
            and not whole.invalid_tool_calls
        ):
            return core.AIMessageChunk.model_construct(**vars(whole))
        return whole

    def __radd__(self, other: object) -> Any:
        """Add this to a plain chunk, such as the empty one that sums begin with, as if that were one of these."""
        if not isinstance(other, core.AIMessageChunk):
            return NotImplemented
        return AIMessageChunk.model_construct(**vars(other)) + self


class Chunks:
    """The chunks of one streamed answer."""

    def take(self, delta: Delta) -> Iterator[ChatGenerationChunk]:
        """Yield what one step of the stream adds."""
        if delta.choice:
            return  # of an answer that nobody asked for; `whole_message` says so
        kwargs: dict[str, Any] = {}
        if delta.reasoning:
            kwargs["reasoning_content"] = delta.reasoning
        if delta.refusal:
            kwargs["refusal"] = delta.refusal
        pieces = [
            tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.slot)
            for call in delta.tool_calls
        ]
        message = AIMessageChunk(
            content=delta.text,
            additional_kwargs=kwargs,
            tool_call_chunks=pieces,
            response_metadata={"model_provider": MODEL_PROVIDER},
        )
        yield ChatGenerationChunk(message=message)

    def end(self, completion: Completion, *, counted: bool) -> Iterator[ChatGenerationChunk]:
        """Yield the last chunk: everything but what has been given out."""
        whole = whole_message(completion, counted=counted)
        kwargs = {key: value for key, value in whole.additional_kwargs.items() if key not in _STREAMED}
        choice = completion.choice
        ends = [
            tool_call_chunk(args=end_of(call.arguments), index=call.index)
            for call in choice.tool_calls
            if args_of(choice, call) is None
        ]
        message = AIMessageChunk(
            content="",
            additional_kwargs=kwargs,
            tool_call_chunks=ends,
            response_metadata=whole.response_metadata,
            usage_metadata=whole.usage_metadata,
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=message)
