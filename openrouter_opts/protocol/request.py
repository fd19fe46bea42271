"""From messages and options to the request that goes out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import MOST_FALLBACKS, ProviderOptions, too_many
from openrouter_opts.protocol.surrogates import mended
from openrouter_opts.protocol.wire import Messages


@dataclass(frozen=True, slots=True)
class Request:
    """One request, without the key."""

    method: str
    path: str
    """Relative to the base URL, with the query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    stream: bool = False
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the body was written from."""

    def with_content(self, content: Mapping[str, Any]) -> Request:
        """Return the request with another body."""
        return replace(self, body=encode(content), content=content)


def chat_body(
    messages: Messages, *, model: str | None, options: ProviderOptions, stream: bool = False
) -> dict[str, Any]:
    """Put the body of a chat request together; the order of its keys is fixed, since response and prompt caches look at the bytes.

    Args:
        messages: The conversation in wire form; at least one message.
        model: A model slug; `None` leaves the choice to the account's default.
        options: Everything else.
        stream: Whether the answer should come in chunks.

    Raises:
        ConfigurationError: There is no message, there are too many models to fall back on, or `stream` is set in another way.
    """
    if not messages:
        raise ConfigurationError("messages: there is none; a chat request needs at least one")
    body: dict[str, Any] = {} if model is None else {"model": model}
    if stream:
        body["stream"] = True
    body["messages"] = messages
    body.update(options.body)
    if options.models and "models" not in (options.extra_body or {}):
        body["models"] = others = [name for name in options.models if name != body.get("model")]
        if len(others) > MOST_FALLBACKS:
            raise ConfigurationError(f"models: {too_many(others)}")
        if not others:
            del body["models"]
    if body.get("stream", False) is not stream:
        raise ConfigurationError("extra_body.stream: call `stream` or `invoke` instead of setting it")
    return body


def chat_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """Return the request with a body from `chat_body`; raises `ConfigurationError`, with the path, for what JSON has no word for."""
    return Request("POST", "/chat/completions", headers, encode(body), body.get("stream", False), body)


def get_request(*segments: str, **query: str) -> Request:
    """Build a GET request. A model slug is two segments joined by `/`, which stays."""
    path = "/" + "/".join(quote(segment, safe="/:@~") for segment in segments)
    return Request("GET", f"{path}?{urlencode(query)}" if query else path)


def encode(body: Mapping[str, Any]) -> bytes:
    """Write JSON in UTF-8; raises `ConfigurationError` with the path of what cannot be written."""
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError(_find_unwritable(body)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return mended(text).encode()


def _find_unwritable(body: Mapping[str, Any]) -> str:
    pending: list[tuple[str, Any, tuple[int, ...]]] = [("", body, ())]
    while pending:
        path, value, above = pending.pop()
        if id(value) in above:
            return f"{path}: contains itself, so it cannot be written as JSON"
        if len(above) > 500:
            return f"{path[:60]}…: is nested too deep to be written as JSON"
        if isinstance(value, dict):
            bad = next((key for key in value if _bad_key(key)), None)
            if bad is not None:
                return f"{path or 'body'}: JSON objects have strings as keys, not {bad!r:.60}"
            inner = [(f"{path}.{key}".lstrip("."), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            inner = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        elif problem := _problem(value):
            return f"{path}: {problem}"
        else:
            continue
        pending += [(where, item, (*above, id(value))) for where, item in reversed(inner)]
    return "the request cannot be written as JSON"


def _bad_key(key: object) -> bool:
    return not isinstance(key, str | int | float | None) or (
        isinstance(key, float) and not math.isfinite(key)
    )


def _problem(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no JSON number"
    if value is None or isinstance(value, str | int | float):
        return None
    return f"JSON has no form for a {type(value).__name__}; convert it first"
