"""The pages of OpenRouter's documentation that options come from."""

from __future__ import annotations

from typing import Final

DOCS: Final = "https://openrouter.ai/docs/"
PARAMETERS: Final = f"{DOCS}api_reference/parameters"
REFERENCE: Final = f"{DOCS}api_reference/chat/send-chat-completion-request"
ROUTING: Final = f"{DOCS}guides/routing/provider-selection"
REASONING: Final = f"{DOCS}guides/best-practices/reasoning-tokens"
CACHING: Final = f"{DOCS}guides/best-practices/prompt-caching"
ATTRIBUTION: Final = f"{DOCS}app-attribution"
RESPONSE_CACHE: Final = f"{DOCS}guides/features/response-caching"
