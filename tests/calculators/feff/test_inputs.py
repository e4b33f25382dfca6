"""feff.inp must describe the crystal, whatever cell the user drew of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.operations import SymmOp
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.cluster import build_cluster
from whiteline.calculators.feff.inputs import write_inputs
from whiteline.calculators.feff.parameters import Elnes, PotentialGrouping, SpinMode
from whiteline.calculators.interface import Level
from whiteline.edges import Edge
from whiteline.errors import StructureError

SMALL = FeffParameters(scf_radius=4.0, fms_radius=5.0, cluster_radius=5.0)
SHORT = FeffParameters(scf_radius=None, fms_radius=2.5, cluster_radius=2.5)


@pytest.fixture
def wustite() -> Structure:
    """FeO with two kinds of Fe that carry charges and spins."""
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.33), ["Fe", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    species = ["Fe2+", "Fe2+", "Fe3+", "Fe3+"] + ["O2-"] * 4
    decorated = Structure(salt.lattice, species, salt.frac_coords)
    decorated.add_spin_by_site([4.0, -4.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0])
    return decorated


def block(text: str, card: str) -> list[list[str]]:
    """Return the words of the lines below a card, to the next card."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(card)) + 1
    rows = []
    for line in lines[start:]:
        if re.match(r"[A-Z]", line):
            break
        if line.strip() and re.match(r"\s*-?\d", line):
            rows.append(line.split())
    return rows


def distances(text: str) -> list[float]:
    return [float(np.linalg.norm([float(x) for x in row[:3]])) for row in block(text, "ATOMS")]


def feff_inp(structure: Structure, index: int = 0, *, parameters: FeffParameters = SMALL) -> str:
    return write_inputs(Absorber(structure, index, Edge.K), parameters)["feff.inp"]


@pytest.fixture
def anatase() -> Structure:
    return Structure.from_spacegroup(
        "I4_1/amd", Lattice.tetragonal(3.785, 9.514), ["Ti", "O"], [[0, 0, 0], [0, 0, 0.2081]]
    )


def test_the_absorber_is_the_first_atom_and_alone_potential_zero(anatase: Structure) -> None:
    atoms = block(feff_inp(anatase), "ATOMS")
    assert [float(x) for x in atoms[0][:3]] == [0, 0, 0]
    assert [row[3] for row in atoms].count("0") == 1
    assert atoms[0][3:5] == ["0", "Ti"]


def test_atoms_come_nearest_first_and_within_the_radius(anatase: Structure) -> None:
    text = feff_inp(anatase)
    found = distances(text)
    assert found == pytest.approx([float(row[5]) for row in block(text, "ATOMS")], abs=1e-5)
    assert np.all(np.diff(found) > -1e-6)
    assert found[-1] <= SMALL.cluster_radius


@pytest.mark.parametrize("grouping", PotentialGrouping)
def test_every_choice_of_cell_gives_the_same_potentials_and_distances(
    anatase: Structure, grouping: PotentialGrouping
) -> None:
    primitive = anatase.get_primitive_structure()
    supercell = primitive * (2, 2, 2)
    backwards = Structure.from_sites(list(supercell)[::-1])
    parameters = SMALL.model_copy(update={"potentials": grouping})
    texts = [
        feff_inp(cell, next(i for i, site in enumerate(cell) if site.specie.symbol == "Ti"), parameters=parameters)
        for cell in (primitive, anatase, supercell, backwards)
    ]
    for text in texts[1:]:
        assert block(text, "POTENTIALS") == block(texts[0], "POTENTIALS")
        assert [row[3:] for row in block(text, "ATOMS")] == [row[3:] for row in block(texts[0], "ATOMS")]
        assert text.splitlines()[0] == texts[0].splitlines()[0]


@pytest.mark.parametrize("name", ["mp-1203", "mvc-11115"])
def test_site_potentials_do_not_depend_on_the_order_of_the_sites(ti_o_10: dict[str, Structure], name: str) -> None:
    parameters = SMALL.model_copy(update={"potentials": PotentialGrouping.SITE})
    structure = ti_o_10[name]
    order = np.random.default_rng(1).permutation(len(structure))
    shuffled = Structure.from_sites([structure[int(i)] for i in order])
    one = feff_inp(structure, 0, parameters=parameters)
    two = feff_inp(shuffled, int(np.flatnonzero(order == 0)[0]), parameters=parameters)
    assert block(two, "POTENTIALS") == block(one, "POTENTIALS")
    assert sorted(row[3:] for row in block(two, "ATOMS")) == sorted(row[3:] for row in block(one, "ATOMS"))


