"""Answers that come whole."""

from __future__ import annotations

import json
import re

import pytest
from openrouter.components import ChatResult

QUESTION = "What is 12 * 7?"


def test_an_answer_has_the_shape_of_the_real_one(call):
    reply = call.chat(QUESTION)
    body = reply.json
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert re.fullmatch(r"gen-\d{10}-[A-Za-z0-9]{20}", body["id"])
    assert reply.headers["x-generation-id"] == body["id"]
    assert (body["object"], body["model"], body["provider"]) == (
        "chat.completion",
        "openai/gpt-5-mini",
        "OpenAI",
    )
    (choice,) = body["choices"]
    assert (choice["index"], choice["finish_reason"], choice["native_finish_reason"]) == (
        0,
        "stop",
        "completed",
    )
    assert choice["message"]["content"] == "12 * 7 = 84"
    assert choice["message"]["refusal"] is None
    assert choice["message"]["reasoning"] is None
    assert "reasoning_details" not in choice["message"]
    assert "tool_calls" not in choice["message"]


@pytest.mark.parametrize(
    "model", ["anthropic/claude-sonnet-4.6", "openai/gpt-5-mini", "google/gemini-2.5-flash"]
)
def test_the_official_sdk_reads_every_answer(call, tools, model):
    for body in ({}, {"tools": tools, "reasoning": {"effort": "low"}}, {"max_tokens": 3}):
        reply = call.chat("What is the weather in Paris?", model=model, **body)
        assert ChatResult.model_validate(reply.json).choices


def test_tool_calls_have_ids_indices_and_json_arguments(call, tools):
    reply = call.chat("What is the weather in Paris, and what is 3 times 4?", tools=tools)
    weather, product = reply.message["tool_calls"]
    assert reply.message["content"] is None
    assert reply.json["choices"][0]["finish_reason"] == "tool_calls"
    assert (weather["index"], weather["type"], weather["function"]["name"]) == (0, "function", "get_weather")
    assert json.loads(weather["function"]["arguments"]) == {"city": "Paris"}
    assert json.loads(product["function"]["arguments"]) == {"a": 3, "b": 4}
    assert weather["id"] != product["id"]


def test_a_tool_loop_ends_with_the_results_in_the_answer(call, tools):
    question = {"role": "user", "content": "What is the weather in Paris?"}
    asked = call.chat(messages=[question], tools=tools).message
    result = {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": "rainy, 11 degrees"}
    answered = call.chat(messages=[question, asked, result], tools=tools)
    assert "rainy, 11 degrees" in answered.message["content"]
    assert answered.json["choices"][0]["finish_reason"] == "stop"


def test_max_tokens_cuts_text_and_says_so(call):
    whole = call.chat("Tell me about the sea", model="openai/gpt-4o-mini").message["content"]
    reply = call.chat("Tell me about the sea", model="openai/gpt-4o-mini", max_tokens=5)
    assert whole.startswith(reply.message["content"])
    assert reply.json["usage"]["completion_tokens"] == 5
    assert reply.json["choices"][0]["finish_reason"] == "length"


def test_max_tokens_can_cut_a_call_in_the_middle_of_its_arguments(call, tools):
    reply = call.chat("What is the weather in Paris?", tools=tools, max_completion_tokens=8)
    arguments = reply.message["tool_calls"][0]["function"]["arguments"]
    assert '{"city": "Paris"}'.startswith(arguments)
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)
    assert reply.json["choices"][0]["finish_reason"] == "length"


