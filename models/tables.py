"""Samples from a table: Parquet, Arrow or CSV, checked row by row."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from whiteline.errors import InputError, ParameterError, ParseError, did_you_mean
from whiteline.models.layouts import LAYOUTS, MBARN_PER_UNIT, TableLayout
from whiteline.models.samples import Samples
from whiteline.models.table_files import file_sha256, load_pyarrow, open_table

__all__ = ["read_samples"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_METADATA: Final = b"whiteline"  # key under which exported tables state grid and units
_NUMBERS: Final = ("zero", "start", "step")
_WHOLE: Final = ("site", "n_atoms")
_SAME_ENERGY: Final = 1e-6  # eV


def read_samples(
    path: str | Path,
    *,
    layout: TableLayout | None = None,
    unit: str | None = None,
    formulas: Mapping[str, str] | None = None,
) -> Samples:
    """Return the samples of a table.

    Args:
        path: A `.parquet`, `.arrow` or `.csv` file. In CSV a list of numbers is a cell such as `[0.1, 0.2]`, or the
            numbers have a column each (`TableLayout.columns`).
        layout: Which column holds what. When None it has to be one of `LAYOUTS`: the two tables of the OmniXAS data,
            or the spectra of a frozen dataset.
        unit: Cross-sections are converted to it. When None they come in Mbarn, and other intensities as they are.
        formulas: Formula by material, where the table has no such column; "" for materials that are not in it.

    Raises:
        InputError: There is no such file, or no layout fits it.
        ParseError: A row has no value, no number or no spectrum where it should, or another grid than the first;
            file, row and column are named.
        ParameterError: The unit is unknown.
        MissingDependencyError: pyarrow is not installed.
    """
    path = Path(path)
    text = [name for part, name in (layout.columns if layout else {}).items() if part not in (*_NUMBERS, *_WHOLE)]
    table = open_table(path, text_columns=[name for name in text if not name.endswith("*")])
    if layout is None:
        layout = _recognise(path, table.column_names)
    elif missing := layout.missing(table.column_names):
        raise InputError(f"{path} has no column {missing[0]!r}: {did_you_mean(missing[0], table.column_names)}")
    reader = _Reader(path, table, layout)
    n_row = reader.n_row
    if not n_row:
        raise InputError(f"{path} has no row: there is nothing to learn from")
    spectra = reader.matrix("spectrum") * layout.spectrum_scale
    reader.refuse(~np.any(spectra, axis=1), "spectrum", "is zero everywhere")
    features = reader.matrix("features") if "features" in layout.columns else np.zeros((n_row, 0))
    texts = {part: reader.texts(part) for part in ("material", "absorber", "edge", "fidelity")}
    raw = (
        reader.texts("formula")
        if "formula" in layout.columns
        else [(formulas or {}).get(m, "") for m in texts["material"]]
    )
    stated_points, stated_unit = _metadata(path, table)
    own = layout.unit or stated_unit
    factor, final = _conversion(own, unit)
    ids = reader.texts("id") if "id" in layout.columns else _names(reader, texts)
    return Samples(
        ids=tuple(ids),
        features=features.astype(np.float32),
        spectra=spectra * factor,
        points=reader.axis(spectra.shape[1], stated_points),
        zeros=reader.numbers("zero"),
        absorbers=tuple(texts["absorber"]),
        edges=tuple(texts["edge"]),
        fidelities=tuple(texts["fidelity"]),
        materials=tuple(texts["material"]),
        formulas=_reduced(path, raw),
        unit=final,
        encoder=layout.encoder if features.shape[1] else "",
        source=f"{path.name} sha256:{file_sha256(path)[:16]}",
        sites=tuple(reader.wholes("site")),
        crystals=tuple(reader.texts("crystal")) if "crystal" in layout.columns else (),
        n_atoms=tuple(reader.wholes("n_atoms")),
    )


class _Reader:
    """The columns of one table, with errors that say where."""

    def __init__(self, path: Path, table: Any, layout: TableLayout) -> None:
        self.path, self.table, self.layout = path, table, layout
        self.n_row: int = table.num_rows

    def texts(self, part: str) -> list[str]:
        """Return a text a row; nothing is said of a part that may be missing."""
        if part not in self.layout.columns:
            return [str(self.layout.constants.get(part, ""))] * self.n_row
        values = self.table[self.layout.columns[part]].to_pylist()
        self.refuse(np.array([value is None or value == "" for value in values], dtype=bool), part, "is empty")
        return [str(value) for value in values]

    def wholes(self, part: str) -> list[int]:
        """Return a whole number a row; an empty list where the layout has none."""
        if part not in self.layout.columns:
            return []
        values = self.table[self.layout.columns[part]].to_pylist()
        is_bad = [not _is_number(v) or v != v // 1 for v in values]
        self.refuse(np.array(is_bad, dtype=bool), part, "is no whole number")
        return [int(value) for value in values]

    def numbers(self, part: str) -> Float[Array, " row"]:
        """Return a number a row, shape (n_row,); 0 where the layout has none."""
        if part not in self.layout.columns:
            return np.full(self.n_row, float(self.layout.constants.get(part, 0.0)))
        values = self.table[self.layout.columns[part]].to_pylist()
        is_number = [_is_number(v) and math.isfinite(v) for v in values]
        self.refuse(~np.array(is_number, dtype=bool), part, "is no finite number")
        return np.array(values, dtype=float)

    def matrix(self, part: str) -> Float[Array, "row column"]:
        """Return a list of numbers a row, shape (n_row, n_column)."""
        name = self.layout.columns[part]
        if name.endswith("*"):
            chosen = [own for own in self.table.column_names if own.startswith(name[:-1])]
            matrix = np.column_stack([self._values(self.table[own]) for own in chosen])
        else:
            matrix = self._lists(name, part)
        self.refuse(~np.all(np.isfinite(matrix), axis=1), part, "has a value that is no finite number")
        return matrix

    def _lists(self, name: str, part: str) -> Float[Array, "row column"]:
        pyarrow, compute = load_pyarrow(), load_pyarrow("pyarrow.compute")
        column = self.table[name].combine_chunks()
        if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
            rows = [_parse_list(text) for text in column.to_pylist()]
            column = pyarrow.array(rows, pyarrow.list_(pyarrow.float64()))
        kinds = (pyarrow.types.is_list, pyarrow.types.is_large_list, pyarrow.types.is_fixed_size_list)
        is_list = any(is_kind(column.type) for is_kind in kinds)
        missing = np.asarray(column.is_null()) if is_list else np.ones(self.n_row, dtype=bool)
        self.refuse(missing, part, "is no list of numbers")
        lengths = np.asarray(compute.list_value_length(column))
        self.refuse(lengths != lengths[0], part, f"has another length than the {lengths[0]} of row 1")
        return self._values(compute.list_flatten(column)).reshape(self.n_row, int(lengths[0]))

    def _values(self, column: Any) -> Float[Array, " value"]:
        """Return numbers, NaN where one is missing."""
        pyarrow = load_pyarrow()
        try:
            values: Array = column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
            raise ParseError(f"{self.path} has something else than numbers in its lists: {error}") from error
        return values

    def axis(self, n_point: int, stated: Float[Array, " energy"] | None) -> Float[Array, " energy"]:
        """Return the axis that all rows share, shape (n_point,) [eV]."""
        parts = {**self.layout.columns, **self.layout.constants}
        if "points" in self.layout.columns:
            points = self.matrix("points")
            same = np.all(np.abs(points - points[0]) <= _SAME_ENERGY, axis=1)
            self.refuse(~same, "points", "has another grid than row 1: bring the spectra onto one grid")
            axis: Array = points[0]
        elif "step" in parts:
            start, step = self.numbers("start"), self.numbers("step")
            self.refuse(np.abs(start - start[0]) > _SAME_ENERGY, "start", f"is not the {start[0]:g} eV of row 1")
            self.refuse(np.abs(step - step[0]) > _SAME_ENERGY, "step", f"is not the {step[0]:g} eV of row 1")
            axis = start[0] + step[0] * np.arange(n_point)
        elif stated is not None:
            axis = stated
        else:
            raise InputError(f"the grid of {self.path} is not known: name a column or a constant for points or step")
        if axis.shape != (n_point,):
            raise ParseError(f"{self.path} has {n_point} intensities a row and a grid of {axis.size} points")
        return axis

    def refuse(self, is_bad: Bool[np.ndarray, " row"], part: str, why: str) -> None:
        """Raise a ParseError that names the first bad row, counted from 1, and its column."""
        bad = np.flatnonzero(is_bad)
        if bad.size:
            others = f", and {bad.size - 1} more row(s)" if bad.size > 1 else ""
            column = self.layout.columns.get(part, part)
            raise ParseError(f"{self.path}, row {bad[0] + 1}, column {column!r} {why}{others}: mend it or leave it out")


def _recognise(path: Path, names: Sequence[str]) -> TableLayout:
    for layout in LAYOUTS:
        if not layout.missing(names):
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise InputError(f"the columns of {path} are those of no known layout ({known}): give one (TableLayout)")


def _metadata(path: Path, table: Any) -> tuple[Float[Array, " energy"] | None, str]:
    """Return the grid [eV] and the unit that a table of Whiteline states in its metadata.

    Raises:
        ParseError: The metadata are not what Whiteline writes.
    """
    text = (table.schema.metadata or {}).get(_METADATA)
    if text is None:
        return None, ""
    try:
        facts = json.loads(text)
        grid = facts.get("grid")
        points = None if not grid else np.array(grid["points"] if isinstance(grid, dict) else grid, dtype=float)
        # Every cross-section here is that of one absorbing atom; frozen datasets say so.
        return points, str(facts.get("units", {}).get("intensity", "")).removesuffix(" per absorbing atom")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ParseError(
            f"{path} states no grid and unit as Whiteline writes them ({error!r}): export the dataset again"
        ) from error


def _conversion(own: str, wanted: str | None) -> tuple[float, str]:
    """Return the factor from one unit to another, and the latter."""
    if wanted is None:
        wanted = "Mbarn" if own in MBARN_PER_UNIT else own
    if own == wanted:
        return 1.0, own
    if own not in MBARN_PER_UNIT or wanted not in MBARN_PER_UNIT:
        raise ParameterError(
            f"spectra in {own or 'an unknown unit'} do not convert to {wanted!r}: {', '.join(MBARN_PER_UNIT)} do"
        )
    return MBARN_PER_UNIT[own] / MBARN_PER_UNIT[wanted], wanted


def _names(reader: _Reader, texts: Mapping[str, Sequence[str]]) -> list[str]:
    sites = reader.wholes("site") or range(1, reader.n_row + 1)
    rows = zip(texts["material"], map(str, sites), texts["absorber"], texts["edge"], texts["fidelity"], strict=True)
    return ["-".join(part for part in row if part) for row in rows]


def _reduced(path: Path, formulas: Sequence[str]) -> tuple[str, ...]:
    """Return reduced formulas, so that Cu2O2 and CuO are one."""
    from pymatgen.core import Composition

    reduced = {"": ""}
    for i, formula in enumerate(formulas):
        if formula in reduced:
            continue
        try:
            composition = Composition(formula)
        except ValueError as error:
            raise ParseError(f"{path}, row {i + 1}: {formula!r} is no formula ({error}): mend it") from error
        if not composition.valid:
            raise ParseError(f"{path}, row {i + 1}: {formula!r} is no formula, its elements are unknown: mend it")
        reduced[formula] = str(composition.reduced_formula)
    return tuple(reduced[formula] for formula in formulas)


def _parse_list(text: str | None) -> list[float] | None:
    """Return the numbers of a cell; None where it holds something else."""
    try:
        row = json.loads(text or "null")
    except json.JSONDecodeError:
        return None
    return [float(value) if _is_number(value) else math.nan for value in row] if isinstance(row, list) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
