"""A store of made-up spectra of real crystals, and an encoder that needs no weights: learning within seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Outcome
from whiteline.database import open_store
from whiteline.database.datasets import Dataset, DatasetGrid, Split, create_dataset
from whiteline.database.documents import SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.edges import Edge, edge_energy
from whiteline.errors import StructureError
from whiteline.fingerprint import calculation_id
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, utc_now
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status
from whiteline.workflows.jobs import material_id, site_document

GRID = "edge-relative -5:25:1"
# What a model learns in a second.
SMALL: dict[str, Any] = {"width": 8, "n_block": 1, "n_epochs": 3, "batch_size": 8}
SMALL_OPTIONS = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]

_PARTNERS = ("N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Sb")


@dataclass(frozen=True)
class ToyEncoder:
    """Numbers of a site that anybody can check: its element, its nearest neighbour, what surrounds it."""

    id: str = "toy:1"
    n_features: int = 4
    elements: frozenset[str] = frozenset(e.symbol for e in Element if e.symbol != "Te")

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[Any]:
        for i, structure in enumerate(structures):
            if unknown := {e.symbol for e in structure.composition.elements} - self.elements:
                raise StructureError(f"structure {i}: the encoder does not know {', '.join(unknown)}")
        return [
            np.array([_features(structure, i) for i in wanted], dtype=np.float32).reshape(-1, 4)
            for structure, wanted in zip(structures, sites, strict=True)
        ]


def _features(structure: Structure, i_site: int) -> list[float]:
    neighbours = structure.get_neighbors(structure[i_site], 4.5)
    distances = [neighbour.nn_distance for neighbour in neighbours]
    numbers = [neighbour.specie.Z for neighbour in neighbours]
    return [structure[i_site].specie.Z, min(distances), float(np.mean(numbers)), structure.volume / len(structure)]


class _Point:
    """An entry point, as an installed package declares it."""

    name = "toy"

    @staticmethod
    def load() -> Any:
        return ToyEncoder


def install_toy_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `make_encoder("toy")` find the encoder in this process."""
    monkeypatch.setattr("whiteline.models.features.encoder.entry_points", lambda **_: [_Point])


def leave_out_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no figures after a training: they take longer than all the rest of it."""
    monkeypatch.setattr("whiteline.workflows.learning.training.write_report", lambda *_: {})


def rock_salt(metal: str, partner: str) -> Structure:
    """Return a crystal whose lattice constant follows from the elements."""
    constant = 4.0 + 0.02 * Element(partner).Z
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(constant), [metal, partner], [[0, 0, 0], [0.5, 0.5, 0.5]])


def two_sites() -> Structure:
    """Return an antiperovskite with copper at the corner, once, and at the faces, three times."""
    return Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(3.8), ["Cu", "Cu", "N"], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5]]
    )


def toy_spectrum(absorber: Absorber) -> Spectrum:
    """Return a step with a white line whose place and height follow from the surroundings."""
    number, distance, mean, _ = _features(absorber.structure, absorber.site_index)
    edge = edge_energy(absorber.element, absorber.edge)
    energy = edge + np.arange(-20.0, 40.0, 0.5)
    line = (0.5 + mean / 30) * np.exp(-(((energy - edge - 20 / distance) / 3) ** 2))
    return Spectrum(
        energy,
        0.05 + 0.01 * number * (0.5 + np.arctan(energy - edge) / np.pi) + line,
        energy_reference=EnergyReference.ABSOLUTE,
        scale=1.0,
    )


def toy_document(absorber: Absorber, *, source: str, fidelity: str = "feff:toy") -> SpectrumDocument:
    """Return the document of a made-up calculation."""
    parameters = {"l_max": 3, "fidelity": fidelity}
    identity = calculation_id(absorber.site_id, edge=absorber.edge, code="feff", parameters=parameters)
    outcome = Outcome(Status.CONVERGED, spectrum=toy_spectrum(absorber), code_version="FEFF 10")
    return site_document(
        identity, absorber, outcome, code="feff", parameters=parameters, source=source, fidelity=fidelity
    )


def fill_store(folder: Path, *, metals: Sequence[str] = ("Cu",), fidelity: str = "feff:toy") -> Path:
    """Write crystals of each metal as files and their spectra, with averages, into `spectra.db`; return that."""
    from dataclasses import replace

    from whiteline.database.documents import DocumentKind

    address = folder / "spectra.db"
    (folder / "crystals").mkdir(parents=True, exist_ok=True)
    crystals = {f"{metal}{partner}": rock_salt(metal, partner) for metal in metals for partner in _PARTNERS}
    if "Cu" in metals:
        crystals["Cu4N"] = two_sites()
    with open_store(str(address)) as store:
        for name, crystal in crystals.items():
            path = folder / "crystals" / f"{name}.cif"
            crystal.to(str(path), fmt="cif")
            sites: list[dict[str, Any]] = []
            metal = "Cu" if name == "Cu4N" else name[:2]
            for absorber in find_absorbers(crystal, metal, Edge.K):
                document = toy_document(absorber, source=str(path), fidelity=fidelity)
                text = f"TITLE {name}\n".encode()
                record = ProvenanceRecord(
                    activity="feff-site",
                    used={
                        Kind.STRUCTURE: {"structure": document.structure_id},
                        Kind.INPUT: {"feff.inp": content_checksum(text)},
                    },
                    generated={Kind.SPECTRUM: {"spectrum": document.id}},
                    code="feff",
                    code_version="FEFF 10",
                    parameters=document.parameters,
                    started_at=utc_now(),
                    ended_at=utc_now(),
                )
                store.put(document, record, {"feff.inp": text})
                sites.append({"id": document.id, "multiplicity": absorber.multiplicity})
            average = replace(
                document,
                id=material_id(sites),
                kind=DocumentKind.MATERIAL,
                site_id="",
                site_index=None,
                parents=tuple(site["id"] for site in sites),
            )
            store.put(average)
    return address


def freeze(address: Path, folder: Path, **query: Any) -> Dataset:
    """Return a frozen dataset of the store, averages and sites together, divided by formula."""
    with open_store(str(address), must_exist=True) as store:
        return create_dataset(
            store,
            SpectrumQuery(**query),
            folder,
            grid=DatasetGrid.parse(GRID),
            split=Split(fractions=(0.6, 0.2, 0.2), seed=1),
        )
