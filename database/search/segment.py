"""A part of an index: what is known of some of its spectra, one row a spectrum, in files that never change."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from whiteline.database.search.categories import FIELDS
from whiteline.database.search.files import ArrayWriter, checksum, open_array, write_array
from whiteline.database.search.grid import GRID
from whiteline.database.search.metrics import Metric, vectors
from whiteline.database.search.reduction import N_REDUCED, Basis, fit_basis
from whiteline.errors import CorruptStoreError

__all__ = ["Rows", "Segment", "SegmentEntry", "write_segment"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Single: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Ids: TypeAlias = np.ndarray[Any, np.dtype[np.bytes_]]

_N_FITTED: Final = 16_384  # rows at most that the components are fitted to, spread evenly
_BLOCK: Final = 4096


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of an index.

    Attributes:
        ids: Shape (n_row,), ASCII.
        codes: Numbers of the fields, shape (n_field, n_row).
        origins: Energy of the origin on the axis of each spectrum, shape (n_row,) [eV].
        curves: Shape (n_row, n_grid).
    """

    ids: Ids
    codes: Int[Codes, "field row"]
    origins: Float[Array, " row"]
    curves: Float[Single, "row grid"]


@dataclass(frozen=True)
class SegmentEntry:
    """How the manifest names a segment: its folder, its number of rows, and a checksum of each file."""

    name: str
    n_rows: int
    checksums: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Segment:
    """The rows of a segment, mapped from its files.

    Attributes:
        rows: What is known of each.
        order: Places of the rows by growing id, shape (n_row,).
        reduced: Rows of `Basis.rows` for each metric.
    """

    rows: Rows
    order: Int[Indices, " row"]
    reduced: Mapping[Metric, Float[Single, "row reduced"]]

    def __len__(self) -> int:
        return len(self.rows.ids)

    @classmethod
    def open(cls, folder: Path, entry: SegmentEntry) -> Segment:
        """Return the segment in a folder.

        Raises:
            CorruptStoreError: A file is missing, damaged, or not what the manifest says.
        """
        for name, expected in entry.checksums.items():
            path = folder / name
            if not path.is_file() or checksum(path) != expected:
                raise CorruptStoreError(f"{path} is damaged or was removed: delete its index to have it made again")
        n = entry.n_rows
        shapes = {"ids": (n,), "codes": (len(FIELDS), n), "origins": (n,), "curves": (n, len(GRID))}
        found = {name: _open(folder / f"{name}.npy", shape) for name, shape in shapes.items()}
        reduced = {metric: _open(folder / f"{metric.value}.npy", (n, N_REDUCED)) for metric in Metric}
        return cls(Rows(**found), _open(folder / "order.npy", (n,)), reduced)

    def find(self, ids: Ids) -> Int[Indices, " id"]:
        """Return the row of each id, -1 where it has none, by halving: shape (n_id,)."""
        if len(self) == 0:
            return np.full(len(ids), -1, dtype=np.int64)
        low, high = np.zeros(len(ids), dtype=np.int64), np.full(len(ids), len(self) - 1, dtype=np.int64)
        while np.any(low < high):
            middle = (low + high) // 2
            is_below = self.rows.ids[self.order[middle]] < ids
            low, high = np.where(is_below, np.minimum(middle + 1, high), low), np.where(is_below, high, middle)
        rows = self.order[low]
        return np.where(self.rows.ids[rows] == ids, rows, -1)

    def blocks(self) -> Iterator[Rows]:
        """Yield the rows in blocks that memory holds."""
        for start in range(0, len(self), _BLOCK):
            part = slice(start, start + _BLOCK)
            rows = self.rows
            yield Rows(rows.ids[part], rows.codes[:, part], rows.origins[part], rows.curves[part])


def _open(path: Path, shape: tuple[int, ...]) -> Any:
    array = open_array(path)
    if array.shape != shape:
        raise CorruptStoreError(f"{path} has shape {array.shape}, expected {shape}: delete its index to have it made")
    return array


def write_segment(
    folder: Path,
    blocks: Iterable[Rows],
    *,
    bases: Mapping[Metric, Basis] | None,
    on_reduced: Callable[[float], None],
) -> tuple[SegmentEntry, Mapping[Metric, Basis]]:
    """Write rows to a new folder; return how the manifest names it, and the bases.

    Args:
        folder: The folder; removed again when something fails.
        blocks: The rows.
        bases: Components of every metric; fitted to the rows when None.
        on_reduced: Told the share of the rows that has been reduced.
    """
    folder.mkdir()
    try:
        n_rows = _write_rows(folder, blocks)
        curves = open_array(folder / "curves.npy")
        if bases is None:
            bases = _fit(curves)
        _write_reduced(folder, curves, bases, on_reduced)
        checksums = {path.name: checksum(path) for path in sorted(folder.glob("*.npy"))}
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return SegmentEntry(folder.name, n_rows, checksums), bases


def _write_rows(folder: Path, blocks: Iterable[Rows]) -> int:
    ids: list[Ids] = [np.zeros(0, dtype="S1")]
    codes: list[Codes] = [np.zeros((len(FIELDS), 0), dtype=np.int32)]
    origins: list[Array] = [np.zeros(0)]
    with ArrayWriter(folder / "curves.npy", len(GRID)) as curves:
        for block in blocks:
            ids.append(np.array(block.ids))
            codes.append(np.array(block.codes))
            origins.append(np.array(block.origins))
            curves.append(block.curves)
    all_ids = np.concatenate(ids)
    write_array(folder / "ids.npy", all_ids)
    write_array(folder / "order.npy", np.argsort(all_ids, kind="stable").astype(np.int64))
    write_array(folder / "codes.npy", np.concatenate(codes, axis=1))
    write_array(folder / "origins.npy", np.concatenate(origins))
    return len(all_ids)


def _fit(curves: Float[Single, "row grid"]) -> dict[Metric, Basis]:
    if len(curves) == 0:
        return {metric: fit_basis(np.zeros((1, len(GRID)))) for metric in Metric}
    # Whole blocks, so that the disk is read forwards.
    n_blocks = -(-len(curves) // _BLOCK)
    step = -(-len(curves) // _N_FITTED)
    sample = np.concatenate([curves[i * _BLOCK : (i + 1) * _BLOCK : step] for i in range(n_blocks)]).astype(float)
    return {metric: fit_basis(vectors(metric, sample)) for metric in Metric}


def _write_reduced(
    folder: Path,
    curves: Float[Single, "row grid"],
    bases: Mapping[Metric, Basis],
    on_reduced: Callable[[float], None],
) -> None:
    for i, metric in enumerate(Metric):
        with ArrayWriter(folder / f"{metric.value}.npy", N_REDUCED) as file:
            for start in range(0, len(curves), _BLOCK):
                block = curves[start : start + _BLOCK].astype(float)
                file.append(bases[metric].rows(vectors(metric, block)))
                on_reduced((i + start / len(curves)) / len(Metric))
