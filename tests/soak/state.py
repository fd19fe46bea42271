"""What a process holds, and how much more of it is too much."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp
import httpcore
import psutil

_POOLS: Final = (httpcore.ConnectionPool, httpcore.AsyncConnectionPool, aiohttp.BaseConnector)
_MIB: Final = 1024 * 1024
# A file, a thread or an object that one call in fifty loses (as httpx's pool loses slots for about so many cancelled requests) is more than
# this after the thousands of calls of a soak.
_PER_CALL: Final = 0.01
_BLOCKS: Final = 2_000
"""Blocks of memory by which interpreter and pools vary from one look to the next: a few per connection kept alive, caches that fill late."""
_RSS: Final = 8 * _MIB
"""The allocator keeps its arenas: how many are partly filled when the callers stop is chance. A leak of 1 KiB per call is more."""
_SETTLES: Final = 3.0
"""Seconds within which what was let go of is gone: threads that read the rest of a stream, connections of dropped ones."""


@dataclass(frozen=True, slots=True)
class State:
    """What a process holds at a moment when no call is running."""

    in_use: int
    files: int
    threads: int
    blocks: int
    """Pieces of memory that Python holds."""
    rss: int
    """Bytes of memory."""

    def grown(self, before: State, *, calls: int, kept_alive: int) -> Iterator[str]:
        """Say what is more than it was `calls` calls ago; `kept_alive` connections may be open, for the calls to come."""
        if self.in_use:
            yield f"{self.in_use} connections are in use though no call is running"
        limits = {
            "files": before.files + kept_alive,
            "threads": before.threads,
            "blocks": before.blocks + _BLOCKS + round(calls * _PER_CALL),
            "rss": before.rss + _RSS,
        }
        for name, limit in limits.items():
            if getattr(self, name) > limit:
                yield f"{name}: {getattr(before, name)} before, {getattr(self, name)} after {calls} calls, at most {limit}"


def now() -> State:
    """Return what this process holds, once that is no longer getting less."""
    until = time.monotonic() + _SETTLES
    state = _look()
    while state.in_use and time.monotonic() < until:
        time.sleep(0.1)
        state = _look()
    return state


def _look() -> State:
    gc.collect()
    process = psutil.Process()
    return State(
        in_use=_in_use(),
        files=process.num_fds(),
        threads=process.num_threads(),
        blocks=sys.getallocatedblocks(),
        rss=process.memory_info().rss,
    )


def _in_use() -> int:
    """Count what isn't idle in any pool of this process, whoever holds it: connections, and requests that wait for one."""
    found = [held for held in gc.get_objects() if isinstance(held, _POOLS)]
    return sum(
        len(pool._acquired)
        if isinstance(pool, aiohttp.BaseConnector)
        else len(pool._requests) + sum(not connection.is_idle() for connection in pool.connections)
        for pool in found
    )
