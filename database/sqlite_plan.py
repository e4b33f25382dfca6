"""Which way the embedded store goes about a query that wants a few rows in order.

SQLite cannot know how many spectra hold two elements, or a value of a parameter. Where they are few, it is quick to
look them all up and to sort them; where they are many, to walk along the order and take what fits. Counting up to a
limit decides.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from whiteline.database.query import SpectrumQuery
from whiteline.database.sqlite_filter import on_elements, on_parameters, where

__all__ = ["Plan", "make_plan"]

FEW = 5000  # spectra that are looked up and sorted within a few milliseconds
_FEW_SETS = 20_000  # different parameters that are all looked at within some 50 ms
_SELECTIVE = ("formula", "chemical_system", "site_id", "structure_id", "id_prefix")


@dataclass(frozen=True)
class Plan:
    """The table to select from, the condition, and the values bound in it."""

    table: str
    condition: str
    values: list[object]


def make_plan(connection: sqlite3.Connection, query: SpectrumQuery) -> Plan:
    """Return how to find the rows of a query."""
    if query.limit is None or any(getattr(query, name) is not None for name in _SELECTIVE):
        return Plan("spectra AS s", *where(query))
    is_many_sets = bool(query.conditions) and _n_sets(connection) > _FEW_SETS
    sets = {"spectra_by_system": on_elements(query)}
    if not is_many_sets:
        sets["spectra_by_parameters"] = on_parameters(query)
    for index, condition in sets.items():
        if condition and _is_there(connection, index) and _are_few(connection, *condition):
            return Plan(f"spectra AS s INDEXED BY {index}", *where(query))
    return Plan("spectra AS s", *where(query, is_in_order=True, is_parameter_by_row=is_many_sets))


def _n_sets(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(key), 0) FROM parameters").fetchone()
    return int(last)


def _is_there(connection: sqlite3.Connection, index: str) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?"
    return connection.execute(sql, (index,)).fetchone() is not None


def _are_few(connection: sqlite3.Connection, condition: str, values: list[object]) -> bool:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM spectra AS s WHERE {condition} LIMIT ?)"  # noqa: S608  # constants
    (found,) = connection.execute(sql, (*values, FEW + 1)).fetchone()
    return bool(found <= FEW)
