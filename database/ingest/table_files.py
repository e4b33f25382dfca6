"""Tables of spectra in Parquet, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from whiteline.broadening import BroadeningRecord, Lorentzian
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.ingest.entry import Entry, IngestOptions, Skipped
from whiteline.database.ingest.limits import Limits, check_file
from whiteline.database.ingest.parquet_footer import count_values
from whiteline.database.ingest.sample import find_site, formula_sample, imported_id, site_fields, unknown_sample
from whiteline.database.ingest.structure_files import read_json, structure_from
from whiteline.database.ingest.table_description import TableDescription, load_descriptions
from whiteline.database.tables import load_pyarrow
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, ParseError
from whiteline.provenance import file_checksum
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status
from whiteline.units import MBARN_PER_A2

if TYPE_CHECKING:
    from whiteline.absorber import Absorber

__all__ = ["TableReader", "row_document"]

SiteFinder: TypeAlias = Callable[[str, int | None, str, Edge], "Absorber | None"]

_MAGIC: Final = b"PAR1"
_BATCH: Final = 256
_MOST_SITES: Final = 2**31
_MBARN: Final = {"mbarn": 1.0, "angstrom2": MBARN_PER_A2}


class TableReader:
    """Reads Parquet files whose columns one of the descriptions names."""

    kind = "table"

    def __init__(self, own: tuple[Path, ...] = ()) -> None:
        """Take descriptions of the user in front of those that come with Whiteline."""
        self._own = own

    def claims(self, path: Path) -> bool:
        """Return whether the file begins as Parquet does."""
        try:
            with path.open("rb") as file:
                return file.read(len(_MAGIC)) == _MAGIC
        except OSError:
            return False

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectra of the rows.

        Raises:
            ParseError: The file is damaged, or no description fits its columns.
            MissingDependencyError: pyarrow is absent.
        """
        check_file(path, options.limits)
        arrow, parquet = load_pyarrow(), load_pyarrow("pyarrow.parquet")
        # Whatever a damaged file makes of pyarrow is one of these.
        damage = (arrow.ArrowException, OSError, ValueError, MemoryError, OverflowError)
        try:
            file = parquet.ParquetFile(path)
            names = frozenset(file.schema_arrow.names)
        except damage as error:
            raise _damaged(path, error) from error
        with file:
            description = _fitting(path, names, load_descriptions(self._own))
            _check_size(path, description.needed, options.limits)
            structures = _Structures(path, description, options)
            inputs = {str(path): file_checksum(path), **structures.inputs}
            number = 0
            batches = file.iter_batches(batch_size=_BATCH, columns=sorted(description.needed))
            while True:
                try:
                    batch = next(batches, None)
                    if batch is None:
                        return
                    _check_unpacked(batch.nbytes, path, options.limits)
                    rows = batch.to_pylist()
                except ParseError:
                    raise
                except damage as error:
                    raise _damaged(path, error) from error
                for row in rows:
                    number += 1
                    source = f"{path}#{number}"
                    try:
                        document = row_document(row, description, source=source, options=options, find=structures.site)
                    except (InputError, ParseError) as error:
                        yield Skipped(source, str(error))
                    else:
                        yield Entry(document, inputs)


