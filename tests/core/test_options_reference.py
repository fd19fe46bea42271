"""The reference page says what the options say of themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from openrouter_opts import options
from openrouter_opts.options import OPTIONS, Part
from openrouter_opts.options.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "renew it with `python -m openrouter_opts.options.reference > docs/options.md`"
    )


def test_the_command_that_renews_the_page_prints_it() -> None:
    command = [sys.executable, "-X", "utf8", "-m", "openrouter_opts.options.reference"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout == reference()


def test_every_option_has_its_line() -> None:
    lines = re.findall(r"^\| \[`(\w+)`\]\(https://", reference(), re.MULTILINE)
    assert sorted(lines) == sorted(OPTIONS)


def test_every_part_that_can_be_imported_is_on_the_page() -> None:
    parts = {
        name
        for name in options.__all__
        if isinstance(value := getattr(options, name), type) and issubclass(value, Part) and value is not Part
    }
    assert set(re.findall(r"^### (\w+)$", reference(), re.MULTILINE)) == parts


def test_every_link_on_the_page_leads_somewhere() -> None:
    page = reference()
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    links = set(re.findall(r"\]\(#(\w+)\)", page))
    assert {"providerpreferences", "plugin", "tool", "maxprice"} <= links <= headings
