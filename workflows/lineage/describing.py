"""What nodes are called, and what the store, the models and the datasets of today say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from whiteline.provenance import Kind
from whiteline.provenance.graph import LineageGraph, Node
from whiteline.workflows.learning.names import MODEL_CODE

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumSummary
    from whiteline.workflows.lineage.cards import ModelLineage
    from whiteline.workflows.lineage.frozen import DatasetLineage
    from whiteline.workflows.lineage.stored import StoredLineage

__all__ = ["describe", "spectrum_label"]

_MEASURED = "experiment"


def describe(
    graph: LineageGraph, *, stored: StoredLineage | None, models: ModelLineage, datasets: DatasetLineage
) -> LineageGraph:
    """Return the graph with words for people, with what is not stored any more, and with marks of suspicion."""
    encoders = [replace(node, label=node.id) for node in _of_kind(graph, Kind.ENCODER)]
    told = graph.with_nodes([*encoders, *_spectra(graph, stored), *_models(graph, models)])
    found = [datasets.describe(node.id) for node in told.nodes.values() if node.kind is Kind.DATASET]
    # What the manifest says counts more than what others say of the dataset.
    told = told.with_nodes(node for each in found for node in each.nodes.values())
    if stored is not None:
        told = told.with_nodes(_crystals(told, stored))
        marks = stored.store.marks(list(told.nodes))
        told = told.with_nodes(replace(told.nodes[each], suspect=mark.reason) for each, mark in marks.items())
    return told


def spectrum_label(summary: SpectrumSummary) -> str:
    """Return what a stored spectrum is called, e.g. `CuO Cu K site 0, feff:standard, converged`."""
    place = {"material": "average", "measured": ""}.get(summary.kind, f"site {summary.site_index}")
    name = " ".join(each for each in (summary.formula, summary.absorber, summary.edge, place) if each)
    origin = "measured" if summary.code == _MEASURED else summary.fidelity
    if summary.code == MODEL_CODE:
        origin = f"predicted by {summary.fidelity.partition(':')[2]}"
    return ", ".join(each for each in (name, origin, summary.status) if each)


def _spectra(graph: LineageGraph, stored: StoredLineage | None) -> Iterator[Node]:
    for node in _of_kind(graph, Kind.SPECTRUM):
        if stored is None:
            yield replace(node, label="", problem="missing: no store is open, name it with --db")
        elif (summary := stored.summary(node.id)) is None:
            yield replace(node, label="", problem=f"missing: it is not in {stored.store.address}")
        else:
            facts = {"fidelity": summary.fidelity, "status": summary.status, "stored": summary.created_at}
            reason = {"reason": summary.reason} if summary.reason else {}
            yield replace(node, label=spectrum_label(summary), facts=facts | reason)


def _models(graph: LineageGraph, models: ModelLineage) -> Iterator[Node]:
    for node in _of_kind(graph, Kind.MODEL):
        if models.find(node.id) is None:
            was = next(iter(models.places.of(node.id)), "")
            problem = f"missing: in no folder known here{f'; it was {was}' if was else ''}"
            yield replace(node, label="", problem=problem)
        else:
            yield from (each for own in models.describe(node.id) for each in own.nodes.values())


def _crystals(graph: LineageGraph, stored: StoredLineage) -> Iterator[Node]:
    """Yield structures and sites under the names that spectra of them have."""
    summaries = _summaries(graph, stored)
    crystals = {each.structure_id: each for each in summaries}
    sites = {each.site_id: each for each in summaries}
    for node in graph.nodes.values():
        if node.kind is Kind.STRUCTURE and (crystal := crystals.get(node.id)) is not None:
            group = f", {crystal.space_group_symbol} ({crystal.space_group})" if crystal.space_group else ""
            yield replace(node, label=f"{crystal.formula}{group}")
        if node.kind is Kind.SITE and (site := sites.get(node.id)) is not None:
            yield replace(node, label=f"{site.absorber} {site.site_index} of {site.formula}")


def _summaries(graph: LineageGraph, stored: StoredLineage) -> list[SpectrumSummary]:
    ids: Mapping[str, None] = {node.id: None for node in _of_kind(graph, Kind.SPECTRUM)}
    # A crystal may be all there is of its spectrum within the depth that was asked for.
    crystals = {node.id for node in _of_kind(graph, Kind.STRUCTURE, Kind.SITE)}
    found = [summary for each in ids if (summary := stored.summary(each)) is not None]
    known = {each for summary in found for each in (summary.structure_id, summary.site_id)}
    return [*found, *stored.of_crystals(crystals - known)]


def _of_kind(graph: LineageGraph, *kinds: Kind) -> Iterable[Node]:
    return [node for node in graph.nodes.values() if node.kind in kinds]
