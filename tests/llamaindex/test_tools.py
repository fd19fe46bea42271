"""Tools out, calls in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.tools import FunctionTool

from llamaindex_openrouter_opts import InvalidOutput, OpenRouter, Truncated
from openrouter_opts import Catalog, ConfigurationError
from openrouter_opts.options import Datetime, WebSearch
from openrouter_opts.sandbox import Sandbox


def weather(city: str) -> str:
    """Tell the current weather in a city."""
    return f"sunny in {city}"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


WEATHER = FunctionTool.from_defaults(weather)
MULTIPLY = FunctionTool.from_defaults(multiply)
BOTH = "What is the weather in Paris, and what is 12 times 7?"


def test_tools_are_sent_as_functions_and_called(llm: OpenRouter, sandbox: Sandbox) -> None:
    response = llm.chat_with_tools([WEATHER, MULTIPLY], BOTH, allow_parallel_tool_calls=True)

    calls = llm.get_tool_calls_from_response(response)
    assert [(call.tool_name, call.tool_kwargs) for call in calls] == [
        ("weather", {"city": "Paris"}),
        ("multiply", {"a": 12, "b": 7}),
    ]
    assert len({call.tool_id for call in calls}) == 2
    body = sandbox.last.body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", "multiply"]
    assert body["tool_choice"] == "auto"
    assert "parallel_tool_calls" not in body


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_streamed_tool_calls_grow_and_end_whole(llm: OpenRouter, asynchronous: bool) -> None:
    tools = [WEATHER, MULTIPLY]
    if asynchronous:
        stream = await llm.astream_chat_with_tools(tools, BOTH, allow_parallel_tool_calls=True)
        responses = [response async for response in stream]
    else:
        responses = list(llm.stream_chat_with_tools(tools, BOTH, allow_parallel_tool_calls=True))

    steps = [
        [(call.tool_name, call.tool_kwargs) for call in llm.get_tool_calls_from_response(response, False)]
        for response in responses
    ]
    whole = [("weather", {"city": "Paris"}), ("multiply", {"a": 12, "b": 7})]
    assert steps[-1] == whole
    assert ("weather", {}) in steps[0]
    assert [len(step) for step in steps] == sorted(len(step) for step in steps)


def test_one_call_is_all_there_is_where_several_are_not_allowed(llm: OpenRouter, sandbox: Sandbox) -> None:
    calls = [{"function": {"name": "weather", "arguments": {"city": city}}} for city in ("Paris", "Rome")]
    sandbox.answer_next({"content": None, "tool_calls": calls})

    message = llm.chat_with_tools([WEATHER], "Weather in Paris and Rome?").message

    assert [block.tool_kwargs for block in message.blocks if isinstance(block, ToolCallBlock)] == [
        {"city": "Paris"}
    ]
    assert len(message.additional_kwargs["tool_calls"]) == 1


@pytest.mark.parametrize(
    ("choice", "required", "sent"),
    [
        (None, False, "auto"),
        (None, True, "required"),
        ("auto", True, "auto"),
        ("none", False, "none"),
        ("required", False, "required"),
        ("any", False, "required"),
        ("weather", False, {"type": "function", "function": {"name": "weather"}}),
        ({"type": "openrouter:web_search"}, False, {"type": "openrouter:web_search"}),
    ],
)
def test_a_tool_choice_is_what_was_asked(llm: OpenRouter, choice: Any, required: bool, sent: Any) -> None:
    call = llm._prepare_chat_with_tools([WEATHER], "hi", tool_required=required, tool_choice=choice)

    assert call["tool_choice"] == sent


def test_without_tools_nothing_is_said_about_tools(llm: OpenRouter, sandbox: Sandbox) -> None:
    llm.chat_with_tools([], "hi", tool_required=True)

    assert sandbox.last.body.keys() == {"model", "messages"}


def test_the_callers_history_is_left_alone(llm: OpenRouter, sandbox: Sandbox) -> None:
    history = [ChatMessage(content="hi")]

    llm.chat_with_tools([WEATHER], "Weather in Paris?", chat_history=history)

    assert history == [ChatMessage(content="hi")]
    assert len(sandbox.last.body["messages"]) == 2


def test_server_tools_go_along_with_functions(make_llm: Any, sandbox: Sandbox) -> None:
    datetime, search = {"type": "openrouter:datetime"}, {"type": "openrouter:web_search"}
    llm = make_llm(provider_options={"tools": [datetime]})

    llm.chat_with_tools([search, WEATHER], "Weather in Paris?")

    assert [tool["type"] for tool in sandbox.last.body["tools"]] == [
        "openrouter:datetime",
        "openrouter:web_search",
        "function",
    ]


def test_tools_of_the_model_stay_beside_those_of_the_call(make_llm: Any, sandbox: Sandbox) -> None:
    older = {"type": "function", "function": {"name": "weather", "description": "Old."}}
    llm = make_llm(tools=[WebSearch(max_results=3), older, Datetime()])

    llm.chat_with_tools([WEATHER, WebSearch()], "Weather in Paris?")

    datetime, weather, search = sandbox.last.body["tools"]
    assert (datetime, search) == ({"type": "openrouter:datetime"}, {"type": "openrouter:web_search"})
    assert "Tell the current weather" in weather["function"]["description"]


@pytest.mark.parametrize(
    ("model", "call", "sent"),
    [
        ({}, {}, "auto"),
        ({"tool_choice": "none"}, {}, "none"),
        ({"provider_options": {"tool_choice": "none"}}, {"tool_required": True}, "required"),
        ({"additional_kwargs": {"tool_choice": "none"}}, {"tool_choice": "auto"}, "auto"),
        ({}, {"provider_options": {"tool_choice": "required"}}, "required"),
        ({}, {"openrouter_tool_choice": "required"}, "required"),
        ({}, {"openrouter_tool_choice": "none", "tool_required": True}, "none"),
        ({"tool_choice": "none"}, {"provider_options": {"tool_choice": "auto"}}, "auto"),
        ({}, {"tool_choice": "required", "provider_options": {"tool_choice": "required"}}, "required"),
        ({}, {"tool_choice": "openrouter:web_search"}, {"type": "openrouter:web_search"}),
        ({}, {"tool_choice": WebSearch(max_results=9)}, {"type": "openrouter:web_search"}),
        ({}, {"tool_choice": True}, "required"),
    ],
    ids=str,
)
def test_the_choice_of_the_model_holds_unless_the_call_has_one(
    model: dict[str, Any], call: dict[str, Any], sent: Any, make_llm: Any, sandbox: Sandbox
) -> None:
    make_llm(check="off", **model).chat_with_tools([WEATHER, WebSearch()], "Weather in Paris?", **call)

    assert sandbox.last.body["tool_choice"] == sent


@pytest.mark.parametrize("alone", [True, False])
def test_a_choice_in_anthropics_words_says_whether_several_calls_may_come(
    alone: bool, llm: OpenRouter, sandbox: Sandbox
) -> None:
    choice = {"type": "any", "disable_parallel_tool_use": alone}

    llm.chat_with_tools([WEATHER], "Weather in Paris?", tool_choice=choice)

    assert sandbox.last.body["tool_choice"] == "required"
    assert sandbox.last.body["parallel_tool_calls"] is not alone


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"tool_choice": "wether"}, "tool_choice: there is no tool 'wether'; did you mean 'weather'"),
        ({"tool_choice": WebSearch()}, "no tool 'openrouter:web_search'; there are weather"),
        ({"tool_choice": "none", "provider_options": {"tool_choice": "auto"}}, "tool_choice is given twice"),
    ],
    ids=str,
)
def test_a_choice_that_cannot_be_is_refused(
    call: dict[str, Any], message: str, llm: OpenRouter, sandbox: Sandbox
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        llm.chat_with_tools([WEATHER], "Weather in Paris?", **call)

    assert not sandbox.requests


@pytest.mark.parametrize("strict", [True, False])
def test_strict_is_said_of_tools_when_it_was_set(make_llm: Any, strict: bool) -> None:
    (tool,) = make_llm(strict=strict)._prepare_chat_with_tools([WEATHER], "hi")["tools"]

    assert tool["function"]["strict"] is strict
    assert ("additionalProperties" in tool["function"]["parameters"]) is strict


@pytest.mark.parametrize(
    "call",
    [
        {"parallel_tool_calls": True, "seed": 5},
        {"provider_options": {"parallel_tool_calls": True, "openrouter_seed": 5}},
    ],
    ids=str,
)
def test_options_of_a_call_with_tools_win(call: dict[str, Any], llm: OpenRouter, sandbox: Sandbox) -> None:
    llm.chat_with_tools([WEATHER], "Weather in Paris?", **call)

    assert sandbox.last.body["parallel_tool_calls"] is True
    assert sandbox.last.body["seed"] == 5


@pytest.mark.parametrize("parallel", [True, False])
def test_what_the_constructor_says_of_parallel_calls_holds(
    parallel: bool, make_llm: Any, sandbox: Sandbox
) -> None:
    make_llm(parallel_tool_calls=parallel).chat_with_tools([WEATHER], "Weather in Paris?")

    assert sandbox.last.body["parallel_tool_calls"] is parallel


@pytest.mark.parametrize(
    ("listed", "several", "said"), [(True, False, False), (True, True, None), (False, False, None)]
)
def test_that_only_one_call_may_come_is_said_where_the_endpoints_are_known_to_take_it(
    listed: bool, several: bool, said: bool | None, make_llm: Any, sandbox: Sandbox
) -> None:
    slug = "openai/gpt-5-mini"
    facts = Catalog.bundled().facts(slug)
    more = {"parallel_tool_calls"} if listed else set[str]()
    catalog = Catalog([replace(facts, supported_parameters=facts.supported_parameters | more)])

    make_llm(slug, catalog=catalog, check="error").chat_with_tools(
        [WEATHER], "Weather in Paris?", allow_parallel_tool_calls=several
    )

    assert sandbox.last.body.get("parallel_tool_calls") is said


def test_a_strict_tool_requires_all_its_parameters_and_one_that_cannot_be_strict_is_not(
    make_llm: Any,
) -> None:
    def some(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    def anything(value: dict[str, Any]) -> str:
        """Take anything."""
        return str(value)

    tools = [FunctionTool.from_defaults(each) for each in (some, anything)]
    strict, loose = make_llm(strict=True)._prepare_chat_with_tools(tools, "hi")["tools"]

    assert strict["function"]["strict"] is True
    assert strict["function"]["parameters"]["required"] == ["a", "b"]
    assert loose["function"]["strict"] is False


def test_predict_and_call_runs_the_tool(llm: OpenRouter) -> None:
    assert str(llm.predict_and_call([MULTIPLY], "What is 12 times 7?")) == "84"


async def test_apredict_and_call_runs_the_tools(llm: OpenRouter) -> None:
    answer = await llm.apredict_and_call([WEATHER, MULTIPLY], BOTH, allow_parallel_tool_calls=True)

    assert str(answer) == "sunny in Paris\n\n84"


@pytest.mark.parametrize(
    ("arguments", "reason", "said"),
    [
        ('{"city": "Par', "length", "cut off"),
        ("", "length", "cut off"),
        ("", "content_filter", "cut off"),
        ("null", "content_filter", "cut off"),
        ("not json", "tool_calls", "no JSON object"),
        ("[1]", "stop", "no JSON"),
    ],
)
def test_arguments_that_are_not_whole_are_reported_and_never_made_up(
    llm: OpenRouter, sandbox: Sandbox, arguments: str, reason: str, said: str
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    sandbox.answer_next({"content": None, "tool_calls": [call]}, finish_reason=reason)
    response = llm.chat_with_tools([WEATHER], "Weather in Paris?")

    with pytest.raises(InvalidOutput, match=said) as caught:
        llm.get_tool_calls_from_response(response)
    (selection,) = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)

    assert isinstance(caught.value, Truncated) is (said == "cut off")
    assert caught.value.generation_id == response.additional_kwargs["id"]
    assert caught.value.usage
    assert caught.value.partial
    assert caught.value.partial.tool_calls[0].arguments == arguments
    assert selection.tool_name != "weather"
    assert said in selection.tool_name


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("error_on_tool_error", [False, True])
async def test_predict_and_call_says_which_call_it_could_not_run(
    error_on_tool_error: bool, asynchronous: bool, llm: OpenRouter, sandbox: Sandbox
) -> None:
    whole, cut = [
        {"function": {"name": "weather", "arguments": text}} for text in ('{"city": "Rome"}', '{"ci')
    ]
    sandbox.answer_next({"content": None, "tool_calls": [whole, cut]}, finish_reason="length")
    how = {
        "allow_parallel_tool_calls": True,
        "error_on_no_tool_call": False,
        "error_on_tool_error": error_on_tool_error,
    }

    async def run() -> Any:
        if asynchronous:
            return await llm.apredict_and_call([WEATHER], BOTH, **how)
        return llm.predict_and_call([WEATHER], BOTH, **how)

    if error_on_tool_error:
        with pytest.raises(ValueError, match="`weather` was not run: its arguments are cut off"):
            await run()
        return
    answer = await run()
    assert [source.is_error for source in answer.sources] == [False, True]
    assert "sunny in Rome" in str(answer)
    assert "`weather` was not run: its arguments are cut off" in str(answer)
    assert str(answer).endswith("Call it again, with shorter arguments.")


@pytest.mark.parametrize("written", ["null", '""', "", "{}"])
def test_a_tool_without_parameters_is_run_whatever_stands_for_no_arguments(
    written: str, llm: OpenRouter, sandbox: Sandbox
) -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    sandbox.answer_next(
        {"content": None, "tool_calls": [{"function": {"name": "now", "arguments": written}}]}
    )

    assert str(llm.predict_and_call([FunctionTool.from_defaults(now)], "What time is it?")) == "noon"


def test_no_call_is_an_error_only_where_one_is_needed(llm: OpenRouter) -> None:
    response = ChatResponse(message=ChatMessage(role="assistant", content="hi"))

    assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="called no tool"):
        llm.get_tool_calls_from_response(response)


def test_calls_of_older_responses_are_read_too(llm: OpenRouter) -> None:
    call = {"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    message = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]})

    (selection,) = llm.get_tool_calls_from_response(ChatResponse(message=message))

    assert (selection.tool_id, selection.tool_kwargs) == ("c1", {"city": "Paris"})


def test_a_call_without_arguments_has_none(llm: OpenRouter) -> None:
    block = ToolCallBlock(tool_call_id="c1", tool_name="now", tool_kwargs="")
    message = ChatMessage(role="assistant", blocks=[block])

    (selection,) = llm.get_tool_calls_from_response(
        ChatResponse(message=message, additional_kwargs={"finish_reason": "tool_calls"})
    )

    assert selection.tool_kwargs == {}
