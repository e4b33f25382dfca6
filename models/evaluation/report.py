"""The report of a model: report.json, figures, and one page that shows all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from whiteline.errors import StoreError
from whiteline.models import metrics
from whiteline.models.atomic_files import replaced
from whiteline.models.evaluation.calibration import Calibration, measure_calibration
from whiteline.models.evaluation.domain import ErrorByDistance, bin_by_distance
from whiteline.models.evaluation.evaluated import Evaluated
from whiteline.models.evaluation.figures import draw_all
from whiteline.models.evaluation.page import make_page
from whiteline.models.evaluation.paired import compare_errors
from whiteline.models.evaluation.summary import summarise, summarise_by
from whiteline.plotting import save_figure

__all__ = ["REPORT_SCHEMA_VERSION", "collect_report", "write_report"]

REPORT_SCHEMA_VERSION: Final = 1


def write_report(data: Evaluated, folder: Path) -> dict[str, Any]:
    """Write `report.html`, `report.json` and `figures/*.png` and `.pdf`; return what `report.json` holds.

    Args:
        data: Spectra and predictions.
        folder: Where the report goes; an earlier one is replaced.

    Raises:
        InputError: Half of the predictions equal their spectra.
        StoreError: A file cannot be written.
    """
    calibration, by_distance = _calibration(data), _by_distance(data)
    report = collect_report(data, calibration=calibration, by_distance=by_distance)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to {folder} ({error.strerror}): choose another folder") from error
    images, names = {}, {}
    for title, (stem, figure) in draw_all(data, calibration=calibration, by_distance=by_distance).items():
        path = folder / "figures" / f"{stem}.png"
        save_figure(figure, path)
        save_figure(figure, path.with_suffix(".pdf"))
        images[title], names[title] = path.read_bytes(), path.relative_to(folder).as_posix()
    report["figures"] = names
    texts = {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.html": make_page(report, images),
    }
    for name, text in texts.items():
        with replaced(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return report


def collect_report(
    data: Evaluated, *, calibration: Calibration | None, by_distance: ErrorByDistance | None
) -> dict[str, Any]:
    """Return everything that a report says, JSON-ready.

    Args:
        data: Spectra and predictions.
        calibration: Share of points inside the bands, if there are any.
        by_distance: Errors in bins of the distance, if it is known.
    """
    arrays = (data.spectra, data.predicted, data.train_mean, data.points)
    materials = data.materials or None
    by_absorber = summarise_by(data.absorbers, *arrays, materials=materials, peak_window=data.peak_window)
    made_by = "normal" if data.scale is None else "validation"
    return {
        "schema_version": REPORT_SCHEMA_VERSION,
        "title": data.title,
        "facts": dict(data.facts),
        "unit": data.unit,
        "peak_window": None if data.peak_window is None else list(data.peak_window),
        "summary": summarise(*arrays, materials=materials, peak_window=data.peak_window).to_dict(),
        "by_absorber": {name: summary.to_dict() for name, summary in by_absorber.items()},
        "rival": _rival(data),
        "calibration": None if calibration is None else {**calibration.to_dict(), "made_by": made_by},
        "distance": None if by_distance is None else by_distance.to_dict(),
        "learning": [vars(point) for point in data.learning],
        "deciles": _deciles(data),
        "spectra": _spectra(data),
    }


def _deciles(data: Evaluated) -> list[dict[str, Any]]:
    errors = metrics.mse(data.spectra, data.predicted)
    ranks = metrics.spearman(data.spectra, data.predicted)
    return [
        {
            "place": place,
            "id": data.ids[row],
            "absorber": data.absorbers[row],
            "mse": float(errors[row]),
            "spearman": _finite(ranks[row]),
        }
        for place, row in zip(metrics.DECILES, metrics.deciles(errors).tolist(), strict=True)
    ]


def _spectra(data: Evaluated) -> Mapping[str, list[Any]]:
    """Return errors spectrum by spectrum, in columns: what another report needs for a paired test."""
    shifts = metrics.peak_errors(data.spectra, data.predicted, data.points, window=data.peak_window)
    columns = {
        "mse": metrics.mse(data.spectra, data.predicted),
        "mae": metrics.mae(data.spectra, data.predicted),
        "spearman": metrics.spearman(data.spectra, data.predicted),
        "peak_error": shifts,
    }
    rounded = {name: [_finite(value) for value in values] for name, values in columns.items()}
    return {"id": list(data.ids), "absorber": list(data.absorbers), **rounded}


def _rival(data: Evaluated) -> dict[str, Any] | None:
    if data.rival is None or len(set(data.materials or data.ids)) < 2:
        return None  # one pair has no test
    errors = metrics.mse(data.spectra, data.predicted)
    test = compare_errors(errors, metrics.mse(data.spectra, data.rival.predicted), groups=data.materials or None)
    return {"name": data.rival.name, "by_material": bool(data.materials), **test.to_dict()}


def _calibration(data: Evaluated) -> Calibration | None:
    if data.sds is None:
        return None
    return measure_calibration(data.spectra, data.predicted, data.sds, scale=data.scale)


def _by_distance(data: Evaluated) -> ErrorByDistance | None:
    if data.distances is None:
        return None
    return bin_by_distance(data.distances, metrics.mse(data.spectra, data.predicted))


def _finite(value: float) -> float | None:
    """Return a number with the digits that matter; None where there is none."""
    return float(f"{value:.8g}") if np.isfinite(value) else None
