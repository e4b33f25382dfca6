"""An index as its manifest describes it, opened for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from whiteline.database.query import SpectrumQuery
from whiteline.database.search.categories import Vocabulary, mask_of
from whiteline.database.search.files import checksum, open_array, read_json, write_json
from whiteline.database.search.grid import HIGHEST, LOWEST, STEP
from whiteline.database.search.metrics import Metric
from whiteline.database.search.reduction import N_REDUCED, Basis
from whiteline.database.search.segment import Segment, SegmentEntry
from whiteline.errors import CorruptStoreError

__all__ = ["Manifest", "Snapshot", "open_snapshot"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Single: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

MANIFEST: Final = "manifest.json"
# To be raised when the grid, the origin, a vector or a file changes: older indexes are then made again.
INDEX_VERSION: Final = 1
_LAYOUT: Final = {"version": INDEX_VERSION, "grid": [LOWEST, HIGHEST, STEP], "n_reduced": N_REDUCED}
_N_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an index consists of.

    Attributes:
        store: Address of its store.
        revision: Of the store, up to which the index is complete.
        segments: Its segments.
        tables: Checksums of `bases-….npy`, `vocabulary-….json` and `dead-….npy` by name.
        n_fitted: Number of rows when the components were fitted.
        n_without: Stored spectra that are not in it: they have no edge.
    """

    store: str
    revision: int
    segments: tuple[SegmentEntry, ...]
    tables: Mapping[str, str]
    n_fitted: int
    n_without: int

    def save(self, folder: Path) -> None:
        """Put the manifest in the place of an earlier one, in one step."""
        write_json(folder / MANIFEST, {"layout": _LAYOUT, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Return the manifest of a folder.

        Raises:
            CorruptStoreError: There is none that this Whiteline reads.
        """
        values = read_json(folder / MANIFEST)
        if values.pop("layout", None) != _LAYOUT:
            raise CorruptStoreError(f"{folder} was made by another version of Whiteline: delete it to have it made")
        try:
            segments = tuple(SegmentEntry(**entry) for entry in values.pop("segments"))
            return cls(segments=segments, **values)
        except (KeyError, TypeError) as error:
            raise CorruptStoreError(f"{folder / MANIFEST} is damaged ({error}): delete the folder") from error

    def table(self, kind: str) -> str:
        """Return the name of the table that begins with `kind`.

        Raises:
            CorruptStoreError: There is none.
        """
        for name in self.tables:
            if name.startswith(f"{kind}-"):
                return name
        raise CorruptStoreError(f"the manifest names no {kind}: delete the index to have it made again")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The rows of an index, segment after segment.

    Attributes:
        folder: Where it is.
        manifest: What it consists of.
        segments: Its segments.
        bases: Components of every metric.
        vocabulary: Values of the fields.
        dead: Rows whose spectrum was stored anew since, shape (n_dead,).
    """

    folder: Path
    manifest: Manifest
    segments: tuple[Segment, ...]
    bases: Mapping[Metric, Basis]
    vocabulary: Vocabulary
    dead: Int[Indices, " dead"]

    @cached_property
    def starts(self) -> Int[Indices, " segment"]:
        """First row of each segment, and the number of all rows, shape (n_segment + 1,)."""
        return np.cumsum([0, *map(len, self.segments)])

    @property
    def n_rows(self) -> int:
        """Number of rows, dead ones among them."""
        return int(self.starts[-1])

    @property
    def n_spectra(self) -> int:
        """Number of spectra that can be found."""
        return self.n_rows - len(self.dead)

    def curves(self, rows: Int[Indices, " row"]) -> Float[Array, "row grid"]:
        """Return the curves of some rows, shape (n_row, n_grid)."""
        return np.asarray(self._gather(rows, "curves"), dtype=float)

    def ids(self, rows: Int[Indices, " row"]) -> list[str]:
        """Return the ids of some rows."""
        return [name.decode("ascii") for name in self._gather(rows, "ids").tolist()]

    def origins(self, rows: Int[Indices, " row"]) -> Float[Array, " row"]:
        """Return the origins of some rows, shape (n_row,) [eV]."""
        return np.asarray(self._gather(rows, "origins"), dtype=float)

    def _gather(self, rows: Int[Indices, " row"], name: str) -> Any:
        parts: list[tuple[Any, Any]] = []
        place = np.searchsorted(self.starts, rows, side="right") - 1
        for i, segment in enumerate(self.segments):
            where = np.flatnonzero(place == i)
            if where.size:
                parts.append((where, getattr(segment.rows, name)[rows[where] - self.starts[i]]))
        values = np.concatenate([found for _, found in parts])
        gathered = np.empty_like(values)
        gathered[np.concatenate([where for where, _ in parts])] = values
        return gathered

    def find(self, ids: Sequence[str]) -> Int[Indices, " found"]:
        """Return the rows with these ids, dead ones among them."""
        wanted = np.array([name.encode("ascii") for name in ids], dtype=np.bytes_)
        found = [np.zeros(0, dtype=np.int64)]
        for start, segment in zip(self.starts, self.segments, strict=False):
            rows = segment.find(wanted)
            found.append(rows[rows >= 0] + start)
        return np.concatenate(found)

    def mask(self, query: SpectrumQuery) -> Bool[Mask, " row"]:
        """Return which rows are alive and fulfil what the fields and the id say, shape (n_row,)."""
        parts = [np.zeros(0, dtype=bool)]
        for segment in self.segments:
            mask = mask_of(query, segment.rows.codes, self.vocabulary)
            if query.id_prefix is not None:
                mask &= np.char.startswith(segment.rows.ids, query.id_prefix.encode("ascii"))
            parts.append(mask)
        whole = np.concatenate(parts)
        whole[self.dead] = False
        return whole


def open_snapshot(folder: Path) -> Snapshot | None:
    """Return the index in a folder, or None if there is none.

    Raises:
        CorruptStoreError: It is damaged, or another version of Whiteline wrote it.
    """
    for attempt in range(_N_ATTEMPTS):
        if not (folder / MANIFEST).is_file():
            return None
        manifest = Manifest.load(folder)
        try:
            return _open(folder, manifest)
        except CorruptStoreError:
            # Another process may have replaced the files between the two steps.
            if attempt == _N_ATTEMPTS - 1 or Manifest.load(folder) == manifest:
                raise
    raise AssertionError("the last attempt returns or raises")


def _open(folder: Path, manifest: Manifest) -> Snapshot:
    for name, expected in manifest.tables.items():
        path = folder / name
        if not path.is_file() or checksum(path) != expected:
            raise CorruptStoreError(f"{path} is damaged or was removed: delete its folder to have it made again")
    bases = open_array(folder / manifest.table("bases"))
    return Snapshot(
        folder=folder,
        manifest=manifest,
        segments=tuple(Segment.open(folder / entry.name, entry) for entry in manifest.segments),
        bases={metric: Basis.from_array(array) for metric, array in zip(Metric, bases, strict=True)},
        vocabulary=Vocabulary(read_json(folder / manifest.table("vocabulary"))),
        dead=np.array(open_array(folder / manifest.table("dead"))),
    )
