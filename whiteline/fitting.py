"""A computed spectrum fitted onto a measured one.

    m(E) = a + b (E - E0) + J t(E - shift)

| symbol | variable | meaning |
|---|---|---|
| m | `measured.mu` | measured absorption |
| a, b | `offset`, `slope` | line under the whole window: background and what other edges absorb |
| E0 | `Fit.measured_edge` | steepest rise of the measurement [eV] |
| J | `edge_jump` | height of the measured edge; t is one on average in the upper half of the window above the edge |
| t | `whiteline.theory_curve.TheoryCurve` | theory, widened by Gamma(E) and by a Gaussian of the instrument |

Residuals are weighted by the distance of the points, so that a finer scan of the edge does not count more.
Uncertainties are one standard deviation from the Jacobian and the scatter of the residuals; where theory and
measurement differ by more than noise, as they mostly do, they are too small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.alignment import best_shift
from whiteline.errors import InputError, ParameterError
from whiteline.measured import MeasuredSpectrum
from whiteline.measured_window import MeasuredWindow, measured_edge, select_window
from whiteline.similarity import Similarity, compare
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.theory_curve import TheoryCurve, prepare_theory

__all__ = ["Fit", "FittedValue", "fit_theory"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_UNITS: Final = MappingProxyType(
    {"shift": "eV", "edge_jump": "", "offset": "", "slope": "1/eV", "width_growth": "", "instrument_width": "eV"}
)
_LOWER: Final = (-5.0, 1e-6, -np.inf, -np.inf, 0.0, 1e-3)
_UPPER: Final = (5.0, np.inf, np.inf, np.inf, 0.5)
_SCALES: Final = (1.0, 1.0, 1.0, 1.0, 0.05, 1.0)
_FIRST_WIDTHS: Final = (0.05, 0.4)  # growth and instrument width [eV] from which every fit starts
# Twice the resolution of Si(111), 1.4e-4 of the photon energy, and what soft X-ray monochromators do not exceed [eV].
_WORST_RESOLUTION, _WORST_WIDTH = 3e-4, 0.6
_SCAN: Final = np.arange(-12.0, 12.01, 0.25)  # [eV] around coinciding edges
_N_STARTS = 3
_MAX_STEPS = 60  # of each start; real edges need about twenty
_RESOLVED = 1e-6  # length of a column of the Jacobian below which a parameter changes nothing
_CLEAR = 5.0  # standard deviations of an edge jump that is no noise, of which the scan finds the best-fitting part
_COMPARED = 35.0  # [eV] from the onset, as in `whiteline.similarity.compare`
_ONSET = 0.02


@dataclass(frozen=True)
class FittedValue:
    """One parameter of a fit.

    Attributes:
        value: Its value.
        uncertainty: One standard deviation; None where the value was not free or not resolved.
        unit: Unit of both.
        note: Why there is no uncertainty.
    """

    value: float
    uncertainty: float | None
    unit: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class Fit:
    """A computed spectrum on a measured one.

    Attributes:
        values: Parameters by name: shift, edge_jump, offset, slope, lifetime_width, width_growth, instrument_width.
        measured_edge: Photon energy of the steepest rise of the measurement [eV].
        theory_edge: The same of the theory on its own axis, where the width begins to grow [eV].
        window: Photon energies of the first and the last point that was fitted [eV].
        r_factor: Sum of squared residuals over that of the measurement without its line, both weighted.
        energy: Photon energy of the points in the window, shape (n_energy,) [eV].
        measured: Measurement less its line, over the edge jump, shape (n_energy,).
        raw: Theory shifted and not widened, shape (n_energy,).
        fitted: Theory shifted and widened, shape (n_energy,).
        before: Similarity of measurement and `raw`.
        after: Similarity of measurement and `fitted`.
        spectrum: The fitted theory on photon energies, with its broadening and its shift on record.
        is_converged: Whether the least squares came to an end.
    """

    values: Mapping[str, FittedValue]
    measured_edge: float
    theory_edge: float
    window: tuple[float, float]
    r_factor: float
    energy: Float[Array, " energy"]
    measured: Float[Array, " energy"]
    raw: Float[Array, " energy"]
    fitted: Float[Array, " energy"]
    before: Similarity
    after: Similarity
    spectrum: Spectrum
    is_converged: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; the curves are left out."""
        return {
            "parameters": {
                name: {"value": v.value, "uncertainty": v.uncertainty, "unit": v.unit, "note": v.note}
                for name, v in self.values.items()
            },
            "measured_edge": self.measured_edge,
            "theory_edge": self.theory_edge,
            "window": list(self.window),
            "n_energy": len(self.energy),
            "r_factor": self.r_factor,
            "is_converged": self.is_converged,
            "similarity_before": self.before.to_dict(),
            "similarity": self.after.to_dict(),
            "broadening": [record.to_dict() for record in self.spectrum.broadening],
        }


