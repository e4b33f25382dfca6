"""What the three output files of VASP have in common, and the text of a file that may be packed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference

__all__ = ["CoreHole", "DielectricTensor", "VaspOutput", "find_output", "read_text"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_SUFFIXES = ("", ".gz", ".bz2", ".xz")
# Share of a step by which the rounding of the printed energies may change it.
_UNEVEN = 0.02


class CoreHole(NamedTuple):
    """A core hole.

    Attributes:
        species: Species of the POSCAR, counted from 1 (CLNT).
        n: Main quantum number (CLN).
        l: Angular momentum (CLL).
        charge: Electrons taken out (CLZ).
    """

    species: int
    n: int
    l: int  # noqa: E741  # the quantum number's name
    charge: float


@dataclass(frozen=True, eq=False)
class DielectricTensor:
    """Imaginary part of the dielectric function of the core electron.

    Attributes:
        energy: Even axis, shape (n_energy,) [eV].
        values: Elements xx, yy, zz, xy, yz and zx, shape (6, n_energy).
        reference: Where the axis has its zero.
    """

    energy: Float[Array, " energy"]
    values: Float[Array, "6 energy"]
    reference: EnergyReference

    def check(self, source: str) -> None:
        """Refuse what no whole run leaves behind.

        Raises:
            ParseError: A number is not finite, rows are missing, or the spectrum is zero or negative.
        """
        if self.energy.size < 2:
            raise ParseError(f"{source} holds {self.energy.size} rows of a spectrum: it is cut off, run VASP again")
        if not (np.isfinite(self.energy).all() and np.isfinite(self.values).all()):
            raise ParseError(f"{source}: the spectrum holds NaN or infinity; run VASP again with other settings")
        steps = np.diff(self.energy)
        step = float(np.median(steps))
        # VASP prints six decimals or more.
        uneven = np.flatnonzero(np.abs(steps - step) > max(_UNEVEN * step, 2e-6))
        if uneven.size:
            raise ParseError(
                f"{source}: the energies leave their even steps of {step:g} eV after {self.energy[uneven[0]]:g} eV: "
                "rows are missing or damaged, run VASP again"
            )
        if not self.values[:3].any():
            raise ParseError(f"{source}: the spectrum is zero everywhere; raise NBANDS or correct the core level")
        if self.values[:3].min() < -1e-3 * self.values[:3].max():
            raise ParseError(f"{source}: the spectrum is negative, {self.values[:3].min():g}: the file is damaged")


@dataclass(frozen=True, eq=False)
class VaspOutput:
    """What a finished VASP run says.

    Attributes:
        source: Path of the file, for messages.
        version: Version, e.g. `VASP 6.1.1`.
        elements: Element of each species, by its POTCAR.
        counts: Number of atoms of each species.
        lattice: Rows are the vectors [Å].
        positions: Fractional coordinates, shape (n_atom, 3).
        core_hole: The core hole; None without one.
        n_steps: Steps of the density.
        most_steps: Most that were allowed (NELM); None where the file does not say.
        is_converged: Whether the density converged.
        fermi_energy: Fermi level [eV].
        core_energy: Energy of the core level (ECORE) [eV]; None where the file does not say.
        total_energy: Total energy, extrapolated to no smearing [eV].
        tensor: The spectrum; None where the run computed none.
    """

    source: str
    version: str
    elements: tuple[str, ...]
    counts: tuple[int, ...]
    lattice: Float[Array, "3 3"]
    positions: Float[Array, "atom 3"]
    core_hole: CoreHole | None
    n_steps: int
    most_steps: int | None
    is_converged: bool
    fermi_energy: float | None
    core_energy: float | None
    total_energy: float | None
    tensor: DielectricTensor | None

    @property
    def volume(self) -> float:
        """Volume of the cell [Å³]."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def atom_elements(self) -> list[str]:
        """Element of each atom."""
        return [e for e, n in zip(self.elements, self.counts, strict=True) for _ in range(n)]

    @property
    def onset(self) -> float | None:
        """Where the first empty level of an XCH run lies on the axis of the spectrum [eV]; None where unknown."""
        if self.tensor is not None and self.tensor.reference is EnergyReference.FERMI:
            return 0.0
        if self.fermi_energy is None or self.core_energy is None:
            return None
        return self.fermi_energy - self.core_energy


def find_output(directory: Path, name: str) -> Path | None:
    """Return the file of that name, packed or not, or None."""
    return next((p for p in (directory / f"{name}{suffix}" for suffix in _SUFFIXES) if p.is_file()), None)


def read_text(path: Path) -> str:
    """Return the text of a file that may be packed with gzip, bzip2 or xz.

    Raises:
        ParseError: The file is empty, or its packing is damaged.
    """
    from monty.io import zopen

    try:
        with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
            text = str(file.read())
    except (EOFError, OSError, LZMAError, zlib.error) as error:
        raise ParseError(f"{path} cannot be read or unpacked ({error}): copy it again or run VASP again") from error
    if not text.strip():
        raise ParseError(f"{path} is empty: VASP did not start, see its log")
    return text