def test_an_atom_exactly_on_the_radius_is_in_for_every_cell(copper: Structure) -> None:
    parameters = FeffParameters(scf_radius=None, fms_radius=3.61, cluster_radius=3.61)
    cells = [copper, copper.get_primitive_structure(), copper * (3, 2, 1)]
    # 12 nearest and 6 next-nearest neighbours of fcc.
    assert [len(block(feff_inp(cell, parameters=parameters), "ATOMS")) for cell in cells] == [19, 19, 19]


def test_the_stoichiometry_is_that_of_the_primitive_cell(ti_o_10: dict[str, Structure]) -> None:
    for cell in (ti_o_10["mp-390"], ti_o_10["mp-390"] * (2, 1, 3)):
        counts = [float(row[5]) for row in block(feff_inp(cell), "POTENTIALS")]
        assert counts == [1e-4, 2.0, 4.0]


def test_charges_and_spins_give_plain_tags_and_one_potential_a_species(wustite: Structure) -> None:
    rows = block(feff_inp(wustite), "POTENTIALS")
    assert [row[:3] for row in rows] == [
        ["0", "26", "Fe"],
        ["1", "26", "Fe2p"],
        ["2", "26", "Fe2p"],
        ["3", "26", "Fe3p"],
        ["4", "8", "O2m"],
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,6}", row[4]) for row in block(feff_inp(wustite), "ATOMS"))


def test_element_grouping_takes_all_species_of_an_element_together(wustite: Structure) -> None:
    parameters = SMALL.model_copy(update={"potentials": PotentialGrouping.ELEMENT})
    rows = block(feff_inp(wustite, parameters=parameters), "POTENTIALS")
    assert [(row[0], row[1]) for row in rows] == [("0", "26"), ("1", "26"), ("2", "8")]


def test_site_grouping_gives_each_inequivalent_site_its_potential(ti_o_10: dict[str, Structure]) -> None:
    parameters = SMALL.model_copy(update={"potentials": PotentialGrouping.SITE})
    rows = block(feff_inp(ti_o_10["mp-1203"], parameters=parameters), "POTENTIALS")
    # Ti on 2, 2 and 1 places and O on 2, 2 and 1 places.
    assert sorted((row[1], float(row[5])) for row in rows[1:]) == [
        *([("22", 1.0), ("22", 2.0), ("22", 2.0)]),
        *([("8", 1.0), ("8", 2.0), ("8", 2.0)]),
    ]


def test_potentials_are_numbered_without_gaps_and_all_have_atoms(ti_o_10: dict[str, Structure]) -> None:
    for name, structure in ti_o_10.items():
        for grouping in PotentialGrouping:
            absorber = find_absorbers(structure, "Ti", Edge.K)[0]
            cluster = build_cluster(absorber, SHORT.model_copy(update={"potentials": grouping}))
            assert set(cluster.i_potential.tolist()) == set(range(len(cluster.potentials))), (name, grouping)


def test_the_same_absorber_and_parameters_give_the_same_bytes(wustite: Structure) -> None:
    assert feff_inp(wustite) == feff_inp(wustite.copy())


def test_writing_leaves_the_structure_alone(wustite: Structure) -> None:
    before = wustite.copy()
    feff_inp(wustite)
    assert wustite == before


def test_an_l23_edge_becomes_one_input_for_each_edge(copper: Structure) -> None:
    inputs = FeffCalculator(SMALL).inputs(Absorber(copper, 0, Edge.L23))
    assert sorted(inputs) == ["L2/feff.inp", "L3/feff.inp"]
    for part in ("L2", "L3"):
        assert f"\nEDGE {part}\n" in inputs[f"{part}/feff.inp"]


def test_the_published_input_of_the_benchmark_is_written_again(ti_o_10: dict[str, Structure], data: Path) -> None:
    published = (data / "feff" / "mp-1203" / "feff.inp").read_text(encoding="utf-8")
    ours = feff_inp(ti_o_10["mp-1203"], parameters=FeffParameters())
    theirs = block(published, "POTENTIALS")
    assert [row[1] for row in block(ours, "POTENTIALS")] == [row[1] for row in theirs]
    assert [float(row[5]) for row in block(ours, "POTENTIALS")] == [float(row[5]) for row in theirs] == [1e-4, 5, 5]
    assert len(distances(ours)) == len(distances(published))
    # The published file prints six significant digits of coordinates up to 9 Å.
    assert np.allclose(distances(ours), distances(published), atol=2e-5)


