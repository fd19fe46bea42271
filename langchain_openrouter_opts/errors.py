"""The errors of `openrouter_opts`, as langchain-core's model errors too.

`except openrouter_opts.errors.RateLimited` and `except langchain_core.exceptions.ModelRateLimitError` both catch a 429, with every
attribute that the plain error has. Middleware such as `ModelRetryMiddleware` reads `is_retryable` from them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from langchain_core import exceptions as core

from openrouter_opts import errors as plain


class OpenRouterError(plain.OpenRouterError, core.ModelError):
    """Anything that has no class of its own here."""


class ConfigurationError(plain.ConfigurationError, core.ModelInvalidRequestError):
    """Wrong before anything was sent."""


class SpendLimitExceeded(plain.SpendLimitExceeded, core.ModelError):
    """The request might cost more than a spend limit leaves; not sent."""

    is_retryable = False


class ConnectionFailed(plain.ConnectionFailed, core.ModelConnectionError):
    """No connection came about; nothing was delivered."""


class CertificateError(plain.CertificateError, core.ModelConnectionError):
    """The server's certificate is not trusted here; another attempt won't change that."""

    is_retryable = False


class ConnectionLost(plain.ConnectionLost, core.ModelConnectionError):
    """The connection broke after the request had begun to leave; it may have been billed."""


class TimedOut(plain.TimedOut, core.ModelTimeoutError):
    """Waiting took longer than the timeout of its `phase`."""


class ConnectTimedOut(plain.ConnectTimedOut, core.ModelConnectionError, core.ModelTimeoutError):
    """No connection came about in time; nothing was delivered."""


class APIError(plain.APIError, core.ModelError):
    """An answer that is an error, of a status without a class of its own."""


class BadRequest(plain.BadRequest, core.ModelInvalidRequestError):
    """The request is wrong."""


class ContextLengthExceeded(
    plain.ContextLengthExceeded, core.ContextOverflowError, core.ModelInvalidRequestError
):
    """The prompt is longer than the context window."""


class AuthenticationError(plain.AuthenticationError, core.ModelAuthenticationError):
    """The key is missing, wrong or disabled."""


class InsufficientCredits(plain.InsufficientCredits, core.ModelPermissionDeniedError):
    """Out of credits, or over the key's limit."""


class Forbidden(plain.Forbidden, core.ModelPermissionDeniedError):
    """Not allowed for this key."""


class Refused(plain.Refused, core.ModelPermissionDeniedError, core.OutputParserException):
    """The model would not answer, or its provider's policy forbade it: a 403, or instead of the structured output that was asked for."""

    # The twin of another error is made without langchain-core's constructor.
    observation: str | None = None
    llm_output: str | None = None
    send_to_llm: bool = False


class Moderated(plain.Moderated, Refused):
    """Moderation flagged the input."""


class GuardrailBlocked(plain.GuardrailBlocked, core.ModelPermissionDeniedError):
    """A guardrail of the account blocked the request."""


class NotFound(plain.NotFound, core.ModelNotFoundError):
    """No such model, or no endpoint left after the preferences."""


class PayloadTooLarge(plain.PayloadTooLarge, core.ModelInvalidRequestError):
    """The body is too big."""


class RateLimited(plain.RateLimited, core.ModelRateLimitError):
    """Too many requests."""


class ServerError(plain.ServerError, core.ModelAPIError):
    """Something failed on their side."""


class ProviderFailed(plain.ProviderFailed, core.ModelAPIError):
    """The provider is down or answered nonsense."""


class NoProvider(plain.NoProvider, core.ModelAPIError):
    """No provider meets the request at the moment."""


class Overloaded(plain.Overloaded, core.ModelAPIError):
    """The provider is overloaded."""


class EdgeTimeout(plain.EdgeTimeout, core.ModelTimeoutError, core.ModelAPIError):
    """The edge gave up waiting; the answer may have been billed."""


class BadResponse(plain.BadResponse, core.ModelAPIError):
    """Status 200, and yet no answer."""


class Malformed(plain.Malformed, core.ModelAPIError):
    """What came is not what OpenRouter sends."""


class InvalidOutput(Malformed, core.OutputParserException):
    """The model wrote something else than the structured output that was asked for: no JSON, or JSON that doesn't fit the schema.

    `partial` has what it wrote, and `llm_output` the text of it.
    """


class Truncated(InvalidOutput):
    """The structured output was cut off; what there is of it is in `partial`, and is no answer. Another attempt would be as well."""

    is_retryable = False


class Empty(plain.Empty, core.ModelAPIError):
    """The answer has nothing in it."""


class Interrupted(plain.Interrupted, core.ModelAPIError):
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


def twin_of(error: plain.OpenRouterError) -> plain.OpenRouterError:
    """Return the same error as a class that is langchain-core's too; one that already is comes back as it is."""
    if isinstance(error, core.ModelError):
        return error
    cls = next(_TWINS[each] for each in type(error).__mro__ if each in _TWINS)
    twin = cls.__new__(cls, error.message)
    twin.__dict__.update(error.__dict__)
    if error.retryable is not None:
        # What the server says of this very failure counts for more than the rule for its class.
        twin.__dict__["is_retryable"] = error.retryable
    return twin


class ModelErrors(AbstractContextManager[None]):
    """Inside it, the errors of `openrouter_opts` become those of this module."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the twin in the place of the error, with its trace and its cause."""
        if isinstance(error, plain.OpenRouterError):
            raise twin_of(error).with_traceback(trace) from error.__cause__
