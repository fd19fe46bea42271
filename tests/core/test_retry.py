"""Never pay twice by accident."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_opts.errors import (
    BadRequest,
    CertificateError,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimedOut,
    EdgeTimeout,
    Empty,
    InsufficientCredits,
    Interrupted,
    Malformed,
    NotFound,
    OpenRouterError,
    RateLimited,
    ServerError,
    TimedOut,
)
from openrouter_opts.http.retry import Retry
from openrouter_opts.protocol.completion import Completion, Usage
from openrouter_opts.protocol.decode import usage
from openrouter_opts.protocol.failure import from_status

ALWAYS_LONGEST = Retry(jitter=lambda: 1.0)

TRIED_AGAIN = [
    ConnectionFailed("refused"),
    ConnectTimedOut("late"),
    *(from_status(status, {}, b"") for status in (408, 429, 500, 502, 503, 529)),
    Empty("nothing", delivered="yes"),
    Empty("nothing", delivered="yes", usage=usage({"cost": 0})),
    NotFound("later", status=404, delivered="yes", retryable=True),
    from_status(
        418, {}, b'{"error": {"message": "busy", "metadata": {"error_type": "provider_overloaded"}}}'
    ),
]
GIVEN_UP = [
    ConfigurationError("no key"),
    CertificateError("untrusted"),
    *(from_status(status, {}, b"") for status in (400, 401, 402, 403, 404, 409, 413, 422, 525)),
    from_status(503, {}, b'{"error": {"message": "poor", "metadata": {"error_type": "payment_required"}}}'),
    Malformed("HTML", delivered="yes"),
    Interrupted("cut", delivered="yes", partial=Completion()),
    Empty("nothing", delivered="yes", usage=Usage()),
    Empty("no body at all", delivered="yes", status=200),
    ServerError("stop", status=503, delivered="yes", retryable=False),
    RateLimited("billed all the same", status=429, delivered="yes", usage=usage({"cost": 0.01})),
    RateLimited("an answer had begun", status=429, delivered="yes", partial=Completion()),
]
MAYBE_PAID = [
    ConnectionLost("reset", delivered="maybe"),
    TimedOut("late", phase="first_byte", delivered="maybe"),
    Interrupted("ended before anything came", delivered="yes"),
    *(from_status(status, {}, b"") for status in (504, 520, 524)),
]


def named(error: OpenRouterError) -> str:
    return f"{type(error).__name__} {error}"


@pytest.mark.parametrize("error", TRIED_AGAIN, ids=named)
def test_what_was_not_delivered_or_has_failed_there_is_tried_again(error: OpenRouterError):
    assert ALWAYS_LONGEST.delay(error, 1) == 0.5


@pytest.mark.parametrize("error", GIVEN_UP, ids=named)
@pytest.mark.parametrize("uncertain", [False, True])
def test_what_will_not_get_better_is_given_up(error: OpenRouterError, uncertain: bool):
    assert Retry(uncertain=uncertain).delay(error, 1) is None


@pytest.mark.parametrize("error", MAYBE_PAID, ids=named)
def test_what_may_have_been_paid_for_is_tried_again_only_on_request(error: OpenRouterError):
    assert Retry().delay(error, 1) is None
    assert Retry(uncertain=True).delay(error, 1) is not None


def test_an_empty_answer_is_tried_again_once():
    nothing = Empty("nothing", delivered="yes")
    assert Retry(max_retries=5).delay(nothing, 2) is not None, "after another failure"
    assert Retry(max_retries=5).delay(nothing, 2, was_empty=True) is None


def test_attempts_are_counted():
    error = ConnectionFailed("refused")
    assert [Retry(max_retries=2).delay(error, attempt) is None for attempt in (1, 2, 3)] == [
        False,
        False,
        True,
    ]
    assert Retry(max_retries=0).delay(error, 1) is None


def test_the_wait_doubles_up_to_eight_seconds():
    retry = Retry(max_retries=10_000, jitter=lambda: 1.0)
    delays = [retry.delay(ConnectionFailed("refused"), attempt) for attempt in (1, 2, 3, 4, 5, 6, 9_999)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_the_wait_is_spread():
    delays = {Retry().delay(ConnectionFailed("refused"), 1) for _ in range(50)}
    assert len(delays) > 10
    assert all(delay is not None and 0.375 <= delay <= 0.5 for delay in delays)


@pytest.mark.parametrize(
    ("wish", "left", "delay"),
    [
        (2.0, None, 2.0),
        (0.0, None, 0.0),
        (60.0, None, 60.0),
        (60.1, None, None),
        (2.0, 1.9, None),
        (2.0, 2.0, None),
        (2.0, 2.1, 2.0),
    ],
)
def test_the_servers_wish_is_honoured_up_to_a_minute_and_the_time_left(
    wish: float, left: float | None, delay: float | None
):
    assert Retry().delay(RateLimited("slow", status=429, retry_after=wish), 1, left) == delay


def test_a_wait_longer_than_the_time_left_is_not_begun():
    assert Retry().delay(ConnectionFailed("refused"), 1, 0.1) is None


def test_402_is_tried_again_only_while_other_requests_hold_the_balance():
    def broke(limit_source: str | None, retry_after: float | None) -> float | None:
        error = InsufficientCredits(
            "no", status=402, metadata={"limit_source": limit_source}, retry_after=retry_after
        )
        return Retry().delay(error, 1)

    assert broke("openrouter_in_flight_budget", 3.0) == 3.0
    assert broke("openrouter_in_flight_budget", None) is None
    assert broke("openrouter_credits", 3.0) is None
    assert broke(None, None) is None


def test_a_caller_may_name_further_statuses():
    error = NotFound("not yet", status=404, delivered="yes")
    assert Retry(also=frozenset({404})).delay(error, 1) is not None
    assert Retry(also=frozenset({404})).delay(BadRequest("x", status=400, delivered="yes"), 1) is None


def test_what_a_caller_names_is_tried_for_longer():
    missing = from_status(404, {}, b"")
    assert [Retry(also=frozenset({404})).delay(missing, attempt) is None for attempt in (4, 5)] == [
        False,
        True,
    ]
    assert Retry(also=frozenset({404}), max_retries=7).delay(missing, 7) is not None


@given(value=st.text(max_size=40), date=st.text(max_size=40), attempt=st.integers(1, 10**6))
def test_no_header_makes_the_wait_negative_or_endless(value: str, date: str, attempt: int):
    error = from_status(429, {"retry-after": value, "retry-after-ms": value, "date": date}, b"")
    delay = Retry(max_retries=10**9).delay(error, attempt)
    assert delay is None or (0 <= delay <= 60 and math.isfinite(delay))


def test_504_may_have_been_generated():
    assert isinstance(from_status(504, {}, b""), EdgeTimeout)
    assert from_status(504, {}, b"").delivered == "maybe"
