"""What is said of the spectra of an index, as small numbers, and which of them a query wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from whiteline.database.query import SpectrumQuery

__all__ = ["FIELDS", "Vocabulary", "is_answered_by_categories", "mask_of"]

Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

FIELDS: Final = (
    "status",
    "absorber",
    "edge",
    "kind",
    "code",
    "fidelity",
    "space_group",
    "formula",
    "chemical_system",
)


class Vocabulary:
    """The values of each field, numbered in the order in which they came.

    Args:
        words: Values of each field of `FIELDS`.
    """

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        self._codes = {name: {word: i for i, word in enumerate(words.get(name, ()))} for name in FIELDS}

    def encode(self, columns: Mapping[str, Sequence[object]]) -> Int[Codes, "field row"]:
        """Return the numbers of all fields, shape (n_field, n_row); values that are new are added.

        Args:
            columns: Values of each field of `FIELDS`, one a row; other names may stand beside them.
        """
        rows = [
            [codes.setdefault(str(value), len(codes)) for value in columns[name]] for name, codes in self._codes.items()
        ]
        return np.array(rows, dtype=np.int32).reshape(len(FIELDS), -1)

    def words(self, name: str) -> tuple[str, ...]:
        """Return the values of a field, by number."""
        return tuple(self._codes[name])

    def to_dict(self) -> dict[str, list[str]]:
        """Return the values of every field, JSON-ready."""
        return {name: list(codes) for name, codes in self._codes.items()}


def mask_of(query: SpectrumQuery, codes: Int[Codes, "field row"], vocabulary: Vocabulary) -> Bool[Mask, " row"]:
    """Return which rows fulfil the conditions on fields and elements, shape (n_row,)."""
    mask: Mask = np.ones(codes.shape[1], dtype=bool)
    for name, is_wanted in _tests(query):
        table = np.array([is_wanted(word) for word in vocabulary.words(name)], dtype=bool)
        if not table.all():
            mask &= table[codes[FIELDS.index(name)]]
    return mask


def is_answered_by_categories(query: SpectrumQuery) -> bool:
    """Return whether `mask_of` checks all that the query asks for, but for the beginning of the id."""
    others = (query.parameters, query.site_id, query.structure_id, query.created_after, query.created_before)
    return not any(others)


def _tests(query: SpectrumQuery) -> list[tuple[str, Callable[[str], bool]]]:
    """Return pairs of a field and what its value must fulfil."""
    tests: list[tuple[str, Callable[[str], bool]]] = []
    if query.statuses:
        tests.append(("status", {status.value for status in query.statuses}.__contains__))
    for name in FIELDS[1:]:
        wanted = getattr(query, name)
        if wanted is not None:
            tests.append((name, str(wanted).__eq__))
    if query.elements_all or query.elements_any or query.elements_none:
        tests.append(("chemical_system", lambda system: _has_elements(query, frozenset(system.split("-")))))
    return tests


def _has_elements(query: SpectrumQuery, elements: frozenset[str]) -> bool:
    return (
        elements.issuperset(query.elements_all)
        and elements.isdisjoint(query.elements_none)
        and (not query.elements_any or not elements.isdisjoint(query.elements_any))
    )
