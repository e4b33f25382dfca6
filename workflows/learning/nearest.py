"""The stored calculation that a prediction is best set beside: of the same crystal, else of one like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whiteline.database.documents import DocumentKind
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.search import SearchIndex, search
from whiteline.errors import InputError, StoreError
from whiteline.status import Status
from whiteline.workflows.learning.names import MODEL_CODE

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.store import SpectrumStore, SpectrumSummary
    from whiteline.workflows.learning.prediction import MaterialPrediction

__all__ = ["NearestCalculation", "find_nearest"]

_MOST: Final = 200
# To take up more spectra into the index, seconds of work, is not a prediction's business: `whiteline search` does.
_MOST_INDEXED: Final = 2000
_WITH_SPECTRUM: Final = (Status.CONVERGED, Status.UNCONVERGED)


@dataclass(frozen=True, eq=False)
class NearestCalculation:
    """A stored spectrum beside a prediction.

    Attributes:
        document: The spectrum.
        relation: `same crystal`, `same formula`, or `most similar spectrum`.
    """

    document: SpectrumDocument
    relation: str


def find_nearest(store: SpectrumStore, prediction: MaterialPrediction) -> NearestCalculation | None:
    """Return a calculation of the same absorber and edge to compare with, None where the store has none.

    The same crystal comes first, then the same formula; then what the search index finds to be most like the predicted
    spectrum. The index of a small store is made or brought up to date, that of a large one is taken as it is. What a
    model predicted is no calculation.
    """
    absorber = prediction.sites[0].absorber
    base = SpectrumQuery(
        absorber=absorber.element,
        edge=absorber.edge.value,
        kind=DocumentKind.MATERIAL,
        status=_WITH_SPECTRUM,
        limit=_MOST,
        sort="-created_at",
    )
    formula = absorber.structure.composition.element_composition.reduced_formula
    for query, relation in (
        (base.replace(structure_id=absorber.fingerprint.crystal_id), "same crystal"),
        (base.replace(formula=formula), "same formula"),
    ):
        found = [summary for summary in store.summaries(query) if summary.code != MODEL_CODE]
        if found:
            chosen = min(found, key=lambda summary: _rank(summary, prediction.fidelity))
            return NearestCalculation(store.get(chosen.id), relation)
    found_id = _most_similar(store, prediction, base)
    return None if found_id is None else NearestCalculation(store.get(found_id), "most similar spectrum")


def _rank(summary: SpectrumSummary, fidelity: str) -> tuple[bool, bool]:
    """Return what is best first: the fidelity that is predicted, and converged."""
    return summary.fidelity != fidelity, summary.status != Status.CONVERGED


def _most_similar(store: SpectrumStore, prediction: MaterialPrediction, base: SpectrumQuery) -> str | None:
    index = SearchIndex(store)
    status = index.status()
    n_behind = store.status().n_spectra if status.problem else status.n_behind
    if status.problem and n_behind > _MOST_INDEXED:
        return None
    wanted = base.replace(limit=None, sort="created_at", status=ANY_STATUS)
    is_updated = n_behind <= _MOST_INDEXED
    try:
        matches = search(store, prediction.spectrum, query=wanted, top=20, index=index, is_updated=is_updated)
    except (InputError, StoreError):
        return None  # a spectrum without an edge is like nothing, and a figure goes without an index
    return next((match.id for match in matches if match.summary.code != MODEL_CODE), None)
