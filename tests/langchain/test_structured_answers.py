"""Structured output, read: what is taken for an answer, and what is an error that holds what was paid for."""

from __future__ import annotations

import asyncio
import functools
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.exceptions import ModelError, OutputParserException
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, field_validator

from langchain_openrouter_opts import ChatOpenRouter, InvalidOutput, Refused, Truncated
from langchain_openrouter_opts import errors as both
from openrouter_opts import errors, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, USAGE_CHUNK, answer, delta, streamed

Get = Callable[..., Any]


class Person(BaseModel):
    """Someone."""

    name: str
    age: int = 0


SCHEMA = {**Person.model_json_schema(), "required": ["name"]}
METHODS = ["function_calling", "json_schema", "json_mode"]
TEXT_METHODS = METHODS[1:]
BO = '{"name": "Bo", "age": 3}'


@pytest.fixture(params=["invoke", "ainvoke", "stream", "astream"])
def get(request: pytest.FixtureRequest) -> Get:
    """Each of the four ways to call a chain; all of them return what it comes to."""

    async def astream(chain: Any) -> list[Any]:
        return [each async for each in chain.astream("Who?")]

    ways: dict[str, Get] = {
        "invoke": lambda chain: chain.invoke("Who?"),
        "ainvoke": lambda chain: asyncio.run(chain.ainvoke("Who?")),
        "stream": lambda chain: last(list(chain.stream("Who?"))),
        "astream": lambda chain: last(asyncio.run(astream(chain))),
    }
    return ways[request.param]


def last(pieces: list[Any]) -> Any:
    """Return what a stream comes to: results with `raw` are added up, and of objects the last one counts."""
    first = pieces[0]
    has_raw = isinstance(first, dict) and "raw" in first
    return functools.reduce(operator.add, pieces) if has_raw else pieces[-1]


def called(arguments: Any, name: str = "Person") -> dict[str, Any]:
    return {"content": None, "tool_calls": [{"id": "c1", "function": {"name": name, "arguments": arguments}}]}


def said(method: str, text: str) -> dict[str, Any]:
    return called(text) if method == "function_calling" else {"content": text}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Person, SCHEMA])
def test_a_whole_answer_is_read(
    get: Get, llm: ChatOpenRouter, sandbox: Sandbox, method: Any, schema: Any
) -> None:
    expected = Person(name="Bo", age=3) if schema is Person else {"name": "Bo", "age": 3}
    sandbox.answer_next(said(method, BO))
    assert get(llm.with_structured_output(schema, method=method)) == expected
    sandbox.answer_next(said(method, BO))
    result = get(llm.with_structured_output(schema, method=method, include_raw=True))
    assert result.keys() == {"raw", "parsed", "parsing_error"}
    assert (result["parsed"], result["parsing_error"]) == (expected, None)
    assert result["raw"].response_metadata["cost"] > 0


