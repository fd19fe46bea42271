"""What the fault tests have in common: a call, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import OpenRouterError
from openrouter_opts.protocol.completion import Completion
from tests.both import Caller
from tests.scripted_server import ScriptedServer

HI = [{"role": "user", "content": "hi"}]
KEY = "sk-or-v1-0123456789abcdef"
SOON = 0.3
"""Seconds that a test waits for what never comes."""
Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]
both_kinds = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def client_of(server: ScriptedServer, **settings: Any) -> OpenRouterClient:
    return OpenRouterClient(**{"api_key": KEY, "base_url": server.base_url, "model": "m/x", **settings})


def ending(client: Caller, *, stream: bool, **call: Any) -> OpenRouterError | None:
    """Return the error of a call, `None` if it was answered."""
    try:
        if stream:
            list(client.stream(HI, **call))
        else:
            client.complete(HI, **call)
    except OpenRouterError as error:
        return error
    return None


def failure(client: Caller, cls: type[OpenRouterError], *, stream: bool = False, **call: Any) -> Any:
    """Return the error in which a call ends."""
    error = ending(client, stream=stream, **call)
    assert type(error) is cls, error
    return error


def spoken(client: Caller, **call: Any) -> tuple[str, Completion]:
    """Read a stream to its end; return what was said while it came, and the completion."""
    stream = client.stream(HI, **call)
    return "".join(step.text for step in stream), stream.completion


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error, and every one that it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def until(holds: Callable[[], bool], pause: Callable[[float], None], seconds: float = 5.0) -> None:
    """Wait for what another thread or the event loop is about to do."""
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        pause(0.01)
    raise AssertionError("it never came")
