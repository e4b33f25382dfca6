"""ocean.in and photon files must describe the crystal and the absorber that were asked for, in OCEAN's grammar."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.ocean import OceanCalculator, OceanParameters
from whiteline.calculators.ocean.cards import read_cards, to_paths, write_cards
from whiteline.calculators.ocean.photons import read_photons
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.edges import Edge
from whiteline.errors import InputError, MissingDependencyError, ParseError

RADIUS = 5.0  # Å; several shells


def values(text: str) -> dict[str, list[str]]:
    """Return the words of each card, read without the code under test."""
    text = re.sub(r"#.*", "", text)
    return {name: value.split() for name, value in re.findall(r"(\S+)\s*\{([^{}]*)\}", text)}


def crystal(text: str) -> tuple[Structure, int]:
    """Return the crystal of an ocean.in and the index of its absorber, read without the code under test."""
    cards = values(text)
    names = {"rscale": "acell", "edges": "edges"}
    get = {names.get(k.split(".")[-1], k.split(".")[-1]): v for k, v in cards.items()}
    lattice = np.array(get["rprim"], float).reshape(3, 3) * np.array(get["acell"], float)[:, None] * BOHR
    elements: Any = [Element.from_Z(int(get["znucl"][int(t) - 1])) for t in get["typat"]]
    structure = Structure(Lattice(lattice), elements, np.array(get["xred"], float).reshape(-1, 3))
    return structure, int(get["edges"][0]) - 1


def distances(structure: Structure, index: int) -> list[tuple[str, float]]:
    found = structure.get_neighbors(structure[index], RADIUS)
    return sorted(
        ((str(getattr(n.specie, "element", n.specie)), n.nn_distance) for n in found), key=lambda pair: pair[::-1]
    )


def calculator(**parameters: Any) -> OceanCalculator:
    return OceanCalculator(build_parameters(OceanParameters, parameters))


def ocean_in(absorber: Absorber, **parameters: Any) -> str:
    return calculator(**parameters).inputs(absorber)["ocean.in"]


@pytest.fixture
def cube() -> Structure:
    """Copper in its primitive cell."""
    return Structure(Lattice([[0.0, 1.805, 1.805], [1.805, 0.0, 1.805], [1.805, 1.805, 0.0]]), ["Cu"], [[0, 0, 0]])


@pytest.fixture
def magnetite() -> Structure:
    """A crystal with Fe behind O, in two oxidation states and with opposite moments."""
    return Structure(
        Lattice.orthorhombic(4.1, 5.2, 6.3),
        ["O2-", "Fe2+", "Fe3+", "O2-", "Fe3+"],
        [[0.0, 0.0, 0.0], [0.5, 0.5, 0.02], [0.5, 0.03, 0.5], [0, 0.55, 0.45], [0.02, 0.5, 0.98]],
        site_properties={"magmom": [0.0, 4.0, -5.0, 0.0, -5.0]},
    )


def test_the_absorber_in_the_input_has_the_neighbours_of_the_one_asked_for(
    ti_o_10: dict[str, Structure], magnetite: Structure
) -> None:
    absorbers = [a for structure in ti_o_10.values() for a in find_absorbers(structure, "Ti", Edge.K)]
    absorbers += [Absorber(ti_o_10["mp-390"] * (2, 1, 1), 2, Edge.K), *(Absorber(magnetite, i, Edge.K) for i in (1, 2))]
    for absorber in absorbers:
        for parameters in ({}, {"cutoff_quality": "high"}):  # both vocabularies
            structure, index = crystal(ocean_in(absorber, **parameters))
            expected = distances(absorber.structure, absorber.site_index)
            found = distances(structure, index)
            assert structure[index].specie.symbol == absorber.element
            assert [d for _, d in found] == pytest.approx([d for _, d in expected], abs=1e-4)
            assert sorted(e for e, _ in found) == sorted(e for e, _ in expected)


def test_the_same_absorber_gives_the_same_bytes_in_any_cell(ti_o_10: dict[str, Structure]) -> None:
    anatase = ti_o_10["mp-390"]
    first = Absorber(anatase, 0, Edge.K)
    assert calculator().inputs(first) == calculator().inputs(Absorber(anatase.copy(), 0, Edge.K))
    shifted = anatase.copy()
    shifted.translate_sites(range(len(shifted)), [0.13, 0.27, 0.41])
    found = [distances(*crystal(ocean_in(Absorber(s, 0, Edge.K)))) for s in (anatase, shifted, anatase * (1, 2, 1))]
    for other in found[1:]:
        assert [d for _, d in other] == pytest.approx([d for _, d in found[0]], abs=1e-4)


def test_moments_make_species_of_their_own_with_the_right_sign(magnetite: Structure) -> None:
    cards = values(ocean_in(Absorber(magnetite, 2, Edge.L23)))
    assert cards["znucl"] == ["26", "26", "8"]
    assert cards["typat"] == ["1", "2", "1", "3", "3"]  # the absorber and the other Fe3+ share one, and share it alone
    assert cards["nspin"] == ["2"]
    assert " ".join(cards["smag"]) == "starting_magnetization(1)=-0.5, starting_magnetization(2)=0.4"
    assert (cards["occopt"], cards["metal"]) == (["3"], [".false."])


def test_oxidation_states_alone_make_no_species(magnetite: Structure) -> None:
    cards = values(ocean_in(Absorber(magnetite, 2, Edge.K), spin="off"))
    assert (cards["znucl"], cards["nspin"], "smag" in cards) == (["26", "8"], ["1"], False)


def test_u_is_written_where_ocean_switches_it_on(magnetite: Structure) -> None:
    cards = values(ocean_in(Absorber(magnetite, 1, Edge.K), hubbard_u={"Fe": 5.3, "Ni": 6.2}))
    assert cards["dft.ldau.enable"] == [".true."]
    assert " ".join(cards["dft.ldau.Hubbard_U"]) == "Hubbard_U(1)=5.3, Hubbard_U(2)=5.3"


def test_paths_and_cards_say_the_same(ti_o_10: dict[str, Structure]) -> None:
    absorber = Absorber(ti_o_10["mp-2657"], 0, Edge.K)
    cards = read_cards(ocean_in(absorber), source="cards")
    paths = read_cards(ocean_in(absorber, cutoff_quality="high"), source="paths")
    apart = {name for name in cards.keys() | paths.keys() if cards.get(name) != paths.get(name)}
    assert apart == {
        "ecut.quality",
        "cnbse.spect_range",
        "bse.core.plot.points",
        "bse.core.haydock.converge.spacing",
    }
    assert to_paths({"cnbse.spect_range": ("1000", "-20", "80")}) == {
        "bse.core.plot.points": ("1000",),
        "bse.core.plot.range": ("-20", "80"),
    }


@pytest.mark.parametrize(
    ("edge", "numbers"),
    [(Edge.K, "1 1 0"), (Edge.L1, "1 2 0"), (Edge.L23, "1 2 1"), (Edge.M23, "1 3 1"), (Edge.M45, "1 3 2")],
)
def test_the_core_level_follows_the_edge(edge: Edge, numbers: str, cube: Structure) -> None:
    structure = cube.copy()
    structure.replace_species({"Cu": "Mo"})  # has all of these edges
    assert values(ocean_in(Absorber(structure, 0, edge)))["edges"] == numbers.split()


def test_half_of_a_split_level_is_refused_with_the_edge_to_ask_for(cube: Structure) -> None:
    with pytest.raises(InputError, match="ask for the edge L23"):
        ocean_in(Absorber(cube, 0, Edge.L3))


def test_photons_are_those_that_symmetry_leaves_different(ti_o_10: dict[str, Structure], cube: Structure) -> None:
    rutile = calculator().inputs(Absorber(ti_o_10["mp-2657"], 0, Edge.K))
    fields = [rutile[name].splitlines()[1] for name in sorted(rutile) if name.startswith("photon")]
    labels = [p.label for p in Absorber(ti_o_10["mp-2657"], 0, Edge.K).polarisations]
    assert fields == [{"x": "cartesian 1 0 0", "y": "cartesian 0 1 0", "z": "cartesian 0 0 1"}[n] for n in labels]
    assert len(calculator().inputs(Absorber(cube, 0, Edge.K))) == 2  # one photon for a cube


def test_a_photon_has_the_energy_of_the_edge_and_travels_across_its_field(cube: Structure) -> None:
    lines = calculator().inputs(Absorber(cube, 0, Edge.K))["photon1"].splitlines()
    assert lines[0] == "dipole"
    field, along = (np.array(line.split()[1:], float) for line in (lines[1], lines[3]))
    assert (float(field @ along), lines[2], lines[4]) == (0.0, "end", "end")
    assert float(lines[5]) == pytest.approx(8979.0)  # Cu K of the table


def test_grids_and_bands_follow_the_published_rules(ti_o_10: dict[str, Structure]) -> None:
    absorber = Absorber(ti_o_10["mp-2657"], 0, Edge.K)
    benchmark = values(ocean_in(absorber, **load_preset("ocean", "published:ti-o-10")))
    lightshow = values(ocean_in(absorber, **load_preset("ocean", "published:lightshow")))
    assert sorted(benchmark["bse.kmesh"]) == ["4", "4", "6"]
    assert sorted(lightshow["nkpt"]) == ["2", "2", "3"]
    assert lightshow["nbands"] == ["-54"]
    assert "screen.grid.shells" not in lightshow
    assert (lightshow["dft"], lightshow["ecut"], lightshow["toldfe"]) == (["qe"], ["-1"], ["6e-10"])
    assert "diemac" not in lightshow


def test_gmres_and_core_offset_are_written(cube: Structure) -> None:
    cards = values(ocean_in(Absorber(cube, 0, Edge.K), solver="gmres", gmres_energies=(-0.5, 1, 0.5), core_offset=True))
    assert (cards["cnbse.solver"], cards["cnbse.gmres.elist"]) == (["gmres"], ["-0.5", "0", "0.5", "1"])
    assert cards["core_offset"] == [".true."]
    assert "cnbse.niter" not in cards


def test_the_start_of_parallel_programs_comes_from_the_command(cube: Structure) -> None:
    absorber = Absorber(cube, 0, Edge.K)
    parallel = OceanCalculator(OceanParameters(), command="mpirun -np 24 ocean.pl")
    assert values(parallel.inputs(absorber)["ocean.in"])["para_prefix"] == ["mpirun", "-np", "24"]
    assert parallel.identity(absorber) == calculator().identity(absorber)


@pytest.mark.parametrize("value", ["mpirun # 4", "srun -n 4 !", "a*b", "x\\y", "{4}"])
def test_a_value_that_ocean_would_cut_off_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="the rest is lost in silence"):
        write_cards({"para_prefix": (value,)}, title="")


def test_own_pseudopotentials_are_copied_listed_and_part_of_the_identity(
    ti_o_10: dict[str, Structure], tmp_path: Path
) -> None:
    for name in ("ti.UPF", "ti.in", "o.UPF"):
        (tmp_path / name).write_text(name)
    parameters = {"pseudopotentials": {"Ti": "ti.UPF", "O": "o.UPF"}, "cutoff_ry": 80.0}
    made = OceanCalculator(build_parameters(OceanParameters, parameters), pseudo_directory=str(tmp_path))
    absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
    cards = values(made.inputs(absorber)["ocean.in"])
    assert (cards["pp_list"], cards["ppdir"], cards["ecut"]) == (["ti.UPF", "o.UPF"], ["./"], ["80"])
    assert set(made.files(absorber)) == {"ti.UPF", "ti.in", "o.UPF"}
    before = made.identity(absorber)["pseudopotentials"]
    (tmp_path / "ti.in").write_text("another one")
    assert made.identity(absorber)["pseudopotentials"]["Ti"] != before["Ti"]
    assert made.identity(absorber)["pseudopotentials"]["O"] == before["O"]
    (tmp_path / "ti.in").unlink()
    with pytest.raises(MissingDependencyError, match=r"ti\.in of Ti is not in"):
        made.files(absorber)


def test_a_missing_pseudopotential_is_named(ti_o_10: dict[str, Structure]) -> None:
    with pytest.raises(InputError, match="names no file for O"):
        ocean_in(Absorber(ti_o_10["mp-390"], 0, Edge.K), pseudopotentials={"Ti": "ti.UPF"}, cutoff_ry=80)


# Equal as numbers, which the test checks; ours come without closing zeros.
ZEROS = {"diamond": {"ecut"}, "lif_oncv": {"scfac", "screen.shells", "cnbse.rad"}, "rutile_L23": {"scfac"}}
COMMON = {
    "calc": "written always; xas is OCEAN's default",
    "opf.program": "written always; shirley is OCEAN's default",
    "metal": "left to OCEAN for an insulator, as in the sample",
    "occopt": "written always; 1 is OCEAN's default",
    "nspin": "written always; 1 is OCEAN's default",
    "natom": "OCEAN counts xred",
    "ntypat": "OCEAN counts znucl",
    "acell": "ours is the Å in bohr, and rprim in Å; the vectors are compared",
    "rprim": "as acell",
    "xred": "the absorber comes first, and all lie in the cell; the surroundings are compared",
    "typat": "the absorber's species comes first",
    "edges": "one site a run, by its place",
    "para_prefix": "a fact of the machine",
    "nbands": "a fixed number in the sample, an energy range here",
    "dft_energy_range": "as nbands",
    "screen.nbands": "as nbands",
    "screen_energy_range": "as nbands",
    "screen.nkpt": "a grid in the sample, its length here",
    "screen.lmax": "ours is always written, OCEAN's default is 0",
    "screen.grid.rmax": "ours is always written",
    "screen.grid.rmode": "ours is always written",
    "screen.grid.ang": "one grid for all segments in the sample, one for each here",
    "screen.grid.deltar": "ours is always written",
    "screen.final.dr": "ours is always written",
    "cnbse.spect_range": "ours is always written; 2000 -20 80 is OCEAN's default",
    "cnbse.solver": "ours is always written; haydock is OCEAN's default",
    "cnbse.niter": "ours is always written; 100 is OCEAN's default",
    "haydock_convergence": "ours is always written",
    "toldfe": "for each atom here",
}
EXPLAINED = {
    "diamond": {
        "photon_q": "momentum transfer, which no dipole spectrum has",
        "cnbse.gmres.ffff": "the sample does not run GMRES",
        "screen.grid.shells": "left to OCEAN by the sample, ours is always written",
    },
    "lif_oncv": {
        "znucl": "the absorber's species comes first",
        "pp_list": "as znucl",
        "ppdir": "the sample has the files in its run directory, as ours",
    },
    "rutile_L23": {
        "ppdir": "the sample has the files in its run directory, as ours",
        "tolwfr": "left to OCEAN",
        "nstep": "left to OCEAN; 50 is its default",
    },
}
SAMPLES: dict[str, tuple[str, Edge, dict[str, Any]]] = {
    "diamond": (
        "C",
        Edge.K,
        {
            "pseudopotentials": {"C": "06-c.lda.fhi.UPF"},
            "projector_fill": {"C": "c.fill"},
            "projector_options": {"C": "c.opts"},
            "cutoff_ry": 45.0,
            "dielectric_constant": 5.7,
            "real_space_mesh": (6, 6, 6),
            "half_width": 0.4,
            "screening_factor": 1.0,
        },
    ),
    "lif_oncv": (
        "F",
        Edge.K,
        {
            "pseudopotentials": {"Li": "Li-s-high.oncvpsp.UPF", "F": "F.oncvpsp.UPF"},
            "projector_program": "hamann",
            "cutoff_ry": 80.0,
            "dielectric_constant": 1.92,
            "real_space_mesh": (8, 8, 8),
            "half_width": 0.5,
            "screening_factor": 1.0,
            "screen_shells_bohr": (4.0,),
            "screen_radius_bohr": 4.0,
            "scf_kpoints_length": 6.0,
        },
    ),
    "rutile_L23": (
        "Ti",
        Edge.L23,
        {
            "pseudopotentials": {"Ti": "ti.fhi.UPF", "O": "08-o.lda.fhi.UPF"},
            "projector_fill": {"Ti": "ti.fill"},
            "projector_options": {"Ti": "ti.opts"},
            "cutoff_ry": 80.0,
            "dielectric_constant": 6.0,
            "real_space_mesh": (6, 6, 4),
            "half_width": 0.19,
            "screening_factor": 0.8,
        },
    ),
}
GRIDS = {"diamond": (8.0, 8.0), "lif_oncv": (8.0, 6.0), "rutile_L23": (5.9, 5.9)}  # Å; they give the samples' grids


def sample_structure(folder: Path) -> Structure:
    """Return the crystal that OCEAN says it computed."""
    stated = json.loads((folder / "postDefaultsOceanDatafile").read_text())["structure"]
    symbols = [stated["zsymb"][t - 1] for t in stated["typat"]]
    return Structure(Lattice(np.array(stated["avecs"]) * BOHR), symbols, stated["xred"])


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


@pytest.mark.parametrize("name", SAMPLES)
def test_every_difference_from_a_real_input_is_explained(name: str, data: Path) -> None:
    folder = data / "ocean" / name
    element, edge, parameters = SAMPLES[name]
    structure = sample_structure(folder)
    index = next(i for i, site in enumerate(structure) if site.specie.symbol == element)
    final, density = GRIDS[name]
    parameters = {"projector_program": "shirley", "screen_shells_bohr": (3.5,), "screen_radius_bohr": 3.5} | parameters
    parameters |= {"kpoints_length": final, "scf_kpoints_length": density}
    text = ocean_in(Absorber(structure, index, edge), **parameters)
    real = read_cards((folder / "ocean.in").read_text(), source=name)
    ours = read_cards(text, source="ours")
    apart = {card for card in real.keys() | ours.keys() if real.get(card) != ours.get(card)}
    rounded = {
        card for card in apart if [_number(w) for w in real.get(card, ())] == [_number(w) for w in ours.get(card, ())]
    }
    assert rounded - COMMON.keys() == ZEROS[name]
    apart -= ZEROS[name]
    assert apart <= COMMON.keys() | EXPLAINED[name].keys()
    assert EXPLAINED[name].keys() <= apart, "explained, and no difference any more"
    # What is the same is the same byte for byte, but for the blanks around braces and where lines end.
    same = ours.keys() - apart - ZEROS[name]
    assert {"dft", "nkpt", "ngkpt", "diemac", "cnbse.xmesh", "cnbse.broaden"} <= same
    assert all(f"{card} {{ {' '.join(real[card])} }}" in text.splitlines() for card in same)
    written, absorber = crystal(text)
    expected, found = distances(structure, index), distances(written, absorber)
    assert [d for _, d in found] == pytest.approx([d for _, d in expected], abs=1e-4)
    assert written.volume == pytest.approx(structure.volume, rel=1e-8)


def test_the_photon_file_is_that_of_the_sample_but_for_its_blanks(data: Path, cube: Structure) -> None:
    real = [line.split() for line in (data / "ocean" / "diamond" / "photon1").read_text().splitlines()]
    ours = [line.split() for line in calculator().inputs(Absorber(cube, 0, Edge.K))["photon1"].splitlines()]
    assert [row[0] for row in ours[:5]] == [row[0] for row in real[:5]]
    assert [len(row) for row in ours] == [len(row) for row in real]  # the directions and the energy differ


@pytest.mark.parametrize("field", ["0 0 0", "inf 0 0", "nan 0 1"])
def test_a_photon_file_whose_field_has_no_direction_is_refused(field: str, tmp_path: Path) -> None:
    (tmp_path / "photon1").write_text(f"dipole\ncartesian {field}\nend\ncartesian 0 1 0\nend\n4966.0\n")
    with pytest.raises(ParseError, match=r"photon1: the electric field .* has no direction"):
        read_photons(tmp_path)
