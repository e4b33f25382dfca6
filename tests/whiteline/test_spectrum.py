import json
from dataclasses import FrozenInstanceError, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteline.averaging import add, average
from whiteline.broadening import BroadeningRecord, Gaussian, Lorentzian, Origin
from whiteline.errors import InputError, ParameterError, SchemaVersionError, UnitError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import SPECTRUM_SCHEMA_VERSION, EnergyReference, Quantity, Spectrum
from whiteline.units import HBAR_C

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
AXIS = np.linspace(-20.0, 80.0, 401)
XYZ = tuple(Polarisation(label, 1 / 3) for label in "xyz")


def step(axis: Array = AXIS, e0: float = 0.0, width: float = 1.0) -> Array:
    return 0.5 + np.arctan((axis - e0) / (width / 2)) / np.pi


def spectrum(**changes: Any) -> Spectrum:
    fields = {
        "energy": AXIS,
        "components": np.array([step(), 2 * step(), 3 * step()]),
        "polarisations": XYZ,
        "energy_reference": EnergyReference.FERMI,
        "reference_energy": 4966.0,
        "scale": 0.02,
        "volume": 100.0,
    }
    return Spectrum(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy": AXIS[::-1]}, "strictly increasing"),
        ({"energy": np.sort([*AXIS[:-1], AXIS[6]])}, "at point 7"),
        ({"energy": np.append(AXIS[:-1], np.nan)}, "energy must be finite"),
        ({"components": np.full((3, 401), np.inf)}, "components must be finite"),
        ({"components": np.ones((3, 400))}, r"\(n_component, 401\).*\(3, 400\)"),
        ({"energy": [1.0], "components": np.ones((3, 1))}, "at least 2 points"),
        ({"components": np.ones((2, 401))}, "got 3 for 2 components"),
        ({"polarisations": (*XYZ[:2], Polarisation("x", 1 / 3))}, "labels must differ"),
        ({"polarisations": (*XYZ[:2], Polarisation("z", 0.3))}, "sum to 1"),
        ({"scale": 0.0}, "scale must be"),
        ({"volume": -1.0}, "volume must be"),
        ({"shift": np.nan}, "shift must be"),
        ({"energy_reference": "fermy"}, "did you mean 'fermi'"),
        ({"energy_reference": EnergyReference.ABSOLUTE}, "absolute axis has reference_energy 0"),
    ],
)
def test_what_cannot_be_a_spectrum_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        spectrum(**changes)


def test_a_spectrum_keeps_its_own_read_only_arrays() -> None:
    energy, row = AXIS.copy(), step()
    made = Spectrum(energy, row, energy_reference=EnergyReference.ABSOLUTE)
    energy[0] = row[0] = -99.0
    assert made.energy[0] == -20.0
    assert made.components.shape == (1, 401)
    assert made.components[0, 0] > 0
    with pytest.raises(ValueError, match="read-only"):
        made.components[0, 0] = 1.0
    with pytest.raises(FrozenInstanceError):
        made.shift = 1.0  # type: ignore[misc]  # what is tested


def test_powder_average_of_a_uniaxial_crystal_weighs_the_plane_twice() -> None:
    uniaxial = (Polarisation("x", 2 / 3), Polarisation("z", 1 / 3))
    made = spectrum(components=np.array([step(), 4 * step()]), polarisations=uniaxial)
    np.testing.assert_allclose(made.intensity, 2 * step(), rtol=1e-14)  # rounding


def test_im_epsilon_is_the_cross_section_over_volume_and_wave_number() -> None:
    made = spectrum()
    sigma_a2 = made.cross_section() * 0.01
    expected = sigma_a2 * HBAR_C / ((AXIS + 4966.0) * 100.0)
    np.testing.assert_allclose(made.im_epsilon(), expected, rtol=1e-14)  # rounding
    assert pytest.approx(1973.269804, abs=1e-6) == HBAR_C  # CODATA 2018, as printed


