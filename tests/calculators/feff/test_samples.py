"""No stored table of FEFF, cut off at any line or inside one, is taken for a spectrum."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffParameters
from whiteline.calculators.feff.eels import read_eels
from whiteline.calculators.feff.parse import parse_run
from whiteline.calculators.feff.spectra import spectrum_from_eels
from whiteline.calculators.feff.xmu import XmuTable, read_xmu
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.spectrum import Quantity

DATA = Path(__file__).parents[2] / "data" / "feff"
TABLES = sorted(p.relative_to(DATA).as_posix() for p in DATA.rglob("*xmu.dat"))
ABSORPTION = [name for name in TABLES if not name.startswith("NRIXS")]


def cuts(text: str) -> list[str]:
    """Return the text up to the end of every line but the last, and up to the middle of every line."""
    lines = text.splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]
    return [text[:start] for start in starts[:-1]] + [
        text[: start + len(line) // 2] for start, line in zip(starts, lines, strict=False)
    ]


def absorber_of(table: XmuTable) -> Absorber:
    element = Element.from_Z(table.atomic_number).symbol
    return Absorber(Structure(Lattice.cubic(3.0), [element], [[0, 0, 0]]), 0, Edge(table.shell))


def write_mesh(directory: Path, table: XmuTable) -> None:
    rows = [f"{i:5d} {e:20.10f} {k:20.10f}" for i, (_, e, k, *_) in enumerate(table.data.tolist(), start=1)]
    (directory / "emesh.dat").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("name", ABSORPTION)
def test_a_table_beside_its_mesh_gives_a_spectrum_only_when_it_is_whole(name: str, tmp_path: Path) -> None:
    table = read_xmu(DATA / name)
    absorber, parameters = absorber_of(table), FeffParameters(scf_radius=None)
    write_mesh(tmp_path, table)
    text = (DATA / name).read_text()
    for part in cuts(text):
        (tmp_path / "xmu.dat").write_text(part)
        with pytest.raises(ParseError, match=r"xmu\.dat"):
            parse_run(tmp_path, absorber, parameters)
    (tmp_path / "xmu.dat").write_text(text)
    assert parse_run(tmp_path, absorber, parameters).spectrum is not None


@pytest.mark.parametrize("name", ABSORPTION)
def test_a_table_without_a_mesh_is_measured_against_the_grid_that_was_asked_for(name: str, tmp_path: Path) -> None:
    table = read_xmu(DATA / name)
    top, step = float(table.data[-1, 2]), float(table.data[-1, 2] - table.data[-2, 2])
    grid = ({"kind": "k_grid", "start": 0, "stop": top + 1e-6, "step": step},)
    parameters = FeffParameters.model_validate({"scf_radius": None, "energy_grid": grid})
    text = (DATA / name).read_text()
    (tmp_path / "xmu.dat").write_text(text)
    assert parse_run(tmp_path, absorber_of(table), parameters).spectrum is not None
    for part in cuts(text)[-40:]:
        (tmp_path / "xmu.dat").write_text(part)
        with pytest.raises(ParseError, match=r"xmu\.dat"):
            parse_run(tmp_path, absorber_of(table), parameters)


@pytest.mark.parametrize("name", ["NRIXS/GeCl_4/referencexmu.dat", "NRIXS/MgB2/referencexmu.dat"])
def test_a_table_of_inelastic_scattering_is_read_and_is_no_absorption_spectrum(name: str, tmp_path: Path) -> None:
    table = read_xmu(DATA / name)
    assert table.columns[3].startswith("S(q")
    write_mesh(tmp_path, table)
    (tmp_path / "xmu.dat").write_text((DATA / name).read_text())
    with pytest.raises(ParseError, match="expected an absorption spectrum"):
        parse_run(tmp_path, absorber_of(table), FeffParameters(scf_radius=None))


@pytest.fixture
def eels_axis(data: Path) -> XmuTable:
    """The table whose energies are those of FEFF's energy-loss example, which keeps no xmu.dat."""
    stored = read_eels(data / "feff" / "ELNES" / "Cu" / "reference_eels.dat")
    whole = read_xmu(data / "feff" / "XANES" / "Cu" / "referencexmu.dat")
    return replace(whole, data=np.concatenate([stored.data[:, :1], stored.data[:, :5]], axis=1))


def test_the_energy_loss_of_fefs_example_is_read(data: Path, eels_axis: XmuTable) -> None:
    table = read_eels(data / "feff" / "ELNES" / "Cu" / "reference_eels.dat")
    assert (table.beam_energy, table.beam_direction, table.collection_angle) == (300.0, (0.0, 1.0, 0.0), 2.4)
    assert (table.is_relativistic, table.has_cross_terms, table.data.shape) == (True, True, (63, 13))
    # The nine elements make up the total, printed with six digits each.
    assert np.allclose(table.data[:, 4:].sum(axis=1), table.data[:, 1], rtol=1e-5)
    spectrum = spectrum_from_eels(table, eels_axis)
    assert (spectrum.quantity, spectrum.polarisations[0].label) == (Quantity.ENERGY_LOSS, "beam 0 1 0")
    # The header: multiply by 28 to get Mbarn / eV.
    assert spectrum.to_absolute().intensity == pytest.approx(28.00 * table.data[:, 1], rel=2e-4)


def test_an_energy_loss_cut_off_anywhere_is_never_a_spectrum(data: Path, eels_axis: XmuTable, tmp_path: Path) -> None:
    text = (data / "feff" / "ELNES" / "Cu" / "reference_eels.dat").read_text()
    path = tmp_path / "eels.dat"
    for part in cuts(text):
        path.write_text(part)
        with pytest.raises(ParseError, match=r"eels\.dat"):
            spectrum_from_eels(read_eels(path), eels_axis)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 300, b"1 2 3 4\n", b"# Cu FEFF 10.0.0\n 1 2 3 4 5 6\n"])
def test_what_is_no_energy_loss_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "eels.dat").write_bytes(content)
    with pytest.raises(ParseError, match=r"eels.dat is not an eels.dat of FEFF"):
        read_eels(tmp_path / "eels.dat")


@pytest.mark.parametrize("word", ["NaN", "*************", "0x1F"])
def test_a_damaged_number_of_an_energy_loss_is_refused_by_its_line(data: Path, tmp_path: Path, word: str) -> None:
    text = (data / "feff" / "ELNES" / "Cu" / "reference_eels.dat").read_text()
    (tmp_path / "eels.dat").write_text(text.replace("0.146291E-12", word))
    with pytest.raises(ParseError, match=r"eels.dat, line 14"):
        read_eels(tmp_path / "eels.dat")
