"""Schemas in the form that strict mode takes, and without references."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from openrouter_opts.json_schema import NotStrictError, inlined, strict_schema


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
