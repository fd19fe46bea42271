"""I6: a fork leaves no lock locked in the child by a thread that isn't there."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from langchain_openrouter_opts.middleware import spend_limit
from langchain_openrouter_opts.middleware import threads as agent_threads
from langchain_openrouter_opts.middleware.cache_watch import CacheWatch
from openrouter_opts import limited
from openrouter_opts.http import connections, pools, reuse
from openrouter_opts.locks import forkable_lock, reentrant_forkable_lock
from openrouter_opts.money import background, limits, store, threads

LOCKS: dict[str, Callable[[], Any]] = {
    "of its own": forkable_lock,
    "of finalizers": reentrant_forkable_lock,
    "pools": lambda: pools._lock,
    "connections": lambda: reuse._lock,
    "certificates": lambda: connections._reading,
    "limits": lambda: store.MEMORY._lock,  # type: ignore[attr-defined]
    "limits that were stored": lambda: limits._storing,
    "the limit of a model": lambda: limited._ONE_AT_A_TIME,
    "scopes in threads": lambda: threads._lock,
    "the thread that reconciles": lambda: background.BACKGROUND._starting,
    "the threads of agents": lambda: spend_limit._THREADS._lock,
    "what the threads of agents have cost": lambda: agent_threads._noting,
    "what is said of caches": lambda: CacheWatch()._lock,
}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("make", LOCKS.values(), ids=LOCKS)
def test_a_forked_child_finds_a_lock_free_that_another_thread_held(make: Callable[[], Any]):
    lock, taken = make(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait(0.2)

    done = threading.Event()
    holding = threading.Thread(target=hold)
    holding.start()
    taken.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    holding.join()
    assert lock.acquire(timeout=1), "it is free in the parent as well"
    lock.release()


def test_who_waits_for_the_certificates_holds_no_other_lock_that_a_fork_takes():
    made = pools.Pools(connections.Maker(True, None, trust_env=True))
    with connections._reading:
        waiting = threading.Thread(target=made.of_threads)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        assert pools._lock.acquire(timeout=0)
        pools._lock.release()
    waiting.join()


def fork_beside(work: Callable[[], None], begun: threading.Event) -> None:
    """Fork once a thread has begun its work, and see both the child and the thread to their ends."""
    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_waits_for_whoever_holds_a_lock_and_waits_for_an_older_one():
    older, newer = [forkable_lock() for _ in range(30)], forkable_lock()
    taken, had = threading.Event(), list[bool]()

    def hold() -> None:
        with newer:
            taken.set()
            until = time.monotonic() + 0.3
            while not any(lock.locked() for lock in older) and time.monotonic() < until:
                time.sleep(0.01)
            had.extend(lock.acquire(timeout=0.1) for lock in older)
            for lock, is_held in zip(older, had, strict=True):
                if is_held:
                    lock.release()

    fork_beside(hold, taken)
    assert had == [True] * 30


@pytest.mark.timeout(10, method="thread")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_lets_a_finalizer_end_that_runs_while_its_thread_holds_a_lock():
    held, asked, taken, forking = (
        forkable_lock(),
        reentrant_forkable_lock(),
        threading.Event(),
        threading.Event(),
    )

    def finalize() -> None:
        with held:
            taken.set()
            forking.wait(0.2)
            with asked:
                pass

    fork_beside(finalize, taken)
