"""Tables in one style."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

__all__ = ["make_table", "status_text"]

_COLOURS = {"converged": "green", "unconverged": "yellow", "failed": "red"}


def make_table(*columns: str) -> Table:
    """Return an empty table; a `>` in front of a name aligns its column to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(
            name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold"
        )
    return table


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(str(status), style=_COLOURS.get(str(status), ""))
