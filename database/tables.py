"""Stored spectra as pandas and Arrow tables; both packages are loaded on first use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline import __version__
from whiteline.database.columns import (
    ARRAY_COLUMNS,
    DEFAULT_COLUMNS,
    UNITS,
    Selection,
    check_columns,
    iterate,
    parameter_types,
)
from whiteline.database.documents import SPECTRUM_SCHEMA_VERSION, json_text
from whiteline.database.matrix import check_grid, interpolate
from whiteline.database.optional import load_optional
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]  # ships no types
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

__all__ = ["ARROW_COLUMNS", "METADATA_KEY", "load_pyarrow", "to_arrow", "to_dataframe"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

METADATA_KEY = b"whiteline"
# What makes a spectrum usable without its store, arrays last.
ARROW_COLUMNS = (
    *DEFAULT_COLUMNS,
    "licence",
    "citation",
    "energy_reference",
    "reference_energy",
    "quantity",
    "scale",
    *ARRAY_COLUMNS,
)
_BATCH = 1000
_TYPES = {
    "space_group": "int64",
    "site_index": "int64",
    "multiplicity": "int64",
    "n_points": "int64",
    "energy_min": "double",
    "energy_max": "double",
    "reference_energy": "double",
    "scale": "double",
    "volume": "double",
    "shift": "double",
}
_PARAMETER_TYPES = {"number": "double", "text": "string", "bool": "bool", "null": "string", "nested": "string"}


def load_pyarrow(module: str = "pyarrow") -> Any:
    """Return pyarrow, or a module of it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    return load_optional(module, purpose="a Parquet or Arrow table", extra="tables")


def to_dataframe(
    store: SpectrumStore, query: Selection, *, columns: str | Iterable[str] = DEFAULT_COLUMNS
) -> pd.DataFrame:
    """Return what a query finds as a pandas table, one row a spectrum; `attrs["units"]` has the units.

    Args:
        store: Where to look.
        query: Which spectra: a query or ids.
        columns: As `whiteline.database.columns.iterate` takes them; by default everything but the arrays.

    Raises:
        MissingDependencyError: pandas is not installed.
        ParameterError: There is no such column.
    """
    pandas = load_optional("pandas", purpose="a DataFrame", extra="tables")
    names = check_columns(columns)
    values: dict[str, list[Any]] = {name: [] for name in names}
    for row in iterate(store, query, columns=names):
        for name, value in row.items():
            values[name].append(value)
    # Without a type of its own a column of whole numbers that misses one becomes a column of floats.
    series = {n: pandas.array(v, dtype="Int64") if _TYPES.get(n) == "int64" else v for n, v in values.items()}
    frame = pandas.DataFrame(series, columns=list(names))
    frame.attrs["units"] = {name: UNITS[name] for name in names if name in UNITS}
    return frame


def to_arrow(
    store: SpectrumStore,
    query: Selection,
    *,
    columns: str | Iterable[str] | None = None,
    grid: Float[Array, " energy"] | None = None,
) -> pa.RecordBatchReader:
    """Return what a query finds as a stream of Arrow tables of 1000 rows, so that memory stays bounded.

    With `energy` or `intensity` among the columns, failed calculations have no row. On a grid, `intensity` is a list
    of fixed size and the axis stands once, in the metadata of the schema; otherwise each spectrum has its own. Units
    are in the metadata of the fields, query and versions in that of the schema.

    Args:
        store: Where to look.
        query: Which spectra: a query or ids.
        columns: As `whiteline.database.columns.iterate` takes them; by default everything, arrays included. A
            parameter whose values have several types is written as JSON.
        grid: Strictly increasing axis, shape (n_energy,) [eV], counted as the spectra count theirs.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        ParameterError: There is no such column, or a grid comes without `intensity`.
        InputError: The grid is none; or, while it is read, a spectrum does not cover it.
    """
    pyarrow = load_pyarrow()
    axis = None if grid is None else check_grid(np.asarray(grid))
    names = check_columns(ARROW_COLUMNS if columns is None else columns)
    if axis is not None:
        if "intensity" not in names:
            raise ParameterError("a grid is for the column intensity: add it to the columns, or leave the grid out")
        names = tuple(name for name in names if name != "energy")
    kinds = parameter_types(store, query, [name for name in names if name.startswith("parameters.")])
    schema = _schema(pyarrow, query, names, kinds, axis)
    rows = iterate(store, query, columns=dict.fromkeys((*names, "id", *(ARRAY_COLUMNS if axis is not None else ()))))
    if any(name in ARRAY_COLUMNS for name in names):
        rows = (row for row in rows if row.get("intensity", row.get("energy")) is not None)
    batches = _batches(pyarrow, rows, schema, kinds, axis)
    return pyarrow.RecordBatchReader.from_batches(schema, batches)


def _schema(pyarrow: Any, query: Selection, names: tuple[str, ...], kinds: dict[str, str], axis: Array | None) -> Any:
    doubles = pyarrow.list_(pyarrow.float64())
    types = {name: pyarrow.type_for_alias(_TYPES.get(name, "string")) for name in names}
    types |= {name: pyarrow.type_for_alias(_PARAMETER_TYPES[kind]) for name, kind in kinds.items()}
    types |= {name: pyarrow.list_(pyarrow.string()) for name in ("elements", "parents") if name in names}
    types |= {name: doubles for name in ARRAY_COLUMNS if name in names}
    facts = {
        "whiteline_version": __version__,
        "document_schema_version": SPECTRUM_SCHEMA_VERSION,
        "query": query.to_dict() if isinstance(query, SpectrumQuery) else {"ids": list(query)},
        "units": {name: UNITS[name] for name in names if name in UNITS},
    }
    if axis is not None:
        types["intensity"] = pyarrow.list_(pyarrow.float64(), axis.size)
        facts["grid_ev"] = axis.tolist()
    fields = [
        pyarrow.field(name, types[name], metadata={"unit": UNITS[name]} if name in UNITS else None) for name in names
    ]
    return pyarrow.schema(fields, metadata={METADATA_KEY: json.dumps(facts)})


def _batches(
    pyarrow: Any, rows: Iterator[dict[str, Any]], schema: Any, kinds: dict[str, str], axis: Array | None
) -> Iterator[Any]:
    while group := list(islice(rows, _BATCH)):
        arrays = []
        for field in schema:
            values = [row[field.name] for row in group]
            if kinds.get(field.name) == "nested":
                values = [None if v is None else json_text(v, what=field.name) for v in values]
            if axis is not None and field.name == "intensity":
                matrix = np.array([interpolate(r["id"], r["energy"], r["intensity"], axis) for r in group])
                arrays.append(pyarrow.FixedSizeListArray.from_arrays(matrix.ravel(), axis.size))
            elif field.name in ARRAY_COLUMNS:
                offsets = np.cumsum([0, *(len(v) for v in values)], dtype=np.int32)
                arrays.append(pyarrow.ListArray.from_arrays(offsets, np.concatenate(values)))
            else:
                arrays.append(_plain_array(pyarrow, field, values))
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _plain_array(pyarrow: Any, field: Any, values: list[Any]) -> Any:
    if field.type == pyarrow.float64():
        # Arrow refuses whole numbers that a double cannot hold to the last digit.
        values = [float(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]
    try:
        return pyarrow.array(values, type=field.type)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise ParameterError(
            f"the column {field.name} holds {field.type} and then something else ({error}): it was written to while "
            "it was read; read it again"
        ) from error
