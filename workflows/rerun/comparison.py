"""Whether two spectra are the same to the last bit, within a tolerance, or not, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError
from whiteline.similarity import compare
from whiteline.spectrum import Spectrum

__all__ = ["Comparison", "Tolerance", "compare_spectra"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# What gives arrays their meaning and their units: names, and numbers.
_NAMES: Final = ("energy_reference", "quantity")
_NUMBERS: Final = ("scale", "volume", "reference_energy", "shift")


@dataclass(frozen=True)
class Tolerance:
    """Within what two spectra count as equal.

    Attributes:
        intensity: Largest absolute difference, relative to the largest value on record. The same holds for the numbers
            that give the intensity its unit.
        energy: Largest difference of the points of the axes [eV].

    Raises:
        ParameterError: A tolerance is not a number from zero to one.
    """

    intensity: float = 1e-6
    energy: float = 1e-6

    def __post_init__(self) -> None:
        for name in ("intensity", "energy"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ParameterError(f"the tolerance of the {name} must be from 0 to below 1, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How a spectrum that was computed again lies to the one on record.

    Attributes:
        is_identical: Whether all numbers, those that give units included, are the same to the last bit.
        is_within: Whether all of them agree within the tolerance.
        largest: Largest absolute difference of the intensities, relative to the largest value on record; None where the
            axes share nothing, or all is zero on record.
        energy: Largest difference of the points of the axes [eV]; None where their numbers differ.
        n_points: Points of the axis on record, and `n_points_now` those of the axis now.
        units: What gives the intensities another unit now, in words; empty where nothing does.
        spearman_distance: One minus the rank correlation after the best shift; None where it was not needed or there
            is none.
        shift: That shift, added to the axis of the spectrum now [eV].
    """

    is_identical: bool
    is_within: bool
    largest: float | None
    energy: float | None
    n_points: int
    n_points_now: int
    units: str = ""
    spearman_distance: float | None = None
    shift: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Rebuild what `to_dict` wrote."""
        return cls(**data)

    @property
    def words(self) -> str:
        """What was found, in a line."""
        if self.is_identical:
            return f"energies and intensities of {self.n_points} points are bitwise equal"
        parts = []
        if self.largest is not None:
            parts.append(f"largest difference {self.largest:.2g} of the largest value")
        if self.energy is None:
            parts.append(f"{self.n_points_now} points instead of {self.n_points}")
        elif self.energy:
            parts.append(f"energies up to {self.energy:.2g} eV apart")
        if self.units:
            parts.append(self.units)
        if self.spearman_distance is not None:
            parts.append(f"1 - Spearman {self.spearman_distance:.2g}")
        if self.shift:
            parts.append(f"shift {self.shift:+.2f} eV")
        return ", ".join(parts)


def compare_spectra(recorded: Spectrum, now: Spectrum, tolerance: Tolerance) -> Comparison:
    """Return how a spectrum lies to the one on record.

    >>> from whiteline.spectrum import EnergyReference
    >>> zero = EnergyReference.FERMI
    >>> one = Spectrum([0.0, 1.0], [1.0, 2.0], energy_reference=zero)
    >>> other = Spectrum([0.0, 1.0], [1.0, 2.0 + 1e-9], energy_reference=zero)
    >>> [compare_spectra(one, each, Tolerance()).is_identical for each in (one, other)]
    [True, False]
    >>> compare_spectra(one, other, Tolerance()).is_within
    True
    """
    is_same_axis = recorded.energy.shape == now.energy.shape
    energy = float(np.max(np.abs(recorded.energy - now.energy))) if is_same_axis else None
    largest = _largest_difference(recorded, now)
    units = _units(recorded, now, tolerance.intensity)
    is_near = largest is not None and largest <= tolerance.intensity
    is_within = is_near and energy is not None and energy <= tolerance.energy and not units
    distance, shift = (None, None) if is_within else _apart(recorded, now)
    return Comparison(
        is_identical=is_within and recorded.to_dict() == now.to_dict(),
        is_within=is_within,
        largest=largest,
        energy=energy,
        n_points=recorded.n_energy,
        n_points_now=now.n_energy,
        units=units,
        spearman_distance=distance,
        shift=shift,
    )


def _largest_difference(recorded: Spectrum, now: Spectrum) -> float | None:
    """Return the largest difference of the components where both axes are, of the powder averages where those differ.

    It is relative to the largest value on record.
    """
    lo, hi = max(recorded.energy[0], now.energy[0]), min(recorded.energy[-1], now.energy[-1])
    is_shared = (recorded.energy >= lo) & (recorded.energy <= hi)
    if not np.any(is_shared):
        return None
    if recorded.components.shape == now.components.shape:
        # Point by point: axes that agree within rounding must not be interpolated.
        rows = [(one, other) for one, other in zip(recorded.components, now.components, strict=True)]
        if not np.allclose(recorded.energy, now.energy, rtol=0, atol=1e-3):
            rows = [(one[is_shared], _on(recorded.energy[is_shared], now, other)) for one, other in rows]
    else:
        here = _on(recorded.energy[is_shared], now, now.intensity)
        rows = [(recorded.intensity[is_shared], here)]
    scale = max(float(np.max(np.abs(one))) for one, _ in rows)
    difference = max(float(np.max(np.abs(one - other))) for one, other in rows)
    if scale == 0:
        return 0.0 if difference == 0 else None
    return difference / scale


def _on(energy: Float[Array, " energy"], spectrum: Spectrum, row: Float[Array, " own"]) -> Float[Array, " energy"]:
    """Return a row of a spectrum interpolated on another axis."""
    return np.asarray(np.interp(energy, spectrum.energy, row), dtype=float)


def _units(recorded: Spectrum, now: Spectrum, tolerance: float) -> str:
    """Return which of the facts that give the arrays their units are others now."""
    changed = [name for name in _NAMES if getattr(recorded, name) != getattr(now, name)]
    changed += [name for name in _NUMBERS if not _agree(getattr(recorded, name), getattr(now, name), tolerance)]
    if not _same_directions(recorded, now, tolerance):
        changed.append("polarisations")
    if not _same_broadening(recorded, now):
        changed.append("broadening")
    told = (f"{n.replace('_', ' ')} {_told(recorded, n)} -> {_told(now, n)}" for n in changed)
    return ", ".join(told)


def _told(spectrum: Spectrum, name: str) -> str:
    value = getattr(spectrum, name)
    if name == "polarisations":
        return "/".join(each.label for each in value)
    return "/".join(str(each.profile) for each in value) or "none" if name == "broadening" else str(value)


def _agree(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance * max(abs(one), abs(other))


def _same_directions(recorded: Spectrum, now: Spectrum, tolerance: float) -> bool:
    one, other = ({each.label: each.weight for each in spectrum.polarisations} for spectrum in (recorded, now))
    return list(one) == list(other) and all(_agree(one[label], other[label], tolerance) for label in one)


def _same_broadening(recorded: Spectrum, now: Spectrum) -> bool:
    """Return whether the same line shapes broaden both; which version applied them is another matter."""
    return [(each.origin, each.profile) for each in recorded.broadening] == [
        (each.origin, each.profile) for each in now.broadening
    ]


def _apart(recorded: Spectrum, now: Spectrum) -> tuple[float | None, float | None]:
    """Return one minus the rank correlation after the best shift, and that shift; None where the curves have none."""
    try:
        found = compare(recorded, now)
    except InputError:
        return None, None
    return 1.0 - found.spearman, found.shift
