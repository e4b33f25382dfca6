"""Predictions in the store, and calculations beside predictions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.workflows.learning.toy import rock_salt, two_sites
from whiteline.database import open_store
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.plotting import save_figure
from whiteline.status import Status
from whiteline.structures import NamedStructure
from whiteline.workflows.learning.figure import plot_prediction
from whiteline.workflows.learning.keeping import store_prediction
from whiteline.workflows.learning.nearest import find_nearest
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor


@pytest.fixture
def predictor(toy_model: Path) -> Predictor:
    return Predictor.load(toy_model)


@pytest.fixture
def store(toy_home: Path, tmp_path: Path) -> Iterator[SpectrumStore]:
    shutil.copy(toy_home / "spectra.db", tmp_path / "spectra.db")
    with open_store(str(tmp_path / "spectra.db")) as opened:
        yield opened


def predict_cu4n(predictor: Predictor, *, swelling: float = 1.0) -> MaterialPrediction:
    crystal = two_sites()
    crystal.scale_lattice(swelling * crystal.volume)
    (answer,) = predictor.predict([NamedStructure(crystal, "Cu4N", "Cu4N.cif")], "Cu")
    assert isinstance(answer, MaterialPrediction)
    return answer


def test_sites_and_material_are_stored_once_and_marked_as_predictions(
    store: SpectrumStore, predictor: Predictor
) -> None:
    prediction = predict_cu4n(predictor)
    identity, n_new = store_prediction(store, prediction, predictor)
    assert n_new == 3
    assert store_prediction(store, predict_cu4n(predictor), predictor) == (identity, 0)
    material = store.get(identity)
    assert (material.code, material.fidelity, len(material.parents)) == ("model", "model:cu-k-toy", 2)
    assert material.parameters == {"model": predictor.id, "encoder": "toy:1", "fidelity": "feff:toy"}
    assert material.spectrum is not None
    np.testing.assert_allclose(material.spectrum.intensity, prediction.spectrum.intensity)
    assert store.count(SpectrumQuery(code="model", status=ANY_STATUS)) == 3


def test_the_record_of_a_prediction_points_to_its_model(store: SpectrumStore, predictor: Predictor) -> None:
    identity, _ = store_prediction(store, predict_cu4n(predictor), predictor)
    (record,) = store.records(store.get(identity).parents[0])
    assert record.activity == "predict"
    assert record.inputs["model"] == predictor.id
    assert record.parameters["model folder"] == predictor.folder


def test_error_bars_and_domain_are_kept_beside_the_spectrum(store: SpectrumStore, predictor: Predictor) -> None:
    prediction = predict_cu4n(predictor)
    identity, _ = store_prediction(store, prediction, predictor)
    kept = json.loads(store.read_file(identity, "prediction.json"))
    np.testing.assert_allclose(kept["half_widths"]["0.5"], prediction.half_widths[0.5])
    site = json.loads(store.read_file(store.get(identity).parents[0], "prediction.json"))
    assert site["distance"] == pytest.approx(prediction.sites[0].distance)


def test_far_from_the_training_set_a_prediction_is_unconverged_with_the_reason(
    store: SpectrumStore, predictor: Predictor
) -> None:
    identity, _ = store_prediction(store, predict_cu4n(predictor, swelling=3.0), predictor)
    material = store.get(identity)
    assert material.status is Status.UNCONVERGED
    assert "far from the training set" in material.reason
    assert not list(store.summaries(SpectrumQuery(code="model")))


def test_the_nearest_calculation_is_that_of_the_same_crystal_and_never_a_prediction(
    store: SpectrumStore, predictor: Predictor
) -> None:
    prediction = predict_cu4n(predictor)
    store_prediction(store, prediction, predictor)
    nearest = find_nearest(store, prediction)
    assert nearest is not None
    assert (nearest.relation, nearest.document.code, nearest.document.kind) == ("same crystal", "feff", "material")


def test_a_strained_crystal_is_set_beside_one_of_the_same_formula(store: SpectrumStore, predictor: Predictor) -> None:
    nearest = find_nearest(store, predict_cu4n(predictor, swelling=1.05))
    assert nearest is not None
    assert (nearest.relation, nearest.document.formula) == ("same formula", "Cu4N")


def test_a_store_without_calculations_has_none_to_set_beside(predictor: Predictor, tmp_path: Path) -> None:
    prediction = predict_cu4n(predictor)
    with open_store(str(tmp_path / "empty.db")) as empty:
        store_prediction(empty, prediction, predictor)
        assert find_nearest(empty, prediction) is None


def test_elsewhere_the_most_similar_spectrum_is_taken(store: SpectrumStore, predictor: Predictor) -> None:
    (answer,) = predictor.predict([NamedStructure(rock_salt("Cu", "I"), "CuI", "CuI.cif")], "Cu")
    assert isinstance(answer, MaterialPrediction)
    nearest = find_nearest(store, answer)
    assert nearest is not None
    assert (nearest.relation, nearest.document.absorber) == ("most similar spectrum", "Cu")


def test_the_figure_shows_prediction_bands_and_calculation(
    store: SpectrumStore, predictor: Predictor, tmp_path: Path
) -> None:
    prediction = predict_cu4n(predictor)
    figure = plot_prediction(prediction, model=predictor.name, nearest=find_nearest(store, prediction))
    save_figure(figure, tmp_path / "cu4n.png")
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    words = [text.get_text() for text in legend.get_texts()]
    assert words[0] == "predicted by cu-k-toy"
    assert words[1].startswith("same crystal: Cu4N, feff:toy")
    assert words[2] == "50% of the points"
    assert (tmp_path / "cu4n.png").stat().st_size > 5000
