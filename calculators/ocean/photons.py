"""Photon files: the polarisations that OCEAN computes, one file each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParseError
from whiteline.polarisation import Polarisation

__all__ = ["DEFAULT_PHOTONS", "Photon", "powder_average", "read_photons", "write_photon"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
# A cell measured to 1 mÅ or so is that far from its exact symmetry.
_SAME_TENSOR = 1.0e-3


@dataclass(frozen=True)
class Photon:
    """One photon file.

    Attributes:
        kind: `dipole`, `quad`, …
        direction: Direction of the electric field, of any length.
    """

    kind: str
    direction: tuple[float, float, float]

    @property
    def label(self) -> str:
        """Name of the direction: `x`, `y`, `z`, or its components.

        >>> Photon("dipole", (0.0, 0.0, 2.0)).label, Photon("quad", (1.0, 1.0, 0.0)).label
        ('z', '1 1 0 quad')
        """
        unit = np.array(self.direction) / np.linalg.norm(self.direction)
        axis = next((name for name, vector in _AXES.items() if np.allclose(np.abs(unit), vector)), "")
        label = axis or " ".join(f"{component:g}" for component in self.direction)
        return label if self.kind == "dipole" else f"{label} {self.kind}"


# What OCEAN takes where the run directory has no photon files.
DEFAULT_PHOTONS = {number: Photon("dipole", _AXES[name]) for number, name in enumerate("xyz", start=1)}


def write_photon(polarisation: Polarisation, *, energy: float) -> str:
    """Return the text of a photon file for dipole transitions.

    Args:
        polarisation: Direction `x`, `y` or `z` of the electric field.
        energy: Photon energy [eV]; it decides nothing in the dipole approximation.
    """
    field = _AXES[polarisation.label]
    # The photon travels along the next axis: any direction across the field gives the same dipole spectrum.
    along = (field[2], field[0], field[1])
    rows = ["cartesian " + " ".join(f"{component:g}" for component in vector) for vector in (field, along)]
    return "\n".join(["dipole", rows[0], "end", rows[1], "end", f"{energy:.1f}", ""])


def read_photons(directory: Path) -> dict[int, Photon]:
    """Return the photons of a run directory by their number; none where OCEAN was left to its own.

    Raises:
        ParseError: A file is cut off or not a photon file.
    """
    found = {}
    for path in sorted(directory.glob("photon*")):
        match = re.fullmatch(r"photon(\d+)", path.name)
        if match:
            found[int(match.group(1))] = _read_photon(path)
    return found


def _read_photon(path: Path) -> Photon:
    lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    words = [" ".join(line[:1]) for line in lines]
    try:
        if words[1:3] != ["cartesian", "end"] or words[4] != "end":
            raise ParseError(f"{path}: expected kind, field, end, photon, end and energy, one a line: write it again")
        x, y, z = (float(word) for word in lines[1][1:4])
        float(words[5])
    except (IndexError, ValueError) as error:
        if isinstance(error, ParseError):
            raise
        raise ParseError(f"{path} is not a photon file, or cut off: expected cartesian x y z, and an energy") from error
    length = np.linalg.norm((x, y, z))
    if not (np.isfinite(length) and length > 0):
        raise ParseError(f"{path}: the electric field {x:g} {y:g} {z:g} has no direction: write it again")
    return Photon(lines[0][0], (x, y, z))


def powder_average(
    photons: Sequence[Photon], rotations: Float[Array, "operation 3 3"]
) -> tuple[tuple[Polarisation, ...], bool]:
    """Return the photons with their weights in the powder average, and whether they make one.

    A dipole spectrum is quadratic in the field, e^T D e with a tensor D that has the symmetry of the site. The
    average over all directions is tr(D) / 3, and so is sum_k w_k e_k^T D e_k if the mean of e_k e_k^T over the
    rotations, weighted by w_k, is a third of the unit matrix. Where no weights do that, or the transitions are not
    dipolar, all get the same.

    Args:
        photons: Photons of different directions.
        rotations: Cartesian matrices of the point group of the site, shape (n_operation, 3, 3).

    >>> fields = [Photon("dipole", (0.0, 0.0, 1.0)), Photon("dipole", (1.0, 1.0, 0.0))]
    >>> powder_average(fields, np.eye(3)[None])[1]
    False
    """
    units = [np.array(photon.direction) / np.linalg.norm(photon.direction) for photon in photons]
    means = np.array([np.mean([np.outer(R @ e, R @ e) for R in rotations], axis=0).ravel() for e in units])
    weights = np.linalg.lstsq(means.T, np.eye(3).ravel() / 3, rcond=1e-6)[0]
    error = np.abs(means.T @ weights - np.eye(3).ravel() / 3).max()
    is_average = bool(error < _SAME_TENSOR and weights.min() > 0 and {p.kind for p in photons} == {"dipole"})
    shares = weights / weights.sum() if is_average else np.full(len(photons), 1 / len(photons))
    return tuple(Polarisation(p.label, float(w)) for p, w in zip(photons, shares, strict=True)), is_average