def test_the_published_cards_of_the_benchmark_are_written_again(ti_o_10: dict[str, Structure], data: Path) -> None:
    def cards(text: str) -> dict[str, list[float | str]]:
        lines = [line.split() for line in text.splitlines() if re.match(r"[A-Zek]", line)]
        found = {" ".join(words[:2]) if words[0] == "k_grid" else words[0]: words[1:] for words in lines}
        for name in ("TITLE", "ATOMS", "END"):
            found.pop(name, None)
        return {name: [float(w) if re.match(r"-?\d", w) else w for w in words] for name, words in found.items()}

    published = (data / "feff" / "mp-1203" / "feff.inp").read_text(encoding="utf-8")
    ours = cards(feff_inp(ti_o_10["mp-1203"], parameters=FeffParameters()))
    assert ours == cards(published)


def test_an_isolated_atom_is_refused_with_the_remedy() -> None:
    alone = Structure(Lattice.cubic(15), ["Cu"], [[0, 0, 0]])
    with pytest.raises(StructureError, match=r"Cu0 K has no neighbour within 5.0 Å.*raise cluster_radius"):
        feff_inp(alone)


def test_coincident_atoms_which_feff_accepts_are_refused(copper: Structure) -> None:
    copper.append("Cu", [0.001, 0, 0])
    with pytest.raises(StructureError, match="remove the duplicate atom"):
        feff_inp(copper)


def test_no_line_is_longer_than_feff_reads(wustite: Structure) -> None:
    # FEFF cuts long lines off without a word; 80 characters are safe with every version.
    assert max(map(len, feff_inp(wustite).splitlines())) <= 80
    assert feff_inp(wustite).isascii()


def test_the_estimate_grows_with_the_radius_and_doubles_for_two_edges(copper: Structure) -> None:
    small, large = (FeffCalculator(FeffParameters(scf_radius=4.0, fms_radius=r)) for r in (4.0, 6.0))
    single, double = (Absorber(copper, 0, edge) for edge in (Edge.L3, Edge.L23))
    assert 0 < small.estimate(single).cpu_time < large.estimate(single).cpu_time
    assert small.estimate(double).cpu_time == pytest.approx(2 * small.estimate(single).cpu_time)


@pytest.fixture
def many_kinds() -> Structure:
    """A supercell of copper in which 40 atoms have left their places, each by another distance."""
    cell = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]]) * (3, 3, 2)
    rng = np.random.default_rng(0)
    for i in range(40):
        cell.translate_sites([i], rng.uniform(-0.02, 0.02, 3))
    return cell


def test_more_potentials_than_feff_takes_are_refused_with_the_remedy(many_kinds: Structure) -> None:
    parameters = SMALL.model_copy(update={"potentials": PotentialGrouping.SITE})
    with pytest.raises(StructureError, match=r"\d+ potentials beside the absorber's, FEFF takes 31: group .*'species'"):
        feff_inp(many_kinds, parameters=parameters)
    assert len(block(feff_inp(many_kinds), "POTENTIALS")) == 2


def test_more_atoms_than_feff_lists_or_scatters_are_refused(copper: Structure) -> None:
    listed = FeffParameters(scf_radius=None, fms_radius=3.0, cluster_radius=25.0)
    with pytest.raises(StructureError, match=r"atoms lie within 25.0 Å, FEFF takes 4000: lower cluster_radius"):
        feff_inp(copper, parameters=listed)
    copper.scale_lattice(40.0)  # 10 Å³ an atom: 3351 in a sphere of 20 Å
    scattering = FeffParameters(scf_radius=None, fms_radius=20.0)
    with pytest.raises(StructureError, match=r"atoms lie within 20.0 Å, FEFF scatters at most 3000"):
        feff_inp(copper, parameters=scattering)


def test_the_distances_around_every_absorber_are_those_in_its_structure(ti_o_10: dict[str, Structure]) -> None:
    for name, structure in ti_o_10.items():
        for absorber in find_absorbers(structure, "Ti", Edge.K):
            neighbours = structure.get_neighbors(structure[absorber.site_index], SMALL.cluster_radius)
            expected = sorted(n.nn_distance for n in neighbours)
            found = sorted(distances(write_inputs(absorber, SMALL)["feff.inp"]))[1:]
            # Coordinates have seven decimals.
            assert np.allclose(found, expected, atol=1e-6), name


