"""Stores of a few spectra with an edge and lines, each of its own shape."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from jaxtyping import Float

from whiteline.database import DocumentKind, SpectrumDocument, SpectrumStore, SQLiteStore
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

AXIS = np.arange(4960.0, 5010.0, 0.25)
N_STORED = 40
ABSORBERS = ("Ti", "V", "Cr")


def shape(i: int) -> Float[Array, " energy"]:
    """Return an edge with three lines, another one for every `i`, shape (200,)."""
    rng = np.random.default_rng(i)
    curve = 0.5 + np.arctan((AXIS - 4972.0) / 0.8) / np.pi
    for low, high in ((4973.0, 4979.0), (4979.0, 4989.0), (4989.0, 5003.0)):
        centre, width, height = rng.uniform(low, high), rng.uniform(1.0, 4.0), rng.uniform(0.1, 1.0)
        curve += height * np.exp(-(((AXIS - centre) / width) ** 2))
    return np.asarray(curve, dtype=float)


def spectrum_of(curve: Float[Array, " energy"], *, shift: float = 0.0) -> Spectrum:
    """Return a spectrum on the axis of all, moved by `shift` [eV]."""
    return Spectrum(AXIS + shift, curve, energy_reference=EnergyReference.ABSOLUTE)


def document_of(i: int, **changes: Any) -> SpectrumDocument:
    """Return document `i`: of one of three absorbers, every tenth unconverged, every eleventh failed."""
    absorber = ABSORBERS[i % 3]
    partner = ("O", "S")[i % 2]
    status = Status.FAILED if i % 11 == 10 else Status.UNCONVERGED if i % 10 == 9 else Status.CONVERGED
    values: dict[str, Any] = {
        "id": name_of(i),
        "kind": DocumentKind.SITE,
        "spectrum": spectrum_of(shape(i)) if status.has_spectrum else None,
        "status": status,
        "reason": "" if status is Status.CONVERGED else "stopped",
        "absorber": absorber,
        "edge": "K",
        "code": "feff",
        "code_version": "10",
        "fidelity": "feff:fast" if i % 4 else "feff:standard",
        "parameters": {"fms_radius": 4.0 + i % 5},
        "structure_id": f"{i // 2:040x}",
        "structure": {"number": i // 2},
        "formula": f"{absorber}{partner}",
        "chemical_system": "-".join(sorted((absorber, partner))),
        "elements": tuple(sorted((absorber, partner))),
        "space_group": (225, 136)[i % 2],
        "space_group_symbol": ("Fm-3m", "P4_2/mnm")[i % 2],
        "site_id": f"{i:040x}",
        "site_index": i % 2,
        "source": f"mp-{i}",
        "created_at": f"2026-01-{1 + i % 28:02d}T00:00:00+00:00",
    }
    given = {**values, **changes}
    return SpectrumDocument(**{**given, "status": Status(given["status"]), "kind": DocumentKind(given["kind"])})


def name_of(i: int) -> str:
    """Return the id of document `i`."""
    return hashlib.sha256(f"{i}".encode()).hexdigest()[:40]


def fill(store: SpectrumStore, *, n: int = N_STORED, start: int = 0) -> None:
    """Store documents `start` to `start + n`."""
    store.put_many((document_of(i), None) for i in range(start, start + n))


class Samples:
    """The functions above for the tests, which cannot import this file."""

    axis = AXIS
    n_stored = N_STORED
    shape = staticmethod(shape)
    spectrum_of = staticmethod(spectrum_of)
    document_of = staticmethod(document_of)
    name_of = staticmethod(name_of)
    fill = staticmethod(fill)


@pytest.fixture(scope="session")
def samples() -> type[Samples]:
    """What the stores of these tests hold."""
    return Samples


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """A store with the documents 0 to 39."""
    with SQLiteStore(tmp_path / "spectra.db") as opened:
        fill(opened)
        yield opened
