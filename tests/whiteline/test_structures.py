"""Reading what users have, and refusing what no code can compute, with words that help."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import ase.io
import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.periodic_table import DummySpecies
from pymatgen.core.structure import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from whiteline.errors import MissingDependencyError, StructureError
from whiteline.provenance import file_checksum
from whiteline.structures import check_structure, read_structure, read_structures


@pytest.fixture
def salt() -> Structure:
    return Structure(Lattice.cubic(4.2), ["Cs", "Cl"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])


def save(structure: Structure, path: Path) -> Path:
    if path.suffix in {".xyz", ".xsf", ".gen"}:
        ase.io.write(path, AseAtomsAdaptor.get_atoms(structure), format="extxyz" if path.suffix == ".xyz" else None)
    else:
        structure.to(filename=str(path))
    return path


@pytest.mark.parametrize(
    "name",
    ["a.cif", "POSCAR", "CONTCAR_2", "a.vasp", "a.xyz", "a.json", "a.xsf", "a.gen", "Ö – мир.cif", "a b [1].cif"],
)
def test_every_format_gives_back_the_crystal(salt: Structure, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "CONTCAR_2":
        salt.to(filename=str(path), fmt="poscar")
    else:
        save(salt, path)
    found = read_structure(path)
    assert found.composition == salt.composition
    # Text formats keep six decimals or more.
    assert np.allclose(found.lattice.abc, 4.2, atol=1e-5)
    assert found.get_distance(0, 1) == pytest.approx(4.2 * np.sqrt(3) / 2, abs=1e-5)


@pytest.mark.parametrize("key", ["b", "ü 1", "mp-390"])
def test_a_key_picks_one_structure_of_a_mapping(salt: Structure, copper: Structure, tmp_path: Path, key: str) -> None:
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"a": copper.as_dict(), key: salt.as_dict()}), encoding="utf-8")
    (found,) = read_structures([f"{path}#{key}"])
    assert found.structure == salt
    assert (found.name, found.source) == (key, f"{path}#{key}")


def test_a_list_of_structures_is_read_in_order_and_named_by_place(
    salt: Structure, copper: Structure, tmp_path: Path
) -> None:
    path = tmp_path / "two.json"
    path.write_text(json.dumps([salt.as_dict(), copper.as_dict()]), encoding="utf-8")
    assert [found.name for found in read_structures([str(path)])] == ["two-0", "two-1"]
    assert read_structure(f"{path}#1") == copper


def test_more_than_one_structure_is_refused_where_one_is_wanted(salt: Structure, tmp_path: Path) -> None:
    path = tmp_path / "two.json"
    path.write_text(json.dumps([salt.as_dict()] * 2), encoding="utf-8")
    with pytest.raises(StructureError, match="holds 2 structures, expected one: pick one with"):
        read_structure(path)


def test_a_folder_and_a_glob_give_their_structure_files_in_order(
    salt: Structure, copper: Structure, tmp_path: Path
) -> None:
    save(copper, tmp_path / "b.cif")
    save(salt, tmp_path / "a.cif")
    save(salt, tmp_path / "POSCAR_c")
    (tmp_path / "notes.txt").write_text("not a structure")
    assert [s.name for s in read_structures([str(tmp_path)])] == ["POSCAR_c", "a", "b"]
    assert [s.name for s in read_structures([str(tmp_path / "*.cif")])] == ["a", "b"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(salt: Structure, tmp_path: Path) -> None:
    save(salt, tmp_path / "a[1].cif")
    assert read_structure(tmp_path / "a[1].cif").composition == salt.composition


WATER = "3\nwater\nO 0 0 0\nH 0 0.76 0.59\nH 0 -0.76 0.59\n"
HALF = """data_half
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Fe1 Fe 0 0 0 0.5
Ni1 Ni 0 0 0 0.5
"""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.cif", b"", "is empty"),
        ("garbage.cif", bytes(range(256)) * 8, "cannot read a structure.*expected CIF"),
        ("POSCAR", bytes(range(256)) * 8, "cannot read a structure.*expected CIF"),
        ("garbage.xyz", b"\xff\xfe\x00garbage", "cannot read a structure.*expected CIF"),
        ("text.cif", b"Dear editor,", "cannot read a structure.*expected CIF"),
        ("water.xyz", WATER.encode(), "looks like a molecule: put it into a box"),
        ("half.cif", HALF.encode(), "partially occupied.*order the cell first"),
        ("cut.json", b'{"lattice": {"mat', "is not JSON"),
        ("latin.json", '{"ü": 1}'.encode("latin-1"), "is not JSON"),
        ("deep.json", b"[" * 100_000, "is not JSON"),
        ("number.json", b"3", "holds no pymatgen structure"),
        ("none.json", b"{}", "holds no pymatgen structure"),
        ("nothing.json", b"[]", "holds no pymatgen structure"),
        ("other.json", b'{"lattice": 1}', "is not a pymatgen structure"),
        ("numbers.json", b"[1, 2]", "numbers.json#0 is not a pymatgen structure"),
        ("table.csv", b"a,b\n1,2\n", "cannot read a structure.*expected CIF"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_remedy(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StructureError, match=words) as caught:
        read_structure(tmp_path / name)
    assert name in str(caught.value)


def _flat(data: dict[str, Any]) -> None:
    data["lattice"]["matrix"][2] = [0, 0, 0]


def _nan_coordinate(data: dict[str, Any]) -> None:
    data["sites"][0]["abc"][1] = float("nan")


def _infinite_cell(data: dict[str, Any]) -> None:
    data["lattice"]["matrix"][0][0] = float("inf")


def _close(data: dict[str, Any]) -> None:
    data["sites"][1]["abc"] = [0.3 / 4.2, 0, 0]


def _no_sites(data: dict[str, Any]) -> None:
    data["sites"] = []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_flat, "volume of 0 Å³"),
        (_nan_coordinate, "not a finite number"),
        (_infinite_cell, "not a finite number"),
        (_close, r"sites 0 \(Cs\) and 1 \(Cl\) are 0.30 Å apart.*remove the duplicate"),
        (_no_sites, "is not a pymatgen structure"),
    ],
)
def test_an_unphysical_crystal_is_refused_with_its_file(
    salt: Structure, tmp_path: Path, damage: Callable[[dict[str, Any]], None], words: str
) -> None:
    content = json.loads(json.dumps(salt.as_dict()))
    damage(content)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with np.errstate(all="ignore"), pytest.raises(StructureError, match=words) as caught:
        read_structure(path)
    assert "bad.json" in str(caught.value)


def test_a_dummy_atom_is_no_element() -> None:
    dummy = Structure(Lattice.cubic(4), [DummySpecies("X"), "O"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    with pytest.raises(StructureError, match=r"site 0 holds X.*, which is not an element"):
        check_structure(dummy, name="dummy")


def test_an_atom_too_close_to_its_own_image_is_found() -> None:
    with pytest.raises(StructureError, match=r"sites 0 \(H\) and 0 \(H\) are 0.50 Å apart"):
        check_structure(Structure(Lattice.orthorhombic(0.5, 4, 4), ["H"], [[0, 0, 0]]), name="chain")


def test_a_hydrogen_molecule_in_a_box_is_no_overlap() -> None:
    box = Structure(Lattice.cubic(8), ["H", "H"], [[0.0, 0.0, 0.0], [0.7414, 0.0, 0.0]], coords_are_cartesian=True)
    check_structure(box, name="H2")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing.cif", "no such file: nothing.cif"),
        ("folder/mp-1.cif", "no such file"),
        ("*.nothing", r"nothing matches \*.nothing"),
        ("nothing.json#a", "no such file: nothing.json#a"),
    ],
)
def test_a_source_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StructureError, match=words):
        read_structure(source)


def test_a_folder_without_structures_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(StructureError, match=r"no structure files in .*expected CIF, POSCAR"):
        list(read_structures([str(tmp_path)]))


def test_an_unknown_key_is_refused_with_the_nearest(salt: Structure, tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"mp-390": salt.as_dict()}), encoding="utf-8")
    with pytest.raises(StructureError, match="no structure 'mp-930': did you mean 'mp-390'"):
        read_structure(f"{path}#mp-930")


def test_a_key_into_a_file_that_has_none_is_refused(salt: Structure, tmp_path: Path) -> None:
    path = save(salt, tmp_path / "a.cif")
    with pytest.raises(StructureError, match="only a JSON collection of structures has keys"):
        read_structure(f"{path}#1")


def test_a_materials_project_id_without_the_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mp_api.client", None)
    with pytest.raises(MissingDependencyError, match=r"mp-390.*pip install 'whiteline\[mp\]'"):
        read_structure("mp-390")


def fake_client(monkeypatch: pytest.MonkeyPatch, fetch: Callable[[str], Structure]) -> None:
    """Stand in for mp-api, which asks a server."""

    class MPRester:
        def __enter__(self) -> "MPRester":
            return self

        def __exit__(self, *_: object) -> None: ...

        def get_structure_by_material_id(self, material_id: str) -> Structure:
            return fetch(material_id)

    client = ModuleType("mp_api.client")
    client.MPRester = MPRester  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "mp_api", ModuleType("mp_api"))
    monkeypatch.setitem(sys.modules, "mp_api.client", client)


def test_a_materials_project_id_without_a_key_says_where_to_get_one(
    salt: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_client(monkeypatch, lambda _: salt)
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(MissingDependencyError, match=r"mp-390.*set MP_API_KEY"):
        read_structure("mp-390")


def test_a_materials_project_id_is_fetched_and_named(salt: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_client(monkeypatch, lambda _: salt)
    monkeypatch.setenv("MP_API_KEY", "x")
    (found,) = read_structures(["mvc-11115"])
    assert (found.name, found.source, found.structure) == ("mvc-11115", "mvc-11115", salt)


def test_a_failed_fetch_names_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> Structure:
        raise ConnectionError("no route to host")

    fake_client(monkeypatch, fail)
    monkeypatch.setenv("MP_API_KEY", "x")
    with pytest.raises(StructureError, match=r"cannot fetch mp-390.*no route to host"):
        read_structure("mp-390")


@pytest.mark.parametrize(
    ("lattice", "position"),
    [
        (Lattice.cubic(1e5), [0, 0, 0]),
        (Lattice.orthorhombic(0.01, 100, 100), [0, 0, 0]),
        (Lattice.cubic(4.0), [1e9, 0, 0]),
    ],
    ids=["huge", "thin", "far"],
)
def test_a_cell_of_no_crystal_is_refused_before_its_neighbours_are_counted(
    lattice: Lattice, position: list[float]
) -> None:
    with pytest.raises(StructureError, match="no crystal is like that"):
        check_structure(Structure(lattice, ["Cu"], [position]), name="cell")


def test_structures_name_the_checksum_of_their_file(salt: Structure, tmp_path: Path) -> None:
    (single,) = read_structures([str(save(salt, tmp_path / "salt.cif"))])
    assert single.source_checksum == file_checksum(tmp_path / "salt.cif")
    collection = tmp_path / "set.json"
    collection.write_text(json.dumps({"a": salt.as_dict(), "b": salt.as_dict()}))
    assert {named.source_checksum for named in read_structures([str(collection)])} == {file_checksum(collection)}
