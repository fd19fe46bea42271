"""Places at which no connection comes about."""

from __future__ import annotations

import socket
from contextlib import ExitStack


def crowded(stack: ExitStack) -> str:
    """Return the host and port of a queue that is full: further connections are neither accepted nor refused."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return f"127.0.0.1:{listener.getsockname()[1]}"


def silent(stack: ExitStack) -> str:
    """Return the host and port of a server that takes connections, and never says a word."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return f"127.0.0.1:{listener.getsockname()[1]}"