def test_units_return_after_a_round_trip_through_im_epsilon() -> None:
    made = spectrum()
    there = made.to_absolute(Quantity.IM_EPSILON)
    back = there.to_absolute()
    assert (there.quantity, there.scale, back.quantity) == ("im_epsilon", 1.0, "cross_section")
    np.testing.assert_allclose(back.components, made.components * 0.02, rtol=1e-14)  # rounding
    np.testing.assert_allclose(there.cross_section(), made.cross_section(), rtol=1e-14)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": None}, "arbitrary units: set scale"),
        ({"volume": None}, "set it with .*volume"),
        ({"reference_energy": None}, r"\(fermi\) is unknown"),
        ({"reference_energy": 10.0}, "above a photon energy of 0 eV, got -10"),
    ],
)
def test_a_conversion_names_what_it_lacks(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnitError, match=message):
        spectrum(**changes).im_epsilon()


def test_an_energy_loss_stays_one_and_becomes_nothing_else() -> None:
    made = spectrum(quantity=Quantity.ENERGY_LOSS, scale=28.0, volume=47.0)
    assert made.to_absolute().quantity is Quantity.ENERGY_LOSS
    np.testing.assert_allclose(made.to_absolute().intensity, 28.0 * made.intensity, rtol=1e-14)  # rounding
    for convert in (made.cross_section, made.im_epsilon):
        with pytest.raises(UnitError, match=r"energy_loss does not become .* depends on beam and detector"):
            convert()
    with pytest.raises(UnitError, match="cross_section does not become energy_loss"):
        spectrum(scale=1.0, volume=47.0).to_absolute(Quantity.ENERGY_LOSS)


def test_energy_losses_are_averaged_and_added_as_what_they_are() -> None:
    one = spectrum(quantity=Quantity.ENERGY_LOSS, scale=2.0, volume=47.0)
    for total, factor in ((average([one, one], [1, 3]), 2.0), (add([one, one], edges=[one.energy[-1]] * 2), 4.0)):
        assert (total.quantity, total.scale) == (Quantity.ENERGY_LOSS, 1.0)
        np.testing.assert_allclose(total.intensity, factor * one.intensity, rtol=1e-14)  # rounding


def test_photon_energies_survive_a_change_to_the_absolute_axis() -> None:
    made = spectrum().to_photon_energy()
    assert made.energy_reference is EnergyReference.ABSOLUTE
    np.testing.assert_array_equal(made.photon_energy, spectrum().photon_energy)


def test_shifts_add_up_on_the_record() -> None:
    made = spectrum().shift_by(1.5).shift_by(-0.25)
    assert made.shift == 1.25
    np.testing.assert_allclose(made.energy, AXIS + 1.25, atol=1e-13)  # rounding at 80 eV


def test_a_cubic_is_resampled_exactly_by_a_cubic_and_a_line_by_lines() -> None:
    grid = np.linspace(-19.0, 79.0, 333)
    cubic = spectrum(components=np.array([AXIS**3 / 1e3, AXIS, -AXIS]))
    made = cubic.resample(grid, method="cubic")
    np.testing.assert_allclose(made.components[0], grid**3 / 1e3, atol=1e-9)  # rounding at 500
    np.testing.assert_allclose(cubic.resample(grid).components[1], grid, atol=1e-12)


def test_resampling_never_extrapolates() -> None:
    with pytest.raises(InputError, match=r"2 of 3 grid points.*-20 to 80 eV"):
        spectrum().resample([-30.0, 0.0, 81.0])
    filled = spectrum().resample([-30.0, 0.0, 81.0], fill=0.0, method="cubic")
    np.testing.assert_array_equal(filled.components[:, [0, 2]], 0.0)
    with pytest.raises(ParameterError, match="did you mean 'cubic'"):
        spectrum().resample(AXIS, method="cubik")  # type: ignore[arg-type]  # what is tested


