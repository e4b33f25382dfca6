"""Search by spectrum: which stored spectra are like this one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Bool

from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.search.categories import is_answered_by_categories
from whiteline.database.search.curves import curve_of_measured, curve_of_spectrum
from whiteline.database.search.files import explained
from whiteline.database.search.grid import QueryCurve, prepare_query
from whiteline.database.search.metrics import Metric
from whiteline.database.search.ranking import Ranked, rank
from whiteline.database.search.snapshot import Snapshot, open_snapshot
from whiteline.database.search.updating import OnProgress, Update, index_folder, quiet, update_index
from whiteline.database.store import SpectrumStore, SpectrumSummary
from whiteline.errors import CorruptStoreError, ParameterError, StoreError, did_you_mean
from whiteline.measured import MeasuredSpectrum
from whiteline.spectrum import Spectrum

__all__ = ["IndexStatus", "Match", "SearchIndex", "search"]

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

_FEW: Final = 5000  # matches of a query whose ids are fetched; of more, each candidate is asked for
_MOST_SHIFT, _MOST_WIDTH = 15.0, 10.0  # [eV]
_MOST_VARIANTS = 1000


@dataclass(frozen=True, kw_only=True)
class Match:
    """A stored spectrum that is like the one that was looked for.

    Attributes:
        id: Its id.
        score: By the metric of the search: 1, or for the earth mover's distance 0 eV, for the same shape.
        shift: Added to the energies of the stored spectrum it lies on the one looked for [eV]. Large where the two
            axes have different zeros.
        broadening: FWHM of the Gaussian put on the spectrum looked for [eV].
        summary: What the store says of it.
    """

    id: str
    score: float
    shift: float
    broadening: float
    summary: SpectrumSummary


@dataclass(frozen=True, kw_only=True)
class IndexStatus:
    """How the index of a store stands.

    Attributes:
        folder: Where it is.
        problem: Why it cannot be used; empty if it can.
        n_spectra: Number of spectra in it, and `n_without` of those left out because they have no edge.
        n_dead: Rows of spectra that were stored anew.
        n_segments: Parts of the index.
        n_behind: Spectra that were stored since.
        size_bytes: Size of all files.
    """

    folder: str
    problem: str = ""
    n_spectra: int = 0
    n_without: int = 0
    n_dead: int = 0
    n_segments: int = 0
    n_behind: int = 0
    size_bytes: int = 0


class SearchIndex:
    """The index of a store; searches with one object read its small files once.

    Args:
        store: The store.
        folder: Where the index is kept; beside the store, or in the user's cache, when None.
    """

    def __init__(self, store: SpectrumStore, *, folder: Path | None = None) -> None:
        self.store = store
        self.folder = index_folder(store) if folder is None else folder
        self._snapshot: Snapshot | None = None

    def update(self, *, on_progress: OnProgress = quiet) -> Update | None:
        """Take up what was stored since; return None if nothing was.

        Raises:
            StoreError: The store cannot be read, or the index not be written.
        """
        snapshot = self._snapshot
        if snapshot is not None and self.store.changes(snapshot.manifest.revision)[0] == []:
            return None
        update = update_index(self.store, self.folder, on_progress=on_progress)
        self._snapshot = update.snapshot
        return update if update.n_read or update.reason else None

    def status(self) -> IndexStatus:
        """Return how the index stands; what keeps it from being used is said, not raised.

        Raises:
            StoreError: The store cannot be read.
        """
        try:
            snapshot = self.snapshot()
        except StoreError as error:
            return IndexStatus(folder=str(self.folder), problem=str(error).partition(": ")[0])
        behind, _ = self.store.changes(snapshot.manifest.revision)
        return IndexStatus(
            folder=str(self.folder),
            n_spectra=snapshot.n_spectra,
            n_dead=len(snapshot.dead),
            n_segments=len(snapshot.segments),
            n_behind=len(behind),
            n_without=snapshot.manifest.n_without,
            size_bytes=sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()),
        )

    def snapshot(self) -> Snapshot:
        """Return the index as it was last brought up to date.

        Raises:
            StoreError: There is none yet, or it is damaged (`CorruptStoreError`) or of another store.
        """
        if self._snapshot is None:
            with explained(self.folder):
                self._snapshot = open_snapshot(self.folder)
        if self._snapshot is None:
            raise StoreError(f"there is no search index {self.folder} yet: search without --no-update to make it")
        if self._snapshot.manifest.store != self.store.address:
            raise CorruptStoreError(
                f"the search index {self.folder} belongs to {self._snapshot.manifest.store}, not to "
                f"{self.store.address}: search without --no-update to make it again"
            )
        return self._snapshot


def search(
    store: SpectrumStore,
    spectrum: Spectrum | MeasuredSpectrum,
    *,
    metric: Metric | str = Metric.COSINE,
    top: int = 20,
    max_shift: float = 3.0,
    broadenings: tuple[float, ...] = (0.0,),
    query: SpectrumQuery | None = None,
    exclude: Collection[str] = (),
    index: SearchIndex | None = None,
    is_updated: bool = True,
    on_progress: OnProgress = quiet,
) -> list[Match]:
    """Return the stored spectra that are most like one, the best first.

    Both are compared from 10 eV below to 35 eV above their edges, scaled alike; see `whiteline.database.search.grid`.

    Args:
        store: Where to look.
        spectrum: What to look for; of a measurement the line through its pre-edge is taken off.
        metric: `cosine`, `pearson`, `spearman` or `earth-mover`.
        top: At most so many.
        max_shift: Largest shift that is tried either way from coinciding edges, in steps of 0.25 eV [eV].
        broadenings: FWHM of the Gaussians tried on the spectrum, 0 for none [eV].
        query: Which stored spectra come into question; converged ones when None.
        exclude: Ids that do not.
        index: The index, where it is kept open; that of the store when None.
        is_updated: Whether to take up first what was stored since the last search.
        on_progress: Told how far the update is.

    Raises:
        InputError: The spectrum has no edge, or (`ParameterError`) a number or a name is out of range.
        StoreError: The store or the index cannot be used.
    """
    chosen = _check(metric, top=top, max_shift=max_shift, broadenings=broadenings)
    wanted = SpectrumQuery() if query is None else query
    if wanted.limit is not None or wanted.skip:
        raise ParameterError("a search takes its length from `top`: leave limit and skip out of the query")
    if isinstance(spectrum, MeasuredSpectrum):
        energy, intensity = curve_of_measured(spectrum)
    else:
        energy, intensity = curve_of_spectrum(spectrum)
    prepared = prepare_query(energy, intensity, max_shift=max_shift, broadenings=broadenings)
    index = SearchIndex(store) if index is None else index
    if is_updated:
        index.update(on_progress=on_progress)
    snapshot = index.snapshot()
    with explained(index.folder):
        mask = _mask(store, snapshot, wanted, exclude)
        found = _confirmed(store, snapshot, wanted, prepared, rank(snapshot, chosen, prepared.curves, mask))
        return list(islice(found, top))


def _check(metric: Metric | str, *, top: int, max_shift: float, broadenings: tuple[float, ...]) -> Metric:
    if metric not in list(Metric):
        raise ParameterError(f"unknown metric {metric!r}: {did_you_mean(str(metric), [m.value for m in Metric])}")
    if top < 1:
        raise ParameterError(f"top must be 1 or more, got {top}")
    if not 0 <= max_shift <= _MOST_SHIFT:
        raise ParameterError(f"max_shift must be from 0 to {_MOST_SHIFT:g} eV, got {max_shift}")
    if not broadenings or not all(0 <= width <= _MOST_WIDTH for width in broadenings):
        raise ParameterError(
            f"broadenings must be one or more widths from 0 to {_MOST_WIDTH:g} eV, got "
            f"{', '.join(f'{width:g}' for width in broadenings) or 'none'}"
        )
    n_variants = len(broadenings) * (8 * max_shift + 1)
    if n_variants > _MOST_VARIANTS:
        raise ParameterError(
            f"{n_variants:.0f} combinations of shift and broadening are too many, at most {_MOST_VARIANTS}: give "
            "fewer broadenings or a smaller max_shift"
        )
    return Metric(metric)


def _mask(
    store: SpectrumStore, snapshot: Snapshot, query: SpectrumQuery, exclude: Collection[str]
) -> Bool[Mask, " row"]:
    mask = snapshot.mask(query)
    # What is rare is found sooner by asking for it than by looking through the most alike.
    if not is_answered_by_categories(query) and store.count(query) <= _FEW:
        rows = snapshot.find([summary.id for summary in store.summaries(query)])
        is_found = np.zeros(len(mask), dtype=bool)
        is_found[rows] = True
        mask &= is_found
    # What was stored anew since, and is not in the index yet, may have another shape now.
    replaced, _ = store.changes(snapshot.manifest.revision)
    mask[snapshot.find([*exclude, *replaced])] = False
    return mask


def _confirmed(
    store: SpectrumStore,
    snapshot: Snapshot,
    query: SpectrumQuery,
    prepared: QueryCurve,
    ranking: Iterator[Ranked],
) -> Iterator[Match]:
    """Yield those that the store still holds, and that fulfil the whole query."""
    for row, score, variant in ranking:
        rows = np.array([row])
        (spectrum_id,) = snapshot.ids(rows)
        # Found by its id alone: an index of the store on another field would be scanned for each of them.
        by_id = SpectrumQuery(id_prefix=spectrum_id, status=ANY_STATUS, parameters=query.parameters, sort="id", limit=1)
        summary = next(store.summaries(by_id), None)
        if summary is None or summary.id != spectrum_id or not _fits(summary, query):
            continue
        yield Match(
            id=spectrum_id,
            score=score,
            shift=float(prepared.origin + prepared.shifts[variant] - snapshot.origins(rows)[0]),
            broadening=float(prepared.broadenings[variant]),
            summary=summary,
        )


def _fits(summary: SpectrumSummary, query: SpectrumQuery) -> bool:
    """Return whether a summary fulfils what neither the categories of the index nor the parameters say."""
    return (
        query.site_id in (None, summary.site_id)
        and query.structure_id in (None, summary.structure_id)
        # Times are ISO 8601 text in UTC, which sorts.
        and (query.created_after is None or str(query.created_after) <= summary.created_at)
        and (query.created_before is None or summary.created_at < str(query.created_before))
    )
