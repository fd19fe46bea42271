"""From what the server said went wrong to the error of that cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from openrouter_opts.errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    ConnectionFailed,
    ConnectionLost,
    ContextLengthExceeded,
    EdgeTimeout,
    Empty,
    Forbidden,
    GuardrailBlocked,
    InsufficientCredits,
    Interrupted,
    Malformed,
    Moderated,
    NoProvider,
    NotFound,
    OpenRouterError,
    Overloaded,
    PayloadTooLarge,
    ProviderFailed,
    RateLimited,
    Refused,
    ServerError,
    TimedOut,
)
from openrouter_opts.protocol.completion import Completion
from openrouter_opts.protocol.echoes import scrub, without_keys
from openrouter_opts.protocol.retry_after import availability, headers_in, retry_after, retryable
from openrouter_opts.protocol.surrogates import mended
from openrouter_opts.response import USEFUL_HEADERS, ResponseView

_BY_STATUS: Final[dict[int, type[APIError]]] = {
    400: BadRequest,
    401: AuthenticationError,
    402: InsufficientCredits,
    403: Forbidden,
    404: NotFound,
    409: BadRequest,
    412: BadRequest,
    413: PayloadTooLarge,
    422: BadRequest,
    429: RateLimited,
    502: ProviderFailed,
    503: NoProvider,
    504: EdgeTimeout,
    **dict.fromkeys(range(520, 525), EdgeTimeout),
    529: Overloaded,
}
_STATUS_OF_TYPE: Final[dict[str, int]] = {
    **dict.fromkeys(
        (
            "context_length_exceeded",
            "max_tokens_exceeded",
            "token_limit_exceeded",
            "string_too_long",
            "invalid_request",
            "invalid_prompt",
            "invalid_image",
            "image_too_large",
            "image_too_small",
            "unsupported_image_format",
            "image_download_failed",
        ),
        400,
    ),
    "authentication": 401,
    "payment_required": 402,
    "permission_denied": 403,
    "content_policy_violation": 403,
    "refusal": 403,
    "not_found": 404,
    "image_not_found": 404,
    "precondition_failed": 412,
    "payload_too_large": 413,
    "unprocessable": 422,
    "rate_limit_exceeded": 429,
    "server": 500,
    "unmapped": 500,
    "provider_unavailable": 502,
    "provider_overloaded": 503,
    "timeout": 504,
}
# Instead of a type, a code or a type of OpenAI or Anthropic may come through, as in https://openrouter.ai/docs/api_reference/streaming
_TYPE_OF_WORD: Final[dict[str, str]] = {
    **{name: name for name in _STATUS_OF_TYPE},
    "api_error": "server",
    "authentication_error": "authentication",
    "billing_error": "payment_required",
    "content_filter": "content_policy_violation",
    "insufficient_quota": "rate_limit_exceeded",
    "internal_server_error": "server",
    "invalid_api_key": "authentication",
    "invalid_request_error": "invalid_request",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "overloaded_error": "provider_overloaded",
    "permission_error": "permission_denied",
    "rate_limit_error": "rate_limit_exceeded",
    "request_too_large": "payload_too_large",
    "server_error": "server",
    "service_unavailable": "provider_unavailable",
    "timeout_error": "timeout",
}
_CLASS_OF_TYPE: Final[dict[str, type[APIError]]] = {
    "context_length_exceeded": ContextLengthExceeded,
    "token_limit_exceeded": ContextLengthExceeded,
    # Its status is 503, which without a type means that the routing preferences left no provider.
    "provider_overloaded": Overloaded,
}
_REFUSALS: Final = frozenset({"content_policy_violation", "refusal"})
# Providers behind OpenRouter word it themselves, and not every one has an `error_type`.
_TOO_LONG: Final = re.compile(
    r"context[ _](length|window|limit|size)"
    r"|(prompt|input) is too long"  # Anthropic; Bedrock
    r"|exceeds the maximum number of tokens"  # Gemini
    r"|maximum (prompt|model) length"  # xAI; vLLM
    r"|too many (input )?tokens"  # Bedrock, Cohere
    r"|reduce the length of the (messages|prompt)",  # Groq
    re.IGNORECASE,
)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)

_LINK: Final = "https://"
_LATER: Final = "try again later, or name `models` to fall back on"
_ADVICE: Final[dict[type[OpenRouterError], str]] = {
    ConnectionFailed: "check the network and `base_url`",
    ConnectionLost: "what had come is in `partial`, and to ask again is paid anew",
    APIError: "see https://openrouter.ai/docs/api_reference/errors-and-debugging",
    BadRequest: "change what it names, since the same request would fail again",
    AuthenticationError: "check `OPENROUTER_API_KEY` or `api_key`: https://openrouter.ai/settings/keys",
    InsufficientCredits: "add credits, or lower `max_tokens`: https://openrouter.ai/settings/credits",
    Forbidden: "look at what the key may do: https://openrouter.ai/settings/keys",
    Refused: "say it in other words, or ask another model",
    Moderated: "say it in other words, or ask another model",
    GuardrailBlocked: "take out what it found, or have the guardrail changed",
    ContextLengthExceeded: "shorten the conversation, or lower `max_tokens`",
    NotFound: "look at https://openrouter.ai/models, and at what `provider` leaves of them",
    PayloadTooLarge: "shorten it, or give images and files as URLs",
    RateLimited: "send fewer requests at once, or name `models` to fall back on",
    TimedOut: _LATER,
    ServerError: _LATER,
    ProviderFailed: _LATER,
    Overloaded: _LATER,
    NoProvider: "let `provider` leave more, or name `models` to fall back on",
    EdgeTimeout: "it may have been generated, and billed; what takes long is better streamed",
    Malformed: "ask again; if it stays so, look at `base_url` and at what stands between here and OpenRouter",
    Empty: "ask again, or another model",
    Interrupted: "what had come is in `partial`, and to ask again is paid anew",
}
# By `limit_source`: https://openrouter.ai/docs/api_reference/limits
_ADVICE_OF_LIMIT: Final[dict[str, str]] = {
    "openrouter_key_limit": "raise the limit of the key: https://openrouter.ai/settings/keys",
    "openrouter_in_flight_budget": "send fewer requests at once, or lower `max_tokens`",
    "openrouter_guardrail_budget": "wait until the guardrail's budget begins anew, or have it raised",
    "openrouter_workspace_budget": "wait until the workspace's budget begins anew, or have it raised",
}


def from_status(
    status: int, headers: Mapping[str, str], body: bytes, *, sent: int | None = None
) -> OpenRouterError:
    """Build the error for an answer whose status is not 200.

    Args:
        status: The HTTP status.
        headers: The response headers, lower case.
        body: As much of the body as was read; JSON, HTML or nothing.
        sent: The size of the request's body.
    """
    parsed = _object_in(body)
    said = parsed.get("error")
    if not isinstance(said, Mapping | str):
        said = {"message": _plain_text(status, body)}
    return from_error(said, status=status, headers=headers, body=body, beside=parsed, sent=sent)


def from_error(
    said: Mapping[str, Any] | str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    beside: Mapping[str, Any] | None = None,
    sent: int | None = None,
) -> OpenRouterError:
    """Build the error for an `error` object, wherever it stood: a body, a chunk of a stream, a choice.

    Args:
        said: The object (`code`, `message`, `metadata`), or just a text.
        status: The HTTP status, if it is not 200.
        headers: The response headers, lower case.
        body: The body, for `error.response`.
        beside: The object that holds the `error`.
        sent: The size of the request's body.
    """
    said = {"message": said} if isinstance(said, str) else without_keys(said)
    metadata = _mapping(said.get("metadata"))
    headers = {**headers_in(metadata), **(headers or {})}
    code = said.get("code", said.get("http_status"))
    known = _status(code) or status
    error_type = _text(metadata.get("error_type") or said.get("error_type")) or _type_by_word(said, known)
    known = known or status_of_type(error_type)
    message = _message(said, metadata)
    cls = _class_of(known, error_type, message, metadata)
    facts: dict[str, Any] = {
        "status": known,
        "error_type": error_type,
        "provider": _text(metadata.get("provider_name")),
        "provider_code": _text(metadata.get("provider_code")) or (code if isinstance(code, str) else None),
        "metadata": metadata,
        "availability": availability(said),
        "generation_id": headers.get("x-generation-id"),
        "request_id": request_id(headers),
        "delivered": "maybe" if cls is EdgeTimeout else "yes",
        "retry_after": retry_after(said, headers),
        "retryable": retryable(said, headers),
        "response": view(known or 200, headers, body),
        "openrouter_metadata": without_keys(_mapping((beside or {}).get("openrouter_metadata"))),
    }
    if cls is TimedOut:
        facts["phase"] = "server"
    return cls(_with_advice(scrub(message), _advice(cls, metadata, sent)), **facts)


def with_advice(cls: type[OpenRouterError], message: str, **facts: Any) -> OpenRouterError:
    """Build the error for something that no server said, with what to do about it."""
    return cls(_with_advice(message, _ADVICE[cls]), **facts)


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the id of the request, or else that of Cloudflare, by which support can find it."""
    return headers.get("request-id") or headers.get("x-request-id") or headers.get("cf-ray")


