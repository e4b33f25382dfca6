from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge  # type: ignore[import-untyped]  # ships no types

from whiteline.errors import InputError, StoreError
from whiteline.models import metrics
from whiteline.models.evaluation import (
    Evaluated,
    LearningPoint,
    Rival,
    measure_calibration,
    scale_of,
    summarise,
    write_report,
)
from whiteline.models.evaluation.report import collect_report

RNG = np.random.default_rng(4)
POINTS = np.arange(0.0, 20.0, 0.5)


def curves(positions: np.ndarray) -> np.ndarray:
    """Return an edge and a white line at each of the positions [eV]."""
    x = POINTS - positions[:, None]
    return np.asarray(np.arctan(x) / np.pi + 0.5 + 0.8 * np.exp(-(x**2) / 4))


POSITIONS = RNG.uniform(6, 12, size=220)
SPECTRA = curves(POSITIONS)
TRAIN, TEST = slice(0, 160), slice(160, 220)


def predict() -> np.ndarray:
    """Return what a closed-form model says of the test spectra, given the white line's place with noise."""
    features = (POSITIONS + 0.1 * RNG.normal(size=220))[:, None]
    mean = SPECTRA[TRAIN].mean(axis=0)
    model = KernelRidge(kernel="laplacian", gamma=1.0, alpha=1e-2).fit(features[TRAIN], SPECTRA[TRAIN] - mean)
    return np.asarray(model.predict(features[TEST]) + mean)


PREDICTED = predict()


def make(**changes: Any) -> Evaluated:
    values: dict[str, Any] = {
        "spectra": SPECTRA[TEST],
        "predicted": PREDICTED,
        "train_mean": SPECTRA[TRAIN].mean(axis=0),
        "points": POINTS,
        "ids": tuple(f"mp-{i}" for i in range(60)),
        "absorbers": ("Cu", "Ti") * 30,
        "unit": "Mbarn",
    }
    return Evaluated(**{**values, **changes})


def full() -> Evaluated:
    sds = 0.05 + 0.1 * RNG.random(PREDICTED.shape)
    return make(
        sds=sds,
        scale=scale_of(PREDICTED - SPECTRA[TEST], sds),
        distances=RNG.random(60),
        materials=tuple(f"m{i // 2}" for i in range(60)),
        learning=(LearningPoint(25, 3e-3), LearningPoint(25, 4e-3), LearningPoint(160, 1e-3, "tuned")),
        rival=Rival("<mean> & $x$", np.tile(SPECTRA[TRAIN].mean(axis=0), (60, 1))),
        peak_window=(2.0, 18.0),
        title="A & B <model>",
        facts={"split": "formula $s$"},
    )


def test_a_closed_form_model_beats_the_train_mean() -> None:
    found = summarise(SPECTRA[TEST], PREDICTED, SPECTRA[TRAIN].mean(axis=0), POINTS)
    assert found.eta > 10
    assert found.eta_low is not None and found.eta_high is not None
    assert found.eta_low < found.eta < found.eta_high
    assert found.median_mse == pytest.approx(np.median(metrics.mse(SPECTRA[TEST], PREDICTED)))
    # The noise of the feature is 0.1 eV.
    assert found.peak_error < 0.3


def test_a_summary_of_one_spectrum_has_no_interval() -> None:
    found = summarise(SPECTRA[TEST][:1], PREDICTED[:1], SPECTRA[TRAIN].mean(axis=0), POINTS)
    assert (found.n_samples, found.eta_low, found.eta_high) == (1, None, None)


