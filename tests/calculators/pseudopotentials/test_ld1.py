from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from whiteline.calculators.pseudopotentials.core_hole import CoreHole
from whiteline.calculators.pseudopotentials.ld1 import make_pair, make_pseudopotential
from whiteline.calculators.pseudopotentials.recipes import Recipe, load_recipe
from whiteline.calculators.pseudopotentials.upf import read_upf
from whiteline.errors import CalculationError, MissingDependencyError, ParameterError

needs_ld1 = pytest.mark.skipif(shutil.which("ld1.x") is None, reason="ld1.x of Quantum ESPRESSO is not installed")


@pytest.fixture
def oxygen() -> Recipe:
    """Oxygen with a single test configuration: about a second."""
    recipe = load_recipe("O")
    return replace(recipe, tests=recipe.tests[:1])


@needs_ld1
def test_a_made_pair_passes_its_tests_and_differs_by_one_electron(oxygen: Recipe, tmp_path: Path) -> None:
    ground, excited = make_pair(oxygen, core_hole=CoreHole("1s"))
    assert (ground.report.failures, excited.report.failures) == ("", "")
    found = []
    for made in (ground, excited):
        (tmp_path / made.name).write_bytes(made.content)
        found.append(read_upf(tmp_path / made.name))
    assert found[1].z_valence - found[0].z_valence == 1.0
    assert [p.missing_core_electrons for p in found] == [0.0, 1.0]
    assert ground.ld1_version
    assert set(ground.inputs) == {"generation", "test"}


@needs_ld1
def test_half_a_core_hole_is_half_an_electron(oxygen: Recipe, tmp_path: Path) -> None:
    made = make_pseudopotential(oxygen, core_hole=CoreHole("1s", 0.5))
    path = tmp_path / made.name
    path.write_bytes(made.content)
    assert made.name == "O.half1s.pbe-gipaw.UPF"
    assert read_upf(path).z_valence == 6.5
    assert read_upf(path).core_hole == CoreHole("1s", 0.5)


@needs_ld1
def test_a_core_that_is_too_large_fails_its_tests_and_is_no_error(oxygen: Recipe) -> None:
    wide = tuple(replace(c, norm_conserving_radius=1.9, ultrasoft_radius=2.1) for c in oxygen.channels)
    report = make_pseudopotential(replace(oxygen, channels=wide)).report
    assert not report.is_passed
    assert "eigenvalues" in report.failures


@needs_ld1
def test_what_ld1_complains_of_is_in_the_error(oxygen: Recipe) -> None:
    broken = replace(oxygen, core_radius=50.0)
    with pytest.raises(CalculationError, match=r"ld1\.x, generation of O"):
        make_pseudopotential(broken)


def test_without_ld1_the_remedy_is_named(oxygen: Recipe) -> None:
    with pytest.raises(MissingDependencyError, match="apt install quantum-espresso"):
        make_pseudopotential(oxygen, command="no-such-ld1.x")
    with pytest.raises(ParameterError, match="is not a command"):
        make_pseudopotential(oxygen, command="ld1.x 'unclosed")


def test_a_program_that_fails_hangs_or_makes_nothing_is_an_error(oxygen: Recipe, tmp_path: Path) -> None:
    script = tmp_path / "ld1"
    for body, timeout, message in (
        ("echo out of memory; exit 3", 60.0, "out of memory"),
        ("sleep 30", 0.5, "stopped after 0.5 s"),
        ("echo done", 60.0, "made no pseudopotential of O: done"),
    ):
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        with pytest.raises(CalculationError, match=message):
            make_pseudopotential(oxygen, command=str(script), timeout=timeout)


def test_a_core_level_that_the_recipe_lacks_is_refused_before_anything_runs(oxygen: Recipe) -> None:
    with pytest.raises(ParameterError, match="no core level 2p"):
        make_pseudopotential(oxygen, core_hole=CoreHole("2p"), command="true")
