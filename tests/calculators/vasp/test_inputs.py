"""Inputs: the right absorber, all in the order of the POSCAR, the text pymatgen would write, and that of a real run."""

from __future__ import annotations

import warnings
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import SETTINGS
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.kpoints import effective_length
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.calculators.vasp import VaspCalculator, VaspParameters
from whiteline.calculators.vasp.inputs import plan_calculation
from whiteline.calculators.vasp.potentials import VALENCE, PotcarLibrary
from whiteline.calculators.vasp.sets import CoreHoleSet, GroundStateSet
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError, ParameterError, StructureError

RADIUS = 5.0
SMALL = VaspParameters(supercell_distance=7.0, kpoints_length=9.0)
NO_LIBRARY = PotcarLibrary(None, "PBE_54")


def read_poscar(text: str) -> tuple[np.ndarray, list[str], list[int], np.ndarray]:
    """Return lattice, species, their numbers of atoms and fractional coordinates; independent of the writer."""
    lines = text.splitlines()
    lattice = float(lines[1]) * np.array([[float(x) for x in line.split()] for line in lines[2:5]])
    counts = [int(n) for n in lines[6].split()]
    assert lines[7].strip().lower() == "direct"
    rows = [[float(x) for x in line.split()[:3]] for line in lines[8 : 8 + sum(counts)]]
    return lattice, lines[5].split(), counts, np.array(rows)


def neighbours(text: str) -> list[tuple[float, str]]:
    """Return distances and elements around the first atom, from 125 images of the cell."""
    lattice, species, counts, positions = read_poscar(text)
    elements = list(chain.from_iterable(map(repeat, species, counts)))
    steps = np.stack(np.meshgrid(*[range(-2, 3)] * 3), axis=-1).reshape(-1, 1, 3)
    distances = np.linalg.norm((positions - positions[0] + steps) @ lattice, axis=2)
    return sorted((d, e) for image in distances for d, e in zip(image, elements, strict=True) if 0.1 < d < RADIUS)


def read_incar(text: str) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    return {name.strip(): value.strip() for name, value in pairs}


def per_atom(runs: str) -> list[float]:
    """Return the values of a MAGMOM, run lengths written out."""
    return [float(v) for n, v in (word.split("*") for word in runs.split()) for _ in range(int(n))]


def inputs(
    structure: Structure, index: int = 0, parameters: VaspParameters = SMALL, edge: Edge = Edge.K
) -> dict[str, str]:
    return VaspCalculator(parameters).inputs(Absorber(structure, index, edge))


@pytest.mark.parametrize("index", [1, 5])
def test_the_first_atom_has_the_neighbours_of_the_absorber(magnetite: Structure, index: int) -> None:
    expected = magnetite.get_neighbors(magnetite[index], RADIUS)
    found = neighbours(inputs(magnetite, index)["POSCAR"])
    assert [e for _, e in found] == [n.specie.symbol for n in sorted(expected, key=lambda n: n.nn_distance)]
    # Coordinates keep eight decimals.
    assert [d for d, _ in found] == pytest.approx(sorted(n.nn_distance for n in expected), abs=1e-6)


def test_the_absorber_is_a_species_of_its_own_and_its_element_comes_again_last(magnetite: Structure) -> None:
    _, species, counts, _ = read_poscar(inputs(magnetite, 1)["POSCAR"])
    assert species == ["Ti", "Fe", "O", "Ti"]
    n = sum(counts) // len(magnetite)
    assert counts == [1, 2 * n, 2 * n, 2 * n - 1]


def test_a_crystal_of_one_element_has_two_species_too(copper: Structure) -> None:
    texts = inputs(copper)
    _, species, counts, _ = read_poscar(texts["POSCAR"])
    assert (species, counts[0], texts["POTCAR.spec"]) == (["Cu", "Cu"], 1, "Cu_sv_GW\nCu_sv_GW")


