"""Every layout of xmu.dat is read, and no damaged one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.calculators.feff.spectra import spectrum_from_xmu
from whiteline.calculators.feff.xmu import read_xmu
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference, Quantity

# Path, version, absorber, norm, number of points, first and last photon energy: read off the files by eye.
LAYOUTS = [
    ("XANES/Cu/referencexmu.dat", "FEFF 9.1", 29, 2.4171e-4, 100, 9153.405),
    ("XANES/BN/referencexmu.dat", "FEFF 9.7.1", 5, 8.5786e-3, 62, 252.670),
    ("XANES/GeCl_4/referencexmu.dat", "FEFF 9.05", 32, 1.9926e-4, 100, 11212.013),
    ("EXAFS/Cu/referencexmu.dat", "FEFF 9.5.1", 29, 2.4822e-4, 400, 10512.440),
    ("EXAFS/Cu_SCF/referencexmu.dat", "FEFF 9.05", 29, 2.4748e-4, 401, 10512.440),
    ("EXAFS/GeCl_4/referencexmu.dat", "FEFF 9.7.1", 32, 1.8815e-4, 400, 12634.956),
    ("EXAFS/YBCO/referencexmu.dat", "FEFF 9.05", 29, 2.4454e-4, 401, 10527.929),
    ("HUBBARD/CeO2/referencexmu.dat", "FEFF 10.0.1", 8, 4.5713e-3, 100, 681.859),
    ("NRIXS/MgB2/referencexmu.dat", "FEFF 9.7.1", 5, None, 89, 254.854),
    ("EXAFS/SF6/referencexmu.dat", "FEFF 10.0", 16, 9.4225e-4, 401, 3992.440),
    ("HUBBARD/NiO/referencexmu.dat", "FEFF 10.0.1", 8, 4.6927e-3, 68, 597.272),
    ("NRIXS/GeCl_4/referencexmu.dat", "FEFF 9.5.1", 32, None, 100, 11212.013),
    ("mp-1203/xmu.dat", "FEFF 9.9.1", 22, 4.6805e-4, 173, 5109.125),
]
ABSORPTION = [layout[0] for layout in LAYOUTS if layout[3] is not None]


@pytest.mark.parametrize(("name", "version", "number", "norm", "n_points", "last"), LAYOUTS)
def test_every_layout_is_read(
    data: Path, name: str, version: str, number: int, norm: float | None, n_points: int, last: float
) -> None:
    table = read_xmu(data / "feff" / name)
    assert (table.version, table.atomic_number, table.shell) == (version, number, "K")
    assert table.norm == norm
    assert table.data.shape == (n_points, 6)
    assert table.data[-1, 0] == last


@pytest.mark.parametrize("name", ABSORPTION)
def test_the_edge_is_where_the_wave_number_is_zero(data: Path, name: str) -> None:
    # E = 3.80998 eV Å² k² above the threshold, where NiO has Vr = -1 eV and the EXAFS files have no point.
    table = read_xmu(data / "feff" / name)
    omega, k = table.data[-1, 0], table.data[-1, 2]
    # Energies are printed to 0.001 eV and the Fermi level to four digits: 0.005 eV for the largest, 12.96 eV.
    assert table.edge_energy == pytest.approx(omega - 3.80998 * k**2, abs=0.02)


@pytest.mark.parametrize("name", ABSORPTION)
def test_the_cross_section_is_mu_times_the_printed_norm_in_mbarn(data: Path, name: str) -> None:
    table = read_xmu(data / "feff" / name)
    spectrum = spectrum_from_xmu(table)
    assert table.norm is not None
    assert (spectrum.energy_reference, spectrum.quantity) == (EnergyReference.ABSOLUTE, Quantity.CROSS_SECTION)
    # 1 Å² is 100 Mbarn.
    assert spectrum.cross_section()[-1] == pytest.approx(100 * table.norm * table.data[-1, 3], rel=1e-12)


def test_the_width_on_record_is_the_core_hole_and_twice_the_imaginary_potential(data: Path) -> None:
    (record,) = spectrum_from_xmu(read_xmu(data / "feff" / "XANES" / "BN" / "referencexmu.dat")).broadening
    assert getattr(record.profile, "fwhm", None) == pytest.approx(0.06473 + 2 * 1.0)
    assert record.applied_by == "FEFF 9.7.1"


def test_inelastic_scattering_is_refused_as_an_absorption_spectrum(data: Path) -> None:
    table = read_xmu(data / "feff" / "NRIXS" / "GeCl_4" / "referencexmu.dat")
    with pytest.raises(ParseError, match=r"referencexmu.dat: expected an absorption spectrum .*got omega e k S\(qw\)"):
        spectrum_from_xmu(table)


def edit(data: Path, tmp_path: Path, change: Callable[[list[str]], None]) -> Path:
    """Return a copy of the GeCl4 reference with some of its lines changed; line 16 holds the names of the columns."""
    lines = (data / "feff" / "XANES" / "GeCl_4" / "referencexmu.dat").read_text().splitlines()
    change(lines)
    path = tmp_path / "xmu.dat"
    path.write_text("\n".join(lines) + "\n")
    return path


def set_word(line: int, column: int, word: str) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        words = lines[line - 1].split()
        words[column] = word
        lines[line - 1] = "  " + "  ".join(words)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_word(30, 3, "NaN"), "line 30: .*NaN"),
        (set_word(30, 3, "Infinity"), "line 30: .*infinity"),
        (set_word(40, 5, "***********"), r"line 40: expected 6 numbers, got .*\*\*"),
        (set_word(40, 5, "1.0 2.0"), "line 40: expected 6 numbers, got 7"),
        (set_word(50, 0, "11104.6"), "line 50: the energy goes back from .* to 11104.6 eV"),
        (set_word(50, 3, "0x1F"), "line 50: expected 6 numbers"),
        (lambda lines: lines.__setitem__(60, lines[60][:30]), "line 61: expected 6 numbers, got"),
    ],
)
def test_a_damaged_line_is_refused_by_file_and_number(
    data: Path, tmp_path: Path, change: Callable[[list[str]], None], words: str
) -> None:
    path = edit(data, tmp_path, change)
    with pytest.raises(ParseError, match=words) as caught:
        read_xmu(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("exponent", ["D-01", "d-01", "e-01"])
def test_the_exponents_of_fortran_are_numbers(data: Path, tmp_path: Path, exponent: str) -> None:
    path = edit(data, tmp_path, set_word(30, 3, f"7.5{exponent}"))
    assert read_xmu(path).data[30 - 17, 3] == 0.75


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("FEFF 9.05", "", "not an xmu.dat of FEFF"),
        ("Abs ", "    ", "not an xmu.dat of FEFF"),
        ("Gam_ch=", "Gamma: ", "no Gam_ch="),
        ("1.9926E-04", "0.0000E+00", "normalisation factor is 0.0000E[+]00, expected a positive"),
        ("omega    e", "        ", "no line with the names of its columns"),
    ],
)
def test_a_header_that_lacks_something_is_refused_by_its_name(
    data: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    def change(lines: list[str]) -> None:
        lines[:] = [line.replace(old, new) for line in lines]

    with pytest.raises(ParseError, match=words):
        read_xmu(edit(data, tmp_path, change))


@pytest.mark.parametrize("content", [b"", b"\n", b"\x00\xff" * 500, b"1 2 3 4 5 6\n", b"#\n#\n"])
def test_what_is_no_xmu_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "xmu.dat").write_bytes(content)
    with pytest.raises(ParseError, match=r"xmu.dat is not an xmu.dat of FEFF"):
        read_xmu(tmp_path / "xmu.dat")


def test_a_spectrum_of_zeros_is_refused(data: Path, tmp_path: Path) -> None:
    def change(lines: list[str]) -> None:
        for i in range(16, len(lines)):
            set_word(i + 1, 3, "0.0")(lines)

    with pytest.raises(ParseError, match="zero everywhere"):
        spectrum_from_xmu(read_xmu(edit(data, tmp_path, change)))


def test_neighbours_that_print_the_same_energy_become_one_point(data: Path, tmp_path: Path) -> None:
    def change(lines: list[str]) -> None:
        lines.insert(30, lines[30])

    path = edit(data, tmp_path, change)
    assert spectrum_from_xmu(read_xmu(path)).n_energy == 100
