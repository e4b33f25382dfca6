"""scf.in and xanes.in must describe the asked absorber, whatever cell the user drew of the crystal."""

from __future__ import annotations

import re
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import load_preset
from whiteline.edges import Edge
from whiteline.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from tests.calculators.xspectra.conftest import Make, WriteUpf

# Everything in which our inputs for a published calculation differ from the published ones, and why.
EXPLAINED = {
    "scf.in": {
        "calculation": "its default, said",
        "prefix": "its default, said",
        "outdir": "ours is inside the run directory",
        "pseudo_dir": "ours are copied beside the inputs",
        "restart_mode": "its default, left out",
        "wf_collect": "its default since version 6, left out",
        "disk_io": "ours keeps no wavefunctions in memory's stead",
        "electron_maxstep": "its default, said",
        "ATOMIC_SPECIES": "the absorber is the first species and is called Tih; pseudopotentials of our own",
        "ATOMIC_POSITIONS": "other order, other multiples of the same vectors, ten decimals and not six",
        "CELL_PARAMETERS": "the same lattice by other vectors, ten decimals and not six",
    },
    "xanes.in": {
        "xiabs": "the absorber is our first species, and was their third",
        "outdir": "ours is inside the run directory",
        "x_save_file": "its default, said",
        "filecore": "named by the element, inside the run directory",
        "cut_stepl": "its default, said",
    },
}


def read_namelists(text: str) -> dict[str, str]:
    """Return the assignments of all namelists, numbers in one form."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"^\s*([a-z_]\w*(?:\(\d+\))?)\s*=\s*(.*?),?\s*$", line, re.IGNORECASE)
        if match:
            value = match[2].strip().lower()
            is_number = re.fullmatch(r"-?[\d.]+(?:d-?\d+)?", value)
            found[match[1]] = repr(float(value.replace("d", "e"))) if is_number else value
    return found


def read_card(text: str, name: str) -> list[list[str]]:
    """Return the words of the lines of a card."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(name)) + 1
    rows = []
    for line in lines[start:]:
        if re.match(r"[A-Z_]{4}", line) or not line.strip():
            break
        rows.append(line.split())
    return rows


def neighbours(scf: str, label: str, radius: float) -> list[tuple[float, str]]:
    """Return distance and element of the atoms within a radius of the only atom of a species, by brute force."""
    lattice = np.array(read_card(scf, "CELL_PARAMETERS"), dtype=float)
    rows = read_card(scf, "ATOMIC_POSITIONS")
    (centre,) = [np.array(row[1:], dtype=float) for row in rows if row[0] == label]
    steps = range(-6, 7)
    found = []
    for name, *position in rows:
        offset = np.array(position, dtype=float) - centre
        images = (offset + np.array(list(product(steps, repeat=3)))) @ lattice
        element = re.sub(r"(_|h$|\d$)", "", name) if name != label else name.rstrip("h_")
        found += [(round(float(d), 4), element) for d in np.linalg.norm(images, axis=1) if 1e-6 < d < radius]
    return sorted(found)


def expected_neighbours(absorber: Absorber, radius: float) -> list[tuple[float, str]]:
    site = absorber.structure[absorber.site_index]
    found = absorber.structure.get_neighbors(site, radius)
    return sorted((round(float(n.nn_distance), 4), str(getattr(n.specie, "element", n.specie).symbol)) for n in found)


@pytest.mark.parametrize("cell", ["primitive", "image_distance", "axis_length"])
@pytest.mark.parametrize("name", ["mp-390", "mp-1203", "mvc-11115"])
def test_the_absorber_has_the_neighbours_that_it_has_in_the_structure(
    make: Make, ti_o_10: dict[str, Structure], name: str, cell: str
) -> None:
    structure = ti_o_10[name]
    index = next(i for i, site in reversed(list(enumerate(structure))) if site.specie.symbol == "Ti")
    absorber = Absorber(structure, index, Edge.K)
    scf = make(cell=cell, supercell_distance=5.0).inputs(absorber)["scf.in"]
    ours, asked = neighbours(scf, "Tih", 4.0), expected_neighbours(absorber, 4.0)
    assert [element for _, element in ours] == [element for _, element in asked]
    assert np.allclose([d for d, _ in ours], [d for d, _ in asked], atol=1.01e-4)  # both are rounded to 1e-4


