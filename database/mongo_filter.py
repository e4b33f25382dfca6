"""A `SpectrumQuery` as a MongoDB filter.

MongoDB compares a value with each element of a list, and some of its twins hold True and 1 to be equal. So
that conditions on parameters mean what they mean in every other store, each parameter is stored a second time
as a fact `{"k": dotted name, "t": type, "v": value}`, and conditions look at facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from whiteline.database.query import EXACT_FIELDS, Condition, SpectrumQuery, value_type

__all__ = ["facts", "filter_of", "sort_of"]

_OPERATORS = {"==": "$eq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def facts(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield one fact a parameter, nested ones under dotted names.

    >>> list(facts({"scf": {"radius": 4.5}}))
    [{'k': 'scf', 't': 'nested'}, {'k': 'scf.radius', 't': 'number', 'v': 4.5}]
    """
    for name, value in parameters.items():
        if not _NAME.fullmatch(name):
            continue
        kind = value_type(value)
        if kind == "nested":
            yield {"k": f"{prefix}{name}", "t": kind}
        else:
            yield {"k": f"{prefix}{name}", "t": kind, "v": value}
        if isinstance(value, Mapping):
            yield from facts(value, f"{prefix}{name}.")


def filter_of(query: SpectrumQuery) -> dict[str, Any]:
    """Return the filter on the collection of spectra.

    Conditions stand side by side as far as each has a field of its own: servers that only speak MongoDB's protocol look
    for an index there, but not below `$and` and not for `$all`.
    """
    clauses: list[dict[str, Any]] = [
        {name: getattr(query, name)} for name in EXACT_FIELDS if getattr(query, name) is not None
    ]
    if query.statuses:
        clauses.append({"status": {"$in": [status.value for status in query.statuses]}})
    clauses.extend({"elements": symbol} for symbol in query.elements_all)
    for symbols, operator in ((query.elements_any, "$in"), (query.elements_none, "$nin")):
        if symbols:
            clauses.append({"elements": {operator: list(symbols)}})
    if query.created_after is not None:
        clauses.append({"created_at": {"$gte": query.created_after}})
    if query.created_before is not None:
        clauses.append({"created_at": {"$lt": query.created_before}})
    if query.id_prefix is not None:
        # Ids are hexadecimal, so that every continuation sorts before the letter g.
        clauses.append({"_id": {"$gte": query.id_prefix, "$lt": f"{query.id_prefix}g"}})
    if query.is_suspect is not None:
        clauses.append({"suspect": True if query.is_suspect else {"$ne": True}})
    clauses.extend(_on_parameter(condition) for condition in query.conditions)
    merged: dict[str, Any] = {}
    others = []
    for clause in clauses:
        if clause.keys() & merged.keys():
            others.append(clause)
        else:
            merged |= clause
    return merged | ({"$and": others} if others else {})


def sort_of(query: SpectrumQuery) -> list[tuple[str, int]]:
    """Return the order, the id deciding between equals."""
    direction = -1 if query.is_descending else 1
    if query.sort_field == "id":
        return [("_id", direction)]
    return [(query.sort_field, direction), ("_id", direction)]


def _on_parameter(condition: Condition) -> dict[str, Any]:
    name, operator, value = condition.name, condition.operator, condition.value
    if operator == "in":
        # An empty $or is an error to MongoDB; nothing is in an empty list.
        return {"$or": [_equal(name, v) for v in value]} if value else {"_id": {"$in": []}}
    if operator == "!=":
        return {"$nor": [_equal(name, value)]}
    if operator == "==":
        return _equal(name, value)
    return _has({"k": name, "t": value_type(value), "v": {_OPERATORS[operator]: value}})


def _equal(name: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {"$nor": [_has({"k": name, "t": {"$ne": "null"}})]}
    return _has({"k": name, "t": value_type(value), "v": value})


def _has(fact: dict[str, Any]) -> dict[str, Any]:
    return {"facts": {"$elemMatch": fact}}
