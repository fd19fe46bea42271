"""Everything that can go wrong, as one tree by cause.

::

    OpenRouterError
    ├─ ConfigurationError (ValueError)   wrong before it is sent: key, option, a value JSON has no word for; a redirected base URL
    ├─ SpendLimitExceeded                might cost more than a limit leaves; not sent
    ├─ ConnectionFailed (ConnectionError)   not delivered: DNS, refused, proxy
    │  ├─ CertificateError
    │  └─ ConnectTimedOut                a TimedOut as well, with phase connect
    ├─ ConnectionLost (ConnectionError)   broke after the request had begun to leave
    ├─ TimedOut (TimeoutError)           phase: connect, first_byte, idle, progress, total, server
    ├─ APIError                          OpenRouter or a provider said no
    │  ├─ BadRequest                     400, 409, 412, 422
    │  │  └─ ContextLengthExceeded
    │  ├─ AuthenticationError            401
    │  ├─ InsufficientCredits            402
    │  ├─ Forbidden                      403
    │  │  ├─ Refused                     the model, or its provider's policy, would not answer
    │  │  │  └─ Moderated                with reasons
    │  │  └─ GuardrailBlocked            with patterns
    │  ├─ NotFound                       404
    │  ├─ PayloadTooLarge                413
    │  ├─ RateLimited                    429
    │  └─ ServerError                    5xx
    │     ├─ ProviderFailed              502
    │     ├─ NoProvider                  503
    │     ├─ Overloaded                  529
    │     └─ EdgeTimeout                 504, 520-524: the answer may have been generated
    └─ BadResponse                       a 200 that is no answer
       ├─ Malformed                      HTML, broken JSON, too large
       ├─ Empty                          no choice, or a choice with nothing in it
       └─ Interrupted                    the stream ended before a finish reason or `[DONE]`

A cause has one class wherever it shows: in the status line, in a body with status 200, in a chunk of a stream. What was already
paid for stays on the error: `partial`, `usage`, `generation_id`. Errors hold plain values only, pickle, and never hold the key.
Source of the codes: https://openrouter.ai/docs/api_reference/errors-and-debugging
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any, Literal

from openrouter_opts.money.cost import EXACT
from openrouter_opts.protocol.completion import Completion, Usage
from openrouter_opts.response import ResponseView

Delivered = Literal["no", "maybe", "yes"]
Phase = Literal["connect", "first_byte", "idle", "progress", "total", "server"]

_NOTHING = Decimal(0)


class InsecureTransportWarning(UserWarning):
    """The key and the messages go over a connection that is not encrypted."""


class OpenRouterError(Exception):
    """The root of the tree. `str(error)` says what happened, where, and what to do."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_type: str | None = None,
        provider: str | None = None,
        provider_code: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        availability: Mapping[str, Any] | None = None,
        generation_id: str | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        delivered: Delivered = "no",
        retry_after: float | None = None,
        retryable: bool | None = None,
        partial: Completion | None = None,
        usage: Usage | None = None,
        response: ResponseView | None = None,
        openrouter_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """The HTTP status, or the code inside a 200; `None` when there was no answer."""
        self.error_type = error_type
        """OpenRouter's canonical type, such as `rate_limit_exceeded`."""
        self.provider = provider
        self.provider_code = provider_code
        self.metadata = metadata or {}
        """`error.metadata` as it came."""
        self.availability = availability or {}
        """`error.availability` as it came: why a model is out of reach, and which ones are not."""
        self.generation_id = generation_id
        self.request_id = request_id
        self.attempts = attempts
        """How many requests were sent, or couldn't be for want of a connection; 0 where it didn't come to one."""
        self.delivered: Delivered = delivered
        """Whether the last request reached OpenRouter, `"no"`, `"maybe"` or `"yes"`: what was delivered may have been billed."""
        self.retry_after = retry_after
        """Seconds the server asked to wait."""
        self.retryable = retryable
        """Whether the server said that another attempt may go well; `None` when it did not say."""
        self.partial = partial
        """What had been received of the answer."""
        self.usage = usage
        self.response = response
        self.openrouter_metadata = openrouter_metadata or {}
        """What OpenRouter says of its routing and its guardrails, beside the error: `openrouter_metadata`, as it came."""

    @property
    def status_code(self) -> int | None:
        """The same as `status`, under the name that LlamaIndex and others look for."""
        return self.status

    @property
    def code(self) -> int | None:
        """The same as `status`, under the name that it has in OpenRouter's error object."""
        return self.status

    def __str__(self) -> str:
        facts = [
            f"status {self.status}" if self.status else None,
            self.error_type,
            f"provider {self.provider}" if self.provider else None,
            f"generation {self.generation_id}" if self.generation_id else None,
            f"after {self.attempts} attempts" if self.attempts > 1 else None,
            f"asks to wait {self.retry_after:g} s" if self.retry_after else None,
        ]
        known = ", ".join(fact for fact in facts if fact)
        return f"{self.message} ({known})" if known else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # The class takes keyword arguments, which BaseException's own reduction forgets.
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(cls: type[OpenRouterError], message: str, state: dict[str, Any]) -> OpenRouterError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


class ConfigurationError(OpenRouterError, ValueError):
    """Wrong before anything was sent: the message names what, where (a path), and the remedy."""

    def __init__(self, message: str, *, attempts: int = 0, **facts: Any) -> None:
        super().__init__(message, attempts=attempts, **facts)


