"""The figures as a table and as JSON, and what is too slow."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measure import Result

CONSTRUCTION_LIMIT = 0.001
_LIBRARIES = ("httpx", "httpx-aiohttp", "aiohttp", "pydantic", "langchain-core", "llama-index-core")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured in one run; times in seconds."""

    results: list[Result]
    construction: dict[str, float]
    imports: dict[str, tuple[float, float]]
    rounds: int
    limit: float

    def too_slow(self) -> Iterator[str]:
        """Yield what is above its limit, in words."""
        for result in self.results:
            if result.ratio > self.limit:
                yield f"{result.name}: {result.ratio:.2f} times the floor, above {self.limit}"
        for name, taken in self.construction.items():
            if taken > CONSTRUCTION_LIMIT:
                yield f"{name}(): {_ms(taken)} ms, above {_ms(CONSTRUCTION_LIMIT)}"

    def data(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        ratios = [{"wall_ratio": each.wall_ratio, "cpu_ratio": each.cpu_ratio} for each in self.results]
        return {
            **asdict(self),
            "results": [{**asdict(each), **ratio} for each, ratio in zip(self.results, ratios, strict=True)],
            "machine": machine(),
        }

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(self._calls())
        console.print(self._starts())
        console.print(", ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
        if os.getloadavg()[0] > (os.cpu_count() or 1):
            # A long call is interrupted more often than a short one, so the ratios get worse, too.
            console.print("[yellow]The machine was busy[/]: these figures are too high.", highlight=False)
        for line in self.too_slow():
            console.print(f"[red]too slow[/] {line}", highlight=False)

    def _calls(self) -> Table:
        table = Table(
            title=f"One call, ms: the best of {self.rounds} rounds; limit {self.limit} times the floor"
        )
        table.add_column("case")
        for head in ("ours", "floor", "framework", "raw", "ratio", "ours CPU", "floor CPU", "ratio CPU"):
            table.add_column(head, justify="right")
        for each in self.results:
            walls = (each.ours.wall, each.floor.wall, each.framework.wall, each.raw.wall)
            table.add_row(
                each.name,
                *map(_ms, walls),
                self._ratio(each.wall_ratio),
                _ms(each.ours.cpu),
                _ms(each.floor.cpu),
                self._ratio(each.cpu_ratio),
            )
        return table

    def _ratio(self, ratio: float) -> str:
        return f"[{'red' if ratio > self.limit else 'green'}]{ratio:.2f}[/]"

    def _starts(self) -> Table:
        table = Table(title="Starting, ms")
        for head in ("what", "ours", "of it, what it stands on"):
            table.add_column(head, justify="left" if head == "what" else "right")
        for name, taken in self.construction.items():
            table.add_row(f"{name}(), after the first", _ms(taken), "")
        for name, (taken, below) in self.imports.items():
            table.add_row(f"import {name}", _ms(taken), _ms(below))
        return table


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "Python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        **{name: version(name) for name in _LIBRARIES},
    }


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"