def test_moments_follow_their_atoms_into_the_potentials(wustite: Structure) -> None:
    parameters = SMALL.model_copy(update={"spin": SpinMode.SPXAS})
    inputs = write_inputs(Absorber(wustite, 1, Edge.K), parameters)
    assert sorted(inputs) == ["down/feff.inp", "up/feff.inp"]
    assert "\nSPIN 2\n" in inputs["up/feff.inp"]
    assert "\nSPIN -2\n" in inputs["down/feff.inp"]
    rows = {(row[1], row[2], float(row[6])) for row in block(inputs["up/feff.inp"], "POTENTIALS")[1:]}
    assert rows == {("26", "Fe2p", 4.0), ("26", "Fe2p", -4.0), ("26", "Fe3p", 5.0), ("8", "O2m", 0.0)}
    assert float(block(inputs["up/feff.inp"], "POTENTIALS")[0][6]) == -4.0


def test_element_grouping_keeps_opposite_moments_apart(wustite: Structure) -> None:
    values = {"spin": SpinMode.SPXAS, "potentials": PotentialGrouping.ELEMENT}
    text = write_inputs(Absorber(wustite, 0, Edge.K), SMALL.model_copy(update=values))["up/feff.inp"]
    assert sorted(float(row[6]) for row in block(text, "POTENTIALS")[1:]) == [-4.0, 0.0, 4.0, 5.0]


def test_reversed_runs_differ_in_the_sign_of_every_moment_only(wustite: Structure) -> None:
    inputs = write_inputs(Absorber(wustite, 0, Edge.L3), SMALL.model_copy(update={"spin": SpinMode.XMCD}))
    for name in ("mean", "difference"):
        ahead, back = (inputs[f"{name}{suffix}/feff.inp"] for suffix in ("", "-reversed"))
        there, here = ([float(row[6]) for row in block(text, "POTENTIALS")] for text in (ahead, back))
        assert there == [-x for x in here]
        changed = [a for a, b in zip(ahead.splitlines(), back.splitlines(), strict=True) if a != b]
        assert len(changed) == sum(x != 0 for x in there)
    assert "XMCD" in inputs["difference/feff.inp"]
    assert "XMCD" not in inputs["mean/feff.inp"]


def test_spin_without_moments_is_refused(copper: Structure) -> None:
    with pytest.raises(StructureError, match=r"Cu has no magnetic moments.*magmom.*spin = 'none'"):
        write_inputs(Absorber(copper, 0, Edge.K), SMALL.model_copy(update={"spin": SpinMode.SPXAS}))


def test_the_beam_is_written_as_feff_reads_it(copper: Structure, data: Path) -> None:
    elnes = Elnes(beam_direction=(0, 1, 0), collection_angle=2.4, n_radial=5, n_angular=3)
    values = {"elnes": elnes, "k_max": 4.0, "k_step": 0.07, "energy_step": 0.0}
    text = feff_inp(copper, parameters=SMALL.model_copy(update=values))
    lines = text.splitlines()
    start = lines.index("ELNES 4 0.07 0")
    # FEFF's own example leaves the flags to their defaults: no average, cross terms, relativistic.
    assert lines[start + 1 : start + 6] == ["300 0 1 1", "0 1 0", "2.4 0", "5 3", "0 0"]
    assert "XANES" not in text


def test_an_orientation_average_has_no_line_for_the_direction(copper: Structure) -> None:
    lines = feff_inp(copper, parameters=SMALL.model_copy(update={"elnes": Elnes(relativistic=False)})).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("ELNES"))
    assert lines[start + 1 : start + 5] == ["300 1 0 0", "5 0", "50 1", "0 0"]


def test_only_a_spectrum_with_a_direction_depends_on_the_orientation(ti_o_10: dict[str, Structure]) -> None:
    absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
    turned = Absorber(ti_o_10["mp-390"].copy(), 0, Edge.K)
    turned.structure.apply_operation(SymmOp.from_axis_angle_and_translation(np.array([1, 0, 0]), 90))
    for elnes, is_same in ((None, True), (Elnes(), True), (Elnes(beam_direction=(0, 0, 1)), False)):
        calculator = FeffCalculator(SMALL.model_copy(update={"elnes": elnes}))
        assert ("orientation" in calculator.identity(absorber)) is not is_same
        assert (calculator.identity(absorber) == calculator.identity(turned)) is is_same


def test_preflight_names_the_number_of_runs_and_what_cannot_run(wustite: Structure, copper: Structure) -> None:
    calculator = FeffCalculator(SMALL.model_copy(update={"spin": SpinMode.XMCD}))
    cluster = next(f for f in calculator.check(Absorber(wustite, 0, Edge.L23)) if f.subject == "cluster")
    assert (cluster.level, "8 runs" in cluster.detail) == (Level.OK, True)
    refused = next(f for f in calculator.check(Absorber(copper, 0, Edge.K)) if f.subject == "cluster")
    assert (refused.level, "no magnetic moments" in refused.detail) == (Level.ERROR, True)
