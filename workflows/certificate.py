"""What is stored of a convergence series: the spectrum that stands for it, and its certificate, a provenance record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator, Outcome
from whiteline.convergence import Climb, Comparison, Measurement, Plan, Point, Series, Verdict
from whiteline.database.documents import SpectrumDocument
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now
from whiteline.status import Check, Status
from whiteline.workflows.jobs import site_document

__all__ = ["ACTIVITY", "certificate_document", "certificate_record", "comparison_words"]

# Name of the provenance record that is the certificate.
ACTIVITY = "convergence"
_TOLERANCES = ("spearman", "area", "shift", "window")


def certificate_document(
    identity: str,
    absorber: Absorber,
    calculator: Calculator,
    series: Series,
    plan: Plan,
    best: SpectrumDocument | None,
    *,
    source: str,
    fidelity: str,
) -> SpectrumDocument:
    """Return the document of a converged spectrum, or of the best there is, or of why there is none."""
    checks = (
        *(Check(f"converged {climb.knob}", climb.has_arrived, _climb_words(series, climb)) for climb in plan.climbs),
        *(Check(_confirmation_words(series, plan, c), c.is_within, comparison_words(c)) for c in plan.confirmations),
    )
    is_good = plan.verdict is Verdict.CONVERGED and best is not None and best.status is Status.CONVERGED
    reason = "" if is_good else _reason(series, plan, best)
    outcome = Outcome(
        status=Status.FAILED if best is None else Status.CONVERGED if is_good else Status.UNCONVERGED,
        spectrum=None if best is None else best.spectrum,
        reason=reason,
        checks=checks,
        code_version="" if best is None else best.code_version,
    )
    document = site_document(
        identity,
        absorber,
        outcome,
        code=calculator.code,
        parameters=calculator.identity(absorber),
        source=source,
        fidelity=fidelity,
    )
    return replace(document, parents=() if best is None else (best.id,))


def _confirmation_words(series: Series, plan: Plan, step: Comparison) -> str:
    """Return what a final point was held against; where it was given up afterwards, both."""
    if plan.best not in (step.lower, step.upper):
        return f"tried {series.describe(step.lower)} against {series.describe(step.upper)}"
    return f"confirmed {series.describe(step.lower if step.upper == plan.best else step.upper)}"


def _reason(series: Series, plan: Plan, best: SpectrumDocument | None) -> str:
    if plan.best is None or best is None:
        return plan.reason or "no point succeeded"
    parts = [f"best so far {series.describe(plan.best)}"]
    parts += [plan.reason] if plan.reason else []
    parts += [f"that calculation is {best.status}: {best.reason}"] if best.reason else []
    return "; ".join(parts)


def _climb_words(series: Series, climb: Climb) -> str:
    knob = next(knob for knob in series.knobs if knob.name == climb.knob)
    where = "still climbing" if climb.rung is None else knob.describe(climb.rung)
    if climb.ends is not None:
        i = series.knobs.index(knob)
        ends = (climb.ends.lower[i], climb.ends.upper[i])
        lower, upper = (knob.describe(rung).removeprefix(knob.name).strip() for rung in ends)
        return f"{where}; {lower} to {upper}: {comparison_words(climb.ends)}"
    last = climb.comparisons[-1] if climb.comparisons else None
    return where if last is None else f"{where}; last step: {comparison_words(last)}"


def comparison_words(comparison: Comparison) -> str:
    """Return a comparison in words."""
    if comparison.similarity is None:
        return comparison.reason
    s = comparison.similarity
    return f"1 - Spearman {1 - s.spearman:.1e}, area {s.area_difference:.1e}, shift {s.shift:+.2f} eV"


def certificate_record(
    document: SpectrumDocument,
    series: Series,
    plan: Plan,
    documents: Mapping[Point, SpectrumDocument],
    measured: Mapping[Point, Measurement],
    origin: Mapping[str, str] = MappingProxyType({}),
) -> ProvenanceRecord:
    """Return the certificate: every rung with its parameters, time and spectrum, and every comparison.

    Args:
        document: The converged spectrum.
        series: What was asked for.
        plan: What came of it.
        documents: Spectra of the rungs.
        measured: How they compare, and what they took.
        origin: Checksum of the file of the structure by its name, where there is one.
    """
    points = [
        {
            "rungs": list(point),
            "values": series.values(point),
            "words": series.describe(point),
            "id": documents[point].id,
            "status": documents[point].status.value,
            "reason": measurement.reason,
            "seconds": round(measurement.seconds, 3),
        }
        for point, measurement in measured.items()
    ]
    return ProvenanceRecord(
        activity=ACTIVITY,
        used={
            Kind.SOURCE: origin,
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.SPECTRUM: {str(point["words"]): str(point["id"]) for point in points},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code="whiteline",
        code_version=library_versions()["whiteline"],
        parameters={
            "knobs": [
                {
                    "name": knob.name,
                    "rungs": list(knob.rungs),
                    "words": [knob.describe(rung).removeprefix(knob.name).strip() for rung in range(len(knob.rungs))],
                }
                for knob in series.knobs
            ],
            "tolerance": {name: getattr(series.tolerance, name) for name in _TOLERANCES},
            "budget": series.budget,
            "start": list(series.start),
            "rest": list(series.rest),
            "points": points,
            "climbs": [
                {
                    "knob": climb.knob,
                    "rung": climb.rung,
                    "has_arrived": climb.has_arrived,
                    "comparisons": [_comparison_dict(c) for c in climb.comparisons],
                    "ends": None if climb.ends is None else _comparison_dict(climb.ends),
                }
                for climb in plan.climbs
            ],
            "confirmations": [_comparison_dict(c) for c in plan.confirmations],
            "verdict": plan.verdict.value,
            "best": None if plan.best is None else list(plan.best),
            "reason": plan.reason,
        },
        started_at=utc_now(),
        ended_at=utc_now(),
        libraries=library_versions("xraydb"),  # widths of core holes, by which rungs are broadened
        timings={"rungs": round(sum(m.seconds for m in measured.values()), 3)},
    )


def _comparison_dict(comparison: Comparison) -> dict[str, Any]:
    return {
        "lower": list(comparison.lower),
        "upper": list(comparison.upper),
        "similarity": None if comparison.similarity is None else comparison.similarity.to_dict(),
        "is_within": comparison.is_within,
        "reason": comparison.reason,
    }
