"""What is made of other spectra: the average of sites and the converged spectrum, from the reruns of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whiteline.absorber import find_absorbers
from whiteline.database import open_store
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.workflows.engines import restore_calculator
from whiteline.workflows.jobs import average_sites
from whiteline.workflows.rerun.place import RerunPlace
from whiteline.workflows.rerun.reasons import find_differences
from whiteline.workflows.rerun.recreating import Making, Recorded, recreate_structure, weights_of
from whiteline.workflows.rerun.results import Difference, RerunResult, Verdict, in_order
from whiteline.workflows.rerun.running import REASONS, judge, plain

__all__ = ["put_together"]

_WORST = (Verdict.IDENTICAL, Verdict.EQUAL, Verdict.DIFFERENT, Verdict.NOT_COMPUTED, Verdict.COULD_NOT_RUN)


def put_together(
    place: RerunPlace, recorded: Recorded, parts: Sequence[RerunResult], store: SpectrumStore
) -> RerunResult:
    """Make an average or a converged spectrum of what was run again, and compare it with the one on record.

    Args:
        place: Where it was run.
        recorded: What is on record.
        parts: Results of its parts: the sites, or the point that stands for a series and its other points.
        store: Where the record is.
    """
    make = _average if recorded.making is Making.AVERAGE else _converged
    try:
        result = make(place, recorded, parts, store)
    except REASONS as error:
        result = RerunResult(**recorded.common, verdict=Verdict.COULD_NOT_RUN, reason=str(error))
    return replace(
        result,
        parts={each.id: each.verdict for each in parts},
        seconds=result.seconds + sum(each.seconds for each in parts),
        seconds_recorded=result.seconds_recorded + sum(each.seconds_recorded for each in parts),
        tolerance=place.tolerance,
    )


def _average(place: RerunPlace, recorded: Recorded, parts: Sequence[RerunResult], store: SpectrumStore) -> RerunResult:
    document, record = recorded.document, recorded.record
    if lacking := _lacking(recorded, parts):
        return lacking
    sites = {each.id: store.get(each.id) for each in parts}
    weights = weights_of(document, record, {each: site.multiplicity for each, site in sites.items()})
    absorbers = find_absorbers(recreate_structure(document), document.absorber, Edge(document.edge))
    rows = [
        {
            "id": each.rerun_id,
            "multiplicity": weights[each.id],
            "site_index": sites[each.id].site_index,
            "is_from_store": False,
        }
        for each in parts
    ]
    # Only the name of its code is asked of the calculator.
    calculator = restore_calculator(document.code, {}, place.settings)
    summary = plain(average_sites)(absorbers[0], calculator, place.workspace, rows, document.source, document.fidelity)
    with open_store(place.settings.database) as reruns:
        now, made = reruns.get(summary["id"]), reruns.records(summary["id"])[-1]
    verdict, comparison, reason = judge(document, now, place.tolerance)
    own = find_differences(record, made) if record is not None else ()
    return RerunResult(
        **recorded.common,
        verdict=verdict,
        reason=reason,
        comparison=comparison,
        differences=in_order([*_of_parts(parts), *own]),
        notes=recorded.notes,
        rerun_id=now.id,
        seconds=made.wall_time,
    )


def _converged(
    place: RerunPlace,
    recorded: Recorded,
    parts: Sequence[RerunResult],
    store: SpectrumStore,  # noqa: ARG001  # an average needs it
) -> RerunResult:
    """Hold the point that stands for a series against the converged spectrum; of a whole series the worst point counts.

    Raises:
        ParseError: No point stands for it.
    """
    document = recorded.document
    if not document.parents:
        raise ParseError(f"no point of the series {document.id[:12]} has a spectrum: {document.reason}")
    best, *others = parts
    if lacking := _lacking(recorded, [best]):
        return lacking
    with open_store(place.settings.database) as reruns:
        now = reruns.get(best.rerun_id)
    verdict, comparison, reason = judge(document, now, place.tolerance)
    worst = max((verdict, *(each.verdict for each in others)), key=_WORST.index)
    if others and worst is not verdict:
        bad = [each.label for each in others if each.verdict is worst]
        reason = f"{len(bad)} of {len(parts)} points of the series: {worst} ({', '.join(bad)})"
    return RerunResult(
        **recorded.common,
        verdict=worst,
        reason=reason,
        comparison=comparison,
        differences=_of_parts(parts),
        notes=(*recorded.notes, f"point {best.id[:12]} stands for the series; {len(parts)} point(s) ran again"),
        rerun_id=now.id,
    )


def _lacking(recorded: Recorded, parts: Sequence[RerunResult]) -> RerunResult | None:
    """Return what there is to say where parts did not run; None where all did."""
    lacking = [each for each in parts if not each.verdict.is_compared]
    if not lacking:
        return None
    return RerunResult(
        **recorded.common,
        verdict=max((each.verdict for each in lacking), key=_WORST.index),
        reason="; ".join(f"{each.label or each.id[:12]}: {each.reason}" for each in lacking),
        differences=_of_parts(lacking),
        notes=recorded.notes,
    )


def _of_parts(parts: Sequence[RerunResult]) -> tuple[Difference, ...]:
    """Return what differs in any part; what differs in several is told once."""
    return in_order(difference for each in parts for difference in each.differences)
