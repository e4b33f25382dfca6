"""Files of an index: arrays that are mapped into memory, checksums, a lock, and a manifest that names what counts.

Whatever the manifest does not name is debris. It is replaced in one step after all it names has been written, so that
a reader, and whoever comes after a crash, sees the index before or after an update.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import numpy as np

from whiteline.errors import CorruptStoreError, StoreError

__all__ = ["ArrayWriter", "checksum", "explained", "locked", "open_array", "read_json", "write_array", "write_json"]

AnyArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_N_BLOCKS = 16
_BLOCK: Final = 4096


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into one that names the index and a remedy.

    Raises:
        StoreError: A file cannot be read or written.
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"the search index {folder} cannot be used ({error.strerror or error}): make the folder writable and see "
            "that the disk is not full, or delete the folder to have it made again"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing the index until the block ends; wait for one that does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def checksum(path: Path) -> str:
    """Return a hash of a file's size and of 16 pages spread over it: cheap, and different if it was cut or mixed up."""
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        for place in sorted({round(i * max(size - _BLOCK, 0) / (_N_BLOCKS - 1)) for i in range(_N_BLOCKS)}):
            file.seek(place)
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a dictionary in the place of a file, in one step."""
    _replace(path, lambda file: file.write(json.dumps(value, indent=1).encode()))


def read_json(path: Path) -> dict[str, Any]:
    """Return the dictionary that a file holds.

    Raises:
        CorruptStoreError: It holds none.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError) as error:
        raise CorruptStoreError(f"{path} is damaged or was removed: delete its folder to have it made again") from error
    if not isinstance(value, dict):
        raise CorruptStoreError(f"{path} holds no object: delete its folder to have it made again")
    return value


def write_array(path: Path, array: AnyArray) -> None:
    """Write an array as `.npy`, in one step."""
    _replace(path, lambda file: np.save(file, array, allow_pickle=False))


def open_array(path: Path) -> AnyArray:
    """Return an array mapped from its file, read-only; an empty one is read.

    Raises:
        CorruptStoreError: The file is missing or holds no array.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]  # `.npy` holds one array
    except ValueError as error:
        # An array without elements cannot be mapped.
        if path.stat().st_size <= _BLOCK:
            return _read_array(path)
        raise CorruptStoreError(f"{path} is damaged ({error}): delete its folder to have it made again") from error
    except (EOFError, FileNotFoundError) as error:
        raise CorruptStoreError(f"{path} is damaged or was removed: delete its folder to have it made again") from error


def _read_array(path: Path) -> AnyArray:
    try:
        return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]  # `.npy` holds one array
    except (ValueError, EOFError) as error:
        raise CorruptStoreError(f"{path} is damaged ({error}): delete its folder to have it made again") from error


class ArrayWriter:
    """Writes the rows of a `.npy` file as they come, so that memory need not hold them.

    Args:
        path: The new file.
        n_columns: Numbers in a row, written as little-endian float32.
    """

    def __init__(self, path: Path, n_columns: int) -> None:
        self._file = path.open("wb")
        self._n_columns = n_columns
        self._n_rows = 0
        self._write_header()
        self._start = self._file.tell()

    def _write_header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._n_rows, self._n_columns)}
        # numpy leaves room in it for a longer number of rows.
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, rows: AnyArray) -> None:
        """Write rows, shape (n_row, n_columns)."""
        self._file.write(np.ascontiguousarray(rows, dtype="<f4").tobytes())
        self._n_rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()
            if self._file.tell() != self._start:
                raise StoreError(f"the header of {self._file.name} grew: too many rows for one file, {self._n_rows}")
            self._file.flush()
            os.fsync(self._file.fileno())


def _replace(path: Path, write: Callable[[Any], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
