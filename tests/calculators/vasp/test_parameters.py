"""Presets, potentials and core levels: published numbers, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from monty.serialization import loadfn

from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.calculators.vasp.levels import core_level
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.potentials import RECOMMENDED, VALENCE, PotcarLibrary, potential_symbols, read_potcars
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError, ParameterError


def test_valences_are_those_that_pymatgen_read_from_the_files() -> None:
    statistics = loadfn(str(files("pymatgen.io.vasp") / "potcar-summary-stats.json.bz2"))
    for release in ("PBE_54", "PBE_64", "LDA_54"):
        known = {entry["symbol"]: entry["ZVAL"] for found in statistics[release].values() for entry in found}
        shared = VALENCE.keys() & known.keys()
        assert len(shared) > 120
        assert {symbol: VALENCE[symbol] for symbol in shared} == {symbol: known[symbol] for symbol in shared}


def test_the_recommended_potentials_are_those_of_the_manual() -> None:
    expected = {
        "Ti": "Ti_sv_GW",
        "O": "O_GW",
        "Cu": "Cu_sv_GW",
        "S": "S_GW",
        "Ga": "Ga_d_GW",
        "Te": "Te_GW",
        "Mn": "Mn_sv_GW",
    }
    assert {element: RECOMMENDED[element] for element in expected} == expected


def test_the_absorber_gets_a_potential_that_keeps_the_level_in_its_core() -> None:
    def symbols(element: str, edge: Edge) -> list[str]:
        return potential_symbols(
            [element, "O", element], VaspParameters(), absorber=element, n_core=core_level(edge).n_core
        )

    assert symbols("Li", Edge.K) == ["Li_GW", "O_GW", "Li_GW"]
    assert symbols("Mg", Edge.L23) == ["Mg_GW", "O_GW", "Mg_GW"]
    assert symbols("Ti", Edge.L23) == ["Ti_sv_GW", "O_GW", "Ti_sv_GW"]


def test_core_levels_are_numbered_as_vasp_does() -> None:
    assert [tuple(core_level(edge))[:2] for edge in (Edge.K, Edge.L1, Edge.L23)] == [(1, 0), (2, 0), (2, 1)]


@pytest.mark.parametrize(
    ("edge", "words"), [(Edge.L3, "ask for the edge L23"), (Edge.L2, "L23"), (Edge.M45, "its edges are K, L1, L23")]
)
def test_edges_that_vasp_does_not_split_are_refused(edge: Edge, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        core_level(edge)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"incar": {"nbands": 12}}, "NBANDS is written from other parameters"),
        ({"site_alignment": "total_energy", "excited_electron": "removed"}, "needs excited_electron"),
        ({"ch_nedos": 10}, "ch_nedos"),
        ({"hubbard_u": {"fe": 5.3}}, "expected chemical symbols such as Fe, got 'fe'"),
        ({"hubbard_u_with": ("Ox",)}, "expected chemical symbols"),
        ({"moments": {"Fe3": 4.0}}, "expected species"),
        ({"potcars": {"Ti": "Ti_sv/../x"}}, "symbols of potentials"),
        ({"incar": {"KPAR": "2; ENCUT = 100"}}, "values of one line each"),
        ({"incar": {"KPAR = 2\nENCUT": 100}}, "values of one line each"),
        ({"suprcell_distance": 9}, "did you mean 'supercell_distance'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        build_parameters(VaspParameters, values)


def test_lightshows_published_set_has_its_numbers() -> None:
    preset = build_parameters(VaspParameters, load_preset("vasp", "published:lightshow"))
    assert preset.kpoints_length == pytest.approx(32 * BOHR, rel=1e-6)
    assert preset.kpoints_longest == pytest.approx(50 * BOHR, rel=1e-6)
    assert (preset.nbands_rule, preset.band_energy, preset.ch_nedos, preset.ch_sigma) == ("lightshow", 40, 40000, 0.05)
    assert (preset.algo, preset.prec, preset.ediff, preset.nelm, preset.sigma) == (
        "Normal",
        "Accurate",
        1e-5,
        200,
        0.05,
    )
    assert (preset.lreal, preset.symprec, preset.encut, preset.core_hole) == ("Auto", 1e-5, "potcar", "full")
    assert preset.incar == {"EDIFFG": -0.01, "KPAR": 1, "LCHARG": False, "LWAVE": False, "NCORE": 1, "NSIM": 16}
    assert preset.hubbard_u == {"Co": 3.32, "Cr": 3.7, "Fe": 5.3, "Mn": 3.9, "Mo": 4.38, "Ni": 6.2, "V": 3.25, "W": 6.2}
    assert preset.ground_state_incar["NELMIN"] == 6


def test_the_benchmarks_rules_have_its_numbers() -> None:
    preset = build_parameters(VaspParameters, load_preset("vasp", "published:ti-o-10"))
    assert (preset.cell, preset.supercell_distance, preset.kpoints_length) == ("axis_length", 9.0, 23.813)
    assert preset.band_energy == pytest.approx(2.25 * 13.605693122990)


def test_a_potential_of_another_functional_or_element_is_refused(
    tmp_path: Path, potcars: Path, potcar_text: Callable[..., str]
) -> None:
    folder = potcars / "POT_GGA_PAW_PBE_54"
    (folder / "POTCAR.Ti_sv_GW").write_text(potcar_text("Ti_sv_GW", exchange="CA"))
    (folder / "POTCAR.O_GW").write_text(potcar_text("S_GW"))
    library = PotcarLibrary(potcars, "PBE_54")
    with pytest.raises(ParameterError, match="LEXCH = CA, expected PE"):
        library.read("Ti_sv_GW")
    with pytest.raises(ParameterError, match=r"holds 'PAW_PBE S_GW 01Jan2000', expected O_GW"):
        library.read("O_GW")
    with pytest.raises(MissingDependencyError, match=r"no POTCAR of Zn_sv_GW in .*WHITELINE_VASP_POTCARS"):
        library.read("Zn_sv_GW")


def test_a_potential_that_is_replaced_is_read_again(potcars: Path, potcar_text: Callable[..., str]) -> None:
    library, path = PotcarLibrary(potcars, "PBE_54"), potcars / "POT_GGA_PAW_PBE_54" / "POTCAR.O_GW"
    before = library.read("O_GW").checksum
    path.write_text(potcar_text("O_GW").replace("   1.0", "   2.0"))
    os.utime(path, ns=(1, 1))
    assert library.read("O_GW").checksum != before


def test_packed_potentials_in_folders_of_their_own_are_found(tmp_path: Path, potcar_text: Callable[..., str]) -> None:
    import gzip

    folder = tmp_path / "POT_PAW_PBE_64" / "Zn_sv_GW"
    folder.mkdir(parents=True)
    (folder / "POTCAR.gz").write_bytes(gzip.compress(potcar_text("Zn_sv_GW").encode()))
    potcar = PotcarLibrary(tmp_path, "PBE_64").read("Zn_sv_GW")
    assert (potcar.element, potcar.valence, potcar.exchange) == ("Zn", 20.0, "PE")


def test_a_potcar_that_is_cut_off_is_refused_at_every_line(potcar_text: Callable[..., str]) -> None:
    lines = (potcar_text("O_GW") + potcar_text("Ti_sv_GW")).splitlines(keepends=True)
    assert [p.symbol for p in read_potcars("".join(lines), source="POTCAR")] == ["O_GW", "Ti_sv_GW"]
    whole = len(lines) // 2
    for n in range(len(lines)):
        if n in (whole, len(lines)):
            continue
        with pytest.raises(ParameterError, match="POTCAR is no"):
            read_potcars("".join(lines[:n]), source="POTCAR")
