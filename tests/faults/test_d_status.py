"""D: the server says no, and what it says is told."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from openrouter_opts import errors, track_costs
from openrouter_opts.errors import (
    APIError,
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    ContextLengthExceeded,
    EdgeTimeout,
    Empty,
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
    ServerError,
    TimedOut,
)
from openrouter_opts.http.exchange import MAX_ERROR_BYTES
from openrouter_opts.http.retry import Retry
from openrouter_opts.http.steps import Head
from tests.both import Caller
from tests.fake_wire import Outcome, call, whole_call
from tests.faults.aftermath import HI, KEY, SOON, both_kinds, ending, failure
from tests.scripted_server import ScriptedServer
from tests.wire_bytes import COMPLETION, STREAM, answer, streamed

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
NOW = dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)


def no(status: int, message: str = "no", **error: Any) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, **error}}


def date(seconds: float) -> str:
    return format_datetime(NOW + dt.timedelta(seconds=seconds), usegmt=True)


def answered(client: Caller, *, stream: bool) -> int:
    """Return after how many attempts a call was answered."""
    if not stream:
        return client.complete(HI).attempts
    streaming = client.stream(HI)
    assert "".join(step.text for step in streaming) == "Hello"
    return streaming.completion.attempts


def good(*, stream: bool) -> Any:
    return streamed(STREAM) if stream else [answer(COMPLETION)]


# Status, class, whether it is tried again, and whether it was delivered.
STATUSES: list[tuple[int, type[OpenRouterError], bool, str]] = [
    (400, BadRequest, False, "yes"),
    (401, AuthenticationError, False, "yes"),
    (402, InsufficientCredits, False, "yes"),
    (403, errors.Forbidden, False, "yes"),
    (404, NotFound, False, "yes"),
    (408, TimedOut, True, "yes"),
    (409, BadRequest, False, "yes"),
    (412, BadRequest, False, "yes"),
    (413, PayloadTooLarge, False, "yes"),
    (418, APIError, False, "yes"),
    (422, BadRequest, False, "yes"),
    (429, RateLimited, True, "yes"),
    (499, APIError, False, "yes"),
    (500, ServerError, True, "yes"),
    (502, ProviderFailed, True, "yes"),
    (503, NoProvider, True, "yes"),
    (504, EdgeTimeout, False, "maybe"),
    *((status, EdgeTimeout, False, "maybe") for status in range(520, 525)),
    # Cloudflare's "SSL handshake failed" and "invalid SSL certificate": the edge has the request, but no encrypted connection to
    # OpenRouter to pass it on by, so nothing was generated.
    (525, ServerError, False, "yes"),
    (526, ServerError, False, "yes"),
    (529, Overloaded, True, "yes"),
    (599, ServerError, False, "yes"),
]


@pytest.mark.parametrize(("status", "cls", "again", "delivered"), STATUSES)
@both_kinds
def test_a_status_has_one_class_and_is_tried_again_or_not(
    status: int,
    cls: type[OpenRouterError],
    again: bool,
    delivered: str,
    stream: bool,
    scripted: Servers,
    caller: Callers,
):
    server = scripted([answer(no(status), status, cf_ray="ray-1")])
    error = failure(caller(server, api_key=KEY), cls, stream=stream)
    assert (error.status, error.delivered) == (status, delivered)
    assert (error.generation_id, error.request_id) == ("gen-1", "ray-1")
    assert error.attempts == len(server.deliveries) == (3 if again else 1)
    assert server.connections == 1, "a refusal that was read whole leaves a connection to go on with"


TEN_MEGABYTES = b'{"error": {"code": 500, "message": "' + b"x" * 10_000_000 + b'"}}'
HTML = b"<html><head><title>A bad day</title></head><body>" + b"x" * 5000 + b"</body></html>"
BODIES: dict[str, tuple[bytes, str]] = {
    "HTML": (HTML, "A bad day"),
    "empty": (b"", "without a word of explanation"),
    "cut": (b'{"error": {"mess', '{"error": {"mess'),
    "10 MB": (TEN_MEGABYTES, "xxx"),
    "list": (b"[]", "[]"),
    "null": (b"null", "null"),
    "text": (b'{"error": "no, says the text"}', "no, says the text"),
    "no code": (b'{"error": {"message": "no, without a code"}}', "no, without a code"),
    "word": (b'{"error": {"code": "server_error", "message": "no, by a word"}}', "no, by a word"),
    "not UTF-8": (b"\xff\xfe no", "no"),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(("status", "cls"), [(400, BadRequest), (500, ServerError), (504, EdgeTimeout)])
@both_kinds
def test_a_refusal_may_have_any_body(
    kind: str, status: int, cls: type[OpenRouterError], stream: bool, scripted: Servers, caller: Callers
):
    body, words = BODIES[kind]
    server = scripted([answer(body, status, cf_ray="ray-1")])
    error = failure(caller(server, max_retries=0), cls, stream=stream)
    assert words in str(error)
    assert len(str(error)) < 2_200
    assert len(error.response.text) < 2_100
    assert (error.status, error.generation_id, error.request_id) == (status, "gen-1", "ray-1")
    assert error.response.headers["cf-ray"] == "ray-1"


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(("status", "cls", "delivered"), [(each[0], each[1], each[3]) for each in STATUSES])
@pytest.mark.parametrize("read", [whole_call, call], ids=["whole", "stream"])
def test_a_status_has_its_class_whatever_its_body(
    read: Callable[..., Outcome], status: int, cls: type[OpenRouterError], delivered: str, kind: str
):
    """The same as above for every status, without sockets, in pieces that break words and characters."""
    body, words = BODIES[kind]
    head = Head(status, {"x-generation-id": "gen-1", "cf-ray": "ray-1"})
    pieces = [body[start : start + 4093] for start in range(0, min(len(body), 10 * MAX_ERROR_BYTES), 4093)]
    outcome = read([head, *pieces], retry=Retry(0))
    error = outcome.failed(cls)
    assert (error.status, error.generation_id, error.request_id) == (status, "gen-1", "ray-1")
    assert (error.delivered, error.attempts) == (delivered, 1)
    assert words in str(error)
    assert len(str(error)) < 2_200
    assert len(error.response.text) < 2_100
    assert len(outcome.wire.steps) < 2 + MAX_ERROR_BYTES / 4000, "no more is read than is shown"


@both_kinds
@pytest.mark.parametrize("end", ["RST", "FIN", "HANG"])
def test_a_refusal_that_breaks_off_is_still_a_refusal(
    end: str, stream: bool, scripted: Servers, caller: Callers
):
    cut = b'HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{"error": {"mess'
    client = caller(scripted([cut, 0.05, end]), max_retries=0, timeout={"idle": SOON})
    assert failure(client, ServerError, stream=stream).status == 500


# --- what the server's words are made of ---

AVAILABILITY = {
    "code": "model_deprecated",
    "retryable": False,
    "fallback_models": ["m/newer", "m/other"],
    "docs_url": "https://openrouter.ai/docs",
}
PREVIOUS = [{"provider": "One", "code": "busy", "status": 502}, {"provider": "Two", "status": 529}]


@pytest.mark.parametrize(
    ("body", "status", "cls", "facts", "words"),
    [
        pytest.param(
            no(400, "This endpoint's maximum context length is 8192 tokens", metadata={"error_type": "x"}),
            400, ContextLengthExceeded, {"error_type": "x"}, ["8192 tokens"], id="too long, in words",
        ),
        pytest.param(
            no(400, metadata={"error_type": "context_length_exceeded", "a": [1]}),
            400, ContextLengthExceeded, {"metadata": {"error_type": "context_length_exceeded", "a": [1]}}, [],
            id="too long, by type",
        ),
        pytest.param(
            no(402, "This request requires more credits, or fewer max_tokens. You requested up to 4096 tokens, "
               "but can only afford 1234.", metadata={"limit_source": "openrouter_credits"}),
            402, InsufficientCredits, {"limit_source": "openrouter_credits", "retryable": None},
            ["can only afford 1234", "https://openrouter.ai/settings/credits", "max_tokens"], id="credits",
        ),
        pytest.param(
            no(403, "flagged", metadata={"reasons": ["violence", "hate"], "flagged_input": "how...do",
                                         "provider_name": "OpenAI", "model_slug": "openai/x"}),
            403, Moderated, {"reasons": ("violence", "hate"), "flagged_input": "how...do", "provider": "OpenAI",
                             "model": "openai/x"},
            ["violence, hate", "provider OpenAI"], id="moderation",
        ),
        pytest.param(
            {**no(403, "blocked", metadata={"patterns": ["ssn"]}), "openrouter_metadata": {"a": 1}},
            403, GuardrailBlocked, {"patterns": ("ssn",), "openrouter_metadata": {"a": 1}}, ["patterns: ssn"],
            id="guardrail",
        ),
        pytest.param(
            no(403, "over budget", metadata={"limit_source": "openrouter_workspace_budget", "resets_at": "soon"}),
            403, errors.Forbidden,
            {"metadata": {"limit_source": "openrouter_workspace_budget", "resets_at": "soon"}},
            ["over budget"], id="budget",
        ),
        pytest.param(
            no(404, "gone", availability=AVAILABILITY),
            404, NotFound, {"availability": AVAILABILITY, "fallback_models": ("m/newer", "m/other")},
            ["models that are available: m/newer, m/other"], id="deprecated",
        ),
        pytest.param(
            no(502, "Provider returned error", metadata={"provider_name": "Mock", "provider_code": "E7",
               "raw": '{"error": {"message": "out of cards"}}', "previous_errors": PREVIOUS}),
            502, ProviderFailed,
            {"provider": "Mock", "provider_code": "E7", "previous_errors": tuple(PREVIOUS)},
            ["Provider returned error: out of cards", "provider Mock"], id="provider",
        ),
        pytest.param(
            no(500, "Internal Server Error", metadata={"error_type": "server"}),
            500, ServerError, {"error_type": "server"}, ["Internal Server Error"], id="masked",
        ),
        pytest.param(
            no(503, metadata={"error_type": "provider_overloaded"}),
            503, Overloaded, {"status": 503}, ["provider_overloaded"], id="overloaded, as a 503",
        ),
    ],
)  # fmt: skip
@both_kinds
def test_what_the_server_says_is_told(
    body: Any,
    status: int,
    cls: type[OpenRouterError],
    facts: dict[str, Any],
    words: list[str],
    stream: bool,
    scripted: Servers,
    caller: Callers,
):
    error = failure(caller(scripted([answer(body, status)]), max_retries=0), cls, stream=stream)
    assert {name: getattr(error, name) for name in facts} == facts
    assert [each for each in words if each not in str(error)] == []
    assert "how...do" not in str(error), "what was flagged is the user's, and no message"
    assert error.response.json() == body


@both_kinds
def test_a_key_that_the_server_echoes_is_nowhere(stream: bool, scripted: Servers, caller: Callers):
    echo = no(401, f"bad key {KEY}", metadata={"raw": f"Bearer {KEY}"})
    error = failure(caller(scripted([answer(echo, 401)]), api_key=KEY), AuthenticationError, stream=stream)
    assert "https://openrouter.ai/settings/keys" in str(error)
    assert KEY not in error.response.text


@pytest.mark.parametrize(
    ("status", "metadata", "remedy"),
    [
        (400, {"error_type": "context_length_exceeded"}, "lower `max_tokens`"),
        (401, {}, "https://openrouter.ai/settings/keys"),
        (402, {}, "https://openrouter.ai/settings/credits"),
        (402, {"limit_source": "openrouter_credits"}, "https://openrouter.ai/settings/credits"),
        (402, {"limit_source": "openrouter_key_limit"}, "raise the limit of the key"),
        (402, {"limit_source": "openrouter_in_flight_budget"}, "send fewer requests at once"),
        (403, {"limit_source": "openrouter_workspace_budget"}, "until the workspace's budget begins anew"),
        (403, {"limit_source": "openrouter_key_limit"}, "raise the limit of the key"),
        (404, {}, "https://openrouter.ai/models"),
        (503, {}, "name `models` to fall back on"),
        (504, {}, "better streamed"),
        (524, {}, "may have been generated, and billed"),
    ],
    ids=str,
)
def test_what_can_be_done_is_said(
    status: int, metadata: dict[str, Any], remedy: str, scripted: Servers, caller: Callers
):
    server = scripted([answer(no(status, "No.", metadata=metadata), status)])
    error = ending(caller(server, max_retries=0))
    assert str(error).startswith("No; ")
    assert remedy in str(error)


def test_a_request_that_is_too_large_is_told_how_large_it_was(scripted: Servers, caller: Callers):
    server = scripted([answer(no(413, "too large"), 413)])
    error = failure(caller(server), PayloadTooLarge)
    assert f"the request has {len(server.deliveries[0].body):,} bytes" in str(error)
    assert "as URLs" in str(error)


# --- how long to wait ---


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "0.3"}, 0.3),
        ({"Retry_After": "1"}, 1.0),
        ({"retry_after_ms": "300"}, 0.3),
        ({"Retry_After": date(1), "Date": date(0)}, 1.0),
        ({"Retry_After": date(-60), "Date": date(0)}, 0.0),
        *(({"Retry_After": junk}, 0.0) for junk in ("0", "-5", "nan", "inf", "1e400", "soon", "", "\uff10")),
        ({"Retry_After": date(3600)}, 0.0),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": f"{NOW.timestamp() * 1000 + 300:.0f}", "Date": date(0)},
         0.3),
    ],
    ids=str,
)  # fmt: skip
def test_the_wait_that_the_server_asks_for_is_kept_if_it_makes_sense(
    headers: dict[str, str], seconds: float, scripted: Servers, caller: Callers
):
    client = caller(scripted([answer(no(429), 429, **headers)], [answer(COMPLETION)]))
    began = time.monotonic()
    assert client.complete(HI).attempts == 2
    assert seconds <= time.monotonic() - began < seconds + 0.8


MIDNIGHT = NOW + dt.timedelta(hours=14)
DAILY = {
    "X_RateLimit_Limit": "50",
    "X_RateLimit_Remaining": "0",
    "X_RateLimit_Reset": f"{MIDNIGHT.timestamp() * 1000:.0f}",
    "Date": date(0),
}


WITHOUT_DATE = {name: value for name, value in DAILY.items() if name != "Date"}
IN_THE_BODY = no(
    429,
    "Rate limit exceeded: free-models-per-day",
    metadata={
        "headers": {
            "X-RateLimit-Limit": "50",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": DAILY["X_RateLimit_Reset"],
        }
    },
)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry_After": "3600"}, no(429), 3600),
        ({"Retry_After": date(3600), "Date": date(0)}, no(429), 3600),
        ({}, no(429, availability={"retry_after": 61}), 61),
        (DAILY, no(429, "Rate limit exceeded: free-models-per-day"), 14 * 3600),
        (WITHOUT_DATE, no(429, "Rate limit exceeded: free-models-per-day"), 14 * 3600),
        ({"Date": date(0)}, IN_THE_BODY, 14 * 3600),
        ({}, IN_THE_BODY, 14 * 3600),
    ],
    ids=["seconds", "date", "body", "daily limit", "by our clock", "told in the body", "there, by our clock"],
)
@both_kinds
def test_a_long_wait_is_the_callers_to_decide(
    headers: dict[str, str],
    body: Any,
    seconds: float,
    stream: bool,
    scripted: Servers,
    caller: Callers,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("openrouter_opts.protocol.retry_after.time", NOW.timestamp)
    error = failure(caller(scripted([answer(body, 429, **headers)])), RateLimited, stream=stream)
    assert (error.retry_after, error.attempts) == (seconds, 1)
    assert f"asks to wait {seconds:g} s" in str(error)


def test_a_limit_of_openrouter_says_how_far_it_reaches(scripted: Servers, caller: Callers):
    error = failure(caller(scripted([answer(no(429), 429, **DAILY)])), RateLimited)
    assert (error.limit, error.remaining, error.reset_at) == (50, 0, MIDNIGHT)
    error = failure(caller(scripted([answer(IN_THE_BODY, 429)]), max_retries=0), RateLimited)
    assert (error.limit, error.remaining, error.reset_at) == (50, 0, MIDNIGHT)
    odd = {"X_RateLimit_Limit": "many", "X_RateLimit_Reset": "9" * 19}
    error = failure(caller(scripted([answer(no(429), 429, **odd)]), max_retries=0), RateLimited)
    assert (error.limit, error.remaining, error.reset_at) == (None, None, None)


@both_kinds
def test_the_wait_in_the_body_counts_more_than_that_of_the_headers(
    stream: bool, scripted: Servers, caller: Callers
):
    wish = {"code": "capacity_exhausted", "retryable": True, "retry_after": 0.3, "fallback_models": ["m/y"]}
    busy = answer(no(429, availability=wish), 429, Retry_After="3600")
    began = time.monotonic()
    assert answered(caller(scripted([busy], good(stream=stream))), stream=stream) == 2
    assert 0.3 <= time.monotonic() - began < 1.1


def test_a_wait_that_would_exceed_the_total_is_not_begun(scripted: Servers, caller: Callers):
    server = scripted([answer(no(429), 429, Retry_After="5")])
    began = time.monotonic()
    error = failure(caller(server, timeout={"total": 2}), RateLimited)
    assert time.monotonic() - began < 1
    assert (error.attempts, error.retry_after) == (1, 5)


# --- what the server says of trying again ---


@pytest.mark.parametrize(
    ("status", "headers", "error", "attempts"),
    [
        (503, {"x_should_retry": "false"}, {}, 1),
        (400, {"x_should_retry": "true"}, {}, 2),
        (503, {}, {"availability": {"retryable": False}}, 1),
        (404, {}, {"availability": {"retryable": True, "retry_after": 0}}, 2),
        (503, {"x_should_retry": "true"}, {"availability": {"retryable": False}}, 1),
        (402, {"Retry_After": "0"}, {"metadata": {"limit_source": "openrouter_in_flight_budget"}}, 2),
        (402, {"Retry_After": "0"}, {}, 2),
        (402, {}, {"metadata": {"limit_source": "openrouter_in_flight_budget"}}, 1),
        (402, {"Retry_After": "0"}, {"metadata": {"limit_source": "openrouter_credits"}}, 1),
        (402, {"Retry_After": "0"}, {"metadata": {"limit_source": "openrouter_key_limit"}}, 1),
        (402, {"Retry_After": "0", "x_should_retry": "false"}, {}, 1),
        (500, {}, {"metadata": {"error_type": "invalid_request"}}, 1),
        (400, {}, {"metadata": {"error_type": "server"}}, 2),
        (500, {}, {"metadata": {"error_type": "timeout"}}, 1),
        (500, {}, {"metadata": {"error_type": "of_tomorrow"}}, 2),
    ],
    ids=str,
)
@both_kinds
def test_the_servers_word_on_trying_again_counts(
    status: int,
    headers: dict[str, str],
    error: dict[str, Any],
    attempts: int,
    stream: bool,
    scripted: Servers,
    caller: Callers,
):
    server = scripted([answer(no(status, **error), status, **headers)], good(stream=stream))
    client = caller(server)
    if attempts == 2:
        assert answered(client, stream=stream) == 2
    else:
        with pytest.raises(OpenRouterError) as caught:
            answered(client, stream=stream)
        assert caught.value.attempts == 1
    assert len(server.deliveries) == attempts


@both_kinds
def test_a_server_that_recovers_is_answered_by_and_paid_once(
    stream: bool, scripted: Servers, caller: Callers
):
    busy = answer(no(503), 503, Retry_After="0")
    server = scripted([busy], [busy], good(stream=stream))
    with track_costs() as spend:
        assert answered(caller(server), stream=stream) == 3
    assert server.connections == 1
    assert len({sent.body for sent in server.deliveries}) == 1
    assert [record.outcome for record in spend.records] == ["failed", "failed", "answered"]
    assert spend.total == Decimal("0.0003")


# --- what is no refusal, and no answer ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@both_kinds
def test_a_redirect_is_not_followed(status: int, stream: bool, scripted: Servers, caller: Callers):
    elsewhere = scripted([answer(COMPLETION)])
    moved = answer(b"", status, Location=f"{elsewhere.base_url}/chat/completions")
    error = failure(caller(scripted([moved])), ConfigurationError, stream=stream)
    assert elsewhere.base_url in str(error)
    assert (error.status, error.attempts, error.generation_id) == (status, 1, "gen-1")
    assert error.delivered == "no", "a server that points elsewhere has done nothing"
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (
            "https://me:hunter2@elsewhere.example:8443/v1?token=t0ken#me",
            "'https://elsewhere.example:8443/v1'",
        ),
        ("/login?next=t0ken", "'/login'"),
        ("https://[elsewhere?t0ken", "'nowhere'"),
        ("", "'nowhere'"),
    ],
)
def test_what_may_be_secret_in_the_target_of_a_redirect_is_not_shown(
    location: str, shown: str, scripted: Servers, caller: Callers
):
    error = failure(caller(scripted([answer(b"", 307, Location=location)])), ConfigurationError)
    assert f"points to {shown};" in str(error)
    assert not {"hunter2", "t0ken"} & set(re.findall(r"\w+", f"{error} {vars(error)}"))


@pytest.mark.parametrize("status", [201, 202, 206, 299])
@both_kinds
def test_another_success_is_no_answer(status: int, stream: bool, scripted: Servers, caller: Callers):
    server = scripted([answer(COMPLETION, status)])
    error = failure(caller(server), Empty, stream=stream)
    assert (error.status, error.attempts, error.delivered) == (status, 1, "yes")
    assert (error.generation_id, error.response.status_code) == ("gen-1", status)


def test_a_success_without_a_body_is_no_answer(scripted: Servers, caller: Callers):
    server = scripted([b"HTTP/1.1 204 No Content\r\nX-Generation-Id: gen-1\r\n\r\n"])
    error = failure(caller(server), Empty)
    assert (error.status, error.attempts, error.generation_id) == (204, 1, "gen-1")


def test_a_json_body_says_its_status_even_where_the_line_says_another(scripted: Servers, caller: Callers):
    body = json.loads(json.dumps(no(429, "slow")))
    error = failure(caller(scripted([answer(body, 400)]), max_retries=0), RateLimited)
    assert error.status == 429
