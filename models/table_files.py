"""Tables as files: Parquet, Arrow and CSV, opened as Arrow tables."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from whiteline.errors import InputError, MissingDependencyError, ParseError, did_you_mean

__all__ = ["TABLE_SUFFIXES", "file_sha256", "load_pyarrow", "open_table", "read_column"]

TABLE_SUFFIXES: Final = (".parquet", ".arrow", ".csv")


def open_table(path: Path, *, text_columns: Collection[str] = ()) -> Any:
    """Return a table as a `pyarrow.Table`.

    Args:
        path: A `.parquet`, `.arrow` or `.csv` file.
        text_columns: Columns of a CSV file that are text whatever they look like, such as ids of digits.

    Raises:
        InputError: There is no such file, or its name ends otherwise.
        ParseError: It is not what its name says.
        MissingDependencyError: pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise InputError(f"a table ends in {', '.join(TABLE_SUFFIXES)}, got {path.name!r}: convert it")
    if not path.is_file():
        raise InputError(f"there is no table {path}: give the path of a file")
    pyarrow = load_pyarrow()
    try:
        if suffix == ".parquet":
            return load_pyarrow("pyarrow.parquet").read_table(path)
        if suffix == ".arrow":
            with pyarrow.OSFile(str(path)) as source:
                return pyarrow.ipc.open_file(source).read_all()
        csv = load_pyarrow("pyarrow.csv")
        text = csv.ConvertOptions(column_types=dict.fromkeys(text_columns, pyarrow.string()))
        return csv.read_csv(path, convert_options=text)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ParseError(f"{path} is no {suffix} table: {error}") from error


def read_column(path: str | Path, name: str) -> list[Any]:
    """Return a column of a table as it is, in the order of the samples that `read_samples` returns.

    Raises:
        InputError: There is no such file or column.
        ParseError: The file is no table.
        MissingDependencyError: pyarrow is not installed.
    """
    table = open_table(Path(path))
    if name not in table.column_names:
        raise InputError(f"{path} has no column {name!r}: {did_you_mean(name, table.column_names)}")
    values: list[Any] = table[name].to_pylist()
    return values


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_pyarrow(module: str = "pyarrow") -> Any:
    """Return pyarrow or one of its modules.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "reading a table needs pyarrow, which is not installed: `pip install 'whiteline[tables]'`"
        ) from error
