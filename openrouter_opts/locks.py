"""Locks that are free in a forked child, whoever held them.

A child has the thread that forked and no other: a lock that another one held at that moment would be held there for ever. So a fork takes
all of them first, the newest first, and what they protect is never half done in the child.
"""

from __future__ import annotations

import os
import threading
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

_making: Final = threading.Lock()
_locks: Final[WeakKeyDictionary[threading.Lock, None]] = WeakKeyDictionary()
"""In the order in which they were made."""
_reentrant: Final[WeakSet[threading.RLock]] = WeakSet()
_held: Final[list[threading.Lock | threading.RLock]] = []


def forkable_lock() -> threading.Lock:
    """Return a lock. Whoever holds it may wait only for those of these that were made before it, since a fork takes the newest first."""
    lock = threading.Lock()
    with _making:
        _locks[lock] = None
    return lock


def reentrant_forkable_lock() -> threading.RLock:
    """Return a lock that finalizers may take, wherever they run. Whoever holds it must wait for no other lock.

    A finalizer runs while its thread holds any other lock, too. So a fork takes these last: whoever it waits for gets what it waits for.
    """
    lock = threading.RLock()
    with _making:
        _reentrant.add(lock)
    return lock


def _hold() -> None:
    _making.acquire()
    _held.extend(reversed(list(_locks)))
    _held.extend(_reentrant)
    for lock in _held:
        lock.acquire()


def _release() -> None:
    while _held:
        _held.pop().release()
    _making.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has none
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
