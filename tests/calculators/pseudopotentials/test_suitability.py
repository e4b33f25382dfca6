from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from whiteline.calculators.pseudopotentials.core_hole import CoreHole, core_level, edge_of_level, final_channels
from whiteline.calculators.pseudopotentials.suitability import check_absorber
from whiteline.calculators.pseudopotentials.upf import Pseudopotential, read_upf
from whiteline.edges import Edge
from whiteline.errors import ParameterError


@pytest.fixture
def ground(samples: Path) -> Pseudopotential:
    return read_upf(samples / "O.pbe-gipaw.UPF")


@pytest.fixture
def excited(samples: Path) -> Pseudopotential:
    return read_upf(samples / "O.star1s.pbe-gipaw.UPF")


def failed(potential: Pseudopotential, edge: Edge = Edge.K, **options: object) -> list[str]:
    return [c.name for c in check_absorber(potential, edge=edge, **options) if not c.is_passed]  # type: ignore[arg-type]


def test_a_pair_made_for_the_k_edge_serves_it(ground: Pseudopotential, excited: Pseudopotential) -> None:
    assert failed(excited, element="O") == []
    assert failed(ground, element="O", needs_core_hole=False) == []


def test_each_lack_is_named(ground: Pseudopotential, excited: Pseudopotential) -> None:
    assert failed(excited, element="S") == ["element"]
    assert failed(ground) == ["core hole"]
    assert failed(excited, needs_core_hole=False) == ["core hole"]
    assert failed(replace(excited, gipaw_projectors={})) == ["reconstruction", "projectors"]
    assert failed(replace(excited, gipaw_projectors={0: 2, 1: 1})) == ["projectors"]
    assert failed(replace(ground, core_levels=()), needs_core_hole=False) == ["core orbital"]


def test_a_1s_hole_and_p_projectors_do_not_serve_an_l_edge(excited: Pseudopotential) -> None:
    assert failed(excited, Edge.L23) == ["projectors", "core hole"]
    serving = replace(excited, gipaw_projectors={0: 1, 2: 2}, core_hole=CoreHole("2p"))
    assert failed(serving, Edge.L23) == failed(serving, Edge.L3) == []


@pytest.mark.parametrize("edge", [Edge.K, Edge.L1, Edge.L23, Edge.M1, Edge.M23, Edge.M45])
def test_level_and_edge_belong_to_each_other(edge: Edge) -> None:
    assert edge_of_level(core_level(edge)) is edge


def test_dipole_transitions_change_the_angular_momentum_by_one() -> None:
    for edge in Edge:
        initial = "spd".index(core_level(edge)[1])
        assert {abs(final - initial) for final, _ in final_channels(edge)} == {1}


@pytest.mark.parametrize(("level", "size"), [("1p1", 1.0), ("k", 1.0), ("1s", 0.0), ("1s", 2.0)])
def test_an_impossible_core_hole_is_refused(level: str, size: float) -> None:
    with pytest.raises(ParameterError):
        CoreHole(level, size)


def test_a_level_without_an_edge_is_refused() -> None:
    with pytest.raises(ParameterError, match="unknown core level '4f'"):
        edge_of_level("4f")
