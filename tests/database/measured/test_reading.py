from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from whiteline.database.measured import read_measured
from whiteline.errors import ParameterError, ParseError

from .conftest import WriteFile

ENERGY = [8970.0, 8975.0, 8978.0, 8979.5, 8981.0, 8985.0, 8990.0]
MU = [0.1, 0.1, 0.15, 0.6, 1.1, 1.0, 1.05]
PLAIN = [f"{e} {m}" for e, m in zip(ENERGY, MU, strict=True)]


@pytest.mark.parametrize(
    "lines",
    [
        PLAIN,
        ["# Athena data file", "# group: copper", "#-----", "#  e  xmu", *PLAIN],
        ["energy_ev,mu", *(line.replace(" ", ",") for line in PLAIN)],
        ['"Energy (keV)","mu(E)"', *(f"{e / 1000},{m}" for e, m in zip(ENERGY, MU, strict=True))],
        ["Energie;xmu", *(f"{e};{m}".replace(".", ",") for e, m in zip(ENERGY, MU, strict=True))],
        ["% energy\tabsorption", *(line.replace(" ", "\t") for line in PLAIN)],
        ["# Energy [eV]   mu", *PLAIN],
        ["# measured yesterday", *PLAIN],
    ],
    ids=["columns", "athena", "csv", "keV", "decimal commas", "tabs", "units in brackets", "prose"],
)
def test_every_layout_of_two_columns_gives_the_same_spectrum(write: WriteFile, lines: list[str]) -> None:
    measured = read_measured(write("scan.dat", lines))
    np.testing.assert_allclose(measured.energy, ENERGY, rtol=1e-12)
    np.testing.assert_allclose(measured.mu, MU, rtol=1e-12)


@pytest.mark.parametrize(
    ("names", "formula", "value"),
    [
        ("energy i0 it ir", "ln(i0/it)", np.log(2.0)),
        ("energy if i0 time", "if/i0", 0.5),
        ("e norm flat i0", "norm", 2.0),
    ],
)
def test_the_names_decide_how_mu_is_made(write: WriteFile, names: str, formula: str, value: float) -> None:
    rows = [f"{e} {2.0 + i / 10} {1.0 + i / 10} {4.0 + i / 10}" for i, e in enumerate(ENERGY)]
    if names.startswith("energy if"):
        rows = [f"{e} {0.5 + i / 10} {1.0 + i / 20} 1" for i, e in enumerate(ENERGY)]
    measured = read_measured(write("scan.dat", [f"# {names}", *rows]))
    assert (measured.derivation, measured.mu[0]) == (formula, pytest.approx(value))


def test_columns_named_by_the_user_replace_those_of_the_file(write: WriteFile) -> None:
    path = write("scan.dat", [f"{e / 1000} 7 {m} 3" for e, m in zip(ENERGY, MU, strict=True)])
    with pytest.raises(ParseError, match="the 4 columns have no names"):
        read_measured(path)
    measured = read_measured(path, columns=["energy_kev", "-", "mu", "-"])
    np.testing.assert_allclose(measured.energy, ENERGY, rtol=1e-12)
    with pytest.raises(ParseError, match=r"2 columns are named .* the file has 4"):
        read_measured(path, columns=["energy", "mu"])


def test_a_downward_scan_is_reversed_and_repeated_energies_are_averaged(write: WriteFile) -> None:
    measured = read_measured(write("down.dat", [*PLAIN, "8990.0 1.15"][::-1]))
    assert measured.mu[-1] == pytest.approx(1.1)
    assert any("reversed" in note for note in measured.notes)
    assert any("averaged" in note for note in measured.notes)


