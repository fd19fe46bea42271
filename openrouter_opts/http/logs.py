"""The log of a call's attempts, at DEBUG: method, path, what came of it, when, and its ids. Never a key, a query, or what was said."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic
from typing import Final

from openrouter_opts.protocol.failure import request_id
from openrouter_opts.protocol.request import Request

LOGGER: Final = logging.getLogger("openrouter_opts")


class Attempts:
    """The attempts of one call."""

    def __init__(self) -> None:
        self._number = 0
        self._began = 0.0
        self._request: Request | None = None
        self._ids: tuple[str | None, str | None] = None, None

    def begins(self, request: Request) -> None:
        """Note an attempt that begins; nothing more of it is noted unless somebody listens."""
        self._number += 1
        self._request = request if LOGGER.isEnabledFor(logging.DEBUG) else None
        self._began = monotonic()
        self._ids = None, None

    def has_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Log the head of a response."""
        if self._request is not None:
            self._ids = headers.get("x-generation-id"), request_id(headers)
            self._log(f"status {status}")

    def ends(self, result: object) -> None:
        """Log what came of an attempt: the kind of the answer, or of the error, whose message may hold what a server said."""
        if self._request is not None:
            self._log(type(result).__name__)

    def _log(self, what: str) -> None:
        assert self._request is not None
        path = self._request.path.partition("?")[0]
        seconds = monotonic() - self._began
        LOGGER.debug(
            "%s %s, attempt %d: %s after %.3f s, generation %s, request %s",
            *(self._request.method, path, self._number, what, seconds, *self._ids),
        )
