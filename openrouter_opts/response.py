"""What is kept of a response: which headers, and how an error shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

USEFUL_HEADERS = frozenset(
    {
        "cf-ray",
        "content-type",
        "date",
        "request-id",
        "retry-after",
        "x-generation-id",
        "x-openrouter-cache-age",
        "x-openrouter-cache-source-id",
        "x-openrouter-cache-status",
        "x-openrouter-cache-ttl",
        "x-provider-name",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
    }
)


@dataclass(frozen=True, slots=True)
class ResponseView:
    """What an error keeps of the response: the status, the useful headers, and the body with any key struck out.

    It has the names of an HTTP response, since langchain-core copies `error.response` into traces.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def json(self) -> Any:
        """Parse the body; raises `ValueError` when it is no JSON."""
        return json.loads(self.text)
