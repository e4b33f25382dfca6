"""Recomputing everything that a dataset says of itself, without the store that it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whiteline.database.datasets.frozen import as_matrix
from whiteline.database.datasets.layout import COLUMNS, COUNTED
from whiteline.database.datasets.manifest import (
    MANIFEST,
    SPECTRA,
    STRUCTURES,
    Manifest,
    checksum,
    ids_checksum,
    read_manifest,
)
from whiteline.database.datasets.split import SPLITS
from whiteline.database.datasets.structures import read_structures, structure_key
from whiteline.database.tables import load_pyarrow
from whiteline.errors import ParseError, StoreError

__all__ = ["Verification", "verify_dataset"]


@dataclass(frozen=True)
class Verification:
    """What came of it: every problem in words, none when the dataset is as it was made."""

    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def verify_dataset(path: str | Path) -> Verification:
    """Recompute checksums, ids, counts, split and structures of a dataset, and name what is wrong.

    Raises:
        InputError: There is no dataset.
        SchemaVersionError: A newer Whiteline wrote it.
        MissingDependencyError: pyarrow is not installed.
    """
    folder = Path(path)
    try:
        manifest = read_manifest(folder)
    except ParseError as error:
        return Verification((str(error),))
    return Verification(tuple(_problems(folder, manifest)))


def _problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    broken = dict(_broken_files(folder, manifest))
    yield from broken.values()
    for extra in sorted(each.name for each in folder.iterdir() if each.name not in {MANIFEST, *manifest.files}):
        yield f"{extra} is no part of the dataset: it was put there later"
    table = None
    try:
        if (folder / SPECTRA).is_file():
            table = load_pyarrow("pyarrow.parquet").read_table(folder / SPECTRA)
    except (OSError, ValueError) as error:  # what pyarrow raises on a damaged file
        yield f"{SPECTRA} cannot be read: {error}"
    if table is not None:
        try:
            yield from _table_problems(table, manifest)
        except (TypeError, ValueError, KeyError) as error:  # what comparing columns of other types raises
            yield f"{SPECTRA} holds other values than a dataset ({error}): it was edited"
    if (folder / STRUCTURES).is_file():
        yield from _structure_problems(folder, manifest, table)


def _broken_files(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name in (SPECTRA, STRUCTURES):
        if name not in manifest.files:
            yield name, f"{MANIFEST} does not name {name}: it was edited"
    for name, stated in manifest.files.items():
        if name not in (SPECTRA, STRUCTURES):  # perhaps a path to elsewhere: not looked at
            yield name, f"{MANIFEST} names {name!r}, which no dataset has: it was edited"
            continue
        path = folder / name
        if not path.is_file():
            yield name, f"{name} is missing"
            continue
        try:
            size, found = path.stat().st_size, checksum(path)
        except StoreError as error:
            yield name, str(error)
            continue
        if size != stated["size"]:
            yield name, f"{name} has {size} bytes, the manifest says {stated['size']}: it was cut off or edited"
        elif found != stated["sha256"]:
            yield name, f"{name} has not the sha256 that the manifest names: it was edited"


def _table_problems(table: Any, manifest: Manifest) -> Iterator[str]:
    if tuple(table.column_names) != COLUMNS:
        differing = sorted({*table.column_names} ^ {*COLUMNS})
        yield f"{SPECTRA} has other columns than a dataset: {', '.join(differing) or 'in another order'}"
        return
    ids = table["id"].to_pylist()
    if len(ids) != manifest.n_spectra:
        yield f"{SPECTRA} holds {len(ids)} spectra, the manifest says {manifest.n_spectra}"
    if ids != sorted(set(ids)):
        yield f"{SPECTRA} is not in the order of its ids, or has some twice"
    if ids_checksum(ids) != manifest.ids_sha256:
        yield f"the ids in {SPECTRA} are not those whose sha256 the manifest names"
    yield from _count_problems(table, manifest)
    yield from _split_problems(table, manifest)
    width = getattr(table.schema.field("intensity").type, "list_size", None)
    if width != manifest.grid.n_points:
        yield f"intensities have {width} points, the grid has {manifest.grid.n_points}"
        return
    is_bad = ~np.all(np.isfinite(as_matrix(table, manifest.grid.n_points)), axis=1)
    if is_bad.any():
        first = ids[int(np.flatnonzero(is_bad)[0])]
        yield f"{int(is_bad.sum())} spectra hold numbers that are not finite, the first is {first}"


def _count_problems(table: Any, manifest: Manifest) -> Iterator[str]:
    for name, columns in COUNTED.items():
        rows = zip(*(table[column].to_pylist() for column in columns), strict=True)
        found = Counter(" ".join(str(value) for value in row).strip() or "unknown" for row in rows)
        stated: Any = getattr(manifest, name)
        if dict(found) != dict(stated):
            wrong = sorted(key for key in {*found, *stated} if found.get(key) != stated.get(key))
            yield f"the manifest counts other {name} than {SPECTRA} holds: {', '.join(wrong[:5])}"


def _split_problems(table: Any, manifest: Manifest) -> Iterator[str]:
    groups, places = (table[name].to_pylist() for name in (manifest.split.by.value, "split"))
    sizes = Counter(groups)
    expected = manifest.split.assign(sizes) if sizes else {}
    wrong = sorted({group for group, place in zip(groups, places, strict=True) if place != expected[group]})
    if wrong:
        named = ", ".join(name or "unknown" for name in wrong[:5])
        yield f"{len(wrong)} groups are not in the set that seed {manifest.split.seed} puts them in: {named}"
    for name in SPLITS:
        counted = {
            "spectra": places.count(name),
            "groups": len({group for group, place in zip(groups, places, strict=True) if place == name}),
        }
        if counted != dict(manifest.split_counts.get(name, {})):
            yield f"the {name} set has {counted['spectra']} spectra of {counted['groups']} groups, not as the manifest"


def _structure_problems(folder: Path, manifest: Manifest, table: Any) -> Iterator[str]:
    keys: list[str] = []
    try:
        for key, structure in read_structures(folder / STRUCTURES):
            keys.append(key)
            if structure_key(structure) != key:
                yield f"structure {key} in {STRUCTURES} is not what it was: its content has another hash"
    except ParseError as error:
        yield str(error)
        return
    if len(keys) != manifest.n_structures or len(set(keys)) != len(keys):
        yield f"{STRUCTURES} holds {len(set(keys))} structures, the manifest says {manifest.n_structures}"
    if table is None or "structure_key" not in table.column_names:
        return
    used = {*table["structure_key"].to_pylist()} - {""}
    for key in sorted(used - {*keys}, key=str)[:5]:
        yield f"structure {key} of a spectrum is not in {STRUCTURES}"
    for key in sorted({*keys} - used)[:5]:
        yield f"structure {key} in {STRUCTURES} belongs to no spectrum"
