"""Limits and estimates of the models of both frameworks: a limit holds in every way to call, and in every copy."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import pytest
from langchain_core.load import dumpd, load
from langchain_core.runnables.base import RunnableBinding
from langchain_core.tools import tool as as_tool
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_openrouter_opts import ChatOpenRouter, OpenRouterEmbeddings
from llamaindex_openrouter_opts import OpenRouter, OpenRouterEmbedding
from openrouter_opts import ConfigurationError, Estimate, SpendLimit, SpendLimitExceeded, track_costs
from openrouter_opts.sandbox import Sandbox
from tests.frameworks import FRAMEWORKS, Framework

Ask: TypeAlias = Callable[..., Any]

HI: Final = [ChatMessage(role="user", content="hi")]
LITTLE: Final = "0.00000001"
ENOUGH: Final = "0.01"


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(credits="1000") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The sandbox, as if it were new."""
    shared_sandbox.reset()
    return shared_sandbox


class City(BaseModel):
    """A city."""

    name: str


async def _all(stream: Any) -> list[Any]:
    return [each async for each in stream]


async def _awaited(stream: Any) -> list[Any]:
    return [each async for each in await stream]


WAYS: Final[Mapping[str, Mapping[str, Ask]]] = {
    "langchain": {
        "invoke": lambda llm, **call: llm.invoke("hi", **call),
        "ainvoke": lambda llm, **call: asyncio.run(llm.ainvoke("hi", **call)),
        "stream": lambda llm, **call: list(llm.stream("hi", **call)),
        "astream": lambda llm, **call: asyncio.run(_all(llm.astream("hi", **call))),
        "batch": lambda llm, **call: llm.batch(["hi", "ho"], **call),
        "abatch": lambda llm, **call: asyncio.run(llm.abatch(["hi", "ho"], **call)),
        "bind": lambda llm, **call: llm.bind(**call).invoke("hi"),
        "bind_tools": lambda llm, **call: llm.bind_tools([City], **call).invoke("hi"),
        "with_structured_output": lambda llm, **call: llm.with_structured_output(City, **call).invoke("hi"),
    },
    "llamaindex": {
        "chat": lambda llm, **call: llm.chat(HI, **call),
        "achat": lambda llm, **call: asyncio.run(llm.achat(HI, **call)),
        "complete": lambda llm, **call: llm.complete("hi", **call),
        "acomplete": lambda llm, **call: asyncio.run(llm.acomplete("hi", **call)),
        "stream_chat": lambda llm, **call: list(llm.stream_chat(HI, **call)),
        "astream_chat": lambda llm, **call: asyncio.run(_awaited(llm.astream_chat(HI, **call))),
        "stream_complete": lambda llm, **call: list(llm.stream_complete("hi", **call)),
        "astream_complete": lambda llm, **call: asyncio.run(_awaited(llm.astream_complete("hi", **call))),
        "as_structured_llm": lambda llm, **call: llm.as_structured_llm(City, **call).chat(HI),
        "chat_with_tools": lambda llm, **call: llm.chat_with_tools([], "hi", **call),
    },
}
EVERY_WAY: Final = [
    pytest.param(framework, ask, id=f"{framework.name}-{name}")
    for framework in FRAMEWORKS
    for name, ask in WAYS[framework.name].items()
]
every_way = pytest.mark.parametrize(("framework", "ask"), EVERY_WAY)
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda each: each.name)


@every_way
@pytest.mark.parametrize("place", ["field", "call", "scope"])
def test_what_might_cost_more_than_the_limit_is_not_sent(
    framework: Framework, ask: Ask, place: str, sandbox: Sandbox
):
    field = {"spend_limit": LITTLE} if place == "field" else {}
    call = {"spend_limit": LITTLE} if place == "call" else {}
    llm = framework.make(sandbox, **field)
    with track_costs(limit=LITTLE if place == "scope" else None) as spend, pytest.raises(SpendLimitExceeded):
        ask(llm, **call)
    assert chats(sandbox) == []
    assert spend.records == ()


