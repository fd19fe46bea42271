"""What LangChain asks of a chat model beside its answers."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import time
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import (
    ConfigurationError,
    OpenRouterClient,
    ProviderOptions,
    ProviderPreferences,
    Reasoning,
    Timeout,
)
from openrouter_opts.sandbox import Sandbox
from tests.wire_bytes import STREAM_HEAD, chunked, delta

KEY = "sk-or-v1-secret"
GATEWAY = "gateway-token"


@pytest.fixture
def keyed() -> ChatOpenRouter:
    return ChatOpenRouter(
        model="openai/gpt-5-mini",
        api_key=KEY,
        temperature=0.5,
        timeout=Timeout(idle=5),
        reasoning=Reasoning(effort="low"),
        provider_options=ProviderOptions(
            models=["openai/gpt-4o-mini"],
            provider_api_keys={"openai": "sk-mine"},
            extra_headers={"X-Gateway": GATEWAY},
        ),
    )


def test_no_secret_is_shown_or_stored(keyed: ChatOpenRouter) -> None:
    written = (
        repr(keyed),
        str(keyed),
        dumps(keyed),
        str(keyed.asdict()),
        str(keyed._get_invocation_params()),
        keyed._get_llm_string(),
    )
    per_call: Any = {
        "extra_headers": {"X-Gateway": GATEWAY},
        "provider_options": {"provider_api_keys": {"openai": "sk-mine"}},
    }
    called = (str(keyed._get_invocation_params(**per_call)), keyed._get_llm_string(**per_call))
    for text in (*written, *called):
        assert not any(secret in text for secret in (KEY, "sk-mine", GATEWAY))
    assert KEY.encode() not in pickle.dumps(keyed)


def test_an_error_of_the_constructor_shows_no_key() -> None:
    with pytest.raises(ValueError, match="max_retries") as caught:
        ChatOpenRouter(model="a/b", api_key=KEY, max_retries="many")  # type: ignore[arg-type]
    assert KEY not in str(caught.value)


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_a_model_is_written_and_loaded_without_its_key(keyed: ChatOpenRouter) -> None:
    loaded = load(
        json.loads(json.dumps(dumpd(keyed))),
        allowed_objects=[ChatOpenRouter],
        valid_namespaces=["langchain_openrouter_opts"],
        secrets_map={"OPENROUTER_API_KEY": "sk-other"},
    )
    assert loaded.temperature == 0.5
    assert loaded.request_timeout["idle"] == 5
    assert loaded.asdict() == keyed.asdict()
    assert loaded.openrouter_api_key.get_secret_value() == "sk-other"


def test_a_model_that_is_pickled_takes_its_key_from_the_environment(
    llm: ChatOpenRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm.invoke("hi")
    again = pickle.loads(pickle.dumps(llm))
    assert again.openrouter_api_key is None
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    assert again.invoke("hi").content == llm.invoke("hi").content


def test_copies_work_and_are_apart(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm("openai/gpt-4o-mini")
    llm.invoke("hi")
    for made in (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(deep=True)):
        made.temperature = 0.9
        made.invoke("hi")
        assert sandbox.last.body["temperature"] == 0.9
        llm.invoke("hi")
        assert "temperature" not in sandbox.last.body


def test_models_with_the_same_fields_are_equal(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("OPENROUTER_API_BASE", sandbox.base_url)

    def make(**other: Any) -> ChatOpenRouter:
        given = {"temperature": 0.5, "provider": {"order": ["openai"]}, "timeout": (5, 60)}
        return ChatOpenRouter(model="openai/gpt-4o-mini", **(given | other))

    llm = make()
    llm.invoke("hi")
    copies = (copy.copy(llm), copy.deepcopy(llm), llm.model_copy(deep=True), pickle.loads(pickle.dumps(llm)))
    assert [made == llm for made in (make(), *copies)] == [True] * 5
    assert [made == llm for made in (make(temperature=0.6), make(max_retries=0), "m")] == [False] * 3
    copies[0].temperature = 0.6
    assert copies[0] != llm


def test_a_copy_takes_fields_by_any_of_their_names(make_llm: Any, sandbox: Sandbox) -> None:
    llm = make_llm("openai/gpt-4o-mini")
    llm.invoke("hi")
    update = {
        "model": "anthropic/claude-haiku-4.5",
        "stop_sequences": ["x"],
        "openrouter_provider": {"sort": "price"},
        "default_headers": {"X-One": "1"},
        "temperature": None,
    }
    llm.model_copy(update=update).invoke("hi")
    sent = sandbox.last
    assert sent.body["model"] == "anthropic/claude-haiku-4.5"
    assert (sent.body["stop"], sent.body["provider"]) == (["x"], {"sort": "price"})
    assert sent.headers["x-one"] == "1"


def test_a_field_that_a_copy_cannot_have_is_refused(llm: ChatOpenRouter) -> None:
    with pytest.raises(
        ConfigurationError, match="temprature: there is no such field; did you mean temperature"
    ):
        llm.model_copy(update={"temprature": 1})


def test_a_key_that_is_put_in_later_is_not_shown_either(llm: ChatOpenRouter) -> None:
    copied = llm.model_copy(update={"api_key": KEY})
    llm.openrouter_api_key = KEY  # type: ignore[assignment]
    for model in (copied, llm):
        for text in (repr(model), str(model), dumps(model), str(model.asdict()), model._get_llm_string()):
            assert KEY not in text
        assert KEY.encode() not in pickle.dumps(model)


def test_one_model_serves_several_event_loops(llm: ChatOpenRouter) -> None:
    assert [asyncio.run(llm.ainvoke("hi")).content for _ in range(2)]


def test_models_with_other_options_have_other_cache_entries(make_llm: Any) -> None:
    strings = {
        make_llm(**options)._get_llm_string()
        for options in (
            {},
            {"temperature": 0.5},
            {"provider_options": {"top_k": 1}},
            {"provider_options": ProviderOptions(top_k=2)},
            {"provider": ProviderPreferences(zdr=True)},
            {"provider": ProviderPreferences(zdr=False)},
        )
    }
    assert len(strings) == 6


def test_a_changed_model_does_not_take_the_old_ones_answers_from_the_cache(
    make_llm: Any, sandbox: Sandbox
) -> None:
    llm = make_llm("openai/gpt-4o-mini", cache=InMemoryCache())
    llm.invoke("hi")
    llm.model_copy(update={"temperature": 0.5}).invoke("hi")
    llm.temperature = 0.7
    llm.invoke("hi")
    assert [request.body.get("temperature") for request in sandbox.requests] == [None, 0.5, 0.7]


def test_traces_name_the_model_and_its_parameters(make_llm: Any) -> None:
    llm = make_llm(max_completion_tokens=7, temperature=0.5, stop="x")
    assert llm._get_ls_params() == {
        "ls_provider": "openrouter",
        "ls_model_name": "openai/gpt-5-mini",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 7,
        "ls_stop": ["x"],
    }
    called = llm._get_ls_params(stop=["y"], model="a/b", max_tokens=3, temperature=0.1)
    assert called == {
        "ls_provider": "openrouter",
        "ls_model_name": "a/b",
        "ls_model_type": "chat",
        "ls_temperature": 0.1,
        "ls_max_tokens": 3,
        "ls_stop": ["y"],
    }


@pytest.mark.parametrize(
    ("made", "call", "shown"),
    [
        ({"provider_options": {"temperature": 0.5}}, {}, {"ls_temperature": 0.5}),
        ({"model_kwargs": {"temperature": 0.5}}, {}, {"ls_temperature": 0.5}),
        ({"temperature": 0}, {}, {"ls_temperature": 0}),
        ({"temperature": 0.5}, {"provider_options": {"temperature": 0.25}}, {"ls_temperature": 0.25}),
        ({"temperature": 0.5}, {"openrouter_temperature": 0.25}, {"ls_temperature": 0.25}),
        ({"temperature": 0.5}, {"temperature": None}, {}),
        ({"max_tokens": 5}, {"max_completion_tokens": 7}, {"ls_max_tokens": 7}),
        ({"max_completion_tokens": 5}, {"provider_options": {"max_tokens": 7}}, {"ls_max_tokens": 7}),
        ({"provider_options": {"stop": "x"}}, {}, {"ls_stop": ["x"]}),
        ({"stop": ["x"]}, {"stop": []}, {}),
        ({}, {"model_name": "a/b"}, {"ls_model_name": "a/b"}),
    ],
    ids=str,
)
def test_traces_show_what_is_sent_however_it_was_said(
    make_llm: Any, made: dict[str, Any], call: dict[str, Any], shown: dict[str, Any]
) -> None:
    nothing = make_llm()._get_ls_params()
    assert make_llm(**made)._get_ls_params(**call) == {**nothing, **shown}


def test_tokens_are_counted_without_a_tokenizer(llm: ChatOpenRouter) -> None:
    def look_up(name: str) -> str:
        """Look a name up."""
        return name

    assert llm.get_num_tokens("four letter word") == 4
    plain = llm.get_num_tokens_from_messages([HumanMessage("hello there")])
    assert 3 <= plain <= 12
    assert llm.get_num_tokens_from_messages([HumanMessage("hello there")], tools=[tool(look_up)]) > plain


def test_letters_of_other_scripts_are_about_one_token_each(llm: ChatOpenRouter) -> None:
    assert 6 <= llm.get_num_tokens("日本語のテキスト") <= 10


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": "A" * 100_000, "mime_type": "image/png"},
        {"type": "audio", "base64": "A" * 100_000, "mime_type": "audio/wav"},
        {"type": "file", "base64": "A" * 100_000, "mime_type": "application/pdf"},
        {"type": "video", "base64": "A" * 100_000, "mime_type": "video/mp4"},
    ],
    ids=lambda block: block["type"],
)
def test_media_are_not_counted_as_text(llm: ChatOpenRouter, block: dict[str, Any]) -> None:
    assert 100 < llm.get_num_tokens_from_messages([HumanMessage([block])]) < 4_000


def test_the_client_underneath_is_at_hand(llm: ChatOpenRouter) -> None:
    message = llm.invoke("hi")
    assert isinstance(llm.client, OpenRouterClient)
    record = llm.client.generation(message.response_metadata["id"])
    assert record["total_cost"] == pytest.approx(message.response_metadata["cost"])


def test_a_stream_that_is_left_closes_its_connection(llm: ChatOpenRouter, scripted: Any) -> None:
    server = scripted([STREAM_HEAD, chunked(delta("He")), "HANG"])
    stream = llm.model_copy(update={"openrouter_api_base": server.base_url}).stream("hi")
    assert next(stream).content == "He"
    stream.close()
    for _ in range(200):
        if server.closed_by_client:
            break
        time.sleep(0.01)
    assert server.closed_by_client == 1
