"""What LangChain tries again on its own: what our own rule would try again, and nothing that may be paid a second time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.exceptions import ModelRateLimitError

from langchain_openrouter_opts import ChatOpenRouter
from langchain_openrouter_opts import errors as both
from openrouter_opts import errors
from tests.faults.aftermath import KEY, SOON
from tests.faults.calls import Servers
from tests.scripted_server import Script
from tests.wire_bytes import COMPLETION, USAGE, answer

HALF = {**COMPLETION, "choices": [{"message": {"content": "Hel"}, "finish_reason": "error"}]}
EMPTY = {**COMPLETION, "choices": [], "usage": {**USAGE, "cost": 0}}


def refused(status: int, **more: Any) -> Script:
    return [answer({"error": {"code": status, "message": "no"}, **more}, status, Retry_After="0")]


PAID_ONCE: dict[str, tuple[Script, type[errors.OpenRouterError]]] = {
    "reset before the head": (["RST"], errors.ConnectionLost),
    "no head in time": (["HANG"], errors.TimedOut),
    "given up by the edge": (refused(524), errors.EdgeTimeout),
    "half an answer": ([answer(HALF)], errors.ProviderFailed),
    "no JSON": ([answer(b"{")], errors.Malformed),
    "failed with a cost": (refused(502, usage=USAGE), errors.ProviderFailed),
    "wrong": (refused(400), errors.BadRequest),
}
FREE: dict[str, tuple[Script, type[errors.OpenRouterError]]] = {
    "limited": (refused(429), errors.RateLimited),
    "down": (refused(502), errors.ProviderFailed),
    "overloaded": (refused(529), errors.Overloaded),
    "empty": ([answer(EMPTY)], errors.Empty),
}
FAILURES = {
    **{name: (*case, 1) for name, case in PAID_ONCE.items()},
    **{name: (*case, 3) for name, case in FREE.items()},
}
failures = pytest.mark.parametrize(("script", "cls", "requests"), FAILURES.values(), ids=FAILURES)


def model_at(url: str, **settings: Any) -> ChatOpenRouter:
    how: Mapping[str, Any] = {"api_key": KEY, "max_retries": 0, "timeout": {"first_byte": SOON}, **settings}
    return ChatOpenRouter(model="m/x", base_url=url, **how)


def agent(model: ChatOpenRouter) -> Any:
    again = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False, on_failure="error")
    return create_agent(model, tools=[], middleware=[again])


ASKED = {"messages": [("user", "hi")]}


@failures
def test_an_agent_tries_again_what_costs_nothing(script: Script, cls: Any, requests: int, scripted: Servers):
    server = scripted(script)
    with pytest.raises(cls):
        agent(model_at(server.base_url)).invoke(ASKED)
    assert len(server.deliveries) == requests


@failures
@pytest.mark.usefixtures("over_both")
async def test_an_async_agent_does_too(script: Script, cls: Any, requests: int, scripted: Servers):
    server = scripted(script)
    with pytest.raises(cls):
        await agent(model_at(server.base_url)).ainvoke(ASKED)
    assert len(server.deliveries) == requests


def test_a_model_that_may_pay_twice_may_do_so_there(scripted: Servers):
    server = scripted(["RST"])
    with pytest.raises(errors.ConnectionLost):
        agent(model_at(server.base_url, retry_uncertain=True)).invoke(ASKED)
    assert len(server.deliveries) == 3


@failures
def test_with_retry_takes_the_errors_that_it_is_given(
    script: Script, cls: Any, requests: int, scripted: Servers
):
    """LangChain asks `with_retry` for classes, and not an error whether it is worth it; the default are all of them."""
    server = scripted(script)
    again = model_at(server.base_url).with_retry(
        retry_if_exception_type=(ModelRateLimitError,), wait_exponential_jitter=False, stop_after_attempt=3
    )
    with pytest.raises(cls):
        again.invoke("hi")
    assert len(server.deliveries) == (3 if cls is errors.RateLimited else 1)


def test_an_answer_that_does_not_fit_is_paid_for():
    assert not both.InvalidOutput("no JSON").is_retryable


PAIRS = [
    (getattr(both, name), getattr(both, parent.__name__))
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, errors.OpenRouterError)
    for parent in cls.__bases__
    if parent.__module__ == errors.__name__
]


@pytest.mark.parametrize(("cls", "parent"), PAIRS)
def test_the_errors_of_this_package_are_one_tree(cls: type[Exception], parent: type[Exception]):
    assert issubclass(cls, parent)