@pytest.mark.parametrize("method", TEXT_METHODS)
@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{BO}\n```",
        f"Sure!\n```\n{BO}\n```\nAnything else?",
        f"Here you are: {BO}",
        f'<think>Is it {{"name": "Al"}}?</think>{BO}',
    ],
)
@pytest.mark.parametrize("schema", [Person, SCHEMA])
def test_what_is_around_an_answer_does_not_count(
    get: Get, llm: ChatOpenRouter, sandbox: Sandbox, method: Any, text: str, schema: Any
) -> None:
    sandbox.answer_next(text)
    answer_ = get(llm.with_structured_output(schema, method=method))
    assert answer_ == (Person(name="Bo", age=3) if schema is Person else {"name": "Bo", "age": 3})


CUT = '{"name": "B'
WRONG: list[tuple[str, Any, str, type[Exception], str]] = [
    ("function_calling", called(CUT), "length", Truncated, "token limit; raise `max_tokens`"),
    ("function_calling", called(BO), "length", Truncated, "token limit"),
    ("function_calling", called('{"name": "Bo", "age": 3'), "tool_calls", Truncated, "arguments do not end"),
    ("function_calling", called('{"name": "Bo"}{"name": "Al"}'), "stop", InvalidOutput, "no JSON object"),
    ("function_calling", called({"name": 5}), "tool_calls", InvalidOutput, "name: .*valid string, and is 5"),
    ("function_calling", called({"age": 1}), "tool_calls", InvalidOutput, "no Person: name: Field required"),
    ("function_calling", called(BO, "Animal"), "tool_calls", InvalidOutput, "the model called Animal"),
    ("function_calling", {"content": "Bo, I think."}, "stop", InvalidOutput, "called no tool.*Bo, I think"),
    ("function_calling", {"content": "", "refusal": "I won't."}, "stop", Refused, "refused: I won't."),
    ("json_schema", {"content": CUT}, "length", Truncated, "token limit"),
    ("json_schema", {"content": BO}, "length", Truncated, "token limit"),
    ("json_schema", {"content": CUT}, "stop", Truncated, "does not end"),
    ("json_schema", {"content": CUT}, "MAX_TOKENS", Truncated, "finish reason is 'MAX_TOKENS'"),
    ("json_schema", {"content": BO}, "MAX_TOKENS", Truncated, "finish reason is 'MAX_TOKENS'"),
    ("json_schema", {"content": f"```json\n{CUT}"}, "stop", Truncated, "does not end"),
    ("json_schema", {"content": f"<think>{BO}"}, "stop", Truncated, "does not end"),
    ("json_schema", {"content": "", "refusal": "I won't."}, "stop", Refused, "refused: I won't."),
    ("json_schema", {"content": BO, "refusal": "I won't."}, "stop", Refused, "refused: I won't."),
    ("json_schema", {"content": CUT}, "content_filter", Refused, "filter"),
    ("json_schema", {"content": "Bo, I think."}, "stop", InvalidOutput, "Bo, I think."),
    ("json_schema", {"content": f"[{BO}]"}, "stop", InvalidOutput, "array"),
    ("json_schema", {"content": '{"title": "Bo"}'}, "stop", InvalidOutput, "no Person: name: Field required"),
    ("json_schema", called(BO, "Animal"), "tool_calls", InvalidOutput, "no JSON object"),
    ("json_mode", {"content": CUT}, "stop", Truncated, "does not end"),
]


@pytest.mark.parametrize(("method", "message", "reason", "cls", "problem"), WRONG)
def test_what_is_no_answer_is_an_error_that_holds_what_was_paid_for(
    get: Get,
    llm: ChatOpenRouter,
    sandbox: Sandbox,
    method: Any,
    message: Any,
    reason: str,
    cls: type[Exception],
    problem: str,
) -> None:
    sandbox.answer_next(message, finish_reason=reason)
    with pytest.raises(cls, match=problem) as caught, track_costs() as spend:
        get(llm.with_structured_output(Person, method=method))
    error: Any = caught.value
    assert type(error) is cls
    assert isinstance(error, OutputParserException)
    assert isinstance(error, ModelError)
    assert isinstance(error, errors.OpenRouterError)
    assert error.generation_id in sandbox.generations
    assert error.provider
    assert error.delivered == "yes"
    assert error.usage.completion_tokens == error.partial.usage.completion_tokens
    assert error.usage.cost.total == spend.total
    assert (error.partial.text or None) == (message.get("content") or None)
    assert bool(error.llm_output) is bool(message.get("content") or message.get("tool_calls"))

    sandbox.answer_next(message, finish_reason=reason)
    result = get(llm.with_structured_output(Person, method=method, include_raw=True))
    assert result["parsed"] is None
    assert type(result["parsing_error"]) is cls
    assert str(result["raw"].response_metadata["id"]) == result["parsing_error"].generation_id


