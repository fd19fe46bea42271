"""The eight ways to call the model: each answers, says what it cost, and announces itself once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import track_costs
from openrouter_opts.errors import (
    ConfigurationError,
    InsufficientCredits,
    Interrupted,
    RateLimited,
    SpendLimitExceeded,
)
from openrouter_opts.sandbox import Sandbox
from tests.llamaindex.ways import CHATS, PROMPT, Way, every_stream, every_way


@every_way
async def test_every_way_answers_and_says_what_it_cost_and_who_answered(
    way: Way, llm: OpenRouter, sandbox: Sandbox
) -> None:
    with track_costs() as spend:
        answer = await way(llm, {})

    assert str(answer).removeprefix("assistant: ") == "12 * 7 = 84"
    facts = answer.additional_kwargs
    assert facts["cost"] == float(spend.total) == float(sandbox.credits_used) > 0
    assert facts["total_tokens"] == facts["prompt_tokens"] + facts["completion_tokens"]
    assert facts["model"] == facts["model_name"] == "openai/gpt-5-mini"
    assert facts["provider"] == "OpenAI"
    assert facts["id"] in sandbox.generations
    assert facts["finish_reason"] == "stop"
    assert facts["native_finish_reason"] == "completed"
    assert facts["cost_details"]["upstream_inference_cost"] == facts["cost"]
    assert facts["prompt_tokens_details"]["cached_tokens"] == 0


@every_way
async def test_a_limit_on_what_is_spent_holds_in_every_way(
    way: Way, llm: OpenRouter, sandbox: Sandbox
) -> None:
    with track_costs(limit="0.001") as spend, pytest.raises(SpendLimitExceeded):
        await way(llm, {})
    assert "/chat/completions" not in [seen.path for seen in sandbox.requests]
    assert spend.records == ()


@every_way
async def test_raw_is_the_plain_body_streamed_or_not(way: Way, llm: OpenRouter) -> None:
    raw = (await way(llm, {})).raw

    assert type(raw) is dict
    assert raw["choices"][0]["finish_reason"] == "stop"
    assert raw["choices"][0]["message"]["content"] == "12 * 7 = 84"
    assert raw["usage"]["cost"] > 0
    assert raw["id"].startswith("gen-")
    assert raw["provider"] == "OpenAI"


@every_way
async def test_every_way_takes_options_by_name_and_in_provider_options(
    way: Way, make_llm: Callable[..., OpenRouter], sandbox: Sandbox
) -> None:
    llm = make_llm(max_tokens=100, provider={"order": ["openai"]}, app_title="My App")

    await way(
        llm, {"max_tokens": 70, "top_k": 5, "provider_options": {"openrouter_provider": {"sort": "price"}}}
    )

    body = sandbox.last.body
    assert body["max_tokens"] == 70
    assert body["top_k"] == 5
    assert body["provider"] == {"order": ["openai"], "sort": "price"}
    assert sandbox.last.headers["x-openrouter-title"] == "My App"


@every_way
async def test_every_way_takes_another_model_for_one_call(
    way: Way, llm: OpenRouter, sandbox: Sandbox
) -> None:
    answer = await way(llm, {"model": "anthropic/claude-sonnet-4.6"})

    assert answer.additional_kwargs["model"] == sandbox.last.body["model"] == "anthropic/claude-sonnet-4.6"


@every_way
async def test_an_option_that_does_not_exist_is_refused_before_anything_is_sent(
    way: Way, llm: OpenRouter, sandbox: Sandbox
) -> None:
    with pytest.raises(ConfigurationError, match="did you mean temperature"):
        await way(llm, {"temprature": 0.5})

    assert not sandbox.requests


@every_way
async def test_what_was_not_set_is_not_sent(way: Way, llm: OpenRouter, sandbox: Sandbox) -> None:
    await way(llm, {})

    assert sandbox.last.body.keys() - {"stream"} == {"model", "messages"}
    assert sandbox.last.body["messages"] == [{"role": "user", "content": PROMPT}]


@every_way
async def test_errors_are_the_cores_own_and_are_not_tried_again_in_vain(
    way: Way, llm: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.fail_next(402)

    with pytest.raises(InsufficientCredits) as caught:
        await way(llm, {})

    assert caught.value.status_code == 402
    assert len(sandbox.requests) == 1


@every_way
async def test_what_may_go_well_is_tried_again_as_often_as_was_said(
    way: Way, make_llm: Callable[..., OpenRouter], sandbox: Sandbox
) -> None:
    sandbox.fail_next(429, times=9, retry_after=0)

    with pytest.raises(RateLimited):
        await way(make_llm(max_retries=3), {})

    assert len(sandbox.requests) == 4


@every_stream
async def test_a_stream_that_breaks_raises_after_what_had_come(
    way: Way, llm: OpenRouter, sandbox: Sandbox
) -> None:
    sandbox.cut_after(2)

    with pytest.raises(ConnectionError) as caught:
        await way(llm, {})

    assert caught.value.partial.text == "12 *"


def test_the_beginning_of_a_broken_stream_is_given_out_before_the_error(
    llm: OpenRouter, sandbox: Sandbox, question: list[ChatMessage]
) -> None:
    sandbox.error_after(2, code=502, message="provider gone")
    seen: list[str] = []

    with pytest.raises(Exception, match="provider gone"):
        seen.extend(response.message.content or "" for response in llm.stream_chat(question))

    assert seen == ["12", "12 *"]


def test_a_stream_gives_the_text_so_far_and_what_is_new(llm: OpenRouter, question: list[ChatMessage]) -> None:
    responses = list(llm.stream_chat(question))

    assert "".join(response.delta or "" for response in responses) == "12 * 7 = 84"
    assert [response.message.content for response in responses[:3]] == ["12", "12 *", "12 * 7"]
    assert responses[-1].delta == ""
    assert responses[-1].message.role is MessageRole.ASSISTANT
    assert not any("cost" in response.additional_kwargs for response in responses[:-1])


def test_a_streamed_completion_gives_the_text_so_far_and_what_is_new(llm: OpenRouter) -> None:
    responses = list(llm.stream_complete(PROMPT))

    assert "".join(response.delta or "" for response in responses) == responses[-1].text == "12 * 7 = 84"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_thoughts_stream_by_themselves_and_end_as_one_block(
    asynchronous: bool, make_llm: Callable[..., OpenRouter], question: list[ChatMessage]
) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", reasoning={"effort": "low"})

    if asynchronous:
        responses = [response async for response in await llm.astream_chat(question)]
    else:
        responses = list(llm.stream_chat(question))

    thought = "".join(response.additional_kwargs.get("thinking_delta", "") for response in responses)
    block, text = responses[-1].message.blocks
    assert block.content == thought != ""
    assert text.text == "12 * 7 = 84"
    assert block.num_tokens == responses[-1].raw["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    (detail,) = block.additional_information["reasoning_details"]
    assert detail["text"] == thought
    assert detail["signature"]


def test_streams_are_real_generators(llm: OpenRouter, question: list[ChatMessage]) -> None:
    assert inspect.isgenerator(llm.stream_chat(question))
    assert inspect.isgenerator(llm.stream_complete(PROMPT))


def remembering() -> CallbackManager:
    """What keeps every exception, and with it the frames of LlamaIndex's generators."""
    return CallbackManager([LlamaDebugHandler(print_trace_on_end=False)])


