"""Reading vaspout.h5 (VASP 6.5.1 on), whose spectrum is counted from the core level. Needs h5py."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from whiteline.calculators.vasp.hdf5_values import ReadingFailedError, read_values
from whiteline.calculators.vasp.output import CoreHole, DielectricTensor, VaspOutput
from whiteline.errors import MissingDependencyError, ParseError
from whiteline.spectrum import EnergyReference

__all__ = ["read_vaspout"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_RESPONSE = "results/linear_response/XAS"
_POSITIONS = "results/positions"
_INCAR = "input/incar"
_STEPS = "intermediate/ion_dynamics/oszicar"
_IS_CONVERGED = "intermediate/ion_dynamics/electronic_step_converged"
_FERMI = "results/electron_dos/efermi"
_NAMES = (
    *(f"version/{part}" for part in ("major", "minor", "patch")),
    *(f"{_INCAR}/{tag}" for tag in ("NELM", "ICORELEVEL", "CLNT", "CLN", "CLL", "CLZ")),
    *(
        f"{_POSITIONS}/{part}"
        for part in ("number_ion_types", "ion_types", "scale", "lattice_vectors", "position_ions")
    ),
    _STEPS,
    _IS_CONVERGED,
    _FERMI,
    f"{_RESPONSE}_energies_dielectric_function",
    f"{_RESPONSE}_dielectric_function",
)
_DEFAULT_NELM = 60
# Diagonal first, as the OUTCAR has them: xx, yy, zz, xy, yz, zx.
_ELEMENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0))


def read_vaspout(path: Path) -> VaspOutput:
    """Return what the vaspout.h5 of a finished run says.

    Raises:
        MissingDependencyError: h5py is not installed.
        ParseError: The file is no vaspout.h5, is cut off, or lacks a part.
    """
    if find_spec("h5py") is None:
        raise MissingDependencyError(f"reading {path} needs h5py: `pip install h5py`, or keep the OUTCAR beside it")
    try:
        return _read(read_values(path, _NAMES), str(path))
    except KeyError as error:
        raise ParseError(f"{path} lacks a part ({error}): keep the OUTCAR beside it") from error
    except ReadingFailedError as error:
        raise ParseError(f"{path} is no whole HDF5 file ({error}): it is cut off or damaged, run VASP again") from error


def _read(file: Mapping[str, Any], source: str) -> VaspOutput:
    counts = tuple(int(n) for n in _array(file, f"{_POSITIONS}/number_ion_types", source).ravel())
    names = [_text(name) for name in np.asarray(file[f"{_POSITIONS}/ion_types"]).ravel()]
    steps = file.get(_STEPS, ())
    most_steps = int(_tag(file, "NELM", _DEFAULT_NELM))
    scale = float(_array(file, f"{_POSITIONS}/scale", source)) if f"{_POSITIONS}/scale" in file else 1.0
    return VaspOutput(
        source=source,
        version="VASP " + ".".join(str(int(file[f"version/{part}"])) for part in ("major", "minor", "patch")),
        elements=tuple(name.split("_")[0] for name in names),
        counts=counts,
        lattice=scale * _array(file, f"{_POSITIONS}/lattice_vectors", source),
        positions=_array(file, f"{_POSITIONS}/position_ions", source),
        core_hole=_core_hole(file),
        n_steps=len(steps),
        most_steps=most_steps,
        # VASP's flag is 0 where the density converged.
        is_converged=bool(np.all(file[_IS_CONVERGED] == 0)) if _IS_CONVERGED in file else 0 < len(steps) < most_steps,
        fermi_energy=float(file[_FERMI]) if _FERMI in file else None,
        core_energy=None,
        total_energy=None,
        tensor=_tensor(file, source),
    )


def _tensor(file: Mapping[str, Any], source: str) -> DielectricTensor:
    energy = _array(file, f"{_RESPONSE}_energies_dielectric_function", source).ravel()
    values = _array(file, f"{_RESPONSE}_dielectric_function", source)
    if values.shape != (3, 3, energy.size, 2):
        raise ParseError(
            f"{source}: the dielectric function has shape {values.shape}, expected (3, 3, {energy.size}, 2): keep the "
            "OUTCAR beside it"
        )
    tensor = DielectricTensor(energy, np.array([values[i, j, :, 1] for i, j in _ELEMENTS]), EnergyReference.CORE_LEVEL)
    tensor.check(source)
    return tensor


def _core_hole(file: Mapping[str, Any]) -> CoreHole | None:
    if int(_tag(file, "ICORELEVEL", 0)) != 2:
        return None
    return CoreHole(
        int(_tag(file, "CLNT", 1)), int(_tag(file, "CLN", 1)), int(_tag(file, "CLL", 0)), _tag(file, "CLZ", 1.0)
    )


def _tag(file: Mapping[str, Any], name: str, default: float) -> float:
    return float(file[f"{_INCAR}/{name}"]) if f"{_INCAR}/{name}" in file else default


def _array(file: Mapping[str, Any], name: str, source: str) -> Array:
    if name not in file:
        raise ParseError(f"{source} has no {name}: it is not of a core-hole run of VASP 6.5.1 or later")
    return np.asarray(file[name], dtype=float)


def _text(value: object) -> str:
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()
