"""A small store with every sort of record: runs, averages, a convergence, a dataset, a model, a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Outcome
from whiteline.database import DocumentKind, SpectrumDocument, open_store
from whiteline.edges import Edge
from whiteline.fingerprint import calculation_id
from whiteline.polarisation import CARTESIAN
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Check, Status
from whiteline.workflows.jobs import material_id, site_document

CIF = b"data_Cu4N\n"
INPUT = b"TITLE Cu4N\nEDGE K\n"
XMU = b"# xmu.dat\n"
MODEL, DATASET = "a" * 64, "b" * 64
LIBRARIES = {"whiteline": "0.1.0", "numpy": "2.4.6"}
PREDICTION = {"model": MODEL, "encoder": "toy:1"}


def two_sites(constant: float = 3.8) -> Structure:
    """Return an antiperovskite with copper at the corner, once, and at the faces, three times."""
    return Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(constant), ["Cu", "Cu", "N"], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5]]
    )


def absorbers(constant: float = 3.8) -> list[Absorber]:
    return find_absorbers(two_sites(constant), "Cu", Edge.K)


def curve(n_component: int = 1, height: float = 1.0) -> Spectrum:
    energy = 8970.0 + np.arange(40.0)
    rows = np.array([height + i + np.arctan(energy - 8985.0) for i in range(n_component)])
    options: dict[str, Any] = {"polarisations": CARTESIAN} if n_component == 3 else {}
    return Spectrum(energy, rows, energy_reference=EnergyReference.ABSOLUTE, scale=1.0, **options)


def site(
    absorber: Absorber, status: Status = Status.CONVERGED, *, radius: float = 6.0, reason: str = ""
) -> SpectrumDocument:
    parameters = {"fms_radius": radius, "l_max": 3}
    outcome = Outcome(
        status,
        spectrum=curve(3) if status.has_spectrum else None,
        reason=reason,
        checks=(Check("scf", status is Status.CONVERGED, "14 iterations"),),
        code_version="FEFF 10.0.0",
    )
    return site_document(
        calculation_id(absorber.site_id, edge=absorber.edge, code="feff", parameters=parameters),
        absorber,
        outcome,
        code="feff",
        parameters=parameters,
        source="crystals/Cu4N.cif",
        fidelity="feff:standard",
    )


def record(
    activity: str, minute: int, used: Mapping[Any, Any], generated: Mapping[Any, Any], **more: Any
) -> ProvenanceRecord:
    values: dict[str, Any] = {
        "code": "whiteline",
        "code_version": "0.1.0",
        "parameters": {},
        "libraries": LIBRARIES,
        "commit": "",
        "host": "node1",
        "system": "Linux",
        "scheduler": {},
        **more,
    }
    return ProvenanceRecord(
        activity=activity,
        used=used,
        generated=generated,
        started_at=f"2026-01-01T00:{minute:02d}:00.000+00:00",
        ended_at=f"2026-01-01T00:{minute:02d}:30.000+00:00",
        **values,
    )


def run_record(document: SpectrumDocument, minute: int, **more: Any) -> ProvenanceRecord:
    return record(
        "feff-site",
        minute,
        {
            Kind.SOURCE: {"crystals/Cu4N.cif": content_checksum(CIF)},
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.INPUT: {"feff.inp": content_checksum(INPUT)},
        },
        {Kind.SPECTRUM: {"spectrum": document.id}, Kind.OUTPUT: {"xmu.dat": content_checksum(XMU)}},
        **{
            "code": "feff",
            "code_version": "FEFF 10.0.0",
            "parameters": document.parameters,
            "executables": {"feff": content_checksum(b"feff")},
            "cores": 1,
            "scheduler": {"SLURM_JOB_ID": "17"},
            **more,
        },
    )


def average(sites: list[SpectrumDocument], minute: int) -> tuple[SpectrumDocument, ProvenanceRecord]:
    shares = [{"id": each.id, "multiplicity": each.multiplicity} for each in sites]
    failed = [each for each in sites if each.spectrum is None]
    document = replace(
        sites[0],
        id=material_id(shares),
        kind=DocumentKind.MATERIAL,
        spectrum=None if failed else curve(),
        status=Status.FAILED if failed else Status.CONVERGED,
        reason="no spectrum of site 1" if failed else "",
        site_id="",
        site_index=None,
        parents=tuple(each.id for each in sites),
    )
    made = record(
        "material-average",
        minute,
        {
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SPECTRUM: {f"site {each.site_index}": each.id for each in sites},
        },
        {Kind.SPECTRUM: {"spectrum": document.id}},
        parameters={"weights": {each["id"]: each["multiplicity"] for each in shares}},
    )
    return document, made


def fill(path: Path) -> Path:
    """Write the store; ids are found again by what the spectra are."""
    with open_store(path) as store:
        good = [site(absorber) for absorber in absorbers()]
        for minute, each in enumerate(good):
            store.put(each, run_record(each, minute), {"feff.inp": INPUT, "out/xmu.dat": XMU})
        store.put(*average(good, 5))

        first, second = absorbers(4.0)
        loose = site(first, Status.UNCONVERGED, reason="SCF stopped after 30 of 30 iterations")
        tried = {"status": "unconverged", "cause": "scf", "reason": loose.reason}
        store.put(loose, run_record(loose, 6, attempts=(tried,)), {"feff.inp": INPUT})
        failed = site(second, Status.FAILED, reason="feff: killed")
        tried = {"status": "failed", "cause": "memory", "reason": failed.reason}
        store.put(failed, run_record(failed, 7, attempts=(tried,)), {"feff.inp": INPUT})
        store.put(*average([loose, failed], 8))

        rungs = [good[0], site(absorbers()[0], radius=7.0)]
        store.put(rungs[1], run_record(rungs[1], 9), {"feff.inp": INPUT})
        converged = replace(site(absorbers()[0], radius=99.0), fidelity="feff:converged", parents=(rungs[1].id,))
        store.put(
            converged,
            record(
                "convergence",
                10,
                {Kind.SPECTRUM: {f"fms_radius {6 + i}": each.id for i, each in enumerate(rungs)}},
                {Kind.SPECTRUM: {"spectrum": converged.id}},
                parameters={"verdict": "converged"},
            ),
        )

        made = record(
            "dataset", 11, {}, {Kind.DATASET: {"copper": DATASET}}, parameters={"seed": 0}, seeds={"split": 0}
        )
        store.put_activity(made, [each.id for each in good])
        store.put_activity(
            record(
                "train-new",
                12,
                {Kind.DATASET: {"dataset": DATASET}, Kind.ENCODER: {"encoder": "toy:1"}},
                {Kind.MODEL: {"model": MODEL}},
            )
        )
        guess = replace(
            site(absorbers(3.9)[0]), id="c" * 40, code="model", fidelity="model:copper", parameters=PREDICTION
        )
        used = {
            Kind.STRUCTURE: {"structure": guess.structure_id},
            Kind.SITE: {"site": guess.site_id},
            Kind.MODEL: {"model": MODEL},
            Kind.ENCODER: {"encoder": "toy:1"},
        }
        generated = {Kind.SPECTRUM: {"spectrum": guess.id}}
        store.put(
            guess,
            record("predict", 13, used, generated, code="model", parameters=PREDICTION),
            {"prediction.json": b"{}"},
        )
    return path
