"""Every kind of content, in every spelling, in every message that may hold it: one table of what goes out, and OpenRouter takes it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts.messages import awire_messages, wire_messages
from openrouter_opts import ConfigurationError
from openrouter_opts.protocol.encoding import LARGE
from openrouter_opts.sandbox import Sandbox

PNG, WAV, PDF, MP4 = "iVBORw0KGgo=", "UklGRiQA", "JVBERi0x", "AAAAGGZ0"
URL = "https://a.example/x"
MARK = {"type": "ephemeral", "ttl": "1h"}

IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
IMAGE_AT = {"type": "image_url", "image_url": {"url": URL}}
IMAGE_LOW = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
FILM = {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{MP4}"}}
FILM_AT = {"type": "video_url", "video_url": {"url": URL}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
NAMELESS = {
    "type": "file",
    "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
}
FILE_AT = {"type": "file", "file": {"file_data": URL}}
UPLOAD = {"type": "file", "file": {"file_id": "f1"}}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


V1: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": (text("hi", id="lc_1", index=0, annotations=[]), text("hi")),
    "marked text": (text("hi", cache_control=MARK), text("hi", cache_control=MARK)),
    "text marked in extras": (text("hi", extras={"cache_control": MARK}), text("hi", cache_control=MARK)),
    "image": ({"type": "image", "base64": PNG, "mime_type": "image/png"}, IMAGE),
    "image as bytes": (
        {"type": "image", "base64": b"\x89PNG\r\n\x1a\n", "mime_type": "image/png"},
        IMAGE,
    ),
    "image as a data URL": (
        {"type": "image", "base64": f"data:image/png;base64,{PNG}", "mime_type": "image/png"},
        IMAGE,
    ),
    "image at a URL": ({"type": "image", "url": URL, "id": "lc_1", "index": 0}, IMAGE_AT),
    "image in low detail": ({"type": "image", "url": URL, "extras": {"detail": "low"}}, IMAGE_LOW),
    "image uploaded": ({"type": "image", "file_id": "f1"}, UPLOAD),
    "marked image": (
        {"type": "image", "url": URL, "extras": {"cache_control": MARK}},
        {**IMAGE_AT, "cache_control": MARK},
    ),
    "audio": ({"type": "audio", "base64": WAV, "mime_type": "audio/x-wav"}, SOUND),
    "audio of no type": ({"type": "audio", "base64": WAV}, SOUND),
    "audio as a data URL": ({"type": "audio", "url": f"data:audio/wav;base64,{WAV}"}, SOUND),
    "mp3": (
        {"type": "audio", "base64": WAV, "mime_type": "audio/mpeg"},
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "mp3"}},
    ),
    "video": ({"type": "video", "base64": MP4, "mime_type": "video/mp4"}, FILM),
    "video at a URL": ({"type": "video", "url": URL}, FILM_AT),
    "file": (
        {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"},
        FILE,
    ),
    "file of no name": ({"type": "file", "base64": PDF, "mime_type": "application/pdf"}, NAMELESS),
    "file at a URL": ({"type": "file", "url": URL}, FILE_AT),
    "file uploaded": ({"type": "file", "file_id": "f1"}, UPLOAD),
    "file of text": ({"type": "file", "base64": "aGk=", "mime_type": "text/csv"}, text("hi")),
    "plain text": ({"type": "text-plain", "text": "hi", "title": "T", "context": "C"}, text("T\n\nC\n\nhi")),
    "plain text as base64": ({"type": "text-plain", "base64": "aGk=", "mime_type": "text/plain"}, text("hi")),
    "plain text at a URL": ({"type": "text-plain", "url": URL}, FILE_AT),
    "non-standard": ({"type": "non_standard", "value": {"type": "image_url", "image_url": URL}}, IMAGE_AT),
}
V0: dict[str, tuple[Any, dict[str, Any]]] = {
    "image": (
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        IMAGE,
    ),
    "image at a URL": ({"type": "image", "source_type": "url", "url": URL}, IMAGE_AT),
    "image uploaded": ({"type": "image", "source_type": "id", "id": "f1"}, UPLOAD),
    "audio": ({"type": "audio", "source_type": "base64", "data": WAV, "mime_type": "audio/wav"}, SOUND),
    "file": (
        {
            "type": "file",
            "source_type": "base64",
            "data": PDF,
            "mime_type": "application/pdf",
            "metadata": {"filename": "a.pdf"},
        },
        FILE,
    ),
    "file at a URL": ({"type": "file", "source_type": "url", "url": URL}, FILE_AT),
    "file uploaded": ({"type": "file", "source_type": "id", "id": "f1"}, UPLOAD),
    "file of text": ({"type": "file", "source_type": "text", "url": "hi"}, text("hi")),
    "plain text": ({"type": "text-plain", "source_type": "text", "text": "hi"}, text("hi")),
}
OPENAI_CHAT: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ("hi", text("hi")),
    "image": ({"type": "image_url", "image_url": {"url": URL, "detail": "low"}}, IMAGE_LOW),
    "image as a string": ({"type": "image_url", "image_url": URL}, IMAGE_AT),
    "audio": ({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}, SOUND),
    "audio with LangChain's notes": ({**SOUND, "id": "lc_1", "index": 3}, SOUND),
    "file": (FILE, FILE),
    "file as base64 alone": ({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}, FILE),
    "file with LangChain's notes": ({**UPLOAD, "id": "lc_1", "index": 3, "extras": {"q": 1}}, UPLOAD),
    "marked file": ({**UPLOAD, "cache_control": MARK}, {**UPLOAD, "cache_control": MARK}),
    "video": (FILM_AT, FILM_AT),
    "video as a string": ({"type": "video_url", "video_url": URL}, FILM_AT),
    "video, as it was called": ({"type": "input_video", "video_url": {"url": URL}}, FILM_AT),
}
OPENAI_RESPONSES: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ({"type": "input_text", "text": "hi"}, text("hi")),
    "image": ({"type": "input_image", "image_url": URL, "detail": "low"}, IMAGE_LOW),
    "image uploaded": ({"type": "input_image", "file_id": "f1"}, UPLOAD),
    "file": (
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": f"data:application/pdf;base64,{PDF}",
        },
        FILE,
    ),
    "file at a URL": ({"type": "input_file", "file_url": URL}, FILE_AT),
    "file uploaded": ({"type": "input_file", "file_id": "f1"}, UPLOAD),
}
ANTHROPIC: dict[str, tuple[Any, dict[str, Any]]] = {
    "image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        IMAGE,
    ),
    "image at a URL": ({"type": "image", "source": {"type": "url", "url": URL}}, IMAGE_AT),
    "image uploaded": ({"type": "image", "source": {"type": "file", "file_id": "f1"}}, UPLOAD),
    "marked image": (
        {"type": "image", "source": {"type": "url", "url": URL}, "cache_control": MARK},
        {**IMAGE_AT, "cache_control": MARK},
    ),
    "document": (
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
        FILE,
    ),
    "document at a URL": ({"type": "document", "source": {"type": "url", "url": URL}}, FILE_AT),
    "document uploaded": ({"type": "document", "source": {"type": "file", "file_id": "f1"}}, UPLOAD),
    "document of text": (
        {
            "type": "document",
            "title": "T",
            "source": {"type": "text", "media_type": "text/plain", "data": "hi"},
        },
        text("T\n\nhi"),
    ),
    "document of one text": (
        {"type": "document", "source": {"type": "content", "content": "hi"}},
        text("hi"),
    ),
    "search result": (
        {"type": "search_result", "source": URL, "title": "T", "content": [text("one"), text("two")]},
        text(f"T\n{URL}\n\none\n\ntwo"),
    ),
}
GOOGLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ({"text": "hi"}, text("hi")),
    "image": ({"type": "media", "mime_type": "image/png", "data": PNG}, IMAGE),
    "audio": ({"type": "media", "mime_type": "audio/wav", "data": WAV}, SOUND),
    "video": ({"type": "media", "mime_type": "video/mp4", "data": MP4}, FILM),
    "video at a URL": ({"type": "media", "mime_type": "video/mp4", "file_uri": URL}, FILM_AT),
    "file": ({"type": "media", "mime_type": "application/pdf", "data": PDF}, NAMELESS),
    "file at a URL": ({"type": "media", "mime_type": "application/pdf", "file_uri": URL}, FILE_AT),
    "file of text": ({"type": "media", "mime_type": "text/plain", "data": "aGk="}, text("hi")),
}
BEDROCK: dict[str, tuple[Any, dict[str, Any]]] = {
    "image": ({"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n"}}}, IMAGE),
    "document": (
        {"document": {"format": "pdf", "name": "a.pdf", "source": {"bytes": b"%PDF-1"}}},
        FILE,
    ),
    "document of text": ({"document": {"format": "txt", "source": {"text": "hi"}}}, text("hi")),
}
SPELLINGS = {
    "v1": V1,
    "v0": V0,
    "OpenAI chat": OPENAI_CHAT,
    "OpenAI responses": OPENAI_RESPONSES,
    "Anthropic": ANTHROPIC,
    "Google": GOOGLE,
    "Bedrock": BEDROCK,
}
KINDS = [
    pytest.param(block, part, id=f"{kind}, {spelling}")
    for spelling, table in SPELLINGS.items()
    for kind, (block, part) in table.items()
]
every_kind = pytest.mark.parametrize(("block", "part"), KINDS)
CALL = {"id": "c1", "name": "look", "args": {}}


def sent(llm: ChatOpenRouter, sandbox: Sandbox, *messages: BaseMessage) -> list[Any]:
    """Return the messages that the sandbox has taken; it refuses what OpenRouter refuses."""
    llm.invoke([*messages])
    return sandbox.last.body["messages"]


@pytest.fixture
def llm(make_llm: Any) -> ChatOpenRouter:
    return make_llm("google/gemini-2.5-flash")


@every_kind
def test_a_user_may_say_it(llm: ChatOpenRouter, sandbox: Sandbox, block: Any, part: Any) -> None:
    wanted = {"role": "user", "content": [text("See:"), part]}
    messages = (HumanMessage([text("See:"), block]), ChatMessage([text("See:"), block], role="user"))
    assert sent(llm, sandbox, *messages) == [wanted, wanted]


@pytest.mark.parametrize(("block", "part"), [each for each in KINDS if "Bedrock" not in str(each.id)])
def test_a_tool_may_return_it(llm: ChatOpenRouter, sandbox: Sandbox, block: Any, part: Any) -> None:
    asked = (HumanMessage("Look."), AIMessage("", tool_calls=[CALL]))
    *_, tool = sent(llm, sandbox, *asked, ToolMessage([text("See:"), block], tool_call_id="c1"))
    if isinstance(block, dict) and "type" not in block:
        part = text(json.dumps(block))  # no block, but a tool's data
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": [text("See:"), part]}


@every_kind
def test_a_model_may_have_said_it(llm: ChatOpenRouter, sandbox: Sandbox, block: Any, part: Any) -> None:
    asked = (HumanMessage("Show."), AIMessage([text("See:"), block]), HumanMessage("Thanks."))
    _, assistant, _ = sent(llm, sandbox, *asked)
    if part["type"] == "image_url":
        wanted = {"role": "assistant", "content": "See:", "images": [part]}
    else:
        wanted = {"role": "assistant", "content": [text("See:"), part]}
    assert assistant == wanted


@every_kind
@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_are_text(
    llm: ChatOpenRouter, sandbox: Sandbox, role: str, block: Any, part: Any
) -> None:
    message = SystemMessage([text("See:"), block], additional_kwargs={"__openai_role__": role})
    if part["type"] == "text":
        wanted = {"role": role, "content": [text("See:"), part]}
        same = ChatMessage([text("See:"), block], role=role)
        assert sent(llm, sandbox, message, same, HumanMessage("hi"))[:2] == [wanted, wanted]
    else:
        with pytest.raises(ConfigurationError, match=r"messages\[0\]\.content\[1\].*a message of the user"):
            llm.invoke([message])
        assert not sandbox.requests


def test_a_document_of_blocks_is_what_it_holds() -> None:
    inside = [text("one"), {"type": "image", "source": {"type": "url", "url": URL}}]
    document = {
        "type": "document",
        "title": "T",
        "source": {"type": "content", "content": inside},
        "cache_control": MARK,
    }
    (message,) = wire_messages([HumanMessage([document])])
    assert message["content"] == [text("T"), text("one", cache_control=MARK), IMAGE_AT]


def test_a_cache_point_of_bedrock_is_a_mark_on_what_comes_before() -> None:
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    content = [text("long"), point, text("short")]
    messages = (HumanMessage(content), AIMessage(content), ToolMessage(content, tool_call_id="c1"))
    for message in wire_messages(messages):
        assert message["content"] == [text("long", cache_control=MARK), text("short")]


def test_what_is_not_known_here_is_for_openrouter_to_judge() -> None:
    hologram = {"type": "hologram", "depth": 3}
    (user,) = wire_messages([HumanMessage([hologram, {"type": "non_standard", "value": hologram}])])
    assert user["content"] == [hologram, hologram]
    (typed,) = wire_messages([HumanMessage([{**IMAGE_AT, "novel": 1}])])
    assert typed["content"] == [{**IMAGE_AT, "novel": 1}]


@pytest.mark.parametrize(
    ("block", "remedy"),
    [
        ({"type": "audio", "url": "https://a/b.wav"}, "needs `base64`.*download it"),
        ({"type": "audio", "file_id": "f1"}, "needs `base64`"),
        ({"type": "audio", "base64": "AAAA"}, "mime_type"),
        ({"type": "input_audio"}, "needs `base64`"),
        ({"type": "image"}, "needs `url` or `base64`"),
        ({"type": "image", "base64": 7, "mime_type": "image/png"}, "text or bytes, not int"),
        ({"type": "image", "url": "cat.png"}, "can't be fetched.*http"),
        ({"type": "image_url", "image_url": {"url": "cat.png"}}, "can't be fetched"),
        ({"type": "image_url", "image_url": {}}, "can't be fetched"),
        ({"type": "video", "url": "gs://bucket/film.mp4"}, "can't be fetched"),
        ({"type": "file", "file": {"file_data": "AAAA"}}, "can't be fetched"),
        ({"type": "file", "base64": "AAAA"}, "mime_type"),
        ({"type": "media", "data": PNG}, "mime_type"),
        ({"type": "text-plain", "base64": "////"}, "UTF-8"),
        ({"depth": 3}, r"a block needs a `type`; this one has \['depth'\]"),
        ({"cachePoint": {"type": "default"}}, "a cache breakpoint needs"),
    ],
)
@pytest.mark.parametrize("kind", [HumanMessage, AIMessage])
def test_what_cannot_be_sent_is_named_by_its_path(kind: type[BaseMessage], block: Any, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        wire_messages([HumanMessage("hi"), kind(content=[block])])
    assert str(caught.value).startswith("messages[1].content[0]: ")


def test_a_path_leads_into_results_and_documents() -> None:
    broken = {"type": "image", "base64": "AAAA"}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [text("a"), broken]}
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.content\[1\]\.content\[1\]: "):
        wire_messages([HumanMessage([text("a"), result])])
    document = {"type": "document", "source": {"type": "content", "content": [broken]}}
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.content\[0\]\.source\.content\[0\]: "):
        wire_messages([HumanMessage([document])])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.append(text("b")),
        lambda content: content.pop(),
        lambda content: content[1].update(text="b"),
    ],
    ids=["longer", "shorter", "another text"],
)
async def test_a_message_that_changes_while_it_is_encoded_goes_out_as_it_was(change: Any) -> None:
    message = HumanMessage(
        [{"type": "image", "base64": bytes(16 * LARGE), "mime_type": "image/png"}, text("a")]
    )
    converting = asyncio.create_task(awire_messages([message]))
    await asyncio.sleep(0)
    change(message.content)

    (wire,) = await converting
    assert wire["content"][1:] == [text("a")]


async def test_content_that_contains_itself_is_refused_in_a_thread_too() -> None:
    knot = text("A" * LARGE)
    knot["again"] = [knot]
    with pytest.raises(ConfigurationError, match=r"^messages\[0\]\.content\[0\]\.again.*contains itself"):
        await awire_messages([HumanMessage([knot])])
