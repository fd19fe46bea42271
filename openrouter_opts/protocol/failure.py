"""From what the server said went wrong to the error of that cause."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from pydantic_core import from_json

from openrouter_opts.errors import (
    USEFUL_HEADERS,
    APIError,
    AuthenticationError,
    BadRequest,
    ContextLengthExceeded,
    EdgeTimeout,
    Forbidden,
    GuardrailBlocked,
    InsufficientCredits,
    Moderated,
    NoProvider,
    NotFound,
    OpenRouterError,
    Overloaded,
    PayloadTooLarge,
    ProviderFailed,
    RateLimited,
    Refused,
    ResponseView,
    ServerError,
    TimedOut,
)
from openrouter_opts.http.secret import strike_out
from openrouter_opts.protocol.surrogates import mended

MAX_TEXT: Final = 2_000

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
_ANY_KEY: Final = re.compile(r"sk-or-[\w-]+|(?<=Bearer )[\w.~+/-]+=*")
_STRUCK_OUT: Final = "sk-or-…"
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)

_ADVICE: Final[dict[type[OpenRouterError], str]] = {
    AuthenticationError: "check `OPENROUTER_API_KEY` or `api_key`: https://openrouter.ai/settings/keys",
    InsufficientCredits: "add credits, or lower `max_tokens`: https://openrouter.ai/settings/credits",
}


def from_status(status: int, headers: Mapping[str, str], body: bytes) -> OpenRouterError:
    """Build the error for an answer whose status is not 200.

    Args:
        status: The HTTP status.
        headers: The response headers, lower case.
        body: As much of the body as was read; JSON, HTML or nothing.
    """
    said = _error_object(body)
    if said is None:
        said = {"message": _plain_text(status, body)}
    return from_error(said, status=status, headers=headers, body=body)


def from_error(
    said: Mapping[str, Any] | str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> OpenRouterError:
    """Build the error for an `error` object, wherever it stood: a body, a chunk of a stream, a choice.

    Args:
        said: The object (`code`, `message`, `metadata`), or just a text.
        status: The HTTP status, if it is not 200.
        headers: The response headers, lower case.
        body: The body, for `error.response`.
    """
    said = {"message": said} if isinstance(said, str) else _without_keys(said)
    headers = headers or {}
    metadata = said.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    code = said.get("code", said.get("http_status"))
    known = _status(code) or status
    error_type = _text(metadata.get("error_type") or said.get("error_type")) or _type_by_word(said, known)
    known = known or _STATUS_OF_TYPE.get(error_type or "")
    message = _message(said, metadata)
    cls = _class_of(known, error_type, message, metadata)
    advice = _ADVICE.get(cls)
    facts: dict[str, Any] = {
        "status": known,
        "error_type": error_type,
        "provider": _text(metadata.get("provider_name")),
        "provider_code": _text(metadata.get("provider_code")) or (code if isinstance(code, str) else None),
        "metadata": metadata,
        "generation_id": headers.get("x-generation-id"),
        "request_id": headers.get("request-id") or headers.get("x-request-id") or headers.get("cf-ray"),
        "delivered": "maybe" if cls is EdgeTimeout else "yes",
        "retry_after": retry_after(said, headers),
        "retryable": _retryable(said, headers),
        "response": view(known or 200, headers, body),
    }
    if cls is TimedOut:
        facts["phase"] = "server"
    return cls(scrub(_with_advice(message, advice)), **facts)


def view(status: int, headers: Mapping[str, str], body: bytes) -> ResponseView:
    """Keep of a response what may be shown: useful headers, and the body without keys, cut at 2 kB."""
    useful = {name: value for name, value in headers.items() if name in USEFUL_HEADERS}
    return ResponseView(status, useful, scrub(body.decode("utf-8", "replace")))


def _with_advice(message: str, advice: str | None) -> str:
    if advice is None or advice.rpartition(" ")[2] in message:
        return message
    return f"{message.rstrip('. ')}; {advice}"


def scrub(text: str) -> str:
    """Strike out whatever looks like a key, and cut the text at 2 kB: servers echo what they were sent. Half a character is U+FFFD."""
    text = _ANY_KEY.sub(_STRUCK_OUT, strike_out(mended(text)))
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _without_keys(said: Mapping[str, Any]) -> Mapping[str, Any]:
    text = json.dumps(said)
    clean = _ANY_KEY.sub(_STRUCK_OUT, strike_out(text))
    return said if clean == text else json.loads(clean)


def retry_after(said: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return the seconds the server asks to wait: the body's wish first, then `Retry-After` as seconds or as a date."""
    availability = said.get("availability")
    if isinstance(availability, Mapping):
        wish = _seconds(availability.get("retry_after"))
        if wish is not None:
            return wish
    wish = _seconds(headers.get("retry-after"))
    if wish is not None:
        return wish
    wish = _seconds(headers.get("retry-after-ms"))
    return _seconds_until(headers) if wish is None else wish / 1000


def _retryable(said: Mapping[str, Any], headers: Mapping[str, str]) -> bool | None:
    availability = said.get("availability")
    if isinstance(availability, Mapping) and isinstance(availability.get("retryable"), bool):
        return bool(availability["retryable"])
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _seconds_until(headers: Mapping[str, str]) -> float | None:
    # Against the server's own clock: ours may be wrong.
    try:
        then = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (then - parsedate_to_datetime(headers["date"])).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _error_object(body: bytes) -> Mapping[str, Any] | str | None:
    try:
        parsed = from_json(body)
    except ValueError:
        return None
    said = parsed.get("error") if isinstance(parsed, dict) else None
    return said if isinstance(said, Mapping | str) else None


def _plain_text(status: int, body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    title = _TITLE.search(text)
    return (
        title.group(1).strip() if title else text[:200]
    ) or f"status {status} without a word of explanation"


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
    availability = said.get("availability")
    if isinstance(availability, Mapping) and availability.get("fallback_models"):
        details.append(f"models that are available: {availability['fallback_models']}")
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
    status = _STATUS_OF_TYPE.get(error_type or "", status)
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
