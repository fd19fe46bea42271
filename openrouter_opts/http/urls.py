"""URLs that may hold a password, or a key, which nobody shall see."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator

# Where there is no host first, all before the last @ is a login: a password that isn't escaped may have any character in it.
_HOST: Final = r"(?:\[[^]/?#@]*\]|[^/?#@:[]*)(?::\d*)?(?:[/?#]|$)"
_LOGIN: Final = re.compile(rf"^([\w+.-]+://)?(?!{_HOST}).*@", re.DOTALL)
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)


class PrivateUrl(str):
    """A URL. Neither its `repr` nor its pickle has what is private in it: error trackers show the locals of every frame."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(public(self, login="…@"))

    def __copy__(self) -> PrivateUrl:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> PrivateUrl:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (public(self),)


def public(url: Any, login: str = "") -> Any:
    """Return a URL without user, password, query and fragment, and anything else as it is.

    Args:
        url: The URL.
        login: What stands where user and password were.
    """
    return _QUERY.sub("", _LOGIN.sub(rf"\1{login}", url)) if isinstance(url, str) else url


def unseen(url: Any) -> Any:
    """Return a URL in which something is private as one that doesn't show it, and anything else as it is."""
    return PrivateUrl(url) if isinstance(url, str) and public(url) != url else url


UrlField: TypeAlias = Annotated[str | None, AfterValidator(unseen)]
"""The type of a model's field for a URL."""
