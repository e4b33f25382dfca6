"""The Lanczos recursions of all k points, from the coefficients that xspectra.x keeps.

Its log tells of the first pool's k points only, and of those that its last start computed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Complex, Float

from whiteline.calculators.bands import RYDBERG
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.errors import ParseError

__all__ = ["Recursion", "count_recursions", "read_recursions"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_N_HEAD: Final = 6
_N_LANCZOS = re.compile(r"number of lanczos stored=\s*(\d+)")


@dataclass(frozen=True, eq=False)
class Recursion:
    """One recursion, of one k point and one state of the core level.

    Attributes:
        a: Diagonal of the tridiagonal matrix, shape (n_iteration,) [Ry].
        b: Its off-diagonal, likewise.
    """

    a: Float[Array, " iteration"]
    b: Float[Array, " iteration"]

    @property
    def n_iteration(self) -> int:
        """Iterations."""
        return len(self.a)

    def error(self, parameters: XSpectraParameters) -> float:
        """Return how much the last `xcheck_conv` iterations changed the spectrum, as xspectra.x estimates it.

        It looks after every `xcheck_conv` iterations and stops when the change is below `xerror`; a recursion that
        stopped in between was at an end without.
        """
        n, step = self.n_iteration, parameters.xcheck_conv
        if n % step or n <= step:
            return np.inf
        spacing = (parameters.energy_max - parameters.energy_min) / parameters.n_energy
        energy = (
            np.array(parameters.energy_min + spacing * np.arange(1, parameters.n_energy + 1), dtype=float) / RYDBERG
        )
        last, before = (np.imag(1 / self._fraction(energy, m, parameters)) for m in (n, n - step))
        return float(np.abs(last - before).sum() / np.abs(last).sum())

    def _fraction(
        self, energy: Float[Array, " energy"], n: int, parameters: XSpectraParameters
    ) -> Complex[np.ndarray[Any, np.dtype[np.complex128]], " energy"]:
        """Return a_1 - E - iγ - b_1² / (a_2 - E - iγ - b_2² / …), n levels deep."""
        gamma = parameters.xgamma / RYDBERG
        half = parameters.xcheck_conv // 2
        value: np.ndarray[Any, np.dtype[np.complex128]]
        if parameters.terminator and half:
            # Beyond, the coefficients are taken for the mean of the last: the fraction solves a quadratic equation.
            mean_a, mean_b = (values[n - 1 - half : n - 1].mean() for values in (self.a, self.b))
            level = mean_a - energy - 1j * gamma
            root = np.sqrt(level**2 - 4 * mean_b**2)
            value = (level + np.where(np.imag(root) <= 0, root, -root)) / 2
        else:
            value = self.a[n - 1] - energy + 1j * gamma
        for a, b in zip(self.a[n - 2 :: -1], self.b[n - 2 :: -1], strict=True):
            value = a - energy - 1j * gamma - b**2 / value
        return value


def count_recursions(path: Path) -> int:
    """Return how many recursions a calculation has, from the head of its xanes.sav.

    Raises:
        ParseError: The file is cut off or damaged.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = list(islice(file, _N_HEAD + 2))
        found = _N_LANCZOS.search("".join(head))
        return int(found[1]) * int(head[_N_HEAD + 1].split()[1])  # type: ignore[index]  # None is an error like others
    except (IndexError, TypeError, ValueError, OSError) as error:
        raise ParseError(f"{path} is damaged: its head does not say how many recursions it holds") from error


def read_recursions(path: Path) -> list[Recursion]:
    """Return all recursions in a xanes.sav.

    Raises:
        ParseError: The file is cut off, damaged or of a calculation that was not finished.
    """
    n_recursions = count_recursions(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n", _N_HEAD + 2)
    n_lanczos = int(_N_LANCZOS.search(text)[1])  # type: ignore[index]  # `count_recursions` found it
    n_kpoints = n_recursions // n_lanczos
    try:
        words = lines[-1].split()
        longest = int(words[0])
        # Number of iterations, energy and Fermi level, directions; then for each state norms, numbers, a and b.
        numbers = np.array(words[9:], dtype=float).reshape(n_lanczos, -1)
        sizes = np.cumsum([n_kpoints, n_kpoints, longest * n_kpoints])
        recursions = []
        for row in numbers:
            _, counts, a, b = np.split(row, sizes)
            shaped = (values.reshape(n_kpoints, longest) for values in (a, b))
            recursions += [Recursion(x[: int(n)], y[: int(n)]) for n, x, y in zip(counts, *shaped, strict=True)]
    except (IndexError, ValueError) as error:
        raise ParseError(f"{path} is cut off or damaged: run xspectra.x again") from error
    if "unfinished" in lines[1] or not np.all(np.isfinite(numbers)):
        raise ParseError(f"{path} is of a calculation that was not finished: run xspectra.x again")
    return recursions
