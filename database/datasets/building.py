"""Making a frozen dataset from what a query finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from whiteline import __version__
from whiteline.database.activities import keep_activity
from whiteline.database.datasets.frozen import Dataset
from whiteline.database.datasets.grid import DatasetGrid, GridOrigin
from whiteline.database.datasets.layout import COUNTED, make_row, make_schema
from whiteline.database.datasets.manifest import MANIFEST, SPECTRA, STRUCTURES, Manifest, checksum, ids_checksum
from whiteline.database.datasets.sampling import Exclusion, Intensity, sample
from whiteline.database.datasets.split import SPLITS, Split
from whiteline.database.datasets.structures import StructureWriter
from whiteline.database.documents import SPECTRUM_SCHEMA_VERSION, SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.database.tables import load_pyarrow
from whiteline.errors import InputError
from whiteline.new_folder import new_folder
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now

__all__ = ["create_dataset"]

_BATCH = 1000
_ROW_GROUP = 10_000
_DRAFT = "rows.parquet"


def create_dataset(
    store: SpectrumStore,
    query: SpectrumQuery,
    path: str | Path,
    *,
    grid: DatasetGrid,
    split: Split | None = None,
    intensity: Intensity = Intensity.CROSS_SECTION,
    is_extrapolated: bool = False,
    name: str | None = None,
    is_recorded: bool = True,
) -> Dataset:
    """Write what a query finds as a frozen dataset and return it.

    Rows are in the order of their ids. The same store, query, grid and split give the same files, the time of making in
    the manifest aside. A folder appears whole or not at all, and one that is there is never written into. Memory stays
    bounded: spectra are read and written in groups of 1000.

    Args:
        store: Where the spectra are.
        query: Which spectra.
        path: The folder to make.
        grid: The common axis.
        split: How to divide it; by formula at 0.8, 0.1 and 0.1 when None.
        intensity: Cross-sections, or the raw powder average.
        is_extrapolated: Hold the end values of spectra that do not cover the grid; otherwise they are left out. The
            column `n_extrapolated` counts the points.
        name: What it is called; the name of the folder when None.
        is_recorded: Whether the store keeps a record of the dataset and its spectra. It is written before the folder
            appears, so that no dataset stands without one; a store that cannot be written leaves a warning.

    Raises:
        InputError: Something is there already, nothing is found, or no spectrum fits.
        ParameterError: The grid knows no zero for an absorber and edge that the query finds.
        MissingDependencyError: pyarrow is not installed.
        StoreError: The folder cannot be written.
    """
    load_pyarrow("pyarrow.parquet")
    target, started = Path(path).absolute(), utc_now()
    with new_folder(target, what="a dataset") as folder:
        found = _write_rows(store, query, folder, grid, intensity, is_extrapolated=is_extrapolated)
        if not found.ids:
            raise _nothing(found)
        plan = split or Split()
        places = plan.assign(found.sizes(plan))
        _write_spectra(folder, plan, places)
        (folder / _DRAFT).unlink()
        manifest = Manifest(
            name=name or target.name,
            created=utc_now(),
            whiteline_version=__version__,
            document_schema_version=SPECTRUM_SCHEMA_VERSION,
            query=query.to_dict(),
            grid=grid,
            intensity=intensity.value,
            units={"energy": "eV", "intensity": intensity.unit},
            interpolation="linear",
            extrapolation="end values held" if is_extrapolated else "none",
            n_spectra=len(found.ids),
            n_structures=found.n_structures,
            ids_sha256=ids_checksum(found.ids),
            split=plan,
            split_counts=_split_counts(found.sizes(plan), places),
            **{name: dict(sorted(found.counts[name].items())) for name in COUNTED},
            excluded={
                reason.value: {"remedy": reason.remedy, "ids": ids} for reason, ids in sorted(found.excluded.items())
            },
            files={
                each: {"sha256": checksum(folder / each), "size": (folder / each).stat().st_size}
                for each in (SPECTRA, STRUCTURES)
            },
        )
        (folder / MANIFEST).write_text(manifest.to_text(), encoding="utf-8")
        if is_recorded:
            keep_activity(store, _record(manifest, target, started), found.ids)
    return Dataset.open(target)


def _record(manifest: Manifest, target: Path, started: str) -> ProvenanceRecord:
    told = manifest.to_dict()
    asked = ("name", "query", "grid", "split", "intensity", "interpolation", "extrapolation", "n_spectra")
    return ProvenanceRecord(
        activity="dataset",
        used={},
        generated={Kind.DATASET: {manifest.name: manifest.content_sha256}},
        code="whiteline",
        code_version=__version__,
        libraries=library_versions("pyarrow"),
        parameters={**{name: told[name] for name in asked}, "folder": str(target)},
        seeds={"split": manifest.split.seed},
        started_at=started,
        ended_at=utc_now(),
    )


@dataclass
class _Found:
    """What was seen while rows were written."""

    ids: list[str] = field(default_factory=list)
    groups: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in COUNTED})
    excluded: dict[Exclusion, list[str]] = field(default_factory=dict)
    n_structures: int = 0

    def sizes(self, split: Split) -> dict[str, int]:
        """Return the number of spectra of each group."""
        sizes: Counter[str] = Counter()
        for names, count in self.groups.items():
            sizes[dict(zip(_GROUPED, names, strict=True))[split.by.value]] += count
        return dict(sizes)


_GROUPED = ("structure_id", "formula", "chemical_system")


def _in_order(store: SpectrumStore, query: SpectrumQuery) -> Iterator[SpectrumDocument]:
    """Stream what a query finds in the order of the ids."""
    if query.limit is None and not query.skip:
        yield from store.query(query.replace(sort="id"))
        return
    # The order of the query decides which are within the window.
    for spectrum_id in sorted(summary.id for summary in store.summaries(query)):
        document = store.find_by_id(spectrum_id)
        if document is not None:
            yield document


def _write_rows(
    store: SpectrumStore,
    query: SpectrumQuery,
    folder: Path,
    grid: DatasetGrid,
    intensity: Intensity,
    *,
    is_extrapolated: bool,
) -> _Found:
    """Write structures, and the rows without their split, which depends on all of them."""
    pyarrow, parquet = load_pyarrow(), load_pyarrow("pyarrow.parquet")
    schema = make_schema(grid, intensity)
    found, rows = _Found(), []
    zeros: dict[str, str] = {}
    with (
        StructureWriter(folder / STRUCTURES) as structures,
        parquet.ParquetWriter(folder / _DRAFT, schema, compression="none") as writer,
    ):
        for document in _in_order(store, query):
            taken = sample(document, grid, intensity=intensity, is_extrapolated=is_extrapolated)
            if isinstance(taken, Exclusion):
                found.excluded.setdefault(taken, []).append(document.id)
                continue
            if grid.origin is GridOrigin.STORED:
                _check_zero(document, zeros)
            row = make_row(document, taken, structures.add(document))
            found.ids.append(document.id)
            found.groups[document.structure_id, document.formula, document.chemical_system] += 1
            for name, columns in COUNTED.items():
                found.counts[name][" ".join(str(row[column]) for column in columns).strip() or "unknown"] += 1
            rows.append(row)
            if len(rows) == _BATCH:
                writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
                rows.clear()
        if rows:
            writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
        found.n_structures = structures.n_structures
    return found


def _check_zero(document: SpectrumDocument, zeros: dict[str, str]) -> None:
    """Raise if spectra that keep their own zero count from different ones."""
    if document.spectrum is None:
        return
    zeros.setdefault(document.spectrum.energy_reference.value, document.id)
    if len(zeros) > 1:
        (first, first_id), (second, second_id) = zeros.items()
        raise InputError(
            f"an as-stored grid needs one zero, and {first_id} counts from {first}, {second_id} from {second}: narrow "
            "the query, e.g. by --code, or take a grid `edge-relative` or `absolute`"
        )


def _write_spectra(folder: Path, split: Split, places: dict[str, str]) -> None:
    """Write the final table: the rows with their split."""
    pyarrow, parquet = load_pyarrow(), load_pyarrow("pyarrow.parquet")
    draft = parquet.ParquetFile(folder / _DRAFT, pre_buffer=False)
    schema = draft.schema_arrow
    i_split = schema.get_field_index("split")
    # These settings are part of what makes the bytes the same again.
    with draft, parquet.ParquetWriter(folder / SPECTRA, schema, compression="zstd", version="2.6") as writer:
        for batch in draft.iter_batches(batch_size=_ROW_GROUP):
            column = [places[group] for group in batch.column(split.by.value).to_pylist()]
            writer.write_batch(batch.set_column(i_split, schema.field(i_split), pyarrow.array(column)))


def _split_counts(sizes: dict[str, int], places: dict[str, str]) -> dict[str, dict[str, int]]:
    return {
        name: {
            "spectra": sum(size for group, size in sizes.items() if places[group] == name),
            "groups": sum(1 for place in places.values() if place == name),
        }
        for name in SPLITS
    }


def _nothing(found: _Found) -> InputError:
    if not found.excluded:
        return InputError("the query finds no spectrum: see what there is with `whiteline query`, and widen it")
    reasons = "; ".join(f"of {len(ids)} {r.value} ({r.remedy})" for r, ids in sorted(found.excluded.items()))
    return InputError(f"no spectrum that the query finds can be put on the grid: {reasons}")
