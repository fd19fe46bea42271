"""Every Python block of the README runs, in order, as a reader would run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openrouter_opts.sandbox import Sandbox

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_has_blocks():
    assert len(BLOCKS) >= 8


@pytest.mark.usefixtures("loop_of_llama_index")
def test_every_block_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    with Sandbox() as sandbox:
        monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
        monkeypatch.setenv("OPENROUTER_API_BASE", sandbox.base_url)
        names: dict[str, object] = {}
        for number, block in enumerate(BLOCKS, 1):
            exec(compile(block, f"README.md, block {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "Paris" in said
    assert "Ida Holm" in said
    assert "did you mean" in said
    assert "I have to stop here" in said
    assert "temperature: no endpoint of openai/gpt-5-mini supports it" in said
    assert "provider.only: leaves no endpoint of openai/gpt-5-mini; it is served by openai, azure" in said
    assert sandbox.credits_used > 0
