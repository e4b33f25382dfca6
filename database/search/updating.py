"""Making an index, and bringing it up to date with its store."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import uuid4

import numpy as np
from jaxtyping import Int
from platformdirs import user_cache_path

from whiteline.database.curves import CurveBlock
from whiteline.database.search.categories import Vocabulary
from whiteline.database.search.curves import prepare_block
from whiteline.database.search.files import checksum, explained, locked, write_array, write_json
from whiteline.database.search.metrics import Metric
from whiteline.database.search.reduction import Basis
from whiteline.database.search.segment import Rows, Segment, SegmentEntry, write_segment
from whiteline.database.search.snapshot import Manifest, Snapshot, open_snapshot
from whiteline.database.store import SpectrumStore
from whiteline.errors import CorruptStoreError

__all__ = ["OnProgress", "Update", "index_folder", "quiet", "update_index"]

Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
OnProgress: TypeAlias = Callable[[float, str], None]

_GROWTH: Final = 2  # times the rows that the components were fitted to, after which they are fitted anew
_SMALL: Final = 65_536  # rows up to which the last segment is written anew together with what came
_MAX_DEAD: Final = 0.25  # share of rows, above which all are written anew
_NEWEST: Final = 2**62  # beyond every revision: asks a store for the newest alone
_N_PROBES = 4


def quiet(share: float, label: str) -> None:  # told to nobody
    """Take a report of progress, the share that is done and what is being done, and tell nobody."""


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes:
        snapshot: The index as it is now.
        n_read: Number of spectra that were read from the store.
        reason: Why all was made again; empty where it was not.
    """

    snapshot: Snapshot
    n_read: int
    reason: str = ""


def index_folder(store: SpectrumStore) -> Path:
    """Return where the index of a store is: beside its file, or else in the user's cache.

    The cache takes what has no file, and files in folders that this user may not write to.
    """
    path = getattr(store, "path", None)
    if isinstance(path, Path):
        beside = path.with_name(f"{path.name}.search")
        if beside.exists() or os.access(path.parent, os.W_OK):
            return beside
    digest = hashlib.blake2b(store.address.encode(), digest_size=12).hexdigest()
    return user_cache_path("whiteline") / "search" / digest


def update_index(store: SpectrumStore, folder: Path, *, on_progress: OnProgress = quiet) -> Update:
    """Return the index after it has taken up what was stored since; a damaged or foreign one is made again.

    Args:
        store: The store.
        folder: Where its index is, or will be.
        on_progress: Told the share that is done, and what is being done.

    Raises:
        StoreError: The store cannot be read, or the folder not be written.
    """
    with explained(folder), locked(folder):
        snapshot, reason = _open_or_say_why(store, folder)
        if snapshot is None:
            return Update(*_make(store, folder, on_progress), reason)
        ids, newest = store.changes(snapshot.manifest.revision)
        if not ids:
            return Update(snapshot, 0)
        if len(ids) > snapshot.n_spectra / 2:
            return Update(*_make(store, folder, on_progress), "most of the store is new")
        return Update(_append(store, snapshot, ids, newest, on_progress), len(ids))


def _open_or_say_why(store: SpectrumStore, folder: Path) -> tuple[Snapshot | None, str]:
    """Return the index if it can be used, or why it cannot."""
    try:
        snapshot = open_snapshot(folder)
    except CorruptStoreError as error:
        return None, str(error).partition(": delete")[0]
    if snapshot is None:
        return None, "there was none yet"
    if snapshot.manifest.store != store.address:
        return None, f"it belonged to {snapshot.manifest.store}"
    if snapshot.manifest.revision > store.changes(_NEWEST)[1]:
        return None, "the store was replaced by an older one"
    if snapshot.n_rows and not any(store.has(name) for name in snapshot.ids(_spread(snapshot.n_rows))):
        return None, "the store holds other spectra now"
    return snapshot, ""


def _spread(n_rows: int) -> Int[Indices, " probe"]:
    return np.unique(np.linspace(0, n_rows - 1, _N_PROBES).astype(np.int64))


def _make(store: SpectrumStore, folder: Path, on_progress: OnProgress) -> tuple[Snapshot, int]:
    ids, revision = store.changes()
    reader = _Reader(Vocabulary({}), len(ids), on_progress)
    segment, bases = _write(folder, reader.rows(store.curves(ids)), None, on_progress)
    manifest = _save(
        folder,
        Manifest(
            store=store.address,
            revision=revision,
            segments=(segment,),
            tables={},
            n_fitted=segment.n_rows,
            n_without=reader.n_without,
        ),
        bases=bases,
        vocabulary=reader.vocabulary,
        dead=np.zeros(0, dtype=np.int64),
    )
    return _reopen(folder, manifest), reader.n_read


