"""What a server wishes of those it refuses: whether to come again, and when."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any


def retry_after(said: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Return the seconds the server asks to wait.

    The body's wish comes first, then `Retry-After` as seconds or as a date, and at last the time when a limit that is used up begins anew.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    wishes = (
        _seconds(availability(said).get("retry_after")),
        _seconds(headers.get("retry-after")),
        None if milliseconds is None else milliseconds / 1000,
        _seconds_until(_moment(headers.get("retry-after")), headers),
        _seconds_until_reset(headers),
    )
    return next((wish for wish in wishes if wish is not None), None)


def retryable(said: Mapping[str, Any], headers: Mapping[str, str]) -> bool | None:
    """Return whether the server says that another attempt may go well; `None` when it does not say."""
    wish = availability(said).get("retryable")
    if isinstance(wish, bool):
        return wish
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""))


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _seconds_until_reset(headers: Mapping[str, str]) -> float | None:
    """Return how long a limit of OpenRouter's own stays used up, such as that of free models for a day."""
    reset = _seconds(headers.get("x-ratelimit-reset"))
    if reset is None or headers.get("x-ratelimit-remaining") != "0":
        return None
    return _seconds_until(reset / 1000, headers)


def _seconds_until(moment: float | None, headers: Mapping[str, str]) -> float | None:
    """Return how far a time is by the server's own clock, if it tells it: ours may be wrong."""
    now = _moment(headers["date"]) if "date" in headers else time()
    return None if moment is None or now is None else max(0.0, moment - now)


def _moment(date: str | None) -> float | None:
    """Return the time that a date names; `None` for what is none, such as a time without a zone."""
    try:
        moment = parsedate_to_datetime(date or "")
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def headers_in(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a limit that an error holds: OpenRouter tells them there too, or only there.

    Seen with `free-models-per-day`: https://github.com/Gitlawb/openclaude/issues/936
    """
    given = metadata.get("headers")
    told = given if isinstance(given, Mapping) else {}
    return {
        name.lower(): str(value) for name, value in told.items() if name.lower().startswith("x-ratelimit-")
    }


def availability(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an error object says of the models that can be had."""
    given = said.get("availability")
    return given if isinstance(given, Mapping) else {}
