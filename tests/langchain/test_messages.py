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

from langchain_openrouter_opts.counting import tokens_of_prompt
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
        (ChatMessage("hi", role="human"), {"role": "user", "content": "hi"}),
        (ChatMessage("hi", role="ai"), {"role": "assistant", "content": "hi"}),
        (
            ChatMessage("hi", role="assistant", additional_kwargs={"reasoning_details": []}),
            {"role": "assistant", "content": "hi", "reasoning_details": []},
        ),
        (
            ChatMessage("3", role="tool", additional_kwargs={"tool_call_id": "c1"}),
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
        ),
        (
            SystemMessage("", additional_kwargs={"configuration_update": {"reasoning": {"effort": "low"}}}),
            {
                "role": "system",
                "content": "",
                "configuration_update": {"reasoning": {"effort": "low"}},
            },
        ),
        (
            ToolMessage("3", tool_call_id="c1", name="add"),
            {"role": "tool", "tool_call_id": "c1", "content": "3"},
        ),
        (FunctionMessage("3", name="add"), {"role": "tool", "tool_call_id": "add", "content": "3"}),
    ],
)
def test_each_kind_of_message_has_its_wire_form(message: BaseMessage, wire: dict[str, Any]) -> None:
    assert sent(message) == [wire]


@pytest.mark.parametrize("content", ["", "\n\n", [], [text("")], [text(" ")]])
def test_tool_calls_without_text_go_out_with_null_content(content: Any) -> None:
    assert sent(AIMessage(content, tool_calls=[CALL])) == [
        {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}
    ]


def test_blank_text_goes_out_by_itself_alone() -> None:
    assert sent(AIMessage("\n\n")) == [{"role": "assistant", "content": "\n\n"}]
    assert sent(AIMessage([text("\n\n"), text("hi")])) == [{"role": "assistant", "content": "hi"}]


def test_tool_calls_without_id_get_one_that_no_other_call_has_and_so_do_their_results() -> None:
    nameless = AIMessage("", tool_calls=[{**CALL, "id": None}, {**CALL, "id": ""}])
    results = [ToolMessage("1", tool_call_id=""), ToolMessage("2", tool_call_id="")]
    taken = AIMessage("", tool_calls=[{**CALL, "id": "call_1"}])
    wire = sent(nameless, *results, taken, ToolMessage("3", tool_call_id="call_1"), nameless, *results)
    ids = [message.get("tool_call_id") or [call["id"] for call in message["tool_calls"]] for message in wire]
    assert ids == [
        *(["call_0", "call_2"], "call_0", "call_2"),
        *(["call_1"], "call_1"),
        *(["call_3", "call_4"], "call_3", "call_4"),
    ]


@pytest.mark.parametrize("args", [None, "", "{}"])
def test_a_tool_call_that_was_cut_before_its_arguments_goes_out_without_any(args: str | None) -> None:
    cut = {"id": "c1", "name": "add", "args": args, "error": None}
    (message,) = sent(AIMessage("", invalid_tool_calls=[cut]))
    assert message["tool_calls"] == [{**WIRE_CALL, "function": {"name": "add", "arguments": "{}"}}]


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


