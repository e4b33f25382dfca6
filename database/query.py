"""What to look for, checked once and meaning the same in every store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias, get_args

from whiteline.database.documents import DocumentKind, utc_text
from whiteline.edges import Edge
from whiteline.errors import ParameterError, did_you_mean
from whiteline.status import Status

__all__ = ["EXACT_FIELDS", "SORT_FIELDS", "Condition", "Operator", "SpectrumQuery", "value_type"]

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in"]
ValueType: TypeAlias = Literal["number", "text", "bool", "null", "nested"]

_OPERATORS: tuple[str, ...] = get_args(Operator)
_LARGEST = 2**63 - 1  # stores count in 64 bits; nan and infinity fail this test, too
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_PERIODIC_TABLE = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
    Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
    Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og D T
"""
_SYMBOLS = frozenset(_PERIODIC_TABLE.split())
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


def value_type(value: object) -> ValueType:
    """Return the type under which a parameter is compared; values of different types are never equal.

    >>> value_type(6), value_type(6.0), value_type(True)
    ('number', 'number', 'bool')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "nested"


@dataclass(frozen=True)
class Condition:
    """One condition on a parameter.

    Attributes:
        name: Parameter; a dot reaches into a nested one.
        operator: How to compare. `!=` also holds where the parameter is absent; `None` means null or absent.
        value: What to compare with; a tuple for `in`.
    """

    name: str
    operator: Operator
    value: Any

    @classmethod
    def parse(cls, name: str, given: object) -> Condition:
        """Return the condition that `{name: given}` states, `given` being a value or (operator, value).

        Raises:
            ParameterError: The name, operator or value is not one that can be compared.
        """
        if not _PARAMETER_NAME.fullmatch(name) or "" in name.split("."):
            raise ParameterError(f"a parameter name is letters, digits, underscores and single dots, got {name!r}")
        operator: Any
        value: Any
        operator, value = given if isinstance(given, tuple) and len(given) == 2 else ("==", given)
        if operator not in _OPERATORS:
            raise ParameterError(f"parameter {name}: unknown operator {operator!r}, known: {', '.join(_OPERATORS)}")
        if operator == "in":
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise ParameterError(f"parameter {name}: `in` needs a list of values, got {value!r}")
            value = tuple(_plain(v) for v in value)
        else:
            value = _plain(value)
        _check_values(name, operator, value if operator == "in" else (value,))
        return cls(name, operator, value)


def _plain(value: object) -> object:
    return value.value if isinstance(value, StrEnum) else value


def _check_values(name: str, operator: str, values: tuple[object, ...]) -> None:
    for value in values:
        kind = value_type(value)
        is_too_large = isinstance(value, int | float) and not abs(value) <= _LARGEST
        if kind == "nested" or is_too_large:
            raise ParameterError(
                f"parameter {name}: expected a finite number, text, true, false or null, got {value!r}"
            )
        if operator in ("<", "<=", ">", ">=") and kind not in ("number", "text"):
            raise ParameterError(f"parameter {name}: {operator} compares numbers or text, got {value!r}")
        if operator == "in" and kind == "null":
            raise ParameterError(f"parameter {name}: null cannot stand in a list, ask for it alone")


@dataclass(frozen=True, kw_only=True)
class SpectrumQuery:
    """Which spectra are wanted; every condition that is given must hold.

    >>> SpectrumQuery(absorber="Ti", formula="O2Ti", chemical_system="Ti-O").chemical_system
    'O-Ti'

    Attributes:
        absorber: Element symbol; `edge`, `code`, `fidelity`, `site_id`, `structure_id` likewise exact.
        formula: Any order and multiple: `O4Ti2` finds `TiO2`.
        chemical_system: Exactly these elements, any order: `Ti-O`.
        elements_all: Elements that must all be there; one of `elements_any` must, none of `elements_none`.
        space_group: International number or symbol.
        status: One or several.
        kind: `site` or `material`.
        parameters: Name to value, or to (operator, value): `{"fms_radius": (">=", 6.0)}`. See `Condition`.
        created_after: Earliest time, itself included; `created_before` latest time, itself excluded.
        id_prefix: How the id begins.
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
    status: tuple[Status, ...] | Status | str = ()
    kind: DocumentKind | str | None = None
    site_id: str | None = None
    structure_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    created_after: str | datetime | None = None
    created_before: str | datetime | None = None
    id_prefix: str | None = None
    limit: int | None = None
    skip: int = 0
    sort: str = "created_at"

    def __post_init__(self) -> None:
        self._clean("absorber", _known_symbol)
        self._clean("edge", lambda text: Edge.parse(text).value)
        self._clean("formula", _reduced_formula)
        self._clean("chemical_system", _ordered_system)
        self._clean("space_group", _space_group_number)
        self._clean("kind", lambda text: _member(DocumentKind, text))
        self._clean("created_after", utc_text)
        self._clean("created_before", utc_text)
        self._clean("id_prefix", _hex_prefix)
        for name in ("elements_all", "elements_any", "elements_none"):
            self._clean(name, lambda given: tuple(sorted({_known_symbol(s) for s in _several(given)})))
        self._clean("status", lambda given: tuple(_member(Status, text) for text in _several(given)))
        for name, given in self.parameters.items():
            Condition.parse(name, given)
        if self.limit is not None and self.limit < 1:
            raise ParameterError(f"limit must be 1 or more, got {self.limit}; leave it out for no limit")
        if self.skip < 0:
            raise ParameterError(f"skip must be 0 or more, got {self.skip}")
        if self.sort_field not in SORT_FIELDS:
            raise ParameterError(f"cannot sort by {self.sort_field!r}: {did_you_mean(self.sort_field, SORT_FIELDS)}")

    def _clean(self, name: str, convert: Callable[[Any], Any]) -> None:
        given = getattr(self, name)
        if given is not None:
            object.__setattr__(self, name, convert(given))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions on parameters."""
        return tuple(Condition.parse(name, given) for name, given in self.parameters.items())

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The wanted statuses; empty for any."""
        return self.status if isinstance(self.status, tuple) else (Status(self.status),)

    @property
    def sort_field(self) -> str:
        """What to sort by."""
        return self.sort.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")


