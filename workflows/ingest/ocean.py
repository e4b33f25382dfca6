"""Finished OCEAN runs: absspct files, in OCEAN's own folders or side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Outcome
from whiteline.calculators.ocean.absspct import Layout, read_absspct
from whiteline.calculators.ocean.cards import read_cards
from whiteline.calculators.ocean.inputs import INPUT_NAME
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.parse import parse_run
from whiteline.calculators.ocean.resolved import find_failure, read_resolved
from whiteline.calculators.parameters import build_parameters
from whiteline.database.ingest import Folder, Skipped
from whiteline.database.ingest.limits import Limits, read_bytes
from whiteline.database.ingest.sample import find_site
from whiteline.database.ingest.walk import list_folder
from whiteline.edges import Edge
from whiteline.errors import InputError, ParameterError, ParseError
from whiteline.status import Check, Status
from whiteline.structures import check_structure, element_symbol
from whiteline.workflows.ingest.nearby import file_above
from whiteline.workflows.ingest.run_document import Run, RunResult, failed, outcome_of
from whiteline.workflows.ingest.staging import RunFiles, select

__all__ = ["OceanRuns"]

_SPECTRUM = re.compile(r"absspct_([A-Z][a-z_])\.(\d{4})_(\d[spdf])_(\d{2})")
_EDGES: Final = {"1s": Edge.K, "2s": Edge.L1, "2p": Edge.L23, "3s": Edge.M1, "3p": Edge.M23, "3d": Edge.M45}
_DATAFILE: Final = "postDefaultsOceanDatafile"
_PATTERNS: Final = {
    "": ("absspct_*", "abslanc_*", "photon*", "bse.in", "bse.json", _DATAFILE, "scf.out", "stdout.log", "ocean.log"),
    "CNBSE": ("absspct_*", "abslanc_*", "bse.in", "bse.json"),
    "Common": (_DATAFILE,),
    "DFT": ("scf.out", "dft.json"),
    "OPF": ("opf.json",),
    "PREP": ("prep.json",),
    "SCREEN": ("screen.json",),
}
_OTHER_INPUTS: Final = ("bse.in", "screen.in", "scf.in", "nscf.in")
_INPUT_BYTES: Final = 2**20
# A card of every input, in either vocabulary.
_IS_INPUT = re.compile(rb"(?i)\b(?:structure\.)?znucl\b")


class OceanRuns:
    """Recognises folders with spectra of OCEAN, or with its input and a sign that it ran."""

    kind = "ocean"

    def find(self, folder: Folder) -> Run | None:
        """Return the OCEAN run of a folder; None where there is none."""
        origins: dict[str, Path] = {}
        for below, patterns in _PATTERNS.items():
            if not below or below in folder.folders:
                place = list_folder(folder.path / below) if below else folder
                origins |= select(place, patterns, below=below)
        has_spectra = any(_SPECTRUM.fullmatch(Path(name).name) for name in origins)
        if not has_spectra and not {_DATAFILE, f"Common/{_DATAFILE}"} & set(origins):
            return None
        origins |= _input_of(folder)
        if not any(Path(name).name == "scf.out" for name in origins):
            origins |= file_above(folder.path, "scf.out", levels=1)
        files = RunFiles(folder.path, origins)
        return Run("ocean", files, lambda staged, _: _parse(staged, folder.path), takes_subfolders=True)


def _input_of(folder: Folder) -> dict[str, Path]:
    """Return OCEAN's input under its usual name: any file `*.in` that lists the elements of a crystal."""
    for plain, path in sorted(select(folder, ("*.in",)).items(), key=lambda pair: pair[0] != INPUT_NAME):
        if plain in _OTHER_INPUTS:
            continue
        try:
            content = read_bytes(path, Limits(max_bytes=_INPUT_BYTES))
        except ParseError:
            continue
        if _IS_INPUT.search(content):
            return {INPUT_NAME: path}
    return {}


def _parse(folder: Path, home: Path) -> Sequence[RunResult | Skipped]:
    parameters = _card_values(folder)
    spectra = _spectra(folder)
    failure = find_failure(folder)
    structure = _crystal(folder)
    if structure is None:
        return [Skipped(str(home), "neither OCEAN's input nor scf.out says which crystal it is: keep one beside it")]
    if not spectra:
        return _without_spectra(structure, parameters, home, failure or "OCEAN left no absspct file")
    found: list[RunResult | Skipped] = []
    seen: set[tuple[int, Edge]] = set()
    for element, index, level in spectra:
        label = f"{element}.{index:04d}_{level}"
        sites = [i for i, site in enumerate(structure) if element_symbol(site.specie) == element]
        if level not in _EDGES or not 1 <= index <= len(sites):
            found.append(Skipped(f"{home}#{label}", f"atom {index} of {element}, or its level {level}, is unknown"))
            continue
        absorber = find_site(structure, sites[index - 1], _EDGES[level])
        orbit = absorber.symmetry.orbits[absorber.site_index]
        # Sites that symmetry makes equal have one powder spectrum.
        if (orbit, absorber.edge) in seen:
            continue
        seen.add((orbit, absorber.edge))
        outcome = failed(f"OCEAN: {failure}") if failure else _outcome(folder, absorber, spectra[element, index, level])
        found.append(
            RunResult(
                absorber=absorber,
                element=element,
                edge=absorber.edge.value,
                outcome=outcome,
                parameters=parameters,
                label=label,
            )
        )
    return found


