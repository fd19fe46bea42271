"""The benchmarks run, and every way to an answer gives the right one. How fast they are is for `make bench` to say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks.cases import Size, cases
from tests.benchmarks.measure import Result, Time, WrongAnswer, verify
from tests.benchmarks.report import Report

SMALL = Size(deltas=20, messages=9, at_once=5)


def result(name: str, ours: float, framework: float = 1.0, raw: float = 1.0) -> Result:
    return Result(name, Time(ours, ours / 2), Time(framework, framework / 2), Time(raw, raw / 2))


def report(*results: Result, limit: float = 2.0, **construction: float) -> Report:
    return Report(list(results), construction, {}, rounds=1, limit=limit)


def test_each_case_has_the_right_answer_and_the_right_cost():
    with cases(SMALL) as every:
        names = [case.name for case in every]
        for case in every:
            verify(case)
    assert names == [
        "LangChain invoke",
        "LangChain history, 9 messages",
        "LangChain stream, 20 deltas",
        "LangChain astream, 20 deltas",
        "LangChain ainvoke, 5 at once",
        "LlamaIndex chat",
        "LlamaIndex stream_chat, 20 deltas",
        "LlamaIndex astream_chat, 20 deltas",
    ]


@pytest.mark.parametrize("way", ["ours", "framework", "raw"])
def test_a_wrong_answer_is_noticed(way: str):
    with cases(SMALL) as every:
        broken = replace(every[0], **{way: lambda: "something else"})
        with pytest.raises(WrongAnswer, match=f"LangChain invoke, {way}"):
            verify(broken)


def test_a_call_that_costs_nothing_is_noticed():
    with cases(SMALL) as every:
        unpaid = replace(every[0], ours=lambda: every[0].answer)
        with pytest.raises(WrongAnswer, match="for 1 calls"):
            verify(unpaid)


def test_the_command_prints_a_table_and_writes_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        benchmarks, "imports", lambda rounds: {"openrouter_opts.client": (0.1 * rounds, 0.05)}
    )
    monkeypatch.setattr(benchmarks, "construction", lambda: {"ChatOpenRouter": 0.0005})
    figures = tmp_path / "figures.json"
    arguments = ["--quick", "--only", "invoke", "--limit", "1000", "--json", str(figures)]
    assert benchmarks.main(arguments, SMALL) == 0
    printed = capsys.readouterr().out
    assert "LangChain invoke" in printed
    assert "LlamaIndex" not in printed
    written = json.loads(figures.read_text())
    assert [each["name"] for each in written["results"]] == [
        "LangChain invoke",
        "LangChain ainvoke, 5 at once",
    ]
    assert all(each["ours"]["cpu"] > 0 and each["wall_ratio"] > 0 for each in written["results"])
    assert written["construction"] == {"ChatOpenRouter": 0.0005}
    assert written["machine"]["cores"]


def test_the_floor_is_the_framework_and_the_raw_exchange_together():
    assert result("x", ours=3.0).wall_ratio == pytest.approx(1.5)
    assert replace(result("x", ours=3.0), ours=Time(3.0, 5.0)).ratio == pytest.approx(5.0)


def test_only_what_is_above_its_limit_is_too_slow():
    assert list(report(result("at the limit", 4.0), ChatOpenRouter=0.001).too_slow()) == []
    slow = report(result("slow", 4.2), result("fast", 1.0), ChatOpenRouter=0.0011)
    assert list(slow.too_slow()) == [
        "slow: 2.10 times the floor, above 2.0",
        "ChatOpenRouter(): 1.10 ms, above 1.00",
    ]


def test_something_too_slow_is_the_exit_status(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(benchmarks, "imports", lambda _rounds: {})
    monkeypatch.setattr(benchmarks, "construction", dict)
    assert benchmarks.main(["--quick", "--only", "LlamaIndex chat", "--limit", "0.001"], SMALL) == 1
