"""OpenRouter inside LlamaIndex."""

from __future__ import annotations

from llama_index.core.llms.loading import RECOGNIZED_LLMS

from llamaindex_openrouter_opts.errors import InvalidOutput
from llamaindex_openrouter_opts.llm import OpenRouter

__all__ = ["InvalidOutput", "OpenRouter"]

# So that `load_llm` gives back what `to_dict` wrote.
RECOGNIZED_LLMS[OpenRouter.class_name()] = OpenRouter
