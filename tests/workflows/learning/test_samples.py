"""From datasets, tables and queries to samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Structure

from tests.workflows.learning.toy import GRID, ToyEncoder, fill_store, freeze, rock_salt, toy_document, two_sites
from whiteline.absorber import Absorber, find_absorbers
from whiteline.database import open_store
from whiteline.database.datasets import Dataset, DatasetGrid
from whiteline.database.query import SpectrumQuery
from whiteline.edges import Edge
from whiteline.errors import InputError
from whiteline.models.features import FeatureCache
from whiteline.workflows.learning.features import encode_samples
from whiteline.workflows.learning.querying import samples_of_query
from whiteline.workflows.learning.samples import read_learning_data


def test_the_sites_of_a_dataset_become_samples_and_averages_are_named_as_left_out(toy_home: Path) -> None:
    data = read_learning_data(toy_home / "copper")
    dataset = Dataset.open(toy_home / "copper")
    is_site = [kind == "site" for kind in dataset.table["kind"].to_pylist()]
    assert len(data.samples) == sum(is_site) == 12
    np.testing.assert_array_equal(data.samples.spectra, dataset.matrix()[is_site])
    averages = [each for each, site in zip(dataset.ids(), is_site, strict=True) if not site]
    assert data.left_out == {"no spectrum of a site": tuple(averages)}
    assert data.content_sha256 == dataset.manifest.content_sha256
    assert data.samples.unit == "Mbarn"


def test_photon_energies_are_points_plus_zeros(toy_home: Path) -> None:
    samples = read_learning_data(toy_home / "copper").samples
    assert samples.zeros[0] == pytest.approx(8979.0, abs=1.0)  # K edge of copper
    assert (samples.points[0], samples.points[-1]) == (-5.0, 25.0)


def test_the_division_is_that_of_the_dataset_unless_another_is_asked_for(toy_home: Path) -> None:
    data = read_learning_data(toy_home / "copper")
    dataset = Dataset.open(toy_home / "copper")
    parts, division = data.divide()
    for part, name in zip(parts, ("train", "val", "test"), strict=True):
        assert set(part.ids) < set(dataset.ids(name))
    assert division["origin"] == "dataset"
    anew, division = data.divide(by="chemical_system", seed=5)
    assert (division["origin"], division["kind"]) == ("training", "chemical_system")
    assert set(anew[0].ids) != set(parts[0].ids)


def test_features_stand_beside_the_spectrum_of_their_site(toy_home: Path) -> None:
    encoded = encode_samples(read_learning_data(toy_home / "copper"), ToyEncoder())
    samples, encoder = encoded.samples, ToyEncoder()
    assert samples.encoder == "toy:1"
    for i, named in enumerate(encoded.structures):
        assert named is not None
        (row,) = encoder.encode([named.structure], [[samples.sites[i]]])
        np.testing.assert_array_equal(samples.features[i], row[0])
    # The two sites of Cu4N are not alike.
    cu4n = [i for i, formula in enumerate(samples.formulas) if formula == "Cu4N"]
    assert len({samples.features[i].tobytes() for i in cu4n}) == 2


def test_encoded_structures_are_read_from_the_cache(toy_home: Path, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features")
    data = read_learning_data(toy_home / "copper")
    first = encode_samples(data, ToyEncoder(), cache=cache)

    class Broken(ToyEncoder):
        def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[Any]:
            raise AssertionError(f"the cache has all of it, and {len(structures)}, {len(sites)} were encoded")

    again = encode_samples(data, Broken(), cache=cache)
    np.testing.assert_array_equal(again.samples.features, first.samples.features)


def test_a_structure_that_cannot_be_encoded_is_named_and_left_out_only_when_asked(tmp_path: Path) -> None:
    address = fill_store(tmp_path)
    (absorber,) = find_absorbers(rock_salt("Cu", "Te"), "Cu", Edge.K)
    document = toy_document(absorber, source="tellurides/CuTe.cif")
    with open_store(str(address)) as store:
        store.put(document)
    freeze(address, tmp_path / "all", kind="site")
    data = read_learning_data(tmp_path / "all")
    with pytest.raises(InputError, match=r"1 structure\(s\) cannot be encoded: tellurides/CuTe.cif: .*Te.*--skip-bad"):
        encode_samples(data, ToyEncoder())
    kept = encode_samples(data, ToyEncoder(), skips_bad=True)
    assert document.id not in kept.samples.ids
    assert len(kept.samples) == len(kept.structures) == len(kept.places) == len(data.samples) - 1
    assert [ids for reason, ids in kept.left_out.items() if reason.startswith("not encoded")] == [(document.id,)]


def test_a_query_gives_the_samples_that_its_dataset_would(toy_home: Path) -> None:
    frozen = read_learning_data(toy_home / "copper").samples
    with open_store(str(toy_home / "spectra.db")) as store:
        asked = samples_of_query(store, SpectrumQuery(absorber="Cu"), DatasetGrid.parse(GRID)).samples
    order = [asked.ids.index(name) for name in frozen.ids]
    np.testing.assert_array_equal(asked.spectra[order], frozen.spectra)
    np.testing.assert_array_equal(asked.zeros[order], frozen.zeros)
    assert tuple(asked.sites[i] for i in order) == frozen.sites


def test_a_query_without_a_site_says_what_was_found(toy_home: Path) -> None:
    with open_store(str(toy_home / "spectra.db")) as store, pytest.raises(InputError, match="does not cover the grid"):
        samples_of_query(store, SpectrumQuery(), DatasetGrid.parse("edge-relative -5:250:1"))


def test_a_dataset_of_averages_alone_is_refused_with_the_remedy(toy_home: Path, tmp_path: Path) -> None:
    freeze(toy_home / "spectra.db", tmp_path / "averages", kind="material")
    with pytest.raises(InputError, match="--kind site"):
        read_learning_data(tmp_path / "averages")


def test_a_table_gets_its_structures_from_a_file(toy_home: Path, tmp_path: Path) -> None:
    rows = ["material_id,site_index,formula,n_sites,omnixas_mu"]
    crystals = {"a": rock_salt("Cu", "O"), "b": two_sites()}
    for name, crystal in crystals.items():
        rows += [_csv_row(name, absorber) for absorber in find_absorbers(crystal, "Cu", Edge.K)]
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "crystals.json").write_text(json.dumps({k: c.as_dict() for k, c in crystals.items()}), encoding="utf-8")
    data = read_learning_data(tmp_path / "table.csv", structures=tmp_path / "crystals.json")
    assert data.samples.formulas == ("CuO", "Cu4N", "Cu4N")
    assert [type(named.structure) for named in data.structures if named] == [Structure] * 3
    encoded = encode_samples(data, ToyEncoder()).samples
    assert encoded.features.shape == (3, 4)
    bare = read_learning_data(tmp_path / "table.csv")
    with pytest.raises(InputError, match="--structures"):
        encode_samples(bare, ToyEncoder())


def _csv_row(name: str, absorber: Absorber) -> str:
    curve = json.dumps([1.0, 2.0, 3.0 + absorber.site_index])
    return f'{name},{absorber.site_index},CuO,{len(absorber.structure)},"{curve}"'