def test_cropping_keeps_both_ends_and_refuses_an_empty_range() -> None:
    made = spectrum().crop(0.0, 10.0)
    assert (made.energy[0], made.energy[-1], made.n_energy) == (0.0, 10.0, 41)
    with pytest.raises(InputError, match="covers -20 to 80 eV"):
        spectrum().crop(90.0, 95.0)


@pytest.mark.parametrize("method", ["area", "max"])
def test_normalisation_leaves_absolute_units_as_they_were(method: Literal["area", "max"]) -> None:
    made = spectrum().normalise(method, window=(-10.0, 60.1))
    np.testing.assert_allclose(made.cross_section(), spectrum().cross_section(), rtol=1e-13)  # rounding


def test_area_is_one_after_normalisation_over_a_window_between_points() -> None:
    made = spectrum(components=np.ones((3, 401))).normalise("area", window=(0.1, 10.2))
    assert made.intensity[0] == pytest.approx(1 / 10.1, rel=1e-12)


def test_edge_jump_is_one_and_pre_edge_zero_after_normalisation() -> None:
    background = 5.0 + 0.01 * AXIS
    sharp = (AXIS >= 0).astype(float)
    rows = np.array([background + height * sharp * (1 + 0.002 * AXIS) for height in (1.0, 2.0, 3.0)])
    made = spectrum(components=rows).normalise("edge", e0=0.0)
    np.testing.assert_allclose(made.intensity[AXIS < 0], 0.0, atol=1e-12)  # a line is fitted exactly
    assert made.intensity[AXIS == 0.0] == pytest.approx(1.0, abs=1e-12)
    assert made.scale == pytest.approx(0.02 * 2.0)


def test_edge_energy_is_the_steepest_rise_unless_given() -> None:
    smooth = spectrum(components=np.array([step(e0=7.0)] * 3))
    by_default, given_ = smooth.normalise("edge"), smooth.normalise("edge", e0=7.0)
    np.testing.assert_array_equal(by_default.components, given_.components)
    with pytest.raises(InputError, match="pre-edge line of degree 1 needs at least 2 points"):
        smooth.normalise("edge", e0=-20.0)


def test_a_spectrum_of_zeros_cannot_be_normalised() -> None:
    with pytest.raises(InputError, match="must be above 0, got 0"):
        spectrum(components=np.zeros((3, 401))).normalise("max")


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    scale=st.none() | st.floats(1e-9, 1e9),
    reference=st.sampled_from(EnergyReference),
)
def test_a_spectrum_survives_json_to_the_bit(
    values: list[Any], scale: float | None, reference: EnergyReference
) -> None:
    zero = None if reference is EnergyReference.ABSOLUTE else 12.5
    made = Spectrum(
        np.array([0.1, 0.2, 0.4]),
        np.array(values),
        energy_reference=reference,
        reference_energy=zero,
        scale=scale,
    ).broaden(Gaussian(0.3), origin=Origin.INSTRUMENT)
    text = json.dumps(made.to_dict())
    assert json.dumps(Spectrum.from_dict(json.loads(text)).to_dict()) == text


def test_a_spectrum_of_a_newer_schema_is_refused() -> None:
    data = {**spectrum().to_dict(), "schema_version": SPECTRUM_SCHEMA_VERSION + 1}
    with pytest.raises(SchemaVersionError, match="upgrade"):
        Spectrum.from_dict(data)


def test_the_average_of_two_sites_weighs_them_by_multiplicity() -> None:
    one, two = spectrum(), spectrum(components=5 * spectrum().components)
    made = average([one, two], [3, 1])
    assert made.polarisations == XYZ
    np.testing.assert_allclose(made.components, 2 * one.components * 0.02, rtol=1e-14)  # rounding
    assert made.scale == 1.0


def test_the_average_is_taken_in_absolute_units_whatever_the_raw_scale() -> None:
    one, two = spectrum(), spectrum(components=spectrum().components * 10, scale=0.002)
    np.testing.assert_allclose(average([one, two], [1, 4]).cross_section(), one.cross_section(), rtol=1e-14)


