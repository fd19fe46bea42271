"""Vectors without a framework: what goes out, in which order they come back, and what they cost; sync and async alike."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts import ConfigurationError, OpenRouterClient, SpendLimitExceeded, track_costs
from openrouter_opts.errors import Malformed, OpenRouterError, ProviderFailed, RateLimited
from openrouter_opts.options import ProviderOptions
from openrouter_opts.options.for_embeddings import embedding_fields
from openrouter_opts.protocol.embeddings import embedding_request, vectors
from tests.both import Caller
from tests.scripted_server import Delivery, Script, ScriptedServer
from tests.wire_bytes import answer

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
USAGE = {"prompt_tokens": 8, "total_tokens": 8, "cost": 0.0001}


def row(*numbers: Any, **more: Any) -> dict[str, Any]:
    return {"object": "embedding", "embedding": list(numbers), **more}


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def body(*rows: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "embd-1",
        "object": "list",
        "model": "m/answered",
        "data": list(rows),
        "usage": USAGE,
        **more,
    }


def test_vectors_come_with_what_they_cost(scripted: Servers, caller: Callers):
    server = scripted([answer(body(row(1.0, 0.5), row(0.0, 2.0)), X_Provider_Name="Mock")])
    with track_costs() as spend:
        found = caller(server).embed(["a\nb", "c"])
    assert found.vectors == ([1.0, 0.5], [0.0, 2.0])
    assert (found.vector, found.model, found.id) == ([1.0, 0.5], "m/answered", "embd-1")
    assert found.cost.total == Decimal("0.0001")
    assert found.raw["object"] == "list"
    assert "data" not in found.raw
    (record,) = spend.records
    assert (record.kind, record.model, record.outcome) == ("embedding", "m/answered", "answered")
    assert (spend.total, spend.prompt_tokens, spend.by("kind")) == (
        Decimal("0.0001"),
        8,
        {"embedding": Decimal("0.0001")},
    )
    (sent,) = server.deliveries
    assert (sent.method, sent.path) == ("POST", "/api/v1/embeddings")
    assert sent.json == {"model": "m/x", "input": ["a\nb", "c"], "encoding_format": "base64"}


def test_every_option_goes_out_in_a_fixed_order():
    options = ProviderOptions.of(
        app_title="My App", trace={"trace_id": "t"}, session_id="s", user="u", provider={"zdr": True}
    )
    request = embedding_request(
        "a",
        model="m/x",
        options=options.merged(ProviderOptions.of(extra_body={"newer": 1})),
        input_type="search_query",
        dimensions=8,
        encoding_format="float",
    )
    assert request.body == (
        b'{"model":"m/x","input":"a","dimensions":8,"encoding_format":"float","input_type":"search_query",'
        b'"provider":{"zdr":true},"session_id":"s","user":"u","trace":{"trace_id":"t"},"newer":1}'
    )
    assert request.headers == {"X-OpenRouter-Title": "My App"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"inputs": ""}, "input: is an empty text"),
        ({"inputs": []}, "input: the list is empty"),
        ({"inputs": ["a", ""]}, r"input\[1\]: is an empty text"),
        ({"inputs": ["a", 1]}, r"input\[1\]: should not be of type int here; give texts only"),
        ({"inputs": [None]}, r"input\[0\]: should not be of type NoneType"),
        ({"inputs": [[1], []]}, r"input\[1\]: should be a list of at least one token"),
        ({"inputs": [{"text": "a"}]}, r"input\[0\].content: should be a list"),
        ({"inputs": {"a"}}, "input: should be a text, or a list of texts"),
        ({"dimensions": 0}, "dimensions: should be a whole number from 1, not 0"),
        ({"dimensions": True}, "dimensions: should be a whole number from 1, not True"),
        ({"encoding_format": "int8"}, "encoding_format: should be 'float' or 'base64', not 'int8'"),
        ({"input_type": ""}, "input_type: should be a string such as 'search_query'"),
        ({"temperature": 0.5}, "temperature: embeddings take no such option; leave it out"),
        ({"models": ["m/y"]}, "models: .* vectors of another model cannot be compared"),
        ({"dimension": 3}, "dimension: there is no such option"),
        ({"provider": {"ordr": ["a"]}}, "provider.ordr"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    scripted: Servers, caller: Callers, given: dict[str, Any], said: str
):
    server = scripted()
    client = caller(server)
    with pytest.raises(ConfigurationError, match=said):
        client.embed(**{"inputs": "a", **given})
    assert server.deliveries == []


def test_a_model_is_needed():
    with pytest.raises(ConfigurationError, match="model: embeddings need one"):
        OpenRouterClient(api_key="k").embed("a")


def test_one_client_serves_chats_and_embeddings(scripted: Servers, caller: Callers):
    server = scripted([answer(body(row(1.0)))])
    client = caller(server, provider_options={"temperature": 0.5, "models": ["m/y"], "user": "u"})
    client.embed("a", provider={"zdr": True})
    assert server.deliveries[0].json == {
        "model": "m/x",
        "input": "a",
        "encoding_format": "base64",
        "provider": {"zdr": True},
        "user": "u",
    }


FIELDS = ("model", "provider_options", "dimensions")
RENAMED = {"model_name": "model"}


@pytest.mark.parametrize(
    "given",
    [
        {"model": "m/x", "provider_options": {"user": "u", "app_title": "App"}},
        {"model_name": "m/x", "user": "u", "X-OpenRouter-Title": "App", "dimensions": None},
        {"model": "m/x", "model_name": "m/x", "provider_options": {"user": "u"}, "app_title": "App"},
    ],
    ids=str,
)
def test_the_options_of_an_embedding_model_are_held_in_one_field(given: dict[str, Any]):
    assert embedding_fields(given, fields=FIELDS, renamed=RENAMED) == {
        "model": "m/x",
        "provider_options": ProviderOptions(user="u", app_title="App"),
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dimension": 8}, "dimension: there is no such argument; did you mean dimensions?"),
        ({"model": "m/x", "model_name": "m/y"}, "model and model_name are the same"),
        ({"user": "u", "provider_options": {"user": "v"}}, "user is given twice"),
        ({"temperature": 0.5}, "temperature: embeddings take no such option; leave it out"),
        (
            {"provider_options": {"metadata": {"a": "b"}}},
            "metadata: embeddings take no such option; use `trace`",
        ),
    ],
)
def test_what_is_wrong_with_an_embedding_model_is_said_when_it_is_made(given: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError) as caught:
        embedding_fields(given, fields=FIELDS, renamed=RENAMED)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        ([row(2, index=1), row(1, index=0)], [1, 2]),
        ([row(2, index=1), row(1)], [2, 1]),
        ([row(2, index=None), row(1, index=0)], [2, 1]),
        ([row(2, index=0), row(1, index=0)], [2, 1]),
        ([row(2, index=2), row(1, index=1)], [1, 2]),
    ],
    ids=["all have an index", "one has none", "one is null", "all the same", "counted from one"],
)
def test_vectors_are_in_the_order_of_their_inputs(rows: list[dict[str, Any]], order: list[int]):
    assert [first for (first,) in vectors({"data": rows}, 2)] == order


def test_vectors_are_read_from_base64():
    rows = [{"embedding": packed(0.5, -1.25)}, row(1, 2)]
    assert vectors({"data": rows}, 2) == ([0.5, -1.25], [1, 2])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(1.0)], "asked for 2 vectors, and 1 came"),
        ([], "asked for 2 vectors, and 0 came"),
        ([row(1.0)] * 3, "asked for 2 vectors, and 3 came"),
        ([row(1.0), row(1.0, 2.0)], "the vectors differ in length: 1, 2 numbers"),
        ([row(1.0), row()], "vector 1 has no finite numbers"),
        ([row(1.0), row(None)], "vector 1 cannot be read"),
        ([row(1.0), {"embedding": packed(float("nan"))}], "vector 1 has no finite numbers"),
        ([row(1.0), {"embedding": "AAA"}], "vector 1 cannot be read"),
        ([row(1.0), {"embedding": "AAAA"}], "vector 1 cannot be read"),
        ([row(1.0), {}], "vector 1 has no finite numbers"),
        ([row(1.0, index=0), row(1.0, index=1), row(1.0, index=1)], "claim to be for the same input"),
    ],
)
def test_a_broken_answer_is_an_error_that_keeps_what_it_cost(
    scripted: Servers, caller: Callers, rows: list[dict[str, Any]], said: str
):
    server = scripted([answer(body(*rows))])
    inputs = ["a", "b", "c"] if "claim" in said else ["a", "b"]
    with track_costs() as spend, pytest.raises(Malformed, match=said) as caught:
        caller(server).embed(inputs)
    error = caught.value
    assert error.usage is not None
    assert (error.usage.cost.total, error.generation_id, error.delivered) == (
        Decimal("0.0001"),
        "embd-1",
        "yes",
    )
    assert spend.total == Decimal("0.0001")
    assert [(each.kind, each.outcome) for each in spend.records] == [("embedding", "interrupted")]
    assert len(server.deliveries) == 1


def test_an_error_in_a_200_is_an_error(scripted: Servers, caller: Callers):
    failed = {"error": {"code": 502, "message": "down", "metadata": {"provider_name": "Mock"}}}
    server = scripted(*[[answer(failed)]] * 2)
    with pytest.raises(ProviderFailed, match="down") as caught:
        caller(server, max_retries=1).embed("a")
    assert (caught.value.attempts, len(server.deliveries)) == (2, 2)


@pytest.mark.parametrize("sent", [b"", b"[]", b"<html>"])
def test_what_is_no_answer_is_an_error(scripted: Servers, caller: Callers, sent: bytes):
    with pytest.raises(OpenRouterError):
        caller(scripted([answer(sent)])).embed("a")


def test_a_refused_attempt_is_tried_again_and_counted(scripted: Servers, caller: Callers):
    busy = answer({"error": {"code": 429, "message": "slow"}}, 429, Retry_After="0")
    server = scripted([busy], [answer(body(row(1.0)))])
    with track_costs() as spend:
        assert caller(server).embed("a").attempts == 2
    assert [(each.kind, each.outcome) for each in spend.records] == [
        ("embedding", "failed"),
        ("embedding", "answered"),
    ]
    with pytest.raises(RateLimited):
        caller(scripted([busy])).embed("a", max_retries=0)


def test_fractions_of_tokens_are_read(scripted: Servers, caller: Callers):
    usage = {"prompt_tokens": 8.5, "total_tokens": 8.5, "cost": 1e-7}
    found = caller(scripted([answer(body(row(1.0), usage=usage))])).embed([1, 2, 3])
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (8, None)
    assert found.cost.total == Decimal("1E-7")


def test_embedding_models_are_listed(scripted: Servers, caller: Callers):
    server = scripted([answer({"data": [{"id": "m/vectors", "name": "Vectors"}]})])
    assert [model.id for model in caller(server).embedding_models()] == ["m/vectors"]
    assert server.deliveries[0].path == "/api/v1/embeddings/models"


def test_a_call_that_is_cancelled_is_in_the_books(scripted: Servers):
    client = OpenRouterClient(api_key="k", base_url=scripted(["HANG"]).base_url, model="m/x")

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.aembed("a"), 0.3)

    with track_costs() as spend:
        asyncio.run(leave())
    assert [(each.kind, each.model, each.outcome) for each in spend.records] == [
        ("embedding", "m/x", "interrupted")
    ]
    assert spend.unknown == 1


PRICED = {"id": "m/x", "name": "X", "context_length": 8000, "pricing": {"prompt": "0.001", "completion": "0"}}
DEAR = {"tag": "dear", "context_length": 8000, "pricing": {"prompt": "0.002", "completion": "0"}}
ENDPOINTS = {"data": {"id": "m/x", "name": "X", "endpoints": [{**DEAR, "provider_name": "Dear"}]}}
NO_ENDPOINTS = {"data": {"id": "m/x", "name": "X", "endpoints": []}}


@pytest.mark.parametrize(
    ("lookups", "worst"),
    [
        ({"endpoints": ENDPOINTS}, "0.118"),
        ({"endpoints": NO_ENDPOINTS, "models": {"data": [PRICED]}}, "0.059"),
        ({"models": {"data": [PRICED]}}, "0.059"),
        ({}, None),
    ],
    ids=["endpoints", "no endpoints", "not found", "nobody knows"],
)
def test_prices_are_asked_for_where_a_limit_holds(
    lookups: Mapping[str, Any], worst: str | None, scripted: Servers, caller: Callers
):
    def choose(delivery: Delivery) -> Script:
        name = delivery.path.rsplit("/", 1)[-1]
        if name == "embeddings":
            return [answer(body(row(1.0)))]
        return [answer(lookups[name])] if name in lookups else [answer({"error": {"code": 404}}, status=404)]

    server = scripted(choose=choose)
    client = caller(server)
    for _ in range(2):
        with pytest.raises(SpendLimitExceeded) as caught:
            client.embed("abcdef", spend_limit="0.0000001")
        assert caught.value.worst_case == (None if worst is None else Decimal(worst))
    asked = [delivery.path.rsplit("/", 1)[-1] for delivery in server.deliveries]
    assert asked == [
        "endpoints",
        *(["models"] if "endpoints" not in lookups or lookups["endpoints"] is NO_ENDPOINTS else []),
    ]
    if worst is not None:
        client.embed("abcdef", spend_limit="1")
    assert len(server.deliveries) == len(asked) + (worst is not None)


def test_a_list_of_models_does_not_take_the_place_of_what_endpoints_ask(scripted: Servers, caller: Callers):
    lookups = {
        "models/m/x/endpoints": answer(ENDPOINTS),
        "models/m/y/endpoints": answer(NO_ENDPOINTS),
        "embeddings/models": answer({"data": [PRICED, {**PRICED, "id": "m/y"}]}),
    }
    server = scripted(choose=lambda delivery: [lookups[delivery.path.removeprefix("/api/v1/")]])
    client = caller(server)
    for model, worst in (("m/x", "0.118"), ("m/y", "0.059"), ("m/x", "0.118")):
        with pytest.raises(SpendLimitExceeded) as caught:
            client.embed("abcdef", model=model, spend_limit="0.0000001")
        assert caught.value.worst_case == Decimal(worst)
    assert len(server.deliveries) == len(lookups)
