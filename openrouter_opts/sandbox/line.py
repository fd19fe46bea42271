"""The line to one client: what HTTP servers give, plus what they hide: silence, and a cut."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

TRANSPORT = "openrouter_sandbox_transport"
"""Where the server puts the connection's transport in the ASGI state."""


class Line:
    """Sends one answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["state"][TRANSPORT]
        self._receive = receive
        self._send = send

    @property
    def is_closed(self) -> bool:
        """Whether the client has gone."""
        return self._transport.is_closing()

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        raw = [(name.lower().encode("latin-1"), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a part of the body, at once."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the body properly."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than the client does; with 0 only see whether it has gone."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            await asyncio.wait_for(self._gone(), seconds)
        except TimeoutError:
            return

    async def cut(self) -> None:
        """Drop the connection, whatever state the answer is in."""
        self._transport.abort()
        await self._gone()

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