def test_the_same_absorber_gives_the_same_bytes_whatever_cell_was_drawn(make: Make, copper: Structure) -> None:
    calculator = make(cell="primitive")
    one, two = (calculator.inputs(Absorber(copper.copy(), 0, Edge.K)) for _ in range(2))
    assert one == two
    big = calculator.inputs(Absorber(copper * (2, 1, 1), 3, Edge.K))
    assert len(read_card(big["scf.in"], "ATOMIC_POSITIONS")) == 1
    assert neighbours(big["scf.in"], "Cuh", 3.7) == neighbours(one["scf.in"], "Cuh", 3.7)


def test_a_ti_in_second_place_among_mixed_charges_and_spins_is_the_absorber(
    make: Make, magnetite_like: Structure
) -> None:
    absorber = Absorber(magnetite_like, 1, Edge.K)
    scf = make(cell="primitive", hubbard_u={"Ti": 3.0, "Fe": 5.3}).inputs(absorber)["scf.in"]
    species = [row[0] for row in read_card(scf, "ATOMIC_SPECIES")]
    assert species == ["Tih", "Fe", "Fe1", "Fe2", "O"]
    assert [row[0] for row in read_card(scf, "ATOMIC_POSITIONS")] == ["Tih", "Fe", "Fe1", "Fe2", *["O"] * 4]
    ours, asked = neighbours(scf, "Tih", 4.0), expected_neighbours(absorber, 4.0)
    assert [e for _, e in ours] == [e for _, e in asked]
    assert np.allclose([d for d, _ in ours], [d for d, _ in asked], atol=1.01e-4)


def test_moment_and_u_follow_an_excited_iron_and_every_other_one(make: Make, magnetite_like: Structure) -> None:
    names = {}
    for index, moment in ((0, 4.0), (2, 5.0), (3, -5.0)):
        scf = make(cell="primitive", hubbard_u={"Fe": 5.3}).inputs(Absorber(magnetite_like, index, Edge.K))["scf.in"]
        labels = [row[0] for row in read_card(scf, "ATOMIC_SPECIES")]
        values = read_namelists(scf)
        assert values["nspin"] == "2.0"
        start = {label: float(values[f"starting_magnetization({i})"]) for i, label in enumerate(labels, 1)}
        # Fe with a 2s2p core has 16 valence electrons, and one more beside a core hole.
        assert start.pop("Feh") == pytest.approx(moment / 17, abs=1e-6)
        others = sorted(m for m in (4.0, 5.0, -5.0) if m != moment)
        assert sorted(start[name] for name in start if name.startswith("Fe")) == pytest.approx(
            [m / 16 for m in others], abs=1e-6
        )
        with_u = {i for i in range(1, 6) if f"Hubbard_U({i})" in values}
        assert with_u == {i for i, label in enumerate(labels, 1) if label.startswith("Fe")}
        names[index] = scf
    assert len(set(names.values())) == 3


def test_moments_make_no_species_where_spin_is_left_out(make: Make, magnetite_like: Structure) -> None:
    scf = make(cell="primitive", spin="none").inputs(Absorber(magnetite_like, 0, Edge.K))["scf.in"]
    assert [row[0] for row in read_card(scf, "ATOMIC_SPECIES")] == ["Feh", "Fe", "Ti", "O"]
    assert read_namelists(scf)["nspin"] == "1.0"