@every_way
def test_a_call_is_fitted_to_its_limit_where_that_is_asked_for(
    framework: Framework, ask: Ask, sandbox: Sandbox
):
    limit = SpendLimit("0.05", on_limit="fit")
    for _ in range(2):
        sandbox.answer_next('{"name": "Oslo"}')
    ask(framework.make(sandbox), spend_limit=limit)
    sent = chats(sandbox)
    assert all(0 < body["max_tokens"] < 25_000 for body in sent)
    assert Decimal(0) < limit.spent == sandbox.credits_used <= limit.amount
    assert limit.reserved == 0


@every_framework
def test_an_amount_is_one_limit_for_all_calls_of_a_model(framework: Framework, sandbox: Sandbox):
    llm = framework.make(sandbox, spend_limit=ENOUGH, max_tokens=50)
    framework.ask(llm)
    framework.ask(llm)
    assert isinstance(llm.spend_limit, SpendLimit)
    assert llm.spend_limit.amount == Decimal(ENOUGH)
    assert llm.spend_limit.spent == sandbox.credits_used > 0


@every_framework
def test_a_limit_that_is_assigned_later_holds_too(framework: Framework, sandbox: Sandbox):
    llm = framework.make(sandbox)
    llm.spend_limit = LITTLE
    with pytest.raises(SpendLimitExceeded):
        framework.ask(llm)
    assert isinstance(llm.spend_limit, SpendLimit)
    copied = framework.make(sandbox).model_copy(update={"spend_limit": LITTLE})
    with pytest.raises(SpendLimitExceeded):
        framework.ask(copied)
    assert chats(sandbox) == []


@every_framework
def test_one_limit_is_shared_by_models_and_all_limits_of_a_call_hold(framework: Framework, sandbox: Sandbox):
    limit, other, third = SpendLimit("1"), SpendLimit("2"), SpendLimit("3")
    one, two = (framework.make(sandbox, spend_limit=[limit, other], max_tokens=50) for _ in range(2))
    framework.ask(one)
    framework.ask(two, spend_limit=third)
    assert limit.spent == other.spent == sandbox.credits_used > third.spent > 0


@every_framework
@pytest.mark.parametrize(
    "wrong", ["much", -1, {"amount": "1", "on_limit": "stop"}, {"amont": "1"}, {}, b"1"], ids=str
)
def test_what_is_no_limit_is_refused_at_once(framework: Framework, wrong: Any, sandbox: Sandbox):
    with pytest.raises(ConfigurationError, match=r"spend_limit|on_limit|amount"):
        framework.make(sandbox, spend_limit=wrong)
    with pytest.raises(ConfigurationError, match=r"spend_limit|on_limit|amount"):
        framework.ask(framework.make(sandbox), spend_limit=wrong)
    assert chats(sandbox) == []


# --- copies ---


def _loaded(llm: Any) -> Any:
    return load(
        json.loads(json.dumps(dumpd(llm))),
        allowed_objects=[ChatOpenRouter, RunnableBinding],
        valid_namespaces=["langchain_openrouter_opts"],
        secrets_from_env=True,
    )


