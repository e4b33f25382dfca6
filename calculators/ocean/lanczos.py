"""Haydock's recursion: the coefficients that OCEAN writes, and how far the spectrum made of them is converged.

The spectrum is the imaginary part of a continued fraction (Benedict and Shirley, Phys. Rev. B 59, 5441 (1999),
doi:10.1103/PhysRevB.59.5441),

    Im epsilon(E) = -k Im 1 / (z - a_0 - b_1^2 / (z - a_1 - b_2^2 / ...)),    z = E + i Gamma,

ended by the fraction of constant coefficients.

| symbol | variable |
|---|---|
| k | `prefactor` |
| a_n, b_n | `a[n]`, `b[n]` |
| Gamma | `half_width` |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.calculators.ocean.absspct import HARTREE, read_numbers
from whiteline.errors import ParseError

__all__ = ["Recursion", "read_abslanc"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Recursion:
    """The coefficients of a Haydock recursion.

    Attributes:
        prefactor: Factor of the spectrum.
        a: Diagonal, shape (n_iteration + 1,) [Hartree].
        b: Off-diagonal, shape (n_iteration + 1,); the first is 0 [Hartree].
    """

    prefactor: float
    a: Float[Array, " step"]
    b: Float[Array, " step"]

    @property
    def n_iterations(self) -> int:
        """Number of iterations."""
        return len(self.a) - 1

    def spectrum(
        self, energy: Float[Array, " energy"], *, half_width: float, n_iterations: int | None = None
    ) -> Float[Array, " energy"]:
        """Return Im epsilon, shape (n_energy,).

        Args:
            energy: Energy, shape (n_energy,) [eV].
            half_width: Half width at half maximum [eV].
            n_iterations: How many iterations to use; all when None.
        """
        n = self.n_iterations if n_iterations is None else n_iterations
        z = (energy + 1j * half_width) / HARTREE
        last = z - self.a[n - 1]
        root = np.sqrt(last**2 - 4 * self.b[n] ** 2)
        delta = (last + np.where(root.imag > 0, root, -root)) / 2
        for i in range(n - 1, -1, -1):
            delta = z - self.a[i] - self.b[i + 1] ** 2 / delta
        return np.asarray(self.prefactor * np.abs((1 / delta).imag))

    def change(self, energy: Float[Array, " energy"], *, half_width: float, spacing: int) -> float:
        """Return by how much of its area the spectrum changes in the last `spacing` iterations."""
        if self.n_iterations <= spacing:
            return float("inf")
        last = self.spectrum(energy, half_width=half_width)
        earlier = self.spectrum(energy, half_width=half_width, n_iterations=self.n_iterations - spacing)
        return float(np.abs(last - earlier).sum() / np.abs(last).sum())


def read_abslanc(path: Path) -> Recursion:
    """Return the coefficients of an abslanc file: count and factor, a_0, then a_n and b_n, then the eigenvalues.

    Raises:
        ParseError: The file is not an abslanc, or it is cut off.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    words = lines[0].split() if lines else []
    if len(words) != 2 or not words[0].isdigit():
        raise ParseError(f"{path} is not an abslanc of OCEAN: expected a count and a factor in its first line")
    n = int(words[0])
    if len(lines) != 2 * n + 3 or not text.endswith("\n"):
        raise ParseError(f"{path} has {len(lines)} lines, expected {2 * n + 3} for {n} iterations: it is cut off")
    # Two lines of one kind each, read as tables of at least two lines.
    coefficients = read_numbers([f"{lines[1]} 0", *lines[2 : n + 2]], 2, path, n_before=1)
    read_numbers(lines[n + 2 :], 3, path, n_before=n + 2)
    prefactor = float(words[1].upper().replace("D", "E"))
    return Recursion(prefactor, coefficients[:, 0], coefficients[:, 1])
