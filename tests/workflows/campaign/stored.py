"""Crystals as files, and made-up spectra of them whose records say how long they took."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from pymatgen.core import Structure

from tests.workflows.learning.toy import rock_salt, toy_spectrum, two_sites
from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator, Outcome
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.jobs import site_calculation_id, site_document

_STARTED = datetime.fromisoformat("2026-01-05T10:00:00+00:00")


@cache
def crystals() -> dict[str, Structure]:
    """Return crystals with one, two and no site of copper."""
    return {"CuO": rock_salt("Cu", "O"), "Cu4N": two_sites(), "NiO": rock_salt("Ni", "O")}


def write_crystals(folder: Path) -> Path:
    """Write the crystals into a folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, crystal in crystals().items():
        crystal.to(str(folder / f"{name}.cif"), fmt="cif")
    return folder


def feff(preset: str = "fast", **values: object) -> Calculator:
    """Return FEFF with the parameters of a preset."""
    return make_calculator("feff", preset=preset, values=values, settings=Settings.model_construct())


def put_site(
    store: SpectrumStore,
    absorber: Absorber,
    calculator: Calculator,
    *,
    fidelity: str = "feff:fast",
    slowness: float = 1.0,
    status: Status = Status.CONVERGED,
    activity: str = "feff-site",
) -> str:
    """Store a made-up spectrum that took `slowness` times what the formula says; return its id."""
    identity = site_calculation_id(absorber, calculator)
    spectrum = toy_spectrum(absorber) if status.has_spectrum else None
    document = site_document(
        identity,
        absorber,
        Outcome(status, spectrum, "" if status is Status.CONVERGED else "made up"),
        code="feff",
        parameters=calculator.identity(absorber),
        source="made up",
        fidelity=fidelity,
    )
    took = timedelta(seconds=slowness * calculator.estimate(absorber).cpu_time)
    record = ProvenanceRecord(
        activity=activity,
        used={},
        generated={Kind.SPECTRUM: {"spectrum": identity}},
        code="feff",
        code_version="FEFF 10",
        parameters=document.parameters,
        started_at=_STARTED.isoformat(),
        ended_at=(_STARTED + took).isoformat(),
    )
    store.put(document, record)
    return identity


def copper_sites() -> list[Absorber]:
    """Return the three sites of copper."""
    found = crystals()
    return [absorber for name in ("CuO", "Cu4N") for absorber in find_absorbers(found[name], "Cu", Edge.K)]
