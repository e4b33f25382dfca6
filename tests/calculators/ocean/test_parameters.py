"""Parameters that OCEAN could not work with are refused by name; presets are the published ones."""

from typing import Any

import pytest

from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.ocean import OceanCalculator, OceanParameters
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.errors import ParameterError
from whiteline.settings import Settings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kpoints_length": 0}, "kpoints_length.*got 0"),
        ({"band_energy": float("nan")}, "band_energy"),
        ({"solver": "lanczos"}, "solver.*'gmres'"),
        ({"solver": "gmres"}, "solver gmres needs gmres_energies"),
        ({"solver": "gmres", "gmres_energies": (10, 0, 1)}, "gmres_energies must hold two"),
        ({"spectrum_range": (5, 5)}, "spectrum_range must increase, got 5 and 5"),
        ({"screen_radius_bohr": 4.2}, "screen_radius_bohr 4.2 must be one of screen_shells_bohr"),
        ({"screen_grid_shells_bohr": (-1, 8, 6)}, "must increase behind -1"),
        ({"dielectric_constant": 1.0}, "dielectric_constant"),
        ({"half_width": 0}, "half_width"),
        ({"pseudopotentials": {"Ti": "ti.UPF"}}, "need cutoff_ry"),
        ({"projector_program": "shirley"}, "shirley needs pseudopotentials, projector_fill"),
        ({"hubbard_u": {"ti": 3.0}}, "hubbard_u: .*chemical symbols as keys, got 'ti'"),
        ({"pseudopotentials": {"Tii": "ti.UPF"}, "cutoff_ry": 80}, "chemical symbols as keys, got 'Tii'"),
        ({"kpoint_length": 10.0}, "unknown parameter 'kpoint_length': did you mean 'kpoints_length'"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        build_parameters(OceanParameters, values)


@pytest.mark.parametrize(
    "name", ["ti*.UPF", "ti#1.UPF", "ti!.UPF", "a\\ti.UPF", "{ti}.UPF", "my ti.UPF", "a/ti.UPF", ""]
)
def test_a_file_name_that_ocean_would_cut_off_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="must be one word without"):
        build_parameters(OceanParameters, {"cutoff_ry": 80, "pseudopotentials": {"Ti": name}})


@pytest.mark.parametrize(
    ("values", "epsilon"),
    [
        ({}, None),
        ({"dielectric_constant": 6.0, "band_gap": 2.0}, 6.0),
        ({"band_gap": 3.5}, 2.718281828),
        ({"band_gap": 0.0}, 1.0e6),
        ({"band_gap": 0.251}, 1.0e6),
    ],
)
def test_the_dielectric_constant_is_given_estimated_from_the_gap_or_left_to_dfpt(
    values: dict[str, float], epsilon: float | None
) -> None:
    assert OceanParameters.model_validate(values).epsilon == pytest.approx(epsilon)


def test_parameters_survive_their_dictionary_and_the_calculator_json() -> None:
    values = {"core_offset": 225.1, "pseudopotentials": {"Ti": "ti.UPF"}, "cutoff_ry": 80, "hubbard_u": {"Ti": 3.0}}
    calculator = OceanCalculator(build_parameters(OceanParameters, values), command="mpirun -np 4 ocean.pl")
    assert OceanCalculator(build_parameters(OceanParameters, calculator.parameters_dict)) == OceanCalculator(
        calculator.parameters
    )
    assert OceanCalculator.from_dict(calculator.as_dict()) == calculator


def test_the_identity_holds_the_physics_and_not_the_machine() -> None:
    one = OceanCalculator.from_settings({"band_energy": 40}, Settings(ocean_command="mpirun -np 8 ocean.pl", timeout=9))
    two = OceanCalculator.from_settings({"band_energy": 40.0}, Settings())
    assert one.parameters_dict == two.parameters_dict
    assert set(one.parameters_dict) == set(OceanParameters.model_fields)


def preset(name: str) -> dict[str, Any]:
    return build_parameters(OceanParameters, load_preset("ocean", name)).model_dump()


def test_the_ti_o_10_preset_has_the_published_values() -> None:
    expected = {
        "cutoff_quality": "high",
        "kpoints_rule": "shortest",
        "kpoints_length": 17.0,
        "band_rule": "ocean",
        "band_energy": 50.0,
        "screen_band_energy": 150.0,
        "half_width": 0.89,
        "core_offset": 225.1,
        "spectrum_points": 1000,
        "spectrum_range": (-20.0, 80.0),
        "screen_kpoints_bohr": 2.55,
        "screen_step_bohr": 0.02,
        "screen_grid_radius_bohr": 10.0,
        "screen_grid_mode": ("lagrange", "uniform"),
        "screen_grid_angular": (5, 11, 11, 9, 7),
        "screen_grid_step_bohr": (0.10, 0.15, 0.25, 0.25, 0.25),
        "screen_grid_shells_bohr": (-1.0, 4.0, 6.0, 8.0, 10.0),
        "screen_l_max": 2,
        "screen_radius_bohr": 5.5,
        "screen_shells_bohr": (3.5, 4.0, 4.5, 5.0, 5.5, 6.0),
        "haydock_iterations": 1000,
        "haydock_threshold": 0.001,
        "haydock_spacing": 5,
    }
    assert expected.items() <= preset("published:ti-o-10").items()


def test_the_lightshow_preset_has_its_grids_and_bands() -> None:
    values = preset("published:lightshow")
    assert (values["kpoints_rule"], values["band_rule"], values["band_energy"]) == ("lightshow", "free_electron", 30.0)
    assert values["kpoints_window"] == pytest.approx((16 * BOHR, 50 * BOHR), abs=1e-9)  # digits of BOHR
    assert (values["projector_program"], values["cutoff_ry"], values["scf_tolerance_ry"]) == ("hamann", None, 1e-10)