def row_document(
    row: Mapping[str, Any],
    description: TableDescription,
    *,
    source: str,
    options: IngestOptions,
    find: SiteFinder | None = None,
) -> SpectrumDocument:
    """Return the document of one row.

    Args:
        row: Values by column.
        description: What the columns mean.
        source: File and row.
        options: What the user said.
        find: Returns the absorber of a material, by name, index, element and edge; None where there is no structure.

    Raises:
        ParseError: A value is missing, or not what the description says.
        InputError: The numbers make no spectrum.
    """
    reading = _Row(row, source)
    columns, constants = description.columns, description.constants
    element = constants.absorber or reading.text(columns.absorber)
    edge = Edge.parse(constants.edge or reading.text(columns.edge))
    edge_energy(element, edge)
    code = description.code.value or reading.text(description.code.column)
    material = reading.text(columns.material) if columns.material else ""
    index = reading.whole(columns.site_index) if columns.site_index else None
    spectrum = _spectrum(reading, description)
    checks = tuple(_check(reading, check) for check in description.checks)
    failed = [check for check in checks if not check.is_passed]
    parameters: dict[str, Any] = {"table": description.name, "material": material, "site": index}
    parameters |= {name: reading.plain(column) for name, column in description.parameters.items()}
    if description.note:
        parameters["note"] = description.note
    absorber = find(material, index, element, edge) if find is not None else None
    sample = site_fields(absorber) if absorber is not None else _sample(reading, description, element)
    site = absorber.site_id if absorber is not None else f"{material}#{index}"
    values = {
        "id": imported_id(code, element, edge.value, site=site, parameters=parameters, spectrum=spectrum),
        "kind": DocumentKind.SITE if index is not None else DocumentKind.MATERIAL,
        "spectrum": spectrum,
        "status": Status.UNCONVERGED if failed else Status.CONVERGED,
        "reason": "; ".join(f"{check.name}: {check.detail}" for check in failed),
        "checks": checks,
        "absorber": element,
        "edge": edge.value,
        "code": code,
        "code_version": description.code_version,
        "fidelity": f"{code}:{description.fidelity_suffix}",
        "parameters": parameters,
        "site_index": index,
        "source": source,
        "licence": options.licence or description.licence,
        "citation": options.citation or description.citation,
    }
    return SpectrumDocument(**{**values, **sample})


