from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest

from openrouter_opts.sandbox.answers import Answer, answer

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}

QA = (
    "Context information is below.\n---------------------\nfile_path: notes.md\n\n"
    "The Hollow Bridge was built in 1874 by Ada Stone. It spans the river Lune.\n\n"
    "Tolls are paid in copper. A ferry runs when the bridge is closed.\n---------------------\n"
    "Given the context information and not prior knowledge, answer the query.\nQuery: {}\nAnswer: "
)


def tool(
    name: str, description: str, /, *, required: list[str] | None = None, **parameters: Any
) -> dict[str, Any]:
    wanted = list(parameters) if required is None else required
    schema = {"type": "object", "properties": parameters, "required": wanted}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def ask(
    question: Any, *history: dict[str, Any], system: str | None = None, reasons: bool = False, **options: Any
) -> Answer:
    opening = [{"role": "system", "content": system}] if system else []
    messages = [*opening, *history, {"role": "user", "content": question}]
    return answer({"model": "any/model", "messages": messages, **options}, reasons=reasons)


def arguments(question: str, *, required: list[str] | None = None, **parameters: Any) -> dict[str, Any]:
    only = tool("act", "Do it.", required=required, **parameters)
    asked = ask(
        question, tools=[only], tool_choice={"type": "function", "function": {"name": "act"}}
    ).tool_calls
    return asked[0].arguments


def structured(question: str, schema: dict[str, Any], **options: Any) -> Any:
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    text = ask(question, response_format=wanted, **options).text
    assert text is not None
    return json.loads(text)


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "parameters", "expected"),
    [
        ("b=4 and a=3", {"a": WHOLE, "b": WHOLE}, {"a": 3, "b": 4}),
        (
            "Fly from Paris to Rome",
            {"destination": TEXT, "origin": TEXT},
            {"destination": "Rome", "origin": "Paris"},
        ),
        (
            "Convert 100 USD to EUR",
            {"amount": NUMBER, "from_currency": TEXT, "to_currency": TEXT},
            {"amount": 100, "from_currency": "USD", "to_currency": "EUR"},
        ),
        (
            "Create a customer named '株式会社' (Hello Corporation) - a Japanese company",
            {"customer_name": TEXT, "description": TEXT},
            {"customer_name": "株式会社", "description": "Japanese company"},
        ),
        ("Using the tool, make a Pirate greeting.", {"answer_style": TEXT}, {"answer_style": "Pirate"}),
        (
            "Write to bob@example.com with subject 'Hi'",
            {"to": TEXT, "subject": TEXT},
            {"to": "bob@example.com", "subject": "Hi"},
        ),
        ("Use fahrenheit please", {"unit": {"enum": ["celsius", "fahrenheit"]}}, {"unit": "fahrenheit"}),
        ("Sum 1, 2 and 3", {"values": {"type": "array", "items": WHOLE}}, {"values": [1, 2, 3]}),
        ("Take 50", {"level": {**WHOLE, "maximum": 10}}, {"level": 1}),
        (
            "Table for 4 at 19:30 tomorrow",
            {"people": WHOLE, "time": TEXT, "date": TEXT},
            {"people": 4, "time": "19:30", "date": "tomorrow"},
        ),
        ("Where does Ana live? Ana lives in Oslo", {"place": {"$ref": "#/$defs/Nowhere"}}, {"place": "Oslo"}),
    ],
)
def test_arguments_come_from_the_question(question: str, parameters: Any, expected: dict[str, Any]) -> None:
    assert arguments(question, **parameters) == expected


def test_optional_arguments_are_given_only_when_the_question_has_them() -> None:
    parameters = {"city": TEXT, "days": {**WHOLE, "default": 1}, "unit": {"enum": ["C", "F"]}, "note": TEXT}
    assert arguments("Weather in Rome", required=["city"], **parameters) == {"city": "Rome"}
    assert arguments("Weather in Rome for 3 days", required=["city"], **parameters) == {
        "city": "Rome",
        "days": 3,
    }


# -- structured output -------------------------------------------------------------------------------------------------

JOKE = {
    "type": "object",
    "properties": {"setup": {**TEXT, "description": "question to set up a joke"}, "punchline": TEXT},
    "required": ["setup", "punchline"],
    "additionalProperties": False,
}


def test_a_schema_is_filled_with_text_about_the_subject() -> None:
    joke = structured("Tell me a joke about cats.", JOKE)
    assert joke.keys() == {"setup", "punchline"}
    assert "cats" in joke["setup"]


