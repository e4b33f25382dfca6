"""What every store of spectra does, and how one is opened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

from jaxtyping import Float
from numpy import dtype, float64, ndarray

from whiteline.errors import InputError, ParameterError, did_you_mean
from whiteline.status import Status

if TYPE_CHECKING:
    from whiteline.database.blobs import StoredFile
    from whiteline.database.curves import CurveBlock
    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.linked import LinkedRecord, Mark, RecordCondition
    from whiteline.database.query import SpectrumQuery
    from whiteline.provenance import ProvenanceRecord

__all__ = [
    "AmbiguousIdError",
    "IndexStatus",
    "Item",
    "SpectrumStore",
    "SpectrumSummary",
    "StoreStatus",
    "UnknownIdError",
    "locate",
    "open_store",
    "resolve_id",
    "unknown_file",
]

Array: TypeAlias = ndarray[Any, dtype[float64]]
# What `put_many` takes: a document, its record if there is one, and its raw files if there are any.
Item: TypeAlias = (
    "tuple[SpectrumDocument, ProvenanceRecord | None] "
    "| tuple[SpectrumDocument, ProvenanceRecord | None, Mapping[str, bytes] | None]"
)

_SCHEMES = ("sqlite", "mongodb", "mongodb+srv")


class UnknownIdError(InputError, LookupError):
    """No stored spectrum has this id."""


class AmbiguousIdError(UnknownIdError):
    """Several stored spectra have ids that begin so."""


@dataclass(frozen=True, kw_only=True)
class SpectrumSummary:
    """What a table of spectra shows: a `SpectrumDocument` without structure, checks and arrays.

    Attributes:
        energy_min: First point of the axis [eV], `energy_max` the last; None without a spectrum.
        n_points: Number of points of the axis; 0 without a spectrum.
    """

    id: str
    kind: str
    status: str
    reason: str
    absorber: str
    edge: str
    code: str
    code_version: str
    fidelity: str
    structure_id: str
    formula: str
    chemical_system: str
    space_group: int
    space_group_symbol: str
    site_id: str
    site_index: int | None
    multiplicity: int
    source: str
    created_at: str
    n_points: int
    energy_min: float | None
    energy_max: float | None
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class IndexStatus:
    """An index that queries rely on: its name, the fields in their order, and whether the store has it."""

    name: str
    fields: tuple[str, ...]
    is_present: bool


@dataclass(frozen=True, kw_only=True)
class StoreStatus:
    """What a store holds.

    Attributes:
        address: Where it is, without credentials.
        schema_version: Version of its layout.
        n_files: Number of raw files; those of the same content are kept once.
        n_activities: Number of records of jobs that made no spectrum, and `n_marks` that of suspect things.
        size_bytes: What it takes on disk, as far as the server says.
        indexes: Every index it should have.
    """

    address: str
    schema_version: int
    n_spectra: int
    n_structures: int
    n_records: int
    n_files: int
    size_bytes: int
    indexes: tuple[IndexStatus, ...]
    n_activities: int = 0
    n_marks: int = 0


@runtime_checkable
class SpectrumStore(Protocol):
    """A place that keeps spectra with their structures, provenance and raw files.

    Reading streams: a query holds the ids it found and reads the spectra in small groups, so that it may be
    interrupted, and spectra may be written, while it runs.
    """

    @property
    def address(self) -> str:
        """Where the store is, for messages; without credentials."""
        ...

    def check_writable(self) -> None:
        """Make sure, before hours of computing, that results can be stored.

        Raises:
            StoreError: The store cannot be written.
        """
        ...

    def put(
        self,
        document: SpectrumDocument,
        record: ProvenanceRecord | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Store a document in place of an earlier one with its id, and add record and files to what it has.

        Nothing is stored without a record: a spectrum that comes without one, and has none yet, gets one that tells
        what its document says (`ancestry.minimal_record`).

        Args:
            document: What to store.
            record: How it came about.
            files: Raw files, content by name; one of the same name is replaced, others stay.

        Raises:
            StoreError: The store cannot be written; nothing of the document was stored.
            ParameterError: JSON cannot hold the document, or a file has an unsafe name.
        """
        ...

    def put_many(self, items: Iterable[Item]) -> int:
        """Store many documents in groups, each group as `put` does; return how many there were."""
        ...

    def put_files(self, spectrum_id: str, files: Mapping[str, bytes]) -> None:
        """Add raw files to the document with exactly this id; those of the same name are replaced.

        Names are relative POSIX paths. Content is kept once, compressed, however many spectra share it.

        Raises:
            UnknownIdError: There is no such document.
            ParameterError: A name is unsafe, or a content is not bytes or too large.
        """
        ...

    def files(self, spectrum_id: str) -> list[StoredFile]:
        """Return the raw files of a spectrum by name; none if it is not stored."""
        ...

    def read_file(self, spectrum_id: str, name: str) -> bytes:
        """Return the content of a raw file.

        Raises:
            UnknownIdError: There is no such spectrum, or it has no such file.
            CorruptStoreError: The content is not what was stored.
        """
        ...

    def get(self, id_or_prefix: str) -> SpectrumDocument:
        """Return the document with this id, or the only one whose id begins so.

        Raises:
            UnknownIdError: There is none, or more than one (`AmbiguousIdError`).
        """
        ...

    def find_by_id(self, spectrum_id: str) -> SpectrumDocument | None:
        """Return the document with exactly this id, or None."""
        ...

    def has(self, spectrum_id: str) -> bool:
        """Return whether a document has exactly this id."""
        ...

    def status_of(self, spectrum_id: str) -> Status | None:
        """Return how the calculation ended, or None if it is not stored."""
        ...

    def query(self, query: SpectrumQuery) -> Iterator[SpectrumDocument]:
        """Stream the documents that a query finds."""
        ...

    def summaries(self, query: SpectrumQuery) -> Iterator[SpectrumSummary]:
        """Stream what a query finds, without arrays."""
        ...

    def count(self, query: SpectrumQuery) -> int:
        """Return how many documents a query finds, whatever its `limit` and `skip`."""
        ...

    def group(self, query: SpectrumQuery, names: Sequence[str]) -> list[tuple[tuple[Any, ...], int]]:
        """Return how many documents have each combination of values, the largest number first.

        Args:
            query: Which documents, whatever its `limit` and `skip`.
            names: Fields of `rows.PLAIN_COLUMNS`, e.g. `("absorber", "status")`.

        Raises:
            ParameterError: A name is unknown, or there is none.
        """
        ...

    def changes(self, since: int = 0) -> tuple[list[str], int]:
        """Return the ids written or rewritten after revision `since`, oldest first, and the newest revision.

        Give the revision that came back to the next call to learn what was written in between. Deletions are
        not listed.
        """
        ...

    def matrix(
        self, query: SpectrumQuery, grid: Float[Array, " energy"]
    ) -> tuple[list[str], Float[Array, "spectrum energy"]]:
        """Return ids and raw powder intensities on a common axis, shape (n_spectrum, n_energy).

        Failed calculations have no row. Spectra on another axis are interpolated linearly.

        Args:
            query: Which spectra.
            grid: Strictly increasing axis, shape (n_energy,) [eV], as the spectra's own.

        Raises:
            InputError: A spectrum does not cover the grid.
        """
        ...

    def curves(self, ids: Sequence[str]) -> Iterator[CurveBlock]:
        """Stream spectra as blocks of arrays with their main fields, many times faster than whole documents.

        Failed calculations are left out, and ids that are not stored. The order within a block is the store's.

        Raises:
            CorruptStoreError: The arrays of a spectrum do not fit its axis.
        """
        ...

    def records(self, spectrum_id: str) -> list[ProvenanceRecord]:
        """Return how a spectrum came about, the job that started first at the front."""
        ...

    def put_activity(self, record: ProvenanceRecord, members: Iterable[str] = ()) -> None:
        """Add the record of a job that made something other than a spectrum: a dataset, a model, a figure, a file.

        Args:
            record: What the job used and made; the same record is stored once.
            members: Ids of stored spectra that it used beside those that it names, as many as there are; those that
                are not stored are left out.

        Raises:
            StoreError: The store cannot be written; nothing of the record was stored.
        """
        ...

    def activities(self) -> Iterator[ProvenanceRecord]:
        """Stream the records of jobs that made no spectrum, those that started first at the front."""
        ...

    def members(self, record_id: str) -> list[str]:
        """Return the ids of the members that were given with such a record and are still stored, in their order."""
        ...

    def linked(self, ids: Sequence[str]) -> list[LinkedRecord]:
        """Return every record that used or made one of these things, or has one as a member; each once, oldest first.

        A record is found by its own id, too, and the records of a spectrum by that of the spectrum.

        Args:
            ids: Content hashes, checksums (`sha256:…`) and stored ids, whole.
        """
        ...

    def linked_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids of things that records name, and of records, that begin so, in their order.

        `sha256:` may be left out. What is no hexadecimal number, such as the name of a source, is found only whole.
        """
        ...

    def find_records(self, condition: RecordCondition) -> Iterator[LinkedRecord]:
        """Stream the records that meet a condition, of spectra and of other jobs."""
        ...

    def mark(self, ids: Sequence[str], reason: str, *, marked_at: str = "") -> int:
        """Mark things as suspect, whether or not they are stored here; return how many were not yet for this reason.

        Args:
            ids: What to mark.
            reason: Why, in words that people will read.
            marked_at: Since when, ISO 8601, UTC; now where it is empty.
        """
        ...

    def unmark(self, ids: Sequence[str]) -> int:
        """Take the marks of things away; return how many had one."""
        ...

    def marks(self, ids: Sequence[str] | None = None) -> dict[str, Mark]:
        """Return the marks of these things, or all there are, by id."""
        ...

    def delete(self, spectrum_id: str) -> None:
        """Remove the document with exactly this id, its records and its files.

        Raises:
            UnknownIdError: There is none.
        """
        ...

    def status(self) -> StoreStatus:
        """Return what the store holds, and whether its indexes are there."""
        ...

    def prepare(self) -> tuple[str, ...]:
        """Make the tables and indexes that are missing; return the names of what was made."""
        ...

    def close(self) -> None:
        """Let go of files and connections; afterwards the store cannot be used."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_store(address: str | Path, *, must_exist: bool = False) -> SpectrumStore:
    """Return the store at an address.

    Args:
        address: Path, `sqlite:///PATH`, `mongodb://HOST/DATABASE` or `mongodb+srv://HOST/DATABASE`.
        must_exist: Whether to refuse, rather than make, a store that is not there yet.

    Raises:
        ParameterError: No such kind of address.
        StoreError: The store cannot be opened; the message says why and what to do.
    """
    place = locate(address)
    if isinstance(place, Path):
        from whiteline.database.sqlite import SQLiteStore

        return SQLiteStore(place, must_exist=must_exist)
    from whiteline.database.mongo import open_mongo

    return open_mongo(place, must_exist=must_exist)


