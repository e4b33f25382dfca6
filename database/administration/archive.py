"""Reading a backup: nothing of it is trusted before its checksum is right, and nothing is unpacked onto the disk."""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from whiteline.database.administration.archive_format import (
    ACTIVITIES,
    KINDS,
    MANIFEST,
    MARKS,
    Manifest,
    blob_name,
    is_member_name,
    part_name,
)
from whiteline.database.administration.checksums import sha256
from whiteline.database.administration.entries import DECODING_ERRORS, Activity, Entry
from whiteline.database.blobs import LARGEST_FILE, StoredFile, check_file_name
from whiteline.database.documents import SpectrumDocument
from whiteline.database.linked import Mark
from whiteline.errors import CorruptStoreError, SchemaVersionError, StoreError, WhitelineError
from whiteline.provenance import ProvenanceRecord

__all__ = ["Archive", "Part"]

_REMEDY = "use the untouched file or another backup"


@dataclass(frozen=True)
class Part:
    """The lines of one part of a backup.

    Attributes:
        documents: Canonical JSON of each document.
        records: Values of the provenance records by the id of their spectrum.
        files: Raw files by the id of their spectrum.
        structures: Structures by their checksum.
        arrays: Bytes of each array by their checksum.
    """

    documents: tuple[str, ...]
    records: dict[str, list[dict[str, Any]]]
    files: dict[str, list[StoredFile]]
    structures: dict[str, dict[str, Any]]
    arrays: dict[str, bytes]


