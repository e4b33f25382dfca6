from typing import Any, TypeAlias

import numpy as np
import pytest
from scipy.integrate import quad  # type: ignore[import-untyped]  # ships no types
from scipy.special import voigt_profile  # type: ignore[import-untyped]  # ships no types

from whiteline import broadening
from whiteline.broadening import (
    FWHM_PER_SIGMA,
    BroadeningRecord,
    EnergyDependentLorentzian,
    Gaussian,
    Lorentzian,
    Origin,
    Profile,
    Voigt,
    broaden,
    core_hole_width,
)
from whiteline.errors import InputError, ParameterError
from whiteline.spectrum import EnergyReference, Spectrum

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
PROFILES: list[Profile] = [
    Gaussian(0.8),
    Lorentzian(0.9),
    Voigt(0.5, 0.9),
    EnergyDependentLorentzian(0.9, slope=0.1, onset=5.0, maximum=3.0),
]
UNEVEN = np.sinh(np.linspace(-4.0, 4.0, 301))  # -27 to 27 eV, cells of 0.03 to 0.7 eV
EVEN = np.linspace(-40.0, 40.0, 1601)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_constant_stays_constant_on_an_uneven_grid(profile: Profile) -> None:
    result = broaden(UNEVEN, np.full((2, 301), 7.0), profile)
    np.testing.assert_allclose(result, 7.0, rtol=1e-14)  # rounding


@pytest.mark.parametrize("profile", PROFILES)
def test_a_step_between_points_becomes_the_integral_of_the_line(profile: Profile) -> None:
    wall = (UNEVEN[150] + UNEVEN[151]) / 2
    result = broaden(UNEVEN, (wall < UNEVEN)[np.newaxis].astype(float), profile)[0]
    exact = profile.cumulative((UNEVEN - wall)[:, np.newaxis], UNEVEN[:, np.newaxis])[:, 0]
    np.testing.assert_allclose(result, exact, atol=1e-14)  # the method is exact for steps


def test_broadening_a_gaussian_adds_the_squares_of_the_widths() -> None:
    sigma, added = 2.0, 1.5 * FWHM_PER_SIGMA
    peak = np.exp(-(EVEN**2) / (2 * sigma**2)) / sigma
    result = broaden(EVEN, peak[np.newaxis], Gaussian(added))[0]
    total = np.hypot(sigma, 1.5)
    # A cell of h = 0.05 eV acts as a box of variance h^2/12, 2e-4 eV^2 beside 6.25.
    np.testing.assert_allclose(result, np.exp(-(EVEN**2) / (2 * total**2)) / total, atol=2e-5)


def test_broadening_a_lorentzian_adds_the_widths() -> None:
    def line(half_width: float) -> Array:
        return half_width / np.pi / (EVEN**2 + half_width**2)

    result = broaden(EVEN, line(1.0)[np.newaxis], Lorentzian(1.0))[0]
    # The tails beyond 40 eV are continued as constants: the end value is 2e-4.
    np.testing.assert_allclose(result[600:1001], line(1.5)[600:1001], atol=5e-5)


@pytest.mark.parametrize("profile", PROFILES[:3])
def test_the_area_of_an_isolated_peak_is_kept(profile: Profile) -> None:
    peak = np.exp(-((UNEVEN - 1.0) ** 2))
    result = broaden(UNEVEN, peak[np.newaxis], profile)[0]
    # Up to 1.5 % of a Lorentzian of 0.9 eV lies more than 27 eV away.
    assert np.trapezoid(result, UNEVEN) == pytest.approx(np.trapezoid(peak, UNEVEN), rel=0.015)


def test_a_line_far_narrower_than_the_grid_changes_nothing() -> None:
    curve = np.random.default_rng(1).random((3, 301))
    np.testing.assert_allclose(broaden(UNEVEN, curve, Gaussian(1e-4)), curve, atol=1e-14)  # rounding


