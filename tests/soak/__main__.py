"""Many calls at once against a server that is wrong in every way, left and cancelled at any moment: `python -m tests.soak`.

Each side takes its turn: blocking calls on threads, async ones over plain httpx, async ones over aiohttp. Every call must end as its fault
demands, with the text that was meant for it; and when all have ended, nothing is in use and nothing has grown.
"""

from __future__ import annotations

import argparse
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from unittest import mock

from openrouter_opts import OpenRouterClient
from openrouter_opts.http import connections
from tests.server_process import served
from tests.soak.callers import CALLERS, Tally
from tests.soak.state import State, now

_WARM_UP = 0.25
"""The part of the time after which pools, caches and the allocator have the size that they keep."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak every side; return how many were not well."""
    asked = _parse(arguments)
    sides = [asked.only] if asked.only else list(CALLERS)
    unwell = 0
    with served("tests.soak.server") as url:
        for side in sides:
            problems = soak(side, url, asked.seconds / len(sides), asked.streams, asked.seed)
            unwell += bool(problems)
            # The first ones tell enough, and all of them may be thousands.
            print(*problems[:20], sep="\n", end="\n" if problems else "")  # noqa: T201
    return unwell


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all sides together")
    parser.add_argument("--streams", type=int, default=50, help="how many calls run at once")
    parser.add_argument("--only", choices=list(CALLERS), help="one side")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the chances that calls and faults are drawn by"
    )
    return parser.parse_args(arguments)


def soak(side: str, url: str, seconds: float, streams: int, seed: int) -> list[str]:
    """Let one side work; return what was wrong."""
    chances = [Random(f"{seed} {side} {number}") for number in range(streams)]
    client = OpenRouterClient(api_key="sk-or-v1-soak", base_url=url, model="m/x")
    tally = Tally()
    with (
        mock.patch.object(connections, "has_aiohttp", return_value=side == "aiohttp"),
        _nothing_unheard(tally),
        CALLERS[side]() as callers,
    ):
        callers.run(client, tally, chances, seconds * _WARM_UP)
        before, warm = now(), tally.calls
        callers.run(client, tally, chances, seconds * (1 - _WARM_UP))
        after, calls = now(), tally.calls - warm
    _show(side, tally, before, after)
    return [*tally.problems, *after.grown(before, calls=calls, kept_alive=streams)]


def _show(side: str, tally: Tally, before: State, after: State) -> None:
    endings = ", ".join(f"{number} {ending}" for ending, number in tally.endings.most_common())
    print(f"{side}: {tally.calls} calls; {endings}\n  {before}\n  {after}")  # noqa: T201


@contextmanager
def _nothing_unheard(tally: Tally) -> Iterator[None]:
    """Take what goes wrong where nobody hears it: in finalizers and in threads, warnings of what was not closed included."""
    unheard = mock.Mock(side_effect=lambda told: tally.problems.append(f"nobody heard: {told}"))
    with (
        warnings.catch_warnings(action="error"),
        mock.patch.object(sys, "unraisablehook", unheard),
        mock.patch.object(threading, "excepthook", unheard),
    ):
        yield


if __name__ == "__main__":
    sys.exit(main())
