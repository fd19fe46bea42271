"""What the sandbox was told to do wrong, and to say, next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from openrouter_opts.sandbox.refusal import Refusal
from openrouter_opts.sandbox.routing.endpoints import Endpoint

_PROVIDER_ERROR: Final = "Provider returned error"

_MESSAGES: Final = {
    400: "Bad request",
    401: "User not found.",
    402: "Insufficient credits",
    403: "Forbidden",
    404: "Not found",
    408: "Request timed out",
    413: "Payload too large",
    422: "Unprocessable",
    429: _PROVIDER_ERROR,
    500: "Internal Server Error",
    502: _PROVIDER_ERROR,
    503: "No provider is available that meets your routing requirements",
    504: "Gateway timeout",
    524: "A timeout occurred",
    529: "Provider overloaded",
}
_RAW: Final = {429: "The model is temporarily rate-limited upstream. Please retry shortly."}


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that comes instead of the real one.

    Attributes:
        body: sent as it is: a mapping as JSON, text and bytes verbatim; None for the usual envelope.
        path: the only path that fails, or None for any.
    """

    status: int
    body: Any = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str | None = None
    error_type: str | None = None

    def refusal(self) -> Refusal:
        """The usual envelope of this status."""
        message = self.message or _MESSAGES.get(self.status, f"Error {self.status}")
        metadata = {"provider_name": "Sandbox", "raw": _RAW.get(self.status, message)}
        of_provider = message == _PROVIDER_ERROR
        return Refusal(self.status, message, metadata if of_provider else {}, self.error_type, self.headers)


@dataclass(frozen=True, slots=True)
class Break:
    """An error in the middle of an answer."""

    deltas: int
    code: int | str
    message: str
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Mischief:
    """What goes wrong with the transport of one chat call; times are in seconds.

    Attributes:
        broken: an error after so many deltas.
        cut_after: the connection is dropped after so many deltas; 0: before the headers.
        first_byte: silence before the first byte.
        between: silence between two deltas.
        comment_every: comments while waiting, each so many seconds; then headers and comments come before `first_byte`.
    """

    broken: Break | None = None
    cut_after: int | None = None
    first_byte: float = 0.0
    between: float = 0.0
    comment_every: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What the model says, whatever it is asked."""

    message: Mapping[str, Any]
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None


class Faults:
    """What is to go wrong; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Behave."""
        with self._lock:
            self._failures: deque[Failure] = deque()
            self._scripts: deque[Script] = deque()
            self._mischief = Mischief()
            self._down: set[str] = set()

    def fail(self, failure: Failure, times: int) -> None:
        """Answer the next requests with a failure."""
        with self._lock:
            self._failures.extend([failure] * times)

    def break_next(self, broken: Break) -> None:
        """Break the next chat call off with an error."""
        with self._lock:
            self._mischief = replace(self._mischief, broken=broken)

    def cut_next(self, deltas: int) -> None:
        """Drop the connection of the next chat call."""
        with self._lock:
            self._mischief = replace(self._mischief, cut_after=deltas)

    def delay_next(self, first_byte: float, between: float, comment_every: float | None) -> None:
        """Slow the next chat call down."""
        with self._lock:
            self._mischief = replace(
                self._mischief, first_byte=first_byte, between=between, comment_every=comment_every
            )

    def say_next(self, script: Script) -> None:
        """Let the next chat call answer so."""
        with self._lock:
            self._scripts.append(script)

    def take_down(self, name: str) -> None:
        """Make a model or a provider fail."""
        with self._lock:
            self._down.add(name)

    def bring_up(self, name: str) -> None:
        """Let it work again."""
        with self._lock:
            self._down.discard(name)

    def failure(self, path: str) -> Failure | None:
        """The failure that this request gets, if there is one; it is used up."""
        with self._lock:
            found = next((each for each in self._failures if each.path in (None, path)), None)
            if found is not None:
                self._failures.remove(found)
            return found

    def mischief(self) -> Mischief:
        """What this chat call suffers; it is used up."""
        with self._lock:
            taken, self._mischief = self._mischief, Mischief()
            return taken

    def script(self) -> Script | None:
        """What this chat call says, if it is written down; it is used up."""
        with self._lock:
            return self._scripts.popleft() if self._scripts else None

    def is_down(self, endpoint: Endpoint) -> bool:
        """Whether this endpoint fails."""
        with self._lock:
            return not self._down.isdisjoint({endpoint.model, endpoint.tag, endpoint.provider.slug})
