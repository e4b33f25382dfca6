"""input.xml says what was asked for: checked by geometry, by bytes, and against real inputs."""

from __future__ import annotations

import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.exciting import ExcitingCalculator, ExcitingParameters
from whiteline.calculators.exciting.inputs import write_inputs
from whiteline.calculators.interface import Level
from whiteline.calculators.parameters import build_parameters
from whiteline.edges import Edge
from whiteline.errors import ParameterError

BOHR = 0.529177210544


def parse(absorber: Absorber, **values: object) -> ET.Element:
    parameters = build_parameters(ExcitingParameters, values)
    return ET.fromstring(write_inputs(absorber, parameters)["input.xml"])  # noqa: S314  # our own text


def real_input(data: Path, sample: str) -> ET.Element:
    return ET.parse(data / "exciting" / sample / "input.xml").getroot()  # noqa: S314  # a file of the repository


def attributes(root: ET.Element, path: str) -> dict[str, str]:
    found = root.find(path)
    assert found is not None
    return dict(found.attrib)


def neighbours(root: ET.Element, radius: float) -> list[tuple[float, str]]:
    """Return distance and element of the neighbours of the atom that xasspecies and xasatom name."""
    scale = float(attributes(root, "structure/crystal").get("scale", "1")) * BOHR
    lattice = np.array([[float(x) for x in (v.text or "").split()] for v in root.iter("basevect")]) * scale
    atoms = [
        [(s.attrib["speciesfile"].split(".")[0], np.array(a.attrib["coord"].split(), float)) for a in s.findall("atom")]
        for s in root.iter("species")
    ]
    bse = attributes(root, "xs/BSE")
    _, origin = atoms[int(bse["xasspecies"]) - 1][int(bse["xasatom"]) - 1]
    steps = np.array(np.meshgrid(*[range(-4, 5)] * 3)).reshape(3, -1).T
    found = []
    for element, position in (atom for one in atoms for atom in one):
        distances = np.linalg.norm((steps + position - origin) @ lattice, axis=1)
        found += [(float(d), element) for d in distances if 1e-3 < d <= radius]
    return sorted(found)


def mixed() -> Structure:
    """Ti in second place, one element in two oxidation states, spins."""
    return Structure(
        Lattice.orthorhombic(4.1, 5.2, 6.3),
        ["O2-", "Ti4+", "Fe2+", "O2-", "Fe3+"],
        [[0.0, 0.0, 0.0], [0.5, 0.5, 0.02], [0.5, 0.03, 0.5], [0.0, 0.55, 0.45], [0.02, 0.5, 0.98]],
        site_properties={"magmom": [0.0, 0.0, 4.0, 0.0, -5.0]},
    )


def test_the_absorber_has_the_neighbours_of_the_site_asked_for(ti_o_10: dict[str, Structure]) -> None:
    absorbers = [a for name in ("mp-390", "mp-1203") for a in find_absorbers(ti_o_10[name], "Ti", Edge.K)]
    absorbers += [Absorber(mixed(), i, Edge.K) for i in range(5)]
    absorbers.append(Absorber(ti_o_10["mp-390"] * (2, 1, 1), 3, Edge.K))
    for absorber in absorbers:
        root = parse(absorber)
        expected = sorted(
            (n.nn_distance, getattr(n.specie, "element", n.specie).symbol)
            for n in absorber.structure.get_neighbors(absorber.structure[absorber.site_index], 5.0)
        )
        found = neighbours(root, 5.0)
        assert [d for d, _ in found] == pytest.approx([d for d, _ in expected], abs=1e-4)
        assert sorted(e for _, e in found) == sorted(e for _, e in expected)
        assert attributes(root, "structure/species")["speciesfile"] == f"{absorber.element}.xml"


def test_the_same_absorber_and_parameters_give_the_same_bytes(ti_o_10: dict[str, Structure]) -> None:
    texts = [write_inputs(Absorber(ti_o_10["mp-1203"], 2, Edge.K), ExcitingParameters()) for _ in range(2)]
    assert texts[0] == texts[1]
    assert list(texts[0]) == ["input.xml"]


def test_the_order_of_other_atoms_in_the_users_file_changes_no_byte(rutile: Absorber) -> None:
    shuffled = rutile.structure.copy()
    shuffled.remove_sites([2])
    shuffled.append("O", rutile.structure[2].frac_coords)
    other = Absorber(shuffled, 1, rutile.edge)
    assert write_inputs(other, ExcitingParameters()) == write_inputs(rutile, ExcitingParameters())


def test_atoms_of_one_element_in_two_oxidation_states_share_a_species() -> None:
    root = parse(Absorber(mixed(), 4, Edge.K))
    assert [s.attrib["speciesfile"] for s in root.iter("species")] == ["Fe.xml", "Ti.xml", "O.xml"]
    assert [len(s.findall("atom")) for s in root.iter("species")] == [2, 1, 2]


