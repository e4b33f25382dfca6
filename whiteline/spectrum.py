"""The one spectrum type: an axis with its zero, raw intensity, and what turns it into absolute units.

Energies are in eV, volumes in A^3, cross-sections in Mbarn per absorbing atom. The axis and the intensity
stay as the code wrote them; `reference_energy` and `scale` lead from there to the photon energy and to
absolute units. Every operation returns a new spectrum and never edits the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float

from whiteline.averaging import add, average
from whiteline.broadening import BroadeningRecord, Origin, Profile, broaden
from whiteline.errors import InputError, ParameterError, SchemaVersionError, UnitError, did_you_mean
from whiteline.normalisation import area, edge_step, steepest_rise
from whiteline.polarisation import ISOTROPIC, Polarisation, check_polarisations
from whiteline.units import EnergyReference, Quantity, mbarn_per_im_epsilon

__all__ = [
    "ISOTROPIC",
    "SPECTRUM_SCHEMA_VERSION",
    "EnergyReference",
    "Polarisation",
    "Quantity",
    "Spectrum",
    "add",
    "average",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

SPECTRUM_SCHEMA_VERSION: Final = 1
_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A core-level spectrum as a code wrote it, with all that gives it units.

    Attributes:
        energy: Strictly increasing axis, shape (n_energy,) [eV]. Stored as a read-only copy.
        components: Raw intensity, one row a polarisation, shape (n_component, n_energy), in units of
            1/`scale`. One row may be given as shape (n_energy,). Stored as a read-only copy.
        energy_reference: Where the axis has its zero.
        polarisations: Name and weight of each row of `components`; the weights sum to one.
        quantity: What the raw intensity is proportional to.
        scale: Raw intensity times `scale` is Mbarn per atom, Im epsilon, or for an energy loss Mbarn/eV per atom;
            arbitrary units when None.
        volume: Volume that holds one excited atom: the cell, or the supercell [A^3].
        reference_energy: Photon energy at the zero of the axis [eV]; unknown when None, and 0 when absolute.
        broadening: What already broadens the intensity.
        shift: Rigid shift applied so far to the axis that the code wrote [eV].

    Raises:
        InputError: The arrays are not finite, not increasing, too short, or of shapes that do not fit.
        ParameterError: Polarisations, scale, volume or reference energy are out of range.

    >>> zero = EnergyReference.FERMI
    >>> spectrum = Spectrum([0.0, 1.0, 3.0], [0.0, 2.0, 1.0], energy_reference=zero, scale=0.5)
    >>> spectrum.cross_section().tolist()
    [0.0, 1.0, 0.5]
    """

    energy: Float[Array, " energy"]
    components: Float[Array, "component energy"]
    _: KW_ONLY
    energy_reference: EnergyReference
    polarisations: tuple[Polarisation, ...] = ISOTROPIC
    quantity: Quantity = Quantity.CROSS_SECTION
    scale: float | None = None
    volume: float | None = None
    reference_energy: float | None = None
    broadening: tuple[BroadeningRecord, ...] = ()
    shift: float = 0.0

    def __post_init__(self) -> None:
        energy = _read_only(self.energy)
        components = _read_only(self.components)
        if components.ndim == 1:
            components = components[np.newaxis, :]
        _check_arrays(energy, components)
        object.__setattr__(self, "energy", energy)
        object.__setattr__(self, "components", components)
        object.__setattr__(self, "polarisations", tuple(self.polarisations))
        object.__setattr__(self, "broadening", tuple(self.broadening))
        check_polarisations(self.polarisations, len(components))
        object.__setattr__(self, "energy_reference", _member(EnergyReference, self.energy_reference))
        object.__setattr__(self, "quantity", _member(Quantity, self.quantity))
        for name in ("scale", "volume"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ParameterError(f"{name} must be a finite number above 0, or None, got {value}")
        if self.energy_reference is EnergyReference.ABSOLUTE:
            if self.reference_energy not in (None, 0.0):
                raise ParameterError(
                    f"an absolute axis has reference_energy 0, got {self.reference_energy} eV: leave it out, "
                    "or say which zero the axis has"
                )
            object.__setattr__(self, "reference_energy", 0.0)
        for name in ("reference_energy", "shift"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value):
                raise ParameterError(f"{name} must be a finite energy in eV, got {value}")

    @property
    def n_energy(self) -> int:
        """Number of points of the axis."""
        return len(self.energy)

    @property
    def intensity(self) -> Float[Array, " energy"]:
        """Powder average of the raw intensity, shape (n_energy,), in units of 1/`scale`."""
        return np.array([p.weight for p in self.polarisations]) @ self.components

    @property
    def photon_energy(self) -> Float[Array, " energy"]:
        """Photon energy of every point, shape (n_energy,) [eV].

        Raises:
            UnitError: The photon energy at the zero of the axis is unknown.
        """
        if self.reference_energy is None:
            raise UnitError(
                f"the photon energy at the zero of this axis ({self.energy_reference}) is unknown: set it, "
                "in eV, with dataclasses.replace(spectrum, reference_energy=...)"
            )
        return self.energy + self.reference_energy

    def cross_section(self) -> Float[Array, " energy"]:
        """Return the powder-averaged cross-section, shape (n_energy,) [Mbarn per absorbing atom].

        Raises:
            UnitError: `scale` is unknown, or Im epsilon comes without volume or photon energy.
        """
        return self._factor(Quantity.CROSS_SECTION) * self.intensity

    def im_epsilon(self) -> Float[Array, " energy"]:
        """Return the powder-averaged imaginary part of the dielectric function, shape (n_energy,).

        epsilon_2(E) = sigma(E) hbar c / (E V), for one absorbing atom in the volume V.

        Raises:
            UnitError: `scale` is unknown, or a cross-section comes without volume or photon energy.
        """
        return self._factor(Quantity.IM_EPSILON) * self.intensity

    def to_absolute(self, quantity: Quantity | None = None) -> Spectrum:
        """Return the spectrum in absolute units, `scale` 1: in Mbarn per atom, as Im epsilon, or as an energy loss.

        Args:
            quantity: What to convert to; an energy loss stays one when None, all else becomes a cross-section.

        Raises:
            UnitError: As `cross_section` and `im_epsilon`, or an energy loss and something else were mixed.
        """
        if quantity is None:
            is_loss = self.quantity is Quantity.ENERGY_LOSS
            quantity = Quantity.ENERGY_LOSS if is_loss else Quantity.CROSS_SECTION
        components = self.components * self._factor(quantity)
        return replace(self, components=components, quantity=quantity, scale=1.0)

    def to_photon_energy(self) -> Spectrum:
        """Return the spectrum on the axis of absolute photon energies.

        Raises:
            UnitError: The photon energy at the zero of the axis is unknown.
        """
        return replace(
            self,
            energy=self.photon_energy,
            energy_reference=EnergyReference.ABSOLUTE,
            reference_energy=0.0,
        )

    def shift_by(self, delta: float) -> Spectrum:
        """Return the spectrum with `delta` [eV] added to its axis and to its record of shifts."""
        return replace(self, energy=self.energy + delta, shift=self.shift + delta)

    def crop(self, lo: float, hi: float) -> Spectrum:
        """Return the points between `lo` and `hi` [eV], both included.

        Raises:
            InputError: Fewer than two points lie there.
        """
        keep = (self.energy >= lo) & (self.energy <= hi)
        if np.count_nonzero(keep) < 2:
            raise InputError(f"fewer than 2 points between {lo:g} and {hi:g} eV: the spectrum covers {self._extent()}")
        return replace(self, energy=self.energy[keep], components=self.components[:, keep])

    def resample(
        self,
        grid: Sequence[float] | Float[Array, " grid"],
        *,
        method: Literal["linear", "cubic"] = "linear",
        fill: float | None = None,
    ) -> Spectrum:
        """Return the spectrum interpolated on another axis, never extrapolated.

        Args:
            grid: Strictly increasing axis, shape (n_grid,) [eV].
            method: `linear`, or `cubic` for a spline.
            fill: Raw intensity to write outside the covered range; outside is an error when None.

        Raises:
            InputError: The grid leaves the covered range and `fill` is None.
            ParameterError: The method is unknown.
        """
        points = np.asarray(grid, dtype=float)
        is_outside = (points < self.energy[0]) | (points > self.energy[-1])
        if fill is None and np.any(is_outside):
            raise InputError(
                f"{np.count_nonzero(is_outside)} of {points.size} grid points lie outside the covered range "
                f"{self._extent()}: crop the grid, or give fill="
            )
        if method == "linear":
            rows = [np.interp(points, self.energy, row) for row in self.components]
            components = np.array(rows, dtype=float)
        elif method == "cubic":
            from scipy.interpolate import CubicSpline  # type: ignore[import-untyped]  # ships no types; slow to load

            inside = np.clip(points, self.energy[0], self.energy[-1])
            components = CubicSpline(self.energy, self.components, axis=1)(inside)
        else:
            raise ParameterError(f"unknown method {method!r}: {did_you_mean(method, ('linear', 'cubic'))}")
        if fill is not None:
            components[:, is_outside] = fill
        return replace(self, energy=points, components=components)

    def broaden(self, profile: Profile, *, origin: Origin) -> Spectrum:
        """Return the spectrum broadened by a line shape (`whiteline.broadening`), with that on record.

        Args:
            profile: The line shape.
            origin: What it stands for. Lifetime and instrument are applied once at most.

        Raises:
            ParameterError: The spectrum already carries a broadening of this origin.
        """
        record = BroadeningRecord(profile, _member(Origin, origin))
        for earlier in self.broadening:
            if earlier.origin is record.origin and record.origin is not Origin.NUMERICAL:
                raise ParameterError(
                    f"this spectrum already carries its {record.origin} broadening, {earlier.profile} by "
                    f"{earlier.applied_by}, and none is applied twice: start from the spectrum before it, or "
                    "call broaden(..., origin=Origin.NUMERICAL) to smooth further"
                )
        components = broaden(self.energy, self.components, profile)
        return replace(self, components=components, broadening=(*self.broadening, record))

    def normalise(
        self,
        method: Literal["area", "max", "edge"],
        *,
        window: tuple[float, float] | None = None,
        e0: float | None = None,
        pre_edge: tuple[float, float] | None = None,
        post_edge: tuple[float, float] | None = None,
        post_order: int = 1,
    ) -> Spectrum:
        """Return the spectrum divided by its area, its maximum or its edge jump; `scale` grows by it.

        The edge jump is that at `e0` from a line through the pre-edge to a polynomial through the post-edge.
        The line is removed first, from each component; only this part cannot be recovered from `scale`.

        Args:
            method: `area` (divisor in units of intensity times eV), `max` or `edge`.
            window: Part of the axis that is integrated or searched [eV]; the whole axis when None.
            e0: Edge energy on the axis [eV]; the steepest rise when None.
            pre_edge: Fit range of the line, from `e0` [eV]; the lowest two thirds below the edge when None.
            post_edge: Fit range of the polynomial, from `e0` [eV]; the highest two thirds above when None.
            post_order: Degree of the polynomial.

        Raises:
            InputError: The divisor is not above zero, or a range holds too few points.
            ParameterError: The method is unknown.
        """
        components = self.components
        lo, hi = window if window is not None else (self.energy[0], self.energy[-1])
        if method == "area":
            divisor = area(self.energy, self.intensity, lo, hi)
        elif method == "max":
            divisor = float(np.max(self.crop(lo, hi).intensity))
        elif method == "edge":
            edge = steepest_rise(self.energy, self.intensity) if e0 is None else e0
            weights = np.array([p.weight for p in self.polarisations])
            divisor, lines = edge_step(
                self.energy,
                self.components,
                weights,
                e0=edge,
                pre_edge=pre_edge,
                post_edge=post_edge,
                post_order=post_order,
            )
            components = components - lines
        else:
            raise ParameterError(f"unknown method {method!r}: {did_you_mean(method, ('area', 'max', 'edge'))}")
        if not divisor > 0:
            raise InputError(
                f"the {method} to divide by must be above 0, got {divisor:g}: "
                "choose a range where the intensity is positive"
            )
        scale = None if self.scale is None else self.scale * divisor
        return replace(self, components=components / divisor, scale=scale)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "schema_version": SPECTRUM_SCHEMA_VERSION,
            "energy": self.energy.tolist(),
            "components": self.components.tolist(),
            "energy_reference": self.energy_reference.value,
            "polarisations": [asdict(p) for p in self.polarisations],
            "quantity": self.quantity.value,
            "scale": self.scale,
            "volume": self.volume,
            "reference_energy": self.reference_energy,
            "broadening": [record.to_dict() for record in self.broadening],
            "shift": self.shift,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Spectrum:
        """Rebuild what `to_dict` wrote.

        Raises:
            SchemaVersionError: The spectrum was written by a newer Whiteline.
        """
        values = dict(data)
        found = values.pop("schema_version")
        if found > SPECTRUM_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"spectrum has schema version {found}, this Whiteline reads up to {SPECTRUM_SCHEMA_VERSION}: "
                "upgrade with `pip install -U whiteline`"
            )
        values["polarisations"] = tuple(Polarisation(**p) for p in values["polarisations"])
        values["broadening"] = tuple(BroadeningRecord.from_dict(r) for r in values["broadening"])
        return cls(**values)

    def _factor(self, quantity: Quantity) -> Float[Array, " energy"]:
        """Return what turns raw intensity into `quantity` in absolute units, shape (n_energy,)."""
        if self.scale is None:
            raise UnitError(
                "the intensity is in arbitrary units: set scale with dataclasses.replace(spectrum, scale=...)"
            )
        if quantity is self.quantity:
            return np.full(self.n_energy, self.scale)
        if Quantity.ENERGY_LOSS in (quantity, self.quantity):
            raise UnitError(
                f"{self.quantity} does not become {quantity}: an energy loss depends on beam and detector, compare it "
                "with other energy-loss spectra only"
            )
        if self.volume is None:
            raise UnitError(
                f"{self.quantity} becomes {quantity} only with the volume of the cell that holds one excited "
                "atom: set it with dataclasses.replace(spectrum, volume=...), in A^3"
            )
        mbarn = mbarn_per_im_epsilon(self.photon_energy, self.volume)
        return self.scale * (mbarn if quantity is Quantity.CROSS_SECTION else 1.0 / mbarn)

    def _extent(self) -> str:
        return f"{self.energy[0]:g} to {self.energy[-1]:g} eV"


