"""Columns in which stored spectra can be listed: what a summary says, what a document says, and the arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, Final, TypeAlias

from whiteline.database.conditions import is_parameter_name, value_type
from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore, SpectrumSummary
from whiteline.errors import ParameterError, did_you_mean

__all__ = [
    "ARRAY_COLUMNS",
    "DEFAULT_COLUMNS",
    "KNOWN_COLUMNS",
    "UNITS",
    "Selection",
    "check_columns",
    "iterate",
    "parameter_types",
    "read_document",
    "read_selection",
]

# Which spectra: what a query finds, or those with these ids.
Selection: TypeAlias = SpectrumQuery | Sequence[str]

_PREFIX: Final = "parameters."
_SUMMARY_COLUMNS = tuple(f.name for f in fields(SpectrumSummary))
_OF_DOCUMENT = ("elements", "licence", "citation", "parents")
_OF_SPECTRUM = ("energy_reference", "reference_energy", "quantity", "scale", "volume", "shift")
ARRAY_COLUMNS = ("energy", "intensity")
KNOWN_COLUMNS = tuple(dict.fromkeys((*_SUMMARY_COLUMNS, *_OF_DOCUMENT, *_OF_SPECTRUM, *ARRAY_COLUMNS)))
DEFAULT_COLUMNS = _SUMMARY_COLUMNS
UNITS: Final = {
    "energy": "eV",
    "energy_min": "eV",
    "energy_max": "eV",
    "reference_energy": "eV",
    "shift": "eV",
    "volume": "A^3",
    "intensity": "1/scale",
    "scale": "Mbarn per atom (cross_section), 1 (im_epsilon) or Mbarn/eV per atom (energy_loss); arbitrary when null",
}


def check_columns(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of columns, each once, in the given order; a text may hold several, with commas between.

    `parameters.NAME` is one parameter of the calculation, `parameters` all of them as JSON.

    >>> check_columns("id, formula,parameters.fms_radius")
    ('id', 'formula', 'parameters.fms_radius')

    Raises:
        ParameterError: There is no such column; the message names the nearest one.
    """
    parts = [part.strip() for text in ([names] if isinstance(names, str) else names) for part in text.split(",")]
    found = tuple(dict.fromkeys(part for part in parts if part))
    if not found:
        raise ParameterError(f"expected names of columns, got none; known: {', '.join(KNOWN_COLUMNS)}")
    for name in found:
        if name.startswith(_PREFIX) and is_parameter_name(name.removeprefix(_PREFIX)):
            continue
        if name not in KNOWN_COLUMNS:
            hint = did_you_mean(name, (*KNOWN_COLUMNS, "parameters.NAME"))
            raise ParameterError(f"there is no column {name!r}: {hint}")
    return found


def iterate(
    store: SpectrumStore, query: Selection, *, columns: str | Iterable[str] = DEFAULT_COLUMNS
) -> Iterator[dict[str, Any]]:
    """Stream what a query finds, one dictionary a spectrum; `store.query` streams the documents themselves.

    Documents, and with them the arrays, are read only where a column needs them. Without a spectrum its columns
    are None; a parameter that a calculation does not have is None, too.

    Args:
        store: Where to look.
        query: Which spectra: a query, or ids, each of which must be there.
        columns: Names of `KNOWN_COLUMNS` and `parameters.NAME`. `energy` is the axis as stored [eV], `intensity` the
            raw powder average, both of shape (n_energy,).

    Raises:
        ParameterError: There is no such column.
    """
    names = check_columns(columns)
    if isinstance(query, SpectrumQuery) and all(_is_of_summary(name) for name in names):
        return ({name: _read(summary, name) for name in names} for summary in store.summaries(query))
    return ({name: read_document(document, name) for name in names} for document in read_selection(store, query))


def read_selection(store: SpectrumStore, query: Selection) -> Iterator[SpectrumDocument]:
    """Stream the documents that a query finds, or those with the given ids.

    Raises:
        UnknownIdError: There is no document with one of the ids.
    """
    return store.query(query) if isinstance(query, SpectrumQuery) else (store.get(each) for each in query)


def read_document(document: SpectrumDocument, name: str) -> Any:
    """Return the value of one column of a document."""
    spectrum = document.spectrum
    if name in ("n_points", "energy_min", "energy_max"):
        if spectrum is None:
            return 0 if name == "n_points" else None
        return spectrum.n_energy if name == "n_points" else float(spectrum.energy[0 if name == "energy_min" else -1])
    if name in _OF_SPECTRUM or name in ARRAY_COLUMNS:
        return None if spectrum is None else _plain(getattr(spectrum, name))
    return _read(document, name)


def parameter_types(store: SpectrumStore, query: Selection, names: Sequence[str]) -> dict[str, str]:
    """Return the one type of each column of a parameter, or `nested` where its values have several.

    Args:
        store: Where to look.
        query: Which spectra; all are looked at, without their arrays.
        names: Columns `parameters.NAME`.
    """
    kinds: dict[str, set[str]] = {name: set() for name in names}
    if names:
        for row in iterate(store, query, columns=names):
            for name, found in kinds.items():
                found.add(value_type(row[name]))
    distinct = {name: found - {"null"} for name, found in kinds.items()}
    return {
        name: min(found) if len(found) == 1 else ("nested" if found else "null") for name, found in distinct.items()
    }


def _is_of_summary(name: str) -> bool:
    return name in _SUMMARY_COLUMNS or name.startswith(_PREFIX)


def _read(found: SpectrumSummary | SpectrumDocument, name: str) -> Any:
    if name == "parameters":
        return json_text(dict(found.parameters), what=f"the parameters of document {found.id}")
    if name.startswith(_PREFIX):
        return _parameter(found, name)
    return _plain(getattr(found, name))


def _parameter(found: SpectrumSummary | SpectrumDocument, name: str) -> Any:
    value: Any = found.parameters
    for part in name.removeprefix(_PREFIX).split("."):
        if not hasattr(value, "get"):
            return None
        value = value.get(part)
    return value


def _plain(value: Any) -> Any:
    """Return members of vocabularies as text and tuples as lists."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, str) else value
