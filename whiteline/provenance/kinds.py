"""The closed vocabularies of lineage: kinds of things, and how they are linked, with the words of W3C PROV.

PROV-DM, https://www.w3.org/TR/prov-dm/: *entities* are things, *activities* make them, *agents* bear the
responsibility. Every link points from the effect to its cause.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Kind", "Role"]


class Kind(StrEnum):
    """What a node of a lineage is."""

    SOURCE = "source"
    STRUCTURE = "structure"
    SITE = "site"
    INPUT = "input"
    PSEUDOPOTENTIAL = "pseudopotential"
    OUTPUT = "output"
    SPECTRUM = "spectrum"
    DATASET = "dataset"
    SPECTRA = "spectra"
    ENCODER = "encoder"
    MODEL = "model"
    FIGURE = "figure"
    EXPORT = "export"
    REPORT = "report"
    ACTIVITY = "activity"
    SOFTWARE = "software"
    EXECUTABLE = "executable"
    LIBRARIES = "libraries"
    MACHINE = "machine"

    @property
    def prov_type(self) -> str:
        """The PROV type: `activity`, `agent` or `entity`."""
        if self is Kind.ACTIVITY:
            return "activity"
        return "agent" if self in _AGENTS else "entity"

    @property
    def is_file(self) -> bool:
        """Whether it is a file, whose id is the checksum of its content."""
        return self in _FILES

    @property
    def words(self) -> str:
        """What people call it."""
        return _WORDS.get(self, self.value)


_AGENTS = frozenset({Kind.SOFTWARE, Kind.EXECUTABLE, Kind.LIBRARIES, Kind.MACHINE})
_FILES = frozenset(
    {Kind.SOURCE, Kind.INPUT, Kind.PSEUDOPOTENTIAL, Kind.OUTPUT, Kind.FIGURE, Kind.EXPORT, Kind.REPORT, Kind.EXECUTABLE}
)
_WORDS = {
    Kind.SOURCE: "source file",
    Kind.INPUT: "input file",
    Kind.OUTPUT: "output file",
    Kind.SPECTRA: "list of spectra",
    Kind.EXPORT: "exported file",
    Kind.ACTIVITY: "job",
}


class Role(StrEnum):
    """How an effect is linked to its cause, in the words of PROV."""

    USED = "used"
    GENERATED = "wasGeneratedBy"
    DERIVED = "wasDerivedFrom"
    ASSOCIATED = "wasAssociatedWith"
