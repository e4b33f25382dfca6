from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Structure

from whiteline.models.features.encoder import make_encoder


@pytest.mark.parametrize("name", ["soap", "acsf"])
def test_elements_are_part_of_the_id_whatever_their_order(name: str) -> None:
    ids = [make_encoder(name, elements=elements).id for elements in (["Cu", "O"], ["O", "Cu", "O"], ["Cu"])]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].startswith(f"{name}:")
    assert ":O-Cu:" in ids[0]


def test_the_length_of_a_power_spectrum_is_that_of_pairs_of_channels() -> None:
    # Pairs of 2 elements times 3 radial functions, each with l = 0 to 3.
    assert make_encoder("soap", elements=["Cu", "O"]).n_features == 6 * 7 // 2 * 4


def test_the_first_symmetry_function_counts_neighbours_within_a_smooth_sphere(copper: Structure) -> None:
    (row,) = make_encoder("acsf", elements=["Cu"]).encode([copper], [[0]])
    _, _, _, distances = copper.get_neighbor_list(6.0)
    expected = np.sum(0.5 * (1.0 + np.cos(np.pi * distances / 6.0))) / len(copper)
    np.testing.assert_allclose(row[0, 0], expected, rtol=1e-5)
