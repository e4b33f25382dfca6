"""Tables in one style."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["make_console", "make_table", "status_text"]

# Control characters but newline and tab, C0, DEL and C1: a terminal would obey those in a foreign name.
_CONTROLS: Final = {code: "\ufffd" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"}
_COLOURS = {"converged": "green", "unconverged": "yellow", "failed": "red"}


class _Console(Console):
    """A console that shows control characters in text instead of sending them."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(text.translate(_CONTROLS), **options)


def make_console(*, is_error: bool = False) -> Console:
    """Return a console: as wide as the terminal, and wide enough for any table in a pipe or a file.

    It prints square brackets and colons as they are: names of files and packages contain them.

    Args:
        is_error: Write to standard error.
    """
    console = _Console(stderr=is_error, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 160
    return console


def make_table(*columns: str, wrapped: Collection[str] = ()) -> Table:
    """Return an empty table; a `>` in front of a name aligns its column to the right.

    Args:
        columns: Names of the columns.
        wrapped: Names of those that may take several lines on a narrow terminal; the others stay whole.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        label = name.lstrip(">")
        table.add_column(label, justify=justify, no_wrap=label not in wrapped, overflow="fold")
    return table


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(str(status), style=_COLOURS.get(str(status), ""))
