"""What was spent, for people: in a terminal, with rich, and in a notebook."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from openrouter_opts import Cost, Record, Spend, Usage
from openrouter_opts.money.cost import dollars

D = Decimal


def spent(*lines: tuple[str | None, str | None], **facts: str) -> Spend:
    """Return what was spent on models: a name and a cost each, `None` where nobody said it."""
    spend = Spend()
    for model, cost in lines:
        total = None if cost is None else D(cost)
        usage = Usage(1200, 34, 1234, cost=Cost(total=total))
        spend.add(Record(model, "Mock", "gen-1", usage, cost=usage.cost, labels=facts))
    return spend


SPEND = spent(("m/cheap", "0.0000123"), ("m/dear", "1.5"), ("m/dear", "0.25"), (None, None), ("m/dear", None))


def test_a_spend_prints_as_a_table():
    assert str(SPEND).splitlines() == [
        "model    calls     in  out            USD",
        "m/dear       3  3,600  102      $1.75 + ?",
        "m/cheap      1  1,200   34      $0.000012",
        "?            1  1,200   34              ?",
        "all          5  6,000  170  $1.750012 + ?",
    ]


def test_a_table_may_be_by_anything():
    assert SPEND.table("provider").splitlines()[1].split()[:2] == ["Mock", "5"]
    assert spent(("m", "1"), team="search").table("team").splitlines()[1].startswith("search")
    with pytest.raises(ValueError, match="no 'nothing'"):
        SPEND.table("nothing")


def test_nothing_spent_is_a_table_too():
    assert Spend().table().splitlines()[-1].split() == ["all", "0", "0", "0", "$0"]
    assert "<svg" not in Spend()._repr_html_()


def test_rich_draws_a_table_of_its_own():
    console = Console(width=100, record=True, file=StringIO())
    console.print(SPEND)
    text = console.export_text()
    assert "m/dear" in text
    assert "$1.75 + ?" in text
    assert "all" in text


class Page(HTMLParser):
    """Reads tags and text; complains about what isn't closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.widths: list[int] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "rect":
            self.widths.append(int(dict(attrs)["width"] or 0))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_notebook_shows_a_table_with_a_bar_for_each_cost():
    page = Page(spent(("m/a", "2"), ("m/b", "0.5"), ("m/c", "0"), ("m/d", None))._repr_html_())
    assert page.widths == [160, 40, 0, 0]
    assert page.text[:5] == ["model", "calls", "in", "out", "USD"]
    assert page.text[5:10] == ["m/a", "1", "1,200", "34", "$2"]


def test_names_from_a_server_are_no_markup():
    hostile = "<script>\"&'</script>"
    html = spent((hostile, "1"))._repr_html_()
    assert "<script" not in html
    assert hostile in Page(html).text


@pytest.mark.parametrize(
    ("money", "text"),
    [
        ("0", "$0"),
        ("0E-12", "$0"),
        ("1", "$1"),
        ("0.5", "$0.50"),
        ("1234.5678", "$1234.5678"),
        ("0.000012345", "$0.000012"),
        ("0.00000000123", "$0.0000000012"),
        ("2.0000000000001", "$2"),
    ],
)
def test_amounts_are_written_for_people(money: str, text: str):
    assert dollars(D(money)) == text


def test_rich_is_not_needed():
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from openrouter_opts import Spend\nprint(Spend()); print(Spend()._repr_html_()[:6])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "<table"