def test_many_problems_are_told_by_where_they_are(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    class Team(BaseModel):
        people: list[Person]

    sandbox.answer_next('{"people": [{"name": "Bo", "age": "old"}, {"age": 3}]}')
    with pytest.raises(InvalidOutput) as caught:
        llm.with_structured_output(Team).invoke("Who?")
    said = "people.0.age: Input should be a valid integer, unable to parse string as an integer, and is 'old'"
    assert f"the answer is no Team: {said}; people.1.name: Field required (" in str(caught.value)


def test_an_error_survives_pickling(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.answer_next(CUT)
    with pytest.raises(Truncated) as caught:
        llm.with_structured_output(Person).invoke("Who?")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.llm_output) == (Truncated, str(caught.value), CUT)
    assert again.partial == caught.value.partial


# --- a refusal is one error wherever it shows ---


@pytest.mark.parametrize(
    ("metadata", "cls"),
    [
        ({"error_type": "refusal"}, Refused),
        ({"error_type": "content_policy_violation"}, Refused),
        ({"reasons": ["violence"], "flagged_input": "…"}, both.Moderated),
    ],
)
@pytest.mark.parametrize("include_raw", [False, True])
def test_a_refusal_by_status_is_caught_like_one_in_an_answer(
    get: Get, llm: ChatOpenRouter, sandbox: Sandbox, metadata: Any, cls: Any, include_raw: bool
) -> None:
    sandbox.fail_next(status=403, body={"error": {"code": 403, "message": "No.", "metadata": metadata}})
    with pytest.raises(Refused) as caught:
        get(llm.with_structured_output(Person, include_raw=include_raw))
    assert type(caught.value) is cls
    assert isinstance(caught.value, OutputParserException)
    assert (caught.value.status, caught.value.llm_output) == (403, None)


def test_an_answer_falls_back_to_another_model_when_one_refuses(
    llm: ChatOpenRouter, make_llm: Any, sandbox: Sandbox
) -> None:
    sandbox.answer_next({"content": None, "refusal": "I won't."})
    sandbox.answer_next(BO)
    other = make_llm("openai/gpt-4o-mini").with_structured_output(Person)
    safe = llm.with_structured_output(Person).with_fallbacks([other], exceptions_to_handle=(Refused,))
    assert safe.invoke("Who?") == Person(name="Bo", age=3)


# --- streams ---


def scripted(message: dict[str, Any], pieces: list[bytes], finish_reason: str | None) -> ScriptedServer:
    """Return a server that gives one answer, whole or in these pieces."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    whole = [answer({**COMPLETION, "choices": [choice]})]
    end = delta("", finish_reason=finish_reason)
    in_pieces = streamed(*pieces, end, USAGE_CHUNK, DONE)
    return ScriptedServer([], lambda delivery: in_pieces if delivery.json.get("stream") else whole)


def at(server: ScriptedServer, **arguments: Any) -> ChatOpenRouter:
    return ChatOpenRouter(model="m/x", api_key="sk-or-x", base_url=server.base_url, **arguments)


def in_pieces(method: str, *texts: str) -> list[bytes]:
    if method != "function_calling":
        return [delta(text) for text in texts]
    first: dict[str, Any] = {"index": 0, "id": "c1", "type": "function"}
    functions = [
        {"arguments": text, **({} if number else {"name": "Person"})} for number, text in enumerate(texts)
    ]
    return [
        delta(tool_calls=[{**(first if not number else {"index": 0}), "function": function}])
        for number, function in enumerate(functions)
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Person, SCHEMA])
def test_a_stream_shows_the_object_as_it_grows(method: Any, schema: Any) -> None:
    texts = ['{"na', 'me": "B', 'o", "a', 'ge": 3', "5}"]
    shown: list[Any] = [{"name": "B"}, {"name": "Bo"}, {"name": "Bo", "age": 3}, {"name": "Bo", "age": 35}]
    if schema is Person:
        shown = [Person(**each) for each in shown]
    with scripted({}, in_pieces(method, *texts), "stop") as server:
        structured = at(server).with_structured_output(schema, method=method)
        assert list(structured.stream("Who?")) == shown
        raw = at(server).with_structured_output(schema, method=method, include_raw=True)
        pieces = list(raw.stream("Who?"))
    assert [piece["parsed"] for piece in pieces if "parsed" in piece] == [*shown, shown[-1]]
    assert last(pieces)["parsed"] == shown[-1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reason", [None, "stop", "length", "tool_calls", "MAX_TOKENS"])
def test_what_a_stream_has_shown_of_a_cut_answer_is_taken_back(method: Any, reason: str | None) -> None:
    pieces = in_pieces(method, '{"name": "B', 'o", "age": 3')
    with scripted({}, pieces, reason) as server:
        shown = []
        with pytest.raises(Truncated):
            shown.extend(at(server).with_structured_output(Person, method=method).stream("Who?"))
        raw = at(server).with_structured_output(Person, method=method, include_raw=True)
        result = last(list(raw.stream("Who?")))
    assert result["parsed"] is None
    assert isinstance(result["parsing_error"], Truncated)
    assert result["raw"].response_metadata["id"] == "gen-1"


def test_a_growing_object_is_checked_only_as_far_as_it_fits(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    class Long(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def _is_long(cls, name: str) -> str:
            if len(name) < 5:
                raise ValueError("is too short")
            return name

    sandbox.answer_next('{"name": "Bernadette"}')
    *_, whole = llm.with_structured_output(Long).stream("Who?")
    assert whole == Long(name="Bernadette")
    sandbox.answer_next('{"name": "Bo"}')
    with pytest.raises(InvalidOutput, match="no Long: name: Value error, is too short, and is 'Bo'"):
        list(llm.with_structured_output(Long).stream("Who?"))


@pytest.mark.parametrize("include_raw", [False, True])
def test_a_stream_that_breaks_off_is_the_error_of_its_cause(
    llm: ChatOpenRouter, sandbox: Sandbox, include_raw: bool
) -> None:
    sandbox.cut_after(deltas=3)
    with pytest.raises(errors.OpenRouterError) as caught:
        list(llm.with_structured_output(Person, include_raw=include_raw).stream("Who?"))
    assert not isinstance(caught.value, OutputParserException)


@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_answers_are_read_in_every_form_of_message(
    get: Get, make_llm: Any, sandbox: Sandbox, output_version: str, streaming: bool, method: Any
) -> None:
    structured = make_llm(output_version=output_version, streaming=streaming).with_structured_output(
        Person, method=method
    )
    sandbox.answer_next(said(method, BO))
    assert get(structured) == Person(name="Bo", age=3)
    sandbox.answer_next({"content": None, "refusal": "I won't."})
    with pytest.raises(Refused, match="I won't"):
        get(structured)
    sandbox.answer_next(said(method, CUT), finish_reason="length")
    with pytest.raises(Truncated):
        get(structured)


def test_a_chain_goes_on_from_a_structured_answer(get: Get, llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.answer_next(BO)
    assert get(llm.with_structured_output(Person) | RunnableLambda(lambda bo: bo.name)) == "Bo"
    sandbox.answer_next('{"value": [1, 2, 3]}')
    assert get(llm.with_structured_output(list[int]) | RunnableLambda(sum)) == 6


def test_answers_come_in_batches(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    for _ in range(3):
        sandbox.answer_next(BO)
    structured = llm.with_structured_output(Person)
    assert structured.batch(["Who?"] * 3) == [Person(name="Bo", age=3)] * 3


def test_a_chain_says_what_comes_out_of_it(llm: ChatOpenRouter) -> None:
    assert llm.with_structured_output(Person).OutputType is Person
    assert llm.with_structured_output(SCHEMA).OutputType is dict
    assert llm.with_structured_output(Person, include_raw=True).OutputType is dict
    assert "name" in llm.with_structured_output(Person).get_output_jsonschema()["properties"]


def test_the_reader_reads_plain_text_too(llm: ChatOpenRouter) -> None:
    reader: Any = llm.with_structured_output(Person, method="json_schema").last
    assert reader.invoke(BO) == Person(name="Bo", age=3)
    assert reader.parse(BO) == Person(name="Bo", age=3)
    assert list((StrOutputParser() | reader).stream(BO)) == [Person(name="Bo", age=3)]
    assert list(reader.transform(iter(()))) == []
