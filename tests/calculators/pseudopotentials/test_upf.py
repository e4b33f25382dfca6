from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from whiteline.calculators.pseudopotentials.core_hole import CoreHole
from whiteline.calculators.pseudopotentials.orbitals import (
    core_wavefunction,
    projector_independence,
    read_core_orbitals,
)
from whiteline.calculators.pseudopotentials.upf import Kind, read_element, read_upf
from whiteline.errors import ParseError

GROUND, EXCITED, VERSION_1 = "O.pbe-gipaw.UPF", "O.star1s.pbe-gipaw.UPF", "O-version1.UPF"


def test_the_header_of_version_2_is_read_whole(samples: Path) -> None:
    found = read_upf(samples / GROUND)
    assert (found.upf_version, found.element, found.kind, found.functional) == (2, "O", Kind.ULTRASOFT, "PBE")
    assert (found.z_valence, found.relativity, found.n_mesh) == (6.0, "scalar", 44)
    assert found.wavefunction_cutoff_ry == pytest.approx(41.6319, abs=1e-4)
    assert found.density_cutoff_ry == pytest.approx(210.7697, abs=1e-4)


def test_versions_1_and_2_of_the_same_data_say_the_same(samples: Path) -> None:
    old, new = read_upf(samples / VERSION_1), read_upf(samples / EXCITED)
    assert old.upf_version == 1
    for name in ("element", "kind", "functional", "relativity", "z_valence", "n_mesh", "gipaw_projectors", "core_hole"):
        assert getattr(old, name) == getattr(new, name), name


def test_gipaw_projectors_and_core_levels_are_counted_and_valence_states_left_out(samples: Path) -> None:
    found = read_upf(samples / GROUND)
    assert found.gipaw_projectors == {0: 2, 1: 2}
    # The file lists 2s among the core orbitals too: a habit of ld1.x where a valence state has two projectors.
    assert "PP_GIPAW_CORE_ORBITAL.2" in (samples / GROUND).read_text()
    assert found.core_levels == ("1s",)


def test_the_ground_state_has_no_core_hole_and_is_known_to_have_none(samples: Path) -> None:
    found = read_upf(samples / GROUND)
    assert (found.core_hole, found.missing_core_electrons, found.has_core_hole) == (None, 0.0, False)


@pytest.mark.parametrize(
    ("old", "new", "hole"),
    [
        ("", "", CoreHole("1s", 1.0)),
        ("config='1s1 ", "config='1s1.5 ", CoreHole("1s", 0.5)),
    ],
)
def test_the_configuration_tells_level_and_size_of_the_hole(
    samples: Path, tmp_path: Path, old: str, new: str, hole: CoreHole
) -> None:
    path = tmp_path / "O.UPF"
    path.write_text((samples / EXCITED).read_text().replace(old, new))
    assert read_upf(path).core_hole == hole


