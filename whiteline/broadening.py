"""Line broadening that is stated, recorded and exact for step functions on any grid.

A profile is a normalised line shape of given full width at half maximum (FWHM). `broaden` spreads curves with
it; `BroadeningRecord` says which profile a spectrum carries, why, and who applied it, so that none is applied
twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError, did_you_mean

__all__ = [
    "BroadeningRecord",
    "EnergyDependentLorentzian",
    "Gaussian",
    "Lorentzian",
    "Origin",
    "Profile",
    "Voigt",
    "broaden",
    "core_hole_width",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_MAX_KERNEL_SIZE = 5000 * 5000  # numbers held at once, 200 MB
_VOIGT_NODES = 20_000
_VOIGT_REACH = 200.0  # widths up to which the Voigt integral is tabulated; its tail is a series from there


class Origin(StrEnum):
    """Why a spectrum is broad."""

    LIFETIME = "lifetime"
    INSTRUMENT = "instrument"
    NUMERICAL = "numerical"


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian line, as a monochromator or an analyser makes.

    Attributes:
        fwhm: Full width at half maximum [eV].
    """

    fwhm: float

    def __post_init__(self) -> None:
        _require_width("fwhm", self.fwhm)

    def cumulative(
        self,
        distance: Float[Array, "out cell"],
        energy: Float[Array, "out 1"],  # noqa: ARG002 - the width is the same everywhere
    ) -> Float[Array, "out cell"]:
        """Return the integral of the line up to `distance` [eV]."""
        from scipy.special import ndtr  # type: ignore[import-untyped]  # ships no types; slow to load

        return np.asarray(ndtr(distance * (FWHM_PER_SIGMA / self.fwhm)), dtype=float)


@dataclass(frozen=True)
class Lorentzian:
    """A Lorentzian line, as a finite lifetime makes.

    Attributes:
        fwhm: Full width at half maximum [eV], hbar over the lifetime.
    """

    fwhm: float

    def __post_init__(self) -> None:
        _require_width("fwhm", self.fwhm)

    def cumulative(
        self,
        distance: Float[Array, "out cell"],
        energy: Float[Array, "out 1"],  # noqa: ARG002 - the width is the same everywhere
    ) -> Float[Array, "out cell"]:
        """Return the integral of the line up to `distance` [eV]."""
        return _lorentzian_cumulative(distance, self.fwhm / 2)


@dataclass(frozen=True)
class Voigt:
    """A Gaussian line spread by a Lorentzian one.

    Attributes:
        gaussian_fwhm: Full width at half maximum of the Gaussian part [eV].
        lorentzian_fwhm: Full width at half maximum of the Lorentzian part [eV].
    """

    gaussian_fwhm: float
    lorentzian_fwhm: float

    def __post_init__(self) -> None:
        _require_width("gaussian_fwhm", self.gaussian_fwhm)
        _require_width("lorentzian_fwhm", self.lorentzian_fwhm)

    def cumulative(
        self,
        distance: Float[Array, "out cell"],
        energy: Float[Array, "out 1"],  # noqa: ARG002 - the width is the same everywhere
    ) -> Float[Array, "out cell"]:
        """Return the integral of the line up to `distance` [eV], to 1e-8.

        The integral has no closed form: it is tabulated on a sinh grid with the midpoint rule, and continued
        by its tail `gamma/(pi x) (1 + (3 sigma^2 - gamma^2) / (3 x^2))`.
        """
        from scipy.special import voigt_profile

        sigma, gamma = self.gaussian_fwhm / FWHM_PER_SIGMA, self.lorentzian_fwhm / 2
        width = sigma + gamma
        t = np.linspace(0.0, np.arcsinh(_VOIGT_REACH), _VOIGT_NODES)
        middle = (t[1:] + t[:-1]) / 2
        slices = voigt_profile(width * np.sinh(middle), sigma, gamma) * width * np.cosh(middle) * np.diff(t)
        table = np.concatenate(([0.0], np.cumsum(slices)))
        x = np.abs(distance)
        half = np.interp(np.arcsinh(x / width), t, table)
        is_tail = x > _VOIGT_REACH * width
        far = x[is_tail]
        half[is_tail] = _lorentzian_cumulative(far, gamma) - 0.5 - gamma * sigma**2 / (np.pi * far**3)
        return np.asarray(0.5 + np.copysign(half, distance), dtype=float)


