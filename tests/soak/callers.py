"""Many callers at once, on threads or on an event loop, each making one call after the other."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Final, Self

from openrouter_opts import OpenRouterClient
from openrouter_opts.errors import OpenRouterError
from tests.soak.plans import Ending, Plan, plan

_CLOSES: Final = 3.0
"""Seconds within which a stream that was dropped is closed."""


@dataclass
class Tally:
    """How the calls ended, and what was wrong with them."""

    endings: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return self.endings.total()

    def take(self, done: Plan, ending: Ending) -> None:
        self.endings[ending.kind] += 1
        if problem := done.problem(ending):
            self.problems.append(problem)


class OnThreads:
    """Callers that block, each on a thread of its own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, client: OpenRouterClient, tally: Tally, chances: list[Random], seconds: float) -> None:
        until = time.monotonic() + seconds

        def work(chance: Random) -> None:
            while time.monotonic() < until:
                asked = plan(chance)
                tally.take(asked, self._ask(client, asked))

        with ThreadPoolExecutor(len(chances)) as threads:
            list(threads.map(work, chances))

    def _ask(self, client: OpenRouterClient, asked: Plan) -> Ending:
        text = ""
        stream = client.stream(asked.messages, timeout=asked.timeout)
        try:
            for number, delta in enumerate(stream):
                text += delta.text
                if number == asked.leave_after:
                    break
            else:
                return Ending("answered", text)
        except OpenRouterError as error:
            return Ending(type(error).__name__, text, str(error))
        if asked.closes:
            stream.close()
        return Ending("left", text)


class OnALoop:
    """Callers that are tasks of one event loop, which lives as long as this."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def run(self, client: OpenRouterClient, tally: Tally, chances: list[Random], seconds: float) -> None:
        self._runner.run(self._all(client, tally, chances, time.monotonic() + seconds))

    async def _all(self, client: OpenRouterClient, tally: Tally, chances: list[Random], until: float) -> None:
        unheard = tally.problems.append
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard(str(context)))

        async def work(chance: Random) -> None:
            while time.monotonic() < until:
                asked = plan(chance)
                tally.take(asked, await self._in_time(client, asked))

        async with asyncio.TaskGroup() as group:
            for chance in chances:
                group.create_task(work(chance))
        # Streams that were dropped are closed by tasks of the loop, once they are collected; that may take as long as a call.
        gc.collect()
        await asyncio.sleep(0)
        if closing := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(closing, timeout=_CLOSES)

    async def _in_time(self, client: OpenRouterClient, asked: Plan) -> Ending:
        try:
            async with asyncio.timeout(asked.cancel_after):
                return await self._ask(client, asked)
        except TimeoutError:
            return Ending("cancelled")

    async def _ask(self, client: OpenRouterClient, asked: Plan) -> Ending:
        text = ""
        stream = client.astream(asked.messages, timeout=asked.timeout)
        try:
            number = 0
            async for delta in stream:
                text += delta.text
                if number == asked.leave_after:
                    break
                number += 1
            else:
                return Ending("answered", text)
        except OpenRouterError as error:
            return Ending(type(error).__name__, text, str(error))
        if asked.closes:
            await stream.aclose()
        return Ending("left", text)


CALLERS: dict[str, Callable[[], OnThreads | OnALoop]] = {
    "sync": OnThreads,
    "httpx": OnALoop,
    "aiohttp": OnALoop,
}
