"""Whether everything in a store or a backup is there, whole, and what it says it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from whiteline.database.administration.archive_format import ACTIVITIES, blob_name, part_name
from whiteline.database.administration.checksums import Digest, canonical_json, sha256
from whiteline.database.administration.entries import DECODING_ERRORS, EVERYTHING, OnProgress
from whiteline.database.administration.faults import Fault, VerificationReport
from whiteline.errors import CorruptStoreError, WhitelineError

if TYPE_CHECKING:
    from whiteline.database.administration.archive import Archive, Part
    from whiteline.database.store import SpectrumStore
    from whiteline.provenance import ProvenanceRecord

__all__ = ["verify_archive", "verify_store"]

_REPORT_EVERY = 50
_N_ID = 40  # digits of an id that is a hash of the record
_RESTORE = (
    "replace it from a backup (`whiteline db restore BACKUP --into-existing --replace`), or delete it "
    "(`store.delete(ID)` in Python) and compute it again"
)
_NO_RECORD = "store it again (`store.put(store.get(ID))` in Python): what its document says is put on record"
_EDITED = "do not rest on what it says; restore a backup into a new store (`whiteline db restore BACKUP --db NEW`)"
_OTHER_BACKUP = "use the untouched file or another backup"


def verify_store(store: SpectrumStore, *, on_progress: OnProgress | None = None) -> VerificationReport:
    """Read all that a store holds, and say what of it is damaged, missing or left over.

    Raises:
        StoreError: The store cannot be reached at all.
    """
    faults = [*_backend_faults(store), *_activity_faults(store)]
    try:
        ids, _ = store.changes()
        n_missed = store.count(EVERYTHING) - len(ids)
    except CorruptStoreError as error:
        ids, n_missed = [], 0
        faults.append(Fault(store.address, str(error), _RESTORE))
    if n_missed > 0:
        what = f"{n_missed} spectra were being written, perhaps by a writer that was killed, and were not read"
        faults.append(Fault(store.address, what, "verify again in ten minutes"))
    n_records = n_files = 0
    for i, spectrum_id in enumerate(ids, start=1):
        n_records_read, n_files_read, found = _verify_spectrum(store, spectrum_id)
        n_records += n_records_read
        n_files += n_files_read
        faults += found
        if on_progress and i % _REPORT_EVERY == 0:
            on_progress(i / len(ids), f"verifying {i} of {len(ids)}")
    return VerificationReport(
        address=store.address, n_spectra=len(ids), n_records=n_records, n_files=n_files, faults=tuple(faults)
    )


def verify_archive(archive: Archive, *, on_progress: OnProgress | None = None) -> VerificationReport:
    """Read a backup from end to end, and say what of it is damaged, missing or too much."""
    faults = [Fault(name, what, _OTHER_BACKUP) for name, what in archive.member_faults()]
    is_whole = not faults
    documents, records, files = Digest(), Digest(), Digest()
    manifest = archive.manifest
    for i_part in range(manifest.n_parts):
        try:
            part = archive.part(i_part)
        except CorruptStoreError as error:
            if is_whole:
                faults.append(Fault(part_name("documents", i_part), str(error), _OTHER_BACKUP))
            continue
        faults += _verify_part(archive, part, i_part, documents=documents, records=records, files=files)
        if on_progress:
            on_progress((i_part + 1) / manifest.n_parts, f"verifying part {i_part + 1} of {manifest.n_parts}")
    tally = manifest.tally
    activities = Digest()
    try:
        for activity in archive.activities():
            activities.add(activity.record.id, activity.checksum)
            faults += _record_faults(activity.record)
    except WhitelineError as error:
        if is_whole:
            faults.append(Fault(ACTIVITIES, _words(error), _OTHER_BACKUP))
    for name, digest, n_expected, expected in (
        ("activities", activities, tally.n_activities, tally.activities or activities.value),
        ("documents", documents, tally.n_spectra, tally.documents),
        ("records", records, tally.n_records, tally.records),
        ("files", files, tally.n_files, tally.files),
    ):
        if is_whole and (digest.n_added, digest.value) != (n_expected, expected):
            what = f"there are {digest.n_added} of {n_expected} {name}, or their checksums are others"
            faults.append(Fault(name, what, _OTHER_BACKUP))
    return VerificationReport(
        address=archive.address,
        n_spectra=documents.n_added,
        n_records=records.n_added,
        n_files=files.n_added,
        faults=tuple(faults),
        checksum=archive.checksum,
    )


def _backend_faults(store: SpectrumStore) -> Iterator[Fault]:
    """Yield what only a look at the tables shows."""
    from whiteline.database.mongo import MongoStore
    from whiteline.database.sqlite import SQLiteStore

    if isinstance(store, SQLiteStore):
        from whiteline.database.administration.verification_sqlite import find_faults

        yield from find_faults(store.path)
    elif isinstance(store, MongoStore):
        from whiteline.database.administration.verification_mongo import find_faults as find_in_mongo

        yield from find_in_mongo(store.database)


def _verify_spectrum(store: SpectrumStore, spectrum_id: str) -> tuple[int, int, list[Fault]]:
    """Return the numbers of records and files that could be read, and what is wrong."""
    faults: list[Fault] = []
    n_records = n_files = 0
    try:
        # Reading makes the arrays anew: their lengths fit, they are finite, and energies increase.
        if store.find_by_id(spectrum_id) is None and store.has(spectrum_id):
            faults.append(Fault(spectrum_id, "its structure or its parameters are missing", _RESTORE))
    except (WhitelineError, *DECODING_ERRORS) as error:
        faults.append(Fault(spectrum_id, f"cannot be read ({_words(error)})", _RESTORE))
    try:
        records = store.records(spectrum_id)
        n_records = len(records)
        faults += [fault for record in records for fault in _record_faults(record, of=f" of {spectrum_id}")]
        if not records:
            faults.append(Fault(spectrum_id, "has no provenance record", _NO_RECORD))
    except (WhitelineError, *DECODING_ERRORS) as error:
        faults.append(Fault(spectrum_id, f"its provenance records cannot be read ({_words(error)})", _RESTORE))
    for file in store.files(spectrum_id):
        try:
            content = store.read_file(spectrum_id, file.name)
        except (WhitelineError, *DECODING_ERRORS) as error:
            faults.append(Fault(spectrum_id, f"its raw file {file.name} cannot be read ({_words(error)})", _RESTORE))
            continue
        if sha256(content) != file.sha256 or len(content) != file.size:
            faults.append(Fault(spectrum_id, f"its raw file {file.name} is not what its SHA-256 says", _RESTORE))
        n_files += 1
    return n_records, n_files, faults


def _activity_faults(store: SpectrumStore) -> Iterator[Fault]:
    """Yield what is wrong with the records of jobs that made no spectrum."""
    try:
        for record in store.activities():
            yield from _record_faults(record)
    except (WhitelineError, *DECODING_ERRORS) as error:
        yield Fault(store.address, f"a record of a job that made no spectrum cannot be read ({_words(error)})", _EDITED)


def _record_faults(record: ProvenanceRecord, *, of: str = "") -> Iterator[Fault]:
    """Yield that a record is not what its id says; ids of schema version 1, which are shorter, say nothing."""
    if len(record.id) == _N_ID and record.id != record.content_id:
        yield Fault(f"record {record.id}{of}", "is not what its id says: it was edited or damaged", _EDITED)


def _verify_part(
    archive: Archive, part: Part, i_part: int, *, documents: Digest, records: Digest, files: Digest
) -> Iterator[Fault]:
    """Yield what is wrong with one part, and add its lines, as they are, to the digests."""
    name = part_name("documents", i_part)
    ids = set()
    for i_line, line in enumerate(part.documents, start=1):
        try:
            entry = archive.entry(line, part)
        except WhitelineError as error:
            yield Fault(f"{name} line {i_line}", _words(error), _OTHER_BACKUP)
            continue
        ids.add(entry.id)
        documents.add(entry.id, sha256(line))
        for values in sorted(part.records.get(entry.id, ()), key=lambda values: (values["started_at"], values["id"])):
            records.add(entry.id, values["id"], _record_checksum(values))
        for file in entry.files:
            files.add(entry.id, file.name, file.sha256)
            if blob_name(file.sha256) not in archive.manifest.members:
                yield Fault(entry.id, f"its raw file {file.name} is missing", _OTHER_BACKUP)
    for spectrum_id in sorted((part.records.keys() | part.files.keys()) - ids):
        yield Fault(spectrum_id, f"{name} lacks it, and there are records or files of it", _OTHER_BACKUP)
    for checksum, data in part.arrays.items():
        if sha256(data) != checksum:
            yield Fault(part_name("arrays", i_part), f"the array {checksum} is another", _OTHER_BACKUP)


def _record_checksum(values: dict[str, Any]) -> str:
    return sha256(canonical_json(values, what="a provenance record"))


def _words(error: BaseException) -> str:
    if isinstance(error, CorruptStoreError) and isinstance(error.__cause__, DECODING_ERRORS):
        return _words(error.__cause__)  # without the advice to verify
    return str(error) if isinstance(error, WhitelineError) else f"{type(error).__name__}: {error}"
