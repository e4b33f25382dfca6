"""Many spectra as files: a folder with one text file each, or one NeXus or Parquet file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whiteline.database.columns import Selection, read_selection
from whiteline.database.documents import SpectrumDocument
from whiteline.database.export import ExportFormat, export
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.errors import InputError, StoreError
from whiteline.provenance import ProvenanceRecord

__all__ = ["ExportReport", "export_many", "file_name"]


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        n_spectra: How many spectra.
        n_files: Into how many files.
        n_failed: How many failed calculations have no spectrum.
        files: Ids of the spectra that each file holds.
    """

    n_spectra: int
    n_files: int
    n_failed: int = 0
    files: Mapping[Path, Sequence[str]] = field(default_factory=dict, compare=False)


def export_many(store: SpectrumStore, query: Selection, path: str | Path, *, fmt: ExportFormat | str) -> ExportReport:
    """Write spectra as one NeXus or Parquet file, or as text files into a folder, which is made if need be.

    Failed calculations, which only a query for them finds, are left out and counted. Spectra are read one after the
    other, so that memory stays bounded. A file of the same name is replaced.

    Args:
        store: Where to look.
        query: Which spectra: a query or ids.
        path: The file; the folder for text.
        fmt: What to write.

    Raises:
        InputError: There is nothing to write.
        ParameterError: No such format.
        MissingDependencyError: h5py or pyarrow is not installed.
        StoreError: A file cannot be written.
    """
    kind = ExportFormat.parse(fmt)
    if not isinstance(query, SpectrumQuery):
        query = list(dict.fromkeys(store.get(each).id for each in query))
    n_wanted = _count(store, query)
    if not n_wanted:
        raise InputError("no spectrum to export: the query finds none; see what there is with `whiteline query`")
    target = Path(path)
    if kind is ExportFormat.PARQUET:
        from whiteline.database.table_files import write_parquet

        n_spectra = write_parquet(store, query, target)
        files: Mapping[Path, Sequence[str]] = {target: _ids(store, query)}
    elif kind is ExportFormat.NEXUS:
        from whiteline.database.nexus import write_nexus

        ids: list[str] = []
        n_spectra = write_nexus(target, _listed(_spectra(store, query), ids))
        files = {target: ids}
    else:
        files = _write_folder(store, query, target, kind)
        n_spectra = len(files)
    return ExportReport(n_spectra, len(files), max(0, n_wanted - n_spectra), files)


def file_name(document: SpectrumDocument, fmt: ExportFormat) -> str:
    """Return a name that says what the spectrum is of, with the beginning of its id."""
    site = "" if document.site_index is None else str(document.site_index)
    words = (document.formula or "sample", f"{document.absorber}{site}", document.edge, document.code, document.id[:10])
    return "-".join(re.sub(r"[^A-Za-z0-9.+]+", "_", word) for word in words).lstrip(".") + fmt.suffix


def _count(store: SpectrumStore, query: Selection) -> int:
    if not isinstance(query, SpectrumQuery):
        return len(query)
    n_found = max(0, store.count(query) - query.skip)
    return n_found if query.limit is None else min(n_found, query.limit)


def _spectra(store: SpectrumStore, query: Selection) -> Iterator[tuple[SpectrumDocument, ProvenanceRecord | None]]:
    """Yield documents that have a spectrum, each with the latest record."""
    for document in read_selection(store, query):
        if document.spectrum is not None:
            records = store.records(document.id)
            yield document, records[-1] if records else None


def _ids(store: SpectrumStore, query: Selection) -> list[str]:
    return [summary.id for summary in store.summaries(query)] if isinstance(query, SpectrumQuery) else list(query)


def _listed(
    spectra: Iterator[tuple[SpectrumDocument, ProvenanceRecord | None]], ids: list[str]
) -> Iterator[tuple[SpectrumDocument, ProvenanceRecord | None]]:
    """Yield spectra, and add their ids to a list as they go by."""
    for document, record in spectra:
        ids.append(document.id)
        yield document, record


def _write_folder(store: SpectrumStore, query: Selection, folder: Path, fmt: ExportFormat) -> dict[Path, Sequence[str]]:
    files: dict[Path, Sequence[str]] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for document, record in _spectra(store, query):
            path = folder / file_name(document, fmt)
            path.write_text(export(document, record, fmt), encoding="utf-8")
            files[path] = (document.id,)
    except StoreError:
        raise  # it is about what was read
    except OSError as error:
        raise StoreError(f"cannot write into {folder} ({error.strerror}): give a writable folder") from error
    return files
