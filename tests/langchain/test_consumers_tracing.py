"""What LangSmith gets to see: its own tracer posts to a collector on loopback."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import langsmith
import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import ModelError
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers.langchain import LangChainTracer

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.collector import Collector
from tests.langchain.conftest import Ask, either, model_at
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, DONE, STREAM_HEAD, USAGE, answer, chunked, delta, event

Made = Callable[..., ChatOpenRouter]
SECRETS = ("ls-secret-key", "gateway-secret", "two-secret", "sk-own-secret")


class Traced:
    """A tracer, and what it has posted."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.client = langsmith.Client()
        self.config: Any = {"callbacks": [LangChainTracer(client=self.client)]}

    def runs(self, run_type: str = "llm") -> list[dict[str, Any]]:
        """Return the runs of a type, in the order in which they began."""
        self.client.flush(timeout=10)
        runs = sorted(self.collector.runs().values(), key=lambda run: run["start_time"])
        return [run for run in runs if run["run_type"] == run_type]


@pytest.fixture
def traced(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    monkeypatch.setenv("LANGSMITH_ENDPOINT", collector.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", SECRETS[0])
    langsmith.utils.get_env_var.cache_clear()
    traced = Traced(collector)
    yield traced
    traced.client.close()
    langsmith.utils.get_env_var.cache_clear()


def test_a_run_names_the_model_and_has_its_usage_in_whole_numbers(
    ask: Ask, make_llm: Made, traced: Traced
) -> None:
    llm = make_llm("anthropic/claude-sonnet-4.6", temperature=0.5, max_tokens=500, stop=["END"])
    message = ask(llm, "Tell me a story.", traced.config)
    (run,) = traced.runs()
    metadata = run["extra"]["metadata"]
    assert {key: metadata[key] for key in metadata if key.startswith("ls_") and key != "ls_integration"} == {
        "ls_provider": "openrouter",
        "ls_model_name": "anthropic/claude-sonnet-4.6",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 500,
        "ls_stop": ["END"],
    }
    assert counts(run) == message.usage_metadata
    assert all(isinstance(count, int) for count in numbers(counts(run)))
    output = run["outputs"]["generations"][0][0]["message"]["kwargs"]
    assert output["response_metadata"]["cost"] == message.response_metadata["cost"]
    assert "error" not in run


def test_a_run_has_its_cost_and_its_message_only_whole_numbers(
    ask: Ask, make_llm: Made, traced: Traced
) -> None:
    message = ask(make_llm(), "Tell me a story.", traced.config)
    (run,) = traced.runs()
    cost = message.response_metadata["cost"]
    assert costs(run)["total_cost"] == cost > 0
    assert costs(run)["input_cost"] + costs(run)["output_cost"] == pytest.approx(cost)
    assert all(isinstance(count, int) for count in numbers(dict(message.usage_metadata or {})))
    posted = run["outputs"]["generations"][0][0]["message"]["kwargs"]["usage_metadata"]
    assert posted == message.usage_metadata


WAYS: dict[str, Callable[[ChatOpenRouter, Any], Any]] = {
    "stream_events": lambda llm, config: list(llm.stream_events("hi", config, version="v3")),
    "streaming": lambda llm, config: llm.model_copy(update={"streaming": True}).invoke("hi", config),
    "without usage": lambda llm, config: list(llm.stream("hi", config, stream_usage=False)),
    "batch": lambda llm, config: llm.batch(["hi"], config),
    "generate": lambda llm, config: llm.generate([[HumanMessage("hi")]], callbacks=config["callbacks"]),
    "bound": lambda llm, config: list(llm.bind(temperature=None).stream("hi", config)),
    "own callbacks": lambda llm, config: list(llm.model_copy(update=config).stream("hi")),
    "not streamed": lambda llm, config: list(
        llm.model_copy(update={"disable_streaming": True}).stream("hi", config)
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_has_its_cost_in_every_other_way_too(way: str, make_llm: Made, traced: Traced) -> None:
    WAYS[way](make_llm(), traced.config)
    (run,) = traced.runs()
    assert costs(run)["total_cost"] > 0
    assert counts(run)["total_tokens"] > 0


def test_a_run_that_is_streamed_has_the_id_it_was_given(make_llm: Made, traced: Traced) -> None:
    given = uuid4()
    list(make_llm().stream("hi", traced.config | {"run_id": given}))
    (run,) = traced.runs()
    assert run["id"] == str(given)
    assert costs(run)


def test_tracing_that_the_environment_switches_on_sees_the_cost(
    ask: Ask, make_llm: Made, traced: Traced
) -> None:
    with langsmith.tracing_context(enabled=True, client=traced.client):
        message = ask(make_llm(), "hi")
    (run,) = traced.runs()
    assert costs(run)["total_cost"] == message.response_metadata["cost"]


def test_what_a_tracer_keeps_of_a_run_can_be_copied_and_pickled(
    make_llm: Made, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(LangChainTracer, "_update_run_single", staticmethod(ended.append))
    make_llm().invoke("hi", traced.config)
    metadata = ended[0].extra["metadata"]
    assert metadata["usage_metadata"]["total_cost"] > 0
    assert copy.deepcopy(metadata) == pickle.loads(pickle.dumps(metadata)) == json.loads(json.dumps(metadata))


def test_an_answer_from_the_cache_costs_nothing_and_a_chain_nothing_of_its_own(
    make_llm: Made, traced: Traced
) -> None:
    chain = ChatPromptTemplate.from_template("Say {word}.") | make_llm(cache=InMemoryCache())
    for _ in range(2):
        chain.invoke({"word": "hello"}, traced.config)
    first, second = traced.runs()
    assert costs(first)["total_cost"] > 0
    assert costs(second) == {"total_cost": 0}
    assert not any(costs(run) for run in traced.runs("chain"))


def test_a_run_that_was_cut_has_what_it_cost_so_far(ask: Ask, traced: Traced) -> None:
    cut = event({"id": "gen-1", "choices": [], "usage": USAGE, "error": {"code": 502, "message": "gone"}})
    with ScriptedServer([[STREAM_HEAD, chunked(delta("Hel")), chunked(cut), chunked(b"")]]) as server:
        llm = model_at(server, max_retries=0, streaming=True)
        with pytest.raises(ModelError):
            ask(llm, "hi", traced.config)
    (run,) = traced.runs()
    assert "gone" in run["error"]
    assert costs(run) == {"total_cost": USAGE["cost"]}
    assert counts(run)["total_tokens"] == USAGE["total_tokens"]


def test_a_cost_that_nobody_said_is_not_there(ask: Ask, traced: Traced) -> None:
    body = {
        "id": "gen-1",
        "model": "m/x",
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
    }
    body["usage"] = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    chunks = (
        chunked(delta("hi", finish_reason="stop")),
        chunked(event({"choices": [], "usage": body["usage"]})),
    )
    with ScriptedServer([], choose=either(body, *chunks, chunked(DONE), chunked(b""))) as server:
        ask(model_at(server), "hi", traced.config)
    (run,) = traced.runs()
    assert not costs(run)
    assert counts(run)["total_tokens"] == 9


def test_a_model_that_is_given_per_call_is_the_one_of_the_run(
    ask: Ask, make_llm: Made, traced: Traced
) -> None:
    ask(make_llm(), "hi", traced.config, model="openai/gpt-4o-mini", temperature=0.25)
    (run,) = traced.runs()
    assert run["extra"]["metadata"]["ls_model_name"] == "openai/gpt-4o-mini"
    assert run["extra"]["metadata"]["ls_temperature"] == 0.25


@pytest.mark.parametrize(
    ("fail", "status"),
    [
        (lambda sandbox: sandbox.fail_next(status=402, message="Not enough credits"), 402),
        (
            lambda sandbox: sandbox.fail_next(
                status=200, body={"error": {"code": 429, "message": "Slow down"}}
            ),
            429,
        ),
        (lambda sandbox: sandbox.error_after(2, code=502, message="Provider gone"), 502),
    ],
    ids=["refused", "error in a 200", "error in the middle"],
)
def test_a_run_that_fails_says_why_and_with_which_status(
    ask: Ask, make_llm: Made, sandbox: Sandbox, traced: Traced, fail: Any, status: int
) -> None:
    fail(sandbox)
    with pytest.raises(ModelError) as caught:
        ask(make_llm(max_retries=0), "Tell me a story.", traced.config)
    (run,) = traced.runs()
    assert caught.value.message in run["error"]  # type: ignore[attr-defined]
    assert type(caught.value).__name__ in run["error"]
    # What came of the answer is before it.
    told = run["outputs"]["generations"][-1][-1]["message"]["kwargs"]["response_metadata"]
    assert told["status_code"] == status


def test_an_agent_and_a_chain_have_their_models_runs_below_their_own(make_llm: Made, traced: Traced) -> None:
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        return f"It is sunny in {city}."

    chain = ChatPromptTemplate.from_template("Say {word}.") | make_llm() | StrOutputParser()
    chain.invoke({"word": "hello"}, traced.config)
    agent: Any = create_agent(make_llm(), [get_weather])
    agent.invoke({"messages": [("user", "What is the weather in Paris?")]}, traced.config)
    roots = {run["trace_id"]: run["name"] for run in traced.runs("chain") if "parent_run_id" not in run}
    assert [roots[run["trace_id"]] for run in traced.runs()] == ["RunnableSequence", "LangGraph", "LangGraph"]
    assert [
        tool["function"]["name"] for tool in traced.runs()[-1]["extra"]["invocation_params"]["tools"]
    ] == ["get_weather"]


def test_only_the_models_runs_of_an_agent_have_costs_and_together_they_are_what_was_billed(
    make_llm: Made, sandbox: Sandbox, traced: Traced
) -> None:
    def get_weather(city: str) -> str:
        """Get the weather in a city."""
        return f"It is sunny in {city}."

    agent: Any = create_agent(make_llm(), [get_weather])
    agent.invoke({"messages": [("user", "What is the weather in Paris?")]}, traced.config)
    first, second = traced.runs()
    assert costs(first)["total_cost"] + costs(second)["total_cost"] == pytest.approx(
        float(sandbox.credits_used)
    )
    assert all(type(count) is int for run in (first, second) for count in numbers(counts(run)))
    others = [*traced.runs("chain"), *traced.runs("tool")]
    assert len(others) > 3
    # LangSmith reads usage from the metadata of a run, and from its outputs.
    for run in others:
        assert "usage_metadata" not in run["extra"].get("metadata", {})
        assert "usage_metadata" not in run["outputs"]


def test_choices_are_one_run_with_the_cost_and_the_tokens_of_all_of_them(traced: Traced) -> None:
    choices = [{**COMPLETION["choices"][0], "index": index} for index in range(3)]
    with ScriptedServer([[answer({**COMPLETION, "choices": choices})]]) as server:
        model_at(server, n=3).generate([[HumanMessage("hi")]], callbacks=traced.config["callbacks"])
    (run,) = traced.runs()
    assert len(run["outputs"]["generations"][0]) == 3
    assert costs(run) == {"total_cost": USAGE["cost"]}
    assert counts(run)["total_tokens"] == USAGE["total_tokens"]


def test_what_was_tried_again_is_one_run_with_one_cost(
    ask: Ask, make_llm: Made, sandbox: Sandbox, traced: Traced
) -> None:
    sandbox.fail_next(status=503, retry_after=0)
    ask(make_llm(), "hi", traced.config)
    assert len(sandbox.requests) == 2
    (run,) = traced.runs()
    assert costs(run)["total_cost"] == float(sandbox.credits_used) > 0


def test_a_stream_that_is_left_is_one_run_without_a_cost_since_nobody_said_one(
    make_llm: Made, traced: Traced
) -> None:
    stream: Any = make_llm().stream("Tell me a story.", traced.config)
    next(stream)
    stream.close()
    (run,) = traced.runs()
    assert "GeneratorExit" in run["error"]
    assert not costs(run)


@pytest.mark.parametrize("fails", [False, True])
def test_no_key_and_no_header_is_in_anything_that_is_posted(
    ask: Ask, make_llm: Made, sandbox: Sandbox, traced: Traced, fails: bool
) -> None:
    llm = make_llm(
        default_headers={"X-Gateway": SECRETS[1]},
        provider_options={"provider_api_keys": {"openai": SECRETS[3]}},
    )
    per_call: Any = {
        "extra_headers": {"X-Two": SECRETS[2]},
        "provider_options": {"provider_api_keys": {"openai": SECRETS[3]}},
    }
    prompt = ChatPromptTemplate.from_template("Say {word}.")
    if fails:
        # Servers echo what they were sent.
        sandbox.fail_next(status=400, message=f"bad key {sandbox.api_key}", times=3)
    for call in (
        lambda: ask(llm, "hi", traced.config, **per_call),
        lambda: ask(llm.bind(**per_call), "hi", traced.config),
        lambda: (prompt | llm.bind(**per_call)).invoke({"word": "hi"}, traced.config),
    ):
        if fails:
            with pytest.raises(ModelError):
                call()
        else:
            call()
    assert len(traced.runs()) == 3
    assert sandbox.last.headers["x-two"] == SECRETS[2]
    everything = b"".join(body for _, body in traced.collector.posted)
    for secret in (*SECRETS, sandbox.api_key):
        assert secret.encode() not in everything


def costs(run: dict[str, Any]) -> dict[str, Any]:
    """Return what LangSmith reads of a run's cost."""
    usage = run["extra"]["metadata"].get("usage_metadata", {})
    return {name: value for name, value in usage.items() if "cost" in name}


def counts(run: dict[str, Any]) -> dict[str, Any]:
    usage = run["extra"]["metadata"].get("usage_metadata", {})
    return {name: value for name, value in usage.items() if "cost" not in name}


def numbers(usage: dict[str, Any]) -> list[Any]:
    return [
        count
        for value in usage.values()
        for count in (value.values() if isinstance(value, dict) else (value,))
    ]