SHARED: Final[Mapping[str, Mapping[str, Ask]]] = {
    "langchain": {
        "model_copy": lambda llm: llm.model_copy(),
        "model_copy(deep)": lambda llm: llm.model_copy(deep=True),
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "pickle": lambda llm: pickle.loads(pickle.dumps(llm)),
        "JSON": _loaded,
        "bind": lambda llm: llm.bind(temperature=0),
        "bind, as JSON": lambda llm: _loaded(llm.bind(temperature=0)),
        "with_config": lambda llm: llm.with_config(tags=["x"]),
        "with_retry": lambda llm: llm.with_retry(stop_after_attempt=1),
        "bind_tools": lambda llm: llm.bind_tools([City]),
        "with_structured_output": lambda llm: llm.with_structured_output(City, include_raw=True),
        "with_fallbacks": lambda llm: llm.with_fallbacks([]),
        "configurable": lambda llm: llm.configurable_fields(),
    },
    "llamaindex": {
        "model_copy": lambda llm: llm.model_copy(),
        "model_copy(deep)": lambda llm: llm.model_copy(deep=True),
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "pickle": lambda llm: pickle.loads(pickle.dumps(llm)),
        "to_dict": lambda llm: OpenRouter.from_dict(llm.to_dict()),
        "to_json": lambda llm: OpenRouter.from_json(llm.to_json()),
        "as_structured_llm": lambda llm: llm.as_structured_llm(City, temperature=0),
    },
}


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
@pytest.mark.parametrize(
    ("framework", "change"),
    [
        pytest.param(framework, change, id=f"{framework.name}-{name}")
        for framework in FRAMEWORKS
        for name, change in SHARED[framework.name].items()
    ],
)
def test_whatever_is_made_of_a_model_has_the_same_limit(
    framework: Framework, change: Ask, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
    limit = SpendLimit(ENOUGH)
    llm = change(framework.make(sandbox, spend_limit=limit, max_tokens=50))
    sandbox.answer_next('{"name": "Oslo"}')
    llm.invoke("hi") if framework.name == "langchain" else llm.chat(HI)
    assert limit.spent == sandbox.credits_used > 0


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_what_is_bound_is_one_limit_and_adds_to_the_others(sandbox: Sandbox):
    limit = SpendLimit("1")
    llm = FRAMEWORKS[0].make(sandbox, spend_limit=limit, max_tokens=50)
    bound = llm.bind(spend_limit="0.5").bind(spend_limit="0.25")
    bound.invoke("hi")
    bound.with_config(tags=["x"]).invoke("hi", spend_limit="0.1")
    own = bound.kwargs["spend_limit"]
    assert [each.amount for each in own] == [Decimal("0.5"), Decimal("0.25")]
    assert {each.spent for each in (limit, *own)} == {sandbox.credits_used}
    with pytest.raises(SpendLimitExceeded):
        bound.invoke("hi", spend_limit=LITTLE)
    own[1].amount = LITTLE
    with pytest.raises(SpendLimitExceeded):
        bound.invoke("hi", spend_limit="1")
    restored = _loaded(bound)
    with pytest.raises(SpendLimitExceeded):
        restored.invoke("hi")


def test_what_is_bound_to_a_model_and_its_fallbacks_is_one_limit(sandbox: Sandbox):
    llm = FRAMEWORKS[0].make(sandbox, max_tokens=50)
    both = llm.with_fallbacks([llm.bind(seed=1)]).bind(spend_limit="0.5")
    limits = [each.kwargs["spend_limit"] for each in (both.runnable, *both.fallbacks)]
    assert limits[0] == limits[1]
    sandbox.fail_next(400, path="/chat/completions")
    both.invoke("hi")
    assert limits[0][0].spent == sandbox.credits_used > 0


def test_a_limit_read_from_json_elsewhere_is_one_limit_from_nothing_on():
    written = {
        **SpendLimit("0.5", on_limit="fit", unknown_price="0.1", reconcile=True).written(),
        "id": "elsewhere",
    }
    read = SpendLimit.of(json.loads(json.dumps(written)))
    assert read is not None
    assert (read.written(), read.spent) == (written, 0)
    read.amount = "0.25"
    del read
    again = SpendLimit.of(written)
    assert again is not None
    assert again.amount == Decimal("0.25")


def test_neither_cache_keys_nor_traces_tell_limits_apart(sandbox: Sandbox):
    plain, limited = (FRAMEWORKS[0].make(sandbox, spend_limit=limit) for limit in (None, "1"))
    assert plain._get_llm_string() == limited._get_llm_string()
    assert plain._get_llm_string() == plain._get_llm_string(spend_limit="1")
    assert "spend_limit" not in plain._get_invocation_params(spend_limit="1")


# --- what a call may cost ---


def _estimate(framework: Framework, llm: Any, prompt: str, tools: list[Any], **call: Any) -> Estimate:
    if framework.name == "langchain":
        bound = llm.bind_tools([as_tool(tool) for tool in tools]) if tools else llm
        return bound.estimate_cost(prompt, **call)
    assert llm.estimate_cost(prompt, **call) == llm.estimate_cost([ChatMessage(content=prompt)], **call)
    return llm.estimate_cost(prompt, tools=[FunctionTool.from_defaults(tool) for tool in tools], **call)


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return city


@every_framework
def test_an_estimate_is_that_of_the_request_that_would_leave(framework: Framework, sandbox: Sandbox):
    llm = framework.make(sandbox, max_tokens=1000)
    plain = _estimate(framework, llm, "hi", [])
    assert plain == llm.client.estimate_cost([{"role": "user", "content": "hi"}])
    assert plain.low is not None
    assert plain.high is not None
    assert Decimal(0) < plain.low < plain.high < Decimal("0.01")
    assert plain.completion_tokens == 1000
    assert any("1,000 tokens" in each for each in plain.assumptions)

    shorter = _estimate(framework, llm, "hi", [], max_tokens=10, spend_limit="1", timeout=5)
    assert shorter.high is not None
    assert shorter.high < plain.high
    dearer = _estimate(framework, llm, "hi", [], model="anthropic/claude-sonnet-4.6")
    assert dearer.high is not None
    assert dearer.high > plain.high
    with_tools = _estimate(framework, llm, "hi", [weather])
    assert with_tools.prompt_tokens > plain.prompt_tokens
    unknown = _estimate(framework, llm, "hi", [], model="nobody/knows")
    assert (unknown.low, unknown.high) == (None, None)
    assert sandbox.requests == []


def test_an_estimate_counts_what_is_bound_and_the_last_word_wins(sandbox: Sandbox):
    llm = FRAMEWORKS[0].make(sandbox)
    bound = llm.bind(max_tokens=100).with_config(tags=["x"])
    assert bound.estimate_cost("hi") == llm.estimate_cost("hi", max_tokens=100)
    assert bound.estimate_cost("hi", max_tokens=7) == llm.estimate_cost([("human", "hi")], max_tokens=7)
    with pytest.raises(ConfigurationError, match="did you mean max_tokens"):
        llm.estimate_cost("hi", max_token=7)


# --- embeddings ---


def _langchain_embeddings(sandbox: Sandbox, **given: Any) -> OpenRouterEmbeddings:
    where = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    return OpenRouterEmbeddings(model="openai/text-embedding-3-small", **where, **given)


def _llamaindex_embeddings(sandbox: Sandbox, **given: Any) -> OpenRouterEmbedding:
    where = {"api_base": sandbox.base_url, "api_key": sandbox.api_key}
    return OpenRouterEmbedding("openai/text-embedding-3-small", **where, **given)


EMBEDDINGS: Final = [
    pytest.param(_langchain_embeddings, lambda model: model.embed_query("hi"), id="langchain-query"),
    pytest.param(
        _langchain_embeddings, lambda model: model.embed_documents(["hi", "ho"]), id="langchain-documents"
    ),
    pytest.param(
        _langchain_embeddings,
        lambda model: asyncio.run(model.aembed_documents(["hi", "ho"])),
        id="langchain-async",
    ),
    pytest.param(
        _llamaindex_embeddings, lambda model: model.get_query_embedding("hi"), id="llamaindex-query"
    ),
    pytest.param(
        _llamaindex_embeddings,
        lambda model: model.get_text_embedding_batch(["hi", "ho"]),
        id="llamaindex-texts",
    ),
    pytest.param(
        _llamaindex_embeddings,
        lambda model: asyncio.run(model.aget_text_embedding_batch(["hi", "ho"])),
        id="llamaindex-async",
    ),
]


@pytest.mark.parametrize(("make", "embed"), EMBEDDINGS)
def test_a_limit_of_an_embedding_model_holds(make: Ask, embed: Ask, sandbox: Sandbox):
    with pytest.raises(SpendLimitExceeded):
        embed(make(sandbox, spend_limit="0.0000000000001"))
    assert not any(request.path == "/embeddings" for request in sandbox.requests)
    limit = SpendLimit(ENOUGH)
    embed(make(sandbox, spend_limit=limit))
    for change in (
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: model.model_copy(),
    ):
        assert change(make(sandbox, spend_limit=limit)).spend_limit is limit
    assert limit.spent == sandbox.credits_used > 0


def chats(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the bodies of the chats that left; prices may have been asked for before."""
    return [request.body for request in sandbox.requests if request.path.endswith("/chat/completions")]