def test_u_follows_its_element_in_hartree() -> None:
    root = parse(Absorber(mixed(), 1, Edge.K), hubbard_u={"Fe": 5.3, "Ni": 6.2})
    assert attributes(root, "groundstate")["ldapu"] == "FullyLocalisedLimit"
    by_file = {s.attrib["speciesfile"]: s.find("LDAplusU") for s in root.iter("species")}
    assert {name for name, u in by_file.items() if u is not None} == {"Fe.xml"}
    iron = by_file["Fe.xml"]
    assert iron is not None
    assert iron.get("l") == "2"
    assert float(iron.get("U", "")) * 27.2113839 == pytest.approx(5.3, rel=1e-7)
    assert "ldapu" not in attributes(parse(Absorber(mixed(), 1, Edge.K), hubbard_u={"Ni": 6.2}), "groundstate")


def test_u_on_an_element_without_d_and_f_electrons_is_refused() -> None:
    with pytest.raises(ParameterError, match="O has none that matter"):
        parse(Absorber(mixed(), 1, Edge.K), hubbard_u={"O": 5.0})


def test_moments_are_left_out_with_a_warning(species: Path) -> None:
    findings = ExcitingCalculator(species=species).check(Absorber(mixed(), 1, Edge.K))
    spin = next(f for f in findings if f.subject == "spin")
    assert spin.level is Level.WARNING
    assert "moments of up to 5 µB" in spin.detail


def test_the_broadening_is_written_as_half_width_in_hartree(rutile: Absorber) -> None:
    # 0.979610 eV is the full width in the sample, whose input says 0.018 Hartree and whose tables 0.489805 eV.
    assert attributes(parse(rutile, broadening=0.97961), "xs")["broad"] == "0.018"


@pytest.mark.parametrize("edge", [Edge.K, Edge.L1, Edge.L2, Edge.L3, Edge.L23])
def test_every_edge_gets_its_name_and_a_window_around_its_level(rutile: Absorber, edge: Edge) -> None:
    root = parse(Absorber(rutile.structure, 0, edge))
    assert attributes(root, "xs/BSE")["xasedge"] == edge.value
    start, stop = (float(x) * 27.2113839 for x in attributes(root, "xs/energywindow")["intv"].split())
    lowest = {"K": 4868, "L1": 537, "L2": 448, "L3": 442, "L23": 442}[edge.value]
    assert start < lowest - 20 < lowest + 50 < stop


def test_there_are_never_fewer_empty_states_than_bands(ti_o_10: dict[str, Structure]) -> None:
    for name in ("mp-2664", "mp-1840"):
        root = parse(Absorber(ti_o_10[name], 0, Edge.K))
        n_bands = int(attributes(root, "xs/BSE")["nstlxas"].split()[1])
        assert int(attributes(root, "xs")["nempty"]) >= n_bands


def test_radii_and_grid_of_the_density_are_written_where_given(rutile: Absorber) -> None:
    root = parse(rutile, muffin_tin_radii_bohr={"Ti": 1.8, "O": 1.6}, scf_kpoints_length=6.0, kpoints_length=17.0)
    assert [s.attrib["rmt"] for s in root.iter("species")] == ["1.8", "1.6"]
    assert attributes(root, "groundstate")["ngridk"] == "2 2 3"
    assert attributes(root, "xs")["ngridk"] == attributes(root, "xs")["ngridq"] == "4 4 6"


def flatten(root: ET.Element) -> dict[str, str]:
    """Return every attribute and text by its path, blanks made single."""
    found: dict[str, str] = {}

    def walk(element: ET.Element, path: str) -> None:
        found.update({f"{path}@{name}": " ".join(value.split()) for name, value in element.attrib.items()})
        if element.text and element.text.strip():
            found[path] = " ".join(element.text.split())
        for i, child in enumerate(element):
            n_same = sum(other.tag == child.tag for other in element)
            index = 1 + sum(other.tag == child.tag for other in element[:i])
            walk(child, f"{path}/{child.tag}" + (f"[{index}]" if n_same > 1 else ""))

    walk(root, "")
    return found


# Parameters that come to the calculations of the samples; bands by an energy that gives their number.
BN = {
    "functional": "GGA_PBE_SOL", "rgkmax": 7.0, "gmaxvr_per_bohr": 14.0, "scf_kpoints_length": 6.3,
    "scf_empty_states": 5, "kpoints_length": 3.0, "kpoints_offset": [0.05, 0.15, 0.25], "band_energy": 39.6,
    "empty_states": 30, "gqmax_per_bohr": 3.0, "screening_empty_states": 100, "broadening": 0.97961,
    "energy_window": [13.4 * 27.2113839, 16.5 * 27.2113839], "energy_step": 3.1 * 27.2113839 / 100,
}  # fmt: skip
RUTILE = {
    "functional": "GGA_PBE_SOL", "rgkmax": 7.0, "muffin_tin_radii_bohr": {"Ti": 1.8, "O": 1.8}, "scf_empty_states": 5,
    "kpoints_length": 4.5, "kpoints_offset": [0.05, 0.15, 0.25], "band_energy": 9.8, "empty_states": 30,
    "gqmax_per_bohr": 1.0, "screening_empty_states": 50, "broadening": 0.97961,
    "energy_window": [15 * 27.2113839, 18 * 27.2113839], "energy_step": 3 * 27.2113839 / 100,
}  # fmt: skip