def test_one_folder_holds_one_direction_and_edge(make: Make, ti_o_10: dict[str, Structure], copper: Structure) -> None:
    anatase = make(cell="primitive").inputs(Absorber(ti_o_10["mp-390"], 0, Edge.K))
    assert set(anatase) == {"scf.in", "Ti.wfc", "x/xanes.in", "z/xanes.in"}
    fields = {name: [read_namelists(anatase[f"{name}/xanes.in"])[f"xepsilon({i})"] for i in (1, 2, 3)] for name in "xz"}
    assert fields == {"x": ["1.0", "0.0", "0.0"], "z": ["0.0", "0.0", "1.0"]}
    both = make(cell="primitive", core_hole="half").inputs(Absorber(copper, 0, Edge.L23))
    assert {"L2/x/xanes.in", "L3/x/xanes.in"} <= set(both)
    values = read_namelists(both["L3/x/xanes.in"])
    assert (values["edge"], values["outdir"], values["filecore"]) == ("'l3'", "'../../tmp'", "'../../cu.wfc'")
    assert read_namelists(both["scf.in"])["tot_charge"] == "0.5"


def test_the_core_levels_come_in_the_order_in_which_xspectra_counts_them(make: Make, copper: Structure) -> None:
    lines = make(cell="primitive").inputs(Absorber(copper, 0, Edge.K))["Cu.wfc"].splitlines()
    # A header, then for each level the three points of the mesh and an empty line: xspectra.x skips n + 2 lines to 2s,
    # 2 n + 3 to 2p, and so on.
    assert lines[0] == "# number of core states 5 =  1 0;  2 0;  2 1;  3 0;  3 1; "
    assert [i for i, line in enumerate(lines, 1) if not line] == [5, 9, 13, 17, 21]
    assert len(lines) == 21


def test_a_published_calculation_is_written_again_but_for_explained_differences(
    make: Make, data: Path, ti_o_10: dict[str, Structure]
) -> None:
    folder = data / "xspectra" / "mp-1203"
    # The stored run is one of the paper's series of k grids, the one with an effective length of 45 Å.
    values = {**load_preset("xspectra", "published:ti-o-10"), "kpoints_length": 45.0}
    ours = make(**values).inputs(Absorber(ti_o_10["mp-1203"], 0, Edge.K))
    assert set(ours) == {"scf.in", "Ti.wfc", "x/xanes.in", "y/xanes.in", "z/xanes.in"}
    pairs = {"scf.in": (ours["scf.in"], (folder / "es_0.in").read_text())}
    pairs["xanes.in"] = (ours["y/xanes.in"], (folder / "dipole2" / "xanes.in").read_text())
    assert sorted(ours["y/xanes.in"].split()[-6:]) == ["0", "0", "0", "5", "6", "6"]
    for name, (text, published) in pairs.items():
        here, there = read_namelists(text), read_namelists(published)
        differing = {key for key in here.keys() | there.keys() if here.get(key) != there.get(key)}
        assert differing <= EXPLAINED[name].keys()


def test_the_published_supercell_is_written_again(make: Make, data: Path, ti_o_10: dict[str, Structure]) -> None:
    published = (data / "xspectra" / "mp-1203" / "es_0.in").read_text().replace("Ti+", "Tih")
    calculator = make(**load_preset("xspectra", "published:ti-o-10"))
    ours = calculator.inputs(Absorber(ti_o_10["mp-1203"], 0, Edge.K))["scf.in"]
    assert read_card(ours, "K_POINTS") == read_card(published, "K_POINTS") == [["1", "1", "1", "0", "0", "0"]]
    lattices = [np.array(read_card(text, "CELL_PARAMETERS"), dtype=float) for text in (ours, published)]
    assert np.allclose(lattices[0], lattices[1], atol=3e-5)  # six decimals, and a bohr of another year
    here, there = neighbours(ours, "Tih", 5.0), neighbours(published, "Tih", 5.0)
    assert np.allclose([d for d, _ in here], [d for d, _ in there], atol=2e-4)
    assert [element for _, element in here] == [element for _, element in there]


