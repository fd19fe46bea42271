"""Schemas in every spelling: what goes out for them, and what is refused."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from pydantic import v1 as pydantic_1
from typing_extensions import TypedDict

from langchain_openrouter_opts.schemas import AnswerSchema, response_format
from openrouter_opts import ConfigurationError

SCHEMA = {
    "type": "object",
    "description": "A place to be.",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["city"],
}
PLAIN = {key: value for key, value in SCHEMA.items() if key != "description"}
STRICT = {**PLAIN, "required": ["city", "size"], "additionalProperties": False}


class Place(BaseModel):
    """A place to be."""

    city: str
    size: int = 0


class OldPlace(pydantic_1.BaseModel):
    """A place to be."""

    city: str
    size: int = 0


class PlaceDict(TypedDict):
    """A place to be."""

    city: str
    size: Annotated[int, 0]


@dataclass
class PlaceData:
    """A place to be."""

    city: str
    size: int = 0


def place(city: str, size: int = 0) -> str:
    """A place to be."""
    return f"{city}: {size}"


HELD = {"name": "Place", "description": "A place to be.", "parameters": PLAIN}
EVERY = [
    Place,
    OldPlace,
    PlaceDict,
    PlaceData,
    place,
    tool(place),
    {"title": "Place", **SCHEMA},
    {"name": "Place", **SCHEMA},
    HELD,
    {"type": "function", "function": HELD},
    {"type": "function", **HELD},
    {"name": "Place", "schema": SCHEMA},
    {"type": "json_schema", "json_schema": {"name": "Place", "schema": SCHEMA}},
    {"name": "Place", "description": "A place to be.", "input_schema": PLAIN},
    {
        "toolSpec": {
            "name": "Place",
            "description": "A place to be.",
            "inputSchema": {"json": PLAIN},
        }
    },
]


def bare(schema: Any) -> Any:
    """Return a schema without its titles and defaults, which some spellings have."""
    if isinstance(schema, dict):
        kept = {key: bare(value) for key, value in schema.items() if key not in {"title", "default"}}
        return (
            {**kept, "required": sorted(kept["required"])} if isinstance(kept.get("required"), list) else kept
        )
    return schema


@pytest.mark.parametrize("given", EVERY)
def test_every_spelling_is_a_tool_and_a_response_format(given: Any) -> None:
    asked = AnswerSchema.of(given)
    function = asked.tool()["function"]
    assert function["name"].startswith(("Place", "OldPlace", "place"))
    assert function["description"] == "A place to be."
    assert bare(function["parameters"]) == PLAIN
    assert "strict" not in function
    form = asked.response_format()
    assert form["type"] == "json_schema"
    assert bare(form["json_schema"]["schema"])["properties"] == PLAIN["properties"]
    said = form["json_schema"].get("description") or form["json_schema"]["schema"]["description"]
    assert said == "A place to be."


@pytest.mark.parametrize("given", EVERY)
def test_every_spelling_is_made_strict(given: Any) -> None:
    asked = AnswerSchema.of(given, strict=True)
    assert asked.tool()["function"]["strict"] is True
    assert bare(asked.tool()["function"]["parameters"]) == STRICT
    form = asked.response_format()["json_schema"]
    assert form["strict"] is True
    assert {key: value for key, value in bare(form["schema"]).items() if key != "description"} == STRICT


@pytest.mark.parametrize(
    "given",
    [
        {"title": "Place", "strict": True, **SCHEMA},
        {**HELD, "strict": True},
        {"type": "function", "function": {**HELD, "strict": True}},
        {"name": "Place", "strict": True, "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "Place", "strict": True, "schema": SCHEMA}},
    ],
)
def test_a_schema_that_says_it_is_strict_is_made_strict(given: Any) -> None:
    assert AnswerSchema.of(given).strict is True
    assert AnswerSchema.of(given).tool()["function"]["parameters"]["additionalProperties"] is False
    with pytest.raises(ConfigurationError, match="strict: the schema says True, and the argument False"):
        AnswerSchema.of(given, strict=False)


def test_what_else_is_said_of_a_tool_is_kept() -> None:
    mark = {"type": "ephemeral"}
    given = {"type": "function", "function": {**HELD, "defer_loading": True}, "cache_control": mark}
    tool_ = AnswerSchema.of(given).tool()
    assert tool_["cache_control"] == mark
    assert tool_["function"]["defer_loading"] is True


# --- what is no object ---


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    lives: int


class Dog(BaseModel):
    tricks: list[str]


class Names(RootModel[list[str]]):
    pass


@pytest.mark.parametrize(
    ("given", "value", "answer"),
    [
        (list[Cat], [{"lives": 9}], [Cat(lives=9)]),
        (Cat | Dog, {"tricks": []}, Dog(tricks=[])),
        (Annotated[int, Field(ge=1)], 3, 3),
        (Literal["a", "b"], "b", "b"),
        (Colour, "blue", Colour.BLUE),
        (tuple[int, str], [1, "a"], (1, "a")),
        (date, "2026-11-25", date(2026, 11, 25)),
        (Names, ["a"], Names(["a"])),
        ({"title": "L", "type": "array", "items": {"type": "string"}}, ["a"], ["a"]),
        ({"anyOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": SCHEMA}}, {"city": "Paris"}, {"city": "Paris"}),
        ({"type": ["object", "null"], "properties": {}}, None, None),
        ({"enum": ["a", "b"]}, "a", "a"),
    ],
)
def test_what_is_no_object_is_held_by_one(given: Any, value: Any, answer: Any) -> None:
    asked = AnswerSchema.of(given)
    assert asked.schema["type"] == "object"
    assert asked.schema["required"] == ["value"]
    assert asked.read({"value": value}) == answer
    assert "$ref" not in str(asked.tool())
    if "$ref" in str(asked.schema):
        assert asked.schema["$defs"]


@pytest.mark.parametrize("given", [list[Cat], Cat | Dog, Colour])
def test_what_is_held_by_an_object_is_made_strict_too(given: Any) -> None:
    form = AnswerSchema.of(given, strict=True).response_format()["json_schema"]["schema"]
    assert form["additionalProperties"] is False


class Node(BaseModel):
    name: str
    children: list[Node] = []


def test_a_class_that_contains_itself_keeps_its_definition() -> None:
    function = AnswerSchema.of(Node, strict=True).tool()["function"]
    assert function["name"] == "Node"
    assert function["parameters"]["$defs"]["Node"]["required"] == ["name", "children"]
    assert AnswerSchema.of(Node).read({"name": "a", "children": [{"name": "b"}]}).children == [Node(name="b")]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    pair: tuple[int, int]


def test_the_type_of_an_object_may_go_without_saying() -> None:
    assert AnswerSchema.of({"properties": {"a": {"type": "string"}}}).schema["type"] == "object"


def test_a_strict_class_is_read_as_json() -> None:
    answer = AnswerSchema.of(Strict).read({"day": "2026-11-25", "pair": [1, 2]})
    assert answer == Strict(day=date(2026, 11, 25), pair=(1, 2))


def test_an_old_pydantic_class_is_read() -> None:
    answer = AnswerSchema.of(OldPlace).read({"city": "Paris"})
    assert answer == OldPlace(city="Paris")
    with pytest.raises(pydantic_1.ValidationError):
        AnswerSchema.of(OldPlace).read({})


@pytest.mark.parametrize("given", [Place, PlaceDict, list[Place], SCHEMA])
def test_a_schema_can_be_pickled_before_and_after_it_is_used(given: Any) -> None:
    asked = AnswerSchema.of(given)
    value = {"value": [{"city": "Paris"}]} if asked.key else {"city": "Paris"}
    assert pickle.loads(pickle.dumps(asked)).read(value) == asked.read(value)
    assert pickle.loads(pickle.dumps(asked)).read(value) == asked.read(value)


# --- names ---


class Unreadable:
    pass


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (SCHEMA, "Output"),
        ({"title": "1 bad name!", **SCHEMA}, "1_bad_name_"),
        ({"title": "n" * 100, **SCHEMA}, "n" * 64),
        (list[int], "Output"),
        (int, "Output"),
        (Colour, "Colour"),
        (Literal["a"], "Output"),
        (Cat | Dog, "Output"),
        ({"schema": {"title": "Place", **SCHEMA}}, "Place"),
    ],
)
def test_a_schema_needs_no_name_that_the_api_takes(given: Any, name: str) -> None:
    assert AnswerSchema.of(given).name == name


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (3, "schema: 3 is none; give a pydantic class"),
        ("Place", "schema: 'Place' is none"),
        ([Place], "is none"),
        ({}, "holds no schema"),
        ({"type": "json_object"}, "holds no schema"),
        ({"type": "grammar", "grammar": "a"}, "holds no schema"),
        ({"city": "string"}, "holds no schema"),
        ({"type": "function", "function": {"name": "Place"}}, "has a name and no schema"),
        ({"type": "json_schema", "json_schema": {"name": "Place"}}, "has a name and no schema"),
        ({"name": "a place", "schema": SCHEMA}, "schema.name: 'a place' should be of letters"),
        (object(), "is none"),
        (Unreadable, "has no JSON Schema"),
        (list[Unreadable], "has no JSON Schema"),
    ],
)
def test_what_is_no_schema_is_refused(given: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        AnswerSchema.of(given)


class Counts(BaseModel):
    counts: dict[str, int]


def test_what_cannot_be_strict_is_refused_by_its_path() -> None:
    with pytest.raises(ConfigurationError, match=r"schema: properties\.counts takes any key"):
        AnswerSchema.of(Counts, strict=True)


# --- `response_format` as an option ---


@pytest.mark.parametrize("given", [Place, PlaceDict, SCHEMA, {"name": "Place", "schema": SCHEMA}])
def test_a_response_format_is_made_of_a_schema(given: Any) -> None:
    form = response_format(given)
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["required"] == ["city"] or given is PlaceDict


@pytest.mark.parametrize(
    "given",
    [
        {"type": "json_object"},
        {"type": "text"},
        {"type": "grammar", "grammar": "a"},
        {"type": "of_tomorrow", "x": 1},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "new": 1}, "newer": 2},
        {"type": "json_schema", "json_schema": {"name": "a", "strict": True}},
        {"type": "json_schema", "json_schema": {"name": "L", "schema": {"type": "array", "items": {}}}},
    ],
)
def test_a_response_format_is_kept_as_it_is(given: Any) -> None:
    assert response_format(given) == given


def test_a_response_format_that_says_it_is_strict_is_made_strict() -> None:
    named = {"name": "Place", "strict": True, "schema": SCHEMA, "new": 1}
    form = response_format({"type": "json_schema", "json_schema": named})
    assert form["json_schema"] == {**named, "schema": {**SCHEMA, **STRICT}}
    loose = {"type": "json_schema", "json_schema": {**named, "schema": {"type": "object"}}}
    with pytest.raises(
        ConfigurationError, match=r"response_format\.json_schema\.schema: the schema takes any key"
    ):
        response_format(loose)


def test_a_response_format_is_of_an_object() -> None:
    with pytest.raises(ConfigurationError, match="response_format: should be an object"):
        response_format(list[int])


def test_what_does_not_fit_is_pydantics_error() -> None:
    with pytest.raises(ValidationError):
        AnswerSchema.of(Place).read({"city": 5})