def _several(given: str | Iterable[str]) -> Iterable[str]:
    return (given,) if isinstance(given, str) else given


def _known_symbol(symbol: str) -> str:
    if symbol not in _SYMBOLS:
        guess = symbol.capitalize()
        hint = f"did you mean {guess!r}?" if guess in _SYMBOLS else "use a symbol such as Ti"
        raise ParameterError(f"unknown element {symbol!r}: {hint}")
    return symbol


def _ordered_system(system: str) -> str:
    return "-".join(sorted({_known_symbol(symbol) for symbol in system.split("-")}))


def _reduced_formula(formula: str) -> str:
    from pymatgen.core.composition import Composition

    try:
        composition = Composition(formula)
        unknown = [element.symbol for element in composition if element.symbol not in _SYMBOLS]
        if formula.strip() and not unknown:
            return composition.reduced_formula
    except ValueError as error:
        raise ParameterError(f"expected a formula such as TiO2, got {formula!r}: {error}") from error
    raise ParameterError(f"expected a formula of known elements such as TiO2, got {formula!r}")


def _space_group_number(space_group: int | str) -> int:
    if isinstance(space_group, str) and not space_group.isdecimal():
        from pymatgen.symmetry.groups import SpaceGroup

        try:
            return int(SpaceGroup(space_group).int_number)
        except ValueError as error:
            known = sorted(str(symbol) for symbol in SpaceGroup.SG_SYMBOLS)
            raise ParameterError(f"unknown space group {space_group!r}: {_nearest(space_group, known)}") from error
    number = int(space_group)
    if not 1 <= number <= 230:
        raise ParameterError(f"a space group has a number from 1 to 230, got {number}")
    return number


def _nearest(name: str, known: list[str]) -> str:
    hint = did_you_mean(name, known)
    return hint if hint.startswith("did") else "give its number, or its symbol, e.g. P4_2/mnm"


def _member(vocabulary: type[StrEnum], text: str) -> StrEnum:
    try:
        return vocabulary(text)
    except ValueError:
        known = [member.value for member in vocabulary]
        raise ParameterError(f"unknown {vocabulary.__name__} {text!r}: {did_you_mean(str(text), known)}") from None


def _hex_prefix(prefix: str) -> str:
    if not re.fullmatch(r"[0-9a-f]+", prefix):
        raise ParameterError(f"an id begins with lower-case hexadecimal digits, got {prefix!r}")
    return prefix