def fit_theory(
    measured: MeasuredSpectrum,
    theory: Spectrum,
    *,
    lifetime: float | None = None,
    near: float | None = None,
    window: tuple[float, float] = (-20.0, 60.0),
    max_shift: float = 40.0,
) -> Fit:
    """Return the least-squares fit of a computed spectrum onto a measured one.

    The shift is sought from the best of a scan, from its next best minima and from `alignment.best_shift`.

    Args:
        measured: The measurement.
        theory: The computed spectrum. What broadening it has on record is not applied again.
        lifetime: Natural width of the core level, for a theory that does not carry it yet [eV].
        near: Energy around which the edge of the measurement is sought, mostly the tabulated one [eV].
        window: Range that is fitted, from the steepest rise of the measurement [eV].
        max_shift: Largest distance of the two edges on absolute axes [eV].

    Raises:
        InputError: A spectrum has no edge or too few points in the window, or the two do not overlap.
        ParameterError: The window or the largest shift is out of range.
    """
    if not (np.isfinite(window).all() and window[0] < 0 < window[1]):
        raise ParameterError(
            f"a window reaches from below to above the edge in eV, e.g. -20 60, got {window[0]:g} {window[1]:g}"
        )
    if not max_shift > 0:
        raise ParameterError(f"the largest shift must be above 0 eV, got {max_shift}")
    e0 = measured_edge(measured, near=near)
    curve = prepare_theory(theory, lifetime=lifetime, window=window, edge_at=e0)
    distance = e0 - curve.edge
    if curve.is_absolute and abs(distance) > max_shift:
        raise InputError(
            f"the edges do not lie together: {e0:.1f} eV measured ({measured.source or 'the measurement'}) and "
            f"{curve.edge:.1f} eV computed are {abs(distance):.1f} eV apart, more than {max_shift:g} eV: "
            "is it the same element and edge? If so, allow a larger shift"
        )
    problem = _Problem(select_window(measured, e0, window=window, last=distance + curve.last), curve)
    solutions = [(base, problem.solve(base)) for base in _starts(problem, distance)]
    return _finish(problem, *min(solutions, key=lambda pair: float(pair[1].cost)))


@dataclass(frozen=True, eq=False)
class _Problem:
    """Measurement and theory; the unknowns are those of `_UNITS`, the shift from a given one, the others scaled."""

    points: MeasuredWindow
    curve: TheoryCurve

    @property
    def upper(self) -> tuple[float, ...]:
        return (*_UPPER, max(_WORST_WIDTH, _WORST_RESOLUTION * self.points.e0))

    def residuals(self, values: Sequence[float] | Float[Array, " six"], base: float) -> Float[Array, " energy"]:
        shift, jump, offset, slope, growth, gaussian = values
        theory = self.curve.at(self.points.energy - base - shift, growth=growth, gaussian=gaussian)
        model = jump * theory + offset + slope * self.points.x
        return np.asarray(self.points.weight * (model - self.points.y), dtype=float)

    def line(self, base: float) -> tuple[float, float, float]:
        """Return the best edge jump, offset and slope at a fixed shift and the first widths."""
        growth, gaussian = _FIRST_WIDTHS
        theory = self.curve.at(self.points.energy - base, growth=growth, gaussian=gaussian)
        columns = np.stack([theory, np.ones_like(theory), self.points.x], axis=1) * self.points.weight[:, np.newaxis]
        jump, offset, slope = np.linalg.lstsq(columns, self.points.y * self.points.weight, rcond=None)[0].tolist()
        return jump, offset, slope

    def solve(self, base: float) -> Any:
        """Return scipy's result from a start at the shift `base` [eV]."""
        from scipy.optimize import least_squares  # type: ignore[import-untyped]  # ships no types; slow to load

        jump, offset, slope = self.line(base)
        first = (0.0, max(jump, 0.01), offset, slope, *_FIRST_WIDTHS)
        bounds = (_LOWER, self.upper)
        return least_squares(
            self.residuals,
            first,
            bounds=bounds,
            x_scale=_SCALES,
            xtol=1e-6,
            ftol=1e-6,
            max_nfev=_MAX_STEPS,
            kwargs={"base": base},
        )


