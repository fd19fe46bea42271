"""Where requests go and how long they may take, checked once."""

from __future__ import annotations

import math
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from openrouter_opts.errors import ConfigurationError, InsecureTransportWarning
from openrouter_opts.http.proxies import Proxy, is_loopback
from openrouter_opts.http.urls import unseen

BASE_URL = "https://openrouter.ai/api/v1"
ENV_BASE_URL = "OPENROUTER_API_BASE"


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long to wait, in seconds; `None` waits for ever."""

    connect: float | None = 5.0
    """For the connection."""
    first_byte: float | None = 600.0
    """For the answer to begin; without streaming the answer comes whole, so this is how long it may take."""
    idle: float | None = 60.0
    """For any byte; OpenRouter's `: OPENROUTER PROCESSING` comments count."""
    progress: float | None = 300.0
    """For the next event of a stream; comments do not count."""
    total: float | None = None
    """For the call with all its attempts."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ConfigurationError(f"timeout.{each.name}: needs seconds above 0 or None, got {value!r}")

    @classmethod
    def of(cls, given: TimeoutLike) -> Timeout:
        """Read a timeout.

        A number of seconds bounds the wait for the answer to begin and for each further byte; `None` means the defaults; a mapping
        names the phases; a pair is `(connect, read)`; an `httpx.Timeout`, or anything else with `connect` and `read`, is understood.
        """
        if isinstance(given, Timeout):
            return given
        if given is None:
            return cls()
        if isinstance(given, Mapping):
            return _from_mapping(given)
        if isinstance(given, int | float):
            return cls(connect=min(5.0, given), first_byte=given, idle=given)
        if isinstance(given, tuple | list):
            return _from_sequence(given)
        if hasattr(given, "connect") and hasattr(given, "read"):
            return cls(connect=given.connect, first_byte=given.read, idle=given.read)
        raise ConfigurationError(
            f"timeout: needs seconds, `(connect, read)`, a `Timeout` or a mapping of its fields, got {given!r}"
        )

    def shorter(self, other: Timeout) -> Timeout:
        """Return the shorter wait of each phase."""
        waits = {each.name: [getattr(self, each.name), getattr(other, each.name)] for each in fields(self)}
        return Timeout(**{name: min(filter(None, pair), default=None) for name, pair in waits.items()})


TimeoutLike: TypeAlias = Timeout | float | Mapping[str, Any] | Any | None


def _from_sequence(given: Sequence[float | None]) -> Timeout:
    # Of four, as httpx has them, the others bound the writing and the wait for a free connection.
    if len(given) not in {2, 4}:
        raise ConfigurationError(f"timeout: a sequence is `(connect, read)`, got {given!r}")
    return Timeout(connect=given[0], first_byte=given[1], idle=given[1])


def _from_mapping(given: Mapping[str, Any]) -> Timeout:
    known = [each.name for each in fields(Timeout)]
    for name in given:
        if name not in known:
            raise ConfigurationError(f"timeout.{name}: no such phase; there are {', '.join(known)}")
    return Timeout(**given)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about the connection but the key."""

    base_url: str = BASE_URL
    timeout: Timeout = Timeout()
    max_retries: int = 2
    """Further attempts after the first, before anything was received."""
    retry_uncertain: bool = False
    """Whether to try again what may have been delivered: it may be paid twice."""
    trust_env: bool = True
    """Whether proxy variables of the environment count."""
    verify: bool | ssl.SSLContext = True
    proxy: str | None = None

    def __post_init__(self) -> None:
        retries = self.max_retries
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ConfigurationError(f"max_retries: needs a whole number from 0 on, got {retries!r}")
        if self.proxy is not None:
            object.__setattr__(self, "proxy", unseen(self.proxy))
            Proxy(self.proxy, "proxy").checked()

    def __deepcopy__(self, memo: dict[int, object]) -> Settings:
        # Nothing in it changes, and a TLS context cannot be copied.
        return self

    @classmethod
    def of(
        cls,
        *,
        base_url: str | None = None,
        timeout: TimeoutLike = None,
        max_retries: int = 2,
        **rest: Any,
    ) -> Settings:
        """Check the settings; raises `ConfigurationError`. `base_url` falls back to `OPENROUTER_API_BASE`, then to OpenRouter."""
        url = unseen(base_url if base_url is not None else os.environ.get(ENV_BASE_URL) or BASE_URL)
        return cls(check_base_url(url), Timeout.of(timeout), max_retries, **rest)


def check_base_url(url: str) -> str:
    """Return the URL without a slash at its end; raises `ConfigurationError`, which never shows a password."""
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url: needs a string, got a {type(url).__name__}")
    try:
        problem = _problem(url, urlsplit(url))
    except ValueError:
        # What it says may hold the password.
        problem = "there is no valid host or port"
    if problem:
        raise ConfigurationError(f"base_url: {problem} in {unseen(url)!r}; it looks like {BASE_URL!r}")
    return url.rstrip("/")


def doubts_about(given: str | None, url: str, *, key_is_given: bool) -> Iterator[Warning]:
    """Say where the key may be read by others, or may not belong.

    Args:
        given: The `base_url` that was set in code or in a file, if one was.
        url: The one that counts.
        key_is_given: Whether a key was set beside it.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname):
        return
    if parts.scheme == "http":
        yield InsecureTransportWarning(
            f"base_url: everybody on the way to {parts.hostname} can read the key and the messages; use https://"
        )
    if given is not None and not key_is_given and is_foreign(url):
        # A model that was loaded from a file brings its address with it, and would take the key of whoever loads it.
        yield UserWarning(
            f"base_url: the key of the environment goes to {parts.hostname}; if that is meant, pass it as `api_key`"
        )


def is_foreign(url: str) -> bool:
    """Tell whether a URL is neither OpenRouter's nor of this machine."""
    parts = urlsplit(url)
    return not is_loopback(parts.hostname) and not _is_openrouter(parts)


def _is_openrouter(parts: SplitResult) -> bool:
    return f".{parts.hostname}".endswith(".openrouter.ai")


def _is_link_local(host: str | None) -> bool:
    """Tell whether a host is an address at which machines in a cloud read their own credentials, however it is written."""
    host = (host or "").rstrip(".")
    with suppress(OSError, ValueError):
        # As one number, in hexadecimal, with parts left out: what resolves a name takes all of these.
        return ip_address(socket.inet_aton(host)).is_link_local
    with suppress(ValueError):
        address = ip_address(host)
        return (getattr(address, "ipv4_mapped", None) or address).is_link_local
    return False


def _problem(url: str, parts: SplitResult) -> str | None:
    problems = {
        "there is white space": any(character.isspace() for character in url),
        "there is a backslash, which some take for a slash": "\\" in url,
        "there is no `http://` or `https://`": parts.scheme not in {"http", "https"},
        "there is no host": not parts.hostname,
        "there is a user or password": bool(parts.username or parts.password),
        "there is a query or fragment": bool(parts.query or parts.fragment),
        "port 0 is none": parts.port == 0,
        "there is a link-local address, which belongs to the machine itself": _is_link_local(parts.hostname),
        "there is no `/api/v1`": _is_openrouter(parts) and not f"{parts.path}/".startswith("/api/"),
    }
    return next((problem for problem, found in problems.items() if found), None)
