"""From what the HTTP library raises to our errors, by name: so no class of the library is needed here, and none leaks.

The question that matters is whether the request may have been delivered, and so may be billed.
"""

from __future__ import annotations

import re
from ssl import SSLError
from typing import Any, Final

from openrouter_opts.errors import (
    CertificateError,
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimedOut,
    Malformed,
    OpenRouterError,
    Phase,
    TimedOut,
)
from openrouter_opts.protocol.echoes import scrub
from openrouter_opts.protocol.failure import with_advice

_CERTIFICATE: Final = frozenset({"SSLCertVerificationError", "ClientConnectorCertificateError"})
_KIND_OF: Final[dict[str, str]] = {
    **dict.fromkeys(("ClientConnectorError", "ConnectError", "PoolTimeout", "ProxyError"), "unconnected"),
    **dict.fromkeys(("ConnectTimeout", "ConnectionTimeoutError"), "late to connect"),
    **dict.fromkeys(("ReadTimeout", "SocketTimeoutError", "TimeoutError", "WriteTimeout"), "late"),
    **dict.fromkeys(("InvalidURL", "LocalProtocolError", "UnsupportedProtocol"), "wrong"),
    "DecodingError": "malformed",
    # Everything else broke under way: ReadError, RemoteProtocolError, ServerDisconnectedError, ClientPayloadError, …
    "Exception": "lost",
}

_BEFORE_IT_WAS_SENT: Final = {"late": "late to connect", "lost": "unconnected"}
"""What it is that went wrong, where by the exception alone the request might have been delivered."""


def translate(
    problem: BaseException, *, sent: bool, host: str = "the server", connecting: bool = False
) -> OpenRouterError:
    """Return our error for `problem`.

    Args:
        problem: What the HTTP library raised.
        sent: Whether the head of the response had come by then.
        host: Where the request goes.
        connecting: Whether nothing of the request can have been sent by then.
    """
    if isinstance(problem, OpenRouterError):
        return problem
    chain = _chain(problem)
    if any(type(link).__name__ in _CERTIFICATE for link in chain):
        return CertificateError(
            f"the server's certificate is not trusted: {_words(chain[-1])}; for a private authority set `SSL_CERT_FILE`"
        )
    kind = _kind(chain, sent=sent)
    if connecting:
        kind = _BEFORE_IT_WAS_SENT.get(kind, kind)
    return _of_kind(kind, chain, sent=sent, host=host)


def _of_kind(kind: str, chain: list[BaseException], *, sent: bool, host: str) -> OpenRouterError:
    words = _words(chain[-1])
    delivered: Any = "yes" if sent else "maybe"
    if kind == "unconnected":
        return _unconnected(chain, f"no connection to {host}: {words}")
    if kind == "late to connect":
        return ConnectTimedOut(
            f"no connection to {host} within the `connect` timeout, and `timeout={{'connect': …}}` allows more"
        )
    if kind == "late":
        phase: Phase = "idle" if sent else "first_byte"
        message = f"the server took too long, and `timeout={{{phase!r}: …}}` allows more"
        return TimedOut(message, phase=phase, delivered=delivered)
    if kind == "malformed":
        return with_advice(Malformed, f"the body cannot be decompressed: {words}", delivered="yes")
    if kind == "wrong":
        # The words may hold a header's value.
        return ConfigurationError(
            f"the request cannot be sent ({type(chain[0]).__name__}); look at `base_url` and at the headers"
        )
    return _lost(f"the connection to {host} broke: {words}", sent=sent)


def _lost(message: str, *, sent: bool) -> OpenRouterError:
    if sent:
        return with_advice(ConnectionLost, message, delivered="yes")
    advice = "the request may have been delivered and billed, so only `retry_uncertain=True` sends it again"
    return ConnectionLost(f"{message}; {advice}", delivered="maybe")


def _unconnected(chain: list[BaseException], message: str) -> OpenRouterError:
    if any(isinstance(link, SSLError) for link in chain):
        # Whoever answered does not speak TLS, or none that is spoken here; it will not learn it.
        return ConnectionFailed(f"{message}; is this an http:// port?", retryable=False)
    if type(chain[0]).__name__ == "ProxyError" and str(chain[0]).startswith("4"):
        return _refused(message)
    return with_advice(ConnectionFailed, message)


def refused_by_proxy(host: str) -> ConnectionFailed:
    """Return the error for a proxy that is asked for everything, and wants to know who asks; `host` names it."""
    return _refused(f"no connection to {host}: 407 Proxy Authentication Required")


def _refused(message: str) -> ConnectionFailed:
    return ConnectionFailed(
        f"{message}; the proxy refuses, user and password of a proxy go into its URL", retryable=False
    )


def _telling(chain: list[BaseException]) -> BaseException:
    """Return the link that tells most: aiohttp's own, if there is one.

    httpx-aiohttp 0.2.0 calls a connection that closed before the headers, and a refused one, a `ConnectTimeout`; only the cause tells
    them apart.
    """
    return next((link for link in chain if type(link).__module__.startswith("aiohttp")), chain[0])


def _kind(chain: list[BaseException], *, sent: bool) -> str:
    if not sent and any(map(_is_unwritten, chain)):
        return "unconnected"
    problem = _telling(chain)
    if isinstance(problem, UnicodeError) and not sent:
        # A host that no name can be, such as `a..b`.
        return "wrong"
    return next(_KIND_OF[cls.__name__] for cls in type(problem).__mro__ if cls.__name__ in _KIND_OF)


def _is_unwritten(problem: BaseException) -> bool:
    """Tell whether a part of the request was never written: on a kept connection that the server had closed. aiohttp wraps it."""
    return type(problem).__name__ == "ClientConnectionResetError" and "Cannot write" in str(problem)


def _chain(problem: BaseException) -> list[BaseException]:
    chain = [problem]
    while (beneath := _beneath(chain[-1])) and beneath not in chain:
        chain.append(beneath)
    return chain


def _beneath(problem: BaseException) -> BaseException | None:
    """Return what `problem` came from; not what the caller was just handling, such as the failure before a fallback."""
    context = problem.__context__
    if type(problem).__module__.startswith("httpcore") and isinstance(context, OSError):
        # httpcore raises its errors again `from None`, so that the cause is left in the context alone.
        return None if isinstance(context, OpenRouterError) else context
    return problem.__cause__


def _words(problem: BaseException) -> str:
    # aiohttp puts a status of its own before some of its words: "400, message:".
    words = re.sub(r"^\d+, message:", "", " ".join(str(problem).split())).strip()
    return scrub(words) or type(problem).__name__
