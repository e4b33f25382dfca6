from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest

from whiteline.broadening import BroadeningRecord, EnergyDependentLorentzian, Gaussian, Lorentzian, Origin
from whiteline.errors import InputError, ParameterError
from whiteline.fitting import Fit, fit_theory
from whiteline.measured import MeasuredSpectrum, Signal
from whiteline.spectrum import EnergyReference, Quantity, Spectrum

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

E0 = 5000.0  # [eV], where the measured edge lies
SHIFT = 1.37
AXIS = np.arange(-30.0, 90.0, 0.2)
LIFETIME, GROWTH, WIDTH = 0.9, 0.08, 1.2
CARRIED = BroadeningRecord(Lorentzian(LIFETIME), Origin.LIFETIME, "feff")


def theory(*, absolute: bool = True, records: tuple[BroadeningRecord, ...] = ()) -> Spectrum:
    step = 0.5 + np.arctan(AXIS / 0.2) / np.pi
    lines = [(2.0, 0.9, 1.2), (7.0, -0.3, 2.0), (15.0, 0.35, 2.5), (28.0, 0.2, 4.0), (45.0, -0.1, 6.0)]
    curve = step + sum(height * np.exp(-(((AXIS - at) / width) ** 2)) for at, height, width in lines)
    if absolute:
        return Spectrum(AXIS + E0, curve, energy_reference=EnergyReference.ABSOLUTE, broadening=records)
    return Spectrum(AXIS, curve, energy_reference=EnergyReference.FERMI, broadening=records)


def measure(
    spectrum: Spectrum, energy: Array | None = None, *, noise: float = 0.0, jump: float = 2.5, shift: float = SHIFT
) -> MeasuredSpectrum:
    """Return what a beamline would see: widened, shifted, times a jump, on a falling line."""
    line = EnergyDependentLorentzian(LIFETIME, GROWTH, E0)
    seen = spectrum.broaden(line, origin=Origin.NUMERICAL).broaden(Gaussian(WIDTH), origin=Origin.INSTRUMENT)
    axis = E0 + np.arange(-25.0, 70.0, 0.4) if energy is None else energy
    mu = jump * np.interp(axis, seen.energy + shift, seen.intensity) - 0.7 - 0.004 * (axis - E0)
    mu += noise * np.random.default_rng(7).normal(size=len(axis))
    return MeasuredSpectrum(axis, mu, signal=Signal.TRANSMISSION, derivation="ln(i0/it)", source="model.xdi")


def value(fit: Fit, name: str) -> float:
    return fit.values[name].value


def test_the_parameters_that_made_a_measurement_are_found_again() -> None:
    fit = fit_theory(measure(theory()), theory(), lifetime=LIFETIME, near=E0)
    # Interpolation on grids of 0.2 and 0.4 eV leaves about a hundredth of a step.
    assert value(fit, "shift") == pytest.approx(SHIFT, abs=0.01)
    assert value(fit, "slope") == pytest.approx(-0.004, abs=1e-4)
    assert value(fit, "width_growth") == pytest.approx(GROWTH, abs=0.003)
    assert value(fit, "instrument_width") == pytest.approx(WIDTH, abs=0.03)
    assert value(fit, "lifetime_width") == LIFETIME
    assert fit.is_converged
    assert fit.r_factor < 1e-5
    assert min(fit.after.spearman, fit.after.pearson, fit.after.cosine) > 0.999
    assert max(fit.after.area_difference, fit.after.earth_mover) < 0.01
    assert fit.after.pearson > fit.before.pearson


@pytest.mark.parametrize("shift", [-11.0, -4.0, 0.0, 11.0])
def test_any_shift_within_the_scan_is_found(shift: float) -> None:
    fit = fit_theory(measure(theory(), shift=shift), theory(), lifetime=LIFETIME, near=E0)
    assert value(fit, "shift") == pytest.approx(shift, abs=0.01)