def test_reasoning_can_use_up_max_tokens(call):
    reply = call.chat(QUESTION, model="deepseek/deepseek-v3.2", reasoning={"effort": "low"}, max_tokens=4)
    assert reply.message["content"] == ""
    assert reply.message["reasoning"]
    assert reply.json["choices"][0]["finish_reason"] == "length"
    assert reply.json["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4


@pytest.mark.parametrize("stop", ["= 8", ["nothing", "= 8"]])
def test_text_ends_before_a_stop_sequence(call, stop):
    reply = call.chat(QUESTION, model="anthropic/claude-sonnet-4.6", stop=stop)
    assert reply.message["content"] == "12 * 7 "
    assert reply.json["choices"][0]["finish_reason"] == "stop"
    assert reply.json["choices"][0]["native_finish_reason"] == "stop_sequence"


def test_the_same_seed_gives_the_same_answer(call):
    answers = {call.chat("Tell me a story", seed=7).message["content"] for _ in range(3)}
    assert len(answers) == 1


def test_what_an_endpoint_does_not_support_is_dropped_without_a_word(call):
    assert call.chat(QUESTION, model="openai/gpt-5-mini", stop="=").message["content"] == "12 * 7 = 84"


def test_unknown_keys_are_passed_on_to_the_provider(call):
    assert call.chat(QUESTION, safe_prompt=True).status == 200


def test_a_prompt_may_stand_for_the_messages(call):
    reply = call.request("POST", "/chat/completions", {"prompt": QUESTION})
    assert reply.message["content"] == "12 * 7 = 84"


def test_logprobs_come_for_each_token(call):
    reply = call.chat(QUESTION, model="openai/gpt-4o-mini", logprobs=True, top_logprobs=2)
    content = reply.json["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in content) == "12 * 7 = 84"
    assert all(len(entry["top_logprobs"]) == 2 for entry in content)
    assert call.chat(QUESTION).json["choices"][0]["logprobs"] is None


def test_a_json_schema_is_filled(call):
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    form = {"type": "json_schema", "json_schema": {"name": "result", "schema": schema, "strict": True}}
    reply = call.chat(QUESTION, response_format=form)
    assert isinstance(json.loads(reply.message["content"])["answer"], int)


def test_an_image_model_gives_images(call):
    reply = call.chat("Draw a cat", model="google/gemini-2.5-flash-image", modalities=["image", "text"])
    (image,) = reply.message["images"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert reply.json["usage"]["completion_tokens_details"]["image_tokens"] > 0


def test_the_service_tier_is_reported(call):
    assert call.chat(QUESTION, service_tier="fast").json["service_tier"] == "priority"
    assert "service_tier" not in call.chat(QUESTION).json


@pytest.mark.parametrize(
    "body",
    [
        {"model": "openai/gpt-5-mini:online"},
        {"plugins": [{"id": "web"}]},
        {"tools": [{"type": "openrouter:web_search"}]},
    ],
)
def test_a_web_search_gives_citations(call, body):
    reply = call.chat("What is new about cats?", **body)
    notes = reply.message["annotations"]
    assert [note["type"] for note in notes] == ["url_citation"] * 5
    assert notes[0]["url_citation"]["url"].startswith("https://example.com/")
    assert (notes[0]["url_citation"]["start_index"], notes[0]["url_citation"]["end_index"]) == (0, 0)
    assert reply.json["usage"]["server_tool_use_details"]["web_search_requests"] == 1


def test_a_server_tool_may_be_chosen(call):
    tool = {"type": "openrouter:web_search", "parameters": {"max_results": 1}}
    reply = call.chat("cats", tools=[tool], tool_choice={"type": "openrouter:web_search"})
    assert len(reply.message["annotations"]) == 1
    assert reply.message["content"]


def test_search_settings_count(call):
    plugin = {"id": "web", "max_results": 2}
    assert len(call.chat("cats", plugins=[plugin]).message["annotations"]) == 2
    assert "annotations" not in call.chat("cats", plugins=[{**plugin, "enabled": False}]).message


PDF = "data:application/pdf;base64,JVBERi0xLjQKMSAwIG9iajw8Pj5zdHJlYW0KQlQgKEhlbGxvIHdvcmxkKSBUaiBFVAplbmRzdHJlYW0="


def test_a_pdf_is_parsed_once(call):
    part = {"type": "file", "file": {"filename": "greeting.pdf", "file_data": PDF}}
    question = {"role": "user", "content": [{"type": "text", "text": "What does it say?"}, part]}
    first = call.chat(messages=[question]).message
    (note,) = first["annotations"]
    assert (note["type"], note["file"]["name"]) == ("file", "greeting.pdf")
    assert note["file"]["content"] == [{"type": "text", "text": "Hello world"}]
    again = call.chat(messages=[question, first, {"role": "user", "content": "And in French?"}])
    assert "annotations" not in again.message


def test_router_metadata_comes_when_asked_for(sandbox, call):
    assert "openrouter_metadata" not in call.chat(QUESTION).json
    sandbox.provider_down("openai")
    reply = call.chat(QUESTION, headers={"X-OpenRouter-Metadata": "enabled"})
    told = reply.json["openrouter_metadata"]
    assert (told["requested"], told["strategy"], told["attempt"]) == ("openai/gpt-5-mini", "direct", 2)
    assert [(each["provider"], each["status"]) for each in told["attempts"]] == [
        ("OpenAI", 502),
        ("Azure", 200),
    ]
    assert [each["selected"] for each in told["endpoints"]["available"]] == [False, True]


def test_an_identical_request_is_answered_from_the_response_cache_for_nothing(sandbox, call):
    headers = {"X-OpenRouter-Cache": "true"}
    first = call.chat(QUESTION, headers=headers)
    spent = sandbox.credits_used
    second = call.chat(QUESTION, headers=headers)
    assert first.headers["x-openrouter-cache-status"] == "MISS"
    assert second.headers["x-openrouter-cache-status"] == "HIT"
    assert second.headers["x-openrouter-cache-source-id"] == first.json["id"]
    assert second.json["id"] != first.json["id"]
    assert second.message == first.message
    assert second.json["usage"]["total_tokens"] == second.json["usage"]["cost"] == 0
    assert sandbox.credits_used == spent
    other = call.chat("And 3 * 4?", headers=headers)
    assert other.headers["x-openrouter-cache-status"] == "MISS"


def test_a_lone_surrogate_survives(call):
    reply = call.chat('Repeat after me: "\ud800"')
    assert reply.status == 200


def test_a_scripted_answer_is_given_to_the_letter(sandbox, call):
    sandbox.answer_next("Exactly this.", finish_reason="content_filter")
    sandbox.answer_next(
        {
            "content": None,
            "tool_calls": [{"function": {"name": "f", "arguments": '{"broken'}}],
            "refusal": "No.",
        },
        usage={"prompt_tokens": 1000, "cost": 0.5},
    )
    first, second = call.chat(max_tokens=1), call.chat()
    assert first.message["content"] == "Exactly this."
    assert first.json["choices"][0]["finish_reason"] == "content_filter"
    assert second.message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"broken'}
    assert second.message["refusal"] == "No."
    assert second.json["usage"]["prompt_tokens"] == 1000
    assert call.chat(QUESTION).message["content"] == "12 * 7 = 84"
    assert sandbox.credits_used > 0.5
