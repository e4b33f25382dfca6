"""Parameters and presets of XSpectra."""

from __future__ import annotations

import pytest

from whiteline.calculators.parameters import build_parameters, list_presets, load_preset
from whiteline.calculators.xspectra import XSpectraParameters
from whiteline.errors import ParameterError


@pytest.mark.parametrize("name", ["fast", "standard", "published:lightshow", "published:ti-o-10"])
def test_every_preset_is_complete_and_valid(name: str) -> None:
    assert name in list_presets("xspectra")
    parameters = build_parameters(XSpectraParameters, load_preset("xspectra", name))
    assert build_parameters(XSpectraParameters, parameters.model_dump(mode="json")) == parameters


def test_the_standard_preset_is_the_default() -> None:
    assert build_parameters(XSpectraParameters, load_preset("xspectra", "standard")) == XSpectraParameters()


def test_the_published_presets_have_the_published_numbers() -> None:
    lightshow, paper = (
        build_parameters(XSpectraParameters, load_preset("xspectra", f"published:{name}"))
        for name in ("lightshow", "ti-o-10")
    )
    common = {"degauss": 0.002, "smearing": "gauss", "conv_thr": 1e-10, "mixing_beta": 0.4, "cut_desmooth": 0.3}
    common |= {"xniter": 5000, "xcheck_conv": 200, "xerror": 0.01, "energy_min": -15.0, "energy_max": 70.0}
    common |= {"n_energy": 400, "supercell_distance": 9.0, "cell": "axis_length", "spin": "none"}
    for parameters in (lightshow, paper):
        assert parameters.model_dump(include=set(common)) == common
    assert (lightshow.ecutwfc, lightshow.ecutrho, lightshow.xgamma) == (40.0, 320.0, 0.01)
    assert (paper.ecutwfc, paper.ecutrho, paper.xgamma, paper.r_paw) == (75.0, 600.0, 0.89, 1.79)


@pytest.mark.parametrize("size", ["full", "half", "none"])
def test_the_charge_of_the_cell_is_the_electron_that_left_it(size: str) -> None:
    removed, kept = (
        XSpectraParameters.model_validate({"core_hole": size, "excited_electron": place})
        for place in ("removed", "conduction_band")
    )
    assert removed.charge == removed.hole_size == {"full": 1.0, "half": 0.5, "none": 0.0}[size]
    assert kept.charge == 0.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"xgama": 0.1}, "did you mean 'xgamma'"),
        ({"energy_max": -20.0}, "must be above energy_min"),
        ({"energy_min": 5.0}, "needs the zero of energy inside"),
        ({"n_energy": 10000}, "less than or equal to 9999"),
        ({"ecutrho": 100.0}, "at least four times ecutwfc"),
        ({"cut_desmooth": 0.01}, "at least the step of the energies, 0.05 eV"),
        ({"pseudopotential_files": {"Xx": "a.UPF"}}, "chemical symbols"),
        ({"core_hole_pseudopotential": "../a.UPF"}, "name of a file"),
        ({"core_hole_pseudopotential": "Ti pbe.UPF"}, "name of a file"),
        ({"pseudopotential_files": {"Ti": "a.UPF\nO 16.0 b.UPF"}}, "name of a file"),
        ({"core_wavefunction": "Ti.UPF.gz"}, "not packed"),
        ({"hubbard_u": {"Fe": float("nan")}}, "hubbard_u"),
        ({"kpoints_length": 0.0}, "greater than 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        build_parameters(XSpectraParameters, values)
