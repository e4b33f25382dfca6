"""A `SpectrumQuery` as SQL with bound values."""

from __future__ import annotations

from whiteline.database.query import EXACT_FIELDS, Condition, SpectrumQuery, value_type

__all__ = ["order_and_window", "where"]

_JSON_TYPES = {"number": "('integer', 'real')", "text": "('text')"}


def where(query: SpectrumQuery) -> tuple[str, list[object]]:
    """Return a condition on the table `spectra AS s`, and the values bound in it."""
    clauses: list[str] = []
    values: list[object] = []

    def add(clause: str, *bound: object) -> None:
        clauses.append(clause)
        values.extend(bound)

    for name in EXACT_FIELDS:
        wanted = getattr(query, name)
        if wanted is not None:
            add(f"s.{name} = ?", wanted)
    if query.statuses:
        add(f"s.status IN ({_marks(len(query.statuses))})", *(status.value for status in query.statuses))
    for symbol in query.elements_all:
        add("s.chemical_system IN (SELECT chemical_system FROM elements WHERE element = ?)", symbol)
    for symbols, word in ((query.elements_any, "IN"), (query.elements_none, "NOT IN")):
        if symbols:
            add(
                f"s.chemical_system {word} (SELECT chemical_system FROM elements "  # noqa: S608  # only marks
                f"WHERE element IN ({_marks(len(symbols))}))",
                *symbols,
            )
    if query.created_after is not None:
        add("s.created_at >= ?", query.created_after)
    if query.created_before is not None:
        add("s.created_at < ?", query.created_before)
    if query.id_prefix is not None:
        # Ids are hexadecimal, so that every continuation sorts before the letter g.
        add("s.id >= ? AND s.id < ?", query.id_prefix, f"{query.id_prefix}g")
    for condition in query.conditions:
        clause, bound = _on_parameter(condition)
        add(clause, *bound)
    return " AND ".join(clauses) or "1", values


def order_and_window(query: SpectrumQuery) -> str:
    """Return the end of a SELECT: order, number of rows, and rows to skip."""
    direction = "DESC" if query.is_descending else "ASC"
    window = f" LIMIT {-1 if query.limit is None else query.limit:d} OFFSET {query.skip:d}"
    if query.sort_field == "id":
        return f" ORDER BY s.id {direction}{window}"
    return f" ORDER BY s.{query.sort_field} {direction}, s.id {direction}{window}"


def _marks(n_values: int) -> str:
    return ", ".join("?" * n_values)


def _on_parameter(condition: Condition) -> tuple[str, list[object]]:
    # Quoted and bound: the name reaches SQLite as a value, never as SQL.
    path = "$." + ".".join(f'"{part}"' for part in condition.name.split("."))
    if condition.operator == "in":
        parts = [_comparison(path, "=", value) for value in condition.value]
        clause = " OR ".join(part for part, _ in parts) or "0"
        return f"({clause})", [value for _, bound in parts for value in bound]
    if condition.operator == "!=":
        clause, bound = _comparison(path, "=", condition.value)
        return f"NOT COALESCE({clause}, 0)", bound
    return _comparison(path, "=" if condition.operator == "==" else condition.operator, condition.value)


def _comparison(path: str, operator: str, value: object) -> tuple[str, list[object]]:
    kind = value_type(value)
    if kind == "null":
        return "COALESCE(json_type(s.parameters, ?), 'null') = 'null'", [path]
    if kind == "bool":
        return "json_type(s.parameters, ?) = ?", [path, "true" if value else "false"]
    return (
        f"(json_type(s.parameters, ?) IN {_JSON_TYPES[kind]} AND json_extract(s.parameters, ?) {operator} ?)",
        [path, path, value],
    )
