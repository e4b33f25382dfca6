from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.errors import CalculationError, ParameterError
from whiteline.models.features import FeatureCache, featurise
from whiteline.models.features.checks import check_input
from whiteline.models.features.encoder import SiteFeatures
from whiteline.structures import NamedStructure


@dataclass(frozen=True)
class Lengths:
    """Encodes the lattice constant and the site; made for tests, cheap, and picky about elements."""

    folder: Path
    id: str = "lengths:1"
    n_features: int = 2
    elements: frozenset[str] = frozenset({"Cu"})

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        check_input(structures, sites, self.elements)
        for structure in structures:
            if structure.lattice.a > 9.0:
                os._exit(9)  # as a process ends that the system kills
        (self.folder / str(os.getpid())).touch()
        return [
            np.array([[structure.lattice.a, site] for site in wanted], dtype=np.float32)
            for structure, wanted in zip(structures, sites, strict=True)
        ]


def crystal(length: float, element: str = "Cu") -> NamedStructure:
    structure = Structure(Lattice.cubic(length), [element], [[0.0] * 3])
    return NamedStructure(structure, name=f"{element}-{length:g}", source=f"{element}-{length:g}.cif")


@pytest.fixture
def encoder(tmp_path: Path) -> Lengths:
    (tmp_path / "workers").mkdir()
    return Lengths(tmp_path / "workers")


def lengths(rows: Sequence[SiteFeatures | None]) -> list[float | None]:
    return [None if row is None else round(float(row[0, 0]), 3) for row in rows]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_order_is_kept_and_a_bad_structure_is_named(encoder: Lengths, workers: int) -> None:
    structures = [crystal(3.0 + 0.01 * i) for i in range(70)]
    structures[40] = crystal(3.4, "Ag")
    done: list[int] = []
    found = featurise(structures, [[0]] * 70, encoder=encoder, workers=workers, on_done=done.append)
    expected = [None if i == 40 else round(3.0 + 0.01 * i, 3) for i in range(70)]
    assert lengths(found.features) == expected
    assert found.failures == {40: "Ag-3.4 (Ag): the encoder does not know Ag: take another encoder, or leave it out"}
    assert done == [32, 64, 70]
    pids = {int(path.name) for path in encoder.folder.iterdir()}
    assert (os.getpid() in pids) == (workers == 1)


def test_what_is_cached_is_not_computed_again(encoder: Lengths, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    structures = [crystal(3.0), crystal(3.1), crystal(3.2, "Ag")]
    first = featurise(structures[1:], [[0]] * 2, encoder=encoder, cache=cache)
    assert (first.n_cached, list(first.failures)) == (0, [1])
    done: list[int] = []
    again = featurise(structures, [[0]] * 3, encoder=encoder, cache=cache, on_done=done.append)
    assert (again.n_cached, list(again.failures), done) == (1, [2], [3])
    assert lengths(again.features) == [3.0, 3.1, None]


def test_the_cache_is_trimmed_to_its_size(encoder: Lengths, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache", max_bytes=0)
    featurise([crystal(3.0)], [[0]], encoder=encoder, cache=cache)
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []


def test_disorder_is_a_failure_like_others(encoder: Lengths, tmp_path: Path) -> None:
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Ag": 0.5}], [[0.0] * 3])
    structures = [NamedStructure(alloy, name="alloy", source="alloy.cif"), crystal(3.0)]
    found = featurise(structures, [[0], [0]], encoder=encoder, cache=FeatureCache(tmp_path / "cache"))
    assert found.failures[0].startswith("alloy (")
    assert "site 0 is partially occupied" in found.failures[0]
    assert lengths(found.features) == [None, 3.0]


def test_a_killed_worker_says_what_to_do(encoder: Lengths) -> None:
    structures = [crystal(3.0)] * 33 + [crystal(9.5)]
    with pytest.raises(CalculationError, match="run it again with fewer workers"):
        featurise(structures, [[0]] * 34, encoder=encoder, workers=2)


def test_nothing_gives_nothing(encoder: Lengths) -> None:
    assert featurise([], [], encoder=encoder, workers=4).features == []


def test_a_number_of_workers_or_sites_that_makes_no_sense_is_refused(encoder: Lengths) -> None:
    with pytest.raises(ParameterError, match="one worker or more, got 0"):
        featurise([crystal(3.0)], [[0]], encoder=encoder, workers=0)
    with pytest.raises(ParameterError, match="1 structures and sites of 2"):
        featurise([crystal(3.0)], [[0], [0]], encoder=encoder)
