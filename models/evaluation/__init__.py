"""How good a model is: summaries, paired tests, calibration, the domain, and one report of all of it.

The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.models.evaluation.calibration import (
        BandScale,
        Calibration,
        measure_calibration,
        normal_scale,
        scale_of,
    )
    from whiteline.models.evaluation.domain import ErrorByDistance, auroc, bin_by_distance
    from whiteline.models.evaluation.evaluated import Evaluated, LearningPoint, Rival
    from whiteline.models.evaluation.paired import PairedTest, compare_errors
    from whiteline.models.evaluation.report import write_report
    from whiteline.models.evaluation.summary import Summary, summarise

__all__ = [
    "BandScale",
    "Calibration",
    "ErrorByDistance",
    "Evaluated",
    "LearningPoint",
    "PairedTest",
    "Rival",
    "Summary",
    "auroc",
    "bin_by_distance",
    "compare_errors",
    "measure_calibration",
    "normal_scale",
    "scale_of",
    "summarise",
    "write_report",
]

_HOMES = {
    "BandScale": "calibration",
    "Calibration": "calibration",
    "ErrorByDistance": "domain",
    "Evaluated": "evaluated",
    "LearningPoint": "evaluated",
    "PairedTest": "paired",
    "Rival": "evaluated",
    "Summary": "summary",
    "auroc": "domain",
    "bin_by_distance": "domain",
    "compare_errors": "paired",
    "measure_calibration": "calibration",
    "normal_scale": "calibration",
    "scale_of": "calibration",
    "summarise": "summary",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.models.evaluation' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.models.evaluation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
