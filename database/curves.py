"""Many stored spectra in blocks of arrays, with what is said of each: what an index is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from whiteline.database.rows import damaged_spectrum

__all__ = ["CURVE_COLUMNS", "N_BLOCK", "AxisCurves", "CurveBlock", "StoredCurve", "assemble_block"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Fields of a document that a block gives for each spectrum.
CURVE_COLUMNS: Final = (
    "id",
    "kind",
    "status",
    "absorber",
    "edge",
    "code",
    "fidelity",
    "formula",
    "chemical_system",
    "space_group",
)
N_BLOCK: Final = 2048  # spectra at most


class StoredCurve(NamedTuple):
    """One spectrum as a store keeps it.

    Attributes:
        columns: Values of `CURVE_COLUMNS`.
        quantity: What the intensity is proportional to.
        reference_energy: Photon energy at the zero of the axis [eV]; unknown when None.
        grid: Key of its axis.
        weights: Of its components, little-endian float64; None for a single one of weight one.
        components: Row after row, little-endian float64.
    """

    columns: Sequence[Any]
    quantity: str
    reference_energy: float | None
    grid: Any
    weights: bytes | None
    components: bytes


@dataclass(frozen=True, eq=False)
class AxisCurves:
    """Spectra of a block that share an axis.

    Attributes:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        places: Which spectra of the block they are, shape (n_spectrum,).
        intensity: Raw powder average, shape (n_spectrum, n_energy).
    """

    energy: Float[Array, " energy"]
    places: Int[Indices, " spectrum"]
    intensity: Float[Array, "spectrum energy"]


@dataclass(frozen=True, eq=False)
class CurveBlock:
    """Some spectra of a store.

    Attributes:
        columns: For each field of `CURVE_COLUMNS` the values of all, as they are stored.
        quantities: What each intensity is proportional to.
        reference_energies: Photon energy at the zero of each axis, shape (n_spectrum,) [eV]; nan where unknown.
        parts: The arrays by axis; each spectrum stands in one of them.
    """

    columns: Mapping[str, tuple[Any, ...]]
    quantities: tuple[str, ...]
    reference_energies: Float[Array, " spectrum"]
    parts: tuple[AxisCurves, ...]

    def __len__(self) -> int:
        return len(self.quantities)


def assemble_block(stored: Sequence[StoredCurve], axes: Mapping[Any, bytes], *, address: str) -> CurveBlock:
    """Return stored spectra as one block.

    Args:
        stored: The spectra.
        axes: Their axes by key, little-endian float64 [eV].
        address: Of the store, for messages.

    Raises:
        CorruptStoreError: The arrays of a spectrum do not fit its axis, or it has none.
    """
    members: dict[tuple[Any, bytes | None], list[int]] = {}
    for i, one in enumerate(stored):
        members.setdefault((one.grid, one.weights), []).append(i)
    energies = {grid: np.frombuffer(axes[grid], dtype="<f8") for grid, _ in members if grid in axes}
    parts = []
    for (grid, weights), places in members.items():
        energy = energies.get(grid)
        n_bytes = 0 if energy is None else len(weights or bytes(8)) * len(energy)
        for place in places:
            if energy is None or len(stored[place].components) != n_bytes:
                cause = ValueError("the arrays of the spectrum do not fit its axis")
                raise damaged_spectrum(stored[place].columns[0], address, cause) from cause
        if energy is not None:
            intensity = _powders((stored[place].components for place in places), weights, len(energy))
            parts.append(AxisCurves(energy, np.array(places), intensity))
    columns = zip(*(one.columns for one in stored), strict=True) if stored else ((),) * len(CURVE_COLUMNS)
    references = [np.nan if one.reference_energy is None else one.reference_energy for one in stored]
    return CurveBlock(
        columns=dict(zip(CURVE_COLUMNS, columns, strict=True)),
        quantities=tuple(one.quantity for one in stored),
        reference_energies=np.array(references, dtype=float),
        parts=tuple(parts),
    )


def _powders(components: Iterable[bytes], weights: bytes | None, n_energy: int) -> Float[Array, "spectrum energy"]:
    rows = np.frombuffer(b"".join(components), dtype="<f8")
    if weights is None:
        return rows.reshape(-1, n_energy)
    shares = np.frombuffer(weights, dtype="<f8")
    powders: Array = shares @ rows.reshape(-1, len(shares), n_energy)
    return powders
