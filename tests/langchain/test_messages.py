"""What goes out for each kind of LangChain message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_openrouter_opts.messages import wire_messages
from openrouter_opts.errors import ConfigurationError

CALL = {"id": "c1", "name": "add", "args": {"b": 2, "a": 1}}
WIRE_CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"b": 2, "a": 1}'}}
SIGNED = {
    "type": "reasoning.text",
    "text": "Hm.",
    "signature": "s1",
    "format": "anthropic-claude-v1",
    "index": 0,
}
UNSIGNED = {"type": "reasoning.text", "text": "Hm.", "format": "anthropic-claude-v1"}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "b64", "id": "rs_1", "format": "openai-responses-v1"}
PIXEL = "iVBORw0KGgo="
MARK = {"type": "ephemeral", "ttl": "1h"}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def sent(*messages: BaseMessage) -> list[dict[str, Any]]:
    return wire_messages(messages)


def sent_part(block: Any) -> dict[str, Any]:
    (message,) = sent(HumanMessage([block]))
    return message["content"][0]


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (SystemMessage("be brief"), {"role": "system", "content": "be brief"}),
        (
            SystemMessage("be brief", additional_kwargs={"__openai_role__": "developer"}),
            {"role": "developer", "content": "be brief"},
        ),
        (HumanMessage("hi", name="bob"), {"role": "user", "content": "hi", "name": "bob"}),
        (HumanMessage(["a", text("b")]), {"role": "user", "content": [text("a"), text("b")]}),
        (AIMessage("hello"), {"role": "assistant", "content": "hello"}),
        (AIMessageChunk("hello"), {"role": "assistant", "content": "hello"}),
        (AIMessage("hello", name="amy"), {"role": "assistant", "content": "hello", "name": "amy"}),
        (AIMessage(["a", text("b")]), {"role": "assistant", "content": [text("a"), text("b")]}),
        (ChatMessage("hi", role="developer"), {"role": "developer", "content": "hi"}),
        (
            ToolMessage("3", tool_call_id="c1", name="add"),
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
        ),
        (FunctionMessage("3", name="add"), {"role": "tool", "tool_call_id": "add", "content": "3"}),
    ],
)
def test_each_kind_of_message_has_its_wire_form(message: BaseMessage, wire: dict[str, Any]) -> None:
    assert sent(message) == [wire]


def test_tool_calls_without_text_go_out_with_null_content() -> None:
    assert sent(AIMessage("", tool_calls=[CALL])) == [
        {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}
    ]


def test_a_tool_call_without_id_gets_one() -> None:
    (message,) = sent(AIMessage("", tool_calls=[{**CALL, "id": None}]))
    assert message["tool_calls"][0]["id"] == "call_0"


def test_a_tool_call_that_could_not_be_parsed_goes_back_as_json_that_shows_what_the_model_wrote() -> None:
    broken = {"id": "c1", "name": "add", "args": '{"a": 1', "error": "cut off"}
    (message,) = sent(AIMessage("", invalid_tool_calls=[broken]))
    function = message["tool_calls"][0]["function"]
    assert json.loads(function["arguments"]) == {"INVALID_JSON": '{"a": 1'}


def test_an_old_function_call_matches_its_function_message() -> None:
    call = {"function_call": {"name": "add", "arguments": "{}"}}
    assistant, tool = sent(AIMessage("", additional_kwargs=call), FunctionMessage("3", name="add"))
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"]


def test_tool_use_blocks_are_calls_and_not_content() -> None:
    use = {"type": "tool_use", "id": "c1", "name": "add", "input": {"b": 2, "a": 1}}
    wanted = [{"role": "assistant", "content": "Let me see.", "tool_calls": [WIRE_CALL]}]
    assert sent(AIMessage([text("Let me see."), use], tool_calls=[CALL])) == wanted
    assert sent(AIMessage([text("Let me see."), use])) == wanted


def test_tool_results_inside_a_user_message_become_tool_messages() -> None:
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [text("3")]}
    assert sent(HumanMessage([result, text("and now?")])) == [
        {"role": "tool", "tool_call_id": "c1", "content": [text("3")]},
        {"role": "user", "content": [text("and now?")]},
    ]


def test_a_message_has_one_form_in_both_output_versions() -> None:
    plain = AIMessage("hello", tool_calls=[CALL])
    standard = AIMessage(
        content_blocks=[{"type": "text", "text": "hello", "index": "lc_txt_0"}, {"type": "tool_call", **CALL}]
    )
    assert sent(plain) == sent(standard)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (text("a", index=0, id="x", annotations=[]), text("a")),
        (text("a", cache_control=MARK), text("a", cache_control=MARK)),
        (text("a", extras={"cache_control": MARK}), text("a", cache_control=MARK)),
        (
            {"type": "image_url", "image_url": "https://a/b.png"},
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        ),
        (
            {"type": "image", "url": "https://a/b.png", "extras": {"detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        ),
        (
            {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ),
        (
            {"type": "image", "base64": PIXEL},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ),
        (
            {"type": "image", "source_type": "base64", "data": PIXEL, "mime_type": "image/png"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        ),
        ({"type": "image", "file_id": "f1"}, {"type": "file", "file": {"file_id": "f1"}}),
        (
            {"type": "audio", "base64": "AAAA", "mime_type": "audio/mpeg"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ),
        (
            {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        ),
        (
            {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf", "filename": "a.pdf"},
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            },
        ),
        (
            {"type": "file", "url": "https://a/b.pdf", "extras": {"filename": "b.pdf"}},
            {"type": "file", "file": {"filename": "b.pdf", "file_data": "https://a/b.pdf"}},
        ),
        ({"type": "file", "file_id": "f1"}, {"type": "file", "file": {"file_id": "f1"}}),
        ({"type": "file", "file": {"file_id": "f1"}}, {"type": "file", "file": {"file_id": "f1"}}),
        (
            {"type": "video", "url": "https://a/b.mp4"},
            {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
        ),
        (
            {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"},
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        ),
        ({"type": "text-plain", "text": "body", "title": "Title"}, text("Title\n\nbody")),
        ({"type": "text-plain", "base64": "aGk=", "mime_type": "text/plain"}, text("hi")),
        ({"type": "document", "source": {"type": "text", "data": "body"}}, text("body")),
        (
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            },
        ),
        ({"type": "hologram", "depth": 3}, {"type": "hologram", "depth": 3}),
        (
            {"type": "non_standard", "value": {"type": "hologram", "depth": 3}},
            {"type": "hologram", "depth": 3},
        ),
    ],
)
def test_each_kind_of_block_has_its_content_part(block: Any, part: dict[str, Any]) -> None:
    assert sent_part(block) == part


@pytest.mark.parametrize(
    ("block", "remedy"),
    [
        ({"type": "audio", "url": "https://a/b.wav"}, "needs `base64`"),
        ({"type": "audio", "base64": "AAAA"}, "mime_type"),
        ({"type": "image"}, "needs `url` or `base64`"),
        ({"type": "file", "base64": "AAAA"}, "mime_type"),
        ({"type": "text-plain", "base64": "////"}, "UTF-8"),
    ],
)
def test_a_block_that_cannot_be_sent_is_named_by_its_message(block: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        sent(HumanMessage("hi"), HumanMessage([block]))
    assert "messages[1]" in str(caught.value)


def test_a_message_that_is_no_message_for_a_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="RemoveMessage"):
        sent(RemoveMessage(id="1"))


def test_images_and_files_in_tool_results_are_sent() -> None:
    blocks = [
        {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
        {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf"},
    ]
    (message,) = sent(ToolMessage(content_blocks=blocks, tool_call_id="c1"))
    assert [part["type"] for part in message["content"]] == ["image_url", "file"]


def test_rows_in_a_tool_result_are_sent_as_json() -> None:
    (message,) = sent(ToolMessage([{"city": "Zürich"}], tool_call_id="c1"))
    assert message["content"] == [text('{"city": "Zürich"}')]


def test_a_cache_mark_on_a_message_goes_to_its_last_text() -> None:
    marked = {"cache_control": MARK}
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    system, user = sent(
        SystemMessage("long", additional_kwargs=marked),
        HumanMessage([text("a"), text("b"), image], additional_kwargs=marked),
    )
    assert system["content"] == [text("long", cache_control=MARK)]
    assert user["content"] == [text("a"), text("b", cache_control=MARK), image]


def test_reasoning_details_go_back_as_they_came() -> None:
    details = [SIGNED, ENCRYPTED]
    (message,) = sent(AIMessage("", tool_calls=[CALL], additional_kwargs={"reasoning_details": details}))
    assert message["reasoning_details"] == details
    assert "reasoning" not in message


def test_an_empty_list_of_reasoning_details_goes_back_too() -> None:
    (message,) = sent(
        AIMessage("hi", additional_kwargs={"reasoning_details": [], "reasoning_content": "Hm."})
    )
    assert message == {"role": "assistant", "content": "hi", "reasoning_details": []}


def test_reasoning_that_a_provider_would_refuse_stays_here() -> None:
    (message,) = sent(AIMessage("hi", additional_kwargs={"reasoning_details": [UNSIGNED]}))
    assert message == {"role": "assistant", "content": "hi"}


def test_the_same_reasoning_goes_back_once_in_a_history() -> None:
    extra = {"reasoning_details": [SIGNED]}
    first, second = sent(
        AIMessage("", tool_calls=[CALL], additional_kwargs=extra),
        AIMessage("", tool_calls=[{**CALL, "id": "c2"}], additional_kwargs=extra),
    )
    assert first["reasoning_details"] == [SIGNED]
    assert "reasoning_details" not in second


@pytest.mark.parametrize(
    ("block", "entry"),
    [
        (
            {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
            {
                "type": "reasoning.text",
                "text": "Hm.",
                "signature": "s1",
                "format": "anthropic-claude-v1",
            },
        ),
        (
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "reasoning.encrypted", "data": "xyz", "format": "anthropic-claude-v1"},
        ),
        (
            {
                "type": "reasoning",
                "reasoning": "Hm.",
                "extras": {"signature": "s1", "reasoning_details": [SIGNED]},
            },
            SIGNED,
        ),
        (
            {"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "s1"}},
            {"type": "reasoning.text", "text": "Hm.", "signature": "s1", "format": "anthropic-claude-v1"},
        ),
    ],
)
def test_reasoning_blocks_become_reasoning_details(block: dict[str, Any], entry: dict[str, Any]) -> None:
    (message,) = sent(AIMessage([block, text("hi")]))
    assert message == {"role": "assistant", "content": "hi", "reasoning_details": [entry]}


def test_what_a_model_made_goes_back_to_it() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    file = {"type": "file", "file": {"hash": "h", "content": []}}
    citation = {"type": "url_citation", "url_citation": {"url": "https://a"}}
    made = {"images": [image], "annotations": [file, citation], "audio": {"id": "a1", "data": "AAAA"}}
    (message,) = sent(AIMessage("", additional_kwargs=made))
    assert message == {
        "role": "assistant",
        "content": None,
        "images": [image],
        "annotations": [file],
        "audio": {"id": "a1"},
    }
    (standard,) = sent(AIMessage([{"type": "image", "base64": PIXEL, "mime_type": "image/png"}]))
    assert standard["images"] == [image]


def test_a_refusal_goes_back() -> None:
    wanted = [{"role": "assistant", "content": None, "refusal": "No."}]
    assert sent(AIMessage("", additional_kwargs={"refusal": "No."})) == wanted
    block = {"type": "refusal", "refusal": "No."}
    assert sent(AIMessage([{"type": "non_standard", "value": block}])) == wanted


def test_messages_are_left_as_they_are() -> None:
    messages = [
        HumanMessage([{"type": "image_url", "image_url": "https://a"}, text("x", cache_control=MARK)]),
        AIMessage("", tool_calls=[CALL], additional_kwargs={"reasoning_details": [SIGNED, UNSIGNED]}),
    ]
    before = [message.model_copy(deep=True) for message in messages]
    wire_messages([*messages, *messages])
    assert messages == before