def test_the_average_of_what_two_versions_of_a_code_broadened_alike_is_broadened_once() -> None:
    records = [BroadeningRecord(Lorentzian(0.9), Origin.LIFETIME, applied_by=f"FEFF {v}") for v in ("9.9", "10.0")]
    made = average([spectrum(broadening=(record,)) for record in records], [1, 1])
    assert [(record.profile, record.origin) for record in made.broadening] == [(Lorentzian(0.9), Origin.LIFETIME)]


def test_the_average_uses_all_points_inside_the_overlap() -> None:
    one = Spectrum(np.arange(4.0), np.arange(4.0), energy_reference=EnergyReference.FERMI)
    other = np.array([0.5, 1.5, 4.0])
    two = Spectrum(other, other, energy_reference=EnergyReference.FERMI)
    made = average([one, two], [1, 1])
    assert made.energy.tolist() == [0.5, 1.0, 1.5, 2.0, 3.0]
    np.testing.assert_allclose(made.intensity, made.energy, rtol=1e-14)
    assert made.scale is None


def test_the_average_of_other_polarisations_is_of_the_powder() -> None:
    single = spectrum(components=step(), polarisations=(Polarisation("isotropic", 1.0),))
    made = average([spectrum(), single], [1, 1])
    assert [p.label for p in made.polarisations] == ["isotropic"]
    np.testing.assert_allclose(made.intensity, 0.02 * 1.5 * step(), rtol=1e-13)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"scale": None}, UnitError, "1 of 2 spectra have a scale"),
        ({"quantity": Quantity.IM_EPSILON}, InputError, "differ in quantity"),
        ({"energy_reference": EnergyReference.CORE_LEVEL}, InputError, "differ in energy_reference"),
        ({"reference_energy": 4967.0}, InputError, "to_photon_energy"),
        ({"reference_energy": None}, InputError, "different photon energies"),
        ({"energy": AXIS + 500}, InputError, "they cover"),
    ],
)
def test_spectra_that_do_not_belong_together_are_not_averaged(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        average([spectrum(), spectrum(**changes)], [1, 1])


def test_spectra_of_different_broadening_are_not_averaged() -> None:
    broadened = spectrum().broaden(Gaussian(1.0), origin=Origin.INSTRUMENT)
    with pytest.raises(InputError, match="differ in broadening"):
        average([spectrum(), broadened], [1, 1])
    with pytest.raises(ParameterError, match="not all 0"):
        average([spectrum(), spectrum()], [0, 0])


def test_the_tail_of_an_added_edge_is_that_of_a_lorentzian_step() -> None:
    axis = np.linspace(440.0, 500.0, 601)
    l3, l2 = step(axis, 454.0, 0.3), step(axis, 460.0, 0.3)
    whole = Spectrum(axis, l3, energy_reference=EnergyReference.ABSOLUTE, scale=1.0)
    part = Spectrum(axis, l2, energy_reference=EnergyReference.ABSOLUTE, scale=1.0).crop(455.0, 490.0)
    made = add([whole, part], edges=[454.0, 460.0])
    assert made.energy[[0, -1]].tolist() == [440.0, 490.0]
    # The arctan departs from its tail by (width/2)^2 / 3 d^2, 3e-4 of 0.0095 at 5 eV below the edge.
    np.testing.assert_allclose(made.intensity, (l3 + l2)[axis <= 490.0], atol=5e-6)


def test_an_edge_below_the_first_point_has_no_tail() -> None:
    made = spectrum()
    with pytest.raises(InputError, match="above the first point at -10 eV, got -15"):
        add([made, made.crop(-10.0, 80.0)], edges=[0.0, -15.0])
    with pytest.raises(UnitError, match="arbitrary units"):
        add([made, replace(made, scale=None)], edges=[0.0, 0.0])
