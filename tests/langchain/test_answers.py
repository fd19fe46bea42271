"""What comes back: one message, the same by all four ways to call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import HumanMessage

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts.messages import wire_messages
from openrouter_opts import ConfigurationError, track_costs
from openrouter_opts.errors import Malformed
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask
from tests.wire_bytes import DONE, USAGE_CHUNK, answer, delta, event, streamed

CLAUDE = "anthropic/claude-sonnet-4.6"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 5},
    "cost": 0.0025,
    "is_byok": True,
    "cost_details": {"upstream_inference_cost": 0.01},
}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
CITATION = {
    "type": "url_citation",
    "url_citation": {
        "url": "https://a",
        "title": "A",
        "content": "said",
        "start_index": 0,
        "end_index": 2,
    },
}


def test_a_message_says_who_answered_and_what_it_cost(
    ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    sandbox.answer_next("Hello.", usage=USAGE)
    message = ask(llm, "hi")
    metadata = message.response_metadata
    assert message.content == "Hello."
    assert metadata["model_name"] == "openai/gpt-5-mini"
    assert metadata["model_provider"] == "openrouter"
    assert metadata["provider"] == "OpenAI"
    assert metadata["id"] in sandbox.generations
    assert (metadata["finish_reason"], metadata["native_finish_reason"]) == ("stop", "completed")
    assert metadata["cost"] == 0.0125
    assert metadata["cost_details"] == {"upstream_inference_cost": 0.01}
    assert message.usage_metadata == {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_token_details": {"cache_read": 60, "cache_creation": 10},
        "output_token_details": {"reasoning": 5},
    }


def test_costs_are_counted_once_by_each_way(ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    with track_costs() as spend, get_usage_metadata_callback() as callback:
        costs = [ask(llm, "hi").response_metadata["cost"] for _ in range(2)]
    assert spend.total == sandbox.credits_used
    assert spend.total == sum(Decimal(str(cost)) for cost in costs)
    assert callback.usage_metadata["openai/gpt-5-mini"]["total_tokens"] == spend.total_tokens


def test_a_stream_has_metadata_and_usage_on_its_last_chunk_alone(llm: ChatOpenRouter) -> None:
    *body, last = list(llm.stream("Tell me a story."))
    assert len(body) > 3
    assert {tuple(chunk.response_metadata.items()) for chunk in body} == {(("model_provider", "openrouter"),)}
    assert not any(chunk.usage_metadata for chunk in body)
    assert last.content == ""
    assert last.usage_metadata is not None
    assert "cost" in last.response_metadata
    assert last.chunk_position == "last"


def test_a_stream_may_leave_the_usage_out(make_llm: Any) -> None:
    chunks = list(make_llm(stream_usage=False).stream("hi"))
    assert not any(chunk.usage_metadata for chunk in chunks)


def test_tool_calls_are_parsed(ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}},
    ]
    sandbox.answer_next({"content": None, "tool_calls": calls})
    message = ask(llm, "hi")
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        ("c1", "add", {"a": 1}),
        ("c2", "now", {}),
    ]
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_arguments_that_are_no_object_make_an_invalid_tool_call(
    ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    broken = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "[1, 2]"}}
    sandbox.answer_next({"content": None, "tool_calls": [broken]})
    message = ask(llm, "hi")
    assert message.tool_calls == []
    (call,) = message.invalid_tool_calls
    assert (call["id"], call["name"], call["args"]) == ("c1", "add", "[1, 2]")


@pytest.mark.parametrize("arguments", ["", " ", "null"])
def test_a_call_that_a_content_filter_stopped_before_its_arguments_is_invalid(
    arguments: str, ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    cut = {"id": "c1", "type": "function", "function": {"name": "wipe", "arguments": arguments}}
    sandbox.answer_next({"content": None, "tool_calls": [cut]}, finish_reason="content_filter")
    message = ask(llm, "hi")
    assert message.tool_calls == []
    (call,) = message.invalid_tool_calls
    assert call["error"] == "the answer ended before the arguments: its finish reason is 'content_filter'"


def test_reasoning_comes_back_whole_and_goes_out_unchanged(
    ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    # Gemini numbers the thought and its signature alike.
    details = [
        {"type": "reasoning.text", "text": "Let me think.", "format": "google-gemini-v1", "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": "google-gemini-v1", "index": 0},
    ]  # fmt: skip
    sandbox.answer_next({"content": "4", "reasoning": "Let me think.", "reasoning_details": details})
    message = ask(llm, "2 + 2?")
    assert message.additional_kwargs["reasoning_content"] == "Let me think."
    assert message.additional_kwargs["reasoning_details"] == details
    (wire,) = wire_messages([message])
    assert wire == {"role": "assistant", "content": "4", "reasoning_details": details}


def test_images_citations_and_refusals_come_back(ask: Ask, llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.answer_next({"content": "Ha", "images": [IMAGE], "annotations": [CITATION], "refusal": "No."})
    extra = ask(llm, "hi").additional_kwargs
    assert extra["annotations"] == [CITATION]
    assert extra["refusal"] == "No."
    assert extra["images"][0]["image_url"] == IMAGE["image_url"]


@pytest.mark.parametrize("output_version", ["v0", "v1"])
def test_standard_blocks_are_the_same_in_both_output_versions(
    ask: Ask, make_llm: Any, sandbox: Sandbox, output_version: str
) -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    ]  # fmt: skip
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    said = {"content": "Ha", "reasoning": "Hm.", "reasoning_details": details, "images": [IMAGE]}
    sandbox.answer_next({**said, "annotations": [CITATION], "tool_calls": [call, {**call, "id": "c2"}]})
    message = ask(make_llm(output_version=output_version), "hi")
    blocks: list[Any] = [
        {key: value for key, value in block.items() if key != "index"} for block in message.content_blocks
    ]
    citation = {"type": "citation", "url": "https://a", "title": "A"}
    assert sorted(blocks, key=lambda block: _ORDER.index(block["type"])) == [
        {
            "type": "reasoning",
            "reasoning": "Hm.",
            "extras": {"signature": "s", "reasoning_details": details},
        },
        {
            "type": "text",
            "text": "Ha",
            "annotations": [{**citation, "start_index": 0, "end_index": 2, "cited_text": "said"}],
        },
        {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
        {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1}},
        {"type": "tool_call", "id": "c2", "name": "add", "args": {"a": 1}},
    ]
    (wire,) = wire_messages([message])
    assert wire["reasoning_details"] == details
    assert wire["content"] == "Ha"
    assert [call["id"] for call in wire["tool_calls"]] == ["c1", "c2"]


_ORDER = ["reasoning", "text", "image", "tool_call"]


def test_a_v1_history_is_answered_like_a_v0_one(make_llm: Any, sandbox: Sandbox) -> None:
    def second_request(output_version: str) -> Any:
        sandbox.reset()
        llm = make_llm(CLAUDE, output_version=output_version, reasoning={"max_tokens": 1024})
        sandbox.answer_next("Fine.")
        first = llm.invoke("How are you?")
        llm.invoke([("user", "How are you?"), first, ("user", "And you?")])
        return sandbox.last.body["messages"]

    assert second_request("v0") == second_request("v1")


def test_several_choices_are_several_generations_paid_once(scripted: Any, llm: ChatOpenRouter) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        for index, said in enumerate(["one", "two"])
    ]
    server = scripted([answer({"id": "gen-1", "choices": choices, "usage": USAGE})])
    result = llm.model_copy(update={"openrouter_api_base": server.base_url}).generate([[HumanMessage("hi")]])
    first, second = (generation.message for generation in result.generations[0])
    assert (first.content, second.content) == ("one", "two")
    assert first.response_metadata["cost"] == 0.0125
    assert "cost" not in second.response_metadata
    assert second.usage_metadata is None


def test_choices_come_in_the_order_of_their_indexes(scripted: Any, llm: ChatOpenRouter) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        for index, said in ((1, "two"), (0, "one"))
    ]
    server = scripted([answer({"id": "gen-1", "choices": choices, "usage": USAGE})])
    asked = llm.model_copy(update={"openrouter_api_base": server.base_url})
    assert asked.invoke("hi").content == "one"


@pytest.mark.parametrize(
    ("made", "called"),
    [
        ({"n": 2}, {}),
        ({"provider_options": {"n": 2}}, {}),
        ({"model_kwargs": {"n": 2}}, {}),
        ({"n": 1}, {"n": 2}),
        ({}, {"provider_options": {"n": 2}}),
        ({}, {"extra_body": {"n": 2}}),
    ],
)
@pytest.mark.parametrize("way", ["stream", "astream", "invoke"])
def test_several_answers_in_a_stream_are_refused_before_they_are_paid(
    make_llm: Any, sandbox: Sandbox, way: str, made: dict[str, Any], called: dict[str, Any]
) -> None:
    llm = make_llm(**made, **({"streaming": True} if way == "invoke" else {}))

    async def astream() -> list[Any]:
        return [chunk async for chunk in llm.astream("hi", **called)]

    ways: dict[str, Callable[[], Any]] = {
        "stream": lambda: list(llm.stream("hi", **called)),
        "astream": lambda: asyncio.run(astream()),
        "invoke": lambda: llm.invoke("hi", **called),
    }
    with pytest.raises(ConfigurationError, match="n: a stream holds one answer"):
        ways[way]()
    assert not sandbox.requests


@pytest.mark.parametrize("way", ["stream", "astream", "events", "aevents"])
@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_a_second_answer_that_nobody_asked_for_is_an_error_that_holds_both(
    scripted: Any, llm: ChatOpenRouter, way: str
) -> None:
    second = event({"choices": [{"index": 1, "delta": {"content": "SECOND"}, "finish_reason": "stop"}]})
    server = scripted(streamed(delta("first", finish_reason="stop"), second, USAGE_CHUNK, DONE))
    asked = llm.model_copy(update={"openrouter_api_base": server.base_url})
    seen: list[str] = []

    async def astream() -> None:
        note = seen.append
        async for chunk in asked.astream("hi"):
            note(chunk.text)

    async def aevents() -> None:
        await (await asked.astream_events("hi", version="v3"))

    ways: dict[str, Callable[[], Any]] = {
        "stream": lambda: seen.extend(chunk.text for chunk in asked.stream("hi")),
        "astream": lambda: asyncio.run(astream()),
        "events": lambda: list(asked.stream_events("hi", version="v3")),
        "aevents": lambda: asyncio.run(aevents()),
    }
    with track_costs() as spend, pytest.raises(Malformed, match="the stream held 2") as caught:
        ways[way]()
    assert "SECOND" not in "".join(seen)
    error: Any = caught.value
    assert [choice.text for choice in error.partial.choices] == ["first", "SECOND"]
    assert (error.delivered, error.usage.total_tokens, error.generation_id) == ("yes", 9, "gen-1")
    assert spend.total == Decimal("0.0003")
    assert not spend.unknown