def _read_only(values: Any) -> Float[Array, " *shape"]:
    copy = np.array(values, dtype=float)
    copy.setflags(write=False)
    return copy


def _member(kind: type[_E], value: str) -> _E:
    if value not in list(kind):
        raise ParameterError(
            f"unknown {kind.__name__} {value!r}: {did_you_mean(value, [member.value for member in kind])}"
        )
    return kind(value)


def _check_arrays(energy: Float[Array, " *shape"], components: Float[Array, " *rows"]) -> None:
    if energy.ndim != 1 or energy.size < 2:
        raise InputError(f"energy must have shape (n_energy,) with at least 2 points, got {energy.shape}")
    if components.ndim != 2 or components.shape[1] != energy.size:
        raise InputError(
            f"components must have shape (n_component, {energy.size}) to fit energy, got {components.shape}"
        )
    for name, values in (("energy", energy), ("components", components)):
        n_bad = np.count_nonzero(~np.isfinite(values))
        if n_bad:
            raise InputError(f"{name} must be finite, got nan or infinity in {n_bad} of {values.size} values")
    falls = np.flatnonzero(np.diff(energy) <= 0)
    if falls.size:
        i = int(falls[0])
        raise InputError(
            f"energy must be strictly increasing, got {energy[i]:g} then {energy[i + 1]:g} eV at point "
            f"{i + 1}: sort the points and merge those at the same energy"
        )