def test_an_axis_without_its_photon_energy_is_shifted_onto_the_measurement() -> None:
    fit = fit_theory(measure(theory()), theory(absolute=False), lifetime=LIFETIME, near=E0)
    assert value(fit, "shift") == pytest.approx(E0 + SHIFT, abs=0.01)
    assert fit.spectrum.energy_reference is EnergyReference.ABSOLUTE


def test_a_factor_and_a_line_on_the_measurement_change_nothing_else() -> None:
    measured = measure(theory())
    changed = replace(measured, mu=30.0 * measured.mu + 4.0 - 0.2 * (measured.energy - E0))
    one, two = (fit_theory(m, theory(), lifetime=LIFETIME, near=E0) for m in (measured, changed))
    assert value(two, "edge_jump") == pytest.approx(30 * value(one, "edge_jump"), rel=1e-3)
    for name in ("shift", "width_growth", "instrument_width"):
        # The end of the iteration, not the model, sets these.
        assert value(two, name) == pytest.approx(value(one, name), abs=2e-3)


def test_a_finer_scan_of_the_edge_does_not_count_more() -> None:
    coarse = E0 + np.arange(-25.0, 70.0, 0.4)
    fine = np.union1d(coarse, E0 + np.arange(-3.0, 5.0, 0.05))
    # A theory that cannot fit: there the weights decide.
    wrong = replace(theory(), components=theory().components ** 1.3)
    shifts = [
        value(fit_theory(measure(theory(), e), wrong, lifetime=LIFETIME, near=E0), "shift") for e in (coarse, fine)
    ]
    assert shifts[0] == pytest.approx(shifts[1], abs=0.02)


def test_the_truth_lies_within_the_uncertainties_of_a_noisy_measurement() -> None:
    fit = fit_theory(measure(theory(), noise=0.02), theory(), lifetime=LIFETIME, near=E0)
    for name, truth in (("shift", SHIFT), ("width_growth", GROWTH), ("instrument_width", WIDTH), ("slope", -0.004)):
        uncertainty = fit.values[name].uncertainty
        assert uncertainty is not None
        # Four standard deviations: one seed in four thousand for each.
        assert abs(value(fit, name) - truth) < 4 * uncertainty
    louder = fit_theory(measure(theory(), noise=0.04), theory(), lifetime=LIFETIME, near=E0)
    assert louder.values["shift"].uncertainty == pytest.approx(2 * (fit.values["shift"].uncertainty or 0), rel=0.15)


def test_a_theory_with_its_lifetime_is_not_given_it_again() -> None:
    carrying = theory(records=(CARRIED,))
    fit = fit_theory(measure(theory()), carrying, lifetime=LIFETIME, near=E0)
    assert fit.values["lifetime_width"].value == 0.0
    assert "already carries" in fit.values["lifetime_width"].note
    assert [r for r in fit.spectrum.broadening if r.origin is Origin.LIFETIME] == [CARRIED]


def test_a_numerical_lorentzian_counts_towards_the_lifetime() -> None:
    numerical = BroadeningRecord(Lorentzian(0.6), Origin.NUMERICAL, "exciting")
    fit = fit_theory(measure(theory()), theory(records=(numerical,)), lifetime=LIFETIME, near=E0)
    assert value(fit, "lifetime_width") == pytest.approx(LIFETIME - 0.6)


def test_a_theory_with_an_instrument_is_not_given_another() -> None:
    instrument = BroadeningRecord(Gaussian(0.5), Origin.INSTRUMENT, "whiteline")
    fit = fit_theory(measure(theory()), theory(records=(instrument,)), lifetime=LIFETIME, near=E0)
    assert (value(fit, "instrument_width"), fit.values["instrument_width"].uncertainty) == (0.0, None)
    assert [r for r in fit.spectrum.broadening if r.origin is Origin.INSTRUMENT] == [instrument]