def locate(address: str | Path) -> Path | str:
    """Return the file of an embedded store, or the address of a MongoDB database.

    Args:
        address: As `open_store` takes it.

    Raises:
        ParameterError: No such kind of address.
    """
    text = str(address)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    if not isinstance(address, Path) and scheme is None and re.match(r"(sqlite|mongodb(\+srv)?):", text, re.IGNORECASE):
        # Not named: it may hold a password. As a path it would make folders.
        raise ParameterError(
            "an address of a store has two slashes after the colon: sqlite:///PATH or mongodb://HOST/DATABASE; "
            "for a file of such a name write ./NAME"
        )
    if isinstance(address, Path) or scheme is None:
        return _file_of(text)
    name = scheme[1].lower()
    if name not in _SCHEMES:
        raise ParameterError(
            f"unknown kind of store {name!r}: {did_you_mean(name, _SCHEMES)} "
            "Give a path, sqlite:///PATH or mongodb://HOST/DATABASE"
        )
    if name == "sqlite":
        return _file_of(text.removeprefix(f"{scheme[0]}").removeprefix("/"))
    return text


def _file_of(path: str) -> Path:
    if path in ("", ":memory:"):
        raise ParameterError(f"a store needs a file, got {path!r}: give a path such as spectra.db")
    return Path(path).expanduser()


