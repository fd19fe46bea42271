"""`metadata`: what LlamaIndex plans with. It comes from the catalogue, can be said, and never asks the network."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core import PromptTemplate, Settings
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.callbacks import TokenCountingHandler
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.memory import ChatMemoryBuffer

from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import Catalog
from openrouter_opts.catalog import Model


def test_metadata_are_those_of_the_model() -> None:
    metadata = OpenRouter("anthropic/claude-sonnet-4.6").metadata

    assert metadata.context_window == 1_000_000
    assert metadata.is_function_calling_model
    assert metadata.is_chat_model
    assert metadata.model_name == "anthropic/claude-sonnet-4.6"


def test_what_is_left_for_the_answer_does_not_eat_the_window() -> None:
    assert OpenRouter("anthropic/claude-sonnet-4.6").metadata.num_output == 256
    assert OpenRouter("anthropic/claude-sonnet-4.6", max_tokens=2000).metadata.num_output == 2000
    assert OpenRouter("anthropic/claude-sonnet-4.6", max_tokens=2000, num_output=9).metadata.num_output == 9


@pytest.mark.parametrize(
    "given",
    [
        {"max_completion_tokens": 700},
        {"provider_options": {"openrouter_max_tokens": 700}},
        {"additional_kwargs": {"max_tokens": 700}},
        {"additional_kwargs": {"extra_body": {"max_tokens": 700}}},
        {"extra_body": {"max_tokens": 700}},
    ],
    ids=str,
)
def test_room_is_left_for_as_many_tokens_as_are_asked_for_in_any_spelling(given: dict[str, Any]) -> None:
    assert OpenRouter("anthropic/claude-sonnet-4.6", **given).metadata.num_output == 700


def test_a_limit_that_is_no_number_leaves_the_metadata_readable() -> None:
    assert OpenRouter("m/x", extra_body={"max_tokens": "many"}).metadata.num_output == 256


def test_metadata_of_an_unknown_model_are_sensible_and_can_be_said() -> None:
    assumed = OpenRouter("some/unknown-model").metadata
    said = OpenRouter("some/unknown-model", context_window=9_000, is_function_calling_model=False).metadata

    assert assumed.context_window == 128_000
    assert assumed.is_function_calling_model
    assert said.context_window == 9_000
    assert not said.is_function_calling_model


def test_metadata_follow_the_catalogue_that_is_given() -> None:
    catalog = Catalog(
        [Model("acme/own", "Own", context_length=5_000, supported_parameters=frozenset({"tools"}))]
    )
    metadata = OpenRouter("acme/own", catalog=catalog).metadata
    assert (metadata.context_window, metadata.is_function_calling_model) == (5_000, True)


@pytest.mark.parametrize(
    ("model", "window", "calls_tools"),
    [
        ("openai/gpt-5-mini", 400_000, True),
        ("openai/gpt-5-mini:nitro", 400_000, True),
        ("openai/gpt-5-mini@preset/careful", 400_000, True),
        ("meta-llama/llama-3.2-1b-instruct", 60_000, False),
    ],
)
def test_variants_and_presets_have_the_window_of_their_model(
    model: str, window: int, calls_tools: bool
) -> None:
    metadata = OpenRouter(model).metadata

    assert (metadata.context_window, metadata.is_function_calling_model) == (window, calls_tools)
    assert metadata.model_name == model


def test_assigning_another_model_brings_its_metadata() -> None:
    llm = OpenRouter("openai/gpt-5-mini")
    llm.model = "meta-llama/llama-3.2-1b-instruct"

    assert llm.metadata.context_window == 60_000
    assert not llm.metadata.is_function_calling_model


def test_a_chunk_of_text_may_have_nearly_the_whole_window() -> None:
    metadata = OpenRouter("anthropic/claude-sonnet-4.6").metadata
    helper = PromptHelper.from_llm_metadata(metadata)

    chunk = helper._get_available_chunk_size(PromptTemplate("{context_str}"))

    assert chunk > 0.99 * metadata.context_window


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("model", "most"),
    [("deepseek/deepseek-r1", 163_840), ("openai/gpt-4o", 128_000), ("gryphe/mythomax-l2-13b", 8_192)],
)
def test_a_prompt_has_room_even_if_an_answer_may_have_the_whole_window(
    name: str, model: str, most: int
) -> None:
    llm = OpenRouter(model, check="off", **{name: most})
    metadata = llm.metadata
    helper = PromptHelper.from_llm_metadata(metadata)

    assert helper.repack(PromptTemplate("Sum this up: {context_str}"), ["A text."], llm=llm) == ["A text."]

    assert metadata.num_output == min(most, metadata.context_window * 3 // 4)
    assert llm.own_options().body == {name: most}
    assert OpenRouter(model, num_output=most, max_tokens=most).metadata.num_output == most


def test_an_agent_of_tools_is_what_the_model_can_do() -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    def kind(llm: OpenRouter) -> type:
        (agent,) = AgentWorkflow.from_tools_or_functions([add], llm=llm).agents.values()
        return type(agent)

    assert kind(OpenRouter("openai/gpt-5-mini")) is FunctionAgent
    assert kind(OpenRouter("meta-llama/llama-3.2-1b-instruct")) is ReActAgent
    assert (
        kind(OpenRouter("meta-llama/llama-3.2-1b-instruct", is_function_calling_model=True)) is FunctionAgent
    )


@pytest.mark.usefixtures("socket_disabled")
def test_nothing_asks_the_network_before_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", None)
    llm = OpenRouter("some/unknown-model", api_key="sk-or-x", check="error")
    Settings.llm = llm

    assert llm.metadata.context_window
    assert json.dumps(llm.to_payload())
    assert OpenRouter.from_dict(llm.to_dict()).metadata == llm.metadata
    assert TokenCountingHandler().total_llm_token_count == 0
    assert ChatMemoryBuffer.from_defaults(llm=llm).token_limit == 128_000 * 0.75
    assert FunctionAgent(tools=[]).llm is llm
