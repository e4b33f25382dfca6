"""What is stored of one calculation: its spectrum or the reason it has none, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from whiteline.edges import Edge
from whiteline.errors import InputError, ParameterError, ParseError, SchemaVersionError
from whiteline.provenance import utc_now
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status

__all__ = ["SPECTRUM_SCHEMA_VERSION", "DocumentKind", "SpectrumDocument", "json_text", "utc_text"]

SPECTRUM_SCHEMA_VERSION = 2
_HEX = frozenset("0123456789abcdef")
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

# One function a step: the entry at `n` turns a dictionary of schema version n into one of version n + 1.
_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda data: {**data, "schema_version": 2, "licence": "", "citation": ""},
}


class DocumentKind(StrEnum):
    """Whether a spectrum was computed for one absorbing site or a whole material, or was measured."""

    SITE = "site"
    MATERIAL = "material"
    MEASURED = "measured"


def json_text(value: Any, *, what: str) -> str:
    """Return compact JSON text.

    Raises:
        ParameterError: `value` holds something that JSON cannot, `nan` and `inf` included.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{what} cannot be stored as JSON: {error}; use numbers, text, lists and dictionaries"
        ) from error


def utc_text(moment: str | datetime) -> str:
    """Return a time as the one text form that sorts: ISO 8601, UTC, milliseconds.

    A time without a zone is taken as UTC, a date as its midnight.

    >>> utc_text("2026-03-01T12:00:00+02:00")
    '2026-03-01T10:00:00.000+00:00'

    Raises:
        ParameterError: The text is no ISO 8601 time.
    """
    try:
        parsed = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, TypeError, OverflowError) as error:
        raise ParameterError(f"expected an ISO 8601 time such as 2026-03-01T12:00, got {moment!r}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectrumDocument:
    """One calculation, or one measurement, as it is stored.

    What is not known of the sample is empty: text and elements, the structure, and 0 for the space group. What was
    measured has `code` "experiment" and is `converged`: nothing is left to be done.

    Attributes:
        id: Content hash of the calculation, lower-case hexadecimal.
        kind: Spectrum of one site, of a material, or of a measured sample.
        spectrum: What was computed; None if, and only if, the calculation failed.
        status: How it ended, and `reason` why it did not end well.
        checks: Convergence and sanity checks.
        absorber: Element symbol of the absorbing atom.
        edge: Absorption edge, e.g. `K`.
        code: Program, and `code_version` as that program reports it.
        fidelity: Level of theory, e.g. `feff:fast`.
        parameters: Complete parameters of the calculation, JSON-ready.
        structure_id: Content hash of the crystal.
        structure: The user's structure as pymatgen's `as_dict` writes it.
        formula: Reduced formula.
        chemical_system: Element symbols in alphabetical order, e.g. `O-Ti`; `elements` the same as a tuple.
        space_group: International number, and `space_group_symbol` its symbol.
        site_id: Content hash of the site; empty for a material.
        site_index: Index of the site in the user's structure; None for a material.
        multiplicity: How many sites of the structure this one stands for.
        source: File or database entry that the structure, or an ingested spectrum, came from.
        licence: Under which the spectrum may be used, e.g. `CC-BY-4.0`.
        citation: What to cite, a DOI where there is one.
        parents: Ids of the spectra that this one was made from.
        created_at: ISO 8601, UTC, milliseconds.
    """

    id: str
    kind: DocumentKind
    spectrum: Spectrum | None
    status: Status
    absorber: str
    edge: str
    code: str
    code_version: str
    fidelity: str
    parameters: Mapping[str, Any]
    structure_id: str
    structure: Mapping[str, Any]
    formula: str
    chemical_system: str
    elements: tuple[str, ...]
    space_group: int
    space_group_symbol: str
    reason: str = ""
    checks: tuple[Check, ...] = ()
    site_id: str = ""
    site_index: int | None = None
    multiplicity: int = 1
    source: str = ""
    licence: str = ""
    citation: str = ""
    parents: tuple[str, ...] = ()
    created_at: str = field(default_factory=utc_now)

    def __post_init__(self) -> None:
        if not self.id or not _HEX.issuperset(self.id):
            raise InputError(f"a document's id is a lower-case hexadecimal hash, got {self.id!r}")
        if (self.spectrum is None) == self.status.has_spectrum:
            raise InputError(
                f"document {self.id} has status {self.status.value!r} and "
                f"{'no' if self.spectrum is None else 'a'} spectrum: "
                "a failed calculation has none, every other has one"
            )
        if self.status is Status.FAILED and not self.reason:
            raise InputError(f"document {self.id} failed without a reason: give `reason`")
        elements = tuple(sorted(self.elements))
        if "-".join(elements) != self.chemical_system:
            raise InputError(
                f"document {self.id} has elements {elements}, which make the chemical system "
                f"{'-'.join(elements)!r}, not {self.chemical_system!r}"
            )
        object.__setattr__(self, "elements", elements)
        object.__setattr__(self, "edge", Edge.parse(self.edge).value)
        object.__setattr__(self, "created_at", utc_text(self.created_at))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, arrays as lists."""
        return {
            **self.metadata(),
            "structure": dict(self.structure),
            "spectrum": self.spectrum.to_dict() if self.spectrum else None,
        }

    def metadata(self) -> dict[str, Any]:
        """Return `to_dict` without the structure and the spectrum."""
        return {
            "schema_version": SPECTRUM_SCHEMA_VERSION,
            "id": self.id,
            "kind": self.kind.value,
            "status": self.status.value,
            "reason": self.reason,
            "checks": [check.to_dict() for check in self.checks],
            "absorber": self.absorber,
            "edge": self.edge,
            "code": self.code,
            "code_version": self.code_version,
            "fidelity": self.fidelity,
            "parameters": dict(self.parameters),
            "structure_id": self.structure_id,
            "formula": self.formula,
            "chemical_system": self.chemical_system,
            "elements": list(self.elements),
            "space_group": self.space_group,
            "space_group_symbol": self.space_group_symbol,
            "site_id": self.site_id,
            "site_index": self.site_index,
            "multiplicity": self.multiplicity,
            "source": self.source,
            "licence": self.licence,
            "citation": self.citation,
            "parents": list(self.parents),
            "created_at": self.created_at,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SpectrumDocument:
        """Rebuild what `to_dict` wrote, in this or an earlier schema version.

        Raises:
            SchemaVersionError: The document was written by a newer Whiteline.
            ParseError: The dictionary is no document.
        """
        values = _upgrade(dict(data))
        try:
            return cls(
                **{name: values[name] for name in _PLAIN_FIELDS},
                kind=DocumentKind(values["kind"]),
                status=Status(values["status"]),
                checks=tuple(Check.from_dict(check) for check in values["checks"]),
                elements=tuple(values["elements"]),
                parents=tuple(values["parents"]),
                spectrum=None if values["spectrum"] is None else Spectrum.from_dict(values["spectrum"]),
            )
        except KeyError as error:
            raise ParseError(
                f"document {values.get('id', 'without id')} of schema version {SPECTRUM_SCHEMA_VERSION} "
                f"lacks {error}: it was cut or edited; restore it from the store or a backup"
            ) from error


_CONVERTED_FIELDS = {"kind", "status", "checks", "elements", "parents", "spectrum"}
_PLAIN_FIELDS = tuple(n for n in SpectrumDocument.__dataclass_fields__ if n not in _CONVERTED_FIELDS)


def _upgrade(data: dict[str, Any]) -> dict[str, Any]:
    found = data.get("schema_version")
    if not isinstance(found, int) or found < 1:
        raise ParseError(f"expected a spectrum document with `schema_version` 1 or more, got {found!r}")
    if found > SPECTRUM_SCHEMA_VERSION:
        raise SchemaVersionError(
            f"spectrum document {data.get('id', 'without id')} has schema version {found}, this Whiteline "
            f"reads up to {SPECTRUM_SCHEMA_VERSION}: upgrade with `pip install -U whiteline`"
        )
    for version in range(found, SPECTRUM_SCHEMA_VERSION):
        data = _UPGRADES[version](data)
    return data
