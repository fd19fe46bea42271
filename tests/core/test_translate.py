"""What the HTTP library raises becomes the error of its cause; above all: may the request have been delivered?"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import httpcore
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey

from openrouter_opts.errors import (
    CertificateError,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimedOut,
    Empty,
    Malformed,
    OpenRouterError,
    TimedOut,
)
from openrouter_opts.http.faults import translate

PLACE = ConnectionKey("host", 443, True, True, None, None, None)


def caused(problem: BaseException, *causes: BaseException) -> BaseException:
    """Chain exceptions as `raise … from …` does."""
    link = problem
    for cause in causes:
        link.__cause__ = cause
        link = cause
    return problem


def refused() -> OSError:
    return ConnectionRefusedError(111, "Connection refused")


def untrusted() -> OSError:
    return ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")


def raised_again(cause: BaseException) -> BaseException:
    """Return what httpcore makes of a cause: its pool raises errors again `from None`."""
    error = httpcore.ConnectError(str(cause))
    error.__context__ = cause
    return error


BEFORE_THE_HEAD: list[tuple[BaseException, type[OpenRouterError], str]] = [
    (caused(httpx.ConnectError("x"), refused()), ConnectionFailed, "no"),
    (httpx.ProxyError("407"), ConnectionFailed, "no"),
    (httpx.PoolTimeout("full"), ConnectionFailed, "no"),
    (httpx.ConnectTimeout("late"), ConnectTimedOut, "no"),
    (httpx.ReadTimeout("late"), TimedOut, "maybe"),
    (httpx.WriteTimeout("late"), TimedOut, "maybe"),
    (TimeoutError(), TimedOut, "maybe"),
    (httpx.ReadError("reset"), ConnectionLost, "maybe"),
    (httpx.WriteError("reset"), ConnectionLost, "maybe"),
    (httpx.RemoteProtocolError("garbage"), ConnectionLost, "maybe"),
    (RuntimeError("odd"), ConnectionLost, "maybe"),
    (httpx.LocalProtocolError("bad header"), ConfigurationError, "no"),
    (httpx.UnsupportedProtocol("ftp"), ConfigurationError, "no"),
    (httpx.InvalidURL("bad"), ConfigurationError, "no"),
    (caused(httpx.ConnectError("x"), untrusted()), CertificateError, "no"),
    (caused(httpx.ConnectError("x"), raised_again(untrusted())), CertificateError, "no"),
    (
        caused(httpx.ConnectError("x"), aiohttp.ClientConnectorCertificateError(PLACE, untrusted())),
        CertificateError,
        "no",
    ),
    # httpx-aiohttp calls these a `ConnectTimeout`, which would look undelivered.
    (caused(httpx.ConnectTimeout("x"), aiohttp.ServerDisconnectedError()), ConnectionLost, "maybe"),
    (caused(httpx.ConnectTimeout("x"), aiohttp.ClientOSError(104, "reset")), ConnectionLost, "maybe"),
    (
        caused(httpx.ConnectTimeout("x"), aiohttp.ClientConnectorError(PLACE, refused())),
        ConnectionFailed,
        "no",
    ),
    (caused(httpx.ConnectTimeout("x"), aiohttp.ConnectionTimeoutError()), ConnectTimedOut, "no"),
    (caused(httpx.ReadTimeout("x"), aiohttp.SocketTimeoutError()), TimedOut, "maybe"),
    (
        caused(
            httpx.ConnectTimeout("x"),
            aiohttp.ClientOSError(None, "Can not write request body for http://host/"),
            aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
        ),
        ConnectionFailed,
        "no",
    ),
    (
        caused(httpx.ConnectTimeout("x"), aiohttp.ClientConnectionResetError("Connection lost")),
        ConnectionLost,
        "maybe",
    ),
]


@pytest.mark.parametrize(
    ("problem", "cls", "delivered"),
    BEFORE_THE_HEAD,
    ids=[f"{type(each[0]).__name__}-{type(each[0].__cause__).__name__}" for each in BEFORE_THE_HEAD],
)
def test_what_goes_wrong_before_the_head(problem: Any, cls: type[OpenRouterError], delivered: str):
    error = translate(problem, sent=False)
    assert type(error) is cls
    assert error.delivered == delivered
    assert str(error)


@pytest.mark.parametrize(
    ("problem", "cls"),
    [
        (httpx.ReadTimeout("late"), TimedOut),
        (httpx.ReadError("reset"), ConnectionLost),
        (caused(httpx.ReadError("x"), aiohttp.ClientPayloadError("short")), ConnectionLost),
        (httpx.DecodingError("garbage"), Malformed),
    ],
)
def test_what_goes_wrong_after_the_head_was_delivered(problem: Any, cls: type[OpenRouterError]):
    error = translate(problem, sent=True)
    assert type(error) is cls
    assert error.delivered == "yes"


def test_the_words_of_the_deepest_cause_are_kept():
    error = translate(caused(httpx.ConnectError("outer"), OSError("middle"), refused()), sent=False)
    assert str(error).startswith("no connection to the server: [Errno 111] Connection refused; ")


def test_a_header_is_not_quoted():
    problem = httpx.LocalProtocolError("Illegal header value b'Bearer sk-or-x y'")
    assert "sk-or" not in str(translate(problem, sent=False))


def test_what_the_caller_was_handling_is_no_cause():
    problem = httpx.ReadError("reset")
    problem.__context__ = untrusted()
    assert type(translate(problem, sent=False)) is ConnectionLost
    problem = caused(httpx.ReadError("reset"), raised_again(CertificateError("an earlier failure")))
    assert type(translate(problem, sent=False)) is ConnectionLost


def test_an_error_of_ours_stays_what_it_is():
    error = Empty("nothing")
    assert translate(error, sent=True) is error
