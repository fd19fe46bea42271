"""The bare server: reads a request, writes an answer that was rendered before. In a process of its own.

The sandbox is a Starlette application, and would be most of what is timed.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager

from tests.benchmarks import wire
from tests.server_process import served

_LENGTH = b"content-length:"


class Answering(asyncio.Protocol):
    """One kept-alive connection. A request for a stream is told by the `stream` in its body."""

    def __init__(self, completion: bytes, stream: bytes) -> None:
        self._completion = completion
        self._stream = stream
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (body := self._take_request()) is not None:
            asks_for_stream = b'"stream":true' in body or b'"stream": true' in body
            self._transport.write(self._stream if asks_for_stream else self._completion)

    def _take_request(self) -> bytes | None:
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return None
        _, _, after = head.lower().partition(_LENGTH)
        size = int(after.partition(b"\r\n")[0])
        if len(rest) < size:
            return None
        self._received = rest[size:]
        return bytes(rest[:size])


async def _serve(deltas: int) -> None:
    completion, stream = wire.completion(), wire.stream(deltas)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(completion, stream), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how the parent learns the port
    # The parent holds the other end of stdin: when it goes away, however it does, so does this process.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def bare_server(deltas: int) -> AbstractContextManager[str]:
    """Run the server in another process; yield its base URL."""
    return served("tests.benchmarks.server", str(deltas))


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