def test_the_cutoffs_follow_the_pseudopotentials_unless_told_not_to(
    make: Make, pseudo: Path, write_upf: WriteUpf, copper: Structure
) -> None:
    (pseudo / "Cu.pbe-gipaw.UPF").write_text(write_upf("Cu", cutoff=55.0))
    absorber = Absorber(copper * (2, 1, 1), 0, Edge.K)
    for follows, expected in ((True, ["55.0", "550.0"]), (False, ["40.0", "320.0"])):
        values = read_namelists(make(cell="primitive", follows_cutoffs=follows).inputs(absorber)["scf.in"])
        assert [values["ecutwfc"], values["ecutrho"]] == expected


def test_the_identity_knows_the_pseudopotentials_by_content_and_the_orientation(
    make: Make, pseudo: Path, copper: Structure, write_upf: WriteUpf
) -> None:
    absorber = Absorber(copper, 0, Edge.K)
    calculator = make()
    before = calculator.identity(absorber)
    assert before == calculator.identity(absorber)
    assert set(before["pseudopotentials"]) == {"Cu", "Cu*", "Cu core"}
    assert before["orientation"] == absorber.orientation_id
    (pseudo / "Cu.pbe-gipaw.UPF").write_text(write_upf("Cu", cutoff=1.0))
    after = calculator.identity(absorber)
    assert after["pseudopotentials"]["Cu"] != before["pseudopotentials"]["Cu"]
    assert after["pseudopotentials"]["Cu*"] == before["pseudopotentials"]["Cu*"]


def test_the_files_are_the_pseudopotentials_that_the_input_names(make: Make, ti_o_10: dict[str, Structure]) -> None:
    absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
    calculator = make(cell="primitive")
    named = {row[2] for row in read_card(calculator.inputs(absorber)["scf.in"], "ATOMIC_SPECIES")}
    files = calculator.files(absorber)
    assert {Path(name).name for name in files} == named
    assert all(name.startswith("pseudo/") and path.is_file() for name, path in files.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"has_gipaw": False}, "no GIPAW|GIPAW"),
        ({"functional": "PZ"}, "no .*PBE.* pseudopotential|without and with"),
        ({"hole": 0.0}, r"whiteline pseudo make Cu --core-hole 1s"),
    ],
)
def test_a_core_hole_pseudopotential_that_does_not_serve_is_refused_with_the_remedy(
    make: Make, pseudo: Path, write_upf: WriteUpf, copper: Structure, change: dict[str, object], words: str
) -> None:
    (pseudo / "Cu.star1s.pbe-gipaw.UPF").write_text(write_upf("Cu", **{"hole": 1.0, **change}))
    with pytest.raises(MissingDependencyError, match=words):
        make().inputs(Absorber(copper, 0, Edge.K))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"has_gipaw": False}, r"does not serve Cu K \(reconstruction: no GIPAW data.*whiteline pseudo make Cu"),
        ({"functional": "PZ"}, "of different functionals"),
        ({"hole": 0.5}, "lacks 0.5 core electrons, expected 1 for a full core hole"),
        ({"n_mesh": 5}, "has 3 radial points and .* 5"),
    ],
)
def test_a_named_pseudopotential_that_does_not_serve_is_refused_with_the_reason(
    make: Make, pseudo: Path, write_upf: WriteUpf, copper: Structure, change: dict[str, object], words: str
) -> None:
    (pseudo / "mine.UPF").write_text(write_upf("Cu", **{"hole": 1.0, **change}))
    with pytest.raises(InputError, match=words):
        make(core_hole_pseudopotential="mine.UPF").inputs(Absorber(copper, 0, Edge.K))


def test_a_file_that_is_not_there_and_one_of_another_element_are_named(make: Make, copper: Structure) -> None:
    absorber = Absorber(copper, 0, Edge.K)
    with pytest.raises(MissingDependencyError, match=r"nothing.UPF is not in .*WHITELINE_PSEUDO_DIRECTORY"):
        make(core_hole_pseudopotential="nothing.UPF").inputs(absorber)
    with pytest.raises(InputError, match=r"O.pbe-gipaw.UPF is of O, expected Cu"):
        make(pseudopotential_files={"Cu": "O.pbe-gipaw.UPF"}).inputs(absorber)
    with pytest.raises(InputError, match="which the structure does not hold"):
        make(pseudopotential_files={"O": "O.pbe-gipaw.UPF"}).inputs(absorber)


