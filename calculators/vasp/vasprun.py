"""Reading vasprun.xml, whose spectrum is counted from the highest occupied level."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from whiteline.calculators.vasp.output import CoreHole, DielectricTensor, VaspOutput, read_text
from whiteline.calculators.vasp.potentials import element_of
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference

__all__ = ["read_vasprun"]

_DEFAULT_NELM = 60


def read_vasprun(path: Path) -> VaspOutput:
    """Return what the vasprun.xml of a finished run says.

    A file that is cut off anywhere is no well-formed XML.

    Raises:
        ParseError: The file is no vasprun.xml, is cut off or damaged, or holds more than one spectrum.
    """
    source = str(path)
    try:
        # VASP writes no document type, so there are no entities to expand.
        root = ElementTree.fromstring(_without_doctype(read_text(path), source))  # noqa: S314
    except ElementTree.ParseError as error:
        raise ParseError(f"{source} is no whole XML ({error}): it is cut off or damaged, run VASP again") from error
    if root.tag != "modeling" or root.findtext("generator/i[@name='program']", "").strip().lower() != "vasp":
        raise ParseError(f"{source} is not a vasprun.xml of VASP")
    try:
        return _output(root, source)
    except ParseError:
        raise
    except ValueError as error:
        raise ParseError(f"{source} holds something that is no number ({error}): it is damaged") from error


def _output(root: ElementTree.Element, source: str) -> VaspOutput:
    calculations = root.findall("calculation")
    if not calculations:
        raise ParseError(f"{source} holds no calculation: VASP did not finish, run it again")
    last = calculations[-1]
    species = [
        [(c.text or "").strip() for c in row] for row in root.findall("atominfo/array[@name='atomtypes']/set/rc")
    ]
    structure = last.find("structure")
    if structure is None or not species or any(len(row) < 5 for row in species):
        raise ParseError(f"{source} lacks the structure or its species: it is damaged")
    n_steps = len(last.findall("scstep"))
    most_steps = int(_incar(root, "NELM", _DEFAULT_NELM))
    totals = last.findall("scstep/energy/i[@name='e_0_energy']")
    return VaspOutput(
        source=source,
        version=f"VASP {_version(root)}",
        elements=tuple(element_of(row[4]) for row in species),
        counts=tuple(int(row[0]) for row in species),
        lattice=_varray(structure.find("crystal/varray[@name='basis']"), source),
        positions=_varray(structure.find("varray[@name='positions']"), source),
        core_hole=_core_hole(root),
        n_steps=n_steps,
        most_steps=most_steps,
        is_converged=0 < n_steps < most_steps,
        fermi_energy=_optional(last.findtext("dos/i[@name='efermi']")),
        core_energy=None,
        total_energy=_optional(totals[-1].text) if totals else None,
        tensor=_tensor(last, source),
    )


def _version(root: ElementTree.Element) -> str:
    return root.findtext("generator/i[@name='version']", "").strip()


def _without_doctype(text: str, source: str) -> str:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ParseError(f"{source} declares a document type, which VASP never writes: it is not VASP's")
    return text


def _core_hole(root: ElementTree.Element) -> CoreHole | None:
    if int(_incar(root, "ICORELEVEL", 0)) != 2:
        return None
    return CoreHole(
        int(_incar(root, "CLNT", 1)),
        int(_incar(root, "CLN", 1)),
        int(_incar(root, "CLL", 0)),
        _incar(root, "CLZ", 1.0),
    )


def _incar(root: ElementTree.Element, tag: str, default: float) -> float:
    """Return a number of the INCAR, or of VASP's complete list of parameters."""
    for part in ("incar", "parameters"):
        for element in root.iterfind(f"{part}//i[@name='{tag}']"):
            return float((element.text or "").strip())
    return default


def _tensor(calculation: ElementTree.Element, source: str) -> DielectricTensor | None:
    found = calculation.findall("dielectricfunction")
    if not found:
        return None
    if len(found) > 1:
        raise ParseError(f"{source} holds {len(found)} dielectric functions, expected one: keep the OUTCAR beside it")
    rows = [_numbers(r.text, source) for r in found[0].iterfind("imag//r")]
    if not rows or any(len(row) != 7 for row in rows):
        raise ParseError(f"{source}: expected an energy and 6 elements a row of the dielectric function: it is damaged")
    table = np.array(rows)
    tensor = DielectricTensor(table[:, 0], table[:, 1:].T, EnergyReference.FERMI)
    tensor.check(source)
    return tensor


def _varray(element: ElementTree.Element | None, source: str) -> Any:
    rows = [] if element is None else [_numbers(v.text, source) for v in element.iterfind("v")]
    if not rows or any(len(row) != 3 for row in rows):
        raise ParseError(f"{source}: the structure is damaged")
    return np.array(rows)


def _numbers(text: str | None, source: str) -> list[float]:
    try:
        return [float(word) for word in re.sub(r"[dD]", "E", text or "").split()]
    except ValueError as error:
        raise ParseError(f"{source}: expected numbers, got {(text or '').strip()!r}: it is damaged") from error


def _optional(text: str | None) -> float | None:
    return float(text) if text and text.strip() else None
