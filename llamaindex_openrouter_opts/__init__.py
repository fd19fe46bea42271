"""OpenRouter inside LlamaIndex."""

from __future__ import annotations

from llama_index.core.embeddings.loading import RECOGNIZED_EMBEDDINGS
from llama_index.core.llms.loading import RECOGNIZED_LLMS

from llamaindex_openrouter_opts.callbacks import OpenRouterCostHandler
from llamaindex_openrouter_opts.embeddings import OpenRouterEmbedding
from llamaindex_openrouter_opts.errors import InvalidOutput, Refused, Truncated
from llamaindex_openrouter_opts.llm import OpenRouter

__all__ = [
    "InvalidOutput",
    "OpenRouter",
    "OpenRouterCostHandler",
    "OpenRouterEmbedding",
    "Refused",
    "Truncated",
]

# So that `load_llm` and `load_embed_model` give back what `to_dict` wrote.
RECOGNIZED_EMBEDDINGS[OpenRouterEmbedding.class_name()] = OpenRouterEmbedding
RECOGNIZED_LLMS[OpenRouter.class_name()] = OpenRouter
