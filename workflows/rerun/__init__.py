"""Running again what is on record, from the record alone, and saying whether the same comes out."""

from __future__ import annotations

from whiteline.workflows.rerun.comparison import Comparison, Tolerance, compare_spectra
from whiteline.workflows.rerun.place import RerunPlace
from whiteline.workflows.rerun.recording import store_results
from whiteline.workflows.rerun.report import RerunReport, write_report
from whiteline.workflows.rerun.rerunning import run_again
from whiteline.workflows.rerun.results import Difference, Ground, RerunResult, Verdict
from whiteline.workflows.rerun.sets import find_set, resolve, sample

__all__ = [
    "Comparison",
    "Difference",
    "Ground",
    "RerunPlace",
    "RerunReport",
    "RerunResult",
    "Tolerance",
    "Verdict",
    "compare_spectra",
    "find_set",
    "resolve",
    "run_again",
    "sample",
    "store_results",
    "write_report",
]