def _starts(problem: _Problem, middle: float) -> list[float]:
    """Return shifts to begin with [eV], the best of a scan around coinciding edges first."""
    points, shifts = problem.points, middle + _SCAN
    lines = [problem.line(shift) for shift in shifts]
    costs = np.full(len(shifts), np.inf)
    for i, (shift, line) in enumerate(zip(shifts, lines, strict=True)):
        if line[0] > 0:
            costs[i] = np.sum(problem.residuals((0.0, *line, *_FIRST_WIDTHS), shift) ** 2)
    best = int(np.argmin(costs))
    if not np.isfinite(costs[best]):
        raise InputError(
            f"{points.source} does not rise where the theory does, within {_SCAN[-1]:g} eV of {points.e0:.1f} eV: is "
            "it the right edge, and is mu = ln(i0/i) and not its inverse?"
        )
    padded = np.concatenate(([np.inf], costs, [np.inf]))
    minima = np.flatnonzero((costs <= padded[:-2]) & (costs <= padded[2:]) & np.isfinite(costs))
    found = [float(shifts[i]) for i in minima[np.argsort(costs[minima])][:_N_STARTS]]
    # Without its line the measurement begins at zero, as `best_shift` expects.
    _, offset, slope = lines[best]
    flat = Spectrum(points.energy, points.y - offset - slope * points.x, energy_reference=EnergyReference.ABSOLUTE)
    try:
        aligned = best_shift(flat, problem.curve.spectrum, onset=0.1)
    except InputError:
        # Too few points from its onset on; the scan is enough.
        return found
    is_new = all(abs(aligned - other) > 1.0 for other in found) and abs(aligned - middle) <= _SCAN[-1]
    return [*found, aligned] if is_new else found


def _finish(problem: _Problem, base: float, best: Any) -> Fit:
    points, curve = problem.points, problem.curve
    delta, jump, offset, slope, growth, gaussian = best.x.tolist()
    shift = base + delta
    values = _values(problem, base, best)
    height = values["edge_jump"]
    if height.uncertainty is None or height.value < _CLEAR * height.uncertainty:
        raise InputError(
            f"{points.source} has no clear edge near {points.e0:.1f} eV: its edge jump is {height.value:.2g} ± "
            f"{height.uncertainty or float('inf'):.2g}; average more scans, or choose another column or window"
        )
    measured = (points.y - offset - slope * points.x) / jump
    raw = curve.at(points.energy - shift)
    fitted = curve.at(points.energy - shift, growth=growth, gaussian=gaussian)
    squares = points.weight**2
    return Fit(
        values=MappingProxyType(values),
        measured_edge=points.e0,
        theory_edge=curve.edge,
        window=(float(points.energy[0]), float(points.energy[-1])),
        r_factor=float(np.sum(squares * (measured - fitted) ** 2) / np.sum(squares * measured**2)),
        energy=points.energy,
        measured=measured,
        raw=raw,
        fitted=fitted,
        before=_similarity(points.energy, measured, raw, fitted, shift),
        after=_similarity(points.energy, measured, fitted, fitted, shift),
        spectrum=curve.widened(growth=growth, gaussian=gaussian).shift_by(shift),
        is_converged=bool(best.success),
    )


def _values(problem: _Problem, base: float, best: Any) -> dict[str, FittedValue]:
    """Return the parameters in the units of the measurement, with uncertainties where the fit was free."""
    points, curve = problem.points, problem.curve
    zeros = np.array([base, 0.0, points.floor, 0.0, 0.0, 0.0])
    factors = np.array([1.0, points.height, points.height, points.height / points.span, 1.0, 1.0])
    jacobian, upper = np.asarray(best.jac, dtype=float), np.array(problem.upper)
    # Bounds that are infinite are never reached.
    near = 1e-3 * np.where(np.isfinite(upper), upper, 0.0)
    is_bound = (best.x <= np.array(_LOWER) + near) | (best.x >= upper - near)
    is_free = ~is_bound & (np.linalg.norm(jacobian, axis=0) > _RESOLVED)
    free = jacobian[:, is_free]
    scatter = 2 * float(best.cost) / (len(best.fun) - free.shape[1])
    errors = np.full(len(factors), np.nan)
    errors[is_free] = np.sqrt(scatter * np.diag(np.linalg.pinv(free.T @ free))) * factors[is_free]
    values = {}
    for i, (name, unit) in enumerate(_UNITS.items()):
        note = "" if is_free[i] else "at the end of its range" if is_bound[i] else "not resolved"
        value = float(best.x[i] * factors[i] + zeros[i])
        values[name] = FittedValue(value, None if note else float(errors[i]), unit, note)
    if curve.has_instrument:
        values["instrument_width"] = FittedValue(0.0, None, "eV", "the theory already carries an instrument's width")
    values["lifetime_width"] = FittedValue(curve.lifetime, None, "eV", curve.lifetime_note)
    return values


def _similarity(
    energy: Float[Array, " energy"],
    measured: Float[Array, " energy"],
    theory: Float[Array, " energy"],
    fitted: Float[Array, " energy"],
    shift: float,
) -> Similarity:
    """Return the similarity from the onset of the fitted theory on: in front of it there is only noise to rank."""
    start = int(np.argmax(fitted > _ONSET * np.max(fitted)))
    keep = slice(start, int(np.searchsorted(energy, energy[start] + _COMPARED, side="right")))
    one, two = (Spectrum(energy[keep], y[keep], energy_reference=EnergyReference.ABSOLUTE) for y in (measured, theory))
    return replace(compare(one, two, align=False, window=None, onset=0.0), shift=shift)
