"""A constructor call written for `llama_index.llms.openrouter.OpenRouter` works here after changing the import.

What it sends there is written down here: the field, or the parts of the body that it makes.
"""

from __future__ import annotations

import copy
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.errors import ConfigurationError
from openrouter_opts.sandbox import Sandbox

MODEL = "anthropic/claude-sonnet-4.6"
MakeLLM = Callable[..., OpenRouter]

# What its `to_dict` has, and what its constructor takes besides, each with its default.
DEFAULTS: dict[str, Any] = {
    "temperature": 0.1,
    "max_tokens": 256,
    "logprobs": None,
    "top_logprobs": 0,
    "additional_kwargs": {},
    "max_retries": 5,
    "timeout": 60.0,
    "default_headers": None,
    "reuse_client": True,
    "api_version": "",
    "strict": False,
    "reasoning_effort": None,
    "modalities": None,
    "audio_config": None,
    "context_window": 3900,
    "is_chat_model": True,
    "is_function_calling_model": False,
    "should_use_structured_outputs": False,
    "tokenizer": None,
    "order": None,
    "allow_fallbacks": None,
    "http_client": None,
    "async_http_client": None,
    "openai_client": None,
    "async_openai_client": None,
    "callback_manager": None,
    "system_prompt": None,
    "messages_to_prompt": None,
    "completion_to_prompt": None,
    "output_parser": None,
}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        (DEFAULTS, {"temperature": 0.1, "max_tokens": 256}),
        ({"temperature": None, "max_tokens": None}, {}),
        ({"logprobs": True, "top_logprobs": 0}, {"logprobs": True, "top_logprobs": 0}),
        ({"order": ["anthropic"]}, {"provider": {"order": ["anthropic"]}}),
        (
            {"order": ["anthropic"], "allow_fallbacks": False},
            {"provider": {"order": ["anthropic"], "allow_fallbacks": False}},
        ),
        (
            {
                "order": ["anthropic"],
                "additional_kwargs": {
                    "extra_body": {"provider": {"order": ["amazon-bedrock"], "sort": "price"}}
                },
            },
            {"provider": {"order": ["anthropic"], "sort": "price"}},
        ),
        (
            {
                "allow_fallbacks": True,
                "additional_kwargs": {"extra_body": {"provider": {"allow_fallbacks": False}}},
            },
            {"provider": {"allow_fallbacks": True}},
        ),
        (
            {
                "additional_kwargs": {
                    "extra_body": {"provider": {"order": ["amazon-bedrock"]}, "models": ["openai/gpt-5-mini"]}
                }
            },
            {"provider": {"order": ["amazon-bedrock"]}, "models": ["openai/gpt-5-mini"]},
        ),
        ({"additional_kwargs": {"top_p": 0.5, "timeout": 5}}, {"top_p": 0.5}),
        ({"additional_kwargs": {"timeout": None, "extra_query": None}}, {}),
        ({"additional_kwargs": {"extra_headers": {"x-own": "1"}}}, {}),
    ],
)
def test_a_call_written_for_llamaindexs_own_class_sends_what_it_means(
    given: dict[str, Any], sent: dict[str, Any], make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    before = copy.deepcopy(given)
    llm = make_llm(MODEL, check="off", **given)
    llm.complete("hi")

    body = sandbox.last.body
    assert {name: body[name] for name in body.keys() - {"model", "messages"}} == sent
    assert given == before


def test_its_arguments_by_position_are_these(sandbox: Sandbox) -> None:
    own = {"top_p": 0.5}
    llm = OpenRouter(MODEL, 0.2, 100, own, 3, sandbox.base_url, sandbox.api_key, ["anthropic"], False)
    llm.complete("hi", check="off")

    body = sandbox.last.body
    assert (body["model"], body["temperature"], body["max_tokens"], body["top_p"]) == (MODEL, 0.2, 100, 0.5)
    assert body["provider"] == {"order": ["anthropic"], "allow_fallbacks": False}
    assert llm.max_retries == 3


def test_what_additional_kwargs_say_to_its_client_has_effect_here(
    make_llm: MakeLLM, sandbox: Sandbox
) -> None:
    own = {"timeout": 5, "extra_headers": {"x-own": "1"}}
    llm = make_llm(MODEL, timeout=60.0, additional_kwargs=own)
    llm.complete("hi")

    assert llm.timeout == llm.to_payload()["timeout"] == 5
    assert sandbox.last.headers["x-own"] == "1"


def test_a_query_which_openrouter_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^additional_kwargs\.extra_query: "):
        OpenRouter(MODEL, additional_kwargs={"extra_query": {"a": "b"}})


@pytest.mark.parametrize("client", ["http_client", "async_http_client", "openai_client"])
def test_a_client_that_would_be_left_unused_is_refused(client: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{client}: "):
        OpenRouter(MODEL, **{client: object()})


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy])
def test_a_model_with_an_ssl_context_can_be_copied(copied: Callable[[OpenRouter], OpenRouter]) -> None:
    context = ssl.create_default_context()
    llm = OpenRouter(MODEL, verify=context, additional_kwargs={"top_k": 3})

    assert copied(llm).verify is context
    assert copy.deepcopy(llm).additional_kwargs is not llm.additional_kwargs


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_fields_of_a_model_have_a_json_schema(mode: Any) -> None:
    assert OpenRouter.model_json_schema(mode=mode)["type"] == "object"
