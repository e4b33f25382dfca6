"""The report of a rerun: report.json with everything, and one page that shows it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whiteline.database import open_store
from whiteline.models.atomic_files import replaced
from whiteline.provenance import library_versions
from whiteline.workflows.rerun.figures import draw_overlay
from whiteline.workflows.rerun.page import make_page
from whiteline.workflows.rerun.place import RerunPlace
from whiteline.workflows.rerun.results import Ground, RerunResult, Verdict

__all__ = ["REPORT_SCHEMA_VERSION", "RerunReport", "write_report"]

REPORT_SCHEMA_VERSION: Final = 1
# Curves that are drawn over those on record: what lies farthest apart.
_N_DRAWN: Final = 8


@dataclass(frozen=True, kw_only=True)
class RerunReport:
    """What running a set again came to.

    Attributes:
        title: What was run again.
        asked: Ids that were asked for.
        results: Results by id: of those, and of what they were made of.
        n_all: Spectra of the set, of which these may be a sample; `seed` is that of the sample, None without one.
        started_at: Start in ISO 8601, UTC; `ended_at` likewise.
    """

    title: str
    asked: Sequence[str]
    results: Mapping[str, RerunResult]
    n_all: int
    seed: int | None
    started_at: str
    ended_at: str

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many of what was asked for came to each verdict, in the order of the verdicts."""
        counts = Counter(self.results[each].verdict for each in self.asked)
        return {verdict: counts[verdict] for verdict in Verdict if counts[verdict]}

    @property
    def grounds(self) -> dict[Ground, dict[Verdict, int]]:
        """How many results of each verdict have a difference of each sort on record, the likeliest reasons first."""
        counts = Counter(
            (ground, self.results[each].verdict)
            for each in self.asked
            for ground in {difference.ground for difference in self.results[each].differences}
        )
        found = {ground: {verdict: counts[ground, verdict] for verdict in Verdict} for ground in Ground}
        return {ground: row for ground, row in found.items() if any(row.values())}

    @property
    def is_reproduced(self) -> bool:
        """Whether all that was computed here came out the same, and something did."""
        verdicts = set(self.verdicts) - {Verdict.NOT_COMPUTED}
        return bool(verdicts) and all(verdict.is_reproduced for verdict in verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready."""
        tolerance = next((each.tolerance for each in self.results.values()), None)
        return {
            "schema_version": REPORT_SCHEMA_VERSION,
            "title": self.title,
            "n_all": self.n_all,
            "n_run": len(self.asked),
            "seed": self.seed,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "versions": library_versions(),
            "tolerance": None if tolerance is None else {"intensity": tolerance.intensity, "energy": tolerance.energy},
            "verdicts": {verdict.value: n for verdict, n in self.verdicts.items()},
            "grounds": {
                ground.value: {verdict.value: n for verdict, n in row.items() if n}
                for ground, row in self.grounds.items()
            },
            "asked": list(self.asked),
            "results": [each.to_dict() for each in self.results.values()],
        }


def write_report(report: RerunReport, place: RerunPlace) -> Path:
    """Write `report.json` and `report.html` into the folder of a rerun; return the page.

    Raises:
        StoreError: A file cannot be written.
    """
    folder = Path(place.folder)
    content = report.to_dict()
    texts = {
        "report.json": json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.html": make_page(content, _overlays(report, place)),
    }
    for name, text in texts.items():
        with replaced(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / "report.html"


def _overlays(report: RerunReport, place: RerunPlace) -> dict[str, bytes]:
    """Return the curves that lie farthest apart over those on record, as PNG by title."""
    compared = [each for each in report.results.values() if each.comparison is not None and each.rerun_id]
    apart = [each for each in compared if each.verdict is not Verdict.IDENTICAL]
    worst = sorted(apart, key=_distance, reverse=True)[:_N_DRAWN]
    images = {}
    with open_store(place.recorded, must_exist=True) as store, open_store(place.settings.database) as reruns:
        for each in worst:
            then, again = store.get(each.id).spectrum, reruns.get(each.rerun_id).spectrum
            if then is not None and again is not None:
                images[f"{each.label}: {each.verdict}"] = draw_overlay(then, again, title=each.label)
    return images


def _distance(result: RerunResult) -> tuple[bool, float]:
    largest = None if result.comparison is None else result.comparison.largest
    return result.verdict is Verdict.DIFFERENT, float("inf") if largest is None else largest
