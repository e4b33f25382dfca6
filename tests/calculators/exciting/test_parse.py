"""A spectrum comes only out of a whole run of the right absorber."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.broadening import Lorentzian, Origin
from whiteline.calculators.exciting import ExcitingParameters
from whiteline.calculators.exciting.inputs import write_inputs
from whiteline.calculators.exciting.logs import read_ground_state_log, read_spectrum_log
from whiteline.calculators.exciting.parse import check_absorber, parse_run
from whiteline.calculators.exciting.run_input import read_run_input
from whiteline.calculators.exciting.tables import find_table, read_epsilon, read_exciton, read_loss
from whiteline.calculators.parameters import build_parameters
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference, Quantity
from whiteline.status import Status

NAME = "EPSILON_BSE-singlet-TDA-BAR_SCR-full_OC{}.OUT"
# Everything that decides whether a folder holds a spectrum; one sample has tables that the other lacks.
DECISIVE = (
    *(("BN", name) for name in ("EPSILON*OC22.OUT", "EXCITON*.OUT", "INFO.OUT", "INFOXS.OUT", "input.xml")),
    *(("TiO2", name) for name in ("EPSILON*OC11.OUT", "EPSILON*OC33.OUT", "LOSS*.OUT", "INFOXS.OUT", "input.xml")),
)
ABSORBERS = {"BN": "boron_nitride", "TiO2": "rutile"}

PUBLISHED = build_parameters(
    ExcitingParameters,
    {"energy_window": [4849.06861098, 4911.65479395], "energy_step": 0.06258618297, "broadening_origin": "lifetime"},
)

CopyRun = Callable[[str], Path]


def table(directory: Path, axes: str) -> Path:
    path = find_table(directory, "EPSILON", bse_type="singlet", axes=axes)
    assert path is not None
    return path


@pytest.mark.parametrize(
    ("sample", "fixture", "version", "peak"),
    [
        ("BN", "boron_nitride", "exciting fluorine", 386.56),
        ("TiO2", "rutile", "exciting oxygen 857b78c25a", 437.56),
    ],
)
def test_a_real_run_becomes_a_converged_spectrum(
    data: Path, request: pytest.FixtureRequest, sample: str, fixture: str, version: str, peak: float
) -> None:
    outcome = parse_run(data / "exciting" / sample, request.getfixturevalue(fixture), ExcitingParameters())
    assert (outcome.status, outcome.reason, outcome.code_version) == (Status.CONVERGED, "", version)
    spectrum = outcome.spectrum
    assert spectrum is not None
    assert (spectrum.energy_reference, spectrum.quantity) == (EnergyReference.CORE_LEVEL, Quantity.IM_EPSILON)
    assert [p.label for p in spectrum.polarisations] == ["x", "y", "z"]
    assert spectrum.energy[np.argmax(spectrum.intensity)] == pytest.approx(peak, abs=0.01)
    assert np.array_equal(spectrum.im_epsilon(), spectrum.intensity)


def test_the_spectrum_is_column_three_of_the_tables(data: Path, rutile: Absorber) -> None:
    spectrum = parse_run(data / "exciting" / "TiO2", rutile, ExcitingParameters()).spectrum
    assert spectrum is not None
    for row, axes in enumerate(("11", "22", "33")):
        columns = np.loadtxt(data / "exciting" / "TiO2" / NAME.format(axes))
        assert np.array_equal(spectrum.energy, columns[:, 0])
        assert np.array_equal(spectrum.components[row], columns[:, 2])
    # 430.848645 bohr³, as the head says.
    assert spectrum.volume == pytest.approx(430.848645 * 0.529177210544**3, rel=1e-12)


def test_rutile_is_the_same_along_x_and_y_and_another_along_z(data: Path, rutile: Absorber) -> None:
    spectrum = parse_run(data / "exciting" / "TiO2", rutile, ExcitingParameters()).spectrum
    assert spectrum is not None
    x, y, z = spectrum.components
    # The two points of the sample's k grid are shifted along x and y by different amounts.
    assert np.abs(x - y).max() < 0.05 * x.max()
    assert np.abs(x - z).max() > 0.05 * x.max()


@pytest.mark.parametrize("sample", ["BN", "TiO2"])
def test_the_broadening_in_the_head_is_a_half_width(data: Path, sample: str) -> None:
    directory = data / "exciting" / sample
    epsilon = read_epsilon(table(directory, "11"))
    path = find_table(directory, "EXCITON", bse_type="singlet", axes="11")
    assert path is not None
    excitons = read_exciton(path)
    # Im eps = sum over excitons of strength times two Lorentzians at plus and minus its energy, in Hartree.
    energy, centre, strength = epsilon.energy[:, None], excitons.data[:, 0], excitons.data[:, 2]

    def spectrum(half: float) -> np.ndarray:
        lines = half / ((energy - centre) ** 2 + half**2) - half / ((energy + centre) ** 2 + half**2)
        return np.asarray(27.2113839 * (lines * strength).sum(axis=1))

    largest = epsilon.data[:, 2].max()
    # Six digits of the width are printed.
    assert np.abs(spectrum(epsilon.half_width) - epsilon.data[:, 2]).max() < 2e-6 * largest
    assert np.abs(spectrum(epsilon.half_width / 2) - epsilon.data[:, 2]).max() > 0.1 * largest
    assert epsilon.fwhm == 2 * 0.489805


def test_the_record_of_broadening_is_the_full_width(data: Path, boron_nitride: Absorber) -> None:
    for origin in (Origin.NUMERICAL, Origin.LIFETIME):
        parameters = ExcitingParameters(broadening_origin=origin)
        spectrum = parse_run(data / "exciting" / "BN", boron_nitride, parameters).spectrum
        assert spectrum is not None
        (record,) = spectrum.broadening
        assert record.profile == Lorentzian(0.97961)
        assert (record.origin, record.applied_by) == (origin, "exciting fluorine")


def test_a_published_folder_without_input_and_logs_is_never_converged(
    data: Path, ti_o_10: dict[str, Structure]
) -> None:
    absorber = Absorber(ti_o_10["mp-1203"], 0, Edge.K)
    outcome = parse_run(data / "ti-o-10" / "mp-1203", absorber, PUBLISHED)
    assert outcome.status is Status.UNCONVERGED
    assert [check.name for check in outcome.checks if not check.is_passed] == ["scf", "end", "absorber"]
    assert outcome.spectrum is not None
    assert outcome.spectrum.n_energy == 1000
    # The published input says 0.0327069 Hartree.
    assert outcome.spectrum.broadening[0].profile == Lorentzian(2 * 0.89)


def cuts(text: str) -> list[int]:
    """Return the end of every line and a place inside it; blank lines at the end say nothing."""
    ends = np.cumsum([len(line) for line in text.splitlines(keepends=True)])
    if len(ends) > 200:
        ends = np.concatenate([ends[:40], ends[40:-60:9], ends[-60:]])
    whole = len(text.rstrip())
    return sorted({max(int(end) - back, 0) for end in ends for back in (0, 20)} - set(range(whole, len(text) + 1)))


def is_spectrum(directory: Path, absorber: Absorber, parameters: ExcitingParameters) -> bool:
    try:
        return parse_run(directory, absorber, parameters).spectrum is not None
    except ParseError as error:
        assert str(directory) in str(error)
        return False


@pytest.mark.parametrize(("sample", "pattern"), DECISIVE)
def test_a_file_cut_off_anywhere_is_never_a_spectrum(
    copy_run: CopyRun, request: pytest.FixtureRequest, sample: str, pattern: str
) -> None:
    directory, absorber = copy_run(sample), request.getfixturevalue(ABSORBERS[sample])
    (path,) = directory.rglob(pattern)
    text = path.read_text()
    for cut in cuts(text):
        path.write_text(text[:cut])
        assert not is_spectrum(directory, absorber, ExcitingParameters()), f"{path.name} cut at {cut}"
    path.write_text(text)
    assert is_spectrum(directory, absorber, ExcitingParameters())


@pytest.mark.parametrize("sample", ["BN", "TiO2"])
def test_tables_that_are_all_cut_off_at_the_same_line_are_no_spectrum(
    copy_run: CopyRun, request: pytest.FixtureRequest, sample: str
) -> None:
    directory = copy_run(sample)
    absorber = request.getfixturevalue(ABSORBERS[sample])
    texts = {path: path.read_text() for path in directory.rglob("*_OC??.OUT")}
    for n_lines in range(100, 117):
        for path, text in texts.items():
            path.write_text("".join(text.splitlines(keepends=True)[:n_lines]))
        assert not is_spectrum(directory, absorber, ExcitingParameters())


def test_without_an_input_the_axis_of_the_parameters_protects(
    data: Path, tmp_path: Path, ti_o_10: dict[str, Structure]
) -> None:
    absorber = Absorber(ti_o_10["mp-1203"], 0, Edge.K)
    texts = {NAME.format(a): (data / "ti-o-10" / "mp-1203" / NAME.format(a)).read_text() for a in ("11", "22", "33")}
    for n_lines in (*range(18), *range(18, 1018, 97), 1016, 1017):
        for name, text in texts.items():
            (tmp_path / name).write_text("".join(text.splitlines(keepends=True)[:n_lines]))
        assert not is_spectrum(tmp_path, absorber, PUBLISHED)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert is_spectrum(tmp_path, absorber, PUBLISHED)
    with pytest.raises(ParseError, match=r"by the parameters \(there is no input.xml\)"):
        parse_run(tmp_path, absorber, ExcitingParameters())


def test_a_density_that_did_not_converge_is_a_status(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    log = directory / "INFO.OUT"
    said = "| Convergence targets achieved. Performing final SCF iteration "
    log.write_text(log.read_text().replace(said, "+ Reached self-consistent loops maximum :   12 ".ljust(len(said))))
    outcome = parse_run(directory, boron_nitride, ExcitingParameters())
    assert outcome.status is Status.UNCONVERGED
    assert outcome.reason == "scf: the density did not converge in 12 iterations: raise scf_max_iterations"
    assert outcome.spectrum is not None


def test_the_warning_of_one_shot_runs_is_no_sign_of_an_unconverged_density(data: Path, rutile: Absorber) -> None:
    assert "Reached self-consistent loops maximum" in (data / "exciting" / "TiO2" / "WARNINGS.OUT").read_text()
    assert parse_run(data / "exciting" / "TiO2", rutile, ExcitingParameters()).status is Status.CONVERGED


def test_a_window_beside_the_edge_is_a_status(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    start, stop = 10.0 * 27.2113839, 13.0 * 27.2113839
    energy = start + np.arange(100) * (stop - start) / 100
    for axes in ("11", "22", "33"):
        path = table(directory, axes)
        head = [line for line in path.read_text().splitlines() if line.startswith("#")]
        tail = 0.02 / (386.0 - energy) ** 2
        rows = [f"{e:.16E} 1.0 {y:.16E} 1.0" for e, y in zip(energy, tail, strict=True)]
        path.write_text("\n".join([*head, *rows]) + "\n")
    inp = directory / "input.xml"
    inp.write_text(inp.read_text().replace('intv="13.4 16.5"', 'intv="10.0 13.0"'))
    outcome = parse_run(directory, boron_nitride, ExcitingParameters())
    assert outcome.status is Status.UNCONVERGED
    assert outcome.reason.startswith("energy window: the maximum lies at an end of the window")


def test_a_spectrum_without_spin_of_a_magnetic_crystal_is_not_converged(data: Path, rutile: Absorber) -> None:
    magnetic = rutile.structure.copy()
    magnetic.add_site_property("magmom", [1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    outcome = parse_run(data / "exciting" / "TiO2", Absorber(magnetic, 1, Edge.L23), ExcitingParameters())
    assert (outcome.status, outcome.reason) == (Status.UNCONVERGED, "spin: moments of up to 1 µB are left out")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "****************"])
def test_a_number_that_is_none_is_named_with_its_line(copy_run: CopyRun, boron_nitride: Absorber, word: str) -> None:
    directory = copy_run("BN")
    path = table(directory, "22")
    lines = path.read_text().splitlines(keepends=True)
    lines[60] = lines[60].replace(lines[60].split()[2], word)
    path.write_text("".join(lines))
    with pytest.raises(ParseError, match=r"OC22.OUT, line 61"):
        parse_run(directory, boron_nitride, ExcitingParameters())


def test_a_spectrum_of_zeros_is_refused(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    for axes in ("11", "22", "33"):
        path = table(directory, axes)
        lines = [
            line if line.startswith("#") else f"{line.split()[0]} 1.0 0.0 1.0" for line in path.read_text().splitlines()
        ]
        path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ParseError, match="zero everywhere"):
        parse_run(directory, boron_nitride, ExcitingParameters())


def test_the_output_of_another_code_is_refused(copy_run: CopyRun, boron_nitride: Absorber, data: Path) -> None:
    directory = copy_run("BN")
    for foreign in ("feff/mp-1203/xmu.dat", "ti-o-10/mp-1203/absspct_Ti.0001_1s_01", "exciting/BN/INFO.OUT"):
        table(directory, "11").write_bytes((data / foreign).read_bytes())
        with pytest.raises(ParseError, match=r"OC11.OUT is not a dielectric function \(EPSILON\) of exciting"):
            parse_run(directory, boron_nitride, ExcitingParameters())


def test_the_run_of_another_absorber_is_refused(data: Path, boron_nitride: Absorber, rutile: Absorber) -> None:
    run = data / "exciting" / "BN"
    structure = boron_nitride.structure
    with pytest.raises(ParseError, match=r"input.xml is of N K, expected B K"):
        parse_run(run, Absorber(structure, 0, Edge.K), ExcitingParameters())
    strained = structure.copy()
    strained.translate_sites([0], [0.01, 0.0, 0.0])
    with pytest.raises(ParseError, match="excites an atom with other B neighbours than N1 K"):
        parse_run(run, Absorber(strained, 1, Edge.K), ExcitingParameters())
    with pytest.raises(ParseError, match=r"is of Ti L23, expected Ti L3"):
        parse_run(data / "exciting" / "TiO2", replace(rutile, edge=Edge.L3), ExcitingParameters())


def test_the_other_atom_of_a_cell_is_told_apart_by_its_neighbours(
    ti_o_10: dict[str, Structure], tmp_path: Path
) -> None:
    structure = ti_o_10["mp-1203"]
    (tmp_path / "input.xml").write_text(write_inputs(Absorber(structure, 0, Edge.K), ExcitingParameters())["input.xml"])
    run_input = read_run_input(tmp_path / "input.xml")
    check_absorber(run_input, Absorber(structure, 1, Edge.K), tmp_path)  # the same by symmetry
    for other in (2, 4):
        with pytest.raises(ParseError, match="other O neighbours"):
            check_absorber(run_input, Absorber(structure, other, Edge.K), tmp_path)


def test_tables_of_another_run_are_refused(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    inp = directory / "input.xml"
    text = inp.read_text()
    inp.write_text(text.replace('broad="0.018"', 'broad="0.02"'))
    with pytest.raises(ParseError, match="they are of different runs"):
        parse_run(directory, boron_nitride, ExcitingParameters())
    inp.write_text(text.replace('points="100"', 'points="101"'))
    with pytest.raises(ParseError, match="expected 101 from"):
        parse_run(directory, boron_nitride, ExcitingParameters())


def test_the_type_of_hamiltonian_that_was_asked_for_is_taken(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    for path in list((directory / "EPSILON").iterdir()):
        (path.parent / path.name.replace("singlet", "IP")).write_text(path.read_text())
        (path.parent / path.name.replace("EPSILON_", "EPSILON_NAR_")).write_text("not to be read")
    outcome = parse_run(directory, boron_nitride, ExcitingParameters())
    assert all("BSE-singlet" in name for name in outcome.output_files)
    inp = directory / "input.xml"
    inp.write_text(inp.read_text().replace('bsetype="singlet"', 'bsetype="triplet"'))
    with pytest.raises(ParseError, match="no EPSILON table of type triplet for axes 11"):
        parse_run(directory, boron_nitride, ExcitingParameters())


def test_two_tables_of_a_kind_are_ambiguous(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    path = table(directory, "11")
    (path.parent / path.name.replace("-TDA", "")).write_text(path.read_text())
    with pytest.raises(ParseError, match="several tables of the same kind"):
        parse_run(directory, boron_nitride, ExcitingParameters())


def test_names_of_old_versions_are_found_in_the_run_directory(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    for axes in ("11", "22", "33"):
        (directory / "EPSILON" / NAME.format(axes)).rename(directory / f"EPSILON_BSEsinglet_SCRfull_OC{axes}.OUT")
    outcome = parse_run(directory, boron_nitride, ExcitingParameters())
    assert outcome.output_files[0] == "EPSILON_BSEsinglet_SCRfull_OC11.OUT"


def test_energies_in_hartree_come_out_in_electronvolt(copy_run: CopyRun, boron_nitride: Absorber) -> None:
    directory = copy_run("BN")
    in_ev = parse_run(directory, boron_nitride, ExcitingParameters()).spectrum
    for axes in ("11", "22", "33"):
        path = table(directory, axes)
        text = path.read_text().replace("27.211384", " 1.000000").replace("0.489805", "0.018000")
        rows = [line if line[0] == "#" else _in_hartree(line) for line in text.splitlines()]
        path.write_text("\n".join(rows) + "\n")
    in_hartree = parse_run(directory, boron_nitride, ExcitingParameters()).spectrum
    assert in_ev is not None
    assert in_hartree is not None
    assert np.allclose(in_hartree.energy, in_ev.energy, rtol=1e-9)
    profile = in_hartree.broadening[0].profile
    assert isinstance(profile, Lorentzian)
    assert profile.fwhm == pytest.approx(0.97961, abs=2e-6)


def _in_hartree(line: str) -> str:
    first, *others = line.split()
    return " ".join([f"{float(first) / 27.2113839:.16E}", *others])


def test_the_tables_keep_the_units_of_their_heads(data: Path) -> None:
    directory = data / "exciting" / "TiO2"
    loss = find_table(directory, "LOSS", bse_type="singlet", axes="11")
    exciton = find_table(directory, "EXCITON", bse_type="singlet", axes="11")
    assert loss is not None
    assert exciton is not None
    assert (read_loss(loss).unit, read_loss(loss).data.shape) == ("eV", (100, 3))
    table_of_excitons = read_exciton(exciton)
    assert table_of_excitons.scale == 27.2113839
    # Fortran prints seventeen digits: the shift is what the columns differ by.
    difference = table_of_excitons.data[:, 1] - table_of_excitons.data[:, 0]
    assert np.allclose(difference, table_of_excitons.shift, atol=1e-9, rtol=0)
    assert read_spectrum_log(directory / "INFOXS.OUT").gap == pytest.approx(-table_of_excitons.shift, abs=1e-9)
    with pytest.raises(ParseError, match="is not a list of excitons"):
        read_exciton(directory / "INFO.OUT")


def test_the_tasks_of_a_run_are_those_that_lightshow_lists(data: Path) -> None:
    log = read_spectrum_log(data / "exciting" / "BN" / "INFOXS.OUT")
    listed = ["xsgeneigvec", "writepmatxs", "scrgeneigvec", "scrwritepmat", "screen", "scrcoulint", "exccoulint", "bse"]
    assert list(log.timings) == listed
    assert log.n_excitons == 240


def test_the_published_density_converged(data: Path) -> None:
    log = read_ground_state_log(data / "exciting" / "mp-1203" / "INFO.OUT")
    assert (log.version, log.is_finished, log.is_converged) == ("OXYGEN", True, True)
    # The last numbers of the log; `DOS at Fermi energy` is another line.
    assert (log.total_energy, log.fermi_energy) == (-4645.95469697, 0.39801194)
