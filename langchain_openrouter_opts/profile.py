"""What a model can do, in the words of langchain-core."""

from __future__ import annotations

from langchain_core.language_models import ModelProfile

from openrouter_opts.catalog import Catalog


def profile(model: str) -> ModelProfile:
    """Return the profile of a model, from the bundled catalogue; of one that isn't there, what is assumed of any model."""
    facts = Catalog.bundled().facts(model)
    parameters = facts.supported_parameters
    found = ModelProfile(
        name=facts.name,
        text_inputs=facts.reads("text"),
        image_inputs=facts.reads("image"),
        image_url_inputs=facts.reads("image"),
        image_tool_message=facts.reads("image"),
        audio_inputs=facts.reads("audio"),
        video_inputs=facts.reads("video"),
        # OpenRouter parses PDFs for models that can't read them: https://openrouter.ai/docs/guides/overview/multimodal/pdfs
        pdf_inputs=True,
        pdf_tool_message=facts.reads("file"),
        attachment=facts.reads("file") or facts.reads("image"),
        text_outputs=facts.writes("text"),
        image_outputs=facts.writes("image"),
        audio_outputs=facts.writes("audio"),
        video_outputs=facts.writes("video"),
        reasoning_output=facts.reasons,
        tool_calling=facts.calls_tools,
        tool_call_streaming=facts.calls_tools,
        tool_choice="tool_choice" in parameters,
        structured_output=facts.structured_output,
        temperature="temperature" in parameters,
    )
    if facts.context_length is not None:
        found["max_input_tokens"] = facts.context_length
    if facts.max_completion_tokens is not None:
        found["max_output_tokens"] = facts.max_completion_tokens
    if facts.released is not None:
        found["release_date"] = facts.released
    return found
