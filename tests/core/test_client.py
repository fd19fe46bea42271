"""The client against a server: what goes out, what comes back, what it costs; sync and async alike."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient, ProviderOptions, track_costs
from openrouter_opts.errors import ConfigurationError, Malformed, NotFound, RateLimited
from tests.both import Caller
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, USAGE, answer, delta, streamed

HI = [{"role": "user", "content": "hi"}]
Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]


def test_an_answer_comes_whole(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    completion = caller(server).complete(HI, temperature=0.5)
    assert (completion.text, completion.model, completion.provider) == ("Hello", "m/x", "Mock")
    assert completion.cost.total == Decimal("0.0003")
    assert completion.headers["x-generation-id"] == "gen-1"
    (sent,) = server.deliveries
    assert (sent.method, sent.path) == ("POST", "/api/v1/chat/completions")
    assert sent.headers["authorization"] == "Bearer sk-or-v1-test"
    assert sent.headers["content-type"] == "application/json"
    assert sent.json == {"model": "m/x", "messages": HI, "temperature": 0.5}


def test_an_answer_comes_in_chunks(scripted: Servers, caller: Callers):
    server = scripted(streamed(STREAM))
    stream = caller(server).stream(HI)
    assert server.deliveries == []
    with pytest.raises(RuntimeError, match="not whole yet"):
        _ = stream.completion
    assert [step.text for step in stream] == ["He", "llo"]
    assert stream.completion.raw == COMPLETION
    assert stream.completion.cost.total == Decimal("0.0003")
    (sent,) = server.deliveries
    assert sent.json == {"model": "m/x", "stream": True, "messages": HI}
    assert sent.headers["accept-encoding"] == "identity"


def test_deltas_come_as_soon_as_they_are_sent(scripted: Servers, caller: Callers):
    stream = caller(scripted(streamed(delta("He"), end="HANG"))).stream(HI)
    assert next(stream).text == "He"
    stream.close()


def test_one_connection_serves_many_calls(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)], streamed(STREAM), [answer(COMPLETION)], streamed(STREAM))
    client = caller(server)
    for _ in range(2):
        client.complete(HI)
        list(client.stream(HI))
    assert (len(server.deliveries), server.connections) == (4, 1)


def test_the_options_of_a_call_are_merged_over_those_of_the_client(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    given = {"provider": {"order": ["a"]}, "app_title": "日本 é"}
    client = caller(server, provider_options=given)
    client.complete(HI, model="m/y", provider_options={"provider": {"sort": "price"}}, seed=1)
    client.complete(HI, provider_options=ProviderOptions.of(top_p=0.5))
    first, second = (sent.json for sent in server.deliveries)
    assert first["model"] == "m/y"
    assert first["provider"] == {"order": ["a"], "sort": "price"}
    assert first["seed"] == 1
    assert (second["model"], second["provider"], second["top_p"]) == ("m/x", {"order": ["a"]}, 0.5)
    assert given == {"provider": {"order": ["a"]}, "app_title": "日本 é"}


def test_headers_go_out_as_utf_8(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    caller(server, provider_options={"app_title": "日本 é"}).complete(HI)
    assert server.deliveries[0].headers["x-openrouter-title"] == "日本 é"


def test_costs_are_counted_in_the_scope_of_the_call(scripted: Servers, caller: Callers):
    client = caller(scripted([answer(COMPLETION)], streamed(STREAM), [answer({"error": {"code": 400}}, 400)]))
    with track_costs() as spend:
        client.complete(HI)
        list(client.stream(HI))
        with pytest.raises(Exception, match="no message"):
            client.complete(HI)
    assert spend.total == Decimal("0.0006")
    assert [record.outcome for record in spend.records] == ["answered", "answered", "failed"]


def test_tokens_from_the_cache_and_of_thinking_are_counted_in_the_scope_of_the_call(
    scripted: Servers, caller: Callers
):
    details = {
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    detailed = answer({**COMPLETION, "usage": {**USAGE, **details}})
    client = caller(scripted([detailed], [answer(COMPLETION)], [detailed]))
    with track_costs() as spend:
        for _ in range(3):
            client.complete(HI)
    assert (spend.prompt_tokens, spend.prompt_tokens_cached) == (21, 10)
    assert (spend.completion_tokens, spend.reasoning_tokens) == (6, 2)


def test_a_call_may_have_its_own_timeout_and_retries(scripted: Servers, caller: Callers):
    server = scripted([answer({"error": {"code": 429}}, 429, Retry_After="0")])
    client = caller(server, max_retries=5)
    with pytest.raises(RateLimited) as caught:
        client.complete(HI, max_retries=1)
    assert (caught.value.attempts, len(server.deliveries)) == (2, 2)
    for wrong in ({"max_retries": -1}, {"timeout": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            client.complete(HI, **wrong)


def test_lookups(scripted: Servers, caller: Callers):
    def choose(sent: Any) -> list[bytes]:
        bodies = {
            "/api/v1/models": {"data": [{"id": "a/b", "name": "B", "context_length": 10}, "odd"]},
            "/api/v1/models/a/b:free/endpoints": {"data": {"id": "a/b", "endpoints": []}},
            "/api/v1/endpoints/zdr": {"data": [{"model_id": "a/b", "tag": "mock"}]},
            "/api/v1/providers": {"data": [{"name": "Mock", "slug": "mock"}]},
            "/api/v1/key": {"data": {"label": "k"}},
            "/api/v1/credits": {"data": {"total_credits": 5}},
            "/api/v1/generation?id=gen-1": {"data": {"total_cost": 0.5}},
        }
        return [answer(bodies[sent.path])]

    client = caller(scripted(choose=choose))
    assert [model.id for model in client.models()] == ["a/b"]
    assert client.endpoints("a/b:free")["endpoints"] == []
    assert client.zdr_endpoints() == [{"model_id": "a/b", "tag": "mock"}]
    assert client.providers() == [{"name": "Mock", "slug": "mock"}]
    assert client.key() == {"label": "k"}
    assert client.credits() == {"total_credits": 5}
    assert client.generation("gen-1") == {"total_cost": 0.5}


@pytest.mark.parametrize("body", [{}, {"data": None}, [], {"data": "x"}])
def test_a_lookup_that_holds_something_else_is_malformed(body: Any, scripted: Servers, caller: Callers):
    client = caller(scripted([answer(body)]))
    with pytest.raises(Malformed, match="under `data`"):
        client.key()
    with pytest.raises(Malformed, match="under `data`"):
        client.models()


def test_a_model_that_is_listed_without_its_slug_is_malformed(scripted: Servers, caller: Callers):
    client = caller(scripted([answer({"data": [{"id": "a/b", "name": "B"}, {"name": "C"}]})]))
    with pytest.raises(Malformed, match="the list of models cannot be read: id: a model has its slug here"):
        client.models()


def test_a_generation_is_waited_for(scripted: Servers, caller: Callers):
    missing = answer({"error": {"code": 404, "message": "not yet"}}, 404, Retry_After="0")
    server = scripted([missing], [missing], [answer({"data": {"total_cost": 0.5}})])
    assert caller(server).generation("gen-1")["total_cost"] == 0.5
    assert len(server.deliveries) == 3
    with pytest.raises(NotFound):
        caller(scripted([missing])).endpoints("a/b")


def test_making_a_client_does_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("ALL_PROXY", "ftp://nowhere")
    OpenRouterClient(base_url="https://127.0.0.1:1/v1")


def test_what_is_wrong_is_said_before_anything_is_sent(scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION)])
    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY"):
        caller(server, api_key="").complete(HI)
    for wrong in ("", " ", 3):
        with pytest.raises(ConfigurationError, match="model: needs a slug such as"):
            caller(server, model=wrong)
        with pytest.raises(ConfigurationError, match="model: needs a slug such as"):
            caller(server).complete(HI, model=wrong)
    with pytest.raises(ConfigurationError, match="temperature"):
        caller(server).complete(HI, temprature=1)
    with pytest.raises(ConfigurationError, match="messages"):
        caller(server).complete([])
    assert server.deliveries == []


def test_a_key_that_rotates_is_asked_for_each_attempt(scripted: Servers, caller: Callers):
    keys = iter(["one", "two"])
    server = scripted([answer({"error": {"code": 503}}, 503, Retry_After="0")], [answer(COMPLETION)])
    caller(server, api_key=lambda: next(keys)).complete(HI)
    assert [sent.headers["authorization"] for sent in server.deliveries] == ["Bearer one", "Bearer two"]
    assert server.deliveries[0].body == server.deliveries[1].body
