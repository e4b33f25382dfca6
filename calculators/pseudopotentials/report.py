"""Reading what ld1.x says when it tests a pseudopotential, and judging it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from whiteline.calculators.pseudopotentials.core_hole import LETTERS
from whiteline.errors import ParseError
from whiteline.status import Check

__all__ = ["AtomicConfiguration", "AtomicState", "PseudoReport", "judge", "phase_difference", "read_configurations"]

# Ry; 0.14 eV, below the widths of K levels from Na on and the broadening of most measured near-edge spectra.
EIGENVALUE_TOLERANCE_RY = 0.010
# Ry; 0.07 eV on the energy of an excitation of the atom.
ENERGY_TOLERANCE_RY = 0.005
# Mean over the window of energies. A ghost shifts everything above it by π.
PHASE_TOLERANCE = 0.10
# Ry; above it, the box of a test, not the atom, sets an empty state's energy.
_BOUND_RY = -0.05
_CUTOFF_TOLERANCE_RY = 1.0e-3
# Numerical noise on a phase that never falls with energy.
_PHASE_NOISE = 0.05
_NUMBER = r"(-?\d+\.\d+)"
_STATE_LINE = re.compile(rf"^\s*\d+\s+(\d)\s+(\d[SPDF])\s+1\(\s*{_NUMBER}\)\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", re.M)
_ENERGY_LINE = re.compile(rf"Delta E=\s*{_NUMBER}")
_CUTOFF_LINE = re.compile(rf"Cutoff \(Ry\)\s*:\s*{_NUMBER}")
_BESSEL_LINE = re.compile(rf"E\(L=(\d)\)\s*=\s*{_NUMBER} Ry\s+{_NUMBER} Ry\s+{_NUMBER} Ry")


@dataclass(frozen=True)
class AtomicState:
    """One state of a tested configuration; energies in Ry.

    Attributes:
        label: E.g. `3d`.
        occupation: Electrons in it.
        energy_ry: All-electron eigenvalue.
        pseudo_energy_ry: Eigenvalue with the pseudopotential.
    """

    label: str
    occupation: float
    energy_ry: float
    pseudo_energy_ry: float

    @property
    def is_meaningful(self) -> bool:
        """Whether the atom, not the test's box, sets its energy."""
        return self.occupation > 0 or self.energy_ry < _BOUND_RY


@dataclass(frozen=True)
class AtomicConfiguration:
    """One configuration of the atom with all electrons and with the pseudopotential.

    Attributes:
        states: Valence states.
        energy_error_ry: Error of its energy over that of the first configuration [Ry]; None for the first.
        spectra: Eigenvalues in a box by cutoff [Ry] and angular momentum, three each [Ry].
    """

    states: tuple[AtomicState, ...]
    energy_error_ry: float | None
    spectra: Mapping[float, Mapping[int, tuple[float, ...]]]


@dataclass(frozen=True)
class PseudoReport:
    """What the tests of a pseudopotential say.

    Attributes:
        checks: Tests passed and failed, with their evidence.
        wavefunction_cutoff_ry: Cutoff that holds the occupied eigenvalues to 1 mRy [Ry].
        density_cutoff_ry: Cutoff for density and potential [Ry].
        eigenvalue_error_ry: Largest error of an eigenvalue over all configurations [Ry].
        energy_error_ry: Largest error of an excitation energy [Ry].
        phase_difference: Mean difference of scattering phases, largest over s, p, d [rad].
    """

    checks: tuple[Check, ...]
    wavefunction_cutoff_ry: float
    density_cutoff_ry: float
    eigenvalue_error_ry: float
    energy_error_ry: float
    phase_difference: float

    @property
    def is_passed(self) -> bool:
        """Whether every test holds."""
        return all(check.is_passed for check in self.checks)

    @property
    def failures(self) -> str:
        """The tests that do not hold, in words."""
        return "; ".join(f"{check.name}: {check.detail}" for check in self.checks if not check.is_passed)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "is_passed": self.is_passed,
            "checks": [check.to_dict() for check in self.checks],
            "wavefunction_cutoff_ry": self.wavefunction_cutoff_ry,
            "density_cutoff_ry": self.density_cutoff_ry,
            "eigenvalue_error_ry": self.eigenvalue_error_ry,
            "energy_error_ry": self.energy_error_ry,
            "phase_difference": self.phase_difference,
        }


def read_configurations(output: str, *, source: Path) -> tuple[AtomicConfiguration, ...]:
    """Return the tested configurations in ld1.x's standard output.

    Raises:
        ParseError: There is none, or one has no energies.
    """
    blocks = output.split("Testing the pseudopotential")[1:]
    if not blocks:
        raise ParseError(f"{source} holds no test of a pseudopotential: ld1.x stopped before it, see its last lines")
    found = []
    for index, block in enumerate(blocks):
        table, _, rest = block.partition("End of pseudopotential test")
        states = tuple(
            AtomicState(label.lower(), float(occupation), float(energy), float(pseudo))
            for _, label, occupation, energy, pseudo, _ in _STATE_LINE.findall(table)
        )
        difference = _ENERGY_LINE.search(table)
        if not states or (index > 0 and difference is None):
            raise ParseError(f"{source}: configuration {index + 1} of {len(blocks)} has no energies: run ld1.x again")
        found.append(AtomicConfiguration(states, float(difference[1]) if difference else None, _spectra(rest)))
    return tuple(found)