def test_a_declined_field_stays_out() -> None:
    optional = {**JOKE, "required": ["setup"]}
    assert "punchline" not in structured("Give me the setup to a joke about cats, no punchline.", optional)


def test_people_are_read_out_of_the_text() -> None:
    person = {"type": "object", "properties": {"name": TEXT, "age": WHOLE}, "required": ["name", "age"]}
    schema = {
        "type": "object",
        "properties": {"people": {"type": "array", "items": person}},
        "required": ["people"],
    }
    told = "Extract the people: Alice is 30 years old. Bob is 25."
    assert structured(told, schema) == {"people": [{"name": "Alice", "age": 30}, {"name": "Bob", "age": 25}]}


def test_an_answer_field_holds_the_answer() -> None:
    schema = {"type": "object", "properties": {"answer": TEXT}, "required": ["answer"]}
    assert structured(QA.format("How are tolls paid?"), schema) == {"answer": "Tolls are paid in copper."}


def test_json_mode_uses_the_keys_that_the_prompt_names() -> None:
    question = "Tell me a joke about cats. Return a JSON with 'setup' and 'punchline' keys."
    got = json.loads(ask(question, response_format={"type": "json_object"}).text or "")
    assert got.keys() == {"setup", "punchline"}
    assert json.loads(ask("What is 2 + 2?", response_format={"type": "json_object"}).text or "") == {
        "answer": "2 + 2 = 4"
    }


def test_json_mode_follows_a_schema_in_the_prompt() -> None:
    prompt = f"Tell me a joke about dogs.\nHere's a JSON schema to follow:\n{json.dumps(JOKE)}\nOutput a valid JSON object."
    got = json.loads(ask(prompt, response_format={"type": "json_object"}).text or "")
    jsonschema.validate(got, JOKE)


NODE = {
    "type": "object",
    "properties": {
        "value": WHOLE,
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    },
    "required": ["value", "next"],
}
LEAVES: list[dict[str, Any]] = [
    *(
        {"type": "string", "format": name}
        for name in ("date", "email", "uuid", "date-time", "uri", "time", "ipv4")
    ),
    *(
        {"type": "string", "pattern": one}
        for one in (r"^\d{3}-\d{4}$", "^[A-Z]{2,3}$", "^(red|green)$", r"\w+@\w+\.com")
    ),
    {"type": "string", "minLength": 4, "maxLength": 9},
    {"type": "integer", "minimum": 3, "maximum": 5},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "multipleOf": 0.5, "minimum": 2},
    {"type": "integer", "multipleOf": 5},
    {"type": "boolean"},
    {"enum": ["red", "not_started", 3, None]},
    {"const": "x"},
    {"const": None},
    {"type": ["string", "null"]},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 2},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 3, "maxItems": 3},
    {"$ref": "#/$defs/Node"},
]
NAMES = (
    "name",
    "city",
    "age",
    "days",
    "note",
    "tags",
    "email",
    "unit",
    "query",
    "items",
    "answer",
    "date",
    "color",
)


def some_schema(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    kind = dice.choice(["leaf", "leaf", "object", "array", "anyOf"]) if depth < 3 else "leaf"
    if kind == "object":
        names = dice.sample(NAMES, dice.randint(0, 4))
        properties = {name: some_schema(dice, depth + 1) for name in names}
        required = [name for name in names if dice.random() < 0.6]
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
    if kind == "array":
        least = dice.randint(0, 3)
        return {
            "type": "array",
            "items": some_schema(dice, depth + 1),
            "minItems": least,
            "maxItems": least + 2,
        }
    if kind == "anyOf":
        return {"anyOf": [some_schema(dice, depth + 1) for _ in range(dice.randint(1, 3))]}
    return dict(dice.choice(LEAVES))


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What's the weather in Paris for 3 days in red?",
        "Alice is 30 and lives in Rome. Bob's email is bob@x.org",
        "next node children value -7.5, days=1, tags: 'a', name 'b'",
    ],
)
def test_whatever_the_schema_the_answer_is_valid(question: str) -> None:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    for seed in range(150):
        schema = {**some_schema(random.Random(seed)), "$defs": {"Node": NODE}}
        jsonschema.validate(
            structured(question, schema), schema, jsonschema.Draft202012Validator, format_checker=checker
        )


def test_a_schema_that_demands_itself_without_end_is_survived() -> None:
    structured("Hi", {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]})
