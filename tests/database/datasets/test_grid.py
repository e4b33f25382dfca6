from __future__ import annotations

import numpy as np
import pytest

from whiteline.database.datasets import DatasetGrid, GridOrigin
from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError


def test_step_and_number_of_points_state_the_same_grid() -> None:
    by_step = DatasetGrid.parse("edge-relative -10:35:0.25")
    assert by_step == DatasetGrid.parse("Edge-Relative, -10:35", n_points=181)
    assert by_step.points.tolist() == np.linspace(-10.0, 35.0, 181).tolist()
    assert DatasetGrid.from_dict(by_step.to_dict()) == by_step


def test_omnixas_grid_is_that_of_its_publication() -> None:
    grid = DatasetGrid.parse("omnixas")
    # arXiv:2409.19552: 141 points, 0.25 eV apart, over 35 eV.
    assert (grid.n_points, grid.step, grid.stop) == (141, 0.25, 35.0)
    assert (grid.zero("Ti", "K"), grid.zero("Cu", "K")) == (4964.504, 8983.173)
    with pytest.raises(ParameterError, match="there is one of Zn K: narrow the query, or take another grid"):
        grid.zero("Zn", "K")
    with pytest.raises(ParameterError, match="there is one of Ti L3"):
        grid.zero("Ti", "L3")


def test_origin_decides_what_is_added_to_reach_photon_energies() -> None:
    assert DatasetGrid(GridOrigin.ABSOLUTE, 0.0, 1.0, 2).zero("Ti", "K") == 0.0
    assert DatasetGrid(GridOrigin.STORED, 0.0, 1.0, 2).zero("Ti", "K") is None
    assert DatasetGrid(GridOrigin.EDGE, 0.0, 1.0, 2).zero("Ti", "L23") == edge_energy("Ti", Edge.L3)


@pytest.mark.parametrize(
    ("text", "n_points", "words"),
    [
        ("-10:35:0.25", None, "expected a grid"),
        ("omnixas", 20, "has 141 points"),
        ("relative 0:1:0.1", None, "unknown origin 'relative' of a grid: did you mean 'edge-relative'"),
        ("absolute 10:0:1", None, "goes up"),
        ("absolute 0:10:3", None, "steps of 3 eV do not lead from 0 to 10 eV"),
        ("absolute 0:10:0", None, "steps of 0 eV"),
        ("absolute 0:10:-1", None, "steps of -1 eV"),
        ("absolute 0:10:1e-9", None, "steps of 1e-09 eV"),
        ("absolute 0:10", None, "either a step or --points"),
        ("absolute 0:10:1", 11, "either a step or --points"),
        ("absolute 0:10", 1, "2 to 100000 points"),
        ("absolute 0:1e999:1", None, "steps of 1 eV"),
        ("absolute nan:1:1", None, "expected a grid"),
    ],
)
def test_wrong_grid_says_what_was_expected(text: str, n_points: int | None, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        DatasetGrid.parse(text, n_points=n_points)
