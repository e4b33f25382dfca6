from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from whiteline.database.measured import read_measured
from whiteline.edges import Edge
from whiteline.errors import ParseError

from .conftest import DATA, WriteFile

HEADER = [
    "# XDI/1.0 Test/1.0",
    "# Column.1: energy eV",
    "# Column.2: mutrans",
    "# Element.symbol: Cu",
    "# Element.edge: K",
]


@pytest.mark.parametrize(
    ("name", "absorber", "signal", "formula", "n_energy"),
    [
        ("cu_metal_rt.xdi", ("Cu", "K"), "transmission", "mutrans", 408),
        ("V2O3.xdi", ("V", "K"), "transmission", "ln(i0/itrans)", 517),
        ("CaSO4_rt_01.xdi", ("S", "K"), "fluorescence", "ifluor/i0", 229),
        ("SrO_rt_01.xdi", ("Sr", "K"), "transmission", "mutrans", 331),
    ],
)
def test_real_files_of_every_layout_are_read_whole(
    name: str, absorber: tuple[str, str], signal: str, formula: str, n_energy: int
) -> None:
    measured = read_measured(DATA / name)
    assert (measured.element, measured.edge) == absorber
    assert (measured.signal, measured.derivation, len(measured.energy)) == (signal, formula, n_energy)


def test_mu_made_here_is_the_mu_that_the_beamline_made() -> None:
    made = read_measured(DATA / "cu_metal_rt.xdi", columns=["energy", "i0", "itrans", "-"])
    # The file prints mu with seven decimals, and intensities with one.
    np.testing.assert_allclose(made.mu, read_measured(DATA / "cu_metal_rt.xdi").mu, atol=1e-5)


def test_a_file_with_several_signals_gives_the_one_asked_for_and_names_the_others() -> None:
    assert read_measured(DATA / "SrO_rt_01.xdi", signal="fluorescence").derivation == "mufluor"
    assert "fluorescence, reference" in read_measured(DATA / "SrO_rt_01.xdi").notes[0]
    with pytest.raises(ParseError, match="no fluorescence in the columns energy, counttime, i0, itrans"):
        read_measured(DATA / "V2O3.xdi", signal="fluorescence")


def test_metadata_and_comments_are_kept_apart() -> None:
    metadata = read_measured(DATA / "cu_metal_rt.xdi").metadata
    assert metadata["detector.i0"] == "10cm  N2"
    assert not any("Room Temperature" in value for value in metadata.values())


def test_angles_become_energies_by_braggs_law(write: WriteFile) -> None:
    angles = np.linspace(12.9, 12.5, 21)
    rows = [f"{angle:.6f} {i}" for i, angle in enumerate(angles)]
    header = ["# XDI/1.0", "# Column.1: angle degrees", "# Column.2: mutrans", "# Mono.d_spacing: 3.13553 A"]
    energy = read_measured(write("angle.xdi", [*header, *rows])).energy
    # h c = 12398.42 eV A, to its last digit; angles have six decimals.
    np.testing.assert_allclose(energy, 12398.42 / (2 * 3.13553 * np.sin(np.deg2rad(angles))), rtol=1e-6)
    with pytest.raises(ParseError, match=r"Mono\.d_spacing"):
        read_measured(write("angle.xdi", [*header[:3], *rows]))


def test_what_whiteline_exports_reads_back(write: WriteFile) -> None:
    header = ["# XDI/1.0 Whiteline/0.1.0", "# Column.1: energy eV", "# Column.2: intensity", "# Element.symbol: Ti"]
    rows = [f"{4960 + i} {i}.25" for i in range(9)]
    measured = read_measured(write("x.xdi", [*header, "# Element.edge: L", "# Whiteline.edge: L23", "# ///", *rows]))
    assert (measured.edge, measured.mu[3]) == (Edge.L23, 3.25)
    header[1] = "# Column.1: energy eV (from fermi, absolute energy unknown)"
    with pytest.raises(ParseError, match="expected photon energies in eV or keV"):
        read_measured(write("x.xdi", [*header, *rows]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("# XDI/2.0", r"line 6: expected XDI 1\.x"),
        ("# Column.x: mufluor", r"line 6: expected Column\.N"),
        ("# Column.2: i0", r"line 6: Column\.2 is 'i0' here and 'mutrans' above"),
        ("# Column.4: i0", r"Column\.4 and no Column\.3"),
        ("# Column.3: i0", "names 3 columns .* rows have 2"),
        ("# Element.symbol: Fe", "line 6: element.symbol is 'Fe' here and 'Cu' on line 4"),
        ("# Element.edge K", "line 6: expected `# Namespace.tag: value`"),
        ("# Mono.d_spacing: 31355", "line 6: expected a d-spacing of some"),
    ],
)
def test_a_damaged_header_is_refused_with_its_line(write: WriteFile, line: str, message: str) -> None:
    rows = [f"{8979 + i} {i}" for i in range(9)]
    with pytest.raises(ParseError, match=message):
        read_measured(write("bad.xdi", [*HEADER, line, *rows]))


def test_an_unknown_element_is_refused_and_an_unknown_edge_noted(write: WriteFile) -> None:
    rows = [f"{8979 + i} {i}" for i in range(9)]
    with pytest.raises(ParseError, match="line 4: no edges of 'Xx'"):
        read_measured(write("x.xdi", [line.replace("Cu", "Xx") for line in HEADER] + rows))
    measured = read_measured(write("x.xdi", [line.replace("edge: K", "edge: N5") for line in HEADER] + rows))
    assert (measured.edge, measured.notes) == (None, ("'N5' is no edge that Whiteline knows",))


@pytest.mark.parametrize("length", range(200, 20000, 1501))
def test_a_file_cut_anywhere_is_refused_or_read_up_to_the_cut(tmp_path: Path, length: int) -> None:
    whole = read_measured(DATA / "cu_metal_rt.xdi")
    path = tmp_path / "cut.xdi"
    path.write_bytes((DATA / "cu_metal_rt.xdi").read_bytes()[:length])
    try:
        part = read_measured(path)
    except ParseError as error:
        assert "cut.xdi" in str(error)
    else:
        # All but the last point, whose last digits may be missing; then a note says so.
        np.testing.assert_array_equal(part.mu[:-1], whole.mu[: len(part.mu) - 1])
        assert "no line end" in part.notes[-1]
