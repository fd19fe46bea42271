"""Schemas in the form that strict mode takes, and without references."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from openrouter_opts.json_schema import NotStrictError, as_object, inlined, strict_schema


class Leaf(BaseModel):
    size: int = 3


class Tree(BaseModel):
    name: str | None = None
    leaf: Leaf = Field(description="The best one.")
    leaves: list[Leaf] = []


class Node(BaseModel):
    child: Node = Field(default=None, description="The next one.")
    others: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Home(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Nothing(BaseModel):
    pass


def test_a_strict_schema_requires_everything_and_allows_no_more() -> None:
    schema = strict_schema(Tree.model_json_schema())

    assert schema["required"] == ["name", "leaf", "leaves"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Leaf"]["required"] == ["size"]
    assert "default" not in json.dumps(schema)


def test_a_description_beside_a_reference_moves_the_definition_there() -> None:
    leaf = strict_schema(Tree.model_json_schema())["properties"]["leaf"]

    assert leaf["properties"]["size"]["type"] == "integer"
    assert leaf["description"] == "The best one."


def test_a_schema_that_contains_itself_is_made_strict() -> None:
    schema = strict_schema(Node.model_json_schema())

    assert schema["required"] == ["child", "others"]
    assert schema["$defs"]["Node"]["required"] == ["child", "others"]
    assert schema["properties"]["others"]["items"] == {"$ref": "#/$defs/Node"}


def test_alternatives_are_told_by_their_keys() -> None:
    pet = strict_schema(Home.model_json_schema())["properties"]["pet"]

    assert pet == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "title": "Pet"}


def test_an_object_without_keys_stays_without() -> None:
    schema = strict_schema(Nothing.model_json_schema())

    assert schema["required"] == []
    assert schema["additionalProperties"] is False


class Counts(BaseModel):
    counts: dict[str, int]


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Anything(BaseModel):
    a: list[Any]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (Counts.model_json_schema(), "properties.counts takes any key"),
        (Loose.model_json_schema(), "the schema takes any key"),
        (Anything.model_json_schema(), "properties.a.items may be anything"),
        ({"type": "object"}, "the schema takes any key"),
        ({"type": "object", "properties": {"a": {"not": {"type": "null"}}}}, "properties.a has not"),
        ({"type": "object", "properties": {"a": True}}, "properties.a may be anything"),
        ({"type": "object", "properties": {}, "patternProperties": {}}, "the schema takes any key"),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/A", "title": "A"}}},
            r"properties.a refers to #/\$defs/A, which isn't there",
        ),
    ],
)
def test_what_cannot_be_strict_is_named_by_its_path(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(NotStrictError, match=problem):
        strict_schema(schema)


@pytest.mark.parametrize("model", [Tree, Node, Home])
def test_the_schema_that_was_given_is_left_as_it_is(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    strict_schema(schema)
    inlined(schema)
    assert schema == model.model_json_schema()


OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "top"),
    [
        (Tree.model_json_schema(), Tree.model_json_schema()),
        ({"properties": OBJECT["properties"]}, OBJECT),
        ({"$ref": "#/$defs/A", "$defs": {"A": OBJECT}}, {**OBJECT, "$defs": {"A": OBJECT}}),
        (
            {"$ref": "#/$defs/A", "description": "It.", "$defs": {"A": {**OBJECT, "description": "An A."}}},
            {**OBJECT, "description": "It.", "$defs": {"A": {**OBJECT, "description": "An A."}}},
        ),
    ],
)
def test_a_schema_of_an_object_stands_at_the_top_itself_with_its_type(
    schema: dict[str, Any], top: dict[str, Any]
) -> None:
    assert as_object(schema) == (top, None)


@pytest.mark.parametrize(
    ("schema", "value", "definitions"),
    [
        ({"type": "string", "description": "A name."}, {"type": "string", "description": "A name."}, {}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"]}, {}),
        (
            {"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "string"}}},
            {"type": "array", "items": {"$ref": "#/$defs/A"}},
            {"$defs": {"A": {"type": "string"}}},
        ),
        (
            {"$ref": "#/definitions/A", "definitions": {"A": {"enum": [1, 2]}}},
            {"enum": [1, 2]},
            {"definitions": {"A": {"enum": [1, 2]}}},
        ),
        (
            {"type": "object", "anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
            {"type": "object", "anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
            {},
        ),
    ],
)
def test_what_no_tool_takes_at_the_top_is_held_under_a_key(
    schema: dict[str, Any], value: Any, definitions: dict[str, Any]
) -> None:
    assert as_object(schema) == (
        {"type": "object", "properties": {"value": value}, "required": ["value"], **definitions},
        "value",
    )


def test_definitions_take_the_place_of_references() -> None:
    schema = inlined(Tree.model_json_schema())

    assert "$" not in json.dumps(schema)
    assert schema["properties"]["leaf"]["description"] == "The best one."
    assert schema["properties"]["leaves"]["items"]["properties"]["size"]["default"] == 3


def test_a_definition_that_contains_itself_stays_one() -> None:
    schema = inlined(Node.model_json_schema())

    assert schema["properties"]["others"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"] == Node.model_json_schema()["$defs"]


def test_a_reference_is_read_as_a_json_pointer() -> None:
    schema = {"$defs": {"a/b~c": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a~1b~0c"}}}
    assert inlined(schema) == {"properties": {"x": {"type": "string"}}}


def test_a_reference_to_elsewhere_stays() -> None:
    schema = {"properties": {"x": {"$ref": "https://example.org/x.json"}, "y": {"$ref": "#/$defs/none"}}}
    assert inlined(schema) == schema
