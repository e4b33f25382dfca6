from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Structure

from whiteline.errors import InputError
from whiteline.models.crystals import name_crystals
from whiteline.models.duplicates import find_duplicates
from whiteline.models.samples import Samples
from whiteline.models.splits import split_samples


def samples_of(materials: tuple[str, ...]) -> Samples:
    n = len(materials)
    return Samples(
        ids=tuple(f"s{i}" for i in range(n)),
        features=np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        spectra=1.0 + np.arange(3.0 * n).reshape(n, 3),
        points=np.arange(3.0),
        zeros=np.zeros(n),
        absorbers=("Cu",) * n,
        edges=("K",) * n,
        fidelities=("feff",) * n,
        materials=materials,
        formulas=("",) * n,
        unit="Mbarn",
    )


def test_a_supercell_under_another_id_is_the_same_crystal(copper: Structure) -> None:
    primitive = copper.get_primitive_structure()
    oxide = copper.copy()
    oxide.replace(0, "O")
    named = name_crystals(samples_of(("a", "b", "c")), {"a": copper, "b": primitive, "c": oxide, "unused": copper})
    assert named.formulas == ("Cu", "Cu", "Cu3O")
    assert named.n_atoms == (4, 1, 4)
    found = find_duplicates(named)
    assert (found.rule, found.materials) == ("crystals", (("a", "b"),))
    for seed in range(4):
        parts = split_samples(named, by="material", fractions=(0.5, 0.0, 0.5), seed=seed).parts(named)
        assert {frozenset(part.materials) for part in parts} == {frozenset("ab"), frozenset("c"), frozenset()}


def test_a_material_without_a_structure_is_named(copper: Structure) -> None:
    with pytest.raises(InputError, match="1 of 2 materials have no structure, such as 'b'"):
        name_crystals(samples_of(("a", "b")), {"a": copper})
