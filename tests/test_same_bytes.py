"""The same conversation through LangChain and through LlamaIndex sends the same bytes: prompt caches look at them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages import ChatMessage as RoleMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ToolCallBlock,
    VideoBlock,
)

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(28)
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF"
CSV = b"a,b\n1,2\n"
MODEL = "google/gemini-2.5-flash"
MARK = {"type": "ephemeral"}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def lc(*content: Any) -> list[BaseMessage]:
    return [HumanMessage(list(content))]


def li(*blocks: Any) -> list[ChatMessage]:
    return [ChatMessage(role="user", blocks=list(blocks))]


def cited(index: int) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": {"url": f"https://a.example/{index}", "title": "A"}}


POINT = CachePoint(cache_control=CacheControl(type="ephemeral"))
LOOK = {"type": "text", "text": "Look:"}
CALL = {"id": "c1", "name": "add", "args": {"a": 1, "b": "ü"}, "type": "tool_call"}
CALL_BLOCK = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1, "b": "ü"})
CUT_CALL = {
    "id": "c1",
    "name": "add",
    "args": '{"a": 1',
    "error": "no JSON",
    "type": "invalid_tool_call",
}

CONVERSATIONS: dict[str, tuple[list[BaseMessage], list[ChatMessage]]] = {
    "text": (
        [SystemMessage("Be brief."), HumanMessage("hi"), AIMessage("Hello."), HumanMessage("Bye.")],
        [
            ChatMessage(role="system", content="Be brief."),
            ChatMessage(content="hi"),
            ChatMessage(role="assistant", content="Hello."),
            ChatMessage(content="Bye."),
        ],
    ),
    "developer": (
        [RoleMessage(role="developer", content="Be brief."), HumanMessage("hi")],
        [ChatMessage(role="developer", content="Be brief."), ChatMessage(content="hi")],
    ),
    "several texts": (lc(LOOK, LOOK), li(TextBlock(text="Look:"), TextBlock(text="Look:"))),
    "image at a URL": (
        lc(LOOK, {"type": "image", "url": "https://a.example/cat.png"}),
        li(TextBlock(text="Look:"), ImageBlock(url="https://a.example/cat.png")),
    ),
    "image": (
        lc(LOOK, {"type": "image", "base64": b64(PNG), "mime_type": "image/png"}),
        li(TextBlock(text="Look:"), ImageBlock(image=PNG)),
    ),
    "image with detail": (
        lc(LOOK, {"type": "image_url", "image_url": {"url": "https://a.example/cat.png", "detail": "low"}}),
        li(TextBlock(text="Look:"), ImageBlock(url="https://a.example/cat.png", detail="low")),
    ),
    "audio": (
        lc(LOOK, {"type": "audio", "base64": b64(WAV), "mime_type": "audio/wav"}),
        li(TextBlock(text="Look:"), AudioBlock(audio=WAV)),
    ),
    "video at a URL": (
        lc(LOOK, {"type": "video", "url": "https://a.example/v.mp4"}),
        li(TextBlock(text="Look:"), VideoBlock(url="https://a.example/v.mp4")),
    ),
    "PDF at a URL with a name": (
        lc(LOOK, {"type": "file", "url": "https://a.example/x.pdf", "filename": "Paper.pdf"}),
        li(TextBlock(text="Look:"), DocumentBlock(url="https://a.example/x.pdf", title="Paper.pdf")),
    ),
    "PDF at a URL": (
        lc(LOOK, {"type": "file", "url": "https://a.example/x.pdf"}),
        li(TextBlock(text="Look:"), DocumentBlock(url="https://a.example/x.pdf")),
    ),
    "PDF with a name": (
        lc(
            LOOK,
            {"type": "file", "base64": b64(PDF), "mime_type": "application/pdf", "filename": "Paper.pdf"},
        ),
        li(TextBlock(text="Look:"), DocumentBlock(data=PDF, title="Paper.pdf")),
    ),
    "PDF": (
        lc(LOOK, {"type": "file", "base64": b64(PDF), "mime_type": "application/pdf"}),
        li(TextBlock(text="Look:"), DocumentBlock(data=PDF)),
    ),
    "text document": (
        lc(LOOK, {"type": "text-plain", "text": "Built in 1872.", "title": "Aster"}),
        li(TextBlock(text="Look:"), DocumentBlock(data=b"Built in 1872.", title="Aster")),
    ),
    "PDF whose title has no ending": (
        lc(
            LOOK,
            {"type": "file", "base64": b64(PDF), "mime_type": "application/pdf", "filename": "Report v1.2"},
        ),
        li(TextBlock(text="Look:"), DocumentBlock(data=PDF, title="Report v1.2")),
    ),
    "table with a title": (
        lc(LOOK, {"type": "file", "base64": b64(CSV), "mime_type": "text/csv", "title": "Sales.csv"}),
        li(TextBlock(text="Look:"), DocumentBlock(data=CSV, title="Sales.csv", document_mimetype="text/csv")),
    ),
    "PDF at a URL whose end is no ending": (
        lc(LOOK, {"type": "file", "url": "https://a.example/v1.2", "mime_type": "application/pdf"}),
        li(TextBlock(text="Look:"), DocumentBlock(url="https://a.example/v1.2")),
    ),
    "tool call and result": (
        [HumanMessage("1 + ü?"), AIMessage("", tool_calls=[CALL]), ToolMessage("4", tool_call_id="c1")],
        [
            ChatMessage(content="1 + ü?"),
            ChatMessage(role="assistant", blocks=[CALL_BLOCK]),
            ChatMessage(role="tool", content="4", additional_kwargs={"tool_call_id": "c1"}),
        ],
    ),
    "result with an image": (
        [
            HumanMessage("1 + ü?"),
            AIMessage("I add.", tool_calls=[CALL]),
            ToolMessage([LOOK, {"type": "image", "url": "https://a.example/c.png"}], tool_call_id="c1"),
        ],
        [
            ChatMessage(content="1 + ü?"),
            ChatMessage(role="assistant", blocks=[TextBlock(text="I add."), CALL_BLOCK]),
            ChatMessage(
                role="tool",
                blocks=[TextBlock(text="Look:"), ImageBlock(url="https://a.example/c.png")],
                additional_kwargs={"tool_call_id": "c1"},
            ),
        ],
    ),
    "tool call that was cut off": (
        [
            HumanMessage("hi"),
            AIMessage("", invalid_tool_calls=[CUT_CALL]),
            ToolMessage("cut off", tool_call_id="c1"),
        ],
        [
            ChatMessage(content="hi"),
            ChatMessage(
                role="assistant",
                blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs='{"a": 1')],
            ),
            ChatMessage(role="tool", content="cut off", additional_kwargs={"tool_call_id": "c1"}),
        ],
    ),
    "marked text": (
        lc({**LOOK, "cache_control": MARK}, {"type": "text", "text": "hi"}),
        li(TextBlock(text="Look:"), POINT, TextBlock(text="hi")),
    ),
    "marked image": (
        lc(
            LOOK,
            {"type": "image", "url": "https://a.example/c.png", "extras": {"cache_control": MARK}},
        ),
        li(TextBlock(text="Look:"), ImageBlock(url="https://a.example/c.png"), POINT),
    ),
    "marked message": (
        [HumanMessage("hi", additional_kwargs={"cache_control": MARK})],
        [ChatMessage(content="hi", additional_kwargs={"cache_control": MARK})],
    ),
    "marked message that ends with an image": (
        [
            HumanMessage(
                [LOOK, {"type": "image", "url": "https://a.example/c.png"}],
                additional_kwargs={"cache_control": MARK},
            )
        ],
        [
            ChatMessage(
                blocks=[TextBlock(text="Look:"), ImageBlock(url="https://a.example/c.png")],
                additional_kwargs={"cache_control": MARK},
            )
        ],
    ),
    "name": (
        [HumanMessage("hi", name="ida")],
        [ChatMessage(content="hi", additional_kwargs={"name": "ida"})],
    ),
}

DETAILS: list[dict[str, Any]] = [
    {
        "type": "reasoning.text",
        "text": "Hm.",
        "signature": "s",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"type": "reasoning.encrypted", "data": "eA==", "format": "openai-responses-v1", "index": 1},
]
WIRE_CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,  "b":"ü"}'}}
IMAGE_URL = {"url": f"data:image/png;base64,{b64(PNG)}"}

ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"content": "Hello."}, "stop"),
    "reasoning": ({"content": "Hello.", "reasoning": "Hm.", "reasoning_details": DETAILS}, "stop"),
    "empty reasoning": ({"content": "Hello.", "reasoning_details": []}, "stop"),
    "unsigned reasoning": (
        {"content": "Hello.", "reasoning": "Hm.", "reasoning_details": [{**DETAILS[0], "signature": None}]},
        "stop",
    ),
    "tool call with reasoning": (
        {"content": None, "tool_calls": [WIRE_CALL], "reasoning_details": DETAILS},
        "tool_calls",
    ),
    "tool call that was cut off": (
        {
            "content": None,
            "tool_calls": [{**WIRE_CALL, "function": {"name": "add", "arguments": '{"a":'}}],
        },
        "length",
    ),
    "tool call that was cut off before its arguments": (
        {"content": None, "tool_calls": [{**WIRE_CALL, "function": {"name": "add", "arguments": ""}}]},
        "length",
    ),
    "drawn images": (
        {"content": "Here.", "images": [{"type": "image_url", "image_url": IMAGE_URL, "index": 0}]},
        "stop",
    ),
    "speech": ({"content": None, "audio": {"id": "a1", "data": b64(WAV), "transcript": "hello"}}, "stop"),
    "citations and a parsed file": (
        {
            "content": "It is.",
            "annotations": [cited(0), {"type": "file", "file": {"hash": "h", "content": []}}, cited(1)],
        },
        "stop",
    ),
    "refusal": ({"content": None, "refusal": "I won't."}, "stop"),
}


@pytest.fixture
def sandbox() -> Any:
    with Sandbox(credits="100") as sandbox:
        yield sandbox


def models(sandbox: Sandbox) -> tuple[ChatOpenRouter, OpenRouter]:
    where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "check": "off"}
    return ChatOpenRouter(model=MODEL, **where), OpenRouter(MODEL, **where)


def last_messages(sandbox: Sandbox) -> str:
    # As text, which has the order of keys too.
    return json.dumps(sandbox.last.body["messages"], ensure_ascii=False)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_same_conversation_sends_the_same_bytes(name: str, sandbox: Sandbox) -> None:
    langchain, llamaindex = models(sandbox)
    of_langchain, of_llamaindex = CONVERSATIONS[name]

    langchain.invoke(of_langchain)
    sent = last_messages(sandbox)
    llamaindex.chat(of_llamaindex)

    assert last_messages(sandbox) == sent


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ANSWERS)
def test_the_same_answer_goes_back_as_the_same_bytes(name: str, streaming: bool, sandbox: Sandbox) -> None:
    langchain, llamaindex = models(sandbox)
    message, reason = ANSWERS[name]
    result = {"tool_call_id": "c1"}

    sandbox.answer_next(message, finish_reason=reason)
    if streaming:
        chunks = list(langchain.stream("hi"))
        answer = sum(chunks[1:], chunks[0])
    else:
        answer = langchain.invoke("hi")
    then: Any = ToolMessage("4", **result) if "tool_calls" in message else HumanMessage("Thanks.")
    langchain.invoke([HumanMessage("hi"), answer, then])
    sent = last_messages(sandbox)

    question = ChatMessage(content="hi")
    sandbox.answer_next(message, finish_reason=reason)
    response = list(llamaindex.stream_chat([question]))[-1] if streaming else llamaindex.chat([question])
    thanks = ChatMessage(content="Thanks.")
    if "tool_calls" in message:
        thanks = ChatMessage(role="tool", content="4", additional_kwargs=result)
    llamaindex.chat([question, response.message, thanks])

    assert last_messages(sandbox) == sent
