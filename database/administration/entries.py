"""Everything that belongs to one stored spectrum, read from a store in the order of the ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from whiteline.database.administration.checksums import Digest, canonical_json, document_line, record_checksum, sha256
from whiteline.database.query import SpectrumQuery
from whiteline.database.rows import DECODING_ERRORS
from whiteline.errors import CorruptStoreError
from whiteline.provenance import ProvenanceRecord
from whiteline.status import Status

if TYPE_CHECKING:
    from whiteline.database.blobs import StoredFile
    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.linked import Mark
    from whiteline.database.store import SpectrumStore

__all__ = [
    "DECODING_ERRORS",
    "EVERYTHING",
    "Activity",
    "Entry",
    "OnProgress",
    "Source",
    "StoreSource",
    "Tally",
    "TallyResult",
    "Unreadable",
    "read_each",
    "read_entry",
]

EVERYTHING = SpectrumQuery(status=tuple(Status), sort="id")

OnProgress = Callable[[float, str], None]


@dataclass(frozen=True)
class Entry:
    """One spectrum with its history and its raw files.

    Attributes:
        document: The document.
        records: Its provenance, ordered by start and id.
        files: Its raw files, ordered by name.
        read: Returns the content of a raw file.
    """

    document: SpectrumDocument
    records: tuple[ProvenanceRecord, ...]
    files: tuple[StoredFile, ...]
    read: Callable[[StoredFile], bytes] = field(repr=False)

    @property
    def id(self) -> str:
        """The id of the document."""
        return self.document.id

    @cached_property
    def structure_text(self) -> str:
        """The structure as canonical JSON."""
        return canonical_json(dict(self.document.structure), what=f"the structure of document {self.id}")

    @cached_property
    def line(self) -> str:
        """The document as canonical JSON; see `checksums`."""
        return document_line(self.document, structure=sha256(self.structure_text))

    @cached_property
    def checksum(self) -> str:
        """The checksum of the document."""
        return sha256(self.line)

    @cached_property
    def record_checksums(self) -> dict[str, str]:
        """Checksum of each record by its id."""
        return {record.id: record_checksum(record) for record in self.records}

    @cached_property
    def file_checksums(self) -> dict[str, str]:
        """SHA-256 of each raw file by its name."""
        return {file.name: file.sha256 for file in self.files}

    def content(self, file: StoredFile) -> bytes:
        """Return the content of a raw file.

        Raises:
            CorruptStoreError: It is not what its checksum says.
        """
        found = self.read(file)
        if sha256(found) != file.sha256:
            raise CorruptStoreError(
                f"the raw file {file.name} of spectrum {self.id} is damaged: its SHA-256 is not {file.sha256}; "
                "`whiteline db verify` of where it comes from names all such files"
            )
        return found


@dataclass(frozen=True)
class Activity:
    """A job that made something other than a spectrum.

    Attributes:
        record: Its record.
        members: Ids of stored spectra that it used beside those that the record names.
    """

    record: ProvenanceRecord
    members: tuple[str, ...]

    @cached_property
    def checksum(self) -> str:
        """The checksum of the record."""
        return record_checksum(self.record)


@dataclass(frozen=True)
class Unreadable:
    """A stored spectrum that is damaged, and what reading it said."""

    id: str
    why: str


class Source(Protocol):
    """What entries are read from: a store, or a backup."""

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        ...

    @property
    def is_everything(self) -> bool:
        """Whether nothing was left out by a query."""
        ...

    def count(self) -> int:
        """Return how many entries there are."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Stream the entries in the order of their ids."""
        ...

    def activities(self) -> Iterator[Activity]:
        """Stream the jobs that made no spectrum, those that started first at the front."""
        ...

    def marks(self) -> Mapping[str, Mark]:
        """Return what is marked as suspect, by id."""
        ...