def test_an_encoders_jitter_is_sorted_and_a_second_scan_is_refused(write: WriteFile) -> None:
    fine = [f"{8970 + i / 2} {i}" for i in range(20)]
    jitter = [*fine[:8], "8974.4 9", *fine[9:]]
    jitter[9] = "8974.3 8"
    assert np.all(np.diff(read_measured(write("jitter.dat", jitter)).energy) > 0)
    with pytest.raises(ParseError, match=r"two\.dat, line 21: the energy goes down from 8979\.5 to 8970 eV"):
        read_measured(write("two.dat", [*fine, *fine]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*PLAIN[:4], "8985 nan", *PLAIN[5:]], "line 5: expected finite numbers"),
        ([*PLAIN[:4], "8985 inf", *PLAIN[5:]], "line 5: expected finite numbers"),
        ([*PLAIN[:4], "8985", *PLAIN[5:]], "line 5: expected 2 columns as on line 1, got 1"),
        ([*PLAIN[:4], "end of scan 1", *PLAIN[5:]], "line 5: expected 2 numbers"),
        (["# energy i0 it", *(f"{e} {i - 2} 5" for i, e in enumerate(ENERGY))], "line 2: i0/it = -2/5 gives no abs"),
        (["# energy if i0", *(f"{e} 3 {i - 2}" for i, e in enumerate(ENERGY))], "line 4: if/i0 = 3/0 gives no abs"),
        (["# energy it i1 i0", *(f"{e} 3 4 5" for e in ENERGY)], "'it' and 'i1' both mean itrans"),
        ([f"{e / 1000} {m}" for e, m in zip(ENERGY, MU, strict=True)], "they look like keV"),
        ([f"{e - 9000} {m}" for e, m in zip(ENERGY, MU, strict=True)], "they look like keV"),
        (["# energy mu", *(f"{e} 1.0" for e in ENERGY)], "mu is constant at 1"),
        ([*PLAIN[:4], "8985 1e200", *PLAIN[5:]], r"line 5: mu = 1e\+200 is no absorption"),
        (["# energy temperature pressure", *(f"{e} 1 2" for e in ENERGY)], "the 3 columns have no names"),
        ([str(e) for e in ENERGY], "expected photon energy and absorption, got one column"),
        (PLAIN[:3], "at least 5 rows, found 3"),
        (["once upon a time"] * 9, "found 0, it begins with 'once upon a time'"),
        (["8979 " * 9000], "line 1: the line has 45000 characters"),
        ([""], "is empty"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_place(write: WriteFile, lines: list[str], message: str) -> None:
    with pytest.raises(ParseError, match=message) as refused:
        read_measured(write("damaged.dat", lines))
    assert "damaged.dat" in str(refused.value)


def test_files_that_are_no_text_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "scan.prj"
    for content, message in (
        (gzip.compress(b"x"), "a gzip archive .*: export the group"),
        (b"8979 0.1\n\x00\x01\x02", "line 2: expected text, got binary data"),
        (b"\x89HDF\r\n", "an HDF5 or NeXus file"),
        (bytes(range(128, 256)) * 50, "found 0"),
    ):
        path.write_bytes(content)
        with pytest.raises(ParseError, match=message):
            read_measured(path)
    for place, message in ((tmp_path, "no regular file"), (tmp_path / "none.xdi", "no such file")):
        with pytest.raises(ParseError, match=message):
            read_measured(place)


def test_an_old_encoding_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "scan.dat"
    path.write_bytes("# d = 3.1356 Å, 20 °C\n".encode("latin-1") + "\r\n".join(PLAIN).encode())
    assert len(read_measured(path).energy) == len(ENERGY)
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(PLAIN).encode())
    assert read_measured(path).energy[0] == ENERGY[0]


def test_element_and_edge_of_a_free_header_are_read_and_nonsense_is_left_out(write: WriteFile) -> None:
    named = read_measured(write("named.dat", ["# absorber: cu", "# edge: K", *PLAIN]))
    assert (named.element, named.edge) == ("Cu", "K")
    odd = read_measured(write("odd.dat", ["# element: copper", "# edge: of the table", *PLAIN]))
    assert (odd.element, odd.edge) == (None, None)


def test_an_unknown_signal_is_refused_with_the_known_ones(write: WriteFile) -> None:
    with pytest.raises(ParameterError, match="unknown signal 'transmision': expected transmission"):
        read_measured(write("scan.dat", PLAIN), signal="transmision")
