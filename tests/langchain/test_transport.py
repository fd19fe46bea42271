"""What a user sees of the network: attempts, waits, timeouts, connections, and answers that are none. Over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from langchain_core import exceptions as core

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import errors
from tests.langchain.conftest import Ask, added, either, model_at
from tests.scripted_server import Script, ScriptedServer
from tests.wire_bytes import (
    COMPLETION,
    DONE,
    STREAM,
    STREAM_HEAD,
    USAGE_CHUNK,
    answer,
    chunked,
    delta,
    event,
    streamed,
)

Start = Callable[..., ScriptedServer]


def failure(status: int, **headers: str) -> Script:
    return [answer({"error": {"code": status, "message": "as scripted"}}, status, **headers)]


def after(*failures: Script) -> Any:
    """Return what a server chooses by: failures first, and then the answer, in the form that is asked for."""
    left = list(failures)
    good = either(COMPLETION, STREAM)
    return lambda delivery: left.pop(0) if left else good(delivery)


# --- attempts ---


@pytest.mark.parametrize("retries", [0, 2])
def test_max_retries_is_the_number_of_further_attempts(ask: Ask, scripted: Start, retries: int) -> None:
    server = scripted(failure(500, Retry_After="0"))
    with pytest.raises(errors.ServerError) as caught:
        ask(model_at(server, max_retries=retries), "hi")
    assert len(server.deliveries) == caught.value.attempts == retries + 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_fails_for_the_moment_is_tried_again(ask: Ask, scripted: Start, status: int) -> None:
    server = scripted(choose=after(failure(status, Retry_After="0")))
    assert ask(model_at(server), "hi").content == "Hello"
    assert len(server.deliveries) == 2


def test_the_wait_that_the_server_asks_for_is_kept(ask: Ask, scripted: Start) -> None:
    server = scripted(choose=after(failure(429, Retry_After="1")))
    start = time.monotonic()
    assert ask(model_at(server), "hi").content == "Hello"
    assert time.monotonic() - start >= 1
    assert len(server.deliveries) == 2


def test_a_wait_of_an_hour_is_for_the_caller_to_decide(ask: Ask, scripted: Start) -> None:
    server = scripted(failure(503, Retry_After="3600"))
    start = time.monotonic()
    with pytest.raises(errors.NoProvider) as caught:
        ask(model_at(server), "hi")
    assert time.monotonic() - start < 5
    assert caught.value.retry_after == 3600
    assert len(server.deliveries) == 1


def test_attempts_leave_no_connection_open(scripted: Start) -> None:
    server = scripted(choose=after(*[failure(503, Retry_After="0")] * 4))
    llm = model_at(server, max_retries=4)
    assert added(list(llm.stream("hi"))).content == "Hello"
    assert len(server.deliveries) == 5
    assert server.connections == 1


def test_models_share_their_connections(scripted: Start) -> None:
    server = scripted([answer(COMPLETION)])
    for temperature in range(20):
        model_at(server, temperature=temperature / 10).invoke("hi")
    assert len(server.deliveries) == 20
    assert server.connections == 1


# --- time ---


def test_an_answer_that_takes_seven_seconds_is_waited_for(scripted: Start) -> None:
    silence = 7.0
    half = [STREAM_HEAD, chunked(delta("Hel")), silence]
    rest = [chunked(delta("lo", finish_reason="stop") + USAGE_CHUNK + DONE), chunked(b"")]
    server = scripted(
        choose=lambda given: [*half, *rest] if given.json.get("stream") else [silence, answer(COMPLETION)]
    )
    llm = model_at(server)

    async def streamed_async() -> Any:
        return added([chunk async for chunk in llm.astream("hi")])

    async def all_ways() -> Sequence[Any]:
        return await asyncio.gather(
            asyncio.to_thread(llm.invoke, "hi"),
            asyncio.to_thread(lambda: added(list(llm.stream("hi")))),
            llm.ainvoke("hi"),
            streamed_async(),
        )

    assert [message.content for message in asyncio.run(all_ways())] == ["Hello"] * 4
    assert len(server.deliveries) == 4


@pytest.mark.parametrize("timeout", [60, 2.5, (5, 60), httpx.Timeout(5), {"idle": 5}, None], ids=repr)
def test_a_timeout_is_in_seconds_and_may_be_given_in_many_forms(
    ask: Ask, scripted: Start, timeout: Any
) -> None:
    good = either(COMPLETION, STREAM)
    server = scripted(choose=lambda given: [0.3, *good(given)])
    assert ask(model_at(server, timeout=timeout), "hi").content == "Hello"
    assert ask(model_at(server), "hi", timeout=timeout).content == "Hello"
    assert len(server.deliveries) == 2


@pytest.mark.parametrize("timeout", [0.2, (5, 0.2), httpx.Timeout(5, read=0.2)], ids=repr)
def test_a_timeout_ends_the_wait_and_nothing_is_paid_twice(ask: Ask, scripted: Start, timeout: Any) -> None:
    server = scripted(["HANG"])
    with pytest.raises(core.ModelTimeoutError) as caught:
        ask(model_at(server, timeout=timeout), "hi")
    assert isinstance(caught.value, errors.TimedOut)
    assert caught.value.delivered == "maybe"
    assert len(server.deliveries) == 1


# --- another address ---


def test_a_changed_address_is_the_one_that_is_asked(ask: Ask, scripted: Start) -> None:
    first, second = scripted(choose=either(COMPLETION, STREAM)), scripted(choose=either(COMPLETION, STREAM))
    llm = model_at(first)
    ask(llm, "hi")
    ask(llm.model_copy(update={"openrouter_api_base": second.base_url}), "hi")
    llm.openrouter_api_base = second.base_url
    ask(llm, "hi")
    assert (len(first.deliveries), len(second.deliveries)) == (1, 2)


# --- a 200 that is no answer ---

LIMITED = {"code": 429, "message": "Rate limited upstream", "metadata": {"provider_name": "X"}}


def test_an_error_with_status_200_is_the_error_that_it_names(ask: Ask, scripted: Start) -> None:
    server = scripted([answer({"error": LIMITED})])
    with pytest.raises(core.ModelRateLimitError, match="Rate limited upstream") as caught:
        ask(model_at(server, max_retries=0), "hi")
    error: Any = caught.value
    assert isinstance(error, errors.RateLimited)
    assert (error.status, error.provider, error.is_retryable) == (429, "X", True)


def test_an_error_with_status_200_is_tried_again(ask: Ask, scripted: Start) -> None:
    limited = [answer({"error": {**LIMITED, "availability": {"retry_after": 0}}})]
    server = scripted(choose=after(limited))
    assert ask(model_at(server), "hi").content == "Hello"
    assert len(server.deliveries) == 2


def broken(finish_reason: str | None = "error", **more: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish_reason, **more}


@pytest.mark.parametrize(
    ("last", "cls", "langchains"),
    [
        pytest.param(
            {"error": LIMITED, "choices": [broken(delta={"content": ""})]},
            errors.RateLimited,
            core.ModelRateLimitError,
            id="as documented",
        ),
        pytest.param(
            {"choices": [broken(delta={}, error={"code": 502, "message": "gone"})]},
            errors.ProviderFailed,
            core.ModelAPIError,
            id="in the choice",
        ),
        pytest.param(
            {"error": {"code": "server_error", "message": "gone"}, "choices": [broken(delta={})]},
            errors.ServerError,
            core.ModelAPIError,
            id="a word for a code",
        ),
        pytest.param(
            {"error": {"code": "context_length_exceeded", "message": "gone"}},
            errors.ContextLengthExceeded,
            core.ContextOverflowError,
            id="a prompt that is too long",
        ),
        pytest.param(
            {"error": {"code": 502, "message": "gone"}},
            errors.ProviderFailed,
            core.ModelAPIError,
            id="alone",
        ),
        pytest.param({"error": "gone"}, errors.APIError, core.ModelError, id="as text"),
        pytest.param(
            {"choices": [broken(delta={})]},
            errors.ProviderFailed,
            core.ModelAPIError,
            id="as a finish reason",
        ),
    ],
)
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_an_error_in_a_stream_has_its_class_and_what_had_come(
    scripted: Start, way: str, last: dict[str, Any], cls: Any, langchains: Any
) -> None:
    server = scripted(streamed(delta("par"), delta("tial"), event(last), DONE))
    seen: list[str] = []
    with pytest.raises(cls) as caught:
        read(model_at(server), way, seen.append)
    assert isinstance(caught.value, langchains)
    assert not caught.value.is_retryable, "what had come is paid for"
    assert "".join(seen) == caught.value.partial.text == "partial"
    assert len(server.deliveries) == 1


def read(llm: ChatOpenRouter, way: str, note: Callable[[str], None]) -> None:
    """Read a stream, and note what comes."""

    async def aread() -> None:
        async for chunk in llm.astream("hi"):
            note(chunk.text)

    if way == "astream":
        asyncio.run(aread())
    else:
        for chunk in llm.stream("hi"):
            note(chunk.text)


@pytest.mark.parametrize(
    "body",
    [
        {
            "choices": [broken(message={"content": "partial"})],
            "error": {"code": 502, "message": "gone"},
        },
        {"choices": [broken(message={"content": "partial"}, error={"code": 502, "message": "gone"})]},
    ],
)
def test_half_an_answer_with_an_error_is_that_error(ask: Ask, scripted: Start, body: Any) -> None:
    server = scripted([answer(body)])
    with pytest.raises(errors.ProviderFailed, match="gone") as caught:
        ask(model_at(server, max_retries=0), "hi")
    assert caught.value.partial.text == "partial"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(streamed(delta("half")), id="it just ends"),
        pytest.param([STREAM_HEAD, chunked(delta("half")), "FIN"], id="the connection is closed"),
        pytest.param([STREAM_HEAD, chunked(delta("half")), "RST"], id="the connection is reset"),
        pytest.param(streamed(delta("half"), b'data: {"choices": [{"del'), id="in the middle of an event"),
    ],
)
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_cut_stream_raises_and_keeps_what_came(scripted: Start, way: str, script: Script) -> None:
    server = scripted(script)
    seen: list[str] = []
    with pytest.raises(core.ModelError) as caught:
        read(model_at(server), way, seen.append)
    assert isinstance(caught.value, errors.OpenRouterError)
    assert "".join(seen) == caught.value.partial.text == "half"
    assert len(server.deliveries) == 1


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_an_answer_that_comes_whole_though_a_stream_was_asked_for_is_taken(scripted: Start, way: str) -> None:
    seen: list[str] = []
    read(model_at(scripted([answer(COMPLETION)])), way, seen.append)
    assert "".join(seen) == "Hello"
    with pytest.raises(errors.BadRequest):
        read(model_at(scripted(failure(400))), way, seen.append)


def test_a_long_stream_takes_little_of_the_processor(scripted: Start) -> None:
    server = scripted(streamed(b"".join([delta("x ") for _ in range(1000)]), STREAM))
    llm = model_at(server)
    list(llm.stream("hi"))
    start = time.process_time()
    assert len(list(llm.stream("hi"))) > 1000
    assert time.process_time() - start < 0.3
