"""Runs of a stand-in for ocean.pl, and everything that can go wrong with one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Finding, Level, RunReport
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.ocean import OceanCalculator
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.run import split_command
from whiteline.calculators.parameters import build_parameters
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError
from whiteline.status import Status

# Copies a finished run of diamond into the tree that OCEAN makes.
WHOLE = """
Path("CNBSE").mkdir()
Path("Common").mkdir()
for source in sample.iterdir():
    folder = {"postDefaultsOceanDatafile": "Common", "photon1": "", "photon2": "", "ocean.in": ""}
    target = Path(folder.get(source.name, "CNBSE")) / source.name
    if not target.exists():
        shutil.copy(source, target)
print("Version 3.2.1\\nEntering CNBSE stage\\nTime scf: 11.827110\\nOcean is done")
"""


@pytest.fixture
def diamond() -> Absorber:
    half = 3.370165 * BOHR
    lattice = Lattice([[0, half, half], [half, 0, half], [half, half, 0]])
    return Absorber(Structure(lattice, ["C", "C"], [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]), 0, Edge.K)


@pytest.fixture
def stand_in(data: Path, tmp_path: Path) -> Callable[[str], str]:
    """A function that makes an ocean.pl of some lines of Python, and returns its path."""

    def make(body: str) -> str:
        program = tmp_path / "bin" / "ocean.pl"
        program.parent.mkdir(exist_ok=True)
        head = f"#!{sys.executable}\nimport shutil, sys, time\nfrom pathlib import Path\n"
        program.write_text(f"{head}sample = Path({str(data / 'ocean' / 'diamond')!r})\n{body}")
        program.chmod(0o755)
        return str(program)

    return make


def run(directory: Path, command: str, absorber: Absorber, *, timeout: float = 60.0) -> tuple[RunReport, list[str]]:
    parameters = build_parameters(OceanParameters, {"haydock_threshold": 0.005})
    calculator = OceanCalculator(parameters, command=command, timeout=timeout)
    directory.mkdir(exist_ok=True)
    for name, text in calculator.inputs(absorber).items():
        (directory / name).write_text(text)
    stages: list[str] = []
    return calculator.run(directory, on_stage=stages.append), stages


def test_a_run_ends_in_a_converged_spectrum_of_the_tree_that_ocean_makes(
    diamond: Absorber, stand_in: Callable[[str], str], tmp_path: Path
) -> None:
    directory = tmp_path / "run"
    # The sample has two photons, and our input one for a cube.
    command = stand_in(WHOLE + "shutil.copy(sample / 'photon2', 'photon2')\n")
    report, stages = run(directory, command, diamond)
    assert (report.failure, stages) == ("", ["OCEAN"])
    assert report.timings["scf"] == pytest.approx(11.82711)
    parameters = build_parameters(OceanParameters, {"haydock_threshold": 0.005})
    outcome = OceanCalculator(parameters).parse(directory, diamond)
    assert outcome.status is Status.CONVERGED, outcome.reason
    assert outcome.output_files[0] == "CNBSE/absspct_C_.0001_1s_01"
    assert "Common/postDefaultsOceanDatafile" in outcome.output_files


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('Entering DFT stage\\nDFT stage failed'); sys.exit(2)", ["stage DFT failed", "exit status 2"]),
        ("print('Entering CNBSE stage'); sys.exit(0)", ["ended in the stage CNBSE without 'Ocean is done'"]),
        ("print('sh: mpirun: not found'); sys.exit(1)", ["MPI did not start", "WHITELINE_OCEAN_COMMAND"]),
        ("print('write: No space left on device'); sys.exit(1)", ["the disk is full", "WHITELINE_RUN_DIRECTORY"]),
        (
            "Path('SCREEN').mkdir()\n"
            "Path('SCREEN/screen_driver.log').write_text('malloc(): corrupted top size')\n"
            "print('SCREEN stage failed'); sys.exit(1)",
            ["stage SCREEN failed", "screen_driver.log", "start screen_grid_shells_bohr with -1, 5"],
        ),
        ("print('Unrecognized input flag: nkpt'); sys.exit(2)", ["while reading the input", "does not know"]),
        ("time.sleep(30)", ["stopped after 0.5 s", "WHITELINE_TIMEOUT"]),
    ],
)
def test_a_failed_run_names_stage_evidence_and_remedy(
    body: str, words: list[str], diamond: Absorber, stand_in: Callable[[str], str], tmp_path: Path
) -> None:
    timeout = 0.5 if "sleep" in body else 60.0
    report, _ = run(tmp_path / "run", stand_in(body), diamond, timeout=timeout)
    assert all(word in report.failure for word in words), report.failure
    assert str(tmp_path / "run") in report.failure


def test_a_folder_of_an_earlier_run_is_not_continued(
    diamond: Absorber, stand_in: Callable[[str], str], tmp_path: Path
) -> None:
    command = stand_in(WHOLE)
    run(tmp_path / "run", command, diamond)
    report, stages = run(tmp_path / "run", command, diamond)
    assert "holds an earlier run of OCEAN" in report.failure
    assert stages == []


def test_a_missing_or_unusable_executable_is_named_with_its_variable(diamond: Absorber, tmp_path: Path) -> None:
    plain = tmp_path / "ocean.pl"
    plain.write_text("not a program")
    for command in (str(tmp_path / "none" / "ocean.pl"), str(plain)):
        with pytest.raises(MissingDependencyError, match="WHITELINE_OCEAN_COMMAND"):
            run(tmp_path / "run", command, diamond)


def test_ocean_starts_its_parallel_programs_itself(
    diamond: Absorber, stand_in: Callable[[str], str], tmp_path: Path
) -> None:
    command = stand_in("print(sys.argv[1:], Path('ocean.in').read_text()); print('Ocean is done')")
    assert split_command(f"mpirun -np 4 {command}") == ("mpirun -np 4", command)
    run(tmp_path / "run", f"mpirun -np 4 {command}", diamond)
    log = (tmp_path / "run" / "stdout.log").read_text()
    assert log.startswith("['ocean.in']")
    assert "para_prefix { mpirun -np 4 }" in log


def findings(absorber: Absorber, command: str, folder: Path, **parameters: object) -> dict[str, Finding]:
    made = OceanCalculator(build_parameters(OceanParameters, parameters), command, pseudo_directory=str(folder))
    return {finding.subject: finding for finding in made.check(absorber)}


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.2.1\nabc", Level.OK), ("2.9.7", Level.ERROR), ("", Level.WARNING)],
)
def test_the_version_beside_the_executable_is_checked(
    version: str, level: Level, diamond: Absorber, stand_in: Callable[[str], str], tmp_path: Path
) -> None:
    command = stand_in("Path('started').touch()")
    Path(command).with_name("Version").write_text(version)
    found = findings(diamond, command, tmp_path)
    assert found["executable"].level is level
    assert not Path("started").exists()  # a check starts nothing
    assert found["calculation"].level is Level.OK
    assert "k grid 9×9×9" in found["calculation"].detail


def test_a_check_names_what_is_missing(diamond: Absorber, tmp_path: Path) -> None:
    found = findings(
        diamond,
        "no-such-mpirun -np 2 no-such-ocean.pl",
        tmp_path,
        pseudopotentials={"C": "c.UPF"},
        cutoff_ry=60.0,
        screen_grid_shells_bohr=(-1, 4, 6, 8, 10),
        hubbard_u={"C": 1.0},
    )
    assert {subject for subject, f in found.items() if f.level is Level.ERROR} == {
        "executable",
        "MPI",
        "pseudopotentials",
    }
    assert "c.UPF of C is not in" in found["pseudopotentials"].detail
    assert found["screening grid"].level is Level.WARNING
    assert found["Hubbard U"].level is Level.WARNING
    assert all(f.remedy for f in found.values() if f.level is not Level.OK)


def test_a_check_names_an_edge_that_ocean_does_not_separate(tmp_path: Path) -> None:
    copper = Structure(Lattice.cubic(3.0), ["Cu"], [[0, 0, 0]])
    found = findings(Absorber(copper, 0, Edge.L3), "ocean.pl", tmp_path)
    assert found["edge"].level is Level.ERROR
    assert "ask for the edge L23" in found["edge"].detail


def test_a_pseudopotential_of_another_element_is_refused(diamond: Absorber, tmp_path: Path) -> None:
    header = 'element="Si" pseudo_type="NC" functional="PBE" z_valence="4.0" mesh_size="10"'
    (tmp_path / "c.UPF").write_text(f'<UPF version="2.0.1">\n<PP_HEADER {header} />\n</UPF>\n')
    (tmp_path / "c.in").write_text("# oncvpsp\n")
    found = findings(diamond, "ocean.pl", tmp_path, pseudopotentials={"C": "c.UPF"}, cutoff_ry=60.0)
    assert found["pseudopotentials"].level is Level.ERROR
    assert "c.UPF is of Si, not of C" in found["pseudopotentials"].detail
