"""What comes in: everything an answer can hold, as blocks and facts."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CitationBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_openrouter_opts import OpenRouter
from llamaindex_openrouter_opts.messages import wire_messages
from llamaindex_openrouter_opts.responses import Growing, chat_response
from openrouter_opts.protocol.assemble import Assembler
from openrouter_opts.protocol.completion import Delta, ToolCallDelta
from openrouter_opts.protocol.decode import completion
from openrouter_opts.sandbox import Sandbox

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(28)


def answer(message: dict[str, Any], finish_reason: str | None = "stop", **body: Any) -> ChatResponse:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return chat_response(completion({"id": "gen-1", "model": "a/b", "choices": [choice], **body}))


def test_text_is_a_text_block() -> None:
    assert answer({"content": "hi"}).message.blocks == [TextBlock(text="hi")]
    assert answer({"content": ""}).message.content == ""


def test_reasoning_is_a_thinking_block_with_its_details_and_tokens() -> None:
    details = [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]
    usage = {"prompt_tokens": 1, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 4}}

    blocks = answer(
        {"content": "hi", "reasoning": "Hm.", "reasoning_details": details}, usage=usage
    ).message.blocks

    assert blocks == [
        ThinkingBlock(content="Hm.", num_tokens=4, additional_information={"reasoning_details": details}),
        TextBlock(text="hi"),
    ]


def test_encrypted_reasoning_is_kept_though_there_is_nothing_to_read() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    (block, _) = answer({"content": "hi", "reasoning_details": details}).message.blocks

    assert block == ThinkingBlock(additional_information={"reasoning_details": details})


def test_a_drawn_image_is_an_image_block() -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    (block,) = answer(
        {"content": None, "images": [{"type": "image_url", "image_url": {"url": url}}]}
    ).message.blocks

    assert isinstance(block, ImageBlock)
    assert block.image_mimetype == "image/png"
    assert block.resolve_image().read() == PNG


def test_an_image_model_draws(make_llm: Any) -> None:
    llm = make_llm("google/gemini-2.5-flash-image", modalities=["image", "text"])

    images = [
        block
        for block in llm.chat([ChatMessage(content="Draw a cat.")]).message.blocks
        if isinstance(block, ImageBlock)
    ]

    assert images[0].resolve_image().read().startswith(b"\x89PNG")


def test_speech_is_an_audio_block_of_its_real_format_and_its_transcript_the_text() -> None:
    audio = {"id": "a1", "data": base64.b64encode(WAV).decode(), "transcript": "hello"}
    message = answer({"content": None, "audio": audio}).message
    text, block = message.blocks

    assert text == TextBlock(text="hello")
    assert isinstance(block, AudioBlock)
    assert block.format == "wav"
    assert message.additional_kwargs["audio"] == {"id": "a1", "transcript": "hello"}


def test_citations_are_citation_blocks() -> None:
    citation = {
        "url": "https://a.b",
        "title": "A",
        "content": "built in 1872",
        "start_index": 0,
        "end_index": 5,
    }
    annotations = [
        {"type": "url_citation", "url_citation": citation},
        {
            "type": "web_search_citation",
            "web_search_citation": {"url": "https://c.d", "title": None, "cited_text": "by Ida Holm"},
        },
    ]
    response = answer({"content": "It was built in 1872.", "annotations": annotations})

    assert response.message.blocks[1:] == [
        CitationBlock(
            cited_content="built in 1872",
            source="https://a.b",
            title="A",
            additional_location_info={"start_index": 0, "end_index": 5},
        ),
        CitationBlock(
            cited_content="by Ida Holm", source="https://c.d", title="", additional_location_info={}
        ),
    ]
    assert response.additional_kwargs["annotations"] == annotations
    assert response.message.additional_kwargs == {}


def test_a_parsed_file_is_kept_where_memories_do_not_count_it() -> None:
    annotation = {"type": "file", "file": {"hash": "h", "content": [{"type": "text", "text": "x"}]}}
    message = answer({"content": "It says x.", "annotations": [annotation]}).message

    assert message.blocks == [
        ThinkingBlock(additional_information={"annotations": [annotation]}),
        TextBlock(text="It says x."),
    ]
    assert message.additional_kwargs == {}


@pytest.mark.parametrize("content", [None, ""])
def test_raw_sound_is_said_to_be_pcm16(content: str | None) -> None:
    audio = {"id": "a1", "data": base64.b64encode(bytes(8)).decode(), "transcript": "hello"}
    text, block = answer({"content": content, "audio": audio}).message.blocks

    assert text == TextBlock(text="hello")
    assert isinstance(block, AudioBlock)
    assert block.format == "pcm16"


def test_a_refusal_shows() -> None:
    assert answer({"content": None, "refusal": "No."}).message.additional_kwargs["refusal"] == "No."


def test_tool_calls_are_blocks_and_plain_dicts() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = answer({"content": None, "tool_calls": [{**call, "index": 0}]}, "tool_calls").message

    assert message.blocks == [ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})]
    assert message.additional_kwargs == {"tool_calls": [call]}


def test_arguments_that_are_no_json_stay_what_the_model_wrote() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1'}}
    (block,) = answer({"content": None, "tool_calls": [call]}, "length").message.blocks

    assert block == ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs='{"a": 1')


def test_what_openrouter_does_not_say_is_not_made_up() -> None:
    assert answer({"content": "hi"}).additional_kwargs == {
        "model": "a/b",
        "model_name": "a/b",
        "id": "gen-1",
        "finish_reason": "stop",
    }


def test_the_cost_is_what_was_billed_own_keys_included() -> None:
    details = {"upstream_inference_cost": 0.02}
    usage = {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "cost": 0.001,
        "is_byok": True,
        "cost_details": details,
    }

    facts = answer({"content": "hi"}, usage=usage).additional_kwargs

    assert facts["cost"] == 0.021
    assert facts["cost_details"] == details


def test_log_probabilities_come_with_their_rivals(llm: OpenRouter, sandbox: Sandbox, question: Any) -> None:
    rivals = llm.chat(question, top_logprobs=2).logprobs
    alone = llm.chat(question, logprobs=True).logprobs

    assert rivals is not None
    assert {len(candidates) for candidates in rivals} == {2}
    assert alone is not None
    assert "".join(candidates[0].token for candidates in alone) == "12 * 7 = 84"


def test_each_step_of_a_stream_keeps_its_own_state() -> None:
    growing = Growing()
    steps = [
        growing.grow(Delta(tool_calls=(ToolCallDelta(0, "c1", "add", ""),))),
        growing.grow(Delta(tool_calls=(ToolCallDelta(0, None, None, '{"a"'),))),
        growing.grow(
            Delta(tool_calls=(ToolCallDelta(1, "c2", "mul", "{}"), ToolCallDelta(0, None, None, ":1}")))
        ),
    ]

    written = [[block.tool_kwargs for block in step.message.blocks] for step in steps]
    plain = [
        [call["function"]["arguments"] for call in step.message.additional_kwargs["tool_calls"]]
        for step in steps
    ]
    assert written == plain == [[""], ['{"a"'], ['{"a":1}', "{}"]]


def test_speech_streams_as_its_words_and_ends_with_its_sound() -> None:
    sound = [base64.b64encode(half).decode() for half in (WAV[:13], WAV[13:])]
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "audio": {"id": "a1", "transcript": "hel"}},
        {"audio": {"transcript": "lo", "data": sound[0]}},
        {"audio": {"data": sound[1]}},
        {"content": "", "audio": {"expires_at": 9}},
    ]
    assembler, growing = Assembler(), Growing()
    steps = [
        growing.grow(delta)
        for each in deltas
        for delta in assembler.feed({"id": "gen-1", "choices": [{"index": 0, "delta": each}]})
    ]
    message = chat_response(completion(assembler.body())).message

    assert [step.delta for step in steps] == ["hel", "lo", "", ""]
    assert [step.message.content for step in steps] == ["hel", "hello", "hello", "hello"]
    text, block = message.blocks
    assert text == TextBlock(text="hello")
    assert isinstance(block, AudioBlock)
    assert (block.format, block.resolve_audio().read()) == ("wav", WAV)
    assert wire_messages([message]) == [{"role": "assistant", "content": None, "audio": {"id": "a1"}}]


def test_a_refusal_streams() -> None:
    growing = Growing()
    steps = [growing.grow(Delta(refusal=piece)) for piece in ("I ", "won't.")]

    assert [step.message.additional_kwargs["refusal"] for step in steps] == ["I ", "I won't."]


def test_other_choices_do_not_mix_into_the_first(scripted: Any, question: Any) -> None:
    def chunk(index: int, text: str, reason: str = "null") -> bytes:
        return (
            b'data: {"id":"gen-1","choices":[{"index":%d,"delta":{"content":"%s"},"finish_reason":%s}]}\n\n'
            % (index, text.encode(), reason.encode())
        )

    body = chunk(0, "a") + chunk(1, "X") + chunk(0, "b", '"stop"') + b"data: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    server = scripted([head + body])

    responses = list(OpenRouter("a/b", api_key="k", api_base=server.base_url).stream_chat(question))

    assert [response.delta for response in responses] == ["a", "b", ""]
    assert responses[-1].message.content == "ab"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_why_an_answer_ended_is_said(reason: str) -> None:
    assert answer({"content": "hi"}, reason).additional_kwargs["finish_reason"] == reason
