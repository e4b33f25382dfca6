"""Whether a run is that of the absorber that was asked for."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from whiteline.absorber import Absorber
from whiteline.calculators.vasp.levels import core_level
from whiteline.calculators.vasp.output import VaspOutput, find_output, read_text
from whiteline.errors import ParameterError, ParseError
from whiteline.structures import element_symbol

__all__ = ["check_absorber", "check_order", "poscar_elements"]

# Å; surroundings that are compared, and by how much a cell that symmetry was found in to 0.01 Å may be off.
_RADIUS = 4.5
_SAME_DISTANCE = 0.02


def check_absorber(output: VaspOutput, absorber: Absorber) -> None:
    """Refuse the run of another absorber: by element, core level, composition and surroundings.

    Raises:
        ParseError: Says what was found and what was expected.
    """
    source = output.source
    if output.core_hole is None:
        raise ParseError(f"{source} is of a run without a core hole, expected one of {absorber.label}")
    hole = output.core_hole
    try:
        level = core_level(absorber.edge)
    except ParameterError as error:
        raise ParseError(f"{source} cannot be of the {absorber.edge} edge: {error}") from error
    if (hole.n, hole.l) != (level.n, level.l):
        raise ParseError(
            f"{source} has the core hole in n={hole.n} l={hole.l}, expected n={level.n} l={level.l} of {absorber.label}"
        )
    if not 1 <= hole.species <= len(output.counts) or output.counts[hole.species - 1] != 1:
        raise ParseError(
            f"{source} has the core hole in species {hole.species} of {list(output.counts)} atoms, expected a species "
            "of one atom: make the absorber a species of its own"
        )
    if output.elements[hole.species - 1] != absorber.element:
        raise ParseError(
            f"{source} has the core hole in {output.elements[hole.species - 1]}, expected {absorber.element}: it is of "
            "another absorber, or its POTCAR is in another order than its POSCAR"
        )
    _check_composition(output, absorber)
    _check_surroundings(output, sum(output.counts[: hole.species - 1]), absorber)


def check_order(directory: Path, output: VaspOutput) -> None:
    """Refuse a run whose potentials are in another order than its species: VASP runs it without a word.

    Raises:
        ParseError: Says both orders.
    """
    path = find_output(directory, "POSCAR")
    elements = poscar_elements(read_text(path)) if path else None
    if elements is not None and tuple(elements) != output.elements:
        raise ParseError(
            f"{output.source} was made with potentials of {' '.join(output.elements)}, but {path} has the species "
            f"{' '.join(elements)}: put the POTCAR in the order of the POSCAR and run VASP again"
        )


def poscar_elements(text: str) -> list[str] | None:
    """Return the elements of a POSCAR's species; None where it names none, as in the format of VASP 4."""
    lines = text.splitlines()
    words = lines[5].split() if len(lines) > 6 else []
    return [re.split(r"[_/]", word)[0] for word in words] if words and words[0][0].isalpha() else None


def _check_composition(output: VaspOutput, absorber: Absorber) -> None:
    expected = absorber.structure.composition.element_composition
    found = Counter(output.atom_elements)
    size = sum(found.values()) / expected.num_atoms
    if set(found) != {e.symbol for e in expected} or any(
        abs(found[e.symbol] - size * n) > 1e-6 for e, n in expected.items()
    ):
        raise ParseError(
            f"{output.source} is of {dict(found)}, expected a multiple of {expected.reduced_formula}: it is of another "
            "structure, or its POTCAR is in another order than its POSCAR"
        )


def _check_surroundings(output: VaspOutput, index: int, absorber: Absorber) -> None:
    from pymatgen.core import Lattice

    structure = absorber.structure
    near = structure.get_neighbors(structure[absorber.site_index], _RADIUS)
    expected = sorted((element_symbol(n.specie), float(n.nn_distance)) for n in near)
    elements = output.atom_elements
    lattice = Lattice(output.lattice)
    centre = output.positions[index] @ output.lattice
    points = lattice.get_points_in_sphere(output.positions, centre, _RADIUS + 2 * _SAME_DISTANCE)
    found = sorted((elements[int(i)], float(d)) for _, d, i, _ in points if d > 1e-3)
    for element in {e for e, _ in expected} | {e for e, d in found if d < _RADIUS - _SAME_DISTANCE}:
        ours, theirs = ([d for e, d in pairs if e == element] for pairs in (expected, found))
        differ = [a for a, b in zip(ours, theirs, strict=False) if abs(a - b) > _SAME_DISTANCE]
        surplus = [d for d in theirs[len(ours) :] if d < _RADIUS - _SAME_DISTANCE]
        if differ or surplus or len(theirs) < len(ours):
            raise ParseError(
                f"{output.source}: around the core hole {element} lies at {_list(theirs)} Å, around "
                f"{absorber.label} at {_list(ours)} Å: it is of another site or structure"
            )


def _list(distances: list[float]) -> str:
    return ", ".join(f"{d:.3f}" for d in distances[:4]) + (" …" if len(distances) > 4 else "") or "no distance"
