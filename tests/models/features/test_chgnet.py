"""Our graphs for CHGNet beside its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from whiteline.errors import ParseError, StructureError
from whiteline.models.features import chgnet
from whiteline.models.features.chgnet import BLOCKS, CHGNetEncoder
from whiteline.models.features.chgnet_graph import bond_graph


def own_graph(structure: Structure) -> Any:
    from chgnet.graph import CrystalGraphConverter

    return CrystalGraphConverter(atom_graph_cutoff=6, bond_graph_cutoff=3, algorithm="legacy")(structure)


@pytest.mark.parametrize("name", ["crystal", "copper"])
def test_bonds_and_angles_are_those_of_its_own_converter(name: str, request: pytest.FixtureRequest) -> None:
    structure = request.getfixturevalue(name)
    theirs, ours = own_graph(structure), bond_graph(structure, cutoff=6.0, angle_cutoff=3.0)
    np.testing.assert_array_equal(ours.bonds, theirs.atom_graph.numpy())
    np.testing.assert_array_equal(ours.images, theirs.neighbor_image.numpy())
    # Undirected bonds have other numbers, so that they are compared by the directed bonds they are made of.
    pairs = [
        {tuple(np.flatnonzero(halves == bond)) for bond in range(len(halves) // 2)}
        for halves in (ours.undirected, theirs.directed2undirected.numpy())
    ]
    assert pairs[0] == pairs[1]
    np.testing.assert_array_equal(ours.undirected[ours.directed], np.arange(len(ours.directed)))
    angles = [set(map(tuple, table[:, [0, 2, 4]])) for table in (ours.angles, theirs.bond_graph.numpy())]
    assert angles[0] == angles[1]
    np.testing.assert_array_equal(ours.undirected[ours.angles[:, [2, 4]]], ours.angles[:, [1, 3]])


def test_features_are_what_the_network_says_of_its_own_graph(crystal: Structure) -> None:
    encoder = CHGNetEncoder()
    (rows,) = encoder.encode([crystal], [range(5)])
    with torch.no_grad():
        answer = encoder._network([own_graph(crystal)], task="em", return_atom_feas=True, return_site_energies=True)
        (composition,) = encoder._network.composition_model.get_site_energies([own_graph(crystal)])
        energies = encoder._network.mlp(torch.from_numpy(rows[:, 64:128]))[:, 0] + composition
    np.testing.assert_allclose(rows[:, :64], answer["atom_fea"][0], atol=1e-5)  # single precision
    np.testing.assert_allclose(rows[:, 128], answer["m"][0], atol=1e-5)
    np.testing.assert_allclose(energies, answer["site_energies"][0], atol=1e-4)


def test_blocks_are_taken_in_the_order_that_was_asked_for(crystal: Structure) -> None:
    (everything,) = CHGNetEncoder().encode([crystal], [[1]])
    (some,) = CHGNetEncoder(blocks=("magmom", "conv_3")).encode([crystal], [[1]])
    np.testing.assert_array_equal(some, everything[:, [128, *range(64)]])
    assert CHGNetEncoder().n_features == sum(BLOCKS.values()) == 129


def test_an_atom_without_neighbours_is_refused() -> None:
    atom = Structure(Lattice.cubic(12.0), ["Cu"], [[0.0] * 3])
    with pytest.raises(StructureError, match=r"structure 0 \(Cu\): an atom has no neighbour within 6 Å"):
        CHGNetEncoder().encode([atom], [[0]])


def test_a_crystal_without_angles_has_features() -> None:
    wide = Structure(Lattice.cubic(5.0), ["Cu"], [[0.0] * 3])
    (rows,) = CHGNetEncoder().encode([wide], [[0]])
    assert np.isfinite(rows).all()


def test_weights_other_than_the_published_are_refused(crystal: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chgnet, "_SHA256", "0" * 64)
    with pytest.raises(ParseError, match=r"is not CHGNet 0\.3\.0 as published"):
        CHGNetEncoder().encode([crystal], [[0]])


def test_loading_says_nothing(crystal: Structure, capsys: pytest.CaptureFixture[str]) -> None:
    CHGNetEncoder().encode([crystal], [[0]])
    assert capsys.readouterr() == ("", "")