def test_closing_a_stream_early_closes_the_connection_at_once(
    scripted: Callable[..., Any], question: list[ChatMessage]
) -> None:
    server = scripted(_endless())
    llm = OpenRouter("a/b", api_key="k", api_base=server.base_url, callback_manager=remembering())
    stream = llm.stream_chat(question)
    assert next(stream).delta == "word "
    stream.close()
    _wait_until(lambda: server.closed_by_client == 1)


async def test_closing_an_asynchronous_stream_early_closes_the_connection_at_once(
    scripted: Callable[..., Any], question: list[ChatMessage]
) -> None:
    server = scripted(_endless())
    llm = OpenRouter("a/b", api_key="k", api_base=server.base_url, callback_manager=remembering())
    stream = await llm.astream_chat(question)
    assert (await anext(stream)).delta == "word "
    await stream.aclose()
    await asyncio.to_thread(_wait_until, lambda: server.closed_by_client == 1)


async def test_cancelling_a_task_that_streams_closes_the_connection_at_once(
    scripted: Callable[..., Any], question: list[ChatMessage]
) -> None:
    server = scripted(_endless(count=1))
    llm = OpenRouter("a/b", api_key="k", api_base=server.base_url)
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in await llm.astream_chat(question):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(_wait_until, lambda: server.closed_by_client == 1)


