"""The providers that the sandbox knows: who they are, and what they do with data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves a model.

    Attributes:
        slug: the name for ``provider.order`` and its neighbours.
        name: the display name, reported in answers.
        collects: whether prompts may be kept for training (``data_collection: "deny"`` leaves it out).
        zdr: whether nothing is retained (``zdr: true`` keeps it).
        cancels: whether closing the connection stops the work, and the bill, https://openrouter.ai/docs/api_reference/streaming.
        regional: whether its slug may have a region behind it: ``google-vertex/us-east5``.
        headquarters: ISO country code.
    """

    slug: str
    name: str
    collects: bool = False
    zdr: bool = True
    cancels: bool = True
    regional: bool = False
    headquarters: str = "US"

    def wire(self) -> dict[str, Any]:
        """The row of ``GET /providers``."""
        return {
            "name": self.name,
            "slug": self.slug,
            "privacy_policy_url": f"https://{self.slug}.example/privacy",
            "terms_of_service_url": f"https://{self.slug}.example/terms",
            "status_page_url": None,
            "headquarters": self.headquarters,
            "datacenters": [self.headquarters],
        }


_KNOWN = (
    Provider("alibaba", "Alibaba", zdr=False, cancels=False, headquarters="SG"),
    Provider("amazon-bedrock", "Amazon Bedrock", cancels=False, regional=True),
    Provider("anthropic", "Anthropic", zdr=False),
    Provider("azure", "Azure", regional=True),
    Provider("cohere", "Cohere", headquarters="CA"),
    Provider("deepinfra", "DeepInfra"),
    Provider("deepseek", "DeepSeek", collects=True, zdr=False, headquarters="CN"),
    Provider("fireworks", "Fireworks"),
    Provider("google-ai-studio", "Google AI Studio", zdr=False, cancels=False),
    Provider("google-vertex", "Google", cancels=False, regional=True),
    Provider("groq", "Groq", cancels=False),
    Provider("mistral", "Mistral", zdr=False, cancels=False, headquarters="FR"),
    Provider("moonshotai", "Moonshot AI", collects=True, zdr=False, headquarters="CN"),
    Provider("novita", "Novita", zdr=False),
    Provider("openai", "OpenAI", zdr=False),
    Provider("openinference", "OpenInference", collects=True, zdr=False),
    Provider("together", "Together"),
    Provider("xai", "xAI", zdr=False),
    Provider("z-ai", "Z.AI", collects=True, zdr=False, headquarters="SG"),
)
PROVIDERS = {provider.slug: provider for provider in _KNOWN}

_AUTHORS = {
    "meta-llama": "together",
    "google": "google-vertex",
    "mistralai": "mistral",
    "qwen": "alibaba",
    "x-ai": "xai",
}


def provider_of(author: str) -> Provider:
    """Who serves the models of ``author`` where no endpoint is listed: its house, or one named after it."""
    slug = _AUTHORS.get(author, author)
    return PROVIDERS.get(slug) or Provider(slug, author.replace("-", " ").title(), zdr=False)
