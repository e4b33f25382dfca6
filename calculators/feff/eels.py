"""Reading eels.dat, FEFF's energy-loss spectrum.

The file says neither which atom was excited nor where its table ends; both are in the xmu.dat of the same run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.calculators.feff.xmu import NUMBER, read_rows
from whiteline.errors import ParseError

__all__ = ["EelsTable", "read_eels"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_N_AVERAGED = 4
_N_ORIENTED = 13
_BEAM = re.compile(rf"EELS\s+calculation - beam energy =\s*({NUMBER})\s*keV")
_DIRECTION = re.compile(rf"Sample to beam orientation :\s*({NUMBER})\s+({NUMBER})\s+({NUMBER})")
_APERTURES = re.compile(rf"convergence semiangle:\s*({NUMBER})\s+({NUMBER})\s*; # points:\s*(\d+)\s*x\s*(\d+)")
_HOLE_WIDTH = re.compile(rf"Gam_ch=\s*({NUMBER})")


@dataclass(frozen=True, eq=False)
class EelsTable:
    """The content of one eels.dat.

    Attributes:
        source: Path of the file, for messages.
        beam_energy: Energy of the beam, as printed without decimals [keV].
        beam_direction: Direction of the beam, a unit vector; None for an average over orientations.
        collection_angle: Collection semi-angle [mrad].
        convergence_angle: Convergence semi-angle [mrad].
        is_relativistic: Whether the momentum transfer is relativistic.
        has_cross_terms: Whether off-diagonal elements are included.
        core_hole_width: Full width at half maximum of the core hole [eV].
        data: The table, shape (n_energy, 4) or (n_energy, 13): energy loss [eV]; total, atomic background and fine
            structure [a0²/eV]; for an oriented sample the nine elements xx, xy, …, zz that make up the total.
    """

    source: str
    beam_energy: float
    beam_direction: tuple[float, float, float] | None
    collection_angle: float
    convergence_angle: float
    is_relativistic: bool
    has_cross_terms: bool
    core_hole_width: float
    data: Float[Array, "energy column"]


def read_eels(path: Path) -> EelsTable:
    """Return the content of an eels.dat.

    Raises:
        ParseError: The file is not an eels.dat, or a line of it is damaged; the message names file and line.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    header = "\n".join(line for line in text.splitlines() if line.lstrip().startswith("#"))
    beam, apertures, width = (pattern.search(header) for pattern in (_BEAM, _APERTURES, _HOLE_WIDTH))
    if not beam:
        raise ParseError(f"{path} is not an eels.dat of FEFF: its header names no beam energy")
    if not apertures or not width or "Energy       total" not in header:
        raise ParseError(f"{path} is cut off in its header: run the calculation again")
    direction = _DIRECTION.search(header)
    x, y, z = (float(word) for word in direction.groups()) if direction else (0.0, 0.0, 0.0)
    return EelsTable(
        source=str(path),
        beam_energy=float(beam.group(1)),
        beam_direction=(x, y, z) if direction else None,
        collection_angle=float(apertures.group(1)),
        convergence_angle=float(apertures.group(2)),
        is_relativistic="# Relativistic" in header,
        has_cross_terms="and cross-terms" in header,
        core_hole_width=float(width.group(1)),
        data=read_rows(text, path, n_columns=_N_ORIENTED if direction else _N_AVERAGED),
    )
