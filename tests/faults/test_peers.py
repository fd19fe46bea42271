"""The program behind the table of peers: what it plays, how it judges, what it writes. It installs nothing here."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults import peer_call, peers
from tests.faults.peer_faults import FAULTS, NOTHING, Ending, Fault
from tests.scripted_server import ScriptedServer

OURS = ["openrouter-opts[langchain]", "openrouter-opts[llamaindex]"]
RAW = Ending(error="ReadError", module="httpx", message="ReadError('')")
OWN = Ending(error="ConnectionLost", module="openrouter_opts.errors", message="Lighthouse")


def quick(fault: Fault) -> Fault:
    """Return a fault whose silence is short."""
    scripts = [
        [min(step, 0.2) if isinstance(step, float) else step for step in script] for script in fault.scripts
    ]
    return replace(fault, scripts=scripts, patience=min(fault.patience, 0.5))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("fault", [*FAULTS, NOTHING], ids=lambda fault: fault.name)
def test_of_every_fault_a_caller_of_ours_learns_what_is_needed(
    fault: Fault, name: str, capsys: pytest.CaptureFixture[str], loop_of_llama_index: None
):
    fault = quick(fault)
    with ScriptedServer(fault.scripts) as server:
        kind = "stream" if fault.stream else "whole"
        peer_call.main(name, server.base_url, kind, str(fault.patience))
        ending = Ending(**json.loads(capsys.readouterr().out), deliveries=len(server.deliveries))
    assert fault.is_right(ending), ending


def test_there_are_fourteen_faults_with_a_name_each():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 14


@pytest.mark.parametrize(
    ("ending", "words", "right"),
    [
        (OWN, "`ConnectionLost`", True),
        (RAW, "raw `httpx.ReadError`", False),
        (Ending(error="JSONDecodeError", module="json.decoder"), "raw `json.JSONDecodeError`", False),
        (Ending(error="ValueError", module="builtins"), "raw `ValueError`", False),
        (Ending(text="Light"), "ends as if well, half the text", False),
        (Ending(finish_reason="error"), "ends as if well, empty, finish reason 'error'", False),
        (Ending(text="Hello", deliveries=1), "answered, 1 request", False),
        (Ending(waits=True, deliveries=8), "no end in 30 s, 8 requests", False),
    ],
)
def test_an_ending_is_told_in_words_and_judged(ending: Ending, words: str, right: bool):
    assert (str(ending), FAULTS[0].is_right(ending)) == (words, right)


@pytest.mark.parametrize(
    ("name", "ending", "right"),
    [
        ("429 and", Ending(text="Hello", deliveries=2), True),
        ("429 and", Ending(text="Hello", deliveries=3), False),
        ("429 and", Ending(error="RateLimitError", module="openai"), False),
        ("8 s of silence", Ending(text="Hello", deliveries=1), True),
        ("8 s of silence", Ending(text="Hello", deliveries=2), False),
        ("what had come", OWN, True),
        ("what had come", replace(OWN, message="gone"), False),
        ("what had come", Ending(text="Lighthouse"), False),
    ],
)
def test_some_faults_need_more_than_an_error(name: str, ending: Ending, right: bool):
    (fault,) = (fault for fault in FAULTS if fault.name.startswith(name))
    assert fault.is_right(ending) == right


def test_the_table_takes_the_place_of_the_one_before():
    page = f"before\n{peers._BEGIN}old\n{peers._END}after\n"
    made = peers.with_table(page, "| new |\n")
    assert made == f"before\n{peers._BEGIN}\n| new |\n\n{peers._END}after\n"
    assert peers.with_table(made, "| new |\n") == made


def test_the_table_marks_what_a_caller_needs_and_counts_it():
    good, bad = (replace(each, version="1.0") for each in (OWN, RAW))
    made = peers.table({"ours": [good] * 14, "theirs": [bad] * 14})
    header, _, first, *_, total, _, measured = made.splitlines()
    assert header == "| fault | ours 1.0 | theirs 1.0 |"
    assert first == f"| {FAULTS[0].name} | ✓ `ConnectionLost` | ✗ raw `httpx.ReadError` |"
    assert total == "| **what a caller needs** | **12 of 14** | **0 of 14** |"
    assert "Python 3." in measured


def test_each_client_is_called_with_its_own_python_and_a_clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    ran: list[Any] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        ran.append((command, how))
        if "pip" in command:
            return subprocess.CompletedProcess(command, 0)
        if "-I" in command and command[3] == "langchain-openai":
            raise subprocess.TimeoutExpired(command, 1)
        return subprocess.CompletedProcess(
            command, 0, json.dumps({"version": "1.0", "error": "E", "module": "m"})
        )

    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-mine")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setattr(peers.venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(peers.subprocess, "run", run)
    python = peers.environment("langchain-openai", tmp_path)
    assert python.is_relative_to(tmp_path)
    assert str(ran[0][0][-1]).endswith("langchain-openai.txt")
    assert peers.played(FAULTS[0], "langchain-openai", python).waits
    assert peers.played(FAULTS[0], OURS[0], python).error == "E"
    command, how = ran[-1]
    assert command[:2] == [str(python), "-I"]
    assert not {"OPENROUTER_API_KEY", "HTTPS_PROXY"} & how["env"].keys()


def test_every_peer_has_its_pins():
    pinned = {file.stem for file in (Path(peers.__file__).parent / "peer_environments").glob("*.txt")}
    assert pinned == peer_call.CLIENTS.keys() - set(OURS)
