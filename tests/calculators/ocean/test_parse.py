"""OCEAN's outputs: every layout, whole or not at all, and of the absorber that was asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.interface import Outcome
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.ocean import OceanCalculator, OceanParameters
from whiteline.calculators.ocean.absspct import HARTREE, Layout, read_absspct
from whiteline.calculators.ocean.lanczos import read_abslanc
from whiteline.calculators.ocean.photons import Photon, powder_average, read_photons
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference, Quantity
from whiteline.status import Status

SAMPLES = {
    "diamond": ("C", Edge.K, "absspct_C_.0001_1s_01"),
    "lif_oncv": ("F", Edge.K, "absspct_F_.0001_1s_01"),
    "rutile_L23": ("Ti", Edge.L23, "absspct_Ti.0001_2p_01"),
}


def sample_structure(folder: Path) -> Structure:
    stated = json.loads((folder / "postDefaultsOceanDatafile").read_text())["structure"]
    symbols = [stated["zsymb"][t - 1] for t in stated["typat"]]
    return Structure(Lattice(np.array(stated["avecs"]) * BOHR), symbols, stated["xred"])


def absorber_of(data: Path, name: str, *, nth: int = 0) -> Absorber:
    element, edge, _ = SAMPLES[name]
    structure = sample_structure(data / "ocean" / name)
    indices = [i for i, site in enumerate(structure) if site.specie.symbol == element]
    return Absorber(structure, indices[nth], edge)


def parse(folder: Path, absorber: Absorber, **parameters: Any) -> Outcome:
    return OceanCalculator(build_parameters(OceanParameters, parameters)).parse(folder, absorber)


def copy(data: Path, name: str, target: Path) -> Path:
    return Path(shutil.copytree(data / "ocean" / name, target / name))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_parsed_with_version_and_resolved_parameters(name: str, data: Path) -> None:
    outcome = parse(data / "ocean" / name, absorber_of(data, name), haydock_threshold=0.01)
    assert outcome.code_version == "OCEAN 3.2.1"
    assert outcome.spectrum is not None
    assert outcome.spectrum.n_energy == 401
    details = {check.name: check.detail for check in outcome.checks}
    assert details["axis"] == "400 points, -20 to 80 eV"
    assert "k grid" in details["resolved parameters"]


def test_a_powder_average_is_weighted_converged_and_in_absolute_units(data: Path) -> None:
    outcome = parse(data / "ocean" / "diamond", absorber_of(data, "diamond"), haydock_threshold=0.005)
    assert outcome.status is Status.CONVERGED, outcome.reason
    spectrum = outcome.spectrum
    assert spectrum is not None
    assert [(p.label, round(p.weight, 9)) for p in spectrum.polarisations] == [("z", 0.5), ("1 1 0", 0.5)]
    assert spectrum.quantity is Quantity.IM_EPSILON
    assert spectrum.energy_reference is EnergyReference.CONDUCTION_BAND_MINIMUM
    assert spectrum.volume == pytest.approx(76.55675 * BOHR**3)  # a.u., as the header has it
    record = BroadeningRecord(Lorentzian(spectrum.broadening[0].profile.fwhm), Origin.LIFETIME, "ocean")  # type: ignore[union-attr]  # a Lorentzian
    assert spectrum.broadening == (record,)
    assert record.profile.fwhm == pytest.approx(0.8, abs=1e-5)  # type: ignore[union-attr]  # twice the half width of 0.4 eV
    table = np.loadtxt(data / "ocean" / "diamond" / "absspct_C_.0001_1s_01")
    assert np.array_equal(spectrum.components[0], table[:, 2])
    # OCEAN's own cross-section, in bohr², is epsilon_2 omega V / c with its own spectrum, volume and energy.
    c = 137.035999
    ours = spectrum.components[0] * spectrum.energy / HARTREE * spectrum.volume / BOHR**3 / c
    assert ours == pytest.approx(table[:, 5], rel=1e-4, abs=1e-9)  # OCEAN's constants have six digits


def test_quadrupole_photons_and_single_directions_are_no_powder_average(data: Path) -> None:
    for name in ("lif_oncv", "rutile_L23"):
        outcome = parse(data / "ocean" / name, absorber_of(data, name), haydock_threshold=0.01)
        assert outcome.status is Status.UNCONVERGED
        assert "polarisations: the photons z quad do not make the powder average" in outcome.reason


@pytest.mark.parametrize("site", [0, 2, 4])
def test_the_published_spectra_of_mp_1203_are_told_apart_by_the_place_of_the_absorber(
    site: int, data: Path, tmp_path: Path, ti_o_10: dict[str, Structure]
) -> None:
    for path in (data / "ti-o-10" / "mp-1203").glob("absspct*"):
        (tmp_path / path.name.replace("0001_", f"{site + 1:04d}_", 1)).write_bytes(path.read_bytes())
    values = load_preset("ocean", "published:ti-o-10")
    outcome = parse(tmp_path, Absorber(ti_o_10["mp-1203"], site, Edge.K), **values)
    assert outcome.status is Status.CONVERGED, outcome.reason
    assert outcome.spectrum is not None
    assert [(p.label, p.weight) for p in outcome.spectrum.polarisations] == [("x", 1 / 3), ("y", 1 / 3), ("z", 1 / 3)]
    assert outcome.spectrum.energy_reference is EnergyReference.CORE_LEVEL  # core_offset shifts the axis
    assert outcome.spectrum.broadening[0].profile.fwhm == pytest.approx(1.78, abs=1e-4)  # type: ignore[union-attr]  # a Lorentzian
    # exciting's maximum of the same site is 3.2102e-6 (its own published output): units and volume agree.
    assert outcome.spectrum.im_epsilon().max() == pytest.approx(3.2102e-6, rel=0.01)
    with pytest.raises(ParseError, match="no absspct file of Ti1 K"):
        parse(tmp_path, Absorber(ti_o_10["mp-1203"], 1, Edge.K), **values)


def test_the_absorber_is_found_by_its_surroundings_and_their_orientation(data: Path) -> None:
    folder = data / "ocean" / "rutile_L23"
    names = [parse(folder, absorber_of(data, "rutile_L23", nth=n)).output_files[0] for n in (0, 1)]
    assert names == ["absspct_Ti.0001_2p_01", "absspct_Ti.0002_2p_01"]
    absorber = absorber_of(data, "rutile_L23")
    supercell = absorber.structure * (1, 1, 2)
    backwards = Structure.from_sites(list(supercell)[::-1])
    again = Absorber(backwards, len(backwards) - 1, Edge.L23)
    assert parse(folder, again).output_files[0] == names[0]


@pytest.mark.parametrize("change", ["stretched", "turned", "edge", "element"])
def test_the_run_of_another_absorber_is_refused(change: str, data: Path) -> None:
    absorber = absorber_of(data, "rutile_L23")
    structure, edge = absorber.structure.copy(), Edge.L23
    if change == "stretched":
        structure.scale_lattice(structure.volume * 1.02)
    elif change == "turned":
        a, b, c = absorber.structure.lattice.matrix
        structure = Structure(Lattice([c, a, b]), structure.species, structure.frac_coords[:, [2, 0, 1]])
        structure = Structure(structure.lattice.matrix[:, [1, 2, 0]], structure.species, structure.frac_coords)
    elif change == "element":
        structure.replace_species({"Ti": "V"})
    else:
        edge = Edge.K
    with pytest.raises(ParseError, match="rutile_L23"):
        parse(data / "ocean" / "rutile_L23", Absorber(structure, 0, edge))


def rows(path: Path) -> tuple[list[str], np.ndarray]:
    lines = path.read_text().splitlines()
    return lines[:2], np.loadtxt(path)


def write_layout(path: Path, layout: str, *, source: Path) -> None:
    """Write a spectrum as the version writes it, by the format statements of OCEAN's source."""
    header, table = rows(source)
    half_width, n = 0.32706898e-01, len(table)
    if layout == "version 2":
        step = 100.0 / n
        energy = -20.0 + step * (np.arange(n) + 0.5)
        text = "".join(
            f"{e: .8E} {d: .8E} {s: .8E} {k: .8E} {54:5d} {half_width * (1 + 1e-3 * i): .8E} {1e-6: .8E} {n:5d}\n"
            for i, (e, d, s, k) in enumerate(zip(energy, table[:, 1] * 0.5, table[:, 2], table[:, 3], strict=True))
        )
    elif layout == "gmres":
        energy = np.arange(n) * 0.25
        text = "".join(
            f"{20:5d} {e:.8E} {k:.8E} {s:.8E} 4.0E-08\n"
            for e, k, s in zip(energy, table[:, 3], table[:, 2], strict=True)
        )
    elif layout == "version 3.2":
        first = header[0] + "vol= 0.73419000E+03"
        text = "\n".join([first, header[1] + "  sigma (a.u.^2)   sigma( cm^2 ) sig.^2 (a.u.^5) sig.^2 cm^4 sec", ""])
        text += "".join(" ".join(f"{x:.8E}" for x in (*row, 0, 0, 0, 0)) + "\n" for row in table)
    else:
        text = source.read_text()
    path.write_text(text)


