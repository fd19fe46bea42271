"""Objects in what models really write: beside other calls, in fences and prose, cut off, refused, and of every kind of class."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ConfigDict, Field, RootModel

from llamaindex_openrouter_opts import InvalidOutput, OpenRouter, Refused, Truncated
from openrouter_opts import ConfigurationError
from openrouter_opts import errors as core
from openrouter_opts.sandbox import Sandbox
from tests.wire_bytes import DONE, STREAM_HEAD, USAGE_CHUNK, chunked, delta

MakeLLM = Callable[..., OpenRouter]
PROMPT = PromptTemplate("Tell a joke about {subject}.")


class Joke(BaseModel):
    setup: str
    punchline: str


WHOLE = '{"setup": "a", "punchline": "b"}'
JOKE = Joke(setup="a", punchline="b")


async def _plain(llm: OpenRouter, cls: Any = Joke, **call: Any) -> list[Any]:
    return [llm.structured_predict(cls, PROMPT, subject="cats", **call)]


async def _async(llm: OpenRouter, cls: Any = Joke, **call: Any) -> list[Any]:
    return [await llm.astructured_predict(cls, PROMPT, subject="cats", **call)]


async def _stream(llm: OpenRouter, cls: Any = Joke, **call: Any) -> list[Any]:
    return list(llm.stream_structured_predict(cls, PROMPT, subject="cats", **call))


async def _astream(llm: OpenRouter, cls: Any = Joke, **call: Any) -> list[Any]:
    stream = await llm.astream_structured_predict(cls, PROMPT, subject="cats", **call)
    return [step async for step in stream]


every_way = pytest.mark.parametrize("predict", [_plain, _async, _stream, _astream])
WAYS: dict[str, dict[str, Any]] = {
    "schema": {"should_use_structured_outputs": True},
    "tool": {"should_use_structured_outputs": False},
    "text": {"pydantic_program_mode": PydanticProgramMode.LLM},
}


def called(arguments: str, name: str = "Joke") -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def answer(way: str, text: str, name: str = "Joke") -> dict[str, Any]:
    return {"content": None, "tool_calls": [called(text, name)]} if way == "tool" else {"content": text}


@every_way
@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{WHOLE}```",
        f"```json {WHOLE}```",
        f"{WHOLE}\n\nHope you like it!",
        f"Sure! {WHOLE}",
        f'<think>{{"setup": 1}}</think>{WHOLE}',
        f"\ufeff{WHOLE}",
    ],
    ids=["fence", "line", "after", "before", "thinking", "mark"],
)
@pytest.mark.parametrize("way", ["schema", "text"])
async def test_what_is_around_the_object_does_not_count(
    predict: Any, way: str, text: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(text)

    *partial, last = await predict(make_llm(**WAYS[way]))

    assert last == JOKE
    assert type(last) is Joke
    assert all(each.model_dump(exclude_none=True) for each in partial)


@every_way
async def test_the_object_is_read_from_the_call_that_was_asked_for(
    predict: Any, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
    llm = make_llm(tools=[other], response_format={"type": "json_object"}, check="off", **WAYS["tool"])
    sandbox.answer_next({"content": None, "tool_calls": [called('{"x": 1}', "other"), called(WHOLE)]})

    assert (await predict(llm))[-1] == JOKE
    assert sandbox.last.body["tool_choice"]["function"]["name"] == "Joke"
    assert "response_format" not in sandbox.last.body

    sandbox.answer_next({"content": None, "tool_calls": [called('{"x": 1}', "other")]})
    with pytest.raises(InvalidOutput, match="it called other"):
        await predict(llm)


@pytest.mark.parametrize("way", ["schema", "text"])
@pytest.mark.parametrize(
    ("more", "choice"), [([], "none"), ([{"type": "openrouter:web_search"}], "auto")], ids=["alone", "beside"]
)
def test_the_functions_of_the_constructor_are_not_called_in_place_of_an_answer(
    way: str, more: list[Any], choice: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
    llm = make_llm(tools=[other, *more], tool_choice="required", check="off", **WAYS[way])
    sandbox.answer_next(WHOLE)

    assert llm.structured_predict(Joke, PROMPT, subject="cats") == JOKE
    assert sandbox.last.body["tool_choice"] == choice


@pytest.mark.parametrize("way", ["schema", "tool"])
def test_a_response_format_of_a_call_is_refused_where_the_class_makes_one(
    way: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    given = {"response_format": {"type": "json_object"}}

    with pytest.raises(ConfigurationError, match="response_format: is made of the class"):
        make_llm(**WAYS[way]).structured_predict(Joke, PROMPT, llm_kwargs=given, subject="cats")
    assert not sandbox.requests


WRONG = [
    ('{"setup": "a", "pun', "length", Truncated, "token limit"),
    ('{"setup": "a", "pun', "stop", Truncated, "cut off"),
    ('{"setup": "a"}', "stop", InvalidOutput, "punchline: Field required"),
    ('{"setup": "a", "punchline": 5}', "stop", InvalidOutput, "punchline: .*valid string, and is 5"),
    ("I can't think of any.", "stop", InvalidOutput, "I can't think of any.*no JSON object"),
    (f'{WHOLE} {{"setup": "c", "punchline": "d"}}', "stop", InvalidOutput, "2 different JSON objects"),
    ('{"setup": "a"', "content_filter", Refused, "content filter"),
]


@every_way
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("text", "reason", "error", "said"), WRONG)
async def test_what_is_no_object_is_an_error_that_keeps_what_was_paid_for(
    predict: Any,
    way: str,
    text: str,
    reason: str,
    error: type[InvalidOutput],
    said: str,
    make_llm: MakeLLM,
    sandbox: Sandbox,
) -> None:
    sandbox.answer_next(answer(way, text), finish_reason=reason)

    with pytest.raises(error, match=said) as caught:
        await predict(make_llm(**WAYS[way]))

    assert type(caught.value) is error
    partial, usage = caught.value.partial, caught.value.usage
    assert partial
    assert text in (partial.text, *(call.arguments for call in partial.tool_calls))
    assert usage
    assert usage.cost.total == sandbox.credits_used
    assert caught.value.generation_id
    assert caught.value.provider == "OpenAI"


@every_way
async def test_a_refusal_is_an_error_of_its_own(predict: Any, make_llm: MakeLLM, sandbox: Sandbox) -> None:
    sandbox.answer_next({"content": None, "refusal": "I won't."})

    with pytest.raises(core.Refused, match="I won't") as caught:
        await predict(make_llm())

    assert isinstance(caught.value, InvalidOutput)
    assert caught.value.usage


@pytest.mark.parametrize("predict", [_stream, _astream])
@pytest.mark.parametrize(
    ("text", "outcome"),
    [(WHOLE, JOKE), ('{"setup":"a","pun', Truncated), ("no json here", InvalidOutput)],
)
async def test_a_stream_that_gives_no_finish_reason_is_read_at_its_end(
    predict: Any, text: str, outcome: Any, scripted: Any
) -> None:
    server = scripted([STREAM_HEAD, *map(chunked, [delta(text), USAGE_CHUNK, DONE, b""])])
    llm = OpenRouter("m/x", api_base=server.base_url, api_key="sk-or-x", check="off", **WAYS["schema"])

    if isinstance(outcome, Joke):
        assert (await predict(llm))[-1] == outcome
        return
    with pytest.raises(outcome) as caught:
        await predict(llm)
    assert caught.value.usage.total_tokens == 9
    assert caught.value.generation_id == "gen-1"
    assert caught.value.provider == "Mock"


class Node(BaseModel):
    value: int
    next: Node | None = None


class Lines(RootModel[list[str]]):
    pass


class Aliased(BaseModel):
    model_config = ConfigDict(strict=True)
    kind: Literal["short", "long"] = Field(alias="the-kind")
    day: date


class Numbers(RootModel[list[int]]):
    pass


class Flags(RootModel[list[bool]]):
    pass


class Mixed(RootModel[list[int | dict[str, int]]]):
    pass


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Shirt(BaseModel):
    size: Size
    first: str = Field("", alias="firstName")
    note: int | str | None = None


KINDS = [
    (Node, '{"value": 1, "next": {"value": 2, "next": null}}'),
    (Lines, '{"value": ["a", "b"]}'),
    (Lines, '["a", "b"]'),
    (Aliased, '{"the-kind": "short", "day": "2026-01-02"}'),
]


@every_way
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("cls", "text"), KINDS)
async def test_every_kind_of_class_is_asked_for_as_an_object_and_read(
    predict: Any, way: str, cls: type[BaseModel], text: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(answer(way, text, cls.__name__))

    *partial, last = await predict(make_llm(**WAYS[way]), cls)

    value = json.loads(text)
    assert last == cls.model_validate_json(
        json.dumps(value["value"] if cls is Lines and "{" in text else value)
    )
    assert all(each.model_dump(exclude_none=True) for each in partial)
    body = sandbox.last.body
    if way == "tool":
        assert body["tools"][0]["function"]["parameters"]["type"] == "object"
    elif way == "schema":
        assert body["response_format"]["json_schema"]["schema"]["type"] == "object"
        assert body["response_format"]["json_schema"]["strict"] is True


@every_way
@pytest.mark.parametrize(
    "around", ["{}", "```json\n{}\n```", "Here you are:\n```\n{}\n```\nGood luck!", "<think>[1]</think>{}"]
)
@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (Numbers, "[1, 2]"),
        (Flags, "[true]"),
        (Lines, "[]"),
        (Mixed, '[1, {"a": 2}]'),
        (Numbers, '{"value": [3]}'),
    ],
)
async def test_a_class_that_is_an_array_is_read_from_one(
    predict: Any, cls: Any, text: str, around: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(around.format(text) if "{}" in around else text)

    *_, last = await predict(make_llm(**WAYS["schema"]), cls)

    value = json.loads(text)
    assert last == cls(value["value"] if isinstance(value, dict) else value)


@pytest.mark.parametrize("predict", [_stream, _astream])
@pytest.mark.parametrize(
    "text",
    [
        '{"size": "small", "firstName": "Ann", "note": null}',
        '{"firstName": "Ann", "size": "small"}',
        '{"note": null, "size": "small"}',
    ],
)
async def test_a_streamed_object_never_shows_a_value_that_is_still_empty(
    predict: Any, text: str, scripted: Any
) -> None:
    pieces = [delta(character) for character in text]
    server = scripted(
        [STREAM_HEAD, *map(chunked, [*pieces, delta(finish_reason="stop"), USAGE_CHUNK, DONE, b""])]
    )
    llm = OpenRouter("m/x", api_base=server.base_url, api_key="sk-or-x", check="off", **WAYS["schema"])

    *partial, last = await predict(llm, Shirt)

    assert last == Shirt.model_validate_json(text)
    assert partial
    for each in partial:
        shown = each.model_dump(exclude_none=True, exclude_unset=True)
        assert shown
        assert "" not in shown.values()


@every_way
@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_that_is_nested_too_deeply_is_an_invalid_output(
    predict: Any, way: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    text = '{"value": 1, "next": ' * 500 + "null" + "}" * 500
    sandbox.answer_next(answer(way, text, "Node"))

    with pytest.raises(InvalidOutput, match="nested too deeply") as caught:
        await predict(make_llm(**WAYS[way]), Node)
    assert caught.value.usage


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_the_system_prompt_goes_along_in_every_way(
    way: str, asynchronous: bool, streaming: bool, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(answer(way, WHOLE))
    predict = {(0, 0): _plain, (1, 0): _async, (0, 1): _stream, (1, 1): _astream}[asynchronous, streaming]

    await predict(make_llm(system_prompt="Be funny.", **WAYS[way]))

    first, second = sandbox.last.body["messages"]
    assert first == {"role": "system", "content": "Be funny."}
    assert "Tell a joke about cats." in str(second)


def test_a_model_that_can_do_neither_is_told_the_schema_in_words_and_streams_objects(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(f"Sure! {WHOLE}")
    llm = make_llm(is_function_calling_model=False, should_use_structured_outputs=False)

    *partial, last = llm.stream_structured_predict(Joke, PROMPT, subject="cats")

    assert last == JOKE
    assert partial
    assert sandbox.last.body.keys() == {"model", "messages", "stream"}
    told = sandbox.last.body["messages"][-1]["content"][-1]["text"]
    assert json.loads(told[told.index("{") : told.rindex("}") + 1])["required"] == ["setup", "punchline"]


class Free(BaseModel):
    counts: dict[str, int]


class Pair(BaseModel):
    pair: tuple[int, str]


class Anything(BaseModel):
    anything: Any


@pytest.mark.parametrize(
    ("cls", "strict"), [(Joke, True), (Node, True), (Free, False), (Pair, False), (Anything, False)]
)
@pytest.mark.parametrize("way", ["schema", "tool"])
def test_strict_is_said_where_the_schema_is_one_that_strict_mode_takes(
    way: str, cls: type[BaseModel], strict: bool, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.fail_next(400)
    with pytest.raises(core.BadRequest):
        make_llm(strict=True, **WAYS[way]).structured_predict(cls, PROMPT, subject="cats")

    body = sandbox.last.body
    named = body["tools"][0]["function"] if way == "tool" else body["response_format"]["json_schema"]
    assert named["strict"] is strict
    schema = named["parameters" if way == "tool" else "schema"]
    assert (schema.get("additionalProperties") is False) is strict


async def test_a_structured_llm_keeps_the_system_prompt(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    structured = make_llm(system_prompt="Be funny.").as_structured_llm(Joke)
    message = [ChatMessage(content="Tell a joke.")]

    structured.chat(message)
    await structured.achat(message)
    structured.complete("Tell a joke.")
    await structured.acomplete("Tell a joke.")

    sent = [request.body["messages"] for request in sandbox.requests]
    assert len(sent) == 4
    assert all([each["content"] for each in messages] == ["Be funny.", "Tell a joke."] for messages in sent)
