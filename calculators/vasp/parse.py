"""From a VASP run directory to a spectrum with its status."""

from __future__ import annotations

import re
from dataclasses import replace
from math import log, sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.absorber import Absorber
from whiteline.broadening import BroadeningRecord, Gaussian, Origin
from whiteline.calculators.interface import Outcome
from whiteline.calculators.vasp.alignment import alignment_shift
from whiteline.calculators.vasp.diagnosis import diagnose
from whiteline.calculators.vasp.inputs import GROUND_STATE
from whiteline.calculators.vasp.matching import check_absorber, check_order
from whiteline.calculators.vasp.outcar import read_outcar
from whiteline.calculators.vasp.output import DielectricTensor, VaspOutput, find_output, read_text
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.run import LOG_NAME
from whiteline.calculators.vasp.vaspout import read_vaspout
from whiteline.calculators.vasp.vasprun import read_vasprun
from whiteline.causes import Cause
from whiteline.errors import ParseError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Check, Status

__all__ = ["merge_equivalent", "parse_run"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# eV of empty axis that stay below the onset, for what is broadened later.
_PRE_EDGE = 10.0
_FEWEST_POINTS = 50
# ISMEAR = 0 is Methfessel and Paxton's scheme of order 0, exp(-(E/sigma)²); the manual gives no formula of its own for
# CH_SIGMA.
_FWHM_PER_SIGMA = 2.0 * sqrt(log(2.0))
_DEFAULT_SIGMA = 0.3  # eV; VASP's, where the INCAR says nothing
_TAG = r"(?:^|[;\n])\s*{}\s*=\s*([-+.\dEeDd]+)"


def parse_run(directory: Path, absorber: Absorber, parameters: VaspParameters) -> Outcome:
    """Return what the outputs in `directory` say.

    The OUTCAR is read where there is one, else vaspout.h5, else vasprun.xml; each may be packed but vaspout.h5.

    Raises:
        ParseError: An output is missing, cut off, damaged, or of another absorber.
        MissingDependencyError: Only vaspout.h5 is there, and h5py is not.
    """
    path, output = _read(directory)
    tags = _read_tags(directory)
    check_order(directory, output)
    check_absorber(output, absorber)
    tensor = _complete_tensor(output, tags)
    shift, checks, files = 0.0, _checks(output, tensor), [path.name]
    if parameters.site_alignment == "total_energy":
        ground_path, ground = _read_ground_state(directory)
        shift = alignment_shift(output, ground)
        files.append(str(ground_path.relative_to(directory)))
        checks += [_scf_check("ground-state scf", ground), _alignment_check(output, ground, shift)]
    sigma = tags.get("CH_SIGMA", parameters.ch_sigma)
    spectrum = _spectrum(output, tensor, absorber, sigma)
    failed = [check for check in checks if not check.is_passed]
    reason = "; ".join(f"{check.name}: {check.detail}" for check in failed)
    cause = _cause(failed)
    if cause is Cause.SCF:
        folder = directory if any(check.name == "scf" for check in failed) else directory / GROUND_STATE
        # A folder of somebody else's run is read, not repaired.
        diagnosis = diagnose(folder, log=LOG_NAME) if (folder / LOG_NAME).is_file() else None
        reason += "" if diagnosis is None else f"; {diagnosis.words}"
    return Outcome(
        status=Status.UNCONVERGED if failed else Status.CONVERGED,
        # Past the total-energy difference the zero of the axis is that of no photon energy.
        spectrum=_without_photon_energy(spectrum.shift_by(shift)) if shift else spectrum,
        reason=reason,
        checks=tuple(checks),
        code_version=output.version,
        output_files=tuple(files),
        cause=cause,
    )


def _cause(failed: list[Check]) -> Cause | None:
    if not failed:
        return None
    return Cause.SCF if any(check.name.endswith("scf") for check in failed) else Cause.UNKNOWN


def _read(directory: Path) -> tuple[Path, VaspOutput]:
    for name, reader in (("OUTCAR", read_outcar), ("vaspout.h5", read_vaspout), ("vasprun.xml", read_vasprun)):
        path = find_output(directory, name)
        if path is not None:
            return path, reader(path)
    raise ParseError(f"{directory} has no OUTCAR, vaspout.h5 or vasprun.xml: VASP did not start, see its log")


def _read_ground_state(directory: Path) -> tuple[Path, VaspOutput]:
    folder = directory / GROUND_STATE
    path = find_output(folder, "OUTCAR")
    if path is None:
        raise ParseError(
            f"{folder / 'OUTCAR'} is missing: site_alignment 'total_energy' needs the neutral cell, run VASP there"
        )
    return path, read_outcar(path)


def _read_tags(directory: Path) -> dict[str, float]:
    """Return what of the INCAR the outputs do not repeat."""
    path = find_output(directory, "INCAR")
    if path is None:
        return {}
    text = re.sub(r"[#!].*", "", read_text(path))
    found = {tag: re.search(_TAG.format(tag), text, re.IGNORECASE) for tag in ("CH_NEDOS", "CH_SIGMA")}
    try:
        given = {tag: float(match.group(1).upper().replace("D", "E")) for tag, match in found.items() if match}
    except ValueError as error:
        raise ParseError(f"{path}: {error}; CH_NEDOS and CH_SIGMA must be numbers") from error
    return {"CH_SIGMA": _DEFAULT_SIGMA, **given}


def _complete_tensor(output: VaspOutput, tags: dict[str, float]) -> DielectricTensor:
    if output.tensor is None:
        raise ParseError(f"{output.source} holds no spectrum: run VASP 6 with CH_LSPEC = .TRUE.")
    expected = tags.get("CH_NEDOS")
    n_energy = output.tensor.energy.size
    if expected is not None and n_energy != expected:
        raise ParseError(
            f"{output.source} holds {n_energy} energies, its INCAR asks for {expected:g} (CH_NEDOS): it is cut off or "
            "of another run, run VASP again"
        )
    return output.tensor


def _checks(output: VaspOutput, tensor: DielectricTensor) -> list[Check]:
    return [_scf_check("scf", output), _sampling_check(tensor), _tensor_check(tensor)]


def _scf_check(name: str, output: VaspOutput) -> Check:
    most = f" of at most {output.most_steps}" if output.most_steps else ""
    if output.is_converged:
        return Check(name, is_passed=True, detail=f"{output.n_steps}{most} steps")
    return Check(name, is_passed=False, detail=f"the density did not converge in {output.n_steps}{most} steps")


def _sampling_check(tensor: DielectricTensor) -> Check:
    """Few points are what CH_NEDOS's own default leaves of a spectrum that is spread over hundreds of eV."""
    n_points = int(np.count_nonzero(tensor.values[:3].any(axis=0)))
    step = float(tensor.energy[1] - tensor.energy[0])
    detail = f"{n_points} points that are not zero, {step:.4g} eV apart"
    if n_points < _FEWEST_POINTS:
        return Check("sampling", is_passed=False, detail=f"{detail}; expected {_FEWEST_POINTS}, raise ch_nedos")
    return Check("sampling", is_passed=True, detail=detail)


def _tensor_check(tensor: DielectricTensor) -> Check:
    """The absorbed power is positive for every direction of the field: |e_xy|² <= e_xx e_yy."""
    diagonal, off = np.maximum(tensor.values[:3], 0.0), np.abs(tensor.values[3:])
    bound = np.sqrt(np.array([diagonal[0] * diagonal[1], diagonal[1] * diagonal[2], diagonal[2] * diagonal[0]]))
    excess = float(np.max(off - bound)) / float(diagonal.max())
    share = float(off.max() / diagonal.max())
    detail = f"off-diagonal elements up to {share:.2g} of the diagonal"
    return Check("tensor", is_passed=excess < 1e-2, detail=detail)


def _alignment_check(excited: VaspOutput, ground: VaspOutput, shift: float) -> Check:
    return Check(
        "site alignment",
        is_passed=True,
        detail=f"E_XCH {excited.total_energy:.6f} eV - E_GS {ground.total_energy:.6f} eV "
        f"- onset {excited.onset:.4f} eV = shift {shift:.4f} eV",
    )


def _spectrum(output: VaspOutput, tensor: DielectricTensor, absorber: Absorber, sigma: float) -> Spectrum:
    window = _window(tensor)
    polarisations, components = merge_equivalent(tensor.values[:3, window], absorber.polarisations)
    return Spectrum(
        tensor.energy[window],
        components,
        energy_reference=tensor.reference,
        polarisations=polarisations,
        quantity=Quantity.IM_EPSILON,
        scale=1.0,
        volume=output.volume,
        # Counted from the core level, the axis is that of the transition energies VASP itself computes with.
        reference_energy=0.0 if tensor.reference is EnergyReference.CORE_LEVEL else None,
        broadening=(BroadeningRecord(Gaussian(_FWHM_PER_SIGMA * sigma), Origin.NUMERICAL, applied_by=output.version),),
    )


def _window(tensor: DielectricTensor) -> slice:
    """Return the points from below the onset to the last that is not zero; VASP's axis is longer by hundreds of eV."""
    filled = np.flatnonzero(tensor.values[:3].any(axis=0))
    low = float(tensor.energy[filled[0]]) - _PRE_EDGE
    first = min(int(np.searchsorted(tensor.energy, low)), max(int(filled[0]) - 1, 0))
    return slice(first, max(int(filled[-1]) + 1, first + 2))


def merge_equivalent(
    diagonal: Float[Array, "3 energy"], polarisations: tuple[Polarisation, ...]
) -> tuple[tuple[Polarisation, ...], Float[Array, "component energy"]]:
    """Return the mean over the directions that the symmetry of the site makes equal, one row each.

    A supercell may be less symmetric than the crystal; the mean is what the crystal would show.

    Args:
        diagonal: Elements xx, yy and zz, shape (3, n_energy).
        polarisations: Inequivalent directions with their weights.
    """
    kept = [p.label for p in polarisations]
    heaviest = max(polarisations, key=lambda p: p.weight).label
    owner = [label if label in kept else heaviest for label in "xyz"]
    rows = [diagonal[[i for i, label in enumerate(owner) if label == name]].mean(axis=0) for name in kept]
    return polarisations, np.array(rows)


def _without_photon_energy(spectrum: Spectrum) -> Spectrum:
    return replace(spectrum, reference_energy=None)
