"""The whole life of one request as one pure generator: it says what to do next, and a driver does it.

Everything that is decided is decided here and in `reading`: when to try again, whether an answer is whole, which timeout was missed.
A driver (`openrouter_opts.http.drive`) performs the steps, and sends back what came of each.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from openrouter_opts.errors import (
    AuthenticationError,
    ConfigurationError,
    Empty,
    OpenRouterError,
    SpendLimitExceeded,
    TimedOut,
)
from openrouter_opts.http.reading import Reader, usage_in, with_facts
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.steps import Flow, Head, Patience, Sleep, Step
from openrouter_opts.protocol import failure
from openrouter_opts.protocol.request import Request

MAX_ERROR_BYTES: Final = 64 * 1024


def exchange(request: Request, read: Reader, retry: Retry, patience: Patience) -> Flow:
    """Send a request until it is answered or not worth another attempt.

    Yields steps to perform, and items for the caller: deltas, then the completion. Raises `OpenRouterError`; where there is no money
    or time left for another attempt, the error of the one before.
    """
    attempt = 0
    before: OpenRouterError | None = None
    was_empty = False
    if request.is_unwritten:
        request = yield from patience.write(request)
    while True:
        attempt += 1
        try:
            head = yield from patience.open(request)
            if head.status != 200:
                raise (yield from _refusal(head, patience, request, before))
            yield from read(head, attempt, patience)
        except OpenRouterError as error:
            if before is not None and not error.attempts and isinstance(error, SpendLimitExceeded | TimedOut):
                before.add_note(f"It was not tried again: {error}")
                error, before = before, None
                raise error from None
            before, error.attempts = error, attempt if error.attempts else attempt - 1
            delay = retry.delay(error, attempt, patience.left(), was_empty=was_empty)
            was_empty = was_empty or isinstance(error, Empty)
            if delay is None:
                # Kept here, it would be kept by its own traceback, until the collector comes.
                before = None
                raise
            yield error
            yield Sleep(delay)
        else:
            return


def _refusal(
    head: Head, patience: Patience, request: Request, before: OpenRouterError | None
) -> Generator[Step, Any, OpenRouterError]:
    if 300 <= head.status < 400:
        target = _address(head.headers.get("location", ""))
        message = f"base_url: the server answers {head.status} and points to {target!r}; use that address if you trust it"
        error = with_facts(ConfigurationError(message, status=head.status, attempts=1), head)
        # Whoever points elsewhere is not OpenRouter, and has done nothing.
        error.delivered = "no"
        return error
    body = yield from _read_beginning(patience, MAX_ERROR_BYTES)
    if head.status < 300:
        message = f"the server answered {head.status}, which holds no answer"
        return with_facts(failure.with_advice(Empty, message, status=head.status), head)
    error = failure.from_status(head.status, head.headers, body, sent=len(request.body or b""))
    error.usage = usage_in(body, head)
    if head.rekeyed and not isinstance(before, AuthenticationError):
        # Keys that rotate: between the request and its refusal there came another one. Once, lest it go round and round.
        error.retryable = True
    return error


def _address(location: str) -> str:
    """Return where a redirect leads, without what may be secret: user, password, query."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "nowhere"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) or "nowhere"


def _read_beginning(patience: Patience, limit: int) -> Generator[Step, Any, bytes]:
    """Read as much of an error's body as comes: its status says enough, even if the body breaks off."""
    body = b""
    try:
        # It comes whole, so it has as long as an answer has to begin, however it trickles.
        while len(body) < limit and (piece := (yield from patience.begin())):
            body += piece
    except OpenRouterError:
        return body
    return body
