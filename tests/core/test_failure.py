"""What the server says went wrong becomes the error of that cause."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from openrouter_opts import errors
from openrouter_opts.errors import (
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
    ServerError,
    TimedOut,
)
from openrouter_opts.protocol.completion import Completion, Usage
from openrouter_opts.protocol.failure import from_error, from_status

BY_STATUS = [
    (400, BadRequest),
    (401, AuthenticationError),
    (402, InsufficientCredits),
    (403, Forbidden),
    (404, NotFound),
    (408, TimedOut),
    (409, BadRequest),
    (412, BadRequest),
    (413, PayloadTooLarge),
    (418, APIError),
    (422, BadRequest),
    (429, RateLimited),
    (499, APIError),
    (500, ServerError),
    (502, ProviderFailed),
    (503, NoProvider),
    (504, EdgeTimeout),
    (520, EdgeTimeout),
    (524, EdgeTimeout),
    (525, ServerError),
    (529, Overloaded),
    (599, ServerError),
]
BY_TYPE = [
    ("context_length_exceeded", 400, ContextLengthExceeded),
    ("token_limit_exceeded", 400, ContextLengthExceeded),
    ("max_tokens_exceeded", 400, BadRequest),
    ("string_too_long", 400, BadRequest),
    ("invalid_request", 400, BadRequest),
    ("invalid_prompt", 400, BadRequest),
    ("invalid_image", 400, BadRequest),
    ("image_too_large", 400, BadRequest),
    ("image_too_small", 400, BadRequest),
    ("unsupported_image_format", 400, BadRequest),
    ("image_download_failed", 400, BadRequest),
    ("authentication", 401, AuthenticationError),
    ("payment_required", 402, InsufficientCredits),
    ("permission_denied", 403, Forbidden),
    ("content_policy_violation", 403, Refused),
    ("refusal", 403, Refused),
    ("not_found", 404, NotFound),
    ("image_not_found", 404, NotFound),
    ("precondition_failed", 412, BadRequest),
    ("payload_too_large", 413, PayloadTooLarge),
    ("unprocessable", 422, BadRequest),
    ("rate_limit_exceeded", 429, RateLimited),
    ("server", 500, ServerError),
    ("unmapped", 500, ServerError),
    ("provider_unavailable", 502, ProviderFailed),
    ("provider_overloaded", 503, Overloaded),
    ("timeout", 504, EdgeTimeout),
]


def envelope(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(("status", "cls"), BY_STATUS)
@pytest.mark.parametrize("kind", ["json", "html", "empty", "cut", "code", "text", "list", "null"])
def test_a_status_has_one_class_whatever_the_body(status: int, cls: type[OpenRouterError], kind: str):
    bodies = {
        "json": envelope(code=status, message="no"),
        "code": envelope(code=str(status), message="no"),
        "html": b"<html><head><title>Bad day</title></head><body>" + b"x" * 5000,
        "empty": b"",
        "cut": b'{"error": {"code": ',
        "text": b'{"error": "no"}',
        "list": b"[]",
        "null": b"null",
    }
    error = from_status(status, {"x-generation-id": "gen-1", "cf-ray": "ray"}, bodies[kind])
    assert type(error) is cls
    assert error.status == error.status_code == error.code == status
    assert error.delivered == ("maybe" if cls is EdgeTimeout else "yes")
    assert (error.generation_id, error.request_id) == ("gen-1", "ray")
    assert len(str(error)) < 500
    assert error.message


def test_a_page_is_named_by_its_title_not_printed():
    error = from_status(502, {}, b"<html><title>\n502: Bad gateway</title><body>long</body></html>")
    assert error.message.partition(";")[0] == "502: Bad gateway"


@pytest.mark.parametrize(("error_type", "status", "cls"), BY_TYPE)
def test_a_type_has_one_class_wherever_it_stands(error_type: str, status: int, cls: type[OpenRouterError]):
    typed = {"message": "no", "metadata": {"error_type": error_type}}
    assert type(from_error(typed)) is cls
    assert from_error(typed).error_type == error_type
    assert type(from_error({**typed, "code": status})) is cls
    assert type(from_error({"message": "no", "error_type": error_type}, status=status)) is cls


def test_the_code_in_the_body_says_more_than_status_200():
    error = from_error({"code": 429, "message": "slow down"})
    assert type(error) is RateLimited
    assert error.status == 429


@pytest.mark.parametrize(
    ("word", "error_type", "cls"),
    [
        ("server_error", "server", ServerError),
        ("rate_limit_exceeded", "rate_limit_exceeded", RateLimited),
        ("context_length_exceeded", "context_length_exceeded", ContextLengthExceeded),
        ("overloaded_error", "provider_overloaded", Overloaded),
        ("invalid_api_key", "authentication", AuthenticationError),
        ("model_not_found", "not_found", NotFound),
        ("a_word_of_tomorrow", None, APIError),
    ],
)
def test_a_code_that_is_a_word_has_the_class_of_its_meaning(word: str, error_type: str | None, cls: Any):
    error = from_error({"code": word, "message": "no"})
    assert type(error) is cls
    assert (error.error_type, error.provider_code) == (error_type, word)
    assert type(from_error({"type": word, "message": "no"})) is cls


def test_openrouters_own_type_counts_more_than_a_providers_word():
    said = {"code": "server_error", "message": "no", "metadata": {"error_type": "rate_limit_exceeded"}}
    assert type(from_error(said)) is RateLimited


def test_a_status_counts_more_than_a_word_that_means_less():
    said = {"code": 413, "type": "invalid_request_error", "message": "no"}
    assert type(from_error(said)) is PayloadTooLarge
    for status in (400, 413, 422):
        overflow = from_error({"code": "context_length_exceeded", "message": "no"}, status=status)
        assert type(overflow) is ContextLengthExceeded


@pytest.mark.parametrize("code", [True, None, [], 42, "", "99999", 200])
def test_a_code_that_makes_no_sense_is_passed_over(code: object):
    assert type(from_error({"code": code, "message": "no"}, status=503)) is NoProvider


@pytest.mark.parametrize(
    "message",
    [
        "This endpoint's maximum context length is 200000 tokens.",
        "prompt is too long: 214335 tokens > 200000 maximum",
        "exceeds the context window",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000",
        "Input is too long for requested model.",
        "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        "too many tokens: total tokens in the input and output exceed 4096",
        "Please reduce the length of the messages or completion.",
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_its_words_too(message: str):
    assert type(from_error({"code": 400, "message": message})) is ContextLengthExceeded
    assert type(from_error({"code": "odd", "message": message})) is ContextLengthExceeded
    raw = json.dumps({"error": {"message": message}})
    assert type(
        from_error({"code": 400, "message": "Provider returned error", "metadata": {"raw": raw}})
    ) is (ContextLengthExceeded)
    assert type(from_error({"code": 500, "message": message})) is ServerError


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("just text", "just text"),
        ('{"error": {"message": "inner words"}}', "inner words"),
        ('{"message": "inner words"}', "inner words"),
        ('{"error": "inner words"}', "inner words"),
        ({"error": {"message": "inner words"}}, "inner words"),
        ('{"odd": 1}', '{"odd": 1}'),
        ('"{\\"message\\": \\"twice\\"}"', "twice"),
        ([], None),
        (None, None),
        ("", None),
        (5, None),
        ("cut in an emoji \ud83d", "cut in an emoji \ufffd"),
        ('{"error": {"message": "\\ud83d\\ude00 \ud83d', '{"error": {"message": "\\ud83d\\ude00 \ufffd'),
    ],
)
def test_the_providers_own_words_are_dug_out(raw: object, words: str | None):
    error = from_error(
        {"code": 502, "message": "Provider returned error", "metadata": {"raw": raw, "provider_name": "Mock"}}
    )
    said = f"Provider returned error: {words}" if words is not None else "Provider returned error"
    assert error.message.partition("; try again")[0] == said
    assert error.provider == "Mock"


def test_moderation_says_why():
    error = from_error(
        {
            "code": 403,
            "message": "flagged",
            "metadata": {
                "reasons": ["violence"],
                "flagged_input": "how ... do",
                "provider_name": "OpenAI",
                "model_slug": "openai/x",
            },
        }
    )
    assert isinstance(error, Moderated)
    assert error.reasons == ("violence",)
    assert error.flagged_input == "how ... do"
    assert "violence" in str(error)
    assert "how ... do" not in str(error)
    assert error.provider == "OpenAI"


def test_a_guardrail_says_what_matched():
    error = from_error({"code": 403, "message": "blocked", "metadata": {"patterns": ["ssn"]}})
    assert isinstance(error, GuardrailBlocked)
    assert error.patterns == ("ssn",)


def test_what_is_available_instead_is_said():
    error = from_error(
        {
            "code": 404,
            "message": "gone",
            "availability": {"code": "model_deprecated", "fallback_models": ["m/y"], "retryable": False},
        }
    )
    assert "m/y" in str(error)
    assert error.retryable is False


def test_the_remedy_is_named():
    assert "OPENROUTER_API_KEY" in str(from_status(401, {}, b""))
    assert "https://openrouter.ai/settings/credits" in str(from_status(402, {}, b""))


@pytest.mark.parametrize("said", [{}, {"message": None}, {"message": ["odd"]}, {"message": ""}, {"code": {}}])
def test_an_error_without_a_message_still_says_something(said: dict[str, Any]):
    assert from_error(said).message.startswith("the server gave no message")


RESET = {"x-ratelimit-reset": f"{datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC).timestamp() * 1000:.0f}"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "2", "retry-after-ms": "250"}, 2.0),
        (
            {"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"},
            30.0,
        ),
        ({"retry-after": "Tue, 24 Nov 2026 09:00:00 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:30 -0000", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, None),
        # A server without a clock leaves ours, which says 10:00:12 here.
        ({"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT"}, 18.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT", "date": "today"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795514430000"}, 18.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        (
            {
                "retry-after": f"Tue, 24 Nov 2026 10:00:30 +{'9' * 18}",
                "date": "Tue, 24 Nov 2026 10:00:00 GMT",
            },
            None,
        ),
        ({**RESET, "x-ratelimit-remaining": "0", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, 30.0),
        ({**RESET, "x-ratelimit-remaining": "0", "date": "Tue, 24 Nov 2026 10:01:00 GMT"}, 0.0),
        ({**RESET, "x-ratelimit-remaining": "1", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, None),
        ({**RESET, "x-ratelimit-remaining": "0", "date": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(
    headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("openrouter_opts.protocol.retry_after.time", lambda: 1795514412.0)
    assert from_status(429, headers, b"").retry_after == seconds


def test_the_wish_in_the_body_comes_first():
    said = {"code": 429, "message": "no", "availability": {"retry_after": 7, "retryable": True}}
    error = from_error(said, headers={"retry-after": "2"})
    assert (error.retry_after, error.retryable) == (7.0, True)


@pytest.mark.parametrize(("header", "retryable"), [("true", True), ("false", False), ("maybe", None)])
def test_the_server_may_say_whether_to_try_again(header: str, retryable: bool | None):
    assert from_status(503, {"x-should-retry": header}, b"").retryable is retryable


KEY = "sk-or-v1-0123456789abcdef"


@pytest.mark.parametrize(
    "body",
    [
        envelope(code=401, message=f"bad key {KEY}"),
        envelope(
            code=401, message="no", metadata={"raw": f"Authorization: Bearer {KEY}", "deep": [{"k": KEY}]}
        ),
        f"<title>{KEY}</title>".encode(),
        f'"{KEY}"'.encode(),
    ],
)
def test_a_key_that_the_server_echoes_is_struck_out_everywhere(body: bytes):
    error = from_status(401, {"retry-after": "1", "x-echo": KEY}, body)
    assert error.response is not None
    seen = [str(error), repr(error), repr(vars(error)), repr(error.args), error.response.text]
    assert all("0123456789abcdef" not in text for text in seen)
    assert b"0123456789abcdef" not in pickle.dumps(error)


def test_a_bearer_of_another_kind_is_struck_out_too():
    error = from_status(401, {}, b'{"error": {"message": "got Bearer abc.DEF-123== from you"}}')
    assert "abc.DEF" not in str(error)
    assert "from you" in str(error)


def test_a_long_message_is_cut():
    assert len(from_status(500, {}, envelope(message="x" * 100_000)).message) < 2_100


def test_an_error_keeps_of_the_response_what_may_be_shown():
    error = from_status(429, {"retry-after": "1", "set-cookie": "x", "cf-ray": "r"}, envelope(message="no"))
    view = error.response
    assert view is not None
    assert view.status_code == 429
    assert dict(view.headers) == {"retry-after": "1", "cf-ray": "r"}
    assert view.json() == {"error": {"message": "no"}}


CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, OpenRouterError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_survives_pickling_and_copying(cls: type[OpenRouterError]):
    error = cls(
        "broke",
        status=503,
        error_type="server",
        provider="Mock",
        metadata={"a": [1]},
        generation_id="gen-1",
        attempts=3,
        delivered="yes",
        retry_after=2.0,
        partial=Completion(id="gen-1"),
        usage=Usage(prompt_tokens=3),
    )
    if isinstance(error, TimedOut):
        error.phase = "idle"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is cls
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)
        assert twin.args == error.args
    facts = "status 503, server, provider Mock, generation gen-1, after 3 attempts, asks to wait 2 s"
    assert str(error) == f"broke ({facts})"


def test_errors_are_also_what_python_calls_them():
    assert issubclass(errors.TimedOut, TimeoutError)
    assert issubclass(errors.ConnectionFailed, ConnectionError)
    assert issubclass(errors.ConnectionLost, ConnectionError)
    assert issubclass(errors.ConfigurationError, ValueError)


def test_the_tree_in_the_documentation_is_the_tree():
    for cls in CLASSES:
        assert cls.__name__ in (errors.__doc__ or ""), cls
