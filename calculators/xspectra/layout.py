"""Over how many processes and pools pw.x and xspectra.x are spread."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.pseudopotentials.upf import Kind, read_upf
from whiteline.calculators.xspectra.estimate import BASE_MEMORY, estimate_memory

__all__ = ["Layout", "Size", "choose_layout", "read_size"]

# Speed of n processes that share the plane waves of a k point: n to this power.
_WAVES_EXPONENT: Final = 0.7
_THREE_WORDS: Final = r"^\s*\S+\s+\S+\s+\S+$"


@dataclass(frozen=True)
class Layout:
    """Processes, and pools of them that share the k points; a pool shares the plane waves of each of its own.

    Attributes:
        n_processes: Processes.
        n_pools: Pools, a divisor of that.
    """

    n_processes: int = 1
    n_pools: int = 1

    @property
    def arguments(self) -> tuple[str, ...]:
        """What tells a program of its pools."""
        return ("-nk", str(self.n_pools)) if self.n_pools > 1 else ()

    def __str__(self) -> str:
        return f"{self.n_processes} processes in {self.n_pools} pools"


@dataclass(frozen=True)
class Size:
    """What the inputs of a calculation ask for.

    Attributes:
        n_scf_kpoints: k points of the density that symmetry leaves.
        n_kpoints: k points of the spectrum.
        memory: Memory of one process that does all [MB].
    """

    n_scf_kpoints: int
    n_kpoints: int
    memory: float


def choose_layout(n_kpoints: int, *, cores: int, memory: float, available: float | None = None) -> Layout:
    """Return the layout that should be fastest, of those that have the memory.

    Pools share nothing and wait for nobody, but each holds all that one process would; the plane waves of one k point
    are shared at some loss, and take no more memory.

    >>> choose_layout(8, cores=4, memory=500.0), choose_layout(1, cores=4, memory=500.0)
    (Layout(n_processes=4, n_pools=4), Layout(n_processes=4, n_pools=1))
    >>> choose_layout(8, cores=4, memory=500.0, available=1200.0)
    Layout(n_processes=4, n_pools=2)

    Args:
        n_kpoints: k points to share.
        cores: Most processes.
        memory: Memory of one process that does all [MB].
        available: Memory of all processes together [MB]; None where that is no matter.
    """
    layouts = [Layout(n, p) for n in range(1, cores + 1) for p in range(1, min(n, n_kpoints) + 1) if n % p == 0]
    fitting = [x for x in layouts if available is None or _total_memory(x, memory) <= available]
    return max(fitting or [Layout()], key=lambda x: (round(_speed(x, n_kpoints), 6), x.n_pools, -x.n_processes))


def read_size(directory: Path) -> Size:
    """Return the size of the calculation in a run directory, from the inputs that `inputs` writes."""
    text = (directory / "scf.in").read_text(encoding="utf-8")
    values = dict(re.findall(r"^\s*(ecutwfc|ecutrho|nspin)\s*=\s*([\d.]+)", text, re.MULTILINE))
    lattice = np.array(_rows(text, "CELL_PARAMETERS", _THREE_WORDS), dtype=float)
    atoms = _rows(text, "ATOMIC_POSITIONS", r"^[A-Z]\S*(?:\s+\S+){3}$")
    labels = [atom[0] for atom in atoms]
    grid = tuple(int(n) for n in _rows(text, "K_POINTS", r"^\d+(?: \d+){5}$")[0][:3])
    n_kpoints = min(_count_kpoints(path) for path in directory.rglob("xanes.in"))
    potentials = {
        row[0]: read_upf(directory / "pseudo" / row[2]) for row in _rows(text, "ATOMIC_SPECIES", _THREE_WORDS)
    }
    memory = estimate_memory(
        float(abs(np.linalg.det(lattice))) / BOHR**3,
        wavefunction=float(values["ecutwfc"]),
        density=float(values["ecutrho"]),
        n_electrons=sum(potentials[label].z_valence for label in labels),
        is_norm_conserving=all(p.kind is Kind.NORM_CONSERVING for p in potentials.values()),
    )
    positions = np.array([atom[1:4] for atom in atoms], dtype=float)
    n_scf = _count_irreducible(lattice, positions, [sorted(set(labels)).index(label) for label in labels], grid)
    return Size(n_scf, n_kpoints * int(values.get("nspin", 1)), memory)


def _rows(text: str, card: str, pattern: str) -> list[list[str]]:
    """Return the words of the lines of a card."""
    found = []
    for line in text[text.index(card) :].splitlines()[1:]:
        if not re.match(pattern, line):
            break
        found.append(line.split())
    return found


def _count_kpoints(path: Path) -> int:
    return prod(int(n) for n in path.read_text(encoding="utf-8").split()[-6:-3])


def _count_irreducible(
    lattice: Float[np.ndarray[Any, np.dtype[np.float64]], "3 3"],
    positions: Float[np.ndarray[Any, np.dtype[np.float64]], "atom 3"],
    kinds: list[int],
    grid: tuple[int, ...],
) -> int:
    import spglib

    cell = (lattice.tolist(), positions.tolist(), kinds)
    with warnings.catch_warnings():
        # spglib 2.7 announces that it will raise where it now returns None; both are handled here.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = spglib.get_ir_reciprocal_mesh(grid, cell, is_time_reversal=True)
        except spglib.SpglibError:
            found = None
    return 1 if found is None else len(np.unique(found[0]))


def _total_memory(layout: Layout, memory: float) -> float:
    return layout.n_pools * memory + (layout.n_processes - layout.n_pools) * BASE_MEMORY


def _speed(layout: Layout, n_kpoints: int) -> float:
    rounds = ceil(n_kpoints / layout.n_pools)
    return n_kpoints / rounds * float((layout.n_processes / layout.n_pools) ** _WAVES_EXPONENT)
