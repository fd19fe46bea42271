"""Calls that the fault tests have in common; how they end is looked at in `aftermath`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from openrouter_opts import OpenRouterClient
from openrouter_opts.protocol.completion import Completion
from tests.both import Caller
from tests.faults.aftermath import HI, KEY
from tests.scripted_server import ScriptedServer

Servers = Callable[..., ScriptedServer]
Callers = Callable[..., Caller]


def client_of(server: ScriptedServer, **settings: Any) -> OpenRouterClient:
    return OpenRouterClient(**{"api_key": KEY, "base_url": server.base_url, "model": "m/x", **settings})


def spoken(client: Caller, **call: Any) -> tuple[str, Completion]:
    """Read a stream to its end; return what was said while it came, and the completion."""
    stream = client.stream(HI, **call)
    return "".join(step.text for step in stream), stream.completion


def until(
    holds: Callable[[], bool], pause: Callable[[float], None] = time.sleep, seconds: float = 5.0
) -> None:
    """Wait for what another thread or the event loop is about to do."""
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        pause(0.01)
    raise AssertionError("it never came")


async def auntil(holds: Callable[[], bool]) -> None:
    """The same, in an event loop."""
    await asyncio.to_thread(until, holds, time.sleep)
