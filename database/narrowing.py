"""Two queries made one that finds what both of them find."""

from __future__ import annotations

from typing import Any

from whiteline.database.query import EXACT_FIELDS, SpectrumQuery, value_type
from whiteline.errors import ParameterError

__all__ = ["narrow"]


def narrow(first: SpectrumQuery, second: SpectrumQuery) -> SpectrumQuery:
    """Return the query that finds what both find, in the order, and the window, of the one that states them.

    Raises:
        ParameterError: They contradict each other, so that nothing could be found, or state two orders.
    """
    return SpectrumQuery(
        **{name: _one_of(first, second, name) for name in (*EXACT_FIELDS, "is_suspect", "limit", "skip", "sort")},
        elements_all=tuple({*first.elements_all, *second.elements_all}),
        elements_none=tuple({*first.elements_none, *second.elements_none}),
        elements_any=_either(first, second),
        status=_common_statuses(first, second),
        parameters=_all_conditions(first, second),
        id_prefix=_longer_prefix(first.id_prefix, second.id_prefix),
        **_span(first, second),
    )


def _one_of(first: SpectrumQuery, second: SpectrumQuery, name: str) -> Any:
    """Return the value of the field that one query states, or both alike."""
    default = getattr(SpectrumQuery(), name)
    values = [value for value in (getattr(first, name), getattr(second, name)) if value != default]
    if len(values) == 2 and values[0] != values[1]:
        raise _conflict(name, values[0], values[1])
    return values[0] if values else default


def _either(first: SpectrumQuery, second: SpectrumQuery) -> tuple[str, ...]:
    """Return the `elements_any` of both; two lists fit one only where one holds the other."""
    given = sorted(({*q.elements_any} for q in (first, second) if q.elements_any), key=len)
    if len(given) == 2 and not given[0] <= given[1]:
        raise _conflict("elements_any", ", ".join(first.elements_any), ", ".join(second.elements_any))
    return tuple(given[0]) if given else ()


def _common_statuses(first: SpectrumQuery, second: SpectrumQuery) -> tuple[Any, ...]:
    common = tuple(status for status in first.status if status in second.status)
    if not common:
        raise ParameterError(
            f"the queries have no status in common: {_listed(first.status)} and {_listed(second.status)}; "
            "a query that names none finds converged spectra only, start from status=ANY_STATUS"
        )
    return common


def _all_conditions(first: SpectrumQuery, second: SpectrumQuery) -> dict[str, list[tuple[str, Any]]]:
    merged: dict[str, list[tuple[str, Any]]] = {}
    known: set[object] = set()
    equal: dict[str, Any] = {}
    for condition in (*first.conditions, *second.conditions):
        name, operator, value = condition.name, condition.operator, condition.value
        # 1 and True are equal to Python and not to a query, hence the types.
        typed = tuple((value_type(v), v) for v in (value if operator == "in" else (value,)))
        if (name, operator, typed) in known:
            continue
        if operator == "==" and name in equal:
            raise _conflict(f"parameters.{name}", equal[name], value)
        if operator == "==":
            equal[name] = value
        known.add((name, operator, typed))
        merged.setdefault(name, []).append((operator, value))
    return merged


def _longer_prefix(first: str | None, second: str | None) -> str | None:
    if first is None or second is None:
        return first or second
    longer, shorter = sorted((first, second), key=len, reverse=True)
    if not longer.startswith(shorter):
        raise _conflict("id_prefix", first, second)
    return longer


def _span(first: SpectrumQuery, second: SpectrumQuery) -> dict[str, Any]:
    after = [q.created_after for q in (first, second) if q.created_after is not None]
    before = [q.created_before for q in (first, second) if q.created_before is not None]
    # Times are ISO 8601 text in UTC by now, which sorts.
    span = {"created_after": max(map(str, after), default=None), "created_before": min(map(str, before), default=None)}
    if after and before and str(span["created_after"]) >= str(span["created_before"]):
        raise ParameterError(
            f"the queries have no time in common: from {span['created_after']} and before {span['created_before']}"
        )
    return span


def _conflict(name: str, first: object, second: object) -> ParameterError:
    return ParameterError(
        f"the queries contradict each other: {name} is {str(first)!r} in one and {str(second)!r} in the other; "
        f"use query.replace({name.partition('.')[0]}=...) to change it"
    )


def _listed(statuses: object) -> str:
    return ", ".join(str(status) for status in statuses) if isinstance(statuses, tuple) else str(statuses)