def test_moments_and_u_follow_the_atoms_into_their_order(magnetite: Structure) -> None:
    parameters = SMALL.model_copy(update={"hubbard_u": {"Fe": 5.3, "Ti": 2.0}})
    texts = inputs(magnetite, 5, parameters)
    lattice, species, counts, positions = read_poscar(texts["POSCAR"])
    tags = read_incar(texts["INCAR"])
    assert tags["LDAUU"] == "2.0 5.3 0.0 2.0"
    assert tags["LDAUL"] == "2 2 -1 2"
    assert species == ["Ti", "Fe", "O", "Ti"]
    moments = per_atom(tags["MAGMOM"])
    assert len(moments) == sum(counts)
    # Every atom of the POSCAR lies on the site of the crystal that has its moment.
    offset = magnetite[5].coords - positions[0] @ lattice
    for position, moment in zip(positions, moments, strict=True):
        site = magnetite.lattice.get_fractional_coords(position @ lattice + offset)
        gaps = [np.abs((d := site - s.frac_coords) - np.round(d)).max() for s in magnetite]
        assert moment == magnetite[int(np.argmin(gaps))].properties["magmom"]


def test_u_is_left_out_where_its_partner_is_missing(copper: Structure) -> None:
    parameters = SMALL.model_copy(update={"hubbard_u": {"Cu": 4.0}, "hubbard_u_with": ("O", "F")})
    assert "LDAU" not in inputs(copper, parameters=parameters)["INCAR"]


def test_moments_that_the_structure_lacks_come_from_species_element_and_default(magnetite: Structure) -> None:
    bare = magnetite.copy()
    bare.remove_site_property("magmom")
    parameters = SMALL.model_copy(update={"moments": {"Fe3+": 4.5, "Fe": 5.0}, "default_moment": 0.1})
    moments = per_atom(read_incar(inputs(bare, 1, parameters)["INCAR"])["MAGMOM"])
    assert set(moments) == {4.5, 5.0, 0.1}
    silent = SMALL.model_copy(update={"default_moment": None})
    assert "MAGMOM" not in inputs(bare, 1, silent)["INCAR"]


@pytest.mark.parametrize(
    ("spin", "moment", "expected"),
    [
        ("moments", 1.0, "2"),
        ("moments", 0.0, "1"),
        ("moments", None, "2"),
        ("structure", None, "1"),
        ("none", 1.0, "1"),
    ],
)
def test_the_run_is_polarised_where_moments_can_grow(
    copper: Structure, spin: str, moment: float | None, expected: str
) -> None:
    if moment is not None:
        copper.add_site_property("magmom", [moment] * 4)
    tags = read_incar(inputs(copper, parameters=SMALL.model_copy(update={"spin": spin}))["INCAR"])
    assert (tags["ISPIN"], "MAGMOM" in tags) == (expected, expected == "2")


def test_electrons_and_bands_are_counted_from_the_potentials(copper: Structure) -> None:
    plan = plan_calculation(Absorber(copper, 0, Edge.K), SMALL, NO_LIBRARY)
    electrons = VALENCE["Cu_sv_GW"] * len(plan.cell.atoms)
    empty = 0.256 * plan.cell.volume * (40 / 13.605693) ** 1.5
    tags = read_incar(inputs(copper, parameters=SMALL.model_copy(update={"default_moment": None}))["INCAR"])
    assert int(tags["NBANDS"]) == np.ceil((electrons + 1) / 2) + round(empty)
    assert "NELECT" not in tags
    # VASP adds the core electron to the cell by itself: the neutral number removes it.
    full = read_incar(inputs(copper, parameters=SMALL.model_copy(update={"excited_electron": "removed"}))["INCAR"])
    assert (float(full["NELECT"]), full["CLZ"]) == (electrons, "1.0")
    half = read_incar(inputs(copper, parameters=SMALL.model_copy(update={"core_hole": "half"}))["INCAR"])
    assert half["CLZ"] == "0.5"
    lightshow = read_incar(inputs(copper, parameters=SMALL.model_copy(update={"nbands_rule": "lightshow"}))["INCAR"])
    assert int(lightshow["NBANDS"]) == electrons + round(empty)


