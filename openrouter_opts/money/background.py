"""Looks pending requests up in the background: in one thread for the process, which ends when there is nothing left to ask."""

from __future__ import annotations

import atexit
import contextlib
import heapq
import threading
import time
from collections.abc import Callable
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple
from weakref import ref

from openrouter_opts.errors import OpenRouterError
from openrouter_opts.http.logs import LOGGER
from openrouter_opts.locks import forkable_lock
from openrouter_opts.money.entry import Entry
from openrouter_opts.money.reconcile import taken

TRIES: Final = 12
"""Over an hour and ten minutes, each pause twice the one before."""
_IDLE: Final = 2.0
_PATIENCE: Final = 30.0
"""Seconds for one question: others wait meanwhile."""
_AT_EXIT: Final = 1.0


class _Due(NamedTuple):
    at: float
    number: int
    entry: ref[Entry]
    tries: int


class Background:
    """Asks for what is pending, again and again, until it is known or nobody wants to know any more.

    `watch` may be called by the garbage collector at any point, so it takes no lock and never waits.
    """

    def __init__(self, first: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._clock = clock
        self._new: SimpleQueue[ref[Entry] | None] = SimpleQueue()
        self._starting = forkable_lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def watch(self, entry: Entry) -> None:
        """Look a request up from now on, without keeping it: when no scope and no limit knows it any more, it is forgotten."""
        self._new.put(ref(entry))
        self._start()

    def stop(self, timeout: float) -> None:
        """Ask for nothing more, and wait for the thread to end, for so many seconds at most."""
        self._stopping = True
        self._new.put(None)
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _start(self) -> None:
        if self._stopping or not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="openrouter-reconcile", daemon=True)
                with contextlib.suppress(RuntimeError):
                    # No thread can be started while the interpreter goes down; what is pending stays so. It serves every scope, so it
                    # begins in none, which it would keep for as long as it lives.
                    Context().run(thread.start)
                    self._thread = thread
        finally:
            self._starting.release()

    def _run(self) -> None:
        due: list[_Due] = []
        number = 0
        while not self._stopping:
            wait = due[0].at - self._clock() if due else _IDLE
            try:
                entry = self._new.get(timeout=max(wait, 0.0))
            except Empty:
                if not due:
                    break
                self._ask(heapq.heappop(due), due)
                continue
            number += 1
            if entry is not None:
                heapq.heappush(due, _Due(self._clock() + self._first, number, entry, 1))
        self._thread = None
        if not self._new.empty():
            self._start()

    def _ask(self, due: _Due, others: list[_Due]) -> None:
        entry = due.entry()
        if (
            entry is None
            or not entry.record.pending
            or entry.lookup is None
            or not entry.record.generation_id
        ):
            return
        try:
            found = entry.lookup.generation(entry.record.generation_id, patient=False, within=_PATIENCE)
            wish = taken(entry, found)
        except OpenRouterError as error:
            wish = taken(entry, error)
        except Exception as error:  # noqa: BLE001 - a lookup or a store of somebody's; others are waiting behind it
            # Without its text, in which there may be anything.
            LOGGER.warning(
                "what %s did cost could not be found out: %s",
                entry.record.generation_id,
                type(error).__name__,
            )
            wish = 0.0
        if wish is not None and due.tries < TRIES:
            at = self._clock() + max(self._first * 2**due.tries, wish)
            heapq.heappush(others, due._replace(at=at, tries=due.tries + 1))


BACKGROUND: Final = Background()
atexit.register(BACKGROUND.stop, _AT_EXIT)
