"""Calls at random, of every kind and fate, and what has to be true of the books after them.

Who asks is a client, or stands for the model of a framework: whatever has `complete`, `stream`, `acomplete` and `astream`.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from decimal import Decimal
from itertools import cycle, islice
from typing import Any, Self, TypeAlias

from openrouter_opts import Spend, SpendLimit, SpendLimitExceeded, reconcile, track_costs
from openrouter_opts.errors import OpenRouterError
from openrouter_opts.sandbox import Sandbox

Asker: TypeAlias = Any

QUESTIONS = (
    "What is 6 times 7?",
    "Tell me a story about a lighthouse, please, and make it long.",
    "What is the capital of France?",
    "Summarize: the quick brown fox jumps over the lazy dog. " * 20,
)
MODELS = (
    "openai/gpt-5-mini",
    "openai/gpt-4o-mini",
    "anthropic/claude-sonnet-4.6",
    "google/gemini-2.5-flash",
    "meta-llama/llama-3.3-70b-instruct",
    "meta-llama/llama-3.3-70b-instruct:free",
    "deepseek/deepseek-v3.2",
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"max_tokens": 40},
    {"provider": {"sort": "throughput"}},
    {"models": ["openai/gpt-5-mini"]},
    {"tools": [{"type": "openrouter:web_search", "parameters": {"engine": "exa", "max_results": 12}}]},
    {"cache_control": {"type": "ephemeral"}},
    {"response_cache": True},
    {"reasoning": {"effort": "low"}},
)
FAULTS: tuple[Callable[[Sandbox], None], ...] = (
    lambda sandbox: sandbox.fail_next(429, retry_after=0, path="/chat/completions"),
    lambda sandbox: sandbox.fail_next(503, retry_after=0, path="/chat/completions"),
    lambda sandbox: sandbox.fail_next(500, times=4, retry_after=0, path="/chat/completions"),
    lambda sandbox: sandbox.fail_next(400, path="/chat/completions"),
    lambda sandbox: sandbox.error_after(2),
    lambda sandbox: sandbox.error_after(0, code=429),
    lambda sandbox: sandbox.cut_after(1),
    lambda sandbox: sandbox.cut_after(3),
    lambda sandbox: sandbox.delay_next(between=0.001),
)


class Call:
    """One call at random: what is asked, how, and after how many deltas the caller has had enough."""

    def __init__(self, chance: random.Random, asker: Asker) -> None:
        self.asker = asker
        self.messages = [{"role": "user", "content": chance.choice(QUESTIONS)}]
        self.options = {"model": chance.choice(MODELS), **chance.choice(OPTIONS)}
        self.streams = chance.random() < 0.6
        self.leaves_after = chance.choice([None, None, 0, 1, 3])

    def run(self) -> None:
        with suppress(OpenRouterError):
            if not self.streams:
                self.asker.complete(self.messages, **self.options)
                return
            with self.asker.stream(self.messages, **self.options) as stream:
                for number, _ in enumerate(stream):
                    if number == self.leaves_after:
                        return

    async def arun(self) -> None:
        with suppress(OpenRouterError):
            if not self.streams:
                await self.asker.acomplete(self.messages, **self.options)
                return
            async with self.asker.astream(self.messages, **self.options) as stream:
                number = 0
                async for _ in stream:
                    if number == self.leaves_after:
                        return
                    number += 1

    async def cancelled(self) -> None:
        """Stream, and be cancelled by somebody else after the first delta."""
        begun = asyncio.Event()

        async def read() -> None:
            with suppress(OpenRouterError):
                async with self.asker.astream(self.messages, **self.options) as stream:
                    async for _ in stream:
                        begun.set()
                        await asyncio.sleep(0)
            begun.set()

        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def troubles(sandbox: Sandbox, chance: random.Random) -> Iterator[None]:
    """Let something go wrong now and then."""
    done = threading.Event()

    def make() -> None:
        while not done.wait(0.02):
            chance.choice(FAULTS)(sandbox)

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def at_once(calls: Sequence[Call], chance: random.Random) -> None:
    ways = [call.cancelled() if chance.random() < 0.2 else call.arun() for call in calls]
    await asyncio.gather(*ways)


def compare(spend: Spend, sandbox: Sandbox) -> None:
    """Compare every generation, and the sum."""
    ours = {
        record.generation_id: record.cost.total for record in spend.records if record.cost.total is not None
    }
    theirs = {name: generation.cost for name, generation in sandbox.generations.items()}
    assert {name: cost for name, cost in ours.items() if cost != theirs.get(name)} == {}
    assert {name: cost for name, cost in theirs.items() if cost and name not in ours} == {}
    assert spend.total == sandbox.credits_used
    ids = Counter(record.generation_id for record in spend.records if record.cost.total is not None)
    assert [name for name, number in ids.items() if number > 1] == []


def ask_at_random(seed: int, askers: Sequence[Asker], sandbox: Sandbox, spend: Spend) -> None:
    """Make 500 calls, one after the other, in threads and in tasks, while things go wrong; find out what they cost, and compare."""
    chance = random.Random(seed)
    calls = [Call(chance, asker) for asker in islice(cycle(askers), 500)]
    with troubles(sandbox, chance), ThreadPoolExecutor(8) as pool:
        for call in calls[:50]:
            call.run()
        list(pool.map(Call.run, calls[50:250]))
        for start in range(250, 500, 50):
            asyncio.run(at_once(calls[start : start + 50], chance))
    assert spend.pending
    reconcile(spend, wait=5)
    # Nobody knows of a request that was refused, and yet its search may have been paid.
    assert not {record.generation_id for record in spend.pending} & sandbox.generations.keys()
    outcomes = {record.outcome for record in spend.records}
    assert outcomes == {"answered", "interrupted", "failed"}
    assert len(spend.records) > 500
    assert spend.saved > 0
    compare(spend, sandbox)
    assert {record.cost.source for record in spend.records} >= {"reported", "reconciled"}


# --- never above a limit ---

AMOUNT = Decimal("0.01")
ASKED: tuple[dict[str, Any], ...] = (
    {"model": "openai/gpt-5-mini", "max_tokens": 100},
    {"model": "meta-llama/llama-3.3-70b-instruct", "max_tokens": 300, "provider": {"sort": "throughput"}},
    {"model": "meta-llama/llama-3.3-70b-instruct:nitro", "max_tokens": 100},
    {"model": "openai/gpt-5-mini", "max_tokens": 50, "service_tier": "priority"},
    {"model": "anthropic/claude-sonnet-4.6", "max_tokens": 60, "models": ["openai/gpt-5-mini"]},
    {"model": "google/gemini-2.5-flash"},
    {"model": "~z-ai/glm-flash-latest", "max_tokens": 20},
    {"model": "google/gemini-2.5-flash-image", "modalities": ["image", "text"], "max_tokens": 16},
    {"model": "google/gemini-3.1-flash-lite-image", "modalities": ["image"]},
)


class Watch:
    """Looks at a limit all the time, and remembers the highest it saw."""

    def __init__(self, limit: SpendLimit) -> None:
        self._limit = limit
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.highest = Decimal(0)

    def _run(self) -> None:
        while not self._done.wait(0.0005):
            figures = self._limit.figures
            self.highest = max(self.highest, figures.amount - figures.left)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def limited_call(chance: random.Random, asker: Asker) -> Call:
    call = Call(chance, asker)
    call.options = dict(chance.choice(ASKED))
    story = "Tell me a story about a lighthouse."
    call.messages = [{"role": "user", "content": chance.choice([story, story, "word " * 1000])}]
    return call


def ask_above_a_limit(
    askers: Sequence[Asker], sandbox: Sandbox, limit: SpendLimit, way: str, *, trouble: bool
) -> None:
    """Ask 200 times at once, in threads or in tasks, for more than there is; it never gets above the limit."""
    chance = random.Random(7)
    calls = [limited_call(chance, asker) for asker in islice(cycle(askers), 200)]
    refused: list[Call] = []

    def run(call: Call) -> None:
        try:
            call.run() if call.streams else call.asker.complete(call.messages, **call.options)
        except SpendLimitExceeded:
            refused.append(call)
        except OpenRouterError:
            pass

    with track_costs(limit=limit) as spend, Watch(limit) as watch:
        with troubles(sandbox, chance) if trouble else nullcontext():
            if way == "tasks":
                asyncio.run(at_once(calls, chance))
            else:
                threads = [threading.Thread(target=run, args=(call,)) for call in calls]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        assert limit.reserved == 0
        assert limit.spent + limit.pending <= AMOUNT
        reconcile(spend, wait=5)
        assert sandbox.credits_used <= AMOUNT
        assert spend.total == limit.spent == sandbox.credits_used
        # One that is fitted may take all the money, and be left in the middle.
        assert spend.records if trouble or limit.on_limit == "fit" else spend.successful_requests > 1
        compare(spend, sandbox)
    assert Decimal(0) < watch.highest <= AMOUNT
    if way == "threads" and not trouble:
        assert refused