@dataclass(frozen=True)
class EnergyDependentLorentzian:
    """A Lorentzian line that widens above an onset, as photoelectrons of more energy live shorter.

    Gamma(E) = lifetime_fwhm + slope max(E - onset, 0), at most `maximum`. The width is that at the energy
    which is read out, so that a constant stays constant.

    Attributes:
        lifetime_fwhm: Width below the onset, usually that of the core hole [eV].
        slope: Increase of the width per energy, dimensionless.
        onset: Energy where the width starts to grow, on the axis of the spectrum when it is applied [eV].
        maximum: Largest width [eV]; unlimited when None.
    """

    lifetime_fwhm: float
    slope: float
    onset: float
    maximum: float | None = None

    def __post_init__(self) -> None:
        _require_width("lifetime_fwhm", self.lifetime_fwhm)
        if not (np.isfinite(self.slope) and self.slope >= 0):
            raise ParameterError(f"slope must be a number of at least 0, got {self.slope}")
        if not np.isfinite(self.onset):
            raise ParameterError(f"onset must be a finite energy in eV, got {self.onset}")
        if self.maximum is not None and not self.maximum >= self.lifetime_fwhm:
            raise ParameterError(
                f"maximum must be at least lifetime_fwhm = {self.lifetime_fwhm} eV, got {self.maximum} eV"
            )

    def width(self, energy: Float[Array, " *shape"]) -> Float[Array, " *shape"]:
        """Return the full width at half maximum at `energy`, same shape [eV]."""
        width = self.lifetime_fwhm + self.slope * np.maximum(energy - self.onset, 0.0)
        return width if self.maximum is None else np.minimum(width, self.maximum)

    def cumulative(self, distance: Float[Array, "out cell"], energy: Float[Array, "out 1"]) -> Float[Array, "out cell"]:
        """Return the integral of the line for output at `energy` up to `distance` [eV]."""
        return _lorentzian_cumulative(distance, self.width(energy) / 2)


Profile: TypeAlias = Gaussian | Lorentzian | Voigt | EnergyDependentLorentzian

_KINDS: Mapping[str, type[Any]] = {
    "gaussian": Gaussian,
    "lorentzian": Lorentzian,
    "voigt": Voigt,
    "energy_dependent_lorentzian": EnergyDependentLorentzian,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True)
class BroadeningRecord:
    """One broadening that a spectrum carries.

    Attributes:
        profile: The line shape.
        origin: What it stands for.
        applied_by: Name of the code that applied it, e.g. `feff`, or `whiteline`.
    """

    profile: Profile
    origin: Origin
    applied_by: str = "whiteline"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        profile = {"kind": _NAMES[type(self.profile)], **asdict(self.profile)}
        return {"profile": profile, "origin": self.origin.value, "applied_by": self.applied_by}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BroadeningRecord:
        """Rebuild what `to_dict` wrote.

        Raises:
            ParameterError: The kind of line shape or the origin is unknown.
        """
        widths = dict(data["profile"])
        kind = widths.pop("kind")
        if kind not in _KINDS:
            raise ParameterError(f"unknown broadening profile {kind!r}: {did_you_mean(kind, _KINDS)}")
        origin = data["origin"]
        if origin not in list(Origin):
            hint = did_you_mean(origin, [member.value for member in Origin])
            raise ParameterError(f"unknown broadening origin {origin!r}: {hint}")
        return cls(_KINDS[kind](**widths), Origin(origin), data["applied_by"])


def broaden(
    energy: Float[Array, " energy"], curves: Float[Array, "curve energy"], profile: Profile
) -> Float[Array, "curve energy"]:
    """Return curves convolved with a line shape, exact for curves that are steps half-way between points.

    Every point stands for the cell around it; the first and the last cell reach to infinity, so each curve is
    continued by its end values. The weight of a cell is the integral of the line over it. So a constant stays
    constant on any grid, and a line much narrower than the grid changes nothing.

    Args:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        curves: Intensities, shape (n_curve, n_energy), any unit.
        profile: The line shape.

    >>> axis = np.array([0.0, 0.1, 0.5, 2.0])
    >>> broaden(axis, np.ones((1, 4)), Lorentzian(0.5)).round(12).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    walls = (energy[1:] + energy[:-1]) / 2
    steps = np.diff(curves, axis=1)
    result = np.empty_like(curves, dtype=float)
    n_rows = max(1, _MAX_KERNEL_SIZE // len(energy))
    for start in range(0, len(energy), n_rows):
        rows = slice(start, start + n_rows)
        at = energy[rows, np.newaxis]
        result[:, rows] = curves[:, :1] + steps @ profile.cumulative(at - walls, at).T
    return result


def core_hole_width(element: str, edge: str) -> float:
    """Return the natural width of a core level, full width at half maximum [eV].

    The table is that of xraydb: Krause and Oliver (doi:10.1063/1.555595), for the outer levels Keski-Rahkonen
    and Krause (doi:10.1016/S0092-640X(74)80020-3).

    Args:
        element: Chemical symbol of the absorbing atom.
        edge: Name of the edge in IUPAC notation, e.g. `K` or `L3`.

    Raises:
        InputError: The table has no width for this element and edge.

    >>> core_hole_width("Ti", "K")
    0.94
    """
    import xraydb  # type: ignore[import-untyped]  # ships no types; slow to load, and only this needs it

    try:
        widths = xraydb.core_width(element)
    except ValueError as error:
        raise InputError(f"unknown element {element!r}: give a chemical symbol such as 'Ti'") from error
    if edge not in widths:
        raise InputError(
            f"no tabulated core-hole width for {element} {edge} "
            f"({did_you_mean(edge, widths)}): give a width in eV instead"
        )
    return float(widths[edge])


def _lorentzian_cumulative(distance: Float[Array, " *shape"], half_width: Any) -> Float[Array, " *shape"]:
    return np.asarray(0.5 + np.arctan(distance / half_width) / np.pi, dtype=float)


def _require_width(name: str, width: float) -> None:
    if not (np.isfinite(width) and width > 0):
        raise ParameterError(f"{name} must be a finite width above 0 eV, got {width}")
