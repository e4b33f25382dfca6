"""Options that choose stored spectra, the same for every command that works on many of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from whiteline.database.query import SpectrumQuery

__all__ = ["Filters", "takes_filters"]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the user chose; a field is an option of the command line."""

    absorber: Annotated[str | None, typer.Option("--absorber", "-a", metavar="ELEMENT", help="Absorbing element.")] = (
        None
    )
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="Absorption edge.")] = None
    code: Annotated[str | None, typer.Option("--code", help="Code that computed; experiment for measured spectra.")] = (
        None
    )
    fidelity: Annotated[str | None, typer.Option("--fidelity", help="Code and preset, e.g. feff:fast.")] = None
    formula: Annotated[str | None, typer.Option("--formula", help="Formula in any order and multiple.")] = None
    chemical_system: Annotated[str | None, typer.Option("--system", help="Exactly these elements, e.g. Ti-O.")] = None
    elements_all: Annotated[
        list[str] | None, typer.Option("--elements", help="Element that must be there; repeatable.")
    ] = None
    elements_any: Annotated[list[str] | None, typer.Option("--any", help="One of these must be there; repeatable.")] = (
        None
    )
    elements_none: Annotated[
        list[str] | None, typer.Option("--without", help="Element that must not be there; repeatable.")
    ] = None
    space_group: Annotated[str | None, typer.Option("--space-group", help="Number or symbol.")] = None
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="converged (the default), unconverged, failed, or any; repeatable."),
    ] = None
    kind: Annotated[str | None, typer.Option("--kind", help="site, material or measured.")] = None
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Condition on a parameter, e.g. 'fms_radius>=6'; repeatable."),
    ] = None
    is_suspect: Annotated[
        bool | None,
        typer.Option("--suspect/--no-suspect", help="Only what is marked as suspect, or nothing that is."),
    ] = None
    after: Annotated[str | None, typer.Option("--after", help="Stored at or after this date.")] = None
    before: Annotated[str | None, typer.Option("--before", help="Stored before this date.")] = None

    @property
    def is_given(self) -> bool:
        """Whether the user chose anything."""
        return any(getattr(self, field.name) is not None for field in fields(self))

    def query(self, **others: Any) -> SpectrumQuery:
        """Return the query, with other fields such as `sort` and `limit`.

        Raises:
            ParameterError: A value is unknown or out of range.
        """
        from whiteline.database.query import ANY_STATUS, SpectrumQuery

        chosen = {
            "absorber": self.absorber,
            "edge": self.edge,
            "code": self.code,
            "fidelity": self.fidelity,
            "formula": self.formula,
            "chemical_system": self.chemical_system,
            "elements_all": tuple(self.elements_all or ()),
            "elements_any": tuple(self.elements_any or ()),
            "elements_none": tuple(self.elements_none or ()),
            "space_group": self.space_group,
            "kind": self.kind,
            "parameters": parse_where(self.where or []),
            "is_suspect": self.is_suspect,
            "created_after": self.after,
            "created_before": self.before,
        }
        if self.status:
            chosen["status"] = ANY_STATUS if "any" in self.status else tuple(self.status)
        return SpectrumQuery(**{**chosen, **others})


def takes_filters(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command whose parameter `filters` has become the options of `Filters`, in its place."""
    hints = get_type_hints(Filters, include_extras=True)
    options = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[f.name])
        for f in fields(Filters)
    ]
    names = {option.name for option in options}
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        parameters.extend(options if parameter.name == "filters" else [own])

    @wraps(command)
    def run(**given: Any) -> int:
        chosen = {name: value for name, value in given.items() if name in names}
        rest = {name: value for name, value in given.items() if name not in names}
        return command(filters=Filters(**chosen), **rest)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": int}
    return run


def parse_where(texts: list[str]) -> dict[str, Any]:
    """Return conditions such as `fms_radius>=6` as the query takes them.

    >>> parse_where(["fms_radius>=6", "core_hole=RPA"])
    {'fms_radius': [('>=', 6)], 'core_hole': [('==', 'RPA')]}
    """
    import json
    import re

    from whiteline.errors import ParameterError

    conditions: dict[str, Any] = {}
    for text in texts:
        match = re.fullmatch(r"\s*([\w.]+)\s*(>=|<=|!=|==|=|>|<)\s*(.+)", text)
        if not match:
            raise ParameterError(f"--where expects NAME OPERATOR VALUE with =, !=, <, <=, > or >=, got {text!r}")
        name, sign, value = match.groups()
        operator = "==" if sign == "=" else sign
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError:
            parsed = value.strip()
        except (ValueError, RecursionError) as error:  # thousands of digits or brackets
            raise ParameterError(f"--where {name}: expected a number or text, got {value[:40]!r}…") from error
        conditions.setdefault(name, []).append((operator, parsed))
    return conditions
