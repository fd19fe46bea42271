"""Which reasoning goes back to the model."""

from __future__ import annotations

import pytest

from openrouter_opts.protocol.replay import name_calls, once_each, other_output, sendable, tool_call

SIGNED = {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1"}
UNSIGNED = {"type": "reasoning.text", "text": "Hm.", "format": "anthropic-claude-v1"}
PLAIN = {"type": "reasoning.text", "text": "Hm.", "format": "unknown"}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1"}


@pytest.mark.parametrize(
    ("details", "sent"),
    [
        (None, None),
        ([], []),
        ([SIGNED, PLAIN, ENCRYPTED, None], [SIGNED, PLAIN, ENCRYPTED, None]),
        ([UNSIGNED, ENCRYPTED], [ENCRYPTED]),
        ([UNSIGNED], None),
        ([UNSIGNED | {"format": "google-gemini-v1"}], None),
    ],
)
def test_entries_go_back_as_they_came_unless_a_signature_is_missing(details, sent) -> None:
    assert sendable(details) == sent


def claude(**fields):
    return {"type": "reasoning.text", "format": "anthropic-claude-v1", **fields}


WHOLE = claude(text="Let me think", signature="S", index=0)


@pytest.mark.parametrize(
    ("details", "sent"),
    [
        ([claude(text="Let me ", index=0), claude(text="think", signature="S", index=0)], [WHOLE]),
        (
            [claude(text="Let ", index=0), claude(text="me think", index=0), claude(signature="S", index=0)],
            [WHOLE],
        ),
        (
            [
                claude(text="Let me think", index=0),
                ENCRYPTED,
                claude(text=None, signature="S", index=0),
            ],
            [WHOLE, ENCRYPTED],
        ),
        (
            [
                claude(text="Let me think", index=0),
                {"type": "reasoning.text", "signature": "S"},
            ],
            [WHOLE],
        ),
        ([UNSIGNED, SIGNED], [SIGNED]),
        ([WHOLE, WHOLE | {"signature": "T"}], [WHOLE, WHOLE | {"signature": "T"}]),
        (
            [claude(text="a", index=0), claude(text="b", signature="S", index=1)],
            [claude(text="b", signature="S", index=1)],
        ),
        ([claude(text="a", index=0), claude(text="b", index=0)], None),
    ],
)
def test_a_signature_that_came_apart_from_its_text_goes_back_with_it(details, sent) -> None:
    assert sendable(details) == sent


def test_items_that_a_stream_left_out_are_not_taken_for_one_another() -> None:
    redacted = {"type": "reasoning.encrypted", "data": "[REDACTED]"}
    messages = [{"reasoning_details": [redacted]}, {"reasoning_details": [dict(redacted)]}]

    once_each(messages)

    assert messages == [{"reasoning_details": [redacted]}] * 2


def test_an_entry_goes_back_with_the_first_message_that_has_it() -> None:
    messages = [
        {"reasoning_details": [SIGNED, PLAIN]},
        {"content": "hi"},
        {"reasoning_details": [dict(SIGNED), ENCRYPTED, PLAIN]},
        {"reasoning_details": [dict(ENCRYPTED)]},
        {"reasoning_details": []},
    ]

    once_each(messages)

    assert messages == [
        {"reasoning_details": [SIGNED, PLAIN]},
        {"content": "hi"},
        {"reasoning_details": [ENCRYPTED, PLAIN]},
        {},
        {"reasoning_details": []},
    ]


def test_calls_without_an_id_get_one_that_is_free_and_their_results_find_them() -> None:
    taken, free = tool_call("call_0", "f", {}), tool_call(None, "f", {})
    messages = [
        {"role": "assistant", "tool_calls": [taken, free]},
        {"role": "tool", "tool_call_id": "call_0"},
        {"role": "tool", "tool_call_id": ""},
        {"role": "assistant", "tool_calls": [tool_call("", "f", {})]},
        {"role": "tool", "tool_call_id": None},
        {"role": "tool", "tool_call_id": ""},
    ]

    name_calls(messages)

    assert [call["id"] for message in messages for call in message.get("tool_calls", ())] == [
        "call_0",
        "call_1",
        "call_2",
    ]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    # The last one answers nothing.
    assert answered == ["call_0", "call_1", "call_2", ""]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"b":1, "a":2}', '{"b":1, "a":2}'),
        ({"b": 1, "é": None}, '{"b": 1, "é": null}'),
        ("", "{}"),
        (None, "{}"),
        ('{"code": "a\nb"}', '{"code": "a\\nb"}'),
        ('{"cut": "he', '{"INVALID_JSON": "{\\"cut\\": \\"he"}'),
    ],
)
def test_arguments_go_back_as_the_model_wrote_them_if_they_are_json(arguments, sent) -> None:
    assert tool_call("c1", "f", arguments)["function"]["arguments"] == sent


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
PARSED = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": []}}
CITED = {"type": "url_citation", "url_citation": {"url": "https://example.org"}}


@pytest.mark.parametrize(
    ("kept", "sent"),
    [
        ({}, {}),
        ({"refusal": None, "images": [], "annotations": None, "audio": None}, {}),
        ({"refusal": "No."}, {"refusal": "No."}),
        ({"images": [{**IMAGE, "index": 0}]}, {"images": [IMAGE]}),
        ({"annotations": [CITED, PARSED]}, {"annotations": [PARSED]}),
        ({"annotations": [CITED]}, {}),
        ({"audio": {"id": "audio_1", "data": "AA==", "transcript": "Hi"}}, {"audio": {"id": "audio_1"}}),
        ({"audio": {"data": "AA=="}}, {}),
        ({"audio": "AA=="}, {}),
    ],
)
def test_of_what_a_model_gave_beside_text_goes_back_what_it_can_use(kept, sent) -> None:
    assert other_output(kept) == sent


def test_images_go_back_once_whoever_keeps_them() -> None:
    assert other_output({}, images=[IMAGE]) == {"images": [IMAGE]}
    assert other_output({"images": [IMAGE]}, images=[IMAGE]) == {"images": [IMAGE]}
