"""Reasoning, and what becomes of it in the next turn."""

from __future__ import annotations

import copy

import pytest

CLAUDE = "anthropic/claude-sonnet-4.6"
GPT = "openai/gpt-5-mini"
GEMINI = "google/gemini-2.5-flash"
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
ON = {"effort": "low"}


@pytest.fixture
def turn(call, tools):
    """Ask, call the tool, and send everything back, after a change to the assistant's message."""

    def asked(model, change=lambda message: message, answering=None):
        message = call.chat(model=model, messages=[QUESTION], tools=tools, reasoning=ON).message
        result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "rainy"}
        sent = change(copy.deepcopy(message))
        messages = [QUESTION, sent, result]
        return call.chat(model=answering or model, messages=messages, tools=tools, reasoning=ON)

    return asked


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, "deepseek/deepseek-v3.2", "x-ai/grok-4.6"])
def test_reasoning_that_is_sent_back_unchanged_is_taken(turn, model):
    reply = turn(model)
    assert reply.status == 200
    assert "rainy" in reply.message["content"]


def without_signature(message):
    del message["reasoning_details"][0]["signature"]
    return message


def with_another_text(message):
    message["reasoning_details"][0]["text"] += "!"
    return message


def with_broken_signature(message):
    message["reasoning_details"][0]["signature"] = "not base64"
    return message


def with_text_alone(message):
    del message["reasoning_details"]
    return message


def as_fragments(message):
    (entry,) = message["reasoning_details"]
    text = {key: value for key, value in entry.items() if key != "signature"}
    signature = {key: value for key, value in entry.items() if key != "text"}
    message["reasoning_details"] = [text, signature]
    return message


@pytest.mark.parametrize(
    "change", [without_signature, with_another_text, with_broken_signature, with_text_alone, as_fragments]
)
def test_claude_refuses_thinking_that_is_not_as_it_was(turn, change):
    reply = turn(CLAUDE, change)
    assert reply.status == 400
    assert "Invalid `signature` in `thinking` block" in reply.error["message"]


def test_claude_takes_a_history_without_any_reasoning(turn):
    def bare(message):
        return {key: value for key, value in message.items() if not key.startswith("reasoning")}

    assert turn(CLAUDE, bare).status == 200


def with_twice_the_details(message):
    message["reasoning_details"] *= 2
    return message


def with_other_data(message):
    entry = message["reasoning_details"][-1]
    entry["data"] = entry["data"][:-8] + "AAAAAAA="
    return message


@pytest.mark.parametrize(
    ("model", "change", "told"),
    [
        (CLAUDE, with_twice_the_details, "is in the history twice"),
        (GPT, with_twice_the_details, "is in the history twice"),
        (GPT, with_other_data, "encrypted content could not be verified"),
        (GEMINI, with_other_data, "Corrupted thought signature"),
    ],
)
def test_providers_notice_what_was_changed(turn, model, change, told):
    reply = turn(model, change)
    assert reply.status == 400
    assert told in reply.error["message"]


def test_entries_of_another_family_are_left_out(turn):
    assert turn(CLAUDE, without_signature, answering=GPT).status == 200


def test_a_long_loop_with_equal_thoughts_is_fine(call):
    messages = []
    for _ in range(3):
        messages.append({"role": "user", "content": "What is 2 * 3?"})
        reply = call.chat(model=CLAUDE, messages=messages, reasoning=ON)
        assert reply.status == 200
        messages.append(reply.message)


@pytest.mark.parametrize("reasoning", [{"effort": "high"}, {"enabled": True}, {"max_tokens": 2000}, {}])
def test_it_is_switched_on_in_every_way(call, reasoning):
    reply = call.chat(model=CLAUDE, reasoning=reasoning)
    assert reply.message["reasoning"]
    assert reply.message["reasoning_details"][0]["text"] == reply.message["reasoning"]
    assert reply.json["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_shorthands_switch_it_on_too(call):
    assert call.chat(model=CLAUDE, reasoning_effort="low").message["reasoning"]
    assert call.chat(model=CLAUDE, include_reasoning=True).message["reasoning"]


@pytest.mark.parametrize("body", [{}, {"reasoning": {"effort": "none"}}, {"reasoning": {"enabled": False}}])
def test_it_is_off(call, body):
    reply = call.chat(model=CLAUDE, **body)
    assert reply.message["reasoning"] is None
    assert reply.json["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


@pytest.mark.parametrize(
    "body", [{"reasoning": {"effort": "low", "exclude": True}}, {"reasoning": ON, "include_reasoning": False}]
)
def test_it_can_be_hidden_and_still_counts(call, body):
    reply = call.chat(model=CLAUDE, **body)
    assert reply.message["reasoning"] is None
    assert "reasoning_details" not in reply.message
    assert reply.json["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_a_model_that_always_reasons_cannot_be_stopped(call):
    assert call.chat(model="deepseek/deepseek-r1").message["reasoning"]
    reply = call.chat(model="deepseek/deepseek-r1", reasoning={"effort": "none"})
    assert (reply.status, "mandatory" in reply.error["message"]) == (400, True)


def test_a_model_that_cannot_reason_does_not(call):
    assert call.chat(model="openai/gpt-4o-mini", reasoning=ON).message["reasoning"] is None


def test_the_budget_of_claude_has_to_leave_room(call):
    reply = call.chat(model=CLAUDE, reasoning={"max_tokens": 2000}, max_tokens=2000)
    assert reply.status == 400
    assert "must be greater than `reasoning.max_tokens`" in reply.error["message"]


@pytest.mark.parametrize(("budget", "status"), [(1, 400), (1_023, 400), (1_024, 200), (128_001, 400)])
def test_claude_takes_no_budget_outside_its_bounds(call, budget, status):
    reply = call.chat(model=CLAUDE, reasoning={"max_tokens": budget})
    assert reply.status == status
    assert status == 200 or "1,024" in reply.error["message"]


def test_others_take_any_budget(call):
    assert call.chat(model=GEMINI, reasoning={"max_tokens": 1}).status == 200