def _endless(count: int = 3) -> list[Any]:
    chunk = b'data: {"id":"gen-1","model":"a/b","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = b"%x\r\n%s\r\n" % (len(chunk), chunk)
    return [head, *[sent] * count, "HANG"]


def _wait_until(happened: Callable[[], bool]) -> None:
    import time

    end = time.monotonic() + 2
    while not happened():
        assert time.monotonic() < end, "it didn't happen within two seconds"
        time.sleep(0.005)


def test_a_stream_without_an_end_is_an_error(
    scripted: Callable[..., Any], question: list[ChatMessage]
) -> None:
    server = scripted([*_endless()[:-1], b"0\r\n\r\n"])
    llm = OpenRouter("a/b", api_key="k", api_base=server.base_url, max_retries=0)
    with pytest.raises(Interrupted) as caught:
        list(llm.stream_chat(question))

    assert caught.value.partial.text == "word word word "


def test_one_model_serves_several_event_loops(llm: OpenRouter) -> None:
    async def ask() -> list[Any]:
        return await asyncio.gather(*(llm.acomplete(PROMPT) for _ in range(3)))

    for _ in range(3):
        assert [str(answer) for answer in asyncio.run(ask())] == ["12 * 7 = 84"] * 3


class Heard(BaseEventHandler):
    names: list[str]

    @classmethod
    def class_name(cls) -> str:
        return "Heard"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.names.append(event.class_name())
        event.model_dump()


@contextmanager
def listening() -> Iterator[tuple[list[str], SimpleSpanHandler]]:
    root, events, spans = get_dispatcher(), Heard(names=[]), SimpleSpanHandler()
    root.add_event_handler(events)
    root.add_span_handler(spans)
    try:
        yield events.names, spans
    finally:
        root.event_handlers.remove(events)
        root.span_handlers.remove(spans)


@every_way
@pytest.mark.parametrize("retries", [0, 1])
async def test_a_call_is_one_span_that_starts_once_and_ends_once(
    way: Way, retries: int, llm: OpenRouter, sandbox: Sandbox
) -> None:
    if retries:
        sandbox.fail_next(429, times=retries, retry_after=0)
    with listening() as (events, spans):
        await way(llm, {})

    kind = "LLMChat" if way in CHATS else "LLMCompletion"
    assert events[0] == f"{kind}StartEvent"
    assert events[-1] == f"{kind}EndEvent"
    assert set(events[1:-1]) <= {f"{kind}InProgressEvent"}
    assert [span.id_.partition("-")[0] for span in spans.completed_spans] == [
        f"OpenRouter.{way.__name__.strip('_')}"
    ]


class Limiter:
    waited = 0

    def acquire(self) -> None:
        self.waited += 1

    async def async_acquire(self) -> None:
        self.waited += 1


@every_way
async def test_a_rate_limiter_of_llamaindex_is_asked_once(
    way: Way, make_llm: Callable[..., OpenRouter]
) -> None:
    limiter = Limiter()
    await way(make_llm(rate_limiter=limiter), {})

    assert limiter.waited == 1


@every_way
async def test_token_counting_handlers_count_what_openrouter_counted(
    way: Way, make_llm: Callable[..., OpenRouter]
) -> None:
    counter = TokenCountingHandler()
    answer = await way(make_llm(callback_manager=CallbackManager([counter])), {})

    assert counter.prompt_llm_token_count == answer.additional_kwargs["prompt_tokens"]
    assert counter.completion_llm_token_count == answer.additional_kwargs["completion_tokens"]
    assert len(counter.llm_token_counts) == 1


async def test_observers_are_told_model_and_parameters_and_no_secret(
    make_llm: Callable[..., OpenRouter], sandbox: Sandbox
) -> None:
    payload = make_llm(temperature=0.5, max_tokens=9, extra_headers={"x-own": "secret"}).to_payload()

    assert payload["class_name"] == "OpenRouter"
    assert payload["model"] == payload["model_name"] == "openai/gpt-5-mini"
    assert (payload["temperature"], payload["max_tokens"]) == (0.5, 9)
    assert sandbox.api_key not in str(payload)
    assert "secret" not in str(payload)


def test_the_model_can_be_the_default_of_llamaindex(llm: OpenRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", None)
    Settings.llm = llm

    assert Settings.llm is llm
    assert Settings.llm.complete(PROMPT).text == "12 * 7 = 84"
