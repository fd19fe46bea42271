"""What was spent, as a table: for a terminal, for rich, and for a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from openrouter_opts.money.cost import dollars, total_of
from openrouter_opts.money.record import Record

if TYPE_CHECKING:
    from rich.table import Table

_HEADINGS: Final = ("calls", "in", "out", "USD")
_BAR: Final = 160
"""Pixels of the longest bar."""


class Row(NamedTuple):
    """A line of the table: what it is about, and its figures."""

    name: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    total: Decimal
    pending: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The figures in words; a cost that isn't known yet shows as a question mark."""
        known = dollars(self.total)
        cost = known if not self.pending else f"{known} + ?" if self.total else "?"
        return f"{self.calls:,}", f"{self.prompt_tokens:,}", f"{self.completion_tokens:,}", cost


def rows_of(groups: Mapping[str | None, Sequence[Record]]) -> list[Row]:
    """Return a line for each group, the dearest first."""
    rows = [row_of(name or "?", records) for name, records in groups.items()]
    return sorted(rows, key=lambda row: -row.total)


def row_of(name: str, records: Iterable[Record]) -> Row:
    """Return the line of some records."""
    records = tuple(records)
    usages = [record.usage for record in records if record.usage]
    return Row(
        name,
        len(records),
        sum(usage.prompt_tokens or 0 for usage in usages),
        sum(usage.completion_tokens or 0 for usage in usages),
        total_of(record.cost.total for record in records if record.cost.total is not None),
        sum(record.pending for record in records),
    )


def as_text(heading: str, rows: Sequence[Row], total: Row) -> str:
    """Write a table for a terminal."""
    lines = [(heading, *_HEADINGS), *((row.name, *row.cells) for row in (*rows, total))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )


def as_rich(heading: str, rows: Sequence[Row], total: Row) -> Table:
    """Draw a table for rich, which has to be installed."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415 - an extra

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(heading, overflow="fold")
    for name in _HEADINGS:
        # A figure that is cut is a wrong one.
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, *row.cells)
    table.add_section()
    table.add_row(total.name, *total.cells, style="bold")
    return table


def as_html(heading: str, rows: Sequence[Row], total: Row) -> str:
    """Write a table for a notebook, with a bar for each cost."""
    from html import escape  # noqa: PLC0415 - most tables are for a terminal

    most = max((row.total for row in rows), default=Decimal(0))
    head = "".join(f"<th>{escape(name)}</th>" for name in (heading, *_HEADINGS, ""))
    body = "".join(
        _html_row([escape(cell) for cell in (row.name, *row.cells)], row.total / most if most else Decimal(0))
        for row in rows
    )
    foot = "".join(f"<th>{escape(cell)}</th>" for cell in (total.name, *total.cells, ""))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody><tfoot><tr>{foot}</tr></tfoot></table>"


def _html_row(cells: Sequence[str], share: Decimal) -> str:
    """Write a line of cells that are escaped already, with a bar for a share of the dearest one."""
    name, *figures = cells
    bar = (
        f'<svg width="{_BAR}" height="12" role="img" aria-label="{name}: {figures[-1]}">'
        f'<rect width="{round(share * _BAR)}" height="12" fill="#4c78a8"/></svg>'
    )
    columns = "".join(f'<td style="text-align:right">{figure}</td>' for figure in figures)
    return f'<tr><td style="text-align:left">{name}</td>{columns}<td>{bar}</td></tr>'
