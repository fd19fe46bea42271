"""The notebooks run from top to bottom, on the sandbox, and what is committed of them is fit to be read."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
# Keys, and where somebody's files are.
PRIVATE = re.compile(r"sk-or-v1|/(home|root|Users|tmp|usr)/|site-packages")


# What each shows at least, once it has run.
SHOWN = {
    "langchain": ["Paris", "did you mean"],
    "llamaindex": ["Paris", "did you mean"],
    "money": ["<svg", "'maps'", "of 50 were sent", "I have to stop here", "pending: 1", "pending: 0"],
}


def test_there_is_one_for_each_framework_and_one_about_money():
    assert SHOWN.keys() == {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch):
    # A child of `-X dev` would print warnings of the kernel's own packages into the cells.
    monkeypatch.delenv("PYTHONDEVMODE", raising=False)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    printed = str([cell.get("outputs") for cell in notebook.cells])
    assert [text for text in SHOWN[path.stem] if text not in printed] == []
    assert "stderr" not in printed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_small_and_hold_no_paths_or_keys(path: Path):
    text = path.read_text(encoding="utf-8")
    assert not PRIVATE.findall(text)
    assert len(text) < 30_000
    for cell in nbformat.read(path, as_version=4).cells:
        assert len(str(cell.get("outputs", ""))) < 3_000
        if cell.cell_type == "code":
            assert cell.execution_count, "a notebook is committed with its outputs"
