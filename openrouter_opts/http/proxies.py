"""Which proxy leads to a server: the one that is set, or the one of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http.urls import unseen

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and who says so."""

    url: str
    source: str
    """The argument `proxy`, or the name of an environment variable."""

    @property
    def host(self) -> str:
        """Host and port, without user and password."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def forwards(self) -> bool:
        """Whether it speaks HTTP, and so reads what isn't encrypted; SOCKS only passes on bytes."""
        return self.url.startswith("http")

    def checked(self) -> Proxy:
        """Return it if it can be one; raises `ConfigurationError`, which shows no password."""
        if self._is_one:
            return self
        raise ConfigurationError(
            f"{self.source}: is no URL of a proxy; it looks like 'http://host:3128' (also {', '.join(_SCHEMES[1:])})"
        )

    @property
    def _is_one(self) -> bool:
        try:
            parts = urlsplit(self.url)
            return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            # What it says may hold the password.
            return False


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine."""
    return host in _LOOPBACK


def proxy_for(url: str, given: str | None, *, trust_env: bool) -> Proxy | None:
    """Return the proxy that leads to `url`; raises `ConfigurationError` for one that cannot be.

    Args:
        url: Where requests go.
        given: The proxy that was set, which counts for every host.
        trust_env: Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count.
    """
    if given is not None:
        return Proxy(unseen(given), "proxy").checked()
    found = _of_environment(url) if trust_env else None
    return found.checked() if found else None


def _of_environment(url: str) -> Proxy | None:
    parts = urlsplit(url)
    # Nobody's proxy leads to this machine.
    if is_loopback(parts.hostname):
        return None
    proxies = getproxies()
    scheme = next((each for each in (parts.scheme, "all") if proxies.get(each)), None)
    if scheme is None or proxy_bypass(parts.netloc):
        return None
    found = proxies[scheme]
    return Proxy(unseen(found if "://" in found else f"http://{found}"), f"{scheme.upper()}_PROXY")
