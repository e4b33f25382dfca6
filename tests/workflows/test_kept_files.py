from __future__ import annotations

from pathlib import Path

import pytest

from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.interface import Outcome
from whiteline.status import Status
from whiteline.workflows.jobs import _raw_files
from whiteline.workflows.kept_files import LARGEST_KEPT, may_be_kept
from whiteline.workflows.repairing import Calculation, Trial


@pytest.mark.parametrize(
    "name", ["POTCAR", "POTCAR.gz", "ground-state/POTCAR", "POTCAR.orig", "POTCAR_S", "vaspout.h5", "vaspin.h5"]
)
def test_potentials_and_files_with_copies_of_them_are_not_kept(name: str) -> None:
    assert not may_be_kept(name)


@pytest.mark.parametrize("name", ["POTCAR.spec", "INCAR", "OUTCAR", "vasprun.xml.gz", "feff.inp", "opf.json"])
def test_inputs_and_outputs_without_potentials_are_kept(name: str) -> None:
    assert may_be_kept(name)


def test_a_run_keeps_its_inputs_outputs_and_logs_but_no_potentials_and_nothing_large(tmp_path: Path) -> None:
    inputs = dict.fromkeys(("INCAR", "POTCAR", "ground-state/POTCAR"), "")
    for name in (*inputs, "vaspout.h5", "OUTCAR", "vasp.out"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text", encoding="utf-8")
    (tmp_path / "large.log").write_bytes(b"x" * (LARGEST_KEPT + 1))
    outcome = Outcome(Status.FAILED, reason="stopped", output_files=("OUTCAR", "vaspout.h5"))
    trial = Trial(None, FeffCalculator(), tmp_path, inputs=inputs)
    assert set(_raw_files(Calculation(trial, outcome, (trial,)))) == {"INCAR", "OUTCAR", "vasp.out"}
