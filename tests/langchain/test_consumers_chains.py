"""Chains, fallbacks and batches: LangChain's own runnables around a model, against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.exceptions import ModelError, ModelRateLimitError
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import track_costs
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask

Made = Callable[..., ChatOpenRouter]
MAIN, OTHER = "openai/gpt-5-mini", "anthropic/claude-haiku-4.5"
MANY = 200

RETRIEVED = "The lighthouse of Aster was built in 1872 by Ida Holm."


def rag(llm: ChatOpenRouter) -> Any:
    """A chain as tutorials write it: what is retrieved beside the question, a prompt with a history, a parser."""
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer by this context alone: {context}"),
            MessagesPlaceholder("history", optional=True),
            ("human", "{question}"),
        ]
    )
    retrieve = RunnableLambda(lambda _: RETRIEVED)
    return RunnablePassthrough.assign(context=retrieve) | prompt | llm | StrOutputParser()


@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_a_chain_answers_the_same_by_every_way(
    make_llm: Made, sandbox: Sandbox, output_version: str
) -> None:
    chain = rag(make_llm(output_version=output_version))
    question = {"question": "Who built the lighthouse?", "history": [("human", "Hi."), ("ai", "Hello.")]}
    answers = [
        chain.invoke(question),
        await chain.ainvoke(question),
        "".join(chain.stream(question)),
        "".join([piece async for piece in chain.astream(question)]),
        *chain.batch([question]),
        *await chain.abatch([question]),
    ]
    assert "Ida Holm" in answers[0]
    assert answers == [answers[0]] * 6
    assert {str(request.body["messages"]) for request in sandbox.requests} == {
        str(sandbox.last.body["messages"])
    }


def test_branches_of_a_chain_run_side_by_side_and_each_is_billed_once(
    make_llm: Made, sandbox: Sandbox
) -> None:
    both = RunnableParallel(main=make_llm(MAIN), other=make_llm(OTHER).bind(temperature=0.5))
    with track_costs() as spend:
        answers = both.invoke("Tell me a story.")
    assert answers["main"].response_metadata["model_name"] == MAIN
    assert answers["other"].response_metadata["model_name"] == OTHER
    assert set(spend.by("model")) == {MAIN, OTHER}
    assert spend.total == sandbox.credits_used == paid(answers.values())


async def test_events_of_a_chain_name_the_model_and_end_with_its_usage(make_llm: Made) -> None:
    events = [event async for event in rag(make_llm()).astream_events({"question": "Who?"}, version="v2")]
    (start,) = (event for event in events if event["event"] == "on_chat_model_start")
    (end,) = (event for event in events if event["event"] == "on_chat_model_end")
    assert start["metadata"]["ls_provider"] == "openrouter"
    assert start["metadata"]["ls_model_name"] == MAIN
    assert end["data"]["output"].usage_metadata["total_tokens"] > 0
    assert end["data"]["output"].response_metadata["cost"] > 0


def test_a_fallback_answers_when_a_model_is_down(ask: Ask, make_llm: Made, sandbox: Sandbox) -> None:
    sandbox.model_down(MAIN)
    llm = make_llm(MAIN, max_retries=0).with_fallbacks([make_llm(OTHER)])
    with track_costs() as spend:
        message = ask(llm, "hi")
    assert message.response_metadata["model_name"] == OTHER
    assert [request.body["model"] for request in sandbox.requests] == [MAIN, OTHER]
    assert spend.total == sandbox.credits_used == paid([message])


def test_a_fallback_for_rate_limits_leaves_other_errors_alone(
    ask: Ask, make_llm: Made, sandbox: Sandbox
) -> None:
    llm = make_llm(MAIN, max_retries=0).with_fallbacks(
        [make_llm(OTHER)], exceptions_to_handle=(ModelRateLimitError,)
    )
    sandbox.fail_next(status=429)
    assert ask(llm, "hi").response_metadata["model_name"] == OTHER
    sandbox.fail_next(status=402)
    with pytest.raises(ModelError, match="402"):
        ask(llm, "hi")
    assert [request.body["model"] for request in sandbox.requests] == [MAIN, OTHER, MAIN]


@pytest.mark.parametrize("broken", ["error_after", "cut_after"])
def test_a_stream_that_breaks_in_the_middle_is_not_answered_by_the_fallback_as_well(
    make_llm: Made, sandbox: Sandbox, broken: str
) -> None:
    getattr(sandbox, broken)(2)
    llm = make_llm(MAIN).with_fallbacks([make_llm(OTHER)])
    pieces = []
    with pytest.raises(ModelError):
        pieces.extend(llm.stream("Tell me a story."))
    assert pieces
    assert len(sandbox.requests) == 1


def test_a_fallback_takes_tools_and_schemas_along(make_llm: Made, sandbox: Sandbox) -> None:
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        return city

    sandbox.model_down(MAIN)
    main, other = make_llm(MAIN, max_retries=0), make_llm(OTHER)
    calling = main.with_fallbacks([other]).bind_tools([get_weather])
    assert calling.invoke("What is the weather in Paris?").tool_calls[0]["args"] == {"city": "Paris"}
    schema = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}}
    reading = main.with_structured_output(schema).with_fallbacks([other.with_structured_output(schema)])
    assert isinstance(reading.invoke("Name a city."), dict)


def batched(llm: Any, inputs: list[Any], config: Any, **options: Any) -> list[Any]:
    return llm.batch(inputs, config, **options)


def abatched(llm: Any, inputs: list[Any], config: Any, **options: Any) -> list[Any]:
    return asyncio.run(llm.abatch(inputs, config, **options))


@pytest.mark.parametrize("run", [batched, abatched])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_batch_of_200_is_answered_in_order_and_billed_to_the_cent(
    make_llm: Made, sandbox: Sandbox, run: Any, streaming: bool
) -> None:
    llm = make_llm(streaming=streaming)
    questions = [f"What is {number} + {number}?" for number in range(MANY)]
    with track_costs() as spend, get_usage_metadata_callback() as usage:
        answers = run(llm, questions, {"max_concurrency": 20})
    assert [str(2 * number) in answer.text for number, answer in enumerate(answers)] == [True] * MANY
    assert len(sandbox.requests) == len(spend.records) == MANY
    assert spend.total == sandbox.credits_used == paid(answers)
    assert usage.usage_metadata[MAIN]["total_tokens"] == spend.total_tokens
    assert spend.total_tokens == sum(answer.usage_metadata["total_tokens"] for answer in answers)


@pytest.mark.parametrize("run", [batched, abatched])
def test_what_fails_in_a_batch_is_an_error_in_its_place(make_llm: Made, sandbox: Sandbox, run: Any) -> None:
    llm = make_llm(max_retries=0)
    sandbox.fail_next(status=503, times=3)
    with track_costs() as spend:
        answers = run(
            llm, [f"What is {n} + {n}?" for n in range(20)], {"max_concurrency": 4}, return_exceptions=True
        )
    good = {number: answer for number, answer in enumerate(answers) if isinstance(answer, AIMessage)}
    assert sum(isinstance(answer, ModelError) for answer in answers) == 3
    assert len(good) == spend.successful_requests == 17
    assert all(str(2 * number) in answer.text for number, answer in good.items())
    assert spend.total == sandbox.credits_used == paid(good.values())


def paid(answers: Any) -> Decimal:
    """Add up what the answers say they cost; the shortest form of each float is the number that was billed."""
    return sum((Decimal(str(answer.response_metadata["cost"])) for answer in answers), Decimal(0))
