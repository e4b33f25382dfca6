"""The files of an index: how they grow, what damages them, and who may write at once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from whiteline.database import SpectrumQuery, SQLiteStore
from whiteline.database.search import SearchIndex, search
from whiteline.database.search.snapshot import MANIFEST
from whiteline.database.search.updating import index_folder
from whiteline.errors import StoreError
from whiteline.status import Status


def sorted_ids(samples: Any, store: SQLiteStore, index: SearchIndex) -> list[str]:
    """Return the ids of all matches, the best first."""
    spectrum = samples.spectrum_of(samples.shape(4))
    return [match.id for match in search(store, spectrum, index=index, top=10_000)]


def test_the_index_lies_beside_the_file_of_its_store(samples: Any, store: SQLiteStore) -> None:
    index = SearchIndex(store)
    update = index.update()
    assert index.folder == store.path.with_name("spectra.db.search") == index_folder(store)
    assert update is not None
    assert update.reason == "there was none yet"
    # Every eleventh document failed and has no spectrum.
    assert index.status().n_spectra == sum(i % 11 != 10 for i in range(samples.n_stored))
    assert index.update() is None


def test_an_index_that_grew_finds_what_one_made_at_once_finds(samples: Any, store: SQLiteStore, tmp_path: Path) -> None:
    grown = SearchIndex(store, folder=tmp_path / "grown")
    grown.update()
    for start, n in ((40, 1), (41, 9), (5, 4), (50, 60)):
        samples.fill(store, start=start, n=n)
        grown.update()
    made = SearchIndex(store, folder=tmp_path / "made")
    made.update()
    assert sorted_ids(samples, store, grown) == sorted_ids(samples, store, made)
    assert (
        grown.status().n_spectra
        == made.status().n_spectra
        == store.count(SpectrumQuery(status=(Status.CONVERGED, Status.UNCONVERGED)))
    )
    assert grown.status().n_behind == 0


def test_additions_go_to_a_segment_of_their_own_until_the_index_has_doubled(samples: Any, store: SQLiteStore) -> None:
    index = SearchIndex(store)
    index.update()
    counts = []
    for start in (40, 50, 60, 70, 80):
        samples.fill(store, start=start, n=10)
        index.update()
        counts.append(index.status().n_segments)
    # 37 spectra at first, and 37 more only after the fifth time: some of the documents failed.
    assert counts == [2, 2, 2, 2, 1]


def test_replaced_rows_are_dead_until_the_rows_are_written_anew(samples: Any, store: SQLiteStore) -> None:
    index = SearchIndex(store)
    index.update()
    n = index.status().n_spectra
    samples.fill(store, start=0, n=3)
    index.update()
    assert (index.status().n_dead, index.status().n_spectra) == (3, n)
    samples.fill(store, start=11, n=10)
    index.update()
    assert (index.status().n_dead, index.status().n_segments, index.status().n_spectra) == (0, 1, n)


@pytest.mark.parametrize("victim", ["manifest.json", "curves.npy", "cosine.npy", "ids.npy", "bases", "vocabulary"])
@pytest.mark.parametrize("damage", ["cut", "removed", "garbled"])
def test_a_damaged_index_is_made_again(samples: Any, store: SQLiteStore, victim: str, damage: str) -> None:
    expected = sorted_ids(samples, store, SearchIndex(store))
    folder = index_folder(store)
    (path,) = [p for p in folder.rglob("*") if p.is_file() and p.name.startswith(victim)]
    if damage == "removed":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-20] if damage == "cut" else content[:-200] + b"?" * 200)
    index = SearchIndex(store)
    if not (victim == "manifest.json" and damage == "removed"):
        assert "damaged" in index.status().problem
    update = index.update()
    assert update is not None
    assert update.n_read == samples.n_stored - sum(i % 11 == 10 for i in range(samples.n_stored))
    assert sorted_ids(samples, store, index) == expected


def test_an_index_of_another_layout_is_made_again(samples: Any, store: SQLiteStore) -> None:
    SearchIndex(store).update()
    path = index_folder(store) / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["layout"]["version"] = 999
    path.write_text(json.dumps(manifest), encoding="utf-8")
    update = SearchIndex(store).update()
    assert update is not None
    assert "another version" in update.reason


def test_the_index_of_another_store_is_not_used(samples: Any, store: SQLiteStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    SearchIndex(store, folder=folder).update()
    with SQLiteStore(tmp_path / "other.db") as other:
        samples.fill(other, start=200, n=5)
        with pytest.raises(StoreError, match="belongs to"):
            SearchIndex(other, folder=folder).snapshot()
        update = SearchIndex(other, folder=folder).update()
        assert update is not None
        assert "it belonged to" in update.reason
        assert set(sorted_ids(samples, other, SearchIndex(other, folder=folder))) == {
            samples.name_of(i) for i in range(200, 205) if i not in (208, 209)
        }


def test_a_store_that_took_the_place_of_another_is_indexed_anew(samples: Any, tmp_path: Path) -> None:
    path = tmp_path / "spectra.db"
    with SQLiteStore(path) as store:
        samples.fill(store, n=5)
        SearchIndex(store).update()
    for file in tmp_path.glob("spectra.db*"):
        if file.is_file():
            file.unlink()
    with SQLiteStore(path) as store:
        samples.fill(store, start=300, n=8)
        update = SearchIndex(store).update()
        assert update is not None
        assert update.reason == "the store holds other spectra now"


def test_debris_of_a_writer_that_was_killed_is_removed(samples: Any, store: SQLiteStore) -> None:
    index = SearchIndex(store)
    index.update()
    debris = index.folder / "segment-0123"
    debris.mkdir()
    (debris / "curves.npy").write_bytes(b"half")
    (index.folder / "notes.txt").write_text("not ours", encoding="utf-8")
    samples.fill(store, start=60, n=1)
    index.update()
    assert not debris.exists()
    assert (index.folder / "notes.txt").exists()


def test_several_may_bring_the_index_up_to_date_at_once(samples: Any, store: SQLiteStore) -> None:
    SearchIndex(store).update()
    samples.fill(store, start=100, n=10)
    failures: list[BaseException] = []

    def update() -> None:
        try:
            with SQLiteStore(store.path) as own:
                SearchIndex(own).update()
                sorted_ids(samples, own, SearchIndex(own))
        except BaseException as error:  # noqa: BLE001  # whatever a thread raises is looked at below
            failures.append(error)

    threads = [threading.Thread(target=update) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert SearchIndex(store).status().n_behind == 0
    assert len(list(index_folder(store).glob("segment-*"))) == SearchIndex(store).status().n_segments


def test_an_index_that_cannot_be_written_is_named(store: SQLiteStore, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(StoreError, match=r"search index .*blocked cannot be used"):
        SearchIndex(store, folder=blocked).update()