LAYOUTS = {
    "version 2": Layout.VERSION_2,
    "version 3.0": Layout.VERSION_3_0,
    "version 3.2": Layout.VERSION_3_2,
    "gmres": Layout.GMRES,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_spectrum_of_constant_width(
    layout: str, data: Path, tmp_path: Path, ti_o_10: dict[str, Structure]
) -> None:
    source = data / "ti-o-10" / "mp-1203"
    for i in (1, 2, 3):
        name = f"absspct_Ti.0001_1s_0{i}"
        write_layout(tmp_path / name, layout, source=source / name)
    table = read_absspct(tmp_path / "absspct_Ti.0001_1s_01")
    assert table.layout is LAYOUTS[layout]
    assert table.spectrum == pytest.approx(np.loadtxt(source / "absspct_Ti.0001_1s_01")[:, 2], rel=1e-7)  # digits
    width = None if layout == "gmres" else pytest.approx(0.89, abs=1e-5)
    assert table.half_width == width
    values: dict[str, Any] = {"half_width": 0.89, "spectrum_points": 1000}
    if layout == "gmres":
        values |= {"solver": "gmres", "gmres_energies": (0.0, 250.0, 0.25)}
    outcome = parse(tmp_path, Absorber(ti_o_10["mp-1203"], 0, Edge.K), **values)
    assert outcome.status is Status.CONVERGED, outcome.reason
    assert outcome.spectrum is not None
    assert outcome.spectrum.broadening[0].profile.fwhm == pytest.approx(1.78, abs=1e-4)  # type: ignore[union-attr]  # a Lorentzian


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_spectrum_cut_off_at_any_line_or_inside_one_is_never_a_spectrum(
    layout: str, data: Path, tmp_path: Path, ti_o_10: dict[str, Structure]
) -> None:
    names = [f"absspct_Ti.0001_1s_0{i}" for i in (1, 2, 3)]
    for name in names:
        write_layout(tmp_path / name, layout, source=data / "ti-o-10" / "mp-1203" / name)
    values: dict[str, Any] = {"spectrum_points": 1000, "half_width": 0.89}
    if layout == "gmres":
        values |= {"solver": "gmres", "gmres_energies": (0.0, 250.0, 0.25)}
    absorber = Absorber(ti_o_10["mp-1203"], 0, Edge.K)
    lines = (tmp_path / names[0]).read_text().splitlines(keepends=True)
    for n in [*range(6), *range(6, len(lines) - 3, 197), len(lines) - 2, len(lines) - 1]:
        for part in ("", lines[n][: len(lines[n]) // 2], lines[n][:-1]):
            for name in names:  # cut off alike: no other file gives it away
                text = (data / "ti-o-10" / "mp-1203" / name).read_text() if layout == "version 3.0" else ""
                whole = text.splitlines(keepends=True) if text else lines
                (tmp_path / name).write_text("".join(whole[:n]) + part)
            with pytest.raises(ParseError, match="absspct"):
                parse(tmp_path, absorber, **values)


def cuts(content: str) -> list[int]:
    """Return where to cut: behind each line and inside it, but not where only the last line break is lost."""
    ends = np.cumsum([len(line) for line in content.splitlines(keepends=True)])
    if len(ends) > 60:
        ends = np.concatenate([ends[:12], ends[12:-12:31], ends[-12:]])
    places = {max(int(end) - back, 0) for end in ends for back in (0, 4)}
    return sorted(place for place in places if place < len(content.rstrip()))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_run_with_any_of_its_outputs_cut_off_is_never_a_spectrum(name: str, data: Path, tmp_path: Path) -> None:
    folder, absorber = copy(data, name, tmp_path), absorber_of(data, name)
    index = SAMPLES[name][2].split(".")[1][:4]
    outputs = [p for p in folder.iterdir() if p.name not in ("ocean.in", "photon1", "photon2")]
    for path in (p for p in outputs if not p.name.startswith("abs") or f".{index}_" in p.name):
        content = path.read_text()
        for cut in cuts(content):
            path.write_text(content[:cut])
            try:
                outcome = parse(folder, absorber)
            except ParseError as error:
                assert str(folder) in str(error)
            else:
                # Behind its banner the log has a line that says nothing more.
                is_told = path.name == "stdout.log" and "Ocean is done" in content[:cut]
                assert outcome.spectrum is None or is_told, f"{path.name} cut at {cut}"
        path.write_text(content)


@pytest.mark.parametrize("lost", ["absspct_C_.0001_1s_02", "photon2"])
def test_a_photon_without_its_spectrum_is_refused(lost: str, data: Path, tmp_path: Path) -> None:
    folder = copy(data, "diamond", tmp_path)
    (folder / lost).unlink()
    with pytest.raises(ParseError, match="number 2 is missing"):
        parse(folder, absorber_of(data, "diamond"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.48940035E-04", "NaN", "line 3: holds NaN"),
        ("0.48940035E-04", "************", r"line 3: expected 9 numbers, got '-0\.2"),
        ("-0.19750000E+02", "-0.21000000E+02", "line 4: the energy does not increase"),
        ("#   iter=", "# count=", "not an absspct"),
    ],
)
def test_a_damaged_line_is_named(old: str, new: str, words: str, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "absspct_C_.0001_1s_01"
    path.write_text((data / "ocean" / "diamond" / path.name).read_text().replace(old, new, 1))
    with pytest.raises(ParseError, match=f"{path.name}.*{words}"):
        read_absspct(path)


def test_a_spectrum_of_zeros_and_the_output_of_another_code_are_refused(data: Path, tmp_path: Path) -> None:
    header, table = rows(data / "ocean" / "diamond" / "absspct_C_.0001_1s_01")
    table[:, 1:] = 0.0
    zero = tmp_path / "absspct_C_.0001_1s_01"
    zero.write_text("\n".join([*header, *(" ".join(f"{x:.8E}" for x in row) for row in table), ""]))
    with pytest.raises(ParseError, match="zero everywhere"):
        read_absspct(zero)
    for foreign in ("xanes_dipole1.dat", "EPSILON_BSE-singlet-TDA-BAR_SCR-full_OC11.OUT"):
        with pytest.raises(ParseError, match="is not an absspct"):
            read_absspct(data / "ti-o-10" / "mp-1203" / foreign)


def test_the_haydock_coefficients_give_the_third_column(data: Path) -> None:
    # A width that grows with the energy is in the second column only where it matters; the third has none.
    folder = data / "ocean" / "rutile_L23"
    recursion = read_abslanc(folder / "abslanc_Ti.0001_2p_01")
    table = read_absspct(folder / "absspct_Ti.0001_2p_01")
    assert table.half_width is not None
    ours = recursion.spectrum(table.energy, half_width=table.half_width)
    assert ours == pytest.approx(table.spectrum, rel=2e-5)  # OCEAN's Hartree has six digits
    assert recursion.n_iterations == table.iterations == 100


def test_a_recursion_that_still_changes_is_unconverged(data: Path) -> None:
    folder, absorber = data / "ocean" / "diamond", absorber_of(data, "diamond")
    outcome = parse(folder, absorber, haydock_threshold=0.001)
    assert outcome.status is Status.UNCONVERGED
    assert outcome.spectrum is not None
    assert "haydock 01: the last 5 of 100 iterations change 2.4e-03 of the area" in outcome.reason


def test_without_coefficients_all_iterations_used_up_is_unconverged(data: Path, ti_o_10: dict[str, Structure]) -> None:
    folder, absorber = data / "ti-o-10" / "mp-1203", Absorber(ti_o_10["mp-1203"], 0, Edge.K)
    outcome = parse(folder, absorber, haydock_iterations=54)
    assert [c.name for c in outcome.checks if not c.is_passed] == ["haydock 01", "haydock 02", "haydock 03"]


def test_coefficients_of_another_run_are_unconverged(data: Path, tmp_path: Path) -> None:
    folder = copy(data, "diamond", tmp_path)
    shutil.copy(data / "ocean" / "lif_oncv" / "abslanc_F_.0001_1s_01", folder / "abslanc_C_.0001_1s_01")
    outcome = parse(folder, absorber_of(data, "diamond"), haydock_threshold=0.01)
    assert outcome.status is Status.UNCONVERGED
    assert "give another spectrum" in outcome.reason


def test_a_density_that_did_not_converge_is_unconverged(data: Path, tmp_path: Path) -> None:
    folder = copy(data, "diamond", tmp_path)
    (folder / "scf.out").write_text("     convergence NOT achieved after 100 iterations: stopping\n")
    outcome = parse(folder, absorber_of(data, "diamond"), haydock_threshold=0.01)
    assert outcome.status is Status.UNCONVERGED
    assert "scf: convergence NOT achieved, says scf.out" in outcome.reason


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("Entering OPF stage\nEntering SCREENing stage\nSCREEN stage failed\n", "the stage SCREEN failed"),
        ("Entering OPF stage\nEntering SCREENing stage\n", "OCEAN ended in the stage SCREEN without 'Ocean is done'"),
        ("Welcome to OCEAN\nUnrecognized input flag: nkpts\n", "OCEAN ended while reading the input"),
    ],
)
def test_the_stage_that_failed_is_named(log: str, words: str, data: Path, tmp_path: Path) -> None:
    folder = copy(data, "diamond", tmp_path)
    (folder / "stdout.log").write_text(log)
    outcome = parse(folder, absorber_of(data, "diamond"))
    assert (outcome.status, outcome.spectrum) == (Status.FAILED, None)
    assert words in outcome.reason


def test_a_stage_that_is_not_complete_is_named(data: Path, tmp_path: Path) -> None:
    folder = copy(data, "diamond", tmp_path)
    (folder / "SCREEN").mkdir()
    (folder / "SCREEN" / "screen.json").write_text('{"screen": {"complete": false}}')
    outcome = parse(folder, absorber_of(data, "diamond"))
    assert outcome.status is Status.FAILED
    assert "the stage SCREEN is not complete" in outcome.reason


def test_weights_of_photons_are_those_of_the_site_symmetry() -> None:
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    group = np.array([np.linalg.matrix_power(quarter, n) for n in range(4)])
    x, z = Photon("dipole", (1, 0, 0)), Photon("dipole", (0, 0, 1))
    polarisations, is_average = powder_average([x, z], group)
    assert is_average
    assert [p.weight for p in polarisations] == pytest.approx([2 / 3, 1 / 3], abs=1e-12)  # rounding
    assert not powder_average([x], group)[1]
    assert not powder_average([x, z], np.eye(3)[None])[1]


def test_a_damaged_photon_file_is_refused(tmp_path: Path) -> None:
    whole = "dipole\ncartesian 0 0 1\nend\ncartesian 1 0 0\nend\n280\n"
    lines = whole.splitlines(keepends=True)
    for n in range(len(lines)):
        (tmp_path / "photon1").write_text("".join(lines[:n]))
        with pytest.raises(ParseError, match="photon1"):
            read_photons(tmp_path)