def _append(store: SpectrumStore, old: Snapshot, ids: list[str], newest: int, on_progress: OnProgress) -> Snapshot:
    reader = _Reader(old.vocabulary, len(ids), on_progress)
    dead = np.union1d(old.dead, old.find(ids))
    n_expected = old.n_rows - len(dead) + len(ids)
    is_refit = n_expected > _GROWTH * old.manifest.n_fitted or len(dead) > _MAX_DEAD * old.n_rows
    # Whole segments are kept, or written anew with what came.
    is_small = len(old.segments) > 1 and len(old.segments[-1]) < _SMALL
    n_kept = 0 if is_refit else len(old.segments) - int(is_small)
    kept = chain.from_iterable(
        _living(segment, int(start), dead)
        for start, segment in list(zip(old.starts, old.segments, strict=False))[n_kept:]
    )
    blocks = chain(kept, reader.rows(store.curves(ids)))
    segment, bases = _write(old.folder, blocks, None if is_refit else old.bases, on_progress)
    manifest = Manifest(
        store=old.manifest.store,
        revision=newest,
        segments=(*old.manifest.segments[:n_kept], segment),
        tables={},
        n_fitted=segment.n_rows if is_refit else old.manifest.n_fitted,
        n_without=old.manifest.n_without + reader.n_without,
    )
    dead = dead[dead < old.starts[n_kept]]
    saved = _save(old.folder, manifest, bases=bases, vocabulary=old.vocabulary, dead=dead)
    return _reopen(old.folder, saved)


def _living(segment: Segment, start: int, dead: Int[Indices, " dead"]) -> Iterator[Rows]:
    """Yield the rows of a segment that are not dead."""
    for block in segment.blocks():
        keep = ~np.isin(np.arange(start, start + len(block.ids)), dead)
        start += len(block.ids)
        yield Rows(block.ids[keep], block.codes[:, keep], block.origins[keep], block.curves[keep])


class _Reader:
    """Turns blocks of a store into rows, counts spectra and tells how far it is."""

    def __init__(self, vocabulary: Vocabulary, n_expected: int, on_progress: OnProgress) -> None:
        self.vocabulary = vocabulary
        self._n_expected, self._on_progress = max(n_expected, 1), on_progress
        self.n_read = self.n_without = 0

    def rows(self, blocks: Iterable[CurveBlock]) -> Iterator[Rows]:
        for block in blocks:
            prepared = prepare_block(block)
            places = prepared.places
            self.n_read += len(block)
            self.n_without += len(block) - len(places)
            share = min(self.n_read / self._n_expected, 1.0)
            self._on_progress(0.8 * share, f"indexing spectra, {self.n_read} of {self._n_expected}")
            ids = np.array([name.encode("ascii") for name in block.columns["id"]], dtype=np.bytes_)
            codes = self.vocabulary.encode(block.columns)
            yield Rows(ids[places], codes[:, places], prepared.origins, prepared.curves)


def _write(
    folder: Path, blocks: Iterable[Rows], bases: Mapping[Metric, Basis] | None, on_progress: OnProgress
) -> tuple[SegmentEntry, Mapping[Metric, Basis]]:
    name = f"segment-{uuid4().hex[:12]}"
    return write_segment(
        folder / name,
        blocks,
        bases=bases,
        on_reduced=lambda share: on_progress(0.8 + 0.2 * share, "reducing spectra"),
    )


def _save(
    folder: Path,
    manifest: Manifest,
    *,
    bases: Mapping[Metric, Basis],
    vocabulary: Vocabulary,
    dead: Int[Indices, " dead"],
) -> Manifest:
    """Write what the manifest lacks, then the manifest, and remove what it does not name."""
    stamp = uuid4().hex[:12]
    names = [f"bases-{stamp}.npy", f"vocabulary-{stamp}.json", f"dead-{stamp}.npy"]
    write_array(folder / names[0], np.stack([bases[metric].to_array() for metric in Metric]))
    write_json(folder / names[1], vocabulary.to_dict())
    write_array(folder / names[2], dead)
    complete = replace(manifest, tables={name: checksum(folder / name) for name in names})
    complete.save(folder)
    _remove_debris(folder, named={*names, *(entry.name for entry in complete.segments)})
    return complete


def _remove_debris(folder: Path, *, named: set[str]) -> None:
    """Remove what earlier manifests named, or a writer that was killed left behind."""
    for path in folder.iterdir():
        if path.name in named or not path.name.startswith(("segment-", "bases-", "vocabulary-", "dead-", ".")):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _reopen(folder: Path, manifest: Manifest) -> Snapshot:
    snapshot = open_snapshot(folder)
    if snapshot is None or snapshot.manifest != manifest:
        raise CorruptStoreError(f"{folder} changed while it was written: let no other program write there")
    return snapshot
