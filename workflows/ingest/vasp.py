"""Finished VASP runs with a core hole: OUTCAR, vaspout.h5 or vasprun.xml, packed or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from whiteline.absorber import Absorber
from whiteline.calculators.vasp.levels import core_level, supported_edges
from whiteline.calculators.vasp.outcar import read_outcar
from whiteline.calculators.vasp.output import CoreHole, VaspOutput
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.parse import parse_run
from whiteline.calculators.vasp.vaspout import read_vaspout
from whiteline.calculators.vasp.vasprun import read_vasprun
from whiteline.database.ingest import Folder, IngestOptions, Skipped
from whiteline.database.ingest.sample import find_site
from whiteline.edges import Edge
from whiteline.errors import InputError, ParseError
from whiteline.structures import check_structure, read_structure
from whiteline.workflows.ingest.run_document import Run, RunResult, failed
from whiteline.workflows.ingest.staging import RunFiles, select

__all__ = ["VaspRuns"]

_READERS: Final = {"OUTCAR": read_outcar, "vaspout.h5": read_vaspout, "vasprun.xml": read_vasprun}
# No POTCAR: its licence lets nobody pass it on.
_INPUTS: Final = ("INCAR", "POSCAR", "KPOINTS", "CONTCAR", "OSZICAR")
_TAG = re.compile(r"(?:^|;)\s*([A-Za-z]\w*)\s*=\s*([^;\n]*)", re.MULTILINE)


class VaspRuns:
    """Recognises folders with an output of VASP."""

    kind = "vasp"

    def find(self, folder: Folder) -> Run | None:
        """Return the VASP run of a folder; None where it holds no output of VASP."""
        outputs = select(folder, _READERS)
        if not outputs:
            return None
        files = RunFiles(folder.path, {**outputs, **select(folder, _INPUTS)})
        return Run("vasp", files, lambda staged, options: [_parse(staged, folder.path, options)])


def _parse(folder: Path, home: Path, options: IngestOptions) -> RunResult | Skipped:
    tags = _tags(folder / "INCAR")
    name, reader = next((name, reader) for name, reader in _READERS.items() if (folder / name).is_file())
    try:
        output = reader(folder / name)
    except ParseError as error:
        return _died(folder, home, tags, str(error), options)
    if output.core_hole is None:
        return Skipped(str(home), "VASP computed no core hole there (ICORELEVEL = 2): there is no spectrum to take")
    edge = _edge(output.core_hole)
    if edge is None:
        return Skipped(
            str(home), f"its core hole, n = {output.core_hole.n} and l = {output.core_hole.l}, is none of a known edge"
        )
    absorber = _absorber(output, output.core_hole, edge, name)
    return RunResult(
        absorber=absorber,
        element=absorber.element,
        edge=edge.value,
        outcome=parse_run(folder, absorber, VaspParameters()),
        parameters=tags,
    )


def _absorber(output: VaspOutput, hole: CoreHole, edge: Edge, name: str) -> Absorber:
    from pymatgen.core import Structure

    if not 1 <= hole.species <= len(output.counts):
        raise ParseError(f"{output.source} has the core hole in species {hole.species} of {len(output.counts)}")
    if sum(output.counts) != len(output.positions):
        raise ParseError(
            f"{output.source} counts {sum(output.counts)} atoms and places {len(output.positions)}: it is damaged"
        )
    structure = Structure(output.lattice, output.atom_elements, output.positions)
    check_structure(structure, name=name)
    return find_site(structure, sum(output.counts[: hole.species - 1]), edge)


def _edge(hole: CoreHole) -> Edge | None:
    for edge in supported_edges():
        level = core_level(edge)
        if (level.n, level.l) == (hole.n, hole.l):
            return edge
    return None


def _tags(path: Path) -> dict[str, str]:
    """Return the tags of an INCAR, by their names in capitals."""
    if not path.is_file():
        return {}
    text = re.sub(r"[#!].*", "", path.read_text(encoding="utf-8", errors="replace"))
    return {name.upper(): value.strip()[:500] for name, value in sorted(_TAG.findall(text))}


def _died(folder: Path, home: Path, tags: dict[str, str], reason: str, options: IngestOptions) -> RunResult | Skipped:
    """Return the failure of a run whose output ends too early, from what its inputs say."""
    try:
        hole = CoreHole(int(tags.get("CLNT", 1)), int(tags.get("CLN", 1)), int(tags.get("CLL", 0)), 1.0)
    except ValueError:
        return Skipped(str(home), reason)
    edge = _edge(hole) or options.edge
    if tags.get("ICORELEVEL") != "2" or edge is None or not (folder / "POSCAR").is_file():
        return Skipped(str(home), reason)
    try:
        structure = read_structure(folder / "POSCAR")
    except InputError as error:
        return Skipped(str(home), f"{reason}; {error}")
    # Sites of one species follow one another, and the same element may come again as another species.
    starts = [0, *_starts((folder / "POSCAR").read_text(encoding="utf-8", errors="replace"))]
    index = starts[hole.species - 1] if 1 <= hole.species <= len(starts) else -1
    if not 0 <= index < len(structure):
        return Skipped(str(home), reason)
    absorber = find_site(structure, index, edge)
    return RunResult(
        absorber=absorber, element=absorber.element, edge=edge.value, outcome=failed(reason), parameters=tags
    )


def _starts(poscar: str) -> list[int]:
    """Return the index of the first site of every species but the first."""
    for line in poscar.splitlines()[5:7]:
        words = line.split()
        if words and all(word.isdigit() for word in words):
            return [sum(int(word) for word in words[: i + 1]) for i in range(len(words))]
    return []
