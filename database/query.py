"""What to look for, checked once and meaning the same in every store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from whiteline.database.conditions import Condition, Operator, parse_conditions, value_type
from whiteline.database.documents import DocumentKind, utc_text
from whiteline.database.query_values import (
    hex_prefix,
    known_symbol,
    known_symbols,
    member,
    ordered_system,
    plain_text,
    reduced_formula,
    several,
    space_group_number,
    whole_number,
)
from whiteline.edges import Edge
from whiteline.errors import ParameterError, did_you_mean
from whiteline.status import Status

__all__ = ["ANY_STATUS", "EXACT_FIELDS", "SORT_FIELDS", "Condition", "Operator", "SpectrumQuery", "value_type"]

# What `status` takes to find everything; the word "any" means the same.
ANY_STATUS: Final = tuple(Status)
# Fields of the query that a document must equal, whatever the store.
EXACT_FIELDS = (
    "absorber",
    "edge",
    "code",
    "fidelity",
    "formula",
    "chemical_system",
    "space_group",
    "kind",
    "site_id",
    "structure_id",
)
SORT_FIELDS = (
    "created_at",
    "id",
    "absorber",
    "edge",
    "code",
    "fidelity",
    "formula",
    "chemical_system",
    "space_group",
    "status",
    "kind",
    "site_index",
    "multiplicity",
)


@dataclass(frozen=True, kw_only=True)
class SpectrumQuery:
    """Which spectra are wanted; every condition that is given must hold.

    Queries narrow one another: `first & second` finds what both find, `query.replace(limit=10)` changes a field.

    >>> query = SpectrumQuery(absorber="Ti", formula="O2Ti") & SpectrumQuery(chemical_system="Ti-O")
    >>> query.formula, query.chemical_system, [status.value for status in query.statuses]
    ('TiO2', 'O-Ti', ['converged'])

    Attributes:
        absorber: Element symbol; `edge`, `code`, `fidelity`, `site_id`, `structure_id` likewise exact.
        formula: Any order and multiple: `O4Ti2` finds `TiO2`.
        chemical_system: Exactly these elements, any order: `Ti-O`.
        elements_all: Elements that must all be there; one of `elements_any` must, none of `elements_none`.
        space_group: International number or symbol.
        status: One or several; only converged spectra unless others are asked for. `ANY_STATUS` is all.
        kind: `site`, `material` or `measured`.
        parameters: Name to value, to (operator, value), or to a list of such pairs that must all hold:
            `{"fms_radius": (">=", 6.0)}`. See `Condition`.
        created_after: Earliest time, itself included; `created_before` latest time, itself excluded.
        id_prefix: How the id begins.
        is_suspect: Only spectra that are marked as suspect, or only others.
        limit: At most so many, after skipping `skip`.
        sort: Field of `SORT_FIELDS`, with a minus in front for descending; the id decides between equals.

    Raises:
        ParameterError: A name is unknown or a value out of range; the message names the nearest known one.
    """

    absorber: str | None = None
    edge: str | None = None
    code: str | None = None
    fidelity: str | None = None
    formula: str | None = None
    chemical_system: str | None = None
    elements_all: tuple[str, ...] = ()
    elements_any: tuple[str, ...] = ()
    elements_none: tuple[str, ...] = ()
    space_group: int | str | None = None
    status: tuple[Status, ...] | Status | str = (Status.CONVERGED,)
    kind: DocumentKind | str | None = None
    site_id: str | None = None
    structure_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    created_after: str | datetime | None = None
    created_before: str | datetime | None = None
    id_prefix: str | None = None
    is_suspect: bool | None = None
    limit: int | None = None
    skip: int = 0
    sort: str = "created_at"

    def __post_init__(self) -> None:
        self._clean("absorber", known_symbol)
        self._clean("edge", lambda text: Edge.parse(plain_text(text, "an edge")).value)
        self._clean("formula", reduced_formula)
        self._clean("chemical_system", ordered_system)
        self._clean("space_group", space_group_number)
        self._clean("kind", lambda text: member(DocumentKind, text))
        self._clean("created_after", utc_text)
        self._clean("created_before", utc_text)
        self._clean("id_prefix", hex_prefix)
        self._clean("limit", lambda n: whole_number(n, "limit", least=1, hint="; leave it out for no limit"))
        self._clean("skip", lambda n: whole_number(n, "skip", least=0))
        if self.is_suspect is not None and not isinstance(self.is_suspect, bool):
            raise ParameterError(f"is_suspect is true, false or left out, got {self.is_suspect!r}")
        for name in ("code", "fidelity", "site_id", "structure_id"):
            self._clean(name, partial(plain_text, what=name))
        for name in ("elements_all", "elements_any", "elements_none"):
            self._clean(name, partial(known_symbols, what=name))
        object.__setattr__(self, "status", _statuses(self.status))
        if not isinstance(self.parameters, Mapping):
            raise ParameterError(f"parameters must map names to conditions, got {self.parameters!r}")
        for name, given in self.parameters.items():
            parse_conditions(name, given)
        if self.sort_field not in SORT_FIELDS:
            raise ParameterError(f"cannot sort by {self.sort_field!r}: {did_you_mean(self.sort_field, SORT_FIELDS)}")

    def _clean(self, name: str, convert: Callable[[Any], Any]) -> None:
        given = getattr(self, name)
        if given is not None:
            object.__setattr__(self, name, convert(given))

    def __and__(self, other: SpectrumQuery) -> SpectrumQuery:
        """Return the query that finds what both find; see `whiteline.database.narrowing`.

        Raises:
            ParameterError: They contradict each other.
        """
        from whiteline.database.narrowing import narrow

        return narrow(self, other)

    def replace(self, **changes: Any) -> SpectrumQuery:
        """Return the query with other values of some fields.

        Raises:
            ParameterError: There is no such field, or a value is out of range.
        """
        known = [each.name for each in fields(self)]
        if unknown := [name for name in changes if name not in known]:
            raise ParameterError(f"a query has no field {unknown[0]!r}: {did_you_mean(unknown[0], known)}")
        return replace(self, **changes)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions on parameters."""
        return tuple(c for name, given in self.parameters.items() for c in parse_conditions(name, given))

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The wanted statuses; empty for any, so that a store need not look."""
        wanted = _statuses(self.status)
        return () if set(wanted) == set(Status) else wanted

    @property
    def sort_field(self) -> str:
        """What to sort by."""
        return plain_text(self.sort, "sort").removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")

    def to_dict(self) -> dict[str, Any]:
        """Return the conditions that were given, JSON-ready; the status always."""
        empty = SpectrumQuery()
        given = {
            each.name: _json_ready(getattr(self, each.name))
            for each in fields(self)
            if each.name != "parameters" and getattr(self, each.name) != getattr(empty, each.name)
        }
        given["status"] = [status.value for status in _statuses(self.status)]
        if self.parameters:
            given["parameters"] = [[c.name, c.operator, _json_ready(c.value)] for c in self.conditions]
        return given


def _statuses(given: Any) -> tuple[Status, ...]:
    if given == "any":
        return ANY_STATUS
    wanted = tuple(dict.fromkeys(member(Status, text) for text in several(given, "status")))
    if not wanted:
        raise ParameterError('status names none: give converged, unconverged or failed, or "any" for all')
    return wanted


def _json_ready(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
