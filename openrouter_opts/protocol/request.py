"""From messages and options to the request that goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.options import MOST_FALLBACKS, ProviderOptions, too_many
from openrouter_opts.protocol.encoding import encode, encode_in_pieces, is_large, snapshot
from openrouter_opts.protocol.wire import Messages


@dataclass(frozen=True, slots=True)
class Request:
    """One request, without the key."""

    method: str
    path: str
    """Relative to the base URL, with the query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    """As it is sent; `None` where there is none, or where it is large and not written yet."""
    stream: bool = False
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the body was written from."""

    @property
    def choices(self) -> int:
        """How many choices it asks for."""
        asked = self.content.get("n")
        return asked if isinstance(asked, int) else 1

    @property
    def is_unwritten(self) -> bool:
        """Whether its body is large, and still to be written, which takes long."""
        return self.body is None and bool(self.content)

    def with_content(self, content: Mapping[str, Any]) -> Request:
        """Return the request with another body, which is written unless it is large; raises `ConfigurationError` as `written` does.

        What is written later is what there is now: a history may go on while it waits.
        """
        if is_large(content):
            return replace(self, body=None, content=snapshot(content))
        return replace(self, body=encode(content), content=content)

    def written(self) -> Request:
        """Return the request with its body; raises `ConfigurationError`, with the path, for what JSON has no word for."""
        return self if self.body is not None else replace(self, body=encode_in_pieces(self.content))


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
    """Return the request with a body from `chat_body`, written unless it is large; raises `ConfigurationError`, as `Request.written` does."""
    return Request("POST", "/chat/completions", headers, None, body.get("stream", False)).with_content(body)


def get_request(*segments: str, **query: str) -> Request:
    """Build a GET request. A model slug is two segments joined by `/`, which stays."""
    path = "/" + "/".join(quote(segment, safe="/:@~") for segment in segments)
    return Request("GET", f"{path}?{urlencode(query)}" if query else path)
