"""A `SpectrumQuery` as SQL with bound values."""

from __future__ import annotations

from whiteline.database.query import EXACT_FIELDS, Condition, SpectrumQuery, value_type
from whiteline.status import Status

__all__ = ["on_elements", "on_parameters", "order_and_window", "where"]

_JSON_TYPES = {"number": "('integer', 'real')", "text": "('text')"}


def where(
    query: SpectrumQuery, *, is_in_order: bool = False, is_parameter_by_row: bool = False
) -> tuple[str, list[object]]:
    """Return a condition on the table `spectra AS s`, and the values bound in it.

    Args:
        query: What is wanted.
        is_in_order: Whether to walk along the order of the query, rather than to look up elements and parameters.
        is_parameter_by_row: Whether to look at the parameters of each row, rather than once at all that there are.
    """
    clauses: list[str] = []
    values: list[object] = []

    def add(clause: str, *bound: object) -> None:
        clauses.append(clause)
        values.extend(bound)

    for name in EXACT_FIELDS:
        wanted = getattr(query, name)
        if wanted is not None and name == "structure_id":
            # The long text is indexed once a structure, not once a spectrum.
            add("s.structure_key IN (SELECT key FROM structures WHERE structure_id = ?)", wanted)
        elif wanted is not None:
            add(f"s.{name} = ?", wanted)
    if query.statuses:
        wanted = [status.value for status in query.statuses]
        add("s.status = ?" if len(wanted) == 1 else f"s.status IN ({_marks(len(wanted))})", *wanted)
        if Status.CONVERGED not in query.statuses:
            add("s.status <> 'converged'")  # says that the index of the others will do
    if query.created_after is not None:
        add("s.created_at >= ?", query.created_after)
    if query.created_before is not None:
        add("s.created_at < ?", query.created_before)
    if query.id_prefix is not None:
        # Ids are hexadecimal, so that every continuation sorts before the letter g.
        add("s.id >= ? AND s.id < ?", query.id_prefix, f"{query.id_prefix}g")
    if query.is_suspect is not None:
        # A plus keeps SQLite from looking up every marked id, most of which may be of other things.
        add("+s.id IN (SELECT id FROM marks)" if query.is_suspect else "s.id NOT IN (SELECT id FROM marks)")
    for part in (on_elements(query), on_parameters(query, is_by_row=is_parameter_by_row)):
        if part:
            # A plus keeps SQLite from using the index of a column.
            add(f"+{part[0]}" if is_in_order and part[0].startswith("s.") else part[0], *part[1])
    return " AND ".join(clauses) or "1", values


def on_elements(query: SpectrumQuery) -> tuple[str, list[object]] | None:
    """Return the condition on elements; None without one."""
    if not (query.elements_all or query.elements_any or query.elements_none):
        return None
    holding = "SELECT chemical_system FROM elements WHERE element"
    parts = [f"{holding} = ?" for _ in query.elements_all]
    if query.elements_any:
        parts.append(f"{holding} IN ({_marks(len(query.elements_any))})")
    systems = " INTERSECT ".join(parts) or "SELECT chemical_system FROM elements UNION SELECT ''"
    if query.elements_none:
        systems = f"SELECT * FROM ({systems}) EXCEPT {holding} IN ({_marks(len(query.elements_none))})"  # noqa: S608
    values: list[object] = [*query.elements_all, *query.elements_any, *query.elements_none]
    return f"s.chemical_system IN ({systems})", values


def on_parameters(query: SpectrumQuery, *, is_by_row: bool = False) -> tuple[str, list[object]] | None:
    """Return the condition on parameters; None without one."""
    if not query.conditions:
        return None
    parts = [_on_parameter(condition) for condition in query.conditions]
    clause = " AND ".join(part for part, _ in parts)
    values = [value for _, bound in parts for value in bound]
    if is_by_row:
        return f"EXISTS (SELECT 1 FROM parameters AS p WHERE p.key = s.parameters_key AND {clause})", values  # noqa: S608
    # Many spectra share their parameters: each set is looked at once.
    return f"s.parameters_key IN (SELECT key FROM parameters WHERE {clause})", values  # noqa: S608  # constants


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
        return "COALESCE(json_type(content, ?), 'null') = 'null'", [path]
    if kind == "bool":
        return "json_type(content, ?) = ?", [path, "true" if value else "false"]
    return (
        f"(json_type(content, ?) IN {_JSON_TYPES[kind]} AND json_extract(content, ?) {operator} ?)",
        [path, path, value],
    )