def test_without_a_configuration_the_valence_charge_tells_the_hole(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "O.UPF"
    text = (samples / VERSION_1).read_text()
    assert "config" not in text
    path.write_text(text.replace("7.00000000000      Z valence", "6.50000000000      Z valence"))
    assert read_upf(path).core_hole == CoreHole("1s", 0.5)


def test_without_core_orbitals_the_name_is_the_last_resort(samples: Path, tmp_path: Path) -> None:
    text = (samples / VERSION_1).read_text().partition("<PP_GIPAW_RECONSTRUCTION_DATA>")[0]
    named, unnamed = tmp_path / "O.half1s.pbe.UPF", tmp_path / "O.UPF"
    named.write_text(text)
    unnamed.write_text(text)
    assert read_upf(named).core_hole == CoreHole("1s", 0.5)
    assert (read_upf(unnamed).core_hole, read_upf(unnamed).missing_core_electrons) == (None, None)


def test_a_gzipped_file_reads_like_the_plain_one(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "O.UPF.gz"
    path.write_bytes(gzip.compress((samples / GROUND).read_bytes()))
    assert read_upf(path).gipaw_projectors == {0: 2, 1: 2}
    assert read_element(path) == "O"


@pytest.mark.parametrize("name", [GROUND, EXCITED])
def test_version_2_cut_off_after_any_line_is_refused(samples: Path, tmp_path: Path, name: str) -> None:
    lines = (samples / name).read_text().splitlines(keepends=True)
    path = tmp_path / "O.UPF"
    for n_lines in range(len(lines)):
        path.write_text("".join(lines[:n_lines]))
        with pytest.raises(ParseError, match=r"O\.UPF"):
            read_upf(path)


def test_version_1_cut_off_inside_a_section_is_refused(samples: Path, tmp_path: Path) -> None:
    lines = (samples / VERSION_1).read_text().splitlines(keepends=True)
    path = tmp_path / "O.UPF"
    first = next(i for i, line in enumerate(lines) if "</PP_RHOATOM>" in line)
    begins = next(i for i, line in enumerate(lines) if "<PP_GIPAW_RECONSTRUCTION_DATA>" in line)
    ends = next(i for i, line in enumerate(lines) if "</PP_GIPAW_RECONSTRUCTION_DATA>" in line)
    for n_lines in [*range(first), *range(begins + 1, ends)]:
        path.write_text("".join(lines[:n_lines]))
        with pytest.raises(ParseError):
            read_upf(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('element=" O"', 'element="Qq"', "expected a chemical symbol"),
        ('z_valence="6', 'z_valence="six', "expected a number"),
        ('pseudo_type="USPP"', 'pseudo_type="magic"', "expected NC, US, USPP or PAW"),
        ("<PP_HEADER", "<PP_FOOTER", "PP_HEADER"),
    ],
)
def test_a_damaged_header_is_refused_with_the_reason(
    samples: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "O.UPF"
    path.write_text((samples / GROUND).read_text().replace(old, new))
    with pytest.raises(ParseError, match=message):
        read_upf(path)


def test_a_file_that_is_not_there_or_not_gzipped_is_a_parse_error(tmp_path: Path) -> None:
    fake = tmp_path / "O.UPF.gz"
    fake.write_bytes(b"plain text")
    for path in (fake, tmp_path / "nothing.UPF"):
        with pytest.raises(ParseError, match="cannot be read"):
            read_upf(path)
        with pytest.raises(ParseError, match="cannot be read"):
            read_element(path)


def test_the_core_wavefunction_is_normalised_and_on_the_mesh(samples: Path) -> None:
    (orbital,) = read_core_orbitals(read_upf(samples / GROUND))
    r, u = orbital.radius, orbital.wavefunction
    norm = float(((u[1:] ** 2 + u[:-1] ** 2) / 2 * (r[1:] - r[:-1])).sum())
    assert orbital.level == "1s"
    # Trapezoids on a mesh thinned to 44 points, each 31 % further out than the one before.
    assert norm == pytest.approx(1.0, abs=0.08)


def test_the_text_for_xspectra_has_a_header_and_the_whole_mesh(samples: Path) -> None:
    lines = core_wavefunction(read_upf(samples / GROUND)).splitlines()
    assert lines[0] == "# number of core states 1 =  1 0; "
    assert len(lines) == 1 + 44 + 1
    assert lines[-1] == ""
    assert [float(x) for x in lines[1].split()] == pytest.approx([1.139852456943145e-04, 4.9e-03], rel=0.1)


def test_a_core_orbital_that_lost_a_value_is_refused_when_it_is_read(samples: Path, tmp_path: Path) -> None:
    head, tag, rest = (samples / GROUND).read_text().partition("<PP_GIPAW_CORE_ORBITAL.1")
    first, newline, values = rest.partition(">\n")
    path = tmp_path / "O.UPF"
    path.write_text(head + tag + first + newline + values.split(maxsplit=1)[1])
    with pytest.raises(ParseError, match="43 values, expected 44"):
        core_wavefunction(read_upf(path))


def test_a_file_without_core_orbitals_gives_no_core_wavefunction(samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "O.UPF"
    path.write_text((samples / VERSION_1).read_text().partition("<PP_GIPAW_RECONSTRUCTION_DATA>")[0])
    with pytest.raises(ParseError, match="whiteline pseudo make O"):
        core_wavefunction(read_upf(path))


def test_equal_or_missing_partial_waves_are_not_independent_and_different_ones_are(
    samples: Path, tmp_path: Path
) -> None:
    text = (samples / GROUND).read_text()
    path = tmp_path / "O.UPF"
    waves = re.findall(r"<PP_GIPAW_WFS_AE[^>]*>(.*?)</PP_GIPAW_WFS_AE>", text, re.DOTALL)
    path.write_text(text.replace(waves[3], waves[2]))  # 3p is 2p
    found = projector_independence(read_upf(path), radius=1.6)
    assert found[0] > 0.01
    assert found[1] == pytest.approx(0.0, abs=1e-12)
    path.write_text(text.replace(waves[3], re.sub(r"\d\.\d+E[+-]\d+", "0.0", waves[3])))
    assert projector_independence(read_upf(path), radius=1.6)[1] == pytest.approx(0.0, abs=1e-12)
