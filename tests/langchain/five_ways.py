"""Answers that LangChain can be given in several ways: what OpenRouter sends whole, what it sends in pieces, and the blocks of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.scripted_server import Delivery, Script
from tests.wire_bytes import DONE, USAGE, answer, event, streamed

Piece = dict[str, Any]

USAGE_IN_DETAIL = {
    **USAGE,
    "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1, "image_tokens": 4},
    "server_tool_use_details": {"web_search_requests": 1},
    "is_byok": True,
    "cost_details": {"upstream_inference_cost": 0.0125, "server_tool_cost": None},
}
FACTS = {
    "id": "gen-1790000000-abc",
    "provider": "Mock",
    "model": "mock/model-2026",
    "created": 1790000000,
    "system_fingerprint": "fp_1",
    "service_tier": "default",
}


@dataclass(frozen=True)
class Answer:
    """One answer of a model.

    Attributes:
        name: What is special about it.
        message: The message as it comes whole.
        pieces: Its pieces as they come in a stream.
        blocks: What LangChain's content blocks should be.
        finish_reason: Why it ended.
        usage: What it used.
    """

    name: str
    message: Piece
    pieces: tuple[Piece, ...]
    blocks: tuple[Piece, ...]
    finish_reason: str = "stop"
    usage: Piece | None = None

    def script(self, delivery: Delivery) -> Script:
        """Return what the server does about a request: it streams if that is asked for."""
        ended = {"finish_reason": self.finish_reason, "native_finish_reason": f"native_{self.finish_reason}"}
        usage = USAGE if self.usage is None else self.usage
        if not delivery.json.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", **self.message}, **ended}
            return [answer({**FACTS, "object": "chat.completion", "choices": [choice], "usage": usage})]
        chunks = [
            {
                **FACTS,
                "choices": [{"index": 0, "delta": {"role": "assistant", **piece}, "finish_reason": None}],
            }
            for piece in self.pieces
        ]
        last = {**FACTS, "choices": [{"index": 0, "delta": {"content": ""}, **ended}]}
        paid = {**FACTS, "choices": [{"index": 0, "delta": {"content": ""}, **ended}], "usage": usage}
        return streamed(*map(event, (*chunks, last, paid)), DONE)


def call(id_: str, name: str, arguments: str) -> Piece:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def more(index: int, arguments: str) -> Piece:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def opened(index: int, id_: str, name: str, arguments: str = "") -> Piece:
    return {"tool_calls": [{"index": index, **call(id_, name, arguments)}]}


def text(said: str, **more: Any) -> Piece:
    return {"type": "text", "text": said, **more}


SIGNED = {
    "type": "reasoning.text",
    "text": "Let me think.",
    "signature": "sig",
    "format": "anthropic-claude-v1",
    "index": 0,
}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": "anthropic-claude-v1", "index": 1}
OPENAI = {
    "type": "reasoning.encrypted",
    "id": "rs_1",
    "data": "Z0FB",
    "format": "openai-responses-v1",
    "index": 0,
}
FUSION = {
    "type": "reasoning.server_tool_call",
    "tool_name": "openrouter:fusion",
    "tool_call_id": "srv_1",
    "arguments": '{"question": "2 + 2"}',
    "result": "4",
    "index": 0,
}
NAMELESS = {"type": "reasoning.server_tool_call", "tool_name": "x", "arguments": "2 + 2", "result": "four"}
IMAGES = [
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}, "index": 0},
    {"type": "image_url", "image_url": {"url": "https://images.example/2.png"}, "index": 1},
]
CITATION = {
    "type": "url_citation",
    "url_citation": {"url": "https://a", "title": "A", "content": "said", "start_index": 0, "end_index": 2},
}
CITED = {
    "type": "citation",
    "url": "https://a",
    "title": "A",
    "start_index": 0,
    "end_index": 2,
    "cited_text": "said",
}
PARSED = {
    "type": "file",
    "file": {"hash": "abc", "name": "a.pdf", "content": [{"type": "text", "text": "…"}]},
}
CUT_OFF = "the arguments were cut off at the token limit: raise `max_tokens`"

ANSWERS = (
    Answer(
        "plain text",
        {"content": "Hello there."},
        ({"content": "Hello"}, {"content": " there."}),
        (text("Hello there."),),
    ),
    Answer("an empty text", {"content": ""}, ({"content": ""},), ()),
    Answer(
        "reasoning with a signature and an encrypted item",
        {"content": "4", "reasoning": "Let me think.", "reasoning_details": [SIGNED, ENCRYPTED]},
        (
            {"reasoning": "Let me", "reasoning_details": [{**SIGNED, "text": "Let me", "signature": None}]},
            {"reasoning": " think.", "reasoning_details": [{**SIGNED, "text": " think.", "signature": None}]},
            {"content": "", "reasoning_details": [{**SIGNED, "text": None}]},
            {"content": "", "reasoning_details": [ENCRYPTED]},
            {"content": "4"},
        ),
        (
            {
                "type": "reasoning",
                "reasoning": "Let me think.",
                "extras": {"signature": "sig", "reasoning_details": [SIGNED, ENCRYPTED]},
            },
            text("4"),
        ),
    ),
    Answer(
        "reasoning that is not shown, before a tool call",
        {"content": None, "reasoning_details": [OPENAI], "tool_calls": [call("c1", "add", '{"a": 1}')]},
        ({"reasoning_details": [OPENAI]}, opened(0, "c1", "add", '{"a": 1}')),
        (
            {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1}},
            {"type": "reasoning", "reasoning": "", "extras": {"reasoning_details": [OPENAI]}},
        ),
        finish_reason="tool_calls",
    ),
    Answer(
        "an empty list of reasoning_details",
        {"content": "Hi.", "reasoning": "Hm.", "reasoning_details": []},
        ({"reasoning": "Hm.", "reasoning_details": []}, {"content": "Hi."}),
        ({"type": "reasoning", "reasoning": "Hm.", "extras": {"reasoning_details": []}}, text("Hi.")),
    ),
    Answer(
        "parallel tool calls, interleaved, after a text",
        {
            "content": "Two calls:",
            "tool_calls": [call("c1", "add", '{"a": 1, "b": 2}'), call("c2", "add", '{"a": 3}')],
        },
        (
            {"content": "Two calls:"},
            opened(0, "c1", "add"),
            more(0, '{"a": 1,'),
            opened(1, "c2", "add", '{"a"'),
            more(0, ' "b": 2}'),
            more(1, ": 3}"),
        ),
        (
            text("Two calls:"),
            {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1, "b": 2}},
            {"type": "tool_call", "id": "c2", "name": "add", "args": {"a": 3}},
        ),
        finish_reason="tool_calls",
    ),
    Answer(
        "tool calls without arguments",
        {"content": None, "tool_calls": [call("c1", "now", ""), call("c2", "now", "{}")]},
        (opened(0, "c1", "now"), opened(1, "c2", "now"), more(1, "{}")),
        (
            {"type": "tool_call", "id": "c1", "name": "now", "args": {}},
            {"type": "tool_call", "id": "c2", "name": "now", "args": {}},
        ),
        finish_reason="tool_calls",
    ),
    Answer(
        "a tool call cut off after a whole one",
        {
            "content": None,
            "tool_calls": [call("c1", "pay", '{"sum": 1}'), call("c2", "pay", '{"sum": 10, "to": "Bo')],
        },
        (opened(0, "c1", "pay", '{"sum": 1}'), opened(1, "c2", "pay", '{"sum": 10'), more(1, ', "to": "Bo')),
        (
            {"type": "tool_call", "id": "c1", "name": "pay", "args": {"sum": 1}},
            {
                "type": "invalid_tool_call",
                "id": "c2",
                "name": "pay",
                "args": '{"sum": 10, "to": "Bo',
                "error": CUT_OFF,
            },
        ),
        finish_reason="length",
    ),
    Answer(
        "a tool call cut off before its arguments",
        {"content": None, "tool_calls": [call("c1", "delete_all", "")]},
        (opened(0, "c1", "delete_all"),),
        ({"type": "invalid_tool_call", "id": "c1", "name": "delete_all", "args": None, "error": CUT_OFF},),
        finish_reason="length",
    ),
    Answer(
        "arguments that are no object",
        {"content": None, "tool_calls": [call("c1", "add", "[1, 2]")]},
        (opened(0, "c1", "add", "[1"), more(0, ", 2]")),
        (
            {
                "type": "invalid_tool_call",
                "id": "c1",
                "name": "add",
                "args": "[1, 2]",
                "error": "the arguments are no JSON object",
            },
        ),
        finish_reason="tool_calls",
    ),
    Answer(
        "arguments with a number that JSON has not",
        {"content": None, "tool_calls": [call("c1", "add", '{"a": NaN}')]},
        (opened(0, "c1", "add", '{"a"'), more(0, ": NaN}")),
        (
            {
                "type": "invalid_tool_call",
                "id": "c1",
                "name": "add",
                "args": '{"a": NaN}',
                "error": "the arguments are no JSON object",
            },
        ),
        finish_reason="tool_calls",
    ),
    Answer(
        "a call that names no tool",
        {"content": None, "tool_calls": [call("c1", "", '{"a": 1}')]},
        (opened(0, "c1", "", '{"a"'), more(0, ": 1}")),
        (
            {
                "type": "invalid_tool_call",
                "id": "c1",
                "name": None,
                "args": '{"a": 1}',
                "error": "the call names no tool",
            },
        ),
        finish_reason="tool_calls",
    ),
    Answer(
        "arguments with a raw line break",
        {"content": None, "tool_calls": [call("c1", "run", '{"code": "a\nb"}')]},
        (opened(0, "c1", "run", '{"code": "a\n'), more(0, 'b"}')),
        ({"type": "tool_call", "id": "c1", "name": "run", "args": {"code": "a\nb"}},),
        finish_reason="tool_calls",
    ),
    Answer(
        "images beside a text",
        {"content": "Here:", "images": IMAGES},
        ({"content": "Here:"}, {"content": "", "images": IMAGES[:1]}, {"content": "", "images": IMAGES[1:]}),
        (
            text("Here:"),
            {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
            {"type": "image", "url": "https://images.example/2.png"},
        ),
    ),
    Answer(
        "audio",
        {
            "content": None,
            "audio": {"id": "au_1", "expires_at": 1, "data": "AAECAwQF", "transcript": "Hello"},
        },
        (
            {"audio": {"id": "au_1", "data": "AAEC", "transcript": "Hel"}},
            {"audio": {"data": "AwQF", "transcript": "lo"}},
            {"audio": {"expires_at": 1}},
        ),
        (
            {
                "type": "audio",
                "base64": "AAECAwQF",
                "mime_type": "audio/pcm",
                "extras": {"id": "au_1", "expires_at": 1, "transcript": "Hello"},
            },
        ),
    ),
    Answer(
        "a refusal",
        {"content": None, "refusal": "I won't."},
        ({"refusal": "I "}, {"refusal": "won't."}),
        ({"type": "non_standard", "value": {"type": "refusal", "refusal": "I won't."}},),
    ),
    Answer(
        "citations and a parsed file",
        {"content": "Ha", "annotations": [CITATION, PARSED]},
        ({"content": "H"}, {"content": "a"}, {"annotations": [CITATION]}, {"annotations": [PARSED]}),
        (text("Ha", annotations=[CITED, {"type": "non_standard_annotation", "value": PARSED}]),),
    ),
    Answer(
        "calls of server tools",
        {"content": "4", "reasoning_details": [FUSION, NAMELESS], "annotations": [CITATION]},
        (
            {"reasoning_details": [FUSION]},
            {"content": "4"},
            {"reasoning_details": [NAMELESS], "annotations": [CITATION]},
        ),
        (
            text("4", annotations=[CITED]),
            {
                "type": "server_tool_call",
                "id": "srv_1",
                "name": "openrouter:fusion",
                "args": {"question": "2 + 2"},
            },
            {"type": "server_tool_result", "tool_call_id": "srv_1", "status": "success", "output": "4"},
            {
                "type": "server_tool_call",
                "id": "server_tool_1",
                "name": "x",
                "args": {},
                "extras": {"arguments": "2 + 2"},
            },
            {
                "type": "server_tool_result",
                "tool_call_id": "server_tool_1",
                "status": "success",
                "output": "four",
            },
            {"type": "reasoning", "reasoning": "", "extras": {"reasoning_details": [FUSION, NAMELESS]}},
        ),
    ),
    Answer(
        "everything at once",
        {
            "content": "Ha",
            "reasoning": "Let me think.",
            "reasoning_details": [SIGNED, FUSION],
            "refusal": "Not that.",
            "tool_calls": [call("c1", "add", "{}")],
            "annotations": [CITATION],
            "images": IMAGES[:1],
            "audio": {"id": "au_1", "data": "AAEC"},
        },
        (
            {"reasoning": "Let me think.", "reasoning_details": [SIGNED, FUSION]},
            {"content": "Ha", "refusal": "Not that.", "images": IMAGES[:1]},
            {**opened(0, "c1", "add", "{}"), "audio": {"id": "au_1", "data": "AAEC"}},
            {"annotations": [CITATION]},
        ),
        (
            {
                "type": "reasoning",
                "reasoning": "Let me think.",
                "extras": {"signature": "sig", "reasoning_details": [SIGNED, FUSION]},
            },
            text("Ha", annotations=[CITED]),
            {"type": "tool_call", "id": "c1", "name": "add", "args": {}},
            {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
            {"type": "audio", "base64": "AAEC", "mime_type": "audio/pcm", "extras": {"id": "au_1"}},
            {
                "type": "server_tool_call",
                "id": "srv_1",
                "name": "openrouter:fusion",
                "args": {"question": "2 + 2"},
            },
            {"type": "server_tool_result", "tool_call_id": "srv_1", "status": "success", "output": "4"},
            {"type": "non_standard", "value": {"type": "refusal", "refusal": "Not that."}},
        ),
        finish_reason="tool_calls",
        usage=USAGE_IN_DETAIL,
    ),
    Answer(
        "characters of every kind, one cut in two, one cut off",
        {"content": "Grüße 👋🏽\u2028\x00 \ud83d", "reasoning": "哈 \U0001f600"},
        (
            {"reasoning": "哈 \ud83d"},
            {"reasoning": "\ude00"},
            {"content": "Grüße 👋🏽\u2028\x00 "},
            {"content": "\ud83d"},
        ),
        ({"type": "reasoning", "reasoning": "哈 😀"}, text("Grüße 👋🏽\u2028\x00 \ufffd")),
        finish_reason="length",
    ),
    Answer("usage that nobody said", {"content": "Hi."}, ({"content": "Hi."},), (text("Hi."),), usage={}),
    Answer(
        "detailed usage", {"content": "Hi."}, ({"content": "Hi."},), (text("Hi."),), usage=USAGE_IN_DETAIL
    ),
)
