"""Every block in every role: it reaches the model, or it is an error that names its place and what to do."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llamaindex_openrouter_opts import OpenRouter
from llamaindex_openrouter_opts.content import takes_long
from llamaindex_openrouter_opts.messages import awire_messages, wire_messages
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.protocol.encoding import LARGE
from openrouter_opts.sandbox import Sandbox

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(28)
MARK = {"type": "ephemeral"}
POINT = CachePoint(cache_control=CacheControl(type="ephemeral"))
DETAILS = [{"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1", "index": 0}]
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/cat.png"}}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def message(role: str, *blocks: Any, **kwargs: Any) -> ChatMessage:
    call = {"tool_call_id": "c1"} if role == "tool" else {}
    return ChatMessage(role=role, blocks=list(blocks), additional_kwargs={**call, **kwargs})


def sent(role: str, *blocks: Any, **kwargs: Any) -> dict[str, Any]:
    (wire,) = wire_messages([message(role, *blocks, **kwargs)])
    return wire


BLOCKS: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("text", TextBlock(text="b"), [text("b")]),
    ("image", ImageBlock(url="https://a.example/cat.png"), [IMAGE]),
    (
        "audio",
        AudioBlock(audio=WAV),
        [
            {
                "type": "input_audio",
                "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"},
            }
        ],
    ),
    (
        "video",
        VideoBlock(url="https://a.example/v.mp4", fps=2, detail="low"),
        [{"type": "video_url", "video_url": {"url": "https://a.example/v.mp4", "fps": 2, "detail": "low"}}],
    ),
    (
        "document",
        DocumentBlock(url="https://a.example/a%20b.pdf"),
        [{"type": "file", "file": {"filename": "a b.pdf", "file_data": "https://a.example/a%20b.pdf"}}],
    ),
    (
        "document at a URL without a name",
        DocumentBlock(url="https://a.example/42"),
        [{"type": "file", "file": {"file_data": "https://a.example/42"}}],
    ),
    (
        "citable",
        CitableBlock(title="T", source="s", content=[TextBlock(text="x")]),
        [text("T (s)"), text("x")],
    ),
]
ROLES = ["system", "developer", "user", "assistant", "tool"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("block", "parts"), [row[1:] for row in BLOCKS], ids=[row[0] for row in BLOCKS])
def test_every_block_reaches_the_model_in_every_role(
    role: str, block: Any, parts: list[dict[str, Any]]
) -> None:
    wire = sent(role, TextBlock(text="a"), block)

    if role == "assistant" and isinstance(block, ImageBlock):
        assert (wire["content"], wire["images"]) == ("a", parts)
    else:
        assert wire["content"] == [text("a"), *parts]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "block",
    [
        ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1}),
        ThinkingBlock(content="Hm.", additional_information={"reasoning_details": DETAILS}),
    ],
    ids=["tool call", "thinking"],
)
def test_what_a_model_said_stands_in_its_own_messages_only(role: str, block: Any) -> None:
    if role == "assistant":
        wire = sent(role, TextBlock(text="a"), block)
        assert wire["content"] == "a"
        assert wire.get("tool_calls", [CALL]) == [CALL]
        assert wire.get("reasoning_details", DETAILS) == DETAILS
        assert len(wire) == 3
        return
    place = re.escape(f"messages[0].blocks[1]: a {type(block).__name__} is something that a model said")
    with pytest.raises(ConfigurationError, match=f"^{place}.*role `assistant`"):
        sent(role, TextBlock(text="a"), block)


@pytest.mark.parametrize("role", ROLES)
def test_a_citation_is_a_source_for_the_model_and_not_sent_back_to_who_cited_it(role: str) -> None:
    citation = CitationBlock(cited_content="x", source="s", title="T", additional_location_info={})
    content = sent(role, TextBlock(text="a"), citation)["content"]

    assert content == ("a" if role == "assistant" else [text("a"), text("T (s)"), text("x")])


@pytest.mark.parametrize("kwargs", [{}, {"audio": {"transcript": "hello"}}, {"audio": {"id": "a1"}}])
def test_a_recording_in_a_models_message_goes_by_its_id_or_its_words_or_as_it_is(
    kwargs: dict[str, Any],
) -> None:
    wire = sent("assistant", TextBlock(text="hello"), AudioBlock(audio=WAV), **kwargs)

    recording = {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"},
    }
    assert wire["content"] == ("hello" if kwargs else [text("hello"), recording])
    assert wire.get("audio") == ({"id": "a1"} if "id" in kwargs.get("audio", {}) else None)


def test_what_a_model_spoke_is_not_sent_as_text_too() -> None:
    audio = {"id": "a1", "transcript": "hello"}
    wire = sent("assistant", TextBlock(text="hello"), AudioBlock(audio=WAV), audio=audio)

    assert wire == {"role": "assistant", "content": None, "audio": {"id": "a1"}}


@pytest.mark.parametrize("format_", ["mpeg", "audio/mpeg", "mp3"])
def test_formats_of_sound_go_out_by_openrouters_names(format_: str) -> None:
    (part,) = sent("user", AudioBlock(audio=WAV, format=format_))["content"]

    assert part["input_audio"]["format"] == "mp3"


@pytest.mark.parametrize(
    ("role", "blocks"),
    [
        ("assistant", [ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={}), POINT]),
        ("assistant", [ImageBlock(url="https://a.example/cat.png"), POINT]),
        ("user", [TextBlock(text=""), POINT]),
    ],
)
def test_a_cache_point_that_has_nothing_to_stand_on_is_refused(role: str, blocks: list[Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[1\]: a cache point.*after a text"):
        sent(role, *blocks)


@pytest.mark.parametrize("role", ROLES)
def test_a_cache_point_marks_what_comes_before_it_and_never_a_blank_text(role: str) -> None:
    wire = sent(role, TextBlock(text="a"), TextBlock(text=""), POINT)

    assert wire["content"] == [{**text("a"), "cache_control": MARK}]


@pytest.mark.parametrize("role", ROLES)
def test_a_mark_on_a_whole_message_stands_on_its_last_text(role: str) -> None:
    video = VideoBlock(url="https://a.example/v.mp4")
    content = sent(role, TextBlock(text="a"), video, cache_control=MARK)["content"]

    assert content[0] == {**text("a"), "cache_control": MARK}
    assert "cache_control" not in content[1]


def test_a_mark_on_a_message_without_content_is_refused() -> None:
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={})
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.additional_kwargs\.cache_control: "):
        sent("assistant", call, cache_control=MARK)


@pytest.mark.parametrize(
    "block",
    [
        ImageBlock(url="http://127.0.0.1:1/cat.png"),
        ImageBlock(url="http://127.0.0.1:1/cat.png", image=b""),
        VideoBlock(url="http://127.0.0.1:1/v.mp4", video=b""),
        DocumentBlock(url="http://127.0.0.1:1/a.pdf", data=b""),
        CitableBlock(title="T", source="s", content=[DocumentBlock(url="http://127.0.0.1:1/a.pdf")]),
    ],
    ids=["image", "image with empty data", "video with empty data", "document with empty data", "citable"],
)
def test_a_url_is_passed_on_and_never_fetched(
    block: Any, llm: OpenRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: Any, **__: Any) -> None:
        raise AssertionError("it was fetched")

    monkeypatch.setattr("llama_index.core.utils.requests.get", fetched)
    llm.chat([message("user", TextBlock(text="Look:"), block)], model="google/gemini-2.5-flash")

    assert "http://127.0.0.1:1/" in str(sandbox.last.body["messages"])


def test_a_recording_at_a_url_is_refused_and_not_fetched() -> None:
    block = AudioBlock(url="http://127.0.0.1:1/a.mp3", audio=b"")
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[0\]\.url: .*download"):
        sent("user", block)


@pytest.mark.parametrize("url", ["gs://bucket/cat.png", "file:///etc/hosts"])
@pytest.mark.parametrize("cls", [ImageBlock, VideoBlock, DocumentBlock])
def test_an_address_that_openrouter_cannot_reach_is_refused(cls: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[0\]\.url: .*can't be fetched"):
        sent("user", cls(url=url))


def test_paths_of_errors_count_every_block_of_a_models_message() -> None:
    call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={})
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[1\]"):
        sent("assistant", call, ImageBlock())


@pytest.mark.parametrize(
    "block",
    [
        ImageBlock(image=b"", image_mimetype="image/png"),
        VideoBlock(video=b"", video_mimetype="video/mp4"),
        AudioBlock(audio=b"", format="wav"),
        DocumentBlock(data=b"", document_mimetype="application/pdf"),
        ImageBlock(image=BytesIO(), image_mimetype="image/png"),
    ],
    ids=["image", "video", "audio", "document", "file"],
)
def test_a_block_without_a_byte_is_refused(block: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[0\]: the block is empty"):
        sent("user", block)


class SlowFile(BytesIO):
    """Takes its time between its beginning and its end."""

    def read(self, size: int | None = -1, /) -> bytes:
        begun = super().read(4)
        time.sleep(0.01)
        return begun + super().read(size)


def in_a_source(block: Any) -> CitableBlock:
    return CitableBlock(title="T", source="s", content=[TextBlock(text="a"), block])


def in_a_citation(block: Any) -> CitationBlock:
    return CitationBlock(title="T", source="s", cited_content=block, additional_location_info={})


@pytest.mark.parametrize("held", [lambda block: block, in_a_source, in_a_citation])
@pytest.mark.parametrize(
    ("block", "long"),
    [
        (lambda path: ImageBlock(path=path), True),
        (lambda _: ImageBlock(image=BytesIO(b"a")), True),
        (lambda _: ImageBlock(image=bytes(LARGE)), True),
        (lambda _: ImageBlock(image=b"a"), False),
        (lambda _: TextBlock(text="a"), False),
    ],
    ids=["path", "file", "many bytes", "few bytes", "text"],
)
def test_what_has_to_be_read_or_encoded_is_found_wherever_it_is(
    held: Any, block: Any, long: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.touch()
    assert takes_long(held(block(path))) is long


@pytest.mark.parametrize("change", [list.pop, list.clear, lambda held: held.append(held[0])])
@pytest.mark.parametrize("inside", [False, True], ids=["messages", "blocks"])
async def test_a_history_that_changes_while_a_file_is_read_goes_out_as_it_was(
    change: Any, inside: bool
) -> None:
    pdf = DocumentBlock(data=SlowFile(b"%PDF-1.4"), document_mimetype="application/pdf")
    history = [
        ChatMessage(role="user", blocks=[pdf, TextBlock(text="a")]),
        ChatMessage(role="user", content="b"),
    ]
    converting = asyncio.create_task(awire_messages(history))
    await asyncio.sleep(0)
    change(history[0].blocks if inside else history)

    first, second = await converting
    assert [part["type"] for part in first["content"]] == ["file", "text"]
    assert second["content"] == "b"


async def test_a_file_that_calls_have_in_common_reaches_each_whole() -> None:
    pdf = b"%PDF-1.4 of all"
    document = DocumentBlock(data=SlowFile(pdf), document_mimetype="application/pdf")
    asked = [ChatMessage(role="user", blocks=[document])]

    wires = await asyncio.gather(*(awire_messages(asked) for _ in range(4)))

    held = [wire[0]["content"][0]["file"]["file_data"] for wire in wires]
    assert held == [f"data:application/pdf;base64,{base64.b64encode(pdf).decode()}"] * 4


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Report", "Report.pdf"),
        ("Report v1.2", "Report v1.2.pdf"),
        ("Dr. Who", "Dr. Who.pdf"),
        ("Report.pdf", "Report.pdf"),
        ("a: Report.PDF", "a: Report.PDF"),
    ],
)
def test_the_title_of_a_document_gets_the_ending_of_its_type_unless_it_has_one(title: str, name: str) -> None:
    (message,) = wire_messages(
        [ChatMessage(role="user", blocks=[DocumentBlock(data=b"%PDF-1.4", title=title)])]
    )

    assert message["content"][0]["file"]["filename"] == name
