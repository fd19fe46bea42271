"""Sends a served answer down the line, whole or streamed, with the mischief that was ordered; then books it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openrouter_opts.sandbox.faults import Mischief
from openrouter_opts.sandbox.line import Line
from openrouter_opts.sandbox.reply import stream
from openrouter_opts.sandbox.reply.completion import broken_completion, completion
from openrouter_opts.sandbox.reply.served import Ending, Served

_STREAM_HEADERS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


class Answering(Response):
    """The response of a chat call.

    Args:
        served: the answer.
        mischief: what goes wrong with it.
        headers: response headers.
        settle: books the ending; called once, before the client can know that the answer is complete.
        release: called when all is over, however it ended.
    """

    def __init__(
        self,
        served: Served,
        mischief: Mischief,
        headers: Mapping[str, str],
        settle: Callable[[Ending], None],
        release: Callable[[], None],
    ) -> None:
        super().__init__()
        self._served = served
        self._mischief = mischief
        self._told = headers
        self._settle = settle
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        line = Line(scope, receive, send)
        try:
            await (self._stream(line) if self._served.request.get("stream") else self._send_whole(line))
        finally:
            self._release()

    async def _send_whole(self, line: Line) -> None:
        """A whole answer can't be cancelled: it is billed once it is generated, received or not."""
        mischief = self._mischief
        await line.pause(mischief.first_byte)
        broken = mischief.broken
        self._settle(Ending(time.monotonic(), failed=broken is not None))
        body = broken_completion(self._served, broken) if broken else completion(self._served)
        data = stream.wire_json(body)
        if mischief.cut_after == 0:
            await line.cut()
            return
        await line.start(
            200, {**self._told, "Content-Type": "application/json", "Content-Length": str(len(data))}
        )
        if mischief.cut_after is not None:
            await line.write(data[: len(data) // 2])
            await line.cut()
            return
        await line.write(data)
        await line.end()

    async def _stream(self, line: Line) -> None:
        mischief = self._mischief
        if not await self._begin(line):
            return
        first_token, sent, deltas = time.monotonic(), 0, 0
        for chunk in stream.chunks(self._served):
            if self._breaks_at(deltas) or deltas == mischief.cut_after or line.is_closed:
                break
            await line.write(chunk.data)
            sent, deltas = sent + chunk.tokens, deltas + chunk.is_delta
            await self._wait(line, mischief.between)
        if mischief.broken is not None:
            self._settle(Ending(first_token, sent, failed=True))
            await self._write_all(line, (stream.error(self._served, mischief.broken).data, stream.DONE))
        elif mischief.cut_after is not None or line.is_closed:
            self._settle(Ending(first_token, sent))
            await line.cut()
        else:
            self._settle(Ending(first_token))
            finish, usage = stream.finish(self._served), stream.usage(self._served)
            await self._write_all(line, (finish.data, usage.data, stream.DONE))

    async def _begin(self, line: Line) -> bool:
        """Send headers and the first comment; False where the connection is cut before that."""
        mischief = self._mischief
        if mischief.comment_every is None:
            await line.pause(mischief.first_byte)
        if mischief.cut_after == 0:
            self._settle(Ending(time.monotonic(), sent=0))
            await line.cut()
            return False
        await line.start(200, {**self._told, **_STREAM_HEADERS})
        await line.write(stream.COMMENT)
        if mischief.comment_every is not None:
            await self._wait(line, mischief.first_byte)
        return True

    async def _wait(self, line: Line, seconds: float) -> None:
        """Wait in silence, or with a comment now and then."""
        every = self._mischief.comment_every
        if every is None:
            await line.pause(seconds)
            return
        for pause in _slices(seconds, every):
            await line.pause(pause)
            if line.is_closed:
                return
            await line.write(stream.COMMENT)

    async def _write_all(self, line: Line, parts: tuple[bytes, ...]) -> None:
        for part in parts:
            await line.write(part)
        await line.end()

    def _breaks_at(self, deltas: int) -> bool:
        broken = self._mischief.broken
        return broken is not None and deltas >= broken.deltas


def _slices(seconds: float, every: float) -> Iterator[float]:
    left = seconds
    while left > 0:
        yield min(left, every)
        left -= every
