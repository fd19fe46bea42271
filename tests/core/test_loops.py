"""What would keep a loop waiting is done in threads: few, nobody else's, and of no consequence for what ends."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from openrouter_opts.errors import ConfigurationError
from openrouter_opts.http import loops
from openrouter_opts.http.loops import Turns, in_thread


def workers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "openrouter-opts-work"]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Return what work waits for; open at the end, whatever came of the test."""
    opened = threading.Event()
    yield opened
    opened.set()
    for each in workers():
        each.join()


async def test_work_is_done_in_a_thread_that_ends_with_it_in_the_context_of_whoever_asked():
    asked = ContextVar("asked", default="nobody")
    asked.set("me")
    done = await in_thread(lambda word: (word, asked.get(), threading.current_thread()), "a")
    done[2].join(1)
    assert done[:2] == ("a", "me")
    assert not done[2].is_alive()


def test_an_error_is_raised_where_it_is_waited_for_and_not_kept():
    def wrong() -> None:
        raise ConfigurationError("no")

    async def fails() -> weakref.ref[BaseException]:
        try:
            await in_thread(wrong)
        except ConfigurationError as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()
    try:
        kept = asyncio.run(fails())
        for each in workers():
            each.join()
        assert kept() is None
    finally:
        gc.enable()


def test_threads_that_are_all_taken_keep_no_work_waiting(gate: threading.Event):
    """As tools are that wait for a call of the model: in the threads of `asyncio.to_thread`, of which each waits for the loop."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        taken = loop.run_in_executor(None, gate.wait)
        async with asyncio.timeout(5):
            done = [await in_thread(len, "abc") for _ in range(2)]
        gate.set()
        await taken
        return done

    assert asyncio.run(main()) == [3, 3]


async def test_there_are_few_threads_at_once_and_all_work_is_done(gate: threading.Event):
    works = [asyncio.create_task(in_thread(gate.wait)) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert len(workers()) == loops._MOST
    gate.set()
    assert await asyncio.gather(*works) == [True] * 20


async def test_work_that_is_late_gives_its_place_to_others_when_nobody_waits_for_it_any_more(
    gate: threading.Event,
):
    late = [asyncio.create_task(in_thread(gate.wait)) for _ in range(loops._MOST)]
    await asyncio.sleep(0)
    next_one = asyncio.create_task(in_thread(len, "abc"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(next_one), 0.02)
    late[0].cancel()
    assert await asyncio.wait_for(next_one, 5) == 3
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await late[0]
    await asyncio.gather(*late[1:])


def test_a_loop_in_which_there_was_a_wait_is_kept_by_nothing():
    async def main() -> None:
        await asyncio.gather(*(in_thread(time.sleep, 0.001) for _ in range(3 * loops._MOST)))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    kept = weakref.ref(loop)
    del loop
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("again", [copy.deepcopy, lambda turns: pickle.loads(pickle.dumps(turns))])
async def test_a_copy_has_turns_of_its_own(again: Callable[[Turns], Turns]):
    turns = Turns()
    first = turns.of_loop(1)
    assert turns.of_loop(1) is first
    assert again(turns).of_loop(1) is not first


@pytest.mark.parametrize(
    "problem", ["can't start new thread", "can't create new thread at interpreter shutdown"]
)
async def test_where_no_thread_is_to_be_had_the_work_is_done_all_the_same(
    problem: str, monkeypatch: pytest.MonkeyPatch
):
    def start(_: threading.Thread) -> None:
        raise RuntimeError(problem)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert await in_thread(len, "abc") == 3
    with pytest.raises(ValueError, match="invalid literal"):
        await in_thread(int, "x")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(gate: threading.Event):
    async def takes_all() -> list[asyncio.Task[bool]]:
        works = [asyncio.create_task(in_thread(gate.wait)) for _ in range(loops._MOST + 1)]
        await asyncio.sleep(0.01)
        return works

    async def is_done(works: list[asyncio.Task[bool]]) -> list[bool]:
        return await asyncio.gather(*works)

    with asyncio.Runner() as runner:
        works = runner.run(takes_all())
        if (child := os.fork()) == 0:
            os._exit(asyncio.run(asyncio.wait_for(in_thread(len, "abc"), 2)) != 3)
        assert os.waitpid(child, 0)[1] == 0
        gate.set()
        assert all(runner.run(is_done(works)))


LEFT = """
import asyncio, threading
from openrouter_opts.http.loops import in_thread

async def main():
    try:
        await asyncio.wait_for(in_thread(threading.Event().wait), 0.05)
    except TimeoutError:
        print("late", flush=True)

asyncio.run(main())
"""


def test_work_that_never_ends_keeps_no_interpreter_from_ending():
    ran = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=True, timeout=20)
    assert (ran.stdout, ran.stderr) == ("late\n", "")