def _spectra(folder: Path) -> dict[tuple[str, int, str], Path]:
    """Return one of the spectra of each atom and level."""
    found: dict[tuple[str, int, str], Path] = {}
    for path in sorted(folder.rglob("absspct_*")):
        match = _SPECTRUM.fullmatch(path.name)
        if match:
            found.setdefault((match[1].rstrip("_"), int(match[2]), match[3]), path)
    return found


def _outcome(folder: Path, absorber: Absorber, spectrum: Path) -> Outcome:
    try:
        is_known = read_resolved(folder).axis is not None
        outcome = parse_run(folder, absorber, _asked(folder, spectrum, is_known=is_known))
    except ParseError as error:
        return failed(str(error))
    if is_known or outcome.status is Status.FAILED:
        return outcome
    check = Check("end", is_passed=False, detail="nothing says up to which energy and iteration the run was to go")
    return outcome_of(outcome.spectrum, [*outcome.checks, check], version=outcome.code_version)


def _asked(folder: Path, spectrum: Path, *, is_known: bool) -> OceanParameters:
    """Return what the run was asked for, as far as its files say; an unknown axis is taken to be whole."""
    values: dict[str, Any] = {}
    haydock = _tree(folder).get("bse", {}).get("core", {}).get("haydock", {})
    converge = haydock.get("converge", {})
    for name, value in (
        ("haydock_iterations", haydock.get("niter")),
        ("haydock_threshold", abs(converge["thresh"]) if converge.get("thresh") else None),
        ("haydock_spacing", converge.get("spacing")),
    ):
        try:
            build_parameters(OceanParameters, {name: value})
        except ParameterError:
            continue
        values[name] = value
    if not is_known:
        table = read_absspct(spectrum)
        n_points = len(table.energy) - (0 if table.layout in (Layout.GMRES, Layout.VERSION_2) else 1)
        first, last = float(table.energy[0]), float(table.energy[-1])
        if table.layout is Layout.VERSION_2:
            # Version 2 prints the middle of each step.
            half = (last - first) / (2 * (n_points - 1))
            first, last = first - half, last + half
        values |= {"spectrum_points": n_points, "spectrum_range": (first, last)}
    return build_parameters(OceanParameters, values)


def _tree(folder: Path) -> dict[str, Any]:
    for path in (folder / "Common" / _DATAFILE, folder / _DATAFILE, folder / "CNBSE" / "bse.json", folder / "bse.json"):
        if path.is_file():
            try:
                tree = json.loads(path.read_text(encoding="utf-8", errors="replace"))
            except (ValueError, RecursionError) as error:
                raise ParseError(f"{path} is damaged or cut off: {str(error)[:120]}") from error
            if isinstance(tree, dict):
                return tree
    return {}


def _crystal(folder: Path) -> Any:
    """Return the crystal that OCEAN, or pw.x for it, computed; None where neither says."""
    from pymatgen.core import Element, Structure

    cell = read_resolved(folder).cell
    if cell is not None:
        structure = Structure(cell.lattice, [Element.from_Z(number) for number in cell.numbers], cell.positions)
        check_structure(structure, name=cell.source)
        return structure
    path = next((p for p in (folder / "DFT" / "scf.out", folder / "scf.out") if p.is_file()), None)
    return None if path is None else _crystal_of_log(path)


def _crystal_of_log(path: Path) -> Any:
    from ase.io import read
    from pymatgen.io.ase import AseAtomsAdaptor

    try:
        atoms: Any = read(path, format="espresso-out", index=0)
        structure = AseAtomsAdaptor.get_structure(atoms)
    except Exception as error:  # ASE raises anything over a damaged log
        raise ParseError(f"{path} is no whole output of pw.x ({type(error).__name__}: {str(error)[:120]})") from error
    check_structure(structure, name=str(path))
    return structure


def _card_values(folder: Path) -> dict[str, Any]:
    """Return the cards of the input, without machine facts; else the resolved ones that decide the spectrum."""
    path = folder / INPUT_NAME
    if path.is_file():
        cards = read_cards(path.read_text(encoding="utf-8", errors="replace"), source=str(path))
        machine = ("para_prefix", "computer", "ppdir", "psp.ppdir", "xred", "structure.xred")
        return {name: " ".join(words)[:500] for name, words in sorted(cards.items()) if not name.startswith(machine)}
    bse = _tree(folder).get("bse", {})
    return {"bse": bse} if isinstance(bse, Mapping) and bse else {}


def _without_spectra(
    structure: Any, parameters: Mapping[str, Any], home: Path, reason: str
) -> list[RunResult | Skipped]:
    """Return a failure for the first atom of the edges that the input asks for."""
    found: list[RunResult | Skipped] = []
    for words in re.findall(r"(-?\d+)\s+(\d)\s+(\d)", str(parameters.get("edges", ""))):
        number, n, angular = (int(word) for word in words)
        level = f"{n}{'spdf'[angular]}" if angular < 4 else ""
        atomic = -number if number < 0 else None
        sites = [i for i, s in enumerate(structure) if atomic is None or int(s.specie.Z) == atomic]
        index = sites[0] if atomic is not None and sites else number - 1
        if level in _EDGES and 0 <= index < len(structure):
            try:
                absorber = find_site(structure, index, _EDGES[level])
            except InputError:
                continue
            found.append(
                RunResult(
                    absorber=absorber,
                    element=absorber.element,
                    edge=absorber.edge.value,
                    outcome=failed(reason),
                    parameters=parameters,
                    label=f"{absorber.element}{index}",
                )
            )
    return found or [Skipped(str(home), reason)]
