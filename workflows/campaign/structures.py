"""The crystals of a campaign, from files and from the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from pymatgen.core import Structure

from whiteline.database.store import SpectrumStore, UnknownIdError
from whiteline.errors import StructureError
from whiteline.structures import NamedStructure, check_structure, list_structure_files
from whiteline.workflows.campaign.requests import StructureRequest
from whiteline.workflows.learning.reading import Unpredicted, read_each
from whiteline.workflows.plan import Problem
from whiteline.workflows.recording import stored_checksum

__all__ = ["StructureUnit", "count_units", "list_units", "read_unit"]

# What one process analyses at a time: a file to read, or a crystal that was read out of something larger.
StructureUnit: TypeAlias = "str | NamedStructure"


def count_units(request: StructureRequest, store: SpectrumStore) -> int:
    """Return about how many units there will be: collections and stored spectra may hold more or fewer."""
    query = request.stored()
    n_files = sum(len(list_structure_files(path)) for path in request.paths)
    return n_files + len(request.ids) + (0 if query is None else store.count(query))


def list_units(
    request: StructureRequest, store: SpectrumStore, *, on_bad: Callable[[Problem], None]
) -> Iterator[StructureUnit]:
    """Yield files and crystals in order; what is in one file of many crystals is read here, one after the other.

    Args:
        request: Which crystals.
        store: Where those of ids and queries are.
        on_bad: Told of each that cannot be used.
    """
    for source in (file for path in request.paths for file in list_structure_files(path)):
        if Path(source).suffix.lower() == ".json":
            yield from read_unit(source, on_bad=on_bad)
        else:
            yield source
    seen: set[str] = set()
    for spectrum_id in _stored_ids(request, store):
        try:
            document = store.get(spectrum_id)
        except UnknownIdError as error:
            on_bad(Problem(spectrum_id, str(error)))
            continue
        if document.structure_id in seen:
            continue
        seen.add(document.structure_id)
        name = f"{document.formula}-{document.structure_id[:6]}"
        try:
            structure = _restored(document.structure, f"spectrum {document.id}")
        except StructureError as error:
            on_bad(Problem(document.source or document.id, str(error)))
            continue
        # Not the spectrum: what is computed now rests on its crystal, and on no number of it.
        checksum = stored_checksum(document.source, store.records(document.id))
        yield NamedStructure(structure, name, document.source or f"spectrum {document.id}", checksum)


def read_unit(unit: StructureUnit, *, on_bad: Callable[[Problem], None]) -> Iterator[NamedStructure]:
    """Yield the crystals of a unit."""
    if isinstance(unit, NamedStructure):
        yield unit
        return

    def explain(found: Unpredicted) -> None:
        on_bad(Problem(found.source, found.reason))

    yield from read_each([unit], on_bad=explain)


def _stored_ids(request: StructureRequest, store: SpectrumStore) -> Iterator[str]:
    yield from request.ids
    if (query := request.stored()) is not None:
        seen: set[str] = set()
        for summary in store.summaries(query):
            if summary.structure_id not in seen:
                seen.add(summary.structure_id)
                yield summary.id


def _restored(content: Any, place: str) -> Structure:
    if not content:
        raise StructureError(f"{place} has no structure: it was measured, or came without one")
    try:
        structure = Structure.from_dict(dict(content))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StructureError(
            f"{place} has no structure that pymatgen reads ({type(error).__name__}: {error})"
        ) from error
    check_structure(structure, name=place)
    return structure
