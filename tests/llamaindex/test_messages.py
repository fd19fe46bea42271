"""What goes out for each message and each of its blocks."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
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
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llamaindex_openrouter_opts import OpenRouter
from llamaindex_openrouter_opts.messages import wire_messages
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.sandbox import Sandbox

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(28)
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(16)


def data_url(mimetype: str, data: bytes) -> str:
    return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"


def user(*blocks: Any, **kwargs: Any) -> Any:
    (message,) = wire_messages([ChatMessage(role="user", blocks=list(blocks), additional_kwargs=kwargs)])
    return message["content"]


def assistant(*blocks: Any, **kwargs: Any) -> dict[str, Any]:
    (message,) = wire_messages([ChatMessage(role="assistant", blocks=list(blocks), additional_kwargs=kwargs)])
    return message


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        ("system", "system"),
        ("developer", "developer"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("model", "assistant"),
        ("chatbot", "assistant"),
    ],
)
def test_roles_are_those_of_the_api(role: str, sent: str) -> None:
    assert wire_messages([ChatMessage(role=role, content="hi")]) == [{"role": sent, "content": "hi"}]


@pytest.mark.parametrize("role", ["tool", "function"])
def test_a_tools_result_names_its_call(role: str) -> None:
    message = ChatMessage(role=role, content="4", additional_kwargs={"tool_call_id": "c1", "name": "add"})

    assert wire_messages([message]) == [{"role": "tool", "tool_call_id": "c1", "content": "4"}]


def test_a_tools_result_without_its_call_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[1\]\.additional_kwargs\.tool_call_id: "):
        wire_messages([ChatMessage(content="hi"), ChatMessage(role=MessageRole.TOOL, content="4")])


def test_a_message_without_blocks_is_empty_text() -> None:
    assert user() == ""
    assert assistant() == {"role": "assistant", "content": ""}


def test_several_texts_stay_apart() -> None:
    assert user(TextBlock(text="a"), TextBlock(text="b")) == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            ImageBlock(url="https://example.com/cat.png", detail="low"),
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png", "detail": "low"}},
        ),
        (
            ImageBlock(url=data_url("image/png", PNG)),
            {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}},
        ),
        (ImageBlock(image=PNG), {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}}),
        (
            ImageBlock(image=b"<svg/>", image_mimetype="image/svg+xml"),
            {"type": "image_url", "image_url": {"url": data_url("image/svg+xml", b"<svg/>")}},
        ),
        (
            ImageBlock(image=BytesIO(PNG)),
            {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}},
        ),
        (
            AudioBlock(audio=WAV),
            {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
        ),
        (
            AudioBlock(audio=b"\x00\x01", format="pcm16"),
            {"type": "input_audio", "input_audio": {"data": "AAE=", "format": "pcm16"}},
        ),
        (
            AudioBlock(url=data_url("audio/wav", WAV)),
            {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
        ),
        (
            VideoBlock(url="https://www.youtube.com/watch?v=x"),
            {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=x"}},
        ),
        (VideoBlock(video=MP4), {"type": "video_url", "video_url": {"url": data_url("video/mp4", MP4)}}),
        (
            DocumentBlock(url="https://example.com/paper.pdf"),
            {"type": "file", "file": {"filename": "paper.pdf", "file_data": "https://example.com/paper.pdf"}},
        ),
        (
            DocumentBlock(data=PDF, title="Paper"),
            {
                "type": "file",
                "file": {"filename": "Paper.pdf", "file_data": data_url("application/pdf", PDF)},
            },
        ),
        (
            DocumentBlock(data=BytesIO(PDF), document_mimetype="application/pdf"),
            {
                "type": "file",
                "file": {"filename": "document.pdf", "file_data": data_url("application/pdf", PDF)},
            },
        ),
    ],
)
def test_media_go_out_as_url_or_data(block: Any, part: dict[str, Any]) -> None:
    assert user(TextBlock(text="Look:"), block) == [{"type": "text", "text": "Look:"}, part]


def test_files_are_read_from_disk(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "notes.pdf").write_bytes(PDF)

    image, document = user(
        ImageBlock(path=tmp_path / "cat.png"), DocumentBlock(path=str(tmp_path / "notes.pdf"))
    )

    assert image["image_url"]["url"] == data_url("image/png", PNG)
    assert document["file"] == {"filename": "notes.pdf", "file_data": data_url("application/pdf", PDF)}


def test_text_documents_go_out_as_text() -> None:
    assert user(DocumentBlock(data=b"The harbour, 1872.", title="Aster")) == "Aster\n\nThe harbour, 1872."


def test_citable_blocks_go_out_as_text_under_their_title() -> None:
    block = CitableBlock(title="Aster", source="aster.txt", content=[TextBlock(text="Built in 1872.")])

    assert [part["text"] for part in user(block)] == ["Aster (aster.txt)", "Built in 1872."]


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (AudioBlock(url="https://example.com/a.mp3"), "url"),
        (AudioBlock(audio=b"\xff\x00\xfe\x01"), "format"),
        (ImageBlock(image=b"\xff\x00\xfe\x01"), "image_mimetype"),
        (VideoBlock(video=b"\xff\x00\xfe\x01"), "video_mimetype"),
        (DocumentBlock(data=b"\xff\x00\xfe\x01"), "document_mimetype"),
    ],
)
def test_media_of_which_too_little_is_known_are_refused_with_their_place(block: Any, path: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^messages\[0\]\.blocks\[1\]\.{path}: "):
        user(TextBlock(text="Look:"), block)


def test_an_empty_block_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[0\]: the block is empty"):
        user(ImageBlock())


def test_a_cache_point_marks_the_part_before_it() -> None:
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    long_lived = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))

    assert user(TextBlock(text="a"), point, ImageBlock(url="https://example.com/i.png"), long_lived) == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {
            "type": "image_url",
            "image_url": {"url": "https://example.com/i.png"},
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
    ]


def test_a_system_message_can_be_cached() -> None:
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))
    (message,) = wire_messages([ChatMessage(role="system", blocks=[TextBlock(text="Long."), point])])

    assert message["content"] == [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]


def test_a_cache_point_with_nothing_before_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.blocks\[0\]: a cache point"):
        user(CachePoint(cache_control=CacheControl(type="ephemeral")))


def test_tool_calls_go_back_as_json_and_without_blank_text() -> None:
    message = assistant(
        TextBlock(text=""),
        ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1, "b": "ü"}),
        ToolCallBlock(tool_call_id="c2", tool_name="now", tool_kwargs=""),
        ToolCallBlock(tool_call_id="c3", tool_name="mul", tool_kwargs='{"a":2}'),
    )

    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": "ü"}'}},
            {"id": "c2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
            {"id": "c3", "type": "function", "function": {"name": "mul", "arguments": '{"a":2}'}},
        ],
    }


def test_arguments_that_a_model_never_finished_go_back_as_json_all_the_same() -> None:
    message = assistant(ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs='{"a": 1'))

    (call,) = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"INVALID_JSON": '{"a": 1'}


@pytest.mark.parametrize("as_object", [False, True])
def test_calls_of_older_histories_go_back_too(as_object: bool) -> None:
    call: Any = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    if as_object:
        from types import SimpleNamespace

        call = SimpleNamespace(id="c1", function=SimpleNamespace(name="add", arguments='{"a": 1}'))

    message = assistant(tool_calls=[call])

    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    ]


def test_notes_in_additional_kwargs_stay_here() -> None:
    message = assistant(TextBlock(text="hi"), prompt_tokens=3, foo="bar", tool_call_id="c1", name="bob")

    assert message == {"role": "assistant", "content": "hi", "name": "bob"}


def test_reasoning_goes_back_as_it_came() -> None:
    details = [
        {
            "type": "reasoning.text",
            "text": "Hm.",
            "signature": "s",
            "format": "anthropic-claude-v1",
            "index": 0,
        },
        {
            "type": "reasoning.encrypted",
            "data": "x",
            "id": "rs_1",
            "format": "openai-responses-v1",
            "index": 1,
        },
    ]
    thinking = ThinkingBlock(content="Hm.", additional_information={"reasoning_details": details})

    message = assistant(thinking, TextBlock(text="hi"))

    assert message == {"role": "assistant", "content": "hi", "reasoning_details": details}


def test_empty_reasoning_details_go_back_since_deepseek_wants_them() -> None:
    thinking = ThinkingBlock(content="Hm.", additional_information={"reasoning_details": []})

    assert assistant(thinking, TextBlock(text="hi"))["reasoning_details"] == []


def test_reasoning_that_no_provider_would_take_stays_here() -> None:
    unsigned = [{"type": "reasoning.text", "text": "Hm.", "format": "anthropic-claude-v1"}]
    thinking = ThinkingBlock(content="Hm.", additional_information={"reasoning_details": unsigned})

    assert assistant(thinking, TextBlock(text="hi")) == {"role": "assistant", "content": "hi"}
    assert assistant(ThinkingBlock(content="Hm."), TextBlock(text="hi")) == {
        "role": "assistant",
        "content": "hi",
    }


def test_reasoning_that_two_messages_share_goes_back_once() -> None:
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0}]
    thinking = ThinkingBlock(additional_information={"reasoning_details": details})
    message = ChatMessage(role="assistant", blocks=[thinking, TextBlock(text="hi")])

    first, second = wire_messages([message, message])

    assert first["reasoning_details"] == details
    assert "reasoning_details" not in second


def test_what_a_model_drew_said_and_read_goes_back_where_it_came_from() -> None:
    parsed_file = {"type": "file", "file": {"hash": "h", "content": []}}
    message = assistant(
        ImageBlock(image=PNG),
        AudioBlock(audio=WAV),
        CitationBlock(cited_content="x", source="https://a.b", title="A", additional_location_info={}),
        annotations=[parsed_file, {"type": "url_citation", "url_citation": {}}],
        audio={"id": "audio_1", "transcript": "hi"},
        refusal="No.",
    )

    assert message == {
        "role": "assistant",
        "content": None,
        "refusal": "No.",
        "images": [{"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}}],
        "annotations": [parsed_file],
        "audio": {"id": "audio_1"},
    }


def test_a_tools_result_can_be_an_image(sandbox: Sandbox, llm: OpenRouter) -> None:
    call = ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={})
    result = ChatMessage(
        role="tool",
        blocks=[TextBlock(text="A photo:"), ImageBlock(image=PNG)],
        additional_kwargs={"tool_call_id": "c1"},
    )

    llm.chat([ChatMessage(content="Look."), ChatMessage(role="assistant", blocks=[call]), result])

    assert [part["type"] for part in sandbox.last.body["messages"][-1]["content"]] == ["text", "image_url"]


def test_an_image_reaches_the_model(llm: OpenRouter) -> None:
    message = ChatMessage(blocks=[TextBlock(text="What is in this image?"), ImageBlock(image=PNG)])

    assert "image/png" in str(llm.chat([message]))


def test_messages_are_left_as_they_are() -> None:
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]
    messages = [
        ChatMessage(blocks=[ImageBlock(image=PNG), CachePoint(cache_control=CacheControl(type="ephemeral"))]),
        ChatMessage(
            role="assistant",
            blocks=[
                ThinkingBlock(additional_information={"reasoning_details": details}),
                ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1}),
            ],
        ),
    ]
    before = copy.deepcopy(messages)

    wire = wire_messages([*messages, *messages])
    wire[0]["content"][0]["type"] = "changed"

    assert messages == before


def test_a_conversation_survives_json(make_llm: Callable[..., OpenRouter], sandbox: Sandbox) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"})
    question = ChatMessage(content="What is 12 * 7?")
    answer = llm.chat([question]).message

    reloaded = ChatMessage.model_validate_json(answer.model_dump_json())
    llm.chat([question, reloaded, ChatMessage(content="And 3 * 4?")])

    assert sandbox.last.body["messages"][1] == wire_messages([answer])[0]
    assert sandbox.last.body["messages"][1]["reasoning_details"][0]["signature"]


@pytest.mark.parametrize("named", ["function_call", "tool_calls"])
def test_the_result_of_a_function_in_an_old_history_answers_the_last_call_of_its_name(named: str) -> None:
    def calling(number: int) -> ChatMessage:
        function = {"name": "add", "arguments": f'{{"a": {number}}}'}
        other = {"id": f"x{number}", "function": {"name": "other", "arguments": "{}"}}
        calls = [{"id": f"c{number}", "function": function}, other]
        kwargs = {"function_call": function} if named == "function_call" else {"tool_calls": calls}
        return ChatMessage(role="assistant", content="", additional_kwargs=kwargs)

    result = ChatMessage(role="function", content="3", additional_kwargs={"name": "add"})
    history = [calling(1), result, calling(2), result]

    sent = wire_messages([ChatMessage("Add."), *history])

    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "assistant", "tool"]
    answered = [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert answered == (["add", "add"] if named == "function_call" else ["c1", "c2"])
    for message in sent[1::2]:
        assert message["tool_calls"][0]["id"] in answered
    with pytest.raises(ConfigurationError, match=r"messages\[0\].*tool_call_id"):
        wire_messages([result])
