"""A short soak is well, and whatever a long one looks for is noticed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.scripted_server import Delivery
from tests.soak import __main__ as program
from tests.soak.callers import Tally
from tests.soak.plans import FAULTS, Ending, Plan, plan, script_for
from tests.soak.state import State

ROOT = Path(__file__).parents[2]
QUIET = State(in_use=0, files=20, threads=1, blocks=300_000, rss=60_000_000)


@pytest.mark.parametrize("side", program.CALLERS)
def test_a_short_soak_is_well(side: str):
    """In a process of its own: what other tests have left in this one is not looked at here."""
    command = [sys.executable, "-m", "tests.soak", "--seconds", "3", "--streams", "20", "--only", side]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{side}: ")


@pytest.mark.parametrize(
    ("field", "more", "calls"),
    [("in_use", 1, 0), ("files", 51, 0), ("threads", 1, 0), ("blocks", 2_101, 10_000), ("rss", 2**23 + 1, 0)],
)
def test_what_has_grown_is_noticed(field: str, more: int, calls: int):
    grown = replace(QUIET, **{field: getattr(QUIET, field) + more})
    assert len(list(grown.grown(QUIET, calls=calls, kept_alive=50))) == 1
    just = replace(QUIET, **{field: getattr(QUIET, field) + more - 1})
    assert list(just.grown(QUIET, calls=calls, kept_alive=50)) == []


@pytest.mark.parametrize(
    ("how", "ending", "text", "is_well"),
    [
        ({}, "answered", "123", True),
        ({}, "answered", "321", False),
        ({}, "answered", "12", False),
        ({}, "left", "12", False),
        ({}, "ConnectionLost", "", False),
        ({"fault": "reset"}, "ConnectionLost", "12", True),
        ({"fault": "reset"}, "ConnectionLost", "9", False),
        ({"fault": "reset"}, "answered", "123", False),
        ({"leave_after": 1}, "left", "12", True),
        ({"cancel_after": 0.1}, "cancelled", "", True),
        ({"cancel_after": 0.1}, "left", "1", False),
    ],
)
def test_a_call_that_ends_otherwise_than_it_must_is_noticed(
    how: dict[str, str | float], ending: str, text: str, is_well: bool
):
    tally = Tally()
    tally.take(Plan(**{"fault": "none", "text": "123", **how}), Ending(ending, text))
    assert (tally.problems == []) == is_well
    assert tally.calls == 1


def test_what_nobody_hears_is_noticed():
    class Broken:
        def __del__(self) -> None:
            raise OSError("not closed")

    tally = Tally()
    with program._nothing_unheard(tally):
        Broken()
    assert len(tally.problems) == 1


def test_the_same_seed_makes_the_same_calls_of_every_kind():
    calls, again = ([plan(chance) for _ in range(500)] for chance in (Random(1), Random(1)))
    assert calls == again
    assert {call.fault for call in calls} == set(FAULTS)
    ways = {(call.leave_after is None, call.cancel_after is None, call.closes) for call in calls}
    assert len(ways) == 6


def test_the_server_plays_what_a_call_asks_for():
    asked = Plan("silent", "123")
    body = b'{"messages": [{"role": "user", "content": "%s"}]}' % asked.messages[0]["content"].encode()
    assert list(script_for(Delivery("POST", "/", {}, body))) == list(FAULTS["silent"].script("123"))
    assert asked.timeout["idle"] < 1 < asked.timeout["first_byte"]
