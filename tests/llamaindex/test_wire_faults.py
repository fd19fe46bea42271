"""What OpenRouter and the providers behind it get wrong, as LlamaIndex sees it: over sockets, in each of the eight ways."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.errors import Empty, Forbidden, Interrupted, Malformed, OpenRouterError, ServerError
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.conftest import MakeLLM
from tests.llamaindex.ways import MESSAGES, Way, every_stream, every_way

Scripted = Callable[..., Any]
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def answered(body: bytes, kind: str = "application/json", status: str = "200 OK") -> list[bytes]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {"id": "gen-1", "model": "a/b", "choices": [{"index": 0, "delta": delta, **choice}]}


def streamed(*chunks: dict[str, Any], done: bool = True) -> list[bytes]:
    events = [f"data: {json.dumps(each)}\n\n" for each in chunks] + ["data: [DONE]\n\n"] * done
    return answered("".join(events).encode(), "text/event-stream")


def llm_at(server: Any, **arguments: Any) -> OpenRouter:
    return OpenRouter("a/b", api_key="k", api_base=server.base_url, check="off", **arguments)


async def collected(llm: OpenRouter, *, asynchronous: bool) -> list[Any]:
    if asynchronous:
        return [response async for response in await llm.astream_chat(MESSAGES)]
    return list(llm.stream_chat(MESSAGES))


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 2
    while not happened():
        assert time.monotonic() < end, "it didn't happen within two seconds"
        time.sleep(0.005)


both_sides = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@every_way
async def test_an_error_in_a_200_is_the_providers_and_is_tried_again(way: Way, scripted: Scripted) -> None:
    error = {"code": 502, "message": "gone", "metadata": {"provider_name": "Acme"}}
    server = scripted(answered(json.dumps({"error": error}).encode()))

    with pytest.raises(ServerError, match="gone") as caught:
        await way(llm_at(server, max_retries=1), {})

    assert (caught.value.status, caught.value.provider) == (502, "Acme")
    assert len(server.deliveries) == 2


@every_way
@pytest.mark.parametrize(
    ("body", "error"),
    [(b"", Empty), (b"  \n", Empty), (b'{"id": "gen-1", "choices": []}', Empty), (b"<html>", Malformed)],
)
async def test_a_200_that_is_no_answer_is_an_error(
    way: Way, body: bytes, error: type[OpenRouterError], scripted: Scripted
) -> None:
    server = scripted(answered(body))

    with pytest.raises(error):
        await way(llm_at(server, max_retries=0), {})


@every_way
async def test_an_error_in_the_choice_keeps_what_was_said_before_it(way: Way, scripted: Scripted) -> None:
    error = {"code": 502, "message": "gone"}
    choice = {
        "index": 0,
        "finish_reason": "error",
        "error": error,
        "message": {"role": "assistant", "content": "par"},
    }
    server = scripted(answered(json.dumps({"id": "gen-1", "choices": [choice]}).encode()))

    with pytest.raises(OpenRouterError, match="gone") as caught:
        await way(llm_at(server, max_retries=0), {})

    assert caught.value.partial is not None
    assert caught.value.partial.text == "par"


@both_sides
async def test_an_error_in_a_choice_of_a_stream_raises_after_what_had_come(
    asynchronous: bool, scripted: Scripted
) -> None:
    error = {"code": 502, "message": "gone"}
    server = scripted(
        streamed(chunk({"content": "par"}), chunk({"content": ""}, finish_reason="error", error=error))
    )
    llm = llm_at(server, max_retries=0)
    if asynchronous:
        stream = await llm.astream_chat(MESSAGES)
        assert (await anext(stream)).message.content == "par"
        with pytest.raises(OpenRouterError, match="gone"):
            await anext(stream)
        return
    steps = llm.stream_chat(MESSAGES)
    assert next(steps).message.content == "par"
    with pytest.raises(OpenRouterError, match="gone"):
        next(steps)


@every_stream
async def test_a_stream_that_just_ends_is_an_error(way: Way, scripted: Scripted) -> None:
    server = scripted(streamed(chunk({"content": "par"}), done=False))

    with pytest.raises(Interrupted) as caught:
        await way(llm_at(server, max_retries=0), {})

    assert caught.value.partial.text == "par"


HALVES: dict[str, list[Any]] = {
    "an error in the choice": streamed(
        chunk({"content": "par"}),
        chunk({"content": ""}, finish_reason="error", error={"code": 502, "message": "gone"}),
    ),
    "an error beside the choices": streamed(
        chunk({"content": "par"}), {"error": {"code": 502, "message": "gone"}, "choices": []}
    ),
    "no end": streamed(chunk({"content": "par"}), done=False),
    "a cut connection": [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        + f"data: {json.dumps(chunk({'content': 'par'}))}\n\n".encode(),
        0.05,
        "RST",
    ],
}


# What LlamaIndex does by itself: its workflows look at every attribute of an agent, which is a pydantic model.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20:inspect")
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince211:inspect")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning:llama_index")
@pytest.mark.parametrize("script", HALVES.values(), ids=HALVES.keys())
async def test_an_agent_does_not_take_half_an_answer_for_the_final_one(
    script: Any, scripted: Scripted
) -> None:
    agent = FunctionAgent(tools=[], llm=llm_at(scripted(script), max_retries=0))

    with pytest.raises(OpenRouterError) as caught:
        await agent.run("Tell me something.")

    assert caught.value.partial
    assert caught.value.partial.text == "par"


@every_way
async def test_a_refused_prompt_says_why_and_is_not_sent_again(way: Way, scripted: Scripted) -> None:
    metadata = {"reasons": ["violence"], "flagged_input": "hit", "provider_name": "Acme", "model_slug": "a/b"}
    error = {"code": 403, "message": "moderated", "metadata": metadata}
    server = scripted(answered(json.dumps({"error": error}).encode(), status="403 Forbidden"))

    with pytest.raises(Forbidden, match="violence") as caught:
        await way(llm_at(server), {})

    assert (caught.value.status_code, caught.value.provider) == (403, "Acme")
    assert len(server.deliveries) == 1


@both_sides
async def test_a_thought_in_the_first_chunk_is_not_lost(asynchronous: bool, scripted: Scripted) -> None:
    server = scripted(
        streamed(
            chunk({"role": "assistant", "content": None, "reasoning": "First thought "}),
            chunk({"content": None, "reasoning": "second"}),
            chunk({"content": "hi"}, finish_reason="stop"),
        )
    )

    responses = await collected(llm_at(server), asynchronous=asynchronous)

    deltas = [response.additional_kwargs.get("thinking_delta") for response in responses]
    assert [delta for delta in deltas if delta] == ["First thought ", "second"]
    assert responses[-1].message.blocks == [
        ThinkingBlock(content="First thought second"),
        TextBlock(text="hi"),
    ]


@both_sides
async def test_a_drawn_image_comes_by_stream_too(asynchronous: bool, scripted: Scripted) -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}, "index": 0}
    server = scripted(
        streamed(chunk({"content": "Here."}), chunk({"images": [image]}), chunk({}, finish_reason="stop"))
    )

    responses = await collected(llm_at(server), asynchronous=asynchronous)

    text, block = responses[-1].message.blocks
    assert text == TextBlock(text="Here.")
    assert isinstance(block, ImageBlock)
    assert block.image_mimetype == "image/png"
    assert block.resolve_image().read().startswith(b"\x89PNG")


@both_sides
async def test_a_refusal_comes_by_stream_too(asynchronous: bool, scripted: Scripted) -> None:
    server = scripted(streamed(chunk({"refusal": "I "}), chunk({"refusal": "won't."}, finish_reason="stop")))

    responses = await collected(llm_at(server), asynchronous=asynchronous)

    assert [response.message.additional_kwargs["refusal"] for response in responses] == [
        "I ",
        "I won't.",
        "I won't.",
    ]


@both_sides
async def test_the_raw_chunk_of_a_step_stays_as_it_came(asynchronous: bool, scripted: Scripted) -> None:
    def piece(arguments: str, **first: Any) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": 0, **first, "function": {"arguments": arguments}}]})

    chunks = [piece("", id="c1"), piece('{"a"'), piece(": 1}"), chunk({}, finish_reason="tool_calls")]
    server = scripted(streamed(*chunks))

    responses = await collected(llm_at(server), asynchronous=asynchronous)

    assert [response.raw for response in responses[:-1]] == chunks[:3]


@pytest.mark.parametrize("leave", ["break", "drop"])
def test_leaving_a_stream_closes_the_connection(leave: str, scripted: Scripted) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    event = f"data: {json.dumps(chunk({'content': 'word '}))}\n\n".encode()
    server = scripted([head, event, event, "HANG"])
    gc.disable()
    try:
        if leave == "break":
            for _ in llm_at(server).stream_chat(MESSAGES):
                break
        else:
            stream = llm_at(server).stream_chat(MESSAGES)
            next(stream)
            del stream
        wait_until(lambda: server.closed_by_client == 1)
    finally:
        gc.enable()


def test_one_model_streams_in_several_event_loops(llm: OpenRouter) -> None:
    async def read() -> str:
        return [response async for response in await llm.astream_chat(MESSAGES)][-1].message.content or ""

    async def five() -> list[str]:
        return await asyncio.gather(*(read() for _ in range(5)))

    for _ in range(3):
        assert asyncio.run(five()) == ["12 * 7 = 84"] * 5


@every_way
async def test_headers_of_openais_library_are_never_sent(
    way: Way, llm: OpenRouter, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-foreign")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-foreign")

    await way(llm, {})

    assert not [name for name in sandbox.last.headers if name.startswith(("openai-", "x-stainless-"))]
    assert "foreign" not in str(sandbox.last.headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_engine_sends_all_of_a_short_history(stream: bool, llm: OpenRouter, sandbox: Any) -> None:
    history = [
        ChatMessage(role=role, content=f"{role} {number} " + "word " * 300)
        for number in range(5)
        for role in ("user", "assistant")
    ]
    memory = ChatMemoryBuffer.from_defaults(chat_history=history, llm=llm)
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    if stream:
        "".join(engine.stream_chat("And now?").response_gen)
    else:
        engine.chat("And now?")

    assert len(sandbox.last.body["messages"]) == 11


TRANSIENT_WORDS = ("retry", "try again", "timeout", "timed out", "connection", "temporarily")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_an_error_that_stays_is_not_taken_for_a_passing_one_by_its_words(
    status: int, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    """LLMs that fall back on others look at words first, and then at the status."""
    sandbox.fail_next(status=status)
    with pytest.raises(OpenRouterError) as caught:
        make_llm(max_retries=0).complete("hi")
    assert caught.value.status_code == status
    assert not [word for word in TRANSIENT_WORDS if word in str(caught.value).lower()]
    assert not isinstance(caught.value, TimeoutError | ConnectionError)


def test_what_passes_is_an_error_of_pythons_kind() -> None:
    with pytest.raises(OpenRouterError) as refused:
        OpenRouter("m/x", api_base="http://127.0.0.1:9/api/v1", api_key="k", max_retries=0).complete("hi")
    assert isinstance(refused.value, ConnectionError)
