"""A file of Whiteline, a store or a queue: how it is made and opened, and what may be wrong with it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from whiteline.database.sqlite_tables import STORE_SCHEMA_VERSION, make_missing
from whiteline.errors import CorruptStoreError, ParameterError, SchemaVersionError, StoreError

__all__ = [
    "APPLICATION_ID",
    "STORE",
    "FileKind",
    "check_not_newer",
    "connect",
    "explained",
    "open_existing",
    "transaction",
]

APPLICATION_ID = 0x574C4E45  # "WLNE": marks the file as Whiteline's
BUSY_TIMEOUT = 60.0
_MAGIC = b"SQLite format 3\x00"
_HEADER_SIZE = 100
_PAGE_SIZE = 8192
_CACHE_KIB = 64 * 1024
# The log is copied into the file when it has grown to 64 MiB: pages that many transactions change are copied once.
_LOG_PAGES = 8192


@dataclass(frozen=True)
class FileKind:
    """What a file is for.

    Attributes:
        name: What messages call it.
        application_id: The four bytes that mark it.
        schema_version: The one that this Whiteline reads and writes.
        make: Makes its tables and indexes, inside a transaction.
        synchronous: What SQLite waits for at a commit. `FULL`: it is on the disk; `NORMAL`: a power failure may take
            the last ones back, and damages nothing.
    """

    name: str
    application_id: int
    schema_version: int
    make: Callable[[sqlite3.Connection], object]
    synchronous: str = "FULL"


STORE = FileKind("store", APPLICATION_ID, STORE_SCHEMA_VERSION, make_missing)

_DAMAGED = "restore a backup, or move the file away; `sqlite3 FILE .recover` saves what can still be read"
_CAUSES: dict[int, tuple[type[StoreError], str, str]] = {
    sqlite3.SQLITE_NOTADB: (CorruptStoreError, "is not a Whiteline database, or is damaged", _DAMAGED),
    sqlite3.SQLITE_CORRUPT: (CorruptStoreError, "is damaged", _DAMAGED),
    sqlite3.SQLITE_FULL: (StoreError, "cannot grow: the disk is full", "free some space, then run again"),
    sqlite3.SQLITE_READONLY: (
        StoreError,
        "is read-only",
        "make file and folder writable, or copy it",
    ),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "cannot be opened", "see that its folder exists and is writable"),
    sqlite3.SQLITE_PERM: (
        StoreError,
        "may not be opened",
        "see the permissions of file and folder",
    ),
    sqlite3.SQLITE_BUSY: (
        StoreError,
        "stayed locked by another process",
        "see who writes it, or run later",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "cannot be read or written",
        "see the disk, its quota and its mount",
    ),
}


@contextmanager
def explained(path: Path, name: str = "store") -> Iterator[None]:
    """Turn what SQLite raises into a `StoreError`, or `ParameterError`, that names the file and what to do."""
    try:
        yield
    except (OverflowError, UnicodeEncodeError) as error:
        raise ParameterError(
            f"the {name} {path} takes no such value ({str(error)[:200]}): give text that is valid Unicode, and whole "
            "numbers of up to 64 bits"
        ) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        unknown = (StoreError, "cannot be used", "see the SQLite message")
        kind, fault, remedy = _CAUSES.get(-1 if code is None else code & 0xFF, unknown)
        raise kind(f"the {name} {path} {fault} ({error}): {remedy}") from error


@contextmanager
def transaction(connection: sqlite3.Connection, *, is_writing: bool = True) -> Iterator[sqlite3.Connection]:
    """Run a block as one transaction: all of it is stored, or nothing."""
    connection.execute("BEGIN IMMEDIATE" if is_writing else "BEGIN")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after a full disk or an input/output error.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: Path, *, must_exist: bool = False, kind: FileKind = STORE) -> sqlite3.Connection:
    """Return a connection to the file at `path`, made if it is not there and may be made.

    Raises:
        StoreError: The file or its folder cannot be used, or there is none yet and there must be one.
        CorruptStoreError: The file is damaged or somebody else's.
        SchemaVersionError: A newer Whiteline wrote it, or an older one and it needs a migration.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder: give the file of the {kind.name}, e.g. {path / 'spectra.db'}")
    is_there = path.exists() and path.stat().st_size > 0
    if must_exist and not is_there:
        raise StoreError(
            f"there is no {kind.name} at {path} yet: compute a spectrum to make one, or give the path of another"
        )
    with explained(path, kind.name):
        if is_there:
            _refuse_foreign_file(path, kind)
        else:
            _make_folder(path.parent)
        connection = _open(path)
        try:
            _prepare(connection, path, kind)
        except BaseException:
            connection.close()
            raise
        return connection


