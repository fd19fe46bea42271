"""Chunks put together: the deltas say what is new, the body is what the answer would have been without streaming."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts.protocol import decode
from openrouter_opts.protocol.assemble import Assembler, at_once
from openrouter_opts.protocol.completion import Delta, ToolCallDelta


def chunk(delta: Any = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "gen-1", "model": "m/x", "provider": "Mock", "choices": [choice], **more}


def assemble(*chunks: dict[str, Any]) -> tuple[list[Delta], dict[str, Any]]:
    assembler = Assembler()
    deltas = [delta for each in chunks for delta in assembler.feed(each)]
    return [*deltas, *assembler.rest()], assembler.body()


def message(*deltas: Any) -> dict[str, Any]:
    return assemble(*map(chunk, deltas))[1]["choices"][0]["message"]


def calls(*deltas: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (id, name, arguments) of each call, having checked that the deltas tell the same story."""
    steps, body = assemble(*(chunk({"role": "assistant", "tool_calls": each}) for each in deltas))
    raw = body["choices"][0]["message"].get("tool_calls", [])
    whole = [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in raw]
    told: dict[int, list[str]] = {}
    for step in (call for delta in steps for call in delta.tool_calls):
        ids = told.setdefault(step.slot, ["", "", ""])
        assert not (step.id and ids[0]), "an id comes once"
        assert not (step.name and ids[1]), "a name comes once"
        told[step.slot] = [ids[0] + (step.id or ""), ids[1] + (step.name or ""), ids[2] + step.arguments]
    assert [tuple(told[slot]) for slot in sorted(told)] == whole
    read = decode.tool_calls(raw, "gen-1")
    assert [(call.id, call.name, call.arguments) for call in read] == whole
    return whole


def piece(
    arguments: object = None, *, index: int | None = None, id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    call: dict[str, Any] = {"function": {}}
    if index is not None:
        call["index"] = index
    if id is not None:
        call["id"] = id
    if name is not None:
        call["function"]["name"] = name
    if arguments is not None:
        call["function"]["arguments"] = arguments
    return call


def test_text_and_reasoning_are_joined():
    deltas, body = assemble(
        chunk({"role": "assistant", "content": "", "reasoning": "th"}),
        chunk({"role": "assistant", "content": None, "reasoning": "ink"}),
        chunk({"role": "assistant", "content": "Hel"}),
        chunk({"role": "assistant", "content": "lo"}),
        chunk({"role": "assistant", "content": ""}, "stop"),
    )
    assert [(delta.text, delta.reasoning) for delta in deltas] == [
        ("", "th"),
        ("", "ink"),
        ("Hel", ""),
        ("lo", ""),
    ]
    assert body == {
        "object": "chat.completion",
        "id": "gen-1",
        "model": "m/x",
        "provider": "Mock",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "reasoning": "think"},
                "finish_reason": "stop",
                "native_finish_reason": None,
            }
        ],
    }


def test_content_that_never_came_is_null():
    assert message({"role": "assistant"})["content"] is None
    assert message({"role": "assistant", "content": ""})["content"] == ""


def test_a_refusal_is_joined():
    deltas, body = assemble(chunk({"refusal": "I c"}), chunk({"refusal": "an't"}), chunk({"refusal": None}))
    assert [delta.refusal for delta in deltas] == ["I c", "an't"]
    assert body["choices"][0]["message"]["refusal"] == "I can't"


def test_a_character_cut_in_two_is_joined_in_the_text_and_shown_whole():
    deltas, body = assemble(
        chunk({"content": "a\ud83d"}), chunk({"content": "\ude00b"}), chunk({"content": "\ud83d"})
    )
    assert [delta.text for delta in deltas] == ["a", "😀b", "\ufffd"]
    assert body["choices"][0]["message"]["content"] == "a😀b\ufffd"


def test_half_a_character_at_the_end_is_shown_as_it_is_kept():
    half = {"content": "\ud83d", "reasoning": "\ud83d", "refusal": "\ud83d"}
    call = piece('{"a": "\ud83d', index=0, id="c1", name="f")
    deltas, body = assemble(chunk({**half, "tool_calls": [call]}))
    whole = body["choices"][0]["message"]
    assert deltas[-1] == Delta("\ufffd", "\ufffd", (ToolCallDelta(0, None, None, "\ufffd"),), "\ufffd")
    assert [whole[key] for key in half] == ["\ufffd"] * 3
    assert whole["tool_calls"][0]["function"]["arguments"] == '{"a": "\ufffd'


