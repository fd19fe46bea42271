"""LangChain's standard content blocks, made from messages of ours.

langchain-core asks here for `message.content_blocks`, and puts them in the place of the content with `output_version="v1"`. The indexes are
strings because a tool call and a text whose integer indexes are equal would be merged into one block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock

from langchain_openrouter_opts.media import mime_type_of_sound
from langchain_openrouter_opts.results import MODEL_PROVIDER

Block = dict[str, Any]

_INDEXES: Final = {
    "reasoning": "lc_rs_{}",
    "text": "lc_txt_{}",
    "image": "lc_img_{}",
    "audio": "lc_au_{}",
    "non_standard": "lc_rf_{}",
}


_OF_CITATIONS: Final = frozenset({"url", "title", "start_index", "end_index", "content", "cited_text"})


def register() -> None:
    """Make langchain-core ask this module about messages whose `model_provider` is `openrouter`."""
    register_translator(MODEL_PROVIDER, content_blocks, content_blocks_of_chunk)


def content_blocks(message: AIMessage) -> list[ContentBlock]:
    """Return the blocks of a whole message: reasoning, text, media, then tool calls."""
    blocks = [*_output(message), *_calls(message)]
    return cast("list[ContentBlock]", blocks)


def content_blocks_of_chunk(message: AIMessageChunk) -> list[ContentBlock]:
    """Return what a chunk adds to each block; of the sum of all chunks, the blocks."""
    counts: Counter[str] = Counter()
    blocks = []
    for block in _output(message):
        kind = block["type"]
        blocks.append({**block, "index": _INDEXES[kind].format(counts[kind])})
        counts[kind] += 1
    calls = _calls(message) if message.chunk_position == "last" else _call_pieces(message)
    return cast("list[ContentBlock]", [*blocks, *calls])


def _output(message: AIMessage) -> Iterator[Block]:
    if not isinstance(message.content, str):
        # Not as we made it: langchain-core reads such content better.
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


def _calls(message: AIMessage) -> Iterator[Block]:
    for call in message.tool_calls:
        yield {"type": "tool_call", "id": call.get("id"), "name": call["name"], "args": call["args"]}


def _call_pieces(message: AIMessageChunk) -> Iterator[Block]:
    for call in message.tool_call_chunks:
        yield {
            "type": "tool_call_chunk",
            "id": call.get("id"),
            "name": call.get("name"),
            "args": call.get("args"),
            "index": f"lc_tc_{call.get('index')}",
        }
