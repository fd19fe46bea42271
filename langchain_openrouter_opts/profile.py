"""What a model can do, in the words of langchain-core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from langchain_core.language_models import ModelProfile

from openrouter_opts.catalog import Catalog, Model
from openrouter_opts.options.parts import Effort

_EFFORTS: Final[tuple[str, ...]] = get_args(get_args(Effort)[0])


def profile(model: str, catalog: Catalog | None = None) -> ModelProfile | None:
    """Return the profile of a model, or `None` for one that isn't in the catalogue. A key that the catalogue has no fact for is left out.

    Args:
        model: Its slug; a variant such as `:nitro` has the profile of its model.
        catalog: What is known of models; by default the facts that come with this package.
    """
    facts = Catalog.of(catalog).get(model)
    if facts is None:
        return None
    found = {**_known_of_all(facts), **_known_of_some(facts)}
    return cast("ModelProfile", {key: value for key, value in found.items() if value is not None})


def _known_of_all(facts: Model) -> dict[str, Any]:
    parameters = facts.supported_parameters
    return {
        "name": facts.name,
        "text_inputs": facts.reads("text"),
        "image_inputs": facts.reads("image"),
        "image_url_inputs": facts.reads("image"),
        "image_tool_message": facts.reads("image"),
        "audio_inputs": facts.reads("audio"),
        "video_inputs": facts.reads("video"),
        # OpenRouter parses PDFs for models that can't read them: https://openrouter.ai/docs/guides/overview/multimodal/pdfs
        "pdf_inputs": True,
        "pdf_tool_message": facts.reads("file"),
        "attachment": facts.reads("file") or facts.reads("image"),
        "text_outputs": facts.writes("text"),
        "image_outputs": facts.writes("image"),
        "audio_outputs": facts.writes("audio"),
        "video_outputs": facts.writes("video"),
        "reasoning_output": facts.reasons,
        "tool_calling": facts.calls_tools,
        "tool_call_streaming": facts.calls_tools,
        "tool_choice": "tool_choice" in parameters,
        "structured_output": facts.structured_output,
        "temperature": "temperature" in parameters,
    }


def _known_of_some(facts: Model) -> dict[str, Any]:
    """Return what the API says of some models, and the bundled facts of hardly any; `None` where nothing is known."""
    reasoning = facts.reasoning or {}
    return {
        "max_input_tokens": facts.context_length,
        "max_output_tokens": facts.max_completion_tokens,
        "release_date": facts.released,
        "reasoning_effort_levels": _efforts(reasoning),
        "reasoning_effort_default": reasoning.get("default_effort"),
        # A model that is on Hugging Face is there with its weights; of another this says nothing.
        "open_weights": True if facts.extra.get("hugging_face_id") else None,
        "status": "deprecated" if facts.extra.get("expiration_date") else None,
    }


def _efforts(reasoning: Mapping[str, Any]) -> list[str] | None:
    """Return the efforts that a model takes, the least first as langchain-core has them; OpenRouter lists the most first.

    Without an allowlist it takes every effort, and where reasoning is mandatory not `none`.
    Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
    """
    supported = reasoning.get("supported_efforts", ())
    if supported is None:
        supported = [each for each in _EFFORTS if each != "none" or not reasoning.get("mandatory")]
    if not isinstance(supported, list):
        return None
    return [each for each in reversed(supported) if each is not None]