@pytest.mark.parametrize(("edge", "level"), [(Edge.K, "1 0"), (Edge.L1, "2 0"), (Edge.L23, "2 1")])
def test_the_edge_becomes_a_core_level(copper: Structure, edge: Edge, level: str) -> None:
    tags = read_incar(inputs(copper, edge=edge)["INCAR"])
    assert f"{tags['CLN']} {tags['CLL']}" == level
    assert (tags["CLNT"], tags["ICORELEVEL"], tags["CH_LSPEC"]) == ("1", "2", "True")


def test_the_k_grid_exceeds_the_length_asked_for(ti_o_10: dict[str, Structure]) -> None:
    for structure in ti_o_10.values():
        texts = inputs(structure, next(i for i, s in enumerate(structure) if s.specie.symbol == "Ti"))
        grid = tuple(int(n) for n in texts["KPOINTS"].splitlines()[3].split())
        lattice = read_poscar(texts["POSCAR"])[0]
        assert effective_length(lattice, grid) > SMALL.kpoints_length  # type: ignore[arg-type]  # three numbers


@pytest.mark.parametrize("edge", [Edge.L3, Edge.M1])
def test_edges_that_cannot_be_computed_are_refused(copper: Structure, edge: Edge) -> None:
    with pytest.raises(ParameterError, match="L23"):
        inputs(copper, edge=edge)


def test_a_level_that_the_potential_has_in_its_valence_is_refused(sulfur: Absorber) -> None:
    lithium = next(i for i, site in enumerate(sulfur.structure) if site.specie.symbol == "Li")
    assert inputs(sulfur.structure, lithium)["POTCAR.spec"].splitlines()[0] == "Li_GW"
    forced = SMALL.model_copy(update={"potcars": {"Li": "Li_sv_GW"}})
    with pytest.raises(ParameterError, match="Li_sv_GW has the level of Li1 K among its 3 valence electrons"):
        inputs(sulfur.structure, lithium, forced)


def test_a_supercell_that_no_one_could_pay_for_is_refused(copper: Structure) -> None:
    with pytest.raises(StructureError, match="more than 2000 atoms"):
        inputs(copper, parameters=VaspParameters(supercell_distance=40))


def test_the_potcar_is_in_the_order_of_the_poscar(magnetite: Structure, potcars: Path) -> None:
    calculator = VaspCalculator(SMALL, potcars=str(potcars))
    absorber = Absorber(magnetite, 1, Edge.K)
    texts = calculator.inputs(absorber)
    titles = [line.split()[3] for line in texts["POTCAR"].splitlines() if "TITEL" in line]
    assert titles == ["Ti_sv_GW", "Fe_sv_GW", "O_GW", "Ti_sv_GW"]
    identity = calculator.identity(absorber)
    assert set(identity["pseudopotentials"]) == {"Ti", "Fe", "O"}
    assert identity["orientation"] == absorber.orientation_id


def test_without_potcar_files_inputs_name_them_and_the_identity_is_refused(copper: Structure) -> None:
    calculator = VaspCalculator(SMALL)
    assert "POTCAR" not in calculator.inputs(Absorber(copper, 0, Edge.K))
    with pytest.raises(MissingDependencyError, match="set WHITELINE_VASP_POTCARS"):
        calculator.identity(Absorber(copper, 0, Edge.K))


def test_potcar_files_change_no_other_input(magnetite: Structure, potcars: Path) -> None:
    with_files = VaspCalculator(SMALL, potcars=str(potcars)).inputs(Absorber(magnetite, 1, Edge.K))
    without = inputs(magnetite, 1)
    for name in ("INCAR", "KPOINTS", "POSCAR"):
        assert with_files[name] == without[name]


