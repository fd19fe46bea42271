"""A whole answer, read into values: nothing is lost, nothing odd is fatal."""

from __future__ import annotations

from decimal import Decimal

import pytest

from openrouter_opts.errors import Malformed
from openrouter_opts.protocol import decode
from openrouter_opts.protocol.completion import Choice, ToolCall


def choice(message: object, finish_reason: object = "stop") -> Choice:
    return decode.choice({"index": 0, "message": message, "finish_reason": finish_reason})


def test_a_whole_answer_is_read():
    body = {
        "id": "gen-1",
        "model": "anthropic/claude-sonnet-4.6",
        "provider": "Anthropic",
        "created": 1_790_000_000,
        "service_tier": "default",
        "system_fingerprint": None,
        "something_new": {"kept": True},
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Paris",
                    "refusal": None,
                    "reasoning": "hm",
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}
                    ],
                    "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a"}}],
                    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
                    "audio": {"id": "a", "data": "AA=="},
                },
                "finish_reason": "stop",
                "native_finish_reason": "end_turn",
                "logprobs": {"content": []},
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": None},
            "completion_tokens_details": {"reasoning_tokens": 3},
            "server_tool_use_details": {"web_search_requests": 1},
            "cost": 0.00014,
            "is_byok": False,
        },
    }
    completion = decode.completion(body, headers={"cf-ray": "r", "set-cookie": "secret"}, attempts=2)
    assert (completion.id, completion.model, completion.provider) == (
        "gen-1",
        "anthropic/claude-sonnet-4.6",
        "Anthropic",
    )
    assert (completion.created, completion.service_tier, completion.system_fingerprint) == (
        1_790_000_000,
        "default",
        None,
    )
    assert completion.headers == {"cf-ray": "r"}
    assert completion.attempts == 2
    assert completion.raw is body
    assert completion.text == "Paris"
    assert completion.reasoning == "hm"
    only = completion.choice
    assert only.reasoning_details == ({"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},)
    assert only.annotations[0]["url_citation"] == {"url": "https://a"}
    assert only.images[0]["image_url"] == {"url": "data:image/png;base64,AA=="}
    assert only.audio == {"id": "a", "data": "AA=="}
    assert (only.finish_reason, only.native_finish_reason, only.logprobs) == (
        "stop",
        "end_turn",
        {"content": []},
    )
    usage = completion.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (4, 2, 3)
    assert "audio_tokens" not in usage.prompt_details
    assert usage.server_tool_use == {"web_search_requests": 1}
    assert completion.cost.total == Decimal("0.00014")


def test_what_the_body_does_not_say_the_headers_do():
    completion = decode.completion({}, headers={"x-generation-id": "gen-2", "x-provider-name": "Mock"})
    assert (completion.id, completion.provider) == ("gen-2", "Mock")


def test_every_choice_is_read_in_the_order_of_their_indexes():
    body = {"choices": [{"index": 1, "message": {"content": "b"}}, None, {"message": {"content": "a"}}]}
    assert [(each.index, each.text) for each in decode.completion(body).choices] == [(0, "a"), (1, "b")]


@pytest.mark.parametrize("choices", [None, [], {}, "x", [None], 3])
def test_choices_that_are_none_give_no_choice(choices: object):
    completion = decode.completion({"choices": choices})
    assert completion.choices == ()
    assert (completion.text, completion.tool_calls, completion.finish_reason) == ("", (), None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        ("", ""),
        (None, None),
        ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}], "ab"),
        ([], ""),
        (5, ""),
    ],
)
def test_content_may_be_text_parts_or_nothing(content: object, text: str | None):
    assert choice({"content": content}).text == text


def test_halves_of_a_character_are_joined_and_a_lone_half_is_replaced():
    body = decode.parse(rb'{"message": {"content": "\ud83d\ude00 \ud83d", "reasoning": "\ude00"}}')
    read = decode.choice(body)
    assert (read.text, read.reasoning) == ("😀 \ufffd", "\ufffd")


