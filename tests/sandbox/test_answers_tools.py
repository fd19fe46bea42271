from __future__ import annotations

import json
from typing import Any

import pytest

from openrouter_opts.sandbox.answers import Answer, AskedCall, answer

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}


def tool(
    name: str, description: str, /, *, required: list[str] | None = None, **parameters: Any
) -> dict[str, Any]:
    wanted = list(parameters) if required is None else required
    schema = {"type": "object", "properties": parameters, "required": wanted}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("get_weather", "Get the weather for a city.", city=TEXT)
ADD = tool("add", "Add two numbers.", a=NUMBER, b=NUMBER)
MULTIPLY = tool("multiply", "Multiply two numbers.", a=NUMBER, b=NUMBER)
SEARCH = tool("search", "Search the web.", query=TEXT)


def ask(
    question: Any, *history: dict[str, Any], system: str | None = None, reasons: bool = False, **options: Any
) -> Answer:
    opening = [{"role": "system", "content": system}] if system else []
    messages = [*opening, *history, {"role": "user", "content": question}]
    return answer({"model": "any/model", "messages": messages, **options}, reasons=reasons)


def said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def calls(question: str, *tools: dict[str, Any], **options: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in ask(question, tools=list(tools), **options).tool_calls]


def run(asked: AskedCall) -> str:
    given = asked.arguments
    match asked.name:
        case "add":
            return str(given["a"] + given["b"])
        case "multiply":
            return str(given["a"] * given["b"])
    return f"Sunny in {given['city']}."


def agent_loop(question: str, *tools: dict[str, Any], **options: Any) -> tuple[list[list[AskedCall]], str]:
    messages: list[dict[str, Any]] = [said("user", question)]
    rounds: list[list[AskedCall]] = []
    while len(rounds) < 10:
        got = answer({"messages": messages, "tools": list(tools), **options}, reasons=False)
        if not got.tool_calls:
            return rounds, got.text or ""
        rounds.append(list(got.tool_calls))
        ids = [f"call_{len(rounds)}_{at}" for at in range(len(got.tool_calls))]
        asked = [
            {
                "id": one,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for one, call in zip(ids, got.tool_calls, strict=True)
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": asked})
        messages += [
            {"role": "tool", "tool_call_id": one, "content": run(call)}
            for one, call in zip(ids, got.tool_calls, strict=True)
        ]
    raise AssertionError("the loop does not end")


# -- tools -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What's the weather in Paris?", [("get_weather", {"city": "Paris"})]),
        ("what is the weather in paris?", [("get_weather", {"city": "paris"})]),
        ("What's the weather in San Francisco, CA?", [("get_weather", {"city": "San Francisco, CA"})]),
        (
            "What is the weather in Paris and in Rome?",
            [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})],
        ),
        (
            "What's the weather in Paris and 3 times 4?",
            [("get_weather", {"city": "Paris"}), ("multiply", {"a": 3, "b": 4})],
        ),
        ("Add 3 and 4", [("add", {"a": 3, "b": 4})]),
        ("Is it raining in Tokyo? Should I take an umbrella?", [("get_weather", {"city": "Tokyo"})]),
        ("Hello!", []),
        ("Who are you?", []),
        ("What is the capital of France?", []),
    ],
)
def test_tools_that_fit_the_question_are_called(question: str, expected: list[Any]) -> None:
    assert calls(question, WEATHER, ADD, MULTIPLY) == expected


def test_a_tool_named_in_the_question_is_called_once() -> None:
    odd = tool(
        "odd_thing",
        "Does an odd thing to an input.",
        input={**WHOLE, "exclusiveMinimum": -9, "exclusiveMaximum": 9},
    )
    question = "What is the value of odd_thing(3)? Use the tool."
    assert calls(question, WEATHER, odd) == [("odd_thing", {"input": 3})]


def test_a_tool_without_parameters_gets_no_arguments() -> None:
    assert calls("What is the current time?", tool("get_time", "Returns the current time."), WEATHER) == [
        ("get_time", {})
    ]
    bare = {"type": "function", "function": {"name": "roll_dice"}}
    assert calls("Please roll the dice", bare) == [("roll_dice", {})]


def test_a_search_tool_takes_questions_that_no_other_tool_fits() -> None:
    assert calls("Who won the cup in 2022?", WEATHER, SEARCH) == [
        ("search", {"query": "Who won the cup in 2022"})
    ]
    assert calls("Hello", WEATHER, SEARCH) == []
    both = calls("Who is the author of Hamlet, and what's the weather in London?", WEATHER, SEARCH)
    assert both == [("get_weather", {"city": "London"}), ("search", {"query": "Who is the author of Hamlet"})]