def test_a_delta_holds_the_chunk_as_it_came():
    came = chunk({"content": "a"}, something_new=1)
    deltas, _ = assemble(came)
    assert deltas[0].chunk is came


@pytest.mark.parametrize(
    "empty",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{}]},
        chunk(None),
        chunk({}),
        chunk({"content": None}),
        chunk({"content": "", "tool_calls": []}),
        chunk({"tool_calls": [{}, None, {"index": 0}]}),
        chunk({"audio": float("nan"), "images": "odd", "annotations": [None]}),
        chunk({"audio": {"data": None, "transcript": 5}}),
        chunk("odd"),
    ],
)
def test_a_chunk_with_nothing_new_gives_no_delta(empty: dict[str, Any]):
    deltas, body = assemble(empty, chunk({"content": "a"}), empty)
    assert [delta.text for delta in deltas] == ["a"]
    assert "tool_calls" not in body["choices"][0]["message"]


def test_nothing_that_comes_is_changed():
    came = chunk({"reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}], "content": "x"})
    before = repr(came)
    assemble(came, came)
    assert repr(came) == before


def test_the_first_finish_reason_counts_and_native_may_come_later():
    first = chunk({"content": "a"}, "length")
    last = chunk({"content": ""}, "stop")
    last["choices"][0]["native_finish_reason"] = "MAX_TOKENS"
    choice = assemble(first, last)[1]["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("length", "MAX_TOKENS")


def test_a_message_in_place_of_a_delta_is_taken():
    deltas, body = assemble({"choices": [{"index": 0, "message": {"content": "whole"}}]})
    assert [delta.text for delta in deltas] == ["whole"]
    assert body["choices"][0]["message"]["content"] == "whole"


def test_the_last_usage_counts_and_is_never_added_up():
    _, body = assemble(
        chunk({"content": "a"}, usage={"prompt_tokens": 5, "cost": 0.1}),
        {"choices": [], "usage": {"prompt_tokens": 9, "cost": 0.2}},
        {"choices": [], "usage": None},
        {"choices": [], "usage": {}},
    )
    assert body["usage"] == {"prompt_tokens": 9, "cost": 0.2}
    assert "usage" not in assemble(chunk({"content": "a"}))[1]


@pytest.mark.parametrize("usage", [{}, [], [["cost", 1]], "free", 7, True])
def test_a_usage_that_says_nothing_is_none(usage: Any):
    assert "usage" not in assemble(chunk({"content": "a"}, usage=usage))[1]
    first = {"prompt_tokens": 5, "cost": 0.1}
    _, body = assemble(chunk({"content": "a"}, usage=first), {"choices": [], "usage": usage})
    assert body["usage"] == first


@pytest.mark.parametrize(
    ("first", "later", "total"),
    [
        ({"cost": 0.1}, {"prompt_tokens": 9}, "0.1"),
        ({"cost": 0.1}, {"cost": None}, "0.1"),
        ({"cost": 0.1}, {"cost": 0}, "0"),
        (
            {"cost": 0, "is_byok": True},
            {"cost": 0, "cost_details": {"upstream_inference_cost": 0.2}},
            "0.2",
        ),
    ],
)
def test_what_a_later_usage_does_not_say_stays_as_it_was(first: Any, later: Any, total: str):
    _, body = assemble(chunk({"content": "a"}, usage=first), {"choices": [], "usage": later})
    assert decode.usage(body["usage"]).cost.total == Decimal(total)


def test_the_last_model_and_provider_count():
    _, body = assemble(
        chunk({"content": ""}),
        chunk({"content": "a"}, model="m/fallback", provider="Other", created=5, service_tier="flex"),
        {"choices": [], "openrouter_metadata": {"attempt": 2}, "model": None},
    )
    assert (body["model"], body["provider"], body["created"]) == ("m/fallback", "Other", 5)
    assert (body["service_tier"], body["openrouter_metadata"]) == ("flex", {"attempt": 2})


def test_choices_are_kept_apart():
    deltas, body = assemble(
        {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]},
    )
    assert [(delta.choice, delta.text) for delta in deltas] == [(1, "b"), (0, "a"), (1, "B")]
    assert [choice["message"]["content"] for choice in body["choices"]] == ["a", "bB"]
    assert [choice["finish_reason"] for choice in body["choices"]] == [None, "stop"]


# --- tool calls ---


def test_a_call_comes_in_pieces():
    assert calls(
        [piece("", index=0, id="c1", name="f")], [piece('{"a"', index=0)], [piece(": 1}", index=0)]
    ) == [("c1", "f", '{"a": 1}')]


def test_two_calls_in_one_chunk():
    both = [piece("{}", index=0, id="c1", name="f"), piece("{}", index=1, id="c2", name="g")]
    assert calls(both) == [("c1", "f", "{}"), ("c2", "g", "{}")]


def test_interleaved_calls():
    assert calls(
        [piece("", index=0, id="c1", name="f")],
        [piece("", index=1, id="c2", name="g")],
        [piece('{"a"', index=0)],
        [piece('{"b"', index=1)],
        [piece(":1}", index=0), piece(":2}", index=1)],
    ) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


def test_calls_numbered_from_one():
    assert calls([piece("{}", index=1, id="c1", name="f")], [piece("{}", index=2, id="c2", name="g")]) == [
        ("c1", "f", "{}"),
        ("c2", "g", "{}"),
    ]


def test_an_id_and_a_name_in_every_piece():
    pieces = ["", '{"a"', ": 1}"]
    assert calls(*([piece(text, index=0, id="c1", name="f")] for text in pieces)) == [("c1", "f", '{"a": 1}')]


def test_a_name_in_every_piece():
    assert calls([piece("", index=0, id="c1", name="f")], [piece("{}", index=0, name="f")]) == [
        ("c1", "f", "{}")
    ]


def test_calls_of_one_chunk_come_in_the_order_of_their_indexes():
    both = [piece('{"b"', index=1, id="c2", name="g"), piece('{"a"', index=0, id="c1", name="f")]
    rest = [piece(":2}", index=1), piece(":1}", index=0)]
    assert calls(both, rest) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


def test_one_index_for_two_calls():
    assert calls([piece("{}", index=0, id="c1", name="f")], [piece("{}", index=0, id="c2", name="g")]) == [
        ("c1", "f", "{}"),
        ("c2", "g", "{}"),
    ]


def test_one_index_for_two_calls_that_are_interleaved_by_id():
    assert calls(
        [piece('{"a"', index=0, id="c1", name="f")],
        [piece('{"b"', index=0, id="c2", name="g")],
        [piece(":1}", index=0, id="c1")],
        [piece(":2}", index=0, id="c2")],
    ) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


def test_one_index_for_two_calls_without_ids():
    (first, second) = calls([piece("{}", index=0, name="f")], [piece("{}", index=0, name="g")])
    assert (first[1:], second[1:]) == (("f", "{}"), ("g", "{}"))
    assert first[0] != second[0]


def test_an_id_that_is_made_up_is_no_other_calls():
    ids = ["x_2", "x", "x"]
    pieces = [[piece("{}", index=index, id=id_, name="f")] for index, id_ in enumerate(ids)]
    assert calls(*pieces) == [("x_2", "f", "{}"), ("x", "f", "{}"), ("x_2_2", "f", "{}")]


def test_one_id_for_two_calls():
    (first, second) = calls(
        [piece('{"a":1}', index=0, id="x", name="f")], [piece('{"a":2}', index=1, id="x", name="f")]
    )
    assert (first, second[1:]) == (("x", "f", '{"a":1}'), ("f", '{"a":2}'))
    assert second[0] not in {"", "x"}


def test_no_index_for_a_lone_call():
    assert calls([piece("", id="c1", name="f")], [piece('{"a"')], [piece(": 1}")]) == [
        ("c1", "f", '{"a": 1}')
    ]


def test_no_index_but_the_id_in_every_piece():
    assert calls([piece("", id="c1", name="f")], [piece("{", id="c1")], [piece("}", id="c1")]) == [
        ("c1", "f", "{}")
    ]


def test_no_index_for_two_calls():
    assert calls([piece("{}", id="c1", name="f")], [piece("{}", id="c2", name="g")]) == [
        ("c1", "f", "{}"),
        ("c2", "g", "{}"),
    ]


def test_neither_index_nor_id_for_two_calls():
    (first, second) = calls([piece("{}", name="f")], [piece("{}", name="f")])
    assert (first[1:], second[1:]) == (("f", "{}"), ("f", "{}"))
    assert first[0] != second[0]


@pytest.mark.parametrize("id_", ["", None])
def test_a_call_without_an_id_gets_one(id_: str | None):
    ((made, name, arguments),) = calls([piece("{}", index=0, id=id_, name="f")])
    assert made
    assert (name, arguments) == ("f", "{}")


def test_a_late_id_does_not_open_another_call():
    ((_, name, arguments),) = calls(
        [piece("", index=0, name="f")], [piece("{", index=0, id="c1")], [piece("}", index=0, id="c1")]
    )
    assert (name, arguments) == ("f", "{}")


def test_a_name_after_the_arguments():
    assert calls([piece('{"a": 1}', index=0, id="c1")], [piece("", index=0, name="f")]) == [
        ("c1", "f", '{"a": 1}')
    ]


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_call_without_arguments(nothing: str | None):
    assert calls([piece(nothing, index=0, id="c1", name="f")]) == [("c1", "f", "")]


def test_arguments_as_an_object():
    assert calls([piece({"a": "é"}, index=0, id="c1", name="f")]) == [("c1", "f", '{"a": "é"}')]


def test_a_whole_call_sent_again_at_the_end_counts_once():
    again = [piece('{"a": 1}', index=0, id="c1", name="f")]
    assert calls(
        [piece("", index=0, id="c1", name="f")], [piece('{"a"', index=0)], [piece(": 1}", index=0)], again
    ) == [("c1", "f", '{"a": 1}')]
    assert calls(again, again) == [("c1", "f", '{"a": 1}')]


def test_numbers_and_lists_where_text_belongs_do_no_harm():
    odd = {"index": "0", "id": 5, "type": "", "function": {"name": ["f"], "arguments": 1}}
    ((made, name, arguments),) = calls([odd])
    assert made
    assert (name, arguments) == ("", "1")


def test_a_delta_of_a_call_says_what_is_new():
    deltas, _ = assemble(
        chunk({"tool_calls": [piece("", index=0, id="c1", name="f")]}),
        chunk({"tool_calls": [piece("{", index=0, id="c1", name="f")]}),
    )
    assert [delta.tool_calls for delta in deltas] == [
        (ToolCallDelta(0, "c1", "f", ""),),
        (ToolCallDelta(0, None, None, "{"),),
    ]


# --- reasoning details ---


def details(*fragments: Any) -> Any:
    return message(*({"role": "assistant", "reasoning_details": each} for each in fragments)).get(
        "reasoning_details"
    )


def test_the_signature_of_claude_comes_last_and_alone():
    same = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    assert details(
        [{**same, "text": "", "signature": ""}],
        [{**same, "text": "Let me "}],
        [{**same, "text": "think"}],
        [{**same, "signature": "EqQB"}],
    ) == [{**same, "text": "Let me think", "signature": "EqQB"}]


def test_the_summary_and_the_encrypted_item_of_openai_share_an_index():
    summary = {"type": "reasoning.summary", "format": "openai-responses-v1", "index": 0}
    encrypted = {
        "type": "reasoning.encrypted",
        "data": "gAAA",
        "id": "rs_1",
        "format": "openai-responses-v1",
        "index": 0,
    }
    assert details([{**summary, "summary": "**Plan"}], [{**summary, "summary": "ning**"}], [encrypted]) == [
        {**summary, "summary": "**Planning**"},
        encrypted,
    ]


def test_two_encrypted_items_with_one_index_are_two():
    first = {"type": "reasoning.encrypted", "data": "a", "id": "rs_1", "index": 0}
    second = {"type": "reasoning.encrypted", "data": "b", "id": "rs_2", "index": 0}
    assert details([first], [second]) == [first, second]


def test_the_signature_of_gemini_comes_beside_a_tool_call():
    item = {
        "type": "reasoning.encrypted",
        "data": "CiQB",
        "id": "tool_1",
        "format": "google-gemini-v1",
        "index": 0,
    }
    got = message({"tool_calls": [piece("{}", index=0, id="c1", name="f")], "reasoning_details": [item]})
    assert got["reasoning_details"] == [item]
    assert len(got["tool_calls"]) == 1


def test_interleaved_blocks_keep_the_order_in_which_they_began():
    def text(index: int, piece: str) -> dict[str, Any]:
        return {"type": "reasoning.text", "index": index, "text": piece}

    assert details([text(0, "a")], [text(1, "x")], [text(0, "b")], [text(1, "y")]) == [
        text(0, "ab"),
        text(1, "xy"),
    ]


def test_text_without_an_index_goes_on_until_it_is_signed():
    def text(piece: str, **more: Any) -> dict[str, Any]:
        return {"type": "reasoning.text", "format": "f", "text": piece, **more}

    assert details([text("a")], [text("b", signature="s")], [text("c")], [text("d", format="g")]) == [
        text("ab", signature="s"),
        text("c"),
        text("d", format="g"),
    ]
    assert details([text("a", index=None)], [text("b", index=None)]) == [text("ab", index=None)]


def test_items_of_an_unknown_type_are_kept_as_they_are():
    unknown = {"type": "reasoning.server_tool_call", "tool_name": "fusion", "index": 0, "arguments": "{}"}
    assert details([unknown], [unknown], [{"odd": 1}], [None]) == [unknown, unknown, {"odd": 1}]


def test_an_empty_list_of_details_is_kept():
    assert details([]) == []
    assert "reasoning_details" not in message({"content": "a"})


def test_details_are_taken_from_a_delta_that_holds_nothing_else():
    item = {"type": "reasoning.text", "signature": "s", "index": 0}
    assert message({"reasoning_details": [item]})["reasoning_details"] == [item]


def test_reasoning_that_is_only_in_the_details_is_shown():
    fragments = [{"reasoning_details": [{"type": "reasoning.text", "text": each}]} for each in ("a", "b")]
    deltas, body = assemble(*map(chunk, fragments))
    assert [delta.reasoning for delta in deltas] == ["a", "b"]
    assert body["choices"][0]["message"]["reasoning"] == "ab"


# --- images, audio, annotations, logprobs ---


def test_images_come_whole_and_once():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert message({"images": [image]}, {"role": "assistant", "images": [image]})["images"] == [image]


def test_annotations_are_collected():
    first, second = ({"type": "url_citation", "url_citation": {"url": url}} for url in "ab")
    assert message({"annotations": [first]}, {"content": "x", "annotations": [second]})["annotations"] == [
        first,
        second,
    ]


def test_audio_is_joined_as_bytes():
    def data(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    got = message(
        {"audio": {"id": "a1", "data": data(b"RI"), "transcript": "Hel"}},
        {"audio": {"data": data(b"FF!"), "transcript": "lo"}},
        {"audio": {"expires_at": 5, "data": None}},
    )["audio"]
    assert base64.b64decode(got["data"]) == b"RIFF!"
    assert (got["id"], got["transcript"], got["expires_at"]) == ("a1", "Hello", 5)


@pytest.mark.parametrize("pieces", [["QUJ", "D"], ["é", "x"]])
def test_audio_that_is_cut_at_odd_places_is_joined_as_text(pieces: list[str]):
    assert message(*({"audio": {"data": each}} for each in pieces))["audio"]["data"] == "".join(pieces)


def test_logprobs_are_collected():
    def with_logprobs(token: str) -> dict[str, Any]:
        choice = {"delta": {"content": token}, "logprobs": {"content": [{"token": token}], "refusal": None}}
        return {"choices": [choice]}

    _, body = assemble(with_logprobs("a"), with_logprobs("b"), {"choices": [{"logprobs": ["odd"]}]})
    assert body["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


# --- what a piece adds, to the letter ---


@pytest.mark.parametrize(
    ("piece_", "rest"),
    [
        ({"content": "a\ud83d"}, Delta(text="\ufffd", choice=1)),
        ({"reasoning": "a\ud83d"}, Delta(reasoning="\ufffd", choice=1)),
        ({"refusal": "a\ud83d"}, Delta(refusal="\ufffd", choice=1)),
        ({"audio": {"transcript": "a\ud83d"}}, Delta(transcript="\ufffd", choice=1)),
        (
            {"tool_calls": [piece("a\ud83d", id="c", name="f")]},
            Delta(tool_calls=(ToolCallDelta(0, None, None, "\ufffd"),), choice=1),
        ),
    ],
)
def test_what_was_kept_back_is_told_at_the_end_and_of_which_choice(piece_: dict[str, Any], rest: Delta):
    deltas, _ = assemble({"choices": [{"index": 1, "delta": piece_}]})
    assert deltas[-1] == rest


@pytest.mark.parametrize("key", ["images", "annotations", "audio"])
def test_a_chunk_with_nothing_but_this_is_a_delta(key: str):
    thing: dict[str, Any] = {"id": "a1"}
    (delta,), _ = assemble(chunk({key: thing if key == "audio" else [thing]}))
    assert delta[:4] == ("", "", (), "")
    assert delta.transcript == ""
    message = {key: thing if key == "audio" else [thing]}
    answer = decode.completion({"choices": [{"message": message}]})
    assert at_once(answer) == [Delta(chunk=answer.raw)]


def test_the_same_annotation_twice_is_two():
    assert (
        message(*[{"annotations": [{"type": "url_citation"}]}] * 2)["annotations"]
        == [{"type": "url_citation"}] * 2
    )


def test_nothing_in_audio_hides_what_comes_after_it():
    audio = message({"audio": {"data": 5, "id": None, "expires_at": 1, "transcript": "hi"}})["audio"]
    assert audio == {"expires_at": 1, "transcript": "hi"}


def test_a_call_without_an_id_is_named_after_its_generation():
    assert calls([piece("{}", name="f")]) == [("callgen1_0", "f", "{}")]


def test_an_index_that_is_no_number_is_none():
    odd: list[Any] = [
        {"index": odd, "function": {"arguments": text}} for odd, text in (({}, "{"), ("0", "}"))
    ]
    assert calls([piece(name="f", id="c")], odd) == [("c", "f", "{}")]


@pytest.mark.parametrize("index", [0, None])
def test_two_calls_of_one_function_are_told_apart_by_their_ids(index: int | None):
    pieces = [piece("{}", index=index, id=id_, name="f") for id_ in ("a", "b")]
    assert calls(*([each] for each in pieces)) == [("a", "f", "{}"), ("b", "f", "{}")]


def test_an_id_that_came_late_tells_the_next_call_apart():
    parts = [piece("{}", index=0, name="f"), piece(index=0, id="a"), piece("{}", index=0, id="b")]
    assert [arguments for _, _, arguments in calls(*([each] for each in parts))] == ["{}", "{}"]


def test_a_piece_of_a_call_with_nothing_new_is_not_told():
    steps, body = assemble(*(chunk({"tool_calls": [piece(id="c", index=0, name="f")]}) for _ in range(2)))
    assert len(steps) == 1
    whole = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert body["choices"][0]["message"]["tool_calls"] == [whole]


def test_what_is_spoken_is_told_and_what_is_written_is_not_spoken():
    deltas, _ = assemble(
        chunk({"audio": {"transcript": "hi"}}), chunk({"content": "a"}), chunk({"content": "b", "x": 1})
    )
    assert [(delta.text, delta.transcript) for delta in deltas] == [("", "hi"), ("a", ""), ("b", "")]


@pytest.mark.parametrize("nothing", ["x", -1, True, None, float("nan")])
def test_a_choice_without_a_number_is_the_first(nothing: object):
    deltas, body = assemble(
        chunk({"content": "a"}), {"choices": [{"index": nothing, "delta": {"content": "b"}}]}
    )
    assert [delta.choice for delta in deltas] == [0, 0]
    assert [(each.index, each.text) for each in decode.completion(body).choices] == [(0, "ab")]


def test_the_calls_of_an_answer_are_numbered():
    raw = message(
        {"tool_calls": [piece("{}", index=5, id="a", name="f"), piece("{}", index=7, id="b", name="g")]}
    )
    assert [(each["index"], each["id"]) for each in raw["tool_calls"]] == [(0, "a"), (1, "b")]
