"""How fast the models are, against the floor: `python -m tests.benchmarks`.

The floor of a call is what nobody can avoid: the same call on a model of the framework that answers from memory, plus the same exchange
by hand with `httpx` and `json`. The server is a bare one in another process; it sends as fast as it is read from.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.benchmarks.cases import Size, cases
from tests.benchmarks.measure import Result, construction, imports, measure, verify
from tests.benchmarks.report import Report

LIMIT = 2.0
"""How many times the floor a call may take."""


def main(arguments: Sequence[str] | None = None, size: Size | None = None) -> int:
    """Run the benchmarks; return 1 if something is slower than its limit."""
    asked = _parse(arguments)
    rounds = 3 if asked.quick else 25
    results = _measured(asked.only, rounds, size or Size())
    report = Report(results, construction(), imports(1 if asked.quick else 5), rounds, asked.limit)
    report.show(Console(width=140))
    if asked.json:
        asked.json.write_text(json.dumps(report.data(), indent=2) + "\n")
    return int(any(report.too_slow()))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: a first look")
    parser.add_argument("--limit", type=float, default=LIMIT, help="how many times the floor is too slow")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases with TEXT in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    return parser.parse_args(arguments)


def _measured(only: str, rounds: int, size: Size) -> list[Result]:
    with cases(size) as every:
        chosen = [case for case in every if only.lower() in case.name.lower()]
        for case in chosen:
            verify(case)
        # What the libraries hold for good is not looked through again at every collection.
        gc.collect()
        gc.freeze()
        try:
            return measure(chosen, rounds)
        finally:
            gc.unfreeze()


if __name__ == "__main__":
    for setting in [
        name for name in os.environ if name.startswith(("OPENROUTER_", "LANGCHAIN_", "LANGSMITH_"))
    ]:
        # A tracer, or another server, is not what is timed.
        del os.environ[setting]
    sys.exit(main())
