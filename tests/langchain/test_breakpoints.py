"""Where cache breakpoints go: the plan alone, and the plan on LangChain's messages and tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from langchain_openrouter_opts.messages import wire_messages
from langchain_openrouter_opts.middleware.breakpoints import Place, Section, Ttl, plan
from langchain_openrouter_opts.middleware.marks import with_breakpoints
from langchain_openrouter_opts.tools import wire_tools
from openrouter_opts.options import WebSearch

SECTIONS: Sequence[Section] = ("tools", "system", "sent", "new")
SHORT: Mapping[Section, Ttl] = dict.fromkeys(SECTIONS, "5m")
LONG: Mapping[Section, Ttl] = dict.fromkeys(SECTIONS, "1h")
MIXED: Mapping[Section, Ttl] = {"tools": "1h", "system": "1h", "sent": "5m", "new": "5m"}
FREE = {section: Place(section, free=True) for section in SECTIONS}
TTLS: Sequence[Ttl] = ("5m", "1h")

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


# --- the plan ---


def a_place(section: Section) -> st.SearchStrategy[Place]:
    return st.one_of(
        st.builds(Place, st.just(section), free=st.booleans()),
        st.builds(Place, st.just(section), ttl=st.sampled_from(TTLS)),
    )


@st.composite
def prompts(draw: st.DrawFn) -> list[Place]:
    return [place for section in SECTIONS for place in draw(st.lists(a_place(section), max_size=4))]


wishes = st.sampled_from([SHORT, LONG, MIXED, {"system": "5m", "new": "5m"}, {}])


def applied(places: Sequence[Place], planned: Mapping[int, Ttl]) -> list[Place]:
    return [
        replace(place, ttl=planned.get(index, place.ttl), free=place.free and index not in planned)
        for index, place in enumerate(places)
    ]


def marks(places: Sequence[Place]) -> list[Ttl]:
    return [place.ttl for place in places if place.ttl]


def in_order(ttls: Sequence[Ttl]) -> bool:
    return "1h" not in ttls[ttls.index("5m") :] if "5m" in ttls else True


@given(prompts(), wishes)
def test_there_are_never_more_than_four(places: list[Place], wanted: Mapping[Section, Ttl]) -> None:
    planned = plan(places, wanted)
    assert len(planned) <= max(0, 4 - len(marks(places)))


@given(prompts(), wishes)
def test_they_go_where_they_can_be_and_none_is(places: list[Place], wanted: Mapping[Section, Ttl]) -> None:
    planned = plan(places, wanted)
    assert all(places[index].free and places[index].section in wanted for index in planned)
    assert len({places[index].section for index in planned}) == len(planned)


@given(prompts(), wishes)
def test_longer_ones_come_before_shorter_ones(places: list[Place], wanted: Mapping[Section, Ttl]) -> None:
    """If yours are in order; in any case none is out of order with a new one."""
    planned = plan(places, wanted)
    whole = applied(places, planned)
    if in_order(marks(places)):
        assert in_order(marks(whole))
    for index, ttl in planned.items():
        assert ttl == "5m" or "5m" not in marks(whole[:index])
        assert ttl == "1h" or "1h" not in marks(whole[index:])


@given(prompts(), wishes)
def test_planning_again_adds_nothing(places: list[Place], wanted: Mapping[Section, Ttl]) -> None:
    assert plan(applied(places, plan(places, wanted)), wanted) == {}


@given(prompts(), wishes)
def test_without_others_each_section_gets_one_at_its_end(
    places: list[Place], wanted: Mapping[Section, Ttl]
) -> None:
    unmarked = [replace(place, ttl=None, free=place.free or bool(place.ttl)) for place in places]
    ends = {place.section: index for index, place in enumerate(unmarked) if place.free}
    assert plan(unmarked, wanted) == {
        index: wanted[section] for section, index in ends.items() if section in wanted
    }


@pytest.mark.parametrize(
    ("taken", "left"),
    [(1, {"new", "system", "tools"}), (2, {"new", "system"}), (3, {"new"}), (4, set()), (5, set())],
)
def test_the_fewer_are_left_the_better_they_are_spent(taken: int, left: set[Section]) -> None:
    yours = [Place("sent", "5m")] * taken
    places = [FREE["tools"], FREE["system"], *yours, FREE["sent"], FREE["new"]]
    planned = plan(places, SHORT)
    assert {places[index].section for index in planned} == left


def test_a_section_that_ends_with_yours_gets_no_second_one() -> None:
    assert plan([FREE["system"], Place("system", "1h"), FREE["new"]], SHORT) == {2: "5m"}
    assert plan([Place("system", "1h"), FREE["system"], FREE["new"]], SHORT) == {1: "5m", 2: "5m"}


@pytest.mark.parametrize(
    ("places", "wanted", "planned"),
    [
        ([Place("tools", "5m"), FREE["system"], FREE["new"]], LONG, {1: "5m", 2: "5m"}),
        ([FREE["tools"], FREE["system"], Place("new", "1h")], SHORT, {0: "1h", 1: "1h"}),
        ([Place("tools", "5m"), FREE["system"], Place("new", "1h")], SHORT, {}),
        ([FREE["tools"], Place("system", "1h"), FREE["new"]], MIXED, {0: "1h", 2: "5m"}),
        ([FREE["tools"], FREE["system"], Place("new", "5m")], LONG, {0: "1h", 1: "1h"}),
    ],
)
def test_beside_yours_of_another_ttl_one_takes_theirs(
    places: list[Place], wanted: Mapping[Section, Ttl], planned: dict[int, Ttl]
) -> None:
    assert plan(places, wanted) == planned


# --- messages and tools ---


@tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"It is sunny in {city}."


@tool(extras={"cache_control": HOUR})
def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"It is noon in {city}."


@tool(extras={"defer_loading": True})
def get_tides(city: str) -> str:
    """Get the tides in a city."""
    return f"It is low in {city}."


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
AS_OPENAI = {
    "type": "function",
    "function": {"name": "get_news", "description": "News.", "parameters": SCHEMA},
}
AS_ANTHROPIC = {"name": "get_news", "description": "News.", "input_schema": SCHEMA}
AS_SCHEMA = {"title": "get_news", "description": "News.", **SCHEMA}
SEARCH = {"type": "openrouter:web_search"}
CALL = {"name": "get_weather", "args": {"city": "Rome"}, "id": "c1"}

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TEXT = {"type": "text", "text": "Look."}


def marks_on_the_wire(tools: Sequence[Any], messages: Sequence[BaseMessage]) -> list[tuple[str, Any]]:
    """Return where each mark is, and what it says."""
    found = [
        (each["function"]["name"], each["cache_control"])
        for each in wire_tools(tools)
        if "cache_control" in each
    ]
    for index, message in enumerate(wire_messages(messages)):
        parts = message["content"] if isinstance(message["content"], list) else ()
        found += [
            (f"{index}.{i}", part["cache_control"]) for i, part in enumerate(parts) if "cache_control" in part
        ]
    return found


def marked(
    messages: Sequence[BaseMessage], tools: Sequence[Any] = (), options: Mapping[str, Any] | None = None
) -> list[tuple[str, Any]]:
    """Return the marks of a request that is planned, and see that nothing of it was changed."""
    before = repr((messages, tools))
    planned = with_breakpoints(tools, messages, options or {}, SHORT)
    assert repr((messages, tools)) == before
    found = marks_on_the_wire(planned.tools, planned.messages)
    again = with_breakpoints(planned.tools, planned.messages, options or {}, SHORT)
    assert (again.tools, again.messages, again.count) == (planned.tools, planned.messages, planned.count)
    return found


TURNS: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage("What is the weather in Rome?"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("It is sunny.", tool_call_id="c1"),
]


def test_a_conversation_has_them_at_the_end_of_this_request_and_of_the_one_before() -> None:
    assert marked(TURNS[:2], [get_weather]) == [("get_weather", MARK), ("0.0", MARK), ("1.0", MARK)]
    assert marked(TURNS, [get_weather]) == [
        ("get_weather", MARK),
        ("0.0", MARK),
        ("1.0", MARK),
        ("3.0", MARK),
    ]


@pytest.mark.parametrize(
    ("tools", "last"),
    [
        ([get_weather, AS_OPENAI], "get_news"),
        ([AS_OPENAI, get_weather], "get_weather"),
        ([get_weather, AS_ANTHROPIC], "get_news"),
        ([get_weather, AS_SCHEMA], "get_news"),
        ([get_weather, SEARCH], "get_weather"),
        ([get_weather, SEARCH, WebSearch(max_results=3)], "get_weather"),
    ],
)
def test_the_last_function_is_marked_whatever_form_it_has(tools: list[Any], last: str) -> None:
    assert marked([HumanMessage("hi")], tools) == [(last, MARK), ("0.0", MARK)]


def test_a_marked_tool_keeps_what_else_is_said_of_it() -> None:
    given = get_weather.model_copy(update={"extras": {"other": 1}})
    (planned,) = with_breakpoints([given], [HumanMessage("hi")], {}, SHORT).tools
    assert planned.extras == {"other": 1, "cache_control": MARK}
    assert planned.invoke({"city": "Rome"}) == "It is sunny in Rome."


@pytest.mark.parametrize(
    "tools", [[SEARCH], [get_weather, get_tides], [{**AS_OPENAI, "defer_loading": True}], []]
)
def test_server_tools_and_tools_that_are_searched_for_stay_as_they_are(tools: list[Any]) -> None:
    assert marked([HumanMessage("hi")], tools) == [("0.0", MARK)]


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (HumanMessage([TEXT, IMAGE]), "1.0"),
        (HumanMessage([IMAGE, {"type": "text", "text": "Look."}]), "1.1"),
        (HumanMessage(["One.", "Two."]), "1.1"),
        (ToolMessage([{"type": "text", "text": "It is sunny."}], tool_call_id="c1"), "1.0"),
        (AIMessage("Once upon a"), "1.0"),
        (SystemMessage("Be polite."), "1.0"),
        (HumanMessage([{"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}]), "1.0"),
        # These have no text that could be marked.
        (HumanMessage([IMAGE]), "0.0"),
        (HumanMessage(" "), "0.0"),
        (HumanMessage([{"type": "text", "text": ""}]), "0.0"),
        (AIMessage("", tool_calls=[CALL]), "0.0"),
    ],
)
def test_the_last_text_is_marked(message: BaseMessage, place: str) -> None:
    assert marked([HumanMessage("hi"), message])[-1] == (place, MARK)


def test_system_messages_before_all_others_are_the_system_prompt() -> None:
    messages = [
        SystemMessage("Be brief."),
        SystemMessage("Be kind."),
        HumanMessage("hi"),
        SystemMessage("Now."),
    ]
    assert marked(messages) == [("1.0", MARK), ("3.0", MARK)]


YOURS: list[tuple[list[BaseMessage], list[Any], dict[str, Any], list[tuple[str, Any]]]] = [
    # on the whole prompt, as an option: it is at the end
    (TURNS, [get_weather], {"cache_control": MARK}, [("get_weather", MARK), ("0.0", MARK), ("1.0", MARK)]),
    # on a tool
    (TURNS[:2], [get_time], {}, [("get_time", HOUR), ("0.0", MARK), ("1.0", MARK)]),
    (
        TURNS[:2],
        [get_time, get_weather],
        {},
        [("get_time", HOUR), ("get_weather", MARK), ("0.0", MARK), ("1.0", MARK)],
    ),
    (
        TURNS[:2],
        [{**AS_ANTHROPIC, "cache_control": HOUR}],
        {},
        [("get_news", HOUR), ("0.0", MARK), ("1.0", MARK)],
    ),
    # on a tool that is an option
    ([HumanMessage("hi")], [], {"tools": [{**AS_OPENAI, "cache_control": MARK}] * 4}, []),
    # on a text, in each spelling
    ([HumanMessage([{**TEXT, "cache_control": HOUR}, IMAGE])], [], {}, [("0.0", HOUR)]),
    ([HumanMessage([{**TEXT, "cache_control": HOUR}, TEXT])], [], {}, [("0.0", HOUR), ("0.1", MARK)]),
    # on what is no text
    ([HumanMessage([TEXT, {**IMAGE, "cache_control": HOUR}])], [], {}, [("0.1", HOUR)]),
    # on a message
    ([HumanMessage("hi", additional_kwargs={"cache_control": HOUR})], [], {}, [("0.0", HOUR)]),
    # more than four of them
    (
        [HumanMessage([{**TEXT, "cache_control": MARK}] * 5)],
        [get_weather],
        {},
        [(f"0.{i}", MARK) for i in range(5)],
    ),
]


@pytest.mark.parametrize(("messages", "tools", "options", "found"), YOURS)
def test_yours_stay_where_they_are_and_count(
    messages: list[BaseMessage], tools: list[Any], options: dict[str, Any], found: list[tuple[str, Any]]
) -> None:
    assert marked(messages, tools, options) == found


def test_openais_marks_count_as_well() -> None:
    own = {**TEXT, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    assert marked([HumanMessage([own] * 3), HumanMessage("hi")], [get_weather]) == [("1.0", MARK)]


texts = st.sampled_from(["", " ", "Hello.", "What is it?"])
part = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(lambda mark: {**TEXT, "cache_control": mark}, st.sampled_from([MARK, HOUR])),
    st.just(IMAGE),
)
contents = st.one_of(texts, st.lists(part, max_size=3))
extras = st.sampled_from([{}, {"cache_control": MARK}, {"cache_control": HOUR}])
turns = st.one_of(
    st.builds(HumanMessage, contents, additional_kwargs=extras),
    st.builds(AIMessage, texts, tool_calls=st.sampled_from([[], [CALL]])),
    st.builds(ToolMessage, contents, tool_call_id=st.just("c1"), additional_kwargs=extras),
    st.builds(SystemMessage, texts),
    # A mark on a message that holds nothing is refused.
).filter(lambda message: message.content or not message.additional_kwargs)
toolboxes = st.lists(
    st.sampled_from(
        [get_weather, get_time, AS_OPENAI, AS_SCHEMA, SEARCH, {**AS_ANTHROPIC, "cache_control": MARK}]
    ),
    max_size=4,
)


@given(st.lists(turns, max_size=6), toolboxes, st.sampled_from([{}, {"cache_control": HOUR}]))
def test_whatever_is_sent_yours_stay_and_there_are_four_at_most(
    messages: list[BaseMessage], tools: list[Any], options: dict[str, Any]
) -> None:
    yours = marks_on_the_wire(tools, messages)
    found = marked(messages, tools, options)
    assert Counter(map(repr, yours)) <= Counter(map(repr, found))
    taken = len(yours) + len(options)
    assert len(found) + len(options) <= max(4, taken)
