"""Each error says what to do, in words that come after what happened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from openrouter_opts import Catalog, OpenRouterClient, SpendLimit, errors
from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.faults import refused_by_proxy, translate
from openrouter_opts.http.reading import read_stream
from openrouter_opts.protocol import decode
from openrouter_opts.protocol.failure import from_error, from_status
from tests.fake_wire import JSON, SSE, call

HI: Final = [{"role": "user", "content": "hi"}]
DO: Final = re.compile(
    r"\b(add|ask|change|check|give|go into|have|let|look|looks like|lower|say|see|send|set|shorten|streamed|take|try|allows|only `\w+=\w+`)\b"
)
SECRET: Final = "sk-or-v1-" + "a" * 64


class ConnectError(Exception):
    """As httpx has one."""


class ConnectTimeout(Exception):
    """As httpx has one."""


class DecodingError(Exception):
    """As httpx has one."""


class InvalidURL(Exception):
    """As httpx has one."""


class ReadError(Exception):
    """As httpx has one."""


class ReadTimeout(Exception):
    """As httpx has one."""


class SSLCertVerificationError(Exception):
    """As Python has one."""


def of_status(status: int, **metadata: object) -> OpenRouterError:
    return from_error({"code": status, "message": "No", "metadata": metadata})


def raised(ask: Callable[[], object]) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        ask()
    return caught.value


def refused(**settings: object) -> OpenRouterError:
    client = OpenRouterClient(**{"model": "no/such", "api_key": SECRET, **settings})
    return raised(lambda: client.complete(HI, spend_limit=SpendLimit("0.01")))


EXAMPLES: Final[Mapping[str, tuple[type[OpenRouterError], Callable[[], OpenRouterError]]]] = {
    "a wrong address": (
        errors.ConfigurationError,
        lambda: raised(lambda: OpenRouterClient(base_url="openrouter.ai")),
    ),
    "a request that can't be sent": (
        errors.ConfigurationError,
        lambda: translate(InvalidURL(), sent=False),
    ),
    "a limit": (
        errors.SpendLimitExceeded,
        lambda: refused(catalog=Catalog.bundled()),
    ),
    "nobody there": (errors.ConnectionFailed, lambda: translate(ConnectError("refused"), sent=False)),
    "a proxy": (errors.ConnectionFailed, lambda: refused_by_proxy("a through the proxy b")),
    "no trust": (errors.CertificateError, lambda: translate(SSLCertVerificationError("no"), sent=False)),
    "late to connect": (errors.ConnectTimedOut, lambda: translate(ConnectTimeout(), sent=False)),
    "lost before": (errors.ConnectionLost, lambda: translate(ReadError("reset"), sent=False)),
    "lost after": (errors.ConnectionLost, lambda: translate(ReadError("reset"), sent=True)),
    "late": (errors.TimedOut, lambda: translate(ReadTimeout(), sent=False)),
    "late there": (errors.TimedOut, lambda: of_status(408)),
    "of no known kind": (errors.APIError, lambda: of_status(418)),
    "400": (errors.BadRequest, lambda: of_status(400)),
    "too long": (
        errors.ContextLengthExceeded,
        lambda: of_status(400, error_type="context_length_exceeded"),
    ),
    "401": (errors.AuthenticationError, lambda: of_status(401)),
    "402": (errors.InsufficientCredits, lambda: of_status(402)),
    "402 for now": (
        errors.InsufficientCredits,
        lambda: of_status(402, limit_source="openrouter_in_flight_budget"),
    ),
    "403": (errors.Forbidden, lambda: of_status(403)),
    "refused": (errors.Refused, lambda: of_status(403, error_type="refusal")),
    "moderated": (errors.Moderated, lambda: of_status(403, reasons=["violence"])),
    "guardrail": (errors.GuardrailBlocked, lambda: of_status(403, patterns=["a"])),
    "404": (errors.NotFound, lambda: of_status(404)),
    "413": (errors.PayloadTooLarge, lambda: of_status(413)),
    "413, sent": (errors.PayloadTooLarge, lambda: from_status(413, {}, b"", sent=10)),
    "429": (errors.RateLimited, lambda: of_status(429)),
    "500": (errors.ServerError, lambda: of_status(500)),
    "502": (errors.ProviderFailed, lambda: of_status(502)),
    "503": (errors.NoProvider, lambda: of_status(503)),
    "504": (errors.EdgeTimeout, lambda: of_status(504)),
    "529": (errors.Overloaded, lambda: of_status(529)),
    "no JSON": (errors.Malformed, lambda: raised(lambda: decode.parse(b"<html>"))),
    "no gzip": (errors.Malformed, lambda: translate(DecodingError("bad"), sent=True)),
    "nothing": (errors.Empty, lambda: call([JSON, b""]).failed(errors.Empty)),
    "no choices": (errors.Empty, lambda: call([JSON, b'{"choices": []}']).failed(errors.Empty)),
    "cut": (
        errors.Interrupted,
        lambda: call([SSE, b'data: {"choices": []}\n\n'], read=read_stream).failed(errors.Interrupted),
    ),
    "cut inside": (
        errors.Interrupted,
        lambda: call([SSE, b'data: {"ch'], read=read_stream).failed(errors.Interrupted),
    ),
}
# These only stand for those beneath them.
ROOTS: Final = {errors.OpenRouterError, errors.BadResponse}


@pytest.mark.parametrize("case", EXAMPLES)
def test_an_error_says_what_to_do_after_what_happened(case: str):
    cls, example = EXAMPLES[case]
    error = example()
    assert type(error) is cls
    happened, *advice = re.split("; |, and ", str(error), maxsplit=1)
    assert happened
    assert DO.search("".join(advice)), error


def test_there_is_an_example_of_every_class():
    every = {
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, OpenRouterError)
    }
    assert {cls for cls, _ in EXAMPLES.values()} == every - ROOTS


def test_what_to_do_is_not_lost_behind_a_long_text():
    error = from_error({"code": 502, "message": "x" * 10_000})
    assert "; try again later" in str(error)
    assert len(error.message) < 2_200


def test_what_the_server_advises_itself_is_not_said_twice():
    text = "Insufficient credits. Add more using https://openrouter.ai/settings/credits"
    assert from_error({"code": 402, "message": text}).message == text