def test_the_fitted_spectrum_is_the_fitted_curve() -> None:
    fit = fit_theory(measure(theory()), theory(), lifetime=LIFETIME, near=E0)
    again = np.interp(fit.energy, fit.spectrum.energy, fit.spectrum.intensity)
    # Linear interpolation against the spline of the fit, on a grid of 0.2 eV.
    np.testing.assert_allclose(again, fit.fitted, atol=2e-3)
    assert fit.spectrum.shift == pytest.approx(value(fit, "shift"))


def test_im_epsilon_is_compared_as_a_cross_section() -> None:
    base = theory()
    epsilon = replace(base, components=base.components / base.energy, quantity=Quantity.IM_EPSILON)
    one, two = (fit_theory(measure(base), t, lifetime=LIFETIME, near=E0) for t in (base, epsilon))
    np.testing.assert_allclose(two.fitted, one.fitted, atol=1e-3)


def test_a_width_that_cannot_be_fitted_says_so() -> None:
    sharp = replace(
        measure(theory()), mu=2.5 * np.interp(E0 + np.arange(-25.0, 70.0, 0.4), AXIS + E0, theory().intensity)
    )
    fit = fit_theory(sharp, theory(), near=E0)
    assert fit.values["width_growth"].uncertainty is None
    assert fit.values["width_growth"].note == "at the end of its range"


def test_a_theory_that_ends_early_is_fitted_as_far_as_it_goes() -> None:
    short = theory().crop(E0 - 2.0, E0 + 25.0)
    fit = fit_theory(measure(theory()), short, lifetime=LIFETIME, near=E0)
    assert fit.window[1] < E0 + 27.0
    assert value(fit, "shift") == pytest.approx(SHIFT, abs=0.2)


def test_spectra_that_do_not_overlap_are_refused_with_both_edges() -> None:
    measured = measure(theory())
    with pytest.raises(InputError, match=r"covers 4975\.0 to 5069\.8 eV and the edge lies at 8979\.0 eV: they do not"):
        fit_theory(measured, theory(), near=8979.0)
    far = theory().shift_by(300.0)
    with pytest.raises(InputError, match=r"500.\.. eV measured \(model\.xdi\) and 5300\.0 eV computed are 29.\.. eV"):
        fit_theory(measured, far, near=E0)


def test_spectra_without_an_edge_are_refused() -> None:
    measured = measure(theory())
    with pytest.raises(InputError, match="the computed spectrum has no edge"):
        fit_theory(measured, replace(theory(), components=0 * theory().components), near=E0)
    with pytest.raises(InputError, match="expected at least 10 eV: compute it over a wider range"):
        fit_theory(measured, theory().crop(E0 - 20, E0 + 5), near=E0)
    with pytest.raises(InputError, match="does not rise where the theory does"):
        fit_theory(replace(measured, mu=-measured.mu), theory(), near=E0)
    noise = np.random.default_rng(3).normal(size=len(measured.mu))
    with pytest.raises(InputError, match=r"no clear edge near .*: its edge jump is|does not rise"):
        fit_theory(replace(measured, mu=noise), theory(), near=E0)
    with pytest.raises(InputError, match="energy-loss"):
        fit_theory(measured, replace(theory(), quantity=Quantity.ENERGY_LOSS), near=E0)


@pytest.mark.parametrize("window", [(20.0, 60.0), (-20.0, -5.0), (-20.0, np.nan), (60.0, -20.0)])
def test_a_window_without_the_edge_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ParameterError, match="from below to above the edge"):
        fit_theory(measure(theory()), theory(), window=window)


def test_too_few_points_are_refused_with_their_number() -> None:
    with pytest.raises(InputError, match="has 1 points below and"):
        fit_theory(measure(theory()), theory(), window=(-0.6, 60.0), near=E0)
    with pytest.raises(ParameterError, match="largest shift"):
        fit_theory(measure(theory()), theory(), max_shift=0.0)