def phase_difference(
    reference: Float[np.ndarray, " energy"], pseudo: Float[np.ndarray, " energy"], *, radius: float
) -> Float[np.ndarray, " energy"]:
    """Return the phase of the pseudo-wavefunction less that of the all-electron one, shape (n_energy,) [rad].

    The phase -arctan(R ψ'/ψ) at a radius R never falls with energy, and grows by π through each bound state or
    resonance: a ghost state is a step of π in the difference. It starts in (-π/2, π/2].

    Args:
        reference: Logarithmic derivatives ψ'/ψ of the all-electron atom, shape (n_energy,) [1/bohr].
        pseudo: Those with the pseudopotential on the same energies, shape (n_energy,) [1/bohr].
        radius: R [bohr].
    """
    difference = _phase(pseudo, radius) - _phase(reference, radius)
    return np.asarray(difference - np.pi * np.round(difference[0] / np.pi))


def judge(
    configurations: Iterable[AtomicConfiguration],
    *,
    derivatives: Float[np.ndarray, "energy columns"],
    pseudo_derivatives: Float[np.ndarray, "energy columns"],
    radius: float,
    density_cutoff_ry: float,
) -> PseudoReport:
    """Return the report on a pseudopotential.

    Args:
        configurations: Tested configurations, the reference first.
        derivatives: Energy [Ry] and logarithmic derivatives for s, p, d, shape (n_energy, 4) [1/bohr].
        pseudo_derivatives: The same with the pseudopotential.
        radius: Radius of the logarithmic derivatives [bohr].
        density_cutoff_ry: Cutoff that the pseudized core and augmentation charges need [Ry].
    """
    first, *others = configurations
    states = [state for c in (first, *others) for state in c.states if state.is_meaningful]
    worst = max(states, key=lambda s: abs(s.energy_ry - s.pseudo_energy_ry))
    eigenvalue_error = abs(worst.energy_ry - worst.pseudo_energy_ry)
    energy_error = max((abs(c.energy_error_ry or 0.0) for c in others), default=0.0)
    phases = [
        phase_difference(derivatives[:, column], pseudo_derivatives[:, column], radius=radius)
        for column in range(1, derivatives.shape[1])
    ]
    means = [float(np.mean(np.abs(phase))) for phase in phases]
    cutoff, is_converged = _cutoff(first)
    checks = (
        Check(
            "eigenvalues",
            eigenvalue_error <= EIGENVALUE_TOLERANCE_RY,
            f"{1e3 * eigenvalue_error:.1f} mRy at most ({worst.label}), {1e3 * EIGENVALUE_TOLERANCE_RY:g} allowed",
        ),
        Check(
            "excitations",
            bool(others) and energy_error <= ENERGY_TOLERANCE_RY,
            f"{1e3 * energy_error:.1f} mRy at most in {len(others)}, {1e3 * ENERGY_TOLERANCE_RY:g} allowed",
        ),
        _ghosts(first, phases, bottom=float(derivatives[0, 0])),
        Check(
            "scattering",
            max(means) <= PHASE_TOLERANCE,
            ", ".join(f"{LETTERS[i]} {mean:.3f}" for i, mean in enumerate(means))
            + f" rad on average, {PHASE_TOLERANCE:g} allowed",
        ),
        Check("cutoff", is_converged, f"occupied eigenvalues converge at {cutoff:g} Ry"),
    )
    return PseudoReport(checks, cutoff, max(density_cutoff_ry, 4 * cutoff), eigenvalue_error, energy_error, max(means))


def _spectra(text: str) -> dict[float, dict[int, tuple[float, ...]]]:
    spectra: dict[float, dict[int, tuple[float, ...]]] = {}
    parts = _CUTOFF_LINE.split(text)
    for cutoff, body in zip(parts[1::2], parts[2::2], strict=True):
        spectra[float(cutoff)] = {int(m): (float(a), float(b), float(c)) for m, a, b, c in _BESSEL_LINE.findall(body)}
    return spectra


def _phase(derivative: Float[np.ndarray, " energy"], radius: float) -> Float[np.ndarray, " energy"]:
    principal = -np.arctan(radius * derivative)
    steps = np.mod(np.diff(principal) + _PHASE_NOISE, np.pi) - _PHASE_NOISE
    return np.concatenate([principal[:1], principal[0] + np.cumsum(steps)])


def _ghosts(first: AtomicConfiguration, phases: list[Float[np.ndarray, " energy"]], *, bottom: float) -> Check:
    """Look for states that the atom has not: below the window in a complete basis, inside it in the phases."""
    spectrum = first.spectra[max(first.spectra)]
    deep = [f"{LETTERS[m]} at {values[0]:.1f} Ry" for m, values in spectrum.items() if values[0] < bottom]
    # A step of π that stays is a ghost; a sharp level that is a millirydberg off is a spike.
    stepped = [LETTERS[i] for i, phase in enumerate(phases) if np.median(np.abs(phase[-10:])) > np.pi / 2]
    found = deep + [f"{letter} above {bottom:.1f} Ry" for letter in stepped]
    return Check("ghost states", not found, "; ".join(found) or f"none below or in {bottom:.1f} to 2 Ry")


def _cutoff(configuration: AtomicConfiguration) -> tuple[float, bool]:
    """Return the lowest cutoff [Ry] from which occupied eigenvalues stay, and whether it is below the highest."""
    cutoffs = sorted(configuration.spectra)
    counts = {m: sum(s.label[1] == LETTERS[m] and s.occupation > 0 for s in configuration.states) for m in range(4)}
    top = configuration.spectra[cutoffs[-1]]
    lowest = cutoffs[-1]
    for cutoff in reversed(cutoffs[:-1]):
        values = configuration.spectra[cutoff]
        errors = [
            abs(values[m][i] - top[m][i]) for m, count in counts.items() if m in top for i in range(min(count, 3))
        ]
        if max(errors, default=0.0) > _CUTOFF_TOLERANCE_RY:
            break
        lowest = cutoff
    return lowest, lowest < cutoffs[-1]