def test_tool_choice_is_obeyed() -> None:
    assert calls("What's the weather in Paris?", WEATHER, tool_choice="none") == []
    assert len(calls("Hello!", WEATHER, ADD, tool_choice="required")) == 1
    forced = {"type": "function", "function": {"name": "add"}}
    assert [name for name, _ in calls("What's the weather in Paris?", WEATHER, ADD, tool_choice=forced)] == [
        "add"
    ]


def test_without_parallel_calls_there_is_one_at_a_time() -> None:
    question = "What's the weather in Paris and 3 times 4?"
    rounds, _ = agent_loop(question, WEATHER, MULTIPLY, parallel_tool_calls=False)
    assert [[call.name for call in one] for one in rounds] == [["get_weather"], ["multiply"]]


def test_an_agent_loop_ends_with_all_results() -> None:
    rounds, text = agent_loop("What's the weather in Paris and in Rome, and 3 times 4?", WEATHER, MULTIPLY)
    assert len(rounds) == 1
    for result in ("Sunny in Paris.", "Sunny in Rome.", "12"):
        assert result in text


@pytest.mark.parametrize("question", ["What is (3 + 4) * 5?", "Add 3 and 4, then multiply the result by 5"])
def test_a_step_that_needs_a_result_waits_for_it(question: str) -> None:
    rounds, text = agent_loop(question, ADD, MULTIPLY)
    assert rounds == [[AskedCall("add", {"a": 3, "b": 4})], [AskedCall("multiply", {"a": 7, "b": 5})]]
    assert "35" in text


def test_a_required_second_tool_is_called_after_the_first() -> None:
    report = tool("WeatherReport", "The final report.", city=TEXT, conditions=TEXT)
    first = calls("What's the weather in Paris?", WEATHER, report, tool_choice="required")
    assert first == [("get_weather", {"city": "Paris"})]
    rounds: list[str] = []
    history: list[dict[str, Any]] = [said("user", "What's the weather in Paris?")]
    for _ in range(2):
        body = {"messages": history, "tools": [WEATHER, report], "tool_choice": "required"}
        call = answer(body, reasons=False).tool_calls[0]
        rounds.append(call.name)
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        history.append(
            {"role": "assistant", "tool_calls": [{"id": call.name, "type": "function", "function": function}]}
        )
        history.append({"role": "tool", "tool_call_id": call.name, "content": "Sunny"})
    assert rounds == ["get_weather", "WeatherReport"]