@pytest.mark.parametrize(
    ("message", "reasoning"),
    [
        ({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "a"),
        ({"reasoning_content": "deepseek"}, "deepseek"),
        (
            {"reasoning": None, "reasoning_details": [{"text": "a"}, {"summary": "b"}, {"data": "x"}, None]},
            "ab",
        ),
        ({"reasoning": "", "reasoning_details": []}, None),
        ({"reasoning": {"odd": 1}}, None),
    ],
)
def test_reasoning_is_taken_from_one_place(message: dict[str, object], reasoning: str | None):
    assert choice(message).reasoning == reasoning


def test_empty_reasoning_details_differ_from_none():
    assert choice({"reasoning_details": []}).reasoning_details == ()
    assert choice({}).reasoning_details is None


def test_tool_calls_keep_the_text_of_their_arguments():
    calls = decode.tool_calls(
        [
            {"id": "c1", "index": 0, "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "c2", "function": {"name": "g", "arguments": {"b": "é"}}},
            {"id": "c3", "function": {"name": "h"}},
            {"id": "c4", "function": {"name": "i", "arguments": '{"cut": '}},
            {"id": "c5", "function": {"name": "j", "arguments": "[1]"}},
        ]
    )
    assert calls[0] == ToolCall("c1", "f", '{"a": 1}', 0)
    assert [call.arguments for call in calls] == ['{"a": 1}', '{"b": "é"}', "", '{"cut": ', "[1]"]
    assert [call.args for call in calls] == [{"a": 1}, {"b": "é"}, {}, None, None]


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ('{"code": "a\n\tb"}', {"code": "a\n\tb"}),
        ('{"half": "\\ud83d", "break": "\n"}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_raw_line_break_in_arguments_is_let_pass_and_nothing_else_is(arguments: str, args: object):
    assert ToolCall("c1", "f", arguments).args == args


@pytest.mark.parametrize(
    ("arguments", "finish_reason", "args"),
    [
        ("", "tool_calls", {}),
        ("null", "stop", {}),
        ('""', "tool_use", {}),
        ("", "length", None),
        (" ", "length", None),
        ("", "content_filter", None),
        ("null", "content_filter", None),
        ("", None, None),
        (" ", None, None),
        ("", "something_new", None),
        ("{}", None, {}),
        ("{}", "length", {}),
        ('{"a": 1}', "length", {"a": 1}),
        ('{"a": ', "length", None),
    ],
)
def test_a_call_that_was_cut_off_must_not_be_run(arguments: str, finish_reason: str | None, args: object):
    call = {"id": "c1", "function": {"name": "delete_all", "arguments": arguments}}
    read = decode.choice({"message": {"tool_calls": [call]}, "finish_reason": finish_reason})
    assert read.args_of(read.tool_calls[0]) == args


def test_calls_without_an_id_or_with_the_same_one_get_ids_of_their_own():
    raw = [{"id": id_, "function": {"name": "f"}} for id_ in ("", "x", "x", None)]
    calls = decode.tool_calls(raw, "gen-1790000000-aBcDeFgHiJkLmNoPqRsT")
    ids = [call.id for call in calls]
    assert len(set(ids)) == 4
    assert ids[1] == "x"
    assert all(0 < len(id_) <= 40 for id_ in ids)
    assert ids == [call.id for call in decode.tool_calls(raw, "gen-1790000000-aBcDeFgHiJkLmNoPqRsT")]
    assert ids[0] != decode.tool_calls(raw, "gen-1790000001-zzzzzzzzzzzzzzzzzzzz")[0].id


@pytest.mark.parametrize(
    "nothing", [{}, {"id": None, "function": {}}, {"id": 1, "function": "x"}, {"type": "function"}]
)
def test_a_call_with_nothing_in_it_is_none(nothing: dict[str, object]):
    call = {"id": "c1", "function": {"name": "f", "arguments": "{}"}}
    assert decode.tool_calls([nothing, call]) == (ToolCall("c1", "f", "{}", 0),)


def test_half_a_character_is_replaced_wherever_a_model_writes():
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"a": "\ud83d"}'}}
    read = choice({"content": "\ud83d", "refusal": "\ud83d", "reasoning": "\ud83d", "tool_calls": [call]})
    assert (read.text, read.refusal, read.reasoning) == ("\ufffd", "\ufffd", "\ufffd")
    assert read.tool_calls[0].args == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("said", "with_calls", "expected"),
    [
        ("stop", True, "tool_calls"),
        (None, True, None),
        ("length", True, "length"),
        ("stop", False, "stop"),
        (None, False, None),
        ("something_new", False, "something_new"),
    ],
)
def test_an_answer_that_calls_tools_ended_for_tool_calls(said: str, with_calls: bool, expected: str):
    calls = [{"id": "c", "function": {"name": "f"}}] if with_calls else []
    assert choice({"tool_calls": calls}, said).finish_reason == expected


def test_an_answer_that_was_cut_short_ended_for_no_reason():
    raw = {"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a'}}]}}
    (cut,) = decode.completion({"choices": [raw]}, ended=False).choices
    assert cut.finish_reason is None


@pytest.mark.parametrize(
    ("message", "finish_reason", "empty"),
    [
        ({"content": None}, "stop", True),
        ({"content": ""}, "stop", False),
        ({"content": ""}, None, True),
        ({"content": ""}, "error", True),
        ({"content": None}, "length", False),
        ({"content": None}, "content_filter", False),
        ({"content": None, "reasoning": "hm"}, "stop", False),
        ({"content": None, "refusal": "no"}, "stop", False),
        ({"content": None, "images": [{}]}, "stop", False),
        ({"content": None, "audio": {"data": "AA=="}}, "stop", False),
        ({"content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]}, "tool_calls", False),
        (None, "stop", True),
    ],
)
def test_what_counts_as_an_empty_answer(message: object, finish_reason: str | None, empty: bool):
    assert decode.is_empty(choice(message, finish_reason)) is empty


@pytest.mark.parametrize("value", [None, "5", -1, float("nan"), float("inf"), True, [], {}])
def test_a_count_that_makes_no_sense_is_unknown_not_zero(value: object):
    usage = decode.usage({"prompt_tokens": value, "completion_tokens": 3, "total_tokens": value})
    assert (usage.prompt_tokens, usage.total_tokens) == (None, None)


def test_usage_is_read_as_far_as_it_goes():
    usage = decode.usage({"prompt_tokens": 4.0, "completion_tokens": 0, "server_tool_use": {"a": 1}})
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (4, 0, 4)
    assert usage.server_tool_use == {"a": 1}
    assert usage.cached_tokens is None
    assert decode.completion({"usage": {}}).usage is None
    assert decode.completion({"usage": None}).usage is None


def test_the_completion_that_was_once_nested_in_provider_is_found():
    inner = {"choices": [], "id": "gen-1"}
    assert decode.unnest({"provider": inner}) is inner
    outer = {"provider": {"name": "x"}}
    assert decode.unnest(outer) is outer


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"code": 502}}, {"code": 502}),
        ({"error": "text"}, "text"),
        ({"error": ["odd"]}, "['odd']"),
        ({"choices": [{"error": {"code": 429}}]}, {"code": 429}),
        ({"choices": [{}, {"error": "x"}]}, "x"),
        ({"error": None, "choices": [{"error": None, "finish_reason": "stop"}]}, None),
        ({"choices": None}, None),
    ],
)
def test_an_error_is_found_wherever_it_stands(body: dict[str, object], said: object):
    assert decode.error_in(body) == said


