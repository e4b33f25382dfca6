"""Storages of AiiDA opened for reading, and the files of their nodes, held against their checksums."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from whiteline.database.ingest import Limits
from whiteline.database.ingest.limits import check_file
from whiteline.errors import MissingDependencyError, ParseError, StoreError, WhitelineError
from whiteline.workflows.aiida.profile import opened_archive, opened_profile, require_aiida
from whiteline.workflows.ingest.aiida.graph import Node, short

__all__ = ["SCHEME", "AiidaFile", "damage", "opened_storage", "read_file"]

SCHEME: Final = "aiida:"
_MEBIBYTE: Final = 2**20


class AiidaFile(NamedTuple):
    """A file in the repository of a node."""

    node: Node
    name: str


@contextmanager
def opened_storage(address: str, limits: Limits) -> Iterator[Any]:
    """Yield the storage of an archive, or of a profile (`aiida:PROFILE`); it is read, never written.

    Archives of earlier versions of AiiDA are migrated in a copy.

    Raises:
        MissingDependencyError: aiida-core is not installed.
        ParseError: It is no archive, damaged, too large, or of a newer AiiDA; or the profile cannot be opened.
        ParameterError: There is no such profile.
    """
    require_aiida("archives and profiles of AiiDA")
    try:
        if address.startswith(SCHEME):
            with opened_profile(address.removeprefix(SCHEME)) as storage:
                yield storage
        else:
            with _opened(Path(address), limits) as storage:
                yield storage
    except MissingDependencyError:
        raise
    except StoreError as error:  # Whiteline's own store is not meant
        raise ParseError(str(error)) from error
    except WhitelineError:
        raise
    except damage() as error:
        raise ParseError(
            f"{address} is damaged ({type(error).__name__}: {str(error)[:200]}): export it from AiiDA again"
        ) from error


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[Any]:
    _check_sizes(path, limits)
    from aiida.storage.sqlite_zip import migrator
    from aiida.storage.sqlite_zip.utils import read_version

    found, known = read_version(path), migrator.list_versions()
    if found == known[-1]:
        with opened_archive(path) as storage:
            yield storage
        return
    if found not in known:
        raise ParseError(
            f"{path} is an archive of version {found}, the installed AiiDA reads up to {known[-1]}: upgrade with "
            "`pip install -U aiida-core`"
        )
    with TemporaryDirectory(prefix="whiteline-") as folder:
        copy = Path(folder) / path.name
        migrator.migrate(path, copy, known[-1])
        with opened_archive(copy) as storage:
            yield storage


def damage() -> tuple[type[Exception], ...]:
    """Return what reading a damaged storage raises where nobody looked."""
    from aiida.common.exceptions import AiidaException
    from sqlalchemy.exc import SQLAlchemyError

    builtin = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
    return (*builtin, zipfile.BadZipFile, zlib.error, AiidaException, SQLAlchemyError)


def _check_sizes(path: Path, limits: Limits) -> None:
    """Refuse what is no archive, or unpacks to more than is read, from the table of contents alone."""
    check_file(path, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ParseError(
            f"{path} is no archive of AiiDA, or was cut off ({error}): expected what `verdi archive create` writes"
        ) from error
    largest = max(members, key=lambda member: member.file_size, default=None)
    if limits.max_bytes is not None and largest is not None and largest.file_size > limits.max_bytes:
        raise ParseError(
            f"{path} holds {largest.filename} with {largest.file_size / _MEBIBYTE:.0f} MiB, at most "
            f"{limits.max_bytes / _MEBIBYTE:.0f} MiB are read: give --no-limit if it is what it should be"
        )


def read_file(file: AiidaFile, limits: Limits) -> bytes | None:
    """Return the content of a file, None where the node has none of that name.

    Raises:
        ParseError: It is too large, or not what its checksum says.
    """
    node, name = file
    entry = node.base.repository.metadata.get("o", {}).get(name)
    if entry is None or "k" not in entry:
        return None
    most = -1 if limits.max_bytes is None else limits.max_bytes + 1
    with node.base.repository.open(name, "rb") as handle:
        content: bytes = handle.read(most)
    if len(content) == most:
        raise ParseError(f"{name} of {short(node)} has more than {limits.max_bytes} bytes: give --no-limit to read it")
    if hashlib.sha256(content).hexdigest() != entry["k"]:
        raise ParseError(
            f"{name} of {short(node)} was changed: its SHA-256 is not {entry['k']}, under which AiiDA keeps it"
        )
    return content
