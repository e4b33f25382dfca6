"""Weighted averages over sites, and sums over edges, of spectra on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.broadening import BroadeningRecord
from whiteline.errors import InputError, ParameterError, UnitError
from whiteline.polarisation import CARTESIAN, ISOTROPIC, inequivalent_polarisations
from whiteline.units import Quantity

if TYPE_CHECKING:
    from whiteline.spectrum import Spectrum

__all__ = ["add", "average", "over_orbit"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_OFF_DIAGONAL = 1e-3  # rotations of a cell measured to 1 mÅ or so are that far from exact
_AXIS_TOLERANCE = 1e-9  # [eV] below which two zeros of the axis are the same, and two points


def average(spectra: Sequence[Spectrum], weights: Sequence[float]) -> Spectrum:
    """Return the weighted mean spectrum, e.g. over the sites of a material by multiplicity.

    The axis is the union of all points inside the common range. Spectra that all have a scale are brought to
    absolute units first: to Mbarn, or to Im epsilon where all are that of one volume. Components are averaged
    where the polarisations agree, else the powder averages are.

    Args:
        spectra: Spectra with the same zero of the axis, quantity and broadening.
        weights: One weight a spectrum, in any proportion.

    Raises:
        InputError: The spectra do not belong on one axis, or do not overlap.
        ParameterError: The weights do not fit.
        UnitError: Some spectra have a scale and some have not.

    >>> from whiteline.spectrum import EnergyReference, Spectrum
    >>> one, two = (Spectrum([0, 1], [y, y], energy_reference=EnergyReference.FERMI) for y in (1.0, 5.0))
    >>> average([one, two], [3, 1]).intensity.tolist()
    [2.0, 2.0]
    """
    spectra = _on_one_axis(spectra)
    share = np.asarray(weights, dtype=float)
    if share.shape != (len(spectra),) or not np.all(share >= 0) or not 0 < np.sum(share) < np.inf:
        raise ParameterError(f"weights must be {len(spectra)} numbers of at least 0, not all 0, got {list(weights)}")
    _require_same(spectra, "quantity", "convert them with to_absolute first")
    _require_same_broadening(spectra)
    low = max(float(s.energy[0]) for s in spectra)
    high = min(float(s.energy[-1]) for s in spectra)
    grid = _union(spectra, low, high)
    parts = [s.resample(grid) for s in _powder_unless_alike(_in_one_unit(spectra))]
    components = np.tensordot(share / np.sum(share), np.array([s.components for s in parts]), axes=1)
    # One broadening, whoever applied it: two records would say that it was applied twice.
    return replace(_merged(parts, grid, components), broadening=spectra[0].broadening)


def add(spectra: Sequence[Spectrum], *, edges: Sequence[float]) -> Spectrum:
    """Return the sum of spectra in Mbarn per atom, e.g. of L3 and L2 edges on the absolute axis.

    Below its first point E_1 a spectrum goes on as the tail of a Lorentzian-broadened step at its edge E_0,
    mu(E) = mu(E_1) (E_0 - E_1) / (E_0 - E). The top end is the smallest maximum.

    Args:
        spectra: Spectra with the same zero of the axis, each with what gives it absolute units.
        edges: Edge energy of each spectrum, above its first point [eV].

    Raises:
        InputError: The spectra do not belong on one axis, or an edge lies below the first point.
        ParameterError: There is not one edge a spectrum.
        UnitError: A spectrum lacks what gives it absolute units.
    """
    spectra = _on_one_axis(spectra)
    if len(edges) != len(spectra):
        raise ParameterError(f"one edge energy a spectrum is needed, got {len(edges)} for {len(spectra)}")
    low = min(float(s.energy[0]) for s in spectra)
    high = min(float(s.energy[-1]) for s in spectra)
    grid = _union(spectra, low, high)
    parts = _powder_unless_alike([s.to_absolute() for s in spectra])
    total = sum(_with_tail(s, grid, edge) for s, edge in zip(parts, edges, strict=True))
    return _merged(parts, grid, np.asarray(total, dtype=float))


def over_orbit(spectrum: Spectrum, rotations: Float[Array, "operation 3 3"]) -> Spectrum:
    """Return the mean spectrum of a site and all that are equivalent to it, resolved by the directions of the crystal.

    The tensors of equivalent sites are turned copies of one another. Component a of their mean is
    sum_b S_ab D_bb with S_ab = <(R e_a)_b²> over the point group, which holds where <(R e_a)_b (R e_a)_c> vanishes for
    b ≠ c; elsewhere off-diagonal elements would be needed, and the powder average is returned. A spectrum whose
    components are not those of x, y and z comes back as it is.

    Args:
        spectrum: Spectrum of one site; a direction that is not there equals the one that carries its weight.
        rotations: Cartesian matrices of the point group of the crystal, shape (n_operation, 3, 3).
    """
    labels = [p.label for p in spectrum.polarisations]
    if not set(labels) <= {p.label for p in CARTESIAN}:
        return spectrum
    tensors = np.einsum("nba,nca->abc", rotations, rotations) / len(rotations)
    if np.abs(tensors * (1 - np.eye(3))).max() > _OFF_DIAGONAL:
        return replace(spectrum, components=spectrum.intensity, polarisations=ISOTROPIC)
    heaviest = int(np.argmax([p.weight for p in spectrum.polarisations]))
    rows = [labels.index(p.label) if p.label in labels else heaviest for p in CARTESIAN]
    means = np.einsum("abb->ab", tensors) @ spectrum.components[rows]
    kept = inequivalent_polarisations(rotations)
    return replace(spectrum, components=means[["xyz".index(p.label) for p in kept]], polarisations=kept)


def _with_tail(spectrum: Spectrum, grid: Float[Array, " grid"], edge: float) -> Float[Array, "component grid"]:
    first = spectrum.energy[0]
    if grid[0] < first and not edge > first:
        raise InputError(f"the edge must lie above the first point at {first:g} eV, got {edge:g} eV")
    is_below = grid < first
    values = spectrum.resample(grid, fill=0.0).components.copy()
    values[:, is_below] = np.multiply.outer(spectrum.components[:, 0], (edge - first) / (edge - grid[is_below]))
    return values


def _on_one_axis(spectra: Sequence[Spectrum]) -> list[Spectrum]:
    if not spectra:
        raise InputError("at least one spectrum is needed, got none")
    remedy = "put them on the absolute axis with to_photon_energy first"
    _require_same(spectra, "energy_reference", remedy)
    zeros = [s.reference_energy for s in spectra]
    known = [zero for zero in zeros if zero is not None]
    if len(known) not in (0, len(zeros)) or (known and max(known) - min(known) > _AXIS_TOLERANCE):
        raise InputError(f"the zeros of the axes lie at different photon energies, {zeros} eV: {remedy}")
    return list(spectra)


def _require_same(spectra: Sequence[Spectrum], name: str, remedy: str) -> None:
    found = [getattr(s, name) for s in spectra]
    for value in found[1:]:
        if value != found[0]:
            raise InputError(f"the spectra differ in {name}, {found[0]} and {value}: {remedy}")


def _require_same_broadening(spectra: Sequence[Spectrum]) -> None:
    """Refuse spectra of different line shapes; which version of a code applied them makes no difference."""
    found = [[(record.profile, record.origin) for record in s.broadening] for s in spectra]
    for s, shapes in zip(spectra[1:], found[1:], strict=True):
        if shapes != found[0]:
            raise InputError(
                f"the spectra differ in broadening, {spectra[0].broadening} and {s.broadening}: "
                "broaden them alike first"
            )


def _in_one_unit(spectra: list[Spectrum]) -> list[Spectrum]:
    n_scaled = sum(s.scale is not None for s in spectra)
    if n_scaled == 0:
        return spectra
    if n_scaled < len(spectra):
        raise UnitError(
            f"{n_scaled} of {len(spectra)} spectra have a scale to absolute units and the others have not: "
            "set it on all, or set scale=None on all with dataclasses.replace"
        )
    volume = spectra[0].volume
    is_one_cell = volume is not None and all(s.volume == volume for s in spectra)
    kept = spectra[0].quantity if is_one_cell else Quantity.CROSS_SECTION
    return [s.to_absolute(kept) for s in spectra]


def _powder_unless_alike(spectra: list[Spectrum]) -> list[Spectrum]:
    if len({s.polarisations for s in spectra}) == 1:
        return spectra
    return [replace(s, components=s.intensity, polarisations=ISOTROPIC) for s in spectra]


def _union(spectra: Sequence[Spectrum], low: float, high: float) -> Float[Array, " grid"]:
    points = np.unique(np.concatenate([s.energy for s in spectra]))
    points = points[(points >= low) & (points <= high)]
    if points.size < 2:
        ranges = ", ".join(f"{s.energy[0]:g} to {s.energy[-1]:g} eV" for s in spectra)
        raise InputError(f"the spectra share fewer than 2 points of the axis: they cover {ranges}")
    apart = np.concatenate(([True], np.diff(points) > _AXIS_TOLERANCE))
    return np.asarray(points[apart], dtype=float)


def _merged(
    parts: Sequence[Spectrum], grid: Float[Array, " grid"], components: Float[Array, "component grid"]
) -> Spectrum:
    """Return a spectrum of the common fields: broadenings joined, volume and shift kept where all agree."""
    records: list[BroadeningRecord] = []
    for part in parts:
        records += [record for record in part.broadening if record not in records]
    volumes, shifts = {s.volume for s in parts}, {s.shift for s in parts}
    return replace(
        parts[0],
        energy=grid,
        components=components,
        volume=volumes.pop() if len(volumes) == 1 else None,
        shift=shifts.pop() if len(shifts) == 1 else 0.0,
        broadening=tuple(records),
    )