def test_an_error_that_is_only_a_finish_reason_is_found():
    said = decode.error_in({"choices": [{"finish_reason": "error"}]})
    assert isinstance(said, dict)
    assert said["code"] == 502


@pytest.mark.parametrize(
    "data",
    [
        b"<html>Sign in</html>",
        b'{"a": ',
        b'{"a": 1} x',
        b"[" * 5000 + b"]" * 5000,
        b"1" * 5000,
        b'"\xff"',
        '{"a": 1}'.encode("utf-16"),
        rb'{"a": "\ud83d", "b": ' + b"[" * 50_000,
    ],
    ids=[
        "HTML",
        "cut",
        "trailing",
        "deep",
        "a huge number",
        "no UTF-8",
        "UTF-16",
        "deep after half a character",
    ],
)
def test_what_is_no_json_is_malformed(data: bytes):
    with pytest.raises(Malformed, match="sent no JSON") as caught:
        decode.parse(data)
    assert caught.value.delivered == "yes"
    assert len(str(caught.value)) < 1000


def test_a_byte_order_mark_and_blanks_before_json_are_passed_over():
    assert decode.parse(b"\xef\xbb\xbf  \n {}") == {}


@pytest.mark.parametrize("character", ["\t", "\x0c", "\r\n"])
def test_a_raw_control_character_in_a_text_is_let_pass(character: str):
    assert decode.parse(f'{{"a": "b{character}c"}}'.encode()) == {"a": f"b{character}c"}


def test_the_beginning_of_what_came_is_shown():
    with pytest.raises(Malformed) as caught:
        decode.parse(b"a" * 199 + b"bc")
    assert f": '{'a' * 199}b…'; " in str(caught.value)


def test_a_key_in_what_came_instead_of_json_is_struck_out():
    with pytest.raises(Malformed) as caught:
        decode.parse(b"<html>you sent sk-or-v1-abc</html>")
    assert "abc" not in str(caught.value)


# --- what a default, a name and a rule are, to the letter ---


