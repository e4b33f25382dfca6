"""The curve of a document or a measurement that is searched by: without pre-edge background, proportional to mu."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from whiteline.database.curves import AxisCurves, CurveBlock
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.search.grid import put_all_on_grid
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError
from whiteline.measured import MeasuredSpectrum, Signal
from whiteline.measured_window import measured_edge
from whiteline.normalisation import edge_step
from whiteline.spectrum import Quantity, Spectrum

__all__ = [
    "PreparedBlock",
    "curve_of_measured",
    "curve_of_spectrum",
    "document_curve",
    "prepare_block",
    "query_of_document",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Single: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

# Where the background of a long scan is taken from [eV from the edge]; of a shorter one it is the lowest two thirds.
_PRE_EDGE: Final = (-150.0, -30.0)


@dataclass(frozen=True, eq=False)
class PreparedBlock:
    """Those spectra of a block that have an edge.

    Attributes:
        places: Which of the block they are, shape (n_spectrum,), growing.
        curves: On the grid, shape (n_spectrum, n_grid), rounded as they are stored.
        origins: Energy of the origin of each, shape (n_spectrum,) [eV].
    """

    places: Int[Indices, " spectrum"]
    curves: Float[Single, "spectrum grid"]
    origins: Float[Array, " spectrum"]


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
    return _measured_curve(
        document.spectrum.energy,
        document.spectrum.intensity,
        absorber=document.absorber,
        edge=document.edge,
        spectrum_id=document.id,
    )


def query_of_document(document: SpectrumDocument) -> Spectrum | MeasuredSpectrum:
    """Return what a stored document is searched by.

    Raises:
        InputError: The calculation failed: there is no spectrum.
    """
    if document.spectrum is None:
        raise InputError(f"{document.id[:10]} ({document.status}) has no spectrum to search by: {document.reason}")
    if document.kind is not DocumentKind.MEASURED:
        return document.spectrum
    return _as_measured(
        document.spectrum.energy,
        document.spectrum.intensity,
        absorber=document.absorber,
        edge=document.edge,
        spectrum_id=document.id,
    )


def _measured_curve(
    energy: Float[Array, " energy"], intensity: Float[Array, " energy"], *, absorber: str, edge: str, spectrum_id: str
) -> tuple[Float[Array, " energy"], Float[Array, " energy"]] | None:
    """Return the curve of a stored measurement; None if it has no edge."""
    try:
        return curve_of_measured(_as_measured(energy, intensity, absorber=absorber, edge=edge, spectrum_id=spectrum_id))
    except InputError:
        return None


def _as_measured(
    energy: Float[Array, " energy"], intensity: Float[Array, " energy"], *, absorber: str, edge: str, spectrum_id: str
) -> MeasuredSpectrum:
    return MeasuredSpectrum(
        energy,
        intensity,
        signal=Signal.ABSORPTION,
        derivation="as stored",
        element=absorber or None,
        edge=Edge(edge),
        source=f"document {spectrum_id}",
    )


def prepare_block(block: CurveBlock) -> PreparedBlock:
    """Return the spectra of a block on the grid."""
    parts = list(chain.from_iterable(_prepare_part(block, part) for part in block.parts))
    places = np.concatenate([np.zeros(0, dtype=np.int64), *(places for places, _, _ in parts)])
    put = put_all_on_grid([(energy, rows) for _, energy, rows in parts])
    valid = np.flatnonzero(put.is_valid)
    # In the order of the block, whatever the axes.
    valid = valid[np.argsort(places[valid])]
    return PreparedBlock(places[valid], put.curves[valid].astype(np.float32), put.origins[valid])


def _prepare_part(
    block: CurveBlock, part: AxisCurves
) -> Iterator[tuple[Int[Indices, " spectrum"], Float[Array, " energy"], Float[Array, "spectrum energy"]]]:
    """Yield places, axis and rows: computed spectra together, measurements one by one and without background."""
    is_measured = np.array([block.columns["kind"][i] == DocumentKind.MEASURED for i in part.places])
    yield _computed(block, part, ~is_measured)
    for i in np.flatnonzero(is_measured):
        place = part.places[i]
        measured = _measured_curve(
            part.energy,
            part.intensity[i],
            absorber=block.columns["absorber"][place],
            edge=block.columns["edge"][place],
            spectrum_id=block.columns["id"][place],
        )
        if measured is not None:
            yield np.array([place]), measured[0], measured[1][np.newaxis, :]


def _computed(
    block: CurveBlock, part: AxisCurves, keep: Bool[Mask, " spectrum"]
) -> tuple[Int[Indices, " spectrum"], Float[Array, " energy"], Float[Array, "spectrum energy"]]:
    """Return those of a part that are kept, as `curve_of_spectrum` does."""
    places = part.places[keep]
    rows = part.intensity if keep.all() else part.intensity[keep]
    references = block.reference_energies[places]
    is_epsilon = np.array([block.quantities[i] == Quantity.IM_EPSILON for i in places], dtype=bool)
    is_epsilon &= ~np.isnan(references)
    if is_epsilon.any():
        photon_energy = part.energy + references[is_epsilon, np.newaxis]
        rows = rows.copy()
        rows[is_epsilon] *= photon_energy / photon_energy[:, :1]
    return places, part.energy, rows
