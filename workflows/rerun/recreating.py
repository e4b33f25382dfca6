"""From a stored document and its record back to the calculation: by what it was made, of what, with what parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.fingerprint import calculation_id
from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.settings import Settings
from whiteline.workflows.certificate import ACTIVITY as CONVERGENCE
from whiteline.workflows.engines import ENGINES, restore_calculator
from whiteline.workflows.learning.names import MODEL_CODE
from whiteline.workflows.rerun.results import Difference, Ground

__all__ = [
    "Making",
    "Recorded",
    "calculator_of",
    "edited",
    "how_made",
    "parameters_of",
    "parts_of",
    "recreate_absorber",
    "recreate_structure",
    "weights_of",
]

# What decides a calculation besides its parameters; see `Calculator.identity`.
_CIRCUMSTANCES: Final = ("pseudopotentials", "orientation")
# What the identity of outputs made elsewhere holds, where nobody knows what else decided them.
_IMPORTED: Final = "imported_files"


class Making(StrEnum):
    """How a stored spectrum was made."""

    CALCULATION = "calculation"
    PREDICTION = "prediction"
    AVERAGE = "average"
    CONVERGENCE = "converged series"
    ELSEWHERE = "not computed here"


@dataclass(frozen=True, eq=False)
class Recorded:
    """A stored spectrum with what is known of how it came about.

    Attributes:
        document: The spectrum.
        record: Of the job that made it; None where there is none.
        making: How it was made.
        sources: Checksums of the files that it was read from, by their path.
    """

    document: SpectrumDocument
    record: ProvenanceRecord | None
    making: Making
    sources: Mapping[str, str]

    @classmethod
    def read(cls, store: SpectrumStore, spectrum_id: str) -> Recorded:
        """Return what a store has of a spectrum.

        Raises:
            UnknownIdError: Nothing.
            SchemaVersionError: A newer Whiteline wrote it.
        """
        document, records = store.get(spectrum_id), store.records(spectrum_id)
        record = records[-1] if records else None  # the latest is of the run that made what is stored
        sources = {name: each for r in records for name, each in r.used.get(Kind.SOURCE, {}).items()}
        return cls(document, record, how_made(document, record), sources)

    @property
    def title(self) -> str:
        """Short name of the material for progress and run directories; no two are the same."""
        return f"{self.document.formula or self.document.absorber} {self.document.id[:8]}"

    @property
    def label(self) -> str:
        """Name in progress and reports."""
        document = self.document
        if document.site_index is None:
            return f"{self.title} {document.absorber} {document.edge} average"
        return f"{self.title} {document.absorber}{document.site_index} {document.edge}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known before anything is compared."""
        if self.record is None or self.record.activity == "put":
            return ("no record tells how it ran: inputs and versions cannot be compared",)
        return ()

    @property
    def common(self) -> dict[str, Any]:
        """What every result says of it."""
        seconds = 0.0 if self.record is None else self.record.wall_time
        return {
            "id": self.document.id,
            "label": f"{self.label}, {self.document.fidelity}",
            "making": self.making.value,
            "seconds_recorded": seconds,
        }


def how_made(document: SpectrumDocument, record: ProvenanceRecord | None) -> Making:
    """Return how a stored spectrum was made, from what is stored of it alone."""
    if document.code == MODEL_CODE:
        return Making.PREDICTION
    if document.code not in ENGINES:
        return Making.ELSEWHERE
    if record is not None and record.activity == CONVERGENCE:
        return Making.CONVERGENCE
    if document.kind is DocumentKind.MATERIAL and document.parents:
        return Making.AVERAGE
    if document.kind is DocumentKind.SITE and document.structure and document.site_index is not None:
        was_run = record is not None and record.activity == f"{document.code}-site"
        is_whole = _IMPORTED not in document.parameters and _own_id(document) == document.id
        return Making.CALCULATION if was_run or is_whole else Making.ELSEWHERE
    return Making.ELSEWHERE


def parts_of(
    document: SpectrumDocument, making: Making, record: ProvenanceRecord | None, *, is_whole_series: bool
) -> tuple[str, ...]:
    """Return the stored spectra that have to be run again for one: sites, the point of a series, or all its points."""
    if making is Making.AVERAGE:
        return tuple(document.parents)
    if making is not Making.CONVERGENCE:
        return ()
    points = record.parents if record is not None and is_whole_series else ()
    return tuple(dict.fromkeys((*document.parents, *points)))


def weights_of(document: SpectrumDocument, record: ProvenanceRecord | None, sites: Mapping[str, int]) -> dict[str, int]:
    """Return how often each site counts in an average.

    Args:
        document: The average.
        record: Its record, which names the weights.
        sites: Multiplicities of the sites as they are stored, which count where the record says nothing.
    """
    named = {} if record is None else record.parameters.get("weights", {})
    return {each: int(named.get(each, sites[each])) for each in document.parents}


def recreate_absorber(document: SpectrumDocument) -> Absorber:
    """Return the absorber of a site.

    Raises:
        ParseError: The stored structure is none.
        StructureError: The site is not in it.
    """
    structure = recreate_structure(document)
    return Absorber(structure, document.site_index or 0, Edge(document.edge), document.multiplicity)


def recreate_structure(document: SpectrumDocument) -> Structure:
    """Return the stored structure.

    Raises:
        ParseError: It is none.
    """
    try:
        return Structure.from_dict(dict(document.structure))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(
            f"the structure stored with {document.id[:12]} is damaged ({type(error).__name__}: {error}): restore it "
            "from a backup, or compute it anew from its source with `whiteline run`"
        ) from error


def parameters_of(document: SpectrumDocument, record: ProvenanceRecord | None) -> Mapping[str, Any]:
    """Return the parameters of the run that made a spectrum: after a repair not those that were asked for."""
    if record is not None and record.activity == f"{document.code}-site" and record.parameters:
        return record.parameters
    return document.parameters


def calculator_of(document: SpectrumDocument, record: ProvenanceRecord | None, settings: Settings) -> Calculator:
    """Return the calculator that made a site spectrum, with the programs and folders of this machine.

    Raises:
        ParameterError: This version of Whiteline has no such parameter, or takes no such value.
    """
    values = {n: v for n, v in parameters_of(document, record).items() if n not in _CIRCUMSTANCES}
    calculator = restore_calculator(document.code, values, settings)
    if record is not None and record.cores > 1:
        return calculator.with_cores(min(record.cores, len(os.sched_getaffinity(0))))
    return calculator


def edited(document: SpectrumDocument, absorber: Absorber) -> list[Difference]:
    """Return what of a stored calculation does not belong together: somebody edited it, or it was damaged."""
    found = []
    if absorber.site_id != document.site_id:
        found.append(Difference(Ground.EDITED, "structure", document.site_id[:12], absorber.site_id[:12]))
    if _own_id(document) != document.id:
        found.append(Difference(Ground.EDITED, "parameters", document.id[:12], _own_id(document)[:12]))
    return found


def _own_id(document: SpectrumDocument) -> str:
    return calculation_id(document.site_id, edge=document.edge, code=document.code, parameters=document.parameters)