def test_an_answer_is_the_first_attempt_and_came_to_its_end_unless_it_is_said():
    call = {"id": "c1", "function": {"name": "f"}}
    body = {
        "system_fingerprint": "fp_1",
        "choices": [{"message": {"tool_calls": [call]}, "finish_reason": "stop"}],
    }
    read = decode.completion(body)
    assert (read.attempts, read.finish_reason, read.system_fingerprint) == (1, "tool_calls", "fp_1")
    assert decode.completion(body, ended=False).finish_reason == "stop"


@pytest.mark.parametrize(
    ("ids", "generation_id", "expected"),
    [
        ([None], "gen-1-a_b", ["callgen1ab_0"]),
        ([None], None, ["call_0"]),
        ([None], "gen-12345678901234567890z", ["call2345678901234567890z_0"]),
        (["x", "x"], "gen-1", ["x", "x_1"]),
        (["x_2", "x", "x"], "gen-1", ["x_2", "x", "x_2_2"]),
        (["callgen1_1", None], "gen-1", ["callgen1_1", "callgen1_1_1"]),
    ],
)
def test_a_made_up_id_is_made_of_what_there_is(
    ids: list[str | None], generation_id: str | None, expected: list[str]
):
    raw = [{"id": id_, "function": {"name": "f"}} for id_ in ids]
    assert [call.id for call in decode.tool_calls(raw, generation_id)] == expected


@pytest.mark.parametrize(
    ("total", "expected"), [({"total_tokens": 9}, 9), ({}, 5), ({"total_tokens": -1}, 5)]
)
def test_the_total_is_what_is_said_and_else_the_sum(total: dict[str, int], expected: int):
    raw = {"prompt_tokens": 2, "completion_tokens": 3, **total}
    read = decode.usage(raw)
    assert (read.total_tokens, read.raw) == (expected, raw)


@pytest.mark.parametrize("key", ["text", "summary", "data", "signature", "result"])
def test_reasoning_of_any_kind_is_something(key: str):
    assert not decode.is_empty(choice({"reasoning_details": [{"type": "new", key: "x"}]}))
    assert decode.is_empty(choice({"reasoning_details": [{"type": "new", key: ""}]}))


def test_the_ids_of_calls_are_made_of_the_generation_and_their_numbers_are_their_places():
    calls = [{"function": {"name": name}} for name in "fg"]
    body = {"id": "gen-1", "choices": [{"message": {"tool_calls": calls}}]}
    read = decode.completion(body).tool_calls
    assert [(call.id, call.index) for call in read] == [("callgen1_0", 0), ("callgen1_1", 1)]


@pytest.mark.parametrize(
    ("choice_", "said"),
    [
        ({"error": 5}, "5"),
        ({"error": "no"}, "no"),
        ({"error": {"code": 1}}, {"code": 1}),
        (
            {"finish_reason": "error"},
            {"code": 502, "message": "the provider broke off and gave no reason"},
        ),
    ],
)
def test_the_error_of_a_choice_is_words_or_an_object(choice_: dict[str, object], said: object):
    assert decode.error_in({"choices": [choice_]}) == said


def test_audio_and_logprobs_that_are_none_are_none():
    read = decode.choice({"message": {"audio": "odd"}, "logprobs": [1]})
    assert (read.audio, read.logprobs) == (None, None)


@pytest.mark.parametrize(
    ("status", "usage", "total", "source"),
    [
        ("HIT", None, Decimal(0), "reported"),
        ("HIT", {"prompt_tokens": 5}, Decimal(0), "reported"),
        ("HIT", {"cost": 0.5}, Decimal("0.5"), "reported"),
        ("MISS", {"prompt_tokens": 5}, None, "unknown"),
    ],
)
def test_a_hit_of_the_cache_costs_nothing_unless_it_says_so(
    status: str, usage: object, total: Decimal | None, source: str
):
    read = decode.usage_of({"usage": usage}, {"x-openrouter-cache-status": status})
    assert read
    assert (read.cost.total, read.cost.source) == (total, source)
    assert read.prompt_tokens == (5 if isinstance(usage, dict) and "prompt_tokens" in usage else None)


def test_no_usage_is_none():
    assert decode.usage_of({}, {"x-openrouter-cache-status": "MISS"}) is None
    assert decode.usage_of({"usage": {}}, {}) is None


def test_half_a_character_in_broken_json_is_malformed():
    with pytest.raises(Malformed, match="no JSON"):
        decode.parse(b'{"a": "\\ud83d", "b": }')