class _Row:
    """One row and its place, whose values are checked when they are taken."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        self._values, self._source = values, source

    def text(self, column: str | None) -> str:
        value = self._values.get(column or "")
        if not isinstance(value, str) or not value.strip():
            raise self._refuse(column, "text", value)
        return value.strip()

    def whole(self, column: str | None) -> int:
        value = self._values.get(column or "")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST_SITES:
            raise self._refuse(column, "a whole number from 0", value)
        return value

    def number(self, column: str | None) -> float:
        value = self._values.get(column or "")
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise self._refuse(column, "a finite number", value)
        return float(value)

    def plain(self, column: str) -> Any:
        value = self._values.get(column)
        is_plain = value is None or isinstance(value, str | bool | int)
        return value if is_plain else self.number(column)

    def array(self, column: str | None) -> np.ndarray[Any, np.dtype[np.float64]]:
        value = self._values.get(column or "")
        try:
            numbers = np.asarray(value, dtype=float)
        except (TypeError, ValueError) as error:
            raise self._refuse(column, "a list of numbers", value) from error
        if numbers.ndim != 1:
            raise self._refuse(column, "a list of numbers", value)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            raise self._refuse(column, "finite numbers", f"{numbers[bad[0]]} at place {int(bad[0]) + 1}")
        return numbers

    def _refuse(self, column: str | None, expected: str, value: Any) -> ParseError:
        return ParseError(f"{self._source}, column {column}: expected {expected}, got {str(value)[:60]!a}: correct it")


def _spectrum(row: _Row, description: TableDescription) -> Spectrum:
    axis = description.energy
    intensity = row.array(description.columns.intensity)
    if axis.axis is not None:
        # FEFF prints three decimals: neighbours on a fine mesh can share an energy.
        energy = row.array(axis.axis)
        if len(energy) != len(intensity):
            raise ParseError(
                f"{axis.axis} has {len(energy)} values and the intensity {len(intensity)}: correct the table"
            )
        rises = np.concatenate(([True], np.diff(energy) != 0))
        energy, intensity = energy[rises], intensity[rises]
    else:
        energy = np.asarray(row.number(axis.start) + row.number(axis.step) * np.arange(len(intensity)), dtype=float)
    scale, width = description.scale, description.broadening
    records: tuple[BroadeningRecord, ...] = ()
    if width is not None:
        records = (BroadeningRecord(Lorentzian(row.number(width.fwhm)), width.origin, applied_by=width.applied_by),)
    return Spectrum(
        energy,
        intensity,
        energy_reference=axis.reference,
        quantity=description.quantity,
        scale=None if scale is None else row.number(scale.column) * _MBARN[scale.unit],
        broadening=records,
    )


def _check(row: _Row, check: Any) -> Check:
    value = row.plain(check.column)
    is_passed = value is not None
    if check.below is not None:
        is_passed = is_passed and isinstance(value, int | float) and value < check.below
    if check.not_equal is not None:
        # The description has text, the column perhaps numbers.
        is_passed = is_passed and str(value) != check.not_equal
    return Check(check.name, is_passed=is_passed, detail=f"{check.column} is {value}")


def _sample(row: _Row, description: TableDescription, element: str) -> dict[str, Any]:
    columns = description.columns
    sample = formula_sample(row.text(columns.formula), element) if columns.formula else unknown_sample()
    if columns.chemical_system:
        elements = _elements(row.text(columns.chemical_system))
        sample = sample if sample["formula"] or element not in elements else unknown_sample(elements)
    if columns.space_group:
        sample |= _space_group(row.plain(columns.space_group))
    if columns.multiplicity:
        sample["multiplicity"] = row.whole(columns.multiplicity)
    return sample


def _elements(system: str) -> list[str]:
    """Return the elements of a chemical system; none where one of them is no element."""
    from pymatgen.core import Element

    symbols = system.split("-")
    return symbols if all(map(Element.is_valid_symbol, symbols)) else []


def _space_group(value: Any) -> dict[str, Any]:
    """Return the fields of a space group from its number or symbol; none where it is not known."""
    from pymatgen.symmetry.groups import SpaceGroup

    try:
        group = SpaceGroup(value) if isinstance(value, str) else SpaceGroup.from_int_number(value)
    except (TypeError, ValueError):
        return {}
    # pymatgen would name a group by its long symbol, every other document has the short one.
    return {"space_group": group.int_number, "space_group_symbol": value if isinstance(value, str) else ""}


class _Structures:
    """The structures beside a table, by material; none where there is no such file."""

    def __init__(self, table: Path, description: TableDescription, options: IngestOptions) -> None:
        self.inputs: dict[str, str] = {}
        self._source = ""
        self._data: Mapping[str, Any] = {}
        if description.structures is None:
            return
        path = table.with_name(description.structures.file)
        if not path.is_file():
            return
        data = read_json(path, options.limits)
        if not isinstance(data, dict):
            raise ParseError(f"{path}: expected a JSON object of structures by material")
        self._source, self._data = str(path), data
        self.inputs = {str(path): file_checksum(path)}
        # Rows of one material mostly follow one another.
        self._read = lru_cache(maxsize=32)(self._structure)

    def site(self, material: str, index: int | None, element: str, edge: Edge) -> Absorber | None:
        if index is None or material not in self._data:
            return None
        structure, cached = self._read(material)
        absorber = cached.get((index, edge))
        if absorber is None:
            absorber = find_site(structure, index, edge, like=next(iter(cached.values()), None))
            cached[index, edge] = absorber
        if absorber.element != element:
            raise ParseError(
                f"{self._source}#{material}: site {index} is {absorber.element}, the table says {element}: the table "
                "and the structures do not belong together"
            )
        return absorber

    def _structure(self, material: str) -> tuple[Any, dict[tuple[int, Edge], Absorber]]:
        return structure_from(self._data[material], source=f"{self._source}#{material}"), {}


def _fitting(path: Path, names: frozenset[str], descriptions: tuple[TableDescription, ...]) -> TableDescription:
    for description in descriptions:
        if description.needed <= names:
            return description
    nearest = min(descriptions, key=lambda one: len(one.needed - names))
    missing = ", ".join(sorted(nearest.needed - names))
    raise ParseError(
        f"{path}: its columns ({', '.join(sorted(names)[:12])}) are those of no known table; nearest is "
        f"{nearest.name}, which needs {missing} as well: describe the table in a TOML file (--table)"
    )


def _check_size(path: Path, needed: frozenset[str], limits: Limits) -> None:
    """Refuse groups of rows that unpack to far more than the file: a number that is repeated takes no room in it."""
    counts = count_values(path, needed)
    if counts is None:
        raise _damaged(path, "its footer cannot be read")
    for n_values in counts:
        _check_unpacked(n_values, path, limits)


def _check_unpacked(size: int, path: Path, limits: Limits) -> None:
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise ParseError(
            f"{path} unpacks to more than is read at once ({size} bytes or values, at most {limits.max_bytes}): write "
            "it with smaller groups of rows, or give --no-limit if it is what it should be"
        )


def _damaged(path: Path, error: BaseException | str) -> ParseError:
    return ParseError(f"{path} is no whole Parquet file ({str(error)[:120]}): copy it again")
