"""Reading VASP's outputs: a real run, both layouts, the other two files, and everything that is no spectrum."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]  # ships no types
import numpy as np
import pytest

from whiteline.absorber import Absorber
from whiteline.averaging import average
from whiteline.broadening import Gaussian
from whiteline.calculators.interface import Outcome
from whiteline.calculators.vasp import VaspCalculator, VaspParameters
from whiteline.calculators.vasp.outcar import read_outcar
from whiteline.calculators.vasp.parse import merge_equivalent
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError, ParseError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import EnergyReference
from whiteline.status import Status

ALIGNED = VaspParameters(site_alignment="total_energy")
SPECTRUM = re.compile(r"^ 2\d{3}\.\d{6}( +-?\d+\.\d{6}){6}$", re.MULTILINE)


def parse(folder: Path, absorber: Absorber, parameters: VaspParameters | None = None) -> Outcome:
    return VaspCalculator(parameters or VaspParameters()).parse(folder, absorber)


def refusal(folder: Path, absorber: Absorber, parameters: VaspParameters | None = None) -> str:
    with pytest.raises(ParseError) as error:
        parse(folder, absorber, parameters)
    assert str(folder) in str(error.value)
    return str(error.value)


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    changed = change(text)
    assert changed != text
    path.write_text(changed)


def test_the_whole_output_of_a_published_run_is_read(tmp_path: Path, data: Path, sulfur: Absorber) -> None:
    (tmp_path / "OUTCAR.bz2").write_bytes((data / "vasp" / "OUTCAR.bz2").read_bytes())
    outcome = parse(tmp_path, sulfur)
    spectrum = outcome.spectrum
    assert spectrum is not None
    assert (outcome.status, outcome.code_version, outcome.output_files) == (
        Status.CONVERGED,
        "VASP 6.1.1",
        ("OUTCAR.bz2",),
    )
    assert spectrum.volume == pytest.approx(1742.30, abs=0.01)  # as VASP prints it
    # Powder average at 2397.993544 eV: the file has 0.000138, 0.000056 and 0.000133.
    at = int(np.argmin(np.abs(spectrum.energy - 2397.993544)))
    assert spectrum.im_epsilon()[at] == pytest.approx((0.000138 + 0.000056 + 0.000133) / 3, rel=1e-12)
    # The axis of the cross-section is VASP's own transition energy: sigma = e2 E V / (hbar c).
    assert spectrum.cross_section()[at] == pytest.approx(spectrum.im_epsilon()[at] * 2397.9935 * 1742.305 / 19.732698)
    assert np.count_nonzero(spectrum.intensity) == 70
    assert [c.detail for c in outcome.checks if c.name == "scf"] == ["16 of at most 60 steps"]


def test_the_spectrum_starts_where_the_fermi_level_lies_above_the_core_level(data: Path) -> None:
    output = read_outcar(data / "vasp" / "OUTCAR.bz2")
    assert output.onset == pytest.approx(3.6656 + 2393.17085973796)
    assert output.tensor is not None
    first = output.tensor.energy[np.flatnonzero(output.tensor.values[:3].any(axis=0))[0]]
    assert 0 <= first - output.onset < 0.2856  # the step of the axis


def test_the_piece_gives_the_same_spectrum_as_the_whole(
    run_folder: Path, tmp_path: Path, data: Path, sulfur: Absorber
) -> None:
    (tmp_path / "OUTCAR.bz2").write_bytes((data / "vasp" / "OUTCAR.bz2").read_bytes())
    whole, piece = (parse(folder, sulfur).spectrum for folder in (tmp_path, run_folder))
    assert whole is not None and piece is not None
    inside = whole.crop(piece.energy[0], piece.energy[-1])
    assert np.array_equal(inside.energy, piece.energy)
    assert np.array_equal(inside.components, piece.components)


def test_the_spectrum_says_what_it_is(run_folder: Path, sulfur: Absorber) -> None:
    spectrum = parse(run_folder, sulfur).spectrum
    assert spectrum is not None
    assert spectrum.energy_reference is EnergyReference.CORE_LEVEL
    assert [p.label for p in spectrum.polarisations] == ["x", "y", "z"]
    record = spectrum.broadening[0]
    # CH_SIGMA = 0.05 eV in exp(-(E/sigma)²).
    assert isinstance(record.profile, Gaussian)
    assert record.profile.fwhm == pytest.approx(2 * np.sqrt(np.log(2)) * 0.05)
    assert record.applied_by == "VASP 6.1.1"
    assert not spectrum.components[:, 0].any()  # zeros below the onset stay for later broadening


def test_the_broadening_is_that_of_the_incar_else_vasps_own_or_that_of_the_parameters(
    run_folder: Path, sulfur: Absorber
) -> None:
    def width() -> float:
        spectrum = parse(run_folder, sulfur, VaspParameters(ch_sigma=0.01)).spectrum
        assert spectrum is not None and isinstance(spectrum.broadening[0].profile, Gaussian)
        return float(spectrum.broadening[0].profile.fwhm / (2 * np.sqrt(np.log(2))))

    assert width() == pytest.approx(0.05)
    edit(run_folder / "INCAR", lambda text: text.replace("CH_SIGMA", "! CH_SIGMA"))
    assert width() == pytest.approx(0.3)
    (run_folder / "INCAR").unlink()
    assert width() == pytest.approx(0.01)


def test_an_output_cut_off_anywhere_is_no_spectrum(run_folder: Path, sulfur: Absorber) -> None:
    path = run_folder / "OUTCAR"
    lines = path.read_text().splitlines(keepends=True)
    assert parse(run_folder, sulfur).spectrum is not None
    for n in range(len(lines)):
        path.write_text("".join(lines[:n]))
        refusal(run_folder, sulfur)
    # Inside a line: everywhere in the last 300 characters, where VASP's own end stands, and now and then above.
    text = "".join(lines)
    for end in (*range(1, len(text), 997), *range(len(text.rstrip()) - 300, len(text.rstrip()) + 1)):
        path.write_text(text[:end])
        refusal(run_folder, sulfur)


def test_the_wrapped_layout_of_later_versions_is_read(run_folder: Path, sulfur: Absorber) -> None:
    def wrap(match: re.Match[str]) -> str:
        words = [f"{float(word):.12f}" for word in match.group().split()]
        return "   " + "  ".join(words[:5]) + "\n   " + "  ".join(words[5:])

    expected = parse(run_folder, sulfur).spectrum
    edit(run_folder / "OUTCAR", lambda text: SPECTRUM.sub(wrap, text).replace("vasp.6.1.1", "vasp.6.2.1"))
    outcome = parse(run_folder, sulfur)
    assert outcome.code_version == "VASP 6.2.1"
    assert outcome.spectrum is not None and expected is not None
    assert np.array_equal(outcome.spectrum.components, expected.components)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_packed_outputs_are_read_and_damaged_packing_is_refused(
    run_folder: Path, sulfur: Absorber, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = run_folder / "OUTCAR"
    content = pack(path.read_bytes())
    path.unlink()
    packed = run_folder / f"OUTCAR{suffix}"
    packed.write_bytes(content)
    assert parse(run_folder, sulfur).output_files == (packed.name,)
    for end in (0, 3, len(content) // 2, len(content) - 9):
        packed.write_bytes(content[:end])
        refusal(run_folder, sulfur)


ROW = " 2400.848980    0.000104    0.000070    0.000068    0.000000   -0.000000    0.000000\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.000104    0.000070", "NaN    0.000070", "line .*: holds NaN"),
        ("0.000104    0.000070", "************ 0.000070", "expected numbers, got"),
        (ROW, "", "leave their even steps"),
        ("0.000104    0.000070", "0.000104", "expected 7 an energy"),
        ("0.000104    0.000070", "-9.000104    0.000070", "is negative"),
        (" ZCORE=", " nothing", "holds no spectrum"),
        ("IMAGINARY DIELECTRIC", "UNHEARD-OF DIELECTRIC", "run VASP 6 with CH_LSPEC"),
        ("ICORELEVEL =  2", "ICORELEVEL =  1", "initial state"),
        ("ions per type =", "ions =", "does not say ions per type"),
        (" vasp.6.1.1", " xspectra", "not an OUTCAR of VASP"),
    ],
)
def test_a_damaged_output_is_refused_with_its_place(
    run_folder: Path, sulfur: Absorber, old: str, new: str, words: str
) -> None:
    edit(run_folder / "OUTCAR", lambda text: text.replace(old, new, 1))
    assert re.search(words, refusal(run_folder, sulfur))


def test_a_spectrum_of_zeros_is_refused(run_folder: Path, sulfur: Absorber) -> None:
    edit(run_folder / "OUTCAR", lambda text: SPECTRUM.sub(lambda m: m.group()[:12] + 6 * "    0.000000", text))
    assert "zero everywhere" in refusal(run_folder, sulfur)


def test_the_number_of_energies_is_that_of_the_incar(run_folder: Path, sulfur: Absorber) -> None:
    with (run_folder / "INCAR").open("a") as file:
        file.write("\nCH_NEDOS = 112 ! all\n")
    assert parse(run_folder, sulfur).spectrum is not None
    edit(run_folder / "INCAR", lambda text: text.replace("112", "40000"))
    assert "holds 112 energies, its INCAR asks for 40000" in refusal(run_folder, sulfur)


def test_an_unconverged_density_is_a_status(run_folder: Path, sulfur: Absorber) -> None:
    line = "aborting loop because EDIFF is reached"
    edit(run_folder / "OUTCAR", lambda text: text.replace(line, "aborting loop EDIFF was not reached (unconverged)"))
    outcome = parse(run_folder, sulfur)
    assert (outcome.status, outcome.spectrum is None) == (Status.UNCONVERGED, False)
    assert outcome.reason == "scf: the density did not converge in 16 of at most 60 steps"


def test_too_few_points_are_a_status_with_the_remedy(run_folder: Path, sulfur: Absorber) -> None:
    def thin(text: str) -> str:
        rows = SPECTRUM.findall(text) and list(SPECTRUM.finditer(text))
        for i, match in reversed(list(enumerate(rows))):
            if i % 112 % 2:
                text = text[: match.start()] + text[match.end() + 1 :]
        return text

    edit(run_folder / "OUTCAR", thin)
    outcome = parse(run_folder, sulfur)
    assert outcome.status is Status.UNCONVERGED
    assert outcome.reason.startswith("sampling: 35 points that are not zero, 0.5711 eV apart")
    assert "raise ch_nedos" in outcome.reason


def test_off_diagonal_elements_beyond_the_diagonal_are_a_failed_check(run_folder: Path, sulfur: Absorber) -> None:
    broken = ROW.replace("0.000000   -0.000000", "0.009000   -0.000000")
    edit(run_folder / "OUTCAR", lambda text: text.replace(ROW, broken, 1))
    assert [c.name for c in parse(run_folder, sulfur).checks if not c.is_passed] == ["tensor"]


@pytest.mark.parametrize(
    ("index", "edge", "words"),
    [
        (0, Edge.L1, "n=1 l=0, expected n=2 l=0"),
        (0, Edge.L3, "ask for the edge L23"),
        (1, Edge.K, "has the core hole in S, expected Li"),
        (83, Edge.K, "it is of another site"),
    ],
)
def test_the_output_of_another_absorber_is_refused(
    run_folder: Path, sulfur: Absorber, index: int, edge: Edge, words: str
) -> None:
    assert words in refusal(run_folder, Absorber(sulfur.structure, index, edge))


def test_a_strained_crystal_is_another_one(run_folder: Path, sulfur: Absorber) -> None:
    strained = sulfur.structure.copy()
    strained.apply_strain([0.03, 0, 0])
    assert "it is of another site or structure" in refusal(run_folder, Absorber(strained, 0, Edge.K))


def test_an_equivalent_site_of_the_crystal_is_the_same_absorber(run_folder: Path, sulfur: Absorber) -> None:
    assert sulfur.symmetry.orbits[41] == 0
    assert parse(run_folder, Absorber(sulfur.structure, 41, Edge.K)).spectrum is not None


def test_potentials_in_another_order_than_the_species_are_refused(run_folder: Path, sulfur: Absorber) -> None:
    def swap(text: str) -> str:
        return text.replace("PAW Li_GW", "PAW X_GW").replace("PAW P_GW", "PAW Li_GW").replace("PAW X_GW", "PAW P_GW")

    edit(run_folder / "OUTCAR", swap)
    assert "potentials of S P Li S, but" in refusal(run_folder, sulfur)
    (run_folder / "POSCAR").unlink()
    assert "its POTCAR is in another order" in refusal(run_folder, sulfur)


def test_components_that_symmetry_makes_equal_are_averaged(run_folder: Path, sulfur: Absorber) -> None:
    whole = parse(run_folder, sulfur).spectrum
    assert whole is not None
    kept, rows = merge_equivalent(whole.components, (Polarisation("x", 2 / 3), Polarisation("z", 1 / 3)))
    assert rows[0] == pytest.approx((whole.components[0] + whole.components[1]) / 2)
    assert np.array([p.weight for p in kept]) @ rows == pytest.approx(whole.intensity)


def neutral(excited: Path, energy: float) -> str:
    """Return the OUTCAR of a run like `excited` without core hole, and with another total energy."""
    text = excited.read_text()
    start, end = text.index(" ZCORE="), text.index("    4ORBIT:")
    text = text[:start] + text[end:]
    text = text.replace("ICORELEVEL =  2", "ICORELEVEL =  0")
    return re.sub(r"(energy\(sigma->0\) =\s+)\S+", lambda m: f"{m.group(1)}{energy}", text)


def test_sites_are_aligned_by_total_energies_and_it_is_on_record(run_folder: Path, sulfur: Absorber) -> None:
    raw = parse(run_folder, sulfur).spectrum
    (run_folder / "ground-state").mkdir()
    (run_folder / "ground-state" / "OUTCAR").write_text(neutral(run_folder / "OUTCAR", -407.5))
    outcome = parse(run_folder, sulfur, ALIGNED)
    assert outcome.spectrum is not None and raw is not None
    onset = 3.6656 + 2393.17085973796
    assert outcome.spectrum.shift == pytest.approx(-396.06408736 + 407.5 - onset, abs=1e-9)
    assert np.allclose(outcome.spectrum.energy, raw.energy + outcome.spectrum.shift)
    # The onset lies at the difference of the totals, and the zero of this axis is no photon energy's.
    assert np.interp(onset, raw.energy, outcome.spectrum.energy) == pytest.approx(-396.06408736 + 407.5, abs=1e-6)
    assert outcome.spectrum.reference_energy is None
    assert "E_XCH -396.064087 eV - E_GS -407.500000 eV" in {c.name: c.detail for c in outcome.checks}["site alignment"]
    assert outcome.output_files == ("OUTCAR", "ground-state/OUTCAR")


def test_aligned_sites_of_one_supercell_can_be_averaged(run_folder: Path, sulfur: Absorber) -> None:
    (run_folder / "ground-state").mkdir()
    (run_folder / "ground-state" / "OUTCAR").write_text(neutral(run_folder / "OUTCAR", -407.5))
    site = parse(run_folder, sulfur, ALIGNED).spectrum
    assert site is not None
    mean = average([site, site], [1, 3])
    assert mean.im_epsilon() == pytest.approx(site.im_epsilon(), rel=1e-12)


def test_a_neutral_cell_that_is_missing_unfinished_or_another_is_refused(
    run_folder: Path, sulfur: Absorber, data: Path
) -> None:
    assert "site_alignment 'total_energy' needs the neutral cell" in refusal(run_folder, sulfur, ALIGNED)
    (run_folder / "ground-state").mkdir()
    path = run_folder / "ground-state" / "OUTCAR"
    path.write_bytes((data / "vasp" / "Li7P3S11" / "ground-state" / "OUTCAR").read_bytes())
    assert "compute the same supercell" in refusal(run_folder, sulfur, ALIGNED)
    path.write_bytes((run_folder / "OUTCAR").read_bytes())
    assert "expected the neutral cell" in refusal(run_folder, sulfur, ALIGNED)
    lines = neutral(run_folder / "OUTCAR", -407.5).splitlines(keepends=True)
    for n in range(0, len(lines), 9):
        path.write_text("".join(lines[:n]))
        refusal(run_folder, sulfur, ALIGNED)


def vasprun(outcar: Path) -> str:
    """Return a vasprun.xml with the numbers of an OUTCAR, its energies from the highest occupied level."""
    output = read_outcar(outcar)
    assert output.tensor is not None and output.onset is not None
    rows = np.vstack([output.tensor.energy - output.onset, output.tensor.values]).T
    table = "\n".join(f"<r> {' '.join(f'{x:.6f}' for x in row)} </r>" for row in rows)
    kinds = zip(output.counts, output.elements, strict=True)
    types = "\n".join(
        f"<rc><c>{n}</c><c>{e}</c><c>1.0</c><c>6.0</c><c> PAW {e}_GW 19Mar2012 </c></rc>" for n, e in kinds
    )
    vectors, positions = (
        "\n".join(f"<v> {' '.join(f'{x:.9f}' for x in row)} </v>" for row in rows)
        for rows in (output.lattice, output.positions)
    )
    steps = "\n".join(16 * ["<scstep><energy><i name='e_0_energy'> -396.06408736 </i></energy></scstep>"])
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
<generator><i name="program" type="string">vasp </i><i name="version" type="string">6.4.2  </i></generator>
<incar>
<i type="int" name="ICORELEVEL"> 2</i><i type="int" name="CLNT"> 1</i><i type="int" name="CLN"> 1</i>
<i type="int" name="CLL"> 0</i><i name="CLZ"> 1.00</i>
</incar>
<atominfo><array name="atomtypes"><set>
{types}
</set></array></atominfo>
<calculation>
{steps}
<structure><crystal><varray name="basis">
{vectors}
</varray></crystal><varray name="positions">
{positions}
</varray></structure>
<dielectricfunction><imag><array><set>
{table}
</set></array></imag></dielectricfunction>
<dos><i name="efermi"> 3.6656 </i></dos>
</calculation>
</modeling>
"""


