"""The targets of `make fuzz` without atheris: what is known, and changes by chance; and the program around them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random

import pytest

from openrouter_opts.protocol import sse
from tests.fuzz import __main__ as fuzz
from tests.fuzz.deform import deformed
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS, as_specified, events

every_target = pytest.mark.parametrize("name", TARGETS)
every_seed = pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, seeds in SEEDS.items() for number in range(len(seeds))]
)
FOUND = [
    ("sse", b"event: error\nevent\ndata: a\n\n"),
    (
        "decode",
        b'{"choices": [{"message": {"tool_calls": [{"id": -1}, {"id": "c", "function": {"name": "f"}}]}}]}',
    ),
    ("decode", b'{"error": {"code": 400, "metadata": {"raw": "cut in an emoji \\ud83d"}}}'),
    ("decode", b'{"error": {"code": 400, "message": "cut in an emoji \\ud83d"}}'),
    ("assemble", b'event: error\ndata: {"message": "no"}\n\ndata: {"id": "gen-1", "usage": {"cost": 1}}'),
    ("assemble", b'data: {"choices": [{"delta": {"audio": NaN}}]}\n\ndata: no JSON\n\n'),
]
"""What fuzzing has found, each time with another test of its own."""


@every_seed
def test_what_is_known_is_read_in_any_pieces(name: str, number: int):
    TARGETS[name](SEEDS[name][number])


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_once_is_mended(name: str, data: bytes):
    TARGETS[name](data)


@every_seed
def test_changes_by_chance_end_in_an_answer_or_an_error_of_ours(name: str, number: int):
    chance = Random(number)
    data = SEEDS[name][number]
    for _ in range(15):
        data = deformed(data, chance)
        TARGETS[name](data)


@every_target
def test_nothing_at_all_ends_in_an_error_of_ours(name: str):
    TARGETS[name](b"")


def test_a_decoder_that_loses_an_event_at_a_split_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse.EventDecoder, "_hold", lambda self, part: None)
    with pytest.raises(AssertionError):
        TARGETS["sse"](SEEDS["sse"][0])


def test_the_events_of_the_seeds_are_those_of_the_specification():
    assert [event.data for event in as_specified(SEEDS["sse"][-1])] == [
        b'{"choices": [\n{"delta": {"content": "x"}}]}\n'
    ]
    assert events([b"event: error\r\ndata:x"]) == [sse.Event(b"x", "error")]


@pytest.mark.parametrize("data", [b"", b"\xff\n\n\x00", b"data: {\n\n", SEEDS["decode"][0], SEEDS["sse"][0]])
def test_the_same_chance_changes_bytes_in_the_same_way(data: bytes):
    changed = [deformed(data, Random(seed)) for seed in range(20)]
    assert changed == [deformed(data, Random(seed)) for seed in range(20)]
    assert not data or any(each != data for each in changed)


def test_where_atheris_is_not_installed_the_program_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert fuzz.main([]) == 2
    assert "Linux on x86_64" in capsys.readouterr().err


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Run nothing; return what would have been run, where every second command fails."""
    ran: list[list[str]] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(fuzz, "_KEPT", tmp_path)
    monkeypatch.setattr(fuzz, "_run", lambda name, given: ran.append([name, *given]) or len(ran) % 2)
    return ran


def test_each_target_gets_its_part_of_the_time_and_the_seeds(commands: list[list[str]], tmp_path: Path):
    assert fuzz.main(["--seconds", "600"]) == 2, "as many as have found something"
    assert [command[:2] for command in commands] == [[name, "-max_total_time=200"] for name in TARGETS]
    assert (tmp_path / "decode-seeds" / "0").read_bytes() == SEEDS["decode"][0]


def test_a_file_is_tried_again_on_the_target_that_found_it(commands: list[list[str]]):
    fuzz.main(["--only", "sse", "--again", "found"])
    assert commands == [["sse", "found"]]
    with pytest.raises(SystemExit):
        fuzz.main(["--again", "found"])
