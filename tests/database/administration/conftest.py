"""Stores to look after."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import mongomock
import pytest

from whiteline.database import DocumentKind, MongoStore, SpectrumStore, SQLiteStore
from whiteline.database.store import Item
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker

BACKENDS = ("sqlite", "mongo")


class StoreOpener(Protocol):
    """Opens an empty store of a kind."""

    def __call__(self, backend: str, name: str = "spectra") -> SpectrumStore: ...


@pytest.fixture
def open_empty(tmp_path: Path) -> Iterator[StoreOpener]:
    opened: list[SpectrumStore] = []

    def open_one(backend: str, name: str = "spectra") -> SpectrumStore:
        store: SpectrumStore
        if backend == "sqlite":
            store = SQLiteStore(tmp_path / f"{name}.db")
        else:
            store = MongoStore(mongomock.MongoClient()[f"{name}_{uuid.uuid4().hex}"])
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture(scope="session")
def items(make_document: DocumentMaker, make_record: RecordMaker) -> Sequence[Item]:
    """Seven documents of all statuses and kinds, with no, one and two records and with shared and own raw files."""
    early, late = make_record(), make_record("2026-02-01T00:00:00.000+00:00")
    input_file = {"feff.inp": b"TITLE rutile\n" * 40}
    material = {"kind": DocumentKind.MATERIAL, "site_id": "", "site_index": None}
    lto: dict[str, Any] = {"formula": "Li4Ti5O12", "chemical_system": "Li-O-Ti", "structure_id": "ab" * 20}
    lto["structure"] = {**make_document().structure, "charge": 1}
    single = make_document("ccc").spectrum
    assert single is not None
    return (
        (make_document("a"), early, {**input_file, "out/xmu.dat": bytes(range(256)) * 20}),
        (
            make_document("bb", source="Größe [x].cif", parameters={"b": 1, "a": {"z": 1.0, "y": -0.0}}),
            late,
            input_file,
        ),
        (make_document("a"), late, None),
        (make_document("ccc", spectrum=single.shift_by(0.25), **lto), None, None),
        (make_document("dddd", spectrum=replace(single, energy=single.energy + 0.125)), make_record(), {"empty": b""}),
        (make_document("eeeee", status=Status.FAILED), make_record(), {"feff.log": b"stopped in pot\n"}),
        (make_document("f", status=Status.UNCONVERGED, reason="SCF"), None),
        (make_document("g", parents=("ab12", "cd34"), **material), make_record()),
    )


@pytest.fixture
def filled(open_empty: StoreOpener, items: Sequence[Item]) -> SpectrumStore:
    """An embedded store with all `items`."""
    store = open_empty("sqlite", "filled")
    store.put_many(items)
    return store
