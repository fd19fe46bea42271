"""Errors: caught as OpenRouter's or as LangChain's, with everything that is known."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from langchain.agents.middleware._retry import default_retry_on
from langchain_core import exceptions as core
from langchain_core.callbacks import BaseCallbackHandler

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts import errors as both
from openrouter_opts import errors, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.langchain.conftest import Ask


@pytest.fixture
def llm(make_llm: Any) -> ChatOpenRouter:
    return make_llm(max_retries=0)


@pytest.mark.parametrize(
    ("status", "ours", "langchains", "retryable"),
    [
        (400, errors.BadRequest, core.ModelInvalidRequestError, False),
        (401, errors.AuthenticationError, core.ModelAuthenticationError, False),
        (402, errors.InsufficientCredits, core.ModelPermissionDeniedError, False),
        (403, errors.Forbidden, core.ModelPermissionDeniedError, False),
        (404, errors.NotFound, core.ModelNotFoundError, False),
        (413, errors.PayloadTooLarge, core.ModelInvalidRequestError, False),
        (429, errors.RateLimited, core.ModelRateLimitError, True),
        (500, errors.ServerError, core.ModelAPIError, True),
        (502, errors.ProviderFailed, core.ModelAPIError, True),
        (503, errors.ServerError, core.ModelAPIError, True),
        (529, errors.Overloaded, core.ModelAPIError, True),
    ],
)
def test_each_status_is_an_error_of_both_families(
    ask: Ask,
    llm: ChatOpenRouter,
    sandbox: Sandbox,
    status: int,
    ours: type[Exception],
    langchains: type[Exception],
    retryable: bool,
) -> None:
    sandbox.fail_next(status=status, message="as scripted")
    with pytest.raises(ours, match="as scripted") as caught:
        ask(llm, "hi")
    error: Any = caught.value
    assert isinstance(error, langchains)
    assert error.status == status
    assert error.response.status_code == status
    assert error.is_retryable is retryable
    assert default_retry_on(error) is retryable


def test_a_prompt_that_is_too_long_is_a_context_overflow(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    said = "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens"
    sandbox.fail_next(status=400, message=said)
    with pytest.raises(core.ContextOverflowError):
        llm.invoke("hi")


def test_half_a_stream_is_an_error_that_holds_the_half(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.error_after(deltas=2, code=502, message="Provider disconnected")
    seen = []
    with pytest.raises(errors.ProviderFailed) as caught:
        seen.extend(llm.stream("Tell me a story."))
    assert "".join(chunk.text for chunk in seen)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(chunk.text for chunk in seen)


def test_an_error_survives_pickling(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=429, retry_after=7)
    with pytest.raises(errors.RateLimited) as caught:
        llm.invoke("hi")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is both.RateLimited
    assert (str(again), again.retry_after) == (str(caught.value), 7)


def test_an_error_shows_one_cause_and_no_key(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=500)
    with pytest.raises(errors.ServerError) as caught:
        llm.invoke("hi")
    assert caught.value.__suppress_context__
    assert sandbox.api_key not in repr(vars(caught.value))


def test_a_trace_of_a_failed_run_has_the_response(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    class Watch(BaseCallbackHandler):
        metadata: Any = None

        def on_llm_error(self, error: BaseException, *, response: Any = None, **_: Any) -> None:
            self.metadata = response.generations[0][0].message.response_metadata

    watch = Watch()
    sandbox.fail_next(status=403, message="not for you")
    with pytest.raises(errors.Forbidden):
        llm.invoke("hi", config={"callbacks": [watch]})
    assert watch.metadata["status_code"] == 403
    assert watch.metadata["body"]["error"]["message"] == "not for you"


def test_a_fallback_model_answers(llm: ChatOpenRouter, make_llm: Any, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=500)
    safe = llm.with_fallbacks([make_llm("openai/gpt-4o-mini")])
    assert safe.invoke("hi").response_metadata["model_name"] == "openai/gpt-4o-mini"


def test_what_a_failed_call_cost_is_counted(llm: ChatOpenRouter, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=500)
    with track_costs() as spend, pytest.raises(errors.ServerError):
        llm.invoke("hi")
    assert [record.outcome for record in spend.records] == ["failed"]


@pytest.mark.parametrize("ask", [lambda llm: llm.invoke("hi"), lambda llm: list(llm.stream("hi"))])
def test_a_limit_on_what_is_spent_holds_here_too(
    ask: Callable[[ChatOpenRouter], Any], llm: ChatOpenRouter, sandbox: Sandbox
) -> None:
    with track_costs(limit="0.001") as spend, pytest.raises(errors.SpendLimitExceeded) as caught:
        ask(llm)
    assert isinstance(caught.value, core.ModelError)
    assert (caught.value.is_retryable, caught.value.limit, caught.value.worst_case is None) == (
        False,
        Decimal("0.001"),
        False,
    )
    assert "/chat/completions" not in [seen.path for seen in sandbox.requests]
    assert spend.records == ()


def test_every_error_has_a_class_of_both_families() -> None:
    def tree(cls: type[errors.OpenRouterError]) -> Iterator[type[errors.OpenRouterError]]:
        yield cls
        for each in cls.__subclasses__():
            if each.__module__ == errors.__name__:
                yield from tree(each)

    for cls in tree(errors.OpenRouterError):
        twin = both.twin_of(cls("said"))
        assert type(twin).__bases__[0] is cls
        assert isinstance(twin, core.ModelError)
        assert type(twin).__name__ == cls.__name__
        assert type(pickle.loads(pickle.dumps(twin))) is type(twin)


def test_the_servers_word_on_retrying_counts() -> None:
    said_no = both.twin_of(errors.ServerError("down", retryable=False))
    assert isinstance(said_no, core.ModelError)
    assert said_no.is_retryable is False
    assert both.ServerError.is_retryable is True
