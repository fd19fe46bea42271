"""Models, endpoints and providers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from openrouter.components import Model as SdkModel
from openrouter.components import PublicEndpoint

from openrouter_opts.catalog import Catalog

LLAMA = "meta-llama/llama-3.3-70b-instruct"


def ids(reply):
    return [row["id"] for row in reply.json["data"]]


def test_models_are_those_of_the_catalogue_without_a_key(call):
    reply = call.request("GET", "/models", headers={"Authorization": ""})
    listed = Catalog.bundled()
    assert set(ids(reply)) >= {name for name in listed if "text" in listed[name].output_modalities}
    assert reply.json["total_count"] == len(reply.json["data"])
    assert reply.json["links"] == {"next": None}
    assert Catalog.from_wire(reply.json)["anthropic/claude-sonnet-4.6"].price("prompt") == Decimal("0.000003")


def test_the_official_sdk_reads_every_row(call):
    assert all(SdkModel.model_validate(row) for row in call.get("/models").json["data"])


def test_the_list_can_be_paged(call):
    first = call.get("/models?limit=2").json
    assert len(first["data"]) == 2
    assert first["links"]["next"] == "/api/v1/models?offset=2&limit=2"
    second = call.get("/models?offset=2&limit=2")
    assert ids(second) == ids(call.get("/models"))[2:4]


def test_a_page_has_to_be_a_number(call):
    reply = call.get("/models?limit=ten")
    assert (reply.status, reply.error["message"]) == (400, "limit: expected an integer, received 'ten'")


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("q=sonnet", lambda row: "sonnet" in row["id"]),
        (
            "input_modalities=image,audio",
            lambda row: {"image", "audio"} <= set(row["architecture"]["input_modalities"]),
        ),
        ("output_modalities=image", lambda row: "image" in row["architecture"]["output_modalities"]),
        ("supported_parameters=logprobs", lambda row: "logprobs" in row["supported_parameters"]),
        ("context=1000000", lambda row: row["context_length"] >= 1_000_000),
        ("model_authors=qwen", lambda row: row["id"].startswith("qwen/")),
    ],
)
def test_the_list_can_be_narrowed(call, query, holds):
    reply = call.get(f"/models?{query}")
    rows = reply.json["data"]
    assert rows
    assert all(holds(row) for row in rows)
    assert len(rows) < call.get("/models").json["total_count"]
    assert call.get(f"/models/count?{query}").json == {"data": {"count": len(rows)}}


def test_endpoints_tell_prices_and_policies_of_each_provider(call):
    data = call.get(f"/models/{LLAMA}/endpoints").json["data"]
    assert data["id"] == LLAMA
    by_tag = {row["tag"]: row for row in data["endpoints"]}
    assert by_tag["fireworks"]["provider_name"] == "Fireworks"
    assert by_tag["fireworks"]["pricing"]["prompt"] == "0.0000009"
    assert by_tag["deepinfra/turbo"]["quantization"] == "fp8"
    assert by_tag["groq"]["latency_last_30m"]["p50"] == 200
    assert all(PublicEndpoint.model_validate(row) for row in data["endpoints"])


def test_an_alias_has_the_endpoints_of_the_model_that_answers(call):
    alias = "~z-ai/glm-flash-latest"
    data = call.get(f"/models/{alias}/endpoints").json["data"]
    assert data["id"] == alias
    answered = call.chat("hi", model=alias).json["model"]
    assert data["endpoints"] == call.get(f"/models/{answered}/endpoints").json["data"]["endpoints"]


def test_endpoints_that_keep_no_data_are_listed(call):
    rows = call.get("/endpoints/zdr").json["data"]
    assert all(PublicEndpoint.model_validate(row) for row in rows)
    listed = {(row["model_id"], row["tag"]) for row in rows}
    forgetful = {"deepinfra", "deepinfra/turbo", "fireworks", "groq", "together"}
    assert {tag for model, tag in listed if model == LLAMA} == forgetful
    assert ("anthropic/claude-sonnet-4.6", "anthropic") not in listed


def test_a_model_can_be_looked_up_alone(call):
    assert call.get(f"/model/{LLAMA}:free").json["data"]["id"] == f"{LLAMA}:free"
    assert call.get("/model/nobody/nothing").status == 404
    assert call.get("/models/nobody/nothing/endpoints").status == 404


def test_providers_are_listed_with_slug_and_name(call):
    rows = {row["slug"]: row["name"] for row in call.get("/providers").json["data"]}
    assert rows["amazon-bedrock"] == "Amazon Bedrock"
    assert rows["google-vertex"] == "Google"