def test_the_order_of_the_users_sites_has_no_part_in_the_input(magnetite: Structure) -> None:
    order = [3, 5, 0, 2, 1, 4]
    shuffled = Structure.from_sites([magnetite[i] for i in order])
    assert inputs(shuffled, order.index(5)) == inputs(magnetite, 5)


def test_the_neutral_cell_is_the_same_for_every_absorber(ti_o_10: dict[str, Structure]) -> None:
    parameters = SMALL.model_copy(update={"site_alignment": "total_energy"})
    written = [VaspCalculator(parameters).inputs(a) for a in find_absorbers(ti_o_10["mp-1203"], "Ti", Edge.K)]
    for name in ("INCAR", "KPOINTS", "POTCAR.spec"):
        assert len({texts[f"ground-state/{name}"] for texts in written}) == 1
    cells = [read_poscar(texts["ground-state/POSCAR"]) for texts in written]
    assert len({tuple(species) for _, species, _, _ in cells}) == 1
    assert all(np.allclose(cells[0][3], positions, atol=1e-7) for _, _, _, positions in cells)
    assert "ICORELEVEL" not in written[0]["ground-state/INCAR"]
    assert not any(name.startswith("ground-state") for name in inputs(ti_o_10["mp-1203"], 0))


@pytest.mark.parametrize(
    "values", [{}, {"hubbard_u": {"Fe": 5.3}, "excited_electron": "removed"}, {"encut": "potcar", "incar": {"KPAR": 2}}]
)
def test_pymatgens_sets_give_the_same_text(magnetite: Structure, values: dict[str, object]) -> None:
    parameters = SMALL.model_copy(update=values)
    absorber = Absorber(magnetite, 5, Edge.K)
    texts = VaspCalculator(parameters).inputs(absorber)
    files = CoreHoleSet.from_absorber(absorber, parameters).get_input_set(potcar_spec=True)
    assert files["INCAR"].get_str() == texts["INCAR"]
    for name in ("KPOINTS", "POSCAR", "POTCAR.spec"):
        assert str(files[name]) == texts[name]


def test_the_neutral_set_gives_the_text_of_the_folder(magnetite: Structure) -> None:
    parameters = SMALL.model_copy(update={"site_alignment": "total_energy"})
    absorber = Absorber(magnetite, 5, Edge.K)
    texts = VaspCalculator(parameters).inputs(absorber)
    files = GroundStateSet.from_absorber(absorber, parameters).get_input_set(potcar_spec=True)
    assert files["INCAR"].get_str() == texts["ground-state/INCAR"]
    for name in ("KPOINTS", "POSCAR", "POTCAR.spec"):
        assert str(files[name]) == texts[f"ground-state/{name}"]


def test_a_set_writes_files_for_a_structure_given_later_as_atomate2_does(
    copper: Structure, tmp_path: Path, potcars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(potcars))
    generator = CoreHoleSet(site_index=0, edge="K", parameters=SMALL, user_incar_settings={"NCORE": 4, "LASPH": None})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="POTCAR data with symbol")  # the stand-ins are not known to pymatgen
        generator.get_input_set(copper).write_input(str(tmp_path / "run"))
    texts = VaspCalculator(SMALL).inputs(Absorber(copper, 0, Edge.K))
    for name in ("POSCAR", "KPOINTS", "POTCAR"):
        assert (tmp_path / "run" / name).read_text() == texts[name]
    tags = read_incar((tmp_path / "run" / "INCAR").read_text())
    assert (tags["NCORE"], "LASPH" in tags) == ("4", False)


def test_a_set_without_a_structure_says_so() -> None:
    with pytest.raises(ParameterError, match="CoreHoleSet has no structure"):
        CoreHoleSet(parameters=SMALL).plan()