def test_sites_of_one_material_make_the_interval_of_eta_no_narrower() -> None:
    arrays = (SPECTRA[TEST], PREDICTED, SPECTRA[TRAIN].mean(axis=0), POINTS)
    copies = [np.concatenate([each] * 4) if len(each) == 60 else each for each in arrays]
    one, counted = summarise(*arrays), summarise(*copies, materials=tuple(f"m{i % 60}" for i in range(240)))
    naive = summarise(*copies)
    widths = []
    for found in (one, counted, naive):
        assert found.eta_low is not None and found.eta_high is not None
        widths.append(found.eta_high - found.eta_low)
    # Four copies say nothing new; other draws, and medians of whole numbers of copies.
    assert widths[1] == pytest.approx(widths[0], rel=0.2)
    assert widths[2] < 0.7 * widths[0]
    assert summarise(*arrays, materials=("m",) * 60).eta_low is None


def test_one_material_has_no_paired_test(tmp_path: Path) -> None:
    rival = Rival("mean", np.tile(SPECTRA[TRAIN].mean(axis=0), (60, 1)))
    assert write_report(make(rival=rival, materials=("m",) * 60), tmp_path)["rival"] is None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluated, dict[str, Any]]:
    """A folder with a report of everything, what it is of, and what was returned."""
    folder, data = tmp_path_factory.mktemp("models") / "report", full()
    return folder, data, write_report(data, folder)


def test_a_report_holds_everything_it_was_given(written: tuple[Path, Evaluated, dict[str, Any]]) -> None:
    folder, data, report = written
    assert report == json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert set(report["by_absorber"]) == {"Cu", "Ti"}
    assert data.sds is not None
    expected = measure_calibration(data.spectra, data.predicted, data.sds, scale=data.scale)
    assert report["calibration"]["inside"] == list(expected.inside)
    assert report["rival"]["n"] == 30
    errors = metrics.mse(data.spectra, data.predicted)
    assert report["deciles"][0]["id"] == data.ids[int(np.argmin(errors))]
    assert report["deciles"][-1]["id"] == data.ids[int(np.argmax(errors))]
    assert len(report["spectra"]["mse"]) == 60
    names = {"deciles", "errors", "spearman", "calibration", "distance", "learning"}
    assert {path.stem for path in (folder / "figures").glob("*.png")} == names
    assert {path.stem for path in (folder / "figures").glob("*.pdf")} == names


def test_a_page_needs_nothing_beside_it_and_escapes_what_it_is_given(
    written: tuple[Path, Evaluated, dict[str, Any]],
) -> None:
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 6
    assert "http://" not in page and "<script" not in page
    assert "A &amp; B &lt;model&gt;" in page
    assert "<mean>" not in page


def test_a_report_of_the_least_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    report = write_report(make(unit=""), tmp_path)
    assert (report["calibration"], report["distance"], report["rival"], report["learning"]) == (None, None, None, [])
    assert list(report["figures"]) == ["Spectra by error", "Distribution of errors", "Error and rank correlation"]


def test_a_constant_prediction_makes_a_report_with_no_correlation(tmp_path: Path) -> None:
    report = write_report(make(predicted=np.ones_like(PREDICTED)), tmp_path)
    assert report["summary"]["spearman"] is None
    assert report["spectra"]["spearman"][0] is None


def test_every_absorber_may_have_a_train_mean_of_its_own() -> None:
    one = make()
    rows = replace(one, train_mean=np.tile(one.train_mean, (60, 1)))
    first, second = (collect_report(data, calibration=None, by_distance=None) for data in (one, rows))
    assert first["summary"] == second["summary"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predicted": PREDICTED[:3]}, "predicted has the shape of the spectra"),
        ({"sds": np.full(PREDICTED.shape, np.nan)}, "sds has the shape.*finite"),
        ({"spectra": np.full(PREDICTED.shape, np.nan)}, "spectrum of 'mp-0' is not finite"),
        ({"absorbers": ("Cu",)}, "one entry for each of 60 samples"),
        ({"distances": np.ones(2)}, "one entry for each of 60 samples"),
        ({"points": POINTS[:5]}, "one column a point"),
        ({"train_mean": np.ones(3)}, "train mean has shape"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="choose another folder"):
        write_report(make(), tmp_path / "taken")
