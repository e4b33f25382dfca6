"""The curve of a document or a measurement that is searched by: without pre-edge background, proportional to mu."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.search.grid import GRID, put_on_grid
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError
from whiteline.measured import MeasuredSpectrum, Signal
from whiteline.measured_window import measured_edge
from whiteline.normalisation import edge_step
from whiteline.spectrum import Quantity, Spectrum

__all__ = [
    "CurveGroup",
    "curve_of_measured",
    "curve_of_spectrum",
    "document_curve",
    "group_curves",
    "query_of_document",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Single: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

_GROUP = 500
# Where the background of a long scan is taken from [eV from the edge]; of a shorter one it is the lowest two thirds.
_PRE_EDGE: Final = (-150.0, -30.0)


@dataclass(frozen=True, eq=False)
class CurveGroup:
    """Documents with their curves on the grid.

    Attributes:
        documents: Those that have an edge.
        curves: Shape (n_document, n_grid), rounded as they are stored.
        origins: Energy of the origin of each, shape (n_document,) [eV].
        n_without: Documents that had no edge.
    """

    documents: list[SpectrumDocument]
    curves: Float[Single, "document grid"]
    origins: Float[Array, " document"]
    n_without: int


def curve_of_spectrum(spectrum: Spectrum) -> tuple[Float[Array, " energy"], Float[Array, " energy"]]:
    """Return axis and intensity of a computed spectrum, shape (n_energy,) each; Im epsilon becomes absorption."""
    intensity = spectrum.intensity
    if spectrum.quantity is Quantity.IM_EPSILON and spectrum.reference_energy is not None:
        intensity = intensity * spectrum.photon_energy / spectrum.photon_energy[0]
    return spectrum.energy, intensity


def curve_of_measured(measured: MeasuredSpectrum) -> tuple[Float[Array, " energy"], Float[Array, " energy"]]:
    """Return axis and absorption of a measurement without the line through its pre-edge, shape (n_energy,) each.

    Raises:
        InputError: There is no edge, or not where the tables have it.
    """
    if measured.signal is Signal.NORMALISED:
        return measured.energy, measured.mu
    near = edge_energy(measured.element, measured.edge) if measured.element and measured.edge else None
    e0 = measured_edge(measured, near=near)
    is_long = measured.energy[0] <= e0 + 2 * _PRE_EDGE[1]
    try:
        _, line = edge_step(
            measured.energy,
            measured.mu[np.newaxis, :],
            np.ones(1),
            e0=e0,
            pre_edge=_PRE_EDGE if is_long else None,
            post_edge=None,
            post_order=1,
        )
    except InputError:
        # A scan that begins at its edge has no line; its lowest point is all that is known of the background.
        return measured.energy, measured.mu - measured.mu.min()
    return measured.energy, measured.mu - line[0]


def document_curve(document: SpectrumDocument) -> tuple[Float[Array, " energy"], Float[Array, " energy"]] | None:
    """Return the curve of a stored document; None if it failed or its measurement has no edge."""
    if document.spectrum is None:
        return None
    if document.kind is not DocumentKind.MEASURED:
        return curve_of_spectrum(document.spectrum)
    try:
        return curve_of_measured(_as_measured(document, document.spectrum))
    except InputError:
        return None


def query_of_document(document: SpectrumDocument) -> Spectrum | MeasuredSpectrum:
    """Return what a stored document is searched by.

    Raises:
        InputError: The calculation failed: there is no spectrum.
    """
    if document.spectrum is None:
        raise InputError(f"{document.id[:10]} ({document.status}) has no spectrum to search by: {document.reason}")
    if document.kind is not DocumentKind.MEASURED:
        return document.spectrum
    return _as_measured(document, document.spectrum)


def _as_measured(document: SpectrumDocument, spectrum: Spectrum) -> MeasuredSpectrum:
    return MeasuredSpectrum(
        spectrum.energy,
        spectrum.intensity,
        signal=Signal.ABSORPTION,
        derivation="as stored",
        element=document.absorber or None,
        edge=Edge(document.edge),
        source=f"document {document.id}",
    )


def group_curves(documents: Iterable[SpectrumDocument]) -> Iterator[CurveGroup]:
    """Yield documents in groups of 500 with their curves; those that share an axis are put on the grid together."""
    stream = iter(documents)
    while group := list(islice(stream, _GROUP)):
        yield _put_group(group)


def _put_group(group: list[SpectrumDocument]) -> CurveGroup:
    axes: dict[bytes, list[int]] = {}
    found: list[tuple[Array, Array]] = []
    for i, document in enumerate(group):
        curve = document_curve(document)
        found.append(curve or (np.zeros(0), np.zeros(0)))
        if curve is not None:
            axes.setdefault(curve[0].tobytes(), []).append(i)
    curves, origins = np.zeros((len(group), len(GRID)), dtype=np.float32), np.zeros(len(group))
    is_valid = np.zeros(len(group), dtype=bool)
    for members in axes.values():
        put = put_on_grid(found[members[0]][0], np.stack([found[i][1] for i in members]))
        curves[members], origins[members], is_valid[members] = put.curves, put.origins, put.is_valid
    return CurveGroup(
        documents=[document for document, valid in zip(group, is_valid, strict=True) if valid],
        curves=curves[is_valid],
        origins=origins[is_valid],
        n_without=int(np.count_nonzero(~is_valid)),
    )