@pytest.fixture
def xml_folder(run_folder: Path) -> Path:
    (run_folder / "vasprun.xml").write_text(vasprun(run_folder / "OUTCAR"))
    (run_folder / "OUTCAR").unlink()
    return run_folder


def test_vasprun_counts_from_the_highest_occupied_level(xml_folder: Path, data: Path, sulfur: Absorber) -> None:
    outcome = parse(xml_folder, sulfur)
    spectrum = outcome.spectrum
    assert spectrum is not None
    assert (outcome.status, outcome.code_version, outcome.output_files) == (
        Status.CONVERGED,
        "VASP 6.4.2",
        ("vasprun.xml",),
    )
    assert spectrum.energy_reference is EnergyReference.FERMI
    assert spectrum.reference_energy is None
    first = spectrum.energy[np.flatnonzero(spectrum.intensity)[0]]
    assert 0 <= first < 0.2856


def test_a_vasprun_cut_off_anywhere_is_no_spectrum(xml_folder: Path, sulfur: Absorber) -> None:
    path = xml_folder / "vasprun.xml"
    lines = path.read_text().splitlines(keepends=True)
    for n in range(len(lines)):
        for cut in (lines[:n], [*lines[:n], lines[n][: len(lines[n]) // 2]]):
            path.write_text("".join(cut))
            refusal(xml_folder, sulfur)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("vasp </i>", "wien2k </i>", "not a vasprun.xml of VASP"),
        ("<r> -", "<r> NaN -", "expected an energy and 6 elements"),
        ("</dielectricfunction>", "</dielectricfunction><dielectricfunction/>", "holds 2 dielectric functions"),
        ('name="CLN"> 1', 'name="CLN"> **', "could not convert string to float"),
        ("<modeling>", '<!DOCTYPE x [<!ENTITY a "b">]><modeling>', "declares a document type"),
    ],
)
def test_a_damaged_vasprun_is_refused(xml_folder: Path, sulfur: Absorber, old: str, new: str, words: str) -> None:
    edit(xml_folder / "vasprun.xml", lambda text: text.replace(old, new, 1))
    assert words in refusal(xml_folder, sulfur)


def write_vaspout(folder: Path, content: Mapping[str, Any]) -> None:
    with h5py.File(folder / "vaspout.h5", "w") as file:
        for name, value in content.items():
            file[name] = value


@pytest.fixture
def h5_content(run_folder: Path) -> dict[str, Any]:
    """What a vaspout.h5 beside the OUTCAR would hold, dataset by dataset."""
    output = read_outcar(run_folder / "OUTCAR")
    assert output.tensor is not None
    values = np.zeros((3, 3, output.tensor.energy.size, 2))
    for i in range(3):
        values[i, i, :, 1] = output.tensor.values[i]
    return {
        "version/major": 6,
        "version/minor": 5,
        "version/patch": 1,
        "results/electron_dos/efermi": 3.6656,
        **{f"input/incar/{tag}": value for tag, value in {"ICORELEVEL": 2, "CLNT": 1, "CLN": 1, "CLL": 0}.items()},
        "results/positions/ion_types": np.array([b"S ", b"Li", b"P ", b"S "]),
        "results/positions/number_ion_types": np.array(output.counts),
        "results/positions/lattice_vectors": output.lattice,
        "results/positions/position_ions": output.positions,
        "intermediate/ion_dynamics/electronic_step_converged": np.array([0]),
        "intermediate/ion_dynamics/oszicar": np.zeros((16, 7)),
        "results/linear_response/XAS_energies_dielectric_function": output.tensor.energy,
        "results/linear_response/XAS_dielectric_function": values,
    }


@pytest.fixture
def h5_folder(run_folder: Path, h5_content: dict[str, Any]) -> Path:
    write_vaspout(run_folder, h5_content)
    return run_folder


def test_vaspout_counts_from_the_core_level_like_the_outcar(h5_folder: Path, sulfur: Absorber) -> None:
    expected = parse(h5_folder, sulfur).spectrum
    (h5_folder / "OUTCAR").unlink()
    outcome = parse(h5_folder, sulfur)
    assert (outcome.status, outcome.code_version, outcome.output_files) == (
        Status.CONVERGED,
        "VASP 6.5.1",
        ("vaspout.h5",),
    )
    assert outcome.spectrum is not None and expected is not None
    assert outcome.spectrum.energy_reference is EnergyReference.CORE_LEVEL
    assert np.array_equal(outcome.spectrum.components, expected.components)


def test_a_vaspout_without_its_parts_is_refused(h5_folder: Path, h5_content: dict[str, Any], sulfur: Absorber) -> None:
    (h5_folder / "OUTCAR").unlink()
    for name in ("results/linear_response/XAS_dielectric_function", "results/positions/number_ion_types"):
        write_vaspout(h5_folder, {key: value for key, value in h5_content.items() if key != name})
        assert f"has no {name}" in refusal(h5_folder, sulfur)
    write_vaspout(h5_folder, {key: value for key, value in h5_content.items() if key != "version/minor"})
    assert "lacks a part ('version/minor')" in refusal(h5_folder, sulfur)
    write_vaspout(h5_folder, {**h5_content, "intermediate/ion_dynamics/electronic_step_converged": np.array([1])})
    assert parse(h5_folder, sulfur).status is Status.UNCONVERGED


def test_a_vaspout_that_is_cut_off_is_refused(h5_folder: Path, sulfur: Absorber) -> None:
    (h5_folder / "OUTCAR").unlink()
    path = h5_folder / "vaspout.h5"
    path.write_bytes(path.read_bytes()[:2000])
    assert "is no whole HDF5 file (OSError: Unable to" in refusal(h5_folder, sulfur)


def test_a_vaspout_without_h5py_names_the_package(
    run_folder: Path, sulfur: Absorber, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_folder / "OUTCAR").rename(run_folder / "vaspout.h5")
    monkeypatch.setattr("whiteline.calculators.vasp.vaspout.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="pip install h5py"):
        parse(run_folder, sulfur)


def test_an_empty_folder_and_the_output_of_another_code_are_refused(
    tmp_path: Path, data: Path, sulfur: Absorber
) -> None:
    assert "VASP did not start" in refusal(tmp_path, sulfur)
    (tmp_path / "OUTCAR").write_bytes((data / "feff" / "mp-1203" / "xmu.dat").read_bytes())
    assert "not an OUTCAR of VASP" in refusal(tmp_path, sulfur)
