"""Pieces of a page of HTML that needs nothing outside it and runs no script; all text is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import Final

__all__ = ["figure", "number", "page", "section", "table"]

_SCALE = 0.6  # pixels of the page a pixel of an image, which is drawn for sharp screens
_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; max-width: 76rem; margin: 0 auto;
  padding: 1rem 1.2rem 4rem; }
h1 { font-size: 1.6rem; margin: .6rem 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid #ccc; padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p, ul { margin: .3rem 0 .6rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th { text-align: left; border-bottom: 1.5px solid #555; }
th, td { padding: .18rem .8rem .18rem 0; vertical-align: top; white-space: nowrap; }
td.wide { white-space: normal; min-width: 18rem; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; }
tr + tr > td { border-top: 1px solid #e8e8e8; }
figure { margin: .8rem 0; }
img { max-width: 100%; height: auto; }
.pair { display: flex; flex-wrap: wrap; gap: .5rem; }
.pair figure { flex: 1 1 26rem; max-width: 37rem; }
.faint { color: #666; }
.bad { color: #a11; }
.warn { color: #8a5a00; }
pre { background: #f5f5f5; padding: .6rem; overflow-x: auto; font-size: .8rem; }
</style>
</head>
<body>
$body
</body>
</html>
""")


def page(title: str, sections: Iterable[str]) -> str:
    """Return a whole page of sections."""
    return _PAGE.substitute(title=escape(title), body="\n".join(sections))


def section(title: str, content: str) -> str:
    """Return a section under its title; nothing where there is nothing in it."""
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def figure(title: str, image: bytes) -> str:
    """Return a PNG image inside the page, all images to one scale."""
    data = base64.b64encode(image).decode()
    # A PNG begins with its signature and a chunk that holds the width at this place.
    width = round(_SCALE * int.from_bytes(image[16:20], "big"))
    return f'<figure><img alt="{escape(title)}" width="{width}" src="data:image/png;base64,{data}"></figure>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, wide: Sequence[str] = ()) -> str:
    """Return a table; a `>` in front of a name aligns its column to the right."""
    names = [name.lstrip(">") for name in head]
    classes = [
        " class='wide'" if name in wide else " class='number'" if given.startswith(">") else ""
        for name, given in zip(names, head, strict=True)
    ]
    top = "".join(f"<th{c}>{escape(name)}</th>" for name, c in zip(names, classes, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{c}>{escape(cell)}</td>" for cell, c in zip(row, classes, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>"


def number(value: float | None, digits: int, *, is_signed: bool = False) -> str:
    """Return a number with its digits, a dash for None."""
    if value is None:
        return "–"
    return f"{value:{'+' if is_signed else ''}z.{digits}f}".replace("-", "−")
