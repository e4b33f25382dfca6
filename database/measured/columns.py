"""What columns stand for, and how photon energy and absorption are made from them.

The names are those of the dictionary of XDI (https://github.com/XraySpectroscopy/XAS-Data-Interchange) and what
Athena and beamlines write for the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.measured.table import ColumnTable
from whiteline.errors import ParseError, did_you_mean
from whiteline.measured import Signal
from whiteline.units import HBAR_C

__all__ = ["Derivation", "derive", "is_row_of_names", "split_unit"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "energy": ("energy", "e", "en", "ene", "photonenergy", "monoenergy", "energyachieved", "eev"),
        "angle": ("angle", "theta", "monoangle", "braggangle", "bragg"),
        "i0": ("i0", "io", "izero", "monitor"),
        "itrans": ("itrans", "it", "i1", "itr", "itransmission", "transmission"),
        "ifluor": ("ifluor", "if", "iff", "ifl", "ifluorescence", "fluorescence"),
        "irefer": ("irefer", "ir", "i2", "iref", "ireference"),
        "mutrans": ("mutrans", "mutransmission"),
        "mufluor": ("mufluor", "mufluorescence"),
        "murefer": ("murefer", "mureference"),
        "mu": ("mu", "xmu", "mue", "xmue", "absorption", "absorbance", "xas", "intensity"),
        "normtrans": ("normtrans",),
        "normfluor": ("normfluor",),
        "normrefer": ("normrefer",),
        "norm": ("norm", "normalized", "normalised", "normalizedmu", "normalisedmu", "munorm", "normmu", "flat"),
    }
)
_ROLES: Final[Mapping[str, str]] = MappingProxyType({s: role for role, names in _SPELLINGS.items() for s in names})

# In the order of choice where a file has several: first what a program made, then the intensities.
_WAYS: Final[tuple[tuple[Signal, tuple[str, ...]], ...]] = (
    (Signal.TRANSMISSION, ("mutrans",)),
    (Signal.TRANSMISSION, ("i0", "itrans")),
    (Signal.TRANSMISSION, ("normtrans",)),
    (Signal.ABSORPTION, ("mu",)),
    (Signal.FLUORESCENCE, ("mufluor",)),
    (Signal.FLUORESCENCE, ("i0", "ifluor")),
    (Signal.FLUORESCENCE, ("normfluor",)),
    (Signal.NORMALISED, ("norm",)),
    (Signal.REFERENCE, ("murefer",)),
    (Signal.REFERENCE, ("itrans", "irefer")),
    (Signal.REFERENCE, ("normrefer",)),
)
_AXES: Final = frozenset({"energy", "angle"})
_LOWEST_EV = 40.0  # hardly an edge that is measured lies lower; energies in keV without a word of it do
_LARGEST = 1e100  # damaged numbers; their squares still are numbers
_JITTER = 1.0  # median steps that an energy read back may fall


@dataclass(frozen=True, eq=False)
class Derivation:
    """Photon energy and absorption, and how they were made.

    Attributes:
        energy: Strictly increasing photon energy, shape (n_energy,) [eV].
        mu: Absorption, arbitrary units, shape (n_energy,).
        signal: What the detectors saw.
        formula: How `mu` was made, in the names of the file.
        notes: What was done to the points.
    """

    energy: Float[Array, " energy"]
    mu: Float[Array, " energy"]
    signal: Signal
    formula: str
    notes: tuple[str, ...]


def split_unit(label: str) -> tuple[str, str]:
    """Return name and unit of a column: what stands in brackets, or after a space, slash or underscore.

    >>> [split_unit(t) for t in ("energy eV", "Energy (keV)", "energy_ev", "mu(E)", "i0")]
    [('energy', 'eV'), ('Energy', 'keV'), ('energy', 'ev'), ('mu(E)', ''), ('i0', '')]
    """
    match = re.fullmatch(r"(.+?)[\s_/([]+(ev|kev|deg|degrees?|rad|radians?)[\])]?", label.strip(), re.IGNORECASE)
    if match:
        return match[1].strip(), match[2]
    name, _, rest = label.strip().partition(" ")
    return (name, rest.strip()) if _role(name) and not _role(label) else (label.strip(), "")


def is_row_of_names(labels: Iterable[str]) -> bool:
    """Return whether the labels name an energy or an angle, and something that was measured.

    >>> is_row_of_names(["e", "xmu", "bkg"]), is_row_of_names(["energy", "calibrated"])
    (True, False)
    """
    roles = {_role(split_unit(label)[0]) for label in labels} - {None}
    return bool(roles & _AXES) and bool(roles - _AXES)


def derive(table: ColumnTable, *, signal: Signal | None = None, d_spacing: float | None = None) -> Derivation:
    """Return photon energy and absorption of a table.

    mu = ln(i0/itrans) in transmission, ifluor/i0 in fluorescence, ln(itrans/irefer) of the reference behind the
    sample; E = h c / (2 d sin angle) where there is an angle instead of an energy.

    Args:
        table: The columns.
        signal: What to take where the file has several; transmission first when None.
        d_spacing: Distance of the crystal planes of the monochromator [Å].

    Raises:
        ParseError: A column is missing or there twice, intensities have no logarithm, or energies go up and down.
    """
    roles = _roles(table)
    energy = _photon_energy(table, roles, d_spacing)
    found = [(kind, parts) for kind, parts in _WAYS if all(part in roles for part in parts)]
    chosen = [(kind, parts) for kind, parts in found if signal in (None, kind)]
    if not chosen:
        raise ParseError(_nothing_to_take(table, signal, [kind for kind, _ in found]))
    kind, parts = chosen[0]
    mu, formula = _absorption(table, roles, parts)
    if np.max(np.abs(mu)) > _LARGEST:
        row = int(np.argmax(np.abs(mu)))
        raise table.refuse(row, f"{formula} = {mu[row]:g} is no absorption: remove the point")
    if not np.ptp(mu) > 0:
        raise ParseError(f"{table.source}: {formula} is constant at {mu[0]:g}: there is no edge, choose another column")
    others = list(dict.fromkeys(k.value for k, _ in found if k is not kind))
    order, notes = _order(table, energy)
    if others:
        notes += (f"the file has {', '.join(others)} as well (--signal)",)
    energy, mu = energy[order], mu[order]
    unique, place = np.unique(energy, return_inverse=True)
    if len(unique) < len(energy):
        counts = np.bincount(place)
        notes += (f"{np.count_nonzero(counts > 1)} energies that occur more than once were averaged",)
        mu = np.bincount(place, weights=mu) / counts
    return Derivation(unique, np.asarray(mu, dtype=float), kind, formula, notes)


def _role(name: str) -> str | None:
    return _ROLES.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def _roles(table: ColumnTable) -> dict[str, int]:
    roles: dict[str, int] = {}
    for i_column, name in enumerate(table.names):
        role = _role(name)
        if role is None or (role == "norm" and role in roles):
            continue
        if role in roles:
            raise ParseError(
                f"{table.source}: columns {table.names[roles[role]]!r} and {name!r} both mean {role}: say which one to "
                "use by naming the columns, e.g. --columns energy,i0,itrans,-"
            )
        roles[role] = i_column
    return roles


def _photon_energy(table: ColumnTable, roles: Mapping[str, int], d_spacing: float | None) -> Float[Array, " row"]:
    column = roles.get("energy", roles.get("angle"))
    if column is None:
        raise ParseError(
            f"{table.source}: expected a column energy (or angle), got {', '.join(table.names)}: name the columns, "
            "e.g. --columns energy,i0,itrans"
        )
    values, unit = table.data[:, column], table.units[column].lower()
    if "energy" not in roles:
        return _energy_of_angle(table, values, unit, d_spacing)
    if unit not in ("", "ev", "kev"):
        raise ParseError(f"{table.source}: expected photon energies in eV or keV, got {table.units[column]!r}")
    if not unit and float(np.max(values)) < _LOWEST_EV:
        raise ParseError(
            f"{table.source}: energies of {np.min(values):g} to {np.max(values):g} without a unit: they look like keV; "
            "name it, e.g. `# Column.1: energy keV` or --columns energy_kev,mu"
        )
    energy = values * 1000.0 if unit == "kev" else values
    if not float(np.min(energy)) > 0:
        row = int(np.argmin(energy))
        raise table.refuse(row, f"expected photon energies above 0 eV, got {energy[row]:g}: this axis is not absolute")
    return energy


def _energy_of_angle(
    table: ColumnTable, angle: Float[Array, " row"], unit: str, d_spacing: float | None
) -> Float[Array, " row"]:
    if d_spacing is None:
        raise ParseError(
            f"{table.source}: the file has angles and no energies; they convert with the distance of the crystal "
            "planes: add `# Mono.d_spacing: 3.13553` (Å) to its header"
        )
    if unit and not unit.startswith(("deg", "rad")):
        raise ParseError(f"{table.source}: expected angles in degrees or radians, got {unit!r}: convert them first")
    sine = np.sin(angle if unit.startswith("rad") else np.deg2rad(angle))
    if not float(np.min(sine)) > 0:
        row = int(np.argmin(sine))
        raise table.refuse(row, f"expected angles between 0 and 180 degrees, got {angle[row]:g}: are they steps?")
    return np.asarray(np.pi * HBAR_C / (d_spacing * sine), dtype=float)


def _absorption(
    table: ColumnTable, roles: Mapping[str, int], parts: tuple[str, ...]
) -> tuple[Float[Array, " row"], str]:
    names = [table.names[roles[part]] for part in parts]
    first = table.data[:, roles[parts[0]]]
    if len(parts) == 1:
        return first, names[0]
    is_fluorescence = parts[1] == "ifluor"
    second = table.data[:, roles[parts[1]]]
    above, below = (second, first) if is_fluorescence else (first, second)
    over, under = (names[1], names[0]) if is_fluorescence else (names[0], names[1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = above / below
    is_bad = ~np.isfinite(ratio) | (False if is_fluorescence else ratio <= 0)
    if np.any(is_bad):
        row = int(np.argmax(is_bad))
        raise table.refuse(
            row,
            f"{over}/{under} = {above[row]:g}/{below[row]:g} gives no absorption ({np.count_nonzero(is_bad)} such of "
            f"{len(ratio)} points): subtract the dark currents, or remove the points",
        )
    return (ratio, f"{over}/{under}") if is_fluorescence else (np.log(ratio), f"ln({over}/{under})")


def _nothing_to_take(table: ColumnTable, signal: Signal | None, found: list[Signal]) -> str:
    names = ", ".join(table.names)
    if signal is not None and found:
        known = list(dict.fromkeys(kind.value for kind in found))
        return f"{table.source}: no {signal.value} in the columns {names}: {did_you_mean(signal.value, known)}"
    return (
        f"{table.source}: expected absorption (mu, mutrans, mufluor, norm) or intensities (i0 with itrans or ifluor), "
        f"got the columns {names}: name them, e.g. --columns energy,i0,itrans"
    )


def _order(table: ColumnTable, energy: Float[Array, " row"]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """Return the order of the rows by rising energy; small falls are an encoder's, large ones a damaged file's."""
    steps = np.diff(energy)
    rows = np.arange(len(energy))
    if np.all(steps >= 0):
        return rows, ()
    if np.all(steps <= 0):
        return rows[::-1], ("the scan runs downwards in energy and was reversed",)
    is_up = np.median(steps) > 0
    wrong = np.maximum(-steps if is_up else steps, 0.0)
    if np.max(wrong) > _JITTER * np.median(np.abs(steps)):
        row = int(np.argmax(wrong)) + 1
        raise table.refuse(
            row,
            f"the energy goes {'down' if is_up else 'up'} from {energy[row - 1]:g} to {energy[row]:g} eV within a scan "
            f"that goes {'up' if is_up else 'down'}: keep one scan a file, and sort it by energy",
        )
    return np.argsort(energy, kind="stable"), (f"{np.count_nonzero(wrong)} points out of order were sorted",)
