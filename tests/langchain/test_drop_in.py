"""A constructor call that was written for `langchain_openrouter.ChatOpenRouter` means the same here. Only `timeout` is in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import ConfigurationError
from openrouter_opts.errors import TimedOut
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask

Made = Callable[..., ChatOpenRouter]
MODEL = "openai/gpt-4o-mini"
OWN_HEADERS = {"x-title", "http-referer", "x-openrouter-title", "x-openrouter-categories", "x-grok-conv-id"}

# What is given to the constructor, and what is in the body of a request for it.
BODIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"temperature": 0.2}, {"temperature": 0.2}),
    ({"temperature": 0}, {"temperature": 0}),
    ({"max_tokens": 9}, {"max_tokens": 9}),
    ({"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
    ({"top_p": 0.5}, {"top_p": 0.5}),
    ({"frequency_penalty": 0.5}, {"frequency_penalty": 0.5}),
    ({"presence_penalty": -0.5}, {"presence_penalty": -0.5}),
    ({"seed": 7}, {"seed": 7}),
    ({"stop": ["x", "y"]}, {"stop": ["x", "y"]}),
    ({"stop": "x"}, {"stop": "x"}),
    ({"stop_sequences": ["x"]}, {"stop": ["x"]}),
    ({"n": 2}, {"n": 2}),
    ({"streaming": False}, {}),
    ({"streaming": True}, {"stream": True}),
    ({"model_kwargs": {"top_k": 3, "logit_bias": {5: 1}}}, {"top_k": 3, "logit_bias": {"5": 1}}),
    ({"model_kwargs": {"models": ["openai/gpt-4o"]}}, {"models": ["openai/gpt-4o"]}),
    ({"top_k": 3}, {"top_k": 3}),
    (
        {"model": "openai/gpt-5-mini", "reasoning": {"effort": "high", "summary": "auto"}},
        {"reasoning": {"effort": "high", "summary": "auto"}},
    ),
    (
        {"openrouter_provider": {"order": ["openai"], "data_collection": "deny", "max_price": {"prompt": 5}}},
        {"provider": {"order": ["openai"], "data_collection": "deny", "max_price": {"prompt": 5}}},
    ),
    # The default of OpenRouter, and the name it has for the other today.
    ({"route": "fallback"}, {}),
    ({"route": "sort"}, {"provider": {"sort": {"partition": "none"}}}),
    ({"plugins": [{"id": "response-healing"}]}, {"plugins": [{"id": "response-healing"}]}),
    ({"session_id": "s-1"}, {"session_id": "s-1"}),
    ({"session_id": ""}, {}),
    (
        {"trace": {"trace_id": "t", "span_name": "s", "mine": "x"}},
        {"trace": {"trace_id": "t", "span_name": "s", "mine": "x"}},
    ),
    ({"client": None}, {}),
]
HEADERS: list[tuple[dict[str, Any], dict[str, str]]] = [
    # What isn't set isn't sent: OpenRouter would count the traffic as LangChain's.
    ({}, {}),
    ({"app_url": "https://mine.example"}, {"http-referer": "https://mine.example"}),
    ({"app_title": "Mine"}, {"x-openrouter-title": "Mine"}),
    ({"app_categories": ["cli-agent", "ide"]}, {"x-openrouter-categories": "cli-agent,ide"}),
    ({"default_headers": {"x-grok-conv-id": "c"}}, {"x-grok-conv-id": "c"}),
    (
        {"app_url": "https://mine.example", "default_headers": {"http-referer": "https://gateway.example"}},
        {"http-referer": "https://gateway.example"},
    ),
]


@pytest.mark.filterwarnings("ignore:route is deprecated")
@pytest.mark.parametrize(("given", "body"), BODIES, ids=lambda value: str(value)[:60])
def test_an_argument_reaches_the_body(
    make_llm: Made, sandbox: Sandbox, given: dict[str, Any], body: dict[str, Any]
) -> None:
    make_llm(**{"model": MODEL, **given}).invoke("hi")
    sent = sandbox.last.body
    assert {key: value for key, value in sent.items() if key not in {"model", "messages"}} == body


@pytest.mark.parametrize(("given", "headers"), HEADERS, ids=lambda value: str(value)[:60])
def test_an_argument_reaches_the_headers(
    make_llm: Made, sandbox: Sandbox, given: dict[str, Any], headers: dict[str, str]
) -> None:
    make_llm(MODEL, **given).invoke("hi")
    assert {name: value for name, value in sandbox.last.headers.items() if name in OWN_HEADERS} == headers


@pytest.mark.parametrize(
    "names", [("model", "api_key", "base_url"), ("model_name", "openrouter_api_key", "openrouter_api_base")]
)
def test_model_key_and_address_have_two_names_each(sandbox: Sandbox, names: tuple[str, ...]) -> None:
    llm = ChatOpenRouter(**dict(zip(names, (MODEL, sandbox.api_key, sandbox.base_url), strict=True)))
    assert llm.invoke("hi").response_metadata["model_name"] == MODEL


ENVIRONMENT = {
    "OPENROUTER_SESSION_ID": "from-env",
    "OPENROUTER_APP_URL": "https://env.example",
    "OPENROUTER_APP_TITLE": "Env",
}


def said(sandbox: Sandbox) -> tuple[str | None, ...]:
    """Return the session, the URL and the title of the last request."""
    sent = sandbox.last
    return (
        sent.body.get("session_id"),
        sent.headers.get("http-referer"),
        sent.headers.get("x-openrouter-title"),
    )


def test_the_environment_is_below_the_constructor_and_the_constructor_below_a_call(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        **ENVIRONMENT,
        "OPENROUTER_API_KEY": sandbox.api_key,
        "OPENROUTER_API_BASE": sandbox.base_url,
    }.items():
        monkeypatch.setenv(name, value)
    ChatOpenRouter(model=MODEL).invoke("hi")
    assert said(sandbox) == ("from-env", "https://env.example", "Env")
    llm = ChatOpenRouter(
        model=MODEL, session_id="mine", app_title="Mine", provider_options={"app_url": "https://mine.example"}
    )
    llm.invoke("hi")
    assert said(sandbox) == ("mine", "https://mine.example", "Mine")
    llm.invoke("hi", session_id="call", provider_options={"app_title": None})
    assert said(sandbox) == ("call", "https://mine.example", None)
    ChatOpenRouter(model=MODEL, session_id="").invoke("hi")
    assert said(sandbox)[0] is None


@pytest.mark.parametrize("name", ["timeout", "request_timeout"])
def test_a_timeout_is_in_seconds(ask: Ask, make_llm: Made, sandbox: Sandbox, name: str) -> None:
    sandbox.delay_next(first_byte=0.4)
    assert ask(make_llm(MODEL, **{name: 5}), "hi").content
    sandbox.delay_next(first_byte=5)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        ask(make_llm(MODEL, **{name: 0.2}), "hi")
    assert 0.2 <= time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("given", "requests"), [({}, 3), ({"max_retries": 0}, 1), ({"max_retries": 1}, 2)], ids=str
)
def test_max_retries_is_a_number_of_further_attempts(
    make_llm: Made, sandbox: Sandbox, given: dict[str, int], requests: int
) -> None:
    sandbox.fail_next(status=503, retry_after=0.01, times=9)
    with pytest.raises(Exception, match="503"):
        make_llm(MODEL, **given).invoke("hi")
    assert len(sandbox.requests) == requests


def test_a_client_of_the_official_sdk_is_refused_with_what_to_give_instead(make_llm: Made) -> None:
    with pytest.raises(ConfigurationError, match=r"client: .*api_key.*base_url"):
        make_llm(MODEL, client=object())


# What every chat model of LangChain has.


def test_output_version_makes_the_content_blocks(ask: Ask, make_llm: Made) -> None:
    assert isinstance(ask(make_llm(output_version="v0"), "hi").content, str)
    (block,) = ask(make_llm(output_version="v1"), "hi").content
    assert isinstance(block, dict)
    assert block["type"] == "text"


def test_a_rate_limiter_is_asked_once_for_each_call(ask: Ask, make_llm: Made) -> None:
    class Counting(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.asked += 1
            return super().acquire(blocking=blocking)

        async def aacquire(self, *, blocking: bool = True) -> bool:
            self.asked += 1
            return await super().aacquire(blocking=blocking)

    limiter = Counting(requests_per_second=1000, check_every_n_seconds=0.001, max_bucket_size=1)
    llm = make_llm(rate_limiter=limiter, cache=InMemoryCache())
    ask(llm, "hi")
    assert limiter.asked == 1


@pytest.mark.parametrize(
    ("given", "streamed"),
    [({}, True), ({"disable_streaming": True}, False), ({"disable_streaming": "tool_calling"}, True)],
    ids=str,
)
async def test_streaming_can_be_disabled(
    make_llm: Made, sandbox: Sandbox, given: dict[str, Any], streamed: bool
) -> None:
    llm = make_llm(**given)
    assert list(llm.stream("hi"))
    assert sandbox.last.body.get("stream", False) is streamed
    assert [chunk async for chunk in llm.astream("hi")]
    assert sandbox.last.body.get("stream", False) is streamed
    assert list(llm.bind_tools([get_weather]).stream("hi"))
    assert sandbox.last.body.get("stream", False) is (given == {})


def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return city


def test_metadata_tags_and_callbacks_belong_to_langchain(ask: Ask, make_llm: Made, sandbox: Sandbox) -> None:
    class Seen(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, tags: Any, metadata: Any, **__: Any) -> None:
            self.tags, self.metadata = tags, metadata

    seen = Seen()
    ask(make_llm(metadata={"mine": 1}, tags=["t"], callbacks=[seen], name="asker", verbose=False), "hi")
    assert seen.tags == ["t"]
    assert seen.metadata["mine"] == 1
    assert "metadata" not in sandbox.last.body


def test_a_tokenizer_of_ones_own_counts_the_tokens(make_llm: Made) -> None:
    llm = make_llm(custom_get_token_ids=lambda text: list(range(len(text.split()))))
    assert llm.get_token_ids("one two three") == [0, 1, 2]
    assert llm.get_num_tokens("one two three") == 3
    assert llm.get_num_tokens_from_messages([HumanMessage("one two three")]) == 4  # "Human: one two three"
