"""What OpenRouter returns, as LangChain's content blocks; and what of it goes back, from the message or from its blocks alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langchain_openrouter_opts.messages import wire_messages
from tests.langchain.conftest import Ask, either, model_at
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, USAGE_CHUNK, delta

DETAILS = [
    {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
IMAGE_AT = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
PARSED = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": [{"type": "text", "text": "…"}]}}
FOUND = {"url": "https://a", "title": "A", "content": "said", "start_index": 0, "end_index": 2}
CITED = {
    "type": "citation",
    "url": "https://a",
    "title": "A",
    "cited_text": "said",
    "start_index": 0,
    "end_index": 2,
}


def sound(data: str, **more: Any) -> dict[str, Any]:
    return {"audio": {"id": "au_1", "data": data, "transcript": "Hello", **more}}


def heard(data: str, mime_type: str, **more: Any) -> dict[str, Any]:
    extras = {"id": "au_1", "transcript": "Hello", **more}
    return {"type": "audio", "base64": data, "mime_type": mime_type, "extras": extras}


def text(said: str, *annotations: Any) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": said}
    return {**block, "annotations": [*annotations]} if annotations else block


@pytest.mark.parametrize(
    ("said", "blocks", "back"),
    [
        pytest.param({"content": "Ha"}, [text("Ha")], {"content": "Ha"}, id="text"),
        pytest.param(
            {"content": "Ha", "reasoning": "Hm.", "reasoning_details": DETAILS},
            [
                {
                    "type": "reasoning",
                    "reasoning": "Hm.",
                    "extras": {"signature": "s", "reasoning_details": DETAILS},
                },
                text("Ha"),
            ],
            {"content": "Ha", "reasoning_details": DETAILS},
            id="reasoning",
        ),
        pytest.param(
            {"content": "Ha", "reasoning": "Hm."},
            [{"type": "reasoning", "reasoning": "Hm."}, text("Ha")],
            {"content": "Ha"},
            id="reasoning as text alone",
        ),
        pytest.param(
            {"content": "Ha", "annotations": [{"type": "url_citation", "url_citation": FOUND}]},
            [text("Ha", CITED)],
            {"content": "Ha"},
            id="a citation",
        ),
        pytest.param(
            {
                "content": "Ha",
                "annotations": [
                    {
                        "type": "web_search_citation",
                        "web_search_citation": {
                            "url": "https://a",
                            "cited_text": "said",
                            "encrypted_index": "e",
                        },
                    }
                ],
            },
            [
                text(
                    "Ha",
                    {
                        "type": "citation",
                        "url": "https://a",
                        "cited_text": "said",
                        "extras": {"encrypted_index": "e"},
                    },
                )
            ],
            {"content": "Ha"},
            id="a citation with more than LangChain has words for",
        ),
        pytest.param(
            {"content": "Ha", "annotations": [PARSED]},
            [text("Ha", {"type": "non_standard_annotation", "value": PARSED})],
            {"content": "Ha", "annotations": [PARSED]},
            id="a parsed file",
        ),
        pytest.param(
            {"content": "Ha", "images": [IMAGE, IMAGE_AT]},
            [
                text("Ha"),
                {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
                {"type": "image", "url": "https://a/b.png"},
            ],
            {"content": "Ha", "images": [IMAGE, IMAGE_AT]},
            id="images",
        ),
        *(
            pytest.param(
                {"content": None, **sound(data, expires_at=5)},
                [heard(data, mime_type, expires_at=5)],
                {"content": None, "audio": {"id": "au_1"}},
                id=f"a recording of {mime_type}",
            )
            for data, mime_type in (
                ("UklGRiQA", "audio/wav"),
                ("SUQzBAAA", "audio/mpeg"),
                ("//uQxAAA", "audio/mpeg"),
                ("ZkxhQwAA", "audio/flac"),
                ("T2dnUwAC", "audio/ogg"),
                ("AAECAwQF", "audio/pcm"),
            )
        ),
        pytest.param(
            {"content": None, "audio": {"data": "UklGRiQA", "transcript": "Hello"}},
            [
                {
                    "type": "audio",
                    "base64": "UklGRiQA",
                    "mime_type": "audio/wav",
                    "extras": {"transcript": "Hello"},
                }
            ],
            {"content": "Hello"},
            id="a recording without an id, of which goes back what was said",
        ),
        pytest.param(
            {"content": None, "refusal": "No."},
            [{"type": "non_standard", "value": {"type": "refusal", "refusal": "No."}}],
            {"content": None, "refusal": "No."},
            id="a refusal",
        ),
    ],
)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_what_comes_in_is_told_by_blocks_and_goes_back(
    ask: Ask,
    scripted: Callable[..., ScriptedServer],
    version: str,
    said: dict[str, Any],
    blocks: list[dict[str, Any]],
    back: dict[str, Any],
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": "stop"}
    chunks = [delta(**said), delta("", finish_reason="stop"), USAGE_CHUNK, DONE]
    server = scripted(choose=either({**COMPLETION, "choices": [choice]}, *chunks))
    message = ask(model_at(server, output_version=version), "hi")
    told: list[Any] = [
        {name: value for name, value in block.items() if name != "index"} for block in message.content_blocks
    ]
    assert sorted(told, key=repr) == sorted(blocks, key=repr)
    wanted = [{"role": "assistant", **back}]
    assert wire_messages([message]) == wanted
    assert wire_messages([AIMessage(content_blocks=message.content_blocks)]) == wanted
