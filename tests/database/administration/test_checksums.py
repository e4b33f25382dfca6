from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from whiteline.database import SpectrumDocument
from whiteline.database.administration.checksums import (
    canonical_json,
    document_checksum,
    document_line,
    record_checksum,
    structure_checksum,
)
from whiteline.database.administration.entries import EVERYTHING, StoreSource
from whiteline.database.ancestry import minimal_record
from whiteline.errors import ParameterError
from whiteline.status import Status

from .conftest import BACKENDS, StoreOpener

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker
    from whiteline.database.store import Item


def test_a_checksum_follows_from_the_recipe_alone(make_document: DocumentMaker) -> None:
    document = make_document()
    spectrum = document.spectrum
    assert spectrum is not None

    def dump(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    values = document.to_dict()
    values["structure"] = hashlib.sha256(dump(values["structure"]).encode()).hexdigest()
    values["spectrum"] |= {
        "shape": list(spectrum.components.shape),
        "energy": hashlib.sha256(spectrum.energy.astype("<f8").tobytes()).hexdigest(),
        "components": hashlib.sha256(spectrum.components.astype("<f8").tobytes(order="C")).hexdigest(),
    }
    assert document_checksum(document) == hashlib.sha256(dump(values).encode()).hexdigest()


def test_a_failed_document_has_a_checksum_too(make_document: DocumentMaker) -> None:
    assert json.loads(document_line(make_document(status=Status.FAILED)))["spectrum"] is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_checksums_are_the_same_in_every_store(open_empty: StoreOpener, items: Sequence[Item], backend: str) -> None:
    store = open_empty(backend)
    store.put_many(items)
    given = {item[0].id: document_checksum(item[0]) for item in items}
    entries = list(StoreSource(store).entries())
    assert {entry.id: entry.checksum for entry in entries} == given
    made = [item[1] or minimal_record(item[0], item[0].parents) for item in items]
    records = {record.id: record_checksum(record) for record in made}
    assert {i: c for entry in entries for i, c in entry.record_checksums.items()} == records
    assert [entry.id for entry in entries] == sorted(given)


def test_every_part_of_a_document_counts(make_document: DocumentMaker) -> None:
    document = make_document()
    spectrum = document.spectrum
    assert spectrum is not None
    components = spectrum.components.copy()
    components[1, 7] += 1e-15
    others: list[SpectrumDocument] = [
        replace(document, source="other.cif"),
        replace(document, licence="CC0-1.0"),
        replace(document, structure={**document.structure, "charge": 1}),
        replace(document, spectrum=replace(spectrum, components=components)),
        replace(document, spectrum=replace(spectrum, scale=1.5)),
        replace(document, spectrum=spectrum.shift_by(0.1)),
    ]
    assert len({document_checksum(other) for other in (document, *others)}) == 7


def test_the_order_and_kind_of_containers_do_not_count(make_document: DocumentMaker) -> None:
    first = make_document(parameters={"a": (1, 2), "b": {"x": 1, 10: 2, 9: 3}})
    second = make_document(parameters={"b": {"9": 3, "10": 2, "x": 1}, "a": [1, 2]})
    assert document_checksum(first) == document_checksum(second)


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ParameterError, match="the example cannot be stored as JSON"):
        canonical_json({"x": float("nan")}, what="the example")


def test_a_structure_is_hashed_by_its_content(make_document: DocumentMaker) -> None:
    structure = make_document().structure
    assert structure_checksum(dict(sorted(structure.items(), reverse=True))) == structure_checksum(structure)


def test_everything_asks_for_all_statuses() -> None:
    assert EVERYTHING.statuses == ()