def test_a_mark_on_a_tool_result_inside_a_user_message_is_kept() -> None:
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "3", "cache_control": MARK}
    wanted = [{"role": "tool", "tool_call_id": "c1", "content": [text("3", cache_control=MARK)]}]
    assert sent(HumanMessage([result])) == wanted
    del result["cache_control"]
    assert sent(HumanMessage([result], additional_kwargs={"cache_control": MARK})) == wanted


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (RemoveMessage(id="1"), r"messages\[0\]: a RemoveMessage can't be sent"),
        (ChatMessage("3", role="tool"), r"messages\[0\]\.additional_kwargs\.tool_call_id: .*needs the id"),
        (
            AIMessage("", tool_calls=[CALL], additional_kwargs={"cache_control": MARK}),
            r"messages\[0\]\.additional_kwargs\.cache_control: .*needs a text",
        ),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(message: BaseMessage, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        sent(message)


def test_rows_in_a_tool_result_are_sent_as_json() -> None:
    (message,) = sent(ToolMessage([{"city": "Zürich"}], tool_call_id="c1"))
    assert message["content"] == [text('{"city": "Zürich"}')]


def test_a_row_whose_type_is_its_own_is_no_block() -> None:
    feature = {"type": "Feature", "geometry": {"type": "Point"}}
    (message,) = sent(ToolMessage([feature], tool_call_id="c1"))
    assert json.loads(message["content"][0]["text"]) == feature


@pytest.mark.parametrize(
    "row",
    [
        {"type": "file", "name": "a.txt"},
        {"type": "file", "file": "a.txt"},
        {"type": "file", "data": "hello"},
        {"type": "document", "id": 4},
        {"type": "document", "source": {"name": "crm"}},
        {"type": "image", "name": "a.png", "url": "/img/a.png"},
        {"type": "image_url", "image_url": "/img/a.png"},
        {"type": "video", "views": 5},
        {"type": "audio", "seconds": 5},
        {"type": "media", "outlet": "BBC", "url": "https://bbc.example/a"},
        {"type": "text", "label": "name"},
        {"type": "text", "text": 5},
        {"type": "text-plain", "label": "name"},
        {"type": "search_result", "title": "A", "url": "https://a.example"},
        {"type": "non_standard", "value": 5},
        {"type": ["file", "text"]},
        {"type": None},
    ],
    ids=json.dumps,
)
def test_a_row_with_the_type_of_a_block_and_nothing_else_of_it_is_sent_as_json(row: dict[str, Any]) -> None:
    result = ToolMessage([row], tool_call_id="c1")
    (message,) = sent(result)
    (part,) = message["content"]
    assert part["type"] == "text"
    assert json.loads(part["text"]) == row
    assert tokens_of_prompt([result]) > 0


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"type": "image", "base64": PIXEL, "mime_type": "image/png"}, "image_url"),
        ({"type": "image", "data": PIXEL}, "image_url"),
        ({"type": "image", "url": "https://a/b.png"}, "image_url"),
        ({"type": "image_url", "image_url": "https://a/b.png"}, "image_url"),
        ({"type": "image_url", "image_url": {"url": "https://a/b.png"}}, "image_url"),
        ({"type": "input_image", "image_url": "https://a/b.png"}, "image_url"),
        (
            {"type": "image", "source": {"type": "base64", "data": PIXEL, "media_type": "image/png"}},
            "image_url",
        ),
        (
            {"type": "image", "source_type": "base64", "data": PIXEL, "mime_type": "image/png"},
            "image_url",
        ),
        ({"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}}, "input_audio"),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "https://a/b.pdf"}}, "file"),
        ({"type": "file", "file_id": "f1"}, "file"),
        ({"type": "media", "data": PIXEL, "mime_type": "image/png"}, "image_url"),
        ({"type": "text-plain", "text": "hi"}, "text"),
        ({"type": "search_result", "title": "A", "content": [text("b")]}, "text"),
    ],
    ids=str,
)
def test_a_block_in_a_tool_result_is_sent_as_what_it_is(block: dict[str, Any], kind: str) -> None:
    (message,) = sent(ToolMessage([block], tool_call_id="c1"))
    (part,) = message["content"]
    assert part["type"] == kind
    assert not str(part.get("text")).startswith("{")


def test_a_cache_mark_on_a_message_goes_to_its_last_text() -> None:
    marked = {"cache_control": MARK}
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    system, user = sent(
        SystemMessage("long", additional_kwargs=marked),
        HumanMessage([text("a"), text("b"), image], additional_kwargs=marked),
    )
    assert system["content"] == [text("long", cache_control=MARK)]
    assert user["content"] == [text("a"), text("b", cache_control=MARK), image]


def test_a_cache_mark_on_a_message_without_text_goes_to_its_last_part() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    (user,) = sent(HumanMessage([image, image], additional_kwargs={"cache_control": MARK}))
    assert user["content"] == [image, {**image, "cache_control": MARK}]


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