def delivery_of(completion: Completion) -> dict[str, Any]:
    """Return what an answer itself doesn't say: the `request_id`, and `attempts` where it took more than one."""
    attempts = completion.attempts if completion.attempts > 1 else None
    known = {"request_id": request_id(completion.headers), "attempts": attempts}
    return {name: value for name, value in known.items() if value is not None}


def view(status: int, headers: Mapping[str, str], body: bytes) -> ResponseView:
    """Keep of a response what may be shown: useful headers, and the body without keys, cut at 2 kB."""
    useful = {name: value for name, value in headers.items() if name in USEFUL_HEADERS}
    return ResponseView(status, useful, scrub(body.decode("utf-8", "replace")))


def _advice(cls: type[OpenRouterError], metadata: Mapping[str, Any], sent: int | None) -> str | None:
    if issubclass(cls, InsufficientCredits | Forbidden):
        return _ADVICE_OF_LIMIT.get(str(metadata.get("limit_source")), _ADVICE.get(cls))
    if cls is PayloadTooLarge and sent:
        return f"the request has {sent:,} bytes: shorten it, or give images and files as URLs"
    return _ADVICE.get(cls)


def _with_advice(message: str, advice: str | None) -> str:
    if advice is None or advice in message or (_LINK in advice and advice.rpartition(" ")[2] in message):
        return message
    return f"{message.rstrip('. ')}; {advice}"