def open_existing(path: Path) -> sqlite3.Connection:
    """Return a connection to a store of any version that is there.

    Raises:
        StoreError: There is none, or it cannot be used.
        CorruptStoreError: The file is damaged or somebody else's.
    """
    if not path.is_file():
        raise StoreError(f"there is no store at {path}: give the path of one")
    _refuse_foreign_file(path, STORE)
    return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    mode = "rwc"
    if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        # Without a writable folder SQLite cannot keep its shared index; what nobody writes is safe without.
        mode = "ro" if Path(f"{path}-wal").exists() else "ro&immutable=1"
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )


def _prepare(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    if _is_empty(connection, path, kind):
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        with transaction(connection):
            # Another process may have made the tables while this one waited for the lock.
            if _is_empty(connection, path, kind):
                kind.make(connection)
                connection.execute(f"PRAGMA application_id = {kind.application_id}")
                connection.execute(f"PRAGMA user_version = {kind.schema_version}")
    _check_version(connection, path, kind)
    # Readers and one writer at a time do not block each other.
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        _use_write_ahead_log(connection)
    connection.execute(f"PRAGMA synchronous = {kind.synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for the lock on this one statement, and several processes may be making the file.
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _is_empty(connection: sqlite3.Connection, path: Path, kind: FileKind) -> bool:
    """Return whether the database has no table yet; refuse one with tables of others."""
    # In one statement: between two, another process may finish making the file, which then looked like somebody else's.
    sql = "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_master)"
    application_id, n_tables = connection.execute(sql).fetchone()
    if application_id not in (0, kind.application_id) or (application_id == 0 and n_tables):
        raise _foreign(path, kind)
    return bool(application_id == 0)


def _check_version(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    version = check_not_newer(connection, path, kind=kind)
    if version < kind.schema_version:
        raise SchemaVersionError(
            f"the {kind.name} {path} has schema version {version} of an older Whiteline, this one reads "
            f"{kind.schema_version}; it was left as it is: run `whiteline db migrate {path}`, which makes a "
            "backup first"
        )


def check_not_newer(connection: sqlite3.Connection, path: Path, *, kind: FileKind = STORE) -> int:
    """Return the schema version of a file.

    Raises:
        SchemaVersionError: A newer Whiteline wrote it.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > kind.schema_version:
        raise SchemaVersionError(
            f"the {kind.name} {path} has schema version {version}, this Whiteline reads up to "
            f"{kind.schema_version}: upgrade with `pip install -U whiteline`"
        )
    return int(version)


def _refuse_foreign_file(path: Path, kind: FileKind) -> None:
    """Raise, without touching it, if the file is no database or somebody else's."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_SIZE)
    except OSError as error:
        raise StoreError(f"the {kind.name} {path} cannot be read ({error.strerror}): check its permissions") from error
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise CorruptStoreError(f"the file {path} is not a Whiteline database, or is damaged: {_DAMAGED}")
    application_id = int.from_bytes(header[68:72], "big")
    if application_id not in (0, kind.application_id):
        raise _foreign(path, kind)
    # A journal beside it means that its making was interrupted; only an ordinary connection can settle that.
    if application_id == 0 and not Path(f"{path}-journal").exists():
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            _is_empty(connection, path, kind)


def _foreign(path: Path, kind: FileKind) -> CorruptStoreError:
    return CorruptStoreError(
        f"the file {path} is a database of another program, or for another purpose than as a {kind.name} of Whiteline; "
        "it was left as it is: give another path"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {folder} for the database cannot be made ({error.strerror}): choose a writable place"
        ) from error
