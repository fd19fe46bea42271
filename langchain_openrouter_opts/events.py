"""A streamed answer as the events of LangChain's streaming protocol, which `stream_events(version="v3")` and LangGraph pass on.

Each content block of the whole message begins when its first piece comes, grows with every further one, and is finished at the end of the
answer, with what `content_blocks` says of it: only then are signatures, citations and the validity of a tool call known. Blocks that
overlap stay open side by side. Images, audio and refusals have no pieces in the protocol, and come whole.
A block stands where it began, since the protocol numbers blocks as they begin: a call that comes before a text is before it here alone.

A failure is raised, and is no event: of an `error` event langchain-core keeps the text alone, and of an exception the class, the partial
answer and its usage too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

from langchain_core.callbacks import BaseRunManager
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.utils.utils import LC_ID_PREFIX

from langchain_openrouter_opts.blocks import CALLS, Block, call_piece, content_blocks
from langchain_openrouter_opts.results import MODEL_PROVIDER, whole_message
from openrouter_opts.protocol.completion import Completion, Delta

if TYPE_CHECKING:
    # Comes with langchain-core, for type checkers alone.
    from langchain_protocol.protocol import MessagesData

Key: TypeAlias = tuple[str, str | None]
T_co = TypeVar("T_co", covariant=True)

_TEXT: Final[Key] = ("text", None)
_REASONING: Final[Key] = ("reasoning", None)
# What the beginning of a block says when it comes in one piece: not the piece itself, which its finish brings.
_SMALL: Final = ("type", "id", "name", "tool_call_id", "status", "mime_type", "url")
_REQUIRED: Final[Mapping[str, Block]] = {
    "text": {"text": ""},
    "reasoning": {"reasoning": ""},
    "server_tool_call": {"args": {}},
    "non_standard": {"value": {}},
}


class Steps(Protocol[T_co]):
    """What is made of a streamed answer, step by step: `chunks.Chunks`, or `Events`."""

    def take(self, delta: Delta) -> Iterator[T_co]:
        """Yield what one step of the stream gives."""
        ...

    def end(self, completion: Completion, *, counted: bool) -> Iterator[T_co]:
        """Yield what the end gives; `counted` says whether it tells how many tokens the answer took. Raises as `whole_message` does."""
        ...


def message_id(run: BaseRunManager | None) -> str:
    """Return the id that langchain-core gives to the message of a run, `""` without a run."""
    return f"{LC_ID_PREFIX}-{run.run_id}" if run else ""


class Events:
    """The events of one streamed message.

    Args:
        message_id: The id of the message, `""` if it has none yet.
    """

    def __init__(self, message_id: str) -> None:
        self._id = message_id
        self._begun = False
        self._indexes: dict[Key, int] = {}
        self._calls: dict[int, Key] = {}

    def take(self, delta: Delta) -> Iterator[MessagesData]:
        """Yield the events of one step of the stream."""
        if delta.choice:
            return  # of an answer that nobody asked for; `whole_message` says so
        yield from self._start(delta.chunk.get("model"))
        if delta.reasoning:
            yield from self._begin(_REASONING, {"type": "reasoning", "reasoning": ""})
            yield self._grow(_REASONING, {"type": "reasoning-delta", "reasoning": delta.reasoning})
        if delta.text:
            yield from self._begin(_TEXT, {"type": "text", "text": ""})
            yield self._grow(_TEXT, {"type": "text-delta", "text": delta.text})
        for call in delta.tool_calls:
            key = self._calls.setdefault(call.slot, ("call", call.id))
            piece = tool_call_chunk(name=call.name, args="", id=call.id, index=call.slot)
            yield from self._begin(key, call_piece(piece))
            if call.arguments:
                yield self._grow(key, {"type": "tool-call-delta", "args": call.arguments})

    def end(self, completion: Completion, *, counted: bool) -> Iterator[MessagesData]:
        """Yield the finish of every block, and of the message."""
        message = whole_message(completion, counted=counted)
        yield from self._start(completion.model)
        for number, block in enumerate(cast("list[Block]", content_blocks(message))):
            key = _key(block, number)
            yield from self._begin(key, _beginning(block))
            yield _event("content-block-finish", index=self._indexes[key], content=block)
        finish = {
            "usage": message.usage_metadata,
            "metadata": message.response_metadata,
            "additional_kwargs": message.additional_kwargs,
        }
        yield _event("message-finish", **{name: value for name, value in finish.items() if value})

    def _start(self, model: object) -> Iterator[MessagesData]:
        if not self._begun:
            self._begun = True
            metadata = {"provider": MODEL_PROVIDER}
            if isinstance(model, str):
                metadata["model"] = model
            yield _event("message-start", role="ai", id=self._id, metadata=metadata)

    def _begin(self, key: Key, block: Block) -> Iterator[MessagesData]:
        if key not in self._indexes:
            self._indexes[key] = len(self._indexes)
            yield _event("content-block-start", index=self._indexes[key], content=block)

    def _grow(self, key: Key, delta: Mapping[str, str]) -> MessagesData:
        return _event("content-block-delta", index=self._indexes[key], delta=delta)


def _key(block: Block, number: int) -> Key:
    """Return what tells a block of the whole message from the others: its pieces have the same."""
    kind = block["type"]
    if kind in CALLS:
        return "call", block["id"]
    return (kind, None) if (kind, None) in {_TEXT, _REASONING} else (kind, str(number))


def _beginning(block: Block) -> Block:
    return {name: block[name] for name in _SMALL if name in block} | _REQUIRED.get(block["type"], {})


def _event(name: str, **fields: Any) -> MessagesData:
    return cast("MessagesData", {"event": name, **fields})
