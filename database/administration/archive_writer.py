"""Writing a backup as a stream: what is held in memory is one part of it."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from whiteline import __version__
from whiteline.database.administration.archive_format import (
    ACTIVITIES,
    MANIFEST,
    MARKS,
    README,
    README_TEXT,
    Manifest,
    Member,
    blob_name,
    part_name,
)
from whiteline.database.administration.checksums import canonical_json, sha256
from whiteline.database.administration.entries import Activity, Entry, TallyResult
from whiteline.database.documents import SPECTRUM_SCHEMA_VERSION as DOCUMENT_VERSION
from whiteline.database.linked import Mark
from whiteline.provenance import PROVENANCE_SCHEMA_VERSION
from whiteline.spectrum import SPECTRUM_SCHEMA_VERSION

__all__ = ["ArchiveWriter"]

_PART_SPECTRA = 1000
_PART_BYTES = 64 * 1024**2


class ArchiveWriter:
    """Writes members into a tar file and remembers their checksums.

    The same entries give the same bytes: members carry no times and no owners.

    Args:
        file: A binary file, open for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # closed by finish
        self._structures: set[str] = set()
        self._part = _Part()
        self.members: dict[str, Member] = {}
        self.n_parts = 0
        self._add(README, README_TEXT.encode("ascii"))

    @property
    def n_structures(self) -> int:
        """Number of different structures so far."""
        return len(self._structures)

    @property
    def n_blobs(self) -> int:
        """Number of different raw files so far."""
        return sum(name.startswith("blobs/") for name in self.members)

    def add(self, entry: Entry) -> None:
        """Write one spectrum with its records and raw files; ids must increase.

        Raises:
            CorruptStoreError: A raw file of it is damaged.
        """
        self._structures.add(sha256(entry.structure_text))
        self._part.add(entry)
        for file in entry.files:
            name = blob_name(file.sha256)
            if name not in self.members:
                self._add(name, entry.content(file))
        if self._part.n_spectra >= _PART_SPECTRA or self._part.n_bytes >= _PART_BYTES:
            self.end_part()

    def add_lineage(self, activities: Iterable[Activity], marks: Mapping[str, Mark]) -> None:
        """Write the jobs that made no spectrum, and the marks; once, after the last part."""
        lines = (_line(record=each.record.to_dict(), members=list(each.members)) for each in activities)
        self._add(ACTIVITIES, _join(lines))
        told = (_line(id=each, reason=mark.reason, marked_at=mark.marked_at) for each, mark in marks.items())
        self._add(MARKS, _join(told))

    def end_part(self) -> None:
        """Write what was collected since the last part, if there is anything."""
        if not self._part.n_spectra:
            return
        for kind, content in self._part.contents():
            self._add(part_name(kind, self.n_parts), content)
        self.n_parts += 1
        self._part = _Part()

    def describe(self, tally: TallyResult, *, created_at: str, source: str, revision: int) -> Manifest:
        """Return the manifest of what has been written.

        Args:
            tally: Counts and digests of what was written.
            created_at: When the backup was begun: ISO 8601, UTC.
            source: Address of the store.
            revision: Newest revision of the store when it was begun.
        """
        return Manifest(
            created_at=created_at,
            source=source,
            revision=revision,
            whiteline=__version__,
            schema_versions={
                "document": DOCUMENT_VERSION,
                "spectrum": SPECTRUM_SCHEMA_VERSION,
                "record": PROVENANCE_SCHEMA_VERSION,
            },
            n_parts=self.n_parts,
            n_structures=self.n_structures,
            n_blobs=self.n_blobs,
            tally=tally,
            members=dict(self.members),
        )

    def finish(self, manifest: Manifest) -> str:
        """Write the manifest, end the tar file, and return the checksum of the manifest."""
        text = json.dumps(manifest.to_dict(), indent=1, sort_keys=True, ensure_ascii=True).encode("ascii")
        self._add(MANIFEST, text)
        self._tar.close()
        return sha256(text)

    def _add(self, name: str, content: bytes) -> None:
        data = gzip.compress(content, mtime=0) if name.endswith(".gz") else content
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(data), 0o644
        self._tar.addfile(header, BytesIO(data))
        self.members[name] = Member(len(data), sha256(data), len(content))


class _Part:
    """The lines and arrays of up to some hundred spectra; each structure and array once."""

    def __init__(self) -> None:
        self._documents: list[str] = []
        self._records: list[str] = []
        self._files: list[str] = []
        self._structures: dict[str, str] = {}
        self._arrays: dict[str, bytes] = {}
        self.n_bytes = 0

    @property
    def n_spectra(self) -> int:
        return len(self._documents)

    def add(self, entry: Entry) -> None:
        self._documents.append(entry.line)
        self._structures[sha256(entry.structure_text)] = entry.structure_text
        if entry.document.spectrum is not None:
            for values in (entry.document.spectrum.energy, entry.document.spectrum.components):
                data = values.astype("<f8", copy=False).tobytes()
                self._arrays[sha256(data)] = data
                self.n_bytes += len(data)
        self._records += [_line(spectrum=entry.id, record=record.to_dict()) for record in entry.records]
        self._files += [_line(spectrum=entry.id, name=f.name, size=f.size, sha256=f.sha256) for f in entry.files]

    def contents(self) -> Iterable[tuple[str, bytes]]:
        """Yield the kinds and contents of the members in the order of `KINDS`."""
        index, n_numbers = [], 0
        for checksum, data in self._arrays.items():
            index.append(_line(sha256=checksum, start=n_numbers, length=len(data) // 8))
            n_numbers += len(data) // 8
        yield "structures", _join(self._structures.values())
        yield "index", _join(index)
        yield "arrays", _npy(b"".join(self._arrays.values()))
        yield "records", _join(self._records)
        yield "files", _join(self._files)
        yield "documents", _join(self._documents)


def _line(**values: Any) -> str:
    return canonical_json(values, what="a line of the backup")


def _join(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _npy(data: bytes) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, np.frombuffer(data, dtype="<f8"), version=(1, 0), allow_pickle=False)
    return file.getvalue()
