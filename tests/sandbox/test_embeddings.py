"""Vectors of the sandbox: near each other where texts are, priced, and as strictly asked for as OpenRouter's."""

from __future__ import annotations

import base64
import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from openrouter import OpenRouter as OfficialClient

from openrouter_opts.sandbox import Sandbox
from openrouter_opts.sandbox.embedding import vector_of
from tests.sandbox.conftest import Caller

SMALL, OWN = "openai/text-embedding-3-small", "sandbox/embedding"


def embed(call: Caller, given: Any = "a", **more: Any) -> Any:
    return call.request("POST", "/embeddings", {"model": OWN, "input": given, **more})


def nearness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_similar_texts_are_near_each_other_and_the_same_text_is_the_same():
    lighthouse = vector_of("The lighthouse was built by Ida Holm.", 256)
    question = vector_of("Who built the lighthouse?", 256)
    assert (
        nearness(question, lighthouse) > nearness(question, vector_of("Bread is made of flour.", 256)) + 0.2
    )
    assert vector_of("The lighthouse was built by Ida Holm.", 256) == lighthouse
    assert math.hypot(*lighthouse) == pytest.approx(1)


def test_an_answer_is_in_the_form_of_the_reference_and_in_the_books(call: Caller):
    reply = embed(call, ["one two", "three"])
    body = reply.json
    assert (reply.status, body["object"], body["model"]) == (200, "list", OWN)
    assert [(row["object"], row["index"], len(row["embedding"])) for row in body["data"]] == [
        ("embedding", 0, 256),
        ("embedding", 1, 256),
    ]
    assert (body["usage"]["prompt_tokens"], body["usage"]["total_tokens"]) == (3, 3)
    assert call.sandbox.credits_used == Decimal(str(body["usage"]["cost"])) == Decimal("3e-8")
    assert reply.headers["x-generation-id"] == body["id"]
    call.get(f"/generation?id={body['id']}")
    record = call.get(f"/generation?id={body['id']}").json["data"]
    assert (record["api_type"], record["tokens_prompt"], record["tokens_completion"]) == ("embeddings", 3, 0)
    assert record["total_cost"] == body["usage"]["cost"]


def test_base64_holds_the_same_numbers(call: Caller):
    (plain,) = embed(call, dimensions=8, encoding_format="float").json["data"]
    (packed,) = embed(call, dimensions=8, encoding_format="base64").json["data"]
    assert list(struct.unpack("<8f", base64.b64decode(packed["embedding"]))) == plain["embedding"]


@pytest.mark.parametrize(("model", "differs"), [(OWN, True), (SMALL, False)])
def test_input_type_matters_to_models_that_tell_queries_from_documents(
    call: Caller, model: str, differs: bool
):
    found = [
        embed(call, model=model, input_type=kind).json["data"][0]["embedding"]
        for kind in ("search_query", "search_document")
    ]
    assert (found[0] != found[1]) is differs


@pytest.mark.parametrize(
    "given", ["a", ["a"], [1, 2], [[1, 2]], [{"content": [{"type": "text", "text": "a"}]}]]
)
def test_input_is_taken_in_every_form(call: Caller, given: Any):
    assert len(embed(call, given).json["data"]) == 1


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"input": ""}, 400, "input: must not be empty"),
        ({"input": []}, 400, "input: must have at least 1 item"),
        ({"input": ["a", ""]}, 400, "input.1: must not be empty"),
        ({"input": 5}, 400, "input: expected a string"),
        ({"input": "word " * 9000}, 400, "input.0: has 9001 tokens"),
        ({"model": "openai/gpt-5-mini"}, 400, "not a valid model ID for embeddings"),
        ({"dimensions": 0}, 400, "dimensions: must be at least 1"),
        ({"dimensions": 257}, 400, "dimensions: must be at most 256"),
        ({"encoding_format": "int8"}, 400, "encoding_format: 'int8' is not one of"),
        ({"provider": {"ordr": []}}, 400, "Unrecognized key 'ordr'; did you mean 'order'?"),
        ({"provider": {"only": ["openai"]}}, 404, "No endpoints found"),
        (
            {
                "input": [
                    {"content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}
                ]
            },
            404,
            "No endpoints found that support image_url input",
        ),
    ],
)
def test_what_is_wrong_is_refused_and_free(call: Caller, more: dict[str, Any], status: int, said: str):
    reply = embed(call, **{"given": "a", **more}) if "input" not in more else embed(call, more["input"])
    assert reply.status == status
    assert said in reply.error["message"]
    assert call.sandbox.credits_used == 0


def test_a_management_key_gets_no_vectors(call: Caller):
    key = call.sandbox.management_key
    reply = call.request("POST", "/embeddings", {"model": OWN, "input": "a"}, key=key)
    assert reply.status == 403


def test_an_empty_account_gets_no_vectors():
    with Sandbox(credits="0.000000001") as sandbox:
        assert embed(Caller(sandbox), "one two three").status == 402


def test_embedding_models_are_listed_apart(call: Caller):
    listed = {row["id"]: row for row in call.get("/embeddings/models").json["data"]}
    assert set(listed) == {SMALL, OWN}
    assert listed[OWN]["architecture"]["output_modalities"] == ["embeddings"]
    assert Decimal(listed[OWN]["pricing"]["prompt"]) == Decimal("1e-8")
    assert not listed.keys() & {row["id"] for row in call.get("/models").json["data"]}


def test_the_official_client_can_read_it(sandbox: Sandbox):
    official = OfficialClient(api_key=sandbox.api_key, server_url=sandbox.base_url)
    found: Any = official.embeddings.generate(model=OWN, input=["a", "b"], dimensions=4)
    assert [len(row.embedding) for row in found.data] == [4, 4]
    assert [model.id for model in official.embeddings.list_models().result.data] == [SMALL, OWN]
