"""The two vocabularies of ocean.in, and its grammar.

A line is `name value` or `name { value value ... }`. OCEAN reads the cards of its version 2 to this day: as soon as
one name is not a path of its parameter tree (`bse.kmesh`), all names are taken for cards (`nkpt`). Cards are what
every published input has, and are written here. But a card cannot say everything: U stays switched off, the quality
of the cutoff is misspelt in the table of some releases, and the spacing of the Haydock test gets lost. Where one of
these is asked for, the whole file is written in paths.

Comments start at `#`, `*`, `!` or a backslash wherever they stand, even inside a name, and braces do not nest: a value
with one of these characters would be cut off in silence, and is refused.

Source: OCEAN's parseJSON.pl of versions 3.0 to 3.2; Vinson, Phys. Chem. Chem. Phys. 24, 12787 (2022),
doi:10.1039/D2CP01030E.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from whiteline.errors import InputError, ParseError

__all__ = ["FORBIDDEN", "Cards", "number", "read_cards", "to_paths", "write_cards"]

Cards: TypeAlias = dict[str, tuple[str, ...]]

FORBIDDEN: Final = ("#", "*", "!", "\\", "{", "}")
# Written as rows of three.
_MATRICES = ("rprim", "xred", "structure.rprim", "structure.xred")
_COMMENT = re.compile(r"[#*!\\].*")

# Path of each card that is written or read here.
_PATHS: Final = {
    "dft": "dft.program",
    "calc": "calc.mode",
    "para_prefix": "computer.para_prefix",
    "acell": "structure.rscale",
    "rprim": "structure.rprim",
    "znucl": "structure.znucl",
    "typat": "structure.typat",
    "xred": "structure.xred",
    "diemac": "structure.epsilon",
    "metal": "structure.metal",
    "pp_database": "psp.pp_database",
    "pp_list": "psp.pp_list",
    "ppdir": "psp.ppdir",
    "ecut.quality": "psp.ecut_quality",
    "ecut": "dft.ecut",
    "nspin": "dft.nspin",
    "smag": "dft.smag",
    "ldau": "dft.ldau.Hubbard_U",
    "occopt": "dft.occopt",
    "degauss": "dft.degauss",
    "toldfe": "dft.toldfe",
    "nstep": "dft.nstep",
    "mixing": "dft.mixing",
    "ngkpt": "dft.den.kmesh",
    "nkpt": "bse.kmesh",
    "nbands": "bse.nbands",
    "dft_energy_range": "bse.dft_energy_range",
    "cnbse.xmesh": "bse.xmesh",
    "scfac": "bse.core.scfac",
    "cnbse.rad": "bse.core.screen_radius",
    "cnbse.broaden": "bse.core.broaden",
    "cnbse.spect_range": "bse.core.plot.range",
    "cnbse.solver": "bse.core.solver",
    "cnbse.niter": "bse.core.haydock.niter",
    "haydock_convergence": "bse.core.haydock.converge.thresh",
    "cnbse.gmres.elist": "bse.core.gmres.elist",
    "cnbse.gmres.ffff": "bse.core.gmres.ffff",
    "screen.nkpt": "screen.kmesh",
    "screen.nbands": "screen.nbands",
    "screen_energy_range": "screen.dft_energy_range",
    "screen.shells": "screen.shells",
    "screen.lmax": "screen.grid.lmax",
    "screen.grid.rmax": "screen.grid.rmax",
    "screen.grid.rmode": "screen.grid.rmode",
    "screen.grid.ang": "screen.grid.ang",
    "screen.grid.deltar": "screen.grid.deltar",
    "screen.grid.shells": "screen.grid.shells",
    "screen.final.dr": "screen.final.dr",
    "core_offset": "screen.core_offset.enable",
    "edges": "calc.edges",
    "opf.program": "opf.program",
    "opf.fill": "opf.shirley.fill",
    "opf.opts": "opf.shirley.opts",
}
_CARDS: Final = {path.lower(): card for card, path in _PATHS.items()}


def number(value: float) -> str:
    """Return a number as OCEAN's patterns accept it: no plus sign, no bare point.

    >>> number(1e-09), number(5.0), number(-2.55)
    ('1e-09', '5', '-2.55')
    """
    return format(value, ".12g")


def write_cards(cards: Cards, *, title: str) -> str:
    """Return the text of ocean.in: one card a line, because OCEAN pads only the first brace of each.

    Args:
        cards: Words of each value by name.
        title: Comment on the first line.

    Raises:
        InputError: A value holds a character that OCEAN would take for a comment or a brace.

    >>> print(write_cards({"dft": ("qe",), "nkpt": ("4", "4", "4")}, title="diamond"))
    # diamond
    dft { qe }
    nkpt { 4 4 4 }
    <BLANKLINE>
    """
    lines = [f"# {title}"]
    for name, words in cards.items():
        value = " ".join(words)
        bad = [c for c in FORBIDDEN if c in value]
        if bad or "\n" in value:
            raise InputError(
                f"the card {name} of OCEAN has the value {value!r}: {' '.join(bad) or 'a line break'} starts a comment "
                "or ends the value there, and the rest is lost in silence; choose a name without it"
            )
        if name in _MATRICES:
            rows = ["  ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
            lines += [f"{name} {{", *(f"  {row}" for row in rows), "}"]
        else:
            lines.append(f"{name} {{ {value} }}")
    return "\n".join([*lines, ""])


def to_paths(cards: Cards) -> Cards:
    """Return the same values under the paths of OCEAN's parameter tree, where they say what the cards mean.

    >>> to_paths({"ldau": ("Hubbard_U(1)=3.5",)})
    {'dft.ldau.Hubbard_U': ('Hubbard_U(1)=3.5',), 'dft.ldau.enable': ('.true.',)}
    """
    paths: Cards = {}
    for name, words in cards.items():
        path = _PATHS[name]
        if name == "cnbse.spect_range":
            paths |= {"bse.core.plot.points": words[:1], path: words[1:]}
        elif name == "haydock_convergence":
            paths |= {path: words[:1], "bse.core.haydock.converge.spacing": words[1:] or ("5",)}
        elif name == "ldau":
            paths |= {path: words, "dft.ldau.enable": (".true.",)}
        elif name == "pp_list":
            paths |= {path: words, "psp.source": ("manual",)}
        else:
            paths[path] = words
    return paths


def read_cards(text: str, *, source: str) -> Cards:
    """Return the words of every value of an ocean.in by the name of its card, in either vocabulary.

    Args:
        text: Content of the file.
        source: Its path, for messages.

    Raises:
        ParseError: Braces do not match, or the last name has no value.
    """
    words = iter(_COMMENT.sub(" ", text).replace("{", " { ").replace("}", " } ").split())
    cards: Cards = {}
    for name in words:
        value = _value(words)
        if name in "{}" or value is None:
            raise ParseError(f"{source}: the value of {name!r} is missing or has no closing brace: it is cut off")
        cards[_CARDS.get(name.lower(), name.lower())] = value
    return cards


def _value(words: Iterator[str]) -> tuple[str, ...] | None:
    """Return the words of the next value, None where it does not end."""
    first = next(words, None)
    if first is None or first == "}":
        return None
    if first != "{":
        return (first,)
    value: list[str] = []
    for word in words:
        if word == "}":
            return tuple(value)
        value.append(word)
    return None