@dataclass(frozen=True)
class StoreSource:
    """The spectra of a store that a query finds.

    Attributes:
        store: The store.
        query: Which spectra; their order and number are not taken from it.
    """

    store: SpectrumStore
    query: SpectrumQuery = EVERYTHING

    @property
    def address(self) -> str:
        """Where the store is."""
        return self.store.address

    @property
    def is_everything(self) -> bool:
        """Whether the query asks for all spectra."""
        return self.query == EVERYTHING

    def count(self) -> int:
        """Return how many spectra the query finds."""
        return self.store.count(self.query)

    def entries(self) -> Iterator[Entry]:
        """Stream the spectra in the order of their ids.

        Raises:
            CorruptStoreError: Something that is stored cannot be read.
        """
        try:
            for document in self.store.query(self.query):
                yield _complete(self.store, document)
        except DECODING_ERRORS as error:
            raise CorruptStoreError(
                f"a spectrum in {self.address} cannot be read ({type(error).__name__}: {error}): "
                f"`whiteline db verify {self.address}` names it and what to do"
            ) from error

    def activities(self) -> Iterator[Activity]:
        """Stream all jobs that made no spectrum, whatever the query: what they made may rest on what it finds."""
        for record in self.store.activities():
            yield Activity(record, tuple(self.store.members(record.id)))

    def marks(self) -> Mapping[str, Mark]:
        """Return all that is marked as suspect, whatever the query."""
        return self.store.marks()


def read_entry(store: SpectrumStore, spectrum_id: str) -> Entry | Unreadable | None:
    """Return the entry with exactly this id, what is wrong with it, or None."""
    try:
        document = store.find_by_id(spectrum_id)
        return None if document is None else _complete(store, document)
    except (CorruptStoreError, *DECODING_ERRORS) as error:
        return Unreadable(spectrum_id, str(error))


def read_each(store: SpectrumStore) -> Iterator[Entry | Unreadable]:
    """Stream all spectra in the order of their ids; one that is damaged does not end it.

    Raises:
        CorruptStoreError: Not even the ids can be read.
    """
    last = ""
    try:
        for document in store.query(EVERYTHING):
            yield _complete(store, document)
            last = document.id
    except (CorruptStoreError, *DECODING_ERRORS):
        # One after the other from here: slower, and only for a store that is damaged.
        ids, _ = store.changes()
        for found in (read_entry(store, each) for each in sorted(ids) if each > last):
            if found is not None:
                yield found


def _complete(store: SpectrumStore, document: SpectrumDocument) -> Entry:
    return Entry(
        document,
        tuple(sorted(store.records(document.id), key=lambda record: (record.started_at, record.id))),
        tuple(sorted(store.files(document.id), key=lambda file: file.name)),
        lambda file: store.read_file(document.id, file.name),
    )


@dataclass(frozen=True, kw_only=True)
class TallyResult:
    """How much there is, and one checksum for each kind of thing.

    Attributes:
        n_spectra: Number of documents; `documents` is the digest of their ids and checksums, in the order of the ids.
        n_records: Number of provenance records, and `records` their digest, by spectrum, start and id.
        n_files: Number of raw files, and `files` their digest, by spectrum and name.
        n_activities: Number of jobs that made no spectrum, and `activities` the digest of their records.
        n_marks: Number of things that are marked as suspect, and `marks` the digest of ids and reasons.
    """

    n_spectra: int
    n_records: int
    n_files: int
    documents: str
    records: str
    files: str
    n_activities: int = 0
    activities: str = ""
    n_marks: int = 0
    marks: str = ""


class Tally:
    """Counts entries and what belongs to them, and makes one digest of each kind."""

    def __init__(self) -> None:
        self._documents, self._records, self._files = Digest(), Digest(), Digest()
        self._activities, self._marks = Digest(), Digest()

    def add(self, entry: Entry, *, like: Entry | None = None) -> None:
        """Take one more entry.

        Args:
            entry: The entry, after those with smaller ids.
            like: Count only records and files that this one has, too.
        """
        asked = like or entry
        self._documents.add(entry.id, entry.checksum)
        for record_id in asked.record_checksums:
            if record_id in entry.record_checksums:
                self._records.add(entry.id, record_id, entry.record_checksums[record_id])
        for name in asked.file_checksums:
            if name in entry.file_checksums:
                self._files.add(entry.id, name, entry.file_checksums[name])

    def add_activity(self, activity: Activity) -> None:
        """Take one more job that made no spectrum."""
        self._activities.add(activity.record.id, activity.checksum)

    def add_mark(self, each: str, mark: Mark) -> None:
        """Take one more mark."""
        self._marks.add(each, mark.reason)

    @property
    def result(self) -> TallyResult:
        """What has been counted so far."""
        return TallyResult(
            n_spectra=self._documents.n_added,
            n_records=self._records.n_added,
            n_files=self._files.n_added,
            documents=self._documents.value,
            records=self._records.value,
            files=self._files.value,
            n_activities=self._activities.n_added,
            activities=self._activities.value,
            n_marks=self._marks.n_added,
            marks=self._marks.value,
        )
