"""Tables of stored spectra as files: CSV, Parquet and Arrow, written in groups and moved into place whole."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.columns import DEFAULT_COLUMNS, Selection, check_columns, iterate
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.database.tables import load_pyarrow, to_arrow
from whiteline.errors import ParameterError, StoreError, did_you_mean

__all__ = ["TABLE_SUFFIXES", "new_file", "write_parquet", "write_table"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

TABLE_SUFFIXES = (".csv", ".parquet", ".arrow")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; what is written there takes its place when all went well, and goes otherwise.

    Raises:
        StoreError: The folder cannot be written, or `path` is there and no file.
    """
    target = path.resolve()  # the file behind a link is replaced, not the link
    if target.exists() and not target.is_file():
        raise StoreError(f"cannot write {path}: it is a folder or a device, give the name of a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): choose a writable place") from error
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o666 & ~_umask())
        draft.replace(target)
    except StoreError:
        raise  # it is about what was read
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror or error}): choose a writable place") from error
    finally:
        draft.unlink(missing_ok=True)


def write_parquet(
    store: SpectrumStore,
    query: Selection,
    path: str | Path,
    *,
    columns: str | Iterable[str] | None = None,
    grid: Float[Array, " energy"] | None = None,
) -> int:
    """Write what a query finds as a Parquet file, in place of an earlier one; return the number of rows.

    Args:
        store: Where to look.
        query: Which spectra: a query or ids.
        path: The file.
        columns: As `whiteline.database.tables.to_arrow` takes them; everything by default, arrays included.
        grid: Common axis, shape (n_energy,) [eV].

    Raises:
        MissingDependencyError: pyarrow is not installed.
        StoreError: The file cannot be written.
    """
    parquet = load_pyarrow("pyarrow.parquet")
    reader = to_arrow(store, query, columns=columns, grid=grid)
    n_rows = 0
    with new_file(Path(path)) as draft, parquet.ParquetWriter(draft, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            n_rows += batch.num_rows
    return n_rows


def write_table(
    store: SpectrumStore, query: SpectrumQuery, path: str | Path, *, columns: str | Iterable[str] = DEFAULT_COLUMNS
) -> int:
    """Write what a query finds as a `.csv`, `.parquet` or `.arrow` file; return the number of rows.

    Raises:
        ParameterError: The file name ends otherwise, or there is no such column.
        MissingDependencyError: Parquet and Arrow need pyarrow.
        StoreError: The file cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        hint = did_you_mean(suffix, TABLE_SUFFIXES)
        raise ParameterError(f"a table is a file ending in .csv, .parquet or .arrow, got {target.name!r}: {hint}")
    if suffix == ".parquet":
        return write_parquet(store, query, target, columns=columns)
    return _write_csv(store, query, target, columns) if suffix == ".csv" else _write_ipc(store, query, target, columns)


def _write_csv(store: SpectrumStore, query: SpectrumQuery, path: Path, columns: str | Iterable[str]) -> int:
    names = check_columns(columns)
    n_rows = 0
    with new_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in iterate(store, query, columns=names):
            writer.writerow([_cell(row[name]) for name in names])
            n_rows += 1
    return n_rows


def _write_ipc(store: SpectrumStore, query: SpectrumQuery, path: Path, columns: str | Iterable[str]) -> int:
    pyarrow = load_pyarrow()
    reader = to_arrow(store, query, columns=columns)
    n_rows = 0
    with new_file(path) as draft, pyarrow.ipc.new_file(str(draft), reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            n_rows += batch.num_rows
    return n_rows


def _cell(value: Any) -> Any:
    """Return text and numbers as they are, None as nothing, all else as JSON."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value.tolist() if isinstance(value, np.ndarray) else value)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
