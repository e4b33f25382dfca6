"""The boxes of a picture of a lineage: their lines of text, and how large they are."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from whiteline.provenance.captions import details, headline, is_group, plain
from whiteline.provenance.graph import Node

__all__ = ["FONT_SIZE", "LINE_HEIGHT", "MARGIN", "Box", "Line", "Style", "box_of", "text_width"]

FONT_SIZE = 9.0  # points
LINE_HEIGHT = 0.165  # inches, as all that follows
MARGIN = 0.09
_LEAST_WIDTH = 1.3
_N_WRAP = 32
_N_LINES = 4
_POINTS = 72.0  # an inch


class Style(StrEnum):
    """How a line of text is written."""

    HEAD = "head"
    PLAIN = "plain"
    FAINT = "faint"
    PROBLEM = "problem"
    SUSPECT = "suspect"


@dataclass(frozen=True)
class Line:
    """One line of text."""

    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True)
class Box:
    """A node with its lines; `width` and `height` in inches."""

    node: Node
    lines: tuple[Line, ...]
    width: float
    height: float


def box_of(node: Node, *, mark: str = "", made_with: str = "") -> Box:
    """Return the box of a node.

    Args:
        node: What it shows.
        mark: Letter in front of its headline.
        made_with: Letters of the programs and machines behind it.
    """
    lines = _wrapped(f"{mark}  {headline(node)}" if mark else headline(node), Style.HEAD)
    for words in details(node):
        lines += _wrapped(words, Style.PLAIN)
    if made_with:
        lines += _wrapped(f"by {made_with}", Style.FAINT)
    if not is_group(node):
        lines += _wrapped(node.short_id, Style.FAINT)
    lines += _wrapped(plain(node.problem), Style.PROBLEM)
    lines += _wrapped(plain(f"suspect: {node.suspect}") if node.suspect else "", Style.SUSPECT)
    width = max(text_width(line.text, is_bold=line.style is not Style.PLAIN) for line in lines) + 2 * MARGIN
    return Box(node, tuple(lines), max(width, _LEAST_WIDTH), LINE_HEIGHT * len(lines) + 2 * MARGIN)


def _wrapped(words: str, style: Style) -> list[Line]:
    return [Line(text, style) for text in textwrap.wrap(words, _N_WRAP, max_lines=_N_LINES, placeholder=" …")]


@lru_cache(maxsize=4096)
def text_width(text: str, *, is_bold: bool = False) -> float:
    """Return how wide a line of text is [inch]."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=FONT_SIZE, weight="bold" if is_bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / _POINTS
