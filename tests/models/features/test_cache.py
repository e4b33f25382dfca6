from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from whiteline.errors import ParameterError, StoreError
from whiteline.models.features.cache import FeatureCache, structure_key
from whiteline.models.features.encoder import SiteFeatures


@dataclass(frozen=True)
class Numbered:
    """An encoder of another package: its id and the length of its features are all that a cache asks for."""

    id: str = "numbered:1"
    n_features: int = 2
    elements: frozenset[str] = frozenset({"Cu"})

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        return [rows(*wanted) for _, wanted in zip(structures, sites, strict=True)]


def rows(*sites: int) -> SiteFeatures:
    return np.array([[site, -site] for site in sites], dtype=np.float32).reshape(-1, 2)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


def only_file(cache: FeatureCache) -> Path:
    (path,) = cache.folder.glob("*/*/*")
    return path


def test_what_was_written_is_read_in_any_order(cache: FeatureCache, copper: Structure) -> None:
    cache.write(copper, [2, 0], rows(2, 0), Numbered())
    found = cache.read(copper, [0, 2, 0], Numbered())
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, rows(0, 2, 0))


def test_sites_are_added_to_those_that_are_there(cache: FeatureCache, copper: Structure) -> None:
    cache.write(copper, [0], rows(0), Numbered())
    assert cache.read(copper, [0, 1], Numbered()) is None
    cache.write(copper, [1], rows(1), Numbered())
    np.testing.assert_array_equal(cache.read(copper, [1, 0], Numbered()), rows(1, 0))


def test_another_encoder_finds_nothing(cache: FeatureCache, copper: Structure) -> None:
    cache.write(copper, [0], rows(0), Numbered())
    assert cache.read(copper, [0], Numbered(id="numbered:2")) is None


def test_a_structure_is_known_by_its_numbers_and_elements(copper: Structure) -> None:
    moved, silver, charged = copper.copy(), copper.copy(), copper.copy()
    moved.translate_sites([1], [1e-9, 0.0, 0.0])
    silver.replace_species({"Cu": "Ag"})
    charged.add_oxidation_state_by_element({"Cu": 1})
    names = [structure_key(structure) for structure in (copper, moved, silver, copper * (1, 1, 2))]
    assert len(set(names)) == 4
    assert structure_key(charged) == structure_key(copper.copy()) == names[0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "pickle", "other length", "not finite"])
def test_a_damaged_file_is_no_features_and_a_warning(
    cache: FeatureCache, copper: Structure, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    cache.write(copper, [0, 1], rows(0, 1), Numbered())
    path = only_file(cache)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        place = content.index(rows(1).tobytes())
        path.write_bytes(content[:place] + b"\x7f" + content[place + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("features")
    elif damage == "pickle":
        path.write_bytes(pickle.dumps({"sites": [0], "features": [[0.0, 0.0]]}))
    else:
        bad = np.zeros((2, 3), np.float32) if damage == "other length" else np.full((2, 2), np.nan, np.float32)
        np.savez(path, sites=np.arange(2), features=bad)
    with caplog.at_level(logging.WARNING):
        assert cache.read(copper, [0], Numbered()) is None
    assert str(path) in caplog.text
    assert "computed again" in caplog.text
    cache.write(copper, [0], rows(0), Numbered())
    np.testing.assert_array_equal(cache.read(copper, [0], Numbered()), rows(0))


def test_trimming_removes_what_was_used_longest_ago(tmp_path: Path, copper: Structure) -> None:
    cache = FeatureCache(tmp_path, max_bytes=10**9)
    crystals = [copper * (1, 1, n) for n in (1, 2, 3)]
    for i, crystal in enumerate(crystals):
        cache.write(crystal, [0], rows(0), Numbered())
        os.utime(max(tmp_path.glob("*/*/*"), key=lambda path: path.stat().st_mtime), (i, i))
    assert cache.read(crystals[0], [0], Numbered()) is not None  # so that it was used last
    size = only_size(tmp_path)
    assert FeatureCache(tmp_path, max_bytes=2 * size).trim() == 1
    found = [cache.read(crystal, [0], Numbered()) is not None for crystal in crystals]
    assert found == [True, False, True]
    assert FeatureCache(tmp_path, max_bytes=0).trim() == 2


def only_size(folder: Path) -> int:
    (size,) = {path.stat().st_size for path in folder.glob("*/*/*")}
    return size


def test_a_negative_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="positive or 0 bytes, got -1"):
        FeatureCache(tmp_path, max_bytes=-1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, copper: Structure) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=f"cannot keep features below {tmp_path}/file"):
        FeatureCache(tmp_path / "file").write(copper, [0], rows(0), Numbered())


def write_often(cache: FeatureCache, copper: Structure, site: int) -> int:
    """Write and read the same crystal again and again; return how often another process' file was damaged."""
    n_lost = 0
    for _ in range(30):
        cache.write(copper, [site], rows(site), Numbered())
        found = cache.read(copper, [site], Numbered())
        # Another process may have written its site in between: then it is not there, but never wrong.
        n_lost += found is not None and not np.array_equal(found, rows(site))
    return n_lost


def test_processes_that_write_at_once_leave_whole_files(cache: FeatureCache, copper: Structure) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(write_often, [cache] * 2, [copper] * 2, [0, 3])) == [0, 0]
    assert only_file(cache).suffix == ".npz"
    assert [cache.read(copper, [site], Numbered()) is not None for site in (0, 3)].count(True) >= 1