# What the sample's files say and ours do not, or the other way round, with the reason.
EXPLAINED = {
    "CH_LSPEC": "True is what pymatgen writes; VASP reads the first letter, .TRUE. or True",
    "LCHARG": "likewise",
    "LWAVE": "likewise",
    "EDIFF": "1E-5 and 1e-05 are one number",
    "ENCUT": "400 and 400.0 are one number",
    "CH_NEDOS": "the sample leaves VASP's 1000 points, most of them empty; ours always says how many",
    "LASPH": "VASP's default, which ours says",
    "NELM": "VASP's default, which ours says",
    "POSCAR line 1": "the title",
    "POSCAR line 2": "1.0 and 1.00000000000000 are one number",
    "POSCAR lines 3-5": "other vectors of the same lattice: ours start from the primitive cell",
    "POSCAR line 6": "other elements by atomic number in ours, as the user had them in the sample",
    "POSCAR line 7": "follows line 6",
    "POSCAR line 8": "direct and Direct are one word",
    "POSCAR positions": "other vectors, another origin; the distances are compared",
    "KPOINTS line 1": "the title",
    "KPOINTS line 5": "a shift of zero, which is VASP's default",
}


def test_the_inputs_of_a_real_run_are_written_again(sulfur: Absorber, data: Path) -> None:
    sample = data / "vasp" / "Li7P3S11"
    parameters = VaspParameters(
        algo="Fast",
        encut=400.0,
        ediff=1e-5,
        nelm=60,
        lasph=False,
        default_moment=None,
        nbands=704,
        ch_nedos=1000,
        potcars={"Li": "Li_GW"},
        kpoints_length=30.0,
        incar={"LORBIT": 11},
    )
    texts = VaspCalculator(parameters).inputs(sulfur)
    different = set()

    ours, theirs = read_incar(texts["INCAR"]), read_incar((sample / "INCAR").read_text())
    different |= {tag for tag in {*ours, *theirs} if ours.get(tag) != theirs.get(tag)}
    for tag in different & ours.keys() & theirs.keys():
        assert same_value(ours[tag], theirs[tag])
    for name in ("POSCAR", "KPOINTS"):
        ours_lines, theirs_lines = (t.splitlines() for t in (texts[name], (sample / name).read_text()))
        head = 8 if name == "POSCAR" else 5
        for n in range(head):
            a, b = (" ".join(lines[n].split()) if n < len(lines) else "" for lines in (ours_lines, theirs_lines))
            if a != b:
                different.add("POSCAR lines 3-5" if name == "POSCAR" and 2 <= n <= 4 else f"{name} line {n + 1}")
    different.add("POSCAR positions")
    assert different == set(EXPLAINED)

    found, expected = neighbours(texts["POSCAR"]), neighbours((sample / "POSCAR").read_text())
    assert [d for d, _ in found] == pytest.approx([d for d, _ in expected], abs=1e-6)
    assert sorted(zip(*read_poscar(texts["POSCAR"])[1:3], strict=True)) == sorted(
        zip(*read_poscar((sample / "POSCAR").read_text())[1:3], strict=True)
    )
    assert texts["POTCAR.spec"].split() == ["S_GW", "P_GW", "Li_GW", "S_GW"]


def same_value(one: str, other: str) -> bool:
    """Whether VASP would read two values as one."""
    logical = {"TRUE": "T", "FALSE": "F"}
    a, b = (logical.get(value.strip(".").upper(), value) for value in (one, other))
    try:
        return float(a) == float(b)
    except ValueError:
        return a == b


@pytest.mark.parametrize(
    "values", [{}, {"cell": "primitive"}, {"nbands": 300}, load_preset("vasp", "published:lightshow")], ids=len
)
def test_no_two_rungs_of_a_ladder_are_the_same_calculation(
    values: dict[str, object], ti_o_10: dict[str, Structure]
) -> None:
    # Equal neighbours agree, and would count as converged.
    absorber = Absorber(ti_o_10["mp-2657"], 0, Edge.K)
    calculator = VaspCalculator(build_parameters(VaspParameters, values))
    for knob in calculator.knobs(absorber):
        rungs = [with_values(calculator, {**knob.fixed, knob.name: value}).inputs(absorber) for value in knob.rungs]
        assert all(a != b for a, b in pairwise(rungs)), knob.name