@pytest.mark.parametrize(("gaussian", "lorentzian"), [(1.0, 1.0), (0.01, 1.0), (1.0, 0.01)])
def test_the_voigt_integral_is_that_of_the_voigt_profile(gaussian: float, lorentzian: float) -> None:
    sigma, gamma = gaussian / FWHM_PER_SIGMA, lorentzian / 2
    distances = np.array([-400.0, -3.0, -0.3, 0.0, 0.1, 1.0, 30.0, 150.0])
    found = Voigt(gaussian, lorentzian).cumulative(distances[np.newaxis], np.zeros((1, 1)))[0]
    for distance, value in zip(distances, found, strict=True):
        inner = np.sign(distance) * min(abs(distance), 1.0)
        args = (sigma, gamma)
        exact = 0.5 + quad(voigt_profile, 0, inner, args)[0] + quad(voigt_profile, inner, distance, args)[0]
        assert value == pytest.approx(exact, abs=1e-8)  # the tabulation


def test_energy_dependent_width_grows_from_the_onset_to_the_maximum() -> None:
    profile = EnergyDependentLorentzian(0.9, slope=0.1, onset=5.0, maximum=3.0)
    widths = profile.width(np.array([-50.0, 5.0, 15.0, 100.0]))
    np.testing.assert_allclose(widths, [0.9, 0.9, 1.9, 3.0], rtol=1e-14)


def test_energy_dependent_broadening_without_slope_is_a_lorentzian() -> None:
    curve = np.random.default_rng(2).random((1, 301))
    flat = broaden(UNEVEN, curve, EnergyDependentLorentzian(0.9, slope=0.0, onset=0.0))
    np.testing.assert_array_equal(flat, broaden(UNEVEN, curve, Lorentzian(0.9)))


def test_the_result_does_not_depend_on_the_size_of_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = np.random.default_rng(3).random((2, 301))
    whole = broaden(UNEVEN, curve, PROFILES[3])
    monkeypatch.setattr(broadening, "_MAX_KERNEL_SIZE", 7 * 301)
    np.testing.assert_allclose(broaden(UNEVEN, curve, PROFILES[3]), whole, atol=1e-14)  # order of sums


@pytest.mark.parametrize("origin", [Origin.LIFETIME, Origin.INSTRUMENT])
def test_lifetime_and_instrument_are_never_applied_twice(origin: Origin) -> None:
    by_code = BroadeningRecord(Lorentzian(0.9), origin, "feff")
    spectrum = Spectrum(UNEVEN, np.ones(301), energy_reference=EnergyReference.FERMI, broadening=(by_code,))
    with pytest.raises(ParameterError, match=f"{origin} broadening.*Lorentzian.*by feff.*NUMERICAL"):
        spectrum.broaden(Gaussian(1.0), origin=origin)
    smoothed = spectrum.broaden(Gaussian(0.1), origin=Origin.NUMERICAL)
    smoothed = smoothed.broaden(Gaussian(0.1), origin=Origin.NUMERICAL)
    assert [r.applied_by for r in smoothed.broadening] == ["feff", "whiteline", "whiteline"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_record_returns_from_its_dictionary(profile: Profile) -> None:
    record = BroadeningRecord(profile, Origin.LIFETIME, "feff")
    assert BroadeningRecord.from_dict(record.to_dict()) == record


def test_an_unknown_profile_or_origin_is_refused_with_the_nearest_name() -> None:
    data = BroadeningRecord(Gaussian(1.0), Origin.LIFETIME).to_dict()
    with pytest.raises(ParameterError, match="did you mean 'gaussian'"):
        BroadeningRecord.from_dict({**data, "profile": {"kind": "gausian", "fwhm": 1.0}})
    with pytest.raises(ParameterError, match="did you mean 'lifetime'"):
        BroadeningRecord.from_dict({**data, "origin": "lifetimes"})


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan, np.inf])
def test_a_width_must_be_finite_and_above_zero(width: float) -> None:
    with pytest.raises(ParameterError, match="fwhm must be a finite width above 0 eV"):
        Gaussian(width)
    with pytest.raises(ParameterError, match="lorentzian_fwhm must be"):
        Voigt(1.0, width)


def test_core_hole_widths_are_the_tabulated_ones() -> None:
    # Krause and Oliver, J. Phys. Chem. Ref. Data 8, 329 (1979), table 1.
    assert (core_hole_width("Ti", "K"), core_hole_width("Cu", "K")) == (0.94, 1.55)


@pytest.mark.parametrize(("element", "edge"), [("H", "L3"), ("Ti", "Q"), ("Xx", "K")])
def test_an_edge_without_a_tabulated_width_is_refused(element: str, edge: str) -> None:
    with pytest.raises(InputError, match=element):
        core_hole_width(element, edge)