class Archive:
    """A backup, opened for reading; a source of entries like a store.

    Args:
        path: The tar file.

    Raises:
        StoreError: The file cannot be read; `CorruptStoreError` if it was cut, edited or is something else,
            `SchemaVersionError` if a newer Whiteline wrote it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        try:
            self._tar = tarfile.open(self.path, mode="r:")  # noqa: SIM115  # closed by close
        except (tarfile.TarError, EOFError) as error:
            raise self._fault("", f"is no tar file, or was cut ({error})") from error
        except OSError as error:
            raise StoreError(f"the backup {path} cannot be read ({error.strerror}): give another path") from error
        try:
            self._headers = self._read_headers()
            self._manifest_text = self._read_manifest()
            self.manifest = self._parse_manifest(self._manifest_text)
        except BaseException:
            self._tar.close()
            raise

    @property
    def address(self) -> str:
        """Where the backup is."""
        return str(self.path)

    @property
    def is_everything(self) -> bool:
        """Whether entries are to be compared with all of a store: they are."""
        return True

    @property
    def checksum(self) -> str:
        """The SHA-256 of the manifest, which holds those of all other members."""
        return sha256(self._manifest_text)

    def count(self) -> int:
        """Return how many spectra there are."""
        return self.manifest.tally.n_spectra

    def close(self) -> None:
        """Let go of the file."""
        self._tar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def entries(self) -> Iterator[Entry]:
        """Stream the spectra in the order of their ids.

        Raises:
            CorruptStoreError: A member is missing, or is not what the manifest says.
        """
        last = ""
        for i_part in range(self.manifest.n_parts):
            part = self.part(i_part)
            for line in part.documents:
                entry = self.entry(line, part)
                if entry.id <= last:
                    raise self._fault(part_name("documents", i_part), f"has {entry.id} after {last}")
                last = entry.id
                yield entry

    def activities(self) -> Iterator[Activity]:
        """Stream the jobs that made no spectrum; none in a backup of format 1.

        Raises:
            CorruptStoreError: Their member is missing, or is not what the manifest says.
            SchemaVersionError: A newer Whiteline wrote one.
        """
        for values in self._lines(ACTIVITIES):
            try:
                record, members = ProvenanceRecord.from_dict(values["record"]), tuple(map(str, values["members"]))
            except SchemaVersionError:
                raise
            except DECODING_ERRORS as error:
                raise self._fault(ACTIVITIES, f"cannot be read ({type(error).__name__}: {error})") from error
            yield Activity(record, members)

    def marks(self) -> Mapping[str, Mark]:
        """Return what is marked as suspect, by id.

        Raises:
            CorruptStoreError: The member is missing, or is not what the manifest says.
        """
        try:
            return {values["id"]: Mark(values["reason"], values["marked_at"]) for values in self._lines(MARKS)}
        except DECODING_ERRORS as error:
            raise self._fault(MARKS, f"cannot be read ({type(error).__name__}: {error})") from error

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        if name not in self.manifest.members:
            return
        try:
            yield from map(json.loads, self.read(name).splitlines())
        except (ValueError, RecursionError) as error:
            raise self._fault(name, f"is no JSON ({error})") from error

    def part(self, i_part: int) -> Part:
        """Return one part.

        Raises:
            CorruptStoreError: A member of it is missing, or is not what the manifest says.
        """
        contents = {kind: self.read(part_name(kind, i_part)) for kind in KINDS}
        records: dict[str, list[dict[str, Any]]] = {}
        files: dict[str, list[StoredFile]] = {}
        try:
            for line in map(json.loads, contents["records"].splitlines()):
                records.setdefault(line["spectrum"], []).append(line["record"])
            for line in map(json.loads, contents["files"].splitlines()):
                file = StoredFile(check_file_name(line["name"]), line["size"], line["sha256"])
                files.setdefault(line["spectrum"], []).append(file)
            numbers = np.lib.format.read_array(BytesIO(contents["arrays"]), allow_pickle=False)
            data = numbers.astype("<f8", casting="equiv", copy=False).tobytes()
            index = [json.loads(line) for line in contents["index"].splitlines()]
            return Part(
                documents=tuple(contents["documents"].decode("ascii").splitlines()),
                records=records,
                files=files,
                structures={sha256(line): json.loads(line) for line in contents["structures"].splitlines()},
                arrays={i["sha256"]: data[8 * i["start"] : 8 * (i["start"] + i["length"])] for i in index},
            )
        except (*DECODING_ERRORS, RecursionError, MemoryError) as error:
            raise self._fault(f"part {i_part:05d}", f"cannot be read ({type(error).__name__}: {error})") from error

    def entry(self, line: str, part: Part) -> Entry:
        """Return the spectrum of one line of a part, with its records and files.

        Raises:
            CorruptStoreError: The line cannot be read, or its structure or arrays are missing.
            SchemaVersionError: A newer Whiteline wrote it.
        """
        try:
            document = _unpack_document(json.loads(line), part)
            records = [ProvenanceRecord.from_dict(values) for values in part.records.get(document.id, ())]
        except SchemaVersionError:
            raise
        except (*DECODING_ERRORS, RecursionError) as error:
            raise self._fault(f"document {line[:200]}", f"cannot be read ({type(error).__name__}: {error})") from error
        files = part.files.get(document.id, ())
        return Entry(
            document,
            tuple(sorted(records, key=lambda record: (record.started_at, record.id))),
            tuple(sorted(files, key=lambda file: file.name)),
            self.read_blob,
        )

    def read_blob(self, file: StoredFile) -> bytes:
        """Return the content of a raw file."""
        return self.read(blob_name(file.sha256))

    def read(self, name: str) -> bytes:
        """Return the content of a member, decompressed.

        Raises:
            CorruptStoreError: It is missing, or is not what the manifest says.
        """
        known, header = self.manifest.members.get(name), self._headers.get(name)
        if known is None or header is None:
            raise self._fault(name, "is missing")
        data = self._read_bytes(header)
        if len(data) != known.size or sha256(data) != known.sha256:
            raise self._fault(name, f"was changed: its SHA-256 is {sha256(data)}, the manifest says {known.sha256}")
        if not name.endswith(".gz"):
            return data
        if name.startswith("blobs/") and known.content_size > LARGEST_FILE:
            raise self._fault(name, f"is said to hold {known.content_size} bytes, more than a store takes")
        try:
            # Bounded: a member never expands to more than the manifest says.
            content = zlib.decompressobj(wbits=31).decompress(data, known.content_size + 1)
        except zlib.error as error:
            raise self._fault(name, f"cannot be decompressed ({error})") from error
        if len(content) != known.content_size:
            raise self._fault(name, f"does not decompress to the {known.content_size} bytes of the manifest")
        return content

    def member_faults(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each member that is missing, unknown or changed, and what is wrong with it."""
        for name in sorted(self._headers.keys() - self.manifest.members.keys() - {MANIFEST}):
            yield name, "is not in the manifest"
        for name in self.manifest.members:
            try:
                self.read(name)
            except CorruptStoreError as error:
                yield name, str(error)

    def _read_headers(self) -> dict[str, tarfile.TarInfo]:
        headers: dict[str, tarfile.TarInfo] = {}
        try:
            for header in self._tar:
                is_plain = header.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not header.issparse()
                if not is_plain or not is_member_name(header.name):
                    raise self._fault(
                        header.name, "is nothing that a backup holds: it was refused, nothing was unpacked"
                    )
                if header.name in headers:
                    raise self._fault(header.name, "is there twice")
                headers[header.name] = header
        except (tarfile.TarError, EOFError, OSError) as error:
            if isinstance(error, WhitelineError):
                raise
            raise self._fault("", f"was cut after {list(headers)[-1] if headers else 'its beginning'}") from error
        return headers

    def _read_manifest(self) -> bytes:
        header = self._headers.get(MANIFEST)
        if header is None:
            raise self._fault("", f"has no {MANIFEST} at its end: it was cut, or its making was interrupted")
        return self._read_bytes(header)

    def _parse_manifest(self, text: bytes) -> Manifest:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._fault(MANIFEST, f"is no JSON ({error})") from error
        return Manifest.from_dict(data, path=self.path)

    def _read_bytes(self, header: tarfile.TarInfo) -> bytes:
        try:
            file = self._tar.extractfile(header)
            return b"" if file is None else file.read()
        except (tarfile.TarError, EOFError) as error:
            raise self._fault(header.name, f"was cut ({error})") from error
        except OSError as error:
            raise StoreError(f"the backup {self.path} cannot be read ({error.strerror}): see its disk") from error

    def _fault(self, name: str, what: str) -> CorruptStoreError:
        member = f" member {name}" if name else ""
        return CorruptStoreError(f"the backup {self.path} is damaged:{member} {what}; {_REMEDY}")


def _unpack_document(values: dict[str, Any], part: Part) -> SpectrumDocument:
    spectrum = values["spectrum"]
    if spectrum is not None:
        shape = spectrum.pop("shape")
        energy = np.frombuffer(part.arrays[spectrum["energy"]], dtype="<f8")
        rows = np.frombuffer(part.arrays[spectrum["components"]], dtype="<f8").reshape(shape)
        spectrum = {**spectrum, "energy": energy, "components": rows}
    return SpectrumDocument.from_dict(
        {**values, "structure": part.structures[values["structure"]], "spectrum": spectrum}
    )
