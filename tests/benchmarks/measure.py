"""Wall and CPU time of the cases.

Ours and the floor take turns, so that a slow moment of the machine hits both; of each the fastest round counts, since all that else
runs on a machine can only add time. CPU time is this process's: the server has its own.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts import track_costs
from tests.benchmarks import wire
from tests.benchmarks.cases import KEY, Call, Case


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds for one call."""

    wall: float
    cpu: float

    def __add__(self, other: Self) -> Time:
        return Time(self.wall + other.wall, self.cpu + other.cpu)

    @classmethod
    def best(cls, times: Iterable[Time]) -> Time:
        taken = list(times)
        return cls(min(each.wall for each in taken), min(each.cpu for each in taken))


@dataclass(frozen=True, slots=True)
class Result:
    """What a case took."""

    name: str
    ours: Time
    framework: Time
    raw: Time

    @property
    def floor(self) -> Time:
        return self.framework + self.raw

    @property
    def wall_ratio(self) -> float:
        return self.ours.wall / self.floor.wall

    @property
    def cpu_ratio(self) -> float:
        return self.ours.cpu / self.floor.cpu

    @property
    def ratio(self) -> float:
        """The worse of the two."""
        return max(self.wall_ratio, self.cpu_ratio)


class WrongAnswer(AssertionError):
    """A case is fast but wrong."""


def verify(case: Case) -> None:
    """Run a case once each way, which also warms everything up; raises `WrongAnswer`."""
    with track_costs() as spend:
        answers = {"ours": case.ours(), "framework": case.framework(), "raw": case.raw()}
    for way, answer in answers.items():
        if answer != case.answer:
            raise WrongAnswer(f"{case.name}, {way}: {answer!r:.200}")
    if spend.successful_requests != case.requests or float(spend.total) != round(
        case.requests * wire.COST, 5
    ):
        raise WrongAnswer(f"{case.name}: {spend!r} for {case.requests} calls")


def measure(cases: Sequence[Case], rounds: int) -> list[Result]:
    """Time the cases. Each round has them all, so that none of them gets all of a slow minute."""
    samples = [[[_sample(way, case.repeat) for way in _ways(case)] for case in cases] for _ in range(rounds)]
    results: list[Result] = []
    for case, taken in zip(cases, zip(*samples, strict=True), strict=True):
        ours, framework, raw = (Time.best(times) for times in zip(*taken, strict=True))
        results.append(Result(case.name, ours, framework, raw))
    return results


def _ways(case: Case) -> tuple[Call, Call, Call]:
    return case.ours, case.framework, case.raw


def _sample(call: Call, repeat: int) -> Time:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeat):
        call()
    return Time((time.perf_counter() - wall) / repeat, (time.process_time() - cpu) / repeat)


def construction(repeat: int = 100) -> dict[str, float]:
    """Return the seconds it takes to make a model, after the first one: the median, which an unlucky moment doesn't move."""
    makers: dict[str, Callable[[], object]] = {
        "ChatOpenRouter": lambda: ChatOpenRouter(model=wire.MODEL, api_key=KEY),
        "OpenRouter": lambda: OpenRouter(model=wire.MODEL, api_key=KEY),
    }
    return {name: median(_seconds(make) for _ in range(repeat)) for name, make in makers.items()}


def _seconds(make: Callable[[], object]) -> float:
    began = time.perf_counter()
    make()
    return time.perf_counter() - began


def imports(rounds: int) -> dict[str, tuple[float, float]]:
    """Return the seconds to import each package in a fresh interpreter, and those for what it stands on alone."""
    packages = {
        "openrouter_opts.client": ("httpx", "pydantic"),
        "langchain_openrouter_opts": ("httpx", "langchain_core.language_models.chat_models"),
        "llamaindex_openrouter_opts": ("httpx", "llama_index.core.llms.function_calling"),
    }
    return {
        name: (_import_time([name], rounds), _import_time(below, rounds)) for name, below in packages.items()
    }


def _import_time(modules: Sequence[str], rounds: int) -> float:
    code = (
        f"import time; t = time.perf_counter(); import {', '.join(modules)}; print(time.perf_counter() - t)"
    )
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(rounds))
