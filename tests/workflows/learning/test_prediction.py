"""Crystals to spectra: sites, materials, bands, domain, and what cannot be predicted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from tests.workflows.learning.toy import rock_salt, two_sites
from whiteline.averaging import average
from whiteline.errors import InputError
from whiteline.structures import NamedStructure
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
from whiteline.workflows.learning.reading import Unpredicted, read_each


@pytest.fixture
def predictor(toy_model: Path) -> Predictor:
    return Predictor.load(toy_model)


def named(structure: Structure, name: str = "x") -> NamedStructure:
    return NamedStructure(structure, name, f"{name}.cif")


def predict_one(predictor: Predictor, structure: Structure) -> MaterialPrediction:
    (answer,) = predictor.predict([named(structure)], "Cu")
    assert isinstance(answer, MaterialPrediction)
    return answer


def test_every_inequivalent_site_is_predicted_and_the_material_weighs_them(predictor: Predictor) -> None:
    found = predict_one(predictor, two_sites())
    assert sorted(found.multiplicities) == [1, 3]
    spectra = [site.spectrum for site in found.sites]
    np.testing.assert_allclose(found.spectrum.intensity, average(spectra, found.multiplicities).intensity)
    one, two = (site.half_widths[0.5] for site in found.sites)
    weights = np.array(found.multiplicities) / 4
    np.testing.assert_allclose(found.half_widths[0.5], weights[0] * one + weights[1] * two)


def test_a_prediction_does_not_depend_on_the_choice_of_cell(predictor: Predictor) -> None:
    conventional = rock_salt("Cu", "O")
    one, other = (predict_one(predictor, s) for s in (conventional, conventional.get_primitive_structure()))
    # Single precision of the features.
    np.testing.assert_allclose(one.spectrum.intensity, other.spectrum.intensity, rtol=1e-4)


def test_the_axis_is_in_photon_energies(predictor: Predictor) -> None:
    spectrum = predict_one(predictor, rock_salt("Cu", "O")).spectrum
    assert spectrum.energy_reference == "absolute"
    assert spectrum.energy[0] == pytest.approx(8974.0, abs=1.0)  # 5 eV below the K edge
    assert spectrum.scale == 1.0


def test_a_crystal_unlike_all_others_is_outside_and_names_what_is_nearest(predictor: Predictor) -> None:
    inside = predict_one(predictor, rock_salt("Cu", "S"))
    swollen = rock_salt("Cu", "S")
    swollen.scale_lattice(8 * swollen.volume)
    outside = predict_one(predictor, swollen)
    near, far = inside.sites[0], outside.sites[0]
    assert near.distance is not None
    assert far.distance is not None
    assert far.distance > 3 * near.distance
    assert outside.is_inside is False
    assert set(far.nearest) <= set(predictor.material_names)


def test_what_cannot_be_predicted_says_why_and_the_others_go_on(predictor: Predictor) -> None:
    structures = [named(rock_salt("Ni", "O"), "no-copper"), named(rock_salt("Cu", "O")), named(rock_salt("Cu", "Te"))]
    first, second, third = predictor.predict(structures, "Cu")
    assert isinstance(second, MaterialPrediction)
    assert isinstance(first, Unpredicted)
    assert isinstance(third, Unpredicted)
    assert "Cu is not in NiO" in first.reason
    assert "does not know Te" in third.reason


def test_an_absorber_that_was_not_trained_on_is_refused(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="was trained on Cu K feff:toy, not on Ni K"):
        predictor.predict([named(rock_salt("Ni", "O"))], "Ni")
    with pytest.raises(InputError, match="did you mean 'feff:toy'"):
        predictor.predict([named(rock_salt("Cu", "O"))], "Cu", fidelity="feff:toi")


def test_a_model_without_the_choice_of_its_encoder_says_what_to_do(toy_model: Path, tmp_path: Path) -> None:
    from whiteline.models.model import SpectrumModel

    model = SpectrumModel.load(toy_model)
    bare = model.with_card(replace(model.card, lineage={}))
    bare.save(tmp_path / "bare")
    with pytest.raises(InputError, match="predict from features"):
        Predictor.load(tmp_path / "bare")


def test_reading_goes_on_past_bad_files_and_bad_members(tmp_path: Path) -> None:
    rock_salt("Cu", "O").to(str(tmp_path / "a.cif"), fmt="cif")
    (tmp_path / "b.cif").write_text("no crystal", encoding="utf-8")
    members = {"good": rock_salt("Cu", "S").as_dict(), "bad": {"lattice": 3}, "last": rock_salt("Cu", "F").as_dict()}
    (tmp_path / "c.json").write_text(json.dumps(members), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    bad: list[Unpredicted] = []
    found = list(read_each([str(tmp_path), str(tmp_path / "nowhere.cif")], on_bad=bad.append))
    assert [each.name for each in found] == ["a", "good", "last"]
    assert [Path(each.source).name for each in bad] == ["b.cif", "c.json#bad", "nowhere.cif"]
