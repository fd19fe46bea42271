"""Why a request isn't served: a status and OpenRouter's error envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

USER_ID: Final = "user_sandbox"

ERROR_TYPES: Final = {
    400: "invalid_request",
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    412: "precondition_failed",
    413: "payload_too_large",
    422: "unprocessable",
    429: "rate_limit_exceeded",
    500: "server",
    502: "provider_unavailable",
    503: "provider_overloaded",
    504: "timeout",
    524: "timeout",
    529: "provider_overloaded",
}
"""The canonical type of each status, https://openrouter.ai/docs/api_reference/errors-and-debugging."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error.

    Attributes:
        status: the HTTP status, which is the error's ``code`` too.
        message: what is wrong and what to do.
        metadata: what ``error.metadata`` has beside `error_type`.
        error_type: None for the one that belongs to the status.
        headers: response headers, such as ``Retry-After``.
        router: `openrouter_metadata`, if it was asked for.
    """

    status: int
    message: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    router: Mapping[str, Any] | None = None

    def error(self) -> dict[str, Any]:
        """The object below ``error``."""
        error_type = self.error_type or ERROR_TYPES.get(self.status)
        metadata = ({"error_type": error_type} if error_type else {}) | dict(self.metadata)
        return {"message": self.message, "code": self.status, "metadata": metadata}

    def body(self) -> dict[str, Any]:
        """The whole envelope; who isn't known has no `user_id`."""
        envelope: dict[str, Any] = {"error": self.error()}
        if self.status != 401:
            envelope["user_id"] = USER_ID
        if self.router is not None:
            envelope["openrouter_metadata"] = dict(self.router)
        return envelope
