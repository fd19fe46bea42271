"""The addresses of a host, asked for with a limit."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any


def addresses_of(host: str, port: int, seconds: float | None) -> list[str]:
    """Return the addresses of a host.

    `getaddrinfo` has no limit of its own, and cannot be interrupted; it is asked in a thread, which is left to itself when it is late.
    Where no thread begins, as at the end of some Pythons, its answer is waited for however long it takes.

    Raises:
        TimeoutError: it took longer than `seconds`.
        OSError: there are none.
        UnicodeError: that is not the name of a host.
    """
    if _is_address(host):
        return [host]
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([_written(place) for *_, place in found])
        except Exception as problem:  # noqa: BLE001 - whoever asked waits, and is told
            answers.put(problem)

    try:
        Thread(target=ask, name="openrouter-opts-addresses", daemon=True).start()
    except RuntimeError:
        ask()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        try:
            raise answer
        finally:
            # Kept here, it would be kept by its own traceback, until the collector comes.
            del answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _written(place: tuple[Any, ...]) -> str:
    """Write an address down; one that is of a link alone, with the link."""
    address, *more = place
    scope = more[2] if len(more) == 3 else 0
    return f"{address}%{scope}" if scope else str(address)
