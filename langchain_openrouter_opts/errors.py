"""The errors of `openrouter_opts`, as langchain-core's model errors too.

`except openrouter_opts.errors.RateLimited` and `except langchain_core.exceptions.ModelRateLimitError` both catch a 429, with every
attribute that the plain error has. The classes here are the same tree: `except APIError` catches every one of its kind, from here as from
there.

Middleware such as `ModelRetryMiddleware` asks an error whether it `is_retryable`: as the client itself decides it, so never where
something was paid, or, unless `retry_uncertain` is set, may have been delivered.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from langchain_core import exceptions as core

from openrouter_opts import errors as plain
from openrouter_opts.http.retry import Retry


class OpenRouterError(plain.OpenRouterError, core.ModelError):
    """Anything that has no class of its own here."""


class ConfigurationError(plain.ConfigurationError, OpenRouterError, core.ModelInvalidRequestError):
    """Wrong before anything was sent."""


class SpendLimitExceeded(plain.SpendLimitExceeded, OpenRouterError):
    """The request might cost more than a spend limit leaves; not sent."""

    is_retryable = False


class ConnectionFailed(plain.ConnectionFailed, OpenRouterError, core.ModelConnectionError):
    """No connection came about; nothing was delivered."""


class CertificateError(plain.CertificateError, ConnectionFailed):
    """The server's certificate is not trusted here; another attempt won't change that."""

    is_retryable = False


class ConnectionLost(plain.ConnectionLost, OpenRouterError, core.ModelConnectionError):
    """The connection broke after the request had begun to leave; it may have been billed."""


class TimedOut(plain.TimedOut, OpenRouterError, core.ModelTimeoutError):
    """Waiting took longer than the timeout of its `phase`."""


class ConnectTimedOut(plain.ConnectTimedOut, ConnectionFailed, TimedOut):
    """No connection came about in time; nothing was delivered."""


class APIError(plain.APIError, OpenRouterError):
    """An answer that is an error, of a status without a class of its own."""


class BadRequest(plain.BadRequest, APIError, core.ModelInvalidRequestError):
    """The request is wrong."""


class ContextLengthExceeded(plain.ContextLengthExceeded, BadRequest, core.ContextOverflowError):
    """The prompt is longer than the context window."""


class AuthenticationError(plain.AuthenticationError, APIError, core.ModelAuthenticationError):
    """The key is missing, wrong or disabled."""


class InsufficientCredits(plain.InsufficientCredits, APIError, core.ModelPermissionDeniedError):
    """Out of credits, or over the key's limit."""


class Forbidden(plain.Forbidden, APIError, core.ModelPermissionDeniedError):
    """Not allowed for this key."""


class Refused(plain.Refused, Forbidden, core.OutputParserException):
    """The model would not answer, or its provider's policy forbade it: a 403, or instead of the structured output that was asked for."""

    # The twin of another error is made without langchain-core's constructor.
    observation: str | None = None
    llm_output: str | None = None
    send_to_llm: bool = False


class Moderated(plain.Moderated, Refused):
    """Moderation flagged the input."""


class GuardrailBlocked(plain.GuardrailBlocked, Forbidden):
    """A guardrail of the account blocked the request."""


class NotFound(plain.NotFound, APIError, core.ModelNotFoundError):
    """No such model, or no endpoint left after the preferences."""


class PayloadTooLarge(plain.PayloadTooLarge, APIError, core.ModelInvalidRequestError):
    """The body is too big."""


class RateLimited(plain.RateLimited, APIError, core.ModelRateLimitError):
    """Too many requests."""


class ServerError(plain.ServerError, APIError, core.ModelAPIError):
    """Something failed on their side."""


class ProviderFailed(plain.ProviderFailed, ServerError):
    """The provider is down or answered nonsense."""


class NoProvider(plain.NoProvider, ServerError):
    """No provider meets the request at the moment."""


class Overloaded(plain.Overloaded, ServerError):
    """The provider is overloaded."""


class EdgeTimeout(plain.EdgeTimeout, ServerError, core.ModelTimeoutError):
    """The edge gave up waiting; the answer may have been billed."""


class BadResponse(plain.BadResponse, OpenRouterError, core.ModelAPIError):
    """Status 200, and yet no answer."""


class Malformed(plain.Malformed, BadResponse):
    """What came is not what OpenRouter sends."""


class InvalidOutput(Malformed, core.OutputParserException):
    """The model wrote something else than the structured output that was asked for: no JSON, or JSON that doesn't fit the schema.

    `partial` has what it wrote, and `llm_output` the text of it. It is paid for, so only who asks for it by name pays for another one.
    """

    is_retryable = False


class Truncated(InvalidOutput):
    """The structured output was cut off; what there is of it is in `partial`, and is no answer. Another attempt would be as well."""


class Empty(plain.Empty, BadResponse):
    """The answer has nothing in it."""


class Interrupted(plain.Interrupted, BadResponse):
    """The stream ended before it said why, so `partial` is half an answer."""


_TWINS: Final[dict[type[BaseException], type[plain.OpenRouterError]]] = {
    twin.__bases__[0]: twin
    for twin in (
        OpenRouterError,
        ConfigurationError,
        SpendLimitExceeded,
        ConnectionFailed,
        CertificateError,
        ConnectionLost,
        TimedOut,
        ConnectTimedOut,
        APIError,
        BadRequest,
        ContextLengthExceeded,
        AuthenticationError,
        InsufficientCredits,
        Forbidden,
        Refused,
        Moderated,
        GuardrailBlocked,
        NotFound,
        PayloadTooLarge,
        RateLimited,
        ServerError,
        ProviderFailed,
        NoProvider,
        Overloaded,
        EdgeTimeout,
        BadResponse,
        Malformed,
        Empty,
        Interrupted,
    )
}


def twin_of(error: plain.OpenRouterError, *, uncertain: bool = False) -> plain.OpenRouterError:
    """Return the same error as a class that is langchain-core's too; one that already is comes back as it is.

    Args:
        error: The error.
        uncertain: Whether what may have been delivered, and so billed, is worth another attempt.
    """
    if isinstance(error, core.ModelError):
        return error
    cls = next(_TWINS[each] for each in type(error).__mro__ if each in _TWINS)
    twin = cls.__new__(cls, error.message)
    twin.__dict__.update(error.__dict__)
    # The rule for its class knows neither what was paid nor what the server says of this very failure.
    twin.__dict__["is_retryable"] = Retry(uncertain=uncertain).worth(error, was_empty=error.attempts > 1)
    return twin


class ModelErrors(AbstractContextManager[None]):
    """Inside it, the errors of `openrouter_opts` become those of this module."""

    def __init__(self, *, uncertain: bool = False) -> None:
        self._uncertain = uncertain

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the twin in the place of the error, with its trace and its cause."""
        if isinstance(error, plain.OpenRouterError):
            raise twin_of(error, uncertain=self._uncertain).with_traceback(trace) from error.__cause__
