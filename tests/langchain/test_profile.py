"""`profile`: what a model can do, in LangChain's words, by the facts of the catalogue and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.language_models import ModelProfile

from langchain_openrouter_opts import ChatOpenRouter
from openrouter_opts import Catalog
from openrouter_opts.sandbox import Sandbox

Made = Callable[..., ChatOpenRouter]
GEMINI = "google/gemini-2.5-flash"
ROW: dict[str, Any] = {
    "id": "acme/thinker",
    "name": "Acme: Thinker",
    "created": 1_780_000_000,
    "context_length": 200_000,
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "top_provider": {"max_completion_tokens": 50_000},
    "supported_parameters": ["reasoning", "tools", "tool_choice", "temperature"],
}


def profile_of(row: dict[str, Any], model: str = "acme/thinker") -> ModelProfile:
    profile = ChatOpenRouter(model=model, catalog=Catalog.from_wire([row])).profile
    assert profile is not None
    return profile


def test_the_profile_has_a_key_for_each_fact_of_the_catalogue() -> None:
    assert profile_of(ROW) == {
        "name": "Acme: Thinker",
        "release_date": "2026-05-28",
        "max_input_tokens": 200_000,
        "max_output_tokens": 50_000,
        "text_inputs": True,
        "image_inputs": True,
        "image_url_inputs": True,
        "image_tool_message": True,
        "audio_inputs": False,
        "video_inputs": False,
        "pdf_inputs": True,  # OpenRouter parses them
        "pdf_tool_message": False,
        "attachment": True,
        "text_outputs": True,
        "image_outputs": False,
        "audio_outputs": False,
        "video_outputs": False,
        "reasoning_output": True,
        "tool_calling": True,
        "tool_call_streaming": True,
        "tool_choice": True,
        "structured_output": False,
        "temperature": True,
    }


ALL = ["minimal", "low", "medium", "high", "xhigh", "max"]


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (
            {
                "reasoning": {
                    "mandatory": False,
                    "supported_efforts": ["high", "low"],
                    "default_effort": "high",
                }
            },
            {"reasoning_effort_levels": ["low", "high"], "reasoning_effort_default": "high"},
        ),
        (
            {"reasoning": {"mandatory": False, "supported_efforts": ["high", None]}},
            {"reasoning_effort_levels": ["high"]},
        ),
        (
            {"reasoning": {"mandatory": False, "supported_efforts": None}},
            {"reasoning_effort_levels": ["none", *ALL]},
        ),
        ({"reasoning": {"mandatory": True, "supported_efforts": None}}, {"reasoning_effort_levels": ALL}),
        ({"reasoning": {"mandatory": True, "default_effort": None}}, {}),
        ({"reasoning": {"mandatory": False, "supported_efforts": "newer"}}, {}),
        ({"hugging_face_id": "acme/thinker"}, {"open_weights": True}),
        # Weights may be elsewhere.
        ({"hugging_face_id": ""}, {}),
        ({"hugging_face_id": None}, {}),
        ({"expiration_date": "2027-01-31"}, {"status": "deprecated"}),
        ({"expiration_date": None}, {}),
    ],
    ids=str,
)
def test_what_only_some_models_say_is_there_for_those(said: dict[str, Any], known: dict[str, Any]) -> None:
    plain, profile = profile_of(ROW), profile_of({**ROW, **said})
    assert {key: value for key, value in profile.items() if plain.get(key) != value} == known
    assert plain.keys() <= profile.keys()


@pytest.mark.filterwarnings("ignore:the suffix")
@pytest.mark.parametrize(
    "variant", ["", ":nitro", ":floor", ":exacto", ":online", "@preset/mine", ":nitro@preset/mine"]
)
def test_a_variant_has_the_profile_of_its_model(make_llm: Made, variant: str) -> None:
    profile = make_llm(f"{GEMINI}{variant}").profile
    assert profile == make_llm(GEMINI).profile
    assert profile is not None
    assert profile["max_input_tokens"] > 1_000_000
    assert all(profile[key] for key in ("image_inputs", "audio_inputs", "tool_calling", "structured_output"))


@pytest.mark.parametrize("slug", ["someone/unheard-of", "openrouter/auto", "@preset/mine"])
def test_nothing_is_guessed_of_what_is_in_no_catalogue(make_llm: Made, sandbox: Sandbox, slug: str) -> None:
    llm = make_llm(slug)
    assert llm.profile is llm._resolve_model_profile() is None
    with pytest.raises(ValueError, match="profile"):
        SummarizationMiddleware(llm, trigger=("fraction", 0.5))
    assert not sandbox.requests


def test_a_profile_that_is_given_is_taken_as_it_is(make_llm: Made) -> None:
    given = ModelProfile(max_input_tokens=5)
    assert make_llm(profile=given).profile == given
    assert make_llm("someone/unheard-of", profile=given).profile == given


def test_the_profile_follows_the_model_of_a_copy(make_llm: Made) -> None:
    llm = make_llm("openai/gpt-4o-mini")
    copied = llm.model_copy(update={"model_name": GEMINI})
    assert copied.profile == make_llm(GEMINI).profile
    assert llm.profile == make_llm("openai/gpt-4o-mini").profile
    given = ModelProfile(max_input_tokens=5)
    assert make_llm(profile=given).model_copy(update={"model_name": GEMINI}).profile == given
    assert llm.model_copy(update={"model_name": GEMINI, "profile": given}).profile == given


def test_the_profile_follows_the_model_that_is_assigned(make_llm: Made) -> None:
    llm = make_llm("openai/gpt-4o-mini")
    llm.model_name = GEMINI
    assert llm.profile == make_llm(GEMINI).profile
    llm.catalog = Catalog.from_wire([])
    assert llm.profile is None
    given = ModelProfile(max_input_tokens=7)
    named = make_llm(profile=given)
    named.model_name = GEMINI
    assert named.profile == given


def test_agents_read_the_profile_of_a_catalogue_of_ones_own(make_llm: Made, sandbox: Sandbox) -> None:
    structured = {**ROW, "id": GEMINI, "supported_parameters": ["tools", "structured_outputs"]}
    for row, native in ((structured, True), ({**ROW, "id": GEMINI}, False)):
        llm = make_llm(GEMINI, catalog=Catalog.from_wire([row]))
        schema = {
            "title": "Answer",
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }
        agent: Any = create_agent(llm, [], response_format=schema)
        agent.invoke({"messages": [("user", "Name a city.")]})
        assert ("response_format" in sandbox.last.body) is native