def status_of_type(error_type: str | None) -> int | None:
    """Return the status that belongs to one of OpenRouter's types, which says more than the one that came with it."""
    return _STATUS_OF_TYPE.get(error_type or "")


def _object_in(body: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(from_json(body))
    except ValueError:
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain_text(status: int, body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    title = _TITLE.search(text)
    said = title.group(1).strip() if title else scrub(text, 200)
    return said or f"status {status} without a word of explanation"


def _status(code: object) -> int | None:
    if isinstance(code, str) and code.isdecimal():
        code = int(code) if len(code) == 3 else None
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def _type_by_word(said: Mapping[str, Any], status: int | None) -> str | None:
    """Read the type from a code or a type that is a word. A status counts more, unless the word tells more than it."""
    for word in (said.get("code"), said.get("type")):
        error_type = _TYPE_OF_WORD.get(word) if isinstance(word, str) else None
        if error_type in _CLASS_OF_TYPE or (error_type and status in {None, _STATUS_OF_TYPE[error_type]}):
            return error_type
    return None


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None


def _message(said: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    message = _text(said.get("message")) or "the server gave no message"
    details = [_raw_message(metadata.get("raw"))]
    details += [
        f"{key}: {', '.join(map(str, metadata[key]))}"
        for key in ("reasons", "patterns")
        if isinstance(metadata.get(key), list)
    ]
    fallbacks = availability(said).get("fallback_models")
    if isinstance(fallbacks, list) and fallbacks:
        details.append(f"models that are available: {', '.join(map(str, fallbacks))}")
    return ": ".join([message, *(detail for detail in details if detail and detail not in message)])


def _raw_message(raw: object) -> str | None:
    """Dig the provider's own words out of `metadata.raw`, which is text, JSON text or an object."""
    if isinstance(raw, str):
        # OpenRouter cuts it anywhere.
        raw = mended(raw)
        try:
            return _raw_message(from_json(raw)) or raw
        except ValueError:
            return raw
    if isinstance(raw, Mapping):
        inner = raw.get("error")
        inner = inner if isinstance(inner, Mapping) else raw
        return _text(inner.get("message")) or _text(raw.get("error"))
    return None


def _class_of(
    status: int | None, error_type: str | None, message: str, metadata: Mapping[str, Any]
) -> type[OpenRouterError]:
    if status == 408:
        return TimedOut
    # The type says more than the status, and is the same over all of OpenRouter's APIs.
    if error_type in _CLASS_OF_TYPE:
        return _CLASS_OF_TYPE[error_type]
    status = status_of_type(error_type) or status
    if status in {400, 422, None} and _TOO_LONG.search(message):
        return ContextLengthExceeded
    if status == 403:
        return _kind_of_forbidden(error_type, metadata)
    if status is None:
        return APIError
    return _BY_STATUS.get(status, ServerError if status >= 500 else APIError)


def _kind_of_forbidden(error_type: str | None, metadata: Mapping[str, Any]) -> type[Forbidden]:
    if "patterns" in metadata:
        return GuardrailBlocked
    if "reasons" in metadata:
        return Moderated
    return Refused if error_type in _REFUSALS else Forbidden
