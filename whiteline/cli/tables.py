"""Tables in one style."""

from __future__ import annotations

from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["make_console", "make_table", "status_text"]

_COLOURS = {"converged": "green", "unconverged": "yellow", "failed": "red"}


def make_console() -> Console:
    """Return a console for tables: as wide as the terminal, and wide enough for any table in a pipe or a file."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def make_table(*columns: str) -> Table:
    """Return an empty table; a `>` in front of a name aligns its column to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold")
    for i, name in enumerate(columns):
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=justify, no_wrap=i == 0, overflow="fold")
    return table


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(str(status), style=_COLOURS.get(str(status), ""))
