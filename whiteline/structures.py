"""Reading crystal structures, and refusing those that no code could compute."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whiteline.errors import MissingDependencyError, StructureError, did_you_mean
from whiteline.provenance import content_checksum, file_checksum

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = [
    "MIN_DISTANCE",
    "NamedStructure",
    "check_structure",
    "element_symbol",
    "is_structure_file",
    "list_structure_files",
    "read_structure",
    "read_structures",
    "species_labels",
]

# Å; no two nuclei of a crystal are closer than in H2 (0.74 Å).
MIN_DISTANCE = 0.6

# What damaged files come to; a list of neighbours in such a cell needs more memory than there is.
_LARGEST_VOLUME = 4e6  # Å³
_SMALLEST_SPACING = 0.3  # Å
_FARTHEST = 1e3  # cells

_READABLE = {
    ".cif",
    ".mcif",
    ".vasp",
    ".poscar",
    ".xyz",
    ".extxyz",
    ".json",
    ".xsf",
    ".cssr",
    ".res",
    ".in",
    ".gen",
}
_VASP_NAMES = ("POSCAR", "CONTCAR")


@dataclass(frozen=True, eq=False)
class NamedStructure:
    """A structure and where it came from.

    Attributes:
        structure: The crystal.
        name: Short name for tables and file names.
        source: File (with `#key` inside a collection) or Materials Project id.
        source_checksum: Checksum of that file; empty where there is none.
    """

    structure: Structure
    name: str
    source: str
    source_checksum: str = ""


def read_structure(source: str | os.PathLike[str]) -> Structure:
    """Return the one structure that `source` names.

    Args:
        source: CIF, POSCAR, XYZ with a cell, pymatgen JSON (`file.json#key` picks one of a collection), a file that
            ASE reads, or a Materials Project id such as `mp-390`.

    Raises:
        StructureError: Nothing, more than one, or an unphysical structure was found.
        MissingDependencyError: A Materials Project id was given and `mp-api` or its key is absent.
    """
    found = list(read_structures([os.fspath(source)]))
    if len(found) != 1:
        raise StructureError(f"{source} holds {len(found)} structures, expected one: pick one with `{source}#KEY`")
    return found[0].structure


def read_structures(sources: Sequence[str]) -> Iterator[NamedStructure]:
    """Yield the checked structures of files, folders, globs and Materials Project ids, in order.

    Raises:
        StructureError: A source is missing, unreadable or unphysical; the message names the file and the remedy.
        MissingDependencyError: A Materials Project id was given and `mp-api` or its key is absent.
    """
    for named in chain.from_iterable(_expand(source) for source in sources):
        check_structure(named.structure, name=named.source)
        yield named


def check_structure(structure: Structure, *, name: str) -> None:
    """Refuse structures that a code would accept and get wrong.

    Raises:
        StructureError: Non-finite coordinates, partial occupancy, or atoms closer than `MIN_DISTANCE`.
    """
    from pymatgen.core.periodic_table import DummySpecies

    if not len(structure):
        raise StructureError(f"{name}: the structure has no atoms")
    if not np.isfinite(structure.lattice.matrix).all() or not np.isfinite(structure.frac_coords).all():
        raise StructureError(f"{name}: the cell or a coordinate is not a finite number: check the file")
    if structure.volume < 1.0:
        raise StructureError(
            f"{name}: the cell has a volume of {structure.volume:.3g} Å³: it has no extent in some direction"
        )
    spacing = float(np.min(1.0 / np.linalg.norm(np.linalg.inv(structure.lattice.matrix), axis=0)))
    reach = float(np.max(np.abs(structure.frac_coords)))
    if structure.volume > _LARGEST_VOLUME or spacing < _SMALLEST_SPACING or reach > _FARTHEST:
        raise StructureError(
            f"{name}: the cell has a volume of {structure.volume:.3g} Å³ and planes {spacing:.3g} Å apart, and an atom "
            f"lies {reach:.3g} cells from the origin: no crystal is like that, check the unit of the lengths"
        )
    for i, site in enumerate(structure):
        if not site.is_ordered:
            raise StructureError(
                f"{name}: site {i} is partially occupied ({site.species_string}). Core-hole codes need "
                "ordered sites: order the cell first, e.g. with pymatgen's OrderDisorderedStructureTransformation or "
                "EnumerateStructureTransformation, or give the majority species full occupancy"
            )
        if isinstance(site.specie, DummySpecies):
            raise StructureError(
                f"{name}: site {i} holds {site.species_string}, which is not an element: replace or remove it"
            )
    first, second, _, distances = structure.get_neighbor_list(MIN_DISTANCE)
    if len(distances):
        k = int(np.argmin(distances))
        i, j = int(first[k]), int(second[k])
        raise StructureError(
            f"{name}: sites {i} ({structure[i].species_string}) and {j} ({structure[j].species_string}) are "
            f"{distances[k]:.2f} Å apart, closer than {MIN_DISTANCE} Å: remove the duplicate atom or correct the cell"
        )


def element_symbol(specie: Any) -> str:
    """Return the chemical symbol of what a site holds, without oxidation state and spin.

    >>> from pymatgen.core import Species
    >>> element_symbol(Species("Fe", 3, spin=5))
    'Fe'
    """
    return str(getattr(specie, "element", specie).symbol)


def species_labels(structure: Structure) -> list[str]:
    """Return what each site holds, with all that makes two atoms of an element differ: `Fe3+`, `Ni,spin=2`.

    The magnetic moment is read from the species or, where that has none, from the site property `magmom` [µB].

    >>> from pymatgen.core import Lattice, Structure
    >>> cell = Structure(Lattice.cubic(4.17), ["Ni2+", "O2-"], [[0] * 3, [0.5] * 3], site_properties={"magmom": [2, 0]})
    >>> species_labels(cell)
    ['Ni2+,spin=2', 'O2-']
    """
    labels = []
    for site in structure:
        moment = site.properties.get("magmom")
        label = site.species_string
        # A moment of nothing is how codes write down an atom without one.
        has_moment = moment is not None and np.linalg.norm(np.atleast_1d(np.asarray(moment, dtype=float))) > 1e-3
        if has_moment and "spin=" not in label:
            label = f"{label},spin={_moment_words(moment)}"
        labels.append(label)
    return labels


def _moment_words(moment: Any) -> str:
    values = np.atleast_1d(np.asarray(moment, dtype=float)).round(3) + 0.0
    return "/".join(f"{value:g}" for value in values)


def _expand(source: str) -> Iterator[NamedStructure]:
    path = Path(source)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if is_structure_file(p))
        if not files:
            raise StructureError(f"no structure files in {source}: expected CIF, POSCAR, XYZ or pymatgen JSON")
        yield from chain.from_iterable(_read_file(p) for p in files)
    elif path.is_file():
        yield from _read_file(path)
    elif has_magic(source):
        # Path.glob takes no absolute pattern.
        matches = sorted(p for p in glob(source, recursive=True) if Path(p).is_file())  # noqa: PTH207
        if not matches:
            raise StructureError(f"nothing matches {source}")
        yield from chain.from_iterable(_read_file(Path(p)) for p in matches)
    elif "#" in source and Path(source.rpartition("#")[0]).is_file():
        file, _, key = source.rpartition("#")
        yield from _read_file(Path(file), key=key)
    elif path.suffix == "" and path.name.startswith(("mp-", "mvc-")):
        yield NamedStructure(structure=_fetch(source), name=source, source=source)
    else:
        raise StructureError(f"no such file: {source}")


def is_structure_file(path: Path) -> bool:
    """Return whether a file is one that `read_structures` reads by its name, so that a folder can be listed."""
    return path.is_file() and (path.suffix.lower() in _READABLE or path.name.startswith(_VASP_NAMES))


def list_structure_files(source: str) -> list[str]:
    """Return the structure files of a folder or a glob, each a source by itself; anything else as it is."""
    path = Path(source)
    if path.is_dir():
        return [str(each) for each in sorted(path.iterdir()) if is_structure_file(each)] or [source]
    if has_magic(source) and not path.exists():
        # Path.glob takes no absolute pattern.
        return sorted(p for p in glob(source, recursive=True) if Path(p).is_file()) or [source]  # noqa: PTH207
    return [source]


def _read_file(path: Path, *, key: str | None = None) -> Iterator[NamedStructure]:
    if path.stat().st_size == 0:
        raise StructureError(f"{path} is empty: write the structure again, or name another file")
    if path.suffix.lower() == ".json":
        yield from _read_json(path, key)
    elif key is not None:
        raise StructureError(f"{path}#{key}: only a JSON collection of structures has keys")
    else:
        checksum = file_checksum(path)
        yield NamedStructure(_read_single(path), name=path.stem, source=str(path), source_checksum=checksum)


def _read_single(path: Path) -> Structure:
    """Read one crystal with pymatgen where it knows the format, otherwise with ASE."""
    from pymatgen.core.structure import Structure

    problems = []
    if path.suffix.lower() not in {".xyz", ".extxyz"}:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Structure.from_file(path)
        except Exception as error:  # noqa: BLE001  # the parsers of other projects raise anything; ASE tries next
            problems.append(_first_line(error))
    try:
        return _read_ase(path)
    except StructureError:
        raise
    except Exception as error:  # noqa: BLE001  # as above
        problems.append(_first_line(error))
    raise StructureError(
        f"cannot read a structure from {path} ({'; '.join(dict.fromkeys(problems))}): expected CIF, POSCAR, XYZ with "
        "a cell, pymatgen JSON, or another format that ASE reads"
    )


def _read_ase(path: Path) -> Structure:
    from ase import Atoms
    from ase.io import read
    from pymatgen.io.ase import AseAtomsAdaptor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        atoms = read(path)
        if not isinstance(atoms, Atoms):
            raise StructureError(f"{path} holds {len(atoms)} structures, expected one: write each to its own file")
        if not atoms.pbc.all() or atoms.cell.rank < 3:
            raise StructureError(
                f"{path} has no cell in three directions, it looks like a molecule: put it into a box, e.g. "
                "`atoms.center(vacuum=8); atoms.pbc = True` in ASE, and save it as extended XYZ or CIF"
            )
        return AseAtomsAdaptor.get_structure(atoms)


def _first_line(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {str(error).strip().splitlines()[0]}" if str(error).strip() else type(error).__name__
    )


def _read_json(path: Path, key: str | None) -> Iterator[NamedStructure]:
    """Yield the structure of a pymatgen JSON file, or those of a list or a mapping of structures."""
    try:
        raw = path.read_bytes()
        content = json.loads(raw.decode("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StructureError(f"{path} is not JSON: {error}") from error
    if isinstance(content, dict) and "lattice" in content:
        members = {"": content}
    elif isinstance(content, dict):
        members = content
    elif isinstance(content, list):
        members = {str(i): member for i, member in enumerate(content)}
    else:
        members = {}
    if not members:
        raise StructureError(f"{path} holds no pymatgen structure: write one with `Structure.to('{path.name}')`")
    if key is not None:
        if key not in members:
            raise StructureError(f"{path} has no structure {key!r}: {did_you_mean(key, members)}")
        members = {key: members[key]}
    checksum = content_checksum(raw)
    for name, member in members.items():
        yield NamedStructure(
            structure=_from_dict(member, source=f"{path}#{name}" if name else str(path)),
            name=name if name and not name.isdigit() else f"{path.stem}{'-' if name else ''}{name}",
            source=f"{path}#{name}" if name else str(path),
            source_checksum=checksum,
        )


def _from_dict(data: Any, *, source: str) -> Structure:
    from pymatgen.core.structure import Structure

    try:
        return Structure.from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StructureError(f"{source} is not a pymatgen structure: {_first_line(error)}") from error


def _fetch(material_id: str) -> Structure:
    """Fetch a structure from the Materials Project."""
    try:
        from mp_api.client import MPRester  # type: ignore[import-not-found]  # optional
    except ImportError as error:
        raise MissingDependencyError(
            f"{material_id}: there is no such file, and fetching it from the Materials Project needs mp-api: "
            "`pip install 'whiteline[mp]'`, then set MP_API_KEY"
        ) from error
    if not os.environ.get("MP_API_KEY"):
        raise MissingDependencyError(
            f"{material_id}: the Materials Project needs a key: set MP_API_KEY (free at https://materialsproject.org/api)"
        )
    try:
        with MPRester() as rester:
            structure: Structure = rester.get_structure_by_material_id(material_id)
            return structure
    except Exception as error:
        raise StructureError(f"cannot fetch {material_id} from the Materials Project: {_first_line(error)}") from error
