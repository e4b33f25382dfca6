"""Real outputs parse; what is cut off, damaged or of another run is never a spectrum."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.broadening import Lorentzian, Origin, broaden
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.calculators.xspectra import XSpectraCalculator, XSpectraParameters
from whiteline.calculators.xspectra.logs import read_scf_log, read_xanes_log
from whiteline.calculators.xspectra.parse import MBARN_PER_BOHR2, read_run, spectrum_from_runs
from whiteline.calculators.xspectra.xanes import read_xanes
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.polarisation import CARTESIAN
from whiteline.spectrum import EnergyReference
from whiteline.status import Status

# What the stored run of diamond was made with.
DIAMOND = {
    "cell": "primitive",
    "ecutwfc": 20.0,
    "scf_kpoints_length": 5.0,
    "kpoints_length": 5.0,
    "xerror": 0.01,
    "xgamma": 0.3,
    "energy_min": -10.0,
    "energy_max": 30.0,
    "n_energy": 301,
    "cut_desmooth": 0.2,
}


@pytest.fixture
def calculator() -> XSpectraCalculator:
    return XSpectraCalculator(build_parameters(XSpectraParameters, DIAMOND))


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    """A copy of the stored run of diamond."""
    return Path(shutil.copytree(data / "xspectra" / "diamond", tmp_path / "run"))


@pytest.fixture
def published(data: Path, tmp_path: Path) -> Path:
    """The published run of mp-1203, laid out as ours."""
    source, folder = data / "xspectra" / "mp-1203", tmp_path / "published"
    folder.mkdir()
    shutil.copyfile(source / "es_0.out", folder / "scf.out")
    for name, direction in (("dipole1", "x"), ("dipole2", "y"), ("dipole3", "z")):
        shutil.copytree(source / name, folder / direction)
        text = (folder / direction / "xanes.in").read_text()
        (folder / direction / "xanes.in").write_text(text)
    return folder


def parsed(calculator: XSpectraCalculator, folder: Path, structure: Structure, **values: Any) -> Any:
    if values:
        calculator = replace(calculator, parameters=calculator.parameters.model_copy(update=values))
    return calculator.parse(folder, Absorber(structure, 0, Edge.K))


def edit(path: Path, old: str, new: str, *, count: int = -1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_a_whole_run_is_a_converged_spectrum_with_all_that_gives_it_units(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    outcome = parsed(calculator, run, diamond)
    spectrum = outcome.spectrum
    assert (outcome.status, outcome.reason, outcome.code_version) == (Status.CONVERGED, "", "Quantum ESPRESSO 6.7MaX")
    assert [p.label for p in spectrum.polarisations] == ["x"]
    assert spectrum.energy_reference is EnergyReference.FERMI
    assert (spectrum.n_energy, spectrum.energy[0], spectrum.energy[-1]) == (301, -10.0, 30.0)
    assert spectrum.reference_energy == 284.2
    assert spectrum.volume == pytest.approx(3.567**3 / 4)  # two atoms
    assert spectrum.broadening[0].profile == Lorentzian(0.6)
    assert all((run / name).is_file() for name in outcome.output_files)
    assert outcome.checks[-1].detail == "highest occupied level at 11.9869 eV; pw.x: Fermi energy at 14.3212 eV"


def test_the_published_run_parses_and_its_cross_section_is_the_tabulated_one(
    published: Path, ti_o_10: dict[str, Structure]
) -> None:
    parameters = build_parameters(XSpectraParameters, load_preset("xspectra", "published:ti-o-10"))
    outcome = XSpectraCalculator(parameters).parse(published, Absorber(ti_o_10["mp-1203"], 0, Edge.K))
    spectrum = outcome.spectrum
    assert outcome.status is Status.CONVERGED
    assert spectrum is not None
    assert [p.label for p in spectrum.polarisations] == ["x", "y", "z"]
    assert spectrum.components[0, -1] == 0.00247015  # bohr², as the file has it
    # The tables of Elam, Ravel and Sieber give a jump of 0.0478 Mbarn at the K edge of Ti, and 0.0477 on average from
    # 20 to 70 eV above it. A one-electron calculation is good to some percent, and oscillates about the free atom.
    far = (spectrum.energy > 20) & (spectrum.energy < 70)
    assert spectrum.cross_section()[far].mean() == pytest.approx(0.0477, rel=0.1)
    # A half width of 0.89 eV is a full one of 1.78 eV, wider than the lifetime of Ti 1s: none must be added.
    assert spectrum.broadening[0].profile == Lorentzian(1.78)
    assert spectrum.broadening[0].origin is Origin.LIFETIME


def unpack_copper(data: Path, folder: Path) -> Path:
    """Unpack the stored runs at the L2 and L3 edges of copper."""
    source = data / "xspectra" / "copper-L23"
    for path in source.rglob("*.gz"):
        target = (folder / path.relative_to(source)).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(path.read_bytes()))
    return folder


def parse_copper(folder: Path, **values: Any) -> Any:
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.8048679 * BOHR), ["Cu"], [[0, 0, 0]])
    values = {"cell": "primitive", "core_hole": "none", "n_energy": 1000, "energy_max": 80.0, "xgamma": 0.5, **values}
    calculator = XSpectraCalculator(build_parameters(XSpectraParameters, values))
    return calculator.parse(folder, Absorber(copper, 0, Edge.L23))


def test_a_width_between_the_lifetimes_of_l2_and_l3_counts_once(data: Path, tmp_path: Path) -> None:
    for path in unpack_copper(data, tmp_path).rglob("xanes.dat"):
        edit(path, "(in eV):    0.500", "(in eV):    0.270")  # Cu L3 is 0.56 eV wide, L2 0.62 eV
    spectrum = parse_copper(tmp_path, xgamma=0.27).spectrum
    assert [(record.profile, record.origin) for record in spectrum.broadening] == [(Lorentzian(0.54), Origin.LIFETIME)]


def test_l2_and_l3_are_summed_on_the_axis_of_l3_in_absolute_units(data: Path, tmp_path: Path) -> None:
    outcome = parse_copper(unpack_copper(data, tmp_path))
    total = outcome.spectrum
    assert total is not None
    l2, l3 = (read_run(tmp_path / n / "x" / "xanes.dat", tmp_path / n / "x" / "xanes.out") for n in ("L2", "L3"))
    # xspectra.x has L3 at 932.7 and L2 at 952.3 eV.
    assert total.reference_energy == 932.7
    for energy in (5.0, 30.0, 55.0):
        expected = np.interp(energy, l3.table.energy, l3.table.cross_section)
        if energy > 20:
            expected += np.interp(energy - 19.6, l2.table.energy, l2.table.cross_section)
        found = np.interp(energy, total.energy, total.cross_section())
        # Below its first point L2 goes on as a tail of some thousandths of the white line.
        assert found == pytest.approx(MBARN_PER_BOHR2 * expected, rel=0.02)
    # A cutoff of 20 Ry leaves 113 plane waves, all of which the recursions use up.
    assert (outcome.status, len(outcome.checks)) == (Status.UNCONVERGED, 4)
    assert "raise ecutwfc, all plane waves were used up" in outcome.reason


@pytest.mark.parametrize(
    ("name", "log", "element", "n_unconverged", "is_cartesian"),
    [
        ("diamondh.xspectra.dat", "diamondh.xspectra.out", "C", 0, False),
        ("NiO.xspectra_dip.dat", "NiO.xspectra_dip.out", "Ni", 0, False),
        ("Cu_xanes_L2.dat", "Cu_xspectra.out", "Cu", 135, False),
    ],
)
def test_outputs_of_older_versions_parse(
    data: Path, tmp_path: Path, name: str, log: str, element: str, n_unconverged: int, is_cartesian: bool
) -> None:
    folder = data / "xspectra" / "reference"
    (tmp_path / "xanes.out").write_bytes(gzip.decompress((folder / f"{log}.gz").read_bytes()))
    run = read_run(folder / name, tmp_path / "xanes.out")
    assert (run.element, run.log.n_unconverged, run.log.is_cartesian) == (element, n_unconverged, is_cartesian)
    assert run.log.version == "Quantum ESPRESSO 5.2.0"
    assert len(run.table.energy) == run.log.n_energy


@pytest.mark.parametrize(
    ("name", "level", "n_iteration"), [("diamondh.scf.out", 12.7945, 8), ("NiO.scf.out", 13.9509, 39)]
)
def test_outputs_of_older_versions_of_pw_parse(
    data: Path, tmp_path: Path, name: str, level: float, n_iteration: int
) -> None:
    (tmp_path / name).write_bytes(gzip.decompress((data / "xspectra" / "reference" / f"{name}.gz").read_bytes()))
    log = read_scf_log(tmp_path / name)
    assert (log.is_converged, log.level, log.n_iteration) == (True, level, n_iteration)
    assert log.level_name == "highest occupied level"


def test_the_spins_add_up(data: Path) -> None:
    table = read_xanes(
        data / "xspectra" / "reference" / "NiO.xspectra_dip.dat", n_energy=300, energy_min=-10, energy_max=20
    )
    assert table.spins is not None
    # Three numbers rounded to eight decimals.
    assert np.abs(table.spins.sum(axis=0) - table.cross_section).max() <= 1.5e-8


def truncations(text: str) -> list[str]:
    """Return a text cut at the end of every line and in the middle of every line that is not empty."""
    lines = text.splitlines(keepends=True)
    cut = ["".join(lines[:i]) for i in range(len(lines))]
    return cut + [
        before + line[: len(line.rstrip()) // 2] for before, line in zip(cut, lines, strict=True) if line.strip()
    ]


def test_a_spectrum_that_is_cut_anywhere_is_refused(run: Path) -> None:
    path = run / "x" / "xanes.dat"
    for text in truncations(path.read_text()):
        path.write_text(text)
        with pytest.raises(ParseError):
            read_xanes(path, n_energy=301, energy_min=-10.0, energy_max=30.0)


@pytest.mark.parametrize(("name", "read"), [("scf.out", read_scf_log), ("x/xanes.out", read_xanes_log)])
def test_a_log_that_is_cut_anywhere_is_refused(run: Path, name: str, read: Callable[[Path], Any]) -> None:
    path = run / name
    for text in truncations(path.read_text().rstrip()):
        path.write_text(text)
        with pytest.raises(ParseError):
            read(path)


@pytest.mark.parametrize("name", ["scf.out", "x/xanes.out", "x/xanes.dat", "x/xanes.in"])
def test_a_run_with_a_file_cut_or_missing_is_refused(
    calculator: XSpectraCalculator, run: Path, diamond: Structure, name: str
) -> None:
    text = (run / name).read_text()
    (run / name).write_text(text[: len(text) // 20])
    with pytest.raises(ParseError):
        parsed(calculator, run, diamond)
    (run / name).unlink()
    with pytest.raises(ParseError):
        parsed(calculator, run, diamond)


@pytest.mark.parametrize(
    ("value", "words"),
    [("           nan", "nan or infinity"), ("**************", "asterisks"), ("    Infinity  ", "nan or infinity")],
)
def test_a_spectrum_that_holds_no_numbers_is_refused(
    calculator: XSpectraCalculator, run: Path, diamond: Structure, value: str, words: str
) -> None:
    path = run / "x" / "xanes.dat"
    lines = path.read_text().splitlines()
    lines[100] = lines[100][:14] + value
    path.write_text("\n".join(lines))
    with pytest.raises(ParseError, match=words):
        parsed(calculator, run, diamond)


def test_a_spectrum_of_zeros_is_refused(calculator: XSpectraCalculator, run: Path, diamond: Structure) -> None:
    path = run / "x" / "xanes.dat"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], *(f"{line[:14]}{0.0:14.8f}" for line in lines[4:])]))
    with pytest.raises(ParseError, match="zero everywhere"):
        parsed(calculator, run, diamond)


def test_an_unconverged_density_is_a_status_with_the_remedy(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    edit(
        run / "scf.out",
        "convergence has been achieved in   8 iterations",
        "convergence NOT achieved after   8 iterations: stopping",
    )
    outcome = parsed(calculator, run, diamond)
    assert (outcome.status, outcome.spectrum is None) == (Status.UNCONVERGED, False)
    assert outcome.reason.startswith("scf: not converged in 8 steps")
    assert outcome.reason.endswith("raise electron_maxstep or lower mixing_beta")


def test_an_unconverged_recursion_is_a_status_with_the_remedy(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    edit(
        run / "x" / "xanes.out",
        "!   => CONVERGED at iter",
        "!   XANES not converged after    99 iterations\n!",
        count=1,
    )
    outcome = parsed(calculator, run, diamond)
    assert (outcome.status, outcome.spectrum is None) == (Status.UNCONVERGED, False)
    assert (
        outcome.reason
        == "Lanczos x: 26 of 27 recursions, at most 100 iterations: raise ecutwfc, all plane waves were used up"
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("x/xanes.dat", "xiabs):   1", "xiabs):   2", "not of edge K and species 2"),
        ("x/xanes.dat", "# Final state", "# Total density", "no spectrum of xspectra.x"),
        ("x/xanes.out", "Program XSpectra v", "Program PWSCF v", "no output of XSpectra"),
        ("x/xanes.out", "PseudoPot. # 1 for C ", "PseudoPot. # 1 for Si", "is of Si, expected C"),
        ("x/xanes.out", "coordinates]:   1.000000   0.0", "coordinates]:   0.000000   1.0", "field along"),
        ("x/xanes.out", "Core level energy [eV]:  -284.2", "Core level energy [eV]:  -11.3 ", "core level at 11.3 eV"),
        ("x/xanes.out", "xnepoint:  301", "xnepoint:  300", "300"),
        ("x/xanes.in", "edge = 'K'", "edge = 'L1'", "not of edge K"),
        ("scf.out", "Program PWSCF", "Program CP", "no output of PWSCF"),
    ],
)
def test_an_output_of_another_run_is_refused(
    calculator: XSpectraCalculator, run: Path, diamond: Structure, name: str, old: str, new: str, words: str
) -> None:
    edit(run / name, old, new)
    with pytest.raises(ParseError, match=words):
        parsed(calculator, run, diamond)


def test_a_run_of_another_structure_is_told_by_its_neighbours(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    with pytest.raises(ParseError, match=r"C at 1\.545.*expected C at 1\.56"):
        parsed(calculator, run, diamond.copy().scale_lattice(diamond.volume * 1.03) or diamond)


def test_another_site_of_the_same_element_is_told_by_its_neighbours(
    published: Path, ti_o_10: dict[str, Structure]
) -> None:
    parameters = build_parameters(XSpectraParameters, load_preset("xspectra", "published:ti-o-10"))
    structure = ti_o_10["mp-1203"]
    other = next(i for i in range(1, 5) if i not in (0, 1))
    with pytest.raises(ParseError, match="another atom or structure"):
        XSpectraCalculator(parameters).parse(published, Absorber(structure, other, Edge.K))


def test_sites_that_symmetry_makes_equal_within_its_tolerance_are_the_same_absorber(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    measured = diamond.copy().perturb(0.004, seed=1)  # Å; symmetry is found up to 0.01
    assert parsed(calculator, run, measured).spectrum is not None


def test_other_elements_at_the_same_distances_are_another_structure(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    other = diamond.copy()
    for i in range(4, 8):
        other.replace(i, "B")
    with pytest.raises(ParseError, match=r"are C at 1\.545.*expected B at 1\.545"):
        parsed(calculator, run, other)


def test_a_run_with_another_broadening_is_refused(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    with pytest.raises(ParseError, match=r"broadened by 0\.3 eV, asked for was 0\.1"):
        parsed(calculator, run, diamond, xgamma=0.1)


def test_other_energies_than_asked_for_are_refused(
    calculator: XSpectraCalculator, run: Path, diamond: Structure
) -> None:
    for values in ({"n_energy": 300}, {"energy_max": 30.5}):
        with pytest.raises(ParseError, match="another range"):
            parsed(calculator, run, diamond, **values)


def test_runs_of_different_ranges_make_no_spectrum(data: Path, tmp_path: Path) -> None:
    folder = data / "xspectra"
    one = read_run(folder / "diamond" / "x" / "xanes.dat", folder / "diamond" / "x" / "xanes.out")
    two = read_run(folder / "mp-1203" / "dipole1" / "xanes.dat", folder / "mp-1203" / "dipole1" / "xanes.out")
    with pytest.raises(ParseError, match="differ in range or broadening"):
        spectrum_from_runs([one, two, two], CARTESIAN, edge=Edge.K)


def test_xgamma_is_half_a_width(data: Path) -> None:
    folder = data / "xspectra" / "gamma"
    narrow, wide = (
        read_xanes(folder / f"gamma-{width}.dat", n_energy=1000, energy_min=-30.0, energy_max=60.0)
        for width in (0.2, 0.8)
    )
    middle = (narrow.energy > -5) & (narrow.energy < 40)
    spread = {
        fwhm: broaden(narrow.energy, narrow.cross_section[np.newaxis], Lorentzian(fwhm))[0] for fwhm in (0.6, 1.2)
    }
    errors = {
        fwhm: np.abs(curve - wide.cross_section)[middle].max() / wide.cross_section.max()
        for fwhm, curve in spread.items()
    }
    # Half widths add: 0.2 + 0.6 = 0.8. The tails outside the range are missing, and points are 0.09 eV apart.
    assert errors[1.2] < 0.01
    assert errors[0.6] > 0.1
