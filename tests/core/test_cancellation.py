"""A cancelled call tidies up, however often it is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openrouter_opts.http.cancellation import to_its_end


async def cancelled(task: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("times", range(1, 5))
async def test_a_cancellation_reaches_it_once_and_its_cleanup_is_waited_for(times: int):
    did: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            did.append("cancelled")
            for _ in range(6):
                await asyncio.sleep(0)
            did.append("tidied up")
            raise

    task = asyncio.create_task(to_its_end(work()))
    await asyncio.sleep(0.01)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    await cancelled(task)
    assert did == ["cancelled", "tidied up"]


async def test_a_result_that_comes_at_the_moment_of_the_cancellation_is_not_lost():
    ready, thrown_away = asyncio.Event(), []

    async def work() -> str:
        await ready.wait()
        return "a response"

    async def throw_away(result: str) -> None:
        await asyncio.sleep(0)
        thrown_away.append(result)

    task = asyncio.create_task(to_its_end(work(), throw_away))
    await asyncio.sleep(0.01)
    ready.set()
    # Now the work ends, and who waits for it has not been woken.
    await asyncio.sleep(0)
    task.cancel()
    await cancelled(task)
    assert thrown_away == ["a response"]


async def test_an_error_during_the_cleanup_does_not_hide_the_cancellation():
    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            raise KeyError

    task = asyncio.create_task(to_its_end(work()))
    await asyncio.sleep(0.01)
    task.cancel()
    await cancelled(task)


async def test_uncancelled_it_returns_and_raises_what_comes():
    async def give(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    assert await to_its_end(give(3)) == 3
    with pytest.raises(KeyError):
        await to_its_end(give(KeyError()))