def test_an_edge_that_xspectra_does_not_compute_is_refused(make: Make, copper: Structure) -> None:
    with pytest.raises(InputError, match="K, L1, L2, L3, L23, got M1"):
        make().inputs(Absorber(copper, 0, Edge.M1))


def test_more_species_than_pw_has_room_for_are_refused_with_the_remedy(make: Make, copper: Structure) -> None:
    crystal = copper * (3, 1, 1)
    crystal.add_site_property("magmom", [0.1 * i for i in range(12)])
    with pytest.raises(InputError, match=r"room for 10 species and this cell needs 12.*spin = none"):
        make(cell="primitive").inputs(Absorber(crystal, 0, Edge.K))


def test_writing_leaves_the_structure_alone(make: Make, magnetite_like: Structure) -> None:
    before = magnetite_like.copy()
    make(cell="primitive").inputs(Absorber(magnetite_like, 0, Edge.K))
    assert magnetite_like == before


def test_a_bigger_cell_and_two_edges_cost_more_and_a_wider_line_costs_less(make: Make, copper: Structure) -> None:
    absorber = Absorber(copper, 0, Edge.L3)
    hole = {"core_hole": "half"}
    small = make(cell="primitive", **hole).estimate(absorber)
    assert make(cell="image_distance", supercell_distance=5.0, **hole).estimate(absorber).memory > small.memory
    assert make(cell="primitive", xgamma=2.0, **hole).estimate(absorber).cpu_time < small.cpu_time
    assert make(cell="primitive", **hole).estimate(Absorber(copper, 0, Edge.L23)).cpu_time > small.cpu_time


def test_only_a_supercell_is_converged_in_its_size(make: Make, copper: Structure) -> None:
    absorber = Absorber(copper, 0, Edge.K)
    ladders = {
        name: {knob.name for knob in make(cell=name).knobs(absorber)} for name in ("primitive", "image_distance")
    }
    assert ladders["image_distance"] - ladders["primitive"] == {"supercell_distance"}
    assert {"ecutwfc", "kpoints_length"} <= ladders["primitive"]


@pytest.mark.parametrize("preset", ["standard", "published:lightshow", "published:ti-o-10"])
def test_no_two_rungs_of_a_ladder_are_the_same_calculation(
    make: Make, preset: str, ti_o_10: dict[str, Structure]
) -> None:
    # Equal neighbours agree, and would count as converged.
    absorber = Absorber(ti_o_10["mp-2657"], 0, Edge.K)
    calculator = make(**load_preset("xspectra", preset))
    for knob in calculator.knobs(absorber):
        rungs = [with_values(calculator, {**knob.fixed, knob.name: value}).inputs(absorber) for value in knob.rungs]
        assert all(a != b for a, b in pairwise(rungs)), knob.name


def test_cutoffs_that_follow_a_record_are_part_of_the_identity(
    make: Make, pseudo: Path, ti_o_10: dict[str, Structure]
) -> None:
    absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
    assert make(ecutwfc=30.0, follows_cutoffs=False).identity(absorber)["ecutwfc"] == 30.0
    before = make().identity(absorber)
    for name in ("O.pbe-gipaw", "O.star1s.pbe-gipaw"):
        text = (pseudo / f"{name}.UPF").read_text()
        (pseudo / f"{name}.UPF").write_text(text.replace('wfc_cutoff="0.0"', 'wfc_cutoff="95.0"'))
    after = make().identity(absorber)
    assert (before["ecutwfc"], after["ecutwfc"]) == (40.0, 95.0)
    assert after["ecutrho"] >= 4 * 95.0
