"""Making the model: what it takes, what it refuses, and what it keeps to itself."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.loading import load_llm
from pydantic import SecretStr

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import ProviderOptions, ProviderPreferences, Timeout
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.sandbox import Sandbox

MakeLLM = Callable[..., OpenRouter]
KEY = "sk-or-v1-very-secret"


def test_it_is_a_function_calling_llm_of_llamaindex() -> None:
    assert issubclass(OpenRouter, FunctionCallingLLM)
    assert issubclass(OpenRouter, BaseLLM)
    assert OpenRouter.class_name() == "OpenRouter"


def test_it_can_be_made_without_a_key_and_asks_for_one_when_it_is_needed() -> None:
    llm = OpenRouter(model="a/b")

    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY"):
        llm.complete("hi")


def test_key_and_url_come_from_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("OPENROUTER_API_BASE", sandbox.base_url)

    assert OpenRouter("openai/gpt-5-mini").complete("What is 2 + 2?").text == "2 + 2 = 4"


@pytest.mark.parametrize("form", [str, SecretStr, lambda key: lambda: key])
def test_a_key_may_be_a_string_a_secret_or_a_callable(
    form: Callable[[str], Any], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    make_llm(api_key=form(sandbox.api_key)).complete("hi")

    assert sandbox.last.headers["authorization"] == f"Bearer {sandbox.api_key}"


def test_a_call_written_for_llamaindexs_own_class_means_the_same(sandbox: Sandbox) -> None:
    llm = OpenRouter(
        model="anthropic/claude-sonnet-4.6",
        temperature=0.1,
        max_tokens=256,
        additional_kwargs={"top_k": 5, "extra_body": {"provider": {"sort": "price"}, "new_field": 1}},
        max_retries=5,
        api_base=sandbox.base_url,
        api_key=sandbox.api_key,
        order=["anthropic", "amazon-bedrock"],
        allow_fallbacks=False,
        context_window=32_000,
        is_chat_model=True,
        is_function_calling_model=True,
        timeout=30.0,
        reuse_client=False,
        tokenizer=None,
        default_headers={"X-Own": "1"},
        reasoning_effort="low",
        callback_manager=None,
        system_prompt=None,
    )

    llm.complete("hi")

    body = sandbox.last.body
    assert {
        name: body[name] for name in ("temperature", "max_tokens", "top_k", "reasoning_effort", "new_field")
    } == {
        "temperature": 0.1,
        "max_tokens": 256,
        "top_k": 5,
        "reasoning_effort": "low",
        "new_field": 1,
    }
    assert body["provider"] == {
        "order": ["anthropic", "amazon-bedrock"],
        "allow_fallbacks": False,
        "sort": "price",
    }
    assert sandbox.last.headers["x-own"] == "1"
    assert llm.metadata.context_window == 32_000


def test_the_callers_dicts_are_left_alone(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    given = {
        "additional_kwargs": {"extra_body": {"provider": {"sort": "price"}}},
        "provider_options": {"provider": {"ignore": ["azure"]}},
        "provider": {"only": ["openai"]},
    }
    before = copy.deepcopy(given)

    make_llm(order=["openai"], **given).complete("hi")
    make_llm(**given).complete("hi")

    assert given == before
    assert "order" not in sandbox.last.body["provider"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temprature": 1}, "temprature.*did you mean temperature"),
        ({"contextwindow": 1}, "contextwindow.*did you mean context_window"),
        ({"openrouter_modls": ["a/b"]}, "openrouter_modls.*did you mean openrouter_models"),
        ({"http_client": object()}, "http_client: .*own transport"),
        ({"provider": {"ordr": ["a"]}}, r"provider\.ordr.*did you mean order"),
        ({"additional_kwargs": {"topk": 1}}, "topk.*did you mean top_k"),
        ({"temperature": float("nan")}, "temperature.*nan"),
        ({"api_base": "openrouter.ai"}, "base_url.*http"),
        ({"api_base": "https://a.b", "base_url": "https://c.d"}, "api_base and base_url are the same"),
        ({"models": ["a/b"], "openrouter_models": ["c/d"]}, "same option, with different values"),
        ({"timeout": -1}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
    ],
)
def test_what_is_wrong_is_refused_at_once_with_its_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        OpenRouter("a/b", **given)


def test_an_unusable_key_is_refused_before_anything_is_sent(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="API key") as caught:
        make_llm(api_key="sk-or\nsecret").complete("hi")

    assert "secret" not in str(caught.value)
    assert not sandbox.requests


def test_later_layers_win_over_earlier_ones(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    llm = make_llm(
        "openai/gpt-4o-mini",
        provider_options={"temperature": 0.1, "top_p": 0.2, "openrouter_min_p": 0.1},
        top_p=0.2,
        seed=2,
        additional_kwargs={"seed": 3},
    )

    llm.complete("hi", min_p=0.4)

    names = ("temperature", "top_p", "seed", "min_p")
    assert [sandbox.last.body[name] for name in names] == [0.1, 0.2, 3, 0.4]


@pytest.mark.parametrize(
    "given",
    [
        {"provider_options": {"seed": 1}, "seed": 2},
        {"provider_options": {"zdr": False}, "provider": {"zdr": True}},
        {"provider_options": {"openrouter_seed": 1}, "openrouter_seed": 2},
        {"order": ["a"], "provider": {"order": ["b"]}},
    ],
)
def test_two_values_of_one_option_in_one_constructor_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="with different values; give one of them"):
        OpenRouter("openai/gpt-5-mini", **given)


@pytest.mark.parametrize(
    "given",
    [
        {"provider_options": ProviderOptions(zdr=True, metadata={"a": "b"})},
        {"provider_options": {"provider": {"zdr": True}, "metadata": {"a": "b"}}},
        {"provider": ProviderPreferences(zdr=True), "metadata": {"a": "b"}},
        {"openrouter_provider": {"zdr": True}, "openrouter_metadata": {"a": "b"}},
        {"zdr": True, "metadata": {"a": "b"}},
    ],
)
def test_options_may_be_written_in_many_ways(
    given: dict[str, Any], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    make_llm(**given).complete("hi")

    assert sandbox.last.body["provider"] == {"zdr": True}
    assert sandbox.last.body["metadata"] == {"a": "b"}


def test_assigning_to_a_field_takes_effect(llm: OpenRouter, sandbox: Sandbox) -> None:
    llm.complete("hi")
    llm.temperature = 0.5
    llm.model = "anthropic/claude-sonnet-4.6"
    llm.complete("hi")

    body = sandbox.last.body
    assert (body["temperature"], body["model"]) == (0.5, "anthropic/claude-sonnet-4.6")


def test_changing_a_dict_of_it_takes_effect(llm: OpenRouter, sandbox: Sandbox) -> None:
    llm.complete("hi")
    llm.additional_kwargs["top_k"] = 3
    llm.complete("hi")

    assert sandbox.last.body["top_k"] == 3


def test_a_copy_with_other_values_has_those(make_llm: MakeLLM, sandbox: Sandbox) -> None:
    llm = make_llm("openai/gpt-4o-mini")
    llm.complete("hi")
    llm.model_copy(update={"temperature": 0.5}).complete("hi")
    assert sandbox.last.body["temperature"] == 0.5

    llm.complete("hi")
    assert "temperature" not in sandbox.last.body


def test_a_deep_copy_works_after_a_call(llm: OpenRouter) -> None:
    llm.complete("hi")

    assert copy.deepcopy(llm).complete("What is 2 + 2?").text == "2 + 2 = 4"


def test_no_form_of_it_shows_the_key() -> None:
    own_keys = {"provider_api_keys": {"openai": KEY}}
    llm = OpenRouter("a/b", api_key=KEY, provider_options=own_keys, additional_kwargs=own_keys)

    for form in (
        repr(llm),
        str(llm),
        str(llm.to_dict()),
        llm.to_json(),
        str(llm.to_payload()),
        str(llm.model_dump()),
    ):
        assert KEY not in form
    assert KEY.encode() not in pickle.dumps(llm)


def test_an_error_about_an_argument_does_not_show_the_key() -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        OpenRouter("a/b", api_key=[KEY])

    assert KEY not in str(caught.value)


def test_pickling_keeps_everything_but_the_key(
    make_llm: MakeLLM, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = make_llm(api_key=lambda: sandbox.api_key, seed=5, provider_options={"zdr": True}, timeout=9)
    llm.complete("hi")

    again = pickle.loads(pickle.dumps(llm))

    assert llm.api_key is not None
    assert again.api_key is None
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    again.complete("hi")
    assert sandbox.last.body["seed"] == 5
    assert sandbox.last.body["provider"] == {"zdr": True}
    assert again.timeout == 9


@pytest.mark.parametrize("timeout", [7, Timeout(idle=3.0), httpx.Timeout(5.0), {"total": 4.0}])
def test_it_is_saved_and_loaded(
    timeout: Any, make_llm: MakeLLM, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = make_llm(
        seed=5,
        models=["openai/gpt-5-nano"],
        provider_options=ProviderOptions(zdr=True, provider_api_keys={"openai": KEY}),
        additional_kwargs={"top_k": 3},
        timeout=timeout,
    )
    saved = json.loads(llm.to_json())

    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    for loaded in (load_llm(saved), OpenRouter.from_dict(saved)):
        assert isinstance(loaded, OpenRouter)
        assert loaded.to_dict() == saved
        loaded.complete("hi")
        assert sandbox.last.body["models"] == ["openai/gpt-5-nano"]
        assert sandbox.last.body["provider"] == {"zdr": True}
        assert sandbox.last.body["top_k"] == 3


def test_the_other_endpoints_are_at_hand(llm: OpenRouter, sandbox: Sandbox) -> None:
    answer = llm.complete("hi")

    record = llm.client.generation(answer.additional_kwargs["id"])

    assert record["total_cost"] == answer.additional_kwargs["cost"]


def test_without_a_model_openrouter_chooses_one() -> None:
    assert OpenRouter().model == "openrouter/auto"


def test_headers_of_other_libraries_are_not_sent(
    llm: OpenRouter, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    llm.complete("hi")

    assert not [name for name in sandbox.last.headers if name.startswith(("openai-", "x-stainless-"))]