def resolve_id(store: SpectrumStore, id_or_prefix: str) -> str:
    """Return the only id of a store that is, or begins with, `id_or_prefix`.

    Raises:
        UnknownIdError: There is none, or more than one (`AmbiguousIdError`).
    """
    from whiteline.database.query import ANY_STATUS, SpectrumQuery

    if store.has(id_or_prefix):
        return id_or_prefix
    unknown = UnknownIdError(f"no spectrum in {store.address} has an id that begins with {id_or_prefix!r}")
    try:
        query = SpectrumQuery(id_prefix=id_or_prefix, status=ANY_STATUS, limit=3, sort="id")
    except ParameterError as error:
        raise unknown from error
    found = [summary.id for summary in store.summaries(query)]
    if not found:
        raise unknown
    if len(found) > 1:
        raise AmbiguousIdError(
            f"{store.count(query)} spectra in {store.address} have ids that begin with {id_or_prefix!r}, "
            f"among them {', '.join(found)}: give more digits"
        )
    return found[0]


def unknown_file(store: SpectrumStore, spectrum_id: str, name: str) -> UnknownIdError:
    """Return the error that a spectrum has no file of this name; it names those that it has."""
    if not store.has(spectrum_id):
        return UnknownIdError(f"no spectrum in {store.address} has the id {spectrum_id!r}")
    known = ", ".join(file.name for file in store.files(spectrum_id))
    return UnknownIdError(f"spectrum {spectrum_id} in {store.address} has no file {name!r}; it has: {known or 'none'}")