SAME_NUMBER = "the same number, or the same lattice, in other digits"
OURS = "a default of exciting, or what it works out by itself, written out"
ABSORBER_FIRST = "the absorber is the first atom of the first species here"
EXPLAINED = {
    "/title": "names formula, absorber and site",
    "/structure@autormt": OURS,
    "/structure/crystal@scale": "vectors are written in bohr, not in units of a lattice constant",
    "/structure/crystal/basevect": SAME_NUMBER,
    "/structure/species": ABSORBER_FIRST,
    "/xs/BSE@xasspecies": ABSORBER_FIRST,
    "/xs/BSE@xasatom": ABSORBER_FIRST,
    "/groundstate@do": OURS,
    "/groundstate@nempty": OURS,
    "/groundstate@maxscl": OURS,
    "/groundstate@rgkmax": SAME_NUMBER,
    "/groundstate@gmaxvr": SAME_NUMBER,
    "/groundstate@radialgridtype": "the radial grid is left to exciting",
    "/groundstate@epsocc": "the smallest occupation that counts is left to exciting",
    "/xs@rgkmax": "the basis of the density is written out, exciting would take it from the density",
    "/xs@gqmax": SAME_NUMBER,
    "/xs@tappinfo": "INFOXS.OUT keeps what earlier starts wrote",
    "/xs@reducek": OURS,
    "/xs@reduceq": "symmetry is left to exciting",
    "/xs/energywindow@intv": SAME_NUMBER,
    "/xs/qpointset/qpoint": SAME_NUMBER,
}


@pytest.mark.parametrize(("sample", "fixture", "values"), [("BN", "boron_nitride", BN), ("TiO2", "rutile", RUTILE)])
def test_every_difference_to_a_real_input_is_explained(
    data: Path, request: pytest.FixtureRequest, sample: str, fixture: str, values: dict[str, object]
) -> None:
    real = flatten(real_input(data, sample))
    ours = flatten(parse(request.getfixturevalue(fixture), **values))
    differences = {path for path in {*real, *ours} if real.get(path) != ours.get(path)}
    unexplained = {
        p for p in differences if not any(p == e or p.startswith((f"{e}[", f"{e}/", f"{e}@")) for e in EXPLAINED)
    }
    assert unexplained == set()
    # What makes the spectrum is the same, to the letter.
    same = set(real) & set(ours) - differences
    assert {"/xs@ngridk", "/xs@ngridq", "/xs@vkloff", "/xs@nempty", "/xs@broad", "/xs@tevout", "/xs@xstype"} <= same
    assert {"/xs/BSE@xasedge", "/xs/BSE@bsetype", "/xs/BSE@nstlxas", "/xs/energywindow@points"} <= same
    assert {"/groundstate@ngridk", "/groundstate@xctype", "/xs/screening@screentype", "/xs/screening@nempty"} <= same


@pytest.mark.parametrize(("sample", "fixture", "values"), [("BN", "boron_nitride", BN), ("TiO2", "rutile", RUTILE)])
def test_numbers_in_other_digits_and_atoms_in_another_order_are_those_of_the_real_input(
    data: Path, request: pytest.FixtureRequest, sample: str, fixture: str, values: dict[str, object]
) -> None:
    root = real_input(data, sample)
    ours = parse(request.getfixturevalue(fixture), **values)
    for path, name in (("xs/energywindow", "intv"), ("xs", "gqmax")):
        there = [float(x) for x in attributes(root, path)[name].split()]
        assert [float(x) for x in attributes(ours, path)[name].split()] == pytest.approx(there, rel=1e-9)
    crystal = root.find("structure/crystal")
    assert crystal is not None
    scale = float(crystal.get("scale", "1"))
    vectors = [[float(x) * scale for x in (v.text or "").split()] for v in root.iter("basevect")]
    written = [[float(x) for x in (v.text or "").split()] for v in ours.iter("basevect")]
    assert [e for _, e in neighbours(ours, 5.0)] == [e for _, e in neighbours(root, 5.0)]
    assert [d for d, _ in neighbours(ours, 5.0)] == pytest.approx([d for d, _ in neighbours(root, 5.0)], abs=1e-6)
    # The Bohr radius grew by 4e-9 between the tables that the fixtures and Whiteline use.
    assert np.allclose(written, vectors, atol=1e-7, rtol=0)


def test_memory_does_not_grow_with_the_number_of_inputs(ti_o_10: dict[str, Structure]) -> None:
    absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
    write_inputs(absorber, ExcitingParameters())
    tracemalloc.start()
    for _ in range(20):
        write_inputs(absorber, ExcitingParameters())
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # One input is 2 kB; twenty that were kept would be 40 kB and more.
    assert kept < 20_000
