"""What every store must do, run against each of them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import numpy as np
import pytest
from pymongo import MongoClient

from whiteline.database import (
    AmbiguousIdError,
    MongoStore,
    SpectrumQuery,
    SpectrumStore,
    SQLiteStore,
    UnknownIdError,
    open_store,
)
from whiteline.database.query import ANY_STATUS
from whiteline.errors import InputError, ParameterError
from whiteline.spectrum import Quantity, Spectrum
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker

ALL = SpectrumQuery(status=ANY_STATUS)


class StoreContract:
    """The claims; a subclass gives the store, and how to count its structures."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SpectrumStore]:
        raise NotImplementedError

    def n_structures(self, store: Any) -> int:
        raise NotImplementedError

    def n_blobs(self, store: Any) -> int:
        raise NotImplementedError

    def drop_index(self, store: Any) -> None:
        """Drop `spectra_by_formula`."""
        raise NotImplementedError

    @pytest.fixture
    def filled(self, store: SpectrumStore, make_document: DocumentMaker) -> SpectrumStore:
        """Six documents; their ids follow from their names."""
        ni = {"formula": "NiO", "chemical_system": "Ni-O", "absorber": "Ni", "space_group": 225}
        lto = {"formula": "Li4Ti5O12", "chemical_system": "Li-O-Ti"}
        day = "2026-01-{:02d}T00:00:00+00:00"
        documents = [
            make_document("a", parameters={"fms_radius": 5.0, "scf": {"radius": 4}}, created_at=day.format(1)),
            make_document("b", parameters={"fms_radius": 6, "is_fast": True}, created_at=day.format(2)),
            make_document("c", parameters={"fms_radius": "6.0", "is_fast": 1}, created_at=day.format(3), **lto),
            make_document("d", parameters={"fms_radius": None}, created_at=day.format(4), **ni),
            make_document("e", parameters={"fms_radius": [6.0]}, created_at=day.format(5), edge="L3", **ni),
            make_document("f", parameters={}, created_at=day.format(6), status=Status.FAILED),
        ]
        store.put_many((document, None) for document in documents)
        return store

    @pytest.fixture
    def names(self, make_document: DocumentMaker) -> dict[str, str]:
        return {make_document(name).id: name for name in "abcdef"}

    def test_checking_that_it_can_be_written_stores_nothing(self, store: SpectrumStore) -> None:
        store.check_writable()
        assert store.count(ALL) == 0

    def test_is_a_store(self, store: SpectrumStore) -> None:
        assert isinstance(store, SpectrumStore)
        assert list(store.query(ALL)) == []
        assert store.count(ALL) == 0

    def test_round_trip_is_exact_to_the_bit(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        document = make_document()
        store.put(document)
        stored = store.get(document.id)
        assert stored.to_dict() == document.to_dict()
        assert stored.spectrum is not None
        assert document.spectrum is not None
        assert stored.spectrum.components.tobytes() == document.spectrum.components.tobytes()

    def test_putting_twice_keeps_one_document_and_both_records(
        self, store: SpectrumStore, make_document: DocumentMaker, make_record: RecordMaker
    ) -> None:
        document, late = make_document(), make_record("2026-02-01T00:00:00.000+00:00")
        early = make_record("2026-01-01T00:00:00.000+00:00")
        store.put(document, late)
        store.put(replace(document, source="again.cif"), early)
        assert store.count(ALL) == 1
        assert store.get(document.id).source == "again.cif"
        assert [record.to_dict() for record in store.records(document.id)] == [early.to_dict(), late.to_dict()]

    def test_the_same_record_is_kept_once(
        self, store: SpectrumStore, make_document: DocumentMaker, make_record: RecordMaker
    ) -> None:
        document, record = make_document(), make_record()
        store.put(document, record)
        assert store.put_many([(document, record), (document, record)]) == 2
        assert len(store.records(document.id)) == 1

    def test_failed_document_becomes_a_spectrum_and_back(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        failed, good = make_document(status=Status.FAILED), make_document()
        for document in (failed, good, failed):
            store.put(document)
            assert store.get(document.id).to_dict() == document.to_dict()
        assert store.status_of(failed.id) is Status.FAILED
        (summary,) = store.summaries(SpectrumQuery(status="failed"))
        assert (summary.n_points, summary.energy_min, summary.reason) == (0, None, "FEFF stopped in pot")

    def test_structure_is_stored_once(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        store.put_many((make_document(f"site {i}"), None) for i in range(5))
        store.put(make_document("another site"))
        assert self.n_structures(store) == 1

    def test_two_cells_of_one_crystal_are_both_kept(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        first = make_document("first")
        second = make_document("second", structure={**first.structure, "charge": 1})
        store.put_many([(first, None), (second, None)])
        assert store.get(first.id).structure == first.structure
        assert store.get(second.id).structure == second.structure

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, "abcdef"),
            ({"absorber": "Ni"}, "de"),
            ({"absorber": "Ni", "edge": "K"}, "d"),
            ({"code": "feff", "fidelity": "feff:fast", "kind": "site"}, "abcdef"),
            ({"code": "ocean"}, ""),
            ({"formula": "O2Ti"}, "abf"),
            ({"chemical_system": "Ti-O"}, "abf"),
            ({"elements_all": ("O", "Ti")}, "abcf"),
            ({"elements_any": ("Li", "Ni")}, "cde"),
            ({"elements_none": ("Li", "Ni")}, "abf"),
            ({"elements_all": ("O",), "elements_none": ("Ni",), "elements_any": ("Li",)}, "c"),
            ({"space_group": 225}, "de"),
            ({"space_group": "P4_2/mnm"}, "abcf"),
            ({"status": ("failed", "converged")}, "f"),
            ({"status": "unconverged"}, "abcde"),
            ({"created_after": "2026-01-03", "created_before": "2026-01-05"}, "cd"),
            ({"sort": "-created_at", "limit": 2, "skip": 1}, "ed"),
            ({"sort": "formula", "limit": 3}, "cde"),
            ({"skip": 10}, ""),
        ],
    )
    def test_query_finds(
        self, filled: SpectrumStore, names: dict[str, str], query: dict[str, Any], expected: str
    ) -> None:
        wanted = SpectrumQuery(**{"status": ANY_STATUS, **query})
        found = [names[summary.id] for summary in filled.summaries(wanted)]
        assert [names[document.id] for document in filled.query(wanted)] == found
        is_ordered = wanted.sort.endswith("created_at")
        assert (found if is_ordered else sorted(found)) == list(expected)
        if "limit" not in query and "skip" not in query:
            assert filled.count(wanted) == len(expected)

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"fms_radius": 6.0}, "b"),
            ({"fms_radius": (">=", 5)}, "ab"),
            ({"fms_radius": (">", 5)}, "b"),
            ({"fms_radius": ("<", 6)}, "a"),
            ({"fms_radius": ("<=", "6.0")}, "c"),
            ({"fms_radius": "6.0"}, "c"),
            ({"fms_radius": ("in", [5.0, "6.0"])}, "ac"),
            ({"fms_radius": ("in", [])}, ""),
            ({"fms_radius": ("!=", 6.0)}, "acdef"),
            ({"fms_radius": None}, "df"),
            ({"fms_radius": ("!=", None)}, "abce"),
            ({"is_fast": True}, "b"),
            ({"is_fast": 1}, "c"),
            ({"scf.radius": 4.0}, "a"),
            ({"scf": None}, "bcdef"),
            ({"fms_radius": (">=", 5.0), "is_fast": True}, "b"),
        ],
    )
    def test_parameters_are_compared_by_type(
        self, filled: SpectrumStore, names: dict[str, str], parameters: dict[str, Any], expected: str
    ) -> None:
        query = SpectrumQuery(status=ANY_STATUS, parameters=parameters)
        assert [names[summary.id] for summary in filled.summaries(query)] == list(expected)
        assert filled.count(query) == len(expected)

    def test_equal_sort_keys_are_ordered_by_id(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        documents = [make_document(str(i)) for i in range(20)]
        store.put_many((document, None) for document in documents)
        ids = sorted(document.id for document in documents)
        assert [summary.id for summary in store.summaries(ALL)] == ids
        newest_first = SpectrumQuery(status=ANY_STATUS, sort="-created_at")
        assert [summary.id for summary in store.summaries(newest_first)] == ids[::-1]

    def test_summary_shows_the_extent_of_the_spectrum(self, filled: SpectrumStore) -> None:
        summary = next(filled.summaries(SpectrumQuery(status=ANY_STATUS, absorber="Ti", limit=1)))
        assert (summary.energy_min, summary.energy_max, summary.n_points) == (-10.0, 29.0, 40)
        assert summary.parameters == {"fms_radius": 5.0, "scf": {"radius": 4}}

    def test_unique_prefix_is_enough(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        documents = [make_document(id=f"{digit}{'0' * 39}") for digit in "abc"]
        store.put_many((document, None) for document in documents)
        assert store.get("b00").id == documents[1].id
        assert store.find_by_id("b00") is None
        assert store.has(documents[1].id)
        assert not store.has("b00")

    def test_ambiguous_prefix_names_candidates(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        store.put_many((make_document(id=f"ab{digit}" + "0" * 37), None) for digit in "0123456789")
        with pytest.raises(AmbiguousIdError, match=r"10 spectra.*ab00.*give more digits"):
            store.get("ab")

    @pytest.mark.parametrize("unknown", ["feed", "TiO2", "", "%"])
    def test_unknown_id_is_named(self, filled: SpectrumStore, unknown: str) -> None:
        with pytest.raises(LookupError, match=r"no spectrum in|spectra in"):
            filled.get(unknown)
        assert filled.status_of(unknown) is None
        assert filled.records(unknown) == []

    def test_deleted_document_takes_its_records_along(
        self, store: SpectrumStore, make_document: DocumentMaker, make_record: RecordMaker
    ) -> None:
        document, other = make_document("one"), make_document("other")
        store.put_many([(document, make_record()), (other, make_record())])
        store.delete(document.id)
        assert store.find_by_id(document.id) is None
        assert store.records(document.id) == []
        assert store.get(other.id).to_dict() == other.to_dict()
        with pytest.raises(UnknownIdError):
            store.delete(document.id)

    def test_matrix_rows_are_powder_intensities(
        self, filled: SpectrumStore, names: dict[str, str], make_document: DocumentMaker
    ) -> None:
        spectrum = make_document("a").spectrum
        assert spectrum is not None
        ids, matrix = filled.matrix(SpectrumQuery(status=ANY_STATUS, absorber="Ti"), spectrum.energy)
        assert [names[i] for i in ids] == ["a", "b", "c"]
        expected = [s.intensity for s in (make_document(name).spectrum for name in "abc") if s]
        # The same products, perhaps summed in another order: one rounding.
        np.testing.assert_allclose(matrix, expected, rtol=1e-15)

    def test_matrix_interpolates_onto_another_grid_and_never_beyond(
        self, filled: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        grid = np.linspace(-3.3, 12.1, 7)
        _, matrix = filled.matrix(SpectrumQuery(status=ANY_STATUS, absorber="Ni", skip=1), grid)
        spectrum = make_document("e").spectrum
        assert spectrum is not None
        # Averaging and interpolating are both linear and commute to rounding.
        np.testing.assert_allclose(matrix, [spectrum.resample(grid).intensity], rtol=1e-13)
        with pytest.raises(InputError, match=r"covers -10 to 29 eV"):
            filled.matrix(ALL, np.array([0.0, 29.5]))
        with pytest.raises(InputError, match="strictly increasing"):
            filled.matrix(ALL, np.array([1.0, 0.0]))

    def test_matrix_copies_single_component_rows_and_mixes_them_with_others(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        grid = np.arange(10.0)
        full = make_document("full").spectrum
        assert full is not None
        plain = replace(full, energy=grid, components=np.sqrt(grid)[np.newaxis], polarisations=_isotropic())
        store.put(make_document("plain", spectrum=plain, created_at="2026-01-01"))
        assert store.matrix(ALL, grid)[1].tobytes() == np.sqrt(grid).tobytes()
        store.put(make_document("full", created_at="2026-01-02"))
        _, matrix = store.matrix(ALL, grid)
        assert matrix[0].tobytes() == np.sqrt(grid).tobytes()
        np.testing.assert_allclose(matrix[1], full.resample(grid).intensity, rtol=1e-13)  # rounding

    def test_matrix_of_nothing_is_empty(self, filled: SpectrumStore) -> None:
        ids, matrix = filled.matrix(SpectrumQuery(status="failed"), np.array([0.0, 1.0]))
        assert ids == []
        assert matrix.shape == (0, 2)

    def test_curves_are_the_powder_intensities_and_fields_of_the_documents(
        self, filled: SpectrumStore, make_document: DocumentMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("sqlite", "mongo"):
            monkeypatch.setattr(f"whiteline.database.{module}.N_BLOCK", 2)
        spectrum = make_document("a").spectrum
        assert spectrum is not None
        # One component, another axis, and a quantity and a zero of its own.
        other = Spectrum(
            np.arange(9.0),
            np.sqrt(np.arange(9.0)),
            energy_reference=spectrum.energy_reference,
            quantity=Quantity.IM_EPSILON,
            reference_energy=4966.0,
        )
        filled.put(make_document("g", spectrum=other))
        filled.put(make_document("h", spectrum=replace(spectrum, reference_energy=None)))
        ids, _ = filled.changes()
        blocks = list(filled.curves([*ids[:3], "ab" * 20, *ids[3:]]))
        assert max(map(len, blocks)) == 2
        found = [spectrum_id for block in blocks for spectrum_id in block.columns["id"]]
        assert sorted(found) == sorted(set(ids) - {make_document("f").id})  # it failed
        for block in blocks:
            assert sorted(np.concatenate([part.places for part in block.parts])) == list(range(len(block)))
            for part in block.parts:
                for place, intensity in zip(part.places, part.intensity, strict=True):
                    document = filled.get(block.columns["id"][place])
                    stored = document.spectrum
                    assert stored is not None
                    assert [values[place] for values in block.columns.values()] == [
                        getattr(document, name) for name in block.columns
                    ]
                    assert block.quantities[place] == stored.quantity
                    expected = np.nan if stored.reference_energy is None else stored.reference_energy
                    np.testing.assert_array_equal(block.reference_energies[place], expected)
                    assert part.energy.tobytes() == stored.energy.tobytes()
                    # The same products, perhaps summed in another order: one rounding.
                    np.testing.assert_allclose(intensity, stored.intensity, rtol=1e-15)

    def test_curves_of_nothing_are_no_blocks(self, filled: SpectrumStore, make_document: DocumentMaker) -> None:
        assert list(filled.curves([])) == []
        assert list(filled.curves([make_document("f").id, "ab" * 20])) == []

    def test_query_streams_while_spectra_are_written_and_deleted(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        documents = [make_document(str(i)) for i in range(450)]
        assert store.put_many((document, None) for document in documents) == 450
        ids = sorted(document.id for document in documents)
        stream = store.query(SpectrumQuery(status=ANY_STATUS, sort="id"))
        first = [document.id for document in islice(stream, 10)]
        store.delete(ids[-1])
        store.put(make_document("late", id="f" * 40))
        assert first + [document.id for document in stream] == ids[:-1]

    def test_infinite_source_is_stored_as_it_comes(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        def broken() -> Iterator[Any]:
            for i in range(1000):
                yield make_document(str(i)), None
            raise RuntimeError("the source ended in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            store.put_many(broken())
        assert store.count(ALL) == 1000

    def test_what_json_cannot_hold_is_refused_before_anything_is_written(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        bad = make_document("bad", parameters={"radius": float("inf")})
        with pytest.raises(ParameterError, match=r"parameters of document"):
            store.put_many([(make_document("good"), None), (bad, None)])
        assert store.count(ALL) == 0

    def test_file_comes_back_and_is_listed(
        self, store: SpectrumStore, make_document: DocumentMaker, make_record: RecordMaker
    ) -> None:
        document = make_document()
        content = bytes(range(256)) * 100
        store.put(document, make_record(), {"xmu.dat": content, "scf/log.txt": b""})
        sizes = {file.name: file.size for file in store.files(document.id)}
        assert sizes == {"scf/log.txt": 0, "xmu.dat": 25600}
        assert [file.name for file in store.files(document.id)] == sorted(sizes)
        assert store.files(document.id)[1].sha256 == hashlib.sha256(content).hexdigest()
        assert store.read_file(document.id, "xmu.dat") == content
        assert store.read_file(document.id, "scf/log.txt") == b""

    def test_files_are_added_and_replaced_by_name(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        document = make_document()
        assert store.put_many([(document, None, {"a": b"1", "b": b"2"}), (make_document("other"), None)]) == 2
        store.put_files(document.id, {"b": b"3", "c": b"4"})
        store.put(document)
        found = {file.name: store.read_file(document.id, file.name) for file in store.files(document.id)}
        assert found == {"a": b"1", "b": b"3", "c": b"4"}
        assert store.status().n_files == 3

    def test_content_is_kept_once_until_its_last_file_is_gone(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        first, second = make_document("first"), make_document("second")
        shared = b"the same potential" * 1000
        store.put_many([(first, None, {"pot.bin": shared}), (second, None, {"other name": shared, "own": b"x"})])
        assert self.n_blobs(store) == 2
        store.delete(first.id)
        assert store.files(first.id) == []
        assert store.read_file(second.id, "other name") == shared
        store.put_files(second.id, {"other name": b"another"})
        assert self.n_blobs(store) == 2
        store.delete(second.id)
        assert self.n_blobs(store) == 0
        assert store.status().n_files == 0

    @pytest.mark.parametrize(
        "name",
        ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a/./b", ".", "a\\b", "a\n", "a\0b", "a/", "x" * 256],
    )
    def test_unsafe_file_name_is_refused(self, store: SpectrumStore, make_document: DocumentMaker, name: str) -> None:
        with pytest.raises(ParameterError, match=r"relative path such as scf/scf\.out"):
            store.put(make_document(), None, {name: b"content"})
        assert store.count(ALL) == 0

    def test_file_that_is_not_bytes_is_refused(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        document = make_document()
        store.put(document)
        with pytest.raises(ParameterError, match=r"xmu.dat of spectrum .* must be bytes, got str: read it with"):
            store.put_files(document.id, {"xmu.dat": "text"})  # type: ignore[dict-item]  # that is the point

    def test_missing_file_is_named_with_those_that_are_there(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        document = make_document()
        store.put(document, None, {"xmu.dat": b"1", "feff.inp": b"2"})
        with pytest.raises(UnknownIdError, match=r"has no file 'mu.dat'; it has: feff.inp, xmu.dat"):
            store.read_file(document.id, "mu.dat")
        with pytest.raises(UnknownIdError, match=r"no spectrum in .* has the id 'feed'"):
            store.read_file("feed", "xmu.dat")
        with pytest.raises(UnknownIdError, match=r"has the id 'feed': store it first"):
            store.put_files("feed", {"xmu.dat": b"1"})

    def test_changes_list_what_was_written_since_in_order(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        assert store.changes() == ([], 0)
        documents = {name: make_document(name) for name in "abcd"}
        store.put_many((documents[name], None) for name in "abc")
        ids, revision = store.changes()
        assert ids == [documents[name].id for name in "abc"]
        assert store.changes(revision) == ([], revision)
        store.put(documents["d"])
        store.put(documents["a"])
        again, newest = store.changes(revision)
        assert again == [documents["d"].id, documents["a"].id]
        assert store.changes()[0] == [documents[name].id for name in "bcda"]
        assert newest > revision

    def test_revision_of_a_deleted_spectrum_is_never_given_again(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        first, second = make_document("first"), make_document("second")
        store.put(first)
        _, revision = store.changes()
        store.delete(first.id)
        store.put(second)
        assert store.changes(revision)[0] == [second.id]

    def test_last_of_two_documents_with_one_id_is_kept_with_both_records(
        self, store: SpectrumStore, make_document: DocumentMaker, make_record: RecordMaker
    ) -> None:
        document = make_document()
        late, record = replace(document, source="late.cif"), make_record("2026-02-01T00:00:00.000+00:00")
        assert store.put_many([(document, make_record(), {"a": b"1"}), (late, record, {"b": b"2"})]) == 2
        assert store.get(document.id).source == "late.cif"
        assert len(store.records(document.id)) == 2
        assert [file.name for file in store.files(document.id)] == ["a", "b"]
        assert store.changes()[0] == [document.id]

    def test_group_counts_combinations_the_largest_first(self, filled: SpectrumStore) -> None:
        assert filled.group(ALL, ["absorber"]) == [(("Ti",), 4), (("Ni",), 2)]
        assert filled.group(ALL, ("absorber", "edge")) == [(("Ti", "K"), 4), (("Ni", "K"), 1), (("Ni", "L3"), 1)]
        by_status = filled.group(SpectrumQuery(status=ANY_STATUS, absorber="Ti", limit=1), ["status", "space_group"])
        assert by_status == [(("unconverged", 136), 3), (("failed", 136), 1)]
        assert len(filled.group(ALL, ["id"])) == 6
        assert filled.group(SpectrumQuery(absorber="Fe"), ["code"]) == []

    def test_group_keeps_what_is_unknown_apart(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        store.put_many((make_document(str(i), site_index=i_site), None) for i, i_site in enumerate((None, 0, 0)))
        assert store.group(ALL, ["site_index"]) == [((0,), 2), ((None,), 1)]

    @pytest.mark.parametrize(
        ("names", "message"),
        [(["absorbr"], "did you mean 'absorber'"), ([], "expected a list"), ("code", "expected a list")],
    )
    def test_group_by_what_is_no_field_is_refused(self, store: SpectrumStore, names: list[str], message: str) -> None:
        with pytest.raises(ParameterError, match=message):
            store.group(ALL, names)

    def test_status_counts_what_is_stored(
        self, filled: SpectrumStore, make_document: DocumentMaker, make_record: RecordMaker
    ) -> None:
        filled.put(make_document("a"), make_record(), {"xmu.dat": b"1"})
        status = filled.status()
        assert (status.n_spectra, status.n_structures, status.n_records, status.n_files) == (6, 1, 7, 1)
        assert status.address == filled.address
        assert status.schema_version == 3
        assert all(index.is_present for index in status.indexes)

    def test_missing_index_is_seen_and_made_again(self, filled: SpectrumStore) -> None:
        assert filled.prepare() == ()
        self.drop_index(filled)
        assert [index.name for index in filled.status().indexes if not index.is_present] == ["spectra_by_formula"]
        assert filled.prepare() == ("spectra_by_formula",)
        assert all(index.is_present for index in filled.status().indexes)


def _isotropic() -> tuple[Any, ...]:
    from whiteline.spectrum import ISOTROPIC

    return ISOTROPIC


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SpectrumStore]:
        with SQLiteStore(tmp_path / "new" / "spectra.db") as store:
            yield store

    def n_structures(self, store: Any) -> int:
        return int(store._rows("SELECT count(*) FROM structures", ())[0][0])

    def n_blobs(self, store: Any) -> int:
        return int(store._rows("SELECT count(*) FROM blobs", ())[0][0])

    def drop_index(self, store: Any) -> None:
        store._rows("DROP INDEX spectra_by_formula", ())


class TestMongomockStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SpectrumStore]:  # noqa: ARG002  # as the contract's
        with MongoStore(mongomock.MongoClient()["test"]) as store:
            yield store

    def n_structures(self, store: Any) -> int:
        return int(store._structures.count_documents({}))

    def n_blobs(self, store: Any) -> int:
        return int(store._database["blobs"].count_documents({}))

    def drop_index(self, store: Any) -> None:
        store._spectra.drop_index("spectra_by_formula")


class TestMongoServerStore(TestMongomockStore):
    """Over a real connection: to `WHITELINE_TEST_MONGO_URI`, or to a server that is started for the tests."""

    @pytest.fixture
    def store(self, mongo_address: str) -> Iterator[SpectrumStore]:
        name = f"whiteline_test_{uuid.uuid4().hex}"
        base, _, options = mongo_address.partition("?")
        with open_store(f"{base.rstrip('/')}/{name}" + (f"?{options}" if options else "")) as store:
            yield store
        with MongoClient[dict[str, Any]](mongo_address) as client:
            client.drop_database(name)
