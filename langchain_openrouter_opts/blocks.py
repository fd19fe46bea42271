"""LangChain's standard content blocks, made from messages of ours.

langchain-core asks here for `message.content_blocks`, and puts them in the place of the content with `output_version="v1"`. The indexes are
strings because a tool call and a text whose integer indexes are equal would be merged into one block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock
from langchain_core.messages.tool import ToolCallChunk

from langchain_openrouter_opts.media import mime_type_of_sound
from langchain_openrouter_opts.results import MODEL_PROVIDER
from langchain_openrouter_opts.server_tools import Call, Result, of_openrouter

Block: TypeAlias = dict[str, Any]

_INDEXES: Final = {
    "reasoning": "lc_rs_{}",
    "text": "lc_txt_{}",
    "image": "lc_img_{}",
    "audio": "lc_au_{}",
    "server_tool_call": "lc_st_{}",
    "server_tool_result": "lc_sr_{}",
    "non_standard": "lc_rf_{}",
}

# What comes piece by piece comes first, in the order in which models write it; then what a stream has only at its end.
_RANKS: Final = {
    "reasoning": 0,
    "text": 1,
    "tool_call": 2,
    "tool_call_chunk": 2,
    "invalid_tool_call": 2,
    "image": 3,
    "audio": 4,
    "server_tool_call": 5,
    "server_tool_result": 5,
    "non_standard": 6,
}
_LAST: Final = 7

CALLS: Final = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call"})
"""The types of blocks that a tool call may be."""


_OF_CITATIONS: Final = frozenset({"url", "title", "start_index", "end_index", "content", "cited_text"})


def register() -> None:
    """Make langchain-core ask this module about messages whose `model_provider` is `openrouter`."""
    register_translator(MODEL_PROVIDER, content_blocks, content_blocks_of_chunk)


def content_blocks(message: AIMessage) -> list[ContentBlock]:
    """Return the blocks of a whole message."""
    return cast("list[ContentBlock]", sorted([*_output(message), *calls(message)], key=_rank))


def content_blocks_of_chunk(message: AIMessageChunk) -> list[ContentBlock]:
    """Return what a chunk adds to each block; of the sum of all chunks, the blocks."""
    counts: Counter[str] = Counter()
    blocks: list[Block] = []
    for block in _output(message):
        kind = block["type"]
        blocks.append({**block, "index": _INDEXES[kind].format(counts[kind])})
        counts[kind] += 1
    over = message.chunk_position == "last"
    blocks += calls(message) if over else map(call_piece, message.tool_call_chunks)
    return cast("list[ContentBlock]", sorted(blocks, key=_rank))


def whole_content(message: AIMessageChunk) -> list[str | Block]:
    """Return the content of a sum of chunks in `output_version="v1"`: in the order of a whole message, its calls as they were read."""
    content = [each for each in message.content if each and _kind(each) not in CALLS]
    return sorted([*content, *calls(message)], key=_rank)


def _rank(block: str | Block) -> int:
    if isinstance(block, dict) and block.get("type") == "reasoning" and not block.get("reasoning"):
        # Reasoning that isn't shown: a stream has its encrypted items only at the end.
        return _LAST
    return _RANKS.get(_kind(block), _LAST)


def _kind(block: str | Block) -> str:
    # A sum that begins with an empty plain chunk has that chunk's text among the blocks.
    return "text" if isinstance(block, str) else str(block.get("type"))


def calls(message: AIMessage) -> Iterator[Block]:
    """Yield the blocks of the tool calls: first those that may be run, then the others."""
    for call in message.tool_calls:
        yield {"type": "tool_call", "id": call.get("id"), "name": call["name"], "args": call["args"]}
    for broken in message.invalid_tool_calls:
        yield {
            "type": "invalid_tool_call",
            "id": broken["id"],
            "name": broken["name"],
            "args": broken["args"],
            "error": broken["error"],
        }


def call_piece(piece: ToolCallChunk) -> Block:
    """Return the block of a piece of a tool call."""
    return {
        "type": "tool_call_chunk",
        "id": piece.get("id"),
        "name": piece.get("name"),
        "args": piece.get("args"),
        "index": f"lc_tc_{piece.get('index')}",
    }


def _output(message: AIMessage) -> Iterator[Block]:
    if not isinstance(message.content, str):
        # Not as we made it. This is no gap, but how a translator tells langchain-core to read the content by itself:
        # `AIMessage.content_blocks` catches it (langchain_core/messages/ai.py), and translators of langchain-core's own raise it too.
        raise NotImplementedError
    extra = message.additional_kwargs
    yield from _reasoning(extra)
    annotations = [_annotation(each) for each in extra.get("annotations") or ()]
    if message.content or annotations:
        block: Block = {"type": "text", "text": message.content}
        yield {**block, "annotations": annotations} if annotations else block
    yield from (_image(each) for each in extra.get("images") or ())
    if audio := extra.get("audio"):
        yield _audio(audio)
    for call, result in of_openrouter(extra.get("reasoning_details")):
        yield from _server_tool(call, result)
    if refusal := extra.get("refusal"):
        yield {"type": "non_standard", "value": {"type": "refusal", "refusal": refusal}}


def _reasoning(extra: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the reasoning as one block; its `extras` hold what a later turn, and other integrations, need of it."""
    text, details = extra.get("reasoning_content"), extra.get("reasoning_details")
    if not text and details is None:
        return
    block: Block = {"type": "reasoning", "reasoning": text or ""}
    if details is not None:
        signatures = [entry["signature"] for entry in details if entry.get("signature")]
        signed = {"signature": signatures[0]} if len(signatures) == 1 else {}
        block["extras"] = {**signed, "reasoning_details": details}
    yield block


def _server_tool(call: Call, result: Result) -> Iterator[Block]:
    """Yield a call that OpenRouter made and answered itself, and its result."""
    block: Block = {"type": "server_tool_call", "id": call.id, "name": call.name, "args": call.args}
    # Arguments that are no JSON object have no place of their own.
    yield block if isinstance(call.args, dict) else {**block, "args": {}, "extras": {"arguments": call.args}}
    yield {
        "type": "server_tool_result",
        "tool_call_id": result.id,
        "status": "success",
        "output": result.output,
    }


def _annotation(each: Mapping[str, Any]) -> Block:
    kind = each.get("type")
    if kind not in {"url_citation", "web_search_citation"}:
        return {"type": "non_standard_annotation", "value": dict(each)}
    said = each.get(kind) or {}
    citation = {
        "type": "citation",
        "url": said.get("url"),
        "title": said.get("title"),
        "start_index": said.get("start_index"),
        "end_index": said.get("end_index"),
        "cited_text": said.get("content") or said.get("cited_text"),
        "extras": {key: value for key, value in said.items() if key not in _OF_CITATIONS} or None,
    }
    return {key: value for key, value in citation.items() if value is not None}


def _image(each: Mapping[str, Any]) -> Block:
    url = (each.get("image_url") or {}).get("url") or ""
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return {"type": "image", "base64": data, "mime_type": head.removeprefix("data:")}
    return {"type": "image", "url": url}


def _audio(audio: Mapping[str, Any]) -> Block:
    data = audio.get("data") or ""
    kind = {"mime_type": mime_type_of_sound(data)} if data else {}
    extras = {key: value for key, value in audio.items() if key != "data"}
    return {"type": "audio", "base64": data, **kind, "extras": extras}
