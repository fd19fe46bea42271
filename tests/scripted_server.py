"""A server that plays scripts: it reads one request, then sends, waits, resets or hangs exactly as told.

A step is `bytes` to send, a number of seconds to wait, or one of `"RST"`, `"FIN"` and `"HANG"`. A script that ends leaves the connection
open for the next request; the last script is played for every request after it.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

Step: TypeAlias = bytes | float | str
Script: TypeAlias = Sequence[Step]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that arrived whole."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    scripts: Sequence[Script]
    choose: Callable[[Delivery], Script] | None = None
    """Chooses the script by the request, in place of the order in which requests come."""
    tls: ssl.SSLContext | None = None
    """Encrypts what it says."""
    deliveries: list[Delivery] = field(default_factory=list)
    connections: int = 0
    closed_by_client: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._start(self._accept)

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/api/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with socket.create_connection(self._listener.getsockname()):
            pass  # wakes the thread that accepts
        self._threads[0].join()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # the client may have closed it
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping.is_set():
                connection.close()
                return
            # Small pieces would wait 40 ms for the acknowledgement of the one before.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            with connection.makefile("rb") as incoming:
                while (delivery := _read(incoming)) and self._play(connection, self._script(delivery)):
                    pass
        except OSError:
            with self._lock:
                self.closed_by_client += 1
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _script(self, delivery: Delivery) -> Script:
        with self._lock:
            self.deliveries.append(delivery)
            number = len(self.deliveries) - 1
        if self.choose:
            return self.choose(delivery)
        return self.scripts[min(number, len(self.scripts) - 1)]

    def _play(self, connection: socket.socket, script: Script) -> bool:
        for step in script:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif step == "RST":
                # Lingering for no time turns the close into a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif step == "FIN":
                return False
            elif step == "HANG":
                if not connection.recv(1):
                    raise ConnectionResetError("the client has closed")
            else:
                self._stopping.wait(float(step))
        return True


def _read(incoming: Any) -> Delivery | None:
    line = incoming.readline().decode().split()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (raw := incoming.readline().decode().strip()) != "":
        name, _, value = raw.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = incoming.read(length)
    # Of a request that was given up while it was sent, nothing counts.
    return Delivery(line[0], line[1], headers, body) if len(body) == length else None
