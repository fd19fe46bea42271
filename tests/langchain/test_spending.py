"""What several calls took together, and what answers from LangChain's cache cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import LLMResult

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import ConfigurationError, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.wire_bytes import answer

Made = Callable[..., ChatOpenRouter]
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}

streaming = pytest.mark.parametrize("streaming", [False, True])


def generated(llm: ChatOpenRouter, *texts: str) -> LLMResult:
    return llm.generate([[HumanMessage(text)] for text in texts])


def agenerated(llm: ChatOpenRouter, *texts: str) -> LLMResult:
    return asyncio.run(llm.agenerate([[HumanMessage(text)] for text in texts]))


both = pytest.mark.parametrize("generate", [generated, agenerated])


def messages(result: LLMResult) -> list[AIMessage]:
    return [several[0].message for several in result.generations]  # type: ignore[union-attr, misc]


@both
@streaming
def test_several_prompts_have_one_sum_of_tokens_and_cost(
    make_llm: Made, sandbox: Sandbox, generate: Any, streaming: bool
) -> None:
    # As floats these make 0.6000000000000001.
    for cost in (0.1, 0.2, 0.3):
        sandbox.answer_next("Fine.", usage={**USAGE, "cost": cost})
    with track_costs() as spend:
        result = generate(make_llm(streaming=streaming), "a", "b", "c")
    assert result.llm_output == {
        "token_usage": {"prompt_tokens": 30, "completion_tokens": 6, "total_tokens": 36},
        "cost": 0.6,
        "model_name": "openai/gpt-5-mini",
    }
    assert spend.total == sandbox.credits_used == Decimal("0.6")


@both
@streaming
def test_where_one_cost_is_unknown_so_is_the_sum(
    make_llm: Made, scripted: Any, generate: Any, streaming: bool
) -> None:
    def priced(cost: float | None) -> Any:
        choice = {"index": 0, "message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}
        usage = USAGE if cost is None else {**USAGE, "cost": cost}
        # A server may answer in one piece where a stream was asked for.
        return [answer({"id": "gen-1", "model": "a/b", "choices": [choice], "usage": usage})]

    server = scripted(priced(0.1), priced(None))
    result = generate(make_llm(base_url=server.base_url, streaming=streaming), "a", "b")
    assert sorted(message.response_metadata.get("cost", -1) for message in messages(result)) == [-1, 0.1]
    assert result.llm_output == {
        "token_usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24},
        "model_name": "a/b",
    }


def test_several_choices_are_summed_as_one_call(make_llm: Made, scripted: Any) -> None:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        for index, said in enumerate(["one", "two"])
    ]
    server = scripted([answer({"id": "gen-1", "choices": choices, "usage": {**USAGE, "cost": 0.1}})])
    result = generated(make_llm(base_url=server.base_url, n=2), "a", "b")
    assert server.deliveries[0].json["n"] == 2
    assert [[generation.text for generation in several] for several in result.generations] == [
        ["one", "two"]
    ] * 2
    assert result.llm_output is not None
    assert result.llm_output["cost"] == 0.2
    assert result.llm_output["token_usage"]["total_tokens"] == 24


@pytest.mark.parametrize(
    ("made", "call"),
    [
        ({"n": 2}, {}),
        ({"provider_options": {"n": 2}}, {}),
        ({"model_kwargs": {"n": 2}}, {}),
        ({"extra_body": {"n": 2}}, {}),
        ({}, {"n": 2}),
        ({}, {"openrouter_n": 2}),
        ({"n": 1}, {"provider_options": {"n": 2}}),
    ],
    ids=str,
)
async def test_several_choices_are_not_asked_of_a_stream(
    make_llm: Made, sandbox: Sandbox, made: dict[str, Any], call: dict[str, Any]
) -> None:
    llm = make_llm(**made)
    with pytest.raises(ConfigurationError, match=r"n: a stream holds one answer"):
        list(llm.stream("hi", **call))
    with pytest.raises(ConfigurationError, match=r"n: a stream holds one answer"):
        [chunk async for chunk in llm.astream("hi", **call)]
    assert not sandbox.requests


def test_a_stream_may_ask_for_one_choice_where_the_model_asks_for_two(
    make_llm: Made, sandbox: Sandbox
) -> None:
    assert list(make_llm(n=2).stream("hi", n=1))
    assert sandbox.last.body["n"] == 1


@both
@streaming
def test_an_answer_from_the_cache_costs_nothing_and_the_first_keeps_its_cost(
    make_llm: Made, sandbox: Sandbox, generate: Any, streaming: bool
) -> None:
    llm = make_llm(cache=InMemoryCache(), streaming=streaming)
    with track_costs() as spend:
        first, again = generate(llm, "hi"), generate(llm, "hi", "And now?")
    assert len(sandbox.requests) == len(spend.records) == 2
    (paid,), (free, other) = messages(first), messages(again)
    assert free.content == paid.content
    assert free.response_metadata["cost"] == 0
    assert paid.response_metadata["cost"] > 0
    assert paid.usage_metadata is not None
    assert "total_cost" not in paid.usage_metadata  # langchain-core's mark of an answer from the cache
    assert first.llm_output is not None
    assert again.llm_output is not None
    assert first.llm_output["cost"] == paid.response_metadata["cost"]
    assert again.llm_output["cost"] == other.response_metadata["cost"]
    assert other.usage_metadata is not None
    assert again.llm_output["token_usage"]["total_tokens"] == other.usage_metadata["total_tokens"]
    assert Decimal(str(first.llm_output["cost"])) + Decimal(str(again.llm_output["cost"])) == spend.total


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize("stream_usage", [False, True])
def test_an_answer_from_the_cache_can_be_stored_and_counted(make_llm: Made, stream_usage: bool) -> None:
    llm = make_llm(cache=InMemoryCache(), streaming=True, stream_usage=stream_usage)
    with get_usage_metadata_callback() as usage:
        _, free = llm.invoke("hi"), llm.invoke("hi")
    assert loads(dumps(free), allowed_objects="messages") == free
    assert bool(usage.usage_metadata) is stream_usage


def test_the_cache_is_asked_for_a_stream_that_is_not_one(make_llm: Made, sandbox: Sandbox) -> None:
    llm = make_llm(cache=InMemoryCache(), disable_streaming=True)
    costs = [sum(chunk.response_metadata.get("cost", 0) for chunk in llm.stream("hi")) for _ in range(2)]
    assert costs == [float(sandbox.credits_used), 0]