class SpendLimitExceeded(OpenRouterError):
    """The request might cost more than a spend limit leaves, so it wasn't sent. All amounts are in USD.

    Attributes:
        limit: The limit.
        spent: What was billed.
        reserved: What running requests may cost at worst.
        pending: What requests may have cost that ended without anybody saying it.
        worst_case: What this request may cost at worst; `None` where nobody knows its price.
    """

    def __init__(
        self,
        message: str,
        *,
        limit: Decimal = _NOTHING,
        spent: Decimal = _NOTHING,
        reserved: Decimal = _NOTHING,
        pending: Decimal = _NOTHING,
        worst_case: Decimal | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, retryable=False, **{"attempts": 0, **facts})
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.pending = pending
        self.worst_case = worst_case

    @property
    def remaining(self) -> Decimal:
        """What the limit leaves, never below 0."""
        with localcontext(EXACT):
            return max(self.limit - self.spent - self.reserved - self.pending, _NOTHING)


class ConnectionFailed(OpenRouterError, ConnectionError):
    """No connection came about; nothing was delivered."""


class CertificateError(ConnectionFailed):
    """The server's certificate is not trusted here. Never tried again."""


class ConnectionLost(OpenRouterError, ConnectionError):
    """The connection broke after the request had begun to leave; it may have been delivered, and billed."""


class TimedOut(OpenRouterError, TimeoutError):
    """Waiting took longer than the timeout of its `phase`."""

    def __init__(self, message: str, *, phase: Phase = "first_byte", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.phase: Phase = phase


class ConnectTimedOut(ConnectionFailed, TimedOut):
    """No connection came about in time, its encryption included; nothing was delivered."""

    def __init__(self, message: str, *, phase: Phase = "connect", **facts: Any) -> None:
        super().__init__(message, phase=phase, **facts)


class APIError(OpenRouterError):
    """OpenRouter, or the provider behind it, answered with an error."""

    @property
    def fallback_models(self) -> tuple[str, ...]:
        """Models that are available instead, if OpenRouter names any."""
        return _texts(self.availability.get("fallback_models"))

    @property
    def previous_errors(self) -> tuple[Mapping[str, Any], ...]:
        """What OpenRouter tried before: `provider`, `code` and `status` of each attempt."""
        tried = self.metadata.get("previous_errors")
        return tuple(each for each in tried if isinstance(each, Mapping)) if isinstance(tried, list) else ()


class BadRequest(APIError):
    """The request is wrong: 400, 409, 412, 422."""


class ContextLengthExceeded(BadRequest):
    """The prompt, or the prompt with its `max_tokens`, is longer than the context window."""


class AuthenticationError(APIError):
    """The key is missing, wrong or disabled: 401."""


class InsufficientCredits(APIError):
    """Out of credits or over the key's limit: 402."""

    @property
    def limit_source(self) -> str | None:
        """What is used up: `openrouter_credits`, `openrouter_key_limit`, or for the moment `openrouter_in_flight_budget`."""
        return self.metadata.get("limit_source")


class Forbidden(APIError):
    """Not allowed for this key: 403."""


class Refused(Forbidden):
    """The model would not answer, or its provider's policy forbade it."""


class Moderated(Refused):
    """Moderation flagged the input."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was flagged."""
        return _texts(self.metadata.get("reasons"))

    @property
    def flagged_input(self) -> str | None:
        """The beginning and the end of what was flagged."""
        return self.metadata.get("flagged_input")

    @property
    def model(self) -> str | None:
        """For which model it was flagged."""
        return self.metadata.get("model_slug")


class GuardrailBlocked(Forbidden):
    """A guardrail of the account blocked the request."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns that matched."""
        return _texts(self.metadata.get("patterns"))


class NotFound(APIError):
    """No such model, or no endpoint left after the preferences: 404."""


class PayloadTooLarge(APIError):
    """The body is too big: 413."""


class RateLimited(APIError):
    """Too many requests, for OpenRouter or for every provider it tried: 429.

    OpenRouter's own limits say how far they reach; those of providers don't.
    """

    @property
    def limit(self) -> int | None:
        """How many requests are allowed (`X-RateLimit-Limit`)."""
        return self._told("limit")

    @property
    def remaining(self) -> int | None:
        """How many are left (`X-RateLimit-Remaining`)."""
        return self._told("remaining")

    @property
    def reset_at(self) -> datetime | None:
        """When the limit begins anew, in UTC (`X-RateLimit-Reset`, in milliseconds since 1970)."""
        milliseconds = self._told("reset")
        try:
            return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    def _told(self, name: str) -> int | None:
        value = (self.response.headers if self.response else {}).get(f"x-ratelimit-{name}", "")
        return int(value) if value.isdecimal() and len(value) < 20 else None


class ServerError(APIError):
    """Something failed on their side: 5xx."""


class ProviderFailed(ServerError):
    """The provider is down or answered nonsense: 502."""


class NoProvider(ServerError):
    """No provider meets the request at the moment: 503."""


class Overloaded(ServerError):
    """The provider is overloaded: 529."""


class EdgeTimeout(ServerError):
    """The edge gave up waiting (504, 520-524); the answer may have been generated, and billed."""


class BadResponse(OpenRouterError):
    """Status 200, and yet no answer."""


class Malformed(BadResponse):
    """What came is not what OpenRouter sends: HTML, broken JSON, something too large."""


class Empty(BadResponse):
    """The answer has nothing in it: no text, no reasoning, no tool call, no refusal, no image."""


class Interrupted(BadResponse):
    """The stream ended before it said why, so `partial` is half an answer."""
