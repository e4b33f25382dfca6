from typing import Any

import numpy as np
import pytest
from pymatgen.io.feff.sets import MPXANESSet

from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.parameters import CoreHole, EnergyGrid, PotentialGrouping
from whiteline.calculators.parameters import build_parameters, describe_preset, list_presets, load_preset
from whiteline.errors import ParameterError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fms_radius": 1.0}, "fms_radius.*greater than or equal to 2"),
        ({"fms_radius": float("nan")}, "fms_radius"),
        ({"scf_radius": float("inf")}, "scf_radius"),
        ({"scf_max_iterations": 0}, "scf_max_iterations.*got 0"),
        ({"scf_max_iterations": 2.5}, "scf_max_iterations"),
        ({"scf_mixing": 0}, "scf_mixing"),
        ({"core_hole": "rpa"}, "core_hole.*'RPA'"),
        ({"exchange": (9, 2)}, "exchange.0"),
        ({"k_max": "far"}, "k_max.*got 'far'"),
        ({"potentials": "atom"}, "potentials.*'site'"),
        ({"hole_width": -1}, "hole_width"),
        ({"cluster_radius": 5.0}, "cluster_radius 5.0 Å must reach at least 9.0 Å"),
        ({"energy_grid": [{"kind": "k_grid", "start": 1, "stop": 0, "step": 0.1}]}, "stop 0.0 must be above start 1.0"),
        ({"energy_grid": [{"kind": "k_grid", "start": 0, "stop": 1, "step": 0}]}, "energy_grid.0.step"),
        ({"energy_grid": [{"kind": "q_grid", "start": 0, "stop": 1, "step": 1}]}, "energy_grid.0.kind"),
        ({"scf_max_iterations": 101}, "scf_max_iterations.*less than or equal to 100"),
        ({"scf_mixing": 0.6}, "scf_mixing.*less than or equal to 0.5"),
        ({"k_max": 1.5}, "k_max.*greater than or equal to 2"),
        ({"spin": "up"}, "spin.*'spxas'"),
        ({"spin": "xmcd", "elnes": {}}, "elnes and spin exclude each other"),
        ({"elnes": {"beam_direction": [0, 0, 0]}}, "beam_direction must not be of zero length"),
        ({"elnes": {"beam_energy": -1}}, "elnes.beam_energy"),
        ({"elnes": {"collection_angle": 0}}, "elnes.collection_angle"),
        ({"FMS_radius": 5.0}, "unknown parameter 'FMS_radius': did you mean 'fms_radius'"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        FeffCalculator(build_parameters(FeffParameters, values))


def test_the_defaults_are_those_of_the_materials_project() -> None:
    # Mathew et al., doi:10.1038/sdata.2018.151.
    p = FeffParameters()
    assert (p.scf_radius, p.fms_radius, p.core_hole, p.exchange) == (7.0, 9.0, CoreHole.RPA, (0, 2))
    assert (p.scf_max_iterations, p.scf_mixing, p.scf_n_mix, p.s02) == (100, 0.2, 3, 0.0)


def test_the_identity_of_a_calculation_holds_the_physics_and_not_the_machine() -> None:
    one = FeffCalculator(
        build_parameters(FeffParameters, {"fms_radius": 5, "scf_radius": None}), command="feff9", timeout=1.0
    )
    two = FeffCalculator(build_parameters(FeffParameters, {"scf_radius": None, "fms_radius": 5.0}))
    assert one.parameters_dict == two.parameters_dict
    assert set(one.parameters_dict) == set(FeffParameters.model_fields) - {"overlap"}


def test_parameters_survive_their_dictionary() -> None:
    values = {"core_hole": "none", "energy_grid": [{"kind": "e_grid", "start": -5, "stop": 20, "step": 0.5}]}
    calculator = FeffCalculator(build_parameters(FeffParameters, values))
    assert FeffCalculator(build_parameters(FeffParameters, calculator.parameters_dict)) == calculator


def test_a_calculator_survives_json() -> None:
    calculator = FeffCalculator(
        build_parameters(FeffParameters, {"fms_radius": 5.0, "scf_radius": None}), command="x y", timeout=5.0
    )
    assert FeffCalculator.from_dict(calculator.as_dict()) == calculator


def test_the_listed_atoms_reach_9_angstrom_and_every_larger_radius() -> None:
    assert FeffParameters(scf_radius=4.0, fms_radius=5.5).cluster_radius == 9.0
    assert FeffParameters(scf_radius=4.0, fms_radius=10.0).cluster_radius == 10.0
    assert FeffParameters(scf_radius=11.5, fms_radius=6.0).cluster_radius == 11.5
    assert FeffParameters(cluster_radius=12.0).cluster_radius == 12.0


def test_a_complete_spectrum_ends_within_the_last_step_of_its_grid() -> None:
    in_k = EnergyGrid(kind="k_grid", start=0, stop=6, step=0.04)
    in_energy = EnergyGrid(kind="e_grid", start=0, stop=20.5, step=0.5)
    assert FeffParameters(energy_grid=(in_k,)).complete_above == pytest.approx(5.96)
    # E = 3.81 eV Å² k².
    assert FeffParameters(energy_grid=(in_energy,)).complete_above == pytest.approx(np.sqrt(20 / 3.81), rel=1e-5)
    assert FeffParameters(energy_grid=(), k_max=5, k_step=0.05).complete_above == pytest.approx(4.95)


def test_the_published_sets_are_what_the_defaults_are_but_for_the_grouping() -> None:
    standard = FeffParameters().model_copy(update={"potentials": PotentialGrouping.ELEMENT})
    for name in ("published:lightshow", "published:ti-o-10"):
        assert build_parameters(FeffParameters, load_preset("feff", name)) == standard


def test_the_set_of_pymatgen_is_that_of_its_file() -> None:
    p = build_parameters(FeffParameters, load_preset("feff", "published:materials-project"))
    published = MPXANESSet.CONFIG
    scf = f"{p.scf_radius:g} 0 {p.scf_max_iterations} .{p.scf_mixing * 10:g} {p.scf_n_mix}"
    assert (published["SCF"], published["COREHOLE"], float(published["S02"])) == (scf, p.core_hole, p.s02)
    assert [float(x) for x in published["XANES"].split()] == [p.k_max, p.k_step, p.energy_step]
    assert [float(x) for x in published["FMS"].split()] == [p.fms_radius, 0]
    assert [float(x) for x in published["EXCHANGE"].split()] == [p.exchange[0], 0, 0, p.exchange[1]]


@pytest.mark.parametrize("name", list_presets("feff"))
def test_every_preset_is_valid_and_says_what_it_is(name: str) -> None:
    build_parameters(FeffParameters, load_preset("feff", name))
    assert describe_preset("feff", name)


def test_a_parameter_that_came_later_enters_the_identity_only_when_it_is_set() -> None:
    assert FeffParameters(overlap=None) == FeffParameters()
    assert FeffParameters(overlap=1.3).model_dump(mode="json")["overlap"] == 1.3
    assert FeffParameters(overlap=1.3).model_dump(exclude_unset=True) == {"overlap": 1.3}