def test_a_failed_result_is_reported_and_not_retried_with_the_same_arguments() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    messages = [
        said("user", "What's the weather in Paris?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "Error: no such city"},
    ]
    got = answer({"messages": messages, "tools": [WEATHER]}, reasons=False)
    assert not got.tool_calls
    assert "failed: Error: no such city" in (got.text or "")


def test_a_follow_up_uses_the_tool_of_the_last_call() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    history = [
        said("user", "What's the weather in Paris?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "Sunny"},
        said("assistant", "It is sunny."),
    ]
    got = ask("And in Rome?", *history, tools=[WEATHER])
    assert got.tool_calls == (AskedCall("get_weather", {"city": "Rome"}),)


def test_a_tool_that_must_be_called_is_a_form_for_an_answer_from_a_text() -> None:
    form = tool("Answer", "The answer.", answer=TEXT, year={"type": "integer"})
    asked = (
        "Context information is below.\n-----\nThe bridge of Aster was built in 1874 by Ada Stone.\n-----\n"
        "Query: Who built the bridge?\nAnswer: "
    )
    choice = {"type": "function", "function": {"name": "Answer"}}
    given = {"answer": "The bridge of Aster was built in 1874 by Ada Stone.", "year": 1874}
    assert calls(asked, form, tool_choice=choice) == [("Answer", given)]


# -- ReAct -------------------------------------------------------------------------------------------------------------

REACT = (
    "You have access to the following tools:\n"
    "> Tool Name: add\nTool Description: add(a: int, b: int) -> int\nAdd two numbers.\n"
    'Tool Args: {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}\n\n'
    "> Tool Name: multiply\nTool Description: Multiply two numbers.\n"
    'Tool Args: {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}\n\n\n'
    "## Output Format\n\n```\nThought: I need a tool.\nAction: tool name (one of add, multiply)\n"
    "Action Input: the input to the tool, in a JSON format\n```\n"
)


def test_a_react_agent_gets_actions_and_then_an_answer() -> None:
    history = [said("system", REACT), said("user", "What is 20 + (2 * 4)?")]
    first = answer({"messages": history}, reasons=False).text or ""
    assert first.endswith('Action: multiply\nAction Input: {"a": 2, "b": 4}')
    # LlamaIndex writes the input back as Python, not as JSON.
    history += [
        said("assistant", "Thought: x\nAction: multiply\nAction Input: {'a': 2, 'b': 4}"),
        said("user", "Observation: 8"),
    ]
    second = answer({"messages": history}, reasons=False).text or ""
    assert second.endswith('Action: add\nAction Input: {"a": 20, "b": 8}')
    history += [said("assistant", second), said("user", "Observation: 28")]
    last = answer({"messages": history}, reasons=False).text or ""
    assert last.startswith("Thought: ")
    assert "28" in last.partition("\nAnswer: ")[2]


def test_a_react_agent_gets_small_talk_as_an_answer() -> None:
    got = answer({"messages": [said("system", REACT), said("user", "Hello")]}, reasons=False).text or ""
    assert "Action:" not in got
    assert "\nAnswer: H" in got


# -- agents that write code, and agents that hand over -----------------------------------------------------------------

CODE_ACT = (
    "Write Python code wrapped in <execute>...</execute> tags.\n<execute>\ndef area(radius):\n    return radius**2\n"
    "</execute>\nYou can use the following functions:\n"
    'def multiply(a: int, b: int = 2) -> int:\n  """\nMultiply two numbers.\n  """\n\n  ...\n\n'
    'def get_weather(city: \'str\') -> \'str\':\n  """\nTell the weather\nin a city.\n  """\n\n  ...\n\n'
    'def get_tide(*, city: str, zone: str = \'UTC\'):\n  """\nTell the tide in a city.\n  """\n\n  ...\n\n'
    "def hum():\n\n  ...\n\ndef this(is no: function):\n"
)


@pytest.mark.parametrize(
    ("question", "code", "printed", "told"),
    [
        ("What is 12 times 7?", "print(multiply(a=12, b=7))", "84", "84"),
        ("What is the weather in Paris?", "print(get_weather(city='Paris'))", "Sunny.", "Sunny."),
        ("What is the tide in Paris?", "print(get_tide(city='Paris'))", "12:00", "12:00"),
    ],
)
def test_an_agent_that_acts_by_code_gets_a_call_to_print_and_then_an_answer(
    question: str, code: str, printed: str, told: str
) -> None:
    first = ask(question, system=CODE_ACT).text or ""
    assert first.endswith(f"<execute>\n{code}\n</execute>")

    history = [said("user", question), said("assistant", first)]
    last = ask(f"Result of executing the code given:\n\n{printed}\n", *history, system=CODE_ACT).text or ""
    assert "<execute>" not in last
    assert told in last


def test_an_example_of_code_is_no_function_to_call() -> None:
    assert "<execute>" not in (ask("Call area for the radius 5.", system=CODE_ACT).text or "")


@pytest.mark.parametrize("code", ["x = 1", "print(", "print(multiply(a=b, b=1))", "print(1)"])
def test_code_of_another_form_in_the_history_is_no_call(code: str) -> None:
    history = [said("user", "What is 12 times 7?"), said("assistant", f"<execute>{code}</execute>")]
    got = ask("Result of executing the code given:\n\n1", *history, system=CODE_ACT).text or ""
    assert "print(multiply(a=12, b=7))" in got


def _handoff(agents: str) -> dict[str, Any]:
    described = f"Useful for handing off to another agent.\n\nCurrently available agents:\n{agents}\n"
    return tool("handoff", described, to_agent=TEXT, reason=TEXT)


def test_an_agent_hands_over_once_to_the_one_that_knows() -> None:
    handoff = _handoff("{'cook': 'Knows recipes.', 'sailor': 'Knows the ferries and the harbour.'}")
    question = "When does the ferry leave?"
    given = {"to_agent": "sailor", "reason": "sailor knows about this."}
    assert calls(question, handoff) == [("handoff", given)]
    assert calls(question, handoff, tool_choice="none") == []
    assert calls("Who wrote Faust?", handoff) == []

    function = {"name": "handoff", "arguments": json.dumps(given)}
    made = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    messages = [
        said("user", question),
        made,
        {"role": "tool", "tool_call_id": "1", "content": "Handed over."},
    ]
    assert answer({"messages": messages, "tools": [handoff]}, reasons=False).tool_calls == ()


@pytest.mark.parametrize("agents", ["{cook, sailor", "{'sailor'}", "{ferry: ferry}", "None."])
def test_a_tool_that_lists_no_agents_hands_nothing_over(agents: str) -> None:
    assert calls("When does the ferry leave?", _handoff(agents)) == []
