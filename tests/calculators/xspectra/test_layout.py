"""Processes and pools, and the recursions that a log does not tell of."""

from __future__ import annotations

import shutil
from math import prod
from pathlib import Path

import pytest
from pymatgen.core import Structure

from tests.calculators.xspectra.conftest import Make
from whiteline.absorber import Absorber
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.xspectra import XSpectraCalculator, XSpectraParameters
from whiteline.calculators.xspectra.inputs import build_setup
from whiteline.calculators.xspectra.layout import Layout, choose_layout, read_size
from whiteline.calculators.xspectra.recursions import count_recursions, read_recursions
from whiteline.calculators.xspectra.run import run_xspectra
from whiteline.edges import Edge
from whiteline.errors import ParseError

# Two k points with three and two iterations.
SAVED = """\
# save_file_version=       2
# save_file_kind   =xanes_dipole
# date=20261122
# number of lanczos stored=   1
#
#
 F           1
           1           2        1000
           3
   284.2   12.79
   0.0 1.0 0.0
   1.0 0.0 0.0
   0.5   0.6
           3           2
   1.0   2.0   3.0   4.0   5.0   0.0
   0.1   0.2   0.3   0.4   0.5   0.0
"""


@pytest.mark.parametrize(
    ("n_kpoints", "cores", "available", "expected"),
    [
        (64, 4, None, Layout(4, 4)),
        (1, 4, None, Layout(4, 1)),
        (3, 4, None, Layout(3, 3)),  # a fourth process would share none of the three
        (8, 4, 900.0, Layout(4, 1)),  # the memory of one pool only
        (8, 4, 400.0, Layout(1, 1)),  # not even that: it is tried alone
        (8, 1, None, Layout(1, 1)),
    ],
)
def test_pools_are_as_many_as_k_points_and_memory_allow(
    n_kpoints: int, cores: int, available: float | None, expected: Layout
) -> None:
    assert choose_layout(n_kpoints, cores=cores, memory=500.0, available=available) == expected


def test_the_inputs_tell_the_size_that_was_estimated(carbon: Path, diamond: Structure, tmp_path: Path) -> None:
    files = {"C": "C_PBE_TM_2pj.UPF"}
    values = {"pseudopotential_files": files, "core_hole_pseudopotential": "Ch_PBE_TM_2pj.UPF", "cell": "primitive"}
    calculator = XSpectraCalculator(build_parameters(XSpectraParameters, values), pseudo_directory=str(carbon))
    absorber = Absorber(diamond, 0, Edge.K)
    for name, text in calculator.inputs(absorber).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copytree(carbon, tmp_path / "pseudo")
    size = read_size(tmp_path)
    assert size.memory == pytest.approx(calculator.estimate(absorber).memory)
    setup = build_setup(absorber, calculator.parameters)
    assert size.n_kpoints == prod(setup.grid)  # xspectra.x takes all of them
    assert 1 < size.n_scf_kpoints < prod(setup.scf_grid)


def test_a_program_without_mpi_is_started_once(tmp_path: Path) -> None:
    """Several would write the same files. The empty inputs have no size, so that looking at it would fail."""
    (tmp_path / "x").mkdir()
    for name in ("scf.in", "x/xanes.in"):
        (tmp_path / name).write_text("")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho 'END JOB XSpectra JOB DONE.'\n")
    program.chmod(0o755)
    command = str(program)
    report = run_xspectra(
        tmp_path, pw_command=command, xspectra_command=command, timeout=60.0, on_stage=lambda _: None, cores=2
    )
    assert report.failure == ""


def test_commands_that_start_processes_keep_theirs(make: Make, diamond: Structure) -> None:
    calculator = make(pw_command="mpirun -np 4 pw.x", xspectra_command="mpirun -np 8 xspectra.x")
    assert calculator.cores_for(Absorber(diamond, 0, Edge.K), 16) == 8


def test_the_coefficients_of_all_k_points_are_read(tmp_path: Path) -> None:
    path = tmp_path / "xanes.sav"
    path.write_text(SAVED)
    assert count_recursions(path) == 2
    first, second = read_recursions(path)
    assert (first.n_iteration, list(first.a), list(first.b)) == (3, [1.0, 2.0, 3.0], [0.1, 0.2, 0.3])
    assert (second.n_iteration, list(second.a)) == (2, [4.0, 5.0])
    parameters = build_parameters(XSpectraParameters, {"xcheck_conv": 2})
    assert second.error(parameters) == float("inf")  # it ended before two spectra could be compared


@pytest.mark.parametrize(
    "text", ["", SAVED[:-20], SAVED.replace("xanes_dipole", "unfinished"), SAVED.replace("5.0", "NaN")]
)
def test_damaged_coefficients_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "xanes.sav"
    path.write_text(text)
    with pytest.raises(ParseError, match=r"xanes\.sav"):
        read_recursions(path)
