"""Objects instead of text, by a tool, by `response_format`, and by LlamaIndex's own means."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llamaindex_openrouter_opts import InvalidOutput, OpenRouter
from openrouter_opts import ConfigurationError
from openrouter_opts.sandbox import Sandbox
from tests.wire_bytes import STREAM_HEAD, chunked, delta

MakeLLM = Callable[..., OpenRouter]
PROMPT = PromptTemplate("Tell a joke about {subject}.")


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


CHOICES = ["required", "none", {"type": "function", "function": {"name": "weather"}}]
both_ways = pytest.mark.parametrize("schema", [True, False], ids=["schema", "tool"])


def _how_it_was_asked(body: dict[str, Any]) -> set[str]:
    return body.keys() & {"response_format", "tools", "tool_choice", "parallel_tool_calls"}


async def _plain(llm: OpenRouter, **call: Any) -> Joke:
    return llm.structured_predict(Joke, PROMPT, subject="cats", **call)


async def _async(llm: OpenRouter, **call: Any) -> Joke:
    return await llm.astructured_predict(Joke, PROMPT, subject="cats", **call)


async def _stream(llm: OpenRouter, **call: Any) -> Any:
    return list(llm.stream_structured_predict(Joke, PROMPT, subject="cats", **call))[-1]


async def _astream(llm: OpenRouter, **call: Any) -> Any:
    return [
        joke async for joke in await llm.astream_structured_predict(Joke, PROMPT, subject="cats", **call)
    ][-1]


every_way = pytest.mark.parametrize("predict", [_plain, _async, _stream, _astream])


@every_way
@both_ways
async def test_a_prompt_gives_an_object(
    predict: Any, schema: bool, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm("openai/gpt-4o-mini", should_use_structured_outputs=schema, system_prompt="Be funny.")

    joke = await predict(llm, llm_kwargs={"temperature": 0.5, "tool_choice": "auto"})

    assert isinstance(joke, Joke)
    assert joke.setup
    assert joke.punchline
    body = sandbox.last.body
    assert [message["content"] for message in body["messages"]] == ["Be funny.", "Tell a joke about cats."]
    assert body["temperature"] == 0.5
    if schema:
        assert _how_it_was_asked(body) == {"response_format"}
        assert body["response_format"]["json_schema"]["name"] == "Joke"
        assert body["response_format"]["json_schema"]["strict"] is True
    else:
        assert _how_it_was_asked(body) == {"tools", "tool_choice"}
        assert body["tool_choice"] == {"type": "function", "function": {"name": "Joke"}}
        assert body["tools"][0]["function"]["name"] == "Joke"


@pytest.mark.parametrize(
    ("given", "call", "provider"),
    [
        ({}, {}, {"require_parameters": True}),
        ({"provider": {"sort": "price"}}, {}, {"sort": "price", "require_parameters": True}),
        ({"provider": {"require_parameters": False}}, {}, {"require_parameters": False}),
        ({}, {"provider": {"require_parameters": False}}, {"require_parameters": False}),
        # gpt-5-mini takes no temperature anywhere: it would be left without an endpoint.
        ({"check": "off"}, {"temperature": 0.5, "model": "openai/gpt-5-mini"}, None),
    ],
    ids=str,
)
@every_way
async def test_a_schema_goes_only_to_endpoints_that_keep_to_it(
    predict: Any,
    given: dict[str, Any],
    call: dict[str, Any],
    provider: Any,
    make_llm: MakeLLM,
    sandbox: Sandbox,
) -> None:
    llm = make_llm("openai/gpt-4o-mini", should_use_structured_outputs=True, **given)
    assert isinstance(await predict(llm, llm_kwargs=call), Joke)
    assert sandbox.last.body.get("provider") == provider


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("openai/gpt-5-mini", {"response_format"}),
        ("some/unknown-model", {"tools", "tool_choice"}),
    ],
)
def test_the_catalogue_says_how_a_model_is_asked(
    model: str, asked: set[str], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.fail_next(400)
    with pytest.raises(Exception, match="Bad request"):
        make_llm(model).structured_predict(Joke, PROMPT, subject="cats")

    assert _how_it_was_asked(sandbox.last.body) == asked


def test_a_model_without_either_is_asked_in_words(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    llm = make_llm("some/unknown-model", is_function_calling_model=False)
    sandbox.fail_next(400)
    with pytest.raises(Exception, match="Bad request"):
        llm.structured_predict(Joke, PROMPT, subject="cats")

    assert _how_it_was_asked(sandbox.last.body) == set()
    assert "punchline" in str(sandbox.last.body["messages"])


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        (PydanticProgramMode.FUNCTION, {"tools", "tool_choice"}),
        (PydanticProgramMode.LLM, set()),
    ],
)
def test_the_program_mode_is_kept_to(
    mode: PydanticProgramMode, asked: set[str], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(json.dumps({"setup": "a", "punchline": "b"}))

    joke = make_llm(pydantic_program_mode=mode).structured_predict(Joke, PROMPT, subject="cats")

    assert joke == Joke(setup="a", punchline="b")
    assert _how_it_was_asked(sandbox.last.body) == asked


@both_ways
def test_a_streamed_object_grows_and_is_never_blank(schema: bool, make_llm: MakeLLM) -> None:
    llm = make_llm(should_use_structured_outputs=schema)

    jokes = list(llm.stream_structured_predict(Joke, PROMPT, subject="cats"))

    lengths = [len(joke.setup or "") + len(joke.punchline or "") for joke in jokes]
    assert lengths == sorted(lengths)
    assert len(jokes) >= 3
    assert all(joke.model_dump(exclude_none=True) for joke in jokes)


@every_way
@pytest.mark.parametrize(
    "answer",
    ['{"setup": "Why did', {"content": None}, {"content": None, "reasoning": "Hm, a joke"}, {"content": ""}],
    ids=["half", "none", "only thoughts", "empty"],
)
async def test_an_object_that_is_cut_off_is_an_error(
    predict: Any, answer: Any, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(answer, finish_reason="length")

    with pytest.raises(InvalidOutput, match=r"token limit.*raise `max_tokens`"):
        await predict(make_llm())


def test_a_refusal_is_an_error(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    sandbox.answer_next({"content": None, "refusal": "I won't."}, finish_reason="content_filter")

    with pytest.raises(InvalidOutput, match=r"refused.*I won't"):
        make_llm().structured_predict(Joke, PROMPT, subject="cats")


def test_words_in_place_of_an_object_are_an_error(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    sandbox.answer_next("Here is a joke.")

    with pytest.raises(ValueError, match="wrote no Joke: it wrote 'Here is a joke"):
        make_llm().structured_predict(Joke, PROMPT, subject="cats")


def test_an_object_of_another_shape_is_an_error(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    sandbox.answer_next('{"setup": "a"}')

    with pytest.raises(InvalidOutput, match="wrote no Joke: punchline: Field required"):
        make_llm().structured_predict(Joke, PROMPT, subject="cats")


@every_way
@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"setup": "a", "punchline": "b"}\n```',
        'Here it is:\n\n```\n{"setup": "a",\n "punchline": "b"}\n```\nI hope you like it.',
    ],
)
async def test_a_fence_around_the_object_is_taken_off(
    predict: Any, text: str, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    sandbox.answer_next(text)

    assert await predict(make_llm()) == Joke(setup="a", punchline="b")


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_structured_llm_answers_with_objects(llm: OpenRouter, asynchronous: bool) -> None:
    structured = llm.as_structured_llm(Joke)
    messages = [ChatMessage(content="Tell a joke about {braces} and dogs.")]

    response = await structured.achat(messages) if asynchronous else structured.chat(messages)

    assert isinstance(response.raw, Joke)
    assert Joke.model_validate_json(response.message.content or "") == response.raw


ASKED = [ChatMessage(content="Tell a joke about dogs.")]


async def _chat(llm: Any) -> Any:
    return llm.chat(ASKED)


async def _achat(llm: Any) -> Any:
    return await llm.achat(ASKED)


async def _stream_chat(llm: Any) -> Any:
    return list(llm.stream_chat(ASKED))


async def _astream_chat(llm: Any) -> Any:
    return [response async for response in await llm.astream_chat(ASKED)]


async def _complete(llm: Any) -> Any:
    return llm.complete("Tell a joke about dogs.")


async def _acomplete(llm: Any) -> Any:
    return await llm.acomplete("Tell a joke about dogs.")


async def _stream_complete(llm: Any) -> Any:
    return list(llm.stream_complete("Tell a joke about dogs."))


async def _astream_complete(llm: Any) -> Any:
    return [response async for response in await llm.astream_complete("Tell a joke about dogs.")]


async def _predict(llm: Any) -> Any:
    return llm.predict(PROMPT, subject="dogs")


async def _query(llm: Any) -> Any:
    return (
        SummaryIndex.from_documents([Document(text="Dogs bark.")]).as_query_engine(llm=llm).query("A joke?")
    )


@pytest.mark.parametrize("way", [_stream_chat, _astream_chat, _stream_complete, _astream_complete])
async def test_a_structured_llm_streams_objects(way: Any, llm: OpenRouter) -> None:
    responses = await way(llm.as_structured_llm(Joke))

    assert len(responses) > 3
    assert all(response.raw.model_dump(exclude_none=True) for response in responses)
    assert isinstance(responses[-1].raw, Joke)
    said = getattr(responses[-1], "message", None)
    assert Joke.model_validate_json(said.content if said else responses[-1].text) == responses[-1].raw


def test_closing_the_stream_of_a_structured_llm_closes_the_connection(scripted: Any) -> None:
    begun = delta('{"setup": "Why did')
    server = scripted([STREAM_HEAD, chunked(begun), "HANG"])
    llm = OpenRouter(
        "m/x", api_base=server.base_url, api_key="sk-or-x", check="off", should_use_structured_outputs=True
    )

    stream = llm.as_structured_llm(Joke).stream_chat(ASKED)
    assert next(stream).raw.setup == "Why did"
    stream.close()

    deadline = time.monotonic() + 5
    while not server.closed_by_client and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.closed_by_client == 1


@both_ways
@pytest.mark.parametrize(
    "way",
    [
        _chat,
        _achat,
        _stream_chat,
        _astream_chat,
        _complete,
        _acomplete,
        _stream_complete,
        _astream_complete,
        _predict,
        _query,
    ],
    ids=lambda way: way.__name__,
)
async def test_options_of_a_structured_llm_reach_every_call(
    way: Any, schema: bool, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(
        "openai/gpt-4o-mini",
        should_use_structured_outputs=schema,
        provider={"sort": "price", "require_parameters": False},
        additional_kwargs={"seed": 1, "top_k": 4},
        check="off",
    )
    structured = llm.as_structured_llm(
        Joke,
        session_id="s9",
        seed=2,
        provider_options={"zdr": False, "openrouter_top_p": 0.5},
        default_headers={"X-Own": "1"},
        model="openai/gpt-5-mini",
        system_prompt="Be funny.",
    )

    await way(structured)

    body = sandbox.last.body
    assert (body["model"], body["seed"], body["top_k"], body["top_p"]) == ("openai/gpt-5-mini", 2, 4, 0.5)
    assert body["session_id"] == "s9"
    assert body["provider"] == {"sort": "price", "zdr": False, "require_parameters": False}
    assert sandbox.last.headers["x-own"] == "1"
    assert _how_it_was_asked(body) >= ({"response_format"} if schema else {"tools"})
    assert body["messages"][0] == {"role": "system", "content": "Be funny."}
    assert "Be funny." not in str(body["messages"][1:])

    llm.chat(ASKED)
    assert sandbox.last.body.keys() == {"model", "messages", "seed", "top_k", "provider"}
    assert sandbox.last.body["seed"] == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temprature": 1}, "temprature: .*did you mean temperature"),
        ({"provider": {"ordr": ["openai"]}}, r"provider\.ordr: .*did you mean order"),
        ({"temperature": "hot"}, "temperature: should be a valid number"),
        ({"seed": 1, "provider_options": {"seed": 2}}, "seed is given twice"),
        ({"max_retries": -1}, "max_retries"),
        ({"model": ""}, "model: needs a slug"),
    ],
    ids=str,
)
def test_what_is_wrong_for_a_structured_llm_is_refused_at_once(
    given: dict[str, Any], message: str, llm: OpenRouter
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        llm.as_structured_llm(Joke, **given)


@every_way
@pytest.mark.parametrize("spelled", ["tools", "provider_options"])
async def test_other_tools_stay_beside_the_one_that_must_be_called(
    spelled: str, predict: Any, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(
        should_use_structured_outputs=False, tools=[{"type": "openrouter:datetime"}], tool_choice="none"
    )
    search = {"type": "openrouter:web_search"}
    given = {"tools": [search]} if spelled == "tools" else {"provider_options": {"tools": [search]}}

    assert isinstance(await predict(llm, llm_kwargs=given), Joke)

    names = [tool.get("function", tool).get("name", tool["type"]) for tool in sandbox.last.body["tools"]]
    kept = ["openrouter:datetime"] if spelled == "tools" else []
    assert names == [*kept, "openrouter:web_search", "Joke"]
    assert sandbox.last.body["tool_choice"] == {"type": "function", "function": {"name": "Joke"}}


class Heard(BaseEventHandler):
    names: list[str]

    @classmethod
    def class_name(cls) -> str:
        return "Heard"

    def handle(self, event: Any, **_: Any) -> None:
        self.names.append(event.class_name())


@every_way
async def test_a_structured_prediction_is_announced_once(predict: Any, llm: OpenRouter) -> None:
    heard, root = Heard(names=[]), get_dispatcher()
    root.add_event_handler(heard)
    try:
        await predict(llm)
    finally:
        root.event_handlers.remove(heard)

    names = [name for name in heard.names if not name.endswith("InProgressEvent")]
    assert [name for name in names if "Structured" in name] == [
        "LLMStructuredPredictStartEvent",
        "LLMStructuredPredictEndEvent",
    ]
    assert names.count("LLMChatStartEvent") == names.count("LLMChatEndEvent") == 1


def test_names_are_those_that_the_api_takes(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    class Wrong(BaseModel):
        model_config = {"title": "G[int] of a / very / long name " * 3}
        number: int

    make_llm().structured_predict(Wrong, PROMPT, subject="numbers")

    name = sandbox.last.body["response_format"]["json_schema"]["name"]
    assert name.startswith("G_int__of_a")
    assert len(name) == 64


def test_a_schema_with_free_keys_is_not_asked_for_strictly(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    class Counts(BaseModel):
        counts: dict[str, int]

    make_llm().structured_predict(Counts, PROMPT, subject="numbers")

    asked = sandbox.last.body["response_format"]["json_schema"]
    assert asked["strict"] is False
    assert asked["schema"]["properties"]["counts"]["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_tool_choice_of_the_constructor_goes_out_only_with_tools(
    choice: Any, make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    llm = make_llm(tool_choice=choice, should_use_structured_outputs=True)
    joke = Joke(setup="s", punchline="p").model_dump_json()
    calls: list[Callable[[], Any]] = [
        lambda: llm.structured_predict(Joke, PROMPT, subject="cats"),
        lambda: list(llm.stream_structured_predict(Joke, PROMPT, subject="cats")),
        lambda: llm.as_structured_llm(Joke).complete("A joke."),
        lambda: llm.complete("A joke."),
        lambda: list(llm.stream_chat([ChatMessage("A joke.")])),
    ]
    for call in calls:
        sandbox.answer_next(joke)
        call()
        assert "tool_choice" not in sandbox.last.body

    weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    llm.chat_with_tools([weather], "Weather?")
    assert sandbox.last.body["tool_choice"] == choice
    # What a call says for itself is sent.
    llm.complete("hi", tool_choice="auto")
    assert sandbox.last.body["tool_choice"] == "auto"
